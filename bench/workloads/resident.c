/* resident.c - resident memory beside live bytes, in a program that has run for a while: `resident mixed` replaces
 * objects of mixed sizes at random, `resident queue` appends small nodes to a list and takes them off its head. The
 * live bytes stay the same throughout. What is resident is read three times: at the end of the work as it stands, after
 * a collection that gives memory back, and (by whoever started this program) at its peak. */
#include "peer.h"

PEER_STRUCT(byte_slice, (unsigned char *, data), (int64_t, len), (int64_t, cap)); /* 24 bytes, as Go's */
PEER_STRUCT(node, (struct node *, next), (int64_t, value));

static const int sizes[] = {16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 1536, 2048};
enum { SIZES = sizeof sizes / sizeof sizes[0], SLOTS = 400000, REPLACEMENTS = 8000000 };
enum { QUEUE_LENGTH = 4000000, QUEUE_PASSES = 40000000 };

static byte_slice *slots;
static node *head, *tail;

static void replace(size_t slot, uint64_t *seed, int64_t *live) {
    int n = sizes[peer_random(seed) % SIZES];
    *live += n - slots[slot].len;
    PEER_DROP(slots[slot].data);
    slots[slot] = (byte_slice){.data = peer_bytes((size_t)n), .len = n, .cap = n};
    slots[slot].data[0] = (unsigned char)n;
}

static int64_t run_mixed(int64_t *check) {
    uint64_t seed = PEER_SEED;
    int64_t live = 0;
    slots = PEER_ARRAY(byte_slice, SLOTS);
    for (size_t i = 0; i < SLOTS; i++)
        replace(i, &seed, &live);
    for (int i = 0; i < REPLACEMENTS; i++)
        replace(peer_random(&seed) % SLOTS, &seed, &live);
    for (size_t i = 0; i < SLOTS; i++)
        *check += slots[i].data[0];
    return live + (int64_t)(SLOTS * sizeof *slots);
}

static int64_t run_queue(int64_t *check) {
    head = tail = PEER_NEW_WITH(node, NULL, 0);
    for (int i = 1; i < QUEUE_PASSES; i++) {
        node *n = PEER_NEW_WITH(node, NULL, i);
        tail->next = n;
        tail = n;
        if (i >= QUEUE_LENGTH) {
            node *gone = head;
            *check += gone->value;
            head = gone->next;
            PEER_DROP(gone);
        }
    }
    return (int64_t)(QUEUE_LENGTH * sizeof(node));
}

int main(int argc, char **argv) {
    int mixed = argc == 2 && strcmp(argv[1], "mixed") == 0;
    if (!mixed && (argc != 2 || strcmp(argv[1], "queue") != 0)) {
        fputs("usage: resident mixed|queue\n", stderr);
        return 2;
    }
    int64_t check = 0;
    peer_start();
    int64_t live = mixed ? run_mixed(&check) : run_queue(&check);
    uint64_t running = peer_resident();
    peer_collect();
    peer_release();
    uint64_t released = peer_resident();
    printf("CHECK resident %s live=%lld sum=%lld\n", argv[1], (long long)live, (long long)check);
    printf("R live=%lld running=%llu released=%llu\n", (long long)live, (unsigned long long)running,
           (unsigned long long)released);
    peer_print_figures();
    return mixed ? slots == NULL : head == NULL;
}
