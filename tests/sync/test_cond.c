// Condition variables and weighted semaphores. The cases of Go's cond_test.go and of semaphore_test.go of
// golang.org/x/sync; docs/go-tests.md says which is which.
// timeout: 200
#include "support.h"

#include "sync/sync.h"

static bool panics_with(bw_any e, const char *text) {
    return bw_is_runtime_error(e) && bw_str_eq(bw_error_text(bw_assert_type(bw_error, e)), bw_string_of(text));
}

// What the goroutines of a test share.
struct shared {
    bw_mutex m;
    bw_cond c;
    bw_chan(int) running, awake;
    bool exit;
    int x;
};
static struct shared *new_shared(ptrdiff_t n) {
    struct shared *s = bw_new(struct shared);
    s->c.mutex = &s->m;
    s->running = bw_make_chan(int, n);
    s->awake = bw_make_chan(int, n);
    return s;
}

// --- cond ---

static void waits_once(struct shared *s, int number) {
    bw_mutex_lock(&s->m);
    bw_send(s->running, number);
    bw_cond_wait(&s->c);
    bw_send(s->awake, number);
    bw_mutex_unlock(&s->m);
}
static void *waits_once_in_thread(void *s) {
    waits_once(s, -1);
    return NULL;
}
static void signal_one(struct shared *s) {
    bw_mutex_lock(&s->m);
    bw_cond_signal(&s->c);
    bw_mutex_unlock(&s->m);
}

// TestCondSignal, and with threads of the program.
static void test_signal(void **state) {
    (void)state;
    for (int threads = 0; threads < 2; threads++) {
        int n = 3;
        pthread_t thread[3];
        struct shared *s = new_shared(n);
        for (int i = 0; i < n; i++)
            if (threads)
                CHECK(pthread_create(&thread[i], NULL, waits_once_in_thread, s) == 0);
            else
                bw_go(waits_once, s, i);
        for (int i = 0; i < n; i++)
            bw_recv(s->running);
        for (int i = 0; i < n; i++) {
            CHECK(bw_chan_len(s->awake) == 0);
            signal_one(s);
            bw_recv(s->awake);
            CHECK(bw_chan_len(s->awake) == 0);
        }
        bw_cond_signal(&s->c);
        for (int i = 0; i < n && threads; i++)
            CHECK(pthread_join(thread[i], NULL) == 0);
    }
}

// TestCondSignalGenerations: who waits longest is told first.
static void test_generations(void **state) {
    (void)state;
    struct shared *s = new_shared(100);
    for (int i = 0; i < 100; i++) {
        bw_go(waits_once, s, i);
        if (i > 0)
            CHECK(bw_recv(s->awake) == i - 1);
        bw_recv(s->running);
        signal_one(s);
    }
}

// TestCondBroadcast
static void waits_until_exit(struct shared *s, int number) {
    bw_mutex_lock(&s->m);
    while (!s->exit) {
        bw_send(s->running, number);
        bw_cond_wait(&s->c);
        bw_send(s->awake, number);
    }
    bw_mutex_unlock(&s->m);
}
static void test_broadcast(void **state) {
    (void)state;
    int n = 200, rounds = (int)effort(100);
    struct shared *s = new_shared(n);
    for (int i = 0; i < n; i++)
        bw_go(waits_until_exit, s, i);
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < n; i++)
            bw_recv(s->running);
        if (round == rounds - 1) {
            bw_mutex_lock(&s->m);
            s->exit = true;
            bw_mutex_unlock(&s->m);
        }
        CHECK(bw_chan_len(s->awake) == 0);
        bw_mutex_lock(&s->m);
        bw_cond_broadcast(&s->c);
        bw_mutex_unlock(&s->m);
        bool seen[200] = {false};
        for (int i = 0; i < n; i++) {
            int g = bw_recv(s->awake);
            CHECK(!seen[g]);
            seen[g] = true;
        }
    }
    CHECK(bw_chan_len(s->running) == 0);
    bw_cond_broadcast(&s->c);
}

// TestRace
static void race_1(struct shared *s) {
    bw_mutex_lock(&s->m);
    s->x = 1;
    bw_cond_wait(&s->c);
    CHECK(s->x == 2);
    s->x = 3;
    bw_cond_signal(&s->c);
    bw_mutex_unlock(&s->m);
    bw_send(s->running, 1);
}
static void race_2(struct shared *s) {
    bw_mutex_lock(&s->m);
    while (s->x != 1) {
        bw_mutex_unlock(&s->m);
        bw_yield();
        bw_mutex_lock(&s->m);
    }
    s->x = 2;
    bw_cond_signal(&s->c);
    bw_mutex_unlock(&s->m);
    bw_send(s->running, 2);
}
static void race_3(struct shared *s) {
    bw_mutex_lock(&s->m);
    for (;;) {
        if (s->x == 2) {
            bw_cond_wait(&s->c);
            CHECK(s->x == 3);
            break;
        }
        if (s->x == 3)
            break;
        bw_mutex_unlock(&s->m);
        bw_yield();
        bw_mutex_lock(&s->m);
    }
    bw_mutex_unlock(&s->m);
    bw_send(s->running, 3);
}
static void test_race(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(300); i++) {
        struct shared *s = new_shared(0);
        bw_go(race_1, s);
        bw_go(race_2, s);
        bw_go(race_3, s);
        CHECK(bw_recv(s->running) + bw_recv(s->running) + bw_recv(s->running) == 6);
    }
}

// TestCondSignalStealing: a broadcast tells who waited before, whoever comes beside it.
static void first_waiter(struct shared *s) {
    bw_mutex_lock(&s->m);
    bw_send(s->running, 1);
    bw_cond_wait(&s->c);
    bw_mutex_unlock(&s->m);
    bw_send(s->running, 1);
}
static void broadcasts(struct shared *s) {
    bw_cond_broadcast(&s->c);
}
static void second_waiter(struct shared *s, bw_waitgroup *all) {
    bw_mutex_lock(&s->m);
    while (!s->exit)
        bw_cond_wait(&s->c);
    bw_mutex_unlock(&s->m);
    bw_waitgroup_done(all);
}
static void test_stealing(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(1000); i++) {
        struct shared *s = new_shared(0);
        bw_waitgroup all = {0};
        bw_waitgroup_add(&all, 1);
        bw_go(first_waiter, s);
        bw_recv(s->running);
        bw_mutex_lock(&s->m);
        bw_mutex_unlock(&s->m);
        bw_go(broadcasts, s);
        bw_go(second_waiter, s, &all);
        bw_recv(s->running);
        bw_mutex_lock(&s->m);
        s->exit = true;
        bw_mutex_unlock(&s->m);
        bw_cond_broadcast(&s->c);
        bw_waitgroup_wait(&all);
    }
}

// BenchmarkCond's work: all meet, round after round.
static void meets(struct shared *s, int others, int rounds) {
    for (int i = 0; i < rounds; i++) {
        bw_mutex_lock(&s->m);
        if (s->x == -1) {
            bw_mutex_unlock(&s->m);
            break;
        }
        if (++s->x == others + 1) {
            s->x = 0;
            bw_cond_broadcast(&s->c);
        } else {
            bw_cond_wait(&s->c);
        }
        bw_mutex_unlock(&s->m);
    }
    bw_mutex_lock(&s->m);
    s->x = -1;
    bw_cond_broadcast(&s->c);
    bw_mutex_unlock(&s->m);
}
static void *meets_in_thread(void *s) {
    meets(s, 8, (int)effort(500));
    return NULL;
}
static void test_meeting(void **state) {
    (void)state;
    struct shared *s = new_shared(0);
    bw_waitgroup all = {0};
    pthread_t thread;
    for (int i = 0; i < 7; i++)
        bw_waitgroup_go(&all, meets, s, 8, (int)effort(500));
    CHECK(pthread_create(&thread, NULL, meets_in_thread, s) == 0);
    meets(s, 8, (int)effort(500));
    bw_waitgroup_wait(&all);
    CHECK(pthread_join(thread, NULL) == 0);
}

// TestCondCopy
static void signals(bw_cond *c) {
    bw_cond_signal(c);
}
static void waits(bw_cond *c) {
    bw_cond_wait(c);
}
static void test_copy(void **state) {
    (void)state;
    bw_mutex m = {0};
    bw_cond c = {.mutex = &m};
    bw_cond_signal(&c);
    bw_cond copy = c;
    CHECK(panics_with(bw_protect(signals, &copy), "sync.Cond is copied"));
    CHECK(panics_with(bw_protect(waits, &copy), "sync.Cond is copied"));
    bw_cond_broadcast(&c);
}

// Waiting without the mutex is unlocking what is not locked.
static void child_without(void) {
    bw_mutex m = {0};
    bw_cond c = {.mutex = &m};
    bw_cond_wait(&c);
}
static void test_without(void **state) {
    (void)state;
    assert_died("without", "fatal error: sync: unlock of unlocked mutex");
}

// --- semaphore ---

struct weighted {
    bw_semaphore s;
    _Atomic int64_t taken;
    bw_chan(int) told;
    _Atomic bool running;
};
static struct weighted *new_weighted(int64_t size) {
    struct weighted *w = bw_new(struct weighted);
    w->s.size = size;
    w->told = bw_make_chan(int, 0);
    return w;
}

// TestWeighted: no more is taken than there is.
static void hammer(struct weighted *w, int64_t n, size_t loops) {
    for (size_t i = 0; i < loops; i++) {
        bw_semaphore_acquire(&w->s, n);
        CHECK(atomic_fetch_add(&w->taken, n) + n <= w->s.size);
        if (i % 8 == 0)
            bw_yield();
        atomic_fetch_sub(&w->taken, n);
        bw_semaphore_release(&w->s, n);
        if (bw_semaphore_try_acquire(&w->s, 1)) {
            CHECK(atomic_fetch_add(&w->taken, 1) < w->s.size);
            atomic_fetch_sub(&w->taken, 1);
            bw_semaphore_release(&w->s, 1);
        }
    }
}
static void *hammer_in_thread(void *w) {
    hammer(w, 4, effort(1000));
    return NULL;
}
static void test_weighted(void **state) {
    (void)state;
    struct weighted *w = new_weighted(7);
    bw_waitgroup all = {0};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, hammer_in_thread, w) == 0);
    for (int64_t i = 0; i <= 7; i++)
        bw_waitgroup_go(&all, hammer, w, i, effort(1000));
    bw_waitgroup_wait(&all);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(bw_semaphore_try_acquire(&w->s, 7) && !bw_semaphore_try_acquire(&w->s, 1));
}

// TestWeightedPanic
static void releases(bw_semaphore *s, int64_t n) {
    bw_semaphore_release(s, n);
}
static void acquires(bw_semaphore *s, int64_t n) {
    bw_semaphore_acquire(s, n);
}
static void test_weighted_panic(void **state) {
    (void)state;
    bw_semaphore s = {.size = 1};
    CHECK(panics_with(bw_protect(releases, &s, 1), "semaphore: released more than held"));
    CHECK(panics_with(bw_protect(releases, &s, -1), "semaphore: negative weight"));
    CHECK(panics_with(bw_protect(acquires, &s, -1), "semaphore: negative weight"));
    CHECK(bw_semaphore_try_acquire(&s, 1));
}

// TestWeightedTryAcquire
static void test_try_acquire(void **state) {
    (void)state;
    bw_semaphore s = {.size = 2};
    bw_semaphore_acquire(&s, 1);
    CHECK(bw_semaphore_try_acquire(&s, 1));
    CHECK(!bw_semaphore_try_acquire(&s, 1));
    bw_semaphore_release(&s, 2);
    CHECK(bw_semaphore_try_acquire(&s, 1));
    bw_semaphore_acquire(&s, 1);
    CHECK(!bw_semaphore_try_acquire(&s, 1));
}

// TestWeightedDoesntBlockIfTooBig: who wants more than there is waits for ever, and nobody behind it.
static void takes_one(struct weighted *w) {
    bw_semaphore_acquire(&w->s, 1);
    bw_yield();
    bw_semaphore_release(&w->s, 1);
}
static void wants_too_much(struct weighted *w) {
    bw_send(w->told, 1);
    bw_semaphore_acquire(&w->s, 3);
    CHECK(false);
}
static void test_too_big(void **state) {
    (void)state;
    struct weighted *w = new_weighted(2);
    bw_go(wants_too_much, w);
    bw_recv(w->told);
    bw_waitgroup all = {0};
    for (int i = 0; i < 6; i++)
        bw_waitgroup_go(&all, takes_one, w);
    bw_waitgroup_wait(&all);
}

// TestLargeAcquireDoesntStarve
static void takes_again(struct weighted *w) {
    while (atomic_load(&w->running)) {
        bw_yield();
        bw_semaphore_release(&w->s, 1);
        bw_semaphore_acquire(&w->s, 1);
    }
    bw_semaphore_release(&w->s, 1);
}
static void test_large(void **state) {
    (void)state;
    int64_t n = 4;
    struct weighted *w = new_weighted(n);
    atomic_store(&w->running, true);
    bw_waitgroup all = {0};
    for (int64_t i = 0; i < n; i++) {
        bw_semaphore_acquire(&w->s, 1);
        bw_waitgroup_go(&all, takes_again, w);
    }
    bw_semaphore_acquire(&w->s, n);
    atomic_store(&w->running, false);
    bw_semaphore_release(&w->s, n);
    bw_waitgroup_wait(&all);
}

// First come, first served: who wants little does not pass who wants much.
static void takes(struct weighted *w, int64_t n, int number) {
    bw_semaphore_acquire(&w->s, n);
    bw_send(w->told, number);
}
static int waiters(bw_semaphore *s) {
    int count = 0;
    struct thread *self = thread_enter();
    guard_acquire(&s->bw__guard);
    for (struct bw__waiter *waiter = s->bw__waiters; waiter; waiter = waiter->next)
        count++;
    guard_release(&s->bw__guard);
    thread_leave(self);
    return count;
}
static void test_order(void **state) {
    (void)state;
    struct weighted *w = new_weighted(3);
    bw_semaphore_acquire(&w->s, 3);
    static const int64_t wants[] = {2, 1, 3, 1};
    for (int i = 0; i < 4; i++) {
        bw_go(takes, w, wants[i], i);
        while (waiters(&w->s) <= i)
            bw_yield();
    }
    CHECK(!bw_semaphore_try_acquire(&w->s, 1));
    bw_semaphore_release(&w->s, 3);
    int first = bw_recv(w->told), second = bw_recv(w->told);
    CHECK(first + second == 1); // the first two fit in together
    CHECK(!bw_semaphore_try_acquire(&w->s, 1));
    bw_semaphore_release(&w->s, 3);
    CHECK(bw_recv(w->told) == 2);
    bw_semaphore_release(&w->s, 3);
    CHECK(bw_recv(w->told) == 3);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"without", child_without}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signal),  cmocka_unit_test(test_generations),    cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_race),    cmocka_unit_test(test_stealing),       cmocka_unit_test(test_meeting),
        cmocka_unit_test(test_copy),    cmocka_unit_test(test_without),        cmocka_unit_test(test_weighted),
        cmocka_unit_test(test_too_big), cmocka_unit_test(test_weighted_panic), cmocka_unit_test(test_try_acquire),
        cmocka_unit_test(test_large),   cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
