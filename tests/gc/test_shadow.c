// Random object graphs, built, cut, freed and read by several threads, against a model of them outside the heap.
//
// valgrind: yes
//
// A WORLD is a graph with its model. The model lies in malloc's memory and holds complemented addresses, so that it keeps
// nothing alive: only a world's real roots do. Threads take worlds from a shelf, change them, and put them back, so that
// objects are read, cut and freed by other threads than those that made them. The roots of different worlds lie in
// different places: static data, a registered block, a heap object that only an interior pointer refers to.
//
// Whatever the model reaches must be in the heap as the model says: addresses, links (to first bytes and into the
// middle), every byte of data. At the end nothing may be left.
//
// With COMPACT (test_compact.c) all types are movable, and threads compact: the model holds weak pointers then, which
// know where an object is. What a variable refers to does not move.
#include "support.h"

#include <pthread.h>

#ifdef COMPACT
#define MARK BW_MOVABLE,
#include <stdatomic.h>
static _Atomic uint64_t moved; // objects, by the compactions of a run, and perhaps counted twice
static uint64_t moved_by_all;
typedef bw_weak known;
#define KNOW(object) bw_weak_make(object)
#define KNOWN(known) ((char *)bw_weak_get(known))
#else
#define MARK
typedef uintptr_t known; // nothing is kept alive by the model
#define KNOW(object) hide(object)
#define KNOWN(known) ((char *)shown(known))
#endif

// --- the shapes of objects ---

BW_STRUCT(pair, MARK(void *, left), (void *, right), (uint64_t, id));
BW_STRUCT(one, MARK(uint64_t, id), (void *, next), (uint8_t[40], data));
BW_STRUCT(inner, MARK(uint64_t, number), (void *, inner_link));
BW_STRUCT(mixed, MARK(uint32_t, id), (char, letter), (void *, first), (double, real), (void *[3], several),
          (short, small), (struct inner, nested), (uint64_t, last));
// More than 64 words, with links at both ends and in the middle.
BW_STRUCT(wide, MARK(void *, first), (uint64_t[62], data), (void *[4], middle), (uint64_t[40], more), (void *, last));
// A large object of a type, and a small one that is many pages long.
BW_STRUCT(huge, MARK(void *, first), (uint64_t[5000], data), (void *, last));
BW_STRUCT(sparse, MARK(uint64_t[60], data), (void *, link), (uint64_t[2000], more));

enum shape {
    PAIR,
    ONE,
    MIXED,
    WIDE,
    HUGE,
    SPARSE,
    UNTYPED,
    ALIGNED,
    POINTERS,
    LONG_POINTERS,
    PAIRS,
    LONG_PAIRS,
    NOSCAN,
    LONG_NOSCAN,
    SHAPES
};

// How often each shape is made.
static const unsigned shape_weight[SHAPES] = {
    [PAIR] = 300, [ONE] = 200,      [MIXED] = 150,  [WIDE] = 30,       [HUGE] = 3,
    [SPARSE] = 6, [UNTYPED] = 150,  [ALIGNED] = 8,  [POINTERS] = 60,   [LONG_POINTERS] = 2,
    [PAIRS] = 40, [LONG_PAIRS] = 2, [NOSCAN] = 120, [LONG_NOSCAN] = 3,
};

#define MOST_LINKS 8
#define NODES 3000
#define ROOTS 16
#define NONE (-1)
#define ROOT (-2)

struct node {
    known where;
    enum shape shape;
    bool used;
    uint32_t references; // model links and roots
    uint32_t visit;
    int parent, parent_at; // one link or root (parent ROOT) that refers to it, as long as that is so
    size_t bytes;          // of untyped ones; elements of arrays
    uint64_t id;
    int links; // places for links
    struct {
        int to;
        uint32_t offset;
    } link[MOST_LINKS];
};

struct world {
    struct node *nodes; // malloc's
    int free_list[NODES], free_count;
    struct {
        int to;
        uint32_t offset;
    } root[ROOTS];
    uint32_t visit;
    uint64_t next_id;
    int where; // the kind of place its roots are in
    void **registered;
};

#define WORLDS 9
static struct world *shelf[WORLDS];
static int on_shelf;
static pthread_mutex_t shelf_lock = PTHREAD_MUTEX_INITIALIZER;

static void *static_roots[WORLDS][ROOTS];
static void **interior_roots[WORLDS]; // three words into a heap object

static void **roots_of(struct world *world, int number) {
    switch (world->where) {
    case 0: return static_roots[number];
    case 1: return world->registered;
    default: return interior_roots[number] - 3;
    }
}

// --- where an object's links are, and its data ---

static void **link_place(const struct node *node, char *object, int index) {
    switch (node->shape) {
    case PAIR: return index ? &((pair *)object)->right : &((pair *)object)->left;
    case ONE: return &((one *)object)->next;
    case MIXED: {
        mixed *m = (mixed *)object;
        return index == 0 ? &m->first : index < 4 ? &m->several[index - 1] : &m->nested.inner_link;
    }
    case WIDE: {
        wide *w = (wide *)object;
        return index == 0 ? &w->first : index < 5 ? &w->middle[index - 1] : &w->last;
    }
    case HUGE: return index ? &((huge *)object)->last : &((huge *)object)->first;
    case SPARSE: return &((sparse *)object)->link;
    case UNTYPED:
    case ALIGNED: // spread evenly
        return (void **)object + (size_t)index * (node->bytes / sizeof(void *)) / (size_t)node->links;
    case POINTERS:
    case LONG_POINTERS: return (void **)object + (size_t)index * node->bytes / (size_t)node->links;
    case PAIRS:
    case LONG_PAIRS: {
        pair *element = (pair *)object + (size_t)(index / 2) * node->bytes / (((size_t)node->links + 1) / 2);
        return index % 2 ? &element->right : &element->left;
    }
    default: abort();
    }
}

// Data never looks like an address of the heap.
static uint64_t data_word(uint64_t id, size_t at) {
    return mix(id * 1000003 + at) | (uint64_t)1 << 63;
}

static void fill(uint64_t id, uint64_t *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        words[i] = data_word(id, i);
}

static void check_words(uint64_t id, const uint64_t *words, size_t count, const char *what) {
    for (size_t i = 0; i < count; i++)
        CHECK(words[i] == data_word(id, i), "%s of object %llu at %p: word %zu is %#llx, not %#llx", what,
              (unsigned long long)id, (const void *)words, i, (unsigned long long)words[i],
              (unsigned long long)data_word(id, i));
}

static void write_data(const struct node *node, char *object) {
    switch (node->shape) {
    case PAIR: ((pair *)object)->id = node->id; break;
    case ONE:
        ((one *)object)->id = node->id;
        fill(node->id, (uint64_t *)(void *)((one *)object)->data, 5);
        break;
    case MIXED: {
        mixed *m = (mixed *)object;
        m->id = (uint32_t)node->id;
        m->letter = (char)node->id;
        m->real = (double)node->id;
        m->small = (short)node->id;
        m->nested.number = data_word(node->id, 0);
        m->last = data_word(node->id, 1);
        break;
    }
    case WIDE:
        fill(node->id, ((wide *)object)->data, 62);
        fill(node->id, ((wide *)object)->more, 40);
        break;
    case HUGE: fill(node->id, ((huge *)object)->data, 5000); break;
    case SPARSE:
        fill(node->id, ((sparse *)object)->data, 60);
        fill(node->id, ((sparse *)object)->more, 2000);
        break;
    case PAIRS:
    case LONG_PAIRS:
        for (size_t i = 0; i < node->bytes; i++)
            ((pair *)object)[i].id = data_word(node->id, i);
        break;
    case NOSCAN:
    case LONG_NOSCAN: fill(node->id, (uint64_t *)(void *)object, node->bytes / 8); break;
    default: break; // links only; everything else stays NULL
    }
}

static void check_data(const struct node *node, const char *object) {
    switch (node->shape) {
    case PAIR: CHECK(((const pair *)object)->id == node->id); break;
    case ONE:
        CHECK(((const one *)object)->id == node->id);
        check_words(node->id, (const uint64_t *)(const void *)((const one *)object)->data, 5, "a one");
        break;
    case MIXED: {
        const mixed *m = (const mixed *)object;
        CHECK(m->id == (uint32_t)node->id && m->letter == (char)node->id && m->real == (double)node->id &&
              m->small == (short)node->id && m->nested.number == data_word(node->id, 0) &&
              m->last == data_word(node->id, 1));
        break;
    }
    case WIDE:
        check_words(node->id, ((const wide *)object)->data, 62, "a wide");
        check_words(node->id, ((const wide *)object)->more, 40, "a wide");
        break;
    case HUGE: check_words(node->id, ((const huge *)object)->data, 5000, "a huge"); break;
    case SPARSE:
        check_words(node->id, ((const sparse *)object)->data, 60, "a sparse");
        check_words(node->id, ((const sparse *)object)->more, 2000, "a sparse");
        break;
    case PAIRS:
    case LONG_PAIRS:
        for (size_t i = 0; i < node->bytes; i++)
            CHECK(((const pair *)object)[i].id == data_word(node->id, i), "element %zu", i);
        break;
    case NOSCAN:
    case LONG_NOSCAN:
        check_words(node->id, (const uint64_t *)(const void *)object, node->bytes / 8, "pointer-free data");
        break;
    default: break;
    }
}

static size_t object_bytes(const struct node *node) {
    static const size_t fixed[] = {[PAIR] = sizeof(pair), [ONE] = sizeof(one),   [MIXED] = sizeof(mixed),
                                   [WIDE] = sizeof(wide), [HUGE] = sizeof(huge), [SPARSE] = sizeof(sparse)};
    switch (node->shape) {
    case UNTYPED:
    case ALIGNED:
    case NOSCAN:
    case LONG_NOSCAN: return node->bytes;
    case POINTERS:
    case LONG_POINTERS: return node->bytes * sizeof(void *);
    case PAIRS:
    case LONG_PAIRS: return node->bytes * sizeof(pair);
    default: return fixed[node->shape];
    }
}

// --- making one ---

static char *allocate(struct node *node, struct random *random) {
    size_t n;
    switch (node->shape) {
    case PAIR: node->links = 2; return (char *)bw_new(pair);
    case ONE: node->links = 1; return (char *)bw_new(one);
    case MIXED: node->links = 5; return (char *)bw_new(mixed);
    case WIDE: node->links = 6; return (char *)bw_new(wide);
    case HUGE: node->links = 2; return (char *)bw_new(huge);
    case SPARSE: node->links = 1; return (char *)bw_new(sparse);
    case UNTYPED:
        node->bytes = 8 + random_below(random, random_below(random, 20) ? 200 : 50000);
        node->links = (int)(node->bytes / 8 < MOST_LINKS ? node->bytes / 8 : MOST_LINKS);
        return bw_alloc(node->bytes);
    case ALIGNED: {
        node->bytes = 64 + random_below(random, 5000);
        node->links = MOST_LINKS;
        size_t align = (size_t)1 << random_below(random, 15);
        char *object = bw_alloc_aligned(node->bytes, align);
        CHECK(((uintptr_t)object & (align - 1)) == 0);
        return object;
    }
    case POINTERS:
    case LONG_POINTERS:
        n = node->shape == POINTERS ? 1 + random_below(random, 100) : 4097 + random_below(random, 20000);
        node->bytes = n;
        node->links = (int)(n < MOST_LINKS ? n : MOST_LINKS);
        return (char *)bw_new_array(void *, n);
    case PAIRS:
    case LONG_PAIRS:
        n = node->shape == PAIRS ? 4 + random_below(random, 40) : 1400 + random_below(random, 3000);
        node->bytes = n;
        node->links = MOST_LINKS;
        return (char *)bw_new_array(pair, n);
    case NOSCAN:
    case LONG_NOSCAN:
        node->bytes = node->shape == NOSCAN ? 1 + random_below(random, 500) : 40000 + random_below(random, 200000);
        node->links = 0;
        return bw_alloc_noscan(node->bytes);
    default: abort();
    }
}

static enum shape random_shape(struct random *random) {
    unsigned total = 0;
    for (int i = 0; i < SHAPES; i++)
        total += shape_weight[i];
    size_t at = random_below(random, total);
    int shape = 0;
    while (at >= shape_weight[shape])
        at -= shape_weight[shape++];
    return (enum shape)shape;
}

static void check_zero(const char *object, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        CHECK(object[i] == 0, "byte %zu of %zu of a new object at %p is %d", i, bytes, (const void *)object, object[i]);
}

// --- the model ---

static void release_reference(struct world *world, int index);

static void drop_node(struct world *world, int index) {
    struct node *node = &world->nodes[index];
    node->used = false;
    world->free_list[world->free_count++] = index;
    for (int i = 0; i < node->links; i++)
        if (node->link[i].to != NONE)
            release_reference(world, node->link[i].to);
}

// In the model only: the object is garbage, or freed.
static void release_reference(struct world *world, int index) {
    if (--world->nodes[index].references == 0)
        drop_node(world, index);
}

static uint32_t random_offset(struct world *world, int to, struct random *random) {
    if (random_below(random, 4))
        return 0;
    return (uint32_t)random_below(random, object_bytes(&world->nodes[to]));
}

static char *address_of(const struct world *world, int index) {
    return KNOWN(world->nodes[index].where);
}

// Follows the parents up to a root. False does not mean that it is not reached.
static bool surely_reached(const struct world *world, int index) {
    for (int steps = 0; steps < 300; steps++) {
        const struct node *node = &world->nodes[index];
        if (!node->used || node->parent == NONE)
            return false;
        if (node->parent == ROOT)
            return world->root[node->parent_at].to == index;
        if (world->nodes[node->parent].link[node->parent_at].to != index)
            return false;
        index = node->parent;
    }
    return false;
}

// Writes a link into the object and the model; the old target's reference is the caller's to release.
static void set_link(struct world *world, int from, int at, int to, uint32_t offset) {
    struct node *node = &world->nodes[from];
    *link_place(node, address_of(world, from), at) = to == NONE ? NULL : address_of(world, to) + offset;
    node->link[at].to = to;
    node->link[at].offset = offset;
    if (to != NONE && !surely_reached(world, to)) {
        world->nodes[to].parent = from;
        world->nodes[to].parent_at = at;
    }
}

static int random_node(const struct world *world, struct random *random) {
    for (int tries = 0; tries < 20; tries++) {
        int index = (int)random_below(random, NODES);
        if (surely_reached(world, index))
            return index;
    }
    return world->root[random_below(random, ROOTS)].to;
}

// The last reference to an object goes: half of the time the object is freed first, while it is reached.
static void perhaps_free(struct world *world, int index, struct random *random) {
    if (world->nodes[index].references == 1 && random_below(random, 2))
        bw_free(address_of(world, index));
}

static void set_root(struct world *world, int number, int at, int to, uint32_t offset, struct random *random) {
    void **roots = roots_of(world, number);
    int old = world->root[at].to;
    if (to != NONE)
        world->nodes[to].references++;
    if (old != NONE)
        perhaps_free(world, old, random);
    roots[at] = to == NONE ? NULL : address_of(world, to) + offset;
    world->root[at].to = to;
    world->root[at].offset = offset;
    if (to != NONE) {
        world->nodes[to].parent = ROOT;
        world->nodes[to].parent_at = at;
    }
    if (old != NONE)
        release_reference(world, old);
}

// --- the operations on a world ---

static void grow(struct world *world, int number, struct random *random) {
    if (world->free_count == 0)
        return;
    int index = world->free_list[--world->free_count];
    struct node *node = &world->nodes[index];
    memset(node, 0, sizeof *node);
    node->used = true;
    node->parent = NONE;
    node->shape = random_shape(random);
    node->id = world->next_id++;
    for (int i = 0; i < MOST_LINKS; i++)
        node->link[i].to = NONE; // also those that it has not: another's parent_at, of this index's last node, may ask
    char *object = allocate(node, random);
    check_zero(object, object_bytes(node));
    CHECK(bw_size(object) >= object_bytes(node) && bw_base(object) == object);
    node->where = KNOW(object);
    write_data(node, object);
    for (int i = 0; i < node->links; i++) {
        int to = random_below(random, 3) ? random_node(world, random) : NONE;
        if (to != NONE) {
            world->nodes[to].references++;
            set_link(world, index, i, to, random_offset(world, to, random));
        }
    }
    // Until here only this function's registers and frame refer to it. A free place is preferred, so that graphs grow.
    int from = NONE, at = 0;
    for (int tries = 0; tries < 6; tries++) {
        int other = random_node(world, random);
        if (other == NONE || world->nodes[other].links == 0)
            continue;
        from = other;
        at = (int)random_below(random, (size_t)world->nodes[from].links);
        if (world->nodes[from].link[at].to == NONE)
            break;
    }
    int root = (int)random_below(random, ROOTS);
    if (from == NONE || world->root[root].to == NONE) {
        set_root(world, number, root, index, random_offset(world, index, random), random);
    } else {
        int old = world->nodes[from].link[at].to;
        node->references = 1;
        if (old != NONE)
            perhaps_free(world, old, random);
        set_link(world, from, at, index, random_offset(world, index, random));
        if (old != NONE)
            release_reference(world, old);
    }
    bw_keep_alive(object);
}

static void cut(struct world *world, struct random *random) {
    int from = random_node(world, random);
    if (from == NONE || world->nodes[from].links == 0)
        return;
    int at = (int)random_below(random, (size_t)world->nodes[from].links);
    int old = world->nodes[from].link[at].to, to = random_below(random, 2) ? random_node(world, random) : NONE;
    if (to != NONE)
        world->nodes[to].references++;
    if (old != NONE)
        perhaps_free(world, old, random);
    set_link(world, from, at, to, to == NONE ? 0 : random_offset(world, to, random));
    if (old != NONE)
        release_reference(world, old);
}

static void check_node(const struct world *world, int index) {
    const struct node *node = &world->nodes[index];
    char *object = address_of(world, index);
    CHECK(bw_base(object) == object, "object %llu at %p is gone", (unsigned long long)node->id, (void *)object);
    check_data(node, object);
    for (int i = 0; i < node->links; i++) {
        char *volatile wanted =
            node->link[i].to == NONE ? NULL : address_of(world, node->link[i].to) + node->link[i].offset;
        char *is = *link_place(node, object, i);
        CHECK(is == wanted, "link %d of object %llu, shape %d, is %p, not %p", i, (unsigned long long)node->id,
              node->shape, (void *)is, (void *)wanted);
    }
}

// All that the model reaches; cycles that it does not reach leave the model.
static void check_world(struct world *world, int number) {
    static __thread int stack[NODES];
    int depth = 0;
    world->visit++;
    for (int i = 0; i < ROOTS; i++) {
        int to = world->root[i].to;
        char *volatile wanted = to == NONE ? NULL : address_of(world, to) + world->root[i].offset;
        CHECK(roots_of(world, number)[i] == wanted);
        if (to != NONE && world->nodes[to].visit != world->visit) {
            world->nodes[to].visit = world->visit;
            world->nodes[to].parent = ROOT;
            world->nodes[to].parent_at = i;
            stack[depth++] = to;
        }
    }
    while (depth > 0) {
        int index = stack[--depth];
        check_node(world, index);
        const struct node *node = &world->nodes[index];
        for (int i = 0; i < node->links; i++) {
            int to = node->link[i].to;
            if (to != NONE && world->nodes[to].visit != world->visit) {
                world->nodes[to].visit = world->visit;
                world->nodes[to].parent = index;
                world->nodes[to].parent_at = i;
                stack[depth++] = to;
            }
        }
    }
    for (int i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];
        if (!node->used || node->visit == world->visit)
            continue;
        node->used = false;
        world->free_list[world->free_count++] = i;
        for (int j = 0; j < node->links; j++) {
            int to = node->link[j].to;
            if (to != NONE && world->nodes[to].visit == world->visit)
                world->nodes[to].references--;
        }
    }
}

static void read_some_nodes(const struct world *world, struct random *random) {
    for (int i = 0; i < 5; i++) {
        int index = random_node(world, random);
        if (index != NONE)
            check_node(world, index);
    }
}

static void drop_some(struct world *world, int number, struct random *random) {
    for (int i = 0; i < 3; i++)
        set_root(world, number, (int)random_below(random, ROOTS), NONE, 0, random);
}

// --- worlds and threads ---

static struct world *worlds[WORLDS];

static void world_new(int number) {
    struct world *world = calloc(1, sizeof *world);
    world->nodes = calloc(NODES, sizeof *world->nodes);
    for (int i = 0; i < NODES; i++)
        world->free_list[world->free_count++] = i;
    for (int i = 0; i < ROOTS; i++)
        world->root[i].to = NONE;
    world->where = number % 3;
    if (world->where == 1) {
        world->registered = calloc(ROOTS, sizeof(void *));
        bw_root_add(world->registered, world->registered + ROOTS);
    } else if (world->where == 2) {
        interior_roots[number] = bw_new_array(void *, ROOTS) + 3;
    }
    worlds[number] = world;
}

static void world_end(int number) {
    struct world *world = worlds[number];
    check_world(world, number);
    memset(static_roots[number], 0, sizeof static_roots[number]);
    if (world->where == 1) {
        memset(world->registered, 0, ROOTS * sizeof(void *));
        bw_root_remove(world->registered);
        free(world->registered);
    }
    interior_roots[number] = NULL;
    free(world->nodes);
    free(world);
    worlds[number] = NULL;
}

static int take_world(struct random *random) {
    pthread_mutex_lock(&shelf_lock);
    int at = (int)random_below(random, (size_t)on_shelf);
    struct world *world = shelf[at];
    shelf[at] = shelf[--on_shelf];
    pthread_mutex_unlock(&shelf_lock);
    int number = 0;
    while (worlds[number] != world)
        number++;
    return number;
}

static void put_world(int number) {
    pthread_mutex_lock(&shelf_lock);
    shelf[on_shelf++] = worlds[number];
    pthread_mutex_unlock(&shelf_lock);
}

struct task {
    uint64_t seed;
    size_t operations;
};

static void *work(void *argument) {
    const struct task *task = argument;
    struct random random = {check_seed = task->seed};
    for (size_t done = 0; done < task->operations;) {
        int number = take_world(&random);
        struct world *world = worlds[number];
        size_t batch = 200 + random_below(&random, 2000);
        for (size_t i = 0; i < batch; i++, done++) {
            size_t what = random_below(&random, 100);
            if (what < 60)
                grow(world, number, &random);
            else if (what < 75)
                cut(world, &random);
            else if (what < 99 || random_below(&random, 10))
                read_some_nodes(world, &random);
            else
                drop_some(world, number, &random);
        }
        check_world(world, number);
        if (random_below(&random, 20) == 0)
            bw_gc();
        if (random_below(&random, 60) == 0)
            bw_free_os_memory();
#ifdef COMPACT
        if (random_below(&random, 5) == 0) {
            CHECK(bw_compact());
            bw_compaction compaction;
            bw_read_compaction(&compaction);
            atomic_fetch_add(&moved, compaction.moved_objects);
        }
#endif
        put_world(number);
    }
    return NULL;
}

// In a thread of its own, so that no stack or register of the test refers to an object afterwards.
static void *make_worlds(void *unused) {
    (void)unused;
    for (int i = 0; i < WORLDS; i++) {
        world_new(i);
        shelf[on_shelf++] = worlds[i];
    }
    return NULL;
}

static void *end_worlds(void *unused) {
    (void)unused;
    for (int i = 0; i < WORLDS; i++)
        world_end(i);
    on_shelf = 0;
    memset(shelf, 0, sizeof shelf);
    return NULL;
}

static void run(int threads, size_t operations, uint64_t seed) {
#ifdef COMPACT
    atomic_store(&moved, 0);
#endif
    bw_gc();
    uint64_t before = live_objects();
    in_thread(make_worlds, NULL);
    pthread_t thread[8];
    struct task tasks[8];
    for (int i = 0; i < threads; i++) {
        tasks[i] = (struct task){seed * 100 + (uint64_t)i, operations / (size_t)threads};
        CHECK(pthread_create(&thread[i], NULL, work, &tasks[i]) == 0);
    }
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    in_thread(end_worlds, NULL);
    collect_clean();
#ifdef COMPACT
    collect_clean(); // what weak pointers consist of lives as long as the objects
    // With less to do, and frames that keep more, a run may move nothing; all together do (main).
    moved_by_all += atomic_load(&moved);
    CHECK(UNDER_SANITIZER || under_valgrind() || atomic_load(&moved) > operations / 100, "%llu",
          (unsigned long long)atomic_load(&moved));
#endif
    uint64_t after = live_objects();
    if (after != before)
        fprintf(stderr, "seed %llu: %llu objects before, %llu are left\n", (unsigned long long)seed,
                (unsigned long long)before, (unsigned long long)after);
    assert_int_equal(after, before);
}

static void test_one_thread(void **state) {
    (void)state;
    run(1, effort(150000), 1);
}

static void test_several_threads(void **state) {
    (void)state;
    run(4, effort(250000), 2);
    run(3, effort(100000), 3);
}

// Collections at a tiny growth, so that almost everything is found or lost by one.
static void test_frequent_collections(void **state) {
    (void)state;
    int64_t percent = bw_set_gc_percent(10);
    run(4, effort(80000), 4);
    bw_set_gc_percent(percent);
}

static void test_many_markers(void **state) {
    (void)state;
    int processors = bw_gomaxprocs(8);
    run(2, effort(100000), 5);
    bw_gomaxprocs(processors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread),
        cmocka_unit_test(test_several_threads),
        cmocka_unit_test(test_frequent_collections),
        cmocka_unit_test(test_many_markers),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
#ifdef COMPACT
    CHECK(moved_by_all > 0);
#endif
    return failed;
}
