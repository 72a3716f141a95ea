/* burrow/base.h - what every other header of Burrow needs: attributes, version, the per-thread allocation cache. */
#ifndef BURROW_BASE_H
#define BURROW_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BURROW_VERSION_MAJOR 0
#define BURROW_VERSION_MINOR 1
#define BURROW_VERSION_PATCH 0
#define BURROW_VERSION "0.1.0"

#ifdef __cplusplus
#define BW__BEGIN extern "C" {
#define BW__END }
#else
#define BW__BEGIN
#define BW__END
#endif

#define BW_API __attribute__((visibility("default")))
#define BW__MALLOC_LIKE(...) __attribute__((malloc, warn_unused_result, returns_nonnull, ##__VA_ARGS__))
#define BW__COLD __attribute__((noinline, cold))
#define BW__LIKELY(x) __builtin_expect(!!(x), 1)
#define BW__UNLIKELY(x) __builtin_expect(!!(x), 0)

BW__BEGIN

/* The version of the library that is linked, which may differ from BURROW_VERSION, that of the header. */
BW_API const char *bw_version(void);

/* One run of zeroed free slots of one layout, owned by one thread: the next allocation is at `cur`. Names with two
 * underscores or `bw__` are the library's own business and may change in any version. */
typedef struct bw__run {
    char *cur;
    char *end;
} bw__run;

/* The calling thread's runs, indexed by layout number. Before a thread's first allocation it refers to an array of
 * empty runs, so that the fast path needs no check of its own. */
extern BW_API __thread bw__run *bw__runs __attribute__((tls_model("initial-exec")));

/* The address of a thread-local variable of the library's. Compilers take it for granted that it stays the same within
 * a function, and keep it across calls; but a goroutine may come back from a call on another thread. */
#if defined(__x86_64__)
#define BW__HERE(variable)                                                                                             \
    ({                                                                                                                 \
        __typeof__(variable) *bw__at;                                                                                  \
        __asm__ volatile("movq " #variable "@gottpoff(%%rip), %0\n\taddq %%fs:0, %0" : "=r"(bw__at) : : "cc");         \
        bw__at;                                                                                                        \
    })
#elif defined(__aarch64__)
#define BW__HERE(variable)                                                                                             \
    ({                                                                                                                 \
        __typeof__(variable) *bw__at;                                                                                  \
        uintptr_t bw__offset;                                                                                          \
        __asm__ volatile("mrs %0, tpidr_el0\n\tadrp %1, :gottprel:" #variable                                          \
                         "\n\tldr %1, [%1, :gottprel_lo12:" #variable "]\n\tadd %0, %0, %1"                            \
                         : "=&r"(bw__at), "=&r"(bw__offset));                                                          \
        bw__at;                                                                                                        \
    })
#else
#define BW__HERE(variable) (&(variable))
#endif
static inline __attribute__((always_inline)) bw__run *bw__runs_here(void) {
#if defined(__x86_64__)
    bw__run *runs;
    __asm__ volatile("movq bw__runs@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(runs));
    return runs;
#else
    return *BW__HERE(bw__runs);
#endif
}

/* --- making names that nested macros do not share --- */
#define BW__JOIN2(a, b) a##b
#define BW__JOIN(a, b) BW__JOIN2(a, b)
#define BW__UNIQUE(name) BW__JOIN(bw__##name##_, __COUNTER__)

BW__END
#endif
