/* os_net.c - sockets. */
#include "os.h"

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int result(int value) {
    return value < 0 ? -errno : value;
}

int os_socket(int family, int type, int protocol) {
    return os_fail_now() ? -EMFILE : result(socket(family, type | SOCK_CLOEXEC, protocol));
}

bool os_is_tcp(int fd) {
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == IPPROTO_TCP;
}

int os_accept(int fd, struct sockaddr *address, unsigned *length) {
    int accepted;
    if (os_fail_now())
        return -EMFILE;
    do
        accepted = accept4(fd, address, length, SOCK_CLOEXEC);
    while (accepted < 0 && (errno == EINTR || errno == ECONNABORTED));
    return result(accepted);
}

/* After a signal it goes on by itself. */
int os_connect(int fd, const struct sockaddr *address, unsigned length) {
    if (os_fail_now())
        return -ENOBUFS;
    int error = result(connect(fd, address, length));
    return error == -EINTR ? -EINPROGRESS : error;
}

int os_bind(int fd, const struct sockaddr *address, unsigned length) {
    return os_fail_now() ? -ENOBUFS : result(bind(fd, address, length));
}

int os_listen(int fd) {
    return os_fail_now() ? -ENOBUFS : result(listen(fd, 65535)); /* the system has a limit of its own */
}

void os_set_send_timeout(int fd, int64_t until) {
    int64_t left = until - (int64_t)os_now_ns();
    if (until != 0 && left < 1000)
        left = 1000;
    struct timeval time = {left / 1000000000, left % 1000000000 / 1000};
    if (until == 0)
        time = (struct timeval){0, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

void os_socket_settings(int fd, bool listens) {
    int one = 1, idle = 15;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
    if (listens)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
}

int os_set_only_ipv6(int fd, bool only) {
    int value = only;
    return result(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof value));
}

int os_local_address(int fd, struct sockaddr *address, unsigned *length) {
    return result(getsockname(fd, address, length));
}

int os_remote_address(int fd, struct sockaddr *address, unsigned *length) {
    return result(getpeername(fd, address, length));
}

int os_lookup(const char *name, const char *service, int family, int type, struct addrinfo **list, int *system_error) {
    struct addrinfo hints = {.ai_family = family, .ai_socktype = type};
    *system_error = 0;
    if (os_fail_now())
        return EAI_MEMORY;
    int error = getaddrinfo(name, service, &hints, list);
    *system_error = error == EAI_SYSTEM ? errno : 0;
    return error;
}

void os_addresses_free(struct addrinfo *list) {
    freeaddrinfo(list);
}

const char *os_lookup_text(int error) {
    return gai_strerror(error);
}

unsigned os_interface_number(const char *name) {
    return if_nametoindex(name);
}

bool os_interface_name(unsigned number, char name[IF_NAMESIZE]) {
    return if_indextoname(number, name) != NULL;
}
