// Recorded histories of mutexes, reader/writer mutexes and the concurrent map are linearizable: there is an order of all
// calls, in which each takes effect between its begin and its end, and in which a mutex, or a map, that is used by one at a
// time gives the same results. Found, or shown not to exist, by the search of Wing and Gong ("Testing and verifying
// concurrent objects", 1993): it takes any call first that no other ended before; with a memory of what was tried.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

enum { MOST = 48 };

enum op {
    LOCK,
    TRY_LOCK,
    UNLOCK,
    RLOCK,
    TRY_RLOCK,
    RUNLOCK,
    LOAD,
    STORE,
    SWAP,
    LOAD_OR_STORE,
    LOAD_AND_DELETE,
    COMPARE_AND_SWAP,
    COMPARE_AND_DELETE,
    CLEAR,
    OPS
};

struct call {
    enum op op;
    int a, b;   // arguments
    int result; // a value that it gave
    bool ok;    // and what it said
    uint64_t begin, end;
};

// The state of what is used: of a mutex the number of readers, -1: a writer; of one key of a map its value, 0: none.

// Can this call give what it gave, in this state? Then the state after it.
static bool fits(const struct call *c, int state, int *after) {
    *after = state;
    switch (c->op) {
    case LOCK: *after = -1; return state == 0;
    case TRY_LOCK:
        if (c->ok)
            *after = -1;
        return c->ok == (state == 0);
    case UNLOCK: *after = 0; return state == -1;
    case RLOCK: *after = state + 1; return state >= 0;
    case TRY_RLOCK:
        if (c->ok)
            *after = state + 1;
        return !c->ok || state >= 0; // one that waits for writing lets none in, either
    case RUNLOCK: *after = state - 1; return state > 0;
    case LOAD: return c->ok == (state != 0) && c->result == state;
    case STORE: *after = c->a; return true;
    case SWAP: *after = c->a; return c->ok == (state != 0) && c->result == state;
    case LOAD_OR_STORE:
        if (state == 0)
            *after = c->a;
        return c->ok == (state != 0) && c->result == *after;
    case LOAD_AND_DELETE: *after = 0; return c->ok == (state != 0) && c->result == state;
    case COMPARE_AND_SWAP:
        if (state == c->a)
            *after = c->b;
        return c->ok == (state == c->a);
    case COMPARE_AND_DELETE:
        if (state == c->a)
            *after = 0;
        return c->ok == (state == c->a);
    case CLEAR: *after = 0; return true;
    default: return false;
    }
}

struct search {
    const struct call *calls;
    size_t count;
    uint64_t all;
    struct tried {
        uint64_t done;
        int state;
        bool used;
    } * tried;
    size_t room, used;
};

static bool is_new(struct search *s, uint64_t done, int state) {
    if (2 * s->used >= s->room) {
        struct tried *old = s->tried;
        size_t room = s->room;
        s->room = room ? 2 * room : 1024;
        s->tried = calloc(s->room, sizeof *s->tried);
        s->used = 0;
        for (size_t i = 0; i < room; i++)
            if (old[i].used)
                is_new(s, old[i].done, old[i].state);
        free(old);
    }
    size_t at = mix(done * 31 + (uint64_t)state) & (s->room - 1);
    for (; s->tried[at].used; at = (at + 1) & (s->room - 1))
        if (s->tried[at].done == done && s->tried[at].state == state)
            return false;
    s->tried[at] = (struct tried){done, state, true};
    s->used++;
    return true;
}

static bool goes_on(struct search *s, uint64_t done, int state) {
    if (done == s->all)
        return true;
    if (!is_new(s, done, state))
        return false;
    uint64_t first_end = UINT64_MAX;
    for (size_t i = 0; i < s->count; i++)
        if (!(done >> i & 1) && s->calls[i].end < first_end)
            first_end = s->calls[i].end;
    for (size_t i = 0; i < s->count; i++) {
        int after;
        if (!(done >> i & 1) && s->calls[i].begin <= first_end && fits(&s->calls[i], state, &after) &&
            goes_on(s, done | (uint64_t)1 << i, after))
            return true;
    }
    return false;
}

static bool is_linearizable(const struct call *calls, size_t count) {
    CHECK(count <= MOST);
    struct search s = {.calls = calls, .count = count, .all = ((uint64_t)1 << count) - 1};
    bool found = goes_on(&s, 0, 0);
    free(s.tried);
    return found;
}

static void print_calls(const struct call *calls, size_t count) {
    static const char *const names[OPS] = {"lock",
                                           "try_lock",
                                           "unlock",
                                           "rlock",
                                           "try_rlock",
                                           "runlock",
                                           "load",
                                           "store",
                                           "swap",
                                           "load_or_store",
                                           "load_and_delete",
                                           "compare_and_swap",
                                           "compare_and_delete",
                                           "clear"};
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%4llu - %4llu  %s(%d, %d) -> %d %s\n", (unsigned long long)calls[i].begin,
                (unsigned long long)calls[i].end, names[calls[i].op], calls[i].a, calls[i].b, calls[i].result,
                calls[i].ok ? "true" : "false");
}

// The search finds what is wrong: histories that no order explains, beside such that one does.
static void test_search(void **state) {
    (void)state;
    const struct call lost[] = {
        {STORE, 1, 0, 0, false, 1, 2}, {STORE, 2, 0, 0, false, 3, 4}, {LOAD, 0, 0, 1, true, 5, 6}};
    CHECK(!is_linearizable(lost, 3));
    const struct call late[] = {
        {STORE, 1, 0, 0, false, 1, 2}, {STORE, 2, 0, 0, false, 3, 6}, {LOAD, 0, 0, 1, true, 5, 7}};
    CHECK(is_linearizable(late, 3));
    const struct call back[] = {
        {STORE, 1, 0, 0, false, 1, 8}, {LOAD, 0, 0, 1, true, 2, 3}, {LOAD, 0, 0, 0, false, 4, 5}};
    CHECK(!is_linearizable(back, 3));
    const struct call both[] = {{LOAD_OR_STORE, 1, 0, 1, false, 1, 4}, {LOAD_OR_STORE, 2, 0, 2, false, 2, 3}};
    CHECK(!is_linearizable(both, 2));
    const struct call one[] = {{LOAD_OR_STORE, 1, 0, 2, true, 1, 4}, {LOAD_OR_STORE, 2, 0, 2, false, 2, 3}};
    CHECK(is_linearizable(one, 2));
    const struct call two_owners[] = {{LOCK, 0, 0, 0, true, 1, 2},
                                      {LOCK, 0, 0, 0, true, 3, 4},
                                      {UNLOCK, 0, 0, 0, true, 5, 6},
                                      {UNLOCK, 0, 0, 0, true, 7, 8}};
    CHECK(!is_linearizable(two_owners, 4));
    const struct call in_turn[] = {{LOCK, 0, 0, 0, true, 1, 2},
                                   {LOCK, 0, 0, 0, true, 3, 8},
                                   {UNLOCK, 0, 0, 0, true, 5, 6},
                                   {UNLOCK, 0, 0, 0, true, 9, 10}};
    CHECK(is_linearizable(in_turn, 4));
}

// --- recording ---

BW_SYNC_MAP(values, int64_t, int);
BW_STRUCT(wide, (int, value), (int64_t, padding), (void *, nothing));
BW_SYNC_MAP(wides, int64_t, wide);

enum { ACTORS = 4, KEYS = 3 };
struct history {
    _Atomic uint64_t clock;
    _Atomic int ready;
    bw_mutex mutex;
    bw_rwmutex rwmutex;
    values values;
    wides wides;
    struct {
        size_t count;
        struct call calls[MOST];
        int keys[MOST];
    } of[ACTORS];
};

static struct call *begin(struct history *h, int actor, enum op op, int key) {
    size_t at = h->of[actor].count++;
    CHECK(at < MOST);
    h->of[actor].keys[at] = key;
    struct call *c = &h->of[actor].calls[at];
    c->op = op;
    c->begin = atomic_fetch_add(&h->clock, 1);
    return c;
}
static void end(struct history *h, struct call *c, bool ok) {
    c->ok = ok;
    c->end = atomic_fetch_add(&h->clock, 1);
}

static void start(struct history *h) {
    atomic_fetch_add(&h->ready, 1);
    for (int i = 0; atomic_load(&h->ready) < ACTORS; i++)
        if (i % 100 == 99)
            bw_yield();
}
static void pause_a_little(struct random *random) {
    size_t how = random_below(random, 8);
    if (how == 0)
        bw_yield();
    else
        for (volatile size_t i = 0; i < how * 10; i++) {}
}

// All calls of one key, or, -1, all.
static void check(struct history *h, int key, uint64_t seed) {
    struct call calls[MOST];
    size_t count = 0;
    for (int actor = 0; actor < ACTORS; actor++)
        for (size_t i = 0; i < h->of[actor].count; i++)
            if (key < 0 || h->of[actor].keys[i] == key || h->of[actor].keys[i] < 0) {
                CHECK(count < MOST);
                calls[count++] = h->of[actor].calls[i];
            }
    if (!is_linearizable(calls, count)) {
        print_calls(calls, count);
        CHECK(false, "no order explains this; seed %llu", (unsigned long long)seed);
    }
}

// --- locks ---

static void uses_mutex(struct history *h, int actor, uint64_t seed) {
    struct random random = {seed * ACTORS + (uint64_t)actor};
    start(h);
    for (int i = 0; i < 5; i++) {
        bool tries = random_below(&random, 3) == 0;
        struct call *c = begin(h, actor, tries ? TRY_LOCK : LOCK, 0);
        bool ok = tries ? bw_mutex_try_lock(&h->mutex) : (bw_mutex_lock(&h->mutex), true);
        end(h, c, ok);
        pause_a_little(&random);
        if (!ok)
            continue;
        c = begin(h, actor, UNLOCK, 0);
        bw_mutex_unlock(&h->mutex);
        end(h, c, true);
        pause_a_little(&random);
    }
}
static void uses_rwmutex(struct history *h, int actor, uint64_t seed) {
    struct random random = {seed * ACTORS + (uint64_t)actor};
    start(h);
    for (int i = 0; i < 5; i++) {
        bool writes = random_below(&random, 3) == 0, tries = random_below(&random, 3) == 0, ok = true;
        struct call *c = begin(h, actor, writes ? tries ? TRY_LOCK : LOCK : tries ? TRY_RLOCK : RLOCK, 0);
        if (writes && tries)
            ok = bw_rwmutex_try_lock(&h->rwmutex);
        else if (writes)
            bw_rwmutex_lock(&h->rwmutex);
        else if (tries)
            ok = bw_rwmutex_try_rlock(&h->rwmutex);
        else
            bw_rwmutex_rlock(&h->rwmutex);
        if (!ok && writes) {
            /* It says so also where a writer is about to wait, or to leave: no order of whole calls has that. */
            h->of[actor].count--;
            continue;
        }
        end(h, c, ok);
        pause_a_little(&random);
        if (!ok)
            continue;
        c = begin(h, actor, writes ? UNLOCK : RUNLOCK, 0);
        if (writes)
            bw_rwmutex_unlock(&h->rwmutex);
        else
            bw_rwmutex_runlock(&h->rwmutex);
        end(h, c, true);
        pause_a_little(&random);
    }
}

// --- the map ---

static void uses_map(struct history *h, int actor, uint64_t seed) {
    struct random random = {seed * ACTORS + (uint64_t)actor};
    bool use_wide = seed % 2;
    start(h);
    for (int i = 0; i < 9; i++) {
        int key = (int)random_below(&random, KEYS), a = 1 + (int)random_below(&random, 3), got = 0;
        int b = 1 + (int)random_below(&random, 3);
        size_t chance = random_below(&random, 64);
        enum op op = chance == 63 ? CLEAR : (enum op)(LOAD + chance % 7);
        wide wa = {a, 0, NULL}, wb = {b, 0, NULL}, wgot = {0, 0, NULL};
        bool ok = false;
        struct call *c = begin(h, actor, op, op == CLEAR ? -1 : key);
        c->a = a;
        c->b = b;
        switch (op) {
        case LOAD:
            ok = use_wide ? bw_sync_map_load(h->wides, key, &wgot) : bw_sync_map_load(h->values, key, &got);
            break;
        case STORE:
            if (use_wide)
                bw_sync_map_store(h->wides, key, wa);
            else
                bw_sync_map_store(h->values, key, a);
            break;
        case SWAP:
            ok = use_wide ? bw_sync_map_swap(h->wides, key, wa, &wgot) : bw_sync_map_swap(h->values, key, a, &got);
            break;
        case LOAD_OR_STORE:
            ok = use_wide ? bw_sync_map_load_or_store(h->wides, key, wa, &wgot)
                          : bw_sync_map_load_or_store(h->values, key, a, &got);
            break;
        case LOAD_AND_DELETE:
            ok = use_wide ? bw_sync_map_load_and_delete(h->wides, key, &wgot)
                          : bw_sync_map_load_and_delete(h->values, key, &got);
            break;
        case COMPARE_AND_SWAP:
            ok = use_wide ? bw_sync_map_compare_and_swap(h->wides, key, wa, wb)
                          : bw_sync_map_compare_and_swap(h->values, key, a, b);
            break;
        case COMPARE_AND_DELETE:
            ok = use_wide ? bw_sync_map_compare_and_delete(h->wides, key, wa)
                          : bw_sync_map_compare_and_delete(h->values, key, a);
            break;
        default:
            if (use_wide)
                bw_sync_map_clear(h->wides);
            else
                bw_sync_map_clear(h->values);
        }
        end(h, c, ok);
        c->result = use_wide ? wgot.value : got;
        pause_a_little(&random);
        // Others, so that the table is replaced and split meanwhile.
        for (int64_t j = 0, more = random_below(&random, 4) == 0 ? 20 : 0; j < more; j++) {
            int64_t other = 1000 * (actor + 1) + 100 * i + j;
            if (use_wide)
                bw_sync_map_store(h->wides, other, wa);
            else
                bw_sync_map_store(h->values, other, a);
        }
    }
}

// Goroutines, but for one that is a thread of the program: this.
static void run(void (*body)(struct history *, int, uint64_t), int keys, size_t rounds) {
    for (uint64_t seed = 0; seed < rounds; seed++) {
        struct history *h = bw_alloc(sizeof *h);
        h->values = bw_make_sync_map(values);
        h->wides = bw_make_sync_map(wides);
        bw_waitgroup all = {0};
        for (int actor = 1; actor < ACTORS; actor++)
            bw_waitgroup_go(&all, body, h, actor, seed);
        body(h, 0, seed);
        bw_waitgroup_wait(&all);
        for (int key = keys ? 0 : -1; key < keys; key++)
            check(h, key, seed);
    }
}
static void test_mutex(void **state) {
    (void)state;
    run(uses_mutex, 0, effort(300));
}
static void test_rwmutex(void **state) {
    (void)state;
    run(uses_rwmutex, 0, effort(300));
}
static void test_map(void **state) {
    (void)state;
    run(uses_map, KEYS, effort(600));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_mutex),
        cmocka_unit_test(test_rwmutex),
        cmocka_unit_test(test_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
