// dump.h - what tests of dumps share: a dump taken apart.
#ifndef BURROW_TESTS_DUMP_H
#define BURROW_TESTS_DUMP_H

#include "support.h"

#include <sys/mman.h>

struct dumped {
    int number, maker; // maker 0: not told
    char state[96];
    char functions[130][48]; // the innermost first
    int count;
};

struct dump {
    char *text;
    struct dumped *list;
    size_t count;
};

// A text in the form of bw_goroutine_dump; what is before the first goroutine is passed over.
static UNUSED struct dump dump_parse(char *text) {
    struct dump dump = {text, NULL, 0};
    struct dumped *now = NULL;
    char *rest = NULL;
    bool before = true;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        int number;
        char state[96], function[96];
        if (sscanf(line, "goroutine %d [%95[^]]]:", &number, state) == 2) {
            dump.list = realloc(dump.list, (dump.count + 1) * sizeof *dump.list);
            now = &dump.list[dump.count++];
            memset(now, 0, sizeof *now);
            now->number = number;
            strcpy(now->state, state);
            before = false;
        } else if (before || *line == '\t') {
            continue;
        } else if (sscanf(line, "created by %95s in goroutine %d", function, &number) == 2) {
            now->maker = number;
        } else if (strstr(line, "frames elided...")) {
            snprintf(now->functions[now->count++], sizeof now->functions[0], "...");
        } else {
            char *parenthesis = strstr(line, "(...)");
            CHECK(parenthesis != NULL && now->count < (int)COUNT_OF(now->functions), "%s", line);
            snprintf(now->functions[now->count++], sizeof now->functions[0], "%.*s",
                     (int)(parenthesis - line < 47 ? parenthesis - line : 47), line);
        }
    }
    return dump;
}

static UNUSED char *read_all(int fd) {
    off_t length = lseek(fd, 0, SEEK_END);
    char *text = malloc((size_t)length + 1);
    CHECK(pread(fd, text, (size_t)length, 0) == length);
    text[length] = 0;
    return text;
}

static UNUSED NOINLINE struct dump dump_now(void) {
    int fd = memfd_create("dump", 0);
    CHECK(fd >= 0);
    bw_goroutine_dump(fd);
    char *text = read_all(fd);
    close(fd);
    return dump_parse(text);
}

static UNUSED void dump_free(struct dump *dump) {
    free(dump->text);
    free(dump->list);
}

static UNUSED bool dumped_has(const struct dumped *dumped, const char *function) {
    for (int i = 0; i < dumped->count; i++)
        if (strcmp(dumped->functions[i], function) == 0)
            return true;
    return false;
}

// The first, from `from` on, whose outermost function this is.
static UNUSED struct dumped *dump_find(const struct dump *dump, const char *outermost) {
    for (size_t i = 0; i < dump->count; i++) {
        struct dumped *dumped = &dump->list[i];
        if (dumped->count > 0 && strcmp(dumped->functions[dumped->count - 1], outermost) == 0)
            return dumped;
    }
    return NULL;
}

// Why a check fails, since the text is taken apart.
static UNUSED void dump_show(const struct dump *dump) {
    for (size_t i = 0; i < dump->count; i++) {
        fprintf(stderr, "goroutine %d [%s] by %d:", dump->list[i].number, dump->list[i].state, dump->list[i].maker);
        for (int k = 0; k < dump->list[i].count; k++)
            fprintf(stderr, " %s", dump->list[i].functions[k]);
        fputc('\n', stderr);
    }
}

// As dump_find, but there must be one.
static UNUSED struct dumped *dump_get(const struct dump *dump, const char *outermost) {
    struct dumped *found = dump_find(dump, outermost);
    if (found == NULL)
        dump_show(dump);
    CHECK(found != NULL, "%s", outermost);
    return found;
}

// Waits until `count` with this outermost function are in this state.
static UNUSED void dump_wait(const char *outermost, const char *state, size_t count) {
    double limit = seconds_now() + child_limit(60);
    for (;;) {
        struct dump dump = dump_now();
        size_t found = 0;
        for (size_t i = 0; i < dump.count; i++) {
            const struct dumped *one = &dump.list[i];
            found += one->count > 0 && strcmp(one->functions[one->count - 1], outermost) == 0 &&
                     strcmp(one->state, state) == 0;
        }
        bool late = seconds_now() > limit;
        if (found != count && late)
            dump_show(&dump);
        dump_free(&dump);
        if (found == count)
            return;
        CHECK(!late, "%s [%s]: %zu", outermost, state, found);
        sleep_ms(2);
    }
}

// There is one with this outermost function, in this state, made by that one.
static UNUSED void dump_check(const struct dump *dump, const char *outermost, const char *state, int maker) {
    const struct dumped *found = dump_get(dump, outermost);
    if (strcmp(found->state, state) != 0 || found->maker != maker)
        dump_show(dump);
    CHECK(strcmp(found->state, state) == 0, "%s: %s", outermost, found->state);
    CHECK(found->maker == maker, "%s: %d", outermost, found->maker);
}

#endif
