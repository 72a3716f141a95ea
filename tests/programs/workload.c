// A small program that uses all of the library once and prints what it found: for runs in which the system refuses.
//
// Prints "right" as its last line and ends with status 0 if everything was as it must be; status 3 if not.
#include <burrow.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

BW_STRUCT(tree, (struct tree *, left), (struct tree *, right), (long, value));

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("wrong: %s, line %d\n", #condition, __LINE__);                                                      \
            exit(3);                                                                                                   \
        }                                                                                                              \
    } while (0)

static tree *grow(int depth) {
    tree *t = bw_new(tree);
    REQUIRE(t->left == NULL && t->right == NULL && t->value == 0);
    t->value = 1;
    if (depth > 0) {
        t->left = grow(depth - 1);
        t->right = grow(depth - 1);
    }
    return t;
}

static long sum(const tree *t) {
    return t ? t->value + sum(t->left) + sum(t->right) : 0;
}

static void *work(void *argument) {
    REQUIRE(sum(argument) == 8191);
    for (int i = 0; i < 20; i++)
        REQUIRE(sum(grow(8)) == 511);
    return grow(5);
}

static _Atomic int ended;

static void end(void *argument) {
    (void)argument;
    ended++;
}

static void large_objects(void) {
    static char *kept[16];
    for (int i = 0; i < 64; i++) {
        size_t bytes = (size_t)33000 << i % 6;
        char *large = i % 2 ? bw_alloc(bytes) : bw_alloc_noscan(bytes);
        for (size_t j = 0; j < bytes; j += 1000)
            REQUIRE(large[j] == 0);
        memset(large, 1, bytes);
        kept[i % 16] = large;
        if (i % 5 == 0) {
            bw_free(large);
            kept[i % 16] = NULL;
        }
    }
    memset(kept, 0, sizeof kept);
    char *grown = bw_alloc_noscan(10);
    strcpy(grown, "burrow");
    for (size_t bytes = 10; bytes < 1 << 20; bytes *= 3) {
        grown = bw_realloc(grown, bytes);
        REQUIRE(strcmp(grown, "burrow") == 0 && bw_size(grown) >= bytes);
    }
    REQUIRE(((uintptr_t)bw_alloc_aligned(100, 1 << 20) & ((1 << 20) - 1)) == 0);
}

static void lifetimes(void) {
    static bw_weak_map *map;
    static tree *keys[200];
    map = bw_weak_map_new();
    for (int i = 0; i < 200; i++) {
        keys[i] = bw_new(tree);
        bw_weak_map_put(map, keys[i], grow(2));
        bw_add_cleanup(bw_new(tree), end, NULL);
        bw_set_finalizer(bw_new(tree), end);
        bw_release(bw_retain(bw_new(tree)));
    }
    bw_weak weak = bw_weak_make(keys[0]);
    bw_gc();
    REQUIRE(bw_weak_get(weak) == keys[0] && bw_weak_map_len(map) == 200);
    for (int i = 0; i < 200; i++)
        REQUIRE(sum(bw_weak_map_get(map, keys[i])) == 7);
    memset(keys, 0, sizeof keys);
    for (int i = 0; i < 5; i++) {
        bw_arena *arena = bw_arena_new();
        for (int j = 0; j < 3000; j++) {
            tree *t = bw_arena_alloc(arena, tree);
            REQUIRE(t->value == 0);
            t->value = 1;
        }
        if (i % 2)
            bw_arena_free(arena);
    }
}

int main(void) {
    tree *kept = grow(12);
    void **registered = calloc(10, sizeof *registered);
    if (registered == NULL)
        return 2;
    bw_root_add(registered, registered + 10);
    registered[3] = grow(6);
    pthread_t threads[4];
    int made = 0;
    bw_gomaxprocs(4);
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[made], NULL, work, kept) == 0) // EAGAIN is an answer
            made++;
    for (int i = 0; i < 5; i++)
        REQUIRE(sum(grow(14)) == 32767);
    for (int i = 0; i < made; i++) {
        void *result;
        REQUIRE(pthread_join(threads[i], &result) == 0);
        bw_gc();
        REQUIRE(sum(result) == 63);
    }
    large_objects();
    lifetimes();
    bw_gc();
    bw_free_os_memory();
    for (int i = 0; i < 100 && ended < 1; i++) { // where the system gives no thread they run later, or not
        nanosleep(&(struct timespec){0, 100000}, NULL);
        bw_gc();
    }
    REQUIRE(sum(kept) == 8191 && sum(registered[3]) == 127);
    bw_root_remove(registered);
    free(registered);
    bw_ledger_t l;
    bw_ledger(&l);
    REQUIRE(l.alloc.bytes == l.new_.bytes + l.make.bytes && l.reclaim.bytes == l.nil.bytes + l.zero.bytes &&
            l.alloc.bytes - l.reclaim.bytes == l.layout.bytes &&
            l.alloc.objects - l.reclaim.objects == l.layout.objects);
    printf("right\n");
    return 0;
}
