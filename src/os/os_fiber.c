/* os_fiber.c - telling the sanitizers and valgrind that a thread goes on on another stack. */
#include "os.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(lo, hi) (void)(lo), (void)(hi)
#endif

void os_fiber_stack(os_stack stack) {
    VALGRIND_STACK_REGISTER(stack.lo, stack.hi);
}

#if OS_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>

void os_fiber_of_thread(os_fiber *fiber) {
    fiber->tsan = __tsan_get_current_fiber();
}

void os_fiber_make(os_fiber *fiber, os_stack stack) {
    (void)stack;
    fiber->tsan = __tsan_create_fiber(0);
}

void os_fiber_end(os_fiber *fiber) {
    __tsan_destroy_fiber(fiber->tsan);
}

/* Not instrumented: it is entered on one fiber and left on another. */
__attribute__((no_sanitize("thread"))) void os_fiber_leave(os_fiber *from, const os_fiber *to, os_stack stack,
                                                           bool ends) {
    (void)from, (void)stack, (void)ends;
    __tsan_switch_to_fiber(to->tsan, 0);
}

void os_fiber_arrive(os_fiber *fiber) {
    (void)fiber;
}
#elif defined(OS_FIBERS_ARE_TOLD)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

void os_fiber_of_thread(os_fiber *fiber) {
    (void)fiber;
}

/* The last goroutine on that stack left its marks there. */
void os_fiber_make(os_fiber *fiber, os_stack stack) {
    (void)fiber;
    __asan_unpoison_memory_region((void *)stack.lo, stack.hi - stack.lo);
}

void os_fiber_end(os_fiber *fiber) {
    (void)fiber;
}

void os_fiber_leave(os_fiber *from, const os_fiber *to, os_stack stack, bool ends) {
    (void)to;
    __sanitizer_start_switch_fiber(ends ? NULL : &from->asan, (void *)stack.lo, stack.hi - stack.lo);
}

void os_fiber_arrive(os_fiber *fiber) {
    __sanitizer_finish_switch_fiber(fiber->asan, NULL, NULL);
}
#endif
