// Leaked goroutines: what is one and what is not, however they wait for one another; and that they, and all that they
// refer to, stay as they are.
// Not with gcstress, nor under the address sanitizer: they leave words on stacks that keep one or the other alive.
// not under: address
// modes: plain verify=1,poison=1
// timeout: 200
#include "dump.h"

#include <stdatomic.h>

typedef bw_chan(int) channel;
BW_SLICE(channel);
BW_STRUCT(item, (struct item *, next), (uint64_t, value));

static atomic_int ended;

static NOINLINE void receives(channel c) {
    bw_recv(c);
    atomic_fetch_add(&ended, 1);
}
static NOINLINE void sends(channel c) {
    bw_send(c, 1);
    atomic_fetch_add(&ended, 1);
}
static NOINLINE void selects(channel c, channel d) {
    bw_select {
        bw_on_recv(c, v) CHECK(v == 0);
        bw_on_send(d, 1);
    }
    atomic_fetch_add(&ended, 1);
}
// Waits for the one, has the other.
static NOINLINE void has(channel waits, channel holds) {
    bw_recv(waits);
    bw_close(holds);
    atomic_fetch_add(&ended, 1);
}
static void wait_ended(int count) {
    double limit = seconds_now() + child_limit(60);
    while (atomic_load(&ended) < count) {
        CHECK(seconds_now() < limit, "%d of %d", atomic_load(&ended), count);
        sleep_ms(1);
    }
}

// In a thread of its own: what a collection leaves on its stack could keep something alive in the next one.
static void *run_count(void *count) {
    clear_stack();
    *(size_t *)count = bw_leaked_goroutines();
    return NULL;
}
static size_t count_leaked(void) {
    size_t count;
    in_thread(run_count, &count);
    return count;
}

// The number that are leaked, once those are parked that have been made: what they are parked in is told by dumps.
static NOINLINE void make_all(void (*make)(void)) {
    make();
}
static void *run_make(void *make) {
    clear_stack(); // libc gives threads the stacks of ended ones
    make_all((void (*)(void))(uintptr_t)make);
    return NULL;
}
static size_t parked(void) {
    struct dump dump = dump_now();
    size_t count = 0;
    for (size_t i = 1; i < dump.count; i++)
        count += strncmp(dump.list[i].state, "run", 3) != 0;
    dump_free(&dump);
    return count;
}
static size_t made; // goroutines there are, all of them leaked but those that a test keeps
static void make_and_park(void (*make)(void), size_t count) {
    double limit = seconds_now() + child_limit(60);
    made += count;
    in_thread(run_make, (void *)(uintptr_t)make);
    while (parked() < made) {
        CHECK(seconds_now() < limit);
        sleep_ms(1);
    }
}

// --- one ---

static channel volatile kept, kept_too, kept_third; // volatile: only the collector reads them
static uintptr_t hidden[20000];

static void make_lost(void) {
    channel c = bw_make_chan(int, 0), d = bw_make_chan(int, 1);
    hidden[0] = hide(c);
    hidden[1] = hide(d);
    bw_send(d, 1);
    bw_go(receives, c);
    bw_go(sends, d);
    bw_go(selects, c, d);
}
static void make_kept(void) {
    kept = bw_make_chan(int, 0);
    kept_too = bw_make_chan(int, 0);
    bw_go(receives, kept);
    bw_go(selects, kept_too, bw_make_chan(int, 0));
    kept_third = bw_make_chan(int, 0);
    bw_go(selects, bw_make_chan(int, 0), kept_third);
}
static item *volatile at_base;
static void test_one(void **state) {
    (void)state;
    at_base = bw_new(item); // the library's own variables refer to the heap's first byte
    assert_int_equal(count_leaked(), 0);
    atomic_store(&ended, 0);
    make_and_park(make_lost, 3);
    assert_int_equal(count_leaked(), 3);
    make_and_park(make_kept, 3);
    assert_int_equal(count_leaked(), 3);
    struct dump dump = dump_now();
    dump_check(&dump, "sends", "chan send (leaked)", dump_get(&dump, "sends")->maker);
    size_t marked = 0;
    for (size_t i = 0; i < dump.count; i++)
        marked += strstr(dump.list[i].state, "(leaked)") != NULL;
    assert_int_equal(marked, 3);
    dump_free(&dump);
    kept_too = kept_third = NULL;
    assert_int_equal(count_leaked(), 5);
    // Nothing of them is lost: who knows the address can wake them.
    bw_close((channel)shown(hidden[0]));
    assert_int_equal(bw_recv((channel)shown(hidden[1])), 1);
    bw_close(kept);
    kept = NULL;
    wait_ended(4);
    assert_int_equal(count_leaked(), 2);
    made -= 4;
}

// --- what they refer to stays ---

static NOINLINE void holds_list(channel c, size_t length) {
    item *list = NULL;
    for (size_t i = 0; i < length; i++) {
        item *more = bw_new(item);
        more->next = list;
        more->value = i;
        list = more;
    }
    bw_recv(c);
    for (; length > 0; list = list->next, length--)
        CHECK(list->value == length - 1);
    CHECK(list == NULL);
    atomic_fetch_add(&ended, 1);
}
static void make_holders(void) {
    for (size_t i = 0; i < 50; i++) {
        channel c = bw_make_chan(int, 0);
        hidden[i] = hide(c);
        bw_go(holds_list, c, 100 + i);
    }
}
static void *run_garbage(void *unused) {
    bw_gc();
    for (int k = 0; k < 100000; k++)
        bw_new(item)->value = 77;
    return unused;
}
static void test_memory(void **state) {
    (void)state;
    atomic_store(&ended, 0);
    make_and_park(make_holders, 50);
    assert_int_equal(count_leaked(), 52);
    for (int i = 0; i < 3; i++)
        in_thread(run_garbage, NULL);
    for (size_t i = 0; i < 50; i++)
        bw_close((channel)shown(hidden[i]));
    wait_ended(50);
    made -= 50;
    assert_int_equal(count_leaked(), 2);
}

// --- chains: each waits for what the next one has ---

static size_t chain_length, chain_order; // 0: forward, 1: backward, 2: any
static channel volatile chain_end;
static void make_chain(void) {
    struct random random = {7};
    bw_slice(channel) c = bw_make_slice(channel, chain_length + 1);
    bw_slice(size_t) order = bw_make_slice(size_t, chain_length);
    for (size_t i = 0; i <= chain_length; i++)
        bw_at(c, i) = bw_make_chan(int, 0);
    for (size_t i = 0; i < chain_length; i++) {
        bw_at(order, i) = chain_order == 1 ? chain_length - 1 - i : i;
        size_t k = chain_order == 2 ? random_below(&random, i + 1) : i, other = bw_at(order, k);
        bw_at(order, k) = bw_at(order, i);
        bw_at(order, i) = other;
    }
    for (size_t i = 0; i < chain_length; i++)
        bw_go(has, bw_at(c, bw_at(order, i)), bw_at(c, bw_at(order, i) + 1));
    chain_end = bw_at(c, 0);
    hidden[0] = hide(chain_end);
}
static void test_chains(void **state) {
    (void)state;
    chain_length = effort(10000);
    for (chain_order = 0; chain_order < 3; chain_order++) {
        atomic_store(&ended, 0);
        make_and_park(make_chain, chain_length);
        double began = seconds_now();
        assert_int_equal(count_leaked(), 2);
        CHECK(seconds_now() - began < child_limit(3), "%.3f s", seconds_now() - began);
        chain_end = NULL;
        assert_int_equal(count_leaked(), 2 + chain_length);
        bw_close((channel)shown(hidden[0]));
        wait_ended((int)chain_length);
        made -= chain_length;
    }
}

// --- for one another, and for nothing ---

static void make_cycle(void) {
    channel c = bw_make_chan(int, 0), d = bw_make_chan(int, 0), e = bw_make_chan(int, 0);
    bw_go(has, c, d);
    bw_go(has, d, e);
    bw_go(has, e, c);
}
static NOINLINE void receives_from_nil(void) {
    channel nothing = NULL;
    bw_recv(nothing);
}
static NOINLINE void selects_nothing(void) {
    bw_select {}
}
static void make_hopeless(void) {
    bw_go(receives_from_nil);
    bw_go(selects_nothing);
}
static void test_hopeless(void **state) {
    (void)state;
    make_and_park(make_cycle, 3);
    assert_int_equal(count_leaked(), 5);
    make_and_park(make_hopeless, 2);
    assert_int_equal(count_leaked(), 7);
}

// --- sync ---

BW_STRUCT(locks, (bw_mutex, mutex), (bw_rwmutex, rwmutex), (bw_waitgroup, group));
static bw_mutex static_mutex;
static NOINLINE void locks_mutex(bw_mutex *mutex) {
    bw_mutex_lock(mutex);
    bw_mutex_unlock(mutex);
    atomic_fetch_add(&ended, 1);
}
static NOINLINE void locks_rwmutex(bw_rwmutex *mutex) {
    bw_rwmutex_lock(mutex);
}
static NOINLINE void waits_group(bw_waitgroup *group) {
    bw_waitgroup_wait(group);
}
static void make_sync(void) {
    locks *all = bw_new(locks);
    bw_mutex_lock(&all->mutex);
    bw_rwmutex_rlock(&all->rwmutex);
    bw_waitgroup_add(&all->group, 1);
    bw_go(locks_mutex, &all->mutex);
    bw_go(locks_rwmutex, &all->rwmutex);
    bw_go(waits_group, &all->group);
    bw_mutex_lock(&static_mutex);
    bw_go(locks_mutex, &static_mutex);
}
static void test_sync(void **state) {
    (void)state;
    atomic_store(&ended, 0);
    make_and_park(make_sync, 4);
    assert_int_equal(count_leaked(), 10);
    bw_mutex_unlock(&static_mutex);
    wait_ended(1);
    made--;
}

// --- what is not: time, weak maps, finalizers, threads ---

static bw_weak_map *volatile map;
static item *volatile key;
static void sleeps(void) {
    bw_sleep(INT64_C(3600) * 1000000000);
}
static void waits_after(void) {
    bw_recv(bw_after(INT64_C(3600) * 1000000000));
}
static void count_finalized(void *unused) {
    (void)unused;
    atomic_fetch_add(&ended, 1);
}
BW_STRUCT(holder, (channel, c));
static void make_reached(void) {
    map = bw_weak_map_new();
    key = bw_new(item);
    channel c = bw_make_chan(int, 0), d = bw_make_chan(int, 0), e = bw_make_chan(int, 0);
    bw_weak_map_put(map, key, c);
    // The value's goroutine has another's channel, and that one a key.
    bw_go(has, c, d);
    item *inner = bw_new(item);
    bw_weak_map_put(map, inner, e);
    (void)inner;
    holder *h = bw_new(holder);
    h->c = d;
    bw_set_finalizer(h, count_finalized);
    bw_go(receives, d);
    bw_go(sleeps);
    bw_go(waits_after);
}
static void *thread_waits(void *c) {
    bw_recv((channel)c);
    return NULL;
}
static void test_not_leaked(void **state) {
    (void)state;
    atomic_store(&ended, 0);
    make_and_park(make_reached, 4);
    assert_int_equal(count_leaked(), 10);
    wait_ended(1);
    channel c = bw_make_chan(int, 0);
    hidden[0] = hide(c);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, thread_waits, c) == 0);
    c = NULL;
    assert_int_equal(count_leaked(), 10);
    key = NULL;
    assert_int_equal(count_leaked(), 12);
    bw_close((channel)shown(hidden[0]));
    CHECK(pthread_join(thread, NULL) == 0);
}

// --- any graph: never one too many, and hardly ever one too few ---

enum { CHANNELS = 80, GOROUTINES = 60, HOLDS = 1, WAITS = 3 };
static struct { size_t holds[HOLDS], waits[WAITS], wait_count; } graph[GOROUTINES];
static size_t roots[4];
static volatile bw_slice(channel) root_list;
static struct random graph_random = {3};

// What other goroutines left on this stack, which a select's frame would show.
static NOINLINE void clear_own(void) {
    volatile char room[8 << 10];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
}
static NOINLINE void node(channel a, channel b, channel c, bw_slice(channel) hold) {
    clear_own();
    bw_select {
        bw_on_recv(a, v) CHECK(v == 0);
        bw_on_recv(b, v) CHECK(v == 0);
        bw_on_recv(c, v) CHECK(v == 0);
    }
    CHECK(bw_len(hold) == HOLDS);
    atomic_fetch_add(&ended, 1);
}
static void make_graph(void) {
    bw_slice(channel) c = bw_make_slice(channel, CHANNELS);
    for (size_t i = 0; i < CHANNELS; i++) {
        bw_at(c, i) = bw_make_chan(int, 0);
        hidden[i] = hide(bw_at(c, i));
    }
    root_list = bw_make_slice(channel, 0, COUNT_OF(roots));
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        roots[i] = random_below(&graph_random, CHANNELS);
        root_list = bw_append(root_list, bw_at(c, roots[i]));
    }
    for (size_t i = 0; i < GOROUTINES; i++) {
        // On a stack the address of one is also that behind the one before, which is nobody's therefore.
        bw_slice(channel) hold = bw_make_slice(channel, HOLDS);
        hold = bw_make_slice(channel, HOLDS);
        for (size_t k = 0; k < HOLDS; k++) {
            graph[i].holds[k] = random_below(&graph_random, CHANNELS);
            bw_at(hold, k) = bw_at(c, graph[i].holds[k]);
        }
        channel waits[WAITS] = {NULL};
        graph[i].wait_count = random_below(&graph_random, 4) ? 1 : 1 + random_below(&graph_random, WAITS);
        for (size_t k = 0; k < graph[i].wait_count; k++) {
            graph[i].waits[k] = random_below(&graph_random, CHANNELS);
            waits[k] = bw_at(c, graph[i].waits[k]);
        }
        bw_go(node, waits[0], waits[1], waits[2], hold);
    }
}
static size_t expected_leaks(void) {
    bool reached[CHANNELS] = {false}, runs[GOROUTINES] = {false};
    for (size_t i = 0; i < COUNT_OF(roots); i++)
        reached[roots[i]] = true;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < GOROUTINES; i++)
            for (size_t k = 0; !runs[i] && k < graph[i].wait_count; k++)
                if (reached[graph[i].waits[k]]) {
                    runs[i] = more = true;
                    for (size_t m = 0; m < HOLDS; m++)
                        reached[graph[i].holds[m]] = true;
                    // What it waits for besides is on its stack.
                    for (size_t m = 0; m < graph[i].wait_count; m++)
                        reached[graph[i].waits[m]] = true;
                }
    }
    size_t count = 0;
    for (size_t i = 0; i < GOROUTINES; i++)
        count += !runs[i];
    return count;
}
// Those that nobody waits for may be gone.
static void close_graph(void) {
    bool closed[CHANNELS] = {false};
    for (size_t i = 0; i < GOROUTINES; i++)
        for (size_t k = 0; k < graph[i].wait_count; k++)
            if (!closed[graph[i].waits[k]]) {
                closed[graph[i].waits[k]] = true;
                bw_close((channel)shown(hidden[graph[i].waits[k]]));
            }
}
static void test_graphs(void **state) {
    (void)state;
    size_t rounds = effort(30), missed = 0, all = 0;
    for (size_t round = 0; round < rounds; round++) {
        atomic_store(&ended, 0);
        make_and_park(make_graph, GOROUTINES);
        size_t expected = 12 + expected_leaks(), found = count_leaked();
        CHECK(found <= expected, "round %zu: %zu, not %zu", round, found, expected);
        missed += expected - found;
        all += expected - 12;
        root_list = (__typeof__(root_list)){0};
        in_thread(run_make, (void *)(uintptr_t)close_graph); // of its channels nothing stays on this stack
        wait_ended(GOROUTINES);
        made -= GOROUTINES;
    }
    CHECK(all > rounds * 5 && missed * 4 <= all, "%zu of %zu", missed, all);
}

// --- the knob ---

static void child_knob(void) {
    in_thread(run_make, (void *)(uintptr_t)make_lost);
    while (parked() < 3)
        sleep_ms(1);
    count_leaked();
    count_leaked();
    in_thread(run_make, (void *)(uintptr_t)make_cycle);
    while (parked() < 6)
        sleep_ms(1);
    count_leaked();
    count_leaked();
}
static void test_knob(void **state) {
    (void)state;
    static const char *const settings[] = {"BURROWDEBUG=leaks=1", NULL};
    static struct outcome outcome;
    assert_succeeded("knob", settings, &outcome);
    const char *first = strstr(outcome.err, "3 goroutines leaked, 3 in all\n\ngoroutine "),
               *second = strstr(outcome.err, "3 goroutines leaked, 6 in all\n\ngoroutine ");
    CHECK(first && second && first < second && strncmp(outcome.err, "leaks: gc ", 10) == 0, "%s", outcome.err);
    size_t count = 0;
    for (const char *at = outcome.err; (at = strstr(at, " (leaked)]:")) != NULL; at++)
        count++;
    CHECK(count == 6, "%zu: %s", count, outcome.err);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"knob", child_knob}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),      cmocka_unit_test(test_memory), cmocka_unit_test(test_chains),
        cmocka_unit_test(test_hopeless), cmocka_unit_test(test_sync),   cmocka_unit_test(test_not_leaked),
        cmocka_unit_test(test_graphs),   cmocka_unit_test(test_knob),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
