/* type_words.c - which words of a type the collector searches, and which of those may be something else than pointers.
 *
 * A word that may hold a pointer is searched: what is not known to be none is taken for one. A type's map is made of those
 * of its parts, which are made first; it does not change afterwards.
 */
#include "lang.h"

static void set_words(uint64_t *map, size_t lo, size_t hi) {
    for (size_t word = lo / 8; word < (hi + 7) / 8; word++)
        map[word / 64] |= (uint64_t)1 << (word % 64);
}

static void search(struct type_info *in, size_t lo, size_t hi, bool ambiguous) {
    set_words(in->searched, lo, hi);
    if (ambiguous || lo % 8 != 0)
        set_words(in->ambiguous, lo, hi);
}

/* Adds the words of a value of `type` at `offset` to the map of the type that it is part of. Of opaque bytes only the
 * compiler's word is known: `field_class`, whose SCALAR holds for every type. */
static void map_value(struct type_info *in, size_t offset, const bw_type *type, size_t size, uint32_t field_class) {
    if (field_class == BW_FIELD_SCALAR || size < 8)
        return;
    switch (field_class == BW_FIELD_POINTER ? BW_KIND_POINTER : type->kind) {
    case BW_KIND_POINTER: search(in, offset, offset + size, false); return;
    case BW_KIND_STRING:
    case BW_KIND_CSTRING:
    case BW_KIND_SLICE:
    case BW_KIND_MAP: search(in, offset, offset + 8, false); return;
    /* The first word is constant data. */
    case BW_KIND_ANY:
        search(in, offset + 8, offset + 16, true);
        set_words(in->anys, offset + 8, offset + 16);
        return;
    case BW_KIND_ERROR:
    case BW_KIND_INTERFACE: search(in, offset + 8, offset + 16, false); return;
    case BW_KIND_ARRAY:
        for (size_t i = 0; i < type->count; i++)
            map_value(in, offset + i * type->element->size, type->element, type->element->size, BW_FIELD_AMBIGUOUS);
        return;
    case BW_KIND_STRUCT: {
        const struct type_info *inner = type->bw__info;
        for (size_t word = 0; word < type->size / 8; word++)
            if (inner->searched[word / 64] >> (word % 64) & 1) {
                search(in, offset + 8 * word, offset + 8 * word + 8, inner->ambiguous[word / 64] >> (word % 64) & 1);
                if (inner->anys[word / 64] >> (word % 64) & 1 && offset % 8 == 0)
                    set_words(in->anys, offset + 8 * word, offset + 8 * word + 8);
            }
        return;
    }
    case BW_KIND_OPAQUE: search(in, offset, offset + size, true); return;
    default: return;
    }
}

/* Bytes that no field covers may be fields that the description leaves out: they are searched, unless they are too few
 * to hold a pointer (padding). */
static void map_gap(struct type_info *type, size_t lo, size_t hi) {
    size_t first = (lo + 7) & ~(size_t)7, end = hi & ~(size_t)7;
    if (first < end)
        search(type, first, end, true);
}

static void map_fields(struct type_info *info) {
    size_t covered = 0;
    for (uint32_t i = 0; i < info->described->field_count; i++) {
        const bw_field *field = &info->described->fields[i];
        if ((size_t)field->offset + field->size > info->type.size)
            os_fatal("burrow: the description of %s puts its field %s beyond its end", info->type.name, field->name);
        if (field->offset > covered)
            map_gap(info, covered, field->offset);
        map_value(info, field->offset, info->type.fields[i].type, field->size, field->field_class);
        if (field->offset + field->size > covered)
            covered = field->offset + field->size;
    }
    if (info->type.size > covered)
        map_gap(info, covered, info->type.size);
}

void type_map_words(struct type_info *info, uint32_t field_class) {
    size_t map_bytes = (info->type.size / 8 / 64 + 1) * sizeof(uint64_t);
    info->searched = type_memory(3 * map_bytes);
    info->ambiguous = info->searched + map_bytes / sizeof(uint64_t);
    info->anys = info->ambiguous + map_bytes / sizeof(uint64_t);
    if (info->type.kind == BW_KIND_STRUCT)
        map_fields(info);
    else
        map_value(info, 0, &info->type, info->type.size, field_class);
    for (uint32_t word = 0; word < info->type.size / 8; word++)
        if (info->searched[word / 64] >> (word % 64) & 1) {
            info->words = word + 1;
            info->pointers = true;
        }
}
