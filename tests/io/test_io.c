// Reading and writing: pipes, sockets and files, in goroutines and in threads; ends, errors, deadlines, closing what others
// wait for, numbers that come to stand for other files, SIGPIPE, and fork.
// timeout: 200
// labels: io
#include "support.h"

#include "sched/sched.h"

#include <limits.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

// --- in a goroutine, and in a thread ---

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

// --- one to the other, through all kinds of descriptors ---

struct ends {
    int from, to;
};

static void fill(char *bytes, size_t n, size_t at) {
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)((at + i) * 31 % 251);
}

static void writes_all(int to, size_t n, bw_chan(int) done) {
    enum { PIECE = 5000 };
    char *bytes = bw_alloc_noscan(PIECE);
    for (size_t at = 0; at < n; at += PIECE) {
        fill(bytes, PIECE, at);
        CHECK(bw_write_all(to, bytes, PIECE) == PIECE, "%s", strerror(errno));
    }
    bw_send(done, 1);
}
static void reads_all(int from, size_t n, bool slow) {
    char got[3000], expected[3000];
    for (size_t at = 0; at < n;) {
        ssize_t length = bw_read(from, got, sizeof got < n - at ? sizeof got : n - at);
        CHECK(length > 0, "%zd %s", length, strerror(errno));
        fill(expected, (size_t)length, at);
        CHECK(memcmp(got, expected, (size_t)length) == 0);
        at += (size_t)length;
        if (slow && at % 7 == 0)
            bw_yield();
    }
}
static void flows(const struct ends *ends, size_t bytes) {
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(writes_all, ends->to, (size_t)bytes, done);
    reads_all(ends->from, bytes, true);
    CHECK(bw_recv(done) == 1);
}
static void flows_all_ways(void *argument) {
    (void)argument;
    size_t bytes = effort(200) * 5000;
    int pair[2];
    CHECK(bw_pipe(pair) == 0);
    flows(&(struct ends){pair[0], pair[1]}, bytes);
    CHECK(bw_close_fd(pair[1]) == 0);
    char byte;
    CHECK(bw_read(pair[0], &byte, 1) == 0);
    CHECK(bw_close_fd(pair[0]) == 0);
    CHECK(bw_close_fd(pair[0]) == -1 && errno == EBADF);

    CHECK(bw_socketpair(SOCK_STREAM, pair) == 0);
    flows(&(struct ends){pair[0], pair[1]}, bytes);
    flows(&(struct ends){pair[1], pair[0]}, bytes);
    CHECK(shutdown(pair[1], SHUT_WR) == 0);
    CHECK(bw_read(pair[0], &byte, 1) == 0);
    flows(&(struct ends){pair[1], pair[0]}, bytes); // the other half is open still
    CHECK(bw_close_fd(pair[0]) == 0 && bw_close_fd(pair[1]) == 0);

    int plain[2]; // made without the library, and blocking
    CHECK(pipe(plain) == 0);
    flows(&(struct ends){plain[0], plain[1]}, bytes);
    CHECK(close(plain[0]) == 0 && close(plain[1]) == 0);
}
static void test_flows(void **state) {
    (void)state;
    in_both(flows_all_ways, NULL);
}

static void pieces(void *argument) {
    (void)argument;
    int kinds[2][2];
    CHECK(bw_pipe(kinds[0]) == 0 && bw_socketpair(SOCK_STREAM, kinds[1]) == 0);
    for (int i = 0; i < 2; i++) {
        int *pair = kinds[i];
        char a[3], b[4] = "....", empty[1], rest[10];
        struct iovec out[] = {{(char[]){"abc"}, 3}, {NULL, 0}, {(char[]){"defg"}, 4}},
                     in[] = {{a, 3}, {empty, 0}, {b, 4}};
        CHECK(bw_writev(pair[1], out, 3) == 7);
        CHECK(bw_readv(pair[0], in, 3) == 7 && memcmp(a, "abc", 3) == 0 && memcmp(b, "defg", 4) == 0);
        CHECK(bw_readv(pair[0], in, 0) == 0 && bw_read(pair[0], rest, 0) == 0 && bw_write(pair[1], rest, 0) == 0);
        CHECK(bw_readv(pair[0], in, -1) == -1 && errno == EINVAL);
        CHECK(bw_readv(pair[0], in, IOV_MAX + 1) == -1 && errno == EINVAL);
        CHECK(bw_write(pair[1], "12345", 5) == 5);
        CHECK(bw_close_fd(pair[1]) == 0);
        CHECK(bw_read_full(pair[0], rest, 3) == 3 && bw_read_full(pair[0], rest, 10) == 2);
        CHECK(memcmp(rest, "45", 2) == 0 && bw_read_full(pair[0], rest, 1) == 0);
        CHECK(bw_close_fd(pair[0]) == 0);
    }
    char byte;
    CHECK(bw_read(-1, &byte, 1) == -1 && errno == EBADF && bw_write(-5, &byte, 1) == -1 && errno == EBADF);
    CHECK(bw_read(kinds[0][0], &byte, 1) == -1 && errno == EBADF);
    CHECK(bw_set_deadline(kinds[0][0], 0) == -1 && errno == EBADF);
}
static void test_pieces(void **state) {
    (void)state;
    in_both(pieces, NULL);
}

// --- files ---

static void files(void *argument) {
    (void)argument;
    char path[] = "/tmp/burrow_io_XXXXXX";
    int made = mkstemp(path);
    CHECK(made >= 0 && close(made) == 0);
    int fd = bw_open(path, O_RDWR | O_TRUNC);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    enum { BYTES = 300000 };
    char *out = bw_alloc_noscan(BYTES), *in = bw_alloc_noscan(BYTES + 10);
    fill(out, BYTES, 0);
    CHECK(bw_write_all(fd, out, BYTES) == BYTES);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    for (int round = 0; round < 2; round++) {
        CHECK(bw_read(fd, in, BYTES + 10) == BYTES && memcmp(in, out, BYTES) == 0); // all of it, in one call
        CHECK(bw_read(fd, in, 10) == 0);
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
        CHECK(fdatasync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0); // then, not from memory
        memset(in, 0, BYTES);
    }
    // From memory in part.
    char byte;
    CHECK(pread(fd, &byte, 1, 0) == 1);
    struct iovec both[] = {{in, 1000}, {in + 1000, BYTES}};
    CHECK(bw_readv(fd, both, 2) == BYTES && memcmp(in, out, BYTES) == 0);
    CHECK(bw_set_deadline(fd, 1) == -1 && errno == ENOTSUP);
    CHECK(bw_close_fd(fd) == 0);
    CHECK(bw_open("/nonexistent/file", O_RDONLY) == -1 && errno == ENOENT);
    fd = bw_open("/tmp", O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0 && bw_read(fd, &byte, 1) == -1 && errno == EISDIR && bw_close_fd(fd) == 0);
    fd = bw_open("/dev/zero", O_RDWR); // of a kind that epoll refuses
    CHECK(bw_read(fd, in, 100) == 100 && in[99] == 0 && bw_write(fd, in, 100) == 100 && bw_close_fd(fd) == 0);
    unlink(path);
}
static void opens_fifo(char *path, bw_chan(int) opened) {
    bw_send(opened, bw_open(path, O_WRONLY));
}
static void fifo(void *argument) {
    (void)argument;
    char path[] = "/tmp/burrow_fifo_XXXXXX", byte;
    CHECK(mkdtemp(path));
    char *name = bw_cstr(bw_concat(path, "/fifo"));
    CHECK(mkfifo(name, 0600) == 0);
    for (int i = 0; i < 3; i++) { // the same file under the same numbers
        bw_chan(int) opened = bw_make_chan(int, 0);
        bw_go(opens_fifo, name, opened);
        int in = bw_open(name, O_RDONLY), out = bw_recv(opened);
        CHECK(in >= 0 && out >= 0);
        bw_chan(int) done = bw_make_chan(int, 0);
        bw_go(writes_all, out, (size_t)100000, done);
        reads_all(in, 100000, false);
        CHECK(bw_recv(done) == 1);
        CHECK(close(out) == 0 && bw_read(in, &byte, 1) == 0 && close(in) == 0);
    }
    unlink(name);
    rmdir(path);
}
static void test_files(void **state) {
    (void)state;
    in_both(files, NULL);
    in_both(fifo, NULL);
}

// --- several at one descriptor ---

static _Atomic int total;
static void takes_bytes(int fd, bw_chan(int) done) {
    char byte;
    int count = 0;
    while (bw_read(fd, &byte, 1) == 1)
        count++;
    atomic_fetch_add(&total, count);
    bw_send(done, 1);
}
static void gives_bytes(int fd, int count, bw_chan(int) done) {
    for (int i = 0; i < count; i++) {
        CHECK(bw_write(fd, "x", 1) == 1);
        if (i % 3 == 0)
            bw_yield();
    }
    bw_send(done, 1);
}
static void shared_by_many(void *argument) {
    (void)argument;
    int kinds[2][2], count = (int)effort(1000);
    CHECK(bw_pipe(kinds[0]) == 0 && bw_socketpair(SOCK_STREAM, kinds[1]) == 0);
    for (int i = 0; i < 2; i++) {
        bw_chan(int) done = bw_make_chan(int, 0);
        atomic_store(&total, 0);
        for (int j = 0; j < 10; j++)
            bw_go(takes_bytes, kinds[i][0], done);
        for (int j = 0; j < 5; j++)
            bw_go(gives_bytes, kinds[i][1], count, done);
        for (int j = 0; j < 5; j++)
            CHECK(bw_recv(done) == 1);
        CHECK(bw_close_fd(kinds[i][1]) == 0);
        for (int j = 0; j < 10; j++)
            CHECK(bw_recv(done) == 1);
        CHECK(atomic_load(&total) == 5 * count, "%d of %d", atomic_load(&total), 5 * count);
        CHECK(bw_close_fd(kinds[i][0]) == 0);
    }
}
static void test_shared_by_many(void **state) {
    (void)state;
    in_both(shared_by_many, NULL);
}

// --- deadlines ---

static void reads_until_late(int fd, bw_chan(int) done) {
    char byte;
    ssize_t got = bw_read(fd, &byte, 1);
    bw_send(done, got < 0 ? errno : 0);
}
static void deadlines(void *argument) {
    (void)argument;
    int kinds[2][2];
    CHECK(bw_pipe(kinds[0]) == 0 && bw_socketpair(SOCK_STREAM, kinds[1]) == 0);
    for (int i = 0; i < 2; i++) {
        int in = kinds[i][0], out = kinds[i][1];
        char byte, much[4096] = {0};
        double begin = seconds_now();
        CHECK(bw_set_read_deadline(in, bw_now() + 20 * BW_MILLISECOND) == 0);
        CHECK(bw_read(in, &byte, 1) == -1 && errno == ETIMEDOUT);
        CHECK(seconds_now() - begin > 0.019);
        CHECK(bw_write(out, "ab", 2) == 2);
        CHECK(bw_read(in, &byte, 1) == -1 && errno == ETIMEDOUT); // although there is something
        CHECK(bw_set_read_deadline(in, bw_now() + 100 * BW_SECOND) == 0 && bw_read(in, &byte, 1) == 1);
        CHECK(bw_set_read_deadline(in, 1) == 0 && bw_read(in, &byte, 1) == -1 && errno == ETIMEDOUT);
        CHECK(bw_set_read_deadline(in, 0) == 0 && bw_read(in, &byte, 1) == 1 && byte == 'b');

        // Set while others wait: nearer, farther, none, nearer again.
        bw_chan(int) done = bw_make_chan(int, 0);
        bw_go(reads_until_late, in, done);
        bw_go(reads_until_late, in, done);
        sleep_ms(1);
        CHECK(bw_set_read_deadline(in, bw_now() + 5 * BW_MILLISECOND) == 0);
        CHECK(bw_set_read_deadline(in, bw_now() + 50 * BW_SECOND) == 0);
        CHECK(bw_set_read_deadline(in, 0) == 0);
        begin = seconds_now();
        CHECK(bw_set_read_deadline(in, bw_now() + 30 * BW_MILLISECOND) == 0);
        int first = bw_recv(done), second = bw_recv(done);
        CHECK(first == ETIMEDOUT && second == ETIMEDOUT, "%d %d", first, second);
        CHECK(seconds_now() - begin < 20);
        bw_set_read_deadline(in, 0);
        bw_go(reads_until_late, in, done);
        sleep_ms(1);
        CHECK(bw_set_read_deadline(in, bw_now() - BW_SECOND) == 0); // ends waits at once
        CHECK(bw_recv(done) == ETIMEDOUT);

        // Writing: until the other end has no room.
        CHECK(bw_set_write_deadline(out, bw_now() + 30 * BW_MILLISECOND) == 0);
        ssize_t wrote;
        while ((wrote = bw_write(out, much, sizeof much)) > 0) {}
        CHECK(wrote == -1 && errno == ETIMEDOUT);
        CHECK(bw_set_deadline(in, 0) == 0 && bw_read(in, &byte, 1) == 1); // of another descriptor
        CHECK(bw_close_fd(in) == 0 && bw_close_fd(out) == 0);
    }
    CHECK(strcmp(bw_cstr(bw_error_text(bw_err_timeout())), "i/o timeout") == 0);
    CHECK(bw_errno_of(bw_err_timeout()) == ETIMEDOUT);
    CHECK(bw_errors_is(bw_err_timeout(), bw_errno_error(ETIMEDOUT)));
}
static void test_deadlines(void **state) {
    (void)state;
    in_both(deadlines, NULL);
}

static void *thread_reads(void *argument) {
    char byte;
    ssize_t got = bw_read(*(int *)argument, &byte, 1);
    return (void *)(intptr_t)(got < 0 ? errno : 0);
}
static void test_thread_is_told(void **state) { // of deadlines and a close
    (void)state;
    for (int i = 0; i < 20; i++) {
        int pair[2];
        pthread_t thread;
        void *result;
        CHECK(bw_pipe(pair) == 0);
        CHECK(pthread_create(&thread, NULL, thread_reads, &pair[0]) == 0);
        if (i % 2)
            sleep_ms(1);
        if (i % 4 < 2)
            CHECK(bw_set_read_deadline(pair[0], 1) == 0);
        else
            CHECK(bw_close_fd(pair[0]) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK((intptr_t)result == (i % 4 < 2 ? ETIMEDOUT : EBADF), "%d", (int)(intptr_t)result);
        if (i % 4 < 2)
            CHECK(bw_close_fd(pair[0]) == 0);
        CHECK(bw_close_fd(pair[1]) == 0);
    }
}

// --- closing, and what comes after ---

static void writes_until_closed(int fd, bw_chan(int) done) {
    char much[4096] = {0};
    while (bw_write(fd, much, sizeof much) > 0) {}
    bw_send(done, errno);
}
static void closes(void *argument) {
    (void)argument;
    for (size_t i = 0; i < effort(100); i++) {
        int pair[2];
        CHECK((i % 2 ? bw_pipe(pair) : bw_socketpair(SOCK_STREAM, pair)) == 0);
        bw_chan(int) done = bw_make_chan(int, 0);
        int readers = (int)(i % 3) + 1;
        for (int j = 0; j < readers; j++)
            bw_go(reads_until_late, pair[0], done);
        for (size_t j = 0; j < i % 5; j++)
            bw_yield();
        if (i % 4 == 3)
            sleep_ms(1);
        CHECK(bw_close_fd(pair[0]) == 0);
        for (int j = 0; j < readers; j++) {
            int error = bw_recv(done);
            CHECK(error == EBADF, "%s", strerror(error));
        }
        CHECK(bw_close_fd(pair[1]) == 0);
        // And writers.
        CHECK((i % 2 ? bw_pipe(pair) : bw_socketpair(SOCK_STREAM, pair)) == 0);
        bw_go(writes_until_closed, pair[1], done);
        if (i % 4 == 3)
            sleep_ms(2);
        CHECK(bw_close_fd(pair[1]) == 0 && bw_recv(done) == EBADF);
        CHECK(bw_close_fd(pair[0]) == 0);
    }
}
static void test_close(void **state) {
    (void)state;
    in_both(closes, NULL);
}

static void takes_three(int fd, bw_chan(int) done) {
    char byte[3];
    bw_send(done, (int)bw_read_full(fd, byte, 3));
}
// The numbers come to stand for other files behind the library's back.
static void numbers_again(void *argument) {
    (void)argument;
    int numbers[2] = {-1, -1};
    for (int i = 0; i < (int)effort(300); i++) {
        int pair[2];
        CHECK((i / 3 % 3 == 0 ? pipe(pair)
                              : socketpair(AF_UNIX, i / 3 % 3 == 1 ? SOCK_STREAM : SOCK_SEQPACKET, 0, pair)) == 0);
        if (numbers[0] >= 0)
            CHECK(pair[0] == numbers[0] && pair[1] == numbers[1]);
        numbers[0] = pair[0];
        numbers[1] = pair[1];
        bw_chan(int) done = bw_make_chan(int, 0);
        bw_go(takes_three, pair[0], done);
        for (int j = 0; j < 3; j++) {
            bw_yield();
            CHECK(bw_write(pair[1], "x", 1) == 1);
            if (j == 1)
                sleep_ms(0);
        }
        CHECK(bw_recv(done) == 3);
        if (i % 5 == 0)
            CHECK(bw_set_deadline(pair[0], 1) == 0 && bw_set_deadline(pair[1], 1) == 0);
        CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
        if (i % 7 == 0) { // a file in between
            int fd = open("/dev/null", O_RDWR);
            char byte;
            CHECK(fd == pair[0] && bw_read(fd, &byte, 1) == 0 && bw_write(fd, "x", 1) == 1 && close(fd) == 0);
            fd = open("/proc/self/exe", O_RDONLY);
            CHECK(fd == pair[0] && bw_read(fd, &byte, 1) == 1 && byte == 0x7f && close(fd) == 0);
        }
    }
}
static void test_numbers_again(void **state) {
    (void)state;
    in_both(numbers_again, NULL);
}

// One file under two numbers; each can be closed while the other is waited for.
static void duplicates(void *argument) {
    (void)argument;
    int pair[2];
    CHECK(bw_socketpair(SOCK_STREAM, pair) == 0);
    int other = dup(pair[0]);
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(takes_three, pair[0], done);
    bw_yield();
    CHECK(bw_write(pair[1], "abc", 3) == 3 && bw_recv(done) == 3);
    bw_go(takes_three, other, done);
    sleep_ms(1);
    CHECK(bw_close_fd(pair[0]) == 0);
    CHECK(bw_write(pair[1], "abc", 3) == 3 && bw_recv(done) == 3);
    int again = dup(other);
    CHECK(again == pair[0]);
    bw_go(takes_three, again, done);
    sleep_ms(1);
    CHECK(bw_write(pair[1], "abc", 3) == 3 && bw_recv(done) == 3);
    CHECK(bw_close_fd(again) == 0 && bw_close_fd(other) == 0 && bw_close_fd(pair[1]) == 0);
}
static void test_duplicates(void **state) {
    (void)state;
    in_both(duplicates, NULL);
}

// --- kinds that are no sockets or pipes ---

static void other_kinds(void *argument) {
    (void)argument;
    int event = eventfd(0, 0);
    bw_chan(int) done = bw_make_chan(int, 0);
    for (int i = 0; i < 3; i++) {
        CHECK(bw_set_read_deadline(event, bw_now() + 5 * BW_MILLISECOND) == 0);
        uint64_t value = 0;
        CHECK(bw_read(event, &value, 8) == -1 && errno == ETIMEDOUT);
        CHECK(bw_set_read_deadline(event, 0) == 0);
        bw_go(writes_all, event, (size_t)0, done);
        CHECK(bw_recv(done) == 1);
        value = 5;
        CHECK(bw_write(event, &value, 8) == 8 && (value = 0, bw_read(event, &value, 8)) == 8 && value == 5);
    }
    CHECK(bw_close_fd(event) == 0);
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0)
        return;
    CHECK(grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int slave = bw_open(ptsname(terminal), O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    bw_go(takes_three, slave, done);
    bw_yield();
    CHECK(bw_write(terminal, "hi\n", 3) == 3 && bw_recv(done) == 3);
    CHECK(bw_close_fd(slave) == 0 && bw_close_fd(terminal) == 0);
}
static void test_other_kinds(void **state) {
    (void)state;
    in_both(other_kinds, NULL);
}

// --- SIGPIPE ---

static _Atomic int pipes_broken;
static void count_broken(int number) {
    CHECK(number == SIGPIPE);
    atomic_fetch_add(&pipes_broken, 1);
}
static void breaks(void *argument) {
    (void)argument;
    int pair[2];
    for (int i = 0; i < 4; i++) {
        CHECK((i % 2 ? bw_pipe(pair) : bw_socketpair(SOCK_STREAM, pair)) == 0);
        CHECK(bw_close_fd(pair[0]) == 0);
        CHECK(bw_write(pair[1], "x", 1) == -1 && errno == EPIPE);
        CHECK(bw_writev(pair[1], &(struct iovec){(char[]){"x"}, 1}, 1) == -1 && errno == EPIPE);
        CHECK(bw_close_fd(pair[1]) == 0);
    }
}
static void test_broken_pipe(void **state) {
    (void)state;
    in_both(breaks, NULL);
    sigset_t pipe, before, there;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    CHECK(pthread_sigmask(SIG_BLOCK, &pipe, &before) == 0);
    breaks(NULL);
    CHECK(sigpending(&there) == 0 && sigismember(&there, SIGPIPE) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0 && sigismember(&before, SIGPIPE) == 0);
    struct sigaction action = {.sa_handler = count_broken}, was;
    CHECK(sigaction(SIGPIPE, &action, &was) == 0);
    breaks(NULL);
    CHECK(atomic_load(&pipes_broken) == 8, "%d", atomic_load(&pipes_broken));
    in_goroutine(breaks, NULL);
    for (int i = 0; i < 1000 && atomic_load(&pipes_broken) < 9; i++) // signals that are pending are one
        sleep_ms(1);
    CHECK(atomic_load(&pipes_broken) >= 9, "%d", atomic_load(&pipes_broken));
    CHECK(sigaction(SIGPIPE, &was, NULL) == 0);
}

static void breaks_output(void *argument) {
    int pair[2], number = *(int *)argument;
    signal(SIGPIPE, SIG_DFL);
    CHECK(bw_pipe(pair) == 0 && dup2(pair[1], number) == number && close(pair[0]) == 0);
    CHECK(bw_write(number, "x", 1) == -1 && errno == EPIPE);
    exit(7);
}
static void child_breaks_output(void) {
    int one = 1;
    breaks_output(&one);
}
static void child_breaks_output_in_goroutine(void) {
    int two = 2;
    in_goroutine(breaks_output, &two);
}
static void child_breaks_other(void) {
    int seven = 7;
    in_goroutine(breaks_output, &seven);
}
static void test_broken_output(void **state) {
    (void)state;
    struct outcome outcome;
    child_run(&outcome, "breaks output", NULL);
    assert_int_equal(outcome.status, 1000 + SIGPIPE);
    child_run(&outcome, "breaks output in a goroutine", NULL);
    assert_int_equal(outcome.status, 1000 + SIGPIPE);
    child_run(&outcome, "breaks another", NULL);
    assert_int_equal(outcome.status, 7);
}

// Standard input as it is given: a pipe whose mode is not changed.
static void reads_input(void *argument) {
    (void)argument;
    int pair[2];
    char text[8];
    CHECK(pipe(pair) == 0 && dup2(pair[0], 0) == 0);
    CHECK(bw_set_read_deadline(0, bw_now() + 10 * BW_MILLISECOND) == 0);
    CHECK(bw_read(0, text, 8) == -1 && errno == ETIMEDOUT && bw_set_read_deadline(0, 0) == 0);
    CHECK(bw_write(pair[1], "hello", 5) == 5 && bw_read(0, text, 8) == 5);
    CHECK((fcntl(0, F_GETFL) & O_NONBLOCK) == 0 && (fcntl(pair[1], F_GETFL) & O_NONBLOCK) != 0);
    CHECK(dup2(pair[1], 2) == 2 && fcntl(2, F_SETFL, 0) == 0);
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(writes_all, 2, (size_t)200000, done);
    reads_all(0, 200000, true);
    CHECK(bw_recv(done) == 1);
}
static void child_reads_input(void) {
    in_goroutine(reads_input, NULL);
    exit(0);
}
static void test_input(void **state) {
    (void)state;
    assert_succeeded("reads input", NULL, NULL);
}

// --- fork ---

static void echoes_one(int fd, bw_chan(int) done) {
    char byte;
    CHECK(bw_read(fd, &byte, 1) == 1 && bw_write(fd, &byte, 1) == 1);
    bw_send(done, 1);
}
// Goroutines wait in parent and child: each of the two gets one of the two bytes; a close ends the wait in the child alone.
static void forks(void *argument) {
    (void)argument;
    int pair[2], closed[2], later[2];
    char bytes[2];
    bw_chan(int) done = bw_make_chan(int, 0), error = bw_make_chan(int, 0);
    CHECK(bw_socketpair(SOCK_STREAM, pair) == 0 && bw_socketpair(SOCK_STREAM, closed) == 0);
    bw_go(echoes_one, pair[0], done);
    bw_go(reads_until_late, closed[0], error);
    while (atomic_load(&sched_poll_waiters) < 2) // one that is about to wait, on another thread, is lost to the child
        sleep_ms(0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(bw_write(pair[1], "cc", 2) == 2 && bw_read_full(pair[1], bytes, 2) == 2 && memcmp(bytes, "cc", 2) == 0);
        CHECK(bw_recv(done) == 1);
        CHECK(bw_close_fd(closed[0]) == 0 && bw_recv(error) == EBADF);
        CHECK(bw_socketpair(SOCK_STREAM, later) == 0);
        bw_go(echoes_one, later[0], done);
        sleep_ms(1);
        CHECK(bw_write(later[1], "d", 1) == 1 && bw_read(later[1], bytes, 1) == 1 && bytes[0] == 'd');
        CHECK(bw_recv(done) == 1);
        _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7, "%x", status);
    CHECK(bw_recv(done) == 1);
    CHECK(bw_write(closed[1], "p", 1) == 1 && bw_recv(error) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(bw_close_fd(pair[i]) == 0 && bw_close_fd(closed[i]) == 0);
}
static void test_fork(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        return;
    for (int i = 0; i < 5; i++)
        in_both(forks, NULL);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"breaks output", child_breaks_output},
                                            {"breaks output in a goroutine", child_breaks_output_in_goroutine},
                                            {"breaks another", child_breaks_other},
                                            {"reads input", child_reads_input}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows),       cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_files),       cmocka_unit_test(test_shared_by_many),
        cmocka_unit_test(test_deadlines),   cmocka_unit_test(test_thread_is_told),
        cmocka_unit_test(test_close),       cmocka_unit_test(test_numbers_again),
        cmocka_unit_test(test_duplicates),  cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_broken_pipe), cmocka_unit_test(test_broken_output),
        cmocka_unit_test(test_input),       cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
