/* address.c - networks and addresses from text, and to text. */
#include "address.h"
#include "lookup.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

BW_STRUCT(io_address_error, (bw_string, text), (bw_string, address));
static bw_string io_address_error_error(io_address_error *e) {
    return bw_concat("address ", e->address, ": ", e->text);
}
BW_IMPL(bw_error, io_address_error, (bw_string, error));

static bw_error wrong(const char *text, bw_string address) {
    io_address_error *e = bw_new(io_address_error);
    *e = (io_address_error){bw_string_of(text), address};
    return bw_as(bw_error, io_address_error, e);
}

const struct network *network_by_name(bw_string name) {
    static const struct network networks[] = {
        {BW_STR_INIT("tcp"), AF_UNSPEC, SOCK_STREAM},         {BW_STR_INIT("tcp4"), AF_INET, SOCK_STREAM},
        {BW_STR_INIT("tcp6"), AF_INET6, SOCK_STREAM},         {BW_STR_INIT("udp"), AF_UNSPEC, SOCK_DGRAM},
        {BW_STR_INIT("udp4"), AF_INET, SOCK_DGRAM},           {BW_STR_INIT("udp6"), AF_INET6, SOCK_DGRAM},
        {BW_STR_INIT("unix"), AF_UNIX, SOCK_STREAM},          {BW_STR_INIT("unixgram"), AF_UNIX, SOCK_DGRAM},
        {BW_STR_INIT("unixpacket"), AF_UNIX, SOCK_SEQPACKET},
    };
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        if (bw_str_eq(name, networks[i].name))
            return &networks[i];
    return NULL;
}

/* --- paths --- */

static bw_error unix_address(bw_string path, struct addresses *out) {
    struct address *address = bw_alloc_noscan(sizeof *address);
    struct sockaddr_un *at = &address->socket.path;
    if ((size_t)path.len > sizeof at->sun_path - 1 || path.len == 0)
        return bw_errno_error(EINVAL);
    at->sun_family = AF_UNIX;
    memcpy(at->sun_path, path.ptr, (size_t)path.len);
    address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)path.len);
    if (path.ptr[0] == '@')
        at->sun_path[0] = 0;
    else
        address->length++;
    *out = (struct addresses){address, 1};
    return bw_nil;
}

/* --- host and port --- */

/* "host:port", "[host]:port". */
static bw_error split(bw_string text, bw_string *host, bw_string *port) {
    ptrdiff_t colon = bw_str_last_index(text, bw_str(":")), begin = 0, end = colon;
    if (colon < 0)
        return wrong("missing port in address", text);
    if (text.ptr[0] == '[') {
        ptrdiff_t close = bw_str_index_byte(text, ']');
        if (close < 0)
            return wrong("missing ']' in address", text);
        if (close + 1 == text.len)
            return wrong("missing port in address", text);
        if (close + 1 != colon)
            return wrong(text.ptr[close + 1] == ':' ? "too many colons in address" : "missing port in address", text);
        begin = 1;
        end = close;
    } else if (bw_str_index_byte(text, ':') != colon) {
        return wrong("too many colons in address", text);
    }
    *host = bw_substr(text, begin, end);
    *port = bw_substr(text, colon + 1, text.len);
    if (bw_str_index_byte(bw_substr(text, begin, text.len), '[') >= 0)
        return wrong("unexpected '[' in address", text);
    if (bw_str_index_byte(bw_substr(text, begin ? end + 1 : 0, text.len), ']') >= 0)
        return wrong("unexpected ']' in address", text);
    return bw_nil;
}

static bw_error lookup_failed(bw_string name, const struct lookup *found) {
    if (found->timed_out)
        return bw_err_timeout();
    if (found->system_error != 0)
        return io_error_of_lookup(name, bw_error_text(bw_errno_error(found->system_error)), false);
    bool none = found->error == EAI_NONAME || found->error == EAI_NODATA || found->error == EAI_ADDRFAMILY;
    return io_error_of_lookup(name, none ? bw_str("no such host") : bw_string_of(os_lookup_text(found->error)), none);
}

/* A number, or a service's name; an empty one is 0. */
static bw_error port_number(const struct network *network, bw_string text, int64_t deadline, uint16_t *port) {
    uint64_t number = 0;
    bool digits = true;
    for (ptrdiff_t i = 0; i < text.len && digits; i++) {
        digits = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        number = number > UINT16_MAX ? number : number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (digits && number > UINT16_MAX)
        return wrong("invalid port", text);
    *port = (uint16_t)number;
    if (digits)
        return bw_nil;
    struct lookup found = {.error = EAI_SERVICE};
    if (bw_str_index_byte(text, 0) < 0)
        found = lookup_wait(NULL, bw_cstr(text), AF_INET, network->type, deadline);
    bw_string name = bw_concat(network->type == SOCK_STREAM ? "tcp/" : "udp/", text);
    if (found.error == EAI_SERVICE || found.error == EAI_NONAME)
        return io_error_of_lookup(name, bw_str("unknown port"), true);
    if (found.error != 0 || found.timed_out)
        return lookup_failed(name, &found);
    *port = ntohs(((const struct sockaddr_in *)(const void *)found.list->ai_addr)->sin_port);
    os_addresses_free(found.list);
    return bw_nil;
}

static void set_port(struct address *address, uint16_t port) {
    if (address->socket.any.sa_family == AF_INET)
        address->socket.v4.sin_port = htons(port);
    else
        address->socket.v6.sin6_port = htons(port);
}

static bool set_host(struct address *address, int family, const void *bytes) {
    if (family == AF_INET) {
        address->socket.v4 = (struct sockaddr_in){.sin_family = AF_INET};
        memcpy(&address->socket.v4.sin_addr, bytes, 4);
        address->length = sizeof address->socket.v4;
    } else {
        address->socket.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
        memcpy(&address->socket.v6.sin6_addr, bytes, 16);
        address->length = sizeof address->socket.v6;
    }
    return true;
}

/* An address in figures; with a zone, where it is of IPv6. */
static bool from_figures(bw_string host, struct address *address) {
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
    unsigned char bytes[16];
    if ((size_t)host.len >= sizeof text || bw_str_index_byte(host, 0) >= 0)
        return false;
    memcpy(text, host.ptr, (size_t)host.len);
    text[host.len] = 0;
    if (inet_pton(AF_INET, text, bytes) == 1)
        return set_host(address, AF_INET, bytes);
    char *zone = strchr(text, '%');
    if (zone)
        *zone++ = 0;
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return false;
    set_host(address, AF_INET6, bytes);
    if (zone) {
        uint64_t number = os_interface_number(zone);
        if (number == 0)
            (void)bw_parse_uint(bw_string_of(zone), 10, 32, &number);
        address->socket.v6.sin6_scope_id = (uint32_t)number;
    }
    return true;
}

/* What could be a name of a host: parts of 1 to 63 bytes, 253 in all, and not only figures and dots. */
static bool may_be_name(bw_string host) {
    ptrdiff_t part = 0;
    bool other = false;
    for (ptrdiff_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        bool ends = c == '.';
        if (ends ? part == 0 : ++part > 63 || c <= ' ' || c == 127)
            return false;
        if (ends)
            part = 0;
        other |= !ends && !(c >= '0' && c <= '9');
    }
    return host.len > 0 && host.len <= 254 && (host.len < 254 || host.ptr[253] == '.') && other;
}

static bw_error by_name(const struct network *network, bw_string host, int64_t deadline, struct addresses *out) {
    if (!may_be_name(host))
        return io_error_of_lookup(host, bw_str("no such host"), true);
    struct lookup found = lookup_wait(bw_cstr(host), NULL, network->family, network->type, deadline);
    if (found.error != 0 || found.timed_out)
        return lookup_failed(host, &found);
    size_t count = 0;
    for (const struct addrinfo *at = found.list; at; at = at->ai_next)
        count++;
    out->list = bw_alloc_noscan(count * sizeof *out->list);
    out->count = 0;
    for (const struct addrinfo *at = found.list; at; at = at->ai_next)
        if ((at->ai_family == AF_INET || at->ai_family == AF_INET6) && at->ai_addrlen <= sizeof out->list->socket) {
            struct address *address = &out->list[out->count++];
            memcpy(&address->socket, at->ai_addr, at->ai_addrlen);
            address->length = at->ai_addrlen;
        }
    os_addresses_free(found.list);
    return out->count ? bw_nil : io_error_of_lookup(host, bw_str("no such host"), true);
}

/* All of this machine's to listen on: with IPv6, where there is that, both; the one way to itself, to connect to. */
static void without_host(const struct network *network, bool listens, struct addresses *out) {
    static const unsigned char zero[16], four[4] = {127, 0, 0, 1}, six[16] = {[15] = 1};
    out->list = bw_alloc_noscan(2 * sizeof *out->list);
    out->count = 0;
    if (network->family == AF_INET6 || (listens && network->family == AF_UNSPEC))
        set_host(&out->list[out->count++], AF_INET6, listens ? zero : six);
    if (network->family != AF_INET6)
        set_host(&out->list[out->count++], AF_INET, listens ? zero : four);
}

bw_error addresses_find(const struct network *network, bw_string text, bool listens, int64_t deadline,
                        struct addresses *out) {
    bw_string host = text, port_text = text;
    uint16_t port = 0;
    if (network->family == AF_UNIX)
        return unix_address(text, out);
    if (text.len == 0 && !listens)
        return bw_errors_new("missing address");
    bw_error err = text.len == 0 ? bw_nil : split(text, &host, &port_text);
    if (err.bw__table == NULL)
        err = port_number(network, port_text, deadline, &port);
    if (err.bw__table)
        return err;
    struct address *exact = bw_alloc_noscan(sizeof *exact);
    if (host.len == 0) {
        without_host(network, listens, out);
    } else if (from_figures(host, exact)) {
        if (network->family != AF_UNSPEC && exact->socket.any.sa_family != network->family)
            return wrong("no suitable address", host);
        *out = (struct addresses){exact, 1};
    } else {
        err = by_name(network, host, deadline, out);
    }
    for (size_t i = 0; err.bw__table == NULL && i < out->count; i++)
        set_port(&out->list[i], port);
    return err;
}

/* --- to text --- */

static bw_string path_text(const struct address *address) {
    const struct sockaddr_un *at = &address->socket.path;
    size_t begin = offsetof(struct sockaddr_un, sun_path),
           length = address->length > begin ? address->length - begin : 0;
    if (length == 0)
        return bw_str("");
    if (at->sun_path[0] == 0)
        return bw_concat("@", bw_string_from(at->sun_path + 1, (ptrdiff_t)length - 1));
    return bw_string_from(at->sun_path, (ptrdiff_t)strnlen(at->sun_path, length));
}

bw_string address_text(const struct address *address) {
    char text[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];
    switch (address->socket.any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->socket.v4.sin_addr, text, sizeof text);
        return bw_concat(text, ":", bw_itoa(ntohs(address->socket.v4.sin_port)));
    case AF_INET6: {
        const struct sockaddr_in6 *at = &address->socket.v6;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&at->sin6_addr);
        inet_ntop(mapped ? AF_INET : AF_INET6, at->sin6_addr.s6_addr + (mapped ? 12 : 0), text, sizeof text);
        if (mapped)
            return bw_concat(text, ":", bw_itoa(ntohs(at->sin6_port)));
        bw_string host = bw_string_of(text);
        if (at->sin6_scope_id != 0)
            host =
                bw_concat(host, "%",
                          os_interface_name(at->sin6_scope_id, zone) ? bw_string_of(zone) : bw_itoa(at->sin6_scope_id));
        return bw_concat("[", host, "]:", bw_itoa(ntohs(at->sin6_port)));
    }
    case AF_UNIX: return path_text(address);
    default: return bw_str("");
    }
}
