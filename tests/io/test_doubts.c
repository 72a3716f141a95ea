// Sockets that are waited for without asking which file they are: numbers that other files got behind the library's back,
// reads that ended before all there was was taken, and many that have to be examined.
//
// modes: plain verify=1 poison=1,gcstress=200 schedstress=20
#include "support.h"

#include <burrow/short_names.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define WAITS 10000 // ms: what never comes fails the test, and is not waited for for ever

struct two {
    int server, client;
};

// A connection by TCP that the library has heard nothing of.
static struct two connected(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0 && client >= 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(server >= 0 && close(listener) == 0);
    return (struct two){server, client};
}

static void reads_one(int fd, bw_chan(int) read) {
    char text[64];
    for (;;) {
        ssize_t got = bw_read(fd, text, sizeof text);
        bw_send(read, got == 1 ? text[0] : got < 0 ? -errno : 1000 + (int)got);
        if (got <= 0)
            return;
    }
}

static int received(bw_chan(int) from) {
    int value = 0;
    bw_select {
        bw_on_recv(from, got) value = got;
        bw_on_recv(bw_after(WAITS * BW_MILLISECOND), now) fail_msg("nothing came");
    }
    return value;
}

static void writes(int fd, char byte) {
    CHECK(write(fd, &byte, 1) == 1);
}

// A goroutine that reads from the number, and has read once, so that epoll has it and it is drained.
static void one_is_read(struct two two, bw_chan(int) read) {
    bw_go(reads_one, two.server, read);
    bw_sleep(BW_MILLISECOND);
    writes(two.client, 'a');
    assert_int_equal(received(read), 'a');
}

// What readers say of a number that has become another file's: that byte, once; and each in the end that the number is not
// its file's any more, or that the new one is at its end.
struct tally {
    int letters, ends;
};
static void tally_next(struct tally *tally, bw_chan(int) read, int letter) {
    int got = received(read);
    if (got == letter)
        tally->letters++;
    else if (got == -EBADF || got == 1000)
        tally->ends++;
    else
        fail_msg("%d", got);
}

static void test_replaced(void **state) {
    (void)state;
    for (int round = 0; round < 5; round++) {
        bw_chan(int) read = bw_make_chan(int, 0);
        struct two old = connected(), new = connected();
        one_is_read(old, read);
        // Its wait is doubted still, or was examined and found right; then only who waits next finds that out.
        CHECK(dup2(new.server, old.server) == old.server);
        writes(new.client, 'b');
        if (round % 2)
            bw_sleep(round * BW_MILLISECOND);
        bw_go(reads_one, old.server, read);
        struct tally tally = {0, 0};
        while (tally.letters < 1)
            tally_next(&tally, read, 'b');
        CHECK(close(new.client) == 0);
        while (tally.ends < 2)
            tally_next(&tally, read, 'b');
        assert_int_equal(tally.letters, 1);
        bw_close_fd(old.server);
        CHECK(close(old.client) == 0 && close(new.server) == 0);
    }
}

// The same number, one connection after another, as of a program that accepts and closes by system calls alone.
static void test_reused(void **state) {
    (void)state;
    int number = -1;
    for (int round = 0; round < 10; round++) {
        bw_chan(int) read = bw_make_chan(int, 0);
        struct two two = connected();
        if (number >= 0 && two.server != number) {
            CHECK(dup2(two.server, number) == number && close(two.server) == 0);
            two.server = number;
        }
        number = two.server;
        one_is_read(two, read);
        writes(two.client, 'z');
        assert_int_equal(received(read), 'z');
        CHECK(close(two.client) == 0);
        assert_int_equal(received(read), 1000);
        CHECK(close(number) == 0);
    }
}

static void test_closed(void **state) {
    (void)state;
    bw_chan(int) read = bw_make_chan(int, 0);
    struct two two = connected();
    one_is_read(two, read);
    writes(two.client, 'b');
    assert_int_equal(received(read), 'b');
    CHECK(close(two.server) == 0); // the wait for more has just begun
    assert_int_equal(received(read), -EBADF);
    CHECK(close(two.client) == 0);
}

static void reads_all(int fd, size_t want, bw_chan(int) done) {
    char text[256];
    size_t have = 0;
    while (have < want) {
        ssize_t got = bw_read(fd, text, sizeof text);
        CHECK(got > 0);
        have += (size_t)got;
    }
    bw_send(done, (int)have);
}

// An urgent byte ends a read before it though there is more.
static void test_urgent(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        bw_chan(int) read = bw_make_chan(int, 0);
        struct two two = connected();
        bw_go(reads_all, two.server, (size_t)9, read);
        bw_sleep(BW_MILLISECOND);
        CHECK(send(two.client, "before", 6, 0) == 6);
        if (round % 2)
            bw_sleep(BW_MILLISECOND);
        CHECK(send(two.client, "!", 1, MSG_OOB) == 1);
        if (round % 3)
            bw_sleep(BW_MILLISECOND);
        CHECK(send(two.client, "end", 3, 0) == 3);
        assert_int_equal(received(read), 9); // the urgent byte is none of them
        CHECK(bw_close_fd(two.server) == 0 && close(two.client) == 0);
    }
}

// More than are examined at a time, each replaced while it is waited for: all find out.
static void test_many(void **state) {
    (void)state;
    enum { MANY = 300 };
    static struct two old[MANY], new[MANY];
    bw_chan(int) read = bw_make_chan(int, 0);
    for (int i = 0; i < MANY; i++) {
        old[i] = connected();
        new[i] = connected();
        one_is_read(old[i], read);
        bw_go(reads_one, old[i].server, read); // it waits behind the other
        writes(old[i].client, 'b');
        assert_int_equal(received(read), 'b');
    }
    bw_sleep(50 * BW_MILLISECOND); // all are examined
    for (int i = 0; i < MANY; i++) {
        writes(old[i].client, 'c');
        assert_int_equal(received(read), 'c'); // that one waits anew
    }
    for (int i = 0; i < MANY; i++) {
        CHECK(dup2(new[i].server, old[i].server) == old[i].server);
        writes(new[i].client, 'n');
        bw_go(reads_one, old[i].server, read);
    }
    struct tally tally = {0, 0};
    while (tally.letters < MANY)
        tally_next(&tally, read, 'n');
    for (int i = 0; i < MANY; i++)
        CHECK(close(new[i].client) == 0);
    while (tally.ends < 3 * MANY)
        tally_next(&tally, read, 'n');
    assert_int_equal(tally.letters, MANY);
    for (int i = 0; i < MANY; i++) {
        bw_close_fd(old[i].server);
        CHECK(close(new[i].server) == 0 && close(old[i].client) == 0);
    }
}

// Idle ones cost nothing: each is examined once, and then left alone.
static void test_idle(void **state) {
    (void)state;
    bw_chan(int) read = bw_make_chan(int, 0);
    struct two two = connected();
    one_is_read(two, read);
    bw_sleep(30 * BW_MILLISECOND);
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    bw_sleep(300 * BW_MILLISECOND);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    int64_t used = (after.tv_sec - before.tv_sec) * BW_SECOND + after.tv_nsec - before.tv_nsec;
    assert_true(used < 100 * BW_MILLISECOND);
    writes(two.client, 'y');
    assert_int_equal(received(read), 'y');
    CHECK(close(two.client) == 0);
    assert_int_equal(received(read), 1000);
    bw_close_fd(two.server);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaced), cmocka_unit_test(test_reused), cmocka_unit_test(test_closed),
        cmocka_unit_test(test_urgent),   cmocka_unit_test(test_many),   cmocka_unit_test(test_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
