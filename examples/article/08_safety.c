/* 08_safety.c - misuse is told.
 *
 * Shows what a program that goes wrong gets to hear. Each mistake is made in a child process, which it ends; the parent
 * prints the first line the child wrote to standard error, and how it ended. The parent's ledger does not move.
 */
#include "ledger.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

BW_STRUCT(node, (struct node *, next), (int, value));

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

static void make_too_many(void) {
    volatile long count = -1;
    node *nodes = bw_new_array(node, count);
    nodes[0].value = 1;
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
    node *kept = bw_new(node);
    kept->value = 7;
    ledger_after("one object");
    in_a_child("a second bw_free", free_twice);
    in_a_child("bw_free of the middle of an object", free_the_middle);
    in_a_child("bw_free of a variable on the stack", free_a_variable);
    in_a_child("a bw_release without a bw_retain", release_too_often);
    in_a_child("use of an object after its arena", use_after_the_arena);
    in_a_child("an array of -1 elements", make_too_many);
    ledger_after("six children later");
    printf("the object still holds %d\n", kept->value);
    ledger_balance();
    return 0;
}
