/* go.c - what burrow/goroutine.h offers. */
#include "sched.h"

#include <burrow/goroutine.h>

void bw__go(const bw__call *call) {
    if (call->function == NULL)
        os_fatal("go of nil func value");
    struct thread *self = thread_enter_quickly();
    sched_go(self, call, (uintptr_t)__builtin_return_address(0));
    thread_leave_quickly(self);
}

void bw_yield(void) {
    thread_leave_quickly(sched_let_others(thread_enter_quickly()));
}

int bw_num_goroutine(void) {
    return sched_goroutines() + 1;
}

void bw_lock_os_thread(void) {
    struct thread *self = thread_enter();
    sched_lock_thread(self);
    thread_leave(self);
}

void bw_unlock_os_thread(void) {
    struct thread *self = thread_enter();
    sched_unlock_thread(self);
    thread_leave(self);
}
