/* os_io.c - reading and writing descriptors. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define AGAIN(call)                                                                                                    \
    ({                                                                                                                 \
        __typeof__(call) result_;                                                                                      \
        do                                                                                                             \
            result_ = (call);                                                                                          \
        while (result_ < 0 && errno == EINTR);                                                                         \
        result_ < 0 ? -errno : result_;                                                                                \
    })

ssize_t os_recv(int fd, void *buffer, size_t n) {
    return os_fail_now() ? -ENOMEM : AGAIN(recv(fd, buffer, n, MSG_DONTWAIT));
}

ssize_t os_send(int fd, const void *buffer, size_t n) {
    return os_fail_now() ? -ENOBUFS : AGAIN(send(fd, buffer, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}

ssize_t os_recv_message(int fd, struct msghdr *message, int flags) {
    return os_fail_now() ? -ENOMEM : AGAIN(recvmsg(fd, message, flags | MSG_DONTWAIT));
}

ssize_t os_send_message(int fd, const struct msghdr *message, int flags) {
    return os_fail_now() ? -ENOBUFS : AGAIN(sendmsg(fd, message, flags | MSG_DONTWAIT | MSG_NOSIGNAL));
}

ssize_t os_readv(int fd, const struct iovec *pieces, int count) {
    if (os_fail_now())
        return -EIO;
    return count == 1 ? AGAIN(read(fd, pieces->iov_base, pieces->iov_len)) : AGAIN(readv(fd, pieces, count));
}

ssize_t os_readv_now(int fd, const struct iovec *pieces, int count) {
#ifdef RWF_NOWAIT
    return os_fail_now() ? -EIO : AGAIN(preadv2(fd, pieces, count, -1, RWF_NOWAIT));
#else
    (void)fd, (void)pieces, (void)count;
    return -EOPNOTSUPP;
#endif
}

ssize_t os_writev(int fd, const struct iovec *pieces, int count) {
    if (os_fail_now())
        return -EIO;
    return count == 1 ? AGAIN(write(fd, pieces->iov_base, pieces->iov_len)) : AGAIN(writev(fd, pieces, count));
}

/* The signal is kept from coming, and taken back, in this thread alone: what the program does about it stays as it is. One
 * that was there before stays, too. */
ssize_t os_writev_quietly(int fd, const struct iovec *pieces, int count) {
    sigset_t pipe, before, there;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    bool was_there = sigismember(&before, SIGPIPE) == 1 && sigpending(&there) == 0 && sigismember(&there, SIGPIPE) == 1;
    ssize_t wrote = os_writev(fd, pieces, count);
    if (wrote == -EPIPE && !was_there)
        while (sigtimedwait(&pipe, NULL, &(struct timespec){0, 0}) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return wrote;
}

void os_broken_pipe(int fd) {
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) != 0)
        return;
    bool handled = now.sa_flags & SA_SIGINFO || (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN);
    bool ends = !handled && now.sa_handler == SIG_DFL && (fd == 1 || fd == 2);
    if (ends) { /* even where all threads block it */
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
    }
    if (handled || ends)
        kill(getpid(), SIGPIPE);
}

bool os_is_ready(int fd, bool write) {
    struct pollfd list = {fd, write ? POLLOUT : POLLIN, 0};
    return poll(&list, 1, 0) != 0;
}

int os_set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if (flags & O_NONBLOCK)
        return 1;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

void os_set_blocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

int os_open(const char *path, int flags, mode_t mode) {
    return os_fail_now() ? -EMFILE : AGAIN(open(path, flags | O_CLOEXEC, mode));
}

int os_pipe(int ends[2]) {
    return os_fail_now() ? -EMFILE : AGAIN(pipe2(ends, O_CLOEXEC));
}

int os_socketpair(int type, int ends[2]) {
    return os_fail_now() ? -EMFILE : AGAIN(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends));
}
