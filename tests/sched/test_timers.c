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
static void note_fired(struct thread *self, struct timer *timer, int64_t now) {
    (void)self;
    struct model *model = (struct model *)timer;
    CHECK(model->pending && timer->when <= now && atomic_load(&timer->in) == NULL);
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
            while (timers_next(timers) <= now)
                CHECK(timers_run(self, timers, now));
            CHECK(!timers_run(self, timers, now));
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
    while (timers_next(timers) != INT64_MAX)
        timers_run(self, timers, INT64_MAX);
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_heap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
