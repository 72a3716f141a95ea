/* burrow/interface.h - values of any type, and interfaces: what a value can do, whatever it is.
 *
 * A bw_any holds a value of any type together with that type. Values of up to eight bytes are in it, larger ones are
 * copied to the heap. Example, within a function:
 *
 *     bw_any a = bw_any_of(42);
 *     if (bw_is(int, a))
 *         printf("%d\n", bw_assert_type(int, a));
 *     bw_type_switch(a) {
 *         bw_case(bw_string, text) printf("%td bytes\n", text.len);
 *         bw_case(int, number) printf("the number %d\n", number);
 *         bw_case_default printf("something else\n");
 *     }
 *
 * An interface is a set of methods; a type has it once BW_IMPL says so, by functions that are called <type>_<method>
 * and take a pointer to the type first. Example:
 *
 *     BW_INTERFACE(Shape, (double, area), (void, scale, double));
 *
 *     BW_STRUCT(Circle, (double, radius));
 *     static double Circle_area(Circle *c) {
 *         return 3 * c->radius * c->radius;
 *     }
 *     static void Circle_scale(Circle *c, double by) {
 *         c->radius *= by;
 *     }
 *     BW_IMPL(Shape, Circle, (double, area), (void, scale, double));
 *
 *     double twice(Shape s);
 *     double twice(Shape s) {
 *         bw_call(s, scale, 2);
 *         return bw_call(s, area);
 *     }
 *     double of_a_circle(void);
 *     double of_a_circle(void) {
 *         Circle *c = bw_new(Circle);
 *         c->radius = 1;
 *         return twice(bw_as(Shape, Circle, c));
 *     }
 *
 * An interface value is a method table and a pointer; making one and calling through it cost what the same costs in C
 * by hand. It refers to the object and does not copy it: what it holds is, in Go's terms, a *Circle. The zero value is
 * nil; calling through it panics.
 *
 * What the compiler rejects or warns about: a method that is missing, has another signature, or is not the interface's;
 * a pointer of another type given to bw_as; a type that has no BW_IMPL of that interface; a call with wrong arguments;
 * bw_any_of on a struct, a pointer or a slice of structs, whose type must be named: bw_any_as(T, x).
 */
#ifndef BURROW_INTERFACE_H
#define BURROW_INTERFACE_H

#include <burrow/slice.h>

#ifndef __cplusplus

/* The first member of every method table. */
typedef struct bw__table_head {
    const bw__description *interface;
    bw__type_site *site; /* of the pointer type that has the methods */
} bw__table_head;

/* Any interface value. */
typedef struct bw__interface {
    const bw__table_head *bw__table;
    void *bw__data;
} bw__interface;

BW__BEGIN
/* An immutable copy of a value, on the heap. */
BW_API void *bw__box(const bw_type *type, const void *value);
BW_API bool bw__is_slow(bw_any any, const bw_type *type, bool from_methods);
BW_API bool bw__extract(bw_any any, const bw_type *type, bool from_methods, void *value);
/* `interface` is the interface value that `any` was taken from; NULL: it was a bw_any. */
BW_API void bw__assert_failed(bw_any any, const bw_type *type, const bw__interface *interface)
    __attribute__((noreturn, cold));
BW_API bool bw__any_eq(bw_any a, bw_any b);
BW_API bw_string bw__string_of(const char *text);
BW__END

/* --- values of any type --- */

static inline bw_any bw__any_make(const bw_type *type, const void *value, size_t size) {
    bw_any any = {type, {NULL}};
    if (size <= sizeof any.bw__data)
        __builtin_memcpy(any.bw__data.bytes, value, size);
    else
        any.bw__data.pointer = bw__box(type, value);
    return any;
}
static inline bw_any bw__any_from_interface(const bw__table_head *table, void *data) {
    bw_any any = {NULL, {NULL}};
    if (table) {
        any.type = bw__site_type(table->site);
        any.bw__data.pointer = data;
    }
    return any;
}
static inline bw_any bw__any_from_error(bw_error error) {
    return bw__any_from_interface((const bw__table_head *)error.bw__table, error.bw__data);
}

#define BW__IS_TYPE(x, T) __builtin_types_compatible_p(__typeof__((void)0, (x)), T)
#define BW__IS_STRUCT(x) (__builtin_classify_type(x) == 12)
/* A struct of two words that is none of Burrow's own is taken for an interface, one of three for a slice. */
#define BW__IS_INTERFACE(x)                                                                                            \
    (BW__IS_STRUCT(x) && BW__BASIC_KIND(x) == BW_KIND_OPAQUE && sizeof(x) == sizeof(bw__interface))
#define BW__IS_SLICE(x) (BW__IS_STRUCT(x) && BW__BASIC_KIND(x) == BW_KIND_OPAQUE && sizeof(x) == sizeof(bw__slice))

/* bw_any bw_any_of(x): a number, a bool, a string or C string (which is copied), an error, an interface value, a bw_any
 * (both of which give what they hold). The type of anything else has to be named: bw_any_as(T, x). */
#define bw_any_of(x)                                                                                                   \
    __builtin_choose_expr(                                                                                             \
        BW__IS_TYPE(x, bw_any), BW__ONLY_IF(BW__IS_TYPE(x, bw_any), x, bw_any),                                        \
        __builtin_choose_expr(                                                                                         \
            BW__IS_TYPE(x, bw_error), bw__any_from_error(BW__ONLY_IF(BW__IS_TYPE(x, bw_error), x, bw_error)),          \
            __builtin_choose_expr(                                                                                     \
                BW__BASIC_KIND(x) == BW_KIND_CSTRING,                                                                  \
                bw__any_of_c_string(BW__ONLY_IF(BW__BASIC_KIND(x) == BW_KIND_CSTRING, x, char *)),                     \
                __builtin_choose_expr(BW__IS_INTERFACE(x), BW__ANY_OF_INTERFACE(x), BW__ANY_OF_BASIC(x)))))
#define BW__ANY_OF_BASIC(x)                                                                                            \
    bw__any_make(__builtin_choose_expr(BW__BASIC_KIND(x) != BW_KIND_OPAQUE || BW__IS_INTERFACE(x),                     \
                                       &bw__basic[BW__BASIC_KIND(x)], bw__type_must_be_named()),                       \
                 (__typeof__((void)0, (x))[1]){x}, sizeof(__typeof__((void)0, (x))))
const bw_type *bw__type_must_be_named(void)
    __attribute__((error("the type of this value has to be named: bw_any_as(T, x)")));
/* It has a member bw__table, or is no interface. */
#define BW__ANY_OF_INTERFACE(x)                                                                                        \
    bw__any_from_copy((__typeof__((void)0, (x))[1]){x},                                                                \
                      sizeof(BW__ONLY_IF(BW__IS_INTERFACE(x), x, bw__interface).bw__table))
static inline bw_any bw__any_from_copy(const void *value, size_t checked) {
    bw__interface interface;
    (void)checked;
    __builtin_memcpy(&interface, value, sizeof interface);
    return bw__any_from_interface(interface.bw__table, interface.bw__data);
}
static inline bw_any bw__any_of_c_string(const char *text) {
    bw_string string = bw__string_of(text);
    return bw__any_make(&bw__basic[BW_KIND_STRING], &string, sizeof string);
}

/* bw_any bw_any_as(T, x): x as a T, whatever type that is. */
#define bw_any_as(T, x) BW__ANY_AS(BW__UNIQUE(value), T, x)
#define BW__ANY_AS(value_, T, x)                                                                                       \
    ({                                                                                                                 \
        T value_ = (x);                                                                                                \
        bw__any_make(bw_type_of(T), &value_, sizeof value_);                                                           \
    })

/* --- what is in an interface value, or in a bw_any --- */

#define BW__FROM_METHODS(i) (!BW__IS_TYPE(i, bw_any))
#define BW__HELD(i)                                                                                                    \
    __builtin_choose_expr(BW__IS_TYPE(i, bw_any) || BW__IS_TYPE(i, bw_error) || BW__IS_INTERFACE(i), bw_any_of(i),     \
                          (void)"this is no interface value and no bw_any")
/* May T be an interface itself? */
#define BW__MAY_BE_INTERFACE(T)                                                                                        \
    (__builtin_classify_type(BW__LVALUE(T)) == 12 && sizeof(T) == sizeof(bw__interface) &&                             \
     BW__CODE_OF(T) != BW_KIND_STRING)
static inline bool bw__is(bw_any any, const bw_type *type, bool slow, bool from_methods) {
    return any.type == type || (slow && any.type && bw__is_slow(any, type, from_methods));
}

/* bool bw_is(T, i): does i, a bw_any or interface value, hold a T? T may be an interface: is it implemented? An
 * interface value made by bw_as(Shape, Circle, p) holds a `Circle *`, and is also told to hold a `Circle`. Cost: a
 * comparison; for an interface a search among the implementations of the program. */
#define bw_is(T, i)                                                                                                    \
    bw__is(BW__HELD(i), bw_type_of(T), BW__MAY_BE_INTERFACE(T) || BW__FROM_METHODS(i), BW__FROM_METHODS(i))

/* T bw_assert_type(T, i): what i holds, which must be a T, else panic: "interface conversion: ...". */
#define bw_assert_type(T, i)                                                                                           \
    BW__ASSERT_TYPE(BW__UNIQUE(from), BW__UNIQUE(held), BW__UNIQUE(type), BW__UNIQUE(value), T, i)
#define BW__ASSERT_TYPE(from_, held_, type_, value_, T, i)                                                             \
    ({                                                                                                                 \
        __typeof__((void)0, (i)) from_ = (i);                                                                          \
        bw_any held_ = BW__HELD(from_);                                                                                \
        const bw_type *type_ = bw_type_of(T);                                                                          \
        T value_;                                                                                                      \
        if (BW__UNLIKELY(!bw__take(held_, type_, BW__MAY_BE_INTERFACE(T), BW__FROM_METHODS(i), &value_, sizeof(T))))   \
            bw__assert_failed(held_, type_, BW__IS_TYPE(i, bw_any) ? NULL : (const void *)&from_);                     \
        value_;                                                                                                        \
    })

/* bool bw_assert_ok(T, i, &v): the same without a panic: false, and v zero, if i holds something else. */
#define bw_assert_ok(T, i, v) BW__ASSERT_OK(BW__UNIQUE(at), T, i, v)
#define BW__ASSERT_OK(at_, T, i, v)                                                                                    \
    ({                                                                                                                 \
        T *at_ = (v);                                                                                                  \
        bw__take_or_zero(BW__HELD(i), bw_type_of(T), BW__MAY_BE_INTERFACE(T), BW__FROM_METHODS(i), at_, sizeof(T));    \
    })
static inline __attribute__((always_inline)) bool bw__take(bw_any any, const bw_type *type, bool may_be_interface,
                                                           bool from_methods, void *value, size_t size) {
    if (BW__UNLIKELY(any.type != type || may_be_interface))
        return bw__extract(any, type, from_methods, value);
    if (size <= sizeof any.bw__data)
        __builtin_memcpy(value, any.bw__data.bytes, size);
    else
        __builtin_memcpy(value, any.bw__data.pointer, size);
    return true;
}
static inline bool bw__take_or_zero(bw_any any, const bw_type *type, bool may_be_interface, bool from_methods,
                                    void *value, size_t size) {
    if (bw__take(any, type, may_be_interface, from_methods, value, size))
        return true;
    __builtin_memset(value, 0, size);
    return false;
}

/* bw_type_switch(i) { bw_case(T, v) statement ... bw_case_default statement }: runs the first statement whose T is what
 * i holds, with it in `v`. bw_case_nil is for nil. `break` leaves the statement. One within another in the same
 * function makes
 * -Wshadow speak. */
#define bw_type_switch(i)                                                                                              \
    for (struct {                                                                                                      \
             bw_any held;                                                                                              \
             int left;                                                                                                 \
             bool from_methods;                                                                                        \
         } bw__switch = {BW__HELD(i), 1, BW__FROM_METHODS(i)};                                                         \
         bw__switch.left; bw__switch.left = 0)
#define bw_case(T, v) BW__CASE(BW__UNIQUE(value), BW__UNIQUE(once), T, v)
#define BW__CASE(value_, once_, T, v)                                                                                  \
    if (bw__switch.left && bw__is(bw__switch.held, bw_type_of(T), BW__MAY_BE_INTERFACE(T) || bw__switch.from_methods,  \
                                  bw__switch.from_methods))                                                            \
        for (__attribute__((unused)) __typeof__(T) v = ({                                                              \
                 T value_;                                                                                             \
                 bw__take(bw__switch.held, bw_type_of(T), BW__MAY_BE_INTERFACE(T), bw__switch.from_methods, &value_,   \
                          sizeof(T));                                                                                  \
                 bw__switch.left = 0;                                                                                  \
                 value_;                                                                                               \
             }),                                                                                                       \
                                                   *once_ = &v;                                                        \
             once_; once_ = NULL)
#define bw_case_nil if (bw__switch.left && bw__switch.held.type == NULL && (bw__switch.left = 0, true))
#define bw_case_default if (bw__switch.left && (bw__switch.left = 0, true))

/* bool bw_is_nil(x): of a bw_any, an error, an interface value, a slice, a map, a pointer. */
#define bw_is_nil(x) bw__is_null((__typeof__((void)0, (x))[1]){x})
static inline bool bw__is_null(const void *value) {
    void *first;
    __builtin_memcpy(&first, value, sizeof first);
    return first == NULL;
}

/* bool bw_eq(a, b): are two bw_any or interface values equal, as Go's ==? The same type, and equal values; what
 * pointers refer to is not looked at. Panics if the values are of a type that cannot be compared: "runtime error:
 * comparing uncomparable type ...". */
#define bw_eq(a, b) bw__any_eq(BW__HELD(a), BW__HELD(b))

/* const char *bw_type_string(i): the name of the type that i holds; "<nil>" for nil. */
#define bw_type_string(i) bw__type_string(BW__HELD(i))
static inline const char *bw__type_string(bw_any any) {
    return any.type ? any.type->name : "<nil>";
}

/* --- interfaces --- */

/* BW_INTERFACE(I, (result, method, parameter...)...): declares the interface I. File scope; end with a semicolon. A
 * method has up to eight parameters, each a type of the form that can be followed by a name. */
#define BW_INTERFACE(I, ...)                                                                                           \
    BW__INTERFACE_STRUCTS(I, __VA_ARGS__);                                                                             \
    BW__INTERFACE_DESCRIBE(I, __VA_ARGS__)
#define BW__INTERFACE_STRUCTS(I, ...)                                                                                  \
    struct I##__table {                                                                                                \
        bw__table_head bw__head;                                                                                       \
        BW__FOR_EACH(BW__METHOD_DECLARE, I, __VA_ARGS__)                                                               \
    };                                                                                                                 \
    typedef struct I {                                                                                                 \
        const struct I##__table *bw__table;                                                                            \
        void *bw__data;                                                                                                \
    } I;                                                                                                               \
    enum { I##__methods = 0 BW__FOR_EACH(BW__METHOD_COUNT, I, __VA_ARGS__) }
#define BW__INTERFACE_DESCRIBE(I, ...)                                                                                 \
    static const bw_field bw__fields_##I[] = {BW__FOR_EACH(BW__METHOD_DESCRIBE, I, __VA_ARGS__)};                      \
    BW__DESCRIBE(I, I, BW_KIND_INTERFACE)
/* An interface of the library's own: its description is a symbol, not each translation unit's. */
#define BW__INTERFACE_SHARED(I, ...)                                                                                   \
    BW__INTERFACE_STRUCTS(I, __VA_ARGS__);                                                                             \
    extern BW_API const bw__description bw__type_##I
#define BW__INTERFACE_DEFINE(I, ...)                                                                                   \
    static const bw_field bw__fields_##I[] = {BW__FOR_EACH(BW__METHOD_DESCRIBE, I, __VA_ARGS__)};                      \
    const bw__description bw__type_##I = {.name = #I,                                                                  \
                                          .size = sizeof(I),                                                           \
                                          .align = _Alignof(I),                                                        \
                                          .fields = bw__fields_##I,                                                    \
                                          .field_count = sizeof(bw__fields_##I) / sizeof(bw_field),                    \
                                          .kind = BW_KIND_INTERFACE}
#define BW__METHOD_DECLARE(I, tuple) BW__METHOD_DECLARE_ tuple
#define BW__METHOD_DECLARE_(result, method, ...) result (*method)(void *__VA_OPT__(, ) __VA_ARGS__);
#define BW__METHOD_COUNT(I, tuple) +1
#define BW__METHOD_DESCRIBE(I, tuple) BW__METHOD_DESCRIBE1(I, BW__UNWRAP tuple)
#define BW__METHOD_DESCRIBE1(I, ...) BW__METHOD_DESCRIBE2(I, __VA_ARGS__)
#define BW__METHOD_DESCRIBE2(I, result, method, ...)                                                                   \
    {#method, #result " (*)(" #__VA_ARGS__ ")", (uint32_t) __builtin_offsetof(struct I##__table, method), 8, 0, 0, 0,  \
     8},

/* BW_IMPL(I, T, (result, method, parameter...)...): T implements I, with the functions T_method. T is one word. File
 * scope, where the functions and T are known; end with a semicolon. Once in a program is enough for assertions to find
 * it. */
#define BW_IMPL(I, T, ...)                                                                                             \
    BW__FOR_EACH(BW__METHOD_THUNK, (I, T), __VA_ARGS__)                                                                \
    _Static_assert(0 BW__FOR_EACH(BW__METHOD_COUNT, I, __VA_ARGS__) == I##__methods,                                   \
                   #T " has another number of methods than " #I);                                                      \
    static bw__type_site I##__##T##__site = BW__TYPE_SITE(T *);                                                        \
    static const struct I##__table I##__##T##__table = {{&bw__type_##I, &I##__##T##__site},                            \
                                                        BW__FOR_EACH(BW__METHOD_ENTRY, (I, T), __VA_ARGS__)};          \
    static const bw__table_head *I##__##T##__entry __attribute__((section("bw_impls"), used)) =                        \
        &I##__##T##__table.bw__head
#define BW__METHOD_THUNK(context, tuple) BW__METHOD_THUNK1(BW__UNWRAP context, BW__UNWRAP tuple)
#define BW__METHOD_THUNK1(...) BW__METHOD_THUNK2(__VA_ARGS__)
#define BW__METHOD_THUNK2(I, T, result, method, ...)                                                                   \
    static result I##__##T##__##method(void *bw__self BW__PARAMETERS(__VA_ARGS__)) {                                   \
        return T##_##method((T *)bw__self BW__ARGUMENTS(__VA_ARGS__));                                                 \
    }
#define BW__METHOD_ENTRY(context, tuple) BW__METHOD_ENTRY1(BW__UNWRAP context, BW__UNWRAP tuple)
#define BW__METHOD_ENTRY1(...) BW__METHOD_ENTRY2(__VA_ARGS__)
#define BW__METHOD_ENTRY2(I, T, result, method, ...) .method = I##__##T##__##method,
#define BW__COUNT(...) BW__COUNT_(0 __VA_OPT__(, ) __VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define BW__COUNT_(a0, a1, a2, a3, a4, a5, a6, a7, a8, n, ...) n
#define BW__PARAMETERS(...) BW__JOIN(BW__PARAMETERS_, BW__COUNT(__VA_ARGS__))(__VA_ARGS__)
#define BW__PARAMETERS_0()
#define BW__PARAMETERS_1(a) , a bw__1
#define BW__PARAMETERS_2(a, b) , a bw__1, b bw__2
#define BW__PARAMETERS_3(a, b, c) , a bw__1, b bw__2, c bw__3
#define BW__PARAMETERS_4(a, b, c, d) , a bw__1, b bw__2, c bw__3, d bw__4
#define BW__PARAMETERS_5(a, b, c, d, e) , a bw__1, b bw__2, c bw__3, d bw__4, e bw__5
#define BW__PARAMETERS_6(a, b, c, d, e, f) , a bw__1, b bw__2, c bw__3, d bw__4, e bw__5, f bw__6
#define BW__PARAMETERS_7(a, b, c, d, e, f, g) , a bw__1, b bw__2, c bw__3, d bw__4, e bw__5, f bw__6, g bw__7
#define BW__PARAMETERS_8(a, b, c, d, e, f, g, h)                                                                       \
    , a bw__1, b bw__2, c bw__3, d bw__4, e bw__5, f bw__6, g bw__7, h bw__8
#define BW__ARGUMENTS(...) BW__JOIN(BW__ARGUMENTS_, BW__COUNT(__VA_ARGS__))
#define BW__ARGUMENTS_0
#define BW__ARGUMENTS_1 , bw__1
#define BW__ARGUMENTS_2 , bw__1, bw__2
#define BW__ARGUMENTS_3 , bw__1, bw__2, bw__3
#define BW__ARGUMENTS_4 , bw__1, bw__2, bw__3, bw__4
#define BW__ARGUMENTS_5 , bw__1, bw__2, bw__3, bw__4, bw__5
#define BW__ARGUMENTS_6 , bw__1, bw__2, bw__3, bw__4, bw__5, bw__6
#define BW__ARGUMENTS_7 , bw__1, bw__2, bw__3, bw__4, bw__5, bw__6, bw__7
#define BW__ARGUMENTS_8 , bw__1, bw__2, bw__3, bw__4, bw__5, bw__6, bw__7, bw__8

/* I bw_as(I, T, p): the T at p as an I. */
#define bw_as(I, T, p) BW__AS(BW__UNIQUE(pointer), I, T, p)
#define BW__AS(pointer_, I, T, p)                                                                                      \
    ({                                                                                                                 \
        T *pointer_ = (p);                                                                                             \
        (I){&I##__##T##__table, pointer_};                                                                             \
    })

/* Calls a method of an interface value. Cost: an indirect call. Panics if the value is nil. */
#define bw_call(i, method, ...) BW__CALL(BW__UNIQUE(value), i, method, ##__VA_ARGS__)
#define BW__CALL(value_, i, method, ...)                                                                               \
    ({                                                                                                                 \
        __typeof__(i) value_ = (i);                                                                                    \
        value_.bw__table->method(value_.bw__data, ##__VA_ARGS__);                                                      \
    })

/* bw_error is one: its method gives the message. */
struct bw_error__table {
    bw__table_head bw__head;
    bw_string (*error)(void *);
};
enum { bw_error__methods = 1 };
BW__BEGIN
extern BW_API const bw__description bw__type_bw_error;
BW__END

#endif
#endif
