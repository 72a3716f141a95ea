/* burrow/net.h - sockets for goroutines: as in POSIX, and by name as in Go.
 *
 * bw_dial and bw_listen give descriptors for the calls of burrow/io.h. Example:
 *
 *     bw_error fetch(const char *address);
 *     bw_error fetch(const char *address) {
 *         bw_error err;
 *         char text[256];
 *         int fd = bw_dial_timeout("tcp", address, 2 * BW_SECOND, &err);
 *         if (fd < 0)
 *             return bw_errorf("fetch: %w", err);
 *         bw_set_deadline(fd, bw_now() + 5 * BW_SECOND);
 *         bw_write_all(fd, "PING\r\n", 6);
 *         ssize_t length = bw_read(fd, text, sizeof text);
 *         err = length < 0 ? bw_net_error("read", "tcp", address, errno) : bw_nil;
 *         bw_close_fd(fd);
 *         return err;
 *     }
 *
 * where nobody listens gives "fetch: dial tcp 127.0.0.1:1: connect: connection refused", of which bw_errno_of is
 * ECONNREFUSED.
 *
 * Networks are "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", and "unix", "unixgram", "unixpacket". Addresses are
 * "host:port", "[::1]:port", "[fe80::1%eth0]:port", ":port"; a host may be a name, a port a service; of the last three
 * networks, a path, or "@name" in the abstract space. Names are looked up (getaddrinfo) by threads of the library's own,
 * up to 64 at a time. Where a host has several addresses they are tried in turn, and the first's error is told.
 *
 * Sockets are closed on exec. TCP sends small packets at once (TCP_NODELAY) and asks after idle peers (SO_KEEPALIVE), also
 * on what bw_accept takes from a listener of bw_listen.
 */
#ifndef BURROW_NET_H
#define BURROW_NET_H

#include <burrow/io.h>
#include <sys/socket.h>

#ifndef __cplusplus

/* A socket connected to the address, or -1, and what went wrong in *err, which may be NULL. int bw_dial(network, address,
 * bw_error *err): the texts are C strings or bw_strings. bw_dial_timeout gives up after so many nanoseconds, with the
 * look-up counted: bw_err_timeout(). */
#define bw_dial(network, address, err) bw__dial(BW__TEXT_OF(network), BW__TEXT_OF(address), INT64_MAX, err)
#define bw_dial_timeout(network, address, ns, err) bw__dial(BW__TEXT_OF(network), BW__TEXT_OF(address), ns, err)

/* A socket that listens at the address, for bw_accept; of a datagram network, one bound to it, for bw_recvfrom. Without a
 * host it listens on all addresses. Port 0 is one that the system chooses (bw_local_address). As for a path, what is left
 * there from before is not removed, nor is it when the socket is closed. */
#define bw_listen(network, address, err) bw__listen(BW__TEXT_OF(network), BW__TEXT_OF(address), err)

/* bw_error bw_net_error(op, network, address, errno): "read tcp 127.0.0.1:80: connection reset by peer". ETIMEDOUT is
 * bw_err_timeout(), EBADF is bw_err_net_closed(). nil if errno is 0. */
#define bw_net_error(op, network, address, number)                                                                     \
    bw__net_error(BW__TEXT_OF(op), BW__TEXT_OF(network), BW__TEXT_OF(address), number)

BW__BEGIN

/* accept(2), but the new socket is closed on exec. EMFILE, where there are too many descriptors, is told at once: the
 * caller should wait a little before it tries again. */
BW_API int bw_accept(int fd, struct sockaddr *address, socklen_t *length);

/* connect(2). Where it fails the socket should be closed. */
BW_API int bw_connect(int fd, const struct sockaddr *address, socklen_t length);

/* recvfrom(2), sendto(2), for datagrams and all other sockets. With MSG_DONTWAIT they do not wait, MSG_WAITALL is not
 * heeded. */
BW_API ssize_t bw_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *address, socklen_t *length);
BW_API ssize_t bw_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *address,
                         socklen_t length);

/* socketpair(2) of the Unix domain, closed on exec; type is SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. */
BW_API int bw_socketpair(int type, int ends[2]);

/* The socket's own address, and the other end's, as Go prints them: "127.0.0.1:80", "[::1]:80", a path, "@name"; "" where
 * there is none. */
BW_API bw_string bw_local_address(int fd);
BW_API bw_string bw_remote_address(int fd);

/* "use of closed network connection"; it wraps bw_errno_error(EBADF). */
BW_API bw_error bw_err_net_closed(void);

/* What the errors of this header are; do not change it. */
typedef struct bw_error_net {
    bw_string op, network, address;
    bw_error err;
} bw_error_net;
/* In one of those: a name that could not be looked up: "lookup nowhere: no such host". */
typedef struct bw_error_lookup {
    bw_string name, text;
    bool not_found; /* it is known that there is no such name */
} bw_error_lookup;
/* The first such error in the tree; NULL if there is none. */
BW_API const bw_error_net *bw_net_error_of(bw_error err);
BW_API const bw_error_lookup *bw_lookup_error_of(bw_error err);

/* --- internal --- */
BW_API int bw__dial(bw_string network, bw_string address, int64_t ns, bw_error *err);
BW_API int bw__listen(bw_string network, bw_string address, bw_error *err);
BW_API bw_error bw__net_error(bw_string op, bw_string network, bw_string address, int number);
BW__END

#endif
#endif
