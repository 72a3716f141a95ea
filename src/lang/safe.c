/* safe.c - the types of burrow/sync.h and burrow/atomic.h, as the collector and the ledger see them.
 *
 * They are the library's own, so they are described here, not in each translation unit. What refers to a waiter's stack
 * is no pointer for the collector, and numbers are none either. */
#include "lang.h"

#include <burrow/atomic.h>
#include <burrow/sync.h>
#include <burrow/sync_map.h>
#include <string.h>

/* A field that the collector does not look at, whatever it is. */
#define PLAIN(T, ftype, field)                                                                                         \
    {                                                                                                                  \
#field, #ftype, offsetof(T, field), sizeof(BW__LVALUE(T).field), BW_FIELD_SCALAR, BW__CODE_OF(ftype), 0,       \
            _Alignof(ftype)                                                                                            \
    }
/* One of the others. */
#define PART(T, ftype, field)                                                                                          \
    { #field, #ftype, offsetof(T, field), sizeof(ftype), BW_FIELD_AMBIGUOUS, BW_KIND_OPAQUE, 0, _Alignof(ftype) }
#define REFERENCE(T, field)                                                                                            \
    { #field, "void *", offsetof(T, field), sizeof(void *), BW_FIELD_POINTER, BW_KIND_POINTER, 0, _Alignof(void *) }

static const bw_field mutex[] = {PLAIN(bw_mutex, uint32_t, bw__locked)};
static const bw_field sleepers[] = {PLAIN(bw__sleepers, uint32_t, bw__guard),
                                    PLAIN(bw__sleepers, uint32_t, bw__permits),
                                    PLAIN(bw__sleepers, void *, bw__waiters)};
static const bw_field rwmutex[] = {PART(bw_rwmutex, bw_mutex, bw__writers), PART(bw_rwmutex, bw__sleepers, bw__reading),
                                   PART(bw_rwmutex, bw__sleepers, bw__writing), PLAIN(bw_rwmutex, int32_t, bw__readers),
                                   PLAIN(bw_rwmutex, int32_t, bw__departing)};
static const bw_field waitgroup[] = {PLAIN(bw_waitgroup, uint64_t, bw__state),
                                     PART(bw_waitgroup, bw__sleepers, bw__waiting)};
static const bw_field once[] = {PLAIN(bw_once, uint32_t, bw__done), PART(bw_once, bw_mutex, bw__mutex)};
static const bw_field cond[] = {REFERENCE(bw_cond, mutex), PLAIN(bw_cond, void *, bw__waiters),
                                PLAIN(bw_cond, uintptr_t, bw__self), PLAIN(bw_cond, uint32_t, bw__guard),
                                PLAIN(bw_cond, uint32_t, bw__waiting)};
static const bw_field semaphore[] = {PLAIN(bw_semaphore, int64_t, size), PLAIN(bw_semaphore, int64_t, bw__held),
                                     PLAIN(bw_semaphore, void *, bw__waiters),
                                     PLAIN(bw_semaphore, uint32_t, bw__guard)};
static const bw_field pool[] = {PLAIN(bw_pool, void *, make), REFERENCE(bw_pool, bw__pool)};
static const bw_field sync_map[] = {REFERENCE(bw_sync_map, bw__map)};
static const bw_field any_to_any[] = {BW__PART("key", bw_any), BW__PART("value", bw_any)};
static const bw_field atomic_i32[] = {PLAIN(bw_atomic_i32, int32_t, bw__value)};
static const bw_field atomic_u32[] = {PLAIN(bw_atomic_u32, uint32_t, bw__value)};
static const bw_field atomic_i64[] = {PLAIN(bw_atomic_i64, int64_t, bw__value)};
static const bw_field atomic_u64[] = {PLAIN(bw_atomic_u64, uint64_t, bw__value)};
static const bw_field atomic_bool_[] = {PLAIN(bw_atomic_bool, bool, bw__value)};
static const bw_field atomic_ptr[] = {REFERENCE(bw_atomic_ptr, bw__value)};
static const bw_field atomic_value[] = {
    PLAIN(bw_atomic_value, void *, bw__type),
    {"bw__data", "data", offsetof(bw_atomic_value, bw__data), 8, BW_FIELD_AMBIGUOUS, BW_KIND_OPAQUE, 0, 8}};

#define DESCRIBED(T, members, safe_)                                                                                   \
    {                                                                                                                  \
        {.name = #T,                                                                                                   \
         .size = sizeof(T),                                                                                            \
         .align = _Alignof(T),                                                                                         \
         .fields = members,                                                                                            \
         .field_count = sizeof members / sizeof members[0],                                                            \
         .kind = BW_KIND_STRUCT},                                                                                      \
            safe_                                                                                                      \
    }

static const struct {
    bw__description description;
    enum ledger_safe safe;
} types[] = {
    DESCRIBED(bw_mutex, mutex, SAFE_SYNC),
    DESCRIBED(bw__sleepers, sleepers, SAFE_SYNC),
    DESCRIBED(bw_rwmutex, rwmutex, SAFE_SYNC),
    DESCRIBED(bw_waitgroup, waitgroup, SAFE_SYNC),
    DESCRIBED(bw_once, once, SAFE_SYNC),
    DESCRIBED(bw_cond, cond, SAFE_SYNC),
    DESCRIBED(bw_semaphore, semaphore, SAFE_SYNC),
    DESCRIBED(bw_pool, pool, SAFE_SYNC),
    DESCRIBED(bw_sync_map, sync_map, SAFE_SYNC),
    DESCRIBED(bw_atomic_i32, atomic_i32, SAFE_ATOMIC),
    DESCRIBED(bw_atomic_u32, atomic_u32, SAFE_ATOMIC),
    DESCRIBED(bw_atomic_i64, atomic_i64, SAFE_ATOMIC),
    DESCRIBED(bw_atomic_u64, atomic_u64, SAFE_ATOMIC),
    DESCRIBED(bw_atomic_bool, atomic_bool_, SAFE_ATOMIC),
    DESCRIBED(bw_atomic_ptr, atomic_ptr, SAFE_ATOMIC),
    DESCRIBED(bw_atomic_value, atomic_value, SAFE_ATOMIC),
};

/* What bw_sync_map has in its place that BW_SYNC_MAP writes. */
static const bw__description sync_map_map = {.name = "bw_sync_map__map",
                                             .size = sizeof(bw_sync_map),
                                             .align = _Alignof(bw_sync_map),
                                             .fields = any_to_any,
                                             .field_count = 2,
                                             .kind = BW_KIND_MAP};

static bool is_named(const bw__description *description, const char *name, size_t length) {
    return strlen(description->name) == length && memcmp(description->name, name, length) == 0;
}

const bw__description *safe_type(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (is_named(&types[i].description, name, length))
            return &types[i].description;
    return is_named(&sync_map_map, name, length) ? &sync_map_map : NULL;
}

/* A struct is what all its fields are: sync if they are both kinds. */
enum ledger_safe safe_of_struct(const struct type_info *info) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (info->described == &types[i].description)
            return types[i].safe;
    enum ledger_safe all = SAFE_NO;
    for (uint32_t i = 0; i < info->type.field_count; i++) {
        const bw_type *type = info->type.fields[i].type;
        while (type->kind == BW_KIND_ARRAY)
            type = type->element;
        enum ledger_safe safe = ((const struct type_info *)type->bw__info)->safe;
        if (safe == SAFE_NO)
            return SAFE_NO;
        all = all == SAFE_NO || all == safe ? safe : SAFE_SYNC;
    }
    return all;
}
