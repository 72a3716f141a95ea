/* os_memory.c - address space and pages, and making calls fail on purpose. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

_Atomic long os_fail_countdown;
bool os_fail_all_after;

bool os_fail_now(void) {
    if (__builtin_expect(atomic_load_explicit(&os_fail_countdown, memory_order_relaxed) == 0, 1))
        return false;
    long left = atomic_fetch_sub(&os_fail_countdown, 1);
    if (left == 1) {
        if (os_fail_all_after)
            atomic_store(&os_fail_countdown, 1);
        return true;
    }
    if (left <= 0) /* raced past the end */
        atomic_store(&os_fail_countdown, 0);
    return false;
}

size_t os_page_bytes(void) {
    static size_t bytes;
    if (bytes == 0)
        bytes = (size_t)sysconf(_SC_PAGESIZE);
    return bytes;
}

size_t os_physical_bytes(void) {
    size_t bytes = (size_t)sysconf(_SC_PHYS_PAGES) * os_page_bytes();
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)
        bytes = limit.rlim_cur;
    return bytes;
}

void *os_reserve(size_t bytes, size_t align) {
    if (os_fail_now())
        return NULL;
    size_t extra = align > os_page_bytes() ? align : 0;
    char *at = mmap(NULL, bytes + extra, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    if (extra == 0)
        return at;
    size_t skip = (size_t)(-(uintptr_t)at) & (align - 1);
    if (skip > 0)
        munmap(at, skip);
    if (extra > skip)
        munmap(at + skip + bytes, extra - skip);
    return at + skip;
}

bool os_extend(void *at, size_t bytes) {
    if (os_fail_now())
        return false;
    void *got = mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == at)
        return true;
    if (got != MAP_FAILED) /* a kernel before 4.17 takes the address as a hint */
        munmap(got, bytes);
    return false;
}

void os_unreserve(void *at, size_t bytes) {
    munmap(at, bytes);
}

bool os_commit(void *at, size_t bytes) {
    return !os_fail_now() && mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0;
}

bool os_release(void *at, size_t bytes) {
    return !os_fail_now() && madvise(at, bytes, MADV_DONTNEED) == 0;
}

size_t os_release_within(uintptr_t lo, uintptr_t hi) {
    uintptr_t page = os_page_bytes();
    lo = (lo + page - 1) & ~(page - 1);
    hi &= ~(page - 1);
    return lo < hi && os_release((void *)lo, hi - lo) ? hi - lo : 0;
}

bool os_forbid(void *at, size_t bytes) {
    if (os_fail_now() || mprotect(at, bytes, PROT_NONE) != 0)
        return false;
    madvise(at, bytes, MADV_DONTNEED);
    return true;
}

bool os_allow(void *at, size_t bytes) {
    return !os_fail_now() && mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0;
}

#ifndef MADV_GUARD_INSTALL /* Linux 6.13; not in this libc's headers yet */
#define MADV_GUARD_INSTALL 102
#endif
bool os_guard(void *at, size_t bytes) {
    return !os_fail_now() && (madvise(at, bytes, MADV_GUARD_INSTALL) == 0 || mprotect(at, bytes, PROT_NONE) == 0);
}

/* By writes: a call that does it (MADV_POPULATE_WRITE) keeps all others from mapping memory until it is done. A compare and
 * exchange stores what is there already, and only if that is 0; where it is not the page is there. */
__attribute__((no_sanitize("address", "thread"))) void os_touch(uintptr_t lo, uintptr_t hi) {
    uintptr_t page = os_page_bytes();
    for (uintptr_t at = lo & ~(page - 1); at < hi; at += page) {
        uint8_t none = 0;
        __atomic_compare_exchange_n((uint8_t *)at, &none, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
}

void os_want_small_pages(void *at, size_t bytes) {
    madvise(at, bytes, MADV_NOHUGEPAGE);
}

void os_want_huge_pages(void *at, size_t bytes) {
    if (!os_fail_now())
        madvise(at, bytes, MADV_HUGEPAGE);
}

void *os_map(size_t bytes) {
    if (os_fail_now()) {
        errno = ENOMEM;
        return NULL;
    }
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void os_unmap(void *at, size_t bytes) {
    munmap(at, bytes);
}

size_t os_resident_bytes(void) {
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = 0;
    char *next = NULL;
    strtoul(text, &next, 10);
    return strtoul(next, NULL, 10) * os_page_bytes();
}

bool os_readable(uintptr_t at) {
    char byte;
    unsigned char resident;
    struct iovec here = {&byte, 1}, there = {(void *)at, 1};
    int saved = errno;
    ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    /* Forbidden: whether it is mapped is the next best. */
    bool readable = got == 1 || (errno != EFAULT && mincore((void *)(at & ~(os_page_bytes() - 1)), 1, &resident) == 0);
    errno = saved;
    return readable;
}
