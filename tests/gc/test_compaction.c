// bw_compact: what moves and what does not, what follows what has moved, and what happens when there is no memory for it.
// The random graphs are in test_compact.c.
// modes: plain verify=1 poison=1 compact=always,verify=1
#include "support.h"

#include "gc/gc.h"

#include <pthread.h>
#include <stdatomic.h>

BW_STRUCT(node, BW_MOVABLE, (struct node *, next), (uint64_t, id), (uint64_t, more));
BW_STRUCT(fixed, (struct node *, next), (uint64_t, id), (uint64_t, more));
struct old {
    struct node *next;
    uint64_t id;
};
BW_TYPE(old, next, BW_MOVABLE, id);
typedef struct {
    uint64_t id;
    struct node *next;
} tagless;
BW_TYPEDEF(tagless, id, next, BW_MOVABLE);
BW_STRUCT(waits, (bw_mutex, mutex), (bw_cond, cond), BW_MOVABLE);
BW_STRUCT(counted, (bw_mutex, mutex), (uint64_t, id), BW_MOVABLE);
BW_STRUCT(either,
          (
              union {
                  void *pointer;
                  uint64_t number;
              },
              u),
          BW_MOVABLE);
BW_SLICE(node);
BW_MAP(by_name, bw_string, bw_string);
BW_MAP(by_address, void *, uint64_t);
BW_MAP(by_number, uint64_t, void *);
BW_INTERFACE(Named, (uint64_t, number));
static uint64_t node_number(node *n) {
    return n->id;
}
BW_IMPL(Named, node, (uint64_t, number));

// What a test has on the heap. Only `all` refers to it, so that nothing but the box itself is pinned.
BW_STRUCT(box, (void *[20], at), (void **, refs), (bw_string, text), (bw_slice(node), slice), (bw_any, any),
          (bw_any, boxed), (Named, named), (by_name, names), (by_address, addresses), (by_number, numbers),
          (bw_chan(void *), channel), (either, e));
static box *volatile all;

// Everything is done in threads of its own, so that no stack refers to what is to move.
static void apart(void (*body)(void));
static void *call(void *body) {
    clear_stack();
    ((void (*)(void))(uintptr_t)body)();
    return NULL;
}
static void apart(void (*body)(void)) {
    in_thread(call, (void *)(uintptr_t)body);
}
static void make_box(void) {
    all = bw_new(box);
}
static bw_compaction done;
static void compact(void) {
    CHECK(bw_compact());
    bw_read_compaction(&done);
}

static node *new_node(uint64_t id) {
    node *n = bw_new(node);
    n->id = n->more = id;
    return n;
}
static void check_node(const node *n, uint64_t id) {
    CHECK(n->id == id && n->more == id, "%llu %llu, not %llu", (unsigned long long)n->id, (unsigned long long)n->more,
          (unsigned long long)id);
}

// --- sliding ---

enum { COUNT = 6000, KEPT = 4 }; // one of KEPT stays
static uintptr_t before[COUNT];
static void make_sparse(void) {
    all->refs = bw_new_array(void *, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        node *n = new_node(i);
        before[i] = hide(n);
        if (i % KEPT == 0)
            all->refs[i] = n;
        if (i >= KEPT && i % KEPT == 0)
            n->next = all->refs[i - KEPT];
    }
}
static void check_sparse(void) {
    size_t moved = 0;
    uintptr_t last = 0, lo = UINTPTR_MAX, hi = 0;
    for (uint64_t i = 0; i < COUNT; i += KEPT) {
        node *n = all->refs[i];
        check_node(n, i);
        CHECK(n->next == (i == 0 ? NULL : all->refs[i - KEPT]));
        CHECK(bw_base(n) == n && bw_size(n) >= sizeof *n);
        moved += hide(n) != before[i];
        if ((uintptr_t)shown(before[i]) > last) {
            last = (uintptr_t)shown(before[i]);
            lo = (uintptr_t)n < lo ? (uintptr_t)n : lo;
            hi = (uintptr_t)n > hi ? (uintptr_t)n : hi;
        }
    }
    CHECK(moved > COUNT / KEPT * 9 / 10, "%zu", moved);
    CHECK(hi - lo < (COUNT / KEPT * sizeof(node) + 65536) * (UNDER_SANITIZER ? 3 : 2), "%zu", hi - lo);
}
static int by_hidden(const void *x, const void *y) {
    uintptr_t a = ~*(const uintptr_t *)x, b = ~*(const uintptr_t *)y;
    return a < b ? -1 : a > b;
}
// The order of addresses is as it was.
static void check_order(void) {
    static uintptr_t old[COUNT / KEPT], now[COUNT / KEPT];
    size_t count = 0, turned = 0;
    for (size_t i = 0; i < COUNT; i += KEPT, count++) {
        old[count] = ~(uintptr_t)shown(before[i]);
        now[count] = ~(uintptr_t)all->refs[i];
    }
    for (size_t i = 1; i < count; i++)
        turned += (old[i - 1] < old[i]) != (now[i - 1] < now[i]);
    CHECK(turned <= 4, "%zu of %zu", turned, count); // where something is pinned in between
    qsort(now, count, sizeof *now, by_hidden);
    for (size_t i = 1; i < count; i++)
        CHECK(now[i] != now[i - 1]);
}
static void test_sliding(void **state) {
    (void)state;
    apart(make_box);
    apart(make_sparse);
    apart(compact);
    bool by_itself = debug_has("compact=");
    CHECK(by_itself || done.moved_objects >= COUNT / KEPT * 9 / 10, "%llu", (unsigned long long)done.moved_objects);
    apart(check_sparse);
    apart(check_order);
    bw_ledger_t ledger;
    bw_ledger(&ledger);
    CHECK(ledger.alloc.bytes - ledger.reclaim.bytes == ledger.layout.bytes);
    // Again: nothing is left to do.
    apart(compact);
    CHECK(done.moved_objects < COUNT / KEPT / 10, "%llu", (unsigned long long)done.moved_objects);
    apart(check_sparse);
    all = NULL;
}

// --- what follows ---

static bw_weak weak_pointer;
static _Atomic uint64_t finalized, cleaned;
static void finalize(void *n) {
    atomic_fetch_add(&finalized, ((node *)n)->id);
}
static void clean(void *number) {
    atomic_fetch_add(&cleaned, (uintptr_t)number);
}
static bw_cleanup stopped;
static void make_garbage(void) {
    for (int i = 0; i < 3000; i++) {
        node *n = bw_new(node);
        n->id = 1;
        void *volatile text = bw_sprintf("garbage %d", i).ptr ? n : NULL;
        (void)text;
    }
}
static void make_followers(void) {
    make_garbage();
    box *b = all;
    b->at[0] = new_node(1);
    b->at[1] = &((node *)b->at[0])->more; // into the middle
    b->at[2] = b->at[0];                  // twice
    weak_pointer = bw_weak_make(b->at[0]);
    make_garbage();
    b->text = bw_concat(bw_str("moved "), bw_str("text"));
    b->slice = bw_make_slice(node, 10, 20);
    for (int i = 0; i < 10; i++)
        bw_at(b->slice, i).id = (uint64_t)i;
    b->at[3] = &bw_at(b->slice, 5);
    make_garbage();
    b->any = bw_any_as(node *, new_node(7));
    b->boxed = bw_any_as(bw_string, b->text);
    b->named = bw_as(Named, node, new_node(8));
    b->names = bw_make_map(by_name);
    b->numbers = bw_make_map(by_number);
    for (int i = 0; i < 200; i++) {
        make_garbage();
        bw_put(b->names, bw_sprintf("key %d", i)) = bw_sprintf("value %d", i);
        bw_put(b->numbers, (uint64_t)i) = new_node((uint64_t)i);
    }
    b->channel = bw_make_chan(void *, 5);
    for (uint64_t i = 0; i < 5; i++) {
        make_garbage();
        bw_send(b->channel, new_node(100 + i));
    }
    b->at[4] = new_node(1000);
    bw_set_finalizer(b->at[4], finalize);
    b->at[5] = new_node(9);
    bw_add_cleanup(b->at[5], clean, (void *)(uintptr_t)17);
    stopped = bw_add_cleanup(b->at[5], clean, (void *)(uintptr_t)400);
    fixed *f = bw_new(fixed);
    b->at[6] = f;
    f->next = new_node(10);
    node **untyped = bw_alloc(64);
    b->at[7] = untyped;
    make_garbage();
}
static uintptr_t was[10];
static void note(void) {
    was[0] = hide(all->at[0]);
    was[1] = hide((void *)(uintptr_t)all->text.ptr);
    was[2] = hide(all->slice.ptr);
    was[3] = hide(bw_assert_type(node *, all->any));
    was[4] = hide(((fixed *)all->at[6])->next);
}
static void check_followers(void) {
    box *b = all;
    check_node(b->at[0], 1);
    CHECK(b->at[1] == &((node *)b->at[0])->more && b->at[2] == b->at[0]);
    CHECK(bw_weak_get(weak_pointer) == b->at[0]);
    bw_weak again = bw_weak_make(b->at[0]);
    CHECK(bw_weak_eq(again, weak_pointer));
    CHECK(bw_str_eq(b->text, bw_str("moved text")));
    for (int i = 0; i < 10; i++)
        CHECK(bw_at(b->slice, i).id == (uint64_t)i);
    CHECK(b->at[3] == &bw_at(b->slice, 5));
    check_node(bw_assert_type(node *, b->any), 7);
    CHECK(bw_str_eq(bw_assert_type(bw_string, b->boxed), bw_str("moved text")));
    CHECK(bw_call(b->named, number) == 8);
    CHECK(bw_len(b->names) == 200 && bw_len(b->numbers) == 200);
    for (int i = 0; i < 200; i++) {
        bw_string value;
        CHECK(bw_lookup(b->names, bw_sprintf("key %d", i), &value) && bw_str_eq(value, bw_sprintf("value %d", i)));
        node *n = bw_get(b->numbers, (uint64_t)i);
        CHECK(n != NULL);
        check_node(n, (uint64_t)i);
    }
    for (uint64_t i = 0; i < 5; i++) {
        node *n = bw_recv(b->channel);
        check_node(n, 100 + i);
        bw_send(b->channel, n);
    }
    check_node(((fixed *)b->at[6])->next, 10);
}
static void check_moved(void) {
    int moved = 0;
    moved += was[0] != hide(all->at[0]);
    moved += was[1] != hide((void *)(uintptr_t)all->text.ptr);
    moved += was[2] != hide(all->slice.ptr);
    moved += was[3] != hide(bw_assert_type(node *, all->any));
    moved += was[4] != hide(((fixed *)all->at[6])->next);
    CHECK(moved >= 3, "%d", moved);
}
static void drop_followers(void) {
    bw_cleanup_stop(stopped);
    all->at[4] = all->at[5] = NULL;
}
static void test_following(void **state) {
    (void)state;
    apart(make_box);
    apart(make_followers);
    apart(note);
    apart(compact);
    if (!debug_has("compact="))
        apart(check_moved);
    for (int i = 0; i < 3; i++) {
        apart(check_followers);
        apart(make_garbage);
        apart(compact);
    }
    apart(check_followers);
    apart(drop_followers);
    for (int i = 0; i < 200 && (atomic_load(&finalized) < 1000 || atomic_load(&cleaned) < 17); i++) {
        apart(compact);
        sleep_ms(5);
    }
    CHECK(atomic_load(&finalized) == 1000 && atomic_load(&cleaned) == 17, "%llu %llu",
          (unsigned long long)atomic_load(&finalized), (unsigned long long)atomic_load(&cleaned));
    all = NULL;
}

// --- what stays ---

enum {
    STACK,
    STATIC,
    THREAD_LOCAL,
    REGISTERED,
    UNTYPED,
    UNION,
    PINNED,
    INSIDE_PINNED,
    RETAINED,
    KEY,
    WEAK_KEY,
    WEAK_VALUE,
    PARKED,
    REASONS
};
static const char *const reasons[] = {"stack",    "static",     "thread-local", "registered", "untyped",
                                      "union",    "pinned",     "inside",       "retained",   "key",
                                      "weak key", "weak value", "parked"};
static node *volatile in_static;
static __thread node *volatile in_thread_local;
static node **registered;
static uintptr_t stays[REASONS];
static uint64_t neighbour_ids;
static uintptr_t neighbours[REASONS];
static void parks(node *n, bw_chan(int) c) {
    CHECK(bw_recv(c) == 1);
    check_node(n, 50 + PARKED);
}
static bw_chan(int) parking;
static void put_somewhere(int reason, node *n) {
    box *b = all;
    switch (reason) {
    case STATIC: in_static = n; break;
    case REGISTERED: registered[1] = n; break;
    case UNTYPED: ((node **)b->at[0])[3] = n; break;
    case UNION: b->e.u.pointer = n; break;
    case PINNED: b->at[1] = bw_pin(n); break;
    case INSIDE_PINNED:
        b->at[2] = n;
        bw_pin((char *)n + 9);
        break;
    case RETAINED: bw_retain(n); break;
    case KEY: bw_put(b->addresses, n) = 1; break;
    case WEAK_KEY:
        b->at[3] = n;
        bw_weak_map_put(b->at[4], n, NULL);
        break;
    case WEAK_VALUE: bw_weak_map_put(b->at[4], b->at[5], n); break;
    case PARKED: bw_go(parks, n, parking); break;
    default: abort();
    }
}
static void make_stayers(void) {
    box *b = all;
    registered = calloc(4, sizeof *registered);
    bw_root_add(registered, registered + 4);
    b->at[0] = bw_alloc(64);
    b->addresses = bw_make_map(by_address);
    b->at[4] = bw_weak_map_new();
    b->at[5] = new_node(1);
    b->refs = bw_new_array(void *, REASONS);
    parking = bw_make_chan(int, 0);
    for (int i = STATIC; i < REASONS; i++) {
        if (i == THREAD_LOCAL)
            continue;
        make_garbage();
        b->refs[i] = new_node(neighbour_ids);
        neighbours[i] = hide(b->refs[i]);
        node *n = new_node(50 + (uint64_t)i);
        stays[i] = hide(n);
        put_somewhere(i, n);
    }
}
static void check_stayers(void) {
    size_t moved = 0, all_of_them = 0;
    for (int i = STATIC; i < REASONS; i++) {
        if (i == THREAD_LOCAL)
            continue;
        node *n = shown(stays[i]);
        CHECK(bw_base(n) == n, "%s: moved, or gone", reasons[i]);
        CHECK(n->id == 50 + (uint64_t)i, "%s: %llu", reasons[i], (unsigned long long)n->id);
        moved += hide(all->refs[i]) != neighbours[i];
        all_of_them++;
    }
    CHECK(moved > all_of_them / 2 || debug_has("compact="), "%zu of %zu", moved, all_of_them);
    CHECK(in_static == shown(stays[STATIC]) && bw_get(all->addresses, shown(stays[KEY])) == 1);
    CHECK(bw_weak_map_get(all->at[4], all->at[5]) == shown(stays[WEAK_VALUE]));
}
static void *thread_with_locals(void *unused) {
    node *volatile on_stack = new_node(90);
    in_thread_local = new_node(91);
    uintptr_t stack_was = hide(on_stack), local_was = hide(in_thread_local);
    apart(make_garbage);
    apart(compact);
    CHECK(on_stack == shown(stack_was) && in_thread_local == shown(local_was));
    check_node(on_stack, 90);
    check_node(in_thread_local, 91);
    return unused;
}
static void release_stayers(void) {
    bw_unpin(all->at[1]);
    bw_unpin(all->at[2]);
    bw_release(shown(stays[RETAINED]));
    bw_root_remove(registered);
    free(registered);
    bw_send(parking, 1);
    in_static = NULL;
}
static void test_staying(void **state) {
    (void)state;
    apart(make_box);
    apart(make_stayers);
    for (int i = 0; i < 3; i++) {
        apart(compact);
        CHECK(done.by_data > 0 && done.by_memory > 0 && done.by_request > 0 && done.by_stack > 0);
        apart(check_stayers);
    }
    in_thread(thread_with_locals, NULL);
    apart(release_stayers);
    bw_gc();
    all = NULL;
}

// --- which types ---

static void make_types(void) {
    box *b = all;
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 3000; k++) {
            void *volatile garbage;
            garbage = bw_new(struct old);
            garbage = bw_new(tagless);
            garbage = bw_new(waits);
            garbage = bw_new(counted);
            garbage = bw_new(fixed);
            garbage = bw_alloc(24);
            (void)garbage;
        }
        if (i == 0)
            continue;
        b->at[0] = bw_new(struct old);
        b->at[1] = bw_new(tagless);
        b->at[2] = bw_new(counted);
        b->at[3] = bw_new(waits);
        b->at[4] = bw_new(fixed);
        b->at[5] = bw_alloc(24);
    }
    for (int i = 0; i < 6; i++)
        was[i] = hide(b->at[i]);
}
static void check_types(void) {
    int moved = 0;
    for (int i = 0; i < 6; i++) {
        bool has_moved = was[i] != hide(all->at[i]);
        moved += has_moved;
        CHECK(i < 3 || !has_moved, "%d", i);
    }
    CHECK(moved >= 2 || debug_has("compact="), "%d", moved);
}
static void test_types(void **state) {
    (void)state;
    apart(make_box);
    apart(make_types);
    apart(compact);
    apart(check_types);
    all = NULL;
    CHECK(bw_type_of(node)->field_count == 3 && sizeof(node) == 24); // the marker is no field
    CHECK(bw_type_of(struct old)->field_count == 2);
}

// --- no memory ---

static void check_sparse_contents(void) {
    for (uint64_t i = 0; i < COUNT; i += KEPT) {
        check_node(all->refs[i], i);
        CHECK(((node *)all->refs[i])->next == (i == 0 ? NULL : all->refs[i - KEPT]));
    }
}
static void compact_without_memory(void) {
    int refused = 0, calls = 0;
    for (bool good = false; !good && calls < 200;) {
        atomic_store(&os_fail_countdown, ++calls);
        good = bw_compact();
        bool reached = atomic_load(&os_fail_countdown) == 0;
        atomic_store(&os_fail_countdown, 0);
        refused += !good;
        check_sparse_contents();
        if (good && reached) // it did without
            good = false;
    }
    /* With poison=1 the pages that are forbidden and allowed again count, too, and each time others. */
    CHECK(refused >= (debug_has("poison") ? 1 : 2) && calls < 200, "%d of %d", refused, calls);
}
static void test_no_memory(void **state) {
    (void)state;
    if (debug_has("verify")) // which ends without memory of its own
        return;
    apart(make_box);
    apart(make_sparse);
    apart(compact); // whatever a collection wants is there
    apart(make_sparse);
    apart(compact_without_memory);
    apart(compact);
    apart(check_sparse_contents);
    all = NULL;
}

// --- several at once ---

static void *compacts(void *unused) {
    for (int i = 0; i < (int)effort(20); i++) {
        make_garbage();
        CHECK(bw_compact());
        check_sparse_contents();
    }
    return unused;
}
static void test_several_threads(void **state) {
    (void)state;
    apart(make_box);
    apart(make_sparse);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, compacts, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    all = NULL;
}

// --- by itself ---

enum { LARGE = 1500000 };
static void make_large(void) {
    all->refs = bw_new_array(void *, LARGE);
    for (uint64_t i = 0; i < LARGE; i++)
        all->refs[i] = new_node(i);
}
static void drop_large(void) {
    for (uint64_t i = 0; i < LARGE; i++)
        if (i % 10 != 0)
            all->refs[i] = NULL;
}
static void check_large(void) {
    for (uint64_t i = 0; i < LARGE; i += 10)
        check_node(all->refs[i], i);
}
static void collect(void) {
    bw_gc();
}
static void child_auto(void) {
    int64_t bound = getenv("BOUND") ? 1000000000 : 0;
    uint64_t count;
    CHECK(!bw_set_compact_auto(true, bound));
    CHECK(bw_set_compact_auto(true, bound));
    apart(make_box);
    apart(make_large);
    apart(collect);
    bw_read_compaction(&done);
    CHECK(done.count == 0); // it is full
    apart(drop_large);
    apart(collect);
    bw_read_compaction(&done);
    CHECK(done.count == 0); // it was full, as far as was known
    uint64_t emptied = 0, most = 0;
    int times = 0;
    do {
        count = done.count;
        apart(collect);
        bw_read_compaction(&done);
        emptied += done.count > count ? done.emptied_bytes : 0;
        most = done.count > count && done.moved_bytes > most ? done.moved_bytes : most;
        check_large();
        times++;
    } while (done.count > count && times < 1000);
    CHECK(emptied > (uint64_t)LARGE * 24 / 2 && times < 1000, "%llu %d", (unsigned long long)emptied, times);
    CHECK(times > (bound ? 2 : 1), "%d", times); // the rest at the next one
    CHECK(!bound || most <= 4 << 20, "%llu", (unsigned long long)most);
    // What cannot be done in the time is not begun.
    apart(make_large);
    apart(collect);
    apart(drop_large);
    CHECK(bw_set_compact_auto(true, 1));
    apart(collect);
    bw_read_compaction(&done);
    count = done.count;
    apart(collect);
    bw_read_compaction(&done);
    CHECK(done.count == count);
    CHECK(bw_set_compact_auto(false, 0));
}
static void test_auto(void **state) {
    (void)state;
    static const char *const plain[] = {"BURROWDEBUG=", NULL}, *const bounded[] = {"BURROWDEBUG=", "BOUND=1", NULL};
    assert_succeeded("auto", plain, NULL);
    assert_succeeded("auto", bounded, NULL);
}

// --- misuse ---

static void child_unpin(void) {
    static char text[8];
    bw_any e = bw_protect(bw_unpin, (void *)text);
    CHECK(bw_is_runtime_error(e) || e.type != NULL);
    node *n = new_node(1);
    bw_pin(n);
    bw_pin(n);
    bw_unpin(n);
    bw_unpin(&n->more);
    expect("panic: bw_unpin: %p is not pinned", (void *)n);
    bw_unpin(n);
}
static void test_misuse(void **state) {
    (void)state;
    assert_died("unpin", NULL);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"auto", child_auto}, {"unpin", child_unpin}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sliding), cmocka_unit_test(test_following), cmocka_unit_test(test_staying),
        cmocka_unit_test(test_types),   cmocka_unit_test(test_no_memory), cmocka_unit_test(test_several_threads),
        cmocka_unit_test(test_auto),    cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
