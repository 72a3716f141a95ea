/* address.h - networks and addresses by name. */
#ifndef BURROW_IO_ADDRESS_H
#define BURROW_IO_ADDRESS_H

#include "io.h"

#include <netinet/in.h>
#include <sys/un.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
        struct sockaddr_storage room;
    } socket;
    socklen_t length;
};
struct addresses {
    struct address *list;
    size_t count;
};

struct network {
    bw_string name;
    int family, type; /* AF_UNSPEC: both */
};
const struct network *network_by_name(bw_string name); /* NULL: there is none */

/* The addresses that a text means; `listens`: to bind to, where no host is all of them. nil, or what is wrong with it; the
 * text of an address as such is no part of that. */
bw_error addresses_find(const struct network *network, bw_string text, bool listens, int64_t deadline,
                        struct addresses *out);
bw_string address_text(const struct address *address);

/* --- error.c --- */
bw_error io_error_of_lookup(bw_string name, bw_string text, bool not_found);
/* "dial tcp 127.0.0.1:1: connection refused"; without the address where that is empty. */
bw_error io_error_of_net(bw_string op, bw_string network, bw_string address, bw_error err);
bw_error io_error_of_call(const char *call, int number); /* "connect: connection refused" */

#endif
