/* slice.c - growing slices, sorting them, searching in them, and what is said when an index is out of range. */
#include "lang.h"

#include <string.h>

/* --- runtime panics --- */

void bw__panic_index(ptrdiff_t index, bool is_unsigned, ptrdiff_t len) {
    if (index < 0 && !is_unsigned)
        os_panic("runtime error: index out of range [%td]", index);
    os_panic("runtime error: index out of range [%zu] with length %td", (size_t)index, len);
}

void bw__panic_slice(ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t cap, bool is_string) {
    if (hi < 0)
        os_panic("runtime error: slice bounds out of range [:%td]", hi);
    if (hi > cap)
        os_panic("runtime error: slice bounds out of range [:%td] with %s %td", hi, is_string ? "length" : "capacity",
                 cap);
    if (lo < 0)
        os_panic("runtime error: slice bounds out of range [%td:]", lo);
    os_panic("runtime error: slice bounds out of range [%td:%td]", lo, hi);
}

void bw__panic_slice3(ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t max, ptrdiff_t cap) {
    if (max < 0)
        os_panic("runtime error: slice bounds out of range [::%td]", max);
    if (max > cap)
        os_panic("runtime error: slice bounds out of range [::%td] with capacity %td", max, cap);
    if (hi < 0)
        os_panic("runtime error: slice bounds out of range [:%td:]", hi);
    if (hi > max)
        os_panic("runtime error: slice bounds out of range [:%td:%td]", hi, max);
    if (lo < 0)
        os_panic("runtime error: slice bounds out of range [%td::]", lo);
    os_panic("runtime error: slice bounds out of range [%td:%td:]", lo, hi);
}

/* --- making and growing --- */

/* What an empty slice that is not nil points to. */
static char nothing[16];

void *bw__make_slice(bw__site *site, ptrdiff_t len, ptrdiff_t cap) {
    size_t bytes;
    if (__builtin_mul_overflow((size_t)cap, site->type.size, &bytes) || bytes > TYPED_MAX_BYTES || cap < 0 || len < 0 ||
        len > cap) {
        /* As Go has it: if the length alone is wrong, that is what is told. */
        if (len < 0 || __builtin_mul_overflow((size_t)len, site->type.size, &bytes) || bytes > TYPED_MAX_BYTES)
            os_panic("runtime error: makeslice: len out of range");
        os_panic("runtime error: makeslice: cap out of range");
    }
    return bytes == 0 ? nothing : typed_array(site, bytes);
}

/* Go's size classes, to which it rounds what a grown slice takes: capacities here are those of Go, element for element.
 * (Burrow's own classes are finer; they only lose what lies between.) */
static const uint16_t go_classes[] = {
    8,    16,   24,    32,    48,    64,    80,    96,    112,   128,   144,   160,   176,   192,   208,   224,  240,
    256,  288,  320,   352,   384,   416,   448,   480,   512,   576,   640,   704,   768,   896,   1024,  1152, 1280,
    1408, 1536, 1792,  2048,  2304,  2688,  3072,  3200,  3456,  4096,  4864,  5376,  6144,  6528,  6784,  6912, 8192,
    9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768};

static size_t rounded_up(size_t bytes) {
    if (bytes > 32768)
        return (bytes + 8191) & ~(size_t)8191;
    size_t lo = 0, hi = sizeof go_classes / sizeof go_classes[0] - 1;
    while (lo < hi) {
        size_t middle = (lo + hi) / 2;
        if (go_classes[middle] < bytes)
            lo = middle + 1;
        else
            hi = middle;
    }
    return go_classes[lo];
}

/* Twice the capacity of small slices, a quarter more of large ones, and something between around 256 elements. */
static size_t grown_capacity(size_t cap, size_t needed) {
    if (needed > 2 * cap)
        return needed;
    if (cap < 256)
        return 2 * cap;
    size_t grown = cap;
    while (grown < needed)
        grown += (grown + 3 * 256) >> 2;
    return grown;
}

bw__slice bw__slice_grow(bw__site *site, void *ptr, ptrdiff_t len, ptrdiff_t cap, ptrdiff_t extra) {
    size_t size = site->type.size, bytes, needed = (size_t)len + (size_t)extra;
    if (extra < 0 || (ptrdiff_t)needed < 0 || __builtin_mul_overflow(needed, size, &bytes) || bytes > TYPED_MAX_BYTES)
        os_panic("runtime error: growslice: len out of range");
    if (size == 0)
        return (bw__slice){nothing, len, (ptrdiff_t)needed};
    size_t grown = grown_capacity((size_t)cap, needed);
    if (__builtin_mul_overflow(grown, size, &bytes) || bytes > TYPED_MAX_BYTES)
        bytes = needed * size;
    grown = rounded_up(bytes) / size;
    void *fresh = typed_array(site, grown * size);
    if (len > 0)
        memcpy(fresh, ptr, (size_t)len * size);
    return (bw__slice){fresh, len, (ptrdiff_t)grown};
}

/* --- sorting --- In place, so that every element is in the slice at all times: a copy of one in libc's memory would be
 * no reference to the collector (qsort allocates). */

struct sort {
    char *base;
    size_t size;
    int (*compare)(const void *, const void *);
};

static inline char *element(const struct sort *sort, size_t index) {
    return sort->base + index * sort->size;
}

static inline int order(const struct sort *sort, size_t a, size_t b) {
    return sort->compare(element(sort, a), element(sort, b));
}

/* A word at a time where that is possible, since a collection may look at the elements in the middle of it: the word in
 * the register counts as a reference, the byte of one does not. */
static inline void swap(const struct sort *sort, size_t a, size_t b) {
    char *x = element(sort, a), *y = element(sort, b);
    size_t left = sort->size;
    for (; left >= 8; left -= 8, x += 8, y += 8) {
        uint64_t p, q;
        memcpy(&p, x, 8);
        memcpy(&q, y, 8);
        memcpy(x, &q, 8);
        memcpy(y, &p, 8);
    }
    for (; left >= 4; left -= 4, x += 4, y += 4) {
        uint32_t p, q;
        memcpy(&p, x, 4);
        memcpy(&q, y, 4);
        memcpy(x, &q, 4);
        memcpy(y, &p, 4);
    }
    for (; left; left--, x++, y++) {
        char p = *x;
        *x = *y;
        *y = p;
    }
}

static void insertion_sort(const struct sort *sort, size_t lo, size_t hi) {
    for (size_t i = lo + 1; i < hi; i++)
        for (size_t j = i; j > lo && order(sort, j, j - 1) < 0; j--)
            swap(sort, j, j - 1);
}

static void sift_down(const struct sort *sort, size_t lo, size_t root, size_t count) {
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && order(sort, lo + child, lo + child + 1) < 0)
            child++;
        if (order(sort, lo + root, lo + child) >= 0)
            return;
        swap(sort, lo + root, lo + child);
    }
}

static void heap_sort(const struct sort *sort, size_t lo, size_t hi) {
    size_t count = hi - lo;
    for (size_t i = count / 2; i-- > 0;)
        sift_down(sort, lo, i, count);
    for (size_t i = count; i-- > 1;) {
        swap(sort, lo, lo + i);
        sift_down(sort, lo, 0, i);
    }
}

static size_t median(const struct sort *sort, size_t a, size_t b, size_t c) {
    if (order(sort, a, b) < 0)
        return order(sort, b, c) < 0 ? b : order(sort, a, c) < 0 ? c : a;
    return order(sort, a, c) < 0 ? a : order(sort, b, c) < 0 ? c : b;
}

static size_t choose_pivot(const struct sort *sort, size_t lo, size_t hi) {
    size_t count = hi - lo, step = count / 8, middle = lo + count / 2;
    if (count < 50)
        return median(sort, lo, middle, hi - 1);
    return median(sort, median(sort, lo, lo + step, lo + 2 * step), median(sort, middle - step, middle, middle + step),
                  median(sort, hi - 1 - 2 * step, hi - 1 - step, hi - 1));
}

/* [lo, hi) in ascending order. A comparison that contradicts itself gives some order, and touches nothing outside. */
static void sort_range(const struct sort *sort, size_t lo, size_t hi, int depth) {
    while (hi - lo > 12) {
        if (depth-- == 0) {
            heap_sort(sort, lo, hi);
            return;
        }
        swap(sort, lo, choose_pivot(sort, lo, hi));
        /* The pivot is at lo. [lo + 1, i) comes not after it, (j, hi) not before it. */
        size_t i = lo + 1, j = hi - 1;
        for (;;) {
            while (i <= j && order(sort, i, lo) < 0)
                i++;
            while (i <= j && order(sort, j, lo) > 0)
                j--;
            if (i >= j)
                break;
            swap(sort, i++, j--);
        }
        swap(sort, lo, j);
        if (j - lo < hi - j - 1) {
            sort_range(sort, lo, j, depth);
            lo = j + 1;
        } else {
            sort_range(sort, j + 1, hi, depth);
            hi = j;
        }
    }
    insertion_sort(sort, lo, hi);
}

void bw__sort(void *ptr, ptrdiff_t len, size_t size, int (*compare)(const void *, const void *)) {
    struct sort sort = {ptr, size, compare};
    if (len > 1)
        sort_range(&sort, 0, (size_t)len, 2 * (64 - __builtin_clzll((unsigned long long)len)));
}

ptrdiff_t bw__search(const void *ptr, ptrdiff_t len, size_t size, const void *target,
                     int (*compare)(const void *, const void *), bool *found) {
    ptrdiff_t lo = 0, hi = len;
    while (lo < hi) {
        ptrdiff_t middle = lo + (hi - lo) / 2;
        if (compare((const char *)ptr + (size_t)middle * size, target) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    if (found)
        *found = lo < len && compare((const char *)ptr + (size_t)lo * size, target) == 0;
    return lo;
}

#define COMPARISON(name, T)                                                                                            \
    static int compare_##name(const void *a, const void *b) {                                                          \
        T x = *(const T *)a, y = *(const T *)b;                                                                        \
        return (x > y) - (x < y);                                                                                      \
    }
COMPARISON(char, char)
COMPARISON(int8, int8_t)
COMPARISON(int16, int16_t)
COMPARISON(int, int)
COMPARISON(int64, int64_t)
COMPARISON(uint8, uint8_t)
COMPARISON(uint16, uint16_t)
COMPARISON(uint, unsigned)
COMPARISON(uint64, uint64_t)

/* NaN comes before every number, and is equal to NaN. */
static int compare_doubles(double x, double y) {
    return x != x ? -(y == y) : y != y ? 1 : (x > y) - (x < y);
}
static int compare_float32(const void *a, const void *b) {
    return compare_doubles(*(const float *)a, *(const float *)b);
}
static int compare_float64(const void *a, const void *b) {
    return compare_doubles(*(const double *)a, *(const double *)b);
}
static int compare_string(const void *a, const void *b) {
    return bw_str_cmp(*(const bw_string *)a, *(const bw_string *)b);
}

int (*bw__comparison(int kind))(const void *, const void *) {
    static int (*const comparisons[])(const void *, const void *) = {
        [BW_KIND_CHAR] = compare_char,       [BW_KIND_INT8] = compare_int8,       [BW_KIND_INT16] = compare_int16,
        [BW_KIND_INT] = compare_int,         [BW_KIND_INT64] = compare_int64,     [BW_KIND_UINT8] = compare_uint8,
        [BW_KIND_UINT16] = compare_uint16,   [BW_KIND_UINT] = compare_uint,       [BW_KIND_UINT64] = compare_uint64,
        [BW_KIND_FLOAT32] = compare_float32, [BW_KIND_FLOAT64] = compare_float64, [BW_KIND_STRING] = compare_string,
    };
    return comparisons[kind];
}
