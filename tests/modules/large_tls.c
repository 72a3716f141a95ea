// A library whose thread-local storage is large: each thread gets its block when it first touches it.
int *large_tls(void);

static __thread int block[16 << 20];

int *large_tls(void) {
    return block;
}
