/* heap_map.c - what is where in the heap, for a picture of it.
 *
 * Everything is read while the world is stopped, and everything swept: then no thread is INSIDE, so that the tables and
 * the spans agree. Memory for what is found comes from the system (os_map), never from the heap. The layouts are summed
 * first, since those with the most memory get a colour; then the pages are gone through in the order of their addresses.
 *
 * A span's objects are taken to lie evenly in it. That costs a number for each span, where their mark bytes would be one
 * for each 16 bytes of heap; and in a picture a span is one block.
 */
#include "heap_map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

struct layout_sum {
    uint64_t spans, room, live, objects;
    uint32_t row;
};

static struct {
    struct heap_map *map;
    struct layout_sum *sums; /* by layout number */
    uint32_t layouts;
    uint32_t span_number;
} seen; /* under the gc lock, while the world is stopped */

/* --- sums --- */

/* An arena's memory is counted by its first chunk; the span of one that has ended holds nothing. */
static void sum_layout(const struct layout *layout, struct layout_sum *sum) {
    for (size_t i = 0; i < layout->span_count; i++) {
        const struct span *span = layout->spans[i];
        if (span == NULL)
            continue;
        sum->spans++;
        sum->room += span->pages << PAGE_SHIFT;
        if (layout->counts_inside) {
            sum->live += span->inside.bytes;
            sum->objects += span->inside.objects;
        } else {
            uint64_t objects = atomic_load(&span->allocated);
            sum->objects += objects;
            sum->live += objects * span->object_bytes;
        }
    }
}

static void set_aside(void *context, struct layout *layout, bw__run *run, struct run_private *private_part) {
    (void)context, (void)private_part;
    uint64_t bytes = (uint64_t)(run->end - run->cur);
    if (bytes == 0)
        return;
    seen.sums[layout->number].live -= bytes;
    seen.sums[layout->number].objects -= bytes / layout->slot_bytes;
}

static void set_aside_by_thread(struct thread *thread, void *context) {
    if (thread->cache)
        cache_each_run(thread->cache, set_aside, context);
}

/* By the layout's number, so that another map of the same heap has the same colours, as a rule. */
static void choose_colours(struct heap_map *map) {
    bool taken[MAP_COLOURS] = {false};
    for (uint32_t i = 0; i < map->row_count; i++) {
        uint32_t colour = map->rows[i].layout->number % MAP_COLOURS;
        while (taken[colour])
            colour = (colour + 1) % MAP_COLOURS;
        taken[colour] = true;
        map->rows[i].colour = colour;
    }
    map->rows[MAP_COLOURS].colour = MAP_COLOURS;
}

/* The layouts with the most memory, in that order; all others share the last row. */
static void choose_rows(struct heap_map *map) {
    for (uint32_t i = 0; i < seen.layouts; i++)
        seen.sums[i].row = MAP_COLOURS;
    for (; map->row_count < MAP_COLOURS; map->row_count++) {
        uint32_t best = seen.layouts;
        for (uint32_t i = 0; i < seen.layouts; i++)
            if (seen.sums[i].row == MAP_COLOURS && seen.sums[i].spans > 0 &&
                (best == seen.layouts || seen.sums[i].room > seen.sums[best].room))
                best = i;
        if (best == seen.layouts)
            break;
        seen.sums[best].row = map->row_count;
        map->rows[map->row_count].layout = heap.layouts[best];
    }
    for (uint32_t i = 0; i < seen.layouts; i++) {
        const struct layout_sum *sum = &seen.sums[i];
        struct map_row *row = &map->rows[sum->row];
        if (sum->spans == 0)
            continue;
        row->layouts++;
        row->spans += sum->spans;
        row->room += sum->room;
        row->live += sum->live;
        row->objects += sum->objects;
        map->room += sum->room;
        map->live += sum->live;
        map->objects += sum->objects;
    }
    choose_colours(map);
}

/* --- cells --- */

static size_t page_of(uintptr_t address) {
    return (address - heap.base) >> PAGE_SHIFT;
}

/* The cell that a page is in; `stop` gets the first page that is not, `end` at most. */
static struct map_cell *cell_of(struct heap_map *map, size_t page, size_t end, size_t *stop) {
    size_t begin = page_of(map->base), index = (page - begin) / map->cell_pages;
    *stop = begin + (index + 1) * map->cell_pages;
    if (*stop > end)
        *stop = end;
    return &map->cells[index];
}

static uint64_t live_in(const struct span *span, const struct layout_sum *sum) {
    if (span->layout->counts_inside) /* each chunk its share of what is in all */
        return (uint64_t)((double)sum->live / (double)sum->room * (double)(span->pages << PAGE_SHIFT));
    return (uint64_t)atomic_load(&span->allocated) * span->object_bytes;
}

static void add_span(struct heap_map *map, const struct span *span) {
    const struct layout_sum *sum = &seen.sums[span->layout->number];
    uint64_t left = live_in(span, sum), each = left / span->pages;
    seen.span_number++;
    for (size_t page = page_of(span->base), end = page + span->pages, stop; page < end; page = stop) {
        struct map_cell *cell = cell_of(map, page, end, &stop);
        uint64_t live = stop == end ? left : (stop - page) * each;
        left -= live;
        cell->live[sum->row] += live;
        cell->room[sum->row] += (stop - page) << PAGE_SHIFT;
        if (stop - page == map->cell_pages)
            cell->only = seen.span_number;
    }
}

static void add_free(struct heap_map *map, size_t page, size_t end) {
    for (size_t stop; page < end; page = stop) {
        struct map_cell *cell = cell_of(map, page, end, &stop);
        size_t dirty = 0;
        for (size_t i = page; i < stop; i++)
            dirty += heap.page_dirty[i];
        cell->held += dirty << PAGE_SHIFT;
        map->held += dirty << PAGE_SHIFT;
        map->released += (stop - page - dirty) << PAGE_SHIFT;
    }
}

/* What the heap's tables know nothing of is free as well: what a thread is about to make a large object, or to give back;
 * so is what may not be touched until a collection has found that nothing refers to it. */
static void add_pages(struct heap_map *map) {
    for (size_t page = page_of(map->base), end = page + (map->bytes >> PAGE_SHIFT), next; page < end; page = next) {
        const struct span *span = atomic_load(&heap.page_span[page]);
        bool begins = span && page_of(span->base) == page && page + span->pages <= end;
        next = begins ? page + span->pages : page + 1;
        if (begins && span->state != SPAN_FREE)
            add_span(map, span);
        else
            add_free(map, page, next);
    }
}

static void choose_cells(struct heap_map *map) {
    size_t pages = heap_committed() >> PAGE_SHIFT;
    map->base = heap.base + HEAP_BEGIN;
    map->bytes = heap_committed();
    map->cell_pages = 1;
    while ((pages + map->cell_pages - 1) / map->cell_pages > MAP_CELLS)
        map->cell_pages *= 2;
    map->cell_count = (pages + map->cell_pages - 1) / map->cell_pages;
    for (size_t i = 0; i < map->cell_count; i++) {
        size_t left = pages - i * map->cell_pages;
        map->cells[i].bytes = (left < map->cell_pages ? left : map->cell_pages) << PAGE_SHIFT;
    }
}

/* False: no memory. */
static bool look(struct heap_map *map) {
    seen.map = map;
    seen.layouts = atomic_load(&heap.layout_count);
    seen.span_number = 0;
    size_t bytes = (seen.layouts + 1) * sizeof *seen.sums;
    seen.sums = os_map(bytes);
    if (seen.sums == NULL)
        return false;
    for (uint32_t i = 0; i < seen.layouts; i++)
        sum_layout(heap.layouts[i], &seen.sums[i]);
    threads_each(set_aside_by_thread, NULL);
    choose_rows(map);
    choose_cells(map);
    add_pages(map);
    map->collections = figures.count;
    os_unmap(seen.sums, bytes);
    return true;
}

static bool take(struct heap_map *map) {
    struct thread *self = thread_enter();
    gc_lock_acquire(self);
    heap_sweep_all();
    world_stop_other(self);
    bool good = look(map);
    world_start(self);
    gc_lock_release();
    thread_leave(self);
    return good;
}

/* --- the file --- */

/* 0 or an errno. */
static int write_all(int fd, char *text, size_t bytes) {
    while (bytes > 0) {
        ssize_t wrote = os_writev(fd, &(struct iovec){text, bytes}, 1);
        if (wrote < 0)
            return (int)-wrote;
        text += wrote;
        bytes -= (size_t)wrote;
    }
    return 0;
}

bw_error bw_heap_map(const char *path) {
    struct heap_map *map = os_map(sizeof *map);
    char *text = map ? os_map(PICTURE_ROOM) : NULL;
    const char *what = "map";
    int error = ENOMEM;
    if (text && take(map)) {
        size_t bytes = heap_picture(map, text, PICTURE_ROOM);
        int fd = os_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        what = fd < 0 ? "open" : "write";
        error = fd < 0 ? -fd : write_all(fd, text, bytes);
        if (fd >= 0 && os_close(fd) < 0 && error == 0)
            error = EIO;
    }
    if (text)
        os_unmap(text, PICTURE_ROOM);
    if (map)
        os_unmap(map, sizeof *map);
    return error ? bw_path_error(what, path, error) : bw_nil;
}
