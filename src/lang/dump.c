/* dump.c - drawing a type's layout. */
#include "map.h"

#include <stdio.h>

static void print_padding(size_t lo, size_t hi) {
    if (hi > lo)
        printf("  %6zu %6zu  %-16s %s\n", lo, hi - lo, "-", hi - lo >= 8 ? "(not described: scanned)" : "(padding)");
}

/* What is searched of a field, behind its type. */
static void print_field_kind(const struct type_info *info, const bw_field *field, const bw_type *type) {
    if (field->size < 8 || field->field_class == BW_FIELD_SCALAR)
        return;
    size_t words = 0;
    for (size_t word = field->offset / 8; word < (field->offset + field->size) / 8; word++)
        words += info->searched[word / 64] >> (word % 64) & 1;
    if (field->field_class == BW_FIELD_POINTER)
        printf("  pointer");
    else if (type->kind == BW_KIND_OPAQUE)
        printf("  maybe pointers");
    else if (words)
        printf("  %zu of %u words", words, field->size / 8);
}

struct row {
    size_t offset, size;
    const char *name, *type;
    bool searched;
};

static void print_rows(const struct row *rows, size_t count) {
    printf("  %6s %6s  %-16s %s\n", "offset", "size", "field", "type");
    for (size_t i = 0; i < count; i++)
        printf("  %6zu %6zu  %-16s %s%s\n", rows[i].offset, rows[i].size, rows[i].name, rows[i].type,
               rows[i].searched ? "  pointer" : "");
}

static void print_group(const struct map_type *map) {
    static const uint8_t counts[STEPS] = GROUP_COUNTS;
    printf("  a group of %d entries, %zu bytes:\n", GROUP_SLOTS, map->group_bytes);
    printf("  %6d %6d  %-16s %s\n", 0, 8, "control", "a tag for each entry, what went on from here");
    printf("  %6d %6zu  %-16s %s\n", 8, map->key->size, "key", map->key->name);
    printf("  %6zu %6zu  %-16s %s\n", 8 + map->value_offset, map->value->size, "value", map->value->name);
    printf("  and so on every %zu bytes; tables of", map->slot_bytes);
    for (uint32_t step = 0; step < map->steps; step++)
        printf(" %u", counts[step]);
    printf(" groups, the last of %zu bytes for %u entries\n", table_bytes(map, counts[map->steps - 1]),
           capacity_of(counts[map->steps - 1]));
}

/* What Burrow's own kinds of values are made of. */
static void print_parts(const bw_type *type) {
    char pointer[256];
    switch (type->kind) {
    case BW_KIND_STRING:
        print_rows((struct row[]){{0, 8, "ptr", "const char *", true}, {8, 8, "len", "ptrdiff_t", false}}, 2);
        break;
    case BW_KIND_SLICE:
        snprintf(pointer, sizeof pointer, "*%s", type->element->name);
        print_rows((struct row[]){{0, 8, "ptr", pointer, true},
                                  {8, 8, "len", "ptrdiff_t", false},
                                  {16, 8, "cap", "ptrdiff_t", false}},
                   3);
        printf("  elements of %zu bytes, one behind the other\n", type->element->size);
        break;
    case BW_KIND_ANY:
        print_rows((struct row[]){{0, 8, "type", "const bw_type *", false},
                                  {8, 8, "data", "the value, or a pointer to it", true}},
                   2);
        break;
    case BW_KIND_ERROR:
    case BW_KIND_INTERFACE:
        print_rows((struct row[]){{0, 8, "table", "the methods", false}, {8, 8, "data", "the object", true}}, 2);
        if (type->kind == BW_KIND_INTERFACE) {
            const bw__description *interface = ((const struct type_info *)type->bw__info)->described;
            for (uint32_t i = 0; i < interface->field_count; i++)
                printf("  method %u at %u: %s\n", i, interface->fields[i].offset, interface->fields[i].name);
        }
        break;
    case BW_KIND_MAP:
        print_rows((struct row[]){{0, 8, "map", "the map's record, its directory, its tables", true}}, 1);
        print_group(map_type_of(type));
        break;
    default: break;
    }
}

void bw__dump_layout(bw__site *site) {
    struct thread *self = thread_enter();
    const bw_type *type = type_at_site(&site->type);
    struct layout *layout = typed_single_layout(type);
    thread_leave(self);
    const struct type_info *info = type->bw__info;
    size_t slot = layout->slot_bytes ? layout->slot_bytes : (type->size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    size_t searched = 0;
    for (size_t word = 0; word < type->size / 8; word++)
        searched += info->searched[word / 64] >> (word % 64) & 1;
    printf("%s: %zu bytes, align %u, %zu of %zu words scanned (%s)\n", type->name, type->size, type->align, searched,
           type->size / 8,
           !info->pointers                ? "holds no pointers"
           : type->kind == BW_KIND_OPAQUE ? "conservatively: no description"
           : info->described              ? "by its description"
                                          : "by its type");
    size_t at = 0;
    if (type->kind == BW_KIND_STRUCT) {
        printf("  %6s %6s  %-16s %s\n", "offset", "size", "field", "type");
        for (uint32_t i = 0; i < type->field_count; i++) {
            const bw_field *field = &info->described->fields[i];
            print_padding(at, field->offset);
            const bw_type *of = type->fields[i].type;
            const char *name = field->type_name                    ? field->type_name
                               : of == &bw__basic[BW_KIND_POINTER] ? "void *"
                                                                   : of->name;
            printf("  %6u %6u  %-16s %s", field->offset, field->size, field->name, name);
            print_field_kind(info, field, of);
            printf("\n");
            at = field->offset + field->size;
        }
        print_padding(at, type->size);
    }
    print_parts(type);
    printf("  slot %zu bytes, %zu lost; %s\n", slot, slot - type->size,
           layout->slot_bytes ? "many to a span" : "a span of its own");
}
