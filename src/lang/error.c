/* error.c - errors: the library's own types of them, and looking through what errors wrap.
 *
 * An error and what it wraps are a tree; those that wrap several are its forks. It may be as deep as a program made it,
 * by joining in a loop, so it is walked with a list of the forks above instead of recursion. Errors never change, and
 * nothing here has a lock. This file does not refer to the printer: see errorf.c.
 */
#include "errors.h"

#include <errno.h>

BW__INTERFACE_DEFINE(bw_unwrapper, (bw_error, unwrap));
BW__INTERFACE_DEFINE(bw_unwrapper_of_many, (bw_slice(bw_error), unwrap_all));
BW__INTERFACE_DEFINE(bw_error_matcher, (bool, is, bw_error));

/* --- walking the tree --- */

/* What a type of errors has besides its message; NULL: not that. */
struct error_methods {
    const struct bw_unwrapper__table *unwrapper;
    const struct bw_unwrapper_of_many__table *unwrapper_of_many;
    const struct bw_error_matcher__table *matcher;
    uint32_t sections_asked;
};

static BW__COLD const struct error_methods *find_methods(const bw_type *type) {
    struct type_info *info = type->bw__info;
    uint32_t asked = atomic_load(&interface_sections);
    const void *unwrapper = interface_table(type, &bw__type_bw_unwrapper);
    const void *many = interface_table(type, &bw__type_bw_unwrapper_of_many);
    const void *matcher = interface_table(type, &bw__type_bw_error_matcher);
    struct thread *self = thread_enter();
    types_lock_acquire();
    struct error_methods *methods = type_memory(sizeof *methods);
    *methods = (struct error_methods){unwrapper, many, matcher, asked};
    __atomic_store_n(&info->errors, methods, __ATOMIC_RELEASE);
    types_lock_release();
    thread_leave(self);
    return methods;
}

static inline const struct error_methods *methods_of(bw_error err) {
    const bw_type *type = bw__site_type(((const bw__table_head *)err.bw__table)->site);
    struct type_info *info = type->bw__info;
    const struct error_methods *methods = __atomic_load_n(&info->errors, __ATOMIC_ACQUIRE);
    if (methods && methods->sections_asked == atomic_load_explicit(&interface_sections, memory_order_relaxed))
        return methods;
    return find_methods(type);
}

bw_error bw_errors_unwrap(bw_error err) {
    const struct bw_unwrapper__table *unwrapper = error_is_nil(err) ? NULL : methods_of(err)->unwrapper;
    return unwrapper ? unwrapper->unwrap(err.bw__data) : bw_nil;
}

/* What is left to be visited of what one error wraps. */
struct fork {
    const bw_error *next, *end;
    struct fork *above;
};
#define FEW_FORKS 8
struct walk {
    struct fork *lowest;
    struct fork few[FEW_FORKS];
    size_t forks;
};

static void add_fork(struct walk *walk, const bw_error *errors, ptrdiff_t count) {
    if (count <= 0)
        return;
    struct fork *fork = walk->forks < FEW_FORKS ? &walk->few[walk->forks] : bw_alloc(sizeof *fork);
    *fork = (struct fork){errors, errors + count, walk->lowest};
    walk->lowest = fork;
    walk->forks++;
}

/* The next error at the forks; false: there is none. */
static bool next_at_forks(struct walk *walk, bw_error *err) {
    for (; walk->lowest; walk->lowest = walk->lowest->above, walk->forks--)
        if (walk->lowest->next < walk->lowest->end) {
            *err = *walk->lowest->next++;
            return true;
        }
    return false;
}

/* Calls `visit` for the error and all that it wraps, what is wrapped behind what wraps it, until it says true. */
static inline __attribute__((always_inline)) bool visit_tree(bw_error err, bool (*visit)(bw_error err, void *context),
                                                             void *context) {
    struct walk walk; /* not all of it: forks are rare */
    walk.lowest = NULL;
    walk.forks = 0;
    do {
        while (!error_is_nil(err)) {
            if (visit(err, context))
                return true;
            const struct error_methods *methods = methods_of(err);
            if (methods->unwrapper) {
                err = methods->unwrapper->unwrap(err.bw__data);
                continue;
            }
            if (methods->unwrapper_of_many) {
                bw_slice(bw_error) all = methods->unwrapper_of_many->unwrap_all(err.bw__data);
                add_fork(&walk, all.ptr, all.len);
            }
            err = bw_nil;
        }
    } while (next_at_forks(&walk, &err));
    return false;
}

static bool is_same(bw_error a, bw_error b) {
    const bw__table_head *x = (const bw__table_head *)a.bw__table, *y = (const bw__table_head *)b.bw__table;
    return a.bw__data == b.bw__data && (x == y || (x && y && bw__site_type(x->site) == bw__site_type(y->site)));
}

static bool matches(bw_error err, void *context) {
    bw_error target = *(bw_error *)context;
    if (is_same(err, target))
        return true;
    const struct bw_error_matcher__table *matcher = methods_of(err)->matcher;
    return matcher && matcher->is(err.bw__data, target);
}

bool bw_errors_is(bw_error err, bw_error target) {
    if (error_is_nil(err) || error_is_nil(target))
        return error_is_nil(err) && error_is_nil(target);
    return visit_tree(err, matches, &target);
}

struct wanted {
    const bw_type *type;
    void *out;
};

static bool extract(bw_error err, void *context) {
    const struct wanted *wanted = context;
    return bw__extract(bw__any_from_error(err), wanted->type, true, wanted->out);
}

bool bw__errors_as(bw_error err, const bw_type *type, void *out) {
    return visit_tree(err, extract, &(struct wanted){type, out});
}

bw_string bw_error_text(bw_error err) {
    return error_is_nil(err) ? bw_str("<nil>") : err.bw__table->error(err.bw__data);
}

/* --- errors that are a text --- */

BW_STRUCT(bw_error_string, (bw_string, text));
static bw_string bw_error_string_error(bw_error_string *e) {
    return e->text;
}
BW_IMPL(bw_error, bw_error_string, (bw_string, error));

bw_error bw__errors_new(bw_string text) {
    bw_error_string *e = bw_new(bw_error_string);
    e->text = text;
    return bw_as(bw_error, bw_error_string, e);
}

#define SENTINEL(name, message)                                                                                        \
    bw_error name(void) {                                                                                              \
        static bw_error_string e = {BW_STR_INIT(message)};                                                             \
        return bw_as(bw_error, bw_error_string, &e);                                                                   \
    }
SENTINEL(bw_err_not_exist, "file does not exist")
SENTINEL(bw_err_exist, "file already exists")
SENTINEL(bw_err_permission, "permission denied")
SENTINEL(bw_err_invalid, "invalid argument")
SENTINEL(bw_err_closed, "file already closed")
SENTINEL(bw_err_unsupported, "unsupported operation")

/* --- several errors in one --- */

BW_STRUCT(bw_error_join, (bw_slice(bw_error), errors));
static bw_string bw_error_join_error(bw_error_join *e);
static bw_slice(bw_error) bw_error_join_unwrap_all(bw_error_join *e) {
    return e->errors;
}
BW_IMPL(bw_error, bw_error_join, (bw_string, error));
BW_IMPL(bw_unwrapper_of_many, bw_error_join, (bw_slice(bw_error), unwrap_all));

static bool is_join(bw_error err) {
    return err.bw__table == &bw_error__bw_error_join__table;
}

/* The texts of all that are joined, and of what these join, by lines. */
static bw_string bw_error_join_error(bw_error_join *e) {
    struct walk walk; /* not all of it: forks are rare */
    walk.lowest = NULL;
    walk.forks = 0;
    bw_builder text = {0};
    bw_error err;
    bool first = true;
    add_fork(&walk, e->errors.ptr, e->errors.len);
    while (next_at_forks(&walk, &err)) {
        if (is_join(err)) {
            const bw_error_join *inner = err.bw__data;
            add_fork(&walk, inner->errors.ptr, inner->errors.len);
            continue;
        }
        if (!first)
            bw_builder_write_byte(&text, '\n');
        first = false;
        bw_builder_write_string(&text, bw_error_text(err));
    }
    return bw_builder_string(&text);
}

bw_error bw__errors_join(const bw_error *errors, size_t n) {
    ptrdiff_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += !error_is_nil(errors[i]);
    if (count == 0)
        return bw_nil;
    bw_slice(bw_error) all = bw_make_slice(bw_error, 0, count);
    for (size_t i = 0; i < n; i++)
        if (!error_is_nil(errors[i]))
            all = bw_append(all, errors[i]);
    bw_error_join *e = bw_new(bw_error_join);
    e->errors = all;
    return bw_as(bw_error, bw_error_join, e);
}

/* --- errno --- */

struct bw_error_errno {
    int number;
    bw_string text;
};
typedef struct bw_error_errno bw_error_errno;
BW_TYPE(bw_error_errno, number, text);
static bw_string bw_error_errno_error(bw_error_errno *e) {
    return e->text;
}
static bool bw_error_errno_is(bw_error_errno *e, bw_error target) {
    if (is_same(target, bw_err_permission()))
        return e->number == EACCES || e->number == EPERM;
    if (is_same(target, bw_err_exist()))
        return e->number == EEXIST || e->number == ENOTEMPTY;
    if (is_same(target, bw_err_not_exist()))
        return e->number == ENOENT;
    if (is_same(target, bw_err_unsupported()))
        return e->number == ENOSYS || e->number == ENOTSUP || e->number == EOPNOTSUPP;
    return false;
}
BW_IMPL(bw_error, bw_error_errno, (bw_string, error));
BW_IMPL(bw_error_matcher, bw_error_errno, (bool, is, bw_error));

#define ERRNO(number, text) [number] = {number, BW_STR_INIT(text)}
static bw_error_errno known[] = {
    ERRNO(EPERM, "operation not permitted"),
    ERRNO(ENOENT, "no such file or directory"),
    ERRNO(ESRCH, "no such process"),
    ERRNO(EINTR, "interrupted system call"),
    ERRNO(EIO, "input/output error"),
    ERRNO(ENXIO, "no such device or address"),
    ERRNO(E2BIG, "argument list too long"),
    ERRNO(ENOEXEC, "exec format error"),
    ERRNO(EBADF, "bad file descriptor"),
    ERRNO(ECHILD, "no child processes"),
    ERRNO(EAGAIN, "resource temporarily unavailable"),
    ERRNO(ENOMEM, "cannot allocate memory"),
    ERRNO(EACCES, "permission denied"),
    ERRNO(EFAULT, "bad address"),
    ERRNO(ENOTBLK, "block device required"),
    ERRNO(EBUSY, "device or resource busy"),
    ERRNO(EEXIST, "file exists"),
    ERRNO(EXDEV, "invalid cross-device link"),
    ERRNO(ENODEV, "no such device"),
    ERRNO(ENOTDIR, "not a directory"),
    ERRNO(EISDIR, "is a directory"),
    ERRNO(EINVAL, "invalid argument"),
    ERRNO(ENFILE, "too many open files in system"),
    ERRNO(EMFILE, "too many open files"),
    ERRNO(ENOTTY, "inappropriate ioctl for device"),
    ERRNO(ETXTBSY, "text file busy"),
    ERRNO(EFBIG, "file too large"),
    ERRNO(ENOSPC, "no space left on device"),
    ERRNO(ESPIPE, "illegal seek"),
    ERRNO(EROFS, "read-only file system"),
    ERRNO(EMLINK, "too many links"),
    ERRNO(EPIPE, "broken pipe"),
    ERRNO(EDOM, "numerical argument out of domain"),
    ERRNO(ERANGE, "numerical result out of range"),
    ERRNO(EDEADLK, "resource deadlock avoided"),
    ERRNO(ENAMETOOLONG, "file name too long"),
    ERRNO(ENOLCK, "no locks available"),
    ERRNO(ENOSYS, "function not implemented"),
    ERRNO(ENOTEMPTY, "directory not empty"),
    ERRNO(ELOOP, "too many levels of symbolic links"),
    ERRNO(ENOMSG, "no message of desired type"),
    ERRNO(EIDRM, "identifier removed"),
    ERRNO(ECHRNG, "channel number out of range"),
    ERRNO(EL2NSYNC, "level 2 not synchronized"),
    ERRNO(EL3HLT, "level 3 halted"),
    ERRNO(EL3RST, "level 3 reset"),
    ERRNO(ELNRNG, "link number out of range"),
    ERRNO(EUNATCH, "protocol driver not attached"),
    ERRNO(ENOCSI, "no CSI structure available"),
    ERRNO(EL2HLT, "level 2 halted"),
    ERRNO(EBADE, "invalid exchange"),
    ERRNO(EBADR, "invalid request descriptor"),
    ERRNO(EXFULL, "exchange full"),
    ERRNO(ENOANO, "no anode"),
    ERRNO(EBADRQC, "invalid request code"),
    ERRNO(EBADSLT, "invalid slot"),
    ERRNO(EBFONT, "bad font file format"),
    ERRNO(ENOSTR, "device not a stream"),
    ERRNO(ENODATA, "no data available"),
    ERRNO(ETIME, "timer expired"),
    ERRNO(ENOSR, "out of streams resources"),
    ERRNO(ENONET, "machine is not on the network"),
    ERRNO(ENOPKG, "package not installed"),
    ERRNO(EREMOTE, "object is remote"),
    ERRNO(ENOLINK, "link has been severed"),
    ERRNO(EADV, "advertise error"),
    ERRNO(ESRMNT, "srmount error"),
    ERRNO(ECOMM, "communication error on send"),
    ERRNO(EPROTO, "protocol error"),
    ERRNO(EMULTIHOP, "multihop attempted"),
    ERRNO(EDOTDOT, "RFS specific error"),
    ERRNO(EBADMSG, "bad message"),
    ERRNO(EOVERFLOW, "value too large for defined data type"),
    ERRNO(ENOTUNIQ, "name not unique on network"),
    ERRNO(EBADFD, "file descriptor in bad state"),
    ERRNO(EREMCHG, "remote address changed"),
    ERRNO(ELIBACC, "can not access a needed shared library"),
    ERRNO(ELIBBAD, "accessing a corrupted shared library"),
    ERRNO(ELIBSCN, ".lib section in a.out corrupted"),
    ERRNO(ELIBMAX, "attempting to link in too many shared libraries"),
    ERRNO(ELIBEXEC, "cannot exec a shared library directly"),
    ERRNO(EILSEQ, "invalid or incomplete multibyte or wide character"),
    ERRNO(ERESTART, "interrupted system call should be restarted"),
    ERRNO(ESTRPIPE, "streams pipe error"),
    ERRNO(EUSERS, "too many users"),
    ERRNO(ENOTSOCK, "socket operation on non-socket"),
    ERRNO(EDESTADDRREQ, "destination address required"),
    ERRNO(EMSGSIZE, "message too long"),
    ERRNO(EPROTOTYPE, "protocol wrong type for socket"),
    ERRNO(ENOPROTOOPT, "protocol not available"),
    ERRNO(EPROTONOSUPPORT, "protocol not supported"),
    ERRNO(ESOCKTNOSUPPORT, "socket type not supported"),
    ERRNO(EOPNOTSUPP, "operation not supported"),
    ERRNO(EPFNOSUPPORT, "protocol family not supported"),
    ERRNO(EAFNOSUPPORT, "address family not supported by protocol"),
    ERRNO(EADDRINUSE, "address already in use"),
    ERRNO(EADDRNOTAVAIL, "cannot assign requested address"),
    ERRNO(ENETDOWN, "network is down"),
    ERRNO(ENETUNREACH, "network is unreachable"),
    ERRNO(ENETRESET, "network dropped connection on reset"),
    ERRNO(ECONNABORTED, "software caused connection abort"),
    ERRNO(ECONNRESET, "connection reset by peer"),
    ERRNO(ENOBUFS, "no buffer space available"),
    ERRNO(EISCONN, "transport endpoint is already connected"),
    ERRNO(ENOTCONN, "transport endpoint is not connected"),
    ERRNO(ESHUTDOWN, "cannot send after transport endpoint shutdown"),
    ERRNO(ETOOMANYREFS, "too many references: cannot splice"),
    ERRNO(ETIMEDOUT, "connection timed out"),
    ERRNO(ECONNREFUSED, "connection refused"),
    ERRNO(EHOSTDOWN, "host is down"),
    ERRNO(EHOSTUNREACH, "no route to host"),
    ERRNO(EALREADY, "operation already in progress"),
    ERRNO(EINPROGRESS, "operation now in progress"),
    ERRNO(ESTALE, "stale file handle"),
    ERRNO(EUCLEAN, "structure needs cleaning"),
    ERRNO(ENOTNAM, "not a XENIX named type file"),
    ERRNO(ENAVAIL, "no XENIX semaphores available"),
    ERRNO(EISNAM, "is a named type file"),
    ERRNO(EREMOTEIO, "remote I/O error"),
    ERRNO(EDQUOT, "disk quota exceeded"),
    ERRNO(ENOMEDIUM, "no medium found"),
    ERRNO(EMEDIUMTYPE, "wrong medium type"),
    ERRNO(ECANCELED, "operation canceled"),
    ERRNO(ENOKEY, "required key not available"),
    ERRNO(EKEYEXPIRED, "key has expired"),
    ERRNO(EKEYREVOKED, "key has been revoked"),
    ERRNO(EKEYREJECTED, "key was rejected by service"),
    ERRNO(EOWNERDEAD, "owner died"),
    ERRNO(ENOTRECOVERABLE, "state not recoverable"),
    ERRNO(ERFKILL, "operation not possible due to RF-kill"),
};

/* A number without a name: the error for it, made once. */
struct unknown {
    bw_error_errno *error;
    struct unknown *next;
};
static struct unknown *_Atomic unknowns; /* grows at the front */

static bw_error_errno *unknown_errno(int number) {
    struct unknown *made = NULL, *first = atomic_load(&unknowns);
    for (;;) {
        for (const struct unknown *at = first; at; at = at->next)
            if (at->error->number == number)
                return at->error;
        if (made == NULL) {
            made = bw_alloc(sizeof *made);
            made->error = bw_new(bw_error_errno);
            made->error->number = number;
            made->error->text = bw_concat("errno ", bw_itoa(number));
        }
        made->next = first;
        if (atomic_compare_exchange_weak(&unknowns, &first, made))
            return made->error;
    }
}

bw_error bw_errno_error(int number) {
    if (number == 0)
        return bw_nil;
    bool is_known = number > 0 && (size_t)number < sizeof known / sizeof known[0] && known[number].number == number;
    return bw_as(bw_error, bw_error_errno, is_known ? &known[number] : unknown_errno(number));
}

static bool find_errno(bw_error err, void *context) {
    if (err.bw__table != &bw_error__bw_error_errno__table)
        return false;
    *(int *)context = ((const bw_error_errno *)err.bw__data)->number;
    return true;
}

int bw_errno_of(bw_error err) {
    int number = 0;
    visit_tree(err, find_errno, &number);
    return number;
}

/* --- errors about a file --- */

BW_TYPE(bw_error_path, op, path, err);
static bw_string bw_error_path_error(bw_error_path *e) {
    return bw_concat(e->op, " ", e->path, ": ", bw_error_text(e->err));
}
static bw_error bw_error_path_unwrap(bw_error_path *e) {
    return e->err;
}
BW_IMPL(bw_error, bw_error_path, (bw_string, error));
BW_IMPL(bw_unwrapper, bw_error_path, (bw_error, unwrap));

bw_error bw__path_error(bw_string op, bw_string path, int number) {
    if (number == 0)
        return bw_nil;
    bw_error_path *e = bw_new(bw_error_path);
    *e = (bw_error_path){op, path, bw_errno_error(number)};
    return bw_as(bw_error, bw_error_path, e);
}

static bool find_path(bw_error err, void *context) {
    if (err.bw__table != &bw_error__bw_error_path__table)
        return false;
    *(const bw_error_path **)context = err.bw__data;
    return true;
}

const bw_error_path *bw_path_error_of(bw_error err) {
    const bw_error_path *found = NULL;
    visit_tree(err, find_path, &found);
    return found;
}
