/* crossref.c - a cross-reference of the identifiers in C headers, built on a collected heap.
 *
 *     crossref                        reads /usr/include, prints the most frequent identifiers
 *     crossref printf size_t          prints where these are defined and used
 *     crossref --top 50 ./src         reads a tree of one's own
 *
 * A program of some size as one writes it when memory looks after itself: there is no free in it, and no thought given
 * to who owns what. Files are read by as many goroutines as there are processors.
 */
#include "crossref.h"
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { STATUS_ANSWERED = 0, STATUS_NOT_FOUND = 1, STATUS_USAGE = 2 };
enum { DEFAULT_TOP = 20, DEFAULT_LIMIT = 10 };

typedef struct options {
    bw_slice(bw_string) paths, names;
    ptrdiff_t top;
    bool has_top;
    ptrdiff_t limit;
    bool totals;
    bool statistics;
} options;

static const char help[] =
    "usage: crossref [OPTION...] [PATH...] [NAME...]\n"
    "\n"
    "Reads C headers, finds every identifier in them, and prints the places of each NAME,\n"
    "those that look like definitions first. Without a NAME: the most frequent identifiers.\n"
    "\n"
    "A PATH is a tree, in which every regular file whose name ends in .h is read, or a file,\n"
    "which is read whatever its name is. What has a slash in it, and . and .., is a PATH; give\n"
    "others with --dir. Without a PATH: /usr/include.\n"
    "\n"
    "  -d, --dir PATH     read this; - is standard input; may be given several times\n"
    "  -t, --top N        print the N most frequent identifiers (default: 20, or with a NAME none)\n"
    "  -l, --limit N      print at most N definitions and N uses of each NAME (default: 10)\n"
    "  -a, --all          print all of them\n"
    "  -q, --quiet        print the answers only: no progress, no totals, no statistics\n"
    "      --no-stats     no statistics of the collector, no ledger\n"
    "  -h, --help         print this\n"
    "  -V, --version      print the version\n"
    "\n"
    "Links are followed; a file or directory met again, under any name, is not read again.\n"
    "What cannot be read is named on standard error and skipped, binary files (those with a\n"
    "NUL in them) are skipped and counted.\n"
    "\n"
    "Exit status: 0 if everything asked for was answered, even if something was skipped;\n"
    "1 if a NAME was not found, nothing could be read, or the answer could not be written;\n"
    "2 for a wrong option.\n";

static _Noreturn void refuse(void) {
    fputs("Try: crossref --help\n", stderr);
    exit(STATUS_USAGE);
}

static ptrdiff_t count_from(const char *text, const char *option) {
    uint64_t count;
    if (!bw_is_nil(bw_parse_uint(bw_string_of(text), 10, 63, &count))) {
        bw_fprintf(stderr, "crossref: %s wants a number, not '%s'\n", option, printable(bw_string_of(text)));
        refuse();
    }
    return (ptrdiff_t)count;
}

static options options_from(int argc, char **argv) {
    enum { OPTION_NO_STATS = 256 };
    static const struct option known[] = {
        {"dir", required_argument, NULL, 'd'},
        {"top", required_argument, NULL, 't'},
        {"limit", required_argument, NULL, 'l'},
        {"all", no_argument, NULL, 'a'},
        {"quiet", no_argument, NULL, 'q'},
        {"no-stats", no_argument, NULL, OPTION_NO_STATS},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    options o = {.limit = DEFAULT_LIMIT, .totals = true, .statistics = true};
    int option;
    while ((option = getopt_long(argc, argv, "d:t:l:aqhV", known, NULL)) != -1) {
        switch (option) {
        case 'd': o.paths = bw_append(o.paths, bw_string_of(optarg)); break;
        case 't':
            o.top = count_from(optarg, "--top");
            o.has_top = true;
            break;
        case 'l': o.limit = count_from(optarg, "--limit"); break;
        case 'a': o.limit = PTRDIFF_MAX; break;
        case 'q': o.totals = o.statistics = false; break;
        case OPTION_NO_STATS: o.statistics = false; break;
        case 'h': fputs(help, stdout); exit(STATUS_ANSWERED);
        case 'V': printf("crossref (Burrow %s)\n", bw_version()); exit(STATUS_ANSWERED);
        default: refuse(); /* getopt_long has said why */
        }
    }
    for (; optind < argc; optind++) {
        bw_string argument = bw_string_of(argv[optind]);
        if (bw_str_contains(argument, bw_str("/")) || bw_str_eq(argument, bw_str(".")) ||
            bw_str_eq(argument, bw_str("..")))
            o.paths = bw_append(o.paths, argument);
        else
            o.names = bw_append(o.names, argument);
    }
    if (bw_len(o.paths) == 0)
        o.paths = bw_append(o.paths, bw_str("/usr/include"));
    if (!o.has_top && bw_len(o.names) == 0)
        o.top = DEFAULT_TOP;
    return o;
}

static bool answer(const crossref *x, const options *o) {
    bool found = true;
    if (o->top)
        answer_top(x, o->top);
    bw_range(i, name, o->names) {
        if (i > 0 || o->top)
            putchar('\n');
        found &= answer_name(x, name, o->limit);
    }
    if (o->totals && (o->top || bw_len(o->names) > 0))
        putchar('\n');
    return found;
}

int main(int argc, char **argv) {
    options o = options_from(argc, argv);
    crossref *x = crossref_new();
    x->progress_wanted = o.totals && isatty(STDERR_FILENO);
    read_all(x, o.paths);
    progress_clear(x);

    bool found = bw_len(x->files) > 0;
    if (found)
        found = answer(x, &o);
    else
        complain(x, bw_errors_new("no C header was read"));
    if (o.totals)
        print_totals(x);
    if (o.statistics) {
        print_collector(x);
        putchar('\n');
        fflush(stdout);
        bw_ledger_print(STDOUT_FILENO);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("crossref: standard output");
        return STATUS_NOT_FOUND;
    }
    return found ? STATUS_ANSWERED : STATUS_NOT_FOUND;
}
