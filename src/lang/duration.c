/* duration.c - durations as text, as Go writes and reads them. */
#include "text.h"

#include <burrow/error.h>
#include <burrow/time.h>

#define MOST ((uint64_t)1 << 63) /* of the smallest duration, its sign aside */

/* --- writing, from the end --- */

/* The digits of `value` behind its last `places`, without zeros at the end, and what is before them. */
static uint64_t put_fraction(char **at, uint64_t value, int places) {
    bool any = false;
    for (; places > 0; places--, value /= 10) {
        any |= value % 10 != 0;
        if (any)
            *--*at = (char)('0' + value % 10);
    }
    if (any)
        *--*at = '.';
    return value;
}

static void put_whole(char **at, uint64_t value) {
    do
        *--*at = (char)('0' + value % 10);
    while ((value /= 10) != 0);
}

static void put_text(char **at, const char *text) {
    size_t length = strlen(text);
    *at -= length;
    memcpy(*at, text, length);
}

static void put_below_a_second(char **at, uint64_t ns) {
    int places = ns < BW_MICROSECOND ? 0 : ns < BW_MILLISECOND ? 3 : 6;
    put_text(at, ns == 0 ? "s" : places == 0 ? "ns" : places == 3 ? "µs" : "ms");
    put_whole(at, put_fraction(at, ns, places));
}

static void put_seconds(char **at, uint64_t ns) {
    put_text(at, "s");
    uint64_t seconds = put_fraction(at, ns, 9), minutes = seconds / 60;
    put_whole(at, seconds % 60);
    if (minutes == 0)
        return;
    put_text(at, "m");
    put_whole(at, minutes % 60);
    if (minutes < 60)
        return;
    put_text(at, "h");
    put_whole(at, minutes / 60);
}

bw_string bw_format_duration(int64_t ns) {
    char text[40], *end = text + sizeof text, *at = end;
    uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    if (size < BW_SECOND)
        put_below_a_second(&at, size);
    else
        put_seconds(&at, size);
    if (ns < 0)
        put_text(&at, "-");
    return bw_string_from(at, end - at);
}

/* --- reading --- */

static bool is_digit(const char *at, const char *end) {
    return at < end && *at >= '0' && *at <= '9';
}

/* False: it is over MOST. */
static bool read_whole(const char **at, const char *end, uint64_t *value) {
    for (*value = 0; is_digit(*at, end); ++*at) {
        if (*value > MOST / 10)
            return false;
        *value = *value * 10 + (uint64_t)(**at - '0');
        if (*value > MOST)
            return false;
    }
    return true;
}

/* Digits that a uint64_t has no room for change nothing. */
static uint64_t read_fraction(const char **at, const char *end, double *scale) {
    uint64_t value = 0;
    *scale = 1;
    for (bool room = true; is_digit(*at, end); ++*at) {
        room &= value <= (MOST - 1) / 10;
        uint64_t more = value * 10 + (uint64_t)(**at - '0');
        if (!room || (room = more <= MOST) == false)
            continue;
        value = more;
        *scale *= 10;
    }
    return value;
}

static uint64_t unit_of(const char *text, size_t length) {
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},
                 {"us", BW_MICROSECOND},
                 {"\xc2\xb5s", BW_MICROSECOND}, /* the micro sign */
                 {"\xce\xbcs", BW_MICROSECOND}, /* the letter mu */
                 {"ms", BW_MILLISECOND},
                 {"s", BW_SECOND},
                 {"m", BW_MINUTE},
                 {"h", BW_HOUR}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i].name) == length && memcmp(text, units[i].name, length) == 0)
            return (uint64_t)units[i].ns;
    return 0;
}

/* In quotes, and bytes that are no printable ASCII as \xff. */
static bw_string quote(const char *at, size_t length) {
    static const char hex[] = "0123456789abcdef";
    bw_builder text = {0};
    bw_builder_write_byte(&text, '"');
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)at[i];
        if (byte == '"' || byte == '\\')
            bw_builder_write_byte(&text, '\\');
        if (byte >= ' ' && byte < 0x80) {
            bw_builder_write_byte(&text, byte);
        } else {
            bw_builder_write_string(&text, bw_str("\\x"));
            bw_builder_write_byte(&text, (uint8_t)hex[byte / 16]);
            bw_builder_write_byte(&text, (uint8_t)hex[byte % 16]);
        }
    }
    bw_builder_write_byte(&text, '"');
    return bw_builder_string(&text);
}

enum fault { FINE, INVALID, NO_UNIT, UNKNOWN_UNIT };

/* One number and its unit, added to *sum. */
static enum fault read_part(const char **at, const char *end, uint64_t *sum, const char **unit_at, size_t *unit_bytes) {
    uint64_t whole, fraction = 0;
    double scale = 1;
    const char *digits = *at;
    if (!read_whole(at, end, &whole))
        return INVALID;
    bool any = *at > digits;
    if (*at < end && **at == '.') {
        digits = ++*at;
        fraction = read_fraction(at, end, &scale);
        any |= *at > digits;
    }
    if (!any)
        return INVALID;
    *unit_at = *at;
    while (*at < end && **at != '.' && !is_digit(*at, end))
        ++*at;
    *unit_bytes = (size_t)(*at - *unit_at);
    if (*unit_bytes == 0)
        return NO_UNIT;
    uint64_t unit = unit_of(*unit_at, *unit_bytes);
    if (unit == 0)
        return UNKNOWN_UNIT;
    if (whole > MOST / unit)
        return INVALID;
    whole = whole * unit + (uint64_t)((double)fraction * ((double)unit / scale));
    if (whole > MOST)
        return INVALID;
    *sum += whole;
    return *sum > MOST ? INVALID : FINE;
}

bw_error bw__parse_duration(bw_string text, int64_t *ns) {
    const char *at = text.ptr, *end = at + text.len, *unit_at = NULL;
    size_t unit_bytes = 0;
    uint64_t sum = 0;
    enum fault fault = FINE;
    bool negative = at < end && *at == '-';
    *ns = 0;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (end - at == 1 && *at == '0')
        return bw_nil;
    if (at == end)
        fault = INVALID;
    while (at < end && fault == FINE)
        fault = read_part(&at, end, &sum, &unit_at, &unit_bytes);
    if (fault == FINE && sum == MOST && !negative)
        fault = INVALID;
    if (fault == FINE) {
        *ns = (int64_t)(negative ? -sum : sum);
        return bw_nil;
    }
    bw_string what = fault == NO_UNIT        ? bw_str("missing unit in")
                     : fault == UNKNOWN_UNIT ? bw_concat("unknown unit ", quote(unit_at, unit_bytes), " in")
                                             : bw_str("invalid");
    return bw_errors_new(bw_concat("time: ", what, " duration ", quote(text.ptr, (size_t)text.len)));
}
