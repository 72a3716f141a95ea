/* 07_layout.c - the layout of a struct.
 *
 * Shows bw_dump_layout: the fields of a described type, the padding between them, which words are scanned for pointers,
 * and the slot an object takes; and the same for a struct that is described afterwards, and for one that is not.
 */
#include "ledger.h"

BW_STRUCT(person, (char, initial), (char *, name), (short, age), (int[3], scores), (struct person *[2], friends));

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
    ledger_after("printing them");

    person *somebody = bw_new(person);
    somebody->friends[1] = bw_new(person);
    ledger_after("two times bw_new(person)");
    printf("a new person's friend's age is %d\n", somebody->friends[1]->age);
    ledger_balance();
    return 0;
}
