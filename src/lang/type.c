/* type.c - types at run time: from what the macros of type.h leave behind to one bw_type for each type.
 *
 * A site (struct bw__type_site) is resolved at its first use. What the compiler could tell of the type is in it: its
 * size, whether its words can be pointers, and for basic types which one. The rest is read from the type's name as the
 * program wrote it: a star is a pointer, brackets an array, a word a description that is looked for among those of the
 * same executable or shared object, and taken only if it was written in the same translation unit, since two units may
 * have different types of one name. Equal descriptions, as a header included by many units makes them, are one type;
 * and types that are made of the same types are one: so two types are equal if their addresses are.
 *
 * Every type lives as long as the process. The table is guarded by types_lock, which is held while a type is made; a
 * type that somebody has a pointer to does not change any more, except for its layouts (typed.c).
 */
#include "lang.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

os_lock types_lock;
static struct type_info *buckets[512];

/* --- memory for what is never freed --- */

void *type_memory(size_t bytes) {
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

/* --- the basic types --- */

static struct type_info basic_infos[BW_KIND_BASIC];
#define BASIC(kind_, name_, T)                                                                                         \
    [kind_] = {.name = name_, .size = sizeof(T), .align = _Alignof(T), .kind = kind_, .bw__info = &basic_infos[kind_]}
const bw_type bw__basic[BW_KIND_BASIC] = {
    [BW_KIND_OPAQUE] = {.name = "opaque", .align = 1, .bw__info = &basic_infos[BW_KIND_OPAQUE]},
    BASIC(BW_KIND_BOOL, "bool", bool),
    BASIC(BW_KIND_CHAR, "char", char),
    BASIC(BW_KIND_INT8, "int8", int8_t),
    BASIC(BW_KIND_INT16, "int16", int16_t),
    BASIC(BW_KIND_INT, "int", int),
    BASIC(BW_KIND_INT64, "int64", int64_t),
    BASIC(BW_KIND_UINT8, "uint8", uint8_t),
    BASIC(BW_KIND_UINT16, "uint16", uint16_t),
    BASIC(BW_KIND_UINT, "uint", unsigned),
    BASIC(BW_KIND_UINT64, "uint64", uint64_t),
    BASIC(BW_KIND_FLOAT32, "float32", float),
    BASIC(BW_KIND_FLOAT64, "float64", double),
    BASIC(BW_KIND_STRING, "string", bw_string),
    BASIC(BW_KIND_CSTRING, "*char", char *),
    BASIC(BW_KIND_ANY, "interface {}", bw_any),
    BASIC(BW_KIND_ERROR, "error", bw_error),
    BASIC(BW_KIND_POINTER, "unsafe.Pointer", void *),
};

/* --- the table --- */

static size_t bucket_of(const char *name) {
    size_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return (hash ^ hash >> 9) % (sizeof buckets / sizeof buckets[0]);
}

static char *copy_text(const char *text, size_t length) {
    char *copy = type_memory(length + 1);
    memcpy(copy, text, length);
    return copy;
}

static struct type_info *new_type(const char *name, size_t length, size_t size, uint32_t align, enum bw_kind kind) {
    struct type_info *info = type_memory(sizeof *info);
    info->type =
        (bw_type){.name = copy_text(name, length), .size = size, .align = align, .kind = kind, .bw__info = info};
    info->self = &info->type;
    struct type_info **bucket = &buckets[bucket_of(info->type.name)];
    info->next = *bucket;
    *bucket = info;
    return info;
}

static const bw_type *find_type(const char *name, enum bw_kind kind, const bw_type *key, const bw_type *element,
                                size_t count) {
    for (struct type_info *info = buckets[bucket_of(name)]; info; info = info->next)
        if (info->type.kind == kind && info->type.key == key && info->type.element == element &&
            info->type.count == count && strcmp(info->type.name, name) == 0)
            return &info->type;
    return NULL;
}

/* A type made of others, by a name that is made of theirs. */
static const bw_type *composed(enum bw_kind kind, const bw_type *key, const bw_type *element, size_t count, size_t size,
                               uint32_t align, const char *format, ...) __attribute__((format(printf, 7, 8)));
static const bw_type *composed(enum bw_kind kind, const bw_type *key, const bw_type *element, size_t count, size_t size,
                               uint32_t align, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *name = type_memory((size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(name, (size_t)length + 1, format, arguments);
    va_end(arguments);
    const bw_type *found = find_type(name, kind, key, element, count);
    if (found)
        return found;
    struct type_info *info = new_type(name, (size_t)length, size, align, kind);
    info->type.key = key;
    info->type.element = element;
    info->type.count = count;
    type_map_words(info, BW_FIELD_AMBIGUOUS);
    return &info->type;
}

static const bw_type *pointer_to(const bw_type *element) {
    if (element->kind == BW_KIND_CHAR)
        return &bw__basic[BW_KIND_CSTRING];
    struct type_info *info = element->bw__info;
    if (info->pointer == NULL)
        info->pointer =
            composed(BW_KIND_POINTER, NULL, element, 0, sizeof(void *), _Alignof(void *), "*%s", element->name);
    return info->pointer;
}

static const bw_type *slice_of(const bw_type *element) {
    struct type_info *info = element->bw__info;
    if (info->slice == NULL)
        info->slice =
            composed(BW_KIND_SLICE, NULL, element, 0, sizeof(bw__slice), _Alignof(bw__slice), "[]%s", element->name);
    return info->slice;
}

/* --- types by name --- */

static const struct {
    const char *name;
    enum bw_kind kind;
} basic_names[] = {
    {"_Bool", BW_KIND_BOOL},
    {"bool", BW_KIND_BOOL},
    {"char", BW_KIND_CHAR},
    {"signed char", BW_KIND_INT8},
    {"unsigned char", BW_KIND_UINT8},
    {"int8_t", BW_KIND_INT8},
    {"uint8_t", BW_KIND_UINT8},
    {"short", BW_KIND_INT16},
    {"short int", BW_KIND_INT16},
    {"int16_t", BW_KIND_INT16},
    {"unsigned short", BW_KIND_UINT16},
    {"unsigned short int", BW_KIND_UINT16},
    {"uint16_t", BW_KIND_UINT16},
    {"int", BW_KIND_INT},
    {"signed", BW_KIND_INT},
    {"signed int", BW_KIND_INT},
    {"int32_t", BW_KIND_INT},
    {"bw_rune", BW_KIND_INT},
    {"unsigned", BW_KIND_UINT},
    {"unsigned int", BW_KIND_UINT},
    {"uint32_t", BW_KIND_UINT},
    {"long", BW_KIND_INT64},
    {"long int", BW_KIND_INT64},
    {"long long", BW_KIND_INT64},
    {"long long int", BW_KIND_INT64},
    {"int64_t", BW_KIND_INT64},
    {"ptrdiff_t", BW_KIND_INT64},
    {"ssize_t", BW_KIND_INT64},
    {"intptr_t", BW_KIND_INT64},
    {"unsigned long", BW_KIND_UINT64},
    {"unsigned long int", BW_KIND_UINT64},
    {"unsigned long long", BW_KIND_UINT64},
    {"unsigned long long int", BW_KIND_UINT64},
    {"uint64_t", BW_KIND_UINT64},
    {"size_t", BW_KIND_UINT64},
    {"uintptr_t", BW_KIND_UINT64},
    {"float", BW_KIND_FLOAT32},
    {"double", BW_KIND_FLOAT64},
    {"bw_string", BW_KIND_STRING},
    {"bw_any", BW_KIND_ANY},
    {"bw_error", BW_KIND_ERROR},
};

/* A stretch of a type's name. */
struct words {
    const char *at;
    size_t length;
};

static bool drop_prefix(struct words *name, const char *prefix) {
    size_t length = strlen(prefix);
    if (name->length < length || memcmp(name->at, prefix, length) != 0)
        return false;
    name->at += length;
    name->length -= length;
    return true;
}

static bool drop_suffix(struct words *name, const char *suffix) {
    size_t length = strlen(suffix);
    if (name->length <= length || memcmp(name->at + name->length - length, suffix, length) != 0)
        return false;
    name->length -= length;
    return true;
}

/* Spaces at its ends, and qualifiers, which change no type here. */
static struct words bare(struct words name) {
    while (drop_prefix(&name, " ") || drop_prefix(&name, "const ") || drop_prefix(&name, "volatile ")) {}
    while (drop_suffix(&name, " ") || drop_suffix(&name, " const") || drop_suffix(&name, "*const") ||
           drop_suffix(&name, " volatile") || drop_suffix(&name, " restrict"))
        if (name.at[name.length] == '*')
            name.length++;
    return name;
}

static bool is_word(const struct words *name, const char *text) {
    return strlen(text) == name->length && memcmp(name->at, text, name->length) == 0;
}

static const bw__description *find_description(struct words name, size_t size, const bw__unit_bounds *unit) {
    if (!drop_prefix(&name, "struct "))
        drop_prefix(&name, "union ");
    for (const bw__description **entry = unit->types; entry < unit->types_end; entry++)
        if (*entry && (*entry)->unit == unit && (size == 0 || (*entry)->size == size) && is_word(&name, (*entry)->name))
            return *entry;
    return NULL;
}

/* Interfaces of the library's own; those that the program does not link are not there. */
#pragma weak bw__type_bw_unwrapper
#pragma weak bw__type_bw_unwrapper_of_many
#pragma weak bw__type_bw_error_matcher
#pragma weak bw__type_bw_stringer
#pragma weak bw__type_bw_context
static const bw__description *find_shared(struct words name, size_t size) {
    const bw__description *const shared[] = {&bw__type_bw_unwrapper, &bw__type_bw_unwrapper_of_many,
                                             &bw__type_bw_error_matcher, &bw__type_bw_stringer, &bw__type_bw_context};
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (shared[i] && (size == 0 || size == shared[i]->size) && is_word(&name, shared[i]->name))
            return shared[i];
    drop_prefix(&name, "struct ");
    const bw__description *safe = safe_type(name.at, name.length);
    return safe && (size == 0 || size == safe->size) ? safe : NULL;
}

static const bw_type *described_type(const bw__description *description);

/* The elements of the slice type that carries the number. Two of one unit may have one, by their place in two headers;
 * then only their size can tell them apart, and if it cannot, nothing is known. */
static const bw__description *find_slice(const bw__type_site *site) {
    const bw__description *found = NULL;
    for (const bw__description **entry = site->unit->types; entry < site->unit->types_end; entry++)
        if (*entry && (*entry)->unit == site->unit && (*entry)->kind == BW_KIND_SLICE &&
            (*entry)->id == site->slice_id && (*entry)->fields[0].size == site->size &&
            (*entry)->fields[0].field_class == site->field_class) {
            if (found)
                return NULL;
            found = *entry;
        }
    return found;
}

/* What the name tells; NULL: nothing. Size 0: not known. */
static const bw_type *named_type(struct words name, size_t size, const bw__unit_bounds *unit) {
    name = bare(name);
    if (name.length == 0)
        return NULL;
    if (name.at[name.length - 1] == '*') {
        struct words target = {name.at, name.length - 1};
        const bw_type *element = named_type(target, 0, unit);
        if (element)
            return pointer_to(element);
        target = bare(target);
        if (is_word(&target, "void"))
            return &bw__basic[BW_KIND_POINTER];
        drop_prefix(&target, "struct ");
        return composed(BW_KIND_POINTER, NULL, NULL, 0, sizeof(void *), _Alignof(void *), "*%.*s", (int)target.length,
                        target.at);
    }
    for (size_t i = 0; i < sizeof basic_names / sizeof basic_names[0]; i++)
        if (is_word(&name, basic_names[i].name))
            return &bw__basic[basic_names[i].kind];
    const bw__description *description = find_description(name, size, unit);
    if (description)
        return described_type(description);
    description = find_shared(name, size);
    if (description)
        return described_type(description);
    struct words element = name;
    if (drop_prefix(&element, "struct bw_slice_") || drop_prefix(&element, "bw_slice_")) {
        const bw_type *of = named_type(element, 0, unit);
        return of ? slice_of(of) : NULL;
    }
    return NULL;
}

/* Bytes of which no more is known than their size, and whether pointers can be among them. */
static const bw_type *opaque_type(struct words name, size_t size, uint32_t align, uint32_t field_class) {
    drop_prefix(&name, "struct ");
    char *text = copy_text(name.at, name.length);
    for (struct type_info *info = buckets[bucket_of(text)]; info; info = info->next)
        if (info->type.kind == BW_KIND_OPAQUE && info->type.size == size && info->field_class == field_class &&
            strcmp(info->type.name, text) == 0)
            return &info->type;
    struct type_info *info = new_type(text, name.length, size, align, BW_KIND_OPAQUE);
    info->field_class = field_class;
    type_map_words(info, field_class);
    return &info->type;
}

struct part {
    const char *name; /* NULL: not known */
    size_t size;
    uint32_t align, field_class, code, element_size;
};

static const bw_type *part_type(const struct part *part, const bw__unit_bounds *unit) {
    struct words name = {part->name ? part->name : "", part->name ? strlen(part->name) : 0};
    if (part->element_size) {
        /* `int[4]`, `struct node *[3]`; of `int[4][2]` the elements are `int[2]`. */
        const char *bracket = memchr(name.at, '[', name.length);
        const char *close = bracket ? strchr(bracket, ']') : NULL;
        char *element_name = NULL;
        if (close) {
            element_name = type_memory(name.length + 1);
            snprintf(element_name, name.length + 1, "%.*s%s", (int)(bracket - name.at), name.at, close + 1);
        }
        struct part element = {element_name, part->element_size, part->align, part->field_class, part->code, 0};
        const bw_type *of = part_type(&element, unit);
        size_t count = part->size / part->element_size;
        return composed(BW_KIND_ARRAY, NULL, of, count, part->size, part->align, "[%zu]%s", count, of->name);
    }
    if (part->code != BW_KIND_OPAQUE)
        return &bw__basic[part->code];
    /* An array within an array, of which the compiler's word is only its size; not a pointer to one. */
    const char *bracket = part->field_class == BW_FIELD_POINTER || memchr(name.at, '(', name.length)
                              ? NULL
                              : memchr(name.at, '[', name.length);
    size_t count = bracket ? strtoul(bracket + 1, NULL, 0) : 0;
    if (count && part->size % count == 0) {
        struct part array = *part;
        array.element_size = (uint32_t)(part->size / count);
        return part_type(&array, unit);
    }
    const bw_type *type = memchr(name.at, '(', name.length) ? NULL : named_type(name, part->size, unit);
    if (type && type->size == part->size)
        return type;
    if (part->field_class == BW_FIELD_POINTER && part->size == sizeof(void *))
        return name.length == 0
                   ? &bw__basic[BW_KIND_POINTER]
                   : composed(BW_KIND_POINTER, NULL, NULL, 0, sizeof(void *), _Alignof(void *), "%s", name.at);
    if (name.length == 0)
        name = (struct words){"opaque", 6};
    return opaque_type(name, part->size, part->align, part->field_class);
}

/* --- types by description --- */

static const bw_type *field_type(const bw_field *field, const bw__unit_bounds *unit) {
    return part_type(&(struct part){field->type_name, field->size, field->align, field->field_class, field->code,
                                    field->element_size},
                     unit);
}

static bool same_field(const bw_field *x, const bw_field *y) {
    return x->offset == y->offset && x->size == y->size && x->field_class == y->field_class && x->code == y->code &&
           x->element_size == y->element_size && strcmp(x->name, y->name) == 0 &&
           strcmp(x->type_name ? x->type_name : "", y->type_name ? y->type_name : "") == 0;
}

/* Is the type that was made from a description also that of this one? Its fields' types must be the same, too, where
 * their values are within it: another unit may have another struct of that name. (Where pointers go to is not asked: it
 * changes nothing of what is searched, and may lead back here.) */
static bool same_type(const struct type_info *info, const bw__description *description, const bw__unit_bounds *unit) {
    const bw__description *known = info->described;
    if (known == description)
        return true;
    if (known->kind != description->kind || known->movable != description->movable ||
        known->size != description->size || known->field_count != description->field_count ||
        strcmp(known->name, description->name) != 0)
        return false;
    for (uint32_t i = 0; i < known->field_count; i++)
        if (!same_field(&known->fields[i], &description->fields[i]))
            return false;
    for (uint32_t i = 0; description->kind == BW_KIND_STRUCT && i < known->field_count; i++)
        if (description->fields[i].field_class == BW_FIELD_AMBIGUOUS &&
            (info->type.fields[i].type == NULL ||
             info->type.fields[i].type != field_type(&description->fields[i], unit)))
            return false;
    return true;
}

/* A description without a unit is the library's own, or was made by hand: its fields are basic types, or opaque. */
static const bw__unit_bounds nowhere;

/* Is it, or has it in it, what remembers its own address? */
static bool keeps_address(const struct type_info *info) {
    const bw_type *type = &info->type;
    if (info->keeps_address)
        return true;
    if (info->described && info->described->unit == NULL &&
        (strcmp(type->name, "bw_cond") == 0 || strcmp(type->name, "bw_pool") == 0))
        return true;
    if (type->kind == BW_KIND_ARRAY)
        return keeps_address(type->element->bw__info);
    for (uint32_t i = 0; type->kind == BW_KIND_STRUCT && i < type->field_count; i++)
        if (keeps_address(type->fields[i].type->bw__info))
            return true;
    return false;
}

static const bw_type *described_type(const bw__description *description) {
    const bw__unit_bounds *unit = description->unit ? description->unit : &nowhere;
    if (description->kind == BW_KIND_SLICE)
        return slice_of(field_type(&description->fields[0], unit));
    if (description->kind == BW_KIND_MAP) {
        const bw_type *key = field_type(&description->fields[0], unit);
        const bw_type *value = field_type(&description->fields[1], unit);
        return composed(BW_KIND_MAP, key, value, 0, sizeof(void *), _Alignof(void *), "map[%s]%s", key->name,
                        value->name);
    }
    for (struct type_info *info = buckets[bucket_of(description->name)]; info; info = info->next)
        if (info->described && same_type(info, description, unit))
            return &info->type;
    struct type_info *info = new_type(description->name, strlen(description->name), description->size,
                                      (uint32_t)description->align, description->kind);
    info->described = description; /* before its fields, which may point to it */
    info->type.field_count = description->field_count;
    if (description->kind == BW_KIND_STRUCT) {
        bw_type_field *fields = type_memory(description->field_count * sizeof *fields);
        info->type.fields = fields;
        for (uint32_t i = 0; i < description->field_count; i++) {
            const bw_field *field = &description->fields[i];
            fields[i] = (bw_type_field){field->name, field_type(field, unit), field->offset};
        }
        info->safe = safe_of_struct(info);
        info->keeps_address = keeps_address(info);
        info->movable = description->movable && !info->keeps_address;
    }
    type_map_words(info, BW_FIELD_AMBIGUOUS);
    return &info->type;
}

/* --- what others ask for; INSIDE --- */

static void make_basic_types(void) {
    for (size_t kind = 0; kind < BW_KIND_BASIC; kind++) {
        basic_infos[kind].type = bw__basic[kind];
        basic_infos[kind].self = &bw__basic[kind];
        type_map_words(&basic_infos[kind], kind == BW_KIND_OPAQUE ? BW_FIELD_SCALAR : BW_FIELD_AMBIGUOUS);
    }
}

_Atomic bool types_made;

void types_lock_acquire(void) {
    os_lock_acquire(&types_lock);
    if (!atomic_load_explicit(&types_made, memory_order_relaxed)) {
        make_basic_types();
        atomic_store_explicit(&types_made, true, memory_order_release);
    }
}

void types_lock_release(void) {
    os_lock_release(&types_lock);
}

const bw_type *type_at_site(bw__type_site *site) {
    const bw_type *type = __atomic_load_n(&site->type, __ATOMIC_ACQUIRE);
    if (type)
        return type;
    types_lock_acquire();
    const bw__description *slice = site->slice_id ? find_slice(site) : NULL;
    type = slice ? described_type(slice)->element
                 : part_type(&(struct part){site->name, site->size, site->align, site->field_class, site->code,
                                            site->element_size},
                             site->unit);
    types_lock_release();
    interfaces_know(site->unit);
    __atomic_store_n(&site->type, type, __ATOMIC_RELEASE);
    return type;
}

const bw_type *type_by_description(const bw__description *description) {
    types_lock_acquire();
    const bw_type *type = described_type(description);
    types_lock_release();
    return type;
}

const bw_type *bw__resolve_type(bw__type_site *site) {
    struct thread *self = thread_enter();
    const bw_type *type = type_at_site(site);
    thread_leave(self);
    return type;
}

const bw_type *type_pointer_to(const bw_type *element) {
    struct thread *self = thread_enter();
    types_lock_acquire();
    const bw_type *type = pointer_to(element);
    types_lock_release();
    thread_leave(self);
    return type;
}

const bw_type *type_slice_of(const bw_type *element) {
    struct thread *self = thread_enter();
    types_lock_acquire();
    const bw_type *type = slice_of(element);
    types_lock_release();
    thread_leave(self);
    return type;
}
