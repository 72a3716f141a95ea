/* map.c - maps of integers and of strings, and appending to slices: the work and the rows of map.go, with Burrow's
 * types or with GLib's GHashTable, the hash table that most C programs of Debian link. `map [most]`: sizes up to `most`
 * (default 10000000). GHashTable cannot be presized; appending is beside a vector written by hand. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(PEER_BURROW)
#include <burrow.h>

BW_MAP(int_map, uint64_t, uint64_t);
BW_MAP(string_map, bw_string, int64_t);
#define INT_NEW() bw_make_map(int_map)
#define INT_SIZED(n) bw_make_map(int_map, (ptrdiff_t)(n))
#define INT_PUT(m, k, v) bw_put(m, k) = (v)
#define INT_GET(m, k) bw_get(m, k)
#define INT_DELETE(m, k) bw_delete(m, k)
#define INT_SUM(m, s) bw_map_range(key_, value_, m) s += key_ ^ value_
#define INT_END(m) (void)(m)
typedef bw_string text;
#define STRING_NEW() bw_make_map(string_map)
#define STRING_PUT(m, k, v) bw_put(m, k) = (v)
#define STRING_GET(m, k) bw_get(m, k)
#define STRING_DELETE(m, k) bw_delete(m, k)
#define STRING_SUM(m, s) bw_map_range(key_, value_, m) s += (uint64_t)key_.len ^ (uint64_t)value_
#define STRING_END(m) (void)(m)

static text make_text(const char *bytes, size_t length) {
    char *copy = bw_alloc_noscan(length);
    memcpy(copy, bytes, length);
    return (text){copy, (ptrdiff_t)length};
}
static uint64_t live_bytes(void) {
    bw_ledger_t ledger;
    bw_gc();
    bw_ledger(&ledger);
    return ledger.layout.bytes;
}
#define ARRAY(T, n) bw_new_array(T, n)
#define DROP(p) (void)(p)
#define DROP_TEXT(t) (void)(t)
#elif defined(PEER_GLIB)
#include <glib.h>
#include <malloc.h>

typedef GHashTable *int_map;
typedef GHashTable *string_map;
static uint64_t get_or_zero(GHashTable *m, const void *key) {
    void *value;
    return g_hash_table_lookup_extended(m, key, NULL, &value) ? (uint64_t)(uintptr_t)value : 0;
}
#define POINTER(x) ((void *)(uintptr_t)(x))
#define INT_NEW() g_hash_table_new(g_direct_hash, NULL)
#define INT_PUT(m, k, v) g_hash_table_insert(m, POINTER(k), POINTER(v))
#define INT_GET(m, k) get_or_zero(m, POINTER(k))
#define INT_DELETE(m, k) g_hash_table_remove(m, POINTER(k))
#define SUM(m, s, of_key)                                                                                              \
    GHashTableIter iter;                                                                                               \
    void *at, *of;                                                                                                     \
    g_hash_table_iter_init(&iter, m);                                                                                  \
    while (g_hash_table_iter_next(&iter, &at, &of))                                                                    \
    s += of_key ^ (uint64_t)(uintptr_t)of
#define INT_SUM(m, s) SUM(m, s, (uint64_t)(uintptr_t)at)
#define INT_END(m) g_hash_table_destroy(m)
typedef char *text;
#define STRING_NEW() g_hash_table_new(g_str_hash, g_str_equal)
#define STRING_PUT(m, k, v) g_hash_table_insert(m, k, POINTER(v))
#define STRING_GET(m, k) get_or_zero(m, k)
#define STRING_DELETE(m, k) g_hash_table_remove(m, k)
#define STRING_SUM(m, s) SUM(m, s, strlen(at))
#define STRING_END(m) g_hash_table_destroy(m)

static text make_text(const char *bytes, size_t length) {
    char *copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    copy[length] = 0;
    return copy;
}
static uint64_t live_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
#define ARRAY(T, n) ((T *)calloc(n, sizeof(T)))
#define DROP(p) free(p)
#define DROP_TEXT(t) free(t)
#else
#error "define PEER_BURROW or PEER_GLIB"
#endif

static volatile uint64_t sink;

static uint64_t mix(uint64_t x) {
    x *= 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void report(const char *kind, size_t n, const char *what, size_t operations, double ns) {
    printf("R map_%s_%zu_%s ns/op %.2f\n", kind, n, what, ns / (double)operations);
}

/* Before what is timed, so that no row pays for the garbage of the row before. */
#define TIMED(total, work)                                                                                             \
    do {                                                                                                               \
        double start = now_ns();                                                                                       \
        work;                                                                                                          \
        total += now_ns() - start;                                                                                     \
    } while (0)

static size_t repetitions(size_t most, size_t n) {
    return most / n > 1 ? most / n : 1;
}

static void ints(size_t n) {
    size_t reps = repetitions(4000000, n);
    double insert = 0, sized = 0, hit = 0, miss = 0, iterate = 0, delete = 0;
    uint64_t *keys = ARRAY(uint64_t, n), *look = ARRAY(uint64_t, n);
    for (size_t i = 0; i < n; i++)
        look[i] = keys[i] = mix(i) >> 1;
    uint64_t r = 12345;
    for (size_t i = n - 1; i > 0; i--) {
        r = mix(r + 77);
        size_t j = r % (i + 1);
        uint64_t other = look[j];
        look[j] = look[i];
        look[i] = other;
    }
    for (size_t k = 0; k < reps; k++) {
        uint64_t s = 0;
        int_map m;
        TIMED(insert, m = INT_NEW(); for (size_t i = 0; i < n; i++) INT_PUT(m, keys[i], keys[i]));
        TIMED(hit, for (size_t i = 0; i < n; i++) s += INT_GET(m, look[i]));
        TIMED(miss, for (size_t i = 0; i < n; i++) s += INT_GET(m, ~look[i]));
        TIMED(iterate, INT_SUM(m, s));
        TIMED(delete, for (size_t i = 0; i < n; i++) INT_DELETE(m, look[i]));
        INT_END(m);
#ifdef INT_SIZED
        int_map other;
        TIMED(sized, other = INT_SIZED(n); for (size_t i = 0; i < n; i++) INT_PUT(other, keys[i], keys[i]));
        INT_END(other);
#endif
        sink += s;
    }
    report("int", n, "insert", n * reps, insert);
    if (sized > 0)
        report("int", n, "insert_presized", n * reps, sized);
    report("int", n, "hit", n * reps, hit);
    report("int", n, "miss", n * reps, miss);
    report("int", n, "iterate", n * reps, iterate);
    report("int", n, "delete", n * reps, delete);
    uint64_t before = live_bytes();
    int_map m = INT_NEW();
    for (size_t i = 0; i < n; i++)
        INT_PUT(m, keys[i], keys[i]);
    uint64_t after = live_bytes();
    printf("R map_int_%zu_bytes_per_entry B %.1f\n", n, (double)(after - before) / (double)n);
    double longest = 0;
    for (size_t i = 0; i < n; i++) {
        double start = now_ns();
        INT_PUT(m, keys[i] + 1, keys[i]);
        double took = now_ns() - start;
        longest = took > longest ? took : longest;
    }
    printf("R map_int_%zu_longest_insert us %.1f\n", n, longest / 1e3);
    sink += INT_GET(m, keys[0]);
    INT_END(m);
    DROP(keys);
    DROP(look);
}

static void strings(size_t n) {
    size_t reps = repetitions(2000000, n);
    double insert = 0, hit = 0, miss = 0, iterate = 0, delete = 0;
    text *keys = ARRAY(text, n), *missing = ARRAY(text, n);
    for (size_t i = 0; i < n; i++) {
        char bytes[64];
        keys[i] = make_text(bytes, (size_t)sprintf(bytes, "key-%llx", (unsigned long long)mix(i)));
        missing[i] = make_text(bytes, (size_t)sprintf(bytes, "mis-%llx", (unsigned long long)mix(i)));
    }
    size_t *look = ARRAY(size_t, n);
    for (size_t i = 0; i < n; i++)
        look[i] = i;
    uint64_t r = 12345;
    for (size_t i = n - 1; i > 0; i--) {
        r = mix(r + 77);
        size_t j = r % (i + 1), other = look[j];
        look[j] = look[i];
        look[i] = other;
    }
    text *look_keys = ARRAY(text, n), *look_missing = ARRAY(text, n);
    for (size_t i = 0; i < n; i++) {
        look_keys[i] = keys[look[i]];
        look_missing[i] = missing[look[i]];
    }
    for (size_t k = 0; k < reps; k++) {
        uint64_t s = 0;
        string_map m;
        TIMED(insert, m = STRING_NEW(); for (size_t i = 0; i < n; i++) STRING_PUT(m, keys[i], (int64_t)i));
        TIMED(hit, for (size_t i = 0; i < n; i++) s += (uint64_t)STRING_GET(m, look_keys[i]));
        TIMED(miss, for (size_t i = 0; i < n; i++) s += (uint64_t)STRING_GET(m, look_missing[i]));
        TIMED(iterate, STRING_SUM(m, s));
        TIMED(delete, for (size_t i = 0; i < n; i++) STRING_DELETE(m, look_keys[i]));
        STRING_END(m);
        sink += s;
    }
    report("string", n, "insert", n * reps, insert);
    report("string", n, "hit", n * reps, hit);
    report("string", n, "miss", n * reps, miss);
    report("string", n, "iterate", n * reps, iterate);
    report("string", n, "delete", n * reps, delete);
    for (size_t i = 0; i < n; i++) {
        DROP_TEXT(keys[i]);
        DROP_TEXT(missing[i]);
    }
    DROP(keys);
    DROP(missing);
    DROP(look);
    DROP(look_keys);
    DROP(look_missing);
}

/* --- slices --- */

enum { APPENDED = 10000000 };

static void append_report(const char *what, size_t operations, double ns) {
    printf("R slice_append_%s ns/op %.2f\n", what, ns / (double)operations);
}

#if defined(PEER_BURROW)
typedef bw_slice(int64_t) vector;
#define VECTOR_SIZED(n) bw_make_slice(int64_t, 0, n)
#define PUSH(v, x) v = bw_append(v, x)
#define VECTOR_END(v) (void)(v)
#else
typedef struct vector {
    int64_t *ptr;
    ptrdiff_t len, cap;
} vector;
static void vector_grow(vector *v) {
    v->cap = v->cap ? 2 * v->cap : 4;
    v->ptr = realloc(v->ptr, (size_t)v->cap * sizeof *v->ptr);
}
#define VECTOR_SIZED(n) ((vector){malloc((n) * sizeof(int64_t)), 0, n})
#define PUSH(v, x) ((v).len == (v).cap ? vector_grow(&(v)) : (void)0, (v).ptr[(v).len++] = (x))
#define VECTOR_END(v) free((v).ptr)
#endif

static void append(void) {
    for (int k = 0; k < 3; k++) {
        double ns = 0;
        vector v = {0};
        TIMED(ns, for (int64_t i = 0; i < APPENDED; i++) PUSH(v, i));
        sink += (uint64_t)v.ptr[v.len - 1];
        if (k == 2)
            append_report("10M_int", APPENDED, ns);
        VECTOR_END(v);
    }
    double ns = 0;
    vector v = VECTOR_SIZED(APPENDED);
    TIMED(ns, for (int64_t i = 0; i < APPENDED; i++) PUSH(v, i));
    sink += (uint64_t)v.ptr[v.len - 1];
    append_report("10M_int_precap", APPENDED, ns);
    VECTOR_END(v);
    ns = 0;
    TIMED(
        ns, for (int k = 0; k < 100000; k++) {
            vector small = {0};
            for (int64_t i = 0; i < 100; i++)
                PUSH(small, i);
            sink += (uint64_t)small.len;
            VECTOR_END(small);
        });
    append_report("to100_from_nil", 100 * 100000, ns);
}

int main(int argc, char **argv) {
    size_t most = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    static const size_t sizes[] = {1000, 100000, 10000000};
    append(); /* first: behind large maps it would be a measure of the host's memory, which the first use of each page waits for */
    for (size_t i = 0; i < 3; i++)
        if (sizes[i] <= most)
            ints(sizes[i]);
    for (size_t i = 0; i < 3; i++)
        if (sizes[i] <= most)
            strings(sizes[i]);
    return 0;
}
