/* trace.c - the line for each collection, in the format of Go's GODEBUG=gctrace=1; and one for each compaction.
 *
 * gc # @#s #%: #+#+# ms clock, #+#/#/#+# ms cpu, #->#-># MB, # MB goal, # MB stacks, #MB globals, # P
 *
 * The clock times are Go's three phases: stopping for sweep termination, marking, stopping for mark termination. With
 * the world stopped for all of it the first is the time until every thread had stopped, the second is the marking, the
 * third what follows it; the processor times are the same with the markers' added; by assists is what threads of the
 * program marked; none of it is in idle time.
 *
 * Beside the program, the first is what the world was stopped for until the last stop, the third that stop; and a line
 * follows with how often written pages were searched, in rounds, how many pages that was, in how many slices the world
 * was stopped for it, and the two stops at the beginning and the end:
 *
 * beside # (minor): # rounds, #+# pages searched again, # slices # ms, longest # ms; stops #+# ms
 *
 * Or, if it was marked in a copy of the process, how long making that took (it is part of the first stop), the copy's
 * processor time, and how long bringing back what it found:
 *
 * snapshot #: # ms clone, # ms cpu marking, # ms merging; stops #+# ms
 *
 * Go does not compact; so the last line is in that one's style, with words for what Go has no place for:
 *
 * compact # @#s: # objects # MB moved, # objects # MB pinned (# stacks, # globals, # memory, # asked),
 *     # MB emptied, # MB released, #+#+#+#+# ms mark+pin+plan+update+move, # ms pause
 */
#include "observe.h"

static double ms(uint64_t ns) {
    return (double)ns / 1e6;
}

/* Once each: where it is marked, and why there; each time that it was to be otherwise. */
static void tell_mode(const struct cycle_phases *p) {
    static bool told_watch, told_snapshot, told_refused;
    if (p->failed)
        os_print(2, "mark: the world was stopped: %s\n", p->failed);
    if (p->rounds && !told_watch)
        os_print(2, "mark: beside the program, whose writes to pages userfaultfd and PAGEMAP_SCAN tell\n");
    if (p->snapshot && !told_snapshot)
        os_print(2, "mark: beside the program, in a copy of the process: %s\n",
                 beside_refuses() ? beside_refused() : "asked for");
    told_watch = told_watch || p->rounds;
    told_snapshot = told_snapshot || p->snapshot;
    if (p->rounds || p->snapshot || told_refused)
        return;
    const char *refused = knobs.mark == MARK_SNAPSHOT ? snapshot_refused() : beside_refuses() ? beside_refused() : NULL;
    const char *also = refused && knobs.mark == MARK_AUTO ? snapshot_refused() : NULL;
    if (refused)
        os_print(2, "mark: the world is stopped: %s%s%s\n", refused, also ? "; " : "", also ? also : "");
    told_refused = refused != NULL;
}

void trace_cycle(const char *reason) {
    if (!knobs.trace)
        return;
    const struct cycle_phases *p = &figures.phases;
    uint64_t lived = os_now_ns() - os_start_ns();
    double share = lived ? 100.0 * (double)figures.processor_ns / ((double)lived * knobs_processors()) : 0;
    os_print(2,
             "gc %u @%.3fs %d%%: %.3f+%.3f+%.3f ms clock, %.3f+%.3f/%.3f/0+%.3f ms cpu, %zu->%zu->%zu MB, %zu MB goal, "
             "%zu MB stacks, %zu MB globals, %d P%s\n",
             figures.count, (double)lived / 1e9, (int)share, ms(p->stop), ms(p->mark), ms(p->finish), ms(p->stop),
             ms(mark_assists_ns()), ms(p->mark + mark_helpers_ns()), ms(p->finish), p->bytes_before >> 20,
             p->bytes_before >> 20, figures.marked_bytes >> 20, p->goal_before >> 20, p->stack_bytes >> 20,
             p->data_bytes >> 20, knobs_processors(), reason);
    if (p->rounds)
        os_print(
            2,
            "beside %u%s: %u rounds, %zu+%zu pages searched again, %u slices %.3f ms, longest %.3f ms; stops %.3f+%.3f "
            "ms\n",
            figures.count, p->minor ? " (minor)" : "", p->rounds, p->pages, p->last_pages, p->slices, ms(p->slices_ns),
            ms(p->longest_slice_ns), ms(p->stop - p->slices_ns), ms(p->finish));
    if (p->snapshot)
        os_print(2, "snapshot %u: %.3f ms clone, %.3f ms cpu marking, %.3f ms merging; stops %.3f+%.3f ms\n",
                 figures.count, ms(p->clone_ns), ms(p->snapshot_times.processor_ns), ms(p->snapshot_times.merge_ns),
                 ms(p->stop), ms(p->finish));
    tell_mode(p);
}

static double mb(uint64_t bytes) {
    return (double)bytes / (1 << 20);
}

void trace_compaction(const bw_compaction *c) {
    if (!knobs.trace)
        return;
    os_print(2,
             "compact %llu @%.3fs: %llu objects %.1f MB moved, %llu objects %.1f MB pinned (%llu stacks, %llu globals, "
             "%llu memory, %llu asked), %.1f MB emptied, %.1f MB released, %.3f+%.3f+%.3f+%.3f+%.3f ms "
             "mark+pin+plan+update+move, %.3f ms pause\n",
             (unsigned long long)c->count, (double)(os_now_ns() - os_start_ns()) / 1e9,
             (unsigned long long)c->moved_objects, mb(c->moved_bytes),
             (unsigned long long)(c->by_stack + c->by_data + c->by_memory + c->by_request), mb(c->pinned_bytes),
             (unsigned long long)c->by_stack, (unsigned long long)c->by_data, (unsigned long long)c->by_memory,
             (unsigned long long)c->by_request, mb(c->emptied_bytes), mb(c->released_bytes), ms(c->mark_ns),
             ms(c->pin_ns), ms(c->plan_ns), ms(c->update_ns), ms(c->move_ns), ms(c->pause_ns));
}
