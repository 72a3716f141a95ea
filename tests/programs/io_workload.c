// A small program that reads and writes in goroutines and a thread, by all kinds of descriptors: for runs in which the system
// refuses.
//
// Prints "right" as its last line and ends with status 0 if all went as it must; "refused" instead if a call gave an error
// that says so; status 3 if anything was wrong.
#include <burrow.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic int refusals;

static void wrong(int line) {
    printf("wrong: line %d, errno %d\n", line, errno);
    exit(3);
}
// Is the error one with which a call may be refused? Or what the other end sees when it was refused there.
static void refused(int line, int error) {
    switch (error) {
    case EMFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case EIO:
    case EAGAIN: refusals++; return;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case EINVAL: // of a listener that was shut down
        if (refusals)
            return;
    }
    errno = error;
    wrong(line);
}
// Whether it went well; if not, it was refused.
#define WENT_WELL(condition) ((condition) || (refused(__LINE__, errno), false))

static void echo(int fd, bw_chan(int) done) {
    char text[100];
    ssize_t length;
    while ((length = bw_read(fd, text, sizeof text)) > 0 &&
           WENT_WELL(bw_write_all(fd, text, (size_t)length) == length)) {}
    (void)WENT_WELL(length >= 0);
    if (bw_close_fd(fd) != 0)
        wrong(__LINE__);
    bw_send(done, 1);
}

static void asks(int fd) {
    char in[100];
    for (int i = 0; i < 5; i++) {
        if (!WENT_WELL(bw_write_all(fd, "0123456789", 10) == 10))
            break;
        ssize_t got = bw_read_full(fd, in, 10);
        if (got >= 0 && got < 10 && refusals)
            break;
        if (!WENT_WELL(got == 10))
            break;
        if (memcmp(in, "0123456789", 10) != 0)
            wrong(__LINE__);
    }
    if (bw_close_fd(fd) != 0)
        wrong(__LINE__);
}

static void asks_itself(bw_chan(int) done) {
    int ends[2];
    bw_chan(int) echoed = bw_make_chan(int, 1);
    if (WENT_WELL(bw_socketpair(SOCK_STREAM, ends) == 0)) {
        bw_go(echo, ends[0], echoed);
        asks(ends[1]);
        bw_recv(echoed);
    }
    bw_send(done, 1);
}

static void *asks_in_thread(void *argument) {
    bw_chan(int) done = bw_make_chan(int, 1);
    asks_itself(done);
    return argument;
}

static void accepts(int listener, bw_chan(int) done) {
    int fd = bw_accept(listener, NULL, NULL);
    if (WENT_WELL(fd >= 0)) {
        echo(fd, done);
    } else {
        shutdown(listener, SHUT_RDWR); // who is connected already learns that nobody answers
        bw_send(done, 0);
    }
}

static void dials(bw_chan(int) done) {
    bw_error err;
    bw_chan(int) echoed = bw_make_chan(int, 1);
    int listener = bw_listen("tcp", "127.0.0.1:0", &err);
    if (listener < 0) {
        refused(__LINE__, bw_errno_of(err));
    } else {
        bw_go(accepts, listener, echoed);
        bw_string address = bw_local_address(listener);
        address = bw_concat("localhost", bw_substr(address, bw_str_index_byte(address, ':'), address.len));
        int fd = bw_dial_timeout("tcp4", address, 20 * BW_SECOND, &err);
        if (fd >= 0) {
            asks(fd);
        } else {
            // getaddrinfo has a number of its own for what is refused.
            const bw_error_lookup *lookup = bw_lookup_error_of(err);
            refused(__LINE__, lookup && !lookup->not_found ? ENOMEM : bw_errno_of(err));
            shutdown(listener, SHUT_RDWR); // it is not closed before nobody accepts: its number may be another's then
        }
        bw_recv(echoed);
        if (bw_close_fd(listener) != 0)
            wrong(__LINE__);
    }
    bw_send(done, 1);
}

static void reads_files(bw_chan(int) done, const char *path) {
    char text[20000], other;
    int fd = bw_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (WENT_WELL(fd >= 0)) {
        memset(text, 'x', sizeof text);
        if (WENT_WELL(bw_write_all(fd, text, sizeof text) == sizeof text) && lseek(fd, 0, SEEK_SET) == 0 &&
            WENT_WELL(bw_read_full(fd, text, sizeof text) == sizeof text) && text[19999] != 'x')
            wrong(__LINE__);
        if (bw_close_fd(fd) != 0)
            wrong(__LINE__);
    }
    int ends[2];
    if (WENT_WELL(bw_pipe(ends) == 0)) {
        if (WENT_WELL(bw_set_read_deadline(ends[0], bw_now() + 5 * BW_MILLISECOND) == 0) &&
            (bw_read(ends[0], &other, 1) != -1 || (errno != ETIMEDOUT && !WENT_WELL(false) && !refusals)))
            wrong(__LINE__);
        bw_close_fd(ends[0]);
        bw_close_fd(ends[1]);
    }
    bw_send(done, 1);
}

// The argument names a file to write.
int main(int argc, char **argv) {
    if (argc != 2)
        wrong(__LINE__);
    bw_chan(int) done = bw_make_chan(int, 10);
    for (int i = 0; i < 3; i++)
        bw_go(asks_itself, done);
    bw_go(dials, done);
    bw_go(reads_files, done, (const char *)argv[1]);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, asks_in_thread, NULL);
    if (error)
        refused(__LINE__, error);
    for (int i = 0; i < 5; i++)
        bw_recv(done);
    if (!error && pthread_join(thread, NULL) != 0)
        wrong(__LINE__);
    puts(refusals ? "refused" : "right");
    return 0;
}
