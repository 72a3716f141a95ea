/* knobs.c - GOGC, GOMEMLIMIT, GOMAXPROCS and BURROWDEBUG, with Go's syntax. Unknown or impossible values are told once
 * and ignored. Read before anything else is made; nothing here allocates. */
#include "gc.h"

#include <string.h>

struct knobs knobs = {.gc_percent = 100, .memory_limit = INT64_MAX, .mark = MARK_AUTO};

static bool is(const char *text, size_t length, const char *word) {
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* A number with nothing after it; false if it is not one or does not fit. */
static bool number(const char *text, size_t length, int64_t *value) {
    bool negative = length > 0 && text[0] == '-';
    int64_t sum = 0;
    size_t i = negative;
    if (i == length)
        return false;
    for (; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, text[i] - '0', &sum))
            return false;
    }
    *value = negative ? -sum : sum;
    return true;
}

/* Bytes: a number with B, KiB, MiB, GiB or TiB after it, or nothing, as GOMEMLIMIT has it. */
static bool size(const char *text, size_t length, int64_t *value) {
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}};
    unsigned shift = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t unit = strlen(units[i].unit);
        if (length > unit && is(text + length - unit, unit, units[i].unit)) {
            shift = units[i].shift;
            length -= unit;
            break;
        }
    }
    return number(text, length, value) && *value >= 0 && *value <= INT64_MAX >> shift && (*value <<= shift, true);
}

static void complain(const char *variable, const char *text, size_t length, const char *wanted) {
    os_print(2, "burrow: %s: %.*s: %s; ignored\n", variable, (int)length, text, wanted);
}

enum knob_form { FLAG, COUNT, BYTES, COMPACT, MARK, MINOR };
static bool compact_mode(const char *text, size_t length, int64_t *value);
static bool mark_mode(const char *text, size_t length, int64_t *value);
static bool minor_mode(const char *text, size_t length, int64_t *value);
static const struct {
    const char *values, *wrong;
    bool (*read)(const char *text, size_t length, int64_t *value);
} forms[] = {
    [FLAG] = {"0|1", "not a number", number},
    [COUNT] = {"N", "not a number", number},
    [BYTES] = {"SIZE", "not a size such as 64MiB", size},
    [COMPACT] = {"off|auto|always|all", "not off, auto, always or all", compact_mode},
    [MARK] = {"stop|watch|snapshot|auto", "not stop, watch, snapshot or auto", mark_mode},
    [MINOR] = {"auto|off|always", "not auto, off or always", minor_mode},
};
static const struct {
    const char *name;
    enum knob_form form;
    const char *help;
} debug_knobs[] = {
    {"gctrace", FLAG, "a line for each collection, in Go's format"},
    {"verify", FLAG, "after each collection mark again and compare"},
    {"gcstress", COUNT, "a collection every N slow-path allocations"},
    {"poison", FLAG, "freed memory is filled with 0xdb"},
    {"minheap", BYTES, "no collection before the heap has this size"},
    {"ledger", FLAG, "the ledger as a table at exit"},
    {"stopsignal", COUNT, "the signal that stops threads"},
    {"failcall", COUNT, "the Nth call that asks the system for memory or a thread, or is on a descriptor, fails"},
    {"failfrom", COUNT, "that one and every later one fail"},
    {"schedstress", COUNT, "one in N steps of the scheduler takes up to 50 microseconds"},
    {"leaks", FLAG, "collections find goroutines that can never run again"},
    {"sigquit", FLAG, "after SIGQUIT the program goes on"},
    {"schedtrace", COUNT, "every N milliseconds a line about the workers, in Go's format"},
    {"scheddetail", FLAG, "with schedtrace: each worker and goroutine as well"},
    {"compact", COMPACT, "auto: collections compact when the heap is fragmented; always: each does; all: of any type"},
    {"mark", MARK,
     "stop: marking while the program is stopped; watch: beside it; snapshot: in a copy of it; auto: what is best"},
    {"compactpause", COUNT, "with compact=auto: for at most about N milliseconds at a time"},
    {"metrics", FLAG, "all metrics at exit, a line each"},
    {"minor", MINOR,
     "collections that mark only what is new, where pages are watched: auto: where it pays; always: if it can be"},
};

/* One of the words, up to NULL. */
static bool one_of(const char *const *words, const char *text, size_t length, int64_t *value) {
    for (*value = 0; words[*value]; ++*value)
        if (is(text, length, words[*value]))
            return true;
    return false;
}

static bool compact_mode(const char *text, size_t length, int64_t *value) {
    static const char *const words[] = {"off", "auto", "always", "all", NULL};
    return one_of(words, text, length, value);
}

static bool mark_mode(const char *text, size_t length, int64_t *value) {
    static const char *const words[] = {"stop", "watch", "snapshot", "auto", NULL};
    return one_of(words, text, length, value);
}

static bool minor_mode(const char *text, size_t length, int64_t *value) {
    static const char *const words[] = {"auto", "off", "always", NULL};
    return one_of(words, text, length, value);
}

static bool is_signal(int knob) {
    return strcmp(debug_knobs[knob].name, "stopsignal") == 0;
}

static void set_debug(int knob, int64_t value) {
    switch (knob) {
    case 0: knobs.trace = value != 0; break;
    case 1: knobs.verify = value != 0; break;
    case 2: heap.stress = (uint32_t)value; break;
    case 3: heap.poison = value != 0; break;
    case 4: knobs.min_heap = (size_t)value; break;
    case 5: knobs.ledger_at_exit = value != 0; break;
    case 6: knobs.stop_signal = (int)value; break;
    case 9: knobs.sched_stress = (uint32_t)value; break;
    case 10: knobs.leaks = value != 0; break;
    case 11: knobs.survives_quit = value != 0; break;
    case 12: knobs.sched_trace = (uint32_t)value; break;
    case 13: knobs.sched_detail = value != 0; break;
    case 14: knobs.compact = (enum compact_mode)value; break;
    case 15: knobs.mark = (enum mark_mode)value; break;
    case 16: knobs.compact_pause = value * 1000000; break;
    case 17: knobs.metrics_at_exit = value != 0; break;
    case 18: knobs.minor = (enum minor_mode)value; break;
    case 8:
        os_fail_all_after = true; /* fall through */
        __attribute__((fallthrough));
    case 7: atomic_store(&os_fail_countdown, (long)value); break;
    }
}

static void print_help(void) {
    os_print(2, "BURROWDEBUG is a comma-separated list of name=value:\n");
    for (size_t i = 0; i < sizeof debug_knobs / sizeof *debug_knobs; i++)
        os_print(2, "  %s=%s\t%s\n", debug_knobs[i].name, forms[debug_knobs[i].form].values, debug_knobs[i].help);
}

static void read_debug(const char *text) {
    while (*text) {
        size_t length = strcspn(text, ","), name = strcspn(text, "=,");
        const char *value = text + name + 1;
        size_t value_length = length > name ? length - name - 1 : 0;
        int64_t got = 0;
        size_t knob = 0, count = sizeof debug_knobs / sizeof *debug_knobs;
        while (knob < count && !is(text, name, debug_knobs[knob].name))
            knob++;
        if (is(text, name, "help")) {
            print_help();
        } else if (knob == count) {
            if (length > 0)
                complain("BURROWDEBUG", text, length, "no such knob (BURROWDEBUG=help=1 lists them)");
        } else if (!forms[debug_knobs[knob].form].read(value, value_length, &got)) {
            complain("BURROWDEBUG", text, length, forms[debug_knobs[knob].form].wrong);
        } else if (got < 0 || (debug_knobs[knob].form == FLAG && got > 1) ||
                   (debug_knobs[knob].form == COUNT && got > INT32_MAX) || (is_signal((int)knob) && got > SIGRTMAX)) {
            complain("BURROWDEBUG", text, length, "out of range");
        } else {
            set_debug((int)knob, got);
        }
        text += length;
        if (*text == ',')
            text++;
    }
}

void knobs_read(void) {
    const char *text;
    int64_t value;
    os_start_ns();
    knobs.processors = os_cpu_count();
    if ((text = os_getenv("GOMAXPROCS")) != NULL && *text) {
        if (number(text, strlen(text), &value) && value > 0 && value < 65536)
            knobs.processors = (int)value;
        else
            complain("GOMAXPROCS", text, strlen(text), "not a number above 0");
    }
    if ((text = os_getenv("GOGC")) != NULL && *text) {
        if (is(text, strlen(text), "off"))
            knobs.gc_percent = -1;
        else if (number(text, strlen(text), &value) && value <= INT32_MAX && value >= INT32_MIN)
            knobs.gc_percent = value < 0 ? -1 : value;
        else
            complain("GOGC", text, strlen(text), "neither a percentage nor \"off\"");
    }
    if ((text = os_getenv("GOMEMLIMIT")) != NULL && *text) {
        if (is(text, strlen(text), "off"))
            knobs.memory_limit = INT64_MAX;
        else if (size(text, strlen(text), &value))
            knobs.memory_limit = value;
        else
            complain("GOMEMLIMIT", text, strlen(text), "neither a size such as 512MiB nor \"off\"");
    }
    if ((text = os_getenv("BURROWDEBUG")) != NULL)
        read_debug(text);
    pacer_update();
}
