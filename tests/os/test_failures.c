// Every request for memory, for a page's protection, for a thread, and every call on a descriptor is made to fail in turn:
// alone (failcall=N), and with all that follow (failfrom=N). The program must come to the right result, or to the error that
// the call gives, or end with status 2 and one clear message; never by a signal, never wrongly, and never not at all.
//
// timeout: 300
// labels: slow
// modes: plain verify=1 poison=1,gcstress=5000
// (many more of the workload's collections would make hundreds of runs of it long)
#include "support.h"

static struct outcome outcome;

static char settings_text[256], sanitizer_text[1024];
static const char *const settings[] = {settings_text, sanitizer_text, NULL};

// Adds the knob to those that the test itself was started with.
static void set_knob(const char *knob, long number) {
    const char *own = getenv("BURROWDEBUG");
    snprintf(settings_text, sizeof settings_text, "BURROWDEBUG=%s%s%s=%ld", own ? own : "", own && *own ? "," : "",
             knob, number);
}

static char workload[] = BURROW_TEST_PROGRAM_DIR "/workload", io_workload[] = BURROW_TEST_PROGRAM_DIR "/io_workload",
            workers_workload[] = BURROW_TEST_PROGRAM_DIR "/workers_workload";
static char *program, file[] = "/tmp/burrow_refused_XXXXXX"; // the file is io_workload's, who may end at any time

static void run_workload(void) {
    char *arguments[] = {program, program == io_workload ? file : NULL, NULL};
    // A program that ends with a fatal error has not joined its threads, which the thread sanitizer tells; it is no leak.
    const char *own = getenv("TSAN_OPTIONS");
    snprintf(sanitizer_text, sizeof sanitizer_text, "TSAN_OPTIONS=%s:report_thread_leaks=0", own ? own : "");
    program_run(&outcome, arguments, settings, child_limit(30));
}

static bool came_right(void) {
    return outcome.status == 0 && strcmp(outcome.out, "right\n") == 0 && outcome.err[0] == 0;
}

static bool was_told(void) {
    return outcome.status == 0 && strcmp(outcome.out, "refused\n") == 0 && outcome.err[0] == 0;
}

static bool ended_clearly(void) {
    static const char start[] = "fatal error: ";
    const char *end = strchr(outcome.err, '\n');
    return outcome.status == 2 && strncmp(outcome.err, start, sizeof start - 1) == 0 && end && end[1] == 0 &&
           outcome.out[0] == 0 && !strstr(outcome.err, "internal error") && !strstr(outcome.err, "missed") &&
           !strstr(outcome.err, "verify:");
}

static void check_run(void) {
    if (came_right() || was_told() || ended_clearly())
        return;
    fprintf(stderr, "%s %s\n", settings_text, program);
    outcome_print(&outcome);
    fail();
}

// How many requests the workload makes, about: the threads' order makes the number vary.
static long count_requests(void) {
    long low = 1, high = 1L << 20; // `high` is surely past the end
    // Failing from N on, the workload is right if and only if it never comes to N, or can do without.
    while (low + 1 < high) {
        long middle = low + (high - low) / 2;
        set_knob("failfrom", middle);
        run_workload();
        check_run();
        if (came_right())
            high = middle;
        else
            low = middle;
    }
    return high;
}

static void test_without_failures(void **state) {
    program = *state;
    set_knob("failcall", 0);
    run_workload();
    if (!came_right())
        outcome_print(&outcome);
    assert_true(came_right());
}

// Who is refused a worker goes on with those that there are.
static bool was_refused_cache(void) {
    return strstr(outcome.err, "cannot make a thread's cache") != NULL;
}

static void fail_each(const char *knob, long requests) {
    long most = requests + requests / 4 + 20, runs = (long)effort(UNDER_SANITIZER ? 1000 : 400);
    long step = most > runs ? most / runs : 1;
    size_t right = 0, ended = 0, caches = 0;
    for (long n = 1; n <= most; n += n < 100 ? 1 : step) {
        set_knob(knob, n);
        run_workload();
        check_run();
        right += came_right();
        ended += was_told() || ended_clearly();
        caches += was_refused_cache();
    }
    // Both happen, or nothing was made to fail.
    assert_true(right > 0 && ended > 0);
    if (program == workers_workload && strcmp(knob, "failcall") == 0)
        assert_int_equal(caches, 1); // main's; its place among the requests is always the same
}

static void test_each_request_fails(void **state) {
    program = *state;
    fail_each("failcall", count_requests());
}

static void test_all_requests_fail_from(void **state) {
    program = *state;
    fail_each("failfrom", count_requests());
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    int made = mkstemp(file);
    if (made < 0 || close(made) != 0) {
        perror(file);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_without_failures, workload),
        cmocka_unit_test_prestate(test_each_request_fails, workload),
        cmocka_unit_test_prestate(test_all_requests_fail_from, workload),
        cmocka_unit_test_prestate(test_without_failures, io_workload),
        cmocka_unit_test_prestate(test_each_request_fails, io_workload),
        cmocka_unit_test_prestate(test_all_requests_fail_from, io_workload),
        cmocka_unit_test_prestate(test_without_failures, workers_workload),
        cmocka_unit_test_prestate(test_each_request_fails, workers_workload),
        cmocka_unit_test_prestate(test_all_requests_fail_from, workers_workload),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
