// Sockets: TCP, UDP and Unix, by address and by name; many connections; slow readers, half-closed and reset connections, peers
// that are killed; too few descriptors; what errors say; names looked up.
// timeout: 200
#include "support.h"

#include "sched/sched.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

typedef void (*body)(void *argument);

static void run_and_tell(body run, void *argument, bw_chan(int) done) {
    run(argument);
    bw_send(done, 1);
}
static void in_goroutine(body run, void *argument) {
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(run_and_tell, run, argument, done);
    CHECK(bw_recv(done) == 1);
}
static void in_both(body run, void *argument) {
    in_goroutine(run, argument);
    run(argument); // main
}

static const char *text_of(bw_error err) {
    return bw_cstr(bw_error_text(err));
}
static int listens(const char *network, const char *address) {
    bw_error err;
    int fd = bw_listen(network, address, &err);
    CHECK(fd >= 0, "%s", text_of(err));
    CHECK(bw_is_nil(err));
    return fd;
}
static int dials(const char *network, const char *address) {
    bw_error err;
    int fd = bw_dial(network, address, &err);
    CHECK(fd >= 0, "%s", text_of(err));
    CHECK(bw_is_nil(err) && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    return fd;
}
// A name that no other run of this has at the same time.
static char *own_name(const char *part) {
    return bw_cstr(bw_sprintf("@burrow/%v/%d", part, (int)getpid()));
}
static char *address_of(int fd) {
    return bw_cstr(bw_local_address(fd));
}

// --- a server that echoes ---

static void echo(int fd) {
    char text[4096];
    ssize_t length;
    while ((length = bw_read(fd, text, sizeof text)) > 0)
        if (bw_write_all(fd, text, (size_t)length) < 0)
            break;
    CHECK(bw_close_fd(fd) == 0);
}
static void serve(int listener, bw_chan(int) done) {
    int fd;
    while ((fd = bw_accept(listener, NULL, NULL)) >= 0)
        bw_go(echo, fd);
    bw_send(done, errno);
}

static void asks(const char *network, const char *address, int times, bw_chan(int) done) {
    int fd = dials(network, address);
    char out[100], in[100];
    for (int i = 0; i < times; i++) {
        size_t length = (size_t)snprintf(out, sizeof out, "%d %d", fd, i) + 1;
        CHECK(bw_write_all(fd, out, length) == (ssize_t)length);
        CHECK(bw_read_full(fd, in, length) == (ssize_t)length && memcmp(in, out, length) == 0);
    }
    CHECK(bw_close_fd(fd) == 0);
    bw_send(done, 1);
}
static void echoes(const char *network, const char *where, int clients, int times) {
    int listener = listens(network, where);
    const char *address = strncmp(network, "unix", 4) == 0 ? where : address_of(listener);
    bw_chan(int) server = bw_make_chan(int, 0), done = bw_make_chan(int, 10);
    bw_go(serve, listener, server);
    for (int i = 0; i < clients; i++)
        bw_go(asks, network, address, times, done);
    for (int i = 0; i < clients; i++)
        CHECK(bw_recv(done) == 1);
    CHECK(bw_close_fd(listener) == 0 && bw_recv(server) == EBADF);
}
static bool has_ipv6(void) {
    bw_error err;
    int fd = bw_listen("tcp6", "[::1]:0", &err);
    if (fd >= 0)
        CHECK(bw_close_fd(fd) == 0);
    return fd >= 0;
}
static void all_networks(void *argument) {
    (void)argument;
    echoes("tcp", "127.0.0.1:0", 5, 20);
    echoes("tcp4", "localhost:0", 2, 5);
    echoes("unix", own_name("echo"), 5, 20);
    if (has_ipv6())
        echoes("tcp6", "[::1]:0", 5, 20);
    char path[] = "/tmp/burrow_net_XXXXXX";
    CHECK(mkdtemp(path));
    char *name = bw_cstr(bw_concat(path, "/socket"));
    echoes("unix", name, 5, 20);
    struct stat status;
    CHECK(stat(name, &status) == 0 && S_ISSOCK(status.st_mode) && unlink(name) == 0);
    echoes("unixpacket", name, 2, 5);
    unlink(name);
    rmdir(path);
    // All of this machine: reached by IPv4, whatever it is bound to.
    int listener = listens("tcp", ":0");
    bw_string port = bw_local_address(listener);
    port = bw_substr(port, bw_str_last_index(port, bw_str(":")), port.len);
    bw_chan(int) server = bw_make_chan(int, 0), done = bw_make_chan(int, 1);
    bw_go(serve, listener, server);
    bw_go(asks, "tcp", bw_cstr(bw_concat("127.0.0.1", port)), 3, done);
    CHECK(bw_recv(done) == 1);
    bw_go(asks, "tcp", bw_cstr(port), 3, done);
    CHECK(bw_recv(done) == 1);
    CHECK(bw_close_fd(listener) == 0 && bw_recv(server) == EBADF);
}
static void test_networks(void **state) {
    (void)state;
    in_both(all_networks, NULL);
}

static void test_many_connections(void **state) {
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    size_t count = effort(1000), most = (size_t)limit.rlim_cur / 2 - 50;
    echoes("tcp", "127.0.0.1:0", (int)(count < most ? count : most), 5);
    echoes("unix", own_name("many"), (int)(count < most ? count : most), 5); // more than its queue has room for
}

static void *thread_asks(void *argument) {
    bw_chan(int) done = bw_make_chan(int, 1);
    asks("tcp", argument, (int)effort(100), done);
    return NULL;
}
static void test_threads_beside(void **state) {
    (void)state;
    int listener = listens("tcp", "127.0.0.1:0");
    char *address = address_of(listener);
    bw_chan(int) server = bw_make_chan(int, 0), done = bw_make_chan(int, 1);
    bw_go(serve, listener, server);
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, thread_asks, address) == 0);
    for (int i = 0; i < 4; i++)
        bw_go(asks, "tcp", address, (int)effort(100), done);
    for (int i = 0; i < 4; i++)
        CHECK(bw_recv(done) == 1);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(bw_close_fd(listener) == 0 && bw_recv(server) == EBADF);
}

// Several accept on one listener.
static void test_several_accept(void **state) {
    (void)state;
    int listener = listens("tcp", "127.0.0.1:0"), clients = (int)effort(100);
    char *address = address_of(listener);
    bw_chan(int) server = bw_make_chan(int, 0), done = bw_make_chan(int, 10);
    for (int i = 0; i < 8; i++)
        bw_go(serve, listener, server);
    for (int i = 0; i < clients; i++)
        bw_go(asks, "tcp", address, 3, done);
    for (int i = 0; i < clients; i++)
        CHECK(bw_recv(done) == 1);
    CHECK(bw_close_fd(listener) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(bw_recv(server) == EBADF);
}

// --- datagrams ---

static void answers_datagrams(int fd, int count, bw_chan(int) done) {
    for (int i = 0; i < count; i++) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        char text[100];
        ssize_t got = bw_recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &length);
        CHECK(got >= 0 && length > 0);
        CHECK(bw_sendto(fd, text, (size_t)got, 0, (struct sockaddr *)&from, length) == got);
    }
    bw_send(done, 1);
}
static void datagrams(void *argument) {
    (void)argument;
    int server = listens("udp", "127.0.0.1:0"), count = 50;
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(answers_datagrams, server, count, done);
    int client = dials("udp", address_of(server));
    char text[100];
    for (int i = 0; i < count; i++) {
        size_t length = i == 7 ? 0 : (size_t)snprintf(text, sizeof text, "%d", i); // an empty one, too
        CHECK(bw_sendto(client, text, length, 0, NULL, 0) == (ssize_t)length);
        CHECK(bw_recvfrom(client, text, sizeof text, 0, NULL, NULL) == (ssize_t)length);
        CHECK(i == 7 || atoi(text) == i);
    }
    CHECK(bw_recv(done) == 1);
    CHECK(bw_recvfrom(client, text, sizeof text, MSG_DONTWAIT, NULL, NULL) == -1 && errno == EAGAIN);
    CHECK(bw_set_read_deadline(client, bw_now() + 5 * BW_MILLISECOND) == 0);
    CHECK(bw_recvfrom(client, text, sizeof text, 0, NULL, NULL) == -1 && errno == ETIMEDOUT);
    CHECK(bw_close_fd(client) == 0 && bw_close_fd(server) == 0);
}
static void test_datagrams(void **state) {
    (void)state;
    in_both(datagrams, NULL);
}

// --- slow readers, half-closed, reset ---

static void connected(int ends[2]) {
    int listener = listens("tcp", "127.0.0.1:0");
    ends[0] = dials("tcp", address_of(listener));
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ends[1] = bw_accept(listener, (struct sockaddr *)&from, &length);
    CHECK(ends[1] >= 0 && length == sizeof from && fcntl(ends[1], F_GETFD) == FD_CLOEXEC);
    CHECK(bw_str_eq(bw_local_address(ends[0]), bw_remote_address(ends[1])) &&
          bw_str_eq(bw_remote_address(ends[0]), bw_local_address(ends[1])));
    int no_delay = 0;
    length = sizeof no_delay;
    CHECK(getsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &no_delay, &length) == 0 && no_delay);
    CHECK(bw_close_fd(listener) == 0);
}
static void writes_much(int fd, size_t n, _Atomic size_t *written, bw_chan(int) done) {
    char *bytes = bw_alloc_noscan(65536);
    for (size_t at = 0; at < n; at += 65536) {
        CHECK(bw_write_all(fd, bytes, 65536) == 65536);
        atomic_store(written, at + 65536);
    }
    CHECK(shutdown(fd, SHUT_WR) == 0);
    bw_send(done, 1);
}
static void slow_reader(void *argument) {
    (void)argument;
    int ends[2];
    static _Atomic size_t written;
    size_t n = (size_t)16 << 20, got = 0, before;
    connected(ends);
    bw_chan(int) done = bw_make_chan(int, 0);
    atomic_store(&written, 0);
    bw_go(writes_much, ends[0], n, &written, done);
    do { // until it is stuck
        before = atomic_load(&written);
        bw_sleep(20 * BW_MILLISECOND);
    } while (atomic_load(&written) != before || before == 0);
    CHECK(before < n);
    char *bytes = bw_alloc_noscan(1 << 20);
    ssize_t length;
    while ((length = bw_read(ends[1], bytes, 1 << 20)) > 0)
        got += (size_t)length;
    CHECK(length == 0 && got == n && bw_recv(done) == 1);
    // The other half is open still.
    CHECK(bw_write(ends[1], "bye", 3) == 3 && bw_read_full(ends[0], bytes, 3) == 3);
    CHECK(bw_close_fd(ends[1]) == 0 && bw_read(ends[0], bytes, 1) == 0 && bw_close_fd(ends[0]) == 0);
}
static void test_slow_reader(void **state) {
    (void)state;
    in_both(slow_reader, NULL);
}

static void reset(void *argument) {
    (void)argument;
    for (int i = 0; i < 10; i++) {
        int ends[2];
        char byte;
        connected(ends);
        struct linger at_once = {1, 0};
        CHECK(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        CHECK(bw_close_fd(ends[1]) == 0);
        CHECK(bw_read(ends[0], &byte, 1) == -1 && errno == ECONNRESET);
        bw_error err = bw_net_error("read", "tcp", "1.2.3.4:5", errno);
        CHECK(strcmp(text_of(err), "read tcp 1.2.3.4:5: connection reset by peer") == 0);
        CHECK(bw_write(ends[0], "x", 1) == -1 && errno == EPIPE);
        CHECK(bw_close_fd(ends[0]) == 0);
    }
}
static void test_reset(void **state) {
    (void)state;
    in_both(reset, NULL);
}

// A client that is killed in the middle of a request; the server's goroutine sees the end, and the rest goes on.
static void counts_requests(int fd, bw_chan(int) done) {
    char request[64];
    int whole = 0;
    while (bw_read_full(fd, request, sizeof request) == sizeof request)
        whole++;
    CHECK(bw_close_fd(fd) == 0);
    bw_send(done, whole);
}
static void child_half_a_request(void) {
    static char requests[64 * 10 + 30];
    int fd = dials("tcp", getenv("BURROW_TEST_ADDRESS"));
    CHECK(write(fd, requests, sizeof requests) > 0);
    for (;;)
        pause();
}
static void test_killed_peers(void **state) {
    (void)state;
    int listener = listens("tcp", "127.0.0.1:0"), clients = (int)effort(20);
    setenv("BURROW_TEST_ADDRESS", address_of(listener), 1);
    bw_chan(int) done = bw_make_chan(int, 100);
    for (int i = 0; i < clients; i++) {
        char path[] = "/proc/self/exe", option[] = "--child", name[] = "half a request";
        char *arguments[] = {path, option, name, NULL};
        pid_t child;
        CHECK(posix_spawn(&child, path, NULL, NULL, arguments, environ) == 0);
        int fd = bw_accept(listener, NULL, NULL);
        CHECK(fd >= 0);
        char byte;
        if (i % 2)
            CHECK(bw_recvfrom(fd, &byte, 1, MSG_PEEK, NULL, NULL) == 1);
        bw_go(counts_requests, fd, done);
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    }
    for (int i = 0; i < clients; i++) {
        int whole = bw_recv(done);
        CHECK(whole >= 0 && whole <= 10);
    }
    CHECK(bw_close_fd(listener) == 0);
}

// --- too few descriptors ---

static void child_descriptors(void) {
    struct rlimit limit = {40, 40};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int listener = listens("tcp", "127.0.0.1:0"), fds[64], count = 0;
    char *address = address_of(listener);
    bw_error err;
    while ((fds[count] = bw_dial("tcp", address, &err)) >= 0)
        count++;
    const char *expected = bw_cstr(bw_concat("dial tcp ", address, ": socket: too many open files"));
    CHECK(strcmp(text_of(err), expected) == 0, "%s", text_of(err));
    CHECK(bw_errno_of(err) == EMFILE);
    CHECK(bw_accept(listener, NULL, NULL) == -1 && errno == EMFILE);
    int pair[2];
    CHECK(bw_pipe(pair) == -1 && errno == EMFILE && bw_open("/dev/null", O_RDONLY) == -1 && errno == EMFILE);
    // Waiting needs none.
    char byte;
    CHECK(bw_set_read_deadline(fds[0], bw_now() + 30 * BW_MILLISECOND) == 0);
    CHECK(bw_read(fds[0], &byte, 1) == -1 && errno == ETIMEDOUT);
    CHECK(bw_set_read_deadline(fds[0], 0) == 0);
    // One closed, one accepted.
    CHECK(bw_close_fd(fds[--count]) == 0);
    int fd = bw_accept(listener, NULL, NULL);
    CHECK(fd >= 0 && bw_write(fd, "x", 1) == 1);
    CHECK(bw_read(fds[0], &byte, 1) == 1 && byte == 'x');
    CHECK(bw_accept(listener, NULL, NULL) == -1 && errno == EMFILE);
    bw_close_fd(fd);
    while (count > 0)
        bw_close_fd(fds[--count]);
    bw_close_fd(listener);
    echoes("tcp", "127.0.0.1:0", 5, 5);
}
static void run_child_descriptors(void *argument) {
    (void)argument;
    child_descriptors();
}
static void child_descriptors_in_goroutine(void) {
    in_goroutine(run_child_descriptors, NULL);
}
static void test_descriptors(void **state) {
    (void)state;
    assert_succeeded("descriptors", NULL, NULL);
    assert_succeeded("descriptors in a goroutine", NULL, NULL);
}

// --- connect and accept as such ---

static void raw_calls(void *argument) {
    (void)argument;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    CHECK(bw_set_read_deadline(listener, bw_now() + 5 * BW_MILLISECOND) == 0);
    CHECK(bw_accept(listener, NULL, NULL) == -1 && errno == ETIMEDOUT && bw_set_deadline(listener, 0) == 0);
    CHECK(bw_connect(client, (struct sockaddr *)&address, length) == 0);
    CHECK((fcntl(client, F_GETFL) & O_NONBLOCK) == 0);
    CHECK(bw_connect(client, (struct sockaddr *)&address, length) == -1 && errno == EISCONN);
    int server = bw_accept(listener, NULL, NULL);
    CHECK(server >= 0 && write(server, "x", 1) == 1);
    char byte;
    CHECK(bw_read(client, &byte, 1) == 1 && byte == 'x');
    CHECK(close(server) == 0 && close(client) == 0 && close(listener) == 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bw_connect(client, (struct sockaddr *)&address, length) == -1 && errno == ECONNREFUSED);
    CHECK(close(client) == 0);
    int pair[2];
    CHECK(bw_pipe(pair) == 0 && bw_accept(pair[0], NULL, NULL) == -1 && errno == ENOTSOCK);
    CHECK(bw_connect(pair[0], (struct sockaddr *)&address, length) == -1 && errno == ENOTSOCK);
    CHECK(bw_accept(-1, NULL, NULL) == -1 && errno == EBADF);
    CHECK(bw_close_fd(pair[0]) == 0 && bw_close_fd(pair[1]) == 0);
    CHECK(bw_socketpair(77, pair) == -1);
}
static void test_raw_calls(void **state) {
    (void)state;
    in_both(raw_calls, NULL);
}

// --- what is said of it ---

static void dial_says(const char *network, const char *address, const char *expected) {
    bw_error err;
    CHECK(bw_dial(network, address, &err) == -1);
    CHECK(strcmp(text_of(err), expected) == 0, "%s", text_of(err));
    CHECK(bw_dial(network, address, NULL) == -1);
}
static void listen_says(const char *network, const char *address, const char *expected) {
    bw_error err;
    CHECK(bw_listen(network, address, &err) == -1);
    CHECK(strcmp(text_of(err), expected) == 0, "%s", text_of(err));
}
static void messages(void *argument) {
    (void)argument;
    dial_says("tcp", "127.0.0.1:1", "dial tcp 127.0.0.1:1: connect: connection refused");
    dial_says("tcp4", "127.0.0.1:1", "dial tcp4 127.0.0.1:1: connect: connection refused");
    dial_says("unix", "/nonexistent/socket", "dial unix /nonexistent/socket: connect: no such file or directory");
    dial_says("unix", "@burrow/nobody", "dial unix @burrow/nobody: connect: connection refused");
    dial_says("net", "127.0.0.1:1", "dial net: unknown network net");
    dial_says("tcp", "127.0.0.1", "dial tcp: address 127.0.0.1: missing port in address");
    dial_says("tcp", "::1:80", "dial tcp: address ::1:80: too many colons in address");
    dial_says("tcp", "[::1", "dial tcp: address [::1: missing ']' in address");
    dial_says("tcp", "[::1:80", "dial tcp: address [::1:80: missing ']' in address");
    dial_says("tcp", "[::1]", "dial tcp: address [::1]: missing port in address");
    dial_says("tcp", "[::1]x:80", "dial tcp: address [::1]x:80: missing port in address");
    dial_says("tcp", "[a[b]:80", "dial tcp: address [a[b]:80: unexpected '[' in address");
    dial_says("tcp", "a]b:80", "dial tcp: address a]b:80: unexpected ']' in address");
    dial_says("tcp", "127.0.0.1:65536", "dial tcp: address 65536: invalid port");
    dial_says("tcp", "127.0.0.1:no-such-service", "dial tcp: lookup tcp/no-such-service: unknown port");
    dial_says("tcp", "", "dial tcp: missing address");
    dial_says("tcp6", "127.0.0.1:80", "dial tcp6: address 127.0.0.1: no suitable address");
    listen_says("tcp", "127.0.0.1:http0", "listen tcp: lookup tcp/http0: unknown port");
    listen_says("unix", "/nonexistent/socket", "listen unix /nonexistent/socket: bind: no such file or directory");
    int listener = listens("tcp", "127.0.0.1:0");
    listen_says("tcp", address_of(listener),
                bw_cstr(bw_concat("listen tcp ", bw_local_address(listener), ": bind: address already in use")));
    CHECK(bw_close_fd(listener) == 0);

    bw_error err;
    CHECK(bw_dial("tcp", "127.0.0.1:1", &err) == -1);
    CHECK(bw_errors_is(err, bw_errno_error(ECONNREFUSED)) && bw_errno_of(err) == ECONNREFUSED);
    const bw_error_net *net = bw_net_error_of(bw_errorf("fetch: %w", err));
    CHECK(net && bw_str_eq(net->op, bw_str("dial")) && bw_str_eq(net->network, bw_str("tcp")) &&
          bw_str_eq(net->address, bw_str("127.0.0.1:1")) && bw_lookup_error_of(err) == NULL);
    CHECK(bw_dial("unix", "/nonexistent/socket", &err) == -1 && bw_errors_is(err, bw_err_not_exist()));
    err = bw_net_error("write", "tcp", "", EBADF);
    CHECK(strcmp(text_of(err), "write tcp: use of closed network connection") == 0);
    CHECK(bw_errors_is(err, bw_err_net_closed()) && bw_errno_of(err) == EBADF);
    err = bw_net_error("read", "tcp", "a:1", ETIMEDOUT);
    CHECK(strcmp(text_of(err), "read tcp a:1: i/o timeout") == 0 && bw_errors_is(err, bw_err_timeout()));
    CHECK(bw_is_nil(bw_net_error("read", "tcp", "a:1", 0)));
}
static void test_messages(void **state) {
    (void)state;
    in_both(messages, NULL);
}

static void child_permission(void) {
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
    int first = 1024;
    if (file && fscanf(file, "%d", &first) != 1)
        first = 1024;
    if (first <= 80 || (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0))
        exit(77);
    listen_says("tcp", ":80", "listen tcp :80: bind: permission denied");
    listen_says("tcp4", "127.0.0.1:80", "listen tcp4 127.0.0.1:80: bind: permission denied");
    bw_error err;
    CHECK(bw_listen("tcp", ":80", &err) == -1 && bw_errors_is(err, bw_err_permission()));
}
static void test_permission(void **state) {
    (void)state;
    struct outcome outcome;
    child_run(&outcome, "permission", NULL);
    if (outcome.status == 77)
        skip();
    if (outcome.status != 0)
        outcome_print(&outcome);
    assert_int_equal(outcome.status, 0);
}

// --- timeouts ---

static void dials_late(void *argument) {
    (void)argument;
    bw_error err;
    CHECK(bw_dial_timeout("tcp", "127.0.0.1:1", 0, &err) == -1);
    CHECK(strcmp(text_of(err), "dial tcp 127.0.0.1:1: i/o timeout") == 0, "%s", text_of(err));
    CHECK(bw_errors_is(err, bw_err_timeout()));
    CHECK(bw_dial_timeout("tcp", "localhost:1", -5, &err) == -1 && bw_errors_is(err, bw_err_timeout()));
    // A listener whose queue is full does not answer.
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), queued[4];
    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 0) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    char *name = address_of(listener);
    double begin = seconds_now();
    int count = 0;
    while (count < 4 && (queued[count] = bw_dial_timeout("tcp", name, 50 * BW_MILLISECOND, &err)) >= 0)
        count++;
    CHECK(count > 0 && count < 4 && seconds_now() - begin >= 0.049);
    CHECK(bw_errors_is(err, bw_err_timeout()), "%s", text_of(err));
    while (count > 0)
        CHECK(bw_close_fd(queued[--count]) == 0);
    CHECK(close(listener) == 0);
    listener = listens("tcp", "127.0.0.1:0");
    int fd = bw_dial_timeout("tcp", address_of(listener), 10 * BW_SECOND, &err);
    CHECK(fd >= 0 && bw_is_nil(err) && bw_close_fd(fd) == 0 && bw_close_fd(listener) == 0);
}
static void test_dial_timeout(void **state) {
    (void)state;
    in_both(dials_late, NULL);
}

// --- names ---

static void looks_up(int i, bw_chan(int) done) {
    bw_error err;
    CHECK(bw_dial("tcp4", i % 2 ? "localhost:1" : "127.0.0.1:1", &err) == -1);
    CHECK(strcmp(text_of(err), "dial tcp4 127.0.0.1:1: connect: connection refused") == 0, "%s", text_of(err));
    bw_send(done, 1);
}
static void names(void *argument) {
    (void)argument;
    int many = (int)effort(300);
    bw_chan(int) done = bw_make_chan(int, 10);
    for (int i = 0; i < many; i++)
        bw_go(looks_up, i, done);
    for (int i = 0; i < many; i++)
        CHECK(bw_recv(done) == 1);
    // What cannot be a name is asked of nobody.
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    strcpy(long_name + 290, ":80");
    static const char *const wrong[] = {"a..b", ".", ".a", "a b", "127.0.0.1.5", "1.2.3"};
    bw_error err;
    for (size_t i = 0; i <= COUNT_OF(wrong); i++) {
        char address[320];
        snprintf(address, sizeof address, "%s:80", i < COUNT_OF(wrong) ? wrong[i] : "x");
        CHECK(bw_dial("tcp", i < COUNT_OF(wrong) ? address : long_name, &err) == -1);
        const bw_error_lookup *lookup = bw_lookup_error_of(err);
        CHECK(lookup && lookup->not_found && strstr(text_of(err), ": no such host"), "%s", text_of(err));
    }
    // Without a network it is not known that there is no such name, but it is an error of the look-up all the same.
    double begin = seconds_now();
    CHECK(bw_dial_timeout("tcp", "no-such-host.invalid:80", 20 * BW_SECOND, &err) == -1);
    CHECK(strncmp(text_of(err), "dial tcp: ", 10) == 0 &&
              (bw_lookup_error_of(err) || bw_errors_is(err, bw_err_timeout())),
          "%s", text_of(err));
    CHECK(seconds_now() - begin < 40);
}
static void test_names(void **state) {
    (void)state;
    in_both(names, NULL);
}

static void forks_beside_names(void *argument) {
    (void)argument;
    pid_t child = fork();
    if (child == 0) {
        names(NULL);
        _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7, "%x", status);
}
static void test_names_in_child(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        return;
    in_both(forks_beside_names, NULL);
}

// --- what Go's net tests look at (docs/go-tests.md) ---

static const char *const streams[] = {"tcp", "unix", "unixpacket"};

static int listens_at(const char *network, char *path, const char **address) {
    bool is_tcp = strcmp(network, "tcp") == 0;
    int fd = listens(network, is_tcp ? "127.0.0.1:0" : path);
    *address = is_tcp ? address_of(fd) : path;
    return fd;
}
static void closes_each(void *argument) {
    (void)argument;
    char directory[] = "/tmp/burrow_net_XXXXXX", byte;
    CHECK(mkdtemp(directory));
    char *path = bw_cstr(bw_concat(directory, "/socket"));
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        const char *address;
        int listener = listens_at(streams[i], path, &address), client = dials(streams[i], address);
        int server = bw_accept(listener, NULL, NULL);
        CHECK(shutdown(client, SHUT_RD) == 0 && bw_read(client, &byte, 1) == 0);
        CHECK(shutdown(client, SHUT_WR) == 0 && bw_write(client, "x", 1) == -1 && errno == EPIPE);
        CHECK(bw_read(server, &byte, 1) == 0);
        CHECK(shutdown(server, SHUT_WR) == 0 && bw_write(server, "x", 1) == -1 && errno == EPIPE);
        CHECK(bw_close_fd(client) == 0 && bw_read(client, &byte, 1) == -1 && errno == EBADF);
        CHECK(bw_close_fd(server) == 0 && bw_close_fd(listener) == 0);
        CHECK(bw_accept(listener, NULL, NULL) == -1 && errno == EBADF);
        bw_error err;
        CHECK(bw_dial(streams[i], address, &err) == -1 && bw_errno_of(err) == ECONNREFUSED);
        unlink(path);
    }
    int datagram = listens("unixgram", path);
    CHECK(bw_close_fd(datagram) == 0 && bw_recvfrom(datagram, &byte, 1, 0, NULL, NULL) == -1 && errno == EBADF);
    unlink(path);
    rmdir(directory);
}
static void test_closes(void **state) {
    (void)state;
    in_both(closes_each, NULL);
}

static void waits_for_close(int fd, bool writes, bw_chan(int) done) {
    char byte = 0;
    while ((writes ? bw_write(fd, &byte, 1) : bw_read(fd, &byte, 1)) > 0) {}
    bw_send(done, errno);
}
static void deadlines_of_sockets(void *argument) {
    (void)argument;
    int listener = listens("tcp", "127.0.0.1:0"), client = dials("tcp", address_of(listener));
    bw_chan(int) done = bw_make_chan(int, 0);
    char byte;
    // One that is past, although there is a connection, or something to be read, or room.
    CHECK(bw_set_deadline(listener, bw_now() - 5 * BW_SECOND) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(bw_accept(listener, NULL, NULL) == -1 && errno == ETIMEDOUT);
    CHECK(bw_set_deadline(listener, bw_now() + 30 * BW_MILLISECOND) == 0);
    int server = bw_accept(listener, NULL, NULL);
    CHECK(server >= 0 && bw_accept(listener, NULL, NULL) == -1 && errno == ETIMEDOUT);
    CHECK(bw_write(server, "ab", 2) == 2 && bw_set_deadline(client, INT64_MIN) == 0);
    CHECK(bw_read(client, &byte, 1) == -1 && errno == ETIMEDOUT && bw_write(client, "x", 1) == -1 &&
          errno == ETIMEDOUT);
    CHECK(bw_set_deadline(client, INT64_MAX) == 0 && bw_read(client, &byte, 1) == 1);
    // What was past is taken back, of one direction: that waits until it is closed.
    for (int i = 0; i < 2; i++) {
        int fd = dials("tcp", address_of(listener));
        CHECK(bw_set_deadline(fd, bw_now() - 5 * BW_SECOND) == 0);
        CHECK((i ? bw_set_write_deadline(fd, 0) : bw_set_read_deadline(fd, 0)) == 0);
        bw_go(waits_for_close, fd, i == 1, done);
        bw_sleep(10 * BW_MILLISECOND);
        CHECK(bw_num_goroutine() > 1 && bw_close_fd(fd) == 0);
        int error = bw_recv(done);
        CHECK(error == EBADF, "%s", strerror(error));
    }
    // A wait for ever that is not one.
    double begin = seconds_now();
    for (int i = 0; i < 20; i++) {
        CHECK(bw_set_read_deadline(server, bw_now() + BW_MILLISECOND) == 0);
        CHECK(bw_read(server, &byte, 1) == -1 && errno == ETIMEDOUT);
    }
    CHECK(seconds_now() - begin >= 0.02);
    CHECK(bw_close_fd(server) == 0 && bw_close_fd(client) == 0 && bw_close_fd(listener) == 0);
}
static void test_deadlines_of_sockets(void **state) {
    (void)state;
    in_both(deadlines_of_sockets, NULL);
}

static void sets_deadlines(int fd, int count, bw_chan(int) done) {
    for (int i = 0; i < count; i++) {
        int64_t when = bw_now() + BW_HOUR + i;
        CHECK((i % 3 == 0   ? bw_set_deadline(fd, when)
               : i % 3 == 1 ? bw_set_read_deadline(fd, when)
                            : bw_set_write_deadline(fd, when)) == 0);
    }
    bw_send(done, 1);
}
static void test_concurrent_deadlines(void **state) {
    (void)state;
    enum { PAIRS = 4, SETTERS = 4 };
    int ends[PAIRS][2], count = (int)effort(1000);
    bw_chan(int) asked = bw_make_chan(int, PAIRS), set = bw_make_chan(int, 10);
    for (int i = 0; i < PAIRS; i++) {
        CHECK(bw_socketpair(SOCK_STREAM, ends[i]) == 0);
        bw_go(waits_for_close, ends[i][0], false, asked);
        for (int j = 0; j < SETTERS; j++)
            bw_go(sets_deadlines, ends[i][0], count, set);
    }
    for (int i = 0; i < PAIRS * SETTERS; i++)
        CHECK(bw_recv(set) == 1);
    for (int i = 0; i < PAIRS; i++)
        CHECK(bw_set_read_deadline(ends[i][0], bw_now() + BW_MILLISECOND) == 0);
    for (int i = 0; i < PAIRS; i++)
        CHECK(bw_recv(asked) == ETIMEDOUT);
    for (int i = 0; i < PAIRS; i++)
        CHECK(bw_close_fd(ends[i][0]) == 0 && bw_close_fd(ends[i][1]) == 0);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"half a request", child_half_a_request},
                                            {"permission", child_permission},
                                            {"descriptors", child_descriptors},
                                            {"descriptors in a goroutine", child_descriptors_in_goroutine}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_many_connections),
        cmocka_unit_test(test_threads_beside),
        cmocka_unit_test(test_several_accept),
        cmocka_unit_test(test_datagrams),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_killed_peers),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_raw_calls),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_permission),
        cmocka_unit_test(test_dial_timeout),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_in_child),
        cmocka_unit_test(test_closes),
        cmocka_unit_test(test_deadlines_of_sockets),
        cmocka_unit_test(test_concurrent_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
