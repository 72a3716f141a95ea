/* heap.c - making the heap's address range and its tables, and finding objects by address. */
#include "heap.h"

#include <stdio.h>
#include <string.h>

struct heap heap;

/* What each table has for one page of heap. */
static const struct {
    size_t page_bytes;
} tables[4] = {{PAGE_BYTES / GRANULE_BYTES}, {sizeof(struct span *)}, {sizeof(uint32_t)}, {1}};

static void *table_at(int table) {
    switch (table) {
    case 0: return heap.marks;
    case 1: return heap.page_span;
    case 2: return heap.page_layout;
    default: return heap.page_dirty;
    }
}

/* The mark bytes of the first 4 MiB of heap lie in small pages, so that a small program stays small, all others in huge
 * ones: marking reads them at random, and first use of a small page is dear. So the table begins this far before a huge
 * page. */
#define SMALL_MARKS (((OS_HUGE_PAGE + ((size_t)4 << 20)) >> PAGE_SHIFT) * (PAGE_BYTES / GRANULE_BYTES))

/* What is committed of a table for so much heap: whole steps. */
static size_t table_bytes(int table, size_t heap_bytes) {
    size_t bytes = (heap_bytes >> PAGE_SHIFT) * tables[table].page_bytes;
    if (table != 0)
        return (bytes + 65535) & ~(size_t)65535;
    return bytes <= SMALL_MARKS ? SMALL_MARKS
                                : SMALL_MARKS + ((bytes - SMALL_MARKS + OS_HUGE_PAGE - 1) & ~(OS_HUGE_PAGE - 1));
}

static size_t reserved_for_table(int table, size_t heap_bytes) {
    return table_bytes(table, heap_bytes) + (table == 0 ? OS_HUGE_PAGE : 0);
}

static bool reserve(size_t bytes, size_t tables_for) {
    void *at[5] = {os_reserve(bytes, OS_HUGE_PAGE), NULL, NULL, NULL, NULL};
    bool done = at[0] != NULL;
    for (int i = 0; i < 4 && done; i++) {
        at[i + 1] = os_reserve(reserved_for_table(i, tables_for), i == 0 ? OS_HUGE_PAGE : 0);
        done = at[i + 1] != NULL;
    }
    if (!done) {
        if (at[0])
            os_unreserve(at[0], bytes);
        for (int i = 0; i < 4; i++)
            if (at[i + 1])
                os_unreserve(at[i + 1], reserved_for_table(i, tables_for));
        return false;
    }
    heap.base = (uintptr_t)at[0];
    heap.marks = (uint8_t *)at[1] + OS_HUGE_PAGE - SMALL_MARKS;
    heap.page_span = at[2];
    heap.page_layout = at[3];
    heap.page_dirty = at[4];
    heap.reserved = bytes;
    heap.tables_for = tables_for;
    return true;
}

size_t heap_live_bytes(void) {
    size_t sum = 0;
    for (uint32_t i = 0, count = atomic_load(&heap.layout_count); i < count; i++) {
        const struct layout *layout = heap.layouts[i];
        sum += atomic_load(&layout->live.bytes);
        for (size_t j = 0; layout->counts_inside && j < layout->span_count; j++)
            sum += layout->spans[j] ? layout->spans[j]->pages << PAGE_SHIFT : 0;
    }
    return sum;
}

void heap_make(void) {
    /* Sixteen times what the machine has: address space costs nothing, and fragmentation then never ends a program that
     * memory would not. Where address space is limited, a quarter of it, extended as long as the range after it is
     * free. */
    size_t physical = os_physical_bytes();
    size_t wanted = (size_t)1 << 38;
    while (wanted < physical * 16 && wanted < (size_t)1 << 44)
        wanted *= 2;
    bool made = reserve(wanted, wanted);
    for (size_t bytes = wanted / 2; !made && bytes >= (size_t)16 << 20; bytes /= 2)
        made = bytes <= physical / 4 && reserve(bytes, bytes * 4);
    if (!made)
        os_fatal("runtime: out of memory: cannot reserve address space for the heap (is `ulimit -v` too small?)");
    atomic_store(&heap.live, MARK_A);
    atomic_store(&heap.born, MARK_NEW);
    atomic_store(&heap.cycle, 1);
    layouts_make();
}

/* The first write to a huge page takes 0.1 ms, a tenth of what it takes in small ones. But in a virtual machine whose host makes
 * memory when it is first used, and in small pages, it waits for as many of those: 4 ms, and longer than with small pages
 * altogether, since the system has some at hand that were in use not long ago. So the program comes to huge pages by itself only
 * with very large objects, where that is fast. For small ones a thread makes them ahead of it; where there is none, too. How
 * long it takes is known from the last one that was made; when that was slow it is tried again so many bytes later. */
#define SLOW_NS ((uint64_t)2000000)
#define TRIED_AGAIN ((size_t)64 << 20)
#define LEAST_HUGE ((size_t)32 << 20) /* many heaps are never larger */
#define LARGE ((size_t)16 << 20)      /* to come to the whole object takes longer than one page, however it is made */
static _Atomic size_t next_try;

/* Some memory is at hand nearly always: it is made fast if so many of these pages were, one after the other. */
#define FAST_ONES 4
static _Atomic uint32_t fast_ones;

bool heap_tries_huge_pages(size_t offset) {
    return atomic_load(&heap.huge_pages) || offset >= atomic_load(&next_try);
}

void heap_try_huge_page(uintptr_t page) {
    os_want_huge_pages((void *)page, OS_HUGE_PAGE);
    heap_touch_huge_page(page);
}

bool heap_touch_huge_page(uintptr_t page) {
    uint64_t since = os_thread_cpu_ns();
    if (!pages_touch(page, page + 1))
        return false;
    bool fast = os_thread_cpu_ns() - since < SLOW_NS;
    atomic_store(&fast_ones, fast ? atomic_load(&fast_ones) + 1 : 0);
    atomic_store(&heap.huge_pages, fast && (atomic_load(&heap.huge_pages) || atomic_load(&fast_ones) >= FAST_ONES));
    if (!fast)
        atomic_store(&next_try, atomic_load(&heap.used) + TRIED_AGAIN);
    return true;
}

/* How the memory is to come by which the heap grows. */
static bool grows_by_huge_pages(size_t begin, size_t bytes) {
    bool looks_ahead = atomic_load(&heap.looks_ahead);
    if (bytes < LARGE && (looks_ahead || begin < LEAST_HUGE))
        return false;
    if (!looks_ahead && heap_tries_huge_pages(begin))
        heap_try_huge_page(heap.base + begin);
    return atomic_load(&heap.huge_pages);
}

bool heap_grow(size_t bytes, uintptr_t *from, size_t *got) {
    size_t used = atomic_load(&heap.used);
    if (used == 0 && bytes <= SIZE_MAX - HEAP_BEGIN)
        bytes += HEAP_BEGIN;
    size_t step = used / 16 > ((size_t)1 << 20) ? used / 16 : (size_t)1 << 20;
    if (step > (size_t)256 << 20)
        step = (size_t)256 << 20;
    if (step < bytes)
        step = bytes;
    step = (step + OS_HUGE_PAGE - 1) & ~(OS_HUGE_PAGE - 1);
    if (step < bytes) /* overflow */
        return false;
    if (step > heap.reserved - used) {
        size_t more = step - (heap.reserved - used);
        if (more > heap.tables_for - heap.reserved || !os_extend((void *)(heap.base + heap.reserved), more))
            return false;
        heap.reserved += more;
    }
    for (int i = 0; i < 4; i++) {
        size_t end = table_bytes(i, used + step);
        if (end > heap.tables_used[i]) {
            char *table = (char *)table_at(i) + heap.tables_used[i];
            if (!os_commit(table, end - heap.tables_used[i]))
                return false;
            if (i == 0 && end > SMALL_MARKS && atomic_load(&heap.huge_pages) && !atomic_load(&heap.looks_ahead))
                os_want_huge_pages(table, end - heap.tables_used[i]);
            heap.tables_used[i] = end;
        }
    }
    size_t end = used + step, begin = used > HEAP_BEGIN ? used : HEAP_BEGIN;
    if (!os_commit((void *)(heap.base + begin), end - begin))
        return false;
    bool huge = begin >= OS_HUGE_PAGE && grows_by_huge_pages(begin, bytes);
    (huge ? os_want_huge_pages : os_want_small_pages)((void *)(heap.base + begin), end - begin);
    if (heap.watched && !os_watch_add(heap.base + begin, end - begin))
        __atomic_store_n(&heap.watched, false, __ATOMIC_RELAXED);
    *from = heap.base + begin;
    *got = end - begin;
    atomic_store(&heap.used, end);
    return true;
}

size_t heap_object_bytes(const struct span *span) {
    return span->object_bytes;
}

/* A slot that a thread has set aside and not handed out. The thread moves run->cur meanwhile, and takes the next run,
 * of this span or another, or ends, when its runs wait for another thread. An object that was handed out, which is what
 * callers ask for, must never be taken for set aside. It lies before `cur` in each run that this span gives; so what
 * matters is that `end` and `cur` are of one run. Within a span, run_changes tells; if it says that they may not be,
 * the answer is no. A run that has gone on to another span may leave an old end with a new cur, which is outside this
 * span, but not a new end with an old cur: `end` is written last and read first. */
__attribute__((no_sanitize("thread"))) static bool set_aside(const struct span *span, uintptr_t object) {
    uint32_t changes = atomic_load(&span->run_changes);
    const bw__run *run = atomic_load(&span->run);
    if (run == NULL)
        return false;
    uintptr_t end = (uintptr_t)__atomic_load_n(&run->end, __ATOMIC_ACQUIRE);
    uintptr_t cur = (uintptr_t)__atomic_load_n(&run->cur, __ATOMIC_ACQUIRE);
    return cur >= span->base && object >= cur && object < end && end <= span->base + (span->pages << PAGE_SHIFT) &&
           changes % 2 == 0 && atomic_load(&span->run_changes) == changes;
}

/* What heap_object_of asks a span. The address may be one in nobody's object: then its span can end or become another's
 * meanwhile, and any answer is as good. Records are never unmapped, and each field is read once. */
__attribute__((no_sanitize("thread"))) static void look_at(struct span *seen, const volatile struct span *span) {
    seen->state = span->state;
    seen->base = span->base;
    seen->object_bytes = span->object_bytes;
    seen->slots = span->slots;
    seen->reciprocal = span->reciprocal;
}

uintptr_t heap_object_of(const void *address, struct span **found) {
    if (!heap_contains(address))
        return 0;
    struct span *span = span_of_offset(heap_offset(address)), seen;
    if (span == NULL)
        return 0;
    look_at(&seen, span);
    if (seen.state == SPAN_FREE || seen.state == SPAN_QUARANTINE)
        return 0;
    uintptr_t object = seen.base;
    if (seen.state == SPAN_SMALL) {
        size_t index = slot_index(&seen, (uintptr_t)address);
        if (index >= seen.slots)
            return 0;
        object += index * seen.object_bytes;
    } else if ((uintptr_t)address - seen.base >= seen.object_bytes) {
        return 0;
    }
    uint8_t byte = mark_get(mark_byte(object));
    if (byte == MARK_NONE || byte == MARK_FREED)
        return 0;
    if (atomic_load(&span->swept) != atomic_load(&heap.cycle) && byte != atomic_load(&heap.live))
        return 0; /* dead, not swept yet */
    if (seen.state == SPAN_SMALL && set_aside(span, object))
        return 0;
    *found = span;
    return object;
}

const char *heap_describe(const void *address, char *text, size_t room) {
    struct span *span = NULL;
    uintptr_t at = (uintptr_t)address, object = heap_object_of(address, &span);
    os_stack stack = os_current_stack();
    if (object != 0 && (span->state == SPAN_ARENA))
        snprintf(text, room, "in an arena, whose objects end with it");
    else if (object == at)
        snprintf(text, room, "an object of %zu bytes", span->object_bytes);
    else if (object != 0)
        snprintf(text, room, "inside an object: %zu bytes into the one at %p of %zu bytes", at - object, (void *)object,
                 span->object_bytes);
    else if (at >= stack.lo && at < stack.hi)
        snprintf(text, room, "on this thread's stack");
    else if (!heap_contains(address))
        snprintf(text, room, "not in the Burrow heap");
    else if ((span = span_of_offset(heap_offset(address))) == NULL || span->state == SPAN_FREE)
        snprintf(text, room, "in a free part of the heap: freed already, or never allocated");
    else if (span->state == SPAN_QUARANTINE)
        snprintf(text, room, "in an arena that was freed");
    else
        snprintf(text, room, "a free slot: freed already, or never allocated");
    return text;
}

/* Heapsort: libc's sort asks malloc for memory, which a stopped thread may be in. */
void heap_put_in_order(void **items, size_t count, uintptr_t (*key)(const void *)) {
    for (size_t begin = count / 2, end = count; end > 1;) {
        void *item;
        if (begin > 0) {
            item = items[--begin];
        } else {
            item = items[--end];
            items[end] = items[0];
        }
        size_t at = begin, child;
        while ((child = 2 * at + 1) < end) {
            if (child + 1 < end && key(items[child + 1]) > key(items[child]))
                child++;
            if (key(item) >= key(items[child]))
                break;
            items[at] = items[child];
            at = child;
        }
        items[at] = item;
    }
}
