/* flow.c - what the running goroutine, or thread, has under way: see burrow/panic.h. It changes with the goroutine. */
#include <burrow/panic.h>

__thread struct bw__flow bw__flow __attribute__((tls_model("initial-exec")));
