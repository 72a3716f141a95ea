// Marking in a copy of the process: what weak pointers and weak maps give the program while the copy is at work, and is
// moved elsewhere at once; what is freed meanwhile; and that the program sees nothing of the copy, whatever becomes of
// either. (The same mode with references that go from place to place: test_beside.c.)
//
// modes: mark=snapshot,poison=1 mark=snapshot,verify=1 mark=snapshot,poison=1,gcstress=1000
// not under: thread
// timeout: 120
#include "support.h"
#include "tree.h"

#include "copies.h"

#include <ctype.h>
#include <stdatomic.h>
#include <sys/mman.h>

BW_STRUCT(payload, (uint64_t, id), (uint64_t, check), (struct payload *, next));
BW_STRUCT(box, (struct payload *, held), (uint64_t[3], more));
BW_STRUCT(key, (uint64_t, number), (struct key *, none));
#define BOXES 256
#define KEPT 8192 // so many that each stays for some collections
#define MOVERS 2

static int tree_depth(void) {
    return UNDER_SANITIZER ? 13 : debug_has("gcstress") ? 15 : 17;
}

static uint64_t check_of(uint64_t id) {
    return id * 0x9e3779b97f4a7c15 ^ 0x2545f491;
}

// Two, so that what is reached through the first must be kept, too.
static payload *new_payload(uint64_t id) {
    payload *p = bw_new(payload);
    *p = (payload){id, check_of(id), bw_new(payload)};
    *p->next = (payload){~id, check_of(~id), NULL};
    return p;
}

static void is_payload(const payload *p) {
    CHECK(p->check == check_of(p->id) && p->next && p->next->id == ~p->id && p->next->check == check_of(~p->id),
          "payload %llu is gone", (unsigned long long)p->id);
}

static atomic_bool over;

struct mover {
    int number;
    size_t moves;
    size_t revived; // boxes that nothing but a weak pointer referred to
};

static bw_weak weak[MOVERS][BOXES];
static uintptr_t last_box[MOVERS][BOXES]; // hidden

static NOINLINE void fill(struct mover *mover, int i, uint64_t id) {
    box *b = bw_new(box);
    b->held = new_payload(id);
    weak[mover->number][i] = bw_weak_make(b);
    last_box[mover->number][i] = hide(b);
}

// What the box holds goes to an object that is old, and was searched long ago.
static NOINLINE void empty(box *b, payload **to) {
    payload *p = b->held;
    if (p == NULL)
        return;
    is_payload(p);
    b->held = NULL;
    *to = p;
}

static void *move(void *argument) {
    struct mover *mover = argument;
    struct random random = {(uint64_t)mover->number};
    payload **kept = bw_new_array(struct payload *, KEPT);
    key **keys = bw_new_array(struct key *, BOXES);
    bw_weak_map *map = bw_weak_map_new();
    for (int i = 0; i < BOXES; i++)
        keys[i] = bw_new(key);
    for (size_t at = 0; at < mover->moves && !atomic_load(&over); at++) {
        int i = (int)random_below(&random, BOXES), to = (int)random_below(&random, KEPT);
        if (kept[to])
            is_payload(kept[to]);
        if (at % 2 == 0) {
            box *b = bw_weak_get(weak[mover->number][i]);
            if (b == NULL) {
                fill(mover, i, at);
            } else {
                CHECK(hide(b) == last_box[mover->number][i]);
                mover->revived++;
                empty(b, &kept[to]);
                b->held = new_payload(at);
            }
        } else {
            box *b = bw_weak_map_get(map, keys[i]);
            if (b)
                empty(b, &kept[to]);
            int from = (int)random_below(&random, KEPT);
            b = bw_new(box);
            b->held = kept[from] ? kept[from] : new_payload(at);
            kept[from] = NULL;
            bw_weak_map_put(map, keys[i], b);
        }
    }
    bw_keep_alive(kept);
    bw_keep_alive(keys);
    return NULL;
}

// Frees what it has made, of all kinds and sizes, and makes others where that was.
static void *free_all_the_time(void *moves) {
    static uint64_t *held[BOXES];
    static size_t bytes[BOXES];
    struct random random = {7};
    for (size_t at = 0; at < *(size_t *)moves; at++) {
        size_t i = random_below(&random, BOXES);
        if (held[i]) {
            size_t last = bytes[i] / sizeof(uint64_t) - 1;
            CHECK(held[i][0] == check_of(i) && held[i][last] == check_of(i), "%zu bytes are another's", bytes[i]);
            uint64_t *gone = held[i];
            held[i] = NULL;
            if (at % 5 != 0)
                bw_free(gone);
        }
        bytes[i] = at % 300 == 0 ? 100000 : 16 + 16 * random_below(&random, 40);
        held[i] = at % 3 ? bw_alloc(bytes[i]) : bw_alloc_noscan(bytes[i]);
        held[i][0] = held[i][bytes[i] / sizeof(uint64_t) - 1] = check_of(i);
        if (at % 1000 == 0) {
            bw_arena *arena = bw_arena_new();
            payload **inside = bw_arena_alloc_bytes(arena, sizeof *inside);
            *inside = new_payload(at);
            is_payload(*inside);
            bw_arena_free(arena);
        }
    }
    return NULL;
}

static void *collect_all_the_time(void *unused) {
    (void)unused;
    while (!atomic_load(&over))
        bw_gc();
    return NULL;
}

static size_t open_descriptors(void) {
    size_t count = 0;
    for (int fd = 0; fd < 1000; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static bool has_no_copy(void) {
    for (int ms = 0; ms < 5000; ms++) {
        if (copy_of(getpid(), true) == 0)
            return true;
        sleep_ms(1);
    }
    return false;
}

static void test_weak(void **state) {
    (void)state;
    node *tree = new_tree(tree_depth());
    size_t before = open_descriptors(), moves = effort(debug_has("gcstress") ? 100000 : 2000000), seen = 0;
    pthread_t collector, freer, threads[MOVERS];
    struct mover movers[MOVERS];
    atomic_store(&over, false);
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    CHECK(pthread_create(&freer, NULL, free_all_the_time, &moves) == 0);
    for (int i = 0; i < MOVERS; i++) {
        movers[i] = (struct mover){i, moves, 0};
        CHECK(pthread_create(&threads[i], NULL, move, &movers[i]) == 0);
    }
    // The program has no child.
    int status;
    while (pthread_tryjoin_np(freer, NULL) != 0) {
        CHECK(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
        seen += copy_of(getpid(), false) > 0;
    }
    for (int i = 0; i < MOVERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(movers[i].revived > 0);
    }
    atomic_store(&over, true);
    CHECK(pthread_join(collector, NULL) == 0);
    assert_int_equal(count_tree(tree), ((size_t)2 << tree_depth()) - 1);
    assert_true(has_no_copy());
    assert_int_equal(open_descriptors(), before);
    assert_true(seen > 0);
}

// Which process handles it.
static pid_t own;
static _Atomic int *handled_elsewhere;
static void on_signal(int number) {
    (void)number;
    if (getpid() != own)
        atomic_fetch_add(handled_elsewhere, 1);
}

// A signal to the whole process group is not for the copy; a pipe that the program closes is closed.
static void test_unharmed(void **state) {
    (void)state;
    node *tree = new_tree(tree_depth());
    pthread_t collector;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    own = getpid();
    handled_elsewhere =
        mmap(NULL, sizeof *handled_elsewhere, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(handled_elsewhere != MAP_FAILED);
    CHECK(sigaction(SIGUSR1, &action, &old) == 0 && setpgid(0, 0) == 0);
    atomic_store(&over, false);
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        int ends[2];
        char byte;
        CHECK(pipe(ends) == 0);
        CHECK(kill(0, SIGUSR1) == 0);
        CHECK(close(ends[1]) == 0);
        CHECK(read(ends[0], &byte, 1) == 0);
        CHECK(close(ends[0]) == 0);
    }
    atomic_store(&over, true);
    CHECK(pthread_join(collector, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &old, NULL) == 0);
    assert_int_equal(atomic_load(handled_elsewhere), 0);
    assert_int_equal(count_tree(tree), ((size_t)2 << tree_depth()) - 1);
    assert_true(has_no_copy());
}

static void test_fork(void **state) {
    (void)state;
    node *tree = new_tree(tree_depth());
    pthread_t collector;
    atomic_store(&over, false);
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        if (child == 0) {
            bw_gc();
            bw_gc();
            _exit(count_tree(tree) == ((size_t)2 << tree_depth()) - 1 && has_no_copy() ? 0 : 1);
        }
        int status;
        CHECK(child > 0 && waitpid(-1, &status, 0) == child && status == 0, "status %d", status);
    }
    atomic_store(&over, true);
    CHECK(pthread_join(collector, NULL) == 0);
}

// --- children ---

// Stopped in the middle of its work it would never end by itself. (One that has done its work is ended at once.)
static pid_t stop_a_copy(void) {
    for (;;) {
        pid_t copy = copy_of(getpid(), false), parent;
        if (copy <= 0 || kill(copy, SIGSTOP) != 0)
            continue;
        for (int ms = 0; copy_is_alive(copy) && ms < 300; ms++)
            sleep_ms(1);
        if (copy_state(copy, &parent) == 'T')
            return copy;
    }
}

// Of a tree that takes long to mark.
static pid_t collect_and_stop_a_copy(void) {
    pthread_t collector;
    node *tree = new_tree(UNDER_SANITIZER ? 17 : 19);
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    pid_t copy = stop_a_copy();
    bw_keep_alive(tree);
    return copy;
}

// The copies are ended from outside, one in the middle of its work, others at any moment: what is reachable stays.
static void child_killed(void) {
    struct mover mover = {0, SIZE_MAX, 0};
    pthread_t mover_thread;
    CHECK(pthread_create(&mover_thread, NULL, move, &mover) == 0);
    node *tree = new_tree(tree_depth());
    CHECK(kill(collect_and_stop_a_copy(), SIGKILL) == 0);
    size_t killed = 0;
    for (double end = seconds_now() + child_limit(15); killed < 20 && seconds_now() < end;) {
        pid_t copy = copy_of(getpid(), false);
        if (copy > 0 && kill(copy, SIGKILL) == 0)
            killed++;
    }
    atomic_store(&over, true);
    CHECK(pthread_join(mover_thread, NULL) == 0);
    bw_gc();
    CHECK(killed > 0 && count_tree(tree) == ((size_t)2 << tree_depth()) - 1 && has_no_copy());
}

// Collections go on.
static void child_stopped(void) {
    collect_and_stop_a_copy();
    bw_gc();
}

static void child_exits(void) {
    char text[32];
    size_t length = (size_t)snprintf(text, sizeof text, "%d\n", (int)collect_and_stop_a_copy());
    CHECK(write(1, text, length) == (ssize_t)length);
    _exit(0);
}

static void child_becomes_another(void) {
    printf("%d\n", (int)collect_and_stop_a_copy());
    fflush(stdout);
    execl("/bin/sleep", "sleep", "1", (char *)NULL);
}

static void was_ended(const char *child) {
    static struct outcome outcome;
    const char *settings[] = {"BURROWDEBUG=mark=snapshot,verify=1,gctrace=1", NULL};
    assert_succeeded(child, settings, &outcome);
    if (strstr(outcome.err, "mark: the world was stopped: the copy of the process was ended (signal 9)\n") == NULL) {
        outcome_print(&outcome);
        fail();
    }
}

static void test_killed(void **state) {
    (void)state;
    was_ended("killed");
    was_ended("stopped");
}

// The copy that it told of ends as well.
static void ends_with(const char *name) {
    static struct outcome outcome;
    const char *settings[] = {"BURROWDEBUG=mark=snapshot", NULL};
    assert_succeeded(name, settings, &outcome);
    CHECK(isdigit((unsigned char)outcome.out[0]));
    pid_t copy = atoi(outcome.out);
    for (int ms = 0; copy_is_alive(copy); ms++) {
        CHECK(ms < 5000, "the copy %d goes on", copy);
        sleep_ms(1);
    }
}

static void test_exits(void **state) {
    (void)state;
    ends_with("exits");
    ends_with("becomes_another");
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"killed", child_killed},
                                            {"stopped", child_stopped},
                                            {"exits", child_exits},
                                            {"becomes_another", child_becomes_another}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weak),   cmocka_unit_test(test_unharmed), cmocka_unit_test(test_fork),
        cmocka_unit_test(test_killed), cmocka_unit_test(test_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
