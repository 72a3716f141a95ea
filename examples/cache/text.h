/* text.h - what Redis takes for a number, and for a pattern. */
#ifndef CACHE_TEXT_H
#define CACHE_TEXT_H

#include <burrow.h>

/* A decimal integer of 64 bits, with nothing before it or behind it, no plus, no needless zeros. */
bool integer_from(bw_string text, int64_t *value);

/* Does the pattern match all of the text? * is anything, ? a character, [a-cx] one of those, [^a-cx] one of the others,
 * \\x is x. Characters are bytes. Takes time proportional to the product of the lengths at most. */
bool matches(bw_string pattern, bw_string text);

#endif
