/* os_watch.c - which pages of memory were written: userfaultfd's write protection in its asynchronous mode, and the
 * PAGEMAP_SCAN ioctl (Linux 6.7).
 *
 * A protected page is not forbidden: the kernel notes the first write to it, or by a system call into it, and lets it be.
 * So nothing here can make a program fail, and no thread is needed that answers faults. A page that was never protected,
 * or has been given back to the system since, counts as written.
 *
 * Protecting a part of a huge page splits it, and so does the first write to a protected one; protecting a whole one costs
 * no more than a page.
 *
 * The kernel's names are defined here: Debian 12's headers are older.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURES ((uint64_t)1 << 13 /* WP_UNPOPULATED */ | (uint64_t)1 << 15 /* WP_ASYNC */)
#define PAGE_WRITTEN ((uint64_t)1 << 1)
#define SCAN_PROTECTS ((uint64_t)1 << 0 /* PM_SCAN_WP_MATCHING */)

struct scan_argument {
    uint64_t size, flags, start, end, walk_end, regions, region_count, most_pages;
    uint64_t inverted, mask, any_of, returned;
};
struct scan_region {
    uint64_t start, end, categories;
};
#define SCAN _IOWR('f', 16, struct scan_argument)

static int fault_fd = -1, map_fd = -1;

static void close_both(void) {
    if (fault_fd >= 0)
        close(fault_fd);
    if (map_fd >= 0)
        close(map_fd);
    fault_fd = map_fd = -1;
}

/* The same file by a high number: the low ones are the program's, which may count on getting the lowest. */
#define LEAST_NUMBER 200
static int out_of_the_way(int fd) {
    int higher = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, LEAST_NUMBER) : -1;
    if (higher < 0)
        return fd;
    close(fd);
    return higher;
}

static bool open_both(const char **refused) {
    *refused = "userfaultfd is refused";
    fault_fd = out_of_the_way((int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
    if (fault_fd < 0)
        return false;
    struct uffdio_api api = {.api = UFFD_API, .features = FEATURES};
    *refused = "userfaultfd has no asynchronous write protection (Linux 6.7)";
    if (ioctl(fault_fd, UFFDIO_API, &api) != 0)
        return false;
    *refused = "/proc/self/pagemap cannot be read";
    map_fd = out_of_the_way(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    return map_fd >= 0;
}

bool os_watch_add(uintptr_t lo, size_t bytes) {
    struct uffdio_register all = {.range = {lo, bytes}, .mode = UFFDIO_REGISTER_MODE_WP};
    return !os_fail_now() && ioctl(fault_fd, UFFDIO_REGISTER, &all) == 0;
}

bool os_watch_protect(uintptr_t lo, uintptr_t hi, bool protect) {
    struct uffdio_writeprotect part = {{lo, hi - lo}, protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0};
    if (os_fail_now())
        return false;
    while (ioctl(fault_fd, UFFDIO_WRITEPROTECT, &part) != 0)
        if (errno != EAGAIN && errno != EINTR)
            return false;
    return true;
}

long os_watch_written(uintptr_t *lo, uintptr_t hi, bool protect, struct os_pages *found, size_t room, size_t pages) {
    struct scan_region regions[OS_WATCH_MOST];
    for (;;) {
        struct scan_argument scan = {.size = sizeof scan,
                                     .flags = protect ? SCAN_PROTECTS : 0,
                                     .start = *lo,
                                     .end = hi,
                                     .regions = (uintptr_t)regions,
                                     .region_count = room < OS_WATCH_MOST ? room : OS_WATCH_MOST,
                                     .most_pages = pages,
                                     .mask = PAGE_WRITTEN,
                                     .returned = PAGE_WRITTEN};
        long count = os_fail_now() ? -1 : ioctl(map_fd, SCAN, &scan);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 || scan.walk_end <= *lo)
            return -1;
        for (long i = 0; i < count; i++)
            found[i] = (struct os_pages){regions[i].start, regions[i].end};
        *lo = scan.walk_end;
        return count;
    }
}

/* --- whether it works: a page is protected, written, and found --- */

static bool count_written(uintptr_t lo, uintptr_t hi, bool protect, size_t *bytes) {
    for (*bytes = 0; lo < hi;) {
        struct os_pages found[2];
        long count = os_watch_written(&lo, hi, protect, found, 2, 2);
        if (count < 0)
            return false;
        while (count-- > 0)
            *bytes += found[count].hi - found[count].lo;
    }
    return true;
}

static bool works(const char **refused) {
    size_t page = os_page_bytes(), first = 0, second = 0;
    char *pages = os_map(2 * page);
    *refused = "there is no memory to try it on";
    if (pages == NULL)
        return false;
    uintptr_t lo = (uintptr_t)pages, hi = lo + 2 * page;
    memset(pages, 1, 2 * page);
    *refused = "userfaultfd does not watch private memory";
    bool good = os_watch_add(lo, 2 * page) && os_watch_protect(lo, hi, true);
    if (good) {
        *refused = "PAGEMAP_SCAN is refused (Linux 6.7)";
        good = count_written(lo, hi, false, &first);
        *(volatile char *)(pages + page) = 2;
        good = good && count_written(lo, hi, true, &second);
        if (good) {
            *refused = "pages that were written are not told";
            good = first == 0 && second == page;
        }
    }
    os_unmap(pages, 2 * page);
    return good;
}

const char *os_watch_start(void) {
    const char *refused = NULL;
    if (open_both(&refused) && works(&refused))
        return NULL;
    close_both();
    return refused;
}

void os_watch_end(void) {
    close_both();
}
