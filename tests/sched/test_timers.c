// Timers: the heaps against a model, from several goroutines and threads at once; sleeping.
// timeout: 300
#include "support.h"

#include "sched/sched.h"

#include <stdatomic.h>

// --- the heap, against a model ---

struct model {
    struct timer timer;
    bool pending;
    int fired;
};
static int64_t last_fired; // of those that are fired together
static void note_fired(struct thread *self, struct timer *timer, int64_t now) {
    (void)self;
    struct model *model = (struct model *)timer;
    CHECK(model->pending && timer->when <= now && atomic_load(&timer->in) == NULL);
    CHECK(timer->when >= last_fired, "the heap's order");
    last_fired = timer->when;
    model->pending = false;
    model->fired++;
}

// One thread, far from now so that no worker fires them: each operation's result, the order and the number of those
// fired, the time of the next, are the model's.
static void heap_random(size_t count, uint64_t seed) {
    struct random random = {check_seed = seed};
    struct model *models = bw_alloc(count * sizeof *models);
    int64_t base = timer_in((int64_t)1000 * 3600 * 1000000000), now = base;
    for (size_t step = 0; step < 20 * count; step++) {
        struct model *model = &models[random_below(&random, count)];
        struct thread *self = thread_enter();
        struct timers *timers = sched_timers(self);
        int64_t when = now + (int64_t)random_below(&random, count < 50 ? 20 : 10 * count);
        switch (random_below(&random, 8)) {
        case 0:
        case 1:
            CHECK(timer_stop(&model->timer) == model->pending);
            model->pending = false;
            break;
        case 2:
        case 3:
            model->timer.fire = note_fired;
            CHECK(timer_reset(self, &model->timer, when) == model->pending);
            model->pending = true;
            break;
        case 4:
            now += (int64_t)random_below(&random, count < 50 ? 8 : count / 10);
            last_fired = 0;
            while (timers_next(timers) <= now)
                CHECK(timers_run(self, timers, now, 1 + random_below(&random, 300)));
            CHECK(!timers_run(self, timers, now, 1));
            for (size_t i = 0; i < count && count < 50; i++)
                CHECK(!models[i].pending || models[i].timer.when > now);
            break;
        default:
            if (model->pending)
                break;
            model->timer = (struct timer){.when = when, .fire = note_fired};
            model->pending = true;
            timer_start(self, &model->timer);
        }
        if (count < 50 || step % 97 == 0) {
            int64_t least = INT64_MAX;
            for (size_t i = 0; i < count; i++)
                if (models[i].pending && models[i].timer.when < least)
                    least = models[i].timer.when;
            CHECK(timers_next(timers) == least, "%lld %lld", (long long)timers_next(timers), (long long)least);
        }
        thread_leave(self);
    }
    struct thread *self = thread_enter();
    struct timers *timers = sched_timers(self);
    last_fired = 0;
    while (timers_next(timers) != INT64_MAX)
        timers_run(self, timers, INT64_MAX, 100);
    for (size_t i = 0; i < count; i++)
        CHECK(!models[i].pending && !timer_stop(&models[i].timer));
    thread_leave(self);
}
static void test_heap(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(300); i++)
        heap_random(1 + i % 40, 1000 + i);
    heap_random(effort(3000), 77);
    heap_random(effort(20000), 78);
}

// --- the heaps of several workers, at once ---

// Each timer is started, stopped and set anew by whoever comes; each start ends by a stop that says so, or by firing.
struct shared {
    struct timer timer;
    os_lock lock;
    uint64_t started, stopped;
    _Atomic uint64_t fired;
};
static void count_fired(struct thread *self, struct timer *timer, int64_t now) {
    (void)self;
    CHECK(now > 0);
    atomic_fetch_add(&((struct shared *)timer)->fired, 1);
}
static void attack(struct shared *timers, size_t count, size_t steps, uint64_t seed) {
    struct random random = {seed};
    for (size_t i = 0; i < steps; i++) {
        struct shared *shared = &timers[random_below(&random, count)];
        struct thread *self = thread_enter();
        int64_t when = timer_in((int64_t)(random_next(&random) >> (34 + random_below(&random, 30))));
        bool tell = false;
        os_lock_acquire(&shared->lock);
        if (random_below(&random, 3) == 0) {
            shared->stopped += timer_stop(&shared->timer);
        } else {
            shared->stopped += timer_stop(&shared->timer);
            shared->timer.when = when;
            shared->timer.fire = count_fired;
            shared->started++;
            tell = timer_insert(self, &shared->timer);
        }
        os_lock_release(&shared->lock);
        if (tell)
            sched_timer_added(self, when);
        thread_leave(self);
        if (i % 64 == 0)
            bw_yield();
    }
}
static void attacks(struct shared *timers, size_t count, size_t steps, uint64_t seed, bw_chan(bool) done) {
    attack(timers, count, steps, seed);
    bw_send(done, true);
}
struct attack {
    struct shared *timers;
    size_t count, steps;
    uint64_t seed;
};
static void *attacks_in_thread(void *argument) {
    struct attack *a = argument;
    attack(a->timers, a->count, a->steps, a->seed);
    return NULL;
}
static void test_shared(void **state) {
    (void)state;
    enum { GOROUTINES = 6, THREADS = 2, COUNT = 500 };
    for (uint64_t round = 0; round < 3; round++) {
        struct shared *timers = bw_alloc(COUNT * sizeof *timers);
        bw_chan(bool) done = bw_make_chan(bool, 0);
        size_t steps = effort(20000);
        pthread_t threads[THREADS];
        struct attack in_threads[THREADS];
        for (uint64_t i = 0; i < THREADS; i++) {
            in_threads[i] = (struct attack){timers, COUNT, steps, round * 100 + 50 + i};
            CHECK(pthread_create(&threads[i], NULL, attacks_in_thread, &in_threads[i]) == 0);
        }
        for (uint64_t i = 0; i < GOROUTINES; i++)
            bw_go(attacks, timers, COUNT, steps, round * 100 + i, done);
        for (int i = 0; i < GOROUTINES; i++)
            CHECK(bw_recv(done));
        for (size_t i = 0; i < THREADS; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        uint64_t fired = 0;
        for (size_t i = 0; i < COUNT; i++) { // the last starts are at most a second ahead
            struct shared *shared = &timers[i];
            for (int tries = 0; atomic_load(&shared->fired) + shared->stopped < shared->started; tries++) {
                CHECK(tries < 30000, "timer %zu never fires", i);
                sleep_ms(1);
            }
            CHECK(atomic_load(&shared->fired) + shared->stopped == shared->started);
            CHECK(atomic_load(&shared->timer.in) == NULL);
            fired += shared->fired;
        }
        CHECK(fired > 0);
        for (struct timers *at = atomic_load(&timers_first); at; at = at->others)
            CHECK(timers_next(at) == INT64_MAX);
    }
}

// --- sleepers ---

// None too early, and none very late: so none is much behind one that is due later.
struct sleepers {
    _Atomic size_t asleep;
    _Atomic int64_t latest;
};
static void sleeps_till(struct sleepers *sleepers, int64_t due, bw_chan(bool) done) {
    bw_sleep(due - bw_now());
    int64_t late = bw_now() - due, latest = atomic_load(&sleepers->latest);
    CHECK(late >= 0, "%lld ns early", -(long long)late);
    while (late > latest && !atomic_compare_exchange_weak(&sleepers->latest, &latest, late)) {}
    if (atomic_fetch_sub(&sleepers->asleep, 1) == 1)
        bw_send(done, true);
}
static void test_sleepers(void **state) {
    (void)state;
    size_t count = UNDER_SANITIZER ? 500 : effort(100000);
    struct sleepers *sleepers = bw_alloc(sizeof *sleepers);
    struct random random = {check_seed = 5};
    bw_chan(bool) done = bw_make_chan(bool, 1);
    atomic_store(&sleepers->asleep, count);
    int64_t base = bw_now() + BW_SECOND; // before that all sleep, unless the machine is slow
    for (size_t i = 0; i < count; i++)
        bw_go(sleeps_till, sleepers, base + (int64_t)random_below(&random, BW_SECOND), done);
    bw_gc();
    CHECK(bw_recv(done));
    CHECK(atomic_load(&sleepers->latest) < 30 * BW_SECOND, "%lld us late", (long long)sleepers->latest / 1000);
}

// A process in which all sleep takes no processor time.
static void sleeps_long(void) {
    bw_sleep(BW_HOUR);
}
static void idles(void) {
    bw_chan(bool) never = bw_make_chan(bool, 0);
    for (int i = 0; i < 1000; i++)
        bw_go(sleeps_long);
    bw_sleep(300 * BW_MILLISECOND);
    uint64_t before = os_process_cpu_ns();
    bw_select { // main waits with them
        bw_on_recv(never, v) CHECK(v);
        bw_on_recv(bw_after(2 * BW_SECOND), v) CHECK(v > 0);
    }
    uint64_t used = os_process_cpu_ns() - before;
    CHECK(used < 50 * (uint64_t)BW_MILLISECOND, "%llu us", (unsigned long long)used / 1000);
}
static void test_idle(void **state) {
    (void)state;
    if (!UNDER_SANITIZER && !under_valgrind()) // which have threads of their own
        assert_succeeded("idles", NULL, NULL);
}

// A worker that is stuck has timers, and goroutines on its ring; the only other one that may run is busy with two that
// talk to one another. Both come to their turn.
static _Atomic int arrived;
static void arrives(void) {
    atomic_fetch_add(&arrived, 1);
}
static void sleeps_and_arrives(int64_t ns) {
    bw_sleep(ns);
    arrives();
}
static void talks(bw_chan(bool) in, bw_chan(bool) out) {
    for (;;) {
        bw_send(out, true);
        bw_recv(in);
    }
}
static void answers(bw_chan(bool) in, bw_chan(bool) out) {
    for (;;) {
        bw_recv(in);
        bw_send(out, true);
    }
}
static void sticks(bw_chan(bool) stuck) {
    for (int i = 0; i < 20; i++)
        bw_go(sleeps_and_arrives, (30 + i % 3 * 20) * BW_MILLISECOND);
    bw_sleep(10 * BW_MILLISECOND); // they sleep by then
    bw_after_func(60 * BW_MILLISECOND, arrives);
    for (int i = 0; i < 20; i++)
        bw_go(arrives);
    bw_send(stuck, true);
    sleep_ms(3600000);
}
static void stuck(void) {
    bw_chan(bool) a = bw_make_chan(bool, 0), b = bw_make_chan(bool, 0), is_stuck = bw_make_chan(bool, 1);
    bw_go(sticks, is_stuck);
    bw_recv(is_stuck);
    bw_go(talks, a, b);
    bw_go(answers, b, a);
    for (int i = 0; i < 20000 && atomic_load(&arrived) < 41; i++)
        sleep_ms(1);
    CHECK(atomic_load(&arrived) == 41, "%d", atomic_load(&arrived));
}
static void test_stuck(void **state) {
    (void)state;
    static const char *const one[] = {"GOMAXPROCS=1", NULL};
    assert_succeeded("stuck", one, NULL);
}

// --- what holds what ---

// A timer in an object that nothing else refers to; its function finds it whole.
BW_STRUCT(item, (struct item *, next), (uint64_t, value));
struct held {
    struct timer timer;
    item *list;
    _Atomic int *fired;
};
static void check_held(struct thread *self, struct timer *timer, int64_t now) {
    (void)self, (void)now;
    uint64_t length = 0;
    for (const item *at = ((struct held *)timer)->list; at; at = at->next)
        CHECK(at->value == 0xabc0000 + length++);
    CHECK(length == 30);
    atomic_fetch_add(((struct held *)timer)->fired, 1);
}
static NOINLINE void hold(int64_t ns, _Atomic int *fired) {
    struct held *held = bw_alloc(sizeof *held);
    held->fired = fired;
    for (uint64_t i = 30; i-- > 0;) {
        item *more = bw_new(item);
        *more = (item){held->list, 0xabc0000 + i};
        held->list = more;
    }
    held->timer = (struct timer){.when = timer_in(ns), .fire = check_held};
    struct thread *self = thread_enter();
    timer_start(self, &held->timer);
    thread_leave(self);
}
static void *hold_many(void *fired) {
    for (int64_t i = 0; i < 200; i++)
        hold((20 + i) * BW_MILLISECOND, fired);
    return NULL;
}
static void holds(_Atomic int *fired, bw_chan(bool) done) {
    hold_many(fired);
    bw_send(done, true);
}
static void test_held(void **state) {
    (void)state;
    static _Atomic int fired;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    in_thread(hold_many, &fired);
    bw_go(holds, &fired, done);
    CHECK(bw_recv(done));
    for (int i = 0; atomic_load(&fired) < 400; i++) {
        CHECK(i < 10000);
        clear_and_collect();
        sleep_ms(5);
    }
}

// --- fork ---

static void sleeps_and_tells(int64_t ns, bw_chan(bool) done) {
    bw_sleep(ns);
    bw_send(done, true);
}
static size_t pending(void) {
    size_t count = 0;
    for (struct timers *at = atomic_load(&timers_first); at; at = at->others)
        count += __atomic_load_n(&at->count, __ATOMIC_RELAXED);
    return count;
}
static void forks(void) {
    enum { COUNT = 100 };
    bw_chan(bool) done = bw_make_chan(bool, COUNT);
    size_t before = pending();
    for (int i = 0; i < COUNT; i++)
        bw_go(sleeps_and_tells, BW_SECOND + i % 7 * BW_MILLISECOND, done);
    while (pending() < before + COUNT) { // from then on all are parked
        if (bw_chan_len(done) > 0)
            return; // the machine is too slow for it
        sleep_ms(1);
    }
    pid_t child = fork();
    for (int i = 0; i < COUNT; i++)
        CHECK(bw_recv(done));
    if (child == 0)
        _exit(7);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7, "%d", status);
}
static void forks_in_goroutine(bw_chan(bool) done) {
    forks();
    bw_send(done, true);
}
static void forks_twice(void) {
    bw_chan(bool) done = bw_make_chan(bool, 0);
    forks();
    bw_go(forks_in_goroutine, done);
    CHECK(bw_recv(done));
}
static void test_fork(void **state) {
    (void)state;
    static const char *const two[] = {"GOMAXPROCS=2", NULL};
    if (!UNDER_SANITIZER)
        assert_succeeded("forks", two, NULL);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"idles", idles}, {"forks", forks_twice}, {"stuck", stuck}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap),  cmocka_unit_test(test_shared), cmocka_unit_test(test_sleepers),
        cmocka_unit_test(test_idle),  cmocka_unit_test(test_held),   cmocka_unit_test(test_fork),
        cmocka_unit_test(test_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
