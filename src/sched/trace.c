/* trace.c - schedtrace=MS: every so many milliseconds a line about the workers on standard error, in the format of Go's
 * GODEBUG=schedtrace; with scheddetail=1 lines about each token's holder, each worker and each goroutine as well.
 *
 * A thread of the library's own prints them, from the first worker's start on. Go's words are kept where they mean
 * something here: a P is a token, an M a worker. What the line tells is read while everything goes on; for the details
 * the world is stopped, and they are written when it runs again.
 */
#include "worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct text {
    char *bytes;
    size_t used, capacity;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *text, const char *format, ...) {
    for (;;) {
        va_list arguments;
        size_t room = text->capacity - text->used;
        va_start(arguments, format);
        int length = vsnprintf(text->bytes + text->used, room, format, arguments);
        va_end(arguments);
        if (length < 0 || (size_t)length < room) {
            text->used += length > 0 ? (size_t)length : 0;
            return;
        }
        size_t wanted = text->capacity * 2;
        char *larger = os_map(wanted);
        if (larger == NULL)
            return; /* the rest is missing */
        memcpy(larger, text->bytes, text->used);
        os_unmap(text->bytes, text->capacity);
        text->bytes = larger;
        text->capacity = wanted;
    }
}

static uint32_t queued(struct worker *worker) {
    uint32_t head = atomic_load(&worker->head), tail = atomic_load(&worker->tail);
    return tail - head + (atomic_load(&worker->run_next) != NULL);
}

static void put_line(struct text *text) {
    struct sched_figures now;
    sched_read_figures(&now);
    int idle = now.processors - now.busy; /* those that lost their tokens to nobody are busy, too */
    put(text,
        "SCHED %lldms: gomaxprocs=%d idleprocs=%d threads=%zu spinningthreads=%d needspinning=0 idlethreads=%d "
        "runqueue=%u",
        (long long)((os_now_ns() - os_start_ns()) / 1000000), now.processors, idle > 0 ? idle : 0, os_thread_count(),
        now.seeking, now.idle, global_waiting());
}

/* A number for each token: those that somebody holds first. */
static void put_queues(struct text *text) {
    int count = atomic_load(&worker_count), left = knobs_processors();
    put(text, " [");
    for (int i = 0; i < count && left > 0; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker && (!token_lost(worker) || queued(worker) > 0)) {
            put(text, "%u%s", queued(worker), left > 1 ? " " : "");
            left--;
        }
    }
    for (; left > 0; left--)
        put(text, left > 1 ? "0 " : "0");
    put(text, "]\n");
}

static int number_of(const struct goroutine *goroutine) {
    return goroutine == NULL ? 0 : goroutine->id.number;
}

static int running_on(const struct worker *worker) {
    return worker->current == NULL || worker->current == &worker->idle ? 0 : worker->thread->numbers->number;
}

static int index_of(const struct worker *worker) {
    int count = atomic_load(&worker_count);
    for (int i = 0; i < count; i++)
        if (atomic_load(&workers[i]) == worker)
            return i;
    return -1;
}

static void put_goroutine(struct goroutine *goroutine, void *argument) {
    struct text *text = argument;
    /* Go's numbers: 1 runnable, 2 running, 4 waiting. One that runs has its number in its thread: see the workers. */
    if (!goroutine->running)
        put(text, "  G%d: status=%d(%s) m=-1 lockedm=%d\n", goroutine->id.number, goroutine->waits_for ? 4 : 1,
            goroutine->waits_for ? goroutine->waits_for : "",
            goroutine->locked_to ? index_of(goroutine->locked_to) : -1);
}

static void put_details(void *argument) {
    struct text *text = argument;
    int count = atomic_load(&worker_count), processor = 0;
    put_line(text);
    put(text, " gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false\n");
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker && !token_lost(worker))
            put(text, "  P%d: status=1 schedtick=%u syscalltick=0 m=%d runqsize=%u gfreecnt=%u timerslen=%zu\n",
                processor++, atomic_load(&worker->turn), i, queued(worker), worker->free_count, worker->timers.count);
    }
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker && worker->thread)
            put(text, "  M%d: p=%s curg=%d spinning=%s blocked=%s lockedg=%d\n", i, token_lost(worker) ? "nil" : "held",
                running_on(worker), worker->seeking ? "true" : "false",
                worker->current == &worker->idle ? "true" : "false", number_of(worker->locked));
    }
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker && running_on(worker) > 0)
            put(text, "  G%d: status=2() m=%d lockedm=%d\n", running_on(worker), i, worker->locked ? i : -1);
    }
    stacks_each(put_goroutine, text);
}

/* What a worker was handed, or has found for another, is on its way to run. */
static void count_of(struct worker *worker, struct goroutine_counts *counts) {
    counts->runnable += queued(worker) + (atomic_load(&worker->handed) != NULL) + (uint32_t)(worker->stashed != NULL);
    if (worker->current == NULL || worker->current == &worker->idle)
        return;
    if (worker->thread->blocking)
        counts->outside++;
    else
        counts->running++;
}

void trace_count(struct goroutine_counts *counts, bool stopped) {
    *counts = (struct goroutine_counts){.all = (uint64_t)sched_goroutines() + 1};
    if (!stopped)
        return;
    counts->runnable = global_waiting();
    for (int i = 0, count = atomic_load(&worker_count); i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker && worker->thread)
            count_of(worker, counts);
    }
    uint64_t others = 1 + counts->runnable + counts->running + counts->outside;
    counts->waiting = counts->all > others ? counts->all - others : 0;
}

static void trace(void *argument) {
    (void)argument;
    static _Atomic uint32_t nobody;
    struct thread *self = thread_current;
    struct text text = {.bytes = os_map(1 << 16), .capacity = 1 << 16};
    if (text.bytes == NULL)
        return;
    os_goroutine_now.number = -1; /* it is none */
    for (;;) {
        text.used = 0;
        if (knobs.sched_detail) {
            world_stopped_do(self, put_details, &text);
        } else {
            put_line(&text);
            put_queues(&text);
        }
        thread_leave(self);
        os_write(2, text.bytes, text.used);
        os_wait(&nobody, 0, (int64_t)knobs.sched_trace * 1000000);
        thread_enter();
    }
}

void trace_watch(struct thread *self) {
    static _Atomic pid_t process;
    pid_t own = getpid(), before = atomic_load(&process);
    if (knobs.sched_trace == 0 || before == own || !atomic_compare_exchange_strong(&process, &before, own))
        return;
    thread_start_internal(self, thread_attach_internal, trace, NULL, "burrow-trace");
}
