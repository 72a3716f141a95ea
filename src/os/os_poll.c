/* os_poll.c - waiting until descriptors can be read or written: epoll, edge-triggered, and poll for a single one. */
#include "os.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct os_poll_event) == sizeof(struct epoll_event) &&
                   offsetof(struct os_poll_event, data) == offsetof(struct epoll_event, data) &&
                   OS_POLL_READABLE == EPOLLIN && OS_POLL_WRITABLE == EPOLLOUT &&
                   OS_POLL_BROKEN == (EPOLLERR | EPOLLHUP | EPOLLRDHUP) && OS_POLL_BOTH_WAYS == (EPOLLERR | EPOLLHUP),
               "os.h has the kernel's events");

#define MOST_WAIT_NS ((int64_t)3600 * 1000000000) /* the kernel refuses what is out of its range */

int os_poll_make(void) {
    int fd = os_fail_now() ? (errno = EMFILE, -1) : epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int control(int poll, int what, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {events, {.u64 = data}};
    return epoll_ctl(poll, what, fd, &event) == 0 ? 0 : -errno;
}

#define WATCHED (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

int os_poll_add(int poll, int fd, uint64_t data) {
    return os_fail_now() ? -ENOSPC : control(poll, EPOLL_CTL_ADD, fd, WATCHED, data);
}

int os_poll_change(int poll, int fd, uint64_t data) {
    return os_fail_now() ? -ENOMEM : control(poll, EPOLL_CTL_MOD, fd, WATCHED, data);
}

void os_poll_remove(int poll, int fd) {
    control(poll, EPOLL_CTL_DEL, fd, 0, 0);
}

/* Not through libc: there epoll_wait is a place where a thread can be cancelled, and nanoseconds are missing. */
int os_poll_wait(int poll, struct os_poll_event *events, int room, int64_t wait_ns) {
    static _Atomic bool no_pwait2;
    long count;
    if (wait_ns > MOST_WAIT_NS)
        wait_ns = MOST_WAIT_NS;
#ifdef SYS_epoll_pwait2
    if (wait_ns > 0 && !atomic_load_explicit(&no_pwait2, memory_order_relaxed)) {
        struct timespec limit = {wait_ns / 1000000000, wait_ns % 1000000000};
        count = syscall(SYS_epoll_pwait2, poll, events, room, &limit, NULL, 0);
        if (count >= 0 || errno != ENOSYS) /* Linux 5.11 */
            return count > 0 ? (int)count : 0;
        atomic_store(&no_pwait2, true);
    }
#endif
    int milliseconds = wait_ns < 0 ? -1 : (int)((wait_ns + 999999) / 1000000);
    count = syscall(SYS_epoll_pwait, poll, events, room, milliseconds, NULL, 0);
    return count > 0 ? (int)count : 0;
}

int os_poll_event_make(int poll, uint64_t data) {
    int event = os_event_make();
    if (event >= 0 && control(poll, EPOLL_CTL_ADD, event, EPOLLIN, data) != 0) {
        close(event);
        event = -1;
    }
    return event;
}

int os_event_make(void) {
    return os_fail_now() ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void os_event_signal(int event) {
    uint64_t one = 1;
    syscall(SYS_write, event, &one, sizeof one);
}

void os_event_clear(int event) {
    uint64_t count;
    syscall(SYS_read, event, &count, sizeof count);
}

bool os_poll_one(int fd, bool write, int event, int64_t wait_ns) {
    struct pollfd list[2] = {{fd, write ? POLLOUT : POLLIN, 0}, {event, POLLIN, 0}};
    if (wait_ns > MOST_WAIT_NS)
        wait_ns = MOST_WAIT_NS;
    struct timespec limit = {wait_ns / 1000000000, wait_ns % 1000000000};
    return syscall(SYS_ppoll, list, 2, wait_ns < 0 ? NULL : &limit, NULL, 0) > 0;
}

int os_file_of(int fd, struct os_file *file) {
    struct stat status;
    if (syscall(SYS_fstat, fd, &status) != 0)
        return -errno;
    file->device = status.st_dev;
    file->number = status.st_ino;
    file->kind = S_ISSOCK(status.st_mode)                                                        ? OS_FILE_SOCKET
                 : S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode) ? OS_FILE_DISK
                                                                                                 : OS_FILE_STREAM;
    return 0;
}

#if OS_THREAD_SANITIZER
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#endif

/* The descriptor is gone even when a signal came, and must not be closed again. To the thread sanitizer it would be a
 * mistake that another thread has just read, and is about to learn of the close. */
int os_close(int fd) {
#if OS_THREAD_SANITIZER
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
    int error = close(fd) == 0 || errno == EINTR ? 0 : -errno;
#if OS_THREAD_SANITIZER
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
#endif
    return error;
}
