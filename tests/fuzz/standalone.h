/* standalone.h - a main for fuzz programs that are built without -fsanitize=fuzzer: the kept corpus, and random
 * inputs.
 *
 *   fuzz_X [--runs N] [--seed S] [file or directory]...
 *
 * Runs LLVMFuzzerTestOneInput with each file, then N times with inputs made from these at random (default 20000), the
 * same ones each time for one seed. Included last. In a program that is built for libFuzzer, that has its own main.
 */
#ifndef BURROW_TESTS_FUZZ_STANDALONE_H
#define BURROW_TESTS_FUZZ_STANDALONE_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STANDALONE_MOST 4096 /* bytes of an input that is made */

struct standalone_input {
    uint8_t *bytes;
    size_t size;
};
static struct standalone_input *standalone_corpus;
static size_t standalone_count;
static uint64_t standalone_state;

static uint64_t standalone_random(void) {
    uint64_t z = standalone_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void standalone_keep(const char *path, FILE *file) {
    struct standalone_input input = {NULL, 0};
    for (size_t got = 1; got > 0; input.size += got) {
        input.bytes = realloc(input.bytes, input.size + 4096);
        if (input.bytes == NULL)
            abort();
        got = fread(input.bytes + input.size, 1, 4096, file);
    }
    if (ferror(file)) {
        perror(path);
        exit(2);
    }
    standalone_corpus = realloc(standalone_corpus, (standalone_count + 1) * sizeof input);
    if (standalone_corpus == NULL)
        abort();
    standalone_corpus[standalone_count++] = input;
}

static void standalone_read(const char *path) {
    DIR *directory = opendir(path);
    if (directory == NULL) {
        FILE *file = fopen(path, "rb");
        if (file == NULL) {
            perror(path);
            exit(2);
        }
        standalone_keep(path, file);
        fclose(file);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char inside[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        standalone_read(inside);
    }
    closedir(directory);
}

/* Part of a kept input, or nothing, with some bytes changed, inserted, repeated or spliced in. */
static size_t standalone_make(uint8_t *bytes) {
    static const char likely[] =
        "\0\1\x7f\x80\xbf\xc3\xa4\xe2\x82\xac\xed\xa0\xf0\x9f\x98\xf4\xff _+-.0123456789exXpPbo\\\"'`nu\n\t";
    size_t size = 0;
    if (standalone_count && standalone_random() % 4) {
        const struct standalone_input *input = &standalone_corpus[standalone_random() % standalone_count];
        size = input->size < STANDALONE_MOST ? input->size : STANDALONE_MOST;
        memcpy(bytes, input->bytes, size);
    }
    for (uint64_t changes = standalone_random() % (standalone_count ? 8 : 200); changes > 0; changes--) {
        size_t at = size ? standalone_random() % (size + 1) : 0;
        uint8_t byte = standalone_random() % 2 ? (uint8_t)standalone_random()
                                               : (uint8_t)likely[standalone_random() % (sizeof likely - 1)];
        switch (standalone_random() % 4) {
        case 0:
            if (at < size)
                bytes[at] = byte;
            break;
        case 1:
            if (at < size)
                memmove(bytes + at, bytes + at + 1, --size - at);
            break;
        default: {
            size_t count = standalone_random() % 8 ? 1 : standalone_random() % 64;
            if (size + count > STANDALONE_MOST)
                break;
            memmove(bytes + at + count, bytes + at, size - at);
            memset(bytes + at, byte, count);
            size += count;
        }
        }
    }
    return size;
}

/* libFuzzer's own, which is not weak, comes before it. */
__attribute__((weak)) int main(int argc, char **argv) {
    unsigned long runs = 20000;
    standalone_state = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            runs = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            standalone_state = strtoul(argv[++i], NULL, 10);
        else
            standalone_read(argv[i]);
    }
    for (size_t i = 0; i < standalone_count; i++)
        LLVMFuzzerTestOneInput(standalone_corpus[i].bytes, standalone_corpus[i].size);
    static uint8_t bytes[STANDALONE_MOST];
    for (unsigned long i = 0; i < runs; i++) {
        size_t size = standalone_make(bytes);
        /* Its own block, so that the address sanitizer sees where it ends. */
        uint8_t *input = malloc(size ? size : 1);
        if (input == NULL)
            abort();
        memcpy(input, bytes, size);
        LLVMFuzzerTestOneInput(input, size);
        free(input);
    }
    printf("%zu kept and %lu random inputs\n", standalone_count, runs);
    return 0;
}

#endif
