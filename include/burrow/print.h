/* burrow/print.h - Go's fmt: printing values of any type, by themselves or by a format.
 *
 * The functions are macros that look at the type of each argument, so that nothing has to be said about it twice, and a
 * format cannot disagree with what it is given. Example, within a function:
 *
 *     bw_slice(int) primes = bw_slice_of(int, 2, 3, 5);
 *     bw_println("primes:", primes, 2.5, 'x', bw_nil);
 *     bw_printf("%v has %d elements, %5.2f|%-6q|%x\n", primes, bw_len(primes), 3.14159, "hi", "hi");
 *     bw_string text = bw_sprintf("%T %+v", primes, bw_v(node, ((node){.value = 1})));
 *     bw_fprintln(stderr, text);
 *
 * prints "primes: [2 3 5] 2.5 120 <nil>", then "[2 3 5] has 3 elements,  3.14|"hi"  |6869", and "[]int {left:<nil>
 * right:<nil> value:1}".
 *
 * An argument is any of C's numbers, a bool, a C string, a bw_string, a bw_error, a bw_any, an interface value, a
 * pointer, a slice or a map. A value of another type (a struct, an array) is named with its type: bw_v(T, x). Its
 * fields are printed if the type is described (BW_STRUCT, BW_TYPE), in nested types as well. Up to 64 arguments, each
 * evaluated once, in order; nothing of them is copied to the heap.
 *
 * What comes out is what Go 1.27 prints, of the verbs %v %+v %#v %T %% %t %b %c %d %o %O %q %x %X %U %e %E %f %F %g %G
 * %s %p, the flags + - # space 0, a width and a precision (numbers or *), argument indexes [n], and the complaints in
 * the text about what does not fit: "%!d(string=hi)", "%!d(MISSING)", "%!(EXTRA int=1)" ... There is none of C's length
 * modifiers: %d prints an integer of any size. What differs from Go:
 *
 *   - Types have C's sizes and Burrow's names: `int` has 32 bits, `long` is int64, a struct's name has no package. What
 *     is an int in C is printed as one: comparisons, and `true`, which C11 defines as 1. Only what has the type bool is
 *     a bool.
 *   - A char, like C's 'x', which is an int, is a number to %v and %d, and a character to %c; an array of char is the
 *     string that it holds, up to its NUL, to %v %s %q %x %X; a slice of char is like one of bytes. A char * is a
 *     string: NULL prints as <nil>, and %p gives its address.
 *   - A pointer that an argument holds prints its target, &{...}, if it is the first byte of an object on the heap of a
 *     described type, or has such a type by itself (in a bw_any). Others print as 0x... .
 *   - Values are printed through their method `error` (of bw_error) or `string` (of bw_stringer) if they, or pointers
 *     to them, have it by BW_IMPL; fields, too, which in Go need an exported name. A NULL pointer to such a type prints
 *     as <nil>, and the method is not called. A panic in a method is not caught.
 *   - Bytes of which nothing is known (undescribed structs within others, unions) print as {...}, by %x and %X in hex.
 *   - A slice or map that contains itself is cut short by <cycle>, and what is nested deeper than 100 levels by <deep>.
 *
 * Each call makes one write, under stdio's lock where it is to a FILE. May be called from any thread.
 */
#ifndef BURROW_PRINT_H
#define BURROW_PRINT_H

#include <burrow/interface.h>

#include <stdio.h>

struct bw_builder;

#ifndef __cplusplus

/* What has a text of its own to be printed by; a type T says so with BW_IMPL(bw_stringer, T, (bw_string, string)).
 * Example:
 *
 *     BW_STRUCT(celsius, (double, degrees));
 *     static bw_string celsius_string(celsius *c) {
 *         return bw_sprintf("%.1f °C", c->degrees);
 *     }
 *     BW_IMPL(bw_stringer, celsius, (bw_string, string));
 */
BW__INTERFACE_SHARED(bw_stringer, (bw_string, string));

/* ptrdiff_t bw_print(v...), bw_println(v...), bw_printf(format, v...): to standard output. The number of bytes written,
 * or -1: an error, and errno says which. bw_print puts a space between two arguments when neither is a string;
 * bw_println puts one between any two, and a newline at the end. A format is a C string or a bw_string. Cost of all
 * printing: about that of printf, and an allocation of what has more than 512 bytes. */
#define bw_print(...) BW__PRINT(bw__print_file, (stdout, BW__PRINT_PLAIN, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_println(...) BW__PRINT(bw__print_file, (stdout, BW__PRINT_LINE, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_printf(format, ...) BW__PRINT(bw__print_file, (stdout, BW__PRINT_FORMAT, BW__FORMAT(format), ), __VA_ARGS__)

/* The same to a FILE *. */
#define bw_fprint(file, ...) BW__PRINT(bw__print_file, (file, BW__PRINT_PLAIN, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_fprintln(file, ...) BW__PRINT(bw__print_file, (file, BW__PRINT_LINE, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_fprintf(file, format, ...)                                                                                  \
    BW__PRINT(bw__print_file, (file, BW__PRINT_FORMAT, BW__FORMAT(format), ), __VA_ARGS__)

/* The same to a file descriptor, by write(2), which is called again only if it did not take everything. */
#define bw_dprint(fd, ...) BW__PRINT(bw__print_fd, (fd, BW__PRINT_PLAIN, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_dprintln(fd, ...) BW__PRINT(bw__print_fd, (fd, BW__PRINT_LINE, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_dprintf(fd, format, ...) BW__PRINT(bw__print_fd, (fd, BW__PRINT_FORMAT, BW__FORMAT(format), ), __VA_ARGS__)

/* The same as a new bw_string. (NUL is not behind it: bw_cstr makes a C string.) */
#define bw_sprint(...) BW__PRINT(bw__print_string, (BW__PRINT_PLAIN, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_sprintln(...) BW__PRINT(bw__print_string, (BW__PRINT_LINE, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_sprintf(format, ...) BW__PRINT(bw__print_string, (BW__PRINT_FORMAT, BW__FORMAT(format), ), __VA_ARGS__)

/* void bw_builder_print(b, v...): the same to the end of a bw_builder (a bw_builder *). */
#define bw_builder_print(b, ...) BW__PRINT(bw__print_builder, (b, BW__PRINT_PLAIN, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_builder_println(b, ...) BW__PRINT(bw__print_builder, (b, BW__PRINT_LINE, BW__NO_FORMAT, ), __VA_ARGS__)
#define bw_builder_printf(b, format, ...)                                                                              \
    BW__PRINT(bw__print_builder, (b, BW__PRINT_FORMAT, BW__FORMAT(format), ), __VA_ARGS__)

/* bw_any bw_v(T, x): x as a T, for an argument whose type has to be named. It refers to a copy of x (to the array
 * itself, of an array) that ends with the enclosing block: print it, do not keep it. To keep one: bw_any_as(T, x). */
#define bw_v(T, x) bw__print_value(bw_type_of(T), &(struct { BW__DECAYED(T) v; }){x}, sizeof(T), BW__IS_ARRAY(T))

/* --- internal --- */

enum bw__print_how { BW__PRINT_PLAIN, BW__PRINT_LINE, BW__PRINT_FORMAT };

/* What an argument is, beyond enum bw_kind. */
enum { BW__PRINT_LONG_DOUBLE = 64, BW__PRINT_COMPLEX64, BW__PRINT_COMPLEX128 };

typedef struct bw__argument {
    const void *at; /* the value */
    uint16_t kind;
    uint16_t element_kind; /* of slices */
    uint32_t element_size;
} bw__argument;

BW__BEGIN
BW_API ptrdiff_t bw__print_file(FILE *file, enum bw__print_how how, bw_string format, const bw__argument *list,
                                size_t n);
BW_API ptrdiff_t bw__print_fd(int fd, enum bw__print_how how, bw_string format, const bw__argument *list, size_t n);
BW_API void bw__print_builder(struct bw_builder *b, enum bw__print_how how, bw_string format, const bw__argument *list,
                              size_t n);
BW_API bw_string bw__print_string(enum bw__print_how how, bw_string format, const bw__argument *list, size_t n);
BW__END

static inline bw_any bw__print_value(const bw_type *type, const void *value, size_t size, bool is_array) {
    bw_any any = {type, {NULL}};
    if (is_array)
        value = *(const void *const *)value;
    if (size <= sizeof any.bw__data)
        __builtin_memcpy(any.bw__data.bytes, value, size);
    else
        any.bw__data.pointer = bw__address_of(value);
    return any;
}

#define BW__NO_FORMAT ((bw_string){NULL, 0})
#define BW__FORMAT(format)                                                                                             \
    _Generic((format), bw_string : bw__format_string, char * : bw__format_text, const char * : bw__format_text)(format)
static inline bw_string bw__format_string(bw_string format) {
    return format;
}
static inline bw_string bw__format_text(const char *format) {
    return (bw_string){format, (ptrdiff_t)__builtin_strlen(format)};
}

#define BW__PRINT_KIND(a)                                                                                              \
    (BW__BASIC_KIND(a) != BW_KIND_OPAQUE ? (int)BW__BASIC_KIND(a)                                                      \
     : __builtin_classify_type(a) == 5   ? BW_KIND_POINTER                                                             \
     : BW__IS_INTERFACE(a)               ? BW_KIND_INTERFACE                                                           \
     : BW__IS_SLICE(a)                   ? BW_KIND_SLICE                                                               \
     : BW__IS_MAP(a)                     ? BW_KIND_MAP                                                                 \
     : __builtin_classify_type(a) == 8   ? BW__PRINT_LONG_DOUBLE                                                       \
     : __builtin_classify_type(a) != 9   ? BW_KIND_OPAQUE                                                              \
     : sizeof(a) == 2 * sizeof(float)    ? BW__PRINT_COMPLEX64                                                         \
     : sizeof(a) == 2 * sizeof(double)   ? BW__PRINT_COMPLEX128                                                        \
                                         : BW_KIND_OPAQUE)
#define BW__IS_MAP(a) (__builtin_classify_type(a) == 13 && sizeof(a) == sizeof(void *))
/* An lvalue, never used, of the type of `a`, if it is a slice (an interface value, a map). A struct of that size that
 * is none does not have its member: then the compiler shows these macros' names, which say what to do. */
#define BW__PRINT_IF(is, a, otherwise) (*(__typeof__(__builtin_choose_expr(is(a), &(a), (otherwise *)0)))0)
#define BW__A_SLICE_OR_bw_v(a) BW__PRINT_IF(BW__IS_SLICE, a, struct bw_slice_char)
#define BW__AN_INTERFACE_OR_bw_v(a) BW__PRINT_IF(BW__IS_INTERFACE, a, bw__interface)
#define BW__A_MAP_OR_bw_v(a) BW__PRINT_IF(BW__IS_MAP, a, union bw__print_map)
union bw__print_map {
    void *bw__map;
};
#define BW__PRINT_ELEMENT(a) (*BW__A_SLICE_OR_bw_v(a).ptr)
#define BW__PRINT_ELEMENT_KIND(a)                                                                                      \
    (__builtin_classify_type(BW__PRINT_ELEMENT(a)) == 5 && BW__BASIC_KIND(BW__PRINT_ELEMENT(a)) == BW_KIND_OPAQUE      \
         ? (int)BW_KIND_POINTER                                                                                        \
         : (int)BW__BASIC_KIND(BW__PRINT_ELEMENT(a)))

/* Calls `function` with the arguments `first`, in parentheses and with a comma behind the last, the list of the
 * arguments to be printed, and their number. */
#define BW__PRINT(function, first, ...)                                                                                \
    BW__PRINT_ALL(BW__UNIQUE(list), BW__UNIQUE(next), BW__PRINT_COUNT(__VA_ARGS__), function, first, __VA_ARGS__)
#define BW__PRINT_ALL(list_, next_, n, function, first, ...)                                                           \
    ({                                                                                                                 \
        bw__argument list_[n + 1], *next_ = list_;                                                                     \
        BW__JOIN(BW__TAKE_, n)(next_ __VA_OPT__(, ) __VA_ARGS__) function(BW__UNWRAP first list_, n);                  \
    })
#define BW__TAKE(next, x) BW__TAKE_ONE(BW__UNIQUE(given), BW__UNIQUE(argument), next, x)
#define BW__TAKE_ONE(given, a, next, x)                                                                                \
    __auto_type given = ((void)0, (x));                                                                                \
    __typeof__(__builtin_choose_expr(BW__IS_BITS(given), BW__BITS(given), given)) a = given;                           \
    _Static_assert(BW__PRINT_KIND(a) != BW_KIND_OPAQUE, "the type of an argument has to be named: bw_v(T, x)");        \
    *next++ =                                                                                                          \
        (bw__argument){&a, BW__PRINT_KIND(a), (uint16_t)BW__PRINT_ELEMENT_KIND(a),                                     \
                       (uint32_t)sizeof(BW__PRINT_ELEMENT(a)) + 0 * sizeof(BW__AN_INTERFACE_OR_bw_v(a).bw__table) +    \
                           0 * sizeof(BW__A_MAP_OR_bw_v(a).bw__map)};
/* A bit-field has a type of its own with gcc, also as a value; it becomes an int or, if it is wider, a long long. */
#define BW__IS_BITS(x)                                                                                                 \
    (BW__BASIC_KIND(x) == BW_KIND_OPAQUE && __builtin_classify_type(x) == 1 && sizeof(x) <= sizeof(long long))
#define BW__BITS(x)                                                                                                    \
    (__builtin_choose_expr(BW__IS_BITS(x), (x), 0) + __builtin_choose_expr(sizeof(x) <= sizeof(int), 0, 0LL))

/* Up to 64 arguments. (BW__FOR_EACH would do, but takes the compiler some 20 ms a call, and this less than one.) */
#define BW__PRINT_COUNT(...)                                                                                           \
    BW__PRINT_PICK(0 __VA_OPT__(, ) __VA_ARGS__, 64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48,   \
                   47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, \
                   22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define BW__PRINT_PICK(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20,  \
                       a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38, a39,  \
                       a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58,  \
                       a59, a60, a61, a62, a63, a64, n, ...)                                                           \
    n
#define BW__TAKE_0(next) *next = (bw__argument){0};
#define BW__TAKE_1(next, x) BW__TAKE(next, x)
#define BW__TAKE_2(next, x, ...) BW__TAKE(next, x) BW__TAKE_1(next, __VA_ARGS__)
#define BW__TAKE_3(next, x, ...) BW__TAKE(next, x) BW__TAKE_2(next, __VA_ARGS__)
#define BW__TAKE_4(next, x, ...) BW__TAKE(next, x) BW__TAKE_3(next, __VA_ARGS__)
#define BW__TAKE_5(next, x, ...) BW__TAKE(next, x) BW__TAKE_4(next, __VA_ARGS__)
#define BW__TAKE_6(next, x, ...) BW__TAKE(next, x) BW__TAKE_5(next, __VA_ARGS__)
#define BW__TAKE_7(next, x, ...) BW__TAKE(next, x) BW__TAKE_6(next, __VA_ARGS__)
#define BW__TAKE_8(next, x, ...) BW__TAKE(next, x) BW__TAKE_7(next, __VA_ARGS__)
#define BW__TAKE_9(next, x, ...) BW__TAKE(next, x) BW__TAKE_8(next, __VA_ARGS__)
#define BW__TAKE_10(next, x, ...) BW__TAKE(next, x) BW__TAKE_9(next, __VA_ARGS__)
#define BW__TAKE_11(next, x, ...) BW__TAKE(next, x) BW__TAKE_10(next, __VA_ARGS__)
#define BW__TAKE_12(next, x, ...) BW__TAKE(next, x) BW__TAKE_11(next, __VA_ARGS__)
#define BW__TAKE_13(next, x, ...) BW__TAKE(next, x) BW__TAKE_12(next, __VA_ARGS__)
#define BW__TAKE_14(next, x, ...) BW__TAKE(next, x) BW__TAKE_13(next, __VA_ARGS__)
#define BW__TAKE_15(next, x, ...) BW__TAKE(next, x) BW__TAKE_14(next, __VA_ARGS__)
#define BW__TAKE_16(next, x, ...) BW__TAKE(next, x) BW__TAKE_15(next, __VA_ARGS__)
#define BW__TAKE_17(next, x, ...) BW__TAKE(next, x) BW__TAKE_16(next, __VA_ARGS__)
#define BW__TAKE_18(next, x, ...) BW__TAKE(next, x) BW__TAKE_17(next, __VA_ARGS__)
#define BW__TAKE_19(next, x, ...) BW__TAKE(next, x) BW__TAKE_18(next, __VA_ARGS__)
#define BW__TAKE_20(next, x, ...) BW__TAKE(next, x) BW__TAKE_19(next, __VA_ARGS__)
#define BW__TAKE_21(next, x, ...) BW__TAKE(next, x) BW__TAKE_20(next, __VA_ARGS__)
#define BW__TAKE_22(next, x, ...) BW__TAKE(next, x) BW__TAKE_21(next, __VA_ARGS__)
#define BW__TAKE_23(next, x, ...) BW__TAKE(next, x) BW__TAKE_22(next, __VA_ARGS__)
#define BW__TAKE_24(next, x, ...) BW__TAKE(next, x) BW__TAKE_23(next, __VA_ARGS__)
#define BW__TAKE_25(next, x, ...) BW__TAKE(next, x) BW__TAKE_24(next, __VA_ARGS__)
#define BW__TAKE_26(next, x, ...) BW__TAKE(next, x) BW__TAKE_25(next, __VA_ARGS__)
#define BW__TAKE_27(next, x, ...) BW__TAKE(next, x) BW__TAKE_26(next, __VA_ARGS__)
#define BW__TAKE_28(next, x, ...) BW__TAKE(next, x) BW__TAKE_27(next, __VA_ARGS__)
#define BW__TAKE_29(next, x, ...) BW__TAKE(next, x) BW__TAKE_28(next, __VA_ARGS__)
#define BW__TAKE_30(next, x, ...) BW__TAKE(next, x) BW__TAKE_29(next, __VA_ARGS__)
#define BW__TAKE_31(next, x, ...) BW__TAKE(next, x) BW__TAKE_30(next, __VA_ARGS__)
#define BW__TAKE_32(next, x, ...) BW__TAKE(next, x) BW__TAKE_31(next, __VA_ARGS__)
#define BW__TAKE_33(next, x, ...) BW__TAKE(next, x) BW__TAKE_32(next, __VA_ARGS__)
#define BW__TAKE_34(next, x, ...) BW__TAKE(next, x) BW__TAKE_33(next, __VA_ARGS__)
#define BW__TAKE_35(next, x, ...) BW__TAKE(next, x) BW__TAKE_34(next, __VA_ARGS__)
#define BW__TAKE_36(next, x, ...) BW__TAKE(next, x) BW__TAKE_35(next, __VA_ARGS__)
#define BW__TAKE_37(next, x, ...) BW__TAKE(next, x) BW__TAKE_36(next, __VA_ARGS__)
#define BW__TAKE_38(next, x, ...) BW__TAKE(next, x) BW__TAKE_37(next, __VA_ARGS__)
#define BW__TAKE_39(next, x, ...) BW__TAKE(next, x) BW__TAKE_38(next, __VA_ARGS__)
#define BW__TAKE_40(next, x, ...) BW__TAKE(next, x) BW__TAKE_39(next, __VA_ARGS__)
#define BW__TAKE_41(next, x, ...) BW__TAKE(next, x) BW__TAKE_40(next, __VA_ARGS__)
#define BW__TAKE_42(next, x, ...) BW__TAKE(next, x) BW__TAKE_41(next, __VA_ARGS__)
#define BW__TAKE_43(next, x, ...) BW__TAKE(next, x) BW__TAKE_42(next, __VA_ARGS__)
#define BW__TAKE_44(next, x, ...) BW__TAKE(next, x) BW__TAKE_43(next, __VA_ARGS__)
#define BW__TAKE_45(next, x, ...) BW__TAKE(next, x) BW__TAKE_44(next, __VA_ARGS__)
#define BW__TAKE_46(next, x, ...) BW__TAKE(next, x) BW__TAKE_45(next, __VA_ARGS__)
#define BW__TAKE_47(next, x, ...) BW__TAKE(next, x) BW__TAKE_46(next, __VA_ARGS__)
#define BW__TAKE_48(next, x, ...) BW__TAKE(next, x) BW__TAKE_47(next, __VA_ARGS__)
#define BW__TAKE_49(next, x, ...) BW__TAKE(next, x) BW__TAKE_48(next, __VA_ARGS__)
#define BW__TAKE_50(next, x, ...) BW__TAKE(next, x) BW__TAKE_49(next, __VA_ARGS__)
#define BW__TAKE_51(next, x, ...) BW__TAKE(next, x) BW__TAKE_50(next, __VA_ARGS__)
#define BW__TAKE_52(next, x, ...) BW__TAKE(next, x) BW__TAKE_51(next, __VA_ARGS__)
#define BW__TAKE_53(next, x, ...) BW__TAKE(next, x) BW__TAKE_52(next, __VA_ARGS__)
#define BW__TAKE_54(next, x, ...) BW__TAKE(next, x) BW__TAKE_53(next, __VA_ARGS__)
#define BW__TAKE_55(next, x, ...) BW__TAKE(next, x) BW__TAKE_54(next, __VA_ARGS__)
#define BW__TAKE_56(next, x, ...) BW__TAKE(next, x) BW__TAKE_55(next, __VA_ARGS__)
#define BW__TAKE_57(next, x, ...) BW__TAKE(next, x) BW__TAKE_56(next, __VA_ARGS__)
#define BW__TAKE_58(next, x, ...) BW__TAKE(next, x) BW__TAKE_57(next, __VA_ARGS__)
#define BW__TAKE_59(next, x, ...) BW__TAKE(next, x) BW__TAKE_58(next, __VA_ARGS__)
#define BW__TAKE_60(next, x, ...) BW__TAKE(next, x) BW__TAKE_59(next, __VA_ARGS__)
#define BW__TAKE_61(next, x, ...) BW__TAKE(next, x) BW__TAKE_60(next, __VA_ARGS__)
#define BW__TAKE_62(next, x, ...) BW__TAKE(next, x) BW__TAKE_61(next, __VA_ARGS__)
#define BW__TAKE_63(next, x, ...) BW__TAKE(next, x) BW__TAKE_62(next, __VA_ARGS__)
#define BW__TAKE_64(next, x, ...) BW__TAKE(next, x) BW__TAKE_63(next, __VA_ARGS__)

#endif
#endif
