// A hundred thousand goroutines that wait: their memory, collections meanwhile, and that all are woken. Twice, so that the
// second time they run on stacks whose memory was given back.
// timeout: 200
#include "parked.h"

static void test_parked(void **state) {
    (void)state;
    long count = UNDER_SANITIZER ? 1000 : (long)effort(100000);
    park_many(count, count / 2);
    park_many(count, 0);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
