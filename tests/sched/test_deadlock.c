// The end of programs in which nothing can go on, and that no other program is ended: a baton goes round among goroutines,
// threads, timers, pipes, finalizers and threads that the library does not know, and all but one wait at any time.
// Under the thread sanitizer there is always a thread more than the library knows.
// not under: thread
// modes: plain schedstress=20
// timeout: 200
#include "dump.h"

#include <dlfcn.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <threads.h>

typedef bw_chan(int) channel;

static void receives(channel c) {
    bw_recv(c);
    abort();
}
static void *thread_receives(void *c) {
    bw_recv((channel)c);
    abort();
}
static void *thread_ends(void *unused) {
    (void)unused;
    sleep_ms(100);
    bw_new(int);
    return NULL;
}
static pthread_t start(void *(*body)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    return thread;
}

// --- deadlocks ---

static void child_main_alone(void) {
    bw_recv(bw_make_chan(int, 0));
}
static void child_goroutines(void) {
    channel c = bw_make_chan(int, 0);
    for (int i = 0; i < 20; i++)
        bw_go(receives, c);
    bw_recv(bw_make_chan(int, 0));
}
static void child_nothing_at_all(void) {
    bw_select {}
}
static void child_mutex(void) {
    static bw_mutex mutex;
    bw_mutex_lock(&mutex);
    bw_mutex_lock(&mutex);
}
static void child_threads(void) {
    channel c = bw_make_chan(int, 0);
    start(thread_receives, c);
    pthread_join(start(thread_receives, c), NULL);
}
// The last to do anything is a thread that ends: with goroutines, and without.
static void child_thread_ends(void) {
    start(thread_ends, NULL);
    bw_recv(bw_make_chan(int, 0));
}
static void child_thread_ends_after(void) {
    bw_go(receives, bw_make_chan(int, 0));
    sleep_ms(50);
    start(thread_ends, NULL);
    bw_recv(bw_make_chan(int, 0));
}
static void child_unknown_thread_ends(void) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        (__typeof__(create))dlsym(dlopen("libc.so.6", RTLD_NOW), "pthread_create");
    pthread_t thread;
    bw_go(receives, bw_make_chan(int, 0));
    CHECK(create(&thread, NULL, (void *(*)(void *))(void (*)(void))usleep, (void *)(uintptr_t)300000) == 0);
    bw_recv(bw_make_chan(int, 0));
}
static void sleeps(void) {
    bw_sleep(100000000);
}
static void child_after_sleep(void) {
    bw_go(sleeps);
    bw_recv(bw_make_chan(int, 0));
}
static void finalized(void *unused) {
    (void)unused;
    sleep_ms(100);
}
static NOINLINE void make_dead(void (*finalizer)(void *)) {
    bw_set_finalizer(bw_alloc(100), finalizer);
}
static void child_after_finalizer(void) {
    make_dead(finalized);
    collect_clean();
    bw_recv(bw_make_chan(int, 0));
}
static void child_in_fork(void) {
    bw_go(receives, bw_make_chan(int, 0));
    sleep_ms(30);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        bw_recv(bw_make_chan(int, 0));
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 2);
    _exit(2);
}
static void child_main_gone(void) {
    bw_go(receives, bw_make_chan(int, 0));
    sleep_ms(30);
    pthread_exit(NULL);
}

static void check_deadlock(const char *child, const char *line, size_t stacks) {
    static struct outcome outcome;
    child_run(&outcome, child, NULL);
    struct dump dump = dump_parse(strdup(outcome.err));
    if (outcome.status != 2 || !first_line_is(outcome.err, line) || dump.count < stacks) {
        fprintf(stderr, "%s:\n", child);
        outcome_print(&outcome);
        fail();
    }
    const char *blank = strchr(outcome.err, '\n');
    CHECK(blank && strncmp(blank, "\n\ngoroutine ", 12) == 0);
    for (size_t i = 0; i < dump.count; i++)
        CHECK((i == 0 || dump.list[i - 1].number < dump.list[i].number) && strncmp(dump.list[i].state, "run", 3) != 0);
    dump_free(&dump);
}
#define ALL "fatal error: all goroutines are asleep - deadlock!"
static void test_deadlocks(void **state) {
    (void)state;
    check_deadlock("main_alone", ALL, 1);
    check_deadlock("goroutines", ALL, 21);
    check_deadlock("nothing_at_all", ALL, 1);
    check_deadlock("mutex", ALL, 1);
    check_deadlock("threads", ALL, 3);
    check_deadlock("thread_ends", ALL, 1);
    check_deadlock("thread_ends_after", ALL, 2);
    check_deadlock("unknown_thread_ends", ALL, 2);
    check_deadlock("after_sleep", ALL, 1);
    check_deadlock("after_finalizer", ALL, 1);
    check_deadlock("in_fork", ALL, 2);
    check_deadlock("main_gone", "fatal error: no goroutines (main called runtime.Goexit) - deadlock!", 1);
}

// --- programs that go on ---

static void on_alarm(int number) {
    (void)number;
    _exit(0);
}
static void child_handler(void) {
    signal(SIGALRM, on_alarm);
    struct itimerval timer = {{0, 0}, {0, 300000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    bw_recv(bw_make_chan(int, 0));
}

static channel baton[4];
static sem_t semaphore;
static atomic_int hands;
static long pause_ms(struct random *random) {
    return (long)random_below(random, 4) * (long)random_below(random, 9);
}
static void pass(int to) {
    atomic_fetch_add(&hands, 1);
    bw_send(baton[to], to);
}
static void *pass_and_end(void *to) {
    sleep_ms(8);
    pass((int)(uintptr_t)to);
    return NULL;
}
static int pass_c11(void *to) {
    pass_and_end(to);
    return 0;
}
// Several, of which one passes it: words that look like an address can keep one or the other.
static atomic_int to_finalize;
static void pass_finalizing(void *object) {
    sleep_ms(15);
    if (atomic_exchange(&to_finalize, 0) == 1)
        pass(*(int *)object);
}
static NOINLINE void make_finalized(int to) {
    int *object = bw_alloc(sizeof *object);
    *object = to;
    bw_set_finalizer(object, pass_finalizing);
}
static void *finalize(void *to) {
    atomic_store(&to_finalize, 1);
    for (int i = 0; i < 20; i++)
        make_finalized((int)(uintptr_t)to);
    collect_clean();
    return NULL;
}
static void pass_sleeping(int to, long ms) {
    bw_sleep(ms * 1000000);
    pass(to);
}
static void pass_blocking(int to, long ms) {
    bw_blocking {
        sleep_ms(ms);
    }
    pass(to);
}
static void *pass_unknown(void *to) {
    sleep_ms(25);
    pass((int)(uintptr_t)to);
    return NULL;
}
static void *posts(void *unused) {
    sleep_ms(12);
    sem_post(&semaphore);
    return unused;
}
static void *waits_and_passes(void *to) {
    sem_wait(&semaphore);
    pass((int)(uintptr_t)to);
    return NULL;
}
static void reads_and_passes(int fd, int to) {
    char byte;
    CHECK(bw_read(fd, &byte, 1) == 1);
    close(fd);
    pass(to);
}
static void move(struct random *random, int to) {
    pthread_t thread;
    thrd_t c11;
    int ends[2];
    void *argument = (void *)(uintptr_t)to;
    static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    switch (random_below(random, 9)) {
    case 0: bw_go(pass, to); break;
    case 1: bw_go(pass_sleeping, to, pause_ms(random)); break;
    case 2: bw_go(pass_blocking, to, pause_ms(random)); break;
    case 3: pthread_detach(start(pass_and_end, argument)); break;
    case 4:
        CHECK(thrd_create(&c11, pass_c11, argument) == thrd_success);
        CHECK(thrd_join(c11, NULL) == thrd_success);
        break;
    case 5:
        in_thread(finalize, argument); // on a stack of its own, so that nothing keeps the object
        break;
    case 6:
        if (create == NULL)
            create = (__typeof__(create))dlsym(dlopen("libc.so.6", RTLD_NOW), "pthread_create");
        CHECK(create(&thread, NULL, pass_unknown, argument) == 0);
        pthread_detach(thread);
        break;
    case 7:
        pthread_detach(start(waits_and_passes, argument));
        pthread_detach(start(posts, NULL));
        break;
    case 8:
        CHECK(pipe(ends) == 0);
        if (fork() == 0) {
            usleep(15000);
            _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
        }
        close(ends[1]);
        bw_go(reads_and_passes, ends[0], to);
        break;
    }
}
static void holds(int place, channel done, int rounds) {
    struct random random = {(uint64_t)place + 17};
    for (;;) {
        CHECK(bw_recv(baton[place]) == place);
        if (atomic_load(&hands) >= rounds)
            break;
        move(&random, (int)random_below(&random, COUNT_OF(baton)));
    }
    bw_send(done, 1);
}
static void child_baton(void) {
    channel done = bw_make_chan(int, 0);
    CHECK(sem_init(&semaphore, 0, 0) == 0);
    for (size_t i = 0; i < COUNT_OF(baton); i++) {
        baton[i] = bw_make_chan(int, 1);
        bw_go(holds, (int)i, done, 150);
    }
    pass(0);
    CHECK(bw_recv(done) == 1);
    exit(0);
}
static void test_going_on(void **state) {
    (void)state;
    assert_succeeded("handler", NULL, NULL);
    for (int processors = 1; processors <= 4; processors++) {
        char setting[32];
        snprintf(setting, sizeof setting, "GOMAXPROCS=%d", processors);
        const char *const settings[] = {setting, NULL};
        assert_succeeded("baton", settings, NULL);
    }
}

// --- SIGQUIT ---

static void computes(void) {
    for (;;)
        free(malloc(1000));
}
static void child_quit(void) {
    bw_go(receives, bw_make_chan(int, 0));
    dump_wait("receives", "chan receive", 1);
    for (int i = 0; i < 3; i++)
        bw_go(computes);
    sleep_ms(50);
    kill(getpid(), SIGQUIT);
    computes();
}
static void child_quit_twice(void) {
    bw_go(computes);
    sleep_ms(30);
    int messages = dup(2), fd = memfd_create("messages", 0);
    CHECK(messages > 2 && fd > 2 && dup2(fd, 2) == 2);
    for (size_t i = 0, length = 0; i < 2; i++) { // the second when the first is answered: they are no queue
        kill(getpid(), SIGQUIT);
        for (char *text = read_all(fd);; text = read_all(fd)) {
            size_t now = strlen(text);
            bool whole =
                now > length + 2 && strcmp(text + now - 2, "\n\n") == 0 && strstr(text + length, "goroutine 1 [");
            free(text);
            length = whole ? now : length;
            if (whole)
                break;
            sleep_ms(10);
        }
    }
    char *text = read_all(fd);
    CHECK(write(messages, text, strlen(text)) == (ssize_t)strlen(text));
}
static void on_quit(int number) {
    (void)number;
    _exit(7);
}
static void child_quit_handled(void) {
    signal(SIGQUIT, on_quit);
    bw_go(computes);
    sleep_ms(30);
    kill(getpid(), SIGQUIT);
    computes();
}
static void child_quit_in_fork(void) {
    bw_go(sleeps);
    sleep_ms(200);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        computes();
    sleep_ms(30);
    int status;
    CHECK(kill(pid, SIGQUIT) == 0 && waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT);
}
static void test_quit(void **state) {
    (void)state;
    static struct outcome outcome;
    static const char *const lives[] = {"BURROWDEBUG=sigquit=1", NULL};
    for (int i = 0; i < 5; i++) {
        child_run(&outcome, "quit", NULL);
        struct dump dump = dump_parse(strdup(outcome.err));
        if (outcome.status != 2 || !first_line_is(outcome.err, "SIGQUIT: quit") || dump.count != 5) {
            outcome_print(&outcome);
            fail();
        }
        size_t waiting = 0;
        for (size_t k = 0; k < dump.count; k++)
            waiting += strcmp(dump.list[k].state, "chan receive") == 0;
        assert_int_equal(waiting, 1);
        dump_free(&dump);
    }
    assert_succeeded("quit_twice", lives, &outcome);
    char *second = strstr(outcome.err + 1, "SIGQUIT: quit\n\ngoroutine 1 [");
    CHECK(second != NULL && first_line_is(outcome.err, "SIGQUIT: quit"));
    child_run(&outcome, "quit_handled", NULL);
    assert_int_equal(outcome.status, 7);
    assert_succeeded("quit_in_fork", NULL, NULL);
}

int main(int argc, char **argv) {
#define CHILD(name)                                                                                                    \
    { #name, child_##name }
    static const struct child children[] = {
        CHILD(main_alone),
        CHILD(goroutines),
        CHILD(nothing_at_all),
        CHILD(mutex),
        CHILD(threads),
        CHILD(thread_ends),
        CHILD(thread_ends_after),
        CHILD(unknown_thread_ends),
        CHILD(after_sleep),
        CHILD(after_finalizer),
        CHILD(in_fork),
        CHILD(main_gone),
        CHILD(handler),
        CHILD(baton),
        CHILD(quit),
        CHILD(quit_twice),
        CHILD(quit_handled),
        CHILD(quit_in_fork),
    };
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlocks),
        cmocka_unit_test(test_going_on),
        cmocka_unit_test(test_quit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
