/* support.h - what the attack's tests share: how much to do, hidden addresses, checks that work in any thread, and child
 * processes whose last words are examined.
 *
 * A test whose program must die names its children in a table of `struct child` and begins main with child_main: the test
 * runs itself again (`--child NAME`), so that each child is a fresh process with the environment that the test gives it.
 */
#ifndef BURROW_TESTS_SUPPORT_H
#define BURROW_TESTS_SUPPORT_H

#include <burrow.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused))
#define NOINLINE __attribute__((noinline))
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ADDRESS_SANITIZER 1
#else
#define UNDER_ADDRESS_SANITIZER 0
#endif

/* --- how much to do --- */

static UNUSED bool debug_has(const char *knob) {
    const char *value = getenv("BURROWDEBUG");
    return value && strstr(value, knob);
}

static UNUSED bool under_valgrind(void) {
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

/* The part of `full` that this run has time for: all of it in the plain one. */
static UNUSED size_t effort(size_t full) {
    size_t percent = 100;
    if (debug_has("gcstress"))
        percent = 40;
    else if (debug_has("verify"))
        percent = 40;
    else if (debug_has("schedstress"))
        percent = 20;
    if (UNDER_SANITIZER)
        percent = percent / 5 + 1;
    if (under_valgrind())
        percent = percent / 30 + 1;
    size_t part = full * percent / 100;
    return part ? part : 1;
}

/* --- checks: cmocka's own may fail in the main thread only --- */

static __thread uint64_t check_seed; /* of the calling thread's random numbers: told when a check fails */

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            check_failed(__FILE__, __LINE__, #condition, " " __VA_ARGS__);                                             \
    } while (0)

static UNUSED __attribute__((noreturn, format(printf, 4, 5))) void
check_failed(const char *file, int line, const char *condition, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: CHECK(%s) failed:%s (seed %llu)\n", file, line, condition, text,
            (unsigned long long)check_seed);
    abort();
}

/* --- random numbers (splitmix64), the same in every run --- */

struct random {
    uint64_t state;
};

static UNUSED uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static UNUSED uint64_t random_next(struct random *random) {
    return mix(random->state += 0x9e3779b97f4a7c15u);
}

static UNUSED size_t random_below(struct random *random, size_t limit) {
    return (size_t)(random_next(random) % limit);
}

/* --- addresses that keep nothing alive --- */

static UNUSED uintptr_t hide(const void *address) {
    return ~(uintptr_t)address;
}

static UNUSED void *shown(uintptr_t hidden) {
    return (void *)~hidden;
}

/* Drops what memcpy and its like have left in vector registers, which a stopped thread's frame shows as well. */
static UNUSED NOINLINE void forget_vectors(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        __asm__ volatile("vpxord %zmm16, %zmm16, %zmm16\n"
                         "vpxord %zmm17, %zmm17, %zmm17\n"
                         "vpxord %zmm18, %zmm18, %zmm18\n"
                         "vpxord %zmm19, %zmm19, %zmm19\n"
                         "vpxord %zmm20, %zmm20, %zmm20\n"
                         "vpxord %zmm21, %zmm21, %zmm21\n"
                         "vpxord %zmm22, %zmm22, %zmm22\n"
                         "vpxord %zmm23, %zmm23, %zmm23\n"
                         "vpxord %zmm24, %zmm24, %zmm24\n"
                         "vpxord %zmm25, %zmm25, %zmm25\n"
                         "vpxord %zmm26, %zmm26, %zmm26\n"
                         "vpxord %zmm27, %zmm27, %zmm27\n"
                         "vpxord %zmm28, %zmm28, %zmm28\n"
                         "vpxord %zmm29, %zmm29, %zmm29\n"
                         "vpxord %zmm30, %zmm30, %zmm30\n"
                         "vpxord %zmm31, %zmm31, %zmm31\n"); /* registers that code without -mavx512f does not use */
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroall"
                         :
                         :
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    else
        __asm__ volatile("pxor %%xmm0, %%xmm0\n"
                         "pxor %%xmm1, %%xmm1\n"
                         "pxor %%xmm2, %%xmm2\n"
                         "pxor %%xmm3, %%xmm3\n"
                         "pxor %%xmm4, %%xmm4\n"
                         "pxor %%xmm5, %%xmm5\n"
                         "pxor %%xmm6, %%xmm6\n"
                         "pxor %%xmm7, %%xmm7\n"
                         "pxor %%xmm8, %%xmm8\n"
                         "pxor %%xmm9, %%xmm9\n"
                         "pxor %%xmm10, %%xmm10\n"
                         "pxor %%xmm11, %%xmm11\n"
                         "pxor %%xmm12, %%xmm12\n"
                         "pxor %%xmm13, %%xmm13\n"
                         "pxor %%xmm14, %%xmm14\n"
                         "pxor %%xmm15, %%xmm15\n"
                         :
                         :
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#elif defined(__aarch64__)
    __asm__ volatile("movi v0.2d, #0\n"
                     "movi v1.2d, #0\n"
                     "movi v2.2d, #0\n"
                     "movi v3.2d, #0\n"
                     "movi v4.2d, #0\n"
                     "movi v5.2d, #0\n"
                     "movi v6.2d, #0\n"
                     "movi v7.2d, #0\n"
                     "movi v8.2d, #0\n"
                     "movi v9.2d, #0\n"
                     "movi v10.2d, #0\n"
                     "movi v11.2d, #0\n"
                     "movi v12.2d, #0\n"
                     "movi v13.2d, #0\n"
                     "movi v14.2d, #0\n"
                     "movi v15.2d, #0\n"
                     "movi v16.2d, #0\n"
                     "movi v17.2d, #0\n"
                     "movi v18.2d, #0\n"
                     "movi v19.2d, #0\n"
                     "movi v20.2d, #0\n"
                     "movi v21.2d, #0\n"
                     "movi v22.2d, #0\n"
                     "movi v23.2d, #0\n"
                     "movi v24.2d, #0\n"
                     "movi v25.2d, #0\n"
                     "movi v26.2d, #0\n"
                     "movi v27.2d, #0\n"
                     "movi v28.2d, #0\n"
                     "movi v29.2d, #0\n"
                     "movi v30.2d, #0\n"
                     "movi v31.2d, #0\n"
                     :
                     :
                     : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14",
                       "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
                       "v29", "v30", "v31");
#endif
}

/* Overwrites what calls before this one have left below the caller's frame. */
static UNUSED NOINLINE void clear_stack(void) {
    volatile char room[96 << 10];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
    forget_vectors();
}

/* FORGET_REGISTERS drops what the calling function has left in registers that calls preserve, FORGET_SCRATCH what is left
 * in the others: a function that wants its stack aligned pushes any of them. */
#if defined(__x86_64__)
#define FORGET_SCRATCH()                                                                                               \
    __asm__ volatile("xorl %%eax, %%eax\n xorl %%ecx, %%ecx\n xorl %%edx, %%edx\n xorl %%esi, %%esi\n"                 \
                     "xorl %%edi, %%edi\n xorl %%r8d, %%r8d\n xorl %%r9d, %%r9d\n xorl %%r10d, %%r10d\n"               \
                     "xorl %%r11d, %%r11d\n"                                                                           \
                     "pxor %%xmm0, %%xmm0\n pxor %%xmm1, %%xmm1\n pxor %%xmm2, %%xmm2\n pxor %%xmm3, %%xmm3"           \
                     :                                                                                                 \
                     :                                                                                                 \
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3",    \
                       "memory")
#define FORGET_REGISTERS()                                                                                             \
    __asm__ volatile("xorl %%ebx, %%ebx\n xorl %%r12d, %%r12d\n xorl %%r13d, %%r13d\n"                                 \
                     "xorl %%r14d, %%r14d\n xorl %%r15d, %%r15d"                                                       \
                     :                                                                                                 \
                     :                                                                                                 \
                     : "rbx", "r12", "r13", "r14", "r15", "memory")
#else
#define FORGET_SCRATCH() __asm__ volatile("" : : : "memory")
#define FORGET_REGISTERS() __asm__ volatile("" : : : "memory")
#endif

static UNUSED NOINLINE void clear_and_collect(void) {
    clear_stack();
    FORGET_SCRATCH();
    bw_gc();
}

/* A collection with nothing stale on the stack or in registers. */
#define collect_clean()                                                                                                \
    do {                                                                                                               \
        FORGET_REGISTERS();                                                                                            \
        FORGET_SCRATCH();                                                                                              \
        clear_and_collect();                                                                                           \
    } while (0)

/* Runs the function in a thread of its own, to its end: on this stack and in these registers it leaves nothing. */
static UNUSED void in_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static UNUSED uint64_t live_objects(void) {
    bw_ledger_t ledger;
    bw_ledger(&ledger);
    return ledger.layout.objects;
}

/* 0: some microseconds. */
static UNUSED void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms ? ms % 1000 * 1000000 : 1000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {}
}

static UNUSED double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- child processes --- */

struct child {
    const char *name;
    void (*body)(void);
};

struct outcome {
    int status; /* of exit; 1000 + the signal that ended it; -1: it hung */
    char out[1 << 16], err[1 << 16];
};

/* Runs the child that the arguments name, if they name one, and ends. `--only PATTERN` chooses among the tests. */
static UNUSED void child_main(int argc, char **argv, const struct child *children, size_t count) {
    if (argc >= 3 && strcmp(argv[1], "--only") == 0)
        cmocka_set_test_filter(argv[2]);
    if (argc < 3 || strcmp(argv[1], "--child") != 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (strcmp(children[i].name, argv[2]) == 0) {
            children[i].body();
            exit(0);
        }
    fprintf(stderr, "no child %s\n", argv[2]);
    exit(3);
}

static UNUSED size_t read_some(int fd, char *text, size_t used, size_t room, bool *open) {
    char rest[4096];
    ssize_t got = used < room - 1 ? read(fd, text + used, room - 1 - used) : read(fd, rest, sizeof rest);
    if (got <= 0) {
        *open = got < 0 && errno == EINTR;
        got = 0;
    }
    return used < room - 1 ? used + (size_t)got : used;
}

/* Runs a program to its end, at most `limit` seconds. `settings` are environment entries (NAME=value; NAME= removes) that
 * replace the test's own. */
static UNUSED void program_run(struct outcome *outcome, char *const *arguments, const char *const *settings,
                               double limit) {
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    for (size_t i = 0; settings && settings[i]; i++)
        count++;
    char **environment = calloc(count + 1, sizeof *environment);
    for (size_t i = 0; environ[i]; i++) {
        bool replaced = false;
        for (size_t j = 0; settings && settings[j]; j++)
            replaced |= strncmp(environ[i], settings[j], (size_t)(strchr(settings[j], '=') - settings[j]) + 1) == 0;
        if (!replaced)
            environment[kept++] = environ[i];
    }
    for (size_t i = 0; settings && settings[i]; i++)
        if (strchr(settings[i], '=')[1] != 0)
            environment[kept++] = (char *)(uintptr_t)settings[i];

    int out[2], err[2];
    CHECK(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    pid_t pid;
    int error = posix_spawn(&pid, arguments[0], &actions, NULL, arguments, environment);
    CHECK(error == 0, "%s: %s", arguments[0], strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    close(out[1]);
    close(err[1]);

    double end = seconds_now() + limit;
    bool out_open = true, err_open = true, hung = false;
    size_t out_used = 0, err_used = 0;
    while (out_open || err_open) {
        struct pollfd list[2] = {{out_open ? out[0] : -1, POLLIN, 0}, {err_open ? err[0] : -1, POLLIN, 0}};
        double left = end - seconds_now();
        int ready = poll(list, 2, left > 0 ? (int)(left * 1000) + 1 : 0);
        if (ready == 0) {
            hung = true;
            break;
        }
        if (list[0].revents)
            out_used = read_some(out[0], outcome->out, out_used, sizeof outcome->out, &out_open);
        if (list[1].revents)
            err_used = read_some(err[0], outcome->err, err_used, sizeof outcome->err, &err_open);
    }
    if (hung)
        kill(pid, SIGKILL);
    outcome->out[out_used] = outcome->err[err_used] = 0;
    close(out[0]);
    close(err[0]);
    int status;
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    outcome->status = hung ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* The sanitizers and valgrind are slow. */
static UNUSED double child_limit(double seconds) {
    return UNDER_SANITIZER || under_valgrind() ? seconds * 5 : seconds;
}

/* Runs `--child NAME` of this program. */
static UNUSED void child_run(struct outcome *outcome, const char *name, const char *const *settings) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = 0;
    char option[] = "--child", argument[256];
    snprintf(argument, sizeof argument, "%s", name);
    char *arguments[] = {path, option, argument, NULL};
    program_run(outcome, arguments, settings, child_limit(60));
}

static UNUSED void outcome_print(const struct outcome *outcome) {
    fprintf(stderr, "status %d\n--- standard output\n%s\n--- standard error\n%s\n---\n", outcome->status, outcome->out,
            outcome->err);
}

/* Did the text's first line consist of exactly `line`? */
static UNUSED bool first_line_is(const char *text, const char *line) {
    size_t length = strlen(line);
    return strncmp(text, line, length) == 0 && text[length] == '\n';
}

/* The child must have died with status 2 and this first line on standard error. A line that holds an address is told by
 * the child itself: it prints what it expects, as its only line of output, and `line` is NULL. */
static UNUSED void assert_died(const char *name, const char *line) {
    static struct outcome outcome;
    child_run(&outcome, name, NULL);
    if (line == NULL) {
        outcome.out[strcspn(outcome.out, "\n")] = 0;
        line = outcome.out;
    }
    if (outcome.status != 2 || *line == 0 || !first_line_is(outcome.err, line)) {
        fprintf(stderr, "child %s: expected status 2 and: %s\n", name, line);
        outcome_print(&outcome);
        fail();
    }
}

static UNUSED void assert_succeeded(const char *name, const char *const *settings, struct outcome *result) {
    static struct outcome outcome;
    if (result == NULL)
        result = &outcome;
    child_run(result, name, settings);
    if (result->status != 0) {
        fprintf(stderr, "child %s: expected status 0\n", name);
        outcome_print(result);
        fail();
    }
}

/* In a child: what its message will begin with. */
static UNUSED __attribute__((format(printf, 1, 2))) void expect(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

#endif
