// Links the library and uses it in a way that the linker cannot leave out, but never when it runs without an argument. It
// tells what the process has: threads, signal handlers, mappings, at the end of main.
#include <burrow.h>

#include <stdio.h>

#include "only_what_is_there.h"

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        bw_gc();
        bw_arena_free(bw_arena_new());
        printf("collected\n");
    }
    tell_what_is_there();
    return 0;
}
