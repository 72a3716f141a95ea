// Go's test/chan/powser1.go: power series as streams of rational numbers on demand (Squinting at Power Series, M. D.
// McIlroy). Each operation is a goroutine; a term is asked for on one channel and comes on another; one series goes two
// ways through a chain of goroutines that is made as it is used. Hundreds of goroutines and selects, and one right answer.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

typedef struct rational {
    int64_t n, d; // d is 0 at the end of a series
} rational;

typedef struct series {
    bw_chan(int) ask;
    bw_chan(rational) term;
} series;

static _Atomic int asked;

// --- rational numbers ---

static int64_t gcd(int64_t a, int64_t b) {
    return a < 0 ? gcd(-a, b) : a == 0 ? b : gcd(b % a, a);
}
static rational of(int64_t n, int64_t d) {
    int64_t g = gcd(n, d);
    return d > 0 ? (rational){n / g, d / g} : (rational){-n / g, -d / g};
}
static rational whole(int64_t n) {
    return (rational){n, 1};
}
static const rational the_end = {1, 0};
static bool ends(rational a) {
    return a.d == 0;
}
static rational add(rational a, rational b) {
    int64_t g = gcd(a.d, b.d);
    return of(a.n * (b.d / g) + b.n * (a.d / g), a.d * (b.d / g));
}
static rational multiply(rational a, rational b) {
    int64_t g = gcd(a.n, b.d), h = gcd(a.d, b.n);
    return (rational){(a.n / g) * (b.n / h), (a.d / h) * (b.d / g)};
}

// --- streams ---

static series *make_series(void) {
    series *made = bw_new(series);
    made->ask = bw_make_chan(int, 0);
    made->term = bw_make_chan(rational, 0);
    return made;
}
static void put(rational term, series *out) {
    bw_recv(out->ask);
    bw_send(out->term, term);
}
static rational get(series *in) {
    bw_send(in->ask, atomic_fetch_add(&asked, 1));
    return bw_recv(in->term);
}
// One term of each, asked for at once, in whatever order they can be had.
static void get_two(series *a, series *b, rational *terms) {
    bw_chan(int) ask_a = a->ask, ask_b = b->ask;
    bw_chan(rational) term_a = NULL, term_b = NULL;
    for (int left = 4; left > 0; left--)
        bw_select {
            bw_on_send(ask_a, atomic_fetch_add(&asked, 1)) {
                term_a = a->term;
                ask_a = NULL;
            }
            bw_on_send(ask_b, atomic_fetch_add(&asked, 1)) {
                term_b = b->term;
                ask_b = NULL;
            }
            bw_on_recv(term_a, v) {
                terms[0] = v;
                term_a = NULL;
            }
            bw_on_recv(term_b, v) {
                terms[1] = v;
                term_b = NULL;
            }
        }
}
static void pass_on(series *in, series *out) {
    for (;;) {
        bw_recv(out->ask);
        bw_send(out->term, get(in));
    }
}

// Both outputs get the terms of `in`, each at its own pace. For each term there is a goroutine, which is done when both
// have it; the newest serves whichever asks first, older ones what the slower output has not asked for yet.
static void split_one(series *in, series *a, series *b, bw_chan(int) turn) {
    bool both = false;
    bw_select {
        bw_on_recv(a->ask, v) {}
        bw_on_recv(turn, v) both = true;
    }
    if (both) {
        bool second = false;
        bw_select {
            bw_on_recv(a->ask, v) {}
            bw_on_recv(b->ask, v) second = true;
        }
        if (second) {
            series *other = a;
            a = b;
            b = other;
        }
    }
    bw_send(in->ask, atomic_fetch_add(&asked, 1));
    bw_chan(int) next_turn = bw_make_chan(int, 0);
    bw_go(split_one, in, a, b, next_turn);
    rational term = bw_recv(in->term);
    bw_send(a->term, term);
    if (!both)
        bw_recv(turn);
    bw_recv(b->ask);
    bw_send(b->term, term);
    bw_send(next_turn, 0);
}
static void split(series *in, series *a, series *b) {
    bw_chan(int) turn = bw_make_chan(int, 0);
    bw_go(split_one, in, a, b, turn);
    bw_send(turn, 0);
}

// --- operations: NAME makes the series, NAME_run is its goroutine ---

static void constant_run(rational c, series *out) {
    for (;;)
        put(c, out);
}
static series *constant(int64_t c) { // c + c x + c x^2 ...
    series *out = make_series();
    bw_go(constant_run, whole(c), out);
    return out;
}

static void sum_run(series *a, series *b, series *out) {
    for (;;) {
        rational terms[2];
        bw_recv(out->ask);
        get_two(a, b, terms);
        if (ends(terms[0]) && ends(terms[1])) {
            bw_send(out->term, the_end);
        } else if (ends(terms[0]) || ends(terms[1])) {
            bw_send(out->term, terms[ends(terms[0])]);
            pass_on(ends(terms[0]) ? b : a, out);
        } else {
            bw_send(out->term, add(terms[0], terms[1]));
        }
    }
}
static series *sum(series *a, series *b) {
    series *out = make_series();
    bw_go(sum_run, a, b, out);
    return out;
}

static void scaled_run(rational c, series *in, series *out) {
    for (;;) {
        bw_recv(out->ask);
        rational term = get(in);
        if (ends(term))
            break;
        bw_send(out->term, multiply(c, term));
    }
    bw_send(out->term, the_end);
}
static series *scaled(rational c, series *in) {
    series *out = make_series();
    bw_go(scaled_run, c, in, out);
    return out;
}
static series *difference(series *a, series *b) {
    return sum(a, scaled(whole(-1), b));
}

// With a = a0 + x A, b = b0 + x B: a b = a0 b0 + x (a0 B + b0 A) + x^2 A B.
static series *product(series *a, series *b);
static void product_run(series *a, series *b, series *out) {
    rational terms[2];
    bw_recv(out->ask);
    get_two(a, b, terms);
    if (ends(terms[0]) || ends(terms[1])) {
        bw_send(out->term, the_end);
        return;
    }
    bw_send(out->term, multiply(terms[0], terms[1]));
    series *a1 = make_series(), *a2 = make_series(), *b1 = make_series(), *b2 = make_series();
    bw_go(split, a, a1, a2);
    bw_go(split, b, b1, b2);
    series *middle = sum(scaled(terms[0], b1), scaled(terms[1], a1));
    bw_recv(out->ask);
    bw_send(out->term, get(middle));
    pass_on(sum(middle, product(a2, b2)), out);
}
static series *product(series *a, series *b) {
    series *out = make_series();
    bw_go(product_run, a, b, out);
    return out;
}

static void derivative_run(series *in, series *out) {
    bw_recv(out->ask);
    if (!ends(get(in)))
        for (int64_t i = 1;; i++) {
            rational term = get(in);
            if (ends(term))
                break;
            bw_send(out->term, multiply(whole(i), term));
            bw_recv(out->ask);
        }
    bw_send(out->term, the_end);
}
static series *derivative(series *in) {
    series *out = make_series();
    bw_go(derivative_run, in, out);
    return out;
}

static void integral_run(rational c, series *in, series *out) {
    put(c, out);
    for (int64_t i = 1;; i++) {
        bw_recv(out->ask);
        rational term = get(in);
        if (ends(term)) {
            bw_send(out->term, the_end);
            return;
        }
        bw_send(out->term, multiply(of(1, i), term));
    }
}
static series *integral(int64_t c, series *in) {
    series *out = make_series();
    bw_go(integral_run, whole(c), in, out);
    return out;
}

// With z = exp(u): z' = z u', and its integral is z again, which goes both to the caller and into the product.
static series *exponential(series *in) {
    series *back = make_series(), *out = make_series();
    split(integral(1, product(back, derivative(in))), back, out);
    return out;
}

// The series at c x^n.
static void substituted_run(series *in, rational c, int n, series *out) {
    for (rational power = whole(1);; power = multiply(power, c)) {
        bw_recv(out->ask);
        rational term = get(in);
        if (ends(term)) {
            bw_send(out->term, the_end);
            return;
        }
        bw_send(out->term, multiply(term, power));
        for (int i = 1; i < n; i++)
            put(whole(0), out);
    }
}
static series *substituted(series *in, int64_t c, int n) {
    series *out = make_series();
    bw_go(substituted_run, in, whole(c), n, out);
    return out;
}

// --- what must come out ---

enum { TERMS = 10 };
static void check_terms(series *in, const rational *expected, const char *name) {
    for (int i = 0; i < TERMS; i++) {
        rational term = get(in);
        CHECK(term.n == expected[i].n && term.d == expected[i].d, "%s: term %d is %lld/%lld", name, i,
              (long long)term.n, (long long)term.d);
    }
}
static void check_constant(series *in, int64_t value, const char *name) {
    rational expected[TERMS];
    for (int i = 0; i < TERMS; i++)
        expected[i] = whole(value);
    check_terms(in, expected, name);
}

static void test_series(void **state) {
    (void)state;
    for (size_t round = 0; round < effort(20); round++) {
        series *ones = constant(1), *twos = constant(2);
        rational expected[TERMS];
        check_constant(ones, 1, "ones");
        check_constant(sum(ones, ones), 2, "ones + ones");
        check_constant(sum(ones, twos), 3, "ones + twos");
        check_constant(scaled(whole(-1), twos), -2, "-twos");
        check_constant(difference(ones, twos), -1, "ones - twos");
        for (int i = 0; i < TERMS; i++)
            expected[i] = whole(i + 1);
        check_terms(derivative(ones), expected, "the derivative of ones");
        check_terms(product(ones, ones), expected, "ones * ones");
        for (int i = 0; i < TERMS; i++)
            expected[i] = i == 0 ? whole(0) : of(1, i);
        check_terms(integral(0, ones), expected, "the integral of ones");
        static const rational exponential_of_ones[TERMS] = {{1, 1},        {1, 1},           {3, 2},      {13, 6},
                                                            {73, 24},      {167, 40},        {4051, 720}, {37633, 5040},
                                                            {43817, 4480}, {4596553, 362880}};
        check_terms(exponential(ones), exponential_of_ones, "exp(ones)");
        for (int i = 0; i < TERMS; i++)
            expected[i] = i % 2 == 0 ? whole(0) : of(i % 4 == 1 ? 1 : -1, i);
        check_terms(integral(0, substituted(ones, -1, 2)), expected, "atan");
        if (round % 5 == 4)
            bw_gc();
    }
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_series)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
