/* os_report.c - messages, and the two ways to end a program: fatal errors and panics. */
#include "os.h"

#include <execinfo.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void write_all(int fd, const char *text, size_t length) {
    while (length > 0) {
        /* Not write(): that is a place where a thread can be cancelled, and this may be under a lock. */
        ssize_t written = syscall(SYS_write, fd, text, length);
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

void os_print(int fd, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        write_all(fd, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static void __attribute__((format(printf, 2, 0), noreturn))
end(const char *kind, const char *format, va_list arguments, bool stack) {
    /* One message, even if several threads end the program at once. */
    static atomic_flag ending = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&ending))
        for (;;)
            pause();
    char text[2048];
    int used = snprintf(text, sizeof text, "%s", kind);
    used += vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    if ((size_t)used > sizeof text - 2)
        used = (int)sizeof text - 2;
    text[used++] = '\n';
    write_all(2, text, (size_t)used);
    if (stack) {
        void *frames[64];
        int count = backtrace(frames, 64);
        os_print(2, "\nthread %d [running]:\n", (int)os_thread_id());
        if (count > 2)
            backtrace_symbols_fd(frames + 2, count - 2, 2);
    }
    _exit(2);
}

void os_fatal(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    end("fatal error: ", format, arguments, false);
    va_end(arguments);
}

void os_panic(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    end("panic: ", format, arguments, true);
    va_end(arguments);
}
