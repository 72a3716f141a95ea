// Marking beside the program: mutators move the only reference to an object between all kinds of places, while others
// collect without a pause.
//
// Each mutator has so many tokens, each in one place at a time. A move reads the reference, clears the place, and puts it
// into another, so that in between it is in a register alone. A token that was collected too early is not what it was:
// freed memory is filled or handed out again, and verify=1 finds it at once.
//
// modes: mark=watch,poison=1 mark=watch,verify=1 mark=watch,poison=1,gcstress=100 mark=stop,poison=1 mark=watch,minor=always,verify=1 mark=watch,minor=always,poison=1 mark=snapshot,poison=1 mark=snapshot,verify=1
// timeout: 120
#include "collecting.h"
#include "support.h"
#include "tree.h"

#define TOKENS 64

BW_STRUCT(token, (uint64_t, id), (uint64_t, check), (struct token *, none), (uint64_t[4], more));
BW_STRUCT(holder, (uint64_t, number), (struct token *, held), (struct holder *, next));
BW_STRUCT(any_holder, (bw_any, held));
BW_MAP(token_map, int, struct token *);

static uint64_t check_of(uint64_t id) {
    return id * 0x9e3779b97f4a7c15 ^ 0x5bf03635;
}

static token *new_token(uint64_t id) {
    token *t = bw_new(token);
    t->id = id;
    t->check = check_of(id);
    t->more[3] = ~t->check;
    return t;
}

static void is_token(const token *t, uint64_t id) {
    CHECK(t != NULL && t->id == id && t->check == check_of(id) && t->more[3] == ~t->check && t->none == NULL,
          "token %llu is gone", (unsigned long long)id);
}

enum place {
    IN_STATIC,
    IN_THREAD,
    IN_OLD,
    IN_FRESH,
    IN_FRAME,
    IN_CHANNEL,
    IN_MAP,
    IN_ANY,
    IN_ROOT,
    IN_UNTYPED,
    IN_PARKED,
    PLACES
};

#define MUTATORS 4
static token *in_static[MUTATORS][TOKENS];
static __thread token *thread_local_one[TOKENS];

struct mutator {
    int number;
    size_t moves;
    bool is_goroutine;
    bw_chan(int) done;
};

static void holds(bw_chan(struct token *) in, bw_chan(struct token *) out) {
    struct token *t;
    while (bw_recv_ok(in, &t))
        bw_send(out, t);
}

static NOINLINE void mutate(struct mutator *mutator) {
    enum place where[TOKENS];
    token *volatile frame[TOKENS] = {NULL};
    token **old = bw_new_array(struct token *, TOKENS * 512);
    holder **fresh = bw_new_array(struct holder *, TOKENS);
    any_holder *anys = bw_new_array(any_holder, TOKENS);
    void **untyped = bw_alloc(TOKENS * 16 * sizeof(void *));
    token **root = calloc(TOKENS, sizeof *root);
    token_map map = bw_make_map(token_map);
    bw_chan(struct token *) channels[TOKENS], in[TOKENS], out[TOKENS];
    CHECK(root != NULL);
    bw_root_add(root, root + TOKENS);
    uint64_t random = (uint64_t)mutator->number * 77 + 1;
    for (int i = 0; i < TOKENS; i++) {
        channels[i] = bw_make_chan(struct token *, 1);
        in[i] = bw_make_chan(struct token *, 0);
        out[i] = bw_make_chan(struct token *, 0);
        bw_go(holds, in[i], out[i]);
        where[i] = IN_FRAME;
        frame[i] = new_token((uint64_t)(mutator->number * TOKENS + i));
    }
    check_seed = random;
    for (size_t move = 0; move < mutator->moves; move++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int i = (int)(random >> 33) % TOKENS;
        token *t = NULL;
        switch (where[i]) {
        case IN_STATIC:
            t = in_static[mutator->number][i];
            in_static[mutator->number][i] = NULL;
            break;
        case IN_THREAD:
            t = thread_local_one[i];
            thread_local_one[i] = NULL;
            break;
        case IN_OLD:
            t = old[i * 512];
            old[i * 512] = NULL;
            break;
        case IN_FRESH:
            t = fresh[i]->held;
            if (random >> 20 & 1)
                fresh[i]->held = NULL;
            else
                fresh[i] = NULL;
            break;
        case IN_FRAME:
            t = frame[i];
            frame[i] = NULL;
            break;
        case IN_CHANNEL: t = bw_recv(channels[i]); break;
        case IN_MAP:
            t = bw_get(map, i);
            bw_delete(map, i);
            break;
        case IN_ANY:
            t = bw_assert_type(token *, anys[i].held);
            anys[i].held = (bw_any){0};
            break;
        case IN_ROOT:
            t = root[i];
            root[i] = NULL;
            break;
        case IN_UNTYPED:
            t = untyped[i * 16];
            untyped[i * 16] = NULL;
            break;
        case IN_PARKED: t = bw_recv(out[i]); break;
        case PLACES: break;
        }
        is_token(t, (uint64_t)(mutator->number * TOKENS + i));
        if ((random >> 40) % 8 == 0)
            t = new_token(t->id); // the old one is garbage
        enum place to = (enum place)((random >> 50) % PLACES);
        if (to == IN_THREAD && mutator->is_goroutine)
            to = IN_STATIC;
        switch (to) {
        case IN_STATIC: in_static[mutator->number][i] = t; break;
        case IN_THREAD: thread_local_one[i] = t; break;
        case IN_OLD: old[i * 512] = t; break;
        case IN_FRESH: {
            holder *h = bw_new(holder);
            h->next = fresh[(i + 1) % TOKENS];
            if (h->next)
                h->next->next = NULL;
            fresh[i] = h;
            h->held = t;
            break;
        }
        case IN_FRAME: frame[i] = t; break;
        case IN_CHANNEL: bw_send(channels[i], t); break;
        case IN_MAP: bw_put(map, i) = t; break;
        case IN_ANY: anys[i].held = bw_any_as(token *, t); break;
        case IN_ROOT: root[i] = t; break;
        case IN_UNTYPED: untyped[i * 16] = t; break;
        case IN_PARKED: bw_send(in[i], t); break;
        case PLACES: break;
        }
        where[i] = to;
    }
    for (int i = 0; i < TOKENS; i++) {
        if (where[i] == IN_PARKED)
            bw_recv(out[i]);
        bw_close(in[i]);
        in_static[mutator->number][i] = NULL;
    }
    bw_root_remove(root);
    free(root);
}

static void mutate_in_goroutine(struct mutator *mutator) {
    mutate(mutator);
    bw_send(mutator->done, 1);
}

static void *mutate_in_thread(void *mutator) {
    mutate(mutator);
    return NULL;
}

static void test_moves(void **state) {
    (void)state;
    int depth = UNDER_SANITIZER ? 12 : 16;
    node *tree = new_tree(depth);
    pthread_t collector, threads[2];
    atomic_store(&over, false);
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    struct mutator mutators[MUTATORS];
    bw_chan(int) done = bw_make_chan(int, MUTATORS);
    for (int i = 0; i < MUTATORS; i++) {
        mutators[i] = (struct mutator){i, effort(300000), i >= 2, done};
        if (i < 2)
            CHECK(pthread_create(&threads[i], NULL, mutate_in_thread, &mutators[i]) == 0);
        else
            bw_go(mutate_in_goroutine, &mutators[i]);
    }
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 2; i < MUTATORS; i++)
        assert_int_equal(bw_recv(done), 1);
    atomic_store(&over, true);
    CHECK(pthread_join(collector, NULL) == 0);
    assert_int_equal(count_tree(tree), ((size_t)2 << depth) - 1);
    if (knobs.minor == MINOR_ALWAYS && beside_works())
        assert_true(figures.minor > 0 && figures.minor < figures.count);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
