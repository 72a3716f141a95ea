/* dump.c - drawing a type's layout. */
#include "lang.h"

#include <stdio.h>

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
            printf("  %6u %6u  %-16s %s%s%s\n", field->offset, field->size, field->name, name,
                   *field_kind(field) ? "  " : "", field_kind(field));
            at = field->offset + field->size;
        }
        print_padding(at, type->size);
    }
    printf("  slot %zu bytes, %zu lost; %s\n", slot, slot - type->size,
           layout->slot_bytes ? "many to a span" : "a span of its own");
}
