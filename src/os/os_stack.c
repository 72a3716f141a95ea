/* os_stack.c - stacks as text, in Go's form: for each call the function's name, then where in which file.
 *
 *     goroutine 1 [running]:
 *     area(...)
 *             /home/me/shapes.c:12 +0x1d
 *
 * The addresses come from glibc's backtrace, the names and lines from libbacktrace, which comes with gcc and is part of
 * the library (cmake/BurrowBacktrace.cmake); where it is not, names are those that objects export, and the file is the
 * object. Both take memory and the loader's lock: nothing here is called while the caller holds a lock of the library.
 *
 * The calls of Burrow itself at a stack's beginning are left out, so that it begins where the program went wrong.
 */
#include "os.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST_FRAMES ((size_t)1 << 20)
#define SHOWN_FRAMES ((size_t)50) /* of each end */

static _Atomic int last_number = 1;
__thread struct os_goroutine os_goroutine_now __attribute__((tls_model("initial-exec")));

int os_goroutine(void) {
    if (os_goroutine_now.number == 0)
        os_goroutine_now.number = os_thread_id() == getpid() ? 1 : os_goroutine_next(1);
    return os_goroutine_now.number;
}

int os_goroutine_next(int count) {
    return atomic_fetch_add_explicit(&last_number, count, memory_order_relaxed) + 1;
}

void os_goroutine_made(uintptr_t by, int maker) {
    os_goroutine_now.made_by = by;
    os_goroutine_now.maker = maker;
}

/* --- from an address to a name --- */

/* One call: an address has several if functions were inlined. */
struct call {
    const char *function, *file; /* NULL: not known */
    int line;
    bool inlined;
};
struct address {
    uintptr_t pc;
    uintptr_t start; /* of the function; 0: not known */
    struct call calls[16];
    size_t count;
};

#if BURROW_LIBBACKTRACE
/* backtrace.h of libbacktrace, under the names that the bundled copy has. Hidden, also in the shared library. */
#define BUNDLED __attribute__((visibility("hidden")))
struct backtrace_state;
typedef void (*backtrace_failed)(void *data, const char *message, int error);
BUNDLED extern struct backtrace_state *burrow_backtrace_create_state(const char *, int threaded, backtrace_failed,
                                                                     void *);
BUNDLED extern int burrow_backtrace_pcinfo(struct backtrace_state *, uintptr_t,
                                           int (*)(void *, uintptr_t, const char *, int, const char *),
                                           backtrace_failed, void *);
BUNDLED extern int burrow_backtrace_syminfo(struct backtrace_state *, uintptr_t,
                                            void (*)(void *, uintptr_t, const char *, uintptr_t, uintptr_t),
                                            backtrace_failed, void *);

static void failed(void *data, const char *message, int error) {
    (void)data, (void)message, (void)error; /* names are missing then */
}

static int found_line(void *data, uintptr_t pc, const char *file, int line, const char *function) {
    struct address *address = data;
    const char *whole = file ? strstr(file, "//") : NULL; /* a directory and an absolute name: of clang's DWARF 5 */
    (void)pc;
    if (whole)
        file = whole + 1;
    if (address->count < sizeof address->calls / sizeof *address->calls && (file || function)) {
        if (address->count > 0)
            address->calls[address->count - 1].inlined = true;
        address->calls[address->count++] = (struct call){function, file, line, false};
    }
    return 0;
}

static void found_symbol(void *data, uintptr_t pc, const char *name, uintptr_t value, uintptr_t size) {
    struct address *address = data;
    (void)pc, (void)size;
    if (name == NULL)
        return;
    address->start = value;
    if (address->count == 0)
        address->calls[address->count++] = (struct call){0};
    struct call *call = &address->calls[address->count - 1];
    if (call->function == NULL)
        call->function = name;
}

static void look_up(struct address *address) {
    static struct backtrace_state *state;
    if (state == NULL)
        /* Not /proc/self/exe, which is gone with the main thread. */
        state = burrow_backtrace_create_state("/proc/thread-self/exe", 0, failed, NULL);
    if (state == NULL)
        return;
    burrow_backtrace_pcinfo(state, address->pc, found_line, failed, address);
    burrow_backtrace_syminfo(state, address->pc, found_symbol, failed, address);
}
#else
static void look_up(struct address *address) {
    Dl_info info;
    if (dladdr((void *)address->pc, &info) == 0 || info.dli_sname == NULL)
        return;
    address->start = (uintptr_t)info.dli_saddr;
    address->calls[address->count++] = (struct call){info.dli_sname, NULL, 0, false};
}
#endif

/* What a frame shows: the address after a call, so that the call itself is looked up; or an instruction. */
static void resolve(struct address *address, uintptr_t frame, bool exact) {
    *address = (struct address){.pc = exact ? frame : frame - 1};
    look_up(address);
}

/* A stack's frames from the innermost outwards, of which some in the middle may not be listed. */
static uintptr_t frame_at(const os_traceback *traceback, size_t index) {
    return traceback->frames[index < traceback->count / 2 ? index : index - (traceback->total - traceback->count)];
}

static void resolve_at(const os_traceback *traceback, size_t index, struct address *address) {
    uintptr_t frame = frame_at(traceback, index);
    bool faulted = os_fault.number && frame == os_fault.pc; /* the instruction itself */
    resolve(address, frame, faulted || (index == 0 && traceback->exact));
}

static bool begins(const char *text, const char *with) {
    return text && strncmp(text, with, strlen(with)) == 0;
}

/* Is it a call within the library, or one that its headers made? */
static bool is_own(const struct call *call) {
    static const char this_file[] = __FILE__;
    const size_t tail = sizeof "src/os/os_stack.c" - 1;
    /* The sanitizers have a function of theirs in front of backtrace. */
    if (begins(call->function, "bw_") || begins(call->function, "__interceptor_backtrace"))
        return true;
    if (call->file == NULL)
        return begins(call->function, "os_");
    size_t root = sizeof this_file - 1 - tail;
    return strncmp(call->file, this_file, root) == 0 && begins(call->file + root, "src/");
}

/* Is it one of those by which a panic, or a stored call, comes from one function of the program to the next? Of them
 * only `panic` is shown, as Go does. */
static bool is_between(const struct call *call) {
    static const char *const names[] = {"bw__call_make", "bw__defer_end",  "bw__defer_left", "run_defers",
                                        "bw__panic",     "raise_panic",    "bw__protect",    "recover",
                                        "os_panic",      "os_fault_raise", "os_fault_entry"};
    if (!is_own(call))
        return false;
    for (size_t i = 0; call->function && i < sizeof names / sizeof *names; i++)
        if (strcmp(call->function, names[i]) == 0)
            return true;
    return false;
}

/* --- printing --- */

struct text {
    int fd;
    size_t used;
    char bytes[4096];
};

static void __attribute__((format(printf, 2, 3))) put(struct text *text, const char *format, ...) {
    va_list arguments;
    for (int round = 0; round < 2; round++) {
        size_t room = sizeof text->bytes - text->used;
        va_start(arguments, format);
        int length = vsnprintf(text->bytes + text->used, room, format, arguments);
        va_end(arguments);
        if (length < 0)
            return;
        if ((size_t)length < room || text->used == 0) {
            text->used += (size_t)length < room ? (size_t)length : room - 1;
            return;
        }
        os_write(text->fd, text->bytes, text->used);
        text->used = 0;
    }
}

static void print_place(struct text *text, const struct address *address, const struct call *call) {
    if (call && call->file) {
        put(text, "\t%s:%d", call->file, call->line);
    } else {
        Dl_info info;
        bool known = dladdr((void *)address->pc, &info) != 0 && info.dli_fname;
        put(text, "\t%s", known ? info.dli_fname : "?");
    }
}

static void print_calls(struct text *text, const struct address *address, size_t from, uintptr_t frame) {
    if (address->count == 0) {
        put(text, "0x%lx(...)\n", (unsigned long)frame);
        print_place(text, address, NULL);
        put(text, "\n");
    }
    for (size_t i = from; i < address->count; i++) {
        const struct call *call = &address->calls[i];
        if (is_between(call))
            continue;
        put(text, "%s(...)\n", call->function ? call->function : "?");
        print_place(text, address, call);
        if (!call->inlined && address->start)
            put(text, " +0x%lx", (unsigned long)(frame - address->start));
        put(text, "\n");
    }
}

static const char *function_at(const os_traceback *traceback, size_t index) {
    struct address address;
    resolve_at(traceback, index, &address);
    return address.count ? address.calls[address.count - 1].function : NULL;
}

/* What comes after the program's outermost function is left out: libc's calls, and Burrow's of a thread's function or a
 * goroutine's. */
static size_t find_end(const os_traceback *traceback) {
    static const char *const callers[] = {"thread_start", "c11_thread_start", "sched_entry", "run_first"};
    size_t count = traceback->total;
    for (size_t i = count; i > 0 && i + 8 > count; i--) {
        const char *function = function_at(traceback, i - 1);
        if (function && strcmp(function, "main") == 0)
            return i;
        for (size_t k = 0; function && k < sizeof callers / sizeof *callers; k++)
            if (strcmp(function, callers[k]) == 0)
                return i - 1;
    }
    while (count > 1 && function_at(traceback, count - 1) == NULL)
        count--;
    return count;
}

/* A thread that was about to stop by itself when the signal came was interrupted in what the library called. */
static size_t find_stop(const os_traceback *traceback) {
    for (size_t i = 0; i < traceback->total && i < 6; i++) {
        const char *function = function_at(traceback, i);
        if (function && strcmp(function, "world_park") == 0)
            return i;
    }
    return 0;
}

/* The first frame to show, and in it the first call: those of the library go, as far as they are at the beginning.
 * Without lines they are told by the public names among them. */
static size_t find_begin(const os_traceback *traceback, size_t *call) {
    struct address address;
    size_t begin = 0;
    *call = 0;
    for (size_t i = find_stop(traceback); i < traceback->total && i < 16; i++) {
        resolve_at(traceback, i, &address);
        bool lines = address.count && address.calls[address.count - 1].file;
        size_t own = 0;
        while (own < address.count && is_own(&address.calls[own]))
            own++;
        if (address.count && own == address.count) {
            begin = i + 1;
            *call = 0;
        } else if (own > 0) {
            *call = own;
            return i;
        } else if (lines || (begin == i && i > 0 && begins(function_at(traceback, i - 1), "bw_"))) {
            break;
        }
    }
    return begin;
}

/* False: there are none of the program's. */
static bool print_frames(struct text *text, const os_traceback *traceback) {
    size_t call, begin = find_begin(traceback, &call), end = find_end(traceback);
    if (begin >= end) {
        if (traceback->function)
            return false;
        begin = call = 0;
    }
    for (size_t i = begin; i < end; i++) {
        struct address address;
        if (end - begin > 2 * SHOWN_FRAMES && i == begin + SHOWN_FRAMES) {
            put(text, "...%zu frames elided...\n", end - begin - 2 * SHOWN_FRAMES);
            i = end - SHOWN_FRAMES;
        }
        resolve_at(traceback, i, &address);
        print_calls(text, &address, i == begin ? call : 0, frame_at(traceback, i));
    }
    return true;
}

void os_traceback_print(int fd, const os_traceback *traceback) {
    static os_lock lock;
    os_lock_acquire(&lock);
    struct text text = {.fd = fd};
    put(&text, "goroutine %d [%s", traceback->goroutine.number, traceback->state);
    if (traceback->leaked)
        put(&text, " (leaked)");
    if (traceback->minutes > 0)
        put(&text, ", %u minutes", traceback->minutes);
    if (traceback->locked)
        put(&text, ", locked to thread");
    put(&text, "]:\n");
    if (!print_frames(&text, traceback) && traceback->function) {
        struct address address;
        resolve(&address, traceback->function, true);
        print_calls(&text, &address, 0, traceback->function);
    }
    if (traceback->goroutine.made_by) {
        struct address address;
        resolve(&address, traceback->goroutine.made_by, false);
        struct call *call = address.count ? &address.calls[address.count - 1] : NULL;
        put(&text, "created by %s in goroutine %d\n", call && call->function ? call->function : "?",
            traceback->goroutine.maker);
        print_place(&text, &address, call);
        put(&text, " +0x%lx\n", (unsigned long)(address.start ? traceback->goroutine.made_by - address.start : 0));
    }
    os_write(fd, text.bytes, text.used);
    os_lock_release(&lock);
}

void os_stack_print(int fd, const char *state) {
    void *few[8], **frames = os_map(MOST_FRAMES * sizeof *frames);
    int count = frames ? backtrace(frames, (int)MOST_FRAMES) : backtrace(few, 8);
    os_goroutine();
    os_traceback_print(fd, &(os_traceback){.goroutine = os_goroutine_now,
                                           .state = state,
                                           .total = (size_t)count,
                                           .count = (size_t)count,
                                           .frames = (const uintptr_t *)(frames ? frames : few)});
    if (frames)
        os_unmap(frames, MOST_FRAMES * sizeof *frames);
}
