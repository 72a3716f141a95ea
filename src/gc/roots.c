/* roots.c - where marking begins: stacks, registers, thread-local and static data, registered ranges.
 *
 * Run while the world is stopped. It only lists ranges; the markers read them.
 */
#include "gc.h"

#include <string.h>

#define PIECE_BYTES ((uintptr_t)65536) /* longer ranges are cut, so that markers share them */

static os_lock registered_lock;
static os_range *registered;
static size_t registered_count, registered_capacity;

void thread_copy_words(uintptr_t *to, uintptr_t from, uintptr_t end) {
    /* volatile: a loop that stays a loop, and does not become a call of memcpy. */
    for (const volatile uintptr_t *word = (const volatile uintptr_t *)from; (uintptr_t)word < end; word++)
        *to++ = *word;
}

static bool grow(void **array, size_t *capacity, size_t item) {
    size_t wanted = *capacity ? *capacity * 2 : 1024;
    void *larger = os_map(wanted * item);
    if (larger == NULL)
        return false;
    if (*capacity) {
        memcpy(larger, *array, *capacity * item);
        os_unmap(*array, *capacity * item);
    }
    *array = larger;
    *capacity = wanted;
    return true;
}

void bw_root_add(void *lo, void *hi) {
    if ((uintptr_t)hi < (uintptr_t)lo)
        os_panic("bw_root_add: the range ends at %p, before it begins at %p", hi, lo);
    struct thread *self = thread_enter();
    os_lock_acquire(&registered_lock);
    if (registered_count == registered_capacity &&
        !grow((void **)&registered, &registered_capacity, sizeof *registered))
        os_fatal("runtime: out of memory: cannot register a root");
    registered[registered_count++] = (os_range){(uintptr_t)lo, (uintptr_t)hi};
    os_lock_release(&registered_lock);
    thread_leave(self);
}

void bw_root_remove(void *lo) {
    struct thread *self = thread_enter();
    os_lock_acquire(&registered_lock);
    size_t i = registered_count;
    while (i > 0 && registered[i - 1].lo != (uintptr_t)lo)
        i--;
    if (i > 0)
        registered[i - 1] = registered[--registered_count];
    os_lock_release(&registered_lock);
    thread_leave(self);
    if (i == 0)
        os_panic("bw_root_remove: no range that begins at %p is registered", lo);
}

void roots_add(struct roots *roots, uintptr_t lo, uintptr_t hi, enum root_kind kind) {
    lo = (lo + 7) & ~(uintptr_t)7;
    hi &= ~(uintptr_t)7;
    if (lo < hi)
        *(kind == ROOT_STACK ? &roots->stack_bytes : &roots->data_bytes) += hi - lo;
    while (lo < hi) {
        if (roots->count == roots->capacity && !grow((void **)&roots->list, &roots->capacity, sizeof *roots->list))
            os_fatal("runtime: out of memory: cannot list the roots");
        uintptr_t end = hi - lo > PIECE_BYTES ? lo + PIECE_BYTES : hi;
        roots->list[roots->count++] = (struct root){lo, end, kind};
        lo = end;
    }
}

/* The thread runs on its alternate signal stack, in a handler of the program's, so that the stack it came from has no
 * known end. Where it was interrupted is among the registers that the kernel saved on the alternate stack: the lowest
 * word there that points into the stack is that or lies below it. */
static uintptr_t lowest_reference(uintptr_t lo, uintptr_t hi, os_stack stack) {
    uintptr_t lowest = stack.hi;
    for (const uintptr_t *word = (const uintptr_t *)((lo + 7) & ~(uintptr_t)7); word < (const uintptr_t *)hi; word++)
        if (*word >= stack.lo && *word < lowest)
            lowest = *word;
    return lowest;
}

/* The part of a stack that has memory: from its high end down to the first page that is not mapped. */
static uintptr_t mapped_down(os_stack stack) {
    uintptr_t page = os_page_bytes(), at = (stack.hi - 1) & ~(page - 1);
    while (at > stack.lo && os_readable(at - page))
        at -= page;
    return at;
}

#define RED_ZONE 128                     /* what a function that calls nothing may use below its stack pointer */
#define GUARD_BYTES ((uintptr_t)1 << 20) /* how far below a stack the stack pointer may be of a thread about to fault */

/* Where a stack begins, whose stack pointer this is, of code that was interrupted anywhere. */
static uintptr_t with_red_zone(uintptr_t stack_pointer) {
    uintptr_t from = (stack_pointer - RED_ZONE) & ~(uintptr_t)7,
              page = stack_pointer & ~(uintptr_t)(os_page_bytes() - 1);
    return from >= page || os_readable(from) ? from : page;
}

static void add_foreign_stack(struct roots *roots, uintptr_t stack_pointer) {
    /* A stack that the program made: from the stack pointer to the end of the mapping. */
    uintptr_t page = os_page_bytes(), end = (stack_pointer & ~(page - 1)) + page;
    while (os_readable(end) && end - stack_pointer < (uintptr_t)64 << 20)
        end += page;
    roots_add(roots, stack_pointer, end, ROOT_STACK);
}

/* The first word of a stack, from that address on, that there is memory for. */
static uintptr_t first_readable(uintptr_t from, os_stack stack) {
    uintptr_t page = os_page_bytes();
    if (from < stack.lo || from >= stack.hi)
        from = stack.lo; /* the last frame was too large to begin */
    while (from < stack.hi && !os_readable(from))
        from = (from & ~(page - 1)) + page;
    return from;
}

/* A thread whose stack was full runs on its spare stack, and perhaps on its alternate stack after that: its own stack is a
 * root from where that was full, and the spare stack from where the thread is there. What lies below is the library's:
 * the thread may be collecting there. On the alternate stack it is not known how far it got: all of the spare stack. */
static void add_overflowed(struct roots *roots, struct thread *thread, uintptr_t at) {
    uintptr_t from = first_readable((thread->overflowed_at - RED_ZONE) & ~(uintptr_t)7, thread->stack);
    roots_add(roots, from, thread->stack.hi, ROOT_STACK);
    uintptr_t lo = thread->stacks.spare.lo + os_page_bytes(), hi = thread->stacks.spare.hi;
    roots_add(roots, at >= lo && at < hi ? at & ~(uintptr_t)7 : lo, hi, ROOT_STACK);
}

static void add_stack(struct roots *roots, struct thread *thread) {
    uintptr_t at = thread->place.sp, hi = thread->alternate.hi;
    os_stack stack = thread->stack;
    if (hi != 0 && thread->interrupted != 0 &&
        !(thread->interrupted >= thread->alternate.lo && thread->interrupted < hi)) {
        /* Stopped by the signal, whose handler brought it there; it belongs where that interrupted it. */
        roots_add(roots, at, hi, ROOT_STACK);
        at = with_red_zone(thread->interrupted);
        if (at < stack.lo && stack.lo - at <= GUARD_BYTES && !os_readable(at))
            at = first_readable(at, stack);
        hi = 0;
    }
    if (thread->overflowed_at != 0 && !(at >= stack.lo && at < stack.hi)) {
        add_overflowed(roots, thread, at);
        if (hi != 0)
            roots_add(roots, at & ~(uintptr_t)7, hi, ROOT_STACK);
        else if (at < thread->stacks.spare.lo || at >= thread->stacks.spare.hi)
            add_foreign_stack(roots, at);
        return;
    }
    if (at >= stack.lo && at < stack.hi) {
        roots_add(roots, at & ~(uintptr_t)7, stack.hi, ROOT_STACK);
    } else if (hi != 0) {
        roots_add(roots, at & ~(uintptr_t)7, hi, ROOT_STACK);
        uintptr_t lowest = lowest_reference(at, hi, stack);
        roots_add(roots, lowest == stack.hi ? mapped_down(stack) : with_red_zone(lowest), stack.hi, ROOT_STACK);
    } else if (stack.hi != 0) {
        add_foreign_stack(roots, at);
        roots_add(roots, mapped_down(stack), stack.hi, ROOT_STACK);
    }
}

struct context {
    struct roots *roots;
    const os_modules *modules;
    bool notes_stacks;
};

static void add_data(void *context, uintptr_t lo, uintptr_t hi) {
    roots_add(context, lo, hi, ROOT_DATA);
}

/* What is left of a run counts as alive, and is searched: a first object's stores can precede the store to run->cur. */
static void add_run(void *context, struct layout *layout, bw__run *run, struct run_private *private_part) {
    struct roots *roots = context;
    run_report(layout, private_part);
    for (char *slot = run->cur; slot < run->end; slot += layout->slot_bytes)
        mark_set(mark_byte((uintptr_t)slot), mark_live);
    if (layout->scan != SCAN_NONE && run->cur < run->end)
        roots_add(roots, (uintptr_t)run->cur, (uintptr_t)run->end, ROOT_DATA);
    run_give_up_spans(private_part);
}

static void add_thread(struct thread *thread, void *argument) {
    struct context *context = argument;
    if (thread->cache)
        cache_each_run(thread->cache, add_run, context->roots);
    if (context->notes_stacks)
        gc_scheduler_hooks.thread_is_on(thread);
    /* The library's own threads hold addresses of spans, not references of the program. */
    if (atomic_load(&thread->gone) || thread->internal)
        return;
    roots_add(context->roots, (uintptr_t)&thread->argument, (uintptr_t)(&thread->argument + 1), ROOT_DATA);
    roots_add(context->roots, (uintptr_t)thread->saved, (uintptr_t)(thread->saved + 64), ROOT_STACK);
    if (thread->stack.hi == 0 && thread->thread_pointer == 0)
        return; /* made, but not begun */
    if (!thread->resting)
        add_stack(context->roots, thread);
    os_thread_local_blocks(context->modules, thread->thread_pointer, add_data, context->roots);
}

static void add_parked_stack(void *roots, uintptr_t lo, uintptr_t hi) {
    roots_add(roots, lo, hi, ROOT_STACK);
}

void roots_add_stacks(struct roots *roots, enum roots_stacks stacks) {
    const struct gc_scheduler_hooks *hooks = gc_scheduler_hooks_if_linked();
    if (hooks == NULL)
        return;
    switch (stacks) {
    case STACKS_ALL:
    case STACKS_NOT_LEAKED: hooks->each_stack(add_parked_stack, roots, stacks == STACKS_NOT_LEAKED); break;
    case STACKS_LATER: hooks->stacks_are_noted(add_parked_stack, roots); break;
    case STACKS_CHANGED: hooks->changed_stacks(add_parked_stack, roots); break;
    }
}

static void push_stack(void *bytes, uintptr_t lo, uintptr_t hi) {
    *(size_t *)bytes += hi - lo;
    mark_push_stack((lo + 7) & ~(uintptr_t)7, hi & ~(uintptr_t)7);
}

size_t roots_push_stacks(void) {
    size_t bytes = 0;
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->each_stack(push_stack, &bytes, false);
    return bytes;
}

bool roots_push_some_stacks(size_t *bytes) {
    return gc_scheduler_hooks_if_linked() && gc_scheduler_hooks_if_linked()->some_stacks(push_stack, bytes);
}

void roots_push_changed_stacks(void) {
    size_t bytes = 0;
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->changed_stacks_again(push_stack, &bytes);
}

void roots_stacks_are_not_noted(void) {
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->stacks_are_not_noted();
}

void roots_collect(struct roots *roots, const os_modules *modules, enum roots_stacks stacks) {
    bool notes_stacks = stacks == STACKS_LATER && gc_scheduler_hooks_if_linked();
    struct context context = {roots, modules, notes_stacks};
    roots->count = roots->marked = roots->stack_bytes = roots->data_bytes = 0;
    roots_add_stacks(roots, stacks);
    threads_each(add_thread, &context);
    for (size_t i = 0; i < modules->data_count; i++)
        roots_add(roots, modules->data[i].lo, modules->data[i].hi, ROOT_DATA);
    uintptr_t lo, hi;
    threads_results(&lo, &hi);
    roots_add(roots, lo, hi, ROOT_DATA);
    for (size_t i = 0; i < registered_count; i++)
        roots_add(roots, registered[i].lo, registered[i].hi, ROOT_DATA);
}
