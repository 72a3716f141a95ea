/* heap_picture.c - a heap_map as an SVG.
 *
 * From the top: a title and the sums; a bar of all memory in one row; the cells, in rows, with the offset of each row's
 * first byte beside it; the table of the layouts, which is the legend, and what the greys are. All numbers are whole, so
 * that no locale writes them with a comma; cells are drawn in halves of a pixel.
 *
 * A colour's rectangles are one path. At most three thousand cells with some fifteen rectangles each make a megabyte.
 */
#include "heap_map.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *at;
    size_t used, room;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->at + text->used, text->room - text->used, format, arguments);
    va_end(arguments);
    OS_ASSERT(length >= 0 && (size_t)length < text->room - text->used);
    text->used += (size_t)length;
}

/* --- numbers and names --- */

struct words {
    char text[64];
};

/* 1,234,567 */
static struct words grouped(uint64_t number) {
    struct words words = {""};
    char digits[32];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number), at = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            words.text[at++] = ',';
        words.text[at++] = digits[i];
    }
    return words;
}

/* Three digits or so. */
static struct words size_of(uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    struct words words;
    unsigned unit = 0;
    uint64_t tenths = bytes * 10;
    while (tenths >= 10240 && unit < 4) {
        tenths = (tenths + 512) / 1024;
        unit++;
    }
    if (tenths % 10 == 0 || tenths >= 1000 || unit == 0)
        snprintf(words.text, sizeof words.text, "%llu %s", (unsigned long long)(tenths + 5) / 10, units[unit]);
    else
        snprintf(words.text, sizeof words.text, "%llu.%llu %s", (unsigned long long)tenths / 10,
                 (unsigned long long)tenths % 10, units[unit]);
    return words;
}

/* Tenths of a percent. */
static unsigned part_of(uint64_t part, uint64_t whole) {
    return whole ? (unsigned)((double)part * 1000 / (double)whole + 0.5) : 0;
}

static struct words percent(uint64_t part, uint64_t whole) {
    struct words words;
    unsigned tenths = part_of(part, whole);
    snprintf(words.text, sizeof words.text, "%u.%u %%", tenths / 10, tenths % 10);
    return words;
}

/* A name as text of an XML document; it ends in dots if it is longer than `most` characters. */
static void put_name(struct text *text, const char *name, size_t most) {
    size_t length = strlen(name), shown = length;
    if (length > most) {
        shown = most - 1;
        while (shown > 0 && ((unsigned char)name[shown] & 0xc0) == 0x80)
            shown--;
    }
    for (size_t i = 0; i < shown; i++) {
        switch (name[i]) {
        case '&': put(text, "&amp;"); break;
        case '<': put(text, "&lt;"); break;
        case '>': put(text, "&gt;"); break;
        case '"': put(text, "&quot;"); break;
        default: put(text, "%c", (unsigned char)name[i] < ' ' ? ' ' : name[i]); break;
        }
    }
    if (shown < length)
        put(text, "…");
}

static void put_row_name(struct text *text, const struct map_row *row, size_t most) {
    if (row->layout == NULL) {
        put(text, "%s other layouts", grouped(row->layouts).text);
        return;
    }
    if (row->layout->name) {
        switch (row->layout->kind) {
        case KIND_SLICE: put(text, "[]"); break;
        case KIND_CHANNEL: put(text, "channel of "); break;
        case KIND_INTERFACE: put(text, "interface of "); break;
        default: break;
        }
    }
    put_name(text, layout_name(row->layout), most);
}

/* --- colours --- */

static const char *const colours[MAP_ROWS] = {
    "#2f6fb7", "#e07b28", "#3f9a57", "#c8443f", "#8059b0", "#1f9a9a", "#d4629c",
    "#94922a", "#8a5f43", "#6cabdf", "#e3b62f", "#7a2f5d", "#76808d",
};
#define HELD "#9ca7b3"
#define NOTHING "#f1f3f5"

static bool is_large(const struct map_row *row) {
    return row->layout && row->layout->slot_bytes == 0;
}

static const char *colour_of(const struct heap_map *map, unsigned row) {
    return colours[map->rows[row].colour];
}

static struct words fill_of(const struct heap_map *map, unsigned row) {
    struct words words;
    if (is_large(&map->rows[row]))
        snprintf(words.text, sizeof words.text, "url(#large%u)", row);
    else
        snprintf(words.text, sizeof words.text, "%s", colour_of(map, row));
    return words;
}

static void put_patterns(struct text *text, const struct heap_map *map) {
    put(text, "<defs>\n");
    for (unsigned row = 0; row < map->row_count; row++)
        if (is_large(&map->rows[row]))
            put(text,
                "<pattern id=\"large%u\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" "
                "patternTransform=\"rotate(45)\"><rect width=\"7\" height=\"7\" fill=\"%s\"/>"
                "<rect width=\"2\" height=\"7\" fill=\"#fff\" fill-opacity=\".45\"/></pattern>\n",
                row, colour_of(map, row));
    put(text, "</defs>\n");
}

/* --- the places of things, in pixels --- */

#define LEFT 92
#define WIDTH 1152
#define BAR_TOP 96
#define BAR_HEIGHT 22
#define CELLS_TOP 150
#define CELL_HEIGHT 16
#define ROW_HEIGHT 20
#define LINE 22

/* Of the cells: fewer to a row where there are few, so that a small heap is no thin line. */
struct grid {
    size_t columns, rows;
    int pitch, gap, top; /* of a cell and of what is between two, halves of a pixel */
};

static struct grid grid_of(const struct heap_map *map) {
    struct grid grid = {.columns = 96, .gap = 2, .top = CELLS_TOP};
    if (map->cell_count <= 512)
        grid.columns = 32;
    else if (map->cell_count <= 1536)
        grid.columns = 64;
    grid.pitch = 2 * WIDTH / (int)grid.columns;
    grid.rows = (map->cell_count + grid.columns - 1) / grid.columns;
    return grid;
}

/* --- the bar --- */

struct bar {
    struct text *text;
    uint64_t done, whole;
};

/* In tenths of a pixel. */
static unsigned along(const struct bar *bar, uint64_t bytes) {
    return bar->whole ? (unsigned)((double)bytes * 10 * WIDTH / (double)bar->whole + 0.5) : 0;
}

static void put_part(struct bar *bar, uint64_t bytes, const char *fill, const char *opacity) {
    unsigned from = 10 * LEFT + along(bar, bar->done), to = 10 * LEFT + along(bar, bar->done + bytes);
    bar->done += bytes;
    if (to > from)
        put(bar->text, "<rect x=\"%u.%u\" y=\"%u\" width=\"%u.%u\" height=\"%u\" fill=\"%s\"%s/>\n", from / 10,
            from % 10, BAR_TOP, (to - from) / 10, (to - from) % 10, BAR_HEIGHT, fill, opacity);
}

static void put_bar(struct text *text, const struct heap_map *map) {
    struct bar bar = {text, 0, map->bytes};
    put(text, "<text x=\"%u\" y=\"%u\" class=\"axis\">in all</text>\n", LEFT - 10, BAR_TOP + 15);
    put(text, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"" NOTHING "\"/>\n", LEFT, BAR_TOP, WIDTH,
        BAR_HEIGHT);
    for (unsigned row = 0; row < MAP_ROWS; row++)
        put_part(&bar, map->rows[row].live, fill_of(map, row).text, "");
    for (unsigned row = 0; row < MAP_ROWS; row++)
        put_part(&bar, map->rows[row].room - map->rows[row].live, colour_of(map, row), " fill-opacity=\".25\"");
    put_part(&bar, map->held, HELD, "");
}

/* --- the cells --- */

/* Where the parts of a cell end, from the bottom up, in halves of a pixel: live of each row, unused, held. */
#define PARTS (MAP_ROWS + 2)
enum { PART_UNUSED = MAP_ROWS, PART_HELD };

struct stack {
    int ends[PARTS];
    unsigned tint; /* the row whose spans have most */
};

static int height_of(uint64_t bytes, uint64_t whole) {
    return whole ? (int)((double)bytes * 2 * CELL_HEIGHT / (double)whole + 0.5) : 0;
}

static struct stack stack_of(const struct map_cell *cell) {
    struct stack stack = {.tint = 0};
    uint64_t sum = 0, room = 0;
    for (unsigned row = 0; row < MAP_ROWS; row++) {
        sum += cell->live[row];
        room += cell->room[row];
        stack.ends[row] = height_of(sum, cell->bytes);
        if (cell->room[row] > cell->room[stack.tint])
            stack.tint = row;
    }
    stack.ends[PART_UNUSED] = height_of(room, cell->bytes);
    stack.ends[PART_HELD] = height_of(room + cell->held, cell->bytes);
    return stack;
}

/* How many cells from this one on, in its row, show one span that has them all. */
static size_t joined(const struct heap_map *map, const struct grid *grid, size_t index) {
    size_t end = (index / grid->columns + 1) * grid->columns, next = index + 1;
    if (end > map->cell_count)
        end = map->cell_count;
    while (next < end && map->cells[index].only && map->cells[next].only == map->cells[index].only)
        next++;
    return next - index;
}

/* The rectangles of a part in all cells, as a path. `tint`: only of cells where that row has most; else any. */
static void put_cells(struct text *text, const struct heap_map *map, const struct grid *grid, unsigned part,
                      unsigned tint, const char *fill, const char *opacity) {
    bool any = false;
    for (size_t i = 0, count; i < map->cell_count; i += count) {
        struct stack stack = stack_of(&map->cells[i]);
        count = joined(map, grid, i);
        int from = part ? stack.ends[part - 1] : 0, height = stack.ends[part] - from;
        if (height <= 0 || (tint < MAP_ROWS && stack.tint != tint))
            continue;
        if (!any)
            put(text, "<path fill=\"%s\"%s d=\"", fill, opacity);
        any = true;
        int x = (int)(i % grid->columns) * grid->pitch, width = (int)count * grid->pitch - grid->gap;
        int y = (int)(i / grid->columns) * 2 * ROW_HEIGHT + 2 * CELL_HEIGHT - from;
        put(text, "M%d %dh%dv-%dh-%dz", x, y, width, height, width);
    }
    if (any)
        put(text, "\"/>\n");
}

static void put_grid(struct text *text, const struct heap_map *map, const struct grid *grid) {
    size_t row_bytes = (grid->columns * map->cell_pages) << PAGE_SHIFT;
    for (size_t row = 0; row < grid->rows; row++) {
        size_t cells = map->cell_count - row * grid->columns, y = (size_t)grid->top + row * ROW_HEIGHT;
        if (cells > grid->columns)
            cells = grid->columns;
        put(text, "<rect x=\"%u\" y=\"%zu\" width=\"%zu\" height=\"%u\" fill=\"" NOTHING "\"/>\n", LEFT, y,
            cells * (size_t)grid->pitch / 2 - 1, CELL_HEIGHT);
        if (grid->rows <= 12 || row % 2 == 0)
            put(text, "<text x=\"%u\" y=\"%zu\" class=\"axis\">%s</text>\n", LEFT - 10, y + 12,
                row ? size_of(row * row_bytes).text : "0");
    }
    put(text, "<g transform=\"translate(%u %d) scale(.5)\">\n", LEFT, grid->top);
    for (unsigned row = 0; row < MAP_ROWS; row++)
        put_cells(text, map, grid, PART_UNUSED, row, colour_of(map, row), " fill-opacity=\".25\"");
    put_cells(text, map, grid, PART_HELD, MAP_ROWS, HELD, "");
    for (unsigned row = 0; row < MAP_ROWS; row++)
        put_cells(text, map, grid, row, MAP_ROWS, fill_of(map, row).text, "");
    put(text, "</g>\n");
}

/* --- the table --- */

enum {
    AT_NAME = LEFT + 30,
    AT_SLOT = 520,
    AT_OBJECTS = 650,
    AT_LIVE = 750,
    AT_ROOM = 860,
    AT_FULL = 900,
    AT_MOVES = 1118
};
#define FULL_WIDTH 120

static void put_layout_row(struct text *text, const struct heap_map *map, unsigned index, int y) {
    const struct map_row *row = &map->rows[index];
    put(text, "<g data-layout=\"");
    put_row_name(text, row, 200);
    put(text, "\" data-slot-bytes=\"%u\" data-objects=\"%llu\" data-live-bytes=\"%llu\" data-span-bytes=\"%llu\">\n",
        row->layout ? row->layout->slot_bytes : 0, (unsigned long long)row->objects, (unsigned long long)row->live,
        (unsigned long long)row->room);
    put(text, "<rect x=\"%u\" y=\"%d\" width=\"18\" height=\"14\" rx=\"2\" fill=\"%s\"/>", LEFT, y - 12,
        fill_of(map, index).text);
    put(text, "<text x=\"%u\" y=\"%d\">", AT_NAME, y);
    put_row_name(text, row, 48);
    put(text, "</text>");
    if (row->layout)
        put(text, "<text x=\"%u\" y=\"%d\" class=\"n\">%s</text>", AT_SLOT, y,
            is_large(row) ? "large" : size_of(row->layout->slot_bytes).text);
    put(text,
        "<text x=\"%u\" y=\"%d\" class=\"n\">%s</text><text x=\"%u\" y=\"%d\" class=\"n\">%s</text>"
        "<text x=\"%u\" y=\"%d\" class=\"n\">%s</text>",
        AT_OBJECTS, y, grouped(row->objects).text, AT_LIVE, y, size_of(row->live).text, AT_ROOM, y,
        size_of(row->room).text);
    unsigned tenths = part_of(row->live, row->room), width = tenths * FULL_WIDTH / 1000;
    put(text,
        "<rect x=\"%u\" y=\"%d\" width=\"%u\" height=\"12\" fill=\"%s\" fill-opacity=\".25\"/>"
        "<rect x=\"%u\" y=\"%d\" width=\"%u\" height=\"12\" fill=\"%s\"/>"
        "<text x=\"%u\" y=\"%d\" class=\"n\">%s</text>",
        AT_FULL, y - 11, FULL_WIDTH, colour_of(map, index), AT_FULL, y - 11, width, colour_of(map, index),
        AT_FULL + FULL_WIDTH + 68, y, percent(row->live, row->room).text);
    if (row->layout)
        put(text, "<text x=\"%u\" y=\"%d\" class=\"%s\">%s</text>", AT_MOVES, y,
            row->layout->movable && !is_large(row) ? "" : "dim",
            row->layout->movable && !is_large(row) ? "can move" : "stays");
    put(text, "</g>\n");
}

static void put_table(struct text *text, const struct heap_map *map, int y) {
    put(text,
        "<g class=\"head\"><text x=\"%u\" y=\"%d\">layout</text><text x=\"%u\" y=\"%d\" class=\"n\">slot</text>"
        "<text x=\"%u\" y=\"%d\" class=\"n\">objects</text><text x=\"%u\" y=\"%d\" class=\"n\">bytes</text>"
        "<text x=\"%u\" y=\"%d\" class=\"n\">in spans of</text><text x=\"%u\" y=\"%d\">full</text>"
        "<text x=\"%u\" y=\"%d\">in a compaction</text></g>\n",
        LEFT, y, AT_SLOT, y, AT_OBJECTS, y, AT_LIVE, y, AT_ROOM, y, AT_FULL, y, AT_MOVES, y);
    for (unsigned row = 0; row < MAP_ROWS; row++)
        if (map->rows[row].spans > 0)
            put_layout_row(text, map, row, y += LINE);
    y += LINE + 8;
    put(text,
        "<rect x=\"%u\" y=\"%d\" width=\"18\" height=\"14\" rx=\"2\" fill=\"%s\" fill-opacity=\".25\"/>"
        "<text x=\"%u\" y=\"%d\">slots without an object: %s</text>\n",
        LEFT, y - 12, colours[0], AT_NAME, y, size_of(map->room - map->live).text);
    put(text,
        "<rect x=\"410\" y=\"%d\" width=\"18\" height=\"14\" rx=\"2\" fill=\"" HELD "\"/>"
        "<text x=\"440\" y=\"%d\">free, and still the process's: %s</text>\n",
        y - 12, y, size_of(map->held).text);
    put(text,
        "<rect x=\"760\" y=\"%d\" width=\"18\" height=\"14\" rx=\"2\" fill=\"" NOTHING "\" stroke=\"#d5dae0\"/>"
        "<text x=\"790\" y=\"%d\">given back to the system, or never used: %s</text>\n",
        y - 12, y, size_of(map->released).text);
}

static int table_lines(const struct heap_map *map) {
    int lines = 3;
    for (unsigned row = 0; row < MAP_ROWS; row++)
        lines += map->rows[row].spans > 0;
    return lines;
}

/* --- all of it --- */

static void put_head(struct text *text, const struct heap_map *map, int height) {
    put(text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %d\" width=\"%u\" height=\"%d\" "
        "data-live-bytes=\"%llu\" data-objects=\"%llu\" data-span-bytes=\"%llu\" data-free-bytes=\"%llu\" "
        "data-released-bytes=\"%llu\" data-range-bytes=\"%llu\">\n",
        LEFT + WIDTH + 28, height, LEFT + WIDTH + 28, height, (unsigned long long)map->live,
        (unsigned long long)map->objects, (unsigned long long)map->room, (unsigned long long)map->held,
        (unsigned long long)map->released, (unsigned long long)map->bytes);
    put(text, "<title>Heap map: %s in %s objects</title>\n", size_of(map->live).text, grouped(map->objects).text);
    put(text, "<style>text{font:13px system-ui,'Helvetica Neue','DejaVu Sans',Arial,sans-serif;fill:#1c2530}"
              ".n,.axis{text-anchor:end;font-variant-numeric:tabular-nums}.axis{font-size:11px;fill:#6a7480}"
              ".head text,.note{font-size:12px;fill:#6a7480}.dim{fill:#8b95a1}.title{font-size:22px;font-weight:600}"
              ".sum{font-size:14px}.big{font-weight:600}</style>\n");
    put(text, "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n");
    put_patterns(text, map);
    put(text, "<text x=\"%u\" y=\"42\" class=\"title\">Heap map</text>\n", LEFT);
    put(text,
        "<text x=\"%u\" y=\"72\" class=\"sum\"><tspan class=\"big\">%s</tspan> in %s objects, in spans of "
        "<tspan class=\"big\">%s</tspan>, which are <tspan class=\"big\">%s</tspan> full; %s free; %s given back or never "
        "used</text>\n",
        LEFT, size_of(map->live).text, grouped(map->objects).text, size_of(map->room).text,
        percent(map->live, map->room).text, size_of(map->held).text, size_of(map->released).text);
    put(text, "<text x=\"%u\" y=\"42\" class=\"note n\">Burrow %s, after %u collection%s</text>\n", LEFT + WIDTH,
        BURROW_VERSION, map->collections, map->collections == 1 ? "" : "s");
}

size_t heap_picture(const struct heap_map *map, char *at, size_t room) {
    struct text text = {at, 0, room};
    struct grid grid = grid_of(map);
    int cells_end = grid.top + (int)grid.rows * ROW_HEIGHT, table = cells_end + 60;
    put_head(&text, map, table + table_lines(map) * LINE + 4);
    put_bar(&text, map);
    put_grid(&text, map, &grid);
    put(&text,
        "<text x=\"%u\" y=\"%d\" class=\"note\">A cell is %s: %zu page%s of 8 KiB. Addresses grow to the right and down, "
        "from 0x%llx; at the left, how far from there.</text>\n",
        LEFT, cells_end + 16, size_of((uint64_t)map->cell_pages << PAGE_SHIFT).text, map->cell_pages,
        map->cell_pages == 1 ? "" : "s", (unsigned long long)map->base);
    put_table(&text, map, table);
    put(&text, "</svg>\n");
    return text.used;
}
