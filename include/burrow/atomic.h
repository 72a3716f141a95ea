/* burrow/atomic.h - Go's package sync/atomic: numbers, pointers and values that goroutines and threads may use at once.
 *
 * For T one of i32, u32, i64, u64 (C's int32_t, uint32_t, int64_t, uint64_t), inline, a processor's instruction each:
 *
 *     int32_t bw_atomic_i32_load(const bw_atomic_i32 *a);
 *     void bw_atomic_i32_store(bw_atomic_i32 *a, int32_t value);
 *     int32_t bw_atomic_i32_swap(bw_atomic_i32 *a, int32_t value);          the value before
 *     bool bw_atomic_i32_compare_and_swap(bw_atomic_i32 *a, int32_t old, int32_t value);
 *     int32_t bw_atomic_i32_add(bw_atomic_i32 *a, int32_t delta);           the value after
 *     int32_t bw_atomic_i32_and(bw_atomic_i32 *a, int32_t mask);            the value before
 *     int32_t bw_atomic_i32_or(bw_atomic_i32 *a, int32_t mask);             the value before
 *
 * The first four also for bw_atomic_bool and bw_atomic_ptr, a `void *`, which keeps alive what it points to, wherever it
 * is. bw_atomic_value holds a value of any type, always of the same one. The zero values are 0, false, NULL and nil. All
 * operations are in one order that everybody sees (sequentially consistent), as in Go. Example:
 *
 *     struct settings {
 *         int size;
 *     };
 *     static bw_atomic_ptr current;
 *     static bw_atomic_i64 requests;
 *
 *     int serve(void);
 *     int serve(void) {
 *         const struct settings *settings = bw_atomic_ptr_load(&current);
 *         bw_atomic_i64_add(&requests, 1);
 *         return settings ? settings->size : 0;
 *     }
 *     void change(int size);
 *     void change(int size) {
 *         struct settings *settings = bw_new(struct settings);
 *         settings->size = size;
 *         bw_atomic_ptr_store(&current, settings);
 *     }
 *
 * In the heap such objects count as `atomic` in the ledger.
 */
#ifndef BURROW_ATOMIC_H
#define BURROW_ATOMIC_H

#include <burrow/interface.h>

#ifndef __cplusplus

#define BW__ATOMIC_TYPE(name, T)                                                                                       \
    typedef struct name {                                                                                              \
        T bw__value;                                                                                                   \
    } name;                                                                                                            \
    static inline T name##_load(const name *a) {                                                                       \
        return __atomic_load_n(&a->bw__value, __ATOMIC_SEQ_CST);                                                       \
    }                                                                                                                  \
    static inline void name##_store(name *a, T value) {                                                                \
        __atomic_store_n(&a->bw__value, value, __ATOMIC_SEQ_CST);                                                      \
    }                                                                                                                  \
    static inline T name##_swap(name *a, T value) {                                                                    \
        return __atomic_exchange_n(&a->bw__value, value, __ATOMIC_SEQ_CST);                                            \
    }                                                                                                                  \
    static inline bool name##_compare_and_swap(name *a, T old, T value) {                                              \
        return __atomic_compare_exchange_n(&a->bw__value, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);     \
    }
#define BW__ATOMIC_NUMBER(name, T)                                                                                     \
    BW__ATOMIC_TYPE(name, T)                                                                                           \
    static inline T name##_add(name *a, T delta) {                                                                     \
        return __atomic_add_fetch(&a->bw__value, delta, __ATOMIC_SEQ_CST);                                             \
    }                                                                                                                  \
    static inline T name##_and(name *a, T mask) {                                                                      \
        return __atomic_fetch_and(&a->bw__value, mask, __ATOMIC_SEQ_CST);                                              \
    }                                                                                                                  \
    static inline T name##_or(name *a, T mask) {                                                                       \
        return __atomic_fetch_or(&a->bw__value, mask, __ATOMIC_SEQ_CST);                                               \
    }

BW__ATOMIC_NUMBER(bw_atomic_i32, int32_t)
BW__ATOMIC_NUMBER(bw_atomic_u32, uint32_t)
BW__ATOMIC_NUMBER(bw_atomic_i64, int64_t)
BW__ATOMIC_NUMBER(bw_atomic_u64, uint64_t)
BW__ATOMIC_TYPE(bw_atomic_bool, bool)
BW__ATOMIC_TYPE(bw_atomic_ptr, void *)

/* A value of any type; once one is stored, of that type only. */
typedef struct bw_atomic_value {
    const bw_type *bw__type;
    uint64_t bw__data; /* as in a bw_any */
} bw_atomic_value;

BW__BEGIN
BW_API bw_any bw_atomic_value_load(const bw_atomic_value *a);
BW_API void bw__atomic_value_store(bw_atomic_value *a, bw_any value);
BW_API bw_any bw__atomic_value_swap(bw_atomic_value *a, bw_any value);
BW_API bool bw__atomic_value_compare_and_swap(bw_atomic_value *a, bw_any old, bw_any value);
BW__END

/* bw_any bw_atomic_value_load(&a): nil if nothing was stored. The others take anything that bw_any_of takes, a bw_any
 * above all, and panic if it is nil or of another type than what was stored before: "sync/atomic: store of nil value
 * into Value", "sync/atomic: store of inconsistently typed value into Value", and the same of swap and compare and
 * swap. bw_atomic_value_compare_and_swap compares as bw_eq does. */
#define bw_atomic_value_store(a, v) bw__atomic_value_store((a), bw_any_of(v))
#define bw_atomic_value_swap(a, v) bw__atomic_value_swap((a), bw_any_of(v))
#define bw_atomic_value_compare_and_swap(a, old, v) bw__atomic_value_compare_and_swap((a), bw_any_of(old), bw_any_of(v))

#endif
#endif
