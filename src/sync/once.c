/* once.c - bw_once, until it is done. */
#include "sync.h"

/* True: the caller is to do it, and to call bw__once_end, whatever happens. */
bool bw__once_begin(bw_once *once) {
    bw_mutex_lock(&once->bw__mutex);
    if (__atomic_load_n(&once->bw__done, __ATOMIC_RELAXED) == 0)
        return true;
    bw_mutex_unlock(&once->bw__mutex);
    return false;
}

void bw__once_end(bw_once *once) {
    __atomic_store_n(&once->bw__done, 1, __ATOMIC_RELEASE);
    bw_mutex_unlock(&once->bw__mutex);
}
