/* text.h - what the files about strings and numbers have for each other. */
#ifndef BURROW_TEXT_H
#define BURROW_TEXT_H

#include "lang.h"

#include <burrow/string.h>

#include <string.h>

/* --- a builder that begins in memory of the caller's, so that the result is one allocation of the right size --- */
static inline void builder_begin(bw_builder *b, char *room, size_t bytes) {
    *b = (bw_builder){room, 0, (ptrdiff_t)bytes, ~(uintptr_t)b};
}
static inline bw_string builder_end(const bw_builder *b, const char *room) {
    bw_string result = bw_builder_string(b);
    return result.ptr == room ? bw_string_from(result.ptr, result.len) : result;
}

/* --- string_search.c: a set of characters --- */
#define RUNE_SET_FEW 64
struct rune_set {
    uint64_t ascii[2];
    ptrdiff_t count; /* of those beyond ASCII */
    bw_rune *sorted; /* these */
    bw_rune few[RUNE_SET_FEW];
};
/* What is invalid in `characters` stands for U+FFFD. */
void rune_set_make(struct rune_set *set, bw_string characters);
bool rune_set_has(const struct rune_set *set, bw_rune r);

/* --- unicode.c --- */
/* The next character of the same case folding, in a circle: r itself if there is no other. */
bw_rune rune_fold_next(bw_rune r);

/* --- number.c --- */
/* An error as strconv's: "strconv.<function>: parsing <s>: <reason>". `function` is a literal. */
bw_error number_error(bw_string function, bw_string s, bw_error reason);
/* Are the underscores in it where a literal of Go may have them? */
bool number_underscores_fit(bw_string s);
/* Writes the digits in front of `end`, and returns where they begin. */
char *number_digits(char *end, uint64_t value);

#endif
