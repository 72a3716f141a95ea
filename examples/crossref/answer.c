/* answer.c - what is printed about identifiers: the most frequent ones, the places of one, names like one.
 *
 * The answers go to standard output, a place a line as file:line:, so that other programs can use them.
 */
#include "crossref.h"
#include <sys/stat.h>

bw_string printable(bw_string path) {
    bw_builder b = {0};
    bw_range(i, c, path) {
        if ((unsigned char)c < ' ' || c == 0x7f)
            bw_builder_printf(&b, "\\%03o", c);
        else if (c == '\\')
            bw_builder_write_cstr(&b, "\\\\");
        else
            bw_builder_write_byte(&b, c);
    }
    return bw_builder_string(&b);
}

/* ---- the most frequent ------------------------------------------------------------------------------------------ */

/* An identifier that may be printed. */
BW_STRUCT(candidate, (bw_string, name), (identifier *, id), (unsigned, apart)); /* from a name asked for, or 0 */
BW_SLICE(candidate);

/* The nearer first, of those the more frequent. */
static int by_rank(const candidate *a, const candidate *b) {
    if (a->apart != b->apart)
        return a->apart < b->apart ? -1 : 1;
    ptrdiff_t more = bw_len(b->id->places) - bw_len(a->id->places);
    return more ? (more > 0) - (more < 0) : bw_str_cmp(a->name, b->name);
}

static ptrdiff_t files_of(const identifier *id) {
    ptrdiff_t files = 0;
    bw_range(i, at, id->places) {
        files += i == 0 || place_file(at) != place_file(bw_at(id->places, i - 1));
    }
    return files;
}

void answer_top(const crossref *x, ptrdiff_t count) {
    count = count < x->found ? count : x->found;
    if (count == 0)
        return;
    /* Sorting twice as many as are wanted, now and then, costs less than sorting all. */
    bw_slice(candidate) top = bw_make_slice(candidate, 0, 2 * count);
    bool is_known = false; /* which is the last of those that were wanted so far */
    bw_map_range(name, id, x->identifiers) {
        candidate next = {name, id, 0};
        if (bw_len(id->places) == 0 || (is_known && by_rank(&next, &bw_at(top, count - 1)) > 0))
            continue;
        top = bw_append(top, next);
        if (bw_len(top) == 2 * count) {
            bw_sort(top, by_rank);
            top = bw_sub(top, 0, count);
            is_known = true;
        }
    }
    bw_sort(top, by_rank);
    bw_printf("%11s  %6s  identifier\n", "occurrences", "files");
    bw_range(i, next, bw_sub(top, 0, count)) {
        bw_printf("%11d  %6d  %s\n", bw_len(next.id->places), files_of(next.id), next.name);
    }
}

/* ---- source lines ----------------------------------------------------------------------------------------------- */

enum { SHOWN = 100 }; /* bytes of a source line */

/* A source file being shown. Lines asked for in their order are found in one pass over it. */
typedef struct line_reader {
    ptrdiff_t file; /* its number */
    bw_string rest; /* what begins with .. */
    uint32_t line;  /* .. this line; 0: no file has been read */
} line_reader;

/* Empty if it is not there any more. */
static bw_string contents_of(source_file source) {
    bw_builder b = {0};
    FILE *file = source.is_stream ? NULL : fopen(bw_cstr(source.path), "re");
    if (!file)
        return bw_str("");
    bw_defer(fclose, file);
    struct stat status;
    if (fstat(fileno(file), &status) == 0)
        bw_builder_grow(&b, status.st_size);
    char piece[16384];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        bw_builder_write(&b, piece, (ptrdiff_t)got);
    return bw_builder_string(&b);
}

static bool is_blank(char c) {
    return (unsigned char)c <= ' ' || c == 0x7f;
}

/* The line as far as it fits, without the blanks in front of it, and with one in front of all. */
static bw_string shown(bw_string line) {
    ptrdiff_t from = 0, to = bw_len(line);
    while (from < to && is_blank(bw_at(line, from)))
        from++;
    bool is_cut = to - from > SHOWN;
    if (is_cut) {
        /* Nothing is cut in the middle of a character. */
        for (to = from + SHOWN; to > from && (bw_at(line, to) & 0xc0) == 0x80;)
            to--;
    } else {
        while (to > from && is_blank(bw_at(line, to - 1)))
            to--;
    }
    bw_slice(uint8_t) text = bw_bytes(bw_substr(line, from, to));
    bw_range(i, c, text) {
        if (is_blank((char)c))
            bw_at(text, i) = ' ';
    }
    return to > from ? bw_sprintf(" %s%s", text, is_cut ? " ..." : "") : bw_str("");
}

/* The line that a place is in. */
static bw_string line_of(line_reader *r, const crossref *x, place at) {
    if (!r->line || place_file(at) != r->file || at.line < r->line)
        *r = (line_reader){place_file(at), contents_of(bw_at(x->files, place_file(at))), 1};
    for (; r->line < at.line; r->line++)
        bw_str_cut(r->rest, bw_str("\n"), NULL, &r->rest);
    bw_string line;
    bw_str_cut(r->rest, bw_str("\n"), &line, NULL);
    return line;
}

/* ---- names like a name ------------------------------------------------------------------------------------------ */

enum { LONGEST_COMPARED = 64, SUGGESTIONS = 5 };

static int lower(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static unsigned min(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* How far apart two words are: 2 for each character that has to be inserted, taken out, replaced or swapped with its
 * neighbour, 1 for one that differs in case. */
static unsigned distance(bw_string a, bw_string b) {
    unsigned rows[3][LONGEST_COMPARED + 1];
    for (ptrdiff_t j = 0; j <= b.len; j++)
        rows[0][j] = (unsigned)j * 2;
    for (ptrdiff_t i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i * 2;
        for (ptrdiff_t j = 1; j <= b.len; j++) {
            char c = a.ptr[i - 1], d = b.ptr[j - 1];
            unsigned differs = c == d ? 0 : lower(c) == lower(d) ? 1 : 2;
            row[j] = min(above[j - 1] + differs, min(above[j], row[j - 1]) + 2);
            if (i > 1 && j > 1 && c == b.ptr[j - 2] && a.ptr[i - 2] == d)
                row[j] = min(row[j], above2[j - 2] + 2);
        }
    }
    return rows[a.len % 3][b.len];
}

static bw_string suggestions(const crossref *x, bw_string name) {
    /* A letter in three may be wrong, but not more than three. */
    ptrdiff_t wrong = bw_len(name) < 6 ? 1 : bw_len(name) < 9 ? 2 : 3;
    bw_slice(candidate) near = {0};
    bw_map_range(other, id, x->identifiers) {
        ptrdiff_t longer = bw_len(other) - bw_len(name);
        if (bw_len(id->places) == 0 || longer > wrong || -longer > wrong || bw_len(other) > LONGEST_COMPARED ||
            bw_len(name) > LONGEST_COMPARED)
            continue;
        unsigned apart = bw_str_equal_fold(name, other) ? 1 : distance(name, other);
        if (apart <= 2 * wrong)
            near = bw_append(near, ((candidate){other, id, apart}));
    }
    bw_sort(near, by_rank);
    bw_slice(bw_string) names = {0};
    bw_range(i, next, near) {
        if (i < SUGGESTIONS)
            names = bw_append(names, next.name);
    }
    return bw_len(names) ? bw_concat("; like it: ", bw_str_join(names, bw_str(", "))) : bw_str("");
}

/* ---- one identifier --------------------------------------------------------------------------------------------- */

static const char *const look_names[] = {
    [LOOK_USE] = "use",           [LOOK_MACRO] = "macro",       [LOOK_TAG] = "tag",
    [LOOK_TYPEDEF] = "typedef",   [LOOK_FUNCTION] = "function", [LOOK_ENUMERATOR] = "enumerator",
    [LOOK_VARIABLE] = "variable",
};

/* A line that holds an identifier several times counts once: as a definition if it looks like one anywhere. Goes
 * through the places by lines; the place that stands for the line at *from, which is moved on behind it. */
static place next_line(const identifier *id, ptrdiff_t *from) {
    place first = bw_at(id->places, *from), stands = first, at = first;
    do {
        if (place_look(stands) == LOOK_USE)
            stands = at;
        if (++*from == bw_len(id->places))
            break;
        at = bw_at(id->places, *from);
    } while (place_file(at) == place_file(first) && at.line == first.line);
    return stands;
}

static void print_places(const crossref *x, bw_slice(place) places, ptrdiff_t limit, const char *what) {
    line_reader reader = {0};
    ptrdiff_t count = limit < bw_len(places) ? limit : bw_len(places);
    bw_range(i, at, bw_sub(places, 0, count)) {
        bw_string line = shown(line_of(&reader, x, at));
        bw_string path = printable(bw_at(x->files, place_file(at)).path);
        bw_printf("%s:%d: %s:%s\n", path, at.line, look_names[place_look(at)], line);
    }
    if (count < bw_len(places))
        bw_printf("... and %d more %s\n", bw_len(places) - count, what);
}

static const char *plural(ptrdiff_t count) {
    return count == 1 ? "" : "s";
}

bool answer_name(const crossref *x, bw_string name, ptrdiff_t limit) {
    const identifier *id = bw_get(x->identifiers, name);
    if (id && id->keyword != KEYWORD_NONE) {
        bw_printf("%s: a keyword; those are not indexed\n", name);
        return false;
    }
    if (!id || bw_len(id->places) == 0) {
        bw_printf("%s: not found%s\n", printable(name), suggestions(x, name));
        return false;
    }
    bw_slice(place) definitions = {0}, uses = {0};
    for (ptrdiff_t i = 0; i < bw_len(id->places);) {
        place at = next_line(id, &i);
        if (place_look(at) == LOOK_USE)
            uses = bw_append(uses, at);
        else
            definitions = bw_append(definitions, at);
    }
    ptrdiff_t n = bw_len(definitions), m = bw_len(uses), files = files_of(id);
    bw_printf("%s: %d definition%s, %d use%s, in %d file%s\n", name, n, plural(n), m, plural(m), files, plural(files));
    print_places(x, definitions, limit, "definitions");
    print_places(x, uses, limit, "uses");
    return true;
}
