// Finalizers, cleanups, weak pointers, weak maps, counts, arenas.
//
// Objects are made by threads that have ended when the test collects, so that nothing stale refers to them. Death is
// asserted for 99 of 100, order and number exactly.
//
// valgrind: yes
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

#define MOST 1000
static atomic_int happened[MOST + 1]; // how often number i was finalized or cleaned up
static atomic_int happenings;

static void forget_happenings(void) {
    for (int i = 0; i <= MOST; i++)
        atomic_store(&happened[i], 0);
    atomic_store(&happenings, 0);
}

static void happens(size_t i) {
    CHECK(i <= MOST);
    atomic_fetch_add(&happened[i], 1);
    atomic_fetch_add(&happenings, 1);
}

// The library's threads run them: collects until `wanted` have run, or none has for a long time.
static int wait_for_happenings(int wanted) {
    double patience = UNDER_SANITIZER || under_valgrind() ? 10 : 1.5, end = seconds_now() + patience;
    for (int last = 0; last < wanted && seconds_now() < end;) {
        collect_clean();
        sleep_ms(1);
        int now = atomic_load(&happenings);
        if (now != last)
            end = seconds_now() + patience;
        last = now;
    }
    sleep_ms(5); // one too many would come now
    return atomic_load(&happenings);
}

// --- finalizers ---

BW_STRUCT(thing, (uint64_t, number), (struct thing *, next), (void *, other));

static thing *held[MOST + 1];

static void finalize(void *object) {
    thing *t = object;
    CHECK(bw_base(t) == t);
    happens(t->number);
}

static void *make_finalized(void *unused) {
    (void)unused;
    for (size_t i = 0; i < MOST; i++) {
        thing *t = held[i] = bw_new(thing);
        t->number = i;
        bw_set_finalizer(t, finalize);
    }
    return NULL;
}

static void test_finalizer_runs_once(void **state) {
    (void)state;
    forget_happenings();
    in_thread(make_finalized, NULL);
    collect_clean();
    sleep_ms(5);
    assert_int_equal(atomic_load(&happenings), 0);
    for (size_t i = 0; i < MOST; i += 2)
        held[i] = NULL;
    assert_true(wait_for_happenings(MOST / 2) >= MOST / 2 - MOST / 100);
    for (size_t i = 0; i < MOST; i++)
        assert_true(atomic_load(&happened[i]) <= (i % 2 == 0));
    for (size_t i = 1; i < MOST; i += 2)
        bw_set_finalizer(held[i], NULL);
    memset(held, 0, sizeof held);
    collect_clean();
    collect_clean();
    sleep_ms(5);
    for (size_t i = 0; i < MOST; i++)
        assert_true(atomic_load(&happened[i]) <= (i % 2 == 0));
}

// A refers to B refers to C ...: each finalizer needs a collection of its own, in that order.
#define CHAIN 10
#define CHAINS 20
static atomic_size_t chain_next[CHAINS];

static void finalize_in_chain(void *object) {
    thing *t = object;
    CHECK(t->next == NULL || t->next->number == t->number + 1);
    CHECK(atomic_fetch_add(&chain_next[t->number / CHAIN], 1) == t->number % CHAIN);
    happens(t->number);
}

static void *make_chains(void *unused) {
    (void)unused;
    for (size_t chain = 0; chain < CHAINS; chain++) {
        thing *head = NULL;
        for (size_t i = CHAIN; i-- > 0;) {
            thing *t = bw_new(thing);
            t->number = chain * CHAIN + i;
            t->next = head;
            head = t;
            held[chain] = t;
            bw_set_finalizer(t, finalize_in_chain);
        }
    }
    return NULL;
}

static void test_finalizers_in_order(void **state) {
    (void)state;
    forget_happenings();
    in_thread(make_chains, NULL);
    memset(held, 0, sizeof held);
    // One of each a collection at most: the second is kept by the first until that has run.
    collect_clean();
    sleep_ms(20);
    assert_true(atomic_load(&happenings) <= CHAINS || debug_has("gcstress"));
    assert_true(wait_for_happenings(CHAINS * CHAIN) >= (CHAINS - 2) * CHAIN);
}

#define SOME 100 // single objects may be kept by a stale word; nearly all of a population are not
static thing *revived[SOME];
static bw_weak weak_of_revived[SOME], weak_of_its_content[SOME];

static void revive(void *object) {
    thing *t = object;
    revived[t->number] = t;
    happens(t->number);
}

static void *make_revivable(void *unused) {
    (void)unused;
    for (size_t i = 0; i < SOME; i++) {
        thing *t = held[i] = bw_new(thing);
        t->number = i;
        t->next = bw_new(thing);
        t->next->number = i + 4712;
        weak_of_revived[i] = bw_weak_make(t);
        weak_of_its_content[i] = bw_weak_make(t->next);
        bw_set_finalizer(t, revive);
    }
    return NULL;
}

static NOINLINE void check_revived(size_t i) {
    thing *t = revived[i];
    CHECK(t && t->number == i && t->next->number == i + 4712);
    CHECK(bw_weak_get(weak_of_revived[i]) == NULL);
    CHECK(bw_weak_get(weak_of_its_content[i]) == t->next);
}

// The object lives on, its finalizer is gone, weak pointers to it do not know it any more; one to what it refers to does.
static void test_resurrection(void **state) {
    (void)state;
    forget_happenings();
    in_thread(make_revivable, NULL);
    collect_clean();
    for (size_t i = 0; i < SOME; i++)
        assert_ptr_equal(bw_weak_get(weak_of_revived[i]), held[i]);
    memset(held, 0, sizeof held);
    int count = wait_for_happenings(SOME);
    assert_true(count >= SOME * 95 / 100);
    collect_clean();
    for (size_t i = 0; i < SOME; i++) {
        if (!atomic_load(&happened[i]))
            continue;
        check_revived(i);
        bw_set_finalizer(revived[i], revive); // none is set: this one may be
        revived[i] = NULL;
    }
    assert_true(wait_for_happenings(2 * count) >= 2 * count * 95 / 100);
    for (size_t i = 0; i < SOME; i++)
        if (atomic_load(&happened[i]) == 2)
            check_revived(i);
    memset(revived, 0, sizeof revived);
    collect_clean();
}

static bw_weak weak_in_cycle[MOST];
static atomic_int finalized_in_cycle; // not `happenings`: an object of an earlier test may be found dead only now

static void finalize_in_cycle(void *object) {
    (void)object;
    atomic_fetch_add(&finalized_in_cycle, 1);
}

static void *make_cycles(void *unused) {
    (void)unused;
    for (size_t i = 0; i < MOST; i += 2) {
        thing *a = held[i] = bw_new(thing), *b = bw_new(thing);
        a->next = b;
        b->next = a;
        a->number = i;
        b->number = i + 1;
        bw_set_finalizer(a, finalize_in_cycle);
        if (i % 4)
            bw_set_finalizer(b, finalize_in_cycle);
        weak_in_cycle[i] = bw_weak_make(a);
        weak_in_cycle[i + 1] = bw_weak_make(b);
    }
    return NULL;
}

static void test_cycles_are_not_collected(void **state) {
    (void)state;
    in_thread(make_cycles, NULL);
    memset(held, 0, sizeof held);
    for (int i = 0; i < 4; i++)
        collect_clean();
    sleep_ms(20);
    assert_int_equal(atomic_load(&finalized_in_cycle), 0);
    for (size_t i = 0; i < MOST; i++) {
        thing *t = bw_weak_get(weak_in_cycle[i]);
        assert_non_null(t);
        assert_int_equal(t->number, i);
        if (i % 2 == 0) // and so that the next test finds none
            bw_set_finalizer(t, NULL);
        else if (i % 4 == 3)
            bw_set_finalizer(t, NULL);
    }
}

// A finalizer may allocate, collect, set finalizers, and wait without stopping cleanups.
static void busy_finalizer(void *object) {
    thing *t = object;
    for (int i = 0; i < 100; i++)
        CHECK(bw_new(thing)->next == NULL);
    bw_gc();
    if (t->number < 5) {
        t->number++;
        bw_set_finalizer(t, busy_finalizer);
    }
    happens(t->number);
}

static atomic_int finalizer_waits;

static void waiting_finalizer(void *object) {
    (void)object;
    if (atomic_exchange(&finalizer_waits, 1) != 0) {
        atomic_store(&finalizer_waits, 2);
        return;
    }
    while (atomic_load(&finalizer_waits) == 1)
        sleep_ms(1);
}

static void clean_up(void *argument) {
    happens((uintptr_t)argument);
}

static void *make_busy(void *unused) {
    (void)unused;
    for (int i = 0; i < 20; i++)
        bw_set_finalizer(bw_new(thing), busy_finalizer);
    return NULL;
}

static void *make_waiting(void *unused) {
    (void)unused;
    for (int i = 0; i < SOME; i++)
        bw_set_finalizer(bw_new(thing), waiting_finalizer);
    return NULL;
}

static void *make_cleaned(void *unused) {
    (void)unused;
    for (uintptr_t i = 0; i < SOME; i++)
        bw_add_cleanup(bw_new(thing), clean_up, (void *)i);
    return NULL;
}

static void test_finalizers_work(void **state) {
    (void)state;
    forget_happenings();
    in_thread(make_busy, NULL);
    assert_true(wait_for_happenings(100) >= 90);
    in_thread(make_waiting, NULL);
    double end = seconds_now() + 20;
    while (!atomic_load(&finalizer_waits) && seconds_now() < end) {
        collect_clean();
        sleep_ms(1);
    }
    assert_int_equal(atomic_load(&finalizer_waits), 1);
    forget_happenings();
    in_thread(make_cleaned, NULL);
    assert_true(wait_for_happenings(SOME) >= SOME * 95 / 100);
    assert_int_equal(atomic_load(&finalizer_waits), 1);
    atomic_store(&finalizer_waits, 2);
}

// --- cleanups ---

static bw_cleanup stoppable[MOST];

static void *make_cleanups(void *unused) {
    (void)unused;
    for (size_t i = 0; i < MOST; i++) {
        thing *t = held[i] = bw_new(thing);
        for (int j = 0; j < 3; j++) // the middle of the object will do
            bw_add_cleanup((char *)t + j * 8, clean_up, (void *)i);
        stoppable[i] = bw_add_cleanup(t, clean_up, (void *)(uintptr_t)MOST);
    }
    return NULL;
}

static void test_several_cleanups(void **state) {
    (void)state;
    forget_happenings();
    in_thread(make_cleanups, NULL);
    collect_clean();
    sleep_ms(5);
    assert_int_equal(atomic_load(&happenings), 0);
    for (size_t i = 0; i < MOST; i++)
        bw_cleanup_stop(stoppable[i]);
    bw_cleanup_stop(stoppable[0]); // a second time does nothing
    bw_cleanup_stop((bw_cleanup){0});
    memset(held, 0, sizeof held);
    int count = wait_for_happenings(3 * MOST);
    assert_true(count >= 3 * MOST - 3 * MOST / 100);
    for (size_t i = 0; i < MOST; i++)
        assert_true(atomic_load(&happened[i]) == 3 || atomic_load(&happened[i]) == 0);
    assert_int_equal(atomic_load(&happened[MOST]), 0);
}

// The argument lives until the cleanup has run, and is what was given.
static bw_weak weak_arguments[100];

static void check_argument(void *argument) {
    thing *t = argument;
    CHECK(bw_base(t) == t && t->next->number == t->number + 1000);
    happens(t->number);
}

static void *make_cleanup_arguments(void *unused) {
    (void)unused;
    for (size_t i = 0; i < 100; i++) {
        thing *argument = bw_new(thing);
        argument->number = i;
        argument->next = bw_new(thing);
        argument->next->number = i + 1000;
        weak_arguments[i] = bw_weak_make(argument);
        bw_add_cleanup(held[i] = bw_new(thing), check_argument, argument);
    }
    return NULL;
}

static void test_cleanup_argument(void **state) {
    (void)state;
    forget_happenings();
    in_thread(make_cleanup_arguments, NULL);
    collect_clean();
    collect_clean();
    for (size_t i = 0; i < 100; i++) {
        thing *t = bw_weak_get(weak_arguments[i]);
        assert_non_null(t);
        assert_int_equal(t->next->number, i + 1000);
    }
    memset(held, 0, sizeof held);
    assert_true(wait_for_happenings(100) >= 98);
    collect_clean();
    size_t alive = 0;
    for (size_t i = 0; i < 100; i++)
        alive += bw_weak_get(weak_arguments[i]) != NULL;
    assert_true(alive <= 4);
}

// With a finalizer too: first that, then, once the object is gone for good, the cleanup.
static void *make_both(void *unused) {
    (void)unused;
    for (size_t i = 0; i < SOME; i++) {
        thing *t = bw_new(thing);
        t->number = i;
        bw_add_cleanup(t, clean_up, (void *)(i + SOME));
        bw_set_finalizer(t, revive);
    }
    return NULL;
}

static void test_cleanup_after_finalizer(void **state) {
    (void)state;
    forget_happenings();
    in_thread(make_both, NULL);
    int count = wait_for_happenings(SOME);
    assert_true(count >= SOME * 95 / 100);
    collect_clean();
    sleep_ms(10);
    assert_int_equal(atomic_load(&happenings), count);
    memset(revived, 0, sizeof revived);
    assert_true(wait_for_happenings(2 * count) >= 2 * count * 95 / 100);
    for (size_t i = 0; i < SOME; i++)
        assert_true(atomic_load(&happened[i + SOME]) <= atomic_load(&happened[i]));
}

static void test_freed_object_is_cleaned_up(void **state) {
    (void)state;
    forget_happenings();
    thing *t = bw_new(thing), *counted = bw_retain(bw_new(thing));
    bw_weak weak = bw_weak_make(t), weak_counted = bw_weak_make(counted);
    bw_add_cleanup(t, clean_up, (void *)1);
    bw_add_cleanup(counted, clean_up, (void *)2);
    bw_set_finalizer(t, finalize);
    bw_free(t);
    bw_release(counted);
    assert_null(bw_weak_get(weak));
    assert_null(bw_weak_get(weak_counted));
    assert_int_equal(wait_for_happenings(2), 2);
    assert_int_equal(atomic_load(&happened[1]), 1);
    assert_int_equal(atomic_load(&happened[2]), 1);
}

// Finalizers and cleanups set and removed by several threads while others collect.
static void *set_and_remove(void *number) {
    struct random random = {check_seed = (uintptr_t)number};
    for (size_t i = 0; i < effort(20000); i++) {
        thing *t = bw_new(thing);
        bw_cleanup cleanup = bw_add_cleanup(t, clean_up, (void *)1);
        bw_weak weak = bw_weak_make(t);
        bw_set_finalizer(t, finalize);
        if (random_below(&random, 100) == 0)
            bw_gc();
        CHECK(bw_weak_get(weak) == t);
        CHECK(bw_weak_eq(weak, bw_weak_make(t)));
        bw_set_finalizer(t, NULL);
        bw_cleanup_stop(cleanup);
        if (random_below(&random, 2))
            bw_free(t);
        bw_keep_alive(t);
    }
    return NULL;
}

static void test_specials_by_many_threads(void **state) {
    (void)state;
    forget_happenings();
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, set_and_remove, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    collect_clean();
    sleep_ms(10);
    assert_int_equal(atomic_load(&happenings), 0);
}

// --- weak pointers ---

static bw_weak weak_first[MOST], weak_second[MOST], weak_inside[MOST];

static void *make_weak(void *unused) {
    (void)unused;
    for (size_t i = 0; i < MOST; i++) {
        thing *t = held[i] = bw_new(thing);
        t->number = i;
        weak_first[i] = bw_weak_make(t);
        weak_inside[i] = bw_weak_make(&t->next);
    }
    return NULL;
}

static void check_weak_equality(void) {
    for (size_t i = 0; i < MOST; i++) {
        CHECK(bw_weak_eq(weak_first[i], weak_second[i]));
        CHECK(!bw_weak_eq(weak_first[i], weak_inside[i]));
        CHECK(i == 0 || !bw_weak_eq(weak_first[i], weak_first[i - 1]));
    }
}

static NOINLINE size_t check_weak_targets(void) {
    size_t alive = 0;
    for (size_t i = 0; i < MOST; i++) {
        thing *t = bw_weak_get(weak_first[i]);
        CHECK(bw_weak_get(weak_inside[i]) == (t ? (void *)&t->next : NULL));
        CHECK(bw_weak_get(weak_second[i]) == t);
        CHECK(t == NULL || t->number == i);
        alive += t != NULL;
    }
    return alive;
}

static void test_weak_pointers(void **state) {
    (void)state;
    assert_null(bw_weak_get((bw_weak){0}));
    assert_null(bw_weak_get(bw_weak_make(NULL)));
    in_thread(make_weak, NULL);
    collect_clean();
    for (size_t i = 0; i < MOST; i++)
        weak_second[i] = bw_weak_make(held[i]);
    assert_int_equal(check_weak_targets(), MOST);
    check_weak_equality();
    memset(held, 0, sizeof held);
    collect_clean();
    assert_true(check_weak_targets() <= MOST / 100);
    check_weak_equality();
    // New objects in the old places are not the old targets.
    in_thread(make_finalized, NULL);
    for (size_t i = 0; i < MOST; i++)
        bw_set_finalizer(held[i], NULL);
    assert_true(check_weak_targets() <= MOST / 100);
    check_weak_equality();
    memset(held, 0, sizeof held);
}

static bw_weak weak_large, weak_array;
static char *held_large;

static void *make_large(void *unused) {
    (void)unused;
    held_large = bw_alloc(3 << 20);
    weak_large = bw_weak_make(held_large + (2 << 20));
    weak_array = bw_weak_make(bw_new_array(thing, 10000));
    return NULL;
}

static void test_weak_pointers_to_large_objects(void **state) {
    (void)state;
    in_thread(make_large, NULL);
    collect_clean();
    assert_ptr_equal(bw_weak_get(weak_large), held_large + (2 << 20));
    assert_null(bw_weak_get(weak_array));
    held_large = NULL;
    collect_clean();
    assert_null(bw_weak_get(weak_large));
}

// What bw_weak_get returned lives, however the collector comes in between.
static atomic_bool stop_collecting;
static _Thread_local bw_weak own_weak;

static void *get_and_use(void *number) {
    for (size_t i = 0; i < effort(20000); i++) {
        uint64_t *object = bw_alloc(64);
        object[0] = object[7] = (uint64_t)1 << 63 | i;
        own_weak = bw_weak_make(object);
        object = NULL;
        uint64_t *got = bw_weak_get(own_weak);
        if (got)
            CHECK(got[0] == ((uint64_t)1 << 63 | i) && got[7] == got[0] && bw_base(got) == got);
        bw_keep_alive(got);
    }
    return number;
}

static void *collect_until_stopped(void *unused) {
    (void)unused;
    while (!atomic_load(&stop_collecting)) {
        bw_gc();
        sleep_ms(0);
    }
    return NULL;
}

static void test_weak_pointers_while_collecting(void **state) {
    (void)state;
    pthread_t threads[3];
    atomic_store(&stop_collecting, false);
    CHECK(pthread_create(&threads[0], NULL, collect_until_stopped, NULL) == 0);
    for (int i = 1; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, get_and_use, NULL) == 0);
    for (int i = 1; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    atomic_store(&stop_collecting, true);
    CHECK(pthread_join(threads[0], NULL) == 0);
}

// --- weak maps ---

static bw_weak_map *map;

static void *fill_map(void *unused) {
    (void)unused;
    map = bw_weak_map_new();
    for (size_t i = 0; i < MOST; i++) {
        thing *key = held[i] = bw_new(thing), *value = bw_new(thing);
        key->number = i;
        value->number = i + 5000;
        value->next = key; // which must not keep it
        bw_weak_map_put(map, key, value);
        weak_first[i] = bw_weak_make(value);
    }
    return NULL;
}

static NOINLINE void check_map(size_t step) {
    for (size_t i = 0; i < MOST; i += step) {
        thing *value = bw_weak_map_get(map, held[i]);
        CHECK(value && value->number == i + 5000 && value->next == held[i]);
        CHECK(bw_weak_map_get(map, &held[i]->other) == value, "interior pointers stand for their object");
    }
}

static NOINLINE size_t count_first_alive(void) {
    size_t alive = 0;
    for (size_t i = 0; i < MOST; i++)
        alive += bw_weak_get(weak_first[i]) != NULL;
    return alive;
}

static void test_weak_map(void **state) {
    (void)state;
    in_thread(fill_map, NULL);
    assert_int_equal(bw_weak_map_len(map), MOST);
    collect_clean();
    assert_int_equal(bw_weak_map_len(map), MOST);
    check_map(1);
    for (size_t i = 1; i < MOST; i += 2)
        held[i] = NULL;
    collect_clean();
    check_map(2);
    assert_in_range(bw_weak_map_len(map), MOST / 2, MOST / 2 + MOST / 100);
    assert_in_range(count_first_alive(), MOST / 2, MOST / 2 + MOST / 100);
    // A second put replaces, delete removes.
    thing *other = bw_new(thing);
    size_t before = bw_weak_map_len(map);
    bw_weak_map_put(map, held[0], other);
    assert_int_equal(bw_weak_map_len(map), before);
    assert_ptr_equal(bw_weak_map_get(map, held[0]), other);
    bw_weak_map_put(map, held[0], NULL);
    assert_null(bw_weak_map_get(map, held[0]));
    assert_true(bw_weak_map_delete(map, held[0]));
    assert_false(bw_weak_map_delete(map, held[0]));
    assert_int_equal(bw_weak_map_len(map), before - 1);
    // A freed key takes its entry along: the next object in its place is not in the map.
    for (size_t i = 2; i < 200; i += 2) {
        bw_free(held[i]);
        held[i] = NULL;
    }
    for (size_t i = 0; i < 5000; i++)
        assert_null(bw_weak_map_get(map, bw_new(thing)));
    assert_in_range(bw_weak_map_len(map), MOST / 2 - 100, MOST / 2 + MOST / 100 - 100);
    collect_clean();
    // The map dies, and with it what only it kept.
    map = NULL;
    collect_clean();
    assert_true(count_first_alive() <= MOST / 100);
    memset(held, 0, sizeof held);
}

// value of key i is key i + 1; only key 0 is held. The entries lie in the table in an order that no single pass likes.
static size_t chain_length;
static thing *chain_head;

static void *make_ephemeron_chain(void *unused) {
    (void)unused;
    struct random random = {11};
    thing **keys = bw_new_array(thing *, chain_length);
    uint32_t *order = bw_alloc_noscan(chain_length * sizeof *order);
    map = bw_weak_map_new();
    for (size_t i = 0; i < chain_length; i++) {
        keys[i] = bw_new(thing);
        keys[i]->number = i;
        order[i] = (uint32_t)i;
    }
    for (size_t i = chain_length; i > 1; i--) {
        size_t other = random_below(&random, i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swap;
    }
    for (size_t i = 0; i < chain_length; i++)
        if (order[i] + 1 < chain_length)
            bw_weak_map_put(map, keys[order[i]], keys[order[i] + 1]);
    chain_head = keys[0];
    return NULL;
}

static NOINLINE void walk_chain(void) {
    thing *at = chain_head;
    for (size_t i = 0; i < chain_length; i++) {
        CHECK(at && at->number == i);
        at = bw_weak_map_get(map, at);
    }
    CHECK(at == NULL);
}

static void test_ephemeron_chain(void **state) {
    (void)state;
    chain_length = effort(100000);
    in_thread(make_ephemeron_chain, NULL);
    double start = seconds_now();
    collect_clean();
    double took = seconds_now() - start;
    CHECK(took < (UNDER_SANITIZER || under_valgrind() || debug_has("verify") ? 20 : 2), "a collection took %.2f s",
          took);
    walk_chain();
    assert_int_equal(bw_weak_map_len(map), chain_length - 1);
    chain_head = NULL;
    collect_clean();
    assert_true(bw_weak_map_len(map) <= chain_length / 100);
    map = NULL;
    collect_clean();
}

// Maps whose values are maps: found only while the outer one's values are marked.
static void *make_nested_maps(void *unused) {
    (void)unused;
    thing *key = held[0] = bw_new(thing);
    map = bw_weak_map_new();
    bw_weak_map *outer = map;
    for (size_t i = 0; i < 100; i++) {
        bw_weak_map *inner = bw_weak_map_new();
        bw_weak_map_put(outer, key, inner);
        outer = inner;
    }
    thing *value = bw_new(thing);
    value->number = 99;
    bw_weak_map_put(outer, key, value);
    return NULL;
}

static void test_nested_weak_maps(void **state) {
    (void)state;
    in_thread(make_nested_maps, NULL);
    collect_clean();
    bw_weak_map *at = map;
    for (size_t i = 0; i < 100; i++)
        at = bw_weak_map_get(at, held[0]);
    assert_int_equal(((thing *)bw_weak_map_get(at, held[0]))->number, 99);
    map = NULL;
    held[0] = NULL;
}

static bw_weak_map *shared_map;

static void *use_shared_map(void *number) {
    struct random random = {check_seed = (uintptr_t)number};
    thing *own[50] = {0};
    for (size_t i = 0; i < effort(30000); i++) {
        size_t at = random_below(&random, COUNT_OF(own));
        if (own[at] == NULL) {
            own[at] = bw_new(thing);
            thing *value = bw_new(thing);
            value->number = own[at]->number = i + 1;
            value->next = own[at];
            bw_weak_map_put(shared_map, own[at], value);
        } else {
            thing *value = bw_weak_map_get(shared_map, own[at]);
            CHECK(value && value->number == own[at]->number && value->next == own[at]);
            size_t what = random_below(&random, 4);
            if (what == 0) {
                CHECK(bw_weak_map_delete(shared_map, own[at]));
                CHECK(bw_weak_map_get(shared_map, own[at]) == NULL);
            }
            if (what == 1)
                bw_free(own[at]);
            if (what < 3)
                own[at] = NULL;
        }
        if (random_below(&random, 1000) == 0)
            bw_gc();
    }
    return NULL;
}

static void test_weak_map_by_many_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    shared_map = bw_weak_map_new();
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, use_shared_map, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    collect_clean();
    assert_true(bw_weak_map_len(shared_map) <= 5);
    shared_map = NULL;
}

// --- counts ---

static uintptr_t counted_hidden[MOST];

static void *make_counted(void *unused) {
    (void)unused;
    for (size_t i = 0; i < MOST; i++) {
        thing *t = bw_new(thing);
        t->number = i;
        t->next = bw_new(thing);
        CHECK(bw_retain(t) == t);
        for (size_t j = 0; j < i % 3; j++)
            bw_retain(t);
        counted_hidden[i] = hide(t);
    }
    return NULL;
}

static void *release_counted(void *unused) {
    (void)unused;
    for (size_t i = 0; i < MOST; i++) {
        thing *t = shown(counted_hidden[i]);
        for (size_t j = 0; j < i % 3; j++)
            bw_release(t);
        CHECK(t->number == i && t->next && bw_size(t->next) >= sizeof *t);
        bw_release(t);
    }
    return NULL;
}

static void test_counts(void **state) {
    (void)state;
    bw_ledger_t before, after;
    bw_gc();
    bw_ledger(&before);
    in_thread(make_counted, NULL);
    collect_clean();
    collect_clean();
    in_thread(release_counted, NULL);
    collect_clean();
    bw_ledger(&after);
    assert_int_equal(after.zero.objects - before.zero.objects, MOST);
    assert_int_equal(after.zero.bytes - before.zero.bytes, MOST * bw_size(bw_new(thing)));
}

// --- arenas ---

static bw_arena *arena;
static bw_weak weak_in_arena[100];
static uintptr_t hidden_arena;

static void *fill_arena(void *unused) {
    (void)unused;
    arena = bw_arena_new();
    thing **index = bw_arena_alloc_bytes(arena, 100 * sizeof *index);
    for (size_t i = 0; i < 100; i++) {
        index[i] = bw_arena_alloc(arena, thing);
        CHECK(((uintptr_t)index[i] & 15) == 0 && index[i]->number == 0 && index[i]->next == NULL);
        index[i]->number = i;
        index[i]->other = bw_new(thing);
        weak_in_arena[i] = bw_weak_make(index[i]->other);
        char *filler = bw_arena_alloc_bytes(arena, 1 + i * 977 % 9000);
        for (size_t j = 0; j < 1 + i * 977 % 9000; j++)
            CHECK(filler[j] == 0);
        memset(filler, 0xa5, 1 + i * 977 % 9000);
    }
    char *large = bw_arena_alloc_bytes(arena, 5 << 20);
    CHECK(large[0] == 0 && large[(5 << 20) - 1] == 0);
    large[(5 << 20) - 1] = 1;
    hidden_arena = hide(arena);
    held[0] = index[99]; // an object of the newest small chunk keeps all of it
    return NULL;
}

static size_t count_arena_contents(void) {
    size_t alive = 0;
    for (size_t i = 0; i < 100; i++)
        alive += bw_weak_get(weak_in_arena[i]) != NULL;
    return alive;
}

static void test_arena_keeps_its_contents(void **state) {
    (void)state;
    in_thread(fill_arena, NULL);
    arena = NULL;
    collect_clean();
    collect_clean();
    assert_int_equal(count_arena_contents(), 100);
    assert_int_equal(held[0]->number, 99);
    // Forgotten, it is collected as a whole.
    held[0] = NULL;
    collect_clean();
    assert_true(count_arena_contents() <= 1);
    in_thread(fill_arena, NULL);
    held[0] = NULL;
    bw_arena_free(arena);
    arena = NULL;
    collect_clean();
    assert_true(count_arena_contents() <= 1);
}

#define ARENAS 200
static bw_arena *arenas[ARENAS];

static void *make_arenas(void *unused) {
    (void)unused;
    for (size_t i = 0; i < ARENAS; i++) {
        arenas[i] = bw_arena_new();
        for (size_t j = 0; j < 1000; j++)
            bw_arena_alloc(arenas[i], thing)->number = j;
    }
    return NULL;
}

static void *free_arenas(void *unused) {
    (void)unused;
    for (size_t i = 0; i < ARENAS; i += 2) {
        bw_arena_free(arenas[i]);
        arenas[i] = NULL;
    }
    return NULL;
}

static void test_arenas_in_the_ledger(void **state) {
    (void)state;
    bw_ledger_t before, full, after;
    size_t slot = (sizeof(thing) + 15) / 16 * 16;
    bw_gc();
    bw_ledger(&before);
    in_thread(make_arenas, NULL);
    bw_gc();
    bw_ledger(&full);
    assert_int_equal(full.new_.objects - before.new_.objects, ARENAS * 1000);
    assert_int_equal(full.new_.bytes - before.new_.bytes, ARENAS * 1000 * slot);
    assert_int_equal(full.struct_.objects - before.struct_.objects, ARENAS * 1000);
    assert_int_equal(full.reclaim.objects, before.reclaim.objects);
    in_thread(free_arenas, NULL);
    bw_ledger(&after);
    assert_int_equal(after.zero.objects - full.zero.objects, ARENAS / 2 * 1000);
    assert_int_equal(after.zero.bytes - full.zero.bytes, ARENAS / 2 * 1000 * slot);
    assert_int_equal(after.nil.objects, full.nil.objects);
    memset(arenas, 0, sizeof arenas);
    collect_clean();
    bw_ledger(&after);
    assert_in_range(after.nil.objects - full.nil.objects, (ARENAS / 2 - 2) * 1000, ARENAS / 2 * 1000);
}

// While anything refers to a freed arena its addresses are not used again.
static void test_arena_address_is_not_reused(void **state) {
    (void)state;
    bw_arena *freed = bw_arena_new();
    volatile uintptr_t inside = (uintptr_t)bw_arena_alloc(freed, thing);
    bw_arena_free(freed);
    for (int i = 0; i < 20; i++) {
        bw_arena *other = bw_arena_new();
        assert_ptr_not_equal(other, freed);
        char *large = bw_alloc(64 << 10);
        assert_true(inside < (uintptr_t)large || inside >= (uintptr_t)large + (64 << 10));
        bw_arena_free(other);
        bw_gc();
    }
    bw_keep_alive(freed);
}

static NOINLINE size_t use_scoped_arena(void) {
    bw_arena_scoped(scope);
    thing *t = bw_arena_alloc(scope, thing);
    t->number = 12;
    return t->number;
}

static void test_scoped_arena(void **state) {
    (void)state;
    bw_ledger_t before, after;
    bw_ledger(&before);
    assert_int_equal(use_scoped_arena(), 12);
    bw_ledger(&after);
    assert_int_equal(after.zero.objects - before.zero.objects, 1);
    bw_arena_free(NULL);
}

static void *use_own_arenas(void *number) {
    for (size_t i = 0; i < effort(500); i++) {
        bw_arena *own = bw_arena_new();
        thing *last = NULL;
        for (size_t j = 0; j < 3000; j++) {
            thing *t = bw_arena_alloc(own, thing);
            CHECK(t->number == 0 && t->next == NULL && t->other == NULL);
            t->number = j;
            t->next = last;
            if (j % 50 == 0)
                t->other = bw_new(thing);
            last = t;
        }
        if (i % 50 == (uintptr_t)number)
            bw_gc();
        for (size_t j = 3000; j-- > 0; last = last->next)
            CHECK(last->number == j && (j % 50 || bw_base(last->other) == last->other));
        if (i % 3)
            bw_arena_free(own);
    }
    return NULL;
}

static void test_arenas_by_many_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, use_own_arenas, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

// --- programs that must die ---

static void second_finalizer(void) {
    thing *t = bw_new(thing);
    bw_set_finalizer(t, finalize);
    bw_set_finalizer(t, NULL);
    bw_set_finalizer(t, finalize);
    expect("panic: bw_set_finalizer: %p has a finalizer already", (void *)t);
    bw_set_finalizer(t, finalize);
}

static void finalizer_of_interior(void) {
    thing *t = bw_new(thing);
    expect(
        "panic: bw_set_finalizer: %p is not the first byte of an object: it is inside an object: 8 bytes into the one at "
        "%p of 32 bytes",
        (void *)&t->next, (void *)t);
    bw_set_finalizer(&t->next, finalize);
}

static void finalizer_of_static(void) {
    static thing t;
    expect("panic: bw_set_finalizer: %p is not the first byte of an object: it is not in the Burrow heap", (void *)&t);
    bw_set_finalizer(&t, finalize);
}

static void cleanup_of_itself(void) {
    thing *t = bw_new(thing);
    bw_add_cleanup(t, clean_up, &t->next);
}

static void cleanup_without_function(void) {
    bw_add_cleanup(bw_new(thing), NULL, NULL);
}

static void cleanup_of_static(void) {
    static thing t;
    expect("panic: bw_add_cleanup: %p is not in an object: it is not in the Burrow heap", (void *)&t);
    bw_add_cleanup(&t, clean_up, NULL);
}

static void weak_to_static(void) {
    static thing t;
    expect("panic: bw_weak_make: %p is not in an object: it is not in the Burrow heap", (void *)&t);
    bw_weak_make(&t);
}

static void weak_map_key_static(void) {
    static thing t;
    expect("panic: bw_weak_map_put: the key %p is not in an object: it is not in the Burrow heap", (void *)&t);
    bw_weak_map_put(bw_weak_map_new(), &t, NULL);
}

static void weak_map_null(void) {
    bw_weak_map_len(NULL);
}

static void released_too_often(void) {
    thing *t = bw_new(thing);
    expect("panic: bw_release: %p is not retained", (void *)t);
    bw_release(t);
}

static void released_after_end(void) {
    thing *t = bw_retain(bw_new(thing));
    bw_release(t);
    expect(
        "panic: bw_release: %p is not the first byte of an object: it is a free slot: freed already, or never allocated",
        (void *)t);
    bw_release(t);
}

static void expect_arena_fault(const void *address) {
    expect("panic: accessed memory at %p, which was in an arena until bw_arena_free", address);
}

static void arena_read_after_free(void) {
    bw_arena *a = bw_arena_new();
    thing *volatile t = bw_arena_alloc(a, thing);
    bw_arena_free(a);
    expect_arena_fault(t);
    CHECK(t->number == 1);
}

static void arena_written_after_free(void) {
    bw_arena *a = bw_arena_new();
    char *volatile large = bw_arena_alloc_bytes(a, 1 << 20);
    bw_arena_free(a);
    bw_gc();
    expect_arena_fault(large + 70000);
    large[70000] = 1;
}

static void *write_to(void *address) {
    *(char *)address = 1;
    return NULL;
}

static void arena_written_by_a_thread(void) {
    bw_arena *a = bw_arena_new();
    char *volatile bytes = bw_arena_alloc_bytes(a, 100);
    bw_arena_free(a);
    expect_arena_fault(bytes);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, write_to, bytes) == 0);
    pthread_join(thread, NULL);
}

static void arena_freed_twice(void) {
    bw_arena *volatile a = bw_arena_new();
    bw_arena_free(a);
    expect("panic: bw_arena_free: %p is not an arena: it is in an arena that was freed", (void *)a);
    bw_arena_free(a);
}

static void arena_used_after_free(void) {
    bw_arena *volatile a = bw_arena_new();
    bw_arena_free(a);
    expect("panic: bw_arena_alloc: %p is not an arena: it is in an arena that was freed", (void *)a);
    bw_arena_alloc(a, thing)->number = 1;
}

static void arena_of_other_memory(void) {
    thing *t = bw_new(thing);
    expect("panic: bw_arena_free: %p is not an arena: it is an object of 32 bytes", (void *)t);
    bw_arena_free((bw_arena *)(void *)t);
}

static const struct child children[] = {
    {"second_finalizer", second_finalizer},
    {"finalizer_of_interior", finalizer_of_interior},
    {"finalizer_of_static", finalizer_of_static},
    {"cleanup_of_itself", cleanup_of_itself},
    {"cleanup_without_function", cleanup_without_function},
    {"cleanup_of_static", cleanup_of_static},
    {"weak_to_static", weak_to_static},
    {"weak_map_key_static", weak_map_key_static},
    {"weak_map_null", weak_map_null},
    {"released_too_often", released_too_often},
    {"released_after_end", released_after_end},
    {"arena_read_after_free", arena_read_after_free},
    {"arena_written_after_free", arena_written_after_free},
    {"arena_written_by_a_thread", arena_written_by_a_thread},
    {"arena_freed_twice", arena_freed_twice},
    {"arena_used_after_free", arena_used_after_free},
    {"arena_of_other_memory", arena_of_other_memory},
};

static void test_misuse(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(children); i++) {
        const char *line = NULL;
        if (children[i].body == cleanup_of_itself)
            line = "panic: bw_add_cleanup: the argument refers to the object itself: the cleanup would never run";
        if (children[i].body == cleanup_without_function)
            line = "panic: bw_add_cleanup: the function is NULL";
        if (children[i].body == weak_map_null)
            line = "panic: runtime error: invalid memory address or nil pointer dereference (a weak map that is NULL)";
        assert_died(children[i].name, line);
    }
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        // First: what an earlier test made can live on through a stale word and be cleaned up in a later one.
        cmocka_unit_test(test_several_cleanups),
        cmocka_unit_test(test_finalizer_runs_once),
        cmocka_unit_test(test_finalizers_in_order),
        cmocka_unit_test(test_resurrection),
        cmocka_unit_test(test_cycles_are_not_collected),
        cmocka_unit_test(test_finalizers_work),
        cmocka_unit_test(test_cleanup_argument),
        cmocka_unit_test(test_cleanup_after_finalizer),
        cmocka_unit_test(test_freed_object_is_cleaned_up),
        cmocka_unit_test(test_specials_by_many_threads),
        cmocka_unit_test(test_weak_pointers),
        cmocka_unit_test(test_weak_pointers_to_large_objects),
        cmocka_unit_test(test_weak_pointers_while_collecting),
        cmocka_unit_test(test_weak_map),
        cmocka_unit_test(test_ephemeron_chain),
        cmocka_unit_test(test_nested_weak_maps),
        cmocka_unit_test(test_weak_map_by_many_threads),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_arena_keeps_its_contents),
        cmocka_unit_test(test_arenas_in_the_ledger),
        cmocka_unit_test(test_arena_address_is_not_reused),
        cmocka_unit_test(test_scoped_arena),
        cmocka_unit_test(test_arenas_by_many_threads),
        cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
