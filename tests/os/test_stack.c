// The stack of a panic in a program that links the shared library: the program's functions with their lines, none of the
// library's, and what the library exports.
//
// link: shared
// modes: plain
// not under: address thread
#include "support.h"

#include <dlfcn.h>

enum { LINE = __LINE__ + 2 };
static NOINLINE void goes_wrong(void) {
    bw_free((void *)8);
    __asm__ volatile("");
}
static NOINLINE void calls_it(void *unused) {
    (void)unused;
    goes_wrong();
    __asm__ volatile("");
}

static void misuse(void) {
    calls_it(NULL);
}
static void recovers_first(void) {
    CHECK(!bw_is_nil(bw_protect(goes_wrong)));
    bw_any e = bw_protect(calls_it, NULL);
    CHECK(bw_is_runtime_error(e));
    bw_defer(calls_it, NULL);
    bw_panic("first");
}

static struct outcome outcome;

static void test_misuse(void **state) {
    (void)state;
    child_run(&outcome, "misuse", NULL);
    char expected[300];
    snprintf(expected, sizeof expected, "\n\ngoroutine 1 [running]:\ngoes_wrong(...)\n\t%s:%d +0x", __FILE__, LINE);
    if (outcome.status != 2 || strstr(outcome.err, expected) == NULL ||
        strstr(outcome.err, "\ncalls_it(...)\n") == NULL || strstr(outcome.err, "\nmain(...)\n") == NULL ||
        strstr(outcome.err, "libburrow") != NULL) {
        outcome_print(&outcome);
        fail();
    }
}

static void test_nested(void **state) {
    (void)state;
    child_run(&outcome, "recovers first", NULL);
    static const char first[] =
        "panic: first\n\tpanic: bw_free: 0x8 is not the first byte of an object: it is not in the "
        "Burrow heap\n\ngoroutine 1 [running]:\ngoes_wrong(...)\n";
    const char *panic = strstr(outcome.err, "\npanic(...)\n\t"), *own = strstr(outcome.err, "\nrecovers_first(...)\n");
    if (outcome.status != 2 || strncmp(outcome.err, first, strlen(first)) != 0 || panic == NULL || own < panic) {
        outcome_print(&outcome);
        fail();
    }
}

// What is bundled with the library is not offered to the program.
static void test_exports(void **state) {
    (void)state;
    assert_null(dlsym(RTLD_DEFAULT, "burrow_backtrace_create_state"));
    assert_null(dlsym(RTLD_DEFAULT, "backtrace_create_state"));
    assert_null(dlsym(RTLD_DEFAULT, "os_fault_entry"));
    assert_null(dlsym(RTLD_DEFAULT, "bw__call_store"));
    assert_non_null(dlsym(RTLD_DEFAULT, "bw__call_make"));
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"misuse", misuse}, {"recovers first", recovers_first}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_exports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
