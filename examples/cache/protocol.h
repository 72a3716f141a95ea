/* protocol.h - RESP, the protocol of Redis, version 2: requests are read, replies are written.
 *
 * A request is an array of bulk strings, or, for people with telnet, a line of words:
 *
 *     *2\r\n $3\r\n GET\r\n $4\r\n name\r\n           GET name\r\n
 *
 * Its arguments are parts of the buffer that it was read into: nothing is copied, and nothing allocated, until a command
 * wants to keep one. Requests that came in one piece are read in one piece, and their replies are written in one piece.
 *
 * A client may send what it likes. Memory is taken for bytes that have come, not for those that were announced; a bulk
 * string has at most 512 MiB, a request 1 GiB, a line 64 KiB.
 */
#ifndef CACHE_PROTOCOL_H
#define CACHE_PROTOCOL_H

#include <burrow.h>

/* ---- requests --------------------------------------------------------------------------------------------------- */

BW_STRUCT(span, (ptrdiff_t, at), (ptrdiff_t, length));
BW_SLICE(span);

typedef struct input {
    int fd;
    char *buffer;
    ptrdiff_t size;
    ptrdiff_t begin; /* of the request; what is before it has been dealt with */
    ptrdiff_t at;    /* what is before it has been understood */
    ptrdiff_t end;   /* what is before it has been read */

    bw_slice(span) arguments; /* so far; counted from `begin`, since the buffer may move */
    int64_t missing;          /* arguments still to come; -1: how many is not known yet */
    int64_t bulk;             /* length of the one that comes next; -1: not known yet */
} input;

enum request {
    REQUEST_COMPLETE,
    REQUEST_INCOMPLETE, /* input_read, then input_next again */
    REQUEST_WRONG,      /* *error says why, the connection is to be closed */
};

input input_new(int fd);

/* Takes the next request out of what has been read. Those without any argument are passed over. */
enum request input_next(input *in, bw_string *error);

/* Waits for bytes. False: there will be none. */
bool input_read(input *in);

/* An argument of the request, until the next call of input_next. */
static inline bw_string input_argument(const input *in, ptrdiff_t i) {
    span s = bw_at(in->arguments, i);
    return (bw_string){in->buffer + in->begin + s.at, s.length};
}

/* ---- replies ---------------------------------------------------------------------------------------------------- */

typedef struct output {
    int fd;
    char *buffer;
    ptrdiff_t length;
    bool has_failed; /* the client is gone: nothing is written any more */
} output;

output output_new(int fd);

/* Writes what has been gathered. A client that does not read is waited for: nothing piles up here. */
void output_flush(output *out);

void reply_status(output *out, bw_string text);  /* +text */
void reply_error(output *out, bw_string text);   /* -text */
void reply_integer(output *out, int64_t value);  /* :value */
void reply_bulk(output *out, bw_string text);    /* $length, text */
void reply_nil(output *out);                     /* $-1: there is none */
void reply_array(output *out, ptrdiff_t length); /* *length: so many replies follow, and are its elements */

#endif
