// Types at run time: which are one, what their objects are searched for, and what the macros find by a slice alone.
// valgrind: yes
#include "support.h"

BW_STRUCT(cell, (uintptr_t, number), (void *, pointer));
BW_SLICE(cell);
BW_STRUCT(grid, (int[2][3], numbers), (cell *[2][2], cells), (int (*)[4], array), (int (*)(int), function));
BW_STRUCT(nested, (cell, first), (bw_string, name), (bw_slice(cell), rest), (bw_any, any), (cell[2], both));

// --- two units that have different types of one name ---
// By hand, as the macros leave them: in one the pointer comes first within `inner`, in the other last.

typedef struct two_words {
    uintptr_t words[2];
} two_words;
#define WORD_FIELD(name, at, is_pointer)                                                                               \
    {                                                                                                                  \
        name, is_pointer ? "void *" : "uintptr_t", at, 8, is_pointer ? BW_FIELD_POINTER : BW_FIELD_SCALAR,             \
            is_pointer ? BW_KIND_POINTER : BW_KIND_UINT64, 0, 8                                                        \
    }
#define UNIT(n, pointer_first)                                                                                         \
    static const bw__unit_bounds unit_##n;                                                                             \
    static const bw_field inner_fields_##n[] = {WORD_FIELD("a", 0, pointer_first),                                     \
                                                WORD_FIELD("b", 8, !pointer_first)};                                   \
    static const bw_field outer_fields_##n[] = {{"in", "inner", 0, 16, BW_FIELD_AMBIGUOUS, BW_KIND_OPAQUE, 0, 8}};     \
    static const bw__description inner_##n = {                                                                         \
        "inner", 16, 8, inner_fields_##n, 2, BW_KIND_STRUCT, &unit_##n, 0, false};                                     \
    static const bw__description outer_##n = {                                                                         \
        "outer", 16, 8, outer_fields_##n, 1, BW_KIND_STRUCT, &unit_##n, 0, false};                                     \
    static const bw__description *list_##n[] = {&inner_##n, &outer_##n};                                               \
    static const bw__unit_bounds unit_##n = {list_##n, list_##n + 2, NULL, NULL};                                      \
    static bw__site site_##n = {                                                                                       \
        0, 0, NULL, {NULL, "outer", 16, 8, BW_FIELD_AMBIGUOUS, BW_KIND_OPAQUE, 0, &unit_##n, 0}};
UNIT(one, true)
UNIT(two, false)
UNIT(three, true)

enum { OBJECTS = 200 };
static two_words *firsts[OBJECTS], *seconds[OBJECTS];
static bw_weak in_first[OBJECTS][2], in_second[OBJECTS][2];

static void *target(bw_weak *weak) {
    void *object = bw_alloc_noscan(32);
    *weak = bw_weak_make(object);
    return object;
}

static NOINLINE void make_both(void) {
    for (int i = 0; i < OBJECTS; i++) {
        firsts[i] = bw__new(&site_one, 16);
        seconds[i] = bw__new(&site_two, 16);
        for (int word = 0; word < 2; word++) {
            firsts[i]->words[word] = (uintptr_t)target(&in_first[i][word]);
            seconds[i]->words[word] = (uintptr_t)target(&in_second[i][word]);
        }
    }
}

static size_t alive(bw_weak (*weaks)[2], int word) {
    size_t count = 0;
    for (int i = 0; i < OBJECTS; i++)
        count += bw_weak_get(weaks[i][word]) != NULL;
    return count;
}

static void test_types_of_one_name(void **state) {
    (void)state;
    make_both();
    collect_clean();
    assert_int_equal(alive(in_first, 0), OBJECTS);
    assert_int_equal(alive(in_second, 1), OBJECTS);
    assert_in_range(alive(in_first, 1), 0, 2);
    assert_in_range(alive(in_second, 0), 0, 2);
    assert_non_null(bw__new_slow(&site_three));
    assert_ptr_not_equal(site_one.type.type, site_two.type.type);
    assert_ptr_equal(site_one.type.type, site_three.type.type);
}

// --- names and kinds ---

static void test_arrays_and_pointers(void **state) {
    (void)state;
    const bw_type *type = bw_type_of(grid);
    assert_string_equal(type->fields[0].type->name, "[2][3]int");
    assert_string_equal(type->fields[1].type->name, "[2][2]*cell");
    assert_int_equal(type->fields[1].type->element->count, 2);
    assert_ptr_equal(type->fields[1].type->element->element, bw_type_of(cell *));
    assert_int_equal(type->fields[2].type->kind, BW_KIND_POINTER);
    assert_int_equal(type->fields[3].type->kind, BW_KIND_POINTER);
    assert_int_equal(bw_type_of(int(*)[2])->kind, BW_KIND_POINTER);
    assert_ptr_equal(bw_type_of(int[2][3]), type->fields[0].type);
    assert_string_equal(bw_type_of(char *const *)->name, "**char");
    // An interface of the library's own.
    assert_int_equal(bw_type_of(bw_unwrapper)->kind, BW_KIND_INTERFACE);
    bw_unwrapper unwrapper;
    assert_true(bw_assert_ok(bw_unwrapper, bw_errorf("%w", bw_errors_new("inner")), &unwrapper));
}

typedef int (*row)[2];
static NOINLINE row *make_row(bw_weak *weak) {
    row *holder = bw_new(row);
    *holder = bw_alloc_noscan(64);
    *weak = bw_weak_make(*holder);
    return holder;
}
static void test_pointer_to_array_is_searched(void **state) {
    (void)state;
    bw_weak weaks[50];
    row *holders[50];
    for (int i = 0; i < 50; i++)
        holders[i] = make_row(&weaks[i]);
    collect_clean();
    for (int i = 0; i < 50; i++)
        assert_ptr_equal(bw_weak_get(weaks[i]), *holders[i]);
}

// --- precisely ---

// What is searched of a described struct within a struct, of strings, slices and values of any type.
static void test_nested_map(void **state) {
    (void)state;
    static const bool searched[] = {
        false, true,               // first: number, pointer
        true,  false,              // name
        true,  false, false,       // rest
        false, true,               // any
        false, true,  false, true, // both
    };
    assert_int_equal(sizeof(nested) / 8, COUNT_OF(searched));
    nested *n = bw_new(nested);
    bw_weak weaks[COUNT_OF(searched)];
    for (size_t i = 0; i < COUNT_OF(searched); i++) {
        void *object = target(&weaks[i]);
        memcpy((char *)n + 8 * i, &object, sizeof object);
        object = NULL;
    }
    collect_clean();
    size_t kept = 0;
    for (size_t i = 0; i < COUNT_OF(searched); i++) {
        if (searched[i])
            CHECK(bw_weak_get(weaks[i]) != NULL, "word %zu", i);
        else
            kept += bw_weak_get(weaks[i]) != NULL;
    }
    assert_in_range(kept, 0, 1); // what the last call left in a register
    memset(n, 0, sizeof *n);
}

// Appending finds the type of the elements by the slice.
static bw_weak hidden[2000], shown_by[2000];
static NOINLINE bw_slice(cell) append_cells(void) {
    bw_slice(cell) cells = {0};
    for (int i = 0; i < 2000; i++) {
        cell c = {(uintptr_t)target(&hidden[i]), target(&shown_by[i])};
        cells = bw_append(cells, c);
    }
    return bw_clone(bw_append_slice((bw_slice(cell)){0}, cells));
}
static void test_appended_elements(void **state) {
    (void)state;
    bw_slice(cell) cells = append_cells();
    collect_clean();
    size_t kept = 0;
    for (int i = 0; i < 2000; i++) {
        CHECK(bw_weak_get(shown_by[i]) == bw_at(cells, i).pointer);
        kept += bw_weak_get(hidden[i]) != NULL;
    }
    assert_in_range(kept, 0, 20);
    assert_true(bw_str_eq(bw_sprintf("%T", cells), bw_str("[]cell")));
}

// A copy of a C string grows like any array.
static void child_realloc(void) {
    char *text = bw_cstr(bw_str("text"));
    text = bw_realloc(text, 5000);
    exit(strcmp(text, "text") == 0 ? 0 : 1);
}
// The layouts of Burrow's own kinds of values, drawn.
BW_MAP(cell_map, bw_string, int);
static void child_dump(void) {
    bw_dump_layout(bw_slice(cell));
    bw_dump_layout(cell_map);
    bw_dump_layout(nested);
}
static const char drawn[] =
    "[]cell: 24 bytes, align 8, 1 of 3 words scanned (by its type)\n"
    "  offset   size  field            type\n"
    "       0      8  ptr              *cell  pointer\n"
    "       8      8  len              ptrdiff_t\n"
    "      16      8  cap              ptrdiff_t\n"
    "  elements of 16 bytes, one behind the other\n"
    "  slot 32 bytes, 8 lost; many to a span\n"
    "map[string]int: 8 bytes, align 8, 1 of 1 words scanned (by its type)\n"
    "  offset   size  field            type\n"
    "       0      8  map              the map's record, its directory, its tables  pointer\n"
    "  a group of 7 entries, 176 bytes:\n"
    "       0      8  control          a tag for each entry, what went on from here\n"
    "       8     16  key              string\n"
    "      24      4  value            int\n"
    "  and so on every 24 bytes; tables of 1 2 4 10 18 36 72 142 groups, the last of 25024 bytes for "
    "903 entries\n"
    "  slot 16 bytes, 8 lost; many to a span\n"
    "nested: 104 bytes, align 8, 6 of 13 words scanned (by its description)\n"
    "  offset   size  field            type\n"
    "       0     16  first            cell  1 of 2 words\n"
    "      16     16  name             bw_string  1 of 2 words\n"
    "      32     24  rest             struct bw_slice_cell  1 of 3 words\n"
    "      56     16  any              bw_any  1 of 2 words\n"
    "      72     32  both             cell[2]  2 of 4 words\n"
    "  slot 112 bytes, 8 lost; many to a span\n";
static const struct child children[] = {{"realloc", child_realloc}, {"dump", child_dump}};
static void test_drawn(void **state) {
    (void)state;
    static struct outcome outcome;
    assert_succeeded("dump", NULL, &outcome);
    assert_string_equal(outcome.out, drawn);
}
static void test_realloc_first(void **state) {
    (void)state;
    assert_succeeded("realloc", NULL, NULL);
}

// Asking again and again costs no memory.
BW_INTERFACE(never_implemented, (int, nothing));
static void test_answers_are_kept(void **state) {
    (void)state;
    bw_any anys[] = {bw_any_as(cell *, NULL),  bw_any_as(grid *, NULL),  bw_any_as(nested *, NULL),
                     bw_any_as(cell **, NULL), bw_any_as(grid **, NULL), bw_any_as(nested **, NULL),
                     bw_any_as(int *, NULL),   bw_any_as(long *, NULL)};
    bw_mem_stats before, after;
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < COUNT_OF(anys); i++)
            CHECK(!bw_is(never_implemented, anys[i]) && !bw_is(bw_error, anys[i]) && !bw_is(bw_stringer, anys[i]));
        if (round == 10)
            bw_read_mem_stats(&before);
    }
    bw_read_mem_stats(&after);
    assert_int_equal(after.other_sys, before.other_sys);
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_of_one_name),
        cmocka_unit_test(test_arrays_and_pointers),
        cmocka_unit_test(test_pointer_to_array_is_searched),
        cmocka_unit_test(test_nested_map),
        cmocka_unit_test(test_appended_elements),
        cmocka_unit_test(test_realloc_first),
        cmocka_unit_test(test_answers_are_kept),
        cmocka_unit_test(test_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
