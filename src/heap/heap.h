/* heap.h - floor 1: the heap's data structures.
 *
 * Words: a PAGE is 8 KiB. A SPAN is a run of pages that holds slots of one size and one LAYOUT, or one large object.
 * A SLOT is the room of one object. A GRANULE is 16 bytes: every slot begins on one and is a whole number of them.
 * A RUN is a stretch of free slots that one thread is handing out (struct bw__run of the public header).
 *
 * The heap is one reserved range, [heap.base, heap.base + heap.reserved), of which [0, heap.used) has been committed.
 * Beside it lie three tables, reserved for the whole range and committed as the heap grows:
 *
 *     heap.marks       one byte a granule
 *     heap.page_span   the span of each page, or NULL
 *     heap.page_layout the number of the layout of each page's span
 *
 * The MARK BYTE of the granule where an object begins is the object's state; every other granule's byte is 0:
 *
 *     0             no object begins here (a free slot, or the middle of one)
 *     MARK_NEW      allocated since the last collection
 *     heap.live     found alive by the last collection, or handed to a thread before it
 *     the other of MARK_A and MARK_B: allocated before the last collection and found dead; not swept yet
 *
 *     MARK_WATCHED  while marking:  not reached yet, the key of a weak map (weakmap.c)
 *     MARK_FREED    while marking beside the program: freed meanwhile
 *
 * so that one load tells whether an address is in the first granule of an object, and marking is one byte store without
 * an atomic instruction (two markers may mark the same object at once: both scan it, which is harmless). `heap.live`
 * changes between MARK_A and MARK_B at each full collection, so that nothing has to be cleared. Sweeping a span turns
 * dead bytes into 0. Every span is swept before the next collection starts, so that no third value is needed.
 *
 * A thread's run [cur, end) lies in slots whose bytes are not 0 already: they count as allocated, and the thread's
 * unused remainder is subtracted where an exact number is wanted (the ledger). A collection gives the remainder the
 * live byte, and scans it, because the compiler may have delayed the store to run->cur past the first stores into the
 * new object.
 *
 * Locks, in the order they may be taken: gc lock (floor 2) > thread list (floor 2) > specials > layout > pages > spans.
 */
#ifndef BURROW_HEAP_H
#define BURROW_HEAP_H

#include "../os/os.h"

#include <burrow.h>

#define PAGE_SHIFT 13
#define PAGE_BYTES ((size_t)1 << PAGE_SHIFT)
#define GRANULE_SHIFT 4
#define GRANULE_BYTES ((size_t)1 << GRANULE_SHIFT)
#define CHUNK_BYTES ((size_t)8192) /* zeroed and handed to a thread at once: fits the first-level cache */

/* A bit each, so that one test tells whether a byte is one of several. MARK_WATCHED occurs while marking only,
 * MARK_PINNED, added to the live byte, while compacting. */
enum mark_byte {
    MARK_NONE = 0,
    MARK_A = 1,
    MARK_B = 2,
    MARK_NEW = 4,
    MARK_WATCHED = 8,
    MARK_PINNED = 16,
    MARK_FREED = 32
};

/* How an object's words are searched for pointers. */
enum scan_kind {
    SCAN_NONE,   /* no pointers */
    SCAN_BITS,   /* `bits` says which of the first 64 words are pointers; the object has no others */
    SCAN_REPEAT, /* an array: the map repeats every `element_words` */
    SCAN_MAP,    /* one object of more than 64 words: `map` */
    SCAN_WORDS,  /* any word may be one */
};

/* What the marker needs to know of a layout, 16 bytes, indexed by layout number. */
struct scan {
    uint64_t bits;
    uint32_t slot_words; /* 0: a large object, ask the span */
    uint8_t kind;
    bool spare; /* of the layout */
};

enum ledger_kind { KIND_STRUCT, KIND_SLICE, KIND_MAP, KIND_CHANNEL, KIND_INTERFACE, KIND_COUNT };
enum ledger_safe { SAFE_NO, SAFE_SYNC, SAFE_ATOMIC, SAFE_ERROR };

struct amount {
    _Atomic uint64_t bytes, objects;
};

struct span;
struct type_info; /* floor 4's */

/* All spans of one size and one kind of contents. */
struct layout {
    uint32_t number;
    uint32_t slot_bytes; /* 0: large objects, a span each */
    uint32_t slots;      /* in a span */
    uint32_t span_pages;
    uint64_t reciprocal; /* of slot_bytes / 16, see slot_index */
    uint8_t scan;        /* enum scan_kind */
    uint8_t kind;        /* enum ledger_kind */
    uint8_t safe;        /* enum ledger_safe */
    bool by_make;        /* counted as make, not new */
    bool spare;          /* its objects end before their slots do: the next slot's address is one past none of them */
    bool movable;        /* a compaction may move its objects, if they are small */
    bool counts_inside;  /* the ledger counts what is in its spans, not the spans: arenas */
    const char *name;    /* of what is in it, for messages; NULL: untyped */
    uint32_t element_words;
    const uint64_t *pointer_map;   /* SCAN_REPEAT and SCAN_MAP: which words are pointers */
    const uint64_t *ambiguous_map; /* of those, the ones that may be something else; NULL: all */
    const uint64_t *any_map;       /* of those, second words of a bw_any, whose first says; NULL: none */
    const struct type_info *type;
    struct layout *large; /* the layout of the same contents for objects over 32 KiB; itself if it is that */

    os_lock lock;        /* of everything below but the atomics */
    struct span **spans; /* every span of this layout, some NULL */
    uint16_t *homes;     /* of each of them: whose cache has it (struct cache), since it handed out its slots last */
    size_t span_count, span_capacity;
    _Atomic size_t sweep_next; /* spans[sweep_next .. sweep_count) have not been taken for sweeping */
    _Atomic size_t sweep_count;
    size_t holes;                 /* NULLs in spans */
    struct span *_Atomic partial; /* swept spans with free slots that no thread owns */
    /* Swept spans without objects, kept for this layout until other pages are short. They stay in the array, so that
     * slots are handed out in the order of addresses, but a collection passes over them by their home, HOME_EMPTY. */
    _Atomic size_t empty_count;
    size_t empty_next; /* none has an index below this */

    /* The ledger: what was handed to threads, and what came back; live counts the same events separately. */
    struct amount handed, nil, zero, live;
};

/* Of an object of a layout with a pointer map: how many words the map tells of. */
static inline size_t layout_mapped_words(const struct layout *layout, size_t bytes) {
    size_t words = bytes / sizeof(void *);
    return layout->scan == SCAN_REPEAT || words < layout->element_words ? words : layout->element_words;
}

enum span_state { SPAN_FREE, SPAN_SMALL, SPAN_LARGE, SPAN_ARENA, SPAN_QUARANTINE };

struct __attribute__((aligned(64))) span { /* threads that own neighbours share no cache line */
    uintptr_t base;
    size_t pages;
    size_t object_bytes; /* of a slot; of a large object, what was asked for rounded up to pages */
    struct layout *layout;
    uint32_t slots;
    uint64_t reciprocal;
    _Atomic uint8_t state;        /* enum span_state */
    _Atomic bool needs_zero;      /* free slots may hold old data */
    _Atomic uint32_t partial_tag; /* the cycle in which it was put on the partial list; written under layout->lock */
    bool filled;                  /* SPAN_QUARANTINE: its pages could not be made inaccessible */
    _Atomic bool free_in_bin;     /* SPAN_FREE: in a bin; under the pages lock */
    _Atomic bool owned;           /* a thread hands out its slots */
    bw__run *_Atomic run;         /* the run that has unused slots in it, if any */
    _Atomic uint32_t run_changes; /* odd while a run is taken */
    _Atomic bool overflowed;      /* the mark stack had no room for an object of this span: scan it again */
    _Atomic uint32_t swept;       /* the number of the cycle after which it was swept; SWEEPING */
    _Atomic uint32_t allocated;   /* slots whose byte is not 0 */
    struct span *next;            /* partial list, free bin, pool of span records */
    union {
        struct span *previous;   /* SPAN_FREE: in its bin */
        struct forward *forward; /* SPAN_SMALL: while compacting (compact.c); NULL: nothing in it moves */
    };
    size_t index;     /* in layout->spans */
    bw_amount inside; /* an arena's first chunk: what was allocated in the arena */
};
#define SWEEPING UINT32_MAX

/* The heap's first object lies this far from its base, for two reasons: heap.base is a word of the library's static
 * data, and would keep an object there; and a program with few objects stays small if its heap begins with 256 KiB of
 * pages that the system cannot join. */
#define HEAP_BEGIN (OS_HUGE_PAGE - ((size_t)256 << 10))

struct heap {
    uintptr_t base;
    size_t reserved;     /* address space */
    size_t tables_for;   /* the tables are reserved for this many bytes of heap */
    _Atomic size_t used; /* committed, from the base up; below HEAP_BEGIN nothing is */
    uint8_t *marks;
    struct span *_Atomic *page_span; /* read by threads that do not hold the pages lock */
    uint32_t *page_layout;
    uint8_t *page_dirty; /* 1: the page may hold old data; 0: it reads as zero */
    struct scan *scans;  /* by layout number */
    struct layout **layouts;
    _Atomic uint32_t layout_count;
    _Atomic uint32_t live; /* MARK_A or MARK_B */
    /* The byte of what is handed out: MARK_NEW, and while marking goes on beside the program the one that will mean alive;
     * then no page becomes another span's, and no slot another object's that was freed since marking began. Changes while
     * the world is stopped. */
    _Atomic uint32_t born;
    /* Where spans of small objects were made last that lie higher than any before, rounded up to huge pages; how often that
     * grew; whether somebody wants to know. */
    _Atomic size_t ahead;
    _Atomic uint32_t ahead_asked;
    _Atomic bool looks_ahead;
    _Atomic bool huge_pages; /* they are made fast, as far as is known */
    bool watched;            /* pages are added to what the system watches as the heap grows; under the pages lock */
    _Atomic uint32_t cycle;  /* collections so far; a span is swept when span->swept == cycle */
    _Atomic size_t handed;   /* bytes handed to threads since the last collection */
    _Atomic size_t trigger;  /* a collection starts when `handed` passes this */
    _Atomic size_t free_pages, dirty_free_pages; /* written under the pages lock */
    size_t tables_used[4];                       /* committed bytes of each table, under the pages lock */
    _Atomic size_t empty_pages;                  /* of kept empty spans */
    _Atomic size_t span_records;                 /* bytes of bookkeeping */
    bool poison;
    uint32_t stress; /* a collection every so many refills; 0: none */
};
extern struct heap heap;

/* --- addresses --- */
static inline size_t heap_offset(const void *address) {
    return (uintptr_t)address - heap.base;
}
static inline size_t heap_committed(void) {
    size_t used = atomic_load(&heap.used);
    return used ? used - HEAP_BEGIN : 0;
}
static inline bool heap_contains(const void *address) {
    return heap_offset(address) < atomic_load_explicit(&heap.used, memory_order_relaxed);
}
/* What a span says of itself was written before it was put here. */
static inline struct span *span_of_offset(size_t offset) {
    return atomic_load_explicit(&heap.page_span[offset >> PAGE_SHIFT], memory_order_acquire);
}
/* n / d for n < 2^21 granules (32 MiB of span) and d = slot granules, by a multiplication: exact because
 * n * error < 2^32 / d there (Granlund and Montgomery, "Division by invariant integers using multiplication", 1994). */
static inline uint64_t reciprocal_of(uint32_t granules) {
    return (((uint64_t)1 << 32) + granules - 1) / granules;
}
static inline size_t slot_index(const struct span *span, uintptr_t address) {
    return (size_t)(((address - span->base) >> GRANULE_SHIFT) * span->reciprocal >> 32);
}
static inline uint8_t *mark_byte(uintptr_t address) {
    return &heap.marks[(address - heap.base) >> GRANULE_SHIFT];
}
static inline uint8_t mark_get(const uint8_t *byte) {
    return __atomic_load_n(byte, __ATOMIC_RELAXED);
}
/* Of functions that write many mark bytes at a time: a thread that asks about an object meanwhile reads its byte, which
 * is written again with the value that it has. */
#define RACES_WITH_READERS __attribute__((no_sanitize("thread")))
static inline void mark_set(uint8_t *byte, uint8_t value) {
    __atomic_store_n(byte, value, __ATOMIC_RELAXED);
}

static inline bool heap_is_marking(void) {
    return atomic_load_explicit(&heap.born, memory_order_relaxed) != MARK_NEW;
}

/* --- heap.c: making the heap, growing it --- */
void heap_make(void);
size_t heap_live_bytes(void); /* of all objects, as the ledger has them, and of arenas; the world is stopped */
/* Has the system make a huge page, which it was asked for; whether that is done fast is heap.huge_pages then. False: it may not
 * be touched. */
bool heap_touch_huge_page(uintptr_t page);
void heap_try_huge_page(uintptr_t page); /* asks for it, and touches it */
/* Whether it is, or may be by now: it was found out long ago, as the heap goes. */
bool heap_tries_huge_pages(size_t offset);
/* Commits what lies beyond heap.used, at least `bytes`; under the pages lock. False: out of memory. */
bool heap_grow(size_t bytes, uintptr_t *from, size_t *got);
/* Puts them into the order of their keys. It allocates nothing. */
void heap_put_in_order(void **items, size_t count, uintptr_t (*key)(const void *));
/* The object that holds this address, allocated and not swept away: its first byte, or 0. `span` gets its span. */
uintptr_t heap_object_of(const void *address, struct span **span);
size_t heap_object_bytes(const struct span *span);
const char *heap_describe(const void *address, char *text, size_t room); /* for messages: what is at this address */

/* --- pages.c: runs of pages, best fit, coalesced --- */
struct span *pages_allocate(size_t count, size_t align_pages); /* NULL: out of memory */
void pages_free(struct span *span); /* while marking: they stay what they are until pages_free_deferred */
bool pages_grow(void);              /* free pages at the end of the heap */
void pages_free_deferred(void);     /* the world is stopped */
bool pages_watch(void);             /* the system watches the heap from here on, also what it grows by; false: no */
bool pages_forbid(const struct span *span);   /* gives its memory back, and any access faults; */
bool pages_allow(const struct span *span);    /* until then */
bool pages_touch(uintptr_t lo, uintptr_t hi); /* has the system make them; false, and nothing: some are forbidden */
void pages_forked(void);                      /* in the child: whoever touched any is not here */
bool pages_dirty(uintptr_t base, size_t count);
void pages_mark_dirty(uintptr_t base, size_t count);
void pages_mark_clean(uintptr_t base, size_t count);
void pages_set_span(struct span *span, struct span *value, uint32_t layout);
/* Gives free pages back to the system until `keep` bytes are held; bytes released. `between` is called now and then, with
 * no lock held. */
size_t pages_release(size_t keep, void (*between)(void));
void pages_release_tables(void);    /* clean ones that are there; what the tables have of free pages */
void pages_release_records(void);   /* and free span records */
struct span *span_record_new(void); /* NULL */
void span_record_free(struct span *span);

/* --- layout.c --- */
void layouts_make(void);
const char *layout_name(const struct layout *layout);
/* A new layout. NULL: out of memory. */
struct layout *layout_new(const struct layout *like);
struct layout *
layout_untyped(uint32_t slot); /* of a fixed slot number (a family plus a class; the family itself: large) */
uint32_t layout_span_pages(size_t slot_bytes);

/* --- sweep.c --- */
/* Takes the span for sweeping if that was not done in this cycle, and sweeps it; true if the caller did it. Afterwards
 * the span is swept, whoever did it; it may have been freed by another thread, unless the caller owns it or an object
 * in it. What was dead is added to `reclaimed`, which the caller counts before it leaves the library: all threads write
 * the layout's figures, and may be busy sweeping. */
bool span_sweep(struct span *span, bw_amount *reclaimed);
void layout_count_reclaimed(struct layout *layout, bw_amount amount);
void span_free_empty(struct span *span);
bool layout_sweep_one(struct layout *layout, struct span **taken);
bool layout_add_span(struct layout *layout, struct span *span, uint16_t home); /* false: out of memory */
/* The partial list: swept spans with free slots that no thread owns. A collection empties every list by going on to the
 * next cycle: a span is on the list only if its tag says so for this one. */
void layout_offer(struct layout *layout, struct span *span);
/* `count` slots were freed: they count no more, and the span is offered, in one step, since once it counts none its
 * owner may end it. */
void layout_count_out(struct layout *layout, struct span *span, uint32_t count);
void span_disown(struct span *span);                     /* the owner is done with it */
struct span *layout_take_partial(struct layout *layout); /* NULL: there is none */
/* Some spans with free slots, swept and owned by the caller, linked by `next`: one visit to the lock for several. NULL:
 * none is left that could be had without new pages. Those at home with the caller come first: their memory and their
 * mark bytes are in its processor's cache, or at least in no other's. */
#define HOME_NOBODY 0 /* large objects; freed spans */
#define HOME_EMPTY UINT16_MAX
struct span_search { /* how far a thread has looked for spans of a layout at home with it */
    size_t next;
    uint32_t cycle; /* in which that is so */
};
struct span *layout_take_several(struct layout *layout, uint16_t home, struct span_search *search);
void layout_keep_empty(struct layout *layout, struct span *span);
void layout_leave_hole(struct layout *layout, size_t index); /* under the lock: the span there ends */
/* Gives back the memory of pages within the span that no object touches; bytes. Nobody hands out its slots meanwhile. */
size_t span_release_free_pages(const struct span *span);
/* The same for all spans that nobody owns. The sweep must be complete. */
size_t heap_release_within_spans(void);
bool heap_free_empty(void);   /* every kept empty span goes back to the pages; false: there was none */
void heap_pack_layouts(void); /* closes the holes in the span arrays; everything is swept */
void heap_begin_sweep(void);  /* the world is stopped, marking is done: a new cycle begins, every span is unswept */
void heap_sweep_some(bool (*go_on)(void)); /* all that is left, while go_on says so */
void heap_sweep_all(void);
/* Until no other thread has a span in hand that it sweeps or frees; the world runs. */
void heap_wait_settled(void);
void heap_settling(bool begins); /* the calling thread has */
void heap_sweep_large(void);

/* --- cache.c: a thread's runs --- */
struct run_private {
    struct span *span;
    struct span *spare; /* more spans that the thread owns, swept, with free slots */
    uint32_t position;  /* slots before this one have been examined */
    uint32_t handed;    /* objects given to the run that the layout's ledger does not count yet */
    struct span_search search;
};
#define RUN_SLOTS 4096u /* layouts that have a run in the array; others are found in `more` */
#define MORE_RUNS 1024u /* in a chunk of `more` */
struct extra_run {
    bw__run run;
    struct run_private private_part;
};
struct cache {
    struct cache *next;      /* of those that wait for a thread */
    struct extra_run **more; /* chunks: of layout RUN_SLOTS + i * MORE_RUNS + j */
    uint32_t more_chunks, more_room;
    uint32_t refills;              /* for stress */
    size_t unreported;             /* bytes handed out that heap.handed does not count yet */
    size_t report_at;              /* it is told when that many are */
    bool due;                      /* heap.handed passed heap.trigger when it was told */
    uint16_t home;                 /* a number for the thread; two may have the same */
    uint64_t used[RUN_SLOTS / 64]; /* which runs may be in use */
    __attribute__((aligned(4096))) bw__run runs[RUN_SLOTS];
    __attribute__((aligned(4096))) struct run_private private_runs[RUN_SLOTS];
};
struct cache *cache_make(void);         /* NULL: out of memory */
void cache_unmake(struct cache *cache); /* gives everything back: the thread ends */
/* Adds what the run was given to the layout's ledger: counting there at each refill would make threads wait for each
 * other's cache lines. */
void run_report(struct layout *layout, struct run_private *private_part);
/* The thread gives up the run's spans (not what is left of the run). */
void run_give_up_spans(struct run_private *private_part);
/* One object of a small layout. NULL: out of memory. */
void *cache_allocate(struct cache *cache, struct layout *layout);
/* Calls visit for each run of the cache that is not used up. */
void cache_each_run(struct cache *cache,
                    void (*visit)(void *context, struct layout *layout, bw__run *run, struct run_private *private_part),
                    void *context);

/* --- large.c: objects of over 32 KiB, a span each --- In three steps, so that the second can be done while the world
 * may be stopped: the span is nobody's until published. */
struct span *large_reserve(struct layout *layout, size_t bytes, size_t align); /* NULL: out of memory */
void large_zero(struct span *span);
void *large_publish(struct span *span);
bool large_free(struct span *span); /* false: it must stay, since its pages cannot be made accessible */

/* --- object.c --- */
/* Frees the object that begins at `object`, in this span. */
void object_free(struct span *span, uintptr_t object);
void object_free_deferred(void); /* those that were freed while marking; the world is stopped */

#endif
