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
 * there are enough of them for a pointer; a union, or an undescribed struct within the struct, is scanned
 * conservatively as well.
 *
 * A struct is movable if BW_MOVABLE is among its fields: then bw_compact (burrow/control.h) may move its objects. It is no
 * field, takes no room, and stands where the fields do, best at the end. Example:
 *
 *     BW_STRUCT(place, (double, x), (double, y), (struct place *, next), BW_MOVABLE);
 *
 * It says that the program makes nothing of the addresses of such objects that a collector cannot see: no numbers, no
 * hashes. What contains a bw_cond or a bw_pool does not move.
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

/* What a type is. Two C types of one kind and size are one type to Burrow: `long` and `int64_t`, an enum and the
 * integer it is made of. */
enum bw_kind {
    BW_KIND_OPAQUE = 0, /* bytes of which nothing is known */
    BW_KIND_BOOL,
    BW_KIND_CHAR,
    BW_KIND_INT8,
    BW_KIND_INT16,
    BW_KIND_INT, /* 32 bits, as C's int is */
    BW_KIND_INT64,
    BW_KIND_UINT8,
    BW_KIND_UINT16,
    BW_KIND_UINT,
    BW_KIND_UINT64,
    BW_KIND_FLOAT32,
    BW_KIND_FLOAT64,
    BW_KIND_STRING,  /* bw_string */
    BW_KIND_CSTRING, /* char * */
    BW_KIND_ANY,     /* bw_any */
    BW_KIND_ERROR,   /* bw_error */
    BW_KIND_POINTER, /* void *; with `element`: to that type */
    BW_KIND_BASIC,   /* the number of those above, which are in bw__basic */
    BW_KIND_STRUCT,
    BW_KIND_ARRAY,
    BW_KIND_SLICE,
    BW_KIND_MAP,
    BW_KIND_INTERFACE,
};

typedef struct bw_type bw_type;

/* A field of a described struct; `type` is never NULL. */
typedef struct bw_type_field {
    const char *name;
    const bw_type *type;
    size_t offset; /* bytes from the start of the struct */
} bw_type_field;

/* A type at run time. Equal types have one address, so that pointers to them may be compared. Constant. */
struct bw_type {
    const char *name; /* as Go would write it: "int", "*node", "[]string", "map[string]int" */
    size_t size;      /* bytes */
    uint32_t align;
    uint32_t kind;               /* enum bw_kind */
    const bw_type *element;      /* of pointers (NULL: not known), arrays and slices; of a map its values */
    const bw_type *key;          /* of maps */
    size_t count;                /* of arrays: elements */
    const bw_type_field *fields; /* of structs */
    uint32_t field_count;
    void *bw__info;
};

/* --- internal: what the declaration macros leave behind --- */
typedef struct bw_field {
    const char *name;
    const char *type_name; /* as written by BW_STRUCT; NULL from BW_TYPE */
    uint32_t offset;       /* bytes from the start of the struct */
    uint32_t size;         /* bytes */
    uint32_t field_class;  /* enum bw_field_class */
    uint32_t code;         /* enum bw_kind, of basic types; of an array: of its elements */
    uint32_t element_size; /* of an array: bytes; 0: no array */
    uint32_t align;
} bw_field;

typedef struct bw__description {
    const char *name; /* without "struct" */
    size_t size;
    size_t align;
    const bw_field *fields; /* of a slice: its elements; of a map: keys and values; of an interface: its methods */
    uint32_t field_count;
    uint32_t kind;    /* enum bw_kind */
    const void *unit; /* the translation unit it was declared in */
    uint32_t id;      /* of a slice: the number that its C type carries */
    bool movable;
} bw__description;

/* --- strings, values of any type, and errors: the types that others are told from; see string.h, interface.h,
 * error.h */

/* Immutable bytes, by convention UTF-8. The zero value is the empty string. */
typedef struct bw_string {
    const char *ptr;
    ptrdiff_t len;
} bw_string;

/* A value of any type, as Go's `any`. The zero value is nil. */
typedef struct bw_any {
    const bw_type *type;
    union {
        void *pointer;          /* to the value, if it is larger than a word */
        unsigned char bytes[8]; /* the value itself, if it is not */
    } bw__data;
} bw_any;

/* Go's `error`. The zero value is nil: no error. */
typedef struct bw_error {
    const struct bw_error__table *bw__table;
    void *bw__data;
} bw_error;

/* A Unicode code point. */
typedef int32_t bw_rune;

BW__BEGIN
extern BW_API const bw_type bw__basic[BW_KIND_BASIC];
BW__END

#if defined(__cplusplus)
/* C++ programs use the untyped interface. */
#else

/* The types and implementations described in this executable or shared object (the linker makes the bounds). */
extern const bw__description *__start_bw_types[] __attribute__((weak, visibility("hidden")));
extern const bw__description *__stop_bw_types[] __attribute__((weak, visibility("hidden")));
extern const struct bw__table_head *__start_bw_impls[] __attribute__((weak, visibility("hidden")));
extern const struct bw__table_head *__stop_bw_impls[] __attribute__((weak, visibility("hidden")));
typedef struct bw__unit_bounds {
    const bw__description **types, **types_end;
    const struct bw__table_head **impls, **impls_end;
} bw__unit_bounds;
/* Stands for this translation unit. */
static const bw__unit_bounds bw__unit
    __attribute__((unused)) = {__start_bw_types, __stop_bw_types, __start_bw_impls, __stop_bw_impls};

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
#define BW__BASIC_KIND(x)                                                                                              \
    _Generic((x),                                                                                                      \
        bool: BW_KIND_BOOL,                                                                                            \
        char: BW_KIND_CHAR,                                                                                            \
        signed char: BW_KIND_INT8,                                                                                     \
        unsigned char: BW_KIND_UINT8,                                                                                  \
        short: BW_KIND_INT16,                                                                                          \
        unsigned short: BW_KIND_UINT16,                                                                                \
        int: BW_KIND_INT,                                                                                              \
        unsigned: BW_KIND_UINT,                                                                                        \
        long: BW_KIND_INT64,                                                                                           \
        unsigned long: BW_KIND_UINT64,                                                                                 \
        long long: BW_KIND_INT64,                                                                                      \
        unsigned long long: BW_KIND_UINT64,                                                                            \
        float: BW_KIND_FLOAT32,                                                                                        \
        double: BW_KIND_FLOAT64,                                                                                       \
        bw_string: BW_KIND_STRING,                                                                                     \
        char *: BW_KIND_CSTRING,                                                                                       \
        const char *: BW_KIND_CSTRING,                                                                                 \
        void *: BW_KIND_POINTER,                                                                                       \
        const void *: BW_KIND_POINTER,                                                                                 \
        bw_any: BW_KIND_ANY,                                                                                           \
        bw_error: BW_KIND_ERROR,                                                                                       \
        default: BW_KIND_OPAQUE)
#define BW__CODE_OF(T) (BW__IS_ARRAY(T) ? BW__BASIC_KIND(BW__ELEMENT(T)) : BW__BASIC_KIND(BW__LVALUE(T)))
#define BW__ELEMENT_SIZE(T) (BW__IS_ARRAY(T) ? sizeof(BW__ELEMENT(T)) : 0)
#define BW__CLASS_OF_VALUE(code) ((code) == 5 ? BW_FIELD_POINTER : (code) >= 12 ? BW_FIELD_AMBIGUOUS : BW_FIELD_SCALAR)
#define BW__ELEMENT_CLASS(T)                                                                                           \
    (__builtin_classify_type(BW__ELEMENT(T)) == 5 &&                                                                   \
             !__builtin_types_compatible_p(__typeof__(BW__ELEMENT(T)), __typeof__((void)0, BW__ELEMENT(T)))            \
         ? BW_FIELD_AMBIGUOUS                                                                                          \
         : BW__CLASS_OF_VALUE(__builtin_classify_type(BW__ELEMENT(T))))
#define BW__CLASS_OF(T)                                                                                                \
    (BW__IS_ARRAY(T) ? BW__ELEMENT_CLASS(T) : BW__CLASS_OF_VALUE(__builtin_classify_type(BW__LVALUE(T))))

#define BW__UNWRAP(...) __VA_ARGS__
/* Among the fields, once: a compaction may move objects of this type. */
#define BW_MOVABLE (bw_movable)
#define BW__FIRST_OF(x, ...) x
#define BW__SECOND(...) BW__SECOND_OF(__VA_ARGS__)
#define BW__SECOND_OF(x, y, ...) y
#define BW__PROBE(...) 0, 1
#define BW__IS_MARK(x) BW__SECOND(BW__PROBE x, 0, 0)
#define BW__COUNT_MARK(T, tuple) BW__COUNT_MARK1(BW__UNWRAP tuple)
#define BW__COUNT_MARK1(...) BW__COUNT_MARK2(__VA_ARGS__)
#define BW__COUNT_MARK2(ftype, ...) +BW__FIRST_OF(__VA_OPT__(0, ) 1, )
#define BW__COUNT_MARK_EXISTING(T, field) +BW__IS_MARK(field)

#define BW__FIELD_DECLARE(T, tuple) BW__FIELD_DECLARE_ tuple
#define BW__FIELD_DECLARE_(type, ...) __VA_OPT__(__typeof__(type) __VA_ARGS__;)
#define BW__FIELD_DESCRIBE(T, tuple) BW__FIELD_DESCRIBE1(T, BW__UNWRAP tuple)
#define BW__FIELD_DESCRIBE1(T, ...) BW__FIELD_DESCRIBE2(T, __VA_ARGS__)
#define BW__FIELD_DESCRIBE2(T, ftype, ...) __VA_OPT__(BW__FIELD_DESCRIBE3(T, ftype, __VA_ARGS__))
#define BW__FIELD_DESCRIBE3(T, ftype, field)                                                                           \
    {#field,                                                                                                           \
     #ftype,                                                                                                           \
     (uint32_t) __builtin_offsetof(T, field),                                                                          \
     (uint32_t)sizeof(BW__LVALUE(T).field),                                                                            \
     BW__CLASS_OF(ftype),                                                                                              \
     BW__CODE_OF(ftype),                                                                                               \
     BW__ELEMENT_SIZE(ftype),                                                                                          \
     _Alignof(ftype)},
#define BW__FIELD_EXISTING(T, field) BW__FIELD_EXISTING1(BW__IS_MARK(field), T, field)
#define BW__FIELD_EXISTING1(is_mark, T, field) BW__FIELD_EXISTING2(is_mark, T, field)
#define BW__FIELD_EXISTING2(is_mark, T, field) BW__FIELD_EXISTING_##is_mark(T, field)
#define BW__FIELD_EXISTING_1(T, field)
#define BW__FIELD_EXISTING_0(T, field)                                                                                 \
    {#field,                                                                                                           \
     NULL,                                                                                                             \
     (uint32_t) __builtin_offsetof(T, field),                                                                          \
     (uint32_t)sizeof(BW__LVALUE(T).field),                                                                            \
     BW__CLASS_OF(__typeof__(BW__LVALUE(T).field)),                                                                    \
     BW__CODE_OF(__typeof__(BW__LVALUE(T).field)),                                                                     \
     BW__ELEMENT_SIZE(__typeof__(BW__LVALUE(T).field)),                                                                \
     _Alignof(__typeof__(BW__LVALUE(T).field))},

/* A field's name must be one name: (int, a[4]) is an error here; an array is (int[4], a). */
#define BW__FIELD_CHECK(tag, tuple) BW__FIELD_CHECK1(tag, BW__UNWRAP tuple)
#define BW__FIELD_CHECK1(tag, ...) BW__FIELD_CHECK2(tag, __VA_ARGS__)
#define BW__FIELD_CHECK2(tag, ftype, ...) __VA_OPT__(BW__FIELD_CHECK3(tag, __VA_ARGS__))
#define BW__FIELD_CHECK3(tag, field) bw__field_of_##tag##_##field,

#define BW__DESCRIBE(T, tag, kind) BW__DESCRIBE_AS(T, tag, kind, false)
#define BW__DESCRIBE_AS(T, tag, kind, movable)                                                                         \
    static const bw__description bw__type_##tag = {                                                                    \
        #tag, sizeof(T), _Alignof(T), bw__fields_##tag, sizeof(bw__fields_##tag) / sizeof(bw_field),                   \
        kind, &bw__unit, 0,           movable};                                                                        \
    static const bw__description *bw__type_entry_##tag __attribute__((section("bw_types"), used)) = &bw__type_##tag
/* A field of a description that is no struct's. */
#define BW__PART(name, T)                                                                                              \
    { name, #T, 0, (uint32_t)sizeof(T), BW__CLASS_OF(T), BW__CODE_OF(T), (uint32_t)BW__ELEMENT_SIZE(T), _Alignof(T) }

/* Declares `struct name`, `typedef struct name name`, and its description. File scope; end with a semicolon. */
#define BW_STRUCT(name, ...)                                                                                           \
    typedef struct name name;                                                                                          \
    struct name {                                                                                                      \
        BW__FOR_EACH(BW__FIELD_DECLARE, name, __VA_ARGS__)                                                             \
    };                                                                                                                 \
    enum { BW__FOR_EACH(BW__FIELD_CHECK, name, __VA_ARGS__) };                                                         \
    static const bw_field bw__fields_##name[] = {BW__FOR_EACH(BW__FIELD_DESCRIBE, struct name, __VA_ARGS__)};          \
    BW__DESCRIBE_AS(struct name, name, BW_KIND_STRUCT, (0 BW__FOR_EACH(BW__COUNT_MARK, name, __VA_ARGS__)) > 0)

/* Describes `struct tag`, declared elsewhere, by its fields. File scope; end with a semicolon. The names are written in
 * the file that allocates: a description in another translation unit is not found. */
#define BW_TYPE(tag, ...)                                                                                              \
    static const bw_field bw__fields_##tag[] = {BW__FOR_EACH(BW__FIELD_EXISTING, struct tag, __VA_ARGS__)};            \
    BW__DESCRIBE_AS(struct tag, tag, BW_KIND_STRUCT, (0 BW__FOR_EACH(BW__COUNT_MARK_EXISTING, tag, __VA_ARGS__)) > 0)

/* The same for a typedef name of a struct that has no tag. */
#define BW_TYPEDEF(T, ...)                                                                                             \
    static const bw_field bw__fields_##T[] = {BW__FOR_EACH(BW__FIELD_EXISTING, T, __VA_ARGS__)};                       \
    BW__DESCRIBE_AS(T, T, BW_KIND_STRUCT, (0 BW__FOR_EACH(BW__COUNT_MARK_EXISTING, T, __VA_ARGS__)) > 0)

BW__BEGIN

/* A place in the program that names a type: `type` is filled in at its first use, constant afterwards. */
typedef struct bw__type_site {
    const bw_type *type;
    const char *name;
    size_t size;
    uint32_t align;
    uint32_t field_class;
    uint32_t code;
    uint32_t element_size;
    const bw__unit_bounds *unit;
    uint32_t slice_id; /* not 0: it is the type of this slice's elements, whatever its name */
} bw__type_site;

#define BW__TYPE_SITE(T)                                                                                               \
    { NULL, #T, sizeof(T), _Alignof(T), BW__CLASS_OF(T), BW__CODE_OF(T), BW__ELEMENT_SIZE(T), &bw__unit, 0 }

BW_API const bw_type *bw__resolve_type(bw__type_site *site);
static inline const bw_type *bw__site_type(bw__type_site *site) {
    const bw_type *type = __atomic_load_n(&site->type, __ATOMIC_ACQUIRE);
    return BW__LIKELY(type != NULL) ? type : bw__resolve_type(site);
}

/* const bw_type *bw_type_of(T): the type named T. Cost: nothing for C's basic types, a load for others; the first time
 * a search. */
#define bw_type_of(T)                                                                                                  \
    (BW__CODE_OF(T) != BW_KIND_OPAQUE && !BW__IS_ARRAY(T) ? &bw__basic[BW__CODE_OF(T)] : ({                            \
        static bw__type_site bw__s = BW__TYPE_SITE(T);                                                                 \
        bw__site_type(&bw__s);                                                                                         \
    }))

/* A place that allocates. */
typedef struct bw__site {
    uint32_t offset; /* bytes into bw__runs of the layout's run; 0: not known yet, or too many layouts for the array */
    uint32_t array;
    void *layout;
    bw__type_site type;
} bw__site;

#define BW__SITE(T, is_array_of)                                                                                       \
    { 0, is_array_of, NULL, BW__TYPE_SITE(T) }

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
