// A million goroutines, made, waiting on a channel, woken and ended. They take 4.3 GB and 68 GB of addresses. Guard pages
// must not split mappings for this, of which the kernel allows 65530 (vm.max_map_count): where it has no MADV_GUARD_INSTALL
// most stacks go without (src/os/os_memory.c), and it works all the same.
// modes: plain
// not under: thread address undefined
// labels: slow
// serial: yes
// timeout: 300
#include "parked.h"

static void test_million(void **state) {
    (void)state;
    if (os_physical_bytes() < (size_t)6 << 30)
        skip();
    park_many(1000000, 1000);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_million)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
