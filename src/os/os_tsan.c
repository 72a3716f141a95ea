/* os_tsan.c - getting along with the thread sanitizer's runtime; empty in every other build.
 *
 * The sanitizer keeps a signal back until the thread next enters its runtime, and if the thread is then in a call that
 * it does not know to wait (read), for ever. So the stop signal goes past it. But a thread must not stop, nor come into
 * the runtime again, while it is in the runtime and may hold locks that the collecting thread needs there as well: it
 * goes on instead, and is sent the signal again (OS_STOP_SIGNAL_MAY_MISS).
 *
 * Before it prints a report the runtime lists the loaded objects. Whoever collects holds the loader's lock and waits
 * for the thread that reports, so each race found at such a time would be a hang instead of a report. So
 * dl_iterate_phdr, called by the runtime at such a time, shows what the collection itself has listed.
 *
 * Where the runtime is part of the executable (clang) its code cannot be told from the program's: the signal then goes
 * through the sanitizer, with what that brings.
 */
#include "os_interpose.h"

#if OS_THREAD_SANITIZER
#include <dlfcn.h>
#include <link.h>
#include <ucontext.h>

extern void __tsan_func_entry(void *);
extern int __interceptor_dl_iterate_phdr(int (*)(struct dl_phdr_info *, size_t, void *), void *) __attribute__((weak));

static uintptr_t runtime_lo, runtime_hi; /* the runtime's code, once the stop signal is installed */

static struct {
    struct dl_phdr_info info;
    size_t size;
} loaded[256]; /* more have no names in reports */
static size_t loaded_count;
static _Atomic bool loaded_held;

/* Not instrumented: the sanitizer does not know of the loader's lock. */
#define UNDER_LOADERS_LOCK __attribute__((no_sanitize("thread")))

UNDER_LOADERS_LOCK void os_loaded_begin(void) {
    loaded_count = 0;
}

UNDER_LOADERS_LOCK void os_loaded_one(const struct dl_phdr_info *info, size_t size) {
    if (loaded_count == sizeof loaded / sizeof *loaded)
        return;
    loaded[loaded_count].info = *info;
    loaded[loaded_count++].size = size;
}

void os_loaded_held(bool held) {
    atomic_store(&loaded_held, held);
}

/* Not instrumented: the runtime calls it before it has made itself ready, and in the middle of a report. */
__attribute__((visibility("default"), no_sanitize("thread"))) int
dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *argument) {
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    if (caller < runtime_lo || caller >= runtime_hi || !atomic_load(&loaded_held))
        return (__interceptor_dl_iterate_phdr
                    ? __interceptor_dl_iterate_phdr
                    : (__typeof__(&dl_iterate_phdr))os_next("dl_iterate_phdr"))(visit, argument);
    int result = 0;
    for (size_t i = 0; result == 0 && i < loaded_count; i++)
        result = visit(&loaded[i].info, loaded[i].size, argument);
    return result;
}

static int find_runtime(struct dl_phdr_info *info, size_t size, void *own) {
    (void)size;
    uintptr_t lo = UINTPTR_MAX, hi = 0, entry = (uintptr_t)__tsan_func_entry;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, end = at + info->dlpi_phdr[i].p_memsz;
            lo = at < lo ? at : lo;
            hi = end > hi ? end : hi;
        }
    bool is_own = (uintptr_t)own >= lo && (uintptr_t)own < hi;
    if (entry >= lo && entry < hi && !is_own) {
        runtime_lo = lo;
        runtime_hi = hi;
    }
    return 0;
}

int os_sigaction_stop(int number, const struct sigaction *action) {
    /* libc's own name of sigaction, which the sanitizer does not define. */
    int (*direct)(int, const struct sigaction *, struct sigaction *) =
        (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_DEFAULT, "__sigaction");
    dl_iterate_phdr(find_runtime, (void *)find_runtime);
    return direct && runtime_hi ? direct(number, action, NULL) : os_sigaction_unwrapped(number, action, NULL);
}

__attribute__((no_sanitize("thread"))) bool os_may_stop_here(const void *context) {
    const ucontext_t *interrupted = context;
#if defined(__x86_64__)
    uintptr_t at = (uintptr_t)interrupted->uc_mcontext.gregs[REG_RIP];
#else
    uintptr_t at = (uintptr_t)interrupted->uc_mcontext.pc;
#endif
    return at < runtime_lo || at >= runtime_hi;
}
#endif
