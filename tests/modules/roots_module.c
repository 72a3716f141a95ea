// A library with data of every kind, for pointers to lie in.
#include <stddef.h>

#define SLOTS 1000

void **module_data(void);
void **module_bss(void);
void **module_tls(void);
void **module_tls_data(void);

static void *data[SLOTS] = {(void *)16, (void *)32};
static void *bss[SLOTS];
static __thread void *tls[SLOTS];
static __thread void *tls_data[SLOTS] = {(void *)16, (void *)32};

void **module_data(void) {
    return data;
}

void **module_bss(void) {
    return bss;
}

void **module_tls(void) {
    return tls;
}

void **module_tls_data(void) {
    return tls_data;
}
