/* fuzz_map.c - maps against a plain model. Each byte of the input is an operation or a key: what is inserted, looked
 * up, deleted, cleared or walked, with two maps at once, one of words and one of strings, that must always agree. */
#include <burrow.h>

#include <stdio.h>
#include <stdlib.h>

BW_MAP(word_map, uint64_t, uint64_t);
BW_MAP(text_map, bw_string, uint64_t);

enum { KEYS = 4096 };
static uint64_t model[KEYS]; /* 0: not there */
static size_t model_count;

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "fuzz_map: %s does not hold (line %d)\n", #condition, __LINE__);                           \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static bw_string text_of(unsigned key) {
    /* Lengths from 0 to 70, so that every way of hashing bytes is taken. */
    char text[80];
    int length = key ? snprintf(text, sizeof text, "%u", key) : 0;
    while (length < (int)(key % 71) && length < 70)
        text[length++] = (char)('a' + key % 26);
    return bw_string_from(text, length);
}

static void walk(word_map words, text_map texts, const uint8_t *data, size_t left) {
    size_t seen = 0, deleted = 0, inserted = 0, before = model_count;
    bw_map_range(key, value, words) {
        REQUIRE(key < KEYS && model[key] == value);
        seen++;
        if (left > 0) {
            unsigned other = data[seen % left] * 16u + (unsigned)seen % 16;
            if (data[seen % left] & 1) {
                deleted += model[other] != 0;
                model_count -= model[other] != 0;
                model[other] = 0;
                bw_delete(words, other);
                bw_delete(texts, text_of(other));
            } else if (inserted < 300 && model[other] == 0) {
                inserted++;
                model_count++;
                model[other] = other + 1;
                bw_put(words, other) = other + 1;
                bw_put(texts, text_of(other)) = other + 1;
            }
        }
    }
    REQUIRE(seen <= before + inserted && seen + deleted >= before);
    REQUIRE((size_t)bw_len(words) == model_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < KEYS; i++)
        model[i] = 0;
    model_count = 0;
    word_map words = size && data[0] & 1 ? bw_make_map(word_map, data[0] * 8) : bw_make_map(word_map);
    text_map texts = bw_make_map(text_map);
    for (size_t i = 0; i + 2 < size; i += 3) {
        unsigned key = (data[i + 1] | (unsigned)data[i + 2] << 8) % KEYS, many = data[i] >> 3;
        switch (data[i] & 7) {
        case 0:
        case 1:
        case 2: /* a stretch of insertions */
            for (unsigned k = key; k < key + many * 16 + 1 && k < KEYS; k++) {
                uint64_t value = k + i + 1;
                model_count += model[k] == 0;
                model[k] = value;
                bw_put(words, k) = value;
                bw_put(texts, text_of(k)) = value;
            }
            break;
        case 3:
        case 4: /* a stretch of deletions */
            for (unsigned k = key; k < key + many * 16 + 1 && k < KEYS; k++) {
                model_count -= model[k] != 0;
                model[k] = 0;
                bw_delete(words, k);
                bw_delete(texts, text_of(k));
            }
            break;
        case 5: walk(words, texts, data + i, size - i); break;
        case 6: {
            uint64_t value;
            REQUIRE(bw_lookup(words, key, &value) == (model[key] != 0) && value == model[key]);
            REQUIRE(bw_get(texts, text_of(key)) == model[key]);
            if (model[key]) {
                bw_put(words, key) += 5;
                bw_put(texts, text_of(key)) += 5;
                model[key] += 5;
            }
            break;
        }
        default:
            if (many == 31) {
                bw_map_clear(words);
                bw_map_clear(texts);
                for (size_t k = 0; k < KEYS; k++)
                    model[k] = 0;
                model_count = 0;
            }
            break;
        }
        REQUIRE((size_t)bw_len(words) == model_count && (size_t)bw_len(texts) == model_count);
    }
    for (unsigned k = 0; k < KEYS; k++)
        REQUIRE(bw_get(words, k) == model[k] && bw_has(texts, text_of(k)) == (model[k] != 0));
    return 0;
}

#include "standalone.h"
