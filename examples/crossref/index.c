/* index.c - identifiers by name, and their places. */
#include "crossref.h"

static const struct {
    enum keyword keyword;
    bw_string words;
} keywords[] = {
    {KEYWORD_TYPE, BW_STR_INIT("char double float int long short signed unsigned void _Bool _Complex _Imaginary "
                               "typeof __signed __signed__ __typeof __typeof__")},
    {KEYWORD_QUALIFIER, BW_STR_INIT("const inline restrict volatile _Atomic _Noreturn _Thread_local __const __const__ "
                                    "__extension__ __inline __inline__ __restrict __restrict__ __thread __volatile "
                                    "__volatile__")},
    {KEYWORD_STORAGE, BW_STR_INIT("auto extern register static")},
    {KEYWORD_TYPEDEF, BW_STR_INIT("typedef")},
    {KEYWORD_STRUCT, BW_STR_INIT("struct union")},
    {KEYWORD_ENUM, BW_STR_INIT("enum")},
    {KEYWORD_ATTRIBUTE, BW_STR_INIT("_Alignas asm __asm __asm__ __attribute __attribute__")},
    {KEYWORD_OTHER, BW_STR_INIT("break case continue default do else for goto if return sizeof switch while _Alignof "
                                "_Generic _Static_assert __alignof __alignof__ __label__")},
};

/* The headers of a system have some hundred thousand names. Making room for them at once costs less than growing, for
 * which a map computes the hashes of its keys again. */
static const ptrdiff_t NAMES = 1 << 18;

crossref *crossref_new(void) {
    crossref *x = bw_new(crossref);
    x->identifiers = bw_make_map(identifier_map, NAMES);
    x->started_ns = now_ns();
    identifier_map known = bw_make_map(identifier_map);
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        bw_range(j, word, bw_str_fields(keywords[i].words)) {
            crossref_intern(x, known, word)->keyword = keywords[i].keyword;
        }
    }
    return x;
}

/* Most words have been met before, and take no lock. */
identifier *crossref_intern(crossref *x, identifier_map known, bw_string name) {
    identifier *id = bw_get(known, name);
    if (id)
        return id;
    bw_mutex_lock(&x->interning);
    bw_defer(bw_mutex_unlock, &x->interning);
    id = bw_get(x->identifiers, name);
    if (!id) {
        id = bw_new(identifier);
        id->name = bw_string_from(name.ptr, name.len);
        id->places = bw_make_slice(place, 0, 2);
        bw_put(x->identifiers, id->name) = id;
    }
    bw_put(known, id->name) = id;
    return id;
}

static void add_place(crossref *x, identifier *id, place at) {
    x->found += bw_len(id->places) == 0;
    x->places++;
    if (bw_len(id->places) == bw_cap(id->places)) {
        /* Most of the memory is in these arrays; bw_append would leave those that are too small to the collector. */
        id->places.cap *= 2;
        id->places.ptr = bw_realloc(id->places.ptr, (size_t)id->places.cap * sizeof(place));
    }
    id->places = bw_append(id->places, at);
}

bool crossref_enter(crossref *x, source_file file, bw_slice(occurrence) found) {
    if (bw_len(x->files) == MAX_FILES)
        return false;
    uint32_t number = (uint32_t)bw_len(x->files);
    x->files = bw_append(x->files, file);
    bw_range(i, o, found) {
        add_place(x, o.id, (place){number | (uint32_t)o.look << PLACE_LOOK_SHIFT, o.line});
    }
    return true;
}
