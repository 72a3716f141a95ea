/* defer.c - the part of bw_defer that is no macro: a block that is left while its record is not the newest. */
#include "lang.h"

#include <burrow/panic.h>

/* In trampoline_<CPU>.S. The pointer keeps the compiler from seeing that what it calls as any kind of function is
 * none. */
__attribute__((visibility("hidden"))) void bw__call_store(void);
void (*const bw__call_storer)(void) = bw__call_store;

/* The block's record is deeper in the list if a longjmp within the block left others; it is in no list if the block was
 * left before the call was stored, if a jump came past the bw_defer, or if a panic or pthread_exit has made the
 * call. */
void bw__defer_left(bw__defer *defer) {
    for (bw__defer *at = BW__HERE(bw__flow)->defers; at && at->self == at; at = at->next)
        if (at == defer) {
            BW__HERE(bw__flow)->defers = defer->next;
            bw__call_make(&defer->call);
            return;
        }
}
