/* os_misc.c - clocks, processors, environment. */
#include "os.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t os_now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t os_wall_ns(void) {
    return clock_ns(CLOCK_REALTIME);
}

uint64_t os_thread_cpu_ns(void) {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* The clock's number is made of the thread's as pthread_getcpuclockid makes it (clock_getcpuclockid(3), kernel's
 * posix-timers.h: bit 2: of a thread; 2: as the scheduler counts). */
uint64_t os_processor_ns_of(pid_t thread) {
    struct timespec used;
    clockid_t clock = (clockid_t)(~(unsigned)thread << 3 | 4 | 2);
    return clock_gettime(clock, &used) == 0 ? (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec : 0;
}

uint64_t os_process_cpu_ns(void) {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t os_start_ns(void) {
    static uint64_t start;
    if (start == 0)
        start = os_now_ns();
    return start;
}

static bool read_small_file(const char *path, char *text, size_t room) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, room - 1);
    close(fd);
    if (length < 0)
        return false;
    text[length] = 0;
    return true;
}

/* Calls `look` with the contents of the file of that name of each cgroup that this process is in, up to the root: each can
 * have a limit. Version 2 names the group in /proc/self/cgroup after "0::". */
static void each_cgroup(const char *name, void (*look)(const char *text, void *context), void *context) {
    char groups[4096], path[4400], text[128];
    if (!read_small_file("/proc/self/cgroup", groups, sizeof groups))
        return;
    char *group = strstr(groups, "0::/");
    if (group == NULL)
        return;
    group += 3;
    group[strcspn(group, "\n")] = 0;
    for (char *slash = group; slash != NULL;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", group, name);
        if (read_small_file(path, text, sizeof text))
            look(text, context);
        slash = strrchr(group, '/');
        if (slash)
            *slash = 0;
    }
}

static void look_at_quota(const char *text, void *context) {
    int *least = context;
    long quota, period;
    if (sscanf(text, "%ld %ld", &quota, &period) != 2 || period <= 0)
        return;
    int count = (int)((quota + period - 1) / period);
    if (count < 1)
        count = 1;
    if (*least == 0 || count < *least)
        *least = count;
}

/* The processors that the quota pays for, rounded up; 0 if there is no quota. */
static int cgroup_cpu_count(void) {
    int least = 0;
    each_cgroup("cpu.max", look_at_quota, &least);
    return least;
}

static void look_at_memory(const char *text, void *context) {
    uint64_t *least = context;
    unsigned long long bytes;
    if (sscanf(text, "%llu", &bytes) == 1 && bytes < *least)
        *least = bytes;
}

uint64_t os_memory_limit(void) {
    uint64_t least = UINT64_MAX;
    each_cgroup("memory.max", look_at_memory, &least);
    return least;
}

int os_cpu_count(void) {
    /* The kernel's set can be larger than cpu_set_t: ask with more room until it fits. */
    int count = 0;
    for (int cpus = 1024; count == 0 && cpus <= 1 << 18; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (set == NULL)
            break;
        if (sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)cpus), set) == 0)
            count = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)cpus), set);
        CPU_FREE(set);
    }
    int quota = cgroup_cpu_count();
    if (quota > 0 && quota < count)
        count = quota;
    return count > 0 ? count : 1;
}

/* The kernel gives each process sixteen random bytes at its start. */
uint64_t os_random(void) {
    static _Atomic uint64_t calls;
    uint64_t random[2] = {0, 0};
    const void *bytes = (const void *)getauxval(AT_RANDOM);
    if (bytes)
        memcpy(random, bytes, sizeof random);
    uint64_t mixed = random[0] ^ (atomic_fetch_add(&calls, 1) + 1) * 0x9e3779b97f4a7c15u ^ os_now_ns();
    mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93u;
    mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93u;
    return (mixed ^ random[1]) | 1;
}

const char *os_getenv(const char *name) {
    return getenv(name);
}

void os_yield(void) {
    sched_yield();
}
