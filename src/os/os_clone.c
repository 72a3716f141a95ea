/* os_clone.c - a copy of this process, to be looked at while this one goes on: its memory as it was at that moment, its
 * pages shared until one of the two writes to them.
 *
 * Made by the system call, not by libc's fork: what is registered there for a fork must not run, and a thread that was
 * stopped may hold any lock of libc's. So the copy may use no lock but those that its maker knows to be free, and nothing of
 * libc's that takes one. It has one thread, the caller's, on a copy of its stack.
 *
 * The program does not see it. It sends no signal when it ends, so that only who asks for such children (__WCLONE) waits
 * for it; it blocks all signals; and it keeps none of the program's files: it begins with the program's own table of
 * descriptors, not with a copy in which a file that the program closes would stay open, and leaves that at once. It ends
 * with the thread that made it, so also when the program ends or becomes another. When memory is short it is what the
 * kernel ends first. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

bool os_is_clone;

void *os_map_shared(size_t bytes) {
    if (os_fail_now())
        return NULL;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* A child would be the first process of another namespace, and take it along when it ends. */
static bool children_live_elsewhere(void) {
    char own[64], of_children[64];
    ssize_t length = readlink("/proc/self/ns/pid", own, sizeof own);
    ssize_t other = readlink("/proc/self/ns/pid_for_children", of_children, sizeof of_children);
    return length > 0 && other > 0 && (length != other || memcmp(own, of_children, (size_t)length) != 0);
}

const char *os_clone_refused(void) {
    if (OS_THREAD_SANITIZER)
        return "the thread sanitizer's locks may be held";
    if (RUNNING_ON_VALGRIND)
        return "valgrind knows no such system call";
    if (children_live_elsewhere())
        return "children are made in another namespace";
    return NULL;
}

static void be_ended_first(void) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
    if (fd >= 0)
        syscall(SYS_write, fd, "1000", 4);
}

/* By system calls: the sanitizers stand in front of some of libc's functions, with locks of theirs. */
static void settle(pid_t parent) {
    os_is_clone = true;
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (syscall(SYS_getppid) != parent)
        _exit(1);
    syscall(SYS_prctl, PR_SET_NAME, "burrow-snapshot", 0, 0, 0);
    /* Where the system does not know this call (Linux 5.9) the table stays the program's, and nothing is opened. */
    if (syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        be_ended_first();
    syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0); /* if it fails, no core */
    os_thread_be_modest();
}

long os_clone_start(void (*body)(void *), void *argument) {
    if (os_fail_now())
        return -EAGAIN;
    uint64_t all = ~(uint64_t)0, before;
    pid_t parent = getpid();
    /* The program's handlers are not for the copy. */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof before);
    long child = syscall(SYS_clone, CLONE_FILES, NULL, NULL, NULL, NULL), error = errno;
    if (child == 0) {
        settle(parent);
        body(argument);
        _exit(0);
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return child > 0 ? child : -error;
}

bool os_clone_has_ended(pid_t child, bool wait, int *signal) {
    int status = 0;
    long ended;
    do {
        ended = syscall(SYS_wait4, child, &status, __WCLONE | (wait ? 0 : WNOHANG), NULL);
    } while (ended < 0 && errno == EINTR);
    *signal = ended > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return ended != 0;
}

/* As os_processor_ns_of, of all threads of a process. */
uint64_t os_clone_cpu_ns(pid_t child) {
    struct timespec time;
    if (clock_gettime((clockid_t)(~(unsigned)child << 3 | 2), &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void os_clone_kill(pid_t child) {
    kill(child, SIGKILL);
}
