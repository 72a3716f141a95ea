/* os.h - floor 0: everything Burrow asks of the operating system and the CPU, and nothing else asks for itself.
 *
 * Rules: no function here allocates with malloc; each says how it fails. Functions that may run while other threads are
 * stopped (all but the thread makers) take no lock of libc.
 *
 * Every call that can fail for want of resources passes os_fail_now() first, so that a test can make the Nth one fail.
 */
#ifndef BURROW_OS_H
#define BURROW_OS_H

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OS_HUGE_PAGE ((size_t)2 << 20)

/* The thread sanitizer does not see the order that a fence makes, and knows no thread after its own key's destructor,
 * which comes before ours in the last of the four rounds. */
#if !defined(OS_THREAD_SANITIZER) /* told by the build to the files that are not instrumented */
#if defined(__SANITIZE_THREAD__)
#define OS_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OS_THREAD_SANITIZER 1
#endif
#endif
#ifndef OS_THREAD_SANITIZER
#define OS_THREAD_SANITIZER 0
#endif
#endif
#if OS_THREAD_SANITIZER
#define OS_FENCES_ARE_SEEN false
#define OS_DESTRUCTOR_ROUNDS 3
#else
#define OS_FENCES_ARE_SEEN true
#define OS_DESTRUCTOR_ROUNDS 4 /* PTHREAD_DESTRUCTOR_ITERATIONS */
#endif

static inline void os_cpu_relax(void) {
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Makes the calling function keep, in its own frame, every register that a called function preserves: from there to the
 * frame's end lie all values of its callers that are not in memory already. */
#define OS_SPILL_REGISTERS() __builtin_unwind_init()
/* Written after the call during which the frame must stay, so that the compiler does not make it a jump and give up the
 * frame first. (The library is compiled with -fno-optimize-sibling-calls as well.) */
#define OS_KEEP_FRAME() __asm__ volatile("" : : : "memory")

static inline __attribute__((always_inline)) uintptr_t os_stack_pointer(void) {
    uintptr_t at;
#if defined(__x86_64__)
    __asm__ volatile("movq %%rsp, %0" : "=r"(at));
#elif defined(__aarch64__)
    __asm__ volatile("mov %0, sp" : "=r"(at));
#else
#error "Burrow knows x86-64 and aarch64; another CPU needs its stack pointer named here"
#endif
    return at;
}

/* A place in running code, from which its stack can be unwound: an instruction, and the stack and frame pointers there.
 * pc is 0 where that is not known. The function's frame holds what it saved of the other registers. */
typedef struct os_place {
    uintptr_t pc, sp, fp;
} os_place;
static inline __attribute__((always_inline)) os_place os_place_here(void) {
    os_place place;
#if defined(__x86_64__)
    __asm__ volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"
                     : "=&r"(place.pc), "=&r"(place.sp), "=&r"(place.fp));
#else
    __asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29" : "=&r"(place.pc), "=&r"(place.sp), "=&r"(place.fp));
#endif
    return place;
}

/* --- memory (os_memory.c) --- */
size_t os_page_bytes(void);
size_t os_physical_bytes(void);               /* RAM, or the address-space limit if that is less */
void *os_reserve(size_t bytes, size_t align); /* address space that nothing may touch yet; NULL */
bool os_commit(void *at, size_t bytes);       /* makes reserved pages readable and writable, zero */
bool os_extend(void *at, size_t bytes);       /* reserves exactly there; false if anything is there */
void os_unreserve(void *at, size_t bytes);
bool os_release(void *at, size_t bytes);              /* gives the pages' memory back; they read as zero again */
size_t os_release_within(uintptr_t lo, uintptr_t hi); /* the pages that are whole between the two; bytes given back */
bool os_forbid(void *at, size_t bytes);               /* gives it back, and any access faults */
bool os_allow(void *at, size_t bytes);                /* ends os_forbid */
bool os_guard(void *at, size_t bytes);                /* any access faults; costs no mapping of its own where it can */
void os_touch(uintptr_t lo, uintptr_t hi);            /* has each page made, as if it were written with what it has */
void os_want_huge_pages(void *at, size_t bytes);      /* a wish */
void os_want_small_pages(void *at, size_t bytes);
void *os_map(size_t bytes); /* zeroed memory for the library's own use; NULL */
void os_unmap(void *at, size_t bytes);
size_t os_resident_bytes(void); /* of this process; 0 if unknown */

/* --- which pages were written (os_watch.c) --- */
const char *os_watch_start(void); /* tries it; NULL: it works; else why not */
void os_watch_end(void);          /* in the child of a fork, where nothing is watched */
bool os_watch_add(uintptr_t lo,
                  size_t bytes); /* private memory without a file, of whole pages; false: the system cannot */
bool os_watch_protect(uintptr_t lo, uintptr_t hi, bool protect); /* from here on writes are noted; or not any more */
/* Puts into `found` those of the pages between *lo and `hi`, of the first of them at most `room` ranges, that were written
 * since they were protected, or never were; *lo becomes the place behind what was looked at. At most `pages` of them, and
 * few more than that are looked at with the lock of a page table held. `protect`: each is protected again at the moment it
 * is told of, which interrupts all processors that the program runs on, once a call. How many ranges; -1: the system cannot
 * tell. */
struct os_pages {
    uintptr_t lo, hi;
};
#define OS_WATCH_MOST 64 /* ranges in one call */
long os_watch_written(uintptr_t *lo, uintptr_t hi, bool protect, struct os_pages *found, size_t room, size_t pages);
bool os_readable(uintptr_t at); /* can this address be read? */

/* --- a copy of this process, to be looked at (os_clone.c) --- */
void *os_map_shared(size_t bytes);  /* zeroed memory that a copy has in common with this process; NULL */
const char *os_clone_refused(void); /* why there can be no copy here, however often it is tried; NULL: there can */
/* Makes a copy of the process as it is now, with the calling thread alone, which calls `body` and ends. Its number, or
 * -errno. The program's own waits do not see it: os_clone_has_ended must be called until it is true. `body` takes no lock of
 * libc's. */
long os_clone_start(void (*body)(void *), void *argument);
/* True once; *signal is the one that ended it; 0: none, or the program took the news for itself. */
bool os_clone_has_ended(pid_t child, bool wait, int *signal);
uint64_t os_clone_cpu_ns(pid_t child); /* that it has used; 0: unknown */
void os_clone_kill(pid_t child);       /* it has not ended, as far as has been seen */
extern bool os_is_clone;               /* this is the copy: it ends without a word if it cannot go on */

/* --- failing on purpose (os_memory.c) --- */
extern _Atomic long os_fail_countdown; /* > 0: the call that brings it to 0 fails */
extern bool os_fail_all_after;         /* and every one after it, too */
bool os_fail_now(void);

/* --- locks: futex mutexes that never call into libc (os_sync.c) --- */
typedef struct os_lock {
    _Atomic uint32_t held;
    _Atomic uint32_t sleepers;
} os_lock;
void os_lock_acquire_slowly(os_lock *lock);
void os_lock_wake(os_lock *lock);
static inline bool os_lock_try(os_lock *lock) {
    uint32_t held = 0;
    return atomic_compare_exchange_strong_explicit(&lock->held, &held, 1, memory_order_acquire, memory_order_relaxed);
}
static inline void os_lock_acquire(os_lock *lock) {
    if (__builtin_expect(!os_lock_try(lock), 0))
        os_lock_acquire_slowly(lock);
}
/* No barrier between the two: whoever goes to sleep sees to that (os_sync.c). */
static inline void os_lock_release(os_lock *lock) {
    atomic_store_explicit(&lock->held, 0, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&lock->sleepers, memory_order_relaxed) != 0, 0))
        os_lock_wake(lock);
}
/* Every thread of the process has a full barrier between what it did before the call and what it does after (a few
 * microseconds). _works: the system can, as far as has been seen; where it cannot os_barrier_of_all waits until it is so. */
void os_barrier_of_all(void);
/* The first one waits for all processors for some ms, but not if this was called when the process had one thread. */
void os_barrier_prepare(void);
bool os_barrier_of_all_works(void);
/* Sleeps while *word == value, at most `timeout_ns` (negative: no limit). Wakes spuriously. */
void os_wait(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns);
void os_wake(_Atomic uint32_t *word, int count);
/* The same between processes. */
void os_wait_shared(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns);
void os_wake_shared(_Atomic uint32_t *word, int count);

/* --- clocks, CPUs, environment (os_misc.c) --- */
uint64_t os_now_ns(void);        /* monotonic */
uint64_t os_wall_ns(void);       /* since 1970 */
void os_thread_be_modest(void);  /* the caller takes less of the processors than others, and shorter turns */
uint64_t os_thread_cpu_ns(void); /* this thread's processor time */
uint64_t os_process_cpu_ns(void);
uint64_t os_processor_ns_of(pid_t thread); /* the same of another thread of this process; 0 if it is gone */
uint64_t os_start_ns(void);                /* monotonic time of the first call */
uint64_t os_memory_limit(void);            /* bytes, of the cgroups this process is in; UINT64_MAX: none */
int os_cpu_count(void);                    /* processors this process may use: affinity and cgroup quota */
uint64_t os_random(void);                  /* unpredictable for other processes; for seeds, not for keys */
const char *os_getenv(const char *name);
void os_yield(void);

/* --- descriptors: waiting for several at once (os_poll.c). Those that return int: 0 or more, or -errno --- */
struct os_poll_event { /* as the kernel has it */
    uint32_t what;
    uint64_t data;
}
#if defined(__x86_64__)
__attribute__((packed))
#endif
;
#define OS_POLL_READABLE 0x0001u
#define OS_POLL_WRITABLE 0x0004u
#define OS_POLL_BROKEN 0x2018u    /* an error, or the other end has hung up, or has shut down its side */
#define OS_POLL_BOTH_WAYS 0x0018u /* of those, what ends the writing, too */
int os_poll_make(void);
/* From here on `data` is told each time that the descriptor becomes readable or writable, and now if it is. -EPERM: it is
 * of a kind that always is. -EEXIST: it was added before. */
int os_poll_add(int poll, int fd, uint64_t data);
int os_poll_change(int poll, int fd, uint64_t data); /* -ENOENT: it is not there */
void os_poll_remove(int poll, int fd);
/* Waits at most `wait_ns` (negative: for ever); how many there are, 0 also after a signal. */
int os_poll_wait(int poll, struct os_poll_event *events, int room, int64_t wait_ns);
int os_poll_event_make(int poll, uint64_t data); /* a descriptor that tells `data` while it is signalled; -1: none */
int os_event_make(void);                         /* one by itself */
void os_event_signal(int event);
void os_event_clear(int event);
/* Waits until one descriptor is ready, or `event` (-1: none) is signalled: true; or the time is over, or a signal came. */
bool os_poll_one(int fd, bool write, int event, int64_t wait_ns);
enum os_file_kind { OS_FILE_SOCKET, OS_FILE_STREAM, OS_FILE_DISK };
struct os_file { /* which file a descriptor means; two that are open at one time differ, if they are sockets or pipes */
    uint64_t device, number;
    enum os_file_kind kind;
};
int os_file_of(int fd, struct os_file *file);
int os_close(int fd);

/* --- descriptors: system calls (os_io.c, os_net.c). All give what the call gives, or -errno; never -EINTR --- */
struct iovec;
struct msghdr;
struct sockaddr;
bool os_is_tcp(int fd);                          /* a connection by TCP, in either version of IP */
ssize_t os_recv(int fd, void *buffer, size_t n); /* does not wait: -EAGAIN */
ssize_t os_send(int fd, const void *buffer, size_t n);
ssize_t os_recv_message(int fd, struct msghdr *message, int flags);
ssize_t os_send_message(int fd, const struct msghdr *message, int flags);
ssize_t os_readv(int fd, const struct iovec *pieces, int count);
ssize_t os_writev(int fd, const struct iovec *pieces, int count);
ssize_t os_writev_quietly(int fd, const struct iovec *pieces, int count); /* raises no SIGPIPE */
/* What is in memory of a file; -EAGAIN: nothing; -EOPNOTSUPP: the system cannot tell. */
ssize_t os_readv_now(int fd, const struct iovec *pieces, int count);
/* After EPIPE: SIGPIPE as a program expects it. */
void os_broken_pipe(int fd);
bool os_is_ready(int fd, bool write); /* now */
int os_set_nonblocking(int fd);       /* > 0: it was so before */
void os_set_blocking(int fd);
int os_open(const char *path, int flags, mode_t mode);
int os_pipe(int ends[2]);
int os_socketpair(int type, int ends[2]);
int os_socket(int family, int type, int protocol);
int os_accept(int fd, struct sockaddr *address, unsigned *length);
int os_connect(int fd, const struct sockaddr *address, unsigned length);
int os_bind(int fd, const struct sockaddr *address, unsigned length);
int os_listen(int fd);
void os_set_send_timeout(int fd, int64_t until); /* of what may wait: os_now_ns; 0: none */
void os_socket_settings(int fd, bool listens);   /* what all TCP sockets have; of a listener also the address anew */
int os_set_only_ipv6(int fd, bool only);
int os_local_address(int fd, struct sockaddr *address, unsigned *length);
int os_remote_address(int fd, struct sockaddr *address, unsigned *length);
/* The addresses of a name, with the port of a service; either may be NULL. 0, and a list for os_addresses_free; or an error
 * of getaddrinfo, whose text os_lookup_text gives; with EAI_SYSTEM, errno is in *system_error, else 0. Takes a large stack,
 * and time. */
struct addrinfo;
int os_lookup(const char *name, const char *service, int family, int type, struct addrinfo **list, int *system_error);
void os_addresses_free(struct addrinfo *list);
const char *os_lookup_text(int error);
unsigned os_interface_number(const char *name); /* 0: there is none */
bool os_interface_name(unsigned number, char name[16]);

/* --- text without malloc (os_report.c) --- */
/* Writes what the program has printed on standard output, unless another thread is printing: it comes before the
 * message that ends the program. */
void os_flush_output(void);
void os_print(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "fatal error: ...", exit status 2. */
void os_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn, cold));
/* A panic: one that the program may recover, if it links the floor of panics, else "panic: ...", the stack, and exit
 * status 2. The caller holds no lock, and its thread is not INSIDE. */
void os_panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn, cold));
void os_write(int fd, const char *text, size_t length);
/* The end of the program: what is written from here on comes from this thread alone. */
void os_end_begin(void);
bool os_is_ending(void); /* the calling thread has begun to end the program */
/* The signal that this thread's last fault was, unless os_fault.number is 0, and the thread's stack on standard error;
 * exit status 2. */
void os_end(void) __attribute__((noreturn, cold));
#define OS_ASSERT(condition)                                                                                           \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0))                                                                         \
            os_fatal("burrow: internal error: %s (%s:%d)", #condition, __FILE__, __LINE__);                            \
    } while (0)

/* What a panic is; all but the first come from faults, and have texts of their own but for the second. */
enum os_panic_kind {
    OS_PANIC_TEXT,
    OS_PANIC_ADDRESS,
    OS_PANIC_NIL,
    OS_PANIC_DIVIDE,
    OS_PANIC_OVERFLOW,
    OS_PANIC_STACK,
    OS_PANIC_KINDS
};
#define OS_PANIC_EACH(kind_is)                                                                                         \
    kind_is(OS_PANIC_NIL, "runtime error: invalid memory address or nil pointer dereference")                          \
        kind_is(OS_PANIC_DIVIDE, "runtime error: integer divide by zero")                                              \
            kind_is(OS_PANIC_OVERFLOW, "runtime error: integer overflow")                                              \
                kind_is(OS_PANIC_STACK, "runtime error: stack overflow")
extern const char *const os_panic_texts[OS_PANIC_KINDS];
/* A weak table's address; NULL: it is not linked. clang 14 loads a member of such a constant before the branch that
 * decides whether to, and so from address 0; a pointer of which it knows nothing it does not follow too early. */
#define OS_IF_LINKED(table)                                                                                            \
    ({                                                                                                                 \
        const __typeof__(table) *at_ = &(table);                                                                       \
        __asm__("" : "+r"(at_));                                                                                       \
        at_;                                                                                                           \
    })

/* Defined by the floor of panics. Weak: a program that does not use it does not link it. */
struct os_panic_hooks {
    void (*raise)(enum os_panic_kind kind, const char *text) __attribute__((noreturn));
    void (*thread_exits)(void); /* pthread_exit, or the thread's function has returned */
    void (*thread_ended)(void); /* nothing that the thread deferred is there any more */
};
extern const struct os_panic_hooks os_panic_hooks __attribute__((weak));
static inline const struct os_panic_hooks *os_panic_hooks_if_linked(void) {
    return OS_IF_LINKED(os_panic_hooks);
}

/* --- threads (os_thread.c) --- */
typedef struct os_stack {
    uintptr_t lo, hi;
} os_stack;

/* --- stacks as text (os_stack.c) --- */
/* What messages say of who runs: its number (0: none yet), who made it, and the address after the call that did. */
struct os_goroutine {
    int number, maker;
    uintptr_t made_by;
};
extern __thread struct os_goroutine os_goroutine_now __attribute__((tls_model("initial-exec")));
/* The number in messages: the main thread is 1, others count up as they ask. */
int os_goroutine(void);
int os_goroutine_next(int count); /* the first of so many numbers for new ones */
/* Who made the calling thread: the address after the call, and the maker's number. */
void os_goroutine_made(uintptr_t by, int maker);
/* "goroutine N [state]:" and the calling thread's stack, as Go prints it. */
void os_stack_print(int fd, const char *state);

/* What is known of one stack, for printing it. */
typedef struct os_traceback {
    struct os_goroutine goroutine;
    const char *state;
    unsigned minutes; /* that it has been waiting */
    bool leaked, locked;
    uintptr_t function;  /* where it begins, if there are no frames of the program's yet; 0: not known */
    bool exact;          /* the first frame is an instruction, not the address after a call */
    size_t total, count; /* how many frames there are; how many are listed: all, or the first and the last ones */
    const uintptr_t *frames;
} os_traceback;
#define OS_TRACEBACK_FRAMES ((size_t)160) /* as many are listed at most, half of them the first ones */
void os_traceback_print(int fd, const os_traceback *traceback);

/* --- unwinding (os_unwind.c) --- */
/* Where any code was left, its registers by their numbers in debugging information. */
typedef struct os_context {
    uintptr_t pc, registers[32];
    bool exact; /* pc is an instruction, not the address after a call */
} os_context;
void os_context_of_signal(os_context *context, const void *signal_context);
void os_context_of_place(os_context *context, os_place place);
/* Loads what unwinding needs. It takes the loader's lock, and memory of malloc's. */
void os_unwind_prepare(void);
/* The addresses of a stack's frames, of code that stands still: how many there are. The first and the last of them are
 * put into `frames`, OS_TRACEBACK_FRAMES at most. A stack that cannot be made out ends where that was noticed. */
size_t os_unwind(const os_context *context, uintptr_t *frames);

os_stack os_current_stack(void); /* the calling thread's; {0, 0} if the system cannot say */
/* The same stack: of the main thread's the kernel asks the limit at every growth, and it may have been changed. */
os_stack os_stack_now(os_stack stack);
uintptr_t os_thread_pointer(void); /* where thread-local storage hangs from */
pid_t os_thread_id(void);
/* Is the thread that had this thread pointer and this id still there? True where the system cannot say. */
bool os_thread_is_alive(uintptr_t thread_pointer, pid_t id);
/* A thread of the library's own: all signals blocked. `begin` (may be NULL) is what it does first, and the caller waits
 * for that. False, and errno, if the system refuses the thread, or if `begin` returns false: it was refused its memory. */
bool os_start_thread(bool (*begin)(void *), void (*body)(void *), void *argument, const char *name);
extern __thread bool os_thread_is_own
    __attribute__((tls_model("initial-exec"))); /* the calling thread is one of those */
size_t os_own_thread_count(void);               /* how many of those there are */
void os_own_threads_forget(void);               /* in a child */
/* The threads of this process as the system knows them, but for a main thread that has ended; 0: it does not say. */
size_t os_thread_count(void);
/* Calls `visit` for each block of thread-local storage of the thread with that thread pointer, which is stopped or the
 * caller. The modules must have been listed (os_list_modules) since the last dlopen. */
struct os_modules;
void os_thread_local_blocks(const struct os_modules *modules, uintptr_t thread_pointer,
                            void (*visit)(void *context, uintptr_t lo, uintptr_t hi), void *context);

/* --- changing stacks (os_fiber.c): what the sanitizers and valgrind have to be told; nothing otherwise --- */
typedef struct os_fiber {
    void *tsan, *asan; /* their own records */
} os_fiber;
#if defined(__SANITIZE_ADDRESS__)
#define OS_FIBERS_ARE_TOLD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OS_FIBERS_ARE_TOLD 1
#endif
#endif
#if OS_THREAD_SANITIZER
#define OS_FIBERS_ARE_TOLD 1
#endif
#ifdef OS_FIBERS_ARE_TOLD
void os_fiber_of_thread(os_fiber *fiber);
void os_fiber_make(os_fiber *fiber, os_stack stack);
void os_fiber_end(os_fiber *fiber); /* nobody is on it */
/* The last thing before the change, and the first after it. `ends`: what is left never runs again. */
void os_fiber_leave(os_fiber *from, const os_fiber *to, os_stack stack, bool ends);
void os_fiber_arrive(os_fiber *fiber);
#else
static inline void os_fiber_of_thread(os_fiber *fiber) {
    (void)fiber;
}
static inline void os_fiber_make(os_fiber *fiber, os_stack stack) {
    (void)fiber, (void)stack;
}
static inline void os_fiber_end(os_fiber *fiber) {
    (void)fiber;
}
static inline void os_fiber_leave(os_fiber *from, const os_fiber *to, os_stack stack, bool ends) {
    (void)from, (void)to, (void)stack, (void)ends;
}
static inline void os_fiber_arrive(os_fiber *fiber) {
    (void)fiber;
}
#endif
void os_fiber_stack(os_stack stack); /* memory that is a stack from now on */

/* --- signals (os_signal.c) --- */
/* Chooses the signal that stops threads, installs `handler`, once. It runs on the thread's alternate signal stack if
 * there is one, and gets the address below which nothing of the interrupted code lives on the stack that the handler
 * runs on, its registers among that, the stack pointer of the interrupted code, and the context that the kernel saved. */
typedef void os_stop_handler(uintptr_t stack_pointer, uintptr_t interrupted, const void *context);
void os_stop_signal_install(os_stop_handler *handler, int wanted);
int os_stop_signal(void); /* 0 before the install */
/* Calls `quit` in a handler of SIGQUIT, if that signal is at its default. False: it is not. */
bool os_quit_signal_install(void (*quit)(void));
void os_quit_by_default(void);     /* in that: the signal takes its course */
bool os_handles_signals(void);     /* does the program handle signals, other than those of faults? */
void os_stop_signal_unblock(void); /* in the calling thread */
/* In the calling thread, the signals that its own instructions raise: blocked, they would end the program. */
void os_fault_signals_unblock(void);
/* All but those, in the calling thread; returns what os_signals_restore wants. */
uint64_t os_signals_block(void);
void os_signals_restore(uint64_t before);
bool os_stop_signal_send(pid_t thread);
/* True if a thread may answer the signal by returning from it: the stopper then sends it again soon. */
#define OS_STOP_SIGNAL_MAY_MISS OS_THREAD_SANITIZER
/* The alternate signal stack that the calling thread is running on; false if it is not on one. */
bool os_on_alternate_stack(uintptr_t *lo, uintptr_t *hi);
/* Asks `explain` of a fault at an address: true if it wrote a text, with which the thread then panics. */
void os_fault_explain(bool (*explain)(uintptr_t address, char *text, size_t room));
/* From here on null pointers, divisions by zero and overflowing stacks panic in the thread that runs into them, unless
 * the program handles the signal itself. */
struct os_fault_hooks {
    bool (*may_panic)(
        void); /* the calling thread runs the program's code, as far as is known; asked in a signal handler */
    os_stack (*stack)(
        uintptr_t at); /* of the calling thread, the one that this stack pointer belongs to; {0, 0}: unknown */
    /* A stack for the calling thread to panic on when its own is full; {0, 0}: none. It came from `from`. */
    os_stack (*spare_stack)(uintptr_t from);
};
void os_fault_panics(const struct os_fault_hooks *hooks);
/* The calling thread's last fault. */
struct os_fault {
    enum os_panic_kind kind;
    int number, code; /* 0: none */
    uintptr_t address, pc, stack_pointer;
};
extern __thread struct os_fault os_fault __attribute__((tls_model("initial-exec")));
/* The calling function panics as if its stack were full; it is RUNNING. */
void os_stack_overflow(void) __attribute__((noreturn, cold, noinline));
/* Go's message for a stack overflow, and the end; after os_end_begin. */
void os_fault_end_of_stack(void) __attribute__((noreturn, cold));
/* While it is not NULL a fault of the calling thread is no more than a siglongjmp there. */
extern __thread struct __jmp_buf_tag *os_fault_escape __attribute__((tls_model("initial-exec")));
/* Gives the calling thread this memory as its alternate signal stack, unless it has one. */
bool os_alternate_stack_set(void *at, size_t bytes);
bool os_alternate_stack_unset(void *at); /* false: it runs on it */
#define OS_ALTERNATE_STACK_BYTES ((size_t)64 << 10)

/* --- loaded objects (os_modules.c) --- */
typedef struct os_range {
    uintptr_t lo, hi;
} os_range;
typedef struct os_modules {
    os_range *data; /* writable segments */
    size_t data_count, data_capacity;
    struct {
        size_t number, bytes;
    } * tls;
    size_t tls_count, tls_capacity;
} os_modules;
/* Holds the loader's lock, so that no thread can be within dlopen or dlclose, lists what is loaded into `modules`, and
 * calls `body`. */
void os_with_modules(os_modules *modules, void (*body)(void *), void *argument);

#endif
