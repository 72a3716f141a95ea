/* protocol.c - requests from bytes, bytes from replies. */
#include "protocol.h"
#include "text.h"
#include <limits.h>
#include <string.h>

enum {
    BUFFER = 16 << 10, /* what a connection has for each direction while it asks for nothing unusual */
    LONGEST_LINE = 64 << 10,
    LONGEST_BULK = 512 << 20,
    LONGEST_REQUEST = 1 << 30,
    MANY_ARGUMENTS = 1024, /* room for more of them is not kept */
};

/* ---- reading ---------------------------------------------------------------------------------------------------- */

input input_new(int fd) {
    return (input){.fd = fd, .buffer = bw_alloc_noscan(BUFFER), .size = BUFFER, .missing = -1, .bulk = -1};
}

/* Makes room for more bytes: first by moving what is there to the front, then by getting a buffer of twice the size, or
 * as much as the bulk string needs that is being waited for. */
static void make_room(input *in) {
    if (in->begin > 0) {
        memmove(in->buffer, in->buffer + in->begin, (size_t)(in->end - in->begin));
        in->at -= in->begin;
        in->end -= in->begin;
        in->begin = 0;
    }
    if (in->end < in->size)
        return;
    ptrdiff_t size = 2 * in->size, needed = in->at + in->bulk + 2;
    if (in->bulk > 0 && needed > in->size && needed < size)
        size = needed;
    in->buffer = bw_realloc(in->buffer, (size_t)size);
    in->size = size;
}

bool input_read(input *in) {
    if (in->end == in->size)
        make_room(in);
    ssize_t got = bw_read(in->fd, in->buffer + in->end, (size_t)(in->size - in->end));
    if (got > 0)
        in->end += got;
    return got > 0;
}

/* The request before has been dealt with. */
static void begin_request(input *in) {
    in->begin = in->at;
    in->missing = in->bulk = -1;
    in->arguments = bw_cap(in->arguments) > MANY_ARGUMENTS ? bw_make(bw_slice(span)) : bw_sub(in->arguments, 0, 0);
    if (in->begin == in->end) {
        in->begin = in->at = in->end = 0;
        if (in->size > 4 * BUFFER) {
            in->buffer = bw_alloc_noscan(BUFFER);
            in->size = BUFFER;
        }
    }
}

static void add_argument(input *in, ptrdiff_t from, ptrdiff_t length) {
    in->arguments = bw_append(in->arguments, ((span){from - in->begin, length}));
}

/* The line at the cursor, which is moved behind it, ends with \r\n. */
static enum request take_line(input *in, bw_string *line, bw_string too_long, bw_string *error) {
    char *from = in->buffer + in->at;
    ptrdiff_t left = in->end - in->at;
    char *end = memchr(from, '\r', (size_t)left);
    if (end == NULL && left > LONGEST_LINE) {
        *error = too_long;
        return REQUEST_WRONG;
    }
    if (end == NULL || end + 1 == from + left)
        return REQUEST_INCOMPLETE;
    *line = (bw_string){from, end - from};
    in->at += end - from + 2;
    return REQUEST_COMPLETE;
}

static enum request take_bulk_length(input *in, bw_string *error) {
    bw_string line;
    ptrdiff_t from = in->at;
    enum request result = take_line(in, &line, bw_str("ERR Protocol error: too big bulk count string"), error);
    if (result != REQUEST_COMPLETE)
        return result;
    if (bw_len(line) == 0 || line.ptr[0] != '$') {
        char c = in->buffer[from];
        *error = bw_sprintf("ERR Protocol error: expected '$', got '%s'",
                            bw_string_from(c == '\r' || c == '\n' ? " " : &c, 1));
        return REQUEST_WRONG;
    }
    if (!integer_from(bw_substr(line, 1, bw_len(line)), &in->bulk) || in->bulk < 0 || in->bulk > LONGEST_BULK) {
        *error = bw_str("ERR Protocol error: invalid bulk length");
        return REQUEST_WRONG;
    }
    return REQUEST_COMPLETE;
}

/* *2\r\n$3\r\nGET\r\n$4\r\nname\r\n, from wherever it is. */
static enum request take_array(input *in, bw_string *error) {
    enum request result;
    if (in->missing < 0) {
        bw_string line;
        result = take_line(in, &line, bw_str("ERR Protocol error: too big mbulk count string"), error);
        if (result != REQUEST_COMPLETE)
            return result;
        if (!integer_from(bw_substr(line, 1, bw_len(line)), &in->missing) || in->missing > INT_MAX) {
            *error = bw_str("ERR Protocol error: invalid multibulk length");
            return REQUEST_WRONG;
        }
    }
    for (; in->missing > 0; in->missing--) {
        if (in->bulk < 0 && (result = take_bulk_length(in, error)) != REQUEST_COMPLETE)
            return result;
        if (in->end - in->at < in->bulk + 2)
            return REQUEST_INCOMPLETE;
        add_argument(in, in->at, in->bulk);
        in->at += in->bulk + 2;
        in->bulk = -1;
    }
    return REQUEST_COMPLETE;
}

/* ---- lines of words --------------------------------------------------------------------------------------------- */

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What is behind a backslash within "..."; how many characters that takes. */
static ptrdiff_t unescape(const char *from, const char *end, char *c) {
    switch (*from) {
    case 'n': *c = '\n'; return 1;
    case 'r': *c = '\r'; return 1;
    case 't': *c = '\t'; return 1;
    case 'b': *c = '\b'; return 1;
    case 'a': *c = '\a'; return 1;
    case 'x':
        if (end - from >= 3 && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
            *c = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
            return 3;
        }
    }
    *c = *from;
    return 1;
}

/* A word, perhaps with parts in quotes. What it means is never longer than what it is, so that it is written over it.
 * Returns what is behind it; NULL: a quote is not closed, or something is behind it. */
static char *take_word(input *in, char *from, char *end) {
    char *to = from, *begin = from, quote = 0;
    for (; from < end && (quote || !is_blank(*from)); from++) {
        char c = *from;
        if (!quote && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        }
        if (quote && c == quote) {
            if (from + 1 < end && !is_blank(from[1]))
                return NULL;
            quote = 0;
            continue;
        }
        if (quote == '"' && c == '\\' && from + 1 < end)
            from += unescape(from + 1, end, &c);
        else if (quote == '\'' && c == '\\' && from + 1 < end && from[1] == '\'')
            c = *++from;
        *to++ = c;
    }
    if (quote)
        return NULL;
    add_argument(in, begin - in->buffer, to - begin);
    return from;
}

static enum request take_words(input *in, bw_string *error) {
    char *from = in->buffer + in->at;
    char *end = memchr(from, '\n', (size_t)(in->end - in->at));
    if (end == NULL) {
        if (in->end - in->at <= LONGEST_LINE)
            return REQUEST_INCOMPLETE;
        *error = bw_str("ERR Protocol error: too big inline request");
        return REQUEST_WRONG;
    }
    in->at = end + 1 - in->buffer;
    while (from < end && is_blank(*from))
        from++;
    while (from < end) {
        if ((from = take_word(in, from, end)) == NULL) {
            *error = bw_str("ERR Protocol error: unbalanced quotes in request");
            return REQUEST_WRONG;
        }
        while (from < end && is_blank(*from))
            from++;
    }
    return REQUEST_COMPLETE;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

enum request input_next(input *in, bw_string *error) {
    do {
        bool is_new = in->missing <= 0; /* the one before was complete */
        if (is_new)
            begin_request(in);
        if (in->begin == in->end)
            return REQUEST_INCOMPLETE;
        enum request result = in->buffer[in->begin] == '*' ? take_array(in, error) : take_words(in, error);
        if (result == REQUEST_INCOMPLETE && in->end - in->begin >= LONGEST_REQUEST) {
            *error = bw_str("ERR Protocol error: too big request");
            return REQUEST_WRONG;
        }
        if (result != REQUEST_COMPLETE)
            return result;
    } while (bw_len(in->arguments) == 0);
    return REQUEST_COMPLETE;
}

/* ---- replies ---------------------------------------------------------------------------------------------------- */

output output_new(int fd) {
    return (output){.fd = fd, .buffer = bw_alloc_noscan(BUFFER)};
}

static void write_now(output *out, const char *from, ptrdiff_t length) {
    if (!out->has_failed && length > 0)
        out->has_failed = bw_write_all(out->fd, from, (size_t)length) < 0;
}

void output_flush(output *out) {
    write_now(out, out->buffer, out->length);
    out->length = 0;
}

/* What is large is not copied. It may be the value of a key: if that gets another value while this one is being written,
 * the collector waits for both. */
static void put(output *out, const char *from, ptrdiff_t length) {
    if (length > BUFFER - out->length)
        output_flush(out);
    if (length > BUFFER) {
        write_now(out, from, length);
    } else if (length > 0) {
        memcpy(out->buffer + out->length, from, (size_t)length);
        out->length += length;
    }
}

/* The kind of a reply, and a number, in a line. */
static void put_number(output *out, char kind, int64_t value) {
    char line[32], *at = line + sizeof line;
    *--at = '\n';
    *--at = '\r';
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        *--at = '-';
    *--at = kind;
    put(out, at, line + sizeof line - at);
}

static void put_line(output *out, const char *kind, bw_string text) {
    put(out, kind, 1);
    put(out, text.ptr, bw_len(text));
    put(out, "\r\n", 2);
}

void reply_status(output *out, bw_string text) {
    put_line(out, "+", text);
}

void reply_error(output *out, bw_string text) {
    put_line(out, "-", text);
}

void reply_integer(output *out, int64_t value) {
    put_number(out, ':', value);
}

void reply_bulk(output *out, bw_string text) {
    put_number(out, '$', bw_len(text));
    put(out, text.ptr, bw_len(text));
    put(out, "\r\n", 2);
}

void reply_nil(output *out) {
    put(out, "$-1\r\n", 5);
}

void reply_array(output *out, ptrdiff_t length) {
    put_number(out, '*', length);
}
