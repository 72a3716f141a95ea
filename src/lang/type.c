/* type.c - from the places where a program names a type to the layouts of the heap.
 *
 * A site (struct bw__site) is resolved at its first use: the description is looked for by name among those of the same
 * executable or shared object, and taken only if it was written in the same translation unit, since two units may have
 * different types of one name. Equal descriptions, as a header included by many units makes them, share a type.
 */
#include "../gc/gc.h"

#include <stdio.h>
#include <string.h>

/* A type as the library knows it: its words, and the layouts of its objects so far. */
struct type_info {
    char *name;
    size_t size, align;
    const bw_type *described; /* NULL: none */
    uint32_t words;           /* up to the last that is searched */
    uint64_t *searched;       /* bit map of words that are searched */
    uint64_t *ambiguous;      /* of those, the ones that may be something else */
    bool pointers;
    struct layout *single;
    struct layout *arrays[BW__CLASSES]; /* [0]: large */
    struct type_info *next;
};

static os_lock types_lock;
static struct type_info *types;

static void *type_memory(size_t bytes) {
    static char *slab;
    static size_t left;
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > left) {
        size_t take = bytes > 65536 ? bytes : 65536;
        slab = os_map(take);
        if (slab == NULL)
            os_fatal("runtime: out of memory: cannot describe a type");
        atomic_fetch_add(&heap.span_records, take);
        left = take;
    }
    void *at = slab;
    slab += bytes;
    left -= bytes;
    return at;
}

/* --- descriptions --- */

static const char *bare_name(const char *name) {
    return strncmp(name, "struct ", 7) == 0 ? name + 7 : name;
}

static const bw_type *find_description(const bw__site *site) {
    const char *name = bare_name(site->name);
    for (const bw_type **entry = site->first; entry < site->last; entry++)
        if (*entry && (*entry)->unit == site->unit && (*entry)->size == site->size && strcmp((*entry)->name, name) == 0)
            return *entry;
    return NULL;
}

static bool same_description(const bw_type *a, const bw_type *b) {
    if (a == b)
        return true;
    if (a == NULL || b == NULL || a->size != b->size || a->field_count != b->field_count ||
        strcmp(a->name, b->name) != 0)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        const bw_field *x = &a->fields[i], *y = &b->fields[i];
        if (x->offset != y->offset || x->size != y->size || x->field_class != y->field_class ||
            strcmp(x->name, y->name) != 0)
            return false;
    }
    return true;
}

static void set_words(uint64_t *map, size_t lo, size_t hi) {
    for (size_t word = lo / 8; word < (hi + 7) / 8; word++)
        map[word / 64] |= (uint64_t)1 << (word % 64);
}

/* Bytes that no field covers may be fields that the description leaves out: they are searched, unless they are too few to
 * hold a pointer (padding). */
static void map_gap(struct type_info *type, size_t lo, size_t hi) {
    size_t first = (lo + 7) & ~(size_t)7, end = hi & ~(size_t)7;
    if (first < end) {
        set_words(type->searched, first, end);
        set_words(type->ambiguous, first, end);
    }
}

static void map_words(struct type_info *type) {
    size_t map_bytes = (type->size / 8 / 64 + 1) * sizeof(uint64_t);
    type->searched = type_memory(map_bytes);
    type->ambiguous = type_memory(map_bytes);
    size_t covered = 0;
    for (uint32_t i = 0; i < type->described->field_count; i++) {
        const bw_field *field = &type->described->fields[i];
        if ((size_t)field->offset + field->size > type->size)
            os_fatal("burrow: the description of %s puts its field %s beyond its end", type->name, field->name);
        if (field->offset > covered)
            map_gap(type, covered, field->offset);
        if (field->field_class != BW_FIELD_SCALAR && field->size >= 8)
            set_words(type->searched, field->offset, field->offset + field->size);
        if (field->field_class == BW_FIELD_AMBIGUOUS && field->size >= 8)
            set_words(type->ambiguous, field->offset, field->offset + field->size);
        if (field->offset + field->size > covered)
            covered = field->offset + field->size;
    }
    if (type->size > covered)
        map_gap(type, covered, type->size);
    for (uint32_t word = 0; word < type->size / 8; word++)
        if (type->searched[word / 64] >> (word % 64) & 1) {
            type->words = word + 1;
            type->pointers = true;
        }
}

static struct type_info *type_of(const bw__site *site, const bw_type *described) {
    for (struct type_info *type = types; type; type = type->next)
        if (type->size == site->size && (described ? type->described && same_description(type->described, described)
                                                   : !type->described && strcmp(type->name, site->name) == 0 &&
                                                         type->pointers == (site->field_class != BW_FIELD_SCALAR)))
            return type;
    struct type_info *type = type_memory(sizeof *type);
    type->name = type_memory(strlen(site->name) + 1);
    strcpy(type->name, described ? described->name : site->name);
    type->size = site->size;
    type->align = site->align;
    type->described = described;
    if (described) {
        map_words(type);
    } else {
        type->pointers = site->field_class != BW_FIELD_SCALAR && site->size >= 8;
        type->words = (uint32_t)(site->size / 8);
    }
    type->next = types;
    types = type;
    return type;
}

/* --- layouts --- */

static void fill_scan(struct layout *layout, const struct type_info *type, bool array) {
    layout->type = type;
    layout->name = type->name;
    if (!type->pointers) {
        layout->scan = SCAN_NONE;
    } else if (!type->described) {
        layout->scan = SCAN_WORDS;
    } else if (array) {
        layout->scan = type->size % 8 ? SCAN_WORDS : SCAN_REPEAT;
        layout->pointer_map = type->searched;
        layout->element_words = (uint32_t)(type->size / 8);
    } else {
        layout->scan = type->words <= 64 ? SCAN_BITS : SCAN_MAP;
        layout->pointer_map = type->searched;
        layout->element_words = type->words;
    }
}

static struct layout *made(const struct layout *like) {
    struct layout *layout = layout_new(like);
    if (layout == NULL)
        os_fatal("runtime: out of memory: cannot make a layout");
    return layout;
}

/* A type's single objects: exact size, not a class, since no other size is in their spans. */
static struct layout *single_layout(struct type_info *type) {
    if (type->single == NULL) {
        size_t bytes = type->size ? (type->size + GRANULE_BYTES - 1) & ~(GRANULE_BYTES - 1) : GRANULE_BYTES;
        struct layout like = {.kind = KIND_STRUCT};
        fill_scan(&like, type, false);
        if (bytes <= BW__MAX_SMALL) {
            like.slot_bytes = (uint32_t)bytes;
            like.spare = type->size < bytes;
        }
        type->single = made(&like);
    }
    return type->single;
}

/* Under types_lock; read without it, so that whoever sees the layout must see what is in it, too. */
static struct layout *array_layout(struct type_info *type, uint32_t size_class) {
    if (type->arrays[size_class] == NULL) {
        struct layout like = {.kind = KIND_SLICE, .by_make = true};
        fill_scan(&like, type, true);
        if (size_class != 0)
            like.slot_bytes = bw__class_bytes(size_class);
        __atomic_store_n(&type->arrays[size_class], made(&like), __ATOMIC_RELEASE);
    }
    return type->arrays[size_class];
}

static struct layout *layout_of_size(const struct layout *layout, size_t bytes) {
    if (layout->type == NULL || !layout->by_make)
        return NULL;
    os_lock_acquire(&types_lock);
    struct layout *found =
        array_layout((struct type_info *)layout->type, bytes > BW__MAX_SMALL ? 0 : bw__class_of(bytes));
    os_lock_release(&types_lock);
    return found;
}

/* site->layout holds the layout of single objects or, for an array's site, the type. */
static void resolve(bw__site *site) {
    os_lock_acquire(&types_lock);
    __atomic_store_n(&gc_hooks.layout_of_size, layout_of_size, __ATOMIC_RELEASE); /* read without the lock */
    if (__atomic_load_n(&site->layout, __ATOMIC_ACQUIRE) == NULL) {
        struct type_info *type = type_of(site, find_description(site));
        if (site->array) {
            __atomic_store_n(&site->layout, type, __ATOMIC_RELEASE);
        } else {
            struct layout *layout = single_layout(type);
            __atomic_store_n(&site->layout, layout, __ATOMIC_RELEASE);
            if (layout->slot_bytes && layout->number < RUN_SLOTS)
                __atomic_store_n(&site->offset, layout->number * (uint32_t)sizeof(bw__run), __ATOMIC_RELEASE);
        }
    }
    os_lock_release(&types_lock);
}

void *bw__new_slow(bw__site *site) {
    struct thread *self = thread_enter();
    if (__atomic_load_n(&site->layout, __ATOMIC_ACQUIRE) == NULL)
        resolve(site);
    struct layout *layout = __atomic_load_n(&site->layout, __ATOMIC_ACQUIRE);
    void *object = memory_allocate(self, layout, site->size);
    thread_leave(self);
    return object;
}

void *bw__new_array(bw__site *site, size_t count) {
    size_t bytes;
    if ((ptrdiff_t)count < 0 || __builtin_mul_overflow(count, site->size, &bytes) || bytes > (size_t)1 << 47)
        os_panic("runtime error: makeslice: len out of range");
    struct thread *self = thread_enter();
    if (__atomic_load_n(&site->layout, __ATOMIC_ACQUIRE) == NULL)
        resolve(site);
    struct type_info *type = __atomic_load_n(&site->layout, __ATOMIC_ACQUIRE);
    uint32_t size_class = bytes > BW__MAX_SMALL ? 0 : bw__class_of(bytes);
    struct layout *layout = __atomic_load_n(&type->arrays[size_class], __ATOMIC_ACQUIRE);
    if (layout == NULL) {
        os_lock_acquire(&types_lock);
        layout = array_layout(type, size_class);
        os_lock_release(&types_lock);
    }
    void *object = memory_allocate(self, layout, bytes);
    thread_leave(self);
    return object;
}

/* --- printing a layout --- */

static void print_padding(size_t lo, size_t hi) {
    if (hi > lo)
        printf("  %6zu %6zu  %-16s %s\n", lo, hi - lo, "-", hi - lo >= 8 ? "(not described: scanned)" : "(padding)");
}

static const char *field_kind(const bw_field *field) {
    if (field->size < 8 || field->field_class == BW_FIELD_SCALAR)
        return "";
    return field->field_class == BW_FIELD_POINTER ? "pointer" : "maybe pointers";
}

void bw__dump_layout(bw__site *site) {
    struct thread *self = thread_enter();
    os_lock_acquire(&types_lock);
    struct type_info *type = type_of(site, find_description(site));
    struct layout *layout = single_layout(type);
    os_lock_release(&types_lock);
    thread_leave(self);
    size_t slot = layout->slot_bytes ? layout->slot_bytes : (type->size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    size_t pointers = 0;
    for (size_t word = 0; type->described && word < type->size / 8; word++)
        pointers += type->searched[word / 64] >> (word % 64) & 1;
    if (!type->described)
        pointers = type->pointers ? type->words : 0;
    printf("%s: %zu bytes, align %zu, %zu of %zu words scanned (%s)\n", type->name, type->size, type->align, pointers,
           type->size / 8,
           !type->pointers    ? "holds no pointers"
           : !type->described ? "conservatively: no description"
                              : "by its description");
    size_t at = 0;
    if (type->described) {
        printf("  %6s %6s  %-16s %s\n", "offset", "size", "field", "type");
        for (uint32_t i = 0; i < type->described->field_count; i++) {
            const bw_field *field = &type->described->fields[i];
            print_padding(at, field->offset);
            printf("  %6u %6u  %-16s %s%s%s\n", field->offset, field->size, field->name,
                   field->type_name ? field->type_name : "", *field_kind(field) && field->type_name ? "  " : "",
                   field_kind(field));
            at = field->offset + field->size;
        }
        print_padding(at, type->size);
    }
    printf("  slot %zu bytes, %zu lost; %s\n", slot, slot - type->size,
           layout->slot_bytes ? "many to a span" : "a span of its own");
}
