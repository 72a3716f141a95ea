/* burrow/io.h - reading and writing descriptors from goroutines: who waits gives the thread to others.
 *
 * The calls are those of POSIX, on plain descriptors, and answer as those do: -1 and errno. What would block the thread
 * blocks only the goroutine. A server has a goroutine for each connection. Example:
 *
 *     void echo(int fd);
 *     void echo(int fd) {
 *         char text[512];
 *         ssize_t length;
 *         while ((length = bw_read(fd, text, sizeof text)) > 0)
 *             if (bw_write_all(fd, text, (size_t)length) < 0)
 *                 break;
 *         bw_close_fd(fd);
 *     }
 *     int serve(int listener);
 *     int serve(int listener) {
 *         int fd;
 *         while ((fd = bw_accept(listener, NULL, NULL)) >= 0)
 *             bw_go(echo, fd);
 *         return errno;
 *     }
 *
 * Any descriptor will do, wherever it comes from. Sockets are left in the mode they have; pipes, terminals and what else
 * can be waited for become non-blocking (O_NONBLOCK) when they are first read or written here, but for descriptors 0, 1
 * and 2, which are shared with other programs; and so do sockets that bw_accept listens on. Reads of regular files that
 * the system has in memory are done at once; else, and for writes, the thread gives its place to another meanwhile.
 *
 * A thread that is no goroutine may make all these calls, and then waits itself. Several may read, or write, one
 * descriptor at a time; they are served in turn, but what they read or write may be interleaved.
 *
 * A descriptor that others wait for is to be closed with bw_close_fd: they get EBADF. After a plain close they may wait
 * for ever; the number's next owner is not confused by it, but the old deadlines hold for a device, or a pipe with a
 * name, that is opened again, and who reads a socket that has got its number by a system call alone (accept, dup2) may
 * learn of what comes first only after up to 12 ms.
 *
 * Writing to a pipe or socket whose other end is gone gives EPIPE. SIGPIPE is not raised by it, as in Go, unless the
 * program handles SIGPIPE itself, or the descriptor is 1 or 2: then it is sent to the process, and ends it where it is
 * not handled.
 *
 * EINTR is never seen. In a child of fork goroutines go on waiting as in the parent.
 */
#ifndef BURROW_IO_H
#define BURROW_IO_H

#include <burrow/error.h>
#include <burrow/goroutine.h>
#include <burrow/time.h>
#include <sys/types.h>

#ifndef __cplusplus

struct iovec;

BW__BEGIN

/* Reads what there is, at most n bytes, and waits while there is nothing. 0: the end. Of a regular file less than n only at
 * the end. */
BW_API ssize_t bw_read(int fd, void *buffer, size_t n);

/* Writes what there is room for, at least a byte of n, and waits while there is none: it may be less than n. */
BW_API ssize_t bw_write(int fd, const void *buffer, size_t n);

/* Reads until there are n bytes. Less: the end came first. -1: an error did, and what had been read is lost. */
BW_API ssize_t bw_read_full(int fd, void *buffer, size_t n);

/* Writes all n bytes: n, or -1, and then some may have been written. */
BW_API ssize_t bw_write_all(int fd, const void *buffer, size_t n);

/* The same for buffers in pieces (sys/uio.h), of which at most IOV_MAX are allowed. */
BW_API ssize_t bw_readv(int fd, const struct iovec *pieces, int count);
BW_API ssize_t bw_writev(int fd, const struct iovec *pieces, int count);

/* open(2); the descriptor is closed on exec. Waits for the other end of a FIFO, or a slow disk. */
BW_API int bw_open(const char *path, int flags, ...);

/* pipe2(2): two ends that are closed on exec. */
BW_API int bw_pipe(int ends[2]);

/* Closes the descriptor. Whoever waits for it, in a goroutine or a thread, gets EBADF at once. Who is about to make a call
 * on it, and does not wait yet, may find the number's next owner instead, as with close(2). */
BW_API int bw_close_fd(int fd);

/* From that time on (as of bw_now: bw_now() + 5 * BW_SECOND) reads, or writes, or both, fail with ETIMEDOUT; those that
 * wait do so then. It holds until it is set anew; 0: none; one that is past ends all waits at once. -1: EBADF, or ENOTSUP
 * for regular files. Cost: a system call, and for the first wait until the deadline what a timer costs. */
BW_API int bw_set_deadline(int fd, int64_t when);
BW_API int bw_set_read_deadline(int fd, int64_t when);
BW_API int bw_set_write_deadline(int fd, int64_t when);

/* "i/o timeout": what an error from a deadline is; it wraps bw_errno_error(ETIMEDOUT). */
BW_API bw_error bw_err_timeout(void);

BW__END

#endif
#endif
