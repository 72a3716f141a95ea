/* 08_safety.c - misuse is told.
 *
 * Shows what a program that goes wrong gets to hear, and that it may go on: each mistake is a panic, told before
 * anything is touched, and is recovered and printed here. A panic that nobody recovers ends the program; so does the
 * use of memory whose lifetime is over: both are shown in child processes.
 */
#include "ledger.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

BW_STRUCT(node, (struct node *, next), (int, value));
BW_MAP(table, bw_string, int);

/* --- bounds and nil --- */

static void read_past_the_end(bw_slice(int) numbers) {
    bw_printf("never printed: %d\n", bw_at(numbers, bw_len(numbers)));
}

static void cut_past_the_end(bw_slice(int) numbers) {
    numbers = bw_sub(numbers, 1, bw_cap(numbers) + 1);
}

static void cut_a_string(bw_string text) {
    bw_println("never printed:", bw_substr(text, 4, 2));
}

static void write_to_a_nil_map(table entries) {
    bw_put(entries, bw_str("key")) = 1;
}

/* The attribute is for the sanitizers, which would end the program first. */
__attribute__((no_sanitize("undefined"), no_sanitize("thread"))) static void follow_a_nil_pointer(volatile node *n) {
    n->value = 1;
}

static void divide(int by) {
    bw_printf("never printed: %d\n", bw_div(1, by));
}

static void make_too_many(ptrdiff_t count) {
    bw_slice(int) numbers = bw_make_slice(int, count);
    bw_println("never printed:", numbers);
}

static void take_for_a_text(bw_any value) {
    bw_println("never printed:", bw_assert_type(bw_string, value));
}

/* --- memory --- */

static void free_twice(void) {
    node *n = bw_new(node);
    bw_free(n);
    bw_free(n);
}

static void free_the_middle(void) {
    char *text = bw_alloc_noscan(100);
    bw_free(text + 10);
}

static void free_a_variable(void) {
    int variable = 0;
    void *volatile address = &variable; /* volatile: the compiler would warn, and be right */
    bw_free(address);
}

static void release_too_often(void) {
    node *n = bw_retain(bw_new(node));
    node *other = bw_retain(n);
    bw_release(n);
    bw_release(other);
    bw_release(other);
}

static void use_after_the_arena(void) {
    bw_arena *arena = bw_arena_new();
    volatile node *n = bw_arena_alloc(arena, node); /* volatile: the compiler would leave the store out */
    bw_arena_free(arena);
    n->value = 1;
}

/* --- what comes of it --- */

static void tell(const char *mistake, bw_any recovered) {
    bw_printf("%s: %v\n", mistake, recovered);
}

static void in_a_child(const char *mistake, void (*make_it)(void)) {
    int ends[2];
    fflush(stdout);
    if (pipe(ends) != 0)
        exit(1);
    pid_t child = fork();
    if (child < 0)
        exit(1);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        make_it();
        _exit(0);
    }
    close(ends[1]);
    FILE *told = fdopen(ends[0], "r");
    char line[200] = "";
    if (!told || !fgets(line, sizeof line, told))
        strcpy(line, "nothing\n");
    int status = 0;
    while (told && getc(told) != EOF) {}
    waitpid(child, &status, 0);
    printf("%s: exit status %d\n    %s", mistake, WIFEXITED(status) ? WEXITSTATUS(status) : -1, line);
    if (told)
        fclose(told);
}

int main(void) {
    in_a_child("nobody recovers", free_twice);
    in_a_child("use of an object after its arena", use_after_the_arena);

    bw_slice(int) numbers = bw_slice_of(int, 1, 2, 3);
    tell("an index out of range", bw_protect(read_past_the_end, numbers));
    tell("a slice of what is not there", bw_protect(cut_past_the_end, numbers));
    tell("a string that ends before it begins", bw_protect(cut_a_string, bw_str("hello")));
    tell("an entry in a nil map", bw_protect(write_to_a_nil_map, bw_make(table)));
    tell("a nil pointer", bw_protect(follow_a_nil_pointer, NULL));
    tell("a division by zero", bw_protect(divide, 0));
    tell("a slice of -1 elements", bw_protect(make_too_many, -1));
    tell("a value of another type", bw_protect(take_for_a_text, bw_any_of(42)));
    tell("a second bw_free", bw_protect(free_twice));
    tell("bw_free of the middle of an object", bw_protect(free_the_middle));
    tell("bw_free of a variable on the stack", bw_protect(free_a_variable));
    tell("a bw_release without a bw_retain", bw_protect(release_too_often));
    bw_printf("the numbers are still %v\n", numbers);
    ledger_balance();
    return 0;
}
