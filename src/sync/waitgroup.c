/* waitgroup.c - bw_waitgroup: one word that counts what is under way and who waits for it. Whoever brings the first to
 * 0 clears the second, and tells so many. */
#include "sync.h"

/* What an addition came to that leaves a negative counter or found somebody waiting. */
void bw__waitgroup_added(bw_waitgroup *group, int delta, uint64_t state) {
    int32_t count = (int32_t)(state >> 32);
    uint32_t waiting = (uint32_t)state;
    if (count < 0)
        os_panic("sync: negative WaitGroup counter");
    if (delta > 0 && count == delta)
        os_panic("sync: WaitGroup misuse: Add called concurrently with Wait");
    if (count > 0)
        return;
    if (__atomic_load_n(&group->bw__state, __ATOMIC_RELAXED) != state)
        os_panic("sync: WaitGroup misuse: Add called concurrently with Wait");
    __atomic_store_n(&group->bw__state, 0, __ATOMIC_RELEASE);
    struct thread *self = thread_enter();
    sleepers_tell(self, &group->bw__waiting, waiting);
    thread_leave(self);
}

void bw__waitgroup_wait(bw_waitgroup *group) {
    uint64_t state = __atomic_load_n(&group->bw__state, __ATOMIC_ACQUIRE);
    do {
        if (state >> 32 == 0)
            return;
    } while (
        !__atomic_compare_exchange_n(&group->bw__state, &state, state + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    struct thread *self = thread_enter();
    thread_leave(sleepers_wait(self, &group->bw__waiting, "sync.WaitGroup.Wait"));
    if (__atomic_load_n(&group->bw__state, __ATOMIC_RELAXED) != 0)
        os_panic("sync: WaitGroup is reused before previous Wait has returned");
}

static void done(void *group) {
    bw_waitgroup_done(group);
}

void bw__waitgroup_go(bw_waitgroup *group, const bw__call *call) {
    if (call->function == NULL)
        os_fatal("go of nil func value");
    bw_waitgroup_add(group, 1);
    struct thread *self = thread_enter();
    sched_go_then(self, call, (uintptr_t)__builtin_return_address(0), done, group);
    thread_leave(self);
}
