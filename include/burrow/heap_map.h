/* burrow/heap_map.h - a picture of the heap. Example:
 *
 *     #include <stdio.h>
 *
 *     static void show(const char *when) {
 *         char path[100];
 *         snprintf(path, sizeof path, "/tmp/heap-%s.svg", when);
 *         bw_error err = bw_heap_map(path);
 *         if (!bw_is_nil(err))
 *             bw_println(err);
 *     }
 *     int main(void) {
 *         show("before");
 *         bw_compact();
 *         show("after");
 *         return 0;
 *     }
 *
 * The picture is an SVG, which every browser shows. The heap's addresses grow from left to right and from one row to the
 * next; a cell stands for a page of 8 KiB, or for as many as it takes to show the heap in three thousand cells. In a cell
 *
 *     colour      is what objects take, from the bottom up: a colour for each layout (a type and a size), the twelve that
 *                 have the most memory; hatched if they are large objects, which have their pages for themselves
 *     pale        is what spans have of slots without an object: memory that is lost to everything else
 *     grey        is free, and the process still has it
 *     nothing     was given back to the system, or never used
 *
 * so that every amount of memory has its area. Where a cell is one page, white lines part the spans. Above it a bar has
 * all of it in one row; below is a table of the layouts: objects, bytes, the memory of their spans, and how full those
 * are; and whether a compaction may move what is in them.
 *
 * The numbers are attributes as well, for programs: of the root element data-live-bytes and data-objects, which are those
 * of bw_ledger's `layout` at that instant, data-span-bytes, data-free-bytes, data-released-bytes and data-range-bytes; of
 * the table's rows data-layout, data-slot-bytes, data-objects, data-live-bytes and data-span-bytes.
 */
#ifndef BURROW_HEAP_MAP_H
#define BURROW_HEAP_MAP_H

#include <burrow/error.h>

#ifndef __cplusplus
BW__BEGIN
/* Writes the picture to a file, which is made or replaced. nil, or what prevented it: an error of bw_path_error's; what
 * was written of the file by then stays. Finishes the sweep of the last collection; then the world stands still for about
 * a millisecond for each GiB of heap, and runs while the file is written. Nothing is allocated but the error. */
BW_API bw_error bw_heap_map(const char *path);
BW__END
#endif

#endif
