/* fuzz_print.c - printing by any format: nothing crashes or reads beyond what it is given, all ways to print give the
 * same text, and where Go's directives and C's mean the same, the C library agrees.
 *
 * An input is a way (its first byte), some values, and the rest is the format and a string.
 */
#include <burrow.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

BW_STRUCT(point, (int, x), (double, y), (char[4], name));
BW_SLICE(point);
BW_MAP(names, int, bw_string);

struct reader {
    const uint8_t *data;
    size_t size;
};

static uint64_t take(struct reader *reader, size_t bytes) {
    uint64_t value = 0;
    for (; bytes > 0 && reader->size > 0; bytes--, reader->data++, reader->size--)
        value = value << 8 | *reader->data;
    return value;
}

static void check(bool holds, const char *what, bw_string got) {
    if (holds)
        return;
    fprintf(stderr, "%s: %.*s\n", what, (int)got.len, got.ptr);
    abort();
}

/* --- any format --- */

static void print_anything(struct reader *reader) {
    int number = (int)take(reader, 4);
    uint64_t word = take(reader, 8);
    double real;
    memcpy(&real, &word, sizeof real);
    size_t half = (size_t)take(reader, 1);
    half %= reader->size + 1;
    bw_string format = {(const char *)reader->data, (ptrdiff_t)half};
    bw_string text = {(const char *)reader->data + half, (ptrdiff_t)(reader->size - half)};
    point p = {number, real, {'a', 'b', (char)number, 'c'}}, *on_heap = bw_new(point);
    *on_heap = p;
    bw_slice(point) points = bw_slice_of(point, p, p);
    names map = bw_make_map(names);
    bw_put(map, number) = text;
    bw_put(map, 0) = text;
    bw_slice(bw_any) anys = bw_slice_of(bw_any, bw_any_of(number), bw_any_of(real), (bw_any){0}, bw_any_as(point, p));
    bw_error err = bw_errors_new(text);
#define ALL                                                                                                            \
    number, (uint8_t)number, word, real, (float)real, text, points, on_heap, bw_v(point, p), map, anys, err, bw_nil
    bw_string printed = bw_sprintf(format, ALL);
    bw_builder b = {0};
    bw_builder_printf(&b, format, ALL);
    check(bw_str_eq(printed, bw_builder_string(&b)), "bw_builder_printf differs", printed);
    if (memchr(format.ptr, 'w', half) == NULL) {
        bw_string message = bw_error_text(bw_errorf(format, ALL));
        check(bw_str_eq(printed, message), "bw_errorf differs", message);
    } else {
        check(bw_error_text(bw_errorf(format, ALL)).len >= 0, "bw_errorf", printed);
    }
    bw_sprintln(ALL);
}

/* --- directives that C has, too --- */

/* Makes a directive without its verb, with some of the flags. */
static void make_directive(struct reader *reader, char *directive, size_t room, const char *flags, bool precision) {
    size_t at = 0;
    uint64_t bits = take(reader, 1);
    directive[at++] = '%';
    for (size_t i = 0; flags[i]; i++)
        if (bits >> i & 1)
            directive[at++] = flags[i];
    unsigned width = (unsigned)take(reader, 1) % 40, digits = (unsigned)take(reader, 1) % 30;
    if (bits & 64 && width > 0) /* a width of 0 would be a flag */
        at += (size_t)snprintf(directive + at, room - at, "%u", width);
    if (bits & 128 && precision)
        at += (size_t)snprintf(directive + at, room - at, ".%u", digits);
    directive[at] = 0;
}

static void compare(const char *directive, bw_string got, const char *expected) {
    if ((size_t)got.len == strlen(expected) && (got.len == 0 || memcmp(got.ptr, expected, (size_t)got.len) == 0))
        return;
    fprintf(stderr, "%s: \"%.*s\" instead of \"%s\"\n", directive, (int)got.len, got.ptr, expected);
    abort();
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void print_integer(struct reader *reader) {
    char go[64], c[80], expected[512];
    bool hexadecimal = take(reader, 1) & 1;
    /* C has signs only for signed numbers, and puts no 0x before 0. */
    make_directive(reader, go, sizeof go - 1, hexadecimal ? "-0" : "-0+ ", true);
    snprintf(c, sizeof c, "%sll%c", go, hexadecimal ? 'x' : 'd');
    strcat(go, hexadecimal ? "x" : "d");
    long long value = (long long)take(reader, 8);
    if (value == 0)
        return; /* with a precision of 0, C prints the sign, Go does not */
    snprintf(expected, sizeof expected, c, value);
    compare(go,
            hexadecimal ? bw_sprintf((const char *)go, (unsigned long long)value) : bw_sprintf((const char *)go, value),
            expected);
}

static void print_real(struct reader *reader) {
    char directive[64], expected[1024];
    char verb = "eEfgG"[take(reader, 1) % 5];
    make_directive(reader, directive, sizeof directive - 1, "-0+ ", true);
    if (strchr(directive, '.') == NULL)
        strcat(directive, ".5"); /* without one, Go's %g is the shortest */
    size_t length = strlen(directive);
    directive[length] = verb;
    directive[length + 1] = 0;
    uint64_t word = take(reader, 8);
    double value;
    memcpy(&value, &word, sizeof value);
    if (!isfinite(value))
        return;
    snprintf(expected, sizeof expected, directive, value);
    compare(directive, bw_sprintf((const char *)directive, value), expected);
}

static void print_text(struct reader *reader) {
    char directive[64], expected[512], text[128];
    make_directive(reader, directive, sizeof directive - 1, "-", true);
    strcat(directive, "s");
    size_t length = reader->size < sizeof text - 1 ? reader->size : sizeof text - 1;
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(reader->data[i] % 95 + ' ');
    text[length] = 0;
    snprintf(expected, sizeof expected, directive, text);
    compare(directive, bw_sprintf((const char *)directive, text), expected);
}
#pragma GCC diagnostic pop

static void print_quoted(struct reader *reader) {
    bw_string text = {(const char *)reader->data, (ptrdiff_t)reader->size}, back;
    bw_string quoted = bw_sprintf(text.len % 2 ? "%q" : "%+q", text);
    check(bw_is_nil(bw_unquote(quoted, &back)) && bw_str_eq(text, back), "%q does not lead back", quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader reader = {data, size};
    switch (take(&reader, 1) % 8) {
    case 0: print_integer(&reader); break;
    case 1: print_real(&reader); break;
    case 2: print_text(&reader); break;
    case 3: print_quoted(&reader); break;
    default: print_anything(&reader);
    }
    return 0;
}

#include "standalone.h"
