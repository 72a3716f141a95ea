/* atomic_value.c - bw_atomic_value: a type that is set once, and a word of data that is exchanged.
 *
 * Who stores first sets the type to `unfinished`, then the data, then the type. So whoever sees a type sees data of that
 * type, and from then on the data alone change. Whoever else stores meanwhile waits for a moment. */
#include "../gc/gc.h"

#include <burrow/atomic.h>
#include <string.h>

static const bw_type unfinished;

static bw_any any_of(const bw_type *type, uint64_t data) {
    bw_any any = {.type = type};
    memcpy(any.bw__data.bytes, &data, sizeof data);
    return any;
}

static uint64_t data_of(bw_any any) {
    uint64_t data;
    memcpy(&data, any.bw__data.bytes, sizeof data);
    return data;
}

bw_any bw_atomic_value_load(const bw_atomic_value *a) {
    const bw_type *type = __atomic_load_n(&a->bw__type, __ATOMIC_SEQ_CST);
    if (type == NULL || type == &unfinished)
        return (bw_any){0};
    return any_of(type, __atomic_load_n(&a->bw__data, __ATOMIC_SEQ_CST));
}

/* The type of what is in it; NULL: nothing was, and now this is. */
static const bw_type *type_or_begin(bw_atomic_value *a, bw_any value) {
    for (;;) {
        const bw_type *type = NULL;
        if (__atomic_compare_exchange_n(&a->bw__type, &type, &unfinished, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            __atomic_store_n(&a->bw__data, data_of(value), __ATOMIC_SEQ_CST);
            __atomic_store_n(&a->bw__type, value.type, __ATOMIC_SEQ_CST);
            return NULL;
        }
        if (type != &unfinished)
            return type;
        os_yield();
    }
}

void bw__atomic_value_store(bw_atomic_value *a, bw_any value) {
    if (value.type == NULL)
        os_panic("sync/atomic: store of nil value into Value");
    const bw_type *type = type_or_begin(a, value);
    if (type == NULL)
        return;
    if (type != value.type)
        os_panic("sync/atomic: store of inconsistently typed value into Value");
    __atomic_store_n(&a->bw__data, data_of(value), __ATOMIC_SEQ_CST);
}

bw_any bw__atomic_value_swap(bw_atomic_value *a, bw_any value) {
    if (value.type == NULL)
        os_panic("sync/atomic: swap of nil value into Value");
    const bw_type *type = type_or_begin(a, value);
    if (type == NULL)
        return (bw_any){0};
    if (type != value.type)
        os_panic("sync/atomic: swap of inconsistently typed value into Value");
    return any_of(type, __atomic_exchange_n(&a->bw__data, data_of(value), __ATOMIC_SEQ_CST));
}

bool bw__atomic_value_compare_and_swap(bw_atomic_value *a, bw_any old, bw_any value) {
    if (value.type == NULL)
        os_panic("sync/atomic: compare and swap of nil value into Value");
    if (old.type != NULL && old.type != value.type)
        os_panic("sync/atomic: compare and swap of inconsistently typed values");
    const bw_type *type;
    if (old.type == NULL) {
        type = type_or_begin(a, value);
        if (type == NULL)
            return true;
    } else {
        while ((type = __atomic_load_n(&a->bw__type, __ATOMIC_SEQ_CST)) == &unfinished)
            os_yield();
        if (type == NULL)
            return false;
    }
    if (type != value.type)
        os_panic("sync/atomic: compare and swap of inconsistently typed value into Value");
    uint64_t data = __atomic_load_n(&a->bw__data, __ATOMIC_SEQ_CST);
    /* Once, as Go: if it changes after the comparison another's swap came first. */
    return bw_eq(any_of(type, data), old) &&
           __atomic_compare_exchange_n(&a->bw__data, &data, data_of(value), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
