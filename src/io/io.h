/* io.h - floor 5: what its files about descriptors have for each other. */
#ifndef BURROW_IO_IO_H
#define BURROW_IO_IO_H

#include "../sched/sched.h"

#include <burrow/net.h>

/* What a failed wait is in errno; not for POLL_READY. */
static inline int io_error_of(enum poll_result result) {
    return result == POLL_TIMEOUT ? ETIMEDOUT : EBADF;
}

/* Makes the call, and each time that it says -EAGAIN waits and makes it again. The value is the call's, >= 0 or -errno; the
 * call may use `attempt`. */
#define IO_UNTIL_READY(fd, direction, call)                                                                            \
    ({                                                                                                                 \
        struct poll_try attempt;                                                                                       \
        enum poll_result wait_ = poll_begin(&attempt, (fd), (direction));                                              \
        ssize_t result_ = -EAGAIN;                                                                                     \
        while (wait_ == POLL_READY && (result_ = (call)) == -EAGAIN)                                                   \
            wait_ = poll_wait(&attempt);                                                                               \
        poll_end(&attempt);                                                                                            \
        wait_ == POLL_READY ? result_ : -io_error_of(wait_);                                                           \
    })

/* The result, or -1 with errno set. */
static inline ssize_t io_result(ssize_t result) {
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

/* --- net.c --- */
/* A connect that ends by that time (os_now_ns; 0: any). 0 or -errno. */
int io_connect(int fd, const struct sockaddr *address, unsigned length, int64_t deadline);

#endif
