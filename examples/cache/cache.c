/* cache.c - a server that keeps values by key in memory, and speaks the protocol of Redis.
 *
 *     cache                       serves 127.0.0.1, port 6379
 *     cache --port 0              another port, which is printed
 *     cache --unix /tmp/cache     a Unix socket
 *
 *     redis-cli set greeting hello ex 10
 *     redis-cli get greeting
 *
 * A connection is a goroutine that reads and writes as if it were alone in the world; a thousand of them share the
 * processors that there are. Values are strings that whoever has them may use as long as he likes. There is no event loop,
 * no state machine, no reference count and no free in it.
 *
 *   cache.c      options, listening, the end
 *   server.c     accepting connections, serving them, ending them
 *   protocol.c   requests from bytes, bytes from replies
 *   commands.c   what can be asked for
 *   store.c      the keys and values, and when they expire
 *   text.c       numbers and patterns
 */
#include "server.h"
#include "text.h"
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STATUS_ENDED = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };
enum { DEFAULT_CLIENTS = 10000, OTHER_DESCRIPTORS = 32 };

typedef struct options {
    bw_string host;
    bw_string port; /* empty: none was given */
    bw_string path; /* of a Unix socket; empty: none */
    int64_t clients;
} options;

static const char help[] =
    "usage: cache [OPTION...]\n"
    "\n"
    "Keeps values by key in memory, and speaks the protocol of Redis (RESP2), so that redis-cli and\n"
    "the clients of Redis can talk to it. Ends on SIGINT and SIGTERM; nothing is kept then.\n"
    "\n"
    "  -p, --port N       the port (default: 6379, or with --unix none); 0: one that is free\n"
    "  -h, --host HOST    the name or address to listen at (default: 127.0.0.1)\n"
    "  -u, --unix PATH    a Unix socket, of this path\n"
    "  -c, --clients N    connections at a time (default: 10000, and no more than there are descriptors)\n"
    "      --help         print this\n"
    "      --version      print the version\n"
    "\n"
    "Where it listens is printed, a line for each address. There are no passwords: whoever can connect\n"
    "can read and change everything.\n"
    "\n"
    "Exit status: 0 after a signal, 1 if it cannot listen, 2 for a wrong option.\n";

static _Noreturn void give_up(bw_error err) {
    bw_fprintf(stderr, "cache: %v\n", err);
    exit(STATUS_FAILED);
}

static _Noreturn void refuse_usage(void) {
    fputs("Try: cache --help\n", stderr);
    exit(STATUS_USAGE);
}

static int64_t number_option(const char *name, const char *text, int64_t least, int64_t most) {
    int64_t value;
    if (!integer_from(bw_string_of(text), &value) || value < least || value > most) {
        bw_fprintf(stderr, "cache: %s wants a number from %d to %d, not %q\n", name, least, most, bw_string_of(text));
        refuse_usage();
    }
    return value;
}

static options options_from(int argc, char **argv) {
    enum { OPTION_HELP = 256, OPTION_VERSION };
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"host", required_argument, NULL, 'h'},
        {"unix", required_argument, NULL, 'u'},
        {"clients", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {0},
    };
    options o = {.host = bw_str("127.0.0.1"), .clients = DEFAULT_CLIENTS};
    int option;
    while ((option = getopt_long(argc, argv, "p:h:u:c:", known, NULL)) != -1) {
        switch (option) {
        case 'p': o.port = bw_itoa(number_option("--port", optarg, 0, 65535)); break;
        case 'h': o.host = bw_string_of(optarg); break;
        case 'u': o.path = bw_string_of(optarg); break;
        case 'c': o.clients = number_option("--clients", optarg, 1, 1000000); break;
        case OPTION_HELP: fputs(help, stdout); exit(STATUS_ENDED);
        case OPTION_VERSION: printf("cache (Burrow %s)\n", bw_version()); exit(STATUS_ENDED);
        default: refuse_usage(); /* getopt_long has said why */
        }
    }
    if (optind < argc) {
        bw_fprintf(stderr, "cache: what is %q for?\n", bw_string_of(argv[optind]));
        refuse_usage();
    }
    if (bw_len(o.port) == 0 && bw_len(o.path) == 0)
        o.port = bw_str("6379");
    return o;
}

/* As many descriptors as are allowed; how many connections those are enough for. */
static int64_t clients_possible(int64_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    int64_t possible = limit.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)limit.rlim_cur - OTHER_DESCRIPTORS;
    return possible < 1 ? 1 : wanted < possible ? wanted : possible;
}

/* ---- listening -------------------------------------------------------------------------------------------------- */

/* A socket that a server has left behind, which nobody listens to, is removed. */
static int listen_at_path(bw_string path, bw_error *err) {
    int listener = bw_listen("unix", path, err);
    if (listener >= 0 || bw_errno_of(*err) != EADDRINUSE)
        return listener;
    bw_error refused;
    int other = bw_dial("unix", path, &refused);
    if (other >= 0)
        bw_close_fd(other);
    else if (bw_errno_of(refused) == ECONNREFUSED && unlink(bw_cstr(path)) == 0)
        listener = bw_listen("unix", path, err);
    return listener;
}

static int listen_at_port(bw_string host, bw_string port, bw_error *err) {
    bool is_ipv6 = bw_str_contains(host, bw_str(":")) && !bw_str_has_prefix(host, bw_str("["));
    return bw_listen("tcp", is_ipv6 ? bw_concat("[", host, "]:", port) : bw_concat(host, ":", port), err);
}

static server *start(const options *o) {
    server_options s = {.most_clients = clients_possible(o->clients)};
    bw_slice(bw_string) addresses = {0};
    bw_error err;
    if (bw_len(o->port) > 0) {
        int listener = listen_at_port(o->host, o->port, &err);
        if (listener < 0)
            give_up(err);
        s.listeners = bw_append(s.listeners, listener);
        addresses = bw_append(addresses, bw_local_address(listener));
    }
    if (bw_len(o->path) > 0) {
        int listener = listen_at_path(o->path, &err);
        if (listener < 0)
            give_up(err);
        s.listeners = bw_append(s.listeners, listener);
        addresses = bw_append(addresses, o->path);
    }
    s.address = bw_str_join(addresses, bw_str(" "));
    server *started = server_start(s);
    bw_range(i, address, addresses) {
        bw_printf("cache: listening on %s\n", address);
    }
    fflush(stdout);
    return started;
}

/* The signals are held back in all threads, and main, which has nothing else to do, waits for them. */
int main(int argc, char **argv) {
    options o = options_from(argc, argv);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    server *s = start(&o);
    int signal = 0;
    bw_blocking {
        sigwait(&ends, &signal);
    }
    bw_printf("cache: ending (%s)\n", signal == SIGINT ? "SIGINT" : "SIGTERM");
    server_stop(s);
    if (bw_len(o.path) > 0)
        unlink(bw_cstr(o.path));
    return STATUS_ENDED;
}
