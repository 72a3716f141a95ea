/* startup.c - a program that does nothing: what it costs to start and end one with a library linked to it. With `alloc`
 * it allocates one object. The glibc build is the program without a library. */
#include "peer.h"

PEER_STRUCT(node, (struct node *, next), (int64_t, value));

static node *volatile kept;

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "alloc") == 0) {
        peer_start();
        kept = PEER_NEW(node);
    }
    return 0;
}
