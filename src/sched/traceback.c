/* traceback.c - the stacks of all goroutines and threads, as text.
 *
 * They are unwound with the world stopped, and written down when it runs again: names and lines take locks of libc that
 * a stopped thread may hold, and whoever reads what is written may be slow.
 *
 * A goroutine that no thread is on has its registers on its stack (switch_*.S). A thread that was stopped by the signal
 * has all of them in the kernel's frame; one that stopped or waits by itself said where (os_place), in a frame of the
 * library's that has saved the others.
 */
#include "sched.h"

#include <burrow/traceback.h>
#include <string.h>

#define MINUTE_NS ((uint64_t)60 * 1000000000)

/* What is known of one; its frames follow. */
struct seen {
    os_traceback traceback;
    size_t bytes; /* of all of it */
};

struct capture {
    struct thread *self;
    const os_place *here;               /* of the caller */
    bool (*choose)(struct goroutine *); /* NULL: all, and the threads */
    char *memory;
    size_t used, capacity, count;
    bool cut; /* there was no memory for all */
};

static bool make_room(struct capture *capture) {
    size_t needed = sizeof(struct seen) + OS_TRACEBACK_FRAMES * sizeof(uintptr_t);
    if (capture->used + needed <= capture->capacity)
        return true;
    size_t wanted = capture->capacity ? capture->capacity * 2 : (size_t)1 << 20;
    char *larger = os_map(wanted);
    if (larger == NULL) {
        capture->cut = true;
        return false;
    }
    if (capture->capacity) {
        memcpy(larger, capture->memory, capture->used);
        os_unmap(capture->memory, capture->capacity);
    }
    capture->memory = larger;
    capture->capacity = wanted;
    return true;
}

static void add(struct capture *capture, os_traceback traceback, const os_context *context) {
    if (!make_room(capture))
        return;
    struct seen *seen = (struct seen *)(capture->memory + capture->used);
    uintptr_t *frames = (uintptr_t *)(seen + 1);
    traceback.total = os_unwind(context, frames);
    traceback.exact = context->exact;
    traceback.count = traceback.total < OS_TRACEBACK_FRAMES ? traceback.total : OS_TRACEBACK_FRAMES;
    seen->traceback = traceback;
    seen->bytes = sizeof *seen + traceback.count * sizeof *frames;
    capture->used += seen->bytes;
    capture->count++;
}

/* What the record says: where it began, what it waits for and how long, if it waits. */
static void note(os_traceback *traceback, struct goroutine *goroutine) {
    traceback->function = goroutine->function;
    traceback->locked = goroutine->locked_to != NULL;
    if (goroutine->waits_for == NULL)
        return;
    traceback->state = goroutine->waits_for;
    traceback->leaked = goroutine->leaked;
    if (goroutine->waits_since == 0)
        goroutine->waits_since = os_now_ns();
    traceback->minutes = (unsigned)((os_now_ns() - goroutine->waits_since) / MINUTE_NS);
}

static void add_thread(struct thread *thread, void *argument) {
    struct capture *capture = argument;
    if (atomic_load(&thread->gone) || thread->internal || thread->resting || thread->numbers == NULL ||
        thread->numbers->number <= 0 || thread == capture->self)
        return;
    os_traceback traceback = {.goroutine = *thread->numbers, .state = "running"};
    os_context context;
    if (thread->interrupted_context)
        os_context_of_signal(&context, thread->interrupted_context);
    else
        os_context_of_place(&context, thread->place);
    if (atomic_load(&thread->state) == THREAD_SAFE)
        traceback.state = thread->blocking ? "syscall" : thread->joining ? "thread join" : "wait for GC cycle";
    if (thread->goroutine)
        note(&traceback, thread->goroutine);
    add(capture, traceback, &context);
}

/* What sched_switch saved: which registers (by their numbers in debugging information), and where among the words. */
#if defined(__x86_64__)
static const uint8_t saved[] = {15, 14, 13, 12, 3, 6};
enum { RETURN_WORD = 6, SAVED_WORDS = 7, STACK_POINTER = 7 };
#elif defined(__aarch64__)
static const uint8_t saved[] = {19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30};
enum { RETURN_WORD = 11, SAVED_WORDS = 20, STACK_POINTER = 31 };
#endif

static void add_goroutine(struct goroutine *goroutine, void *argument) {
    struct capture *capture = argument;
    if (goroutine->running || (capture->choose && !capture->choose(goroutine)))
        return; /* running: its thread has it */
    os_traceback traceback = {.goroutine = goroutine->id, .state = "runnable"};
    note(&traceback, goroutine);
    const uintptr_t *words = (const uintptr_t *)goroutine->stack_pointer;
    os_context context = {.pc = words[RETURN_WORD]};
    for (size_t i = 0; i < sizeof saved; i++)
        context.registers[saved[i]] = words[i];
    context.registers[STACK_POINTER] = (uintptr_t)(words + SAVED_WORDS);
    add(capture, traceback, &context);
}

static void capture_all(void *argument) {
    struct capture *capture = argument;
    struct thread *self = capture->self;
    if (capture->choose) {
        stacks_each(add_goroutine, capture);
        return;
    }
    if (self->numbers->number > 0) {
        os_traceback own = {.goroutine = *self->numbers, .state = "running"};
        os_context context;
        os_context_of_place(&context, *capture->here);
        if (self->goroutine)
            note(&own, self->goroutine);
        add(capture, own, &context);
    }
    threads_each(add_thread, capture);
    stacks_each(add_goroutine, capture);
}

static const struct seen *next_of(const struct seen *seen) {
    return (const struct seen *)((const char *)seen + seen->bytes);
}

/* By their numbers, but for the caller's, which is the first. */
static void sort(const struct seen **list, size_t count) {
    for (size_t gap = count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (size_t i = gap; i < count; i++) {
            const struct seen *moving = list[i];
            size_t at = i;
            for (; at >= gap && list[at - gap]->traceback.goroutine.number > moving->traceback.goroutine.number;
                 at -= gap)
                list[at] = list[at - gap];
            list[at] = moving;
        }
}

static void print_all(const struct capture *capture, int fd, bool own_first) {
    size_t count = capture->count;
    const struct seen **list = os_map(count * sizeof *list), *seen = (const struct seen *)capture->memory;
    for (size_t i = 0; list && i < count; i++, seen = next_of(seen))
        list[i] = seen;
    seen = (const struct seen *)capture->memory;
    if (list && count > 1)
        sort(list + own_first, count - own_first);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            os_write(fd, "\n", 1);
        os_traceback traceback = (list ? list[i] : seen)->traceback;
        traceback.frames = (const uintptr_t *)((list ? list[i] : seen) + 1);
        os_traceback_print(fd, &traceback);
        seen = next_of(seen);
    }
    if (list)
        os_unmap(list, count * sizeof *list);
    if (capture->cut)
        os_print(fd, "\n...additional frames elided: there is no memory for them...\n");
}

static void print_stacks(struct thread *self, int fd, bool (*choose)(struct goroutine *), bool own_first) {
    OS_SPILL_REGISTERS();
    os_place here = os_place_here();
    struct capture capture = {.self = self, .here = &here, .choose = choose};
    thread_safe_begin(self);
    os_unwind_prepare();
    thread_safe_end(self);
    world_stopped_do(self, capture_all, &capture);
    thread_safe_begin(self);
    print_all(&capture, fd, own_first && self->numbers->number > 0);
    thread_safe_end(self);
    if (capture.capacity)
        os_unmap(capture.memory, capture.capacity);
    OS_KEEP_FRAME();
}

void traceback_some(struct thread *self, int fd, bool (*choose)(struct goroutine *)) {
    print_stacks(self, fd, choose, false);
}

void traceback_all(struct thread *self, int fd, bool own_first) {
    print_stacks(self, fd, NULL, own_first);
}

void bw_goroutine_dump(int fd) {
    struct thread *self = thread_enter();
    os_goroutine();
    traceback_all(self, fd, true);
    thread_leave(self);
}
