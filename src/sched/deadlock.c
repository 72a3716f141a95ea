/* deadlock.c - "all goroutines are asleep": nothing in the program can ever go on.
 *
 * Two questions, answered apart. WHETHER it is so is looked at with the world stopped, when nothing changes: every thread
 * of the program that the library knows waits in sched_park, or in pthread_join for one that does; every worker sleeps
 * and every queue is empty; no timer is pending, no descriptor waited for, nothing is to be finalized or cleaned up. The
 * system knows no thread that the library does not: one could come by and wake somebody. And the program handles no
 * signal: a handler cannot wake a goroutine (it may call nothing here), but it may be what the program is waiting for. If
 * all that holds it holds for ever, so it is no matter when and how often somebody looks: no alarm is false.
 *
 * WHEN to look must only be often enough. Each of these looks some time after it has gone to sleep, if it still sleeps:
 * a thread that waits; an idle worker, if no goroutine runs. So whoever is the last to go to sleep looks when all do. A
 * thread that ends, or has no more to finalize, does not sleep: it has another look (deadlock_look_again). And where the
 * system has a thread more than the library, which may be one that is ending, who looked looks again, less and less often
 * (docs/models/deadlock.pml).
 */
#include "worker.h"

#include <unistd.h>

_Atomic int sched_parked, sched_sleeping;

struct look {
    struct thread *self;
    enum deadlock result;
    size_t program_threads, waiting; /* of the program; of all, those that wait */
    bool main_is_there;
};

static void find_joined(struct thread *thread, void *argument) {
    struct thread **joins = argument;
    if (*joins && atomic_load(&thread->id) != 0 && thread->handle == (*joins)->joins && !atomic_load(&thread->gone) &&
        (thread->parked || thread->joining))
        *joins = NULL;
}

static void look_at_thread(struct thread *thread, void *argument) {
    struct look *look = argument;
    if (look->result != DEADLOCK_IS || thread->internal)
        return;
    if (atomic_load(&thread->gone) || thread->ending) {
        look->result = DEADLOCK_LATER;
        return;
    }
    pid_t id = atomic_load(&thread->id);
    if (id == 0) { /* between pthread_create and its first step: it may be written to at this moment */
        look->result = DEADLOCK_NO;
        return;
    }
    look->main_is_there |= id == getpid();
    if (!thread->library)
        look->program_threads++;
    if (thread == look->self && thread->worker && !thread->parked)
        return; /* an idle worker */
    bool sleeps = thread == look->self || atomic_load(&thread->state) == THREAD_SAFE;
    if (sleeps && thread->resting && (thread->worker == NULL || atomic_load(&thread->worker->handed) == NULL))
        return;
    if (sleeps && thread->parked && atomic_load(&thread->goroutine->woken) == 0) {
        look->waiting++;
        return;
    }
    if (sleeps && thread->joining && thread->joins) {
        struct thread *joins = thread;
        threads_each(find_joined, &joins);
        if (joins == NULL) {
            look->waiting++;
            return;
        }
    }
    look->result = DEADLOCK_NO;
}

static void count_waiting(struct goroutine *goroutine, void *argument) {
    struct look *look = argument;
    if (!goroutine->running)
        look->waiting++;
}

static void look_at_all(void *argument) {
    struct look *look = argument;
    if (!deadlock_workers_sleep() || !specials_rest()) {
        look->result = DEADLOCK_NO;
        return;
    }
    threads_each(look_at_thread, look);
    stacks_each(count_waiting, look);
}

enum deadlock deadlock_look(struct thread *self) {
    if (!deadlock_workers_sleep() || os_handles_signals())
        return DEADLOCK_NO;
    /* A stop ends the sleep that a thread is in: it is made only if nobody runs or sleeps elsewhere, as far as can be seen
     * without. */
    struct look look = {.self = self};
    thread_safe_begin(self);
    threads_each_locked(look_at_thread, &look);
    thread_safe_end(self);
    if (look.result == DEADLOCK_NO)
        return DEADLOCK_NO;
    look = (struct look){.self = self};
    world_stopped_do(self, look_at_all, &look);
    if (look.result != DEADLOCK_IS)
        return look.result;
    if (look.waiting == 0)
        return DEADLOCK_NO;
    size_t threads = os_thread_count();
    if (threads == 0)
        return DEADLOCK_NO; /* nobody can tell */
    if (threads != look.program_threads + os_own_thread_count())
        return DEADLOCK_LATER;
    os_flush_output();
    os_end_begin();
    os_print(2, "fatal error: %s - deadlock!\n\n",
             look.main_is_there ? "all goroutines are asleep" : "no goroutines (main called runtime.Goexit)");
    traceback_all(self, 2, false);
    _exit(2);
}

static void wake_parked(struct thread *thread, void *unused) {
    (void)unused;
    if (thread->parked)
        os_wake(&thread->goroutine->woken, 1);
}

void deadlock_look_again(struct thread *self) {
    if (!deadlock_workers_sleep() || (sched_goroutines() == 0 && atomic_load(&sched_parked) == 0))
        return; /* nobody waits; or others go to sleep, and look then */
    if (atomic_load(&worker_count) > 0) {
        observer_want(self); /* it goes to sleep some time */
        return;
    }
    thread_safe_begin(self);
    threads_each_locked(wake_parked, NULL);
    thread_safe_end(self);
    OS_KEEP_FRAME();
}
