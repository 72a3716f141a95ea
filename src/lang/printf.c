/* printf.c - reading formats, and the public functions of printing.
 *
 * A printer lives on the stack of the call, and so does its text unless it gets long. Nothing is shared between threads
 * but the FILE.
 */
#include "printer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_NUMBER 1000000 /* of a width or precision */

/* --- arguments --- */

/* The declared type of a nil map is not known at run time. */
static const bw_type unknown_map = {
    .name = "map", .size = sizeof(void *), .align = _Alignof(void *), .kind = BW_KIND_MAP};

static const bw_type *map_type(const void *map) {
    const bw_type *type = map ? bw__map_type(map) : NULL;
    return type && type->kind == BW_KIND_MAP ? type : &unknown_map;
}

/* A pointer of which C says nothing: the heap may know. */
static struct value with_target(struct value value) {
    if (value.type && value.type->kind == BW_KIND_POINTER && value.type->element == NULL) {
        const void *target;
        memcpy(&target, value.at, sizeof target);
        const bw_type *type = target ? type_of_object(target) : NULL;
        if (type)
            value.type = type_pointer_to(type);
    }
    return value;
}

struct value argument_value(const bw__argument *argument, union argument_room *room) {
    switch (argument->kind) {
    case BW_KIND_SLICE: {
        const bw__slice *slice = argument->at;
        return (struct value){bw__slice_type(argument->element_kind, slice->ptr, argument->element_size), slice};
    }
    case BW_KIND_MAP: {
        void *map;
        memcpy(&map, argument->at, sizeof map);
        return (struct value){map_type(map), argument->at};
    }
    case BW_KIND_INTERFACE: return with_target(value_inside(&(struct value){&bw__basic[BW_KIND_ERROR], argument->at}));
    case BW__PRINT_LONG_DOUBLE:
        room->number = (double)*(const long double *)argument->at;
        return (struct value){&bw__basic[BW_KIND_FLOAT64], &room->number};
    case BW__PRINT_COMPLEX64: return (struct value){&complex_types[0], argument->at};
    case BW__PRINT_COMPLEX128: return (struct value){&complex_types[1], argument->at};
    default: return with_target(value_inside(&(struct value){&bw__basic[argument->kind], argument->at}));
    }
}

/* --- formats --- */

/* A format, how far it has been read, and which argument is next. */
struct reader {
    const char *format;
    size_t at, end;
    const bw__argument *list;
    size_t argument, count;
    bool reordered;   /* an index was given somewhere */
    bool good;        /* all indexes of this verb are */
    bool after_index; /* the last thing read was one */
};

static bool next_is(const struct reader *reader, char byte) {
    return reader->at < reader->end && reader->format[reader->at] == byte;
}

/* Digits before `end`; false: there are none, or they say too much, and then the rest up to `end` is skipped. */
static bool read_number(struct reader *reader, size_t end, long *number) {
    bool any = false;
    *number = 0;
    for (; reader->at < end && reader->format[reader->at] >= '0' && reader->format[reader->at] <= '9'; reader->at++) {
        if (*number > MAX_NUMBER) {
            *number = 0;
            reader->at = end;
            return false;
        }
        *number = *number * 10 + (reader->format[reader->at] - '0');
        any = true;
    }
    return any;
}

/* [n], if it is next: makes argument n, counted from one, the next one. */
static void read_index(struct reader *reader) {
    reader->after_index = false;
    if (!next_is(reader, '['))
        return;
    reader->reordered = true;
    size_t open = reader->at;
    const char *found = reader->end - open < 3 ? NULL : memchr(reader->format + open, ']', reader->end - open);
    if (found == NULL) {
        reader->good = false;
        reader->at = open + 1;
        return;
    }
    size_t close = (size_t)(found - reader->format);
    long number;
    reader->at = open + 1;
    bool is_number = read_number(reader, close, &number) && reader->at == close;
    reader->at = close + 1;
    reader->after_index = is_number;
    if (is_number && number >= 1 && (size_t)number <= reader->count)
        reader->argument = (size_t)number - 1;
    else
        reader->good = false;
}

/* The next argument, for a *: false if it is no integer, or too large. */
static bool take_number(struct reader *reader, long *number) {
    *number = 0;
    if (reader->argument >= reader->count)
        return false;
    union argument_room room;
    struct value value = argument_value(&reader->list[reader->argument++], &room);
    int64_t wide;
    if (value.type == NULL || value.type->kind < BW_KIND_CHAR || value.type->kind > BW_KIND_UINT64)
        return false;
    wide = (int64_t)value_integer(&value);
    if ((value.type->kind == BW_KIND_UINT64 && wide < 0) || wide > MAX_NUMBER || wide < -MAX_NUMBER)
        return false;
    *number = (long)wide;
    return true;
}

static void read_flags(struct reader *reader, struct format *format) {
    for (; reader->at < reader->end; reader->at++)
        switch (reader->format[reader->at]) {
        case '#': format->sharp = true; break;
        case '0': format->zero = true; break;
        case '+': format->plus = true; break;
        case '-': format->minus = true; break;
        case ' ': format->space = true; break;
        default: return;
        }
}

static void read_width(struct reader *reader, struct format *format) {
    long number;
    if (next_is(reader, '*')) {
        reader->at++;
        format->wide = take_number(reader, &number);
        if (!format->wide)
            bw_builder_write_cstr(&format->text, "%!(BADWIDTH)");
        if (number < 0) {
            number = -number;
            format->minus = true;
            format->zero = false;
        }
        reader->after_index = false;
    } else {
        format->wide = read_number(reader, reader->end, &number);
        if (reader->after_index && format->wide)
            reader->good = false; /* %[3]2d */
    }
    format->width = number;
}

static void read_precision(struct reader *reader, struct format *format) {
    if (!next_is(reader, '.') || reader->at + 1 >= reader->end)
        return;
    reader->at++;
    if (reader->after_index)
        reader->good = false; /* %[3].2d */
    read_index(reader);
    long number;
    if (next_is(reader, '*')) {
        reader->at++;
        format->precise = take_number(reader, &number);
        if (number < 0) {
            number = 0;
            format->precise = false;
        }
        if (!format->precise)
            bw_builder_write_cstr(&format->text, "%!(BADPREC)");
        reader->after_index = false;
    } else {
        if (!read_number(reader, reader->end, &number))
            number = 0;
        format->precise = true;
    }
    format->precision = number;
}

static void complain_of_verb(bw_builder *text, bw_rune verb, const char *why) {
    bw_builder_write_cstr(text, "%!");
    bw_builder_write_rune(text, verb);
    bw_builder_write_cstr(text, why);
}

static void print_verb(struct printer *printer, struct reader *reader, bw_rune verb) {
    struct format *format = &printer->format;
    if (verb == 'v' || verb == 'w') {
        format->sharp_v = format->sharp;
        format->plus_v = format->plus;
        format->sharp = format->plus = false;
    }
    if (verb == 'w') {
        printer->wrap_count++;
        printer->wrapped |= (uint64_t)1 << reader->argument;
    }
    union argument_room room;
    struct value value = argument_value(&reader->list[reader->argument++], &room);
    print_argument(printer, &value, verb);
}

/* What follows a percent sign. False: the format ended there. */
static bool print_directive(struct printer *printer, struct reader *reader) {
    struct format *format = &printer->format;
    format_clear(format);
    reader->good = true;
    read_flags(reader, format);
    read_index(reader);
    read_width(reader, format);
    read_precision(reader, format);
    if (!reader->after_index)
        read_index(reader);
    if (reader->at >= reader->end) {
        bw_builder_write_cstr(&format->text, "%!(NOVERB)");
        return false;
    }
    ptrdiff_t size;
    bw_rune verb = bw__rune_decode(reader->format + reader->at, (ptrdiff_t)(reader->end - reader->at), &size);
    reader->at += (size_t)size;
    if (verb == '%')
        bw_builder_write_byte(&format->text, '%');
    else if (!reader->good)
        complain_of_verb(&format->text, verb, "(BADINDEX)");
    else if (reader->argument >= reader->count)
        complain_of_verb(&format->text, verb, "(MISSING)");
    else
        print_verb(printer, reader, verb);
    return true;
}

static void print_extra(struct printer *printer, const struct reader *reader) {
    bw_builder *text = &printer->format.text;
    format_clear(&printer->format);
    bw_builder_write_cstr(text, "%!(EXTRA ");
    for (size_t i = reader->argument; i < reader->count; i++) {
        union argument_room room;
        struct value value = argument_value(&reader->list[i], &room);
        if (i > reader->argument)
            bw_builder_write_cstr(text, ", ");
        if (value.type) {
            bw_builder_write_cstr(text, print_type_name(&value));
            bw_builder_write_byte(text, '=');
        }
        print_argument(printer, &value, 'v');
    }
    bw_builder_write_byte(text, ')');
}

void print_formatted(struct printer *printer, bw_string format, const bw__argument *list, size_t n) {
    struct reader reader = {.format = format.ptr, .end = (size_t)format.len, .list = list, .count = n};
    while (reader.at < reader.end) {
        const char *rest = reader.format + reader.at;
        const char *percent = memchr(rest, '%', reader.end - reader.at);
        size_t plain = percent ? (size_t)(percent - rest) : reader.end - reader.at;
        bw_builder_write(&printer->format.text, rest, (ptrdiff_t)plain);
        reader.at += plain;
        if (percent) {
            reader.at++;
            if (!print_directive(printer, &reader))
                break;
        }
    }
    if (!reader.reordered && reader.argument < n)
        print_extra(printer, &reader);
}

/* --- without a format --- */

static bool is_string(const struct value *value) {
    return value->type && (value->type->kind == BW_KIND_STRING || value->type->kind == BW_KIND_CSTRING);
}

static void print_plain(struct printer *printer, bool line, const bw__argument *list, size_t n) {
    bool after_string = false;
    for (size_t i = 0; i < n; i++) {
        union argument_room room;
        struct value value = argument_value(&list[i], &room);
        bool string = is_string(&value);
        if (i > 0 && (line || (!string && !after_string)))
            bw_builder_write_byte(&printer->format.text, ' ');
        print_argument(printer, &value, 'v');
        after_string = string;
    }
    if (line)
        bw_builder_write_byte(&printer->format.text, '\n');
}

void printer_begin(struct printer *printer) {
    format_begin(&printer->format);
    printer->nesting = NULL;
    printer->depth = 0;
    printer->complaining = printer->wraps = false;
    printer->wrap_count = 0;
    printer->wrapped = 0;
}

static void print_all(struct printer *printer, enum bw__print_how how, bw_string format, const bw__argument *list,
                      size_t n) {
    printer_begin(printer);
    if (how == BW__PRINT_FORMAT)
        print_formatted(printer, format, list, n);
    else
        print_plain(printer, how == BW__PRINT_LINE, list, n);
}

/* --- where to --- */

ptrdiff_t bw__print_file(FILE *file, enum bw__print_how how, bw_string format, const bw__argument *list, size_t n) {
    struct printer printer;
    print_all(&printer, how, format, list, n);
    bw_string text = bw_builder_string(&printer.format.text);
    return fwrite(text.ptr, 1, (size_t)text.len, file) == (size_t)text.len ? text.len : -1;
}

ptrdiff_t bw__print_fd(int fd, enum bw__print_how how, bw_string format, const bw__argument *list, size_t n) {
    struct printer printer;
    print_all(&printer, how, format, list, n);
    bw_string text = bw_builder_string(&printer.format.text);
    for (ptrdiff_t written = 0; written < text.len;) {
        ssize_t more = write(fd, text.ptr + written, (size_t)(text.len - written));
        if (more == 0)
            return written; /* what a full device does without an error */
        if (more < 0 && errno != EINTR)
            return -1;
        written += more > 0 ? more : 0;
    }
    return text.len;
}

void bw__print_builder(bw_builder *b, enum bw__print_how how, bw_string format, const bw__argument *list, size_t n) {
    struct printer printer;
    print_all(&printer, how, format, list, n);
    bw_builder_write_string(b, bw_builder_string(&printer.format.text));
}

bw_string bw__print_string(enum bw__print_how how, bw_string format, const bw__argument *list, size_t n) {
    struct printer printer;
    print_all(&printer, how, format, list, n);
    return builder_end(&printer.format.text, printer.format.room);
}
