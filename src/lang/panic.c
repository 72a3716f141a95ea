/* panic.c - panics: running what is deferred, going on where they are recovered, and the message of one that is not.
 *
 * A thread's state is bw__flow, three lists of records on its stack, the newest first: what it has deferred, where it
 * recovers (bw_try, bw_protect), and its panics. All the code runs in the panicking thread, RUNNING, on top of the
 * stack that panicked: nothing is unwound until the jump to where it is recovered, so that a panic that nobody recovers
 * still has its stack to print.
 *
 *     bw_try            bw_defer(f)        bw_panic                 bw_defer(g)       bw_panic
 *     |                 |                  |                        |                 |
 *     +-- tries <---+   +-- defers         +-- panics <--- link ----|-----------------+
 *                   |                      calls f, which ------->  panics itself: g runs, then what the first panic had left
 *
 * A record leaves its list before what it stands for is done: a deferred call that panics is not called again, and a
 * panic while recovering goes outwards.
 */
#include "lang.h"

#include <burrow/panic.h>
#include <burrow/print.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- runtime errors --- */

typedef struct runtime_error {
    bw_string text;
} runtime_error;
BW_TYPEDEF(runtime_error, text);

static bw_string runtime_error_error(runtime_error *error) {
    return error->text;
}
BW_IMPL(bw_error, runtime_error, (bw_string, error));

/* Those of faults need no memory. */
#define ERROR_OF(kind, message) [kind] = {{message, sizeof message - 1}},
static runtime_error fault_errors[OS_PANIC_KINDS] = {OS_PANIC_EACH(ERROR_OF)};

static runtime_error *runtime_error_new(enum os_panic_kind kind, const char *text) {
    if (fault_errors[kind].text.ptr)
        return &fault_errors[kind];
    size_t length = strlen(text);
    char *copy = string_memory(length);
    if (length)
        memcpy(copy, text, length);
    runtime_error *error = bw_new(runtime_error);
    error->text = (bw_string){copy, (ptrdiff_t)length};
    return error;
}

bool bw_is_runtime_error(bw_any value) {
    return value.type != NULL && value.type == bw_type_of(runtime_error *);
}

/* --- the message --- */

/* Where a value's bytes are. */
static const void *bytes_of(const bw_any *value) {
    return value->type->size <= sizeof value->bw__data ? (const void *)value->bw__data.bytes : value->bw__data.pointer;
}

/* A newline is followed by a tab, so that nothing in a text looks like a part of the message. */
static void print_text(const char *text, size_t length) {
    const char *newline;
    while (length > 0 && (newline = memchr(text, '\n', length)) != NULL) {
        size_t line = (size_t)(newline - text) + 1;
        os_write(2, text, line);
        os_write(2, "\t", 1);
        text += line;
        length -= line;
    }
    os_write(2, text, length);
}

/* The shortest decimal that reads back as the same number; as Go prints it: with an exponent below -4 and from 6 on. */
static void print_float(double value, bool is_float) {
    char text[40], digits[24];
    if (value != value || value - value != 0) {
        os_print(2, "%s", value != value ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    int count = 0, exponent = atoi(strchr(text, 'e') + 1);
    for (const char *at = text; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9') /* not the locale's decimal point */
            digits[count++] = *at;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    const char *sign = text[0] == '-' ? "-" : "";
    if (exponent < -4 || exponent >= 6)
        os_print(2, "%s%c%s%.*se%c%02d", sign, digits[0], count > 1 ? "." : "", count - 1, digits + 1,
                 exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
    else if (exponent < 0)
        os_print(2, "%s0.%.*s%.*s", sign, -exponent - 1, "0000", count, digits);
    else if (count <= exponent + 1)
        os_print(2, "%s%.*s%.*s", sign, count, digits, exponent + 1 - count, "00000");
    else
        os_print(2, "%s%.*s.%.*s", sign, exponent + 1, digits, count - exponent - 1, digits + exponent + 1);
}

#define READ(T) (*(const T *)at)
static void print_value(const bw_any *value) {
    if (value->type == NULL) {
        os_print(2, "nil");
        return;
    }
    const void *at = bytes_of(value);
    switch (value->type->kind) {
    case BW_KIND_BOOL: os_print(2, "%s", READ(bool) ? "true" : "false"); break;
    case BW_KIND_CHAR: os_print(2, "%d", READ(char)); break;
    case BW_KIND_INT8: os_print(2, "%d", READ(int8_t)); break;
    case BW_KIND_INT16: os_print(2, "%d", READ(int16_t)); break;
    case BW_KIND_INT: os_print(2, "%d", READ(int32_t)); break;
    case BW_KIND_INT64: os_print(2, "%lld", (long long)READ(int64_t)); break;
    case BW_KIND_UINT8: os_print(2, "%u", READ(uint8_t)); break;
    case BW_KIND_UINT16: os_print(2, "%u", READ(uint16_t)); break;
    case BW_KIND_UINT: os_print(2, "%u", READ(uint32_t)); break;
    case BW_KIND_UINT64: os_print(2, "%llu", (unsigned long long)READ(uint64_t)); break;
    case BW_KIND_FLOAT32: print_float((double)READ(float), true); break;
    case BW_KIND_FLOAT64: print_float(READ(double), false); break;
    case BW_KIND_STRING: print_text(READ(bw_string).ptr, (size_t)READ(bw_string).len); break;
    case BW_KIND_CSTRING: print_text(READ(char *), READ(char *) ? strlen(READ(char *)) : 0); break;
    default:
        /* As Go: the address of the value, or what it is if it is an address. */
        os_print(2, "(%s) %p", value->type->name,
                 value->type->kind == BW_KIND_POINTER || value->type->size > sizeof value->bw__data
                     ? value->bw__data.pointer
                     : at);
    }
}

/* The same value, not just an equal one: the same address, if it is on the heap. */
static bool is_same(const bw_any *a, const bw_any *b) {
    return a->type == b->type && a->bw__data.pointer == b->bw__data.pointer;
}

static void ask_text(bw_any *value) {
    const bw__table_head *error = value->type ? interface_table(value->type, &bw__type_bw_error) : NULL;
    const bw__table_head *stringer =
        value->type && error == NULL ? interface_table(value->type, &bw__type_bw_stringer) : NULL;
    bw_string text;
    if (error)
        text = ((const struct bw_error__table *)error)->error(value->bw__data.pointer);
    else if (stringer)
        text = ((const struct bw_stringer__table *)stringer)->string(value->bw__data.pointer);
    else
        return;
    *value = bw_any_of(text);
}

/* Values that have a text of their own become that: before the message is begun, since they may do anything. */
static void prepare(bw__panicking *panicking) {
    for (bw__panicking *p = panicking; p; p = p->link) {
        if (p->link && is_same(&p->value, &p->link->value)) {
            p->link->repanicked = true;
            continue;
        }
        bw_any failed = bw_protect(ask_text, &p->value);
        if (failed.type && failed.type->kind == BW_KIND_STRING) {
            const bw_string *text = failed.bw__data.pointer;
            os_fatal("panic while printing panic value: %.*s", (int)text->len, text->ptr);
        }
        if (failed.type)
            os_fatal("panic while printing panic value: type %s", failed.type->name);
    }
}

static void print_panics(const bw__panicking *p) {
    if (p->link) {
        print_panics(p->link);
        if (p->link->repanicked)
            return;
        os_write(2, "\t", 1);
    }
    os_write(2, "panic: ", 7);
    print_value(&p->value);
    if (p->recovered)
        os_print(2, p->repanicked ? " [recovered, repanicked]" : " [recovered]");
    os_write(2, "\n", 1);
}

static void __attribute__((noreturn)) end(bw__panicking *p, bool may_call) {
    if (may_call) {
        prepare(p);
        os_flush_output();
    }
    os_end_begin();
    if (p->kind == OS_PANIC_STACK && p->link == NULL)
        os_fault_end_of_stack();
    print_panics(p);
    while (p && p->kind == OS_PANIC_TEXT)
        p = p->link;
    if (p == NULL)
        os_fault.number = 0; /* that was another panic, and is over */
    os_end();
}

/* --- panicking --- */

/* The panics between this one and those that were under way when `try` began are over, but belong to the message of a
 * panic in the bw_recover block. Their records are on the stack that is given up. */
static bw__panicking *keep_panics(const bw__panicking *p, bw__panicking *until) {
    if (p == until)
        return until;
    bw__panicking *copy = bw_alloc(sizeof *copy);
    *copy = *p;
    copy->link = keep_panics(p->link, until);
    return copy;
}

static void __attribute__((noreturn)) recover(bw__panicking *p, bw__try *try) {
    try->recovered = *p;
    try->recovered.recovered = true;
    try->recovered.link = keep_panics(p->link, try->panics);
    try->caught = true;
    BW__HERE(bw__flow)->tries = try->outer;
    BW__HERE(bw__flow)->panics = &try->recovered;
    thread_recovered();
    longjmp(try->environment, 1); /* as _longjmp does, which the thread sanitizer overlooks */
}

/* Runs what was deferred since `until`. A record that is not as it was left is of a block that a longjmp has left: it
 * and what lies behind it is not known any more. */
static void run_defers(const bw__defer *until) {
    while (BW__HERE(bw__flow)->defers != until) {
        bw__defer *defer = BW__HERE(bw__flow)->defers;
        if (defer == NULL || defer->self != defer) {
            BW__HERE(bw__flow)->defers = NULL;
            return;
        }
        BW__HERE(bw__flow)->defers = defer->next;
        defer->self = NULL;
        bw__call_make(&defer->call);
    }
}

static void __attribute__((noreturn)) panic(enum os_panic_kind kind, bw_any value, bool may_recover) {
    bw__panicking p = {.value = value, .link = BW__HERE(bw__flow)->panics, .kind = (int)kind}, before;
    bw__try *try = BW__HERE(bw__flow)->tries;
    if (BW__HERE(bw__flow)->returned != NULL && BW__HERE(bw__flow)->returned == value.type &&
        ~BW__HERE(bw__flow)->hidden == (uintptr_t)value.bw__data.pointer) {
        before = (bw__panicking){.value = value, .link = p.link, .recovered = true};
        p.link = &before;
    }
    BW__HERE(bw__flow)->returned = NULL;
    if (!may_recover)
        end(&p, false);
    BW__HERE(bw__flow)->panics = &p;
    run_defers(try ? try->defers : NULL);
    if (try)
        recover(&p, try);
    end(&p, true);
}

static void __attribute__((noreturn)) raise_panic(enum os_panic_kind kind, const char *text) {
    if (thread_may_recover()) {
        bw_error error = bw_as(bw_error, runtime_error, runtime_error_new(kind, text));
        panic(kind, bw_any_of(error), true);
    }
    /* In a signal handler, where nothing can be allocated. */
    bw_string string = {text, (ptrdiff_t)strlen(text)};
    panic(kind, (bw_any){&bw__basic[BW_KIND_STRING], {&string}}, false);
}

void bw__panic(bw_any value) {
    bool may_recover = thread_may_recover();
    if (value.type == NULL)
        raise_panic(OS_PANIC_TEXT, "runtime error: panic called with nil argument");
    panic(OS_PANIC_TEXT, value, may_recover);
}

void bw__panic_divide(void) {
    raise_panic(OS_PANIC_DIVIDE, os_panic_texts[OS_PANIC_DIVIDE]);
}

bw_any bw__protect(const bw__call *call) {
    bw_any value = {NULL, {NULL}};
    bw_try {
        bw__call_make(call);
    }
    bw_recover(e) {
        value = e;
        BW__HERE(bw__flow)->returned =
            value.type->size > sizeof value.bw__data || value.type->kind == BW_KIND_POINTER ? value.type : NULL;
        BW__HERE(bw__flow)->hidden = ~(uintptr_t)value.bw__data.pointer;
    }
    return value;
}

/* --- told by the floors below --- */

static void thread_exits(void) {
    /* From pthread_exit the frames that deferred something are all there. What a longjmp left behind lies below this
     * one. */
    if (BW__HERE(bw__flow)->defers && (uintptr_t)BW__HERE(bw__flow)->defers > (uintptr_t)__builtin_frame_address(0) &&
        thread_may_recover())
        run_defers(NULL);
    BW__HERE(bw__flow)->defers = NULL;
}

static void thread_ended(void) {
    *BW__HERE(bw__flow) = (struct bw__flow){0};
}

const struct os_panic_hooks os_panic_hooks = {raise_panic, thread_exits, thread_ended};
