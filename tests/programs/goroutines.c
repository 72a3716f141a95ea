// Goroutines that wait in several ways, one that computes, a thread, and main, which comes to `everybody_waits` once they
// all do: for a debugger. Then it ends; with an argument, by abort. What `// here:` follows is looked for by the test.
#include <burrow.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic bool enough, computing;

static void receives(bw_chan(int) numbers) {
    volatile int local_number = 4711;
    local_number += bw_recv(numbers); // here: receives
    bw_println(local_number);
}

static void selects(bw_chan(int) numbers, bw_chan(int) others) {
    int got = 0;
    bw_select { // here: selects
        bw_on_recv(numbers, value) got = value;
        bw_on_recv(others, value) got = -value;
    }
    bw_println(got);
}

static void sleeps(int hours) {
    bw_sleep(hours * BW_HOUR); // here: sleeps
    bw_println(hours);
}

static void computes(void) {
    computing = true;
    while (!enough) // here: computes
        ;
}

__attribute__((noinline)) static void deeper(bw_chan(int) numbers, int levels) {
    if (levels > 0)
        deeper(numbers, levels - 1); // here: deeper
    else
        bw_send(numbers, 1); // here: deepest
    bw_println(levels);
}

static void *thread(void *argument) {
    bw_mutex *mutex = argument;
    bw_mutex_lock(mutex); // here: thread
    bw_println("locked");
    return NULL;
}

// Do so many stacks of a dump have that state?
static bool all_in(const char *dump, const char *state, int wanted) {
    int count = 0;
    for (; (dump = strstr(dump, state)); dump++)
        count++;
    return count == wanted;
}

static bool all_wait(void) {
    static char dump[100000];
    int file = memfd_create("dump", 0);
    bw_goroutine_dump(file);
    ssize_t length = pread(file, dump, sizeof dump - 1, 0);
    dump[length > 0 ? length : 0] = 0;
    close(file);
    return computing && all_in(dump, "[chan receive]:", 1) && all_in(dump, "[chan send]:", 1) &&
           all_in(dump, "[select]:", 1) && all_in(dump, "[sleep]:", 1) && all_in(dump, "[sync.Mutex.Lock]:", 1);
}

void everybody_waits(void);
__attribute__((noinline)) void everybody_waits(void) {
    __asm__ volatile("");
}

int main(int count, char **arguments) {
    (void)arguments;
    bw_chan(int) numbers = bw_make_chan(int, 0), others = bw_make_chan(int, 0), nobodys = bw_make_chan(int, 0);
    bw_mutex *mutex = bw_new(bw_mutex);
    bw_mutex_lock(mutex);
    pthread_t of_program;
    bw_go(receives, numbers); // here: made
    bw_go(selects, numbers, others);
    bw_go(sleeps, 2);
    bw_go(deeper, nobodys, 3);
    bw_go(computes);
    if (pthread_create(&of_program, NULL, thread, mutex) != 0)
        return 1;
    while (!all_wait())
        bw_sleep(BW_MILLISECOND);
    everybody_waits(); // here: main
    if (count > 1)
        abort();
    return 0;
}
