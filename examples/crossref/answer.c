/* answer.c - what is printed about identifiers: the most frequent ones, the places of one, names like one.
 *
 * The answers go to standard output, a place a line as file:line:, so that other programs can use them.
 */
#include "crossref.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void print_path(FILE *to, const char *path) {
    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        if (*p < ' ' || *p == 0x7f)
            fprintf(to, "\\%03o", *p);
        else if (*p == '\\')
            fputs("\\\\", to);
        else
            putc(*p, to);
    }
}

/* ---- the most frequent ------------------------------------------------------------------------------------------ */

/* Whether `a` goes above `b` in the table. */
static bool is_more(const identifier *a, const identifier *b) {
    if (a->place_count != b->place_count)
        return a->place_count > b->place_count;
    return strcmp(a->text, b->text) < 0;
}

static int rarest_first(const void *a, const void *b) {
    return is_more(*(identifier *const *)b, *(identifier *const *)a) ? -1 : 1;
}

/* Puts `id` at the root of a heap whose root is the least, and lets it sink to where it belongs. */
static void sink(identifier **heap, size_t count, identifier *id) {
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_more(heap[child], heap[child + 1]))
            child++;
        if (!is_more(id, heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = id;
}

static size_t files_of(const identifier *id) {
    size_t files = 0;
    for (size_t i = 0; i < id->place_count; i++)
        files += i == 0 || place_file(&id->places[i]) != place_file(&id->places[i - 1]);
    return files;
}

void answer_top(const crossref *x, size_t count) {
    size_t most = crossref_identifier_count(x), held = 0;
    if (count > most)
        count = most;
    if (count == 0)
        return;
    /* Once it is full and sorted it is a heap with the rarest at its root. */
    identifier **top = bw_new_array(identifier *, count);
    for (size_t i = 0; i < x->slot_count; i++) {
        identifier *id = x->slots[i].id;
        if (!id || !id->place_count)
            continue;
        if (held < count) {
            top[held++] = id;
            if (held == count)
                qsort(top, count, sizeof *top, rarest_first);
        } else if (is_more(id, top[0])) {
            sink(top, count, id);
        }
    }
    qsort(top, count, sizeof *top, rarest_first);
    printf("%11s  %6s  identifier\n", "occurrences", "files");
    for (size_t i = count; i-- > 0;)
        printf("%11zu  %6zu  %s\n", top[i]->place_count, files_of(top[i]), top[i]->text);
}

/* ---- source lines ----------------------------------------------------------------------------------------------- */

enum { SHOWN = 100 }; /* bytes of a source line */

/* Shows lines of source files. Asked for in their order, those of a file are found in one pass over it. */
typedef struct line_reader {
    const source_file *source;
    FILE *file;
    uint32_t line; /* the next one */
} line_reader;

static void close_reader(line_reader *r) {
    if (r->file)
        fclose(r->file);
    *r = (line_reader){0};
}

/* Prints the line as far as it fits, without the blanks in front of it; nothing if the file is not there any more. */
static void print_line(line_reader *r, const source_file *source, uint32_t line) {
    if (source != r->source || line < r->line) {
        close_reader(r);
        r->source = source;
        r->line = 1;
        r->file = source->is_stream ? NULL : fopen(source->path, "re");
    }
    if (!r->file)
        return;
    int c = 0;
    while (r->line < line && (c = getc_unlocked(r->file)) != EOF)
        r->line += c == '\n';

    char shown[SHOWN];
    size_t length = 0;
    bool is_cut = false;
    while ((c = getc_unlocked(r->file)) != EOF && c != '\n') {
        if (c < ' ' || c == 0x7f)
            c = ' ';
        if (c == ' ' && length == 0)
            continue;
        if (length == SHOWN) {
            is_cut = true;
            break;
        }
        shown[length++] = (char)c;
    }
    /* The rest of a long line is left to the next search for a line, which begins by counting its end. */
    if (c == '\n')
        r->line++;
    /* Nothing is cut in the middle of a character. */
    if (is_cut && (c & 0xc0) == 0x80) {
        while (length > 1 && (shown[length - 1] & 0xc0) == 0x80)
            length--;
        length--;
    }
    while (!is_cut && length > 0 && shown[length - 1] == ' ')
        length--;
    if (length)
        printf(" %.*s%s", (int)length, shown, is_cut ? " ..." : "");
}

/* ---- one identifier --------------------------------------------------------------------------------------------- */

static const char *const look_names[] = {
    [LOOK_USE] = "use",           [LOOK_MACRO] = "macro",       [LOOK_TAG] = "tag",
    [LOOK_TYPEDEF] = "typedef",   [LOOK_FUNCTION] = "function", [LOOK_ENUMERATOR] = "enumerator",
    [LOOK_VARIABLE] = "variable",
};

static bool is_same_line(const place *a, const place *b) {
    return place_file(a) == place_file(b) && a->line == b->line;
}

/* A line that holds an identifier several times counts once: as a definition if it looks like one anywhere. Goes through
 * the places by lines; the place that stands for the line at *from, which is moved on behind it. */
static const place *next_line(const identifier *id, size_t *from) {
    const place *first = &id->places[*from], *stands = first;
    do {
        if (place_look(stands) == LOOK_USE)
            stands = &id->places[*from];
        ++*from;
    } while (*from < id->place_count && is_same_line(first, &id->places[*from]));
    return stands;
}

static void print_places(const crossref *x, const identifier *id, bool uses, size_t limit, size_t total) {
    line_reader reader = {0};
    size_t shown = 0;
    for (size_t i = 0; i < id->place_count && shown < limit;) {
        const place *at = next_line(id, &i);
        if ((place_look(at) == LOOK_USE) != uses)
            continue;
        const source_file *source = x->files[place_file(at)];
        print_path(stdout, source->path);
        printf(":%u: %s:", at->line, look_names[place_look(at)]);
        print_line(&reader, source, at->line);
        putchar('\n');
        shown++;
    }
    close_reader(&reader);
    if (shown < total)
        printf("... and %zu more %s\n", total - shown, uses ? "uses" : "definitions");
}

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
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
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    unsigned rows[3][LONGEST_COMPARED + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = (unsigned)j * 2;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i * 2;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned differs = a[i - 1] == b[j - 1] ? 0 : lower(a[i - 1]) == lower(b[j - 1]) ? 1 : 2;
            row[j] = min(above[j - 1] + differs, min(above[j], row[j - 1]) + 2);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min(row[j], above2[j - 2] + 2);
        }
    }
    return rows[a_length % 3][b_length];
}

typedef struct near_name {
    const identifier *id;
    unsigned apart;
} near_name;

static bool is_nearer(near_name a, near_name b) {
    return a.apart != b.apart ? a.apart < b.apart : is_more(a.id, b.id);
}

static void suggest(const crossref *x, const char *name, size_t length) {
    if (length > LONGEST_COMPARED)
        return;
    /* A letter in three may be wrong, but not more than three. */
    size_t wrong = length < 6 ? 1 : length < 9 ? 2 : 3;
    near_name nearest[SUGGESTIONS + 1]; /* in order; the last one is where the next comes in, and what falls out */
    size_t count = 0;
    for (size_t i = 0; i < x->slot_count; i++) {
        const identifier *id = x->slots[i].id;
        if (!id || !id->place_count || id->length > LONGEST_COMPARED || id->length > length + wrong ||
            length > id->length + wrong)
            continue;
        bool differs_in_case = id->length == length && strcasecmp(name, id->text) == 0;
        near_name next = {id, differs_in_case ? 1 : distance(name, length, id->text, id->length)};
        if (next.apart > 2 * wrong)
            continue;
        size_t at = count;
        for (; at > 0 && is_nearer(next, nearest[at - 1]); at--)
            nearest[at] = nearest[at - 1];
        nearest[at] = next;
        count += count < SUGGESTIONS;
    }
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i == 0 ? "; like it: " : ", ", nearest[i].id->text);
}

bool answer_name(const crossref *x, const char *name, size_t limit) {
    size_t length = strlen(name);
    const identifier *id = crossref_find(x, name, length);
    if (!id || !id->place_count) {
        print_path(stdout, name);
        if (id && id->keyword != KEYWORD_NONE) {
            printf(": a keyword; those are not indexed");
        } else {
            printf(": not found");
            suggest(x, name, length);
        }
        putchar('\n');
        return false;
    }

    size_t definitions = 0, uses = 0;
    for (size_t i = 0; i < id->place_count;) {
        if (place_look(next_line(id, &i)) == LOOK_USE)
            uses++;
        else
            definitions++;
    }
    size_t files = files_of(id);
    printf("%s: %zu definition%s, %zu use%s, in %zu file%s\n", id->text, definitions, plural(definitions), uses,
           plural(uses), files, plural(files));
    print_places(x, id, false, limit, definitions);
    print_places(x, id, true, limit, uses);
    return true;
}
