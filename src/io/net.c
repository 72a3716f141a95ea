/* net.c - the socket calls of burrow/net.h. */
#include "io.h"

#include <burrow/thread.h>

/* The listener is made non-blocking: a connection that was there may be gone when it is asked for. */
static int accept_now(int fd, struct sockaddr *address, socklen_t *length) {
    int before = os_set_nonblocking(fd);
    return before < 0 ? before : os_accept(fd, address, length);
}

int bw_accept(int fd, struct sockaddr *address, socklen_t *length) {
    int accepted = (int)IO_UNTIL_READY(fd, POLL_READ, accept_now(fd, address, length));
    if (accepted >= 0)
        poll_fresh(accepted);
    return (int)io_result(accepted);
}

/* A Unix listener whose queue is full tells nobody when it no longer is: only a connect that waits is told. */
static int connect_waiting(int fd, const struct sockaddr *address, unsigned length, int64_t deadline) {
    int error = 0;
    if (deadline != 0)
        os_set_send_timeout(fd, deadline);
    os_set_blocking(fd);
    bw_blocking {
        error = os_connect(fd, address, length);
    }
    if (deadline != 0)
        os_set_send_timeout(fd, 0);
    return error == -EAGAIN ? -ETIMEDOUT : error;
}

/* Asked again, connect tells what has become of it. -EAGAIN: nothing yet. */
static int connect_step(int fd, const struct sockaddr *address, unsigned length, bool *begun, bool *queue_full) {
    int error = os_connect(fd, address, length);
    if (error == -EAGAIN) {
        *queue_full = true;
        return 0;
    }
    if (error == -EISCONN && *begun)
        error = 0;
    *begun = true;
    return error == -EINPROGRESS || error == -EALREADY ? -EAGAIN : error;
}

static int connect_now(int fd, const struct sockaddr *address, unsigned length, int64_t deadline) {
    bool begun = false, queue_full = false;
    int before = os_set_nonblocking(fd);
    if (before < 0)
        return before;
    int error = (int)IO_UNTIL_READY(fd, POLL_WRITE, connect_step(fd, address, length, &begun, &queue_full));
    if (queue_full)
        error = connect_waiting(fd, address, length, deadline);
    else if (before == 0)
        os_set_blocking(fd);
    return error;
}

int io_connect(int fd, const struct sockaddr *address, unsigned length, int64_t deadline) {
    if (deadline != 0)
        poll_set_deadline(fd, deadline, false, true);
    int error = connect_now(fd, address, length, deadline);
    if (deadline != 0)
        poll_set_deadline(fd, 0, false, true);
    return error;
}

int bw_connect(int fd, const struct sockaddr *address, socklen_t length) {
    return (int)io_result(connect_now(fd, address, length, 0));
}

/* --- datagrams --- */

static ssize_t receive(int fd, struct msghdr *message, int flags) {
    socklen_t room = message->msg_namelen;
    ssize_t got = os_recv_message(fd, message, flags & ~MSG_WAITALL);
    if (got == -EAGAIN)
        message->msg_namelen = room;
    return got;
}

ssize_t bw_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *address, socklen_t *length) {
    struct iovec piece = {buffer, n};
    struct msghdr message = {
        .msg_name = address, .msg_namelen = address && length ? *length : 0, .msg_iov = &piece, .msg_iovlen = 1};
    ssize_t got = flags & MSG_DONTWAIT ? receive(fd, &message, flags)
                                       : IO_UNTIL_READY(fd, POLL_READ, receive(fd, &message, flags));
    if (got >= 0 && address && length)
        *length = message.msg_namelen;
    return io_result(got);
}

ssize_t bw_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *address, socklen_t length) {
    struct iovec piece = {(void *)(uintptr_t)buffer, n};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)address,
                             .msg_namelen = address ? length : 0,
                             .msg_iov = &piece,
                             .msg_iovlen = 1};
    ssize_t sent = flags & MSG_DONTWAIT ? os_send_message(fd, &message, flags)
                                        : IO_UNTIL_READY(fd, POLL_WRITE, os_send_message(fd, &message, flags));
    if (sent == -EPIPE && !(flags & MSG_NOSIGNAL))
        os_broken_pipe(fd);
    return io_result(sent);
}
