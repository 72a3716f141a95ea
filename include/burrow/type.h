/* burrow/type.h - describing C structs to the collector.
 *
 * A described type is scanned precisely: only its pointer fields are followed. A type that nobody described works too
 * and is scanned conservatively: every aligned word that looks like a pointer counts as one. Example:
 *
 *     BW_STRUCT(node, (struct node *, left), (struct node *, right), (int, value));
 *
 * declares `struct node`, a typedef `node`, and its description. A field is (type, name); an array is (int[4], name). A
 * struct that exists already is described, at file scope, by naming all its fields. Example:
 *
 *     struct pair { void *first; long second; };
 *     BW_TYPE(pair, first, second);
 *
 * (`pair` is a tag here; BW_TYPEDEF(T, field...) does the same for a typedef name.)
 *
 * What a description says is not searched must not hold the only pointer to an object: an integer field, say. A pointer
 * field that BW_TYPE does not name is still seen, because bytes that no field covers are scanned conservatively, if
 * there are enough of them for a pointer; a union, or a struct within the struct, is scanned conservatively as well.
 *
 * bw_new(T) finds the description by the name written in T, in the same translation unit: `bw_new(node)` and
 * `bw_new(struct node)` both find it; through a typedef of another name the type is scanned conservatively, which is
 * always correct and only a little slower.
 */
#ifndef BURROW_TYPE_H
#define BURROW_TYPE_H

#include <burrow/base.h>

/* How a field's words are scanned. */
enum bw_field_class {
    BW_FIELD_SCALAR = 0,    /* never */
    BW_FIELD_POINTER = 1,   /* every word is a pointer or NULL */
    BW_FIELD_AMBIGUOUS = 2, /* words that may or may not be pointers */
};

typedef struct bw_field {
    const char *name;
    const char *type_name; /* as written by BW_STRUCT; NULL from BW_TYPE */
    uint32_t offset;       /* bytes from the start of the struct */
    uint32_t size;         /* bytes */
    uint32_t field_class;  /* enum bw_field_class */
} bw_field;

/* A type's description. Made by the macros below; constant. */
typedef struct bw_type {
    const char *name; /* without "struct" */
    size_t size;
    size_t align;
    const bw_field *fields;
    uint32_t field_count;
    uint32_t flags;
    const void *unit; /* the translation unit it was declared in */
} bw_type;

/* Stands for this translation unit. */
static char bw__unit __attribute__((unused));

#if defined(__cplusplus)
/* C++ programs use the untyped interface. */
#else

/* --- applying a macro to each argument, up to 365 of them --- */
#define BW__PARENS ()
#define BW__EXPAND(...) BW__EXPAND4(BW__EXPAND4(BW__EXPAND4(__VA_ARGS__)))
#define BW__EXPAND4(...) BW__EXPAND3(BW__EXPAND3(BW__EXPAND3(__VA_ARGS__)))
#define BW__EXPAND3(...) BW__EXPAND2(BW__EXPAND2(BW__EXPAND2(__VA_ARGS__)))
#define BW__EXPAND2(...) BW__EXPAND1(BW__EXPAND1(BW__EXPAND1(__VA_ARGS__)))
#define BW__EXPAND1(...) __VA_ARGS__
#define BW__FOR_EACH(macro, context, ...) __VA_OPT__(BW__EXPAND(BW__FOR_EACH_STEP(macro, context, __VA_ARGS__)))
#define BW__FOR_EACH_STEP(macro, context, first, ...)                                                                  \
    macro(context, first) __VA_OPT__(BW__FOR_EACH_AGAIN BW__PARENS(macro, context, __VA_ARGS__))
#define BW__FOR_EACH_AGAIN() BW__FOR_EACH_STEP

/* --- what kind of words a C type holds, as a constant expression ---
 * __builtin_classify_type gives 5 for pointers and, because they decay, for arrays; 12 and 13 for structs and
 * unions. */
#define BW__LVALUE(T) (*(__typeof__(T) *)0)
#define BW__DECAYED(T) __typeof__((void)0, BW__LVALUE(T))
#define BW__IS_ARRAY(T)                                                                                                \
    (__builtin_classify_type(BW__LVALUE(T)) == 5 && !__builtin_types_compatible_p(__typeof__(T), BW__DECAYED(T)))
#define BW__ELEMENT(T) (*(__typeof__((void)0, __builtin_choose_expr(BW__IS_ARRAY(T), BW__LVALUE(T), (int *)0)))0)
#define BW__CLASS_OF_VALUE(code) ((code) == 5 ? BW_FIELD_POINTER : (code) >= 12 ? BW_FIELD_AMBIGUOUS : BW_FIELD_SCALAR)
#define BW__ELEMENT_CLASS(T)                                                                                           \
    (__builtin_classify_type(BW__ELEMENT(T)) == 5 &&                                                                   \
             !__builtin_types_compatible_p(__typeof__(BW__ELEMENT(T)), __typeof__((void)0, BW__ELEMENT(T)))            \
         ? BW_FIELD_AMBIGUOUS                                                                                          \
         : BW__CLASS_OF_VALUE(__builtin_classify_type(BW__ELEMENT(T))))
#define BW__CLASS_OF(T)                                                                                                \
    (BW__IS_ARRAY(T) ? BW__ELEMENT_CLASS(T) : BW__CLASS_OF_VALUE(__builtin_classify_type(BW__LVALUE(T))))

#define BW__UNWRAP(...) __VA_ARGS__
#define BW__FIELD_DECLARE(T, tuple) BW__FIELD_DECLARE_ tuple
#define BW__FIELD_DECLARE_(type, field) __typeof__(type) field;
#define BW__FIELD_DESCRIBE(T, tuple) BW__FIELD_DESCRIBE1(T, BW__UNWRAP tuple)
#define BW__FIELD_DESCRIBE1(T, ...) BW__FIELD_DESCRIBE2(T, __VA_ARGS__)
#define BW__FIELD_DESCRIBE2(T, ftype, field)                                                                           \
    {#field, #ftype, (uint32_t) __builtin_offsetof(T, field), (uint32_t)sizeof(BW__LVALUE(T).field),                   \
     BW__CLASS_OF(ftype)},
#define BW__FIELD_EXISTING(T, field)                                                                                   \
    {#field, NULL, (uint32_t) __builtin_offsetof(T, field), (uint32_t)sizeof(BW__LVALUE(T).field),                     \
     BW__CLASS_OF(__typeof__(BW__LVALUE(T).field))},

/* A field's name must be one name: (int, a[4]) is an error here; an array is (int[4], a). */
#define BW__FIELD_CHECK(tag, tuple) BW__FIELD_CHECK1(tag, BW__UNWRAP tuple)
#define BW__FIELD_CHECK1(tag, ...) BW__FIELD_CHECK2(tag, __VA_ARGS__)
#define BW__FIELD_CHECK2(tag, ftype, field) bw__field_of_##tag##_##field,

#define BW__DESCRIBE(T, tag)                                                                                           \
    static const bw_type bw__type_##tag = {                                                                            \
        #tag, sizeof(T), _Alignof(T), bw__fields_##tag, sizeof(bw__fields_##tag) / sizeof(bw_field), 0, &bw__unit};    \
    static const bw_type *bw__type_entry_##tag __attribute__((section("bw_types"), used)) = &bw__type_##tag

/* Declares `struct name`, `typedef struct name name`, and its description. File scope; end with a semicolon. */
#define BW_STRUCT(name, ...)                                                                                           \
    typedef struct name name;                                                                                          \
    struct name {                                                                                                      \
        BW__FOR_EACH(BW__FIELD_DECLARE, name, __VA_ARGS__)                                                             \
    };                                                                                                                 \
    enum { BW__FOR_EACH(BW__FIELD_CHECK, name, __VA_ARGS__) };                                                         \
    static const bw_field bw__fields_##name[] = {BW__FOR_EACH(BW__FIELD_DESCRIBE, struct name, __VA_ARGS__)};          \
    BW__DESCRIBE(struct name, name)

/* Describes `struct tag`, declared elsewhere, by its fields. File scope; end with a semicolon. The names are written in
 * the file that allocates: a description in another translation unit is not found. */
#define BW_TYPE(tag, ...)                                                                                              \
    static const bw_field bw__fields_##tag[] = {BW__FOR_EACH(BW__FIELD_EXISTING, struct tag, __VA_ARGS__)};            \
    BW__DESCRIBE(struct tag, tag)

/* The same for a typedef name of a struct that has no tag. */
#define BW_TYPEDEF(T, ...)                                                                                             \
    static const bw_field bw__fields_##T[] = {BW__FOR_EACH(BW__FIELD_EXISTING, T, __VA_ARGS__)};                       \
    BW__DESCRIBE(T, T)

BW__BEGIN

/* The types described in this executable or shared object (the linker makes these two). */
extern const bw_type *__start_bw_types[] __attribute__((weak, visibility("hidden")));
extern const bw_type *__stop_bw_types[] __attribute__((weak, visibility("hidden")));

/* A place in the program that names a type: filled in at its first use, constant afterwards. */
typedef struct bw__site {
    uint32_t offset; /* bytes into bw__runs of the layout's run; 0: not known yet, or too many layouts for the array */
    void *layout;
    const char *name;
    size_t size;
    uint32_t align;
    uint32_t field_class;
    uint32_t array;
    const void *unit;
    const bw_type **first, **last;
} bw__site;

#define BW__SITE(T, is_array_of)                                                                                       \
    { 0, NULL, #T, sizeof(T), _Alignof(T), BW__CLASS_OF(T), is_array_of, &bw__unit, __start_bw_types, __stop_bw_types }

/* Prints the layout of a type on standard output: each field's name, type, offset, size and kind, the padding, the
 * pointer words, the size class and the waste in it. Works for any type; one without a description is shown as one
 * block of words. */
#define bw_dump_layout(T)                                                                                              \
    do {                                                                                                               \
        static bw__site bw__s = BW__SITE(T, 0);                                                                        \
        bw__dump_layout(&bw__s);                                                                                       \
    } while (0)
BW_API void bw__dump_layout(bw__site *site);

BW__END
#endif
#endif
