/* stats.c - Go's MemStats. */
#include "observe.h"

#include <string.h>

/* Others take and give pages meanwhile, unless the world is stopped: what is part of something is never more than that. */
void memory_look(struct memory_figures *memory) {
    uint64_t held = atomic_load(&heap.dirty_free_pages) << PAGE_SHIFT;
    memory->used = heap_committed();
    memory->free = atomic_load(&heap.free_pages) << PAGE_SHIFT;
    if (memory->free > memory->used)
        memory->free = memory->used;
    memory->released = memory->free > held ? memory->free - held : 0;
    memory->marking = memory->used / GRANULE_BYTES + mark_memory();
    memory->records = atomic_load(&heap.span_records);
}

void bw_read_mem_stats(bw_mem_stats *stats) {
    struct thread *self = thread_enter();
    bw_ledger_t ledger;
    ledger_take(self, &ledger);
    memset(stats, 0, sizeof *stats);
    stats->alloc = stats->heap_alloc = ledger.layout.bytes;
    stats->total_alloc = ledger.alloc.bytes;
    stats->mallocs = ledger.alloc.objects;
    stats->frees = ledger.reclaim.objects;
    stats->heap_objects = ledger.layout.objects;
    struct memory_figures memory;
    memory_look(&memory);
    stats->heap_sys = memory.used;
    stats->heap_idle = memory.free;
    stats->heap_inuse = memory.used - memory.free;
    stats->heap_released = memory.released;
    stats->gc_sys = memory.marking;
    stats->other_sys = memory.records;
    stats->sys = stats->heap_sys + stats->gc_sys + stats->other_sys;
    stats->next_gc = pacer_goal();
    stats->last_gc = figures.count ? figures.pause_end[(figures.count + 255) % 256] : 0;
    stats->pause_total_ns = figures.pause_total;
    memcpy(stats->pause_ns, figures.pause, sizeof stats->pause_ns);
    memcpy(stats->pause_end, figures.pause_end, sizeof stats->pause_end);
    stats->num_gc = figures.count;
    stats->num_forced_gc = figures.forced;
    stats->gc_cpu_ns = figures.processor_ns;
    uint64_t lived = (os_now_ns() - os_start_ns()) * (uint64_t)knobs_processors();
    stats->gc_cpu_fraction = lived ? (double)figures.processor_ns / (double)lived : 0;
    stats->heap_marked = figures.marked_bytes;
    thread_leave(self);
}
