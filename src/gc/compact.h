/* compact.h - floor 2: what the parts of compaction tell each other, and the collection them. */
#ifndef BURROW_GC_COMPACT_H
#define BURROW_GC_COMPACT_H

#include "gc.h"

enum pin_reason { PIN_STACK, PIN_DATA, PIN_HEAP, PIN_ASKED, PIN_REASONS };

struct segment {
    uint32_t first; /* number */
    uint32_t count;
    uintptr_t address;
};

struct unit {
    struct layout *layout;
    struct span **spans; /* by address */
    size_t span_count;
    size_t segment_room;
    struct segment *segments;
    size_t segment_count;
    uint64_t moved;      /* objects */
    size_t bytes, price; /* choose.c */
    bool chosen;
};

/* What a span's objects that can move become. */
struct forward {
    const struct unit *unit;
    size_t segment; /* the first one that an object of this span goes to */
    struct block {  /* of 64 slots */
        uint64_t can_move;
        uintptr_t to;    /* where the first object goes, if all go to one segment; else 0 */
        uint32_t before; /* its number */
    } blocks[];
};

/* The world is stopped, since `stopped_at`, marking is done, and the next sweep begun. If the collection does it by itself,
 * because the heap is fragmented, only what is worth it is compacted, and only so much as is done within
 * knobs.compact_pause; the rest next time. False: no memory for the tables; nothing is changed. */
bool compact_heap(const struct roots *roots, int markers, uint64_t stopped_at, bool by_itself);
void compact_tell(void);      /* the trace line of one that has not been told of; under the gc lock */
bool compact_took_news(void); /* has anything moved since this was last asked? */
/* Pages that may not be touched (poison=1) can be used again; before a collection, under the gc lock. */
void compact_allow(void);

/* Is the address in a slot of a span of which something moves? Which slot. */
static inline bool compact_slot(const struct span *span, uintptr_t address, size_t *slot) {
    return span != NULL && span->state == SPAN_SMALL && span->forward != NULL &&
           (*slot = slot_index(span, address)) < span->slots;
}
/* --- forward.c --- */
/* Where the object goes that an address is in, or is one of no object that moves: the address then. */
uintptr_t compact_forward(uintptr_t address);
/* Changes all references to what will move that are known to be such, in the objects of these spans. */
void forward_references(struct span **spans, size_t count, int markers);

/* --- pin.c --- */
/* Sets MARK_PINNED in the mark bytes of all objects of movable layouts that a word refers to which may be something
 * else; `spans`: all that have objects with references. */
struct pinned {
    uint64_t objects[PIN_REASONS], bytes; /* of movable layouts, by the first reason that was found */
};
void pin_all(const struct roots *roots, struct span **spans, size_t count, int markers, struct pinned *pinned);

/* --- choose.c --- */
/* Is the heap so fragmented, and a collection to compact by itself? Everything is swept; under the gc lock. */
bool compact_is_due(void);
static inline bool compact_moves(const struct layout *layout) {
    return layout->movable && layout->slot_bytes != 0;
}
/* Sets `chosen` of those units that are worth it, as many as can be done in the time; `spans`: in so many there are
 * references. */
void compact_choose(struct unit **units, size_t count, size_t spans, int64_t pause);
/* Of how long it took; NULL: nothing could be done in the time. */
void compact_learn(const bw_compaction *compaction, size_t spans);

#endif
