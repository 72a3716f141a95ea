/* peer.h - one vocabulary for every library a workload is built with, so that all peers run the same source.
 *
 * Exactly one of PEER_BURROW, PEER_BOEHM, PEER_GLIBC, PEER_MIMALLOC, PEER_JEMALLOC is defined. The last three free
 * explicitly (PEER_DROP); for the collectors a drop is nothing at all, which is the point of them. mimalloc and
 * jemalloc take malloc's place at link time.
 *
 *     PEER_STRUCT(node, (struct node *, left), (int, value));   declares a struct, described to Burrow
 *     PEER_NEW(T)              a zeroed T that may hold pointers
 *     PEER_NEW_NOSCAN(T)       a zeroed T that holds none
 *     PEER_NEW_WITH(T, v...)   a T with these field values: nobody need zero it first
 *     PEER_ARRAY(T, n)         n zeroed T that may hold pointers
 *     peer_bytes(n)            n zeroed bytes that hold no pointers
 *     PEER_DROP(p)             the program has no further use for p
 *     peer_collect()           a full collection, complete on return, where there is a collector
 *     peer_release()           gives the operating system back what can be given
 *     peer_hold_collections(), peer_allow_collections()   only in collectors: none starts by itself in between
 *     peer_figures()           collections, pauses, live objects as the library counts them
 *     peer_print_collector(&before)   on a line of figures, where the library tells: what the collector did since then
 *
 * Collected memory is always zeroed, except Boehm's pointer-free objects, which are cleared here; malloc's is cleared
 * by calloc, so that the library may skip what it knows to be zero.
 */
#ifndef PEER_H
#define PEER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(PEER_BURROW)
#include <burrow.h>
#elif defined(PEER_BOEHM)
#define GC_THREADS
#include <gc/gc.h>
#elif defined(PEER_GLIBC)
#include <malloc.h>
#elif defined(PEER_MIMALLOC)
#include <mimalloc.h>
#elif defined(PEER_JEMALLOC)
#include <jemalloc/jemalloc.h>
#else
#error "define one of PEER_BURROW, PEER_BOEHM, PEER_GLIBC, PEER_MIMALLOC, PEER_JEMALLOC"
#endif
#include <pthread.h> /* after gc.h, which redirects pthread_create */

#if defined(PEER_BURROW) || defined(PEER_BOEHM)
#define PEER_COLLECTS 1
#else
#define PEER_COLLECTS 0
#endif

typedef struct peer_counts {
    int known;                 /* whether the library tells */
    unsigned long collections; /* so far */
    double pause_total_ms;     /* with the program stopped */
    double pause_max_ms;
    uint64_t live_objects; /* 0: the library does not count objects */
    uint64_t live_bytes;
    uint64_t marked_bytes; /* the last collection found alive; 0: it does not tell, nor the next */
    double processor_s;    /* of collections */
} peer_counts;

static inline double peer_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void *peer_must(void *p) {
    if (__builtin_expect(p == NULL, 0)) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

/* ---- Burrow ---- */
#if defined(PEER_BURROW)

#define PEER_STRUCT(name, ...) BW_STRUCT(name, __VA_ARGS__)
#define PEER_NEW(T) bw_new(T)
#define PEER_NEW_NOSCAN(T) bw_new(T) /* its description says so */
#define PEER_NEW_WITH(T, ...)                                                                                          \
    ({                                                                                                                 \
        T *peer__p = bw_new(T);                                                                                        \
        *peer__p = (T){__VA_ARGS__};                                                                                   \
        peer__p;                                                                                                       \
    })
#define PEER_ARRAY(T, n) bw_new_array(T, n)
#define PEER_DROP(p) ((void)(p))

static inline void *peer_bytes(size_t n) {
    return bw_alloc_noscan(n);
}
static inline void peer_start(void) {}
static inline void peer_collect(void) {
    bw_gc();
}
static inline void peer_release(void) {
    bw_free_os_memory();
}
static inline void peer_hold_collections(void) {
    bw_set_gc_percent(-1);
}
static inline void peer_allow_collections(void) {
    bw_set_gc_percent(100);
}
static inline peer_counts peer_figures(void) {
    static bw_mem_stats m;
    bw_read_mem_stats(&m);
    peer_counts c = {.known = 1, .collections = m.num_gc, .live_objects = m.heap_objects, .live_bytes = m.heap_alloc};
    c.pause_total_ms = (double)m.pause_total_ns / 1e6;
    c.marked_bytes = m.heap_marked;
    c.processor_s = (double)m.gc_cpu_ns / 1e9;
    for (size_t i = 0; i < sizeof m.pause_ns / sizeof m.pause_ns[0]; i++)
        if ((double)m.pause_ns[i] / 1e6 > c.pause_max_ms)
            c.pause_max_ms = (double)m.pause_ns[i] / 1e6;
    return c;
}

#else /* --------------------------------------------------------------------- a struct without its description --- */

#define PEER__PARENS ()
#define PEER__EXPAND(...) PEER__EXPAND2(PEER__EXPAND2(PEER__EXPAND2(__VA_ARGS__)))
#define PEER__EXPAND2(...) PEER__EXPAND1(PEER__EXPAND1(PEER__EXPAND1(__VA_ARGS__)))
#define PEER__EXPAND1(...) __VA_ARGS__
#define PEER__FIELD(type, field) __typeof__(type) field;
#define PEER__FIELDS(first, ...) PEER__FIELD first __VA_OPT__(PEER__FIELDS_AGAIN PEER__PARENS(__VA_ARGS__))
#define PEER__FIELDS_AGAIN() PEER__FIELDS
#define PEER_STRUCT(name, ...)                                                                                         \
    typedef struct name name;                                                                                          \
    struct name {                                                                                                      \
        PEER__EXPAND(PEER__FIELDS(__VA_ARGS__))                                                                        \
    }

#endif

/* ---- Boehm ---- */
#if defined(PEER_BOEHM)

#define PEER_NEW(T) ((T *)peer_must(GC_MALLOC(sizeof(T))))
#define PEER_NEW_NOSCAN(T) ((T *)peer_bytes(sizeof(T)))
#define PEER_NEW_WITH(T, ...)                                                                                          \
    ({                                                                                                                 \
        T *peer__p = peer_must(GC_MALLOC(sizeof(T)));                                                                  \
        *peer__p = (T){__VA_ARGS__};                                                                                   \
        peer__p;                                                                                                       \
    })
#define PEER_ARRAY(T, n) ((T *)peer_must(GC_MALLOC(sizeof(T) * (n))))
#define PEER_DROP(p) ((void)(p))

static peer_counts peer__boehm = {.known = 1};
static double peer__stopped;

/* Called with the allocation lock held, so by one thread at a time. */
static inline void peer__on_collection(GC_EventType event) {
    if (event == GC_EVENT_PRE_STOP_WORLD) {
        peer__stopped = peer_now();
    } else if (event == GC_EVENT_POST_START_WORLD) {
        double ms = (peer_now() - peer__stopped) * 1e3;
        peer__boehm.pause_total_ms += ms;
        if (ms > peer__boehm.pause_max_ms)
            peer__boehm.pause_max_ms = ms;
    }
}
static inline void *peer_bytes(size_t n) {
    void *p = peer_must(GC_MALLOC_ATOMIC(n));
    return memset(p, 0, n);
}
static inline void peer_start(void) {
    GC_INIT();
    GC_start_mark_threads(); /* otherwise they wait for the program's first thread */
    GC_set_on_collection_event(peer__on_collection);
}
static inline void peer_collect(void) {
    GC_gcollect();
}
static inline void peer_release(void) {
    GC_gcollect_and_unmap();
}
static inline void peer_hold_collections(void) {
    GC_disable();
}
static inline void peer_allow_collections(void) {
    GC_enable();
}
static inline peer_counts peer_figures(void) {
    peer__boehm.collections = GC_get_gc_no();
    return peer__boehm;
}

#endif

/* ---- explicit free ---- */
#if !PEER_COLLECTS

#define PEER_NEW(T) ((T *)peer_must(calloc(1, sizeof(T))))
#define PEER_NEW_NOSCAN(T) PEER_NEW(T)
#define PEER_NEW_WITH(T, ...)                                                                                          \
    ({                                                                                                                 \
        T *peer__p = peer_must(malloc(sizeof(T)));                                                                     \
        *peer__p = (T){__VA_ARGS__};                                                                                   \
        peer__p;                                                                                                       \
    })
#define PEER_ARRAY(T, n) ((T *)peer_must(calloc((n), sizeof(T))))
#define PEER_DROP(p) free(p)

static inline void *peer_bytes(size_t n) {
    return peer_must(calloc(1, n));
}
static inline void peer_start(void) {}
static inline void peer_collect(void) {}
static inline void peer_release(void) {
#if defined(PEER_GLIBC)
    malloc_trim(0);
#elif defined(PEER_MIMALLOC)
    mi_collect(true);
#else
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* MALLCTL_ARENAS_ALL */
#endif
}
static inline peer_counts peer_figures(void) {
    return (peer_counts){.known = 0};
}

#endif

/* The line every workload ends with. */
static inline void peer_print_figures(void) {
    peer_counts c = peer_figures();
    if (c.known)
        printf("STAT collections=%lu pause_total_ms=%.3f pause_max_ms=%.3f\n", c.collections, c.pause_total_ms,
               c.pause_max_ms);
}

static inline void peer_print_collector(const peer_counts *before) {
    peer_counts c = peer_figures();
    if (c.marked_bytes != 0)
        printf(" numgc=%lu live_MB=%llu gccpu_s=%.3f", c.collections - before->collections,
               (unsigned long long)c.marked_bytes >> 20, c.processor_s - before->processor_s);
}

/* Resident bytes of this process, as the kernel counts them. */
static inline uint64_t peer_resident(void) {
    unsigned long long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%llu %llu", &total, &resident) != 2) {
        fputs("/proc/self/statm cannot be read\n", stderr);
        exit(1);
    }
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The generator of the Go programs: the same seed gives the same sequence. */
static inline uint64_t peer_random(uint64_t *state) {
    uint64_t r = *state;
    r ^= r << 13;
    r ^= r >> 7;
    r ^= r << 17;
    return *state = r;
}
#define PEER_SEED UINT64_C(88172645463325252)

static inline void peer_thread(pthread_t *thread, void *(*run)(void *), void *argument) {
    int error = pthread_create(thread, NULL, run, argument);
    if (error != 0) {
        fprintf(stderr, "pthread_create: %s\n", strerror(error));
        exit(1);
    }
}

/* Numbers on the command line; a bad one ends the program with a message. */
static inline long peer_number(const char *text, long low, long high) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "'%s' is not a number from %ld to %ld\n", text, low, high);
        exit(2);
    }
    return value;
}

#endif
