/* lookup.h - names to addresses, by threads made for it. */
#ifndef BURROW_IO_LOOKUP_H
#define BURROW_IO_LOOKUP_H

#include "io.h"

#include <netdb.h>

struct lookup {
    struct addrinfo *list; /* for os_addresses_free */
    int error;             /* of getaddrinfo; 0: none */
    int system_error;      /* errno, instead of that or with EAI_SYSTEM */
    bool timed_out;
};
/* The texts are C strings, either may be NULL. At most until `deadline` (os_now_ns; 0: without end). Not INSIDE. */
struct lookup lookup_wait(const char *name, const char *service, int family, int type, int64_t deadline);

#endif
