/* os_report.c - messages, and the two ways to end a program: fatal errors and panics. */
#include "os_interpose.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT_OF(kind, text) [kind] = text,
const char *const os_panic_texts[OS_PANIC_KINDS] = {OS_PANIC_EACH(TEXT_OF)};

void os_write(int fd, const char *text, size_t length) {
    while (length > 0) {
        /* Not write(): that is a place where a thread can be cancelled, and this may be under a lock. */
        ssize_t written = syscall(SYS_write, fd, text, length);
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

void os_flush_output(void) {
    if (ftrylockfile(stdout) == 0) {
        fflush_unlocked(stdout);
        funlockfile(stdout);
    }
}

void os_print(int fd, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        os_write(fd, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* One message, even if several threads end the program at once. */
static _Atomic pid_t ending; /* the thread that does */

bool os_is_ending(void) {
    return atomic_load(&ending) == os_thread_id();
}

void os_end_begin(void) {
    pid_t nobody = 0, self = os_thread_id();
    if (atomic_compare_exchange_strong(&ending, &nobody, self))
        return;
    if (nobody == self) {
        os_write(2, "panic while ending the program\n", 31);
        _exit(2);
    }
    os_thread_hooks_table.stays();
    for (;;)
        pause();
}

void os_end(void) {
    if (os_fault.number == SIGSEGV || os_fault.number == SIGBUS)
        os_print(2, "[signal %s code=0x%x addr=0x%lx pc=0x%lx]\n",
                 os_fault.number == SIGSEGV ? "SIGSEGV: segmentation violation" : "SIGBUS: bus error", os_fault.code,
                 (unsigned long)os_fault.address, (unsigned long)os_fault.pc);
    os_write(2, "\n", 1);
    os_stack_print(2, "running");
    _exit(2);
}

/* Text after a prefix, with a newline at its end; what does not fit is cut off. */
static void write_line(const char *kind, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
static void write_line(const char *kind, const char *format, va_list arguments) {
    char text[2048];
    int used = snprintf(text, sizeof text, "%s", kind);
    used += vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    if ((size_t)used > sizeof text - 2)
        used = (int)sizeof text - 2;
    text[used++] = '\n';
    os_write(2, text, (size_t)used);
}

void os_fatal(const char *format, ...) {
    va_list arguments;
    if (os_is_clone)
        _exit(2); /* the program goes on, and needs not know */
    os_end_begin();
    va_start(arguments, format);
    write_line("fatal error: ", format, arguments);
    va_end(arguments);
    _exit(2);
}

void os_panic(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (os_panic_hooks_if_linked()) {
        char text[2048];
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        os_panic_hooks_if_linked()->raise(OS_PANIC_TEXT, text);
    }
    os_flush_output();
    os_end_begin();
    write_line("panic: ", format, arguments);
    va_end(arguments);
    os_end();
}
