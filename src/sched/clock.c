/* clock.c - the time, for a program; apart from sleeping, which links the scheduler. */
#include "../os/os.h"

#include <burrow/time.h>

int64_t bw_now(void) {
    return (int64_t)os_now_ns();
}
