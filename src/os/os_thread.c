/* os_thread.c - stacks, thread-local storage, and the library's own threads. */
#include "os_interpose.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

os_stack os_current_stack(void) {
    os_stack stack = {0, 0};
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        void *lo;
        size_t bytes;
        if (pthread_attr_getstack(&attributes, &lo, &bytes) == 0)
            stack = (os_stack){(uintptr_t)lo, (uintptr_t)lo + bytes};
        pthread_attr_destroy(&attributes);
    }
    return stack;
}

uintptr_t os_thread_pointer(void) {
    return (uintptr_t)__builtin_thread_pointer();
}

pid_t os_thread_id(void) {
    return (pid_t)syscall(SYS_gettid);
}

/* glibc's layout, the same since 2.3: the thread control block holds a pointer to an array of pairs, one for each
 * loaded object with thread-local storage, indexed by its number; entry -1 holds the length of the array. x86-64 keeps
 * that pointer in the second word of the control block, aarch64 in the first. */
struct dtv_entry {
    uintptr_t block, to_free;
};
#if defined(__x86_64__)
#define DTV_WORD 1
#else
#define DTV_WORD 0
#endif
#define UNALLOCATED ((uintptr_t)-1)

/* What glibc exports of its struct pthread for debuggers: its size; and where in it the array of pointers to blocks of
 * pthread_setspecific's values is (bits, how often, offset). The first block lies in the struct itself. */
extern unsigned int _thread_db_sizeof_pthread __attribute__((weak));
extern unsigned int _thread_db_pthread_specific[3] __attribute__((weak));
extern unsigned int _thread_db_pthread_tid[3] __attribute__((weak));
#define SPECIFIC_BLOCK_BYTES (32 * 2 * sizeof(uintptr_t))
#define MOST_SPECIFIC_BLOCKS 32
#define USUAL_PTHREAD_BYTES 0x700u

/* A block of a module that was loaded later than the thread last looked may be another module's, and smaller: it is
 * read as far as there is memory. */
static uintptr_t readable_end(uintptr_t lo, uintptr_t hi) {
    uintptr_t page = os_page_bytes(), end = lo;
    while (end < hi && os_readable(end))
        end = (end & ~(page - 1)) + page;
    return end < hi ? end : hi;
}

/* Not seen by the thread sanitizer: the runtime writes to a new thread's control block without telling it. */
__attribute__((no_sanitize("thread"))) void
os_thread_local_blocks(const os_modules *modules, uintptr_t thread_pointer,
                       void (*visit)(void *context, uintptr_t lo, uintptr_t hi), void *context) {
    if (thread_pointer == 0)
        return;
    const struct dtv_entry *dtv = ((const struct dtv_entry *const *)thread_pointer)[DTV_WORD];
    if (dtv == NULL)
        return;
    for (size_t i = 0; i < modules->tls_count; i++) {
        size_t number = modules->tls[i].number;
        if (number > dtv[-1].block || dtv[number].block == UNALLOCATED || dtv[number].block == 0)
            continue;
        uintptr_t lo = (dtv[number].block + 7) & ~(uintptr_t)7;
        uintptr_t hi = (dtv[number].block + modules->tls[i].bytes) & ~(uintptr_t)7;
        visit(context, lo, dtv[number].to_free ? readable_end(lo, hi) : hi);
    }
    uintptr_t control_bytes = &_thread_db_sizeof_pthread ? _thread_db_sizeof_pthread : USUAL_PTHREAD_BYTES;
#if defined(__x86_64__)
    uintptr_t control = thread_pointer;
#else
    uintptr_t control = thread_pointer - control_bytes;
#endif
    visit(context, control, control + (control_bytes & ~(uintptr_t)7));
    if (_thread_db_pthread_specific) {
        const uintptr_t *blocks = (const uintptr_t *)(control + _thread_db_pthread_specific[2]);
        unsigned count =
            _thread_db_pthread_specific[0] * _thread_db_pthread_specific[1] / (8 * (unsigned)sizeof(uintptr_t));
        for (unsigned i = 1; i < count && i < MOST_SPECIFIC_BLOCKS; i++)
            if (blocks[i])
                visit(context, blocks[i], blocks[i] + SPECIFIC_BLOCK_BYTES);
    }
}

bool os_thread_is_alive(uintptr_t thread_pointer, pid_t id) {
    /* The kernel clears the id in libc's record when the thread ends; the memory can be gone, or another thread's, by
     * then. */
    if (_thread_db_pthread_tid == NULL)
        return true;
#if defined(__x86_64__)
    uintptr_t control = thread_pointer;
#else
    uintptr_t control = thread_pointer - (&_thread_db_sizeof_pthread ? _thread_db_sizeof_pthread : USUAL_PTHREAD_BYTES);
#endif
    pid_t found = 0;
    struct iovec here = {&found, sizeof found}, there = {(void *)(control + _thread_db_pthread_tid[2]), sizeof found};
    ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    return got == sizeof found ? found == id : errno != EFAULT;
}

static _Atomic size_t own_threads;
__thread bool os_thread_is_own __attribute__((tls_model("initial-exec")));

size_t os_own_thread_count(void) {
    return atomic_load(&own_threads);
}

void os_own_threads_forget(void) {
    atomic_store(&own_threads, 0);
}

/* Has the main thread ended, while the process lives on? Its state is behind its name, which may hold anything. */
static bool main_is_zombie(void) {
    char text[512];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return false;
    text[got] = 0;
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' && name_end[2] == 'Z';
}

size_t os_thread_count(void) {
    struct stat tasks; /* a directory has a link for each directory in it, and two more */
    if (stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink < 3)
        return 0;
    return (size_t)tasks.st_nlink - 2 - main_is_zombie();
}

enum { BEGUN = 1, REFUSED };

struct start {
    bool (*begin)(void *);
    void (*body)(void *);
    void *argument;
    const char *name;
    _Atomic uint32_t came_to; /* the last that the new thread does with this, which is on the starter's stack */
};

static void *start_thread(void *argument) {
    struct start *start = argument;
    void (*body)(void *) = start->body;
    void *of_body = start->argument;
    pthread_setname_np(pthread_self(), start->name);
    os_thread_is_own = true;
    bool goes_on = start->begin == NULL || start->begin(of_body);
    if (!goes_on)
        atomic_fetch_sub(&own_threads, 1);
    atomic_store(&start->came_to, goes_on ? BEGUN : REFUSED);
    os_wake(&start->came_to, 1);
    if (goes_on) {
        body(of_body);
        atomic_fetch_sub(&own_threads, 1);
    }
    return NULL;
}

bool os_start_thread(bool (*begin)(void *), void (*body)(void *), void *argument, const char *name) {
    if (os_fail_now()) {
        errno = EAGAIN;
        return false;
    }
    struct start start = {begin, body, argument, name, 0};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    pthread_t thread;
    atomic_fetch_add(&own_threads, 1);
    int error = os_real_pthread_create(&thread, &attributes, start_thread, &start);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        atomic_fetch_sub(&own_threads, 1);
        errno = error;
        return false;
    }
    while (atomic_load(&start.came_to) == 0)
        os_wait(&start.came_to, 0, -1);
    if (atomic_load(&start.came_to) == BEGUN)
        return true;
    errno = ENOMEM;
    return false;
}

/* sched_setattr's structure in its first form. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/* A quarter of a processor where another thread wants it all: the weight of nice 5 is a third of that of 0. A turn of 0.2 ms
 * (Linux 6.12), so that a thread that wakes need not wait for the end of a longer one. */
void os_thread_be_modest(void) {
    struct attributes wanted = {.size = sizeof wanted, .nice = 5, .runtime = 200000};
    if (syscall(SYS_sched_setattr, 0, &wanted, 0) != 0) {
        wanted.runtime = 0;
        syscall(SYS_sched_setattr, 0, &wanted, 0);
    }
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
}
