/* overflow.c - stacks that are full, and what the handler of faults asks of a thread.
 *
 * A stack that overflows while the thread is INSIDE is the end of the program: the structures are as they are. So who is
 * near its end does not get in, but panics: a thread keeps a reserve. One that overflows in the program's own code panics
 * on its spare stack; from then on, until it has recovered, its own stack is in use up to `overflowed_at`.
 */
#include "gc.h"

/* Collecting takes some 5 KiB, tracing and dynamic linking included. */
#define RESERVE_BYTES ((uintptr_t)16 << 10)

static uintptr_t reserve_of(os_stack stack) {
    return (stack.hi - stack.lo) / 4 < RESERVE_BYTES ? (stack.hi - stack.lo) / 4 : RESERVE_BYTES;
}

void thread_set_stack(struct thread *self, os_stack stack) {
    self->stack = stack;
    self->reserve = reserve_of(stack);
}

void thread_check_stack(struct thread *self) {
    self->stack.lo = os_stack_now(self->stack).lo;
    self->reserve = reserve_of(self->stack);
    if ((uintptr_t)__builtin_frame_address(0) - self->stack.lo < self->reserve)
        os_stack_overflow();
}

#define SPARE_STACK_BYTES ((size_t)256 << 10)

static bool is_on_spare_stack(const struct thread *self, uintptr_t at) {
    return self->overflowed_at != 0 && at < self->stacks.spare.hi && at >= self->stacks.spare.lo - SPARE_STACK_BYTES;
}

static os_stack stack_at(uintptr_t at) {
    struct thread *self = thread_current;
    if (self == NULL)
        return (os_stack){0, 0};
    return is_on_spare_stack(self, at) ? (os_stack){self->stacks.spare.lo + os_page_bytes(), self->stacks.spare.hi}
                                       : self->stack;
}

/* In the handler of the fault. */
static os_stack spare_stack(uintptr_t from) {
    struct thread *self = thread_current;
    os_stack none = {0, 0};
    if (self == NULL || is_on_spare_stack(self, from))
        return none;
    if (self->stacks.spare.hi == 0) {
        char *memory = os_map(SPARE_STACK_BYTES);
        if (memory == NULL || !os_forbid(memory, os_page_bytes()))
            return none;
        self->stacks.spare = (os_range){(uintptr_t)memory, (uintptr_t)memory + SPARE_STACK_BYTES};
    }
    self->overflowed_at = from;
    return (os_stack){self->stacks.spare.lo + os_page_bytes(), self->stacks.spare.hi};
}

void thread_recovered(void) {
    struct thread *self = thread_current;
    if (self)
        self->overflowed_at = 0;
}

static bool may_panic(void) {
    struct thread *self = thread_current;
    return self == NULL || (!self->internal && !self->marking && atomic_load(&self->state) != THREAD_INSIDE);
}

const struct os_fault_hooks thread_fault_hooks = {may_panic, stack_at, spare_stack};
