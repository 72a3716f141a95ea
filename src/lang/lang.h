/* lang.h - floor 4's own: types at run time, values of any type, and what its files have for each other. */
#ifndef BURROW_LANG_H
#define BURROW_LANG_H

#include "../gc/gc.h"

#include <burrow/panic.h>

/* --- type.c --- */
/* What the library knows of a type beyond what is public. */
struct type_info {
    bw_type type;
    const bw_type *self;              /* its address to the program: &type, or one of bw__basic */
    const bw__description *described; /* structs and interfaces */
    uint32_t field_class;             /* of opaque types: can pointers be in it? */
    uint32_t words;                   /* up to the last that is searched */
    uint64_t *searched;               /* bit map of words that are searched */
    uint64_t *ambiguous;              /* of those, the ones that may be something else */
    uint64_t *anys;                   /* of those, the second words of a bw_any */
    bool pointers;
    bool movable, keeps_address;    /* of a struct: declared movable, and can be; something in it cannot */
    uint8_t safe;                   /* enum ledger_safe, of its single objects */
    const bw_type *pointer, *slice; /* made of it */
    struct layout *single, *boxed;
    struct layout *arrays[BW__CLASSES]; /* [0]: large */
    struct layout **rings;              /* of channels: as arrays; NULL: none yet */
    struct map_type *map;               /* map_table.c */
    const struct error_methods *errors; /* error.c */
    struct type_info *next;             /* in the table */
};
extern _Atomic bool types_made; /* the basic types have their records */
void types_lock_acquire(void);  /* INSIDE; after the locks of floor 2, before those of floor 1 */
void types_lock_release(void);
void *type_memory(size_t bytes);                                        /* zeroed, never freed; under the lock */
const bw_type *type_at_site(bw__type_site *site);                       /* INSIDE */
const bw_type *type_by_description(const bw__description *description); /* INSIDE */
const bw_type *type_pointer_to(const bw_type *element);
const bw_type *type_slice_of(const bw_type *element);

/* --- type_words.c --- */
/* Fills the maps of a type whose parts have theirs. `field_class`: of opaque bytes, whether pointers can be in them. */
void type_map_words(struct type_info *info, uint32_t field_class);

/* --- safe.c --- */
/* The description of a type of burrow/sync.h or burrow/atomic.h; NULL: it is none. */
const bw__description *safe_type(const char *name, size_t length);
enum ledger_safe safe_of_struct(const struct type_info *info); /* its fields are known */

/* --- typed.c --- */
#define TYPED_MAX_BYTES ((size_t)1 << 47)
/* Zeroed memory for a string's bytes: never searched, counted as a slice, by make. NULL for none. */
char *string_memory(size_t bytes);
void *typed_array(bw__site *site, size_t bytes);         /* an array's site; bytes are in range */
void *typed_ring(const bw_type *type, size_t bytes);     /* an array in a channel */
void *typed_memory(struct layout *layout, size_t bytes); /* an object of a layout of one's own */
void typed_free(void *object);                           /* at once; nobody has a pointer to it */
struct layout *typed_layout(const struct layout *like);  /* a new one; INSIDE */
struct layout *typed_single_layout(const bw_type *type); /* INSIDE */
/* The type of the object whose first byte is at the address: of a single object; NULL for anything else. */
const bw_type *type_of_object(const void *address);

/* --- value.c --- */
/* Are two values of the type equal, as Go's == has it? Panics if it cannot be compared. */
bool value_equal(const bw_type *type, const void *a, const void *b);
/* Equal values have equal hashes. Panics if it cannot be a key. */
uint64_t value_hash(const bw_type *type, const void *value, uint64_t seed);

/* --- map.c --- */
struct map_walk {
    uint64_t opaque[16];
    const void *key, *value;
};
void map_walk_begin(struct map_walk *walk, const void *map);
bool map_walk_next(struct map_walk *walk);

/* --- a call that is kept in the heap, with the words of its stack behind it --- */
/* Only what its arguments may be in: all registers are stored, and what was left in others would be kept alive with it;
 * of timers of which each finds there the one before it, all. */
static inline void call_keep(bw__call *to, const bw__call *call, size_t register_words) {
    __builtin_memcpy(to, call, sizeof *call + call->stack_words * sizeof(uintptr_t));
    for (size_t i = register_words; i < sizeof to->integer / sizeof *to->integer; i++)
        to->integer[i] = 0;
    for (size_t i = register_words; i < sizeof to->vector / sizeof *to->vector; i++)
        to->vector[i][0] = to->vector[i][1] = 0;
}

/* --- interface.c --- */
extern _Atomic uint32_t interface_sections; /* how many are known: a "no" holds while there are no more */
/* Do pointers to that described type implement bw_error? */
bool interface_is_error(const bw__description *description);
void interfaces_know(const bw__unit_bounds *unit); /* there may be implementations in it; INSIDE, no lock held */
/* The methods of `type` (a pointer type) for the interface; NULL: it does not implement it. */
const bw__table_head *interface_table(const bw_type *type, const bw__description *interface);

#endif
