/* 13_errors.c - errors: values that say what went wrong.
 *
 * Shows a function that returns an error, a caller that wraps it with what it knows, and whoever is above asking what
 * is in it: by identity, by type, by the system's number. The ledger counts errors among what is kept for safety.
 */
#include "ledger.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

BW_STRUCT(RangeError, (int, value), (int, limit));
static bw_string RangeError_error(RangeError *e) {
    return bw_sprintf("%d is over %d", e->value, e->limit);
}
BW_IMPL(bw_error, RangeError, (bw_string, error));

static bw_error check(int value, int limit) {
    if (value <= limit)
        return bw_nil;
    RangeError *e = bw_new(RangeError);
    *e = (RangeError){value, limit};
    return bw_as(bw_error, RangeError, e);
}

/* Reads a number from a file. What has been opened is closed however this is left. */
static bw_error read_number(const char *path, int *number) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bw_path_error("open", path, errno);
    bw_defer(close, fd);
    char text[20];
    ssize_t got = read(fd, text, sizeof text);
    if (got < 0)
        return bw_path_error("read", path, errno);
    return bw_atoi(bw_str_trim_space(bw_string_from(text, got)), number);
}

static bw_error configure(const char *path) {
    int number = 0;
    bw_error err = read_number(path, &number);
    if (bw_is_nil(err)) /* err == nil */
        err = check(number, 100);
    return bw_is_nil(err) ? bw_nil : bw_errorf("configure: %w", err);
}

int main(void) {
    bw_error err = configure("/no/such/file");
    bw_println(err);
    bw_printf("not there: %t, not allowed: %t, errno: %d\n", bw_errors_is(err, bw_err_not_exist()),
              bw_errors_is(err, bw_err_permission()), bw_errno_of(err));
    bw_println("the file is", bw_path_error_of(err)->path);

    bw_println(configure("/dev/null"));

    RangeError *range;
    err = bw_errorf("no good: %w", check(120, 100));
    if (bw_errors_as(RangeError *, err, &range)) /* errors.As(err, &range) */
        bw_printf("%v: %d too much\n", err, range->value - range->limit);
    bw_println(check(99, 100));

    bw_error full = bw_errors_new("the disk is full");
    bw_error both = bw_errors_join(err, bw_nil, full);
    bw_printf("%v\nfull: %t, what the first wraps: %v\n", both, bw_errors_is(both, full), bw_errors_unwrap(err));
    bw_printf("one text, one error: %t\n", bw_eq(full, bw_errors_new("the disk is full")));
    ledger_after("all of that");
    ledger_balance();
    return 0;
}
