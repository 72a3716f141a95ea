/* 14_panics.c - panic, defer, recover.
 *
 * Shows when deferred calls are made, that a panic makes them too, newest first, that its value arrives where it is
 * recovered, and that the program goes on from there.
 */
#include "ledger.h"

static void shut(const char *what, int number) {
    bw_println("shut", what, number);
}

static void inspect(int house, int rooms) {
    bw_defer(shut, "house", house);
    for (int room = 1; room <= rooms; room++) {
        bw_defer(shut, "room", room); /* a block is C's: called at the end of each round */
        bw_println("in room", room);
        if (room == 2)
            bw_panic(bw_errorf("room %d is on fire", room));
    }
}

/* Go's: defer func() { if e := recover(); e != nil { ...; panic(e) } }() */
static void inspect_and_report(int house) {
    bw_try {
        inspect(house, 3);
    }
    bw_recover(e) {
        bw_printf("reported: %v\n", e);
        bw_panic(e);
    }
}

int main(void) {
    inspect(1, 1);
    bw_try {
        inspect_and_report(2);
        bw_println("never printed");
    }
    bw_recover(e) {
        bw_error err = bw_assert_type(bw_error, e);
        bw_printf("recovered: %v; a runtime error: %t\n", err, bw_is_runtime_error(e));
    }

    volatile int tries = 0; /* volatile: changed in the first block, read behind it */
    bw_try {
        while (true) {
            tries = tries + 1;
            bw_printf("12 / %d is %d\n", 3 - tries, bw_div(12, 3 - tries));
        }
    }
    bw_recover(e) {
        bw_printf("try %d: %v; a runtime error: %t\n", tries, e, bw_is_runtime_error(e));
    }

    bw_any nothing = bw_protect(inspect, 3, 0);
    bw_printf("no panic: %t\n", bw_is_nil(nothing));
    ledger_balance();
    return 0;
}
