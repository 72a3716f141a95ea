/* measure.c - the stopwatch: runs a program on the first N of the processors this one may use, and writes what it took
 * as one JSON object to a file descriptor. It is a small C program so that the measured one inherits neither the
 * runner's resident memory (which the kernel would count as its peak) nor the cost of forking it.
 *
 *     measure FD PROCESSORS REPETITIONS LIMIT_SECONDS WARM_MIB SAMPLE_MS PROGRAM ARGUMENT...
 *
 * Before that, unmeasured, another process touches WARM_MIB of memory and ends. In a virtual machine the first touch of
 * memory that the host has taken back costs some fifty times as much as of memory that it has not, and which of the two
 * a program gets depends on who ran before it. So everybody gets memory that somebody has just used.
 *
 * With SAMPLE_MS above 0 the program's resident memory is read that often, into "resident": [[ms, KiB], ...], the time
 * since it started; with every two thousand samples half as often.
 *
 * With more than one repetition, "wall" is the median and the program's output is thrown away. A program that runs
 * longer than the limit is killed ("timeout": true). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child;
static volatile sig_atomic_t timed_out;

static void on_alarm(int signal) {
    (void)signal;
    timed_out = 1;
    if (child > 0)
        kill(child, SIGKILL);
}

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
    exit(125);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void keep_processors(long wanted) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        fail("sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && wanted-- <= 0)
            CPU_CLR(cpu, &allowed);
    if (sched_setaffinity(0, sizeof allowed, &allowed) != 0)
        fail("sched_setaffinity");
}

static void warm_up(size_t bytes) {
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            _exit(0); /* then it is not warm */
        madvise(memory, bytes, MADV_HUGEPAGE);
        for (size_t at = 0; at < bytes; at += 4096)
            memory[at] = 1;
        _exit(0);
    }
    child = pid;
    while (waitpid(pid, NULL, 0) < 0)
        if (errno != EINTR)
            fail("waitpid");
    child = 0;
}

/* Resident memory over time. SIGCHLD is blocked while this is wanted, so that one can wait for it, or for the time. */
static struct sampling {
    long every; /* ms; 0: not at all */
    size_t count;
    struct sample {
        double at;     /* since the program started, ms */
        long resident; /* KiB */
    } samples[2048];   /* their text is less than a pipe holds: the runner reads it when this process has ended */
} sampling;

static sigset_t child_ends, signals_before;

static void prepare_sampling(long every) {
    sampling.every = every;
    sigemptyset(&child_ends);
    sigaddset(&child_ends, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child_ends, &signals_before) != 0)
        fail("sigprocmask");
}

static void thin_out(void) {
    sampling.count /= 2;
    for (size_t i = 0; i < sampling.count; i++)
        sampling.samples[i] = sampling.samples[2 * i];
    sampling.every *= 2;
}

static void sample(double began) {
    char name[64];
    long pages;
    snprintf(name, sizeof name, "/proc/%d/statm", (int)child);
    FILE *f = fopen(name, "r");
    if (f == NULL)
        return;
    if (fscanf(f, "%*s %ld", &pages) == 1 && pages > 0) { /* 0: it is at its end */
        if (sampling.count == sizeof sampling.samples / sizeof sampling.samples[0])
            thin_out();
        long resident = pages * (sysconf(_SC_PAGESIZE) / 1024);
        sampling.samples[sampling.count++] = (struct sample){(now() - began) * 1e3, resident};
    }
    fclose(f);
}

static void sample_until_end(double began) {
    siginfo_t info;
    sampling.count = 0;
    for (;;) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0)
            return;
        struct timespec wait = {sampling.every / 1000, sampling.every % 1000 * 1000000};
        if (sigtimedwait(&child_ends, NULL, &wait) < 0 && errno == EAGAIN)
            sample(began);
    }
}

static void print_samples(int report) {
    dprintf(report, "\"resident\": [");
    for (size_t i = 0; i < sampling.count; i++)
        dprintf(report, "%s[%.0f, %ld]", i == 0 ? "" : ", ", sampling.samples[i].at, sampling.samples[i].resident);
    dprintf(report, "], ");
}

static void start(char **command, int quiet, int report) {
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid != 0) {
        child = pid;
        return;
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(125);
    close(report);
    if (sampling.every > 0 && sigprocmask(SIG_SETMASK, &signals_before, NULL) != 0)
        _exit(125);
    if (quiet) {
        int null = open("/dev/null", O_WRONLY);
        if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
            _exit(125);
        close(null);
    }
    execv(command[0], command);
    fprintf(stderr, "measure: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc < 8) {
        fputs("usage: measure FD PROCESSORS REPETITIONS LIMIT_SECONDS WARM_MIB SAMPLE_MS PROGRAM ARGUMENT...\n",
              stderr);
        return 125;
    }
    int report = atoi(argv[1]);
    keep_processors(atol(argv[2]));
    int repetitions = atoi(argv[3]);
    double *walls = calloc((size_t)repetitions, sizeof *walls);
    if (walls == NULL || repetitions < 1)
        fail("repetitions");
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        fail("prctl");
    signal(SIGALRM, on_alarm);
    alarm((unsigned)atoi(argv[4]));

    if (atol(argv[5]) > 0)
        warm_up((size_t)atol(argv[5]) << 20);
    if (atol(argv[6]) > 0)
        prepare_sampling(atol(argv[6]));

    int status = 0;
    struct rusage usage = {0};
    for (int i = 0; i < repetitions && status == 0; i++) {
        double begin = now();
        start(argv + 7, repetitions > 1, report);
        if (sampling.every > 0)
            sample_until_end(begin);
        while (wait4((pid_t)child, &status, 0, &usage) < 0)
            if (errno != EINTR)
                fail("wait4");
        walls[i] = now() - begin;
        child = 0;
    }
    qsort(walls, (size_t)repetitions, sizeof *walls, ascending);
    dprintf(report, "{");
    if (sampling.every > 0)
        print_samples(report);
    dprintf(report,
            "\"wall\": %.9f, \"cpu\": %.6f, \"peak_rss\": %ld, \"exit\": %d, \"signal\": %d, \"timeout\": %s}\n",
            walls[repetitions / 2], seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss * 1024,
            WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
            timed_out ? "true" : "false");
    return 0;
}
