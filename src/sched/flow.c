/* flow.c - what the running goroutine, or thread, has under way (see burrow/panic.h), and its errno. Both change with the
 * goroutine. Apart from the scheduler, which a program that starts no goroutine need not link. */
#include <burrow/goroutine.h>

__thread struct bw__flow bw__flow __attribute__((tls_model("initial-exec")));

int *bw__errno(void) {
    return __errno_location();
}
