/* burrow/error.h - Go's errors: values that say what went wrong, that can be wrapped, and be found in what wraps them.
 *
 * A bw_error is an interface value with one method, `error`, which gives the message; nil, the zero value, is success.
 * A function that may fail returns one, and a caller that adds what it knows wraps it with %w. Example:
 *
 *     #include <errno.h>
 *     #include <fcntl.h>
 *
 *     static bw_error load(const char *path) {
 *         int fd = open(path, O_RDONLY);
 *         if (fd < 0)
 *             return bw_errorf("load: %w", bw_path_error("open", path, errno));
 *         close(fd);
 *         return bw_nil;
 *     }
 *     int main(void) {
 *         bw_error err = load("/no/such/file");
 *         if (bw_errors_is(err, bw_err_not_exist()) && bw_errno_of(err) == ENOENT)
 *             bw_println(err);
 *         return bw_is_nil(err);
 *     }
 *
 * prints "load: open /no/such/file: no such file or directory". A type of errors of one's own has the method by
 * BW_IMPL. Example:
 *
 *     BW_STRUCT(range_error, (int, value), (int, limit));
 *     static bw_string range_error_error(range_error *e) {
 *         return bw_sprintf("%d is over %d", e->value, e->limit);
 *     }
 *     BW_IMPL(bw_error, range_error, (bw_string, error));
 *
 *     static bw_error check(int value, int limit) {
 *         if (value <= limit)
 *             return bw_nil;
 *         range_error *e = bw_new(range_error);
 *         *e = (range_error){value, limit};
 *         return bw_as(bw_error, range_error, e);
 *     }
 *     static int by_how_much(bw_error err) {
 *         range_error *e;
 *         return bw_errors_as(range_error *, err, &e) ? e->value - e->limit : 0;
 *     }
 *
 * Errors are compared by identity (bw_eq): two of bw_errors_new with one text are two errors. All functions may be
 * called from any thread, and with errors of nil. The library's own types are called, by %T, *bw_error_string (of
 * bw_errors_new and bw_errorf), *bw_error_wrap and *bw_error_wraps (of bw_errorf with one %w, with several),
 * *bw_error_join, *bw_error_errno and *bw_error_path.
 */
#ifndef BURROW_ERROR_H
#define BURROW_ERROR_H

#include <burrow/interface.h>
#include <burrow/print.h>

#ifndef __cplusplus

/* What an error may also have: one error that it wraps, several, or an opinion of its own about bw_errors_is. A type of
 * errors says so with BW_IMPL(bw_unwrapper, T, (bw_error, unwrap)); and so on. */
BW__INTERFACE_SHARED(bw_unwrapper, (bw_error, unwrap));
BW__INTERFACE_SHARED(bw_unwrapper_of_many, (bw_slice(bw_error), unwrap_all));
BW__INTERFACE_SHARED(bw_error_matcher, (bool, is, bw_error));

/* No error. */
#define bw_nil ((bw_error){NULL, NULL})

/* bw_error bw_errors_new(text): a new error with this message, a C string (which is copied) or a bw_string. */
#define bw_errors_new(text) bw__errors_new(BW__TEXT_OF(text))

/* bw_error bw_errorf(format, v...): a new error with a message made as by bw_sprintf. Each %w prints an error as %v
 * does, and the new error wraps it; what is no error prints as %!w(int=1). */
#define bw_errorf(format, ...) BW__PRINT(bw__errorf, (BW__FORMAT(format), ), __VA_ARGS__)

/* bw_error bw_errors_join(err...): one error that wraps those that are not nil, its message theirs, each on a line; nil
 * if all are. bw_errors_join_all: of a slice. */
#define bw_errors_join(...) BW__ERRORS_JOIN(BW__UNIQUE(errors), __VA_ARGS__)
#define BW__ERRORS_JOIN(errors_, ...)                                                                                  \
    ({                                                                                                                 \
        bw_error errors_[] = {__VA_ARGS__};                                                                            \
        bw__errors_join(errors_, sizeof errors_ / sizeof(bw_error));                                                   \
    })

BW__BEGIN

/* The error that this one wraps; nil if it wraps none, or several. */
BW_API bw_error bw_errors_unwrap(bw_error err);

/* Is the target the error itself, or among those that it wraps, or does one of them say (bw_error_matcher) that it
 * counts as the target? Two nils are the same. Cost: a comparison and some lookups for each error of the tree. */
BW_API bool bw_errors_is(bw_error err, bw_error target);

/* bool bw_errors_as(T, err, T *out): the first among the error and those that it wraps that is a T, a type such as
 * `my_error *`, or that implements the interface T, is put in *out. */
#define bw_errors_as(T, err, out) BW__ERRORS_AS(BW__UNIQUE(target), T, err, out)
#define BW__ERRORS_AS(target_, T, err, out)                                                                            \
    ({                                                                                                                 \
        T *target_ = (out);                                                                                            \
        bw__errors_as((err), bw_type_of(T), target_);                                                                  \
    })

/* The message; "<nil>" of nil. */
BW_API bw_string bw_error_text(bw_error err);

/* --- the system's errors --- */

/* The error for a value of errno, nil for 0; always the same one for the same number. Its message is that of Go's
 * syscall.Errno: "no such file or directory". bw_errors_is knows ENOENT as bw_err_not_exist(), EEXIST and ENOTEMPTY as
 * bw_err_exist(), EACCES and EPERM as bw_err_permission(), ENOSYS, ENOTSUP and EOPNOTSUPP as bw_err_unsupported(). */
BW_API bw_error bw_errno_error(int number);

/* The errno of the first such error in the tree; 0 if there is none. */
BW_API int bw_errno_of(bw_error err);

/* What bw_path_error makes; do not change it. */
typedef struct bw_error_path {
    bw_string op, path;
    bw_error err;
} bw_error_path;

/* bw_error bw_path_error(op, path, errno): "open /x: no such file or directory", which wraps bw_errno_error(errno). The
 * texts are C strings (copied) or bw_strings. nil if errno is 0. */
#define bw_path_error(op, path, number) bw__path_error(BW__TEXT_OF(op), BW__TEXT_OF(path), (number))
/* The first such error in the tree; NULL if there is none. */
BW_API const bw_error_path *bw_path_error_of(bw_error err);

/* "file does not exist", "file already exists", "permission denied", "invalid argument", "file already closed",
 * "unsupported operation": what to ask bw_errors_is for; each is always the same error. */
BW_API bw_error bw_err_not_exist(void);
BW_API bw_error bw_err_exist(void);
BW_API bw_error bw_err_permission(void);
BW_API bw_error bw_err_invalid(void);
BW_API bw_error bw_err_closed(void);
BW_API bw_error bw_err_unsupported(void);

/* --- internal --- */
BW_API bw_error bw__errors_new(bw_string text);
BW_API bw_error bw__errorf(bw_string format, const bw__argument *list, size_t n);
BW_API bw_error bw__errors_join(const bw_error *errors, size_t n);
BW_API bool bw__errors_as(bw_error err, const bw_type *type, void *out);
BW_API bw_error bw__path_error(bw_string op, bw_string path, int number);
static inline bw_error bw_errors_join_all(bw_slice(bw_error) errors) {
    return bw__errors_join(errors.ptr, (size_t)errors.len);
}
#define BW__TEXT_OF(text)                                                                                              \
    _Generic((text), bw_string : bw__format_string, char * : bw__string_of, const char * : bw__string_of)(text)
BW__END

#endif
#endif
