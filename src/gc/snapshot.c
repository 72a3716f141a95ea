/* snapshot.c - marking in a copy of the process, where the system does not tell which pages are written.
 *
 * In the first stop the process is copied, by a raw clone: the kernel copies the page tables, and from then on a page when
 * one of the two writes to it. The copy marks, alone, what was reachable at that moment, through weak maps as well, and hands
 * back a bit for each object, in memory that both have in common. The collector gives those objects the live byte while the
 * program runs; then comes the last stop.
 *
 * What was not reachable then is not now, since a program has no references but those that it finds: with one exception,
 * weak pointers. So an object that a weak pointer gives the program while the copy is at work is asked for, by its bit, and
 * the copy marks it as well, with all that it referred to at that moment (docs/concurrent-marking.md).
 *
 * The two agree by `asked` on when it is too late for that: even, it changes with each object asked for, and is odd while
 * one is; the copy makes it CLOSED if it has not changed since it looked for such bits. */
#include "gc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CLOSED UINT64_MAX

/* In the memory that both have. */
struct report {
    _Atomic uint64_t asked;
    _Atomic uint32_t done; /* everything below is written */
    size_t searched, taken, stack_bytes;
    uint64_t processor_ns;
    _Atomic uint64_t bits[]; /* one for each granule */
};

static struct {
    struct report *report;
    size_t bytes, granules;
    pid_t child;
    uint64_t clone_ns;
    os_lock asking;
} snapshot;
_Atomic bool snapshot_is_marking;

/* --- in the copy --- */

/* What weak pointers have given the program since. What is no object here was made since. */
static void push_asked(const struct report *report, size_t granules) {
    for (size_t at = HEAP_BEGIN >> GRANULE_SHIFT; at < granules; at += 64)
        for (uint64_t bits = atomic_load(&report->bits[at / 64]); bits; bits &= bits - 1) {
            uintptr_t object = heap.base + ((at + (size_t)__builtin_ctzl(bits)) << GRANULE_SHIFT);
            mark_push_words((uintptr_t)&object, (uintptr_t)(&object + 1));
        }
}

/* The value when nobody is in the middle of asking. */
static uint64_t asked_for(struct report *report) {
    uint64_t asked;
    while ((asked = atomic_load(&report->asked)) % 2 != 0)
        os_yield();
    return asked;
}

/* Each mark byte has one bit set at most; the live one's of eight bytes, put side by side. */
static uint64_t eight_bits(const uint8_t *bytes, unsigned shift) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return (word >> shift & 0x0101010101010101) * 0x0102040810204080 >> 56;
}

static void write_bits(struct report *report, size_t granules) {
    unsigned shift = (unsigned)__builtin_ctz(mark_live);
    for (size_t at = HEAP_BEGIN >> GRANULE_SHIFT; at < granules; at += 64) {
        uint64_t bits = 0;
        for (unsigned i = 0; i < 64; i += 8)
            bits |= eight_bits(&heap.marks[at + i], shift) << i;
        if (bits)
            atomic_store_explicit(&report->bits[at / 64], bits, memory_order_relaxed);
    }
}

static void mark_snapshot(void *unused) {
    (void)unused;
    struct report *report = snapshot.report;
    mark_forget_helpers();
    report->stack_bytes = roots_push_stacks();
    weak_maps_begin_mark();
    uint64_t asked;
    do {
        asked = asked_for(report);
        if (asked != 0)
            push_asked(report, snapshot.granules);
        cycle_mark_reached();
    } while (!atomic_compare_exchange_strong(&report->asked, &asked, CLOSED));
    write_bits(report, snapshot.granules);
    report->searched = mark_bytes_searched();
    report->taken = mark_bytes_taken();
    report->processor_ns = os_thread_cpu_ns();
    atomic_store(&report->done, 1);
    os_wake_shared(&report->done, 1);
}

/* --- in the program --- */

static const char *refused; /* by the system, for good */

const char *snapshot_refused(void) {
    return refused ? refused : os_clone_refused();
}

/* What the system forbids now it will forbid; of what it lacks it may have more next time. */
static const char *why_not(long error) {
    switch (error) {
    case EAGAIN: return "there may be no more processes";
    case ENOMEM: return "there is no memory for a copy of the process";
    default: break;
    }
    static char text[64];
    snprintf(text, sizeof text, "clone is refused (error %ld)", error);
    if (error == EPERM || error == ENOSYS || error == EACCES)
        refused = text;
    return text;
}

static void unmap(void) {
    os_unmap(snapshot.report, snapshot.bytes);
    snapshot.report = NULL;
}

bool snapshot_begin(void) {
    snapshot.granules = atomic_load(&heap.used) >> GRANULE_SHIFT; /* whole pages: a multiple of 64 */
    snapshot.bytes = sizeof(struct report) + snapshot.granules / 8;
    snapshot.report = os_map_shared(snapshot.bytes);
    if (snapshot.report == NULL) {
        figures.phases.failed = "there is no memory that a copy would have in common";
        return false;
    }
    uint64_t began = os_now_ns();
    long child = os_clone_start(mark_snapshot, NULL);
    snapshot.clone_ns = figures.phases.clone_ns = os_now_ns() - began;
    if (child < 0) {
        figures.phases.failed = why_not(-child);
        unmap();
        return false;
    }
    snapshot.child = (pid_t)child;
    mark_forget_pushed();
    atomic_store(&snapshot_is_marking, true);
    return true;
}

/* What was freed since stays so; what was made since has the live byte. */
static void give_live_byte(uint8_t *byte) {
    uint8_t was = mark_get(byte);
    while ((was & (MARK_A | MARK_B | MARK_NEW)) != 0 && was != mark_live &&
           !__atomic_compare_exchange_n(byte, &was, mark_live, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

static void merge(const struct report *report) {
    for (size_t at = HEAP_BEGIN >> GRANULE_SHIFT; at < snapshot.granules; at += 64)
        for (uint64_t bits = atomic_load_explicit(&report->bits[at / 64], memory_order_relaxed); bits; bits &= bits - 1)
            give_live_byte(&heap.marks[at + (size_t)__builtin_ctzl(bits)]);
}

/* Somebody may have stopped it, and it would never go on: it is ended when it has done nothing for so long, and so many
 * looks: signals wake the waiting thread, and the program may have been stopped, too. */
#define LOOK_NS ((int64_t)20000000)
#define IDLE_LOOKS 100
#define IDLE_NS ((uint64_t)2000000000)

/* The signal that ended it, or 0. */
static int wait_for_end(struct report *report) {
    int signal = 0, idle = 0;
    uint64_t used = 0, since = 0;
    while (atomic_load(&report->done) == 0) {
        os_wait_shared(&report->done, 0, LOOK_NS);
        if (os_clone_has_ended(snapshot.child, false, &signal))
            return signal;
        uint64_t before = used;
        used = os_clone_cpu_ns(snapshot.child);
        if (used == 0 || used != before) {
            idle = 0;
            since = os_now_ns();
        } else if (++idle >= IDLE_LOOKS && os_now_ns() - since >= IDLE_NS) {
            os_clone_kill(snapshot.child);
        }
    }
    os_clone_kill(snapshot.child); /* it has nothing left to do, and if somebody stopped it it would not even end */
    os_clone_has_ended(snapshot.child, true, &signal);
    return 0;
}

bool snapshot_take(struct snapshot_times *times) {
    *times = (struct snapshot_times){0};
    struct report *report = snapshot.report;
    int signal = wait_for_end(report);
    if (atomic_load(&report->done) == 0) {
        static char text[64];
        snprintf(text, sizeof text, "the copy of the process was ended (signal %d)", signal);
        figures.phases.failed = text;
        return false;
    }
    uint64_t began = os_now_ns();
    merge(report);
    mark_count(report->searched, report->taken);
    *times = (struct snapshot_times){report->processor_ns, os_now_ns() - began, report->stack_bytes};
    return true;
}

void snapshot_end(void) {
    if (snapshot.report == NULL)
        return;
    atomic_store(&snapshot_is_marking, false);
    unmap();
}

uint64_t snapshot_clone_ns(void) {
    return snapshot.clone_ns;
}

bool snapshot_keep(uintptr_t object) {
    struct report *report = snapshot.report;
    size_t granule = (object - heap.base) >> GRANULE_SHIFT;
    if (granule >= snapshot.granules || mark_get(mark_byte(object)) == mark_live)
        return true; /* it was made since, or is known to have been reachable */
    _Atomic uint64_t *word = &report->bits[granule / 64];
    uint64_t bit = (uint64_t)1 << (granule % 64);
    bool kept = atomic_load(word) & bit;
    if (kept)
        return true;
    os_lock_acquire(&snapshot.asking);
    uint64_t asked = atomic_load(&report->asked);
    /* Only the copy changes it besides, and only to CLOSED. */
    kept = asked != CLOSED && atomic_compare_exchange_strong(&report->asked, &asked, asked + 1);
    if (kept) {
        atomic_fetch_or(word, bit);
        atomic_store(&report->asked, asked + 2);
    }
    os_lock_release(&snapshot.asking);
    return kept;
}
