/* dial.c - sockets by the names of networks and addresses. */
#include "address.h"

#define LEAST_NS 2000000000 /* for one of several addresses */

static bool is_nil(bw_error err) {
    return err.bw__table == NULL;
}

static int told(bw_error *out, int fd, bw_error err) {
    if (out)
        *out = err;
    return fd;
}

static int open_socket(const struct network *network, const struct address *address) {
    int fd = os_socket(address->socket.any.sa_family, network->type, 0);
    if (fd >= 0)
        poll_fresh(fd);
    return fd;
}

static bool is_tcp(const struct network *network) {
    return network->type == SOCK_STREAM && network->family != AF_UNIX;
}

/* --- dialling --- */

/* Of the time that is left, what one of so many addresses may take. */
static int64_t share_of(int64_t deadline, size_t count) {
    int64_t left = deadline - timer_in(0), share = left / (int64_t)count;
    if (deadline == 0)
        return 0;
    if (share < LEAST_NS)
        share = left < LEAST_NS ? left : LEAST_NS;
    return deadline - left + share;
}

static int dial_one(const struct network *network, const struct address *address, int64_t deadline, bw_error *err) {
    int fd = open_socket(network, address);
    if (fd < 0) {
        *err = io_error_of_call("socket", -fd);
        return -1;
    }
    if (is_tcp(network))
        os_socket_settings(fd, false);
    int error = io_connect(fd, &address->socket.any, address->length, deadline);
    if (error == 0)
        return fd;
    bool timed_out = error == -ETIMEDOUT && deadline != 0 && timer_in(0) >= deadline;
    *err = timed_out ? bw_err_timeout() : io_error_of_call("connect", -error);
    bw_close_fd(fd);
    return -1;
}

int bw__dial(bw_string name, bw_string text, int64_t ns, bw_error *out) {
    const struct network *network = network_by_name(name);
    bw_string none = bw_str("");
    if (network == NULL)
        return told(out, -1,
                    io_error_of_net(bw_str("dial"), name, none, bw_errors_new(bw_concat("unknown network ", name))));
    int64_t deadline = ns == INT64_MAX ? 0 : timer_in(ns);
    struct addresses addresses;
    bw_error err = addresses_find(network, text, false, deadline, &addresses), first = bw_nil;
    if (!is_nil(err))
        return told(out, -1, io_error_of_net(bw_str("dial"), network->name, none, err));
    for (size_t i = 0; i < addresses.count; i++) {
        const struct address *address = &addresses.list[i];
        int fd = dial_one(network, address, share_of(deadline, addresses.count - i), &err);
        if (fd >= 0)
            return told(out, fd, bw_nil);
        if (is_nil(first))
            first = io_error_of_net(bw_str("dial"), network->name, address_text(address), err);
        if (deadline != 0 && timer_in(0) >= deadline)
            break;
    }
    return told(out, -1, first);
}

/* --- listening --- */

static int listen_one(const struct network *network, const struct address *address, bool only_ipv6, bw_error *err) {
    const char *call = "socket";
    int fd = open_socket(network, address), error = fd;
    if (fd >= 0) {
        if (is_tcp(network))
            os_socket_settings(fd, true);
        if (address->socket.any.sa_family == AF_INET6)
            os_set_only_ipv6(fd, only_ipv6);
        call = "bind";
        error = os_bind(fd, &address->socket.any, address->length);
        if (error == 0 && network->type != SOCK_DGRAM) {
            call = "listen";
            error = os_listen(fd);
        }
    }
    if (error >= 0)
        return fd;
    *err = io_error_of_call(call, -error);
    if (fd >= 0)
        bw_close_fd(fd);
    return -1;
}

int bw__listen(bw_string name, bw_string text, bw_error *out) {
    const struct network *network = network_by_name(name);
    bw_string none = bw_str("");
    if (network == NULL)
        return told(out, -1,
                    io_error_of_net(bw_str("listen"), name, none, bw_errors_new(bw_concat("unknown network ", name))));
    struct addresses addresses;
    bw_error err = addresses_find(network, text, true, 0, &addresses);
    if (!is_nil(err))
        return told(out, -1, io_error_of_net(bw_str("listen"), network->name, none, err));
    /* Without a host: where there is no IPv6, IPv4. Of a name's addresses, one, rather of IPv4. */
    bool all = network->family == AF_UNSPEC && (text.len == 0 || text.ptr[0] == ':');
    size_t chosen = 0;
    for (size_t i = addresses.count; !all && i-- > 0;)
        if (addresses.list[i].socket.any.sa_family == AF_INET)
            chosen = i;
    int fd = listen_one(network, &addresses.list[chosen], !all, &err);
    int number = bw_errno_of(err);
    if (fd < 0 && all && (number == EAFNOSUPPORT || number == EADDRNOTAVAIL))
        fd = listen_one(network, &addresses.list[1], false, &err);
    if (fd >= 0)
        return told(out, fd, bw_nil);
    bw_string address = network->family == AF_UNIX || all ? text : address_text(&addresses.list[chosen]);
    return told(out, -1, io_error_of_net(bw_str("listen"), network->name, address, err));
}

/* --- addresses of sockets --- */

bw_string bw_local_address(int fd) {
    struct address address = {.length = sizeof address.socket};
    return os_local_address(fd, &address.socket.any, &address.length) == 0 ? address_text(&address) : bw_str("");
}

bw_string bw_remote_address(int fd) {
    struct address address = {.length = sizeof address.socket};
    return os_remote_address(fd, &address.socket.any, &address.length) == 0 ? address_text(&address) : bw_str("");
}
