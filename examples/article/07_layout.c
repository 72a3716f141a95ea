/* 07_layout.c - the layouts of a struct, a slice, a map and an interface.
 *
 * Shows bw_dump_layout: the fields of a described type, the padding between them, which words are scanned for pointers,
 * and the slot an object takes; the same for a struct that is described afterwards, and for one that is not. A slice is
 * three words, a string two, a map one, an interface value two, in Go as here.
 */
#include "ledger.h"
#include <stddef.h>

BW_STRUCT(person, (char, initial), (char *, name), (short, age), (int[3], scores), (struct person *[2], friends));
BW_SLICE(person);
BW_MAP(register_of_people, bw_string, person *);
BW_INTERFACE(Speaker, (bw_string, speak), (void, interrupt, int));

struct pair {
    void *first;
    long second;
};
BW_TYPE(pair, first, second);

typedef struct plain {
    void *anything;
    double number;
} plain;

int main(void) {
    bw_dump_layout(person);
    bw_dump_layout(struct pair);
    bw_dump_layout(plain);
    bw_dump_layout(int);
    bw_dump_layout(bw_slice(person));
    bw_dump_layout(bw_string);
    bw_dump_layout(register_of_people);
    bw_dump_layout(Speaker);
    bw_dump_layout(bw_any);
    ledger_after("printing them");

    bw_slice(person) people = bw_make_slice(person, 3, 4);
    ledger_after("people = bw_make_slice(person, 3, 4)");
    bw_slice(person) last = bw_sub(people, 2, 3); /* last := people[2:3] */
    bw_printf("last: %d bytes into people, length %d, capacity %d\n", (char *)last.ptr - (char *)people.ptr, last.len,
              last.cap);
    bw_at(last, 0).age = 30;
    bw_printf("the third person's age is %d\n", bw_at(people, 2).age);
    ledger_balance();
    return 0;
}
