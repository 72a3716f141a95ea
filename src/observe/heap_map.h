/* heap_map.h - floor 5: what bw_heap_map sees of the heap (heap_map.c) and draws (heap_picture.c). */
#ifndef BURROW_OBSERVE_HEAP_MAP_H
#define BURROW_OBSERVE_HEAP_MAP_H

#include "observe.h"

#define MAP_COLOURS 12 /* layouts with a row of their own */
#define MAP_ROWS (MAP_COLOURS + 1)
#define MAP_CELLS 3072

/* What a layout has, or, in the last row, all that have no row of their own. */
struct map_row {
    const struct layout *layout; /* NULL: several */
    uint64_t layouts, spans, room, live, objects;
    uint32_t colour; /* below MAP_COLOURS but for the last row */
};

struct map_cell {
    uint64_t live[MAP_ROWS]; /* bytes of objects */
    uint64_t room[MAP_ROWS]; /* bytes of spans */
    uint64_t held;           /* in no span, and resident as far as is known */
    uint64_t bytes;          /* of all; the last cell can be smaller */
    uint32_t only;           /* the number of the one span that has all of it; 0: there is none */
};

struct heap_map {
    struct map_row rows[MAP_ROWS];
    uint32_t row_count;                                  /* the last row aside; that counts if it has spans */
    uint64_t live, objects, room, held, released, bytes; /* sums; bytes = room + held + released */
    uintptr_t base;
    size_t cell_pages, cell_count;
    uint32_t collections;
    struct map_cell cells[MAP_CELLS];
};

#define PICTURE_ROOM ((size_t)2 << 20) /* more than it can be */

/* Writes the map as an SVG into that much memory; bytes. */
size_t heap_picture(const struct heap_map *map, char *text, size_t room);

#endif
