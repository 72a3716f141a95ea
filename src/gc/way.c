/* way.c - where marking goes on: with the world stopped, beside the program with its pages watched (beside.c), or in a copy
 * of the process (snapshot.c).
 *
 * Watching is taken where both can be had: no page tables are copied while the world is stopped, and what the program writes
 * to costs it a note, not a copy of the page. */
#include "gc.h"

/* For less than that no copy is made. */
#define SNAPSHOT_PAYS_NS ((uint64_t)20000000)

/* The program is stopped for much less than it would be without. */
static bool snapshot_pays(void) {
    uint64_t stopped = pacer_stopped_ns();
    return stopped >= SNAPSHOT_PAYS_NS && snapshot_clone_ns() < stopped / 2;
}

enum marking_way marking_way(void) {
    switch (knobs.mark) {
    case MARK_STOP: break;
    case MARK_WATCH: return beside_refuses() ? MARKS_STOPPED : MARKS_WATCHING;
    case MARK_SNAPSHOT: return snapshot_refused() ? MARKS_STOPPED : MARKS_SNAPSHOT;
    case MARK_AUTO:
        if (!pacer_beside_pays())
            break;
        if (!beside_refuses())
            return MARKS_WATCHING;
        if (snapshot_pays() && !snapshot_refused())
            return MARKS_SNAPSHOT;
        break;
    }
    return MARKS_STOPPED;
}

enum marking_way marking_way_tried(void) {
    enum marking_way way = marking_way();
    if (way == MARKS_WATCHING && !beside_works())
        way = marking_way();
    return way;
}
