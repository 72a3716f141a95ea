/* index.c - identifiers by name, and their places.
 *
 * What nothing refers to any more, such as the name of a file that was taken back, is the collector's business.
 */
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

crossref crossref_new(void) {
    crossref x = {
        .identifiers = bw_make_map(identifier_map, NAMES), .visited = bw_make_map(file_set), .started_ns = now_ns()};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        bw_range(j, word, bw_str_fields(keywords[i].words)) {
            crossref_intern(&x, word)->keyword = keywords[i].keyword;
        }
    }
    return x;
}

identifier *crossref_intern(crossref *x, bw_string name) {
    identifier *id = bw_get(x->identifiers, name);
    if (!id) {
        id = bw_new(identifier);
        id->places = bw_make_slice(place, 0, 2);
        bw_put(x->identifiers, bw_string_from(name.ptr, name.len)) = id;
    }
    return id;
}

spot crossref_add_place(crossref *x, identifier *id, uint64_t line) {
    ptrdiff_t index = bw_len(id->places);
    uint32_t file = (uint32_t)bw_len(x->files) - 1;
    if (index == bw_cap(id->places)) {
        /* Most of the memory is in these arrays; bw_append would leave those that are too small to the collector. */
        id->places.cap *= 2;
        id->places.ptr = bw_realloc(id->places.ptr, (size_t)id->places.cap * sizeof(place));
    }
    id->places = bw_append(id->places, ((place){file, line < UINT32_MAX ? (uint32_t)line : UINT32_MAX}));
    x->found += index == 0;
    x->places++;
    return (spot){id, index};
}

void crossref_set_look(spot at, enum look look) {
    place *marked = &bw_at(at.id->places, at.index);
    marked->file_and_look = place_file(*marked) | (uint32_t)look << PLACE_LOOK_SHIFT;
}

/* A file's places are the last ones of each identifier, so taking them back is a look at every identifier's end. */
void crossref_forget_last_file(crossref *x) {
    ptrdiff_t file = bw_len(x->files) - 1;
    x->files = bw_sub(x->files, 0, file);
    bw_map_range(name, id, x->identifiers) {
        ptrdiff_t kept = bw_len(id->places);
        while (kept > 0 && place_file(bw_at(id->places, kept - 1)) == file)
            kept--;
        x->places -= bw_len(id->places) - kept;
        x->found -= kept == 0 && bw_len(id->places) > 0;
        id->places = bw_sub(id->places, 0, kept);
    }
}
