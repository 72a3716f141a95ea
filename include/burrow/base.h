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

BW__END
#endif
