// Pointers kept in one place only: every place that a C program can keep one in holds its object, and nothing holds it
// once the place is cleared.
//
// A PLACE is a function that a thread of its own runs: it takes the addresses of the trial's objects out of their
// complemented form, puts them into the place, waits while the test collects, and clears the place. The objects are made by
// a thread that has ended by then. Survival is asserted for every object, death for nearly all, since a word that happens to
// look like an address may keep one.
#include "support.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>

#define MOST 1000

static struct trial {
    size_t count, bytes;
    bool array;
    uintptr_t hidden[MOST];
    bw_weak weak[MOST];
} trial;

// Keeps the trial's objects until they are in their place.
static void *volatile keeper[MOST];

static void *make_objects(void *unused) {
    (void)unused;
    for (size_t i = 0; i < trial.count; i++) {
        uint64_t *object = trial.array ? (uint64_t *)bw_new_array(void *, trial.bytes / 8) : bw_alloc(trial.bytes);
        object[0] = mix(i) | (uint64_t)1 << 63;
        object[trial.bytes / 8 - 1] = mix(i) | (uint64_t)1 << 63;
        keeper[i] = object;
        trial.hidden[i] = hide(object);
        trial.weak[i] = bw_weak_make(object);
    }
    return NULL;
}

static void trial_begin(size_t count, size_t bytes, bool array) {
    pthread_t thread;
    trial.count = count;
    trial.bytes = bytes;
    trial.array = array;
    CHECK(pthread_create(&thread, NULL, make_objects, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void check_object(size_t i, const void *address) {
    const uint64_t *object = address;
    CHECK(bw_base(object) == object, "object %zu at %p is no object any more", i, address);
    CHECK(object[0] == (mix(i) | (uint64_t)1 << 63) && object[trial.bytes / 8 - 1] == object[0],
          "object %zu at %p: %#llx %#llx", i, address, (unsigned long long)object[0],
          (unsigned long long)object[trial.bytes / 8 - 1]);
}

static NOINLINE size_t count_alive(void) {
    size_t alive = 0;
    for (size_t i = 0; i < trial.count; i++) {
        void *object = bw_weak_get(trial.weak[i]);
        if (object) {
            check_object(i, object);
            alive++;
        }
    }
    return alive;
}

// The objects are in their place.
#define collect_twice()                                                                                                \
    do {                                                                                                               \
        for (size_t i_ = 0; i_ < MOST; i_++)                                                                           \
            keeper[i_] = NULL;                                                                                         \
        collect_clean();                                                                                               \
        collect_clean();                                                                                               \
    } while (0)

static NOINLINE size_t collect_and_count(void) {
    collect_twice();
    return count_alive();
}

// --- places that a thread of its own holds ---

static sem_t held, release, cleared, finish;
static int release_pipe[2];
static atomic_int released;

static void wait_semaphore(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0)
        CHECK(errno == EINTR);
}

// Ways to wait while another thread collects.
enum waiting {
    WAIT_SEMAPHORE,
    WAIT_SPINNING,
    WAIT_READING,
    WAIT_SLEEPING,
    WAIT_SIGSUSPEND,
    WAIT_PPOLL,
    WAIT_PSELECT,
    WAIT_EPOLL,
    WAIT_SIGTIMEDWAIT,
    WAIT_BLOCKING,
    WAYS
};
static const char *const way_names[WAYS] = {"sem_wait", "spinning", "read",        "nanosleep",    "sigsuspend",
                                            "ppoll",    "pselect",  "epoll_pwait", "sigtimedwait", "bw_blocking"};
static enum waiting way;

static NOINLINE void wait_in_way(void) {
    sigset_t all;
    struct timespec time = {0, 2000000};
    struct pollfd poll_read = {release_pipe[0], POLLIN, 0};
    char byte;
    sigfillset(&all);
    switch (way) {
    case WAIT_SPINNING:
        while (!atomic_load(&released)) {}
        break;
    case WAIT_READING: break;
    case WAIT_SLEEPING:
        while (!atomic_load(&released))
            nanosleep(&time, NULL);
        break;
    case WAIT_SIGSUSPEND: { // main sends SIGUSR2, which only this set lets through, so that it cannot come too early
        sigset_t before;
        CHECK(pthread_sigmask(SIG_BLOCK, &all, &before) == 0);
        sigdelset(&all, SIGUSR2);
        while (!atomic_load(&released))
            sigsuspend(&all);
        CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
        break;
    }
    case WAIT_PPOLL:
        while (ppoll(&poll_read, 1, NULL, &all) < 0)
            CHECK(errno == EINTR);
        break;
    case WAIT_PSELECT: {
        fd_set set;
        do {
            FD_ZERO(&set);
            FD_SET(release_pipe[0], &set);
        } while (pselect(release_pipe[0] + 1, &set, NULL, NULL, NULL, &all) < 0 && errno == EINTR);
        break;
    }
    case WAIT_EPOLL: {
        int epoll = epoll_create1(0);
        struct epoll_event event = {.events = EPOLLIN};
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, release_pipe[0], &event) == 0);
        while (epoll_pwait(epoll, &event, 1, -1, &all) < 0)
            CHECK(errno == EINTR);
        close(epoll);
        break;
    }
    case WAIT_SIGTIMEDWAIT:
        while (!atomic_load(&released))
            CHECK(sigtimedwait(&all, NULL, &time) < 0 && (errno == EAGAIN || errno == EINTR));
        break;
    case WAIT_BLOCKING:
        bw_blocking {
            CHECK(read(release_pipe[0], &byte, 1) == 1);
            CHECK(write(release_pipe[1], &byte, 1) == 1);
        }
        break;
    default: wait_semaphore(&release); return;
    }
    CHECK(read(release_pipe[0], &byte, 1) == 1);
}

static NOINLINE void wait_while_collected(void) {
    clear_stack();
    CHECK(sem_post(&held) == 0);
    wait_in_way();
}

static void *hold_in_place(void *place) {
    void (*function)(void) = (void (*)(void))(uintptr_t)place;
    function();
    clear_stack();
    CHECK(sem_post(&cleared) == 0);
    wait_semaphore(&finish);
    return NULL;
}

static void on_user_signal(int number) {
    (void)number;
}

static void let_go(pthread_t thread) {
    atomic_store(&released, 1);
    if (way == WAIT_SEMAPHORE)
        CHECK(sem_post(&release) == 0);
    else
        CHECK(write(release_pipe[1], "", 1) == 1);
    if (way == WAIT_SIGSUSPEND)
        pthread_kill(thread, SIGUSR2);
}

// Holds `count` objects of `bytes` in the place while collecting, then clears it; how many have died then.
static size_t try_place(const char *name, void (*place)(void), size_t count, size_t bytes, bool array) {
    trial_begin(count, bytes, array);
    atomic_store(&released, 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, hold_in_place, (void *)(uintptr_t)place) == 0);
    wait_semaphore(&held);
    size_t alive = collect_and_count();
    CHECK(alive == count, "%s, waiting in %s: only %zu of %zu objects of %zu bytes live", name, way_names[way], alive,
          count, bytes);
    let_go(thread);
    wait_semaphore(&cleared);
    alive = collect_and_count();
    CHECK(sem_post(&finish) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return count - alive;
}

static void place_holds(const char *name, void (*place)(void), size_t count) {
    for (int kind = 0; kind < 3; kind++) {
        static const size_t sizes[] = {48, 200, 40000};
        size_t some = kind == 2 && count > 100 ? 100 : count;
        size_t dead = try_place(name, place, some, sizes[kind], kind == 1);
        CHECK(dead + some / 50 + 20 >= some, "%s: only %zu of %zu objects of %zu bytes died", name, dead, some,
              sizes[kind]);
    }
}

// --- the places ---

static size_t middle(size_t i) {
    return 1 + i * 7 % (trial.bytes - 1);
}

static void fill_and_wait(void *volatile *slots, bool interior) {
    for (size_t i = 0; i < trial.count; i++)
        slots[i] = (char *)shown(trial.hidden[i]) + (interior ? middle(i) : 0);
    wait_while_collected();
    for (size_t i = 0; i < trial.count; i++) {
        check_object(i, (char *)slots[i] - (interior ? middle(i) : 0));
        slots[i] = NULL;
    }
}

static void *data_slots[MOST] = {(void *)1};
static void *bss_slots[MOST];
static __thread void *tls_slots[MOST];
static __thread void *tls_data_slots[MOST] = {(void *)1};

static void in_data(void) {
    fill_and_wait(data_slots, false);
}

static void in_bss(void) {
    fill_and_wait(bss_slots, false);
}

static void interior_in_bss(void) {
    fill_and_wait(bss_slots, true);
}

static void in_tls(void) {
    fill_and_wait(tls_slots, false);
}

static void interior_in_tls(void) {
    fill_and_wait(tls_data_slots, true);
}

static void on_stack(void) {
    void *volatile slots[MOST];
    fill_and_wait(slots, false);
}

static void interior_on_stack(void) {
    void *volatile slots[MOST];
    fill_and_wait(slots, true);
}

static void one_past_on_stack(void) {
    char *volatile slots[MOST];
    for (size_t i = 0; i < trial.count; i++)
        slots[i] = (char *)shown(trial.hidden[i]) + bw_size(shown(trial.hidden[i]));
    wait_while_collected();
    for (size_t i = 0; i < trial.count; i++) {
        CHECK(bw_size(slots[i] - 1) >= trial.bytes);
        slots[i] = NULL;
    }
}

// A loop's end pointer, where the object's last byte is asked for, not the slot's.
static void past_the_asked_size_on_stack(void) {
    char *volatile slots[MOST];
    for (size_t i = 0; i < trial.count; i++)
        slots[i] = (char *)shown(trial.hidden[i]) + trial.bytes;
    wait_while_collected();
    for (size_t i = 0; i < trial.count; i++) {
        CHECK(bw_size(slots[i] - trial.bytes) >= trial.bytes);
        slots[i] = NULL;
    }
}

BW_STRUCT(box, (uint64_t, id), (void *, content));
#define EACH 10 // objects in each container: one that a stale word keeps then keeps few
static __thread box *tls_boxes[MOST / EACH];

static void in_typed_objects(void) {
    for (size_t i = 0; i < trial.count; i++) {
        if (i % EACH == 0)
            tls_boxes[i / EACH] = bw_new_array(box, EACH);
        tls_boxes[i / EACH][i % EACH].content = (char *)shown(trial.hidden[i]) + middle(i);
    }
    wait_while_collected();
    for (size_t i = 0; i < trial.count; i++)
        check_object(i, (char *)tls_boxes[i / EACH][i % EACH].content - middle(i));
    memset(tls_boxes, 0, sizeof tls_boxes);
}

static __thread void **tls_untyped[MOST / EACH];

static void in_untyped_objects(void) {
    for (size_t i = 0; i < trial.count; i++) {
        if (i % EACH == 0)
            tls_untyped[i / EACH] = (void **)bw_alloc(EACH * sizeof(void *)) + EACH / 2;
        tls_untyped[i / EACH][(ptrdiff_t)(i % EACH) - EACH / 2] = (char *)shown(trial.hidden[i]) + middle(i);
    }
    wait_while_collected();
    for (size_t i = 0; i < trial.count; i++)
        check_object(i, (char *)tls_untyped[i / EACH][(ptrdiff_t)(i % EACH) - EACH / 2] - middle(i));
    memset(tls_untyped, 0, sizeof tls_untyped);
}

static void in_a_registered_range(void) {
    void **block = malloc(MOST * sizeof *block);
    bw_root_add(block, block + trial.count);
    fill_and_wait(block, false);
    bw_root_remove(block);
    free(block);
}

static void in_registered_ranges_of_one_word(void) {
    void **block = calloc(2 * MOST, sizeof *block);
    for (size_t i = 0; i < trial.count; i++) {
        block[2 * i] = shown(trial.hidden[i]);
        bw_root_add(&block[2 * i], &block[2 * i + 1]);
    }
    wait_while_collected();
    struct random random = {7};
    size_t order[MOST];
    for (size_t i = 0; i < trial.count; i++)
        order[i] = i;
    for (size_t i = trial.count; i > 1; i--) {
        size_t other = random_below(&random, i), swap = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swap;
    }
    for (size_t i = 0; i < trial.count; i++)
        bw_root_remove(&block[2 * order[i]]);
    // Still in the block, which is no root any more.
}

static void in_thread_specific_values(void) {
    pthread_key_t keys[200];
    for (size_t i = 0; i < trial.count; i++) {
        CHECK(pthread_key_create(&keys[i], NULL) == 0);
        CHECK(pthread_setspecific(keys[i], shown(trial.hidden[i])) == 0);
    }
    wait_while_collected();
    for (size_t i = 0; i < trial.count; i++) {
        check_object(i, pthread_getspecific(keys[i]));
        CHECK(pthread_setspecific(keys[i], NULL) == 0);
        CHECK(pthread_key_delete(keys[i]) == 0);
    }
}

static const struct {
    const char *name;
    void (*place)(void);
    size_t count;
} places[] = {
    {"static data", in_data, MOST},
    {".bss", in_bss, MOST},
    {".bss, interior pointers", interior_in_bss, MOST},
    {"thread-local storage", in_tls, MOST},
    {"thread-local storage, interior pointers", interior_in_tls, MOST},
    {"the stack", on_stack, MOST},
    {"the stack, interior pointers", interior_on_stack, MOST},
    {"the stack, one past the end", one_past_on_stack, MOST},
    {"the stack, past the size asked for", past_the_asked_size_on_stack, MOST},
    {"arrays of a type", in_typed_objects, MOST},
    {"untyped objects", in_untyped_objects, MOST},
    {"a registered range", in_a_registered_range, MOST},
    {"registered ranges of one word", in_registered_ranges_of_one_word, MOST},
    {"pthread_setspecific", in_thread_specific_values, 200},
};

static void test_places(void **state) {
    (void)state;
    way = WAIT_SEMAPHORE;
    for (size_t i = 0; i < COUNT_OF(places); i++)
        place_holds(places[i].name, places[i].place, places[i].count);
}

static void block_all_and_hold(void) {
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    on_stack();
    CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
    CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
}

// Each way of waiting, with every signal blocked that the program can block.
static void test_waiting(void **state) {
    (void)state;
    for (way = 0; way < WAYS; way++) {
        place_holds("the stack", on_stack, 200);
        place_holds("the stack, all signals blocked", block_all_and_hold, 200);
    }
    way = WAIT_SEMAPHORE;
}

// --- a library that is loaded and unloaded ---

static void *module;

static void **module_slots(const char *name) {
    void **(*slots)(void) = (void **(*)(void))(uintptr_t)dlsym(module, name);
    CHECK(slots != NULL);
    return slots();
}

static void in_module_data(void) {
    fill_and_wait(module_slots("module_data"), false);
}

static void in_module_bss(void) {
    fill_and_wait(module_slots("module_bss"), true);
}

static void in_module_tls(void) {
    fill_and_wait(module_slots("module_tls"), false);
}

static void in_module_tls_data(void) {
    fill_and_wait(module_slots("module_tls_data"), true);
}

static void *open_module(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.so", BURROW_TEST_MODULE_DIR, name);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(handle != NULL, "%s", dlerror());
    return handle;
}

static void test_module(void **state) {
    (void)state;
    for (int rounds = 0; rounds < 2; rounds++) {
        module = open_module("roots_module");
        place_holds("a library's data", in_module_data, MOST);
        place_holds("a library's .bss", in_module_bss, MOST);
        place_holds("a library's thread-local storage", in_module_tls, MOST);
        place_holds("a library's thread-local data", in_module_tls_data, MOST);
        CHECK(dlclose(module) == 0);
    }
}

static NOINLINE void leave_in_module(void) {
    void **data = module_slots("module_data"), **bss = module_slots("module_bss");
    for (size_t i = 0; i < trial.count; i++)
        (i % 2 ? data : bss)[i] = shown(trial.hidden[i]);
}

static void test_closed_module(void **state) {
    (void)state;
    module = open_module("roots_module");
    trial_begin(MOST, 48, false);
    leave_in_module();
    assert_int_equal(collect_and_count(), MOST);
    CHECK(dlclose(module) == 0);
    assert_true(collect_and_count() <= MOST / 100);
}

// The thread has a block of the closed library; the next one's larger block has its number.
static void touch_tls_and_wait(void) {
    module_slots("module_tls")[0] = NULL;
    wait_while_collected();
}

static void test_stale_thread_local_block(void **state) {
    (void)state;
    module = open_module("roots_module");
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, hold_in_place, (void *)(uintptr_t)touch_tls_and_wait) == 0);
    wait_semaphore(&held);
    CHECK(dlclose(module) == 0);
    void *large = open_module("large_tls");
    int *(*block)(void) = (int *(*)(void))(uintptr_t)dlsym(large, "large_tls");
    for (int i = 0; i < 3; i++)
        bw_gc();
    block()[16 << 19] = 1;
    bw_gc();
    CHECK(dlclose(large) == 0);
    bw_gc();
    CHECK(sem_post(&release) == 0);
    wait_semaphore(&cleared);
    CHECK(sem_post(&finish) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static atomic_bool stop_collecting;

static void *collect_until_stopped(void *unused) {
    (void)unused;
    while (!atomic_load(&stop_collecting)) {
        bw_gc();
        sleep_ms(0);
    }
    return NULL;
}

static int collect_in_callback(struct dl_phdr_info *info, size_t size, void *count) {
    (void)info, (void)size;
    bw_gc();
    ++*(int *)count;
    return 0;
}

// The loader's lock is held by the library's own stops, too.
static void test_collecting_within_the_loader(void **state) {
    (void)state;
    pthread_t thread;
    atomic_store(&stop_collecting, false);
    CHECK(pthread_create(&thread, NULL, collect_until_stopped, NULL) == 0);
    for (size_t i = 0; i < effort(100); i++) {
        void *handle = open_module("collecting");
        int (*works)(void) = (int (*)(void))(uintptr_t)dlsym(handle, "collecting_works");
        bw_gc();
        CHECK(works());
        CHECK(dlclose(handle) == 0);
        int count = 0;
        dl_iterate_phdr(collect_in_callback, &count);
        CHECK(count > 2);
    }
    atomic_store(&stop_collecting, true);
    CHECK(pthread_join(thread, NULL) == 0);
}

// --- registers ---

#if defined(__x86_64__)
#define HAVE_REGISTERS 1

// hold_X(hidden, function, argument): calls the function with the address in register X, which calls keep, and nowhere
// else; returns what is in X afterwards.
#define HOLD(register)                                                                                                                                                                          \
    __asm__(                                                                                                                                                                                    \
        ".pushsection .text\n"                                                                                                                                                                  \
        ".type hold_" #register ", @function\n"                                                                                                                                                 \
                                "hold_" #register ":\n"                                                                                                                                         \
                                                  "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n sub $8, %rsp\n"                                                      \
                                                  "xor %ebx, %ebx\n xor %ebp, %ebp\n xor %r12d, %r12d\n xor %r13d, %r13d\n"                                                                     \
                                                  "xor %r14d, %r14d\n xor %r15d, %r15d\n"                                                                                                       \
                                                  "not %rdi\n mov %rdi, %" #register "\n"                                                                                                       \
                                                                                     "mov %rdx, %rdi\n"                                                                                         \
                                                                                     "call *%rsi\n"                                                                                             \
                                                                                     "mov %" #register ", %rax\n"                                                                               \
                                                                                                       "add $8, %rsp\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n" \
                                                                                                       ".size hold_" #register ", . - hold_" #register "\n"                                     \
                                                                                                                                                       ".popsection\n");                        \
    void *hold_##register(uintptr_t hidden, void (*function)(void *), void *argument)
HOLD(rbx);
HOLD(rbp);
HOLD(r12);
HOLD(r13);
HOLD(r14);
HOLD(r15);

static void *(*const holding[])(uintptr_t, void (*)(void *), void *) = {hold_rbx, hold_rbp, hold_r12,
                                                                        hold_r13, hold_r14, hold_r15};
static const char *const holding_names[] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
static int holding_number;

static void wait_with_argument(void *unused) {
    (void)unused;
    wait_while_collected();
}

static void in_a_kept_register(void) {
    void *object = holding[holding_number](trial.hidden[0], wait_with_argument, NULL);
    check_object(0, object);
}

// In another thread, in every way of waiting.
static void test_kept_registers(void **state) {
    (void)state;
    size_t trials = 0, dead = 0;
    for (way = 0; way < WAYS; way++)
        for (holding_number = 0; holding_number < (int)COUNT_OF(holding); holding_number++) {
            for (int i = 0; i < 3; i++, trials++)
                dead += try_place(holding_names[holding_number], in_a_kept_register, 1, 64, false);
        }
    way = WAIT_SEMAPHORE;
    if (!UNDER_SANITIZER) // whose own frames keep copies
        // Whether it dies once the register is cleared is not asserted: the word may linger in a frame that is searched.
        (void)dead;
}

static void collect_with_argument(void *unused) {
    (void)unused;
    collect_twice();
}

// In the thread that collects.
static void *hold_and_collect(void *unused) {
    (void)unused;
    for (size_t i = 0; i < trial.count; i++)
        check_object(i, holding[i % COUNT_OF(holding)](trial.hidden[i], collect_with_argument, NULL));
    return NULL;
}

static void test_own_registers(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(holding); i++) {
        trial_begin(1, 64, false);
        holding_number = (int)i;
        check_object(0, holding[i](trial.hidden[0], collect_with_argument, NULL));
    }
    // The others of a population die while one is held.
    trial_begin(6, 64, false);
    pthread_t thread;
    trial.count = 1;
    CHECK(pthread_create(&thread, NULL, hold_and_collect, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    trial.count = 6;
    assert_true(collect_and_count() <= 1);
}

// spin_X(hidden, control): the address in register X only, any register, while control[0] is 0; control[1] tells that
// it is there.
#define SPIN(register, pointer)                                                                                                                                         \
    __asm__(                                                                                                                                                            \
        ".pushsection .text\n"                                                                                                                                          \
        ".type spin_" #register ", @function\n"                                                                                                                         \
                                "spin_" #register ":\n"                                                                                                                 \
                                                  "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"                                             \
                                                  "mov %rsi, %" #pointer "\n"                                                                                           \
                                                  "not %rdi\n movq %rdi, %xmm0\n"                                                                                       \
                                                  "xor %eax, %eax\n xor %ebx, %ebx\n xor %ecx, %ecx\n xor %edx, %edx\n xor %ebp, %ebp\n xor %r8d, %r8d\n"               \
                                                  "xor %r9d, %r9d\n xor %r12d, %r12d\n xor %r13d, %r13d\n xor %r14d, %r14d\n xor %r15d, %r15d\n"                        \
                                                  "xor %esi, %esi\n xor %edi, %edi\n"                                                                                   \
                                                  "movq %xmm0, %" #register "\n pxor %xmm0, %xmm0\n"                                                                    \
                                                                            "movl $1, 4(%" #pointer ")\n"                                                               \
                                                                            "1: pause\n cmpl $0, (%" #pointer                                                           \
                                                                            ")\n je 1b\n"                                                                               \
                                                                            "mov %" #register ", %rax\n"                                                                \
                                                                                              "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n" \
                                                                                              ".size spin_" #register ", . - spin_" #register "\n"                      \
                                                                                                                                              ".popsection\n");         \
    void *spin_##register(uintptr_t hidden, volatile int *control)
SPIN(rax, r10);
SPIN(rbx, r10);
SPIN(rcx, r10);
SPIN(rdx, r10);
SPIN(rsi, r10);
SPIN(rdi, r10);
SPIN(rbp, r10);
SPIN(r8, r10);
SPIN(r9, r10);
SPIN(r10, r11);
SPIN(r11, r10);
SPIN(r12, r10);
SPIN(r13, r10);
SPIN(r14, r10);
SPIN(r15, r10);

// In the upper half of a vector register, as a copy of a structure may have it.
__asm__(".pushsection .text\n"
        ".type spin_vector, @function\n"
        "spin_vector:\n"
        "not %rdi\n movq %rdi, %xmm7\n pslldq $8, %xmm7\n xor %edi, %edi\n"
        "movl $1, 4(%rsi)\n"
        "1: pause\n cmpl $0, (%rsi)\n je 1b\n"
        "psrldq $8, %xmm7\n movq %xmm7, %rax\n ret\n"
        ".size spin_vector, . - spin_vector\n"
        ".popsection\n");
void *spin_vector(uintptr_t hidden, volatile int *control);

static void *(*const spinning[])(uintptr_t, volatile int *) = {
    spin_rax, spin_rbx, spin_rcx, spin_rdx, spin_rsi, spin_rdi, spin_rbp, spin_r8,
    spin_r9,  spin_r10, spin_r11, spin_r12, spin_r13, spin_r14, spin_r15, spin_vector};
static volatile int spin_control[2];

static void *spin_in_thread(void *number) {
    check_object(0, spinning[(uintptr_t)number](trial.hidden[0], spin_control));
    return NULL;
}

static void test_all_registers(void **state) {
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); // it delivers signals at calls only, and there are none in the loop
#endif
    for (uintptr_t i = 0; i < COUNT_OF(spinning); i++) {
        trial_begin(1, 64, false);
        spin_control[0] = spin_control[1] = 0;
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, spin_in_thread, (void *)i) == 0);
        while (spin_control[1] == 0)
            sched_yield();
        size_t alive = collect_and_count();
        spin_control[0] = 1;
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(alive == 1, "register number %zu", (size_t)i);
    }
}
#else
#define HAVE_REGISTERS 0
#endif

// --- signal handlers ---

enum interrupted { IN_LOOP, IN_PAUSE, IN_SEMAPHORE, IN_BLOCKING, IN_REGISTER, INTERRUPTED };
static const char *const interrupted_names[] = {"a loop", "pause", "sem_wait", "bw_blocking", "a loop with a register"};
static atomic_int handler_done, interruptible;
static size_t handler_count;

// Takes the addresses into its own frame.
static void holding_handler(int number) {
    (void)number;
    void *volatile slots[100];
    int saved = errno;
    for (size_t i = 0; i < handler_count; i++) {
        slots[i] = shown(trial.hidden[i]);
    }
    sem_post(&held);
    while (!atomic_load(&released))
        sleep_ms(1);
    for (size_t i = 0; i < handler_count; i++) {
        const uint64_t *object = slots[i];
        CHECK(object[0] == (mix(i) | (uint64_t)1 << 63));
        slots[i] = NULL;
    }
    errno = saved;
    atomic_store(&handler_done, 1);
}

struct handled {
    enum interrupted in;
    bool alternate;
};

static void *be_interrupted(void *argument) {
    const struct handled *how = argument;
    stack_t stack = {0}, none = {.ss_flags = SS_DISABLE};
    if (how->alternate) {
        stack.ss_size = 64 << 10;
        stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(sigaltstack(&stack, NULL) == 0);
    }
    atomic_store(&interruptible, 1);
    switch (how->in) {
    case IN_PAUSE:
        while (!atomic_load(&handler_done))
            pause();
        break;
    case IN_SEMAPHORE:
        while (!atomic_load(&handler_done))
            sem_wait(&release);
        break;
    case IN_BLOCKING:
        bw_blocking {
            while (!atomic_load(&handler_done))
                pause();
        }
        break;
#if HAVE_REGISTERS
    case IN_REGISTER: // the last object is the interrupted code's
        trial.hidden[trial.count - 1] = hide(spin_r9(trial.hidden[trial.count - 1], spin_control));
        break;
#endif
    default:
        while (!atomic_load(&handler_done)) {}
    }
    clear_stack();
    sem_post(&cleared);
    wait_semaphore(&finish);
    if (how->alternate) {
        CHECK(sigaltstack(&none, NULL) == 0);
        munmap(stack.ss_sp, stack.ss_size);
    }
    return NULL;
}

static void interrupt_and_collect(struct handled how, size_t count) {
    size_t of_handler = how.in == IN_REGISTER ? count - 1 : count;
    trial_begin(count, 64, false);
    handler_count = of_handler;
    atomic_store(&released, 0);
    atomic_store(&handler_done, 0);
    atomic_store(&interruptible, 0);
    spin_control[0] = spin_control[1] = 0;
    struct sigaction action = {.sa_handler = holding_handler, .sa_flags = how.alternate ? SA_ONSTACK : 0};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, be_interrupted, &how) == 0);
    if (how.in == IN_REGISTER)
        while (spin_control[1] == 0)
            sched_yield();
    while (!atomic_load(&interruptible))
        sched_yield();
    sleep_ms(2);
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
    wait_semaphore(&held);
    size_t alive = collect_and_count();
    CHECK(alive == count, "interrupted in %s%s: %zu of %zu live", interrupted_names[how.in],
          how.alternate ? ", alternate stack" : "", alive, count);
    atomic_store(&released, 1);
    spin_control[0] = 1;
    while (!atomic_load(&handler_done))
        sleep_ms(1);
    // It may have gone to sleep again just after the handler.
    while (sem_trywait(&cleared) != 0) {
        struct sigaction nothing = {.sa_handler = on_user_signal};
        CHECK(sigaction(SIGUSR1, &nothing, NULL) == 0);
        pthread_kill(thread, SIGUSR1);
        sleep_ms(1);
    }
    alive = collect_and_count();
    CHECK(alive <= 3, "interrupted in %s%s: %zu of %zu live after the handler", interrupted_names[how.in],
          how.alternate ? ", alternate stack" : "", alive, count);
    sem_post(&finish);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(sem_trywait(&release) != 0);
}

static void test_handler_frames(void **state) {
    (void)state;
    for (int in = 0; in < INTERRUPTED; in++)
        for (int alternate = 0; alternate < 2; alternate++) {
#if !HAVE_REGISTERS || defined(__SANITIZE_THREAD__)
            if (in == IN_REGISTER)
                continue;
#endif
            for (int rounds = 0; rounds < 3; rounds++)
                interrupt_and_collect((struct handled){(enum interrupted)in, alternate != 0}, 100);
        }
    signal(SIGUSR1, SIG_DFL);
}

// --- a new thread's argument, an ended thread's result ---

static atomic_size_t arrived;

static void *take_argument(void *argument) {
    uint64_t *object = argument;
    CHECK(bw_base(object) == object);
    CHECK(object[0] == ((uint64_t)1 << 63 | 77) && object[7] == ((uint64_t)1 << 63 | 78));
    atomic_fetch_add(&arrived, 1);
    return NULL;
}

// The only reference is the new thread's.
static NOINLINE void start_with_argument(pthread_t *thread) {
    uint64_t *object = bw_alloc(64);
    object[0] = (uint64_t)1 << 63 | 77;
    object[7] = (uint64_t)1 << 63 | 78;
    CHECK(pthread_create(thread, NULL, take_argument, object) == 0);
}

static void *churn_until_stopped(void *unused) {
    (void)unused;
    while (!atomic_load(&stop_collecting)) {
        bw_gc();
        for (int i = 0; i < 50; i++)
            memset(bw_alloc(64), 1, 64);
        sleep_ms(0);
    }
    return NULL;
}

static void test_argument_in_transit(void **state) {
    (void)state;
    pthread_t churner;
    atomic_store(&stop_collecting, false);
    CHECK(pthread_create(&churner, NULL, churn_until_stopped, NULL) == 0);
    size_t rounds = effort(1000);
    atomic_store(&arrived, 0);
    for (size_t i = 0; i < rounds; i++) {
        pthread_t threads[4];
        for (int j = 0; j < 4; j++) {
            start_with_argument(&threads[j]);
            clear_stack();
        }
        for (int j = 0; j < 4; j++)
            CHECK(pthread_join(threads[j], NULL) == 0);
    }
    atomic_store(&stop_collecting, true);
    CHECK(pthread_join(churner, NULL) == 0);
    assert_int_equal(atomic_load(&arrived), rounds * 4);
}

static void *return_an_object(void *number) {
    void *object = shown(trial.hidden[(uintptr_t)number]);
    if ((uintptr_t)number % 2)
        pthread_exit(object);
    return object;
}

// Ended, not joined.
static void test_result_in_transit(void **state) {
    (void)state;
    trial_begin(50, 64, false);
    pthread_t threads[50];
    for (uintptr_t i = 0; i < trial.count; i++)
        CHECK(pthread_create(&threads[i], NULL, return_an_object, (void *)i) == 0);
    sleep_ms(UNDER_SANITIZER ? 500 : 100);
    assert_int_equal(collect_and_count(), trial.count);
    for (size_t i = 0; i < trial.count; i++) {
        void *object;
        CHECK(pthread_join(threads[i], &object) == 0);
        check_object(i, object);
    }
    memset(threads, 0, sizeof threads);
    assert_true(collect_and_count() <= 3);
}

// --- a deep stack ---

static NOINLINE size_t recurse(size_t left, size_t at) {
    uint64_t *volatile object = bw_alloc(32);
    *object = left;
    if (left == 0) {
        collect_clean();
        collect_clean();
    }
    size_t sum = left == 0 ? 0 : recurse(left - 1, at + 1);
    CHECK(bw_base(object) == object && *object == left);
    return sum + *object;
}

static void *recurse_in_thread(void *depth) {
    size_t frames = (size_t)depth;
    CHECK(recurse(frames, 0) == frames * (frames + 1) / 2);
    return NULL;
}

static void test_deep_stack(void **state) {
    (void)state;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, (size_t)200 << 20) == 0);
    CHECK(pthread_create(&thread, &attributes, recurse_in_thread, (void *)effort(300000)) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    recurse_in_thread((void *)effort(20000)); // the first thread's stack grows
}

// --- wrong calls ---

static void remove_unknown_root(void) {
    static void *words[4];
    bw_root_add(words, words + 4);
    bw_root_remove(words);
    expect("panic: bw_root_remove: no range that begins at %p is registered", (void *)words);
    bw_root_remove(words);
}

static void add_reversed_root(void) {
    static void *words[4];
    expect("panic: bw_root_add: the range ends at %p, before it begins at %p", (void *)words, (void *)(words + 4));
    bw_root_add(words + 4, words);
}

static void test_wrong_roots(void **state) {
    (void)state;
    assert_died("remove_unknown_root", NULL);
    assert_died("add_reversed_root", NULL);
}

static int set_up(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = on_user_signal};
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    sem_init(&held, 0, 0);
    sem_init(&release, 0, 0);
    sem_init(&cleared, 0, 0);
    sem_init(&finish, 0, 0);
    return pipe2(release_pipe, O_CLOEXEC);
}

int main(int argc, char **argv) {
    static const struct child children[] = {
        {"remove_unknown_root", remove_unknown_root},
        {"add_reversed_root", add_reversed_root},
    };
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_module),
        cmocka_unit_test(test_closed_module),
        cmocka_unit_test(test_stale_thread_local_block),
        cmocka_unit_test(test_collecting_within_the_loader),
#if HAVE_REGISTERS
        cmocka_unit_test(test_kept_registers),
        cmocka_unit_test(test_own_registers),
        cmocka_unit_test(test_all_registers),
#endif
        cmocka_unit_test(test_handler_frames),
        cmocka_unit_test(test_argument_in_transit),
        cmocka_unit_test(test_result_in_transit),
        cmocka_unit_test(test_deep_stack),
        cmocka_unit_test(test_wrong_roots),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
