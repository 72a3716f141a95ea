/* burrow.h - Go's memory manager and concurrency for plain C.
 *
 * Including this one header gives the whole public interface; each subject has its own documented header under
 * burrow/. Link with -lburrow (pkg-config --cflags --libs burrow). Example:
 *
 *     #include <burrow.h>
 *
 *     BW_STRUCT(node, (struct node *, left), (struct node *, right), (int, value));
 *
 *     int main(void) {
 *         node *root = bw_new(node);
 *         root->left = bw_new(node);
 *         root->left = NULL;
 *         bw_gc();
 *         return root->value;
 *     }
 *
 * Nothing has to be initialised, registered or freed. Any word on a stack, in a register, in static or thread-local
 * data or in the heap that points into an object keeps it alive.
 *
 * Define BURROW_SHORT_NAMES before the include to have Go's own words (new, make, append, len, defer, ...) without the
 * prefix: short_names.h.
 */
#ifndef BURROW_H
#define BURROW_H

#include <burrow/base.h>
#include <burrow/type.h>
#include <burrow/memory.h>
#include <burrow/arena.h>
#include <burrow/lifetime.h>
#include <burrow/thread.h>
#include <burrow/control.h>
#include <burrow/ledger.h>
#include <burrow/metrics.h>
#include <burrow/slice.h>
#include <burrow/map.h>
#include <burrow/interface.h>
#include <burrow/error.h>
#include <burrow/string.h>
#include <burrow/panic.h>
#include <burrow/print.h>
#include <burrow/goroutine.h>
#include <burrow/chan.h>
#include <burrow/time.h>
#include <burrow/context.h>
#include <burrow/io.h>
#include <burrow/net.h>
#include <burrow/traceback.h>
#include <burrow/heap_map.h>
#include <burrow/atomic.h>
#include <burrow/sync.h>
#include <burrow/sync_map.h>

#ifdef BURROW_SHORT_NAMES
#include <burrow/short_names.h>
#endif

#endif
