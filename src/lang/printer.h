/* printer.h - what the files of printing share: the state of one verb, and the values that are printed.
 *
 *     printf.c     formats, and the public functions
 *     print.c      values: one function for each kind
 *     entries.c    maps, sorted
 *     format.c     numbers, characters, strings, padding
 *     errorf.c     errors made by a format
 *
 * Nothing else refers to any of them, so that a program that never prints links none.
 */
#ifndef BURROW_PRINTER_H
#define BURROW_PRINTER_H

#include "text.h"

#include <burrow/print.h>

/* --- one verb --- */
struct format {
    bw_builder text; /* all that is printed */
    char room[512];  /* where it begins */
    bool minus, plus, sharp, space, zero;
    bool plus_v, sharp_v; /* %+v and %#v, for which plus and sharp are off */
    bool wide, precise;   /* there is a width, a precision */
    ptrdiff_t width, precision;
};
void format_begin(struct format *format);
void format_clear(struct format *format); /* for the next verb */
void format_pad(struct format *format, bw_string string);
void format_bool(struct format *format, bool value);
/* Base 2, 8, 10 or 16; `verb` tells O from o and X from x. */
void format_integer(struct format *format, uint64_t value, bool is_signed, unsigned base, bw_rune verb);
void format_unicode(struct format *format, uint64_t value);          /* %U */
void format_character(struct format *format, uint64_t value);        /* %c */
void format_quoted_character(struct format *format, uint64_t value); /* %q of a number */
void format_string(struct format *format, bw_string string);
void format_quoted_string(struct format *format, bw_string string);
void format_hex_string(struct format *format, bw_string string, bool upper);
/* `bits` is 32 or 64; `verb` one of b e E f g G x X; the precision is for when none was given: -1 is the shortest that
 * tells the number from all others. */
void format_float(struct format *format, double value, int bits, char verb, ptrdiff_t precision);

/* --- values --- */
struct value {
    const bw_type *type; /* NULL: nil */
    const void *at;
};

extern const bw_type complex_types[2]; /* of arguments: 64 and 128 bits */
/* What is in an interface value or a bw_any; a value of another type itself. */
struct value value_inside(const struct value *value);

/* A slice or map that is being printed, and what it is in. */
struct nesting {
    const void *at;
    const bw_type *type;
    ptrdiff_t len;
    struct nesting *outer;
};

struct printer {
    struct format format;
    struct nesting *nesting;
    int depth;        /* of values within values */
    bool complaining; /* within %!d(...): methods are not called */
    /* Of bw_errorf: %w means something, and these arguments were printed by it. */
    bool wraps;
    unsigned wrap_count;
    uint64_t wrapped; /* a bit for each argument */
};
void print_argument(struct printer *printer, const struct value *value, bw_rune verb);
uint64_t value_integer(const struct value *value); /* sign-extended */
const char *print_type_name(const struct value *value);
/* The error that the value is; nil if it is none. */
bw_error value_error(const struct value *value);

/* --- maps (entries.c) --- */
struct entries {
    char *copies; /* of keys, each with its value at value_offset */
    size_t count, capacity, value_offset;
    const char **sorted; /* the keys */
};
void entries_sorted(struct entries *entries, const bw_type *type, const void *map);
void entries_end(struct entries *entries);

/* --- arguments (printf.c) --- */
union argument_room {
    double number;
    void *pointer;
};
/* What an argument of a macro of print.h is. */
struct value argument_value(const bw__argument *argument, union argument_room *room);
void print_formatted(struct printer *printer, bw_string format, const bw__argument *list, size_t n);
void printer_begin(struct printer *printer);

#endif
