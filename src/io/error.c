/* error.c - the errors of burrow/io.h and burrow/net.h. */
#include "address.h"

/* --- those that are always the same, and wrap an errno --- */

struct io_sentinel {
    int number;
    bw_string text;
};
typedef struct io_sentinel io_sentinel;
BW_TYPE(io_sentinel, number, text);
static bw_string io_sentinel_error(io_sentinel *e) {
    return e->text;
}
static bw_error io_sentinel_unwrap(io_sentinel *e) {
    return bw_errno_error(e->number);
}
BW_IMPL(bw_error, io_sentinel, (bw_string, error));
BW_IMPL(bw_unwrapper, io_sentinel, (bw_error, unwrap));

bw_error bw_err_timeout(void) {
    static io_sentinel e = {ETIMEDOUT, BW_STR_INIT("i/o timeout")};
    return bw_as(bw_error, io_sentinel, &e);
}

bw_error bw_err_net_closed(void) {
    static io_sentinel e = {EBADF, BW_STR_INIT("use of closed network connection")};
    return bw_as(bw_error, io_sentinel, &e);
}

/* --- of a system call --- */

BW_STRUCT(io_call, (bw_string, call), (bw_error, err));
static bw_string io_call_error(io_call *e) {
    return bw_concat(e->call, ": ", bw_error_text(e->err));
}
static bw_error io_call_unwrap(io_call *e) {
    return e->err;
}
BW_IMPL(bw_error, io_call, (bw_string, error));
BW_IMPL(bw_unwrapper, io_call, (bw_error, unwrap));

bw_error io_error_of_call(const char *call, int number) {
    io_call *e = bw_new(io_call);
    *e = (io_call){bw_string_of(call), bw_errno_error(number)};
    return bw_as(bw_error, io_call, e);
}

/* --- of a look-up --- */

BW_TYPEDEF(bw_error_lookup, name, text, not_found);
static bw_string bw_error_lookup_error(bw_error_lookup *e) {
    return bw_concat("lookup ", e->name, ": ", e->text);
}
BW_IMPL(bw_error, bw_error_lookup, (bw_string, error));

bw_error io_error_of_lookup(bw_string name, bw_string text, bool not_found) {
    bw_error_lookup *e = bw_new(bw_error_lookup);
    *e = (bw_error_lookup){name, text, not_found};
    return bw_as(bw_error, bw_error_lookup, e);
}

const bw_error_lookup *bw_lookup_error_of(bw_error err) {
    bw_error_lookup *found = NULL;
    return bw_errors_as(bw_error_lookup *, err, &found) ? found : NULL;
}

/* --- of an operation on the network --- */

BW_TYPEDEF(bw_error_net, op, network, address, err);
static bw_string bw_error_net_error(bw_error_net *e) {
    bw_string text = bw_concat(e->op, " ", e->network);
    if (e->address.len > 0)
        text = bw_concat(text, " ", e->address);
    return bw_concat(text, ": ", bw_error_text(e->err));
}
static bw_error bw_error_net_unwrap(bw_error_net *e) {
    return e->err;
}
BW_IMPL(bw_error, bw_error_net, (bw_string, error));
BW_IMPL(bw_unwrapper, bw_error_net, (bw_error, unwrap));

bw_error io_error_of_net(bw_string op, bw_string network, bw_string address, bw_error err) {
    bw_error_net *e = bw_new(bw_error_net);
    *e = (bw_error_net){op, network, address, err};
    return bw_as(bw_error, bw_error_net, e);
}

bw_error bw__net_error(bw_string op, bw_string network, bw_string address, int number) {
    if (number == 0)
        return bw_nil;
    bw_error err = number == ETIMEDOUT ? bw_err_timeout()
                   : number == EBADF   ? bw_err_net_closed()
                                       : bw_errno_error(number);
    return io_error_of_net(op, network, address, err);
}

const bw_error_net *bw_net_error_of(bw_error err) {
    bw_error_net *found = NULL;
    return bw_errors_as(bw_error_net *, err, &found) ? found : NULL;
}
