// A library that allocates and collects while it is loaded and unloaded: in its constructor and its destructor.
#include <burrow.h>

int collecting_works(void);

static int *made[100];

__attribute__((constructor)) static void begin(void) {
    for (int i = 0; i < 100; i++) {
        made[i] = bw_new(int);
        *made[i] = i;
    }
    bw_gc();
}

int collecting_works(void) {
    int right = 0;
    for (int i = 0; i < 100; i++)
        right += *made[i] == i;
    return right == 100;
}

__attribute__((destructor)) static void end(void) {
    bw_gc();
    made[0] = bw_new(int);
}
