/* values.c - what Go's values cost in C: calls through interfaces, type switches, errors, deferred calls, panics, and
 * the bytes that an entry of a map takes. The rows are those of values.go. */
#include <burrow.h>
#include <errno.h>
#include <time.h>

#ifndef PEER_BURROW
#error "this workload is Burrow's alone"
#endif

BW_INTERFACE(shape, (double, area));
BW_STRUCT(circle, (double, radius));
BW_STRUCT(square, (double, side));
#define NOINLINE __attribute__((noinline))
static double circle_area(circle *c) {
    return c->radius * 3;
}
static double square_area(square *s) {
    return s->side * s->side;
}
BW_IMPL(shape, circle, (double, area));
BW_IMPL(shape, square, (double, area));

BW_STRUCT(my_error, (int, code));
static bw_string my_error_error(my_error *e) {
    (void)e;
    return bw_str("my error");
}
BW_IMPL(bw_error, my_error, (bw_string, error));

BW_MAP(word_map, uint64_t, uint64_t);

static volatile double sink;
static volatile int64_t count;

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t mix(uint64_t x) {
    x *= 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

/* The best of some rounds. */
enum { ROUNDS = 5 };
static void report(const char *name, int n, void (*work)(int n)) {
    double best = 1e18;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ns();
        work(n);
        double took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("R values_%s ns/op %.2f\n", name, best / n);
}

static shape shapes[1024];
static void interface_call(int n) {
    double total = 0;
    for (int i = 0; i < n; i++)
        total += bw_call(shapes[i & 1023], area);
    sink += total;
}

static NOINLINE int64_t classify(bw_any v) {
    bw_type_switch(v) {
        bw_case(int, x) return x;
        bw_case(bw_string, x) return x.len;
        bw_case(double, x) return (int64_t)x;
        bw_case(circle *, x) return (int64_t)x->radius;
        bw_case(square *, x) return (int64_t)x->side;
    }
    return 0;
}
static bw_any anys[1024];
static void type_switch(int n) {
    int64_t total = 0;
    for (int i = 0; i < n; i++)
        total += classify(anys[i & 1023]);
    count += total;
}

static bw_error sentinel, wrapped, typed, path;
static void errors_is(int n) {
    for (int i = 0; i < n; i++)
        count += bw_errors_is(wrapped, sentinel);
}
static void errors_as(int n) {
    for (int i = 0; i < n; i++) {
        my_error *e;
        if (bw_errors_as(my_error *, typed, &e))
            count += e->code;
    }
}
static void errors_new(int n) {
    for (int i = 0; i < n; i++)
        count += !bw_is_nil(bw_errors_new("text"));
}
static void errorf(int n) {
    for (int i = 0; i < n; i++)
        count += !bw_is_nil(bw_errorf("step %d of %s: %w", i, "all", sentinel));
}
static void errors_is_not_exist(int n) {
    for (int i = 0; i < n; i++)
        count += bw_errors_is(path, bw_err_not_exist());
}

static NOINLINE void deferred(int *n) {
    ++*n;
}
static NOINLINE void with_defer(int *n) {
    bw_defer(deferred, n);
}
static void defer_one(int n) {
    int calls = 0;
    for (int i = 0; i < n; i++)
        with_defer(&calls);
    count += calls;
}

static NOINLINE void with_recover(int *n) {
    bw_try {
        bw_panic("text");
    }
    bw_recover(e) {
        if (!bw_is_nil(e))
            ++*n;
    }
}
static void panic_recover(int n) {
    int calls = 0;
    for (int i = 0; i < n; i++)
        with_recover(&calls);
    count += calls;
}
static int limit; /* never reached, but the compiler cannot know that every call panics in the end */
static NOINLINE void fails(int deep) {
    if (deep > limit)
        fails(deep - 1);
    else if (deep == 0)
        bw_panic("text");
    count++;
}
static NOINLINE void with_recover_deep(int *n) {
    if (!bw_is_nil(bw_protect(fails, 10)))
        ++*n;
}
static void panic_recover_deep(int n) {
    int calls = 0;
    for (int i = 0; i < n; i++)
        with_recover_deep(&calls);
    count += calls;
}

static void print_one(int n) {
    for (int i = 0; i < n; i++)
        count += bw_len(bw_sprintf("%s: %d of %5.2f, %v", "name", i, 2.5, (bool)true));
}

static void bytes_per_entry(int n) {
    bw_ledger_t before, after;
    bw_gc();
    bw_ledger(&before);
    word_map m = bw_make_map(word_map);
    for (int i = 0; i < n; i++) {
        uint64_t k = mix((uint64_t)i) >> 1;
        bw_put(m, k) = k;
    }
    bw_gc();
    bw_ledger(&after);
    printf("R values_map_%d_bytes B %.1f\n", n, (double)(int64_t)(after.layout.bytes - before.layout.bytes) / n);
    bw_keep_alive(m.bw__map);
}

int main(void) {
    for (int i = 0; i < 1024; i++) {
        circle *c = bw_new(circle);
        square *s = bw_new(square);
        c->radius = s->side = i;
        shapes[i] = mix((uint64_t)i) & 1 ? bw_as(shape, square, s) : bw_as(shape, circle, c);
        switch (mix((uint64_t)i) % 5) {
        case 0: anys[i] = bw_any_of(i); break;
        case 1: anys[i] = bw_any_of("text"); break;
        case 2: anys[i] = bw_any_of((double)i); break;
        case 3: anys[i] = bw_any_as(circle *, c); break;
        default: anys[i] = bw_any_as(square *, s);
        }
    }
    report("interface_call", 20000000, interface_call);
    report("type_switch", 20000000, type_switch);
    sentinel = bw_errors_new("sentinel");
    wrapped = bw_errorf("third: %w", bw_errorf("second: %w", bw_errorf("first: %w", sentinel)));
    report("errors_is", 2000000, errors_is);
    my_error *mine = bw_new(my_error);
    mine->code = 7;
    typed = bw_errorf("third: %w", bw_errorf("second: %w", bw_errorf("first: %w", bw_as(bw_error, my_error, mine))));
    report("errors_as", 2000000, errors_as);
    report("errors_new", 2000000, errors_new);
    report("errorf", 500000, errorf);
    path = bw_path_error("open", "/x", ENOENT);
    report("errors_is_not_exist", 2000000, errors_is_not_exist);
    report("defer", 20000000, defer_one);
    report("panic_recover", 1000000, panic_recover);
    report("panic_recover_10_frames", 1000000, panic_recover_deep);
    report("sprintf", 500000, print_one);
    bytes_per_entry(1000);
    bytes_per_entry(100000);
    bytes_per_entry(10000000);
    puts("CHECK done");
    return 0;
}
