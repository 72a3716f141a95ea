// Where a sandbox forbids what marking beside the program needs, the next best is done, and gctrace says what and why.
//
// modes: plain
// not under: thread address
// timeout: 120
#include "support.h"
#include "tree.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

// The call, if the low word of its argument of that number is so, fails with this error.
struct forbidden {
    int call, argument;
    unsigned value, error;
};

static void forbid(struct forbidden what) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)what.call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + 8 * (size_t)what.argument)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, what.value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | what.error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {COUNT_OF(filter), filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

#define USERFAULTFD ((struct forbidden){SYS_userfaultfd, 0, O_CLOEXEC | O_NONBLOCK | 1, EPERM})
#define PAGEMAP_SCAN ((struct forbidden){SYS_ioctl, 1, _IOC(_IOC_READ | _IOC_WRITE, 'f', 16, 96), ENOTTY})
#define CLONE ((struct forbidden){SYS_clone, 0, 0x400 /* CLONE_FILES */, EPERM})
#define CLONE_NOW ((struct forbidden){SYS_clone, 0, 0x400, EAGAIN})

// In random order, so that marking it takes tens of milliseconds anywhere.
#define SCATTERED ((size_t)4 << 20)
static NOINLINE void scatter(node **all) {
    struct random random = {1};
    for (size_t i = 0; i < SCATTERED; i++)
        all[i] = bw_new(node);
    for (size_t i = 0; i < SCATTERED; i++)
        all[i]->left = all[random_below(&random, SCATTERED)];
}

static void work(void) {
    node **all = bw_new_array(struct node *, SCATTERED);
    scatter(all);
    node *tree = new_tree(14);
    for (int i = 0; i < 4; i++)
        bw_gc();
    CHECK(count_tree(tree) == ((size_t)2 << 14) - 1);
    bw_keep_alive(all);
}

static void child_allowed(void) {
    work();
}
static void child_userfaultfd(void) {
    forbid(USERFAULTFD);
    work();
}
static void child_scan(void) {
    forbid(PAGEMAP_SCAN);
    work();
}
static void child_clone(void) {
    forbid(CLONE);
    work();
}
static void child_clone_now(void) {
    forbid(CLONE_NOW);
    work();
}
static void child_both(void) {
    forbid(USERFAULTFD);
    forbid(CLONE);
    work();
}
static void child_memory(void) { // address space for the heap, but for nothing else
    node *tree = new_tree(10);
    bw_gc();
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = 1;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    for (int i = 0; i < 3; i++)
        bw_gc();
    CHECK(count_tree(tree) == ((size_t)2 << 10) - 1);
}

static const struct child children[] = {
    {"allowed", child_allowed}, {"userfaultfd", child_userfaultfd}, {"scan", child_scan},
    {"clone", child_clone},     {"clone_now", child_clone_now},     {"both", child_both},
    {"memory", child_memory},
};

static void tells(const char *child, const char *mode, const char *line, const char *never) {
    static struct outcome outcome;
    char setting[100];
    snprintf(setting, sizeof setting, "BURROWDEBUG=mark=%s,gctrace=1", mode);
    const char *settings[] = {setting, "GOMAXPROCS=1", NULL};
    assert_succeeded(child, settings, &outcome);
    if (strstr(outcome.err, line) == NULL || (never && strstr(outcome.err, never))) {
        fprintf(stderr, "child %s, mark=%s: expected: %s\n", child, mode, line);
        outcome_print(&outcome);
        fail();
    }
}

#define IN_COPY "mark: beside the program, in a copy of the process: "
#define STOPPED "mark: the world is stopped: "

static void test_auto(void **state) {
    (void)state;
    static struct outcome outcome;
    const char *settings[] = {"BURROWDEBUG=mark=auto,gctrace=1", "GOMAXPROCS=1", NULL};
    assert_succeeded("allowed", settings, &outcome);
    bool watches = strstr(outcome.err, "mark: beside the program, whose writes") != NULL;
    if (!watches && strstr(outcome.err, IN_COPY) == NULL) {
        outcome_print(&outcome);
        fail();
    }
    tells("userfaultfd", "auto", IN_COPY "userfaultfd is refused\n", "beside 4:");
    if (watches)
        tells("scan", "auto", IN_COPY "PAGEMAP_SCAN is refused (Linux 6.7)\n", "beside 4:");
    tells("both", "auto", STOPPED "userfaultfd is refused", "snapshot 4:");
    tells("both", "auto", "mark: the world was stopped: clone is refused (error 1)\n", "snapshot 4:");
}

static void test_asked_for(void **state) {
    (void)state;
    tells("allowed", "snapshot", IN_COPY "asked for\n", STOPPED);
    tells("userfaultfd", "watch", STOPPED "userfaultfd is refused\n", "snapshot 4:");
    tells("clone", "snapshot", STOPPED "clone is refused (error 1)\n", "snapshot 4:");
    // It may be otherwise next time: it is tried again.
    tells("clone_now", "snapshot", "mark: the world was stopped: there may be no more processes\n", STOPPED);
    tells("memory", "snapshot", "mark: the world was stopped: there is no memory that a copy would have in common\n",
          STOPPED);
    tells("userfaultfd", "stop", "gc 4 ", "mark: ");
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_auto), cmocka_unit_test(test_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
