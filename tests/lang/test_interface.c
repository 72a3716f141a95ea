// Interfaces and values of any type: what is held, asked, compared, converted; the words of failed conversions.
// valgrind: yes
#include "support.h"

BW_INTERFACE(Shape, (double, area), (void, scale, double));
BW_INTERFACE(Named, (bw_string, name));
BW_INTERFACE(Wide, (int64_t, sum, int8_t, short, int, long, float, double, bw_string, char));

BW_STRUCT(Circle, (double, radius));
static double Circle_area(Circle *c) {
    return 3 * c->radius * c->radius;
}
static void Circle_scale(Circle *c, double by) {
    c->radius *= by;
}
static bw_string Circle_name(Circle *c) {
    (void)c;
    return bw_str("circle");
}
BW_IMPL(Shape, Circle, (double, area), (void, scale, double));
BW_IMPL(Named, Circle, (bw_string, name));

BW_STRUCT(Square, (double, side), (struct Square *, inner));
static double Square_area(Square *s) {
    return s->side * s->side;
}
static void Square_scale(Square *s, double by) {
    s->side *= by;
}
BW_IMPL(Shape, Square, (double, area), (void, scale, double));

BW_STRUCT(Adder, (int64_t, start));
static int64_t Adder_sum(Adder *a, int8_t b, short c, int d, long e, float f, double g, bw_string h, char i) {
    return a->start + b + c + d + e + (int64_t)f + (int64_t)g + h.len + i;
}
BW_IMPL(Wide, Adder, (int64_t, sum, int8_t, short, int, long, float, double, bw_string, char));

BW_STRUCT(pair, (int, a), (bw_string, b));
BW_STRUCT(with_slice, (bw_slice(int), items));
BW_MAP(int_map, int, int);
BW_SLICE(pair);
typedef pair *pair_ptr;

static Circle *circle(double radius) {
    Circle *c = bw_new(Circle);
    c->radius = radius;
    return c;
}

static void test_calls(void **state) {
    (void)state;
    Circle *c = circle(2);
    Shape s = bw_as(Shape, Circle, c);
    bw_call(s, scale, 2);
    assert_true(c->radius == 4 && bw_call(s, area) == 48);
    Square *q = bw_new(Square);
    q->side = 3;
    s = bw_as(Shape, Square, q);
    assert_true(bw_call(s, area) == 9);
    Adder *a = bw_new(Adder);
    a->start = 1000;
    Wide w = bw_as(Wide, Adder, a);
    assert_int_equal(bw_call(w, sum, -1, 2, 3, 4, 5.5f, 6, bw_str("seven"), 'a'),
                     1000 - 1 + 2 + 3 + 4 + 5 + 6 + 5 + 'a');
}

static void test_any_of(void **state) {
    (void)state;
    short small = -7;
    enum color { RED, GREEN } color = GREEN;
    char text[] = "changes";
    bw_any values[] = {bw_any_of(1),        bw_any_of(small),       bw_any_of(2.5),          bw_any_of(1.5f),
                       bw_any_of('c'),      bw_any_of((bool)true),  bw_any_of(text),         bw_any_of(1ull),
                       bw_any_of(color),    bw_any_of(bw_str("s")), bw_any_of((void *)text), bw_any_of(-1L),
                       bw_any_as(char, 'x')};
    static const char *const names[] = {"int",    "int16", "float64", "float32",        "int",   "bool", "string",
                                        "uint64", "uint",  "string",  "unsafe.Pointer", "int64", "char"};
    text[0] = '?';
    for (size_t i = 0; i < COUNT_OF(values); i++)
        assert_string_equal(bw_type_string(values[i]), names[i]);
    assert_int_equal(bw_assert_type(int, values[0]), 1);
    assert_int_equal(bw_assert_type(short, values[1]), -7);
    assert_true(bw_assert_type(double, values[2]) == 2.5 && bw_assert_type(float, values[3]) == 1.5f);
    assert_true(bw_str_eq(bw_assert_type(bw_string, values[6]), bw_str("changes")));
    assert_true(bw_assert_type(long, values[11]) == -1);
    assert_true(bw_assert_type(void *, values[10]) == text);
    // What holds something gives what it holds.
    bw_any again = bw_any_of(bw_any_of(bw_any_of(3)));
    assert_true(bw_is(int, again));
    Circle *c = circle(1);
    bw_any held = bw_any_of(bw_as(Shape, Circle, c));
    assert_string_equal(bw_type_string(held), "*Circle");
    assert_ptr_equal(bw_assert_type(Circle *, held), c);
    bw_any nothing = bw_any_of(bw_make(Shape));
    assert_true(bw_is_nil(nothing));
    assert_string_equal(bw_type_string(nothing), "<nil>");
    bw_any error = bw_any_of(bw_errors_new("text"));
    assert_true(bw_is(bw_error, error) && !bw_is(Shape, error));
}

static void test_named_types(void **state) {
    (void)state;
    pair p = {7, bw_str("seven")};
    bw_any boxed = bw_any_as(pair, p);
    p.a = 8;
    assert_int_equal(bw_assert_type(pair, boxed).a, 7);
    assert_string_equal(bw_type_string(boxed), "pair");
    bw_any pointer = bw_any_as(pair *, &p);
    assert_string_equal(bw_type_string(pointer), "*pair");
    assert_ptr_equal(bw_assert_type(struct pair *, pointer), &p);
    bw_any slice = bw_any_as(bw_slice(int), bw_slice_of(int, 1, 2));
    assert_string_equal(bw_type_string(slice), "[]int");
    assert_int_equal(bw_at(bw_assert_type(bw_slice(int), slice), 1), 2);
    bw_any pairs = bw_any_as(bw_slice(pair), bw_make_slice(pair, 2));
    assert_string_equal(bw_type_string(pairs), "[]pair");
    int_map m = bw_make_map(int_map);
    bw_put(m, 1) = 5;
    bw_any map = bw_any_as(int_map, m);
    assert_string_equal(bw_type_string(map), "map[int]int");
    int_map back = bw_assert_type(int_map, map);
    assert_int_equal(bw_get(back, 1), 5);
    assert_string_equal(bw_type_of(char **)->name, "**char");
    assert_string_equal(bw_type_of(const pair *)->name, "*pair");
    assert_ptr_equal(bw_type_of(const pair *), bw_type_of(pair *));
    assert_string_equal(bw_type_of(int[3])->name, "[3]int");
    assert_ptr_equal(bw_type_of(unsigned long), bw_type_of(size_t));
    const bw_type *type = bw_type_of(pair);
    assert_true(type->kind == BW_KIND_STRUCT && type->field_count == 2 && type->size == sizeof(pair));
    assert_string_equal(type->fields[1].name, "b");
    assert_ptr_equal(type->fields[1].type, bw_type_of(bw_string));
    assert_ptr_equal(bw_type_of(Square)->fields[1].type, bw_type_of(Square *));
    assert_ptr_equal(bw_type_of(with_slice)->fields[0].type, bw_type_of(bw_slice(int)));
}

static void test_asking(void **state) {
    (void)state;
    Circle *c = circle(1);
    Shape s = bw_as(Shape, Circle, c);
    bw_any a = bw_any_of(s);
    assert_true(bw_is(Circle *, s) && bw_is(Circle, s) && !bw_is(Square *, s) && !bw_is(Square, s));
    assert_true(bw_is(Circle *, a) && !bw_is(Circle, a));
    assert_true(bw_is(Shape, a) && bw_is(Named, s) && !bw_is(Wide, a));
    assert_true(bw_is(bw_any, a));
    Named n;
    assert_true(bw_assert_ok(Named, s, &n));
    assert_true(bw_str_eq(bw_call(n, name), bw_str("circle")));
    Shape t = bw_assert_type(Shape, n);
    assert_true(bw_call(t, area) == 3);
    Wide w = {(void *)1, (void *)1};
    assert_false(bw_assert_ok(Wide, s, &w));
    assert_true(w.bw__table == NULL && w.bw__data == NULL);
    Circle copy = bw_assert_type(Circle, s);
    assert_true(copy.radius == 1);
    int number = 5;
    assert_false(bw_assert_ok(int, bw_any_of(2.5), &number));
    assert_int_equal(number, 0);
    assert_true(bw_assert_ok(int, bw_any_of(9), &number));
    assert_int_equal(number, 9);
    Square *q = bw_new(Square);
    assert_false(bw_is(Named, bw_as(Shape, Square, q)));
    assert_false(bw_is(int, ((bw_any){0})));
    assert_false(bw_is(Shape, ((bw_any){0})));
}

static const char *kind_of(bw_any a) {
    bw_type_switch(a) {
        bw_case_nil return "nil";
        bw_case(int, n) return n == 1 ? "one" : "int";
        bw_case(bw_string, s) {
            if (s.len == 0)
                break;
            return "string";
        }
        bw_case(Named, n) return bw_call(n, name).ptr;
        bw_case(Shape, s) return bw_call(s, area) > 0 ? "shape" : "point";
        bw_case_default return "other";
    }
    return "empty";
}
static void test_switch(void **state) {
    (void)state;
    assert_string_equal(kind_of((bw_any){0}), "nil");
    assert_string_equal(kind_of(bw_any_of(1)), "one");
    assert_string_equal(kind_of(bw_any_of("x")), "string");
    assert_string_equal(kind_of(bw_any_of("")), "empty");
    assert_string_equal(kind_of(bw_any_of(bw_as(Shape, Circle, circle(1)))), "circle");
    Square *q = bw_new(Square);
    assert_string_equal(kind_of(bw_any_of(bw_as(Shape, Square, q))), "point");
    assert_string_equal(kind_of(bw_any_of(1u)), "other");
    int taken = 0;
    bw_type_switch(bw_as(Shape, Square, q)) {
        bw_case(Circle *, c) taken = 1;
        bw_case(Square *, s) {
            taken += 2;
            assert_ptr_equal(s, q);
        }
        bw_case(Square *, s) taken += 10;
        bw_case_default taken += 100;
    }
    assert_int_equal(taken, 2);
}

static void test_comparing(void **state) {
    (void)state;
    pair p = {1, bw_str("one")}, q = {1, bw_string_of("one")};
    assert_true(bw_eq(bw_any_of(1), bw_any_of(1)) && !bw_eq(bw_any_of(1), bw_any_of(1L)));
    assert_true(bw_eq(bw_any_of("a"), bw_any_of(bw_str("a"))) && !bw_eq(bw_any_of("a"), bw_any_of("b")));
    assert_true(bw_eq(bw_any_as(pair, p), bw_any_as(pair, q)));
    q.a = 2;
    assert_false(bw_eq(bw_any_as(pair, p), bw_any_as(pair, q)));
    assert_true(bw_eq(((bw_any){0}), ((bw_any){0})) && !bw_eq(((bw_any){0}), bw_any_of(0)));
    double nan = 0.0 / 0.0;
    assert_false(bw_eq(bw_any_of(nan), bw_any_of(nan)));
    assert_true(bw_eq(bw_any_of(0.0), bw_any_of(-0.0)));
    Circle *c = circle(1), *d = circle(1);
    assert_true(bw_eq(bw_as(Shape, Circle, c), bw_as(Named, Circle, c)));
    assert_false(bw_eq(bw_as(Shape, Circle, c), bw_as(Shape, Circle, d)));
    assert_true(bw_eq(bw_any_of(bw_as(Shape, Circle, c)), bw_as(Shape, Circle, c)));
}

// What a bw_any or an interface value holds lives.
static void test_held_lives(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    bw_slice(bw_any) anys = {0};
    for (int i = 0; i < COUNT; i++) {
        Circle *c = circle(i);
        anys = bw_append(anys, i % 3 == 0   ? bw_any_of(bw_as(Shape, Circle, c))
                               : i % 3 == 1 ? bw_any_as(pair, ((pair){i, bw_itoa(i)}))
                                            : bw_any_as(Circle *, c));
    }
    collect_clean();
    bw_range(i, a, anys) {
        if (i % 3 == 1)
            CHECK(bw_str_eq(bw_assert_type(pair, a).b, bw_itoa((int)i)));
        else
            CHECK(bw_assert_type(Circle *, a)->radius == (double)i);
    }
}

// Values that fit a word are not on the heap; larger ones are, once.
static void test_boxing(void **state) {
    (void)state;
    bw_ledger_t before, after;
    bw_any anys[100];
    anys[0] = bw_any_as(pair, (pair){0});
    bw_ledger(&before);
    for (int i = 0; i < 100; i++)
        anys[i] = bw_any_of(i);
    for (int i = 0; i < 100; i++)
        anys[i] = bw_any_of((double)i);
    for (int i = 0; i < 100; i++)
        anys[i] = bw_any_as(pair *, (pair *)NULL);
    bw_ledger(&after);
    assert_int_equal(after.alloc.objects, before.alloc.objects);
    for (int i = 0; i < 100; i++)
        anys[i] = bw_any_as(pair, ((pair){i, {NULL, 0}}));
    bw_ledger(&after);
    assert_int_equal(after.alloc.objects, before.alloc.objects + 100);
    assert_true(after.interface_.objects >= 100);
    assert_int_equal(bw_assert_type(pair, anys[42]).a, 42);
}

// --- the words ---

static bw_any text_any(void) {
    return bw_any_of("text");
}
static volatile int used;
static void child_string_not_int(void) {
    used = bw_assert_type(int, text_any());
}
static void child_nil_not_int(void) {
    used = bw_assert_type(int, bw_make(bw_any));
}
static void child_circle_not_square(void) {
    Shape s = bw_as(Shape, Circle, circle(1));
    used = bw_assert_type(Square *, s)->side > 0;
}
static void child_missing_method(void) {
    Shape s = bw_as(Shape, Square, bw_new(Square));
    Named n = bw_assert_type(Named, s);
    used = n.bw__data != NULL;
}
static void child_nil_interface(void) {
    Shape s = bw_make(Shape);
    Named n = bw_assert_type(Named, s);
    used = n.bw__data != NULL;
}
static void child_uncomparable(void) {
    bw_any a = bw_any_as(bw_slice(int), bw_make_slice(int, 1));
    used = bw_eq(a, a);
}
static void child_uncomparable_field(void) {
    bw_any a = bw_any_as(with_slice, bw_make(with_slice));
    used = bw_eq(a, a);
}
static Shape nobody;
Shape *not_constant(void);
Shape *not_constant(void) {
    return &nobody;
}
static void child_nil_call(void) {
    used = (int)circle(1)->radius; // the library is at work from the first allocation on
    used = bw_call(*not_constant(), area) > 0;
}
static const struct child children[] = {
    {"string_not_int", child_string_not_int},         {"nil_not_int", child_nil_not_int},
    {"circle_not_square", child_circle_not_square},   {"missing_method", child_missing_method},
    {"nil_interface", child_nil_interface},           {"uncomparable", child_uncomparable},
    {"uncomparable_field", child_uncomparable_field}, {"nil_call", child_nil_call},
};

static void test_panics(void **state) {
    (void)state;
    assert_died("string_not_int", "panic: interface conversion: interface {} is string, not int");
    assert_died("nil_not_int", "panic: interface conversion: interface {} is nil, not int");
    assert_died("circle_not_square", "panic: interface conversion: Shape is *Circle, not *Square");
    assert_died("missing_method", "panic: interface conversion: *Square is not Named: missing method name");
    assert_died("nil_interface", "panic: interface conversion: interface is nil, not Named");
    assert_died("uncomparable", "panic: runtime error: comparing uncomparable type []int");
    assert_died("uncomparable_field", "panic: runtime error: comparing uncomparable type []int");
    if (!UNDER_SANITIZER) // which tells of it first
        assert_died("nil_call", "panic: runtime error: invalid memory address or nil pointer dereference");
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),      cmocka_unit_test(test_any_of), cmocka_unit_test(test_named_types),
        cmocka_unit_test(test_asking),     cmocka_unit_test(test_switch), cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_held_lives), cmocka_unit_test(test_boxing), cmocka_unit_test(test_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
