/* io.c - what burrow/io.h offers.
 *
 * What a descriptor is, is found out once and kept in its record: `kind`. The number may be another file's the next time,
 * without a word: so each way of reading and writing notices when the file is of another kind, and none relies on what
 * would block the thread if it no longer held. Sockets say ENOTSOCK and are asked not to wait in each call; streams are
 * asked each time whether they are non-blocking still; of files only what is in memory is read at once.
 */
#include "io.h"

#include <burrow/thread.h>

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/uio.h>

enum kind {
    KIND_UNKNOWN,
    KIND_SOCKET,
    KIND_TCP,
    KIND_STREAM, /* pipes, terminals and their like; made non-blocking */
    KIND_SHARED, /* the same, but one of the first three descriptors: left as it is, and asked whether it is ready */
    KIND_DISK,
};

static enum kind kind_of(const struct poll_record *record) {
    return record ? atomic_load_explicit(&record->kind, memory_order_relaxed) : KIND_UNKNOWN;
}

/* -errno, or the kind. */
static BW__COLD int find_kind(struct poll_record *record, int fd) {
    struct os_file file;
    int error = os_file_of(fd, &file);
    if (error != 0)
        return error;
    enum kind kind = file.kind == OS_FILE_SOCKET ? (os_is_tcp(fd) ? KIND_TCP : KIND_SOCKET)
                     : file.kind == OS_FILE_DISK ? KIND_DISK
                     : fd <= 2                   ? KIND_SHARED
                                                 : KIND_STREAM;
    if (record)
        atomic_store_explicit(&record->kind, kind, memory_order_relaxed);
    return kind;
}

static bool is_tcp(struct poll_record *record, int fd) {
    int kind = kind_of(record);
    return (kind == KIND_UNKNOWN && record ? find_kind(record, fd) : kind) == KIND_TCP;
}

/* --- regular files, directories and disks --- */

static size_t bytes_of(const struct iovec *pieces, int count) {
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += pieces[i].iov_len;
    return bytes;
}

static ssize_t read_blocking(int fd, const struct iovec *pieces, int count) {
    ssize_t got = 0;
    bw_blocking {
        got = os_readv(fd, pieces, count);
    }
    return got;
}

/* What is left of the pieces after the first `bytes` of them; how many pieces. */
static int pieces_after(struct iovec *rest, const struct iovec *pieces, int count, size_t bytes) {
    int left = 0;
    for (int i = 0; i < count; i++) {
        size_t skip = bytes < pieces[i].iov_len ? bytes : pieces[i].iov_len;
        bytes -= skip;
        if (skip < pieces[i].iov_len)
            rest[left++] = (struct iovec){(char *)pieces[i].iov_base + skip, pieces[i].iov_len - skip};
    }
    return left;
}

/* What was not in memory, or not there at all: a program expects all of it. */
static BW__COLD ssize_t read_rest(int fd, const struct iovec *pieces, int count, size_t got) {
    struct iovec few[8], *rest = count <= 8 ? few : bw_alloc((size_t)count * sizeof *rest);
    int left = pieces_after(rest, pieces, count, got);
    ssize_t more = os_readv_now(fd, rest, left);
    if (more == -EAGAIN)
        more = read_blocking(fd, rest, left);
    return more > 0 ? (ssize_t)got + more : (ssize_t)got;
}

/* --- one try at each kind --- */

static ssize_t read_some(struct poll_record *record, int fd, const struct iovec *pieces, int count) {
    for (int kind = kind_of(record);;) {
        ssize_t got;
        switch (kind) {
        case KIND_STREAM:
            if ((got = os_set_nonblocking(fd)) != 0)
                return got < 0 ? got : os_readv(fd, pieces, count);
            break;
        case KIND_SHARED: return os_is_ready(fd, false) ? os_readv(fd, pieces, count) : -EAGAIN;
        case KIND_DISK:
            got = os_readv_now(fd, pieces, count);
            if (got > 0 && (size_t)got < bytes_of(pieces, count))
                return read_rest(fd, pieces, count, (size_t)got);
            if (got != -EAGAIN && got != -EOPNOTSUPP && got != -ENOSYS)
                return got;
            if (find_kind(record, fd) == KIND_DISK)
                return read_blocking(fd, pieces, count);
            break;
        default:
            got = count == 1 ? os_recv(fd, pieces->iov_base, pieces->iov_len)
                             : os_recv_message(fd,
                                               &(struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)pieces,
                                                                .msg_iovlen = (size_t)count},
                                               0);
            if (got != -ENOTSOCK)
                return got;
        }
        if ((kind = find_kind(record, fd)) < 0)
            return kind;
    }
}

/* What a pipe or terminal that is ready takes without waiting. */
static ssize_t write_shared(int fd, const struct iovec *pieces, int count) {
    while (count > 1 && pieces->iov_len == 0)
        pieces++, count--;
    struct iovec first = *pieces;
    if (first.iov_len > PIPE_BUF)
        first.iov_len = PIPE_BUF;
    return os_is_ready(fd, true) ? os_writev_quietly(fd, &first, 1) : -EAGAIN;
}

static ssize_t write_blocking(int fd, const struct iovec *pieces, int count) {
    ssize_t wrote = 0;
    bw_blocking {
        wrote = os_writev(fd, pieces, count);
    }
    return wrote;
}

static ssize_t write_some(struct poll_record *record, int fd, const struct iovec *pieces, int count) {
    for (int kind = kind_of(record);;) {
        ssize_t wrote;
        switch (kind) {
        case KIND_STREAM:
            if ((wrote = os_set_nonblocking(fd)) != 0)
                return wrote < 0 ? wrote : os_writev_quietly(fd, pieces, count);
            break;
        case KIND_SHARED: return write_shared(fd, pieces, count);
        case KIND_DISK:
            if (find_kind(record, fd) == KIND_DISK)
                return write_blocking(fd, pieces, count);
            break;
        default:
            wrote = count == 1 ? os_send(fd, pieces->iov_base, pieces->iov_len)
                               : os_send_message(fd,
                                                 &(struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)pieces,
                                                                  .msg_iovlen = (size_t)count},
                                                 0);
            if (wrote != -ENOTSOCK)
                return wrote;
        }
        if ((kind = find_kind(record, fd)) < 0)
            return kind;
    }
}

/* --- reading and writing --- */

/* One try. Where the last read has left nothing the system is not asked before something has come. */
static ssize_t read_anything(struct poll_try *attempt, const struct iovec *pieces, int count) {
    if (!attempt->waited && poll_is_drained(attempt))
        return -EAGAIN;
    ssize_t got = read_some(attempt->record, attempt->fd, pieces, count);
    if (got > 0 && (size_t)got < bytes_of(pieces, count) && is_tcp(attempt->record, attempt->fd))
        poll_note_drained(attempt);
    return got;
}

ssize_t bw_readv(int fd, const struct iovec *pieces, int count) {
    if (count < 0 || count > IOV_MAX)
        return io_result(-EINVAL);
    if (bytes_of(pieces, count) == 0) /* nothing is to be waited for */
        return io_result(os_readv(fd, pieces, count));
    return io_result(IO_UNTIL_READY(fd, POLL_READ, read_anything(&attempt, pieces, count)));
}

ssize_t bw_read(int fd, void *buffer, size_t n) {
    struct iovec piece = {buffer, n};
    return bw_readv(fd, &piece, 1);
}

ssize_t bw_writev(int fd, const struct iovec *pieces, int count) {
    if (count < 0 || count > IOV_MAX)
        return io_result(-EINVAL);
    if (count == 0)
        return io_result(os_writev(fd, pieces, count));
    ssize_t wrote = IO_UNTIL_READY(fd, POLL_WRITE, write_some(attempt.record, fd, pieces, count));
    if (wrote == -EPIPE)
        os_broken_pipe(fd);
    return io_result(wrote);
}

ssize_t bw_write(int fd, const void *buffer, size_t n) {
    struct iovec piece = {(void *)(uintptr_t)buffer, n};
    return bw_writev(fd, &piece, 1);
}

ssize_t bw_read_full(int fd, void *buffer, size_t n) {
    size_t done = 0;
    while (done < n) {
        ssize_t got = bw_read(fd, (char *)buffer + done, n - done);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

ssize_t bw_write_all(int fd, const void *buffer, size_t n) {
    size_t done = 0;
    while (done < n) {
        ssize_t wrote = bw_write(fd, (const char *)buffer + done, n - done);
        if (wrote < 0)
            return -1;
        done += (size_t)wrote;
    }
    return (ssize_t)n;
}

/* --- making and closing --- */

int bw_open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    int fd = 0;
    bw_blocking {
        fd = os_open(path, flags, mode);
    }
    if (fd >= 0)
        poll_fresh(fd);
    return (int)io_result(fd);
}

static int two_fresh(int error, const int ends[2]) {
    if (error == 0) {
        poll_fresh(ends[0]);
        poll_fresh(ends[1]);
    }
    return (int)io_result(error);
}

int bw_pipe(int ends[2]) {
    return two_fresh(os_pipe(ends), ends);
}

int bw_socketpair(int type, int ends[2]) {
    return two_fresh(os_socketpair(type, ends), ends);
}

int bw_close_fd(int fd) {
    return (int)io_result(poll_close(fd));
}

/* --- deadlines --- */

int bw_set_deadline(int fd, int64_t when) {
    return (int)io_result(poll_set_deadline(fd, when, true, true));
}

int bw_set_read_deadline(int fd, int64_t when) {
    return (int)io_result(poll_set_deadline(fd, when, true, false));
}

int bw_set_write_deadline(int fd, int64_t when) {
    return (int)io_result(poll_set_deadline(fd, when, false, true));
}
