/* index.c - the tables: identifiers by spelling, source files by number, files already visited.
 *
 * Both hash tables are open-addressed with linear probing, at most three quarters full. A table that has become too
 * small is copied into a new one and simply dropped, as is the name of a file that turned out to be unreadable: what
 * nothing refers to any more is the collector's business.
 */
#include "crossref.h"
#include <string.h>

static const struct {
    const char *text;
    enum keyword keyword;
} keywords[] = {
    /* C11 */
    {"auto", KEYWORD_STORAGE},
    {"break", KEYWORD_OTHER},
    {"case", KEYWORD_OTHER},
    {"char", KEYWORD_TYPE},
    {"const", KEYWORD_QUALIFIER},
    {"continue", KEYWORD_OTHER},
    {"default", KEYWORD_OTHER},
    {"do", KEYWORD_OTHER},
    {"double", KEYWORD_TYPE},
    {"else", KEYWORD_OTHER},
    {"enum", KEYWORD_ENUM},
    {"extern", KEYWORD_STORAGE},
    {"float", KEYWORD_TYPE},
    {"for", KEYWORD_OTHER},
    {"goto", KEYWORD_OTHER},
    {"if", KEYWORD_OTHER},
    {"inline", KEYWORD_QUALIFIER},
    {"int", KEYWORD_TYPE},
    {"long", KEYWORD_TYPE},
    {"register", KEYWORD_STORAGE},
    {"restrict", KEYWORD_QUALIFIER},
    {"return", KEYWORD_OTHER},
    {"short", KEYWORD_TYPE},
    {"signed", KEYWORD_TYPE},
    {"sizeof", KEYWORD_OTHER},
    {"static", KEYWORD_STORAGE},
    {"struct", KEYWORD_STRUCT},
    {"switch", KEYWORD_OTHER},
    {"typedef", KEYWORD_TYPEDEF},
    {"union", KEYWORD_STRUCT},
    {"unsigned", KEYWORD_TYPE},
    {"void", KEYWORD_TYPE},
    {"volatile", KEYWORD_QUALIFIER},
    {"while", KEYWORD_OTHER},
    {"_Alignas", KEYWORD_ATTRIBUTE},
    {"_Alignof", KEYWORD_OTHER},
    {"_Atomic", KEYWORD_QUALIFIER},
    {"_Bool", KEYWORD_TYPE},
    {"_Complex", KEYWORD_TYPE},
    {"_Generic", KEYWORD_OTHER},
    {"_Imaginary", KEYWORD_TYPE},
    {"_Noreturn", KEYWORD_QUALIFIER},
    {"_Static_assert", KEYWORD_OTHER},
    {"_Thread_local", KEYWORD_QUALIFIER},
    /* GNU C's own and its other spellings */
    {"asm", KEYWORD_ATTRIBUTE},
    {"typeof", KEYWORD_TYPE},
    {"__alignof", KEYWORD_OTHER},
    {"__alignof__", KEYWORD_OTHER},
    {"__asm", KEYWORD_ATTRIBUTE},
    {"__asm__", KEYWORD_ATTRIBUTE},
    {"__attribute", KEYWORD_ATTRIBUTE},
    {"__attribute__", KEYWORD_ATTRIBUTE},
    {"__const", KEYWORD_QUALIFIER},
    {"__const__", KEYWORD_QUALIFIER},
    {"__extension__", KEYWORD_QUALIFIER},
    {"__inline", KEYWORD_QUALIFIER},
    {"__inline__", KEYWORD_QUALIFIER},
    {"__label__", KEYWORD_OTHER},
    {"__restrict", KEYWORD_QUALIFIER},
    {"__restrict__", KEYWORD_QUALIFIER},
    {"__signed", KEYWORD_TYPE},
    {"__signed__", KEYWORD_TYPE},
    {"__thread", KEYWORD_QUALIFIER},
    {"__typeof", KEYWORD_TYPE},
    {"__typeof__", KEYWORD_TYPE},
    {"__volatile", KEYWORD_QUALIFIER},
    {"__volatile__", KEYWORD_QUALIFIER},
};

/* ---- identifiers ------------------------------------------------------------------------------------------------ */

static inline uint64_t mixed(uint64_t a, uint64_t b) {
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes a step; the last step reads what is left, or again some of what was read. */
static uint64_t hash_of(const char *text, size_t length) {
    uint64_t hash = length ^ UINT64_C(0x9e3779b97f4a7c15), word;
    const uint64_t factor = UINT64_C(0xd6e8feb86659fd93);
    for (; length > 8; text += 8, length -= 8) {
        memcpy(&word, text, 8);
        hash = mixed(hash ^ word, factor);
    }
    if (length == 8) {
        memcpy(&word, text, 8);
    } else if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, text, 4);
        memcpy(&last, text + length - 4, 4);
        word = first | (uint64_t)last << 32;
    } else {
        word = 0;
        for (size_t i = 0; i < length; i++)
            word = word << 8 | (unsigned char)text[i];
    }
    return mixed(hash ^ word, factor);
}

/* The slot that holds this spelling, or the empty one where it belongs. */
static slot *slot_of(const crossref *x, const char *text, size_t length, uint64_t hash) {
    for (size_t i = hash & (x->slot_count - 1);; i = (i + 1) & (x->slot_count - 1)) {
        slot *s = &x->slots[i];
        if (!s->id || (s->hash == hash && s->id->length == length && memcmp(s->id->text, text, length) == 0))
            return s;
    }
}

static void grow_slots(crossref *x) {
    slot *old = x->slots;
    size_t old_count = x->slot_count;
    x->slot_count = old_count ? old_count * 2 : 4096;
    x->slots = bw_new_array(slot, x->slot_count);
    for (size_t i = 0; i < old_count; i++) {
        if (!old[i].id)
            continue;
        size_t to = old[i].hash & (x->slot_count - 1);
        while (x->slots[to].id)
            to = (to + 1) & (x->slot_count - 1);
        x->slots[to] = old[i];
    }
}

identifier *crossref_intern(crossref *x, const char *text, size_t length) {
    /* A longer spelling has as many significant characters as the field can count. */
    if (length > UINT32_MAX)
        length = UINT32_MAX;
    uint64_t hash = hash_of(text, length);
    slot *s = slot_of(x, text, length, hash);
    if (s->id)
        return s->id;

    identifier *id = bw_new(identifier);
    id->text = bw_alloc_noscan(length + 1);
    memcpy(id->text, text, length);
    id->length = (uint32_t)length;
    s->hash = hash;
    s->id = id;
    x->slots_used++;
    if (x->slots_used > x->slot_count / 4 * 3)
        grow_slots(x);
    return id;
}

identifier *crossref_find(const crossref *x, const char *text, size_t length) {
    return slot_of(x, text, length, hash_of(text, length))->id;
}

size_t crossref_identifier_count(const crossref *x) {
    size_t count = 0;
    for (size_t i = 0; i < x->slot_count; i++)
        count += x->slots[i].id && x->slots[i].id->place_count;
    return count;
}

/* ---- places ----------------------------------------------------------------------------------------------------- */

size_t crossref_add_place(crossref *x, identifier *id, uint32_t file, uint64_t line) {
    size_t index = id->place_count;
    if (!id->places)
        id->places = bw_new_array(place, 2);
    else if ((index & (index - 1)) == 0 && index > 1)
        id->places = bw_realloc(id->places, index * 2 * sizeof(place));
    id->places[index] = (place){file, line < UINT32_MAX ? (uint32_t)line : UINT32_MAX};
    id->place_count++;
    x->places++;
    return index;
}

void crossref_set_look(identifier *id, size_t index, enum look look) {
    place *at = &id->places[index];
    at->file_and_look = place_file(at) | (uint32_t)look << PLACE_LOOK_SHIFT;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

void crossref_add_file(crossref *x, char *path, bool is_stream) {
    if (x->file_count == x->file_room) {
        size_t room = x->file_room ? x->file_room * 2 : 256;
        source_file **files = bw_new_array(source_file *, room);
        if (x->file_count)
            memcpy(files, x->files, x->file_count * sizeof *files);
        x->files = files;
        x->file_room = room;
    }
    source_file *file = bw_new(source_file);
    file->path = path;
    file->is_stream = is_stream;
    x->files[x->file_count++] = file;
}

/* A file's places are the last ones of each identifier, so taking them back is a look at every identifier's end. */
void crossref_forget_last_file(crossref *x) {
    size_t file = --x->file_count;
    x->files[file] = NULL;
    for (size_t i = 0; i < x->slot_count; i++) {
        identifier *id = x->slots[i].id;
        while (id && id->place_count && place_file(&id->places[id->place_count - 1]) == file) {
            id->place_count--;
            x->places--;
        }
    }
}

static file_key *visited_slot(file_key *table, size_t room, uint64_t device, uint64_t inode) {
    size_t i = mixed(device ^ UINT64_C(0x9e3779b97f4a7c15), inode ^ UINT64_C(0xd6e8feb86659fd93)) & (room - 1);
    while (table[i].used && (table[i].device != device || table[i].inode != inode))
        i = (i + 1) & (room - 1);
    return &table[i];
}

bool crossref_visit(crossref *x, uint64_t device, uint64_t inode) {
    if (x->visited_count >= x->visited_room / 4 * 3) {
        size_t room = x->visited_room ? x->visited_room * 2 : 256;
        file_key *table = bw_new_array(file_key, room);
        for (size_t i = 0; i < x->visited_room; i++) {
            if (x->visited[i].used)
                *visited_slot(table, room, x->visited[i].device, x->visited[i].inode) = x->visited[i];
        }
        x->visited = table;
        x->visited_room = room;
    }
    file_key *key = visited_slot(x->visited, x->visited_room, device, inode);
    if (key->used)
        return false;
    *key = (file_key){device, inode, true};
    x->visited_count++;
    return true;
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

crossref *crossref_new(void) {
    crossref *x = bw_new(crossref);
    x->started_ns = now_ns();
    grow_slots(x);
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        crossref_intern(x, keywords[i].text, strlen(keywords[i].text))->keyword = keywords[i].keyword;
    return x;
}
