/* string.c - making strings: from other memory, from characters, from other strings, piece by piece.
 *
 * The bytes of a string never change once somebody has the string. A builder keeps that promise although its strings
 * share its buffer: it only writes behind what they show, and a copy of a builder, which would write to the same
 * place, gives up the buffer when it is first written to: it is told by its address.
 *
 * No string holds the address one past an object's end and nothing else: the collector would take that for the next
 * object.
 *
 * Everything here runs on the caller's thread and takes no lock.
 */
#include "hash.h"
#include "text.h"

static bw_string copied(const void *ptr, ptrdiff_t n) {
    if (n == 0)
        return (bw_string){NULL, 0};
    char *bytes = string_memory((size_t)n);
    memcpy(bytes, ptr, (size_t)n);
    return (bw_string){bytes, n};
}

bw_string bw__string_of(const char *text) {
    return copied(text, text ? (ptrdiff_t)strlen(text) : 0);
}

bw_string bw_string_from(const void *ptr, ptrdiff_t n) {
    if (n < 0)
        os_panic("runtime error: makeslice: len out of range");
    return copied(ptr, n);
}

bw_string bw_string_of_bytes(bw_slice(uint8_t) bytes) {
    return copied(bytes.ptr, bytes.len);
}

bw_string bw_string_of_runes(bw_slice(bw_rune) runes) {
    ptrdiff_t size = 0;
    for (ptrdiff_t i = 0; i < runes.len; i++)
        size += bw_rune_valid(runes.ptr[i]) ? bw_rune_len(runes.ptr[i]) : 3;
    char *bytes = string_memory((size_t)size), *at = bytes, last[4];
    for (ptrdiff_t i = 0; i < runes.len; i++) {
        /* Four bytes may be too many for the end. */
        at = mempcpy(at, last, (size_t)bw_rune_encode(last, runes.ptr[i]));
    }
    return (bw_string){bytes, size};
}

bw_string bw_string_of_rune(bw_rune r) {
    char bytes[4];
    return copied(bytes, bw_rune_encode(bytes, r));
}

bw_slice(uint8_t) bw_bytes(bw_string s) {
    bw_slice(uint8_t) bytes = bw_make_slice(uint8_t, s.len);
    if (s.len > 0)
        memcpy(bytes.ptr, s.ptr, (size_t)s.len);
    return bytes;
}

bw_slice(bw_rune) bw_runes(bw_string s) {
    bw_slice(bw_rune) runes = bw_make_slice(bw_rune, bw_rune_count(s));
    ptrdiff_t count = 0;
    bw_range_runes(i, r, s) runes.ptr[count++] = r;
    return runes;
}

char *bw_cstr(bw_string s) {
    char *text = string_memory((size_t)s.len + 1);
    if (s.len > 0)
        memcpy(text, s.ptr, (size_t)s.len);
    text[s.len] = 0;
    return text;
}

bw_string bw__concat(const bw_string *parts, size_t count) {
    ptrdiff_t size = 0;
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(size, parts[i].len, &size))
            os_panic("runtime error: makeslice: len out of range");
    char *bytes = string_memory((size_t)size), *at = bytes;
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0)
            at = mempcpy(at, parts[i].ptr, (size_t)parts[i].len);
    return (bw_string){bytes, size};
}

uint64_t bw_str_hash(bw_string s, uint64_t seed) {
    return hash_bytes(s.len ? s.ptr : "", (size_t)s.len, seed);
}

/* --- builders --- */

/* The whole of the memory that an object of at least this size has. */
static ptrdiff_t rounded_up(ptrdiff_t bytes) {
    if (bytes <= BW__MAX_SMALL)
        return bw__class_bytes(bw__class_of((size_t)bytes));
    return (bytes + 4095) & ~(ptrdiff_t)4095;
}

static void move_buffer(bw_builder *b, ptrdiff_t n) {
    ptrdiff_t needed;
    if (__builtin_add_overflow(b->bw__len, n, &needed) || needed > PTRDIFF_MAX - 4096)
        os_panic("runtime error: growslice: len out of range");
    ptrdiff_t cap = b->bw__cap < (256 << 10) ? b->bw__cap * 2 : b->bw__cap + b->bw__cap / 4;
    cap = rounded_up(needed > cap ? needed : cap);
    char *buffer = string_memory((size_t)(cap < 32 ? cap = 32 : cap));
    if (b->bw__len > 0)
        memcpy(buffer, b->bw__ptr, (size_t)b->bw__len);
    b->bw__ptr = buffer;
    b->bw__cap = cap;
    b->bw__self = ~(uintptr_t)b;
}

static inline void make_room(bw_builder *b, ptrdiff_t n) {
    if (BW__UNLIKELY(b->bw__cap - b->bw__len < n || b->bw__self != ~(uintptr_t)b))
        move_buffer(b, n);
}

void bw_builder_grow(bw_builder *b, ptrdiff_t n) {
    if (n < 0)
        os_panic("strings.Builder.Grow: negative count");
    if (n > 0)
        make_room(b, n);
}

char *bw__builder_extend(bw_builder *b, ptrdiff_t n) {
    make_room(b, n);
    char *at = b->bw__ptr + b->bw__len;
    b->bw__len += n;
    return at;
}

void bw_builder_write(bw_builder *b, const void *ptr, ptrdiff_t n) {
    if (n < 0)
        os_panic("runtime error: slice bounds out of range [:%td]", n);
    if (n > 0)
        memcpy(bw__builder_extend(b, n), ptr, (size_t)n);
}

void bw_builder_write_rune(bw_builder *b, bw_rune r) {
    if ((uint32_t)r < 0x80) {
        bw_builder_write_byte(b, (char)r);
    } else {
        char bytes[4];
        bw_builder_write(b, bytes, bw_rune_encode(bytes, r));
    }
}
