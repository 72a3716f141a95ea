/* interface.c - which types implement which interfaces, and what is in an interface value.
 *
 * BW_IMPL leaves a method table in a section of its executable or shared object. The sections that are known are those
 * of units of which some type was asked for at run time: whoever holds a value of a type made that in such a unit. The
 * answer to "does this type implement that interface" is kept in a small table that is read without a lock.
 */
#include "lang.h"

#include <string.h>

struct section {
    const bw__table_head **first, **end;
    struct section *next;
};
static struct section *_Atomic sections;
_Atomic uint32_t interface_sections;

/* An answer, constant once it is seen. Those of one slot of the table are a list, the newest first; there is one for
 * each pair that was asked about, and another each time that a "no" may have become wrong. */
struct answer {
    struct answer *next;
    const bw_type *type;
    const bw__description *interface;
    const bw__table_head *table; /* NULL: no */
    uint32_t sections_asked;     /* a "no" holds until there are more */
};
#define ANSWERS 512
static struct answer *_Atomic answers[ANSWERS];

void interfaces_know(const bw__unit_bounds *unit) {
    if (unit == NULL || unit->impls >= unit->impls_end)
        return;
    for (struct section *section = atomic_load(&sections); section; section = section->next)
        if (section->first == unit->impls)
            return;
    types_lock_acquire();
    struct section *section = atomic_load(&sections);
    while (section && section->first != unit->impls)
        section = section->next;
    if (section == NULL) {
        section = type_memory(sizeof *section);
        *section = (struct section){unit->impls, unit->impls_end, atomic_load(&sections)};
        atomic_store(&sections, section);
        atomic_fetch_add(&interface_sections, 1);
    }
    types_lock_release();
}

static bool same_interface(const bw__description *a, const bw__description *b) {
    if (a == b)
        return true;
    if (a->field_count != b->field_count || strcmp(a->name, b->name) != 0)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++)
        if (strcmp(a->fields[i].name, b->fields[i].name) != 0 ||
            strcmp(a->fields[i].type_name, b->fields[i].type_name) != 0)
            return false;
    return true;
}

bool interface_is_error(const bw__description *description) {
    const bw__unit_bounds *unit = description->unit;
    size_t length = strlen(description->name);
    for (const bw__table_head **entry = unit ? unit->impls : NULL; unit && entry < unit->impls_end; entry++)
        if (*entry && (*entry)->interface == &bw__type_bw_error && (*entry)->site->unit == unit &&
            strncmp((*entry)->site->name, description->name, length) == 0 &&
            strcmp((*entry)->site->name + length, " *") == 0)
            return true;
    return false;
}

static const bw__table_head *look_for_table(const bw_type *type, const bw__description *interface) {
    for (struct section *section = atomic_load(&sections); section; section = section->next)
        for (const bw__table_head **entry = section->first; entry < section->end; entry++)
            if (*entry && same_interface((*entry)->interface, interface) && bw__site_type((*entry)->site) == type)
                return *entry;
    return NULL;
}

const bw__table_head *interface_table(const bw_type *type, const bw__description *interface) {
    if (type->kind != BW_KIND_POINTER)
        return NULL; /* only pointers have methods */
    size_t slot = (((uintptr_t)type >> 4) * 31 + ((uintptr_t)interface >> 4)) % ANSWERS;
    for (struct answer *answer = atomic_load_explicit(&answers[slot], memory_order_acquire); answer;
         answer = answer->next)
        if (answer->type == type && answer->interface == interface) {
            if (answer->table ||
                answer->sections_asked == atomic_load_explicit(&interface_sections, memory_order_relaxed))
                return answer->table;
            break;
        }
    uint32_t asked = atomic_load(&interface_sections);
    const bw__table_head *table = look_for_table(type, interface);
    struct thread *self = thread_enter();
    types_lock_acquire();
    struct answer *answer = type_memory(sizeof *answer);
    *answer = (struct answer){atomic_load(&answers[slot]), type, interface, table, asked};
    atomic_store_explicit(&answers[slot], answer, memory_order_release);
    types_lock_release();
    thread_leave(self);
    return table;
}

/* --- interface values --- */

static const bw__description *methods_of(const bw_type *type) {
    if (type->kind == BW_KIND_ERROR)
        return &bw__type_bw_error;
    return type->kind == BW_KIND_INTERFACE ? ((const struct type_info *)type->bw__info)->described : NULL;
}

static bool implements(bw_any any, const bw_type *type, bw__interface *value) {
    const bw__description *interface = methods_of(type);
    const bw__table_head *table = any.type && interface ? interface_table(any.type, interface) : NULL;
    if (table == NULL)
        return false;
    if (value)
        *value = (bw__interface){table, any.bw__data.pointer};
    return true;
}

bool bw__is_slow(bw_any any, const bw_type *type, bool from_methods) {
    return type == any.type || (from_methods && any.type->element == type) || type->kind == BW_KIND_ANY ||
           implements(any, type, NULL);
}

bool bw__extract(bw_any any, const bw_type *type, bool from_methods, void *value) {
    if (any.type == NULL)
        return false;
    if (any.type == type) {
        memcpy(value, type->size <= sizeof any.bw__data ? (const void *)any.bw__data.bytes : any.bw__data.pointer,
               type->size);
        return true;
    }
    if (type->kind == BW_KIND_ANY) {
        memcpy(value, &any, sizeof any);
        return true;
    }
    if (from_methods && any.type->element == type) {
        memcpy(value, any.bw__data.pointer, type->size);
        return true;
    }
    bw__interface interface;
    if (!implements(any, type, &interface))
        return false;
    memcpy(value, &interface, sizeof interface);
    return true;
}

void bw__assert_failed(bw_any any, const bw_type *type, const bw__interface *interface) {
    const bw__description *methods = methods_of(type);
    const char *from = "interface {}";
    if (interface)
        from = interface->bw__table ? interface->bw__table->interface->name : "interface";
    if (interface && interface->bw__table && interface->bw__table->interface == &bw__type_bw_error)
        from = "error";
    if (any.type == NULL)
        os_panic("interface conversion: %s is nil, not %s", methods ? "interface" : from, type->name);
    if (methods == NULL)
        os_panic("interface conversion: %s is %s, not %s", from, any.type->name, type->name);
    /* Go names the first method that is missing; here a type has all or none. */
    os_panic("interface conversion: %s is not %s: missing method %s", any.type->name, type->name,
             methods->fields[0].name);
}

BW__INTERFACE_DEFINE(bw_error, (bw_string, error));
