/* summary.c - how far it is, what went wrong, what it came to.
 *
 * Progress is one line on standard error, rewritten in place, and only if that is a terminal. Complaints go to standard
 * error, totals to standard output.
 */
#include "crossref.h"
#include <sys/resource.h>
#include <time.h>

static const double MiB = 1024 * 1024;
static const uint64_t PROGRESS_EVERY_NS = 100000000;

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- while it runs ---------------------------------------------------------------------------------------------- */

void progress_update(crossref *x) {
    if (!x->progress_wanted)
        return;
    uint64_t now = now_ns();
    if (now - x->progress_ns < PROGRESS_EVERY_NS)
        return;
    x->progress_ns = now;
    bw_mem_stats stats;
    bw_read_mem_stats(&stats);
    bw_fprintf(stderr, "\r\033[K%d files, %d identifiers, %d places, heap %.0f MiB", bw_len(x->files), x->found,
               x->places, (double)stats.heap_alloc / MiB);
    fflush(stderr);
    x->progress_shown = true;
}

void progress_clear(crossref *x) {
    if (x->progress_shown)
        fputs("\r\033[K", stderr);
    x->progress_shown = false;
}

void complain(crossref *x, bw_error err) {
    progress_clear(x);
    bw_fprintf(stderr, "crossref: %v\n", err);
}

/* ---- at the end ------------------------------------------------------------------------------------------------- */

void print_totals(const crossref *x) {
    double seconds = (double)(now_ns() - x->started_ns) / 1e9, size = (double)x->bytes / MiB;
    bw_printf("read       %d files, %d lines, %.1f MiB in %.2f s (%.0f MiB/s)\n", bw_len(x->files), x->lines, size,
              seconds, size / seconds);
    if (x->unreadable || x->binary)
        bw_printf("skipped    %d that could not be read, %d binary\n", x->unreadable, x->binary);
    bw_printf("found      %d identifiers in %d places\n", x->found, x->places);
}

void print_collector(const crossref *x) {
    bw_mem_stats stats;
    bw_read_mem_stats(&stats);
    uint64_t elapsed_ns = now_ns() - x->started_ns, longest_ns = 0;
    for (size_t i = 0; i < sizeof stats.pause_ns / sizeof *stats.pause_ns; i++)
        longest_ns = stats.pause_ns[i] > longest_ns ? stats.pause_ns[i] : longest_ns;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_ms = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
    double gc_ms = (double)stats.gc_cpu_ns / 1e6;

    bw_printf("collector  %d collections; %.1f MiB live at the last, the next at %.1f MiB\n", stats.num_gc,
              (double)stats.heap_marked / MiB, (double)stats.next_gc / MiB);
    bw_printf("pauses     %.1f ms in all, %.1f %% of the time; the longest%s %.1f ms\n",
              (double)stats.pause_total_ns / 1e6, 100.0 * (double)stats.pause_total_ns / (double)elapsed_ns,
              stats.num_gc > 256 ? " of the last 256" : "", (double)longest_ns / 1e6);
    bw_printf("processor  %.0f ms collecting, %.1f %% of %.0f ms\n", gc_ms, cpu_ms > 0 ? 100 * gc_ms / cpu_ms : 0,
              cpu_ms);
    bw_printf("heap       %.1f MiB in %d objects, of %.1f MiB from the system\n", (double)stats.heap_alloc / MiB,
              stats.heap_objects, (double)stats.sys / MiB);
}
