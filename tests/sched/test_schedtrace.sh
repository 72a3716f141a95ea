#!/bin/bash
# schedtrace=MS: the lines have Go's form, one comes every so many milliseconds, and what they tell agrees with itself.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/program.c" <<'END'
#include <burrow.h>
#include <time.h>
static volatile int stop;
static void computes(void) {
    while (!stop) {
        for (volatile int i = 0; i < 100000; i++) {}
        bw_yield(); /* who does not loses its token */
    }
}
static void waits(bw_chan(int) c) {
    bw_recv(c);
}
int main(void) {
    bw_chan(int) c = bw_make_chan(int, 0);
    for (int i = 0; i < 5; i++)
        bw_go(waits, c);
    bw_sleep(100 * BW_MILLISECOND);
    for (int i = 0; i < 2; i++)
        bw_go(computes);
    struct timespec time = {0, 500000000};
    while (nanosleep(&time, &time) != 0) {} /* the details stop the world, and that a sleep */
    return 0;
}
END
flags=(-I"$BURROW_SOURCE_DIR/include")
[ -z "${BURROW_SANITIZE:-}" ] || flags+=("-fsanitize=$BURROW_SANITIZE")
gcc -O1 "${flags[@]}" "$work/program.c" "$BURROW_BUILD_DIR/lib/libburrow.a" -lpthread -ldl -lm -o "$work/program"
fail() {
    echo "FAILED: $*"
    cat "$work/err"
    exit 1
}
line='^SCHED [0-9]+ms: gomaxprocs=2 idleprocs=[0-2] threads=[0-9]+ spinningthreads=[0-9]+ needspinning=0 idlethreads=[0-9]+ runqueue=[0-9]+'
GOMAXPROCS=2 BURROWDEBUG=schedtrace=50 "$work/program" 2>"$work/err"
lines=$(grep -cE "$line \\[[0-9]+ [0-9]+\\]\$" "$work/err") || fail "no line is as Go's"
[ "$lines" -eq "$(wc -l <"$work/err")" ] || fail "a line is not as Go's"
[ "$lines" -ge 4 ] || fail "$lines lines in 600 ms"
# However late they are: each comes 50 ms after the one before, or later.
sed -E 's/^SCHED ([0-9]+)ms.*/\1/' "$work/err" | awk 'NR > 1 && $1 - last < 49 { exit 1 } { last = $1 }' || fail "lines come too often"
grep -q 'idleprocs=0 ' "$work/err" || fail "both processors were in use for half a second"
GOMAXPROCS=2 BURROWDEBUG=schedtrace=100,scheddetail=1 "$work/program" 2>"$work/err"
grep -qE "$line gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false\$" "$work/err" || fail "no line with details"
[ "$(grep -cE '^  G[0-9]+: status=4\(chan receive\) m=-1 lockedm=-1$' "$work/err")" -ge 10 ] || fail "waiting goroutines"
[ "$(grep -cE '^  G[0-9]+: status=2\(\) m=[0-9]+ lockedm=-1$' "$work/err")" -ge 2 ] || fail "running goroutines"
grep -qE '^  P[01]: status=1 schedtick=[0-9]+ syscalltick=0 m=[0-9]+ runqsize=[0-9]+ gfreecnt=[0-9]+ timerslen=[0-9]+$' "$work/err" ||
    fail "tokens"
grep -qE '^  M[0-9]+: p=(nil|held) curg=[0-9]+ spinning=(true|false) blocked=(true|false) lockedg=0$' "$work/err" || fail "workers"
echo "schedtrace: $lines lines"
