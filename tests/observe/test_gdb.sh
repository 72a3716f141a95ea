#!/bin/bash
# scripts/burrow-gdb.py: goroutines of a process under gdb and of a core file, with the static and the shared library.
# Needs gdb, and a system that lets it trace and that writes core files where the program is; the file is of some
# hundred KB, since the heap's reserved addresses have no memory, and limited to 64 MiB.
#
# timeout: 300
# not under: thread address undefined
set -u
command -v gdb >/dev/null || { echo "gdb is not installed"; exit 77; }
script=$BURROW_SOURCE_DIR/scripts/burrow-gdb.py
source=$BURROW_SOURCE_DIR/tests/programs/goroutines.c
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

debug() { # debug PROGRAM ARGUMENT...: gdb's output is in the file `output`
    timeout 120 gdb --nx --batch -ex 'set debuginfod enabled off' -ex 'set disable-randomization off' \
        -ex 'set width 0' -ex "source $script" "$@" >output 2>&1 </dev/null
}

fail() {
    failures=$((failures + 1))
    echo "FAILED: $what: $1"
    head -c 6000 output | sed 's/^/  | /'
}

has() { # has EXPRESSION: a line of the output matches it
    grep -qE -- "$1" output || fail "nothing is like: $1"
}

lacks() {
    ! grep -qE -- "$1" output || fail "what must not be there: $1"
}

place() { # place NAME: as expressions have it, where the program says so
    local line
    line=$(grep -n "// here: $1\$" "$source" | cut -d : -f 1)
    echo "at .*goroutines\\.c:${line:?}"
}

# ---- what is asked and answered --------------------------------------------------------------------------------------

# Numbers are known once the list is there: who makes many has them in blocks.
cat >asks.py <<'END'
import re


def state():
    commands = ("bt", "info registers", "thread", "frame")
    texts = [gdb.execute(command, to_string=True) for command in commands]
    return texts[:-1] + texts[-1].splitlines()[:1]  # not the line of source: a file that is missing is told once


listed = gdb.execute("info goroutines", to_string=True)
number = re.search(r"(\d+)  chan receive .*receives", listed).group(1)
before = state()
gdb.execute("goroutine %s print local_number" % number)
print("as before" if before == state() else "not as before: %s" % state())
gdb.execute("goroutine %s" % number)
gdb.execute("bt 1")
gdb.execute("info goroutines")
gdb.execute("print local_number + 1")
gdb.execute("goroutine none")
print("back again" if before == state() else "not back: %s" % state())
for wrong in ("goroutine 99999", "goroutine %s nonsense" % number, "goroutine", "goroutine x bt"):
    try:
        gdb.execute(wrong)
        print("accepted: " + wrong)
    except gdb.error as error:
        print("refused: %s" % error)
END
questions=(-ex 'info goroutines' -ex 'echo --each\n' -ex 'goroutine all bt' -ex 'echo --one\n' -ex 'source asks.py')

check_answers() {
    local by
    by="made by main \(\) $(place made) in goroutine 1"
    has "^ +[0-9]+  chan receive +receives \(\) $(place receives), $by\$"
    has "^ +[0-9]+  select +selects \(\) $(place selects), made by main"
    has "^ +[0-9]+  sleep +sleeps \(\) $(place sleeps), made by main"
    has "^ +[0-9]+  chan send +deeper \(\) $(place deepest), made by main"
    has "^ +[0-9]+  running +computes \(\) .*goroutines\.c:[0-9]+, made by main"
    has "^ +[0-9]+  sync\.Mutex\.Lock +thread \(\) $(place thread), made by main"
    [ "$(sed '/^--each/q' output | grep -cE '^. +[0-9]+  ')" -eq 7 ] || fail "not seven goroutines"
    sed -n '/^--each/,/^--one/p' output >each
    [ "$(grep -cE '^goroutine [0-9]+ \[' each)" -eq 7 ] || fail "not seven backtraces"
    sed -n '/\[chan send\]:/,/^$/p' each >sender
    [ "$(grep -cE "in deeper \(.*$(place deeper)\$" sender)" -eq 3 ] || fail "not three levels"
    grep -qE "in deeper \(.*$(place deepest)\$" sender || fail "not the last level"
    ! grep -qE 'everybody_waits|abort|^#0' sender || fail "frames of the thread in a goroutine's backtrace"
    tail -n 2 sender | grep -qE 'in sched_entry ' || fail "the backtrace does not end where the goroutine began"
    sed -n '/^goroutine 1 /,/^$/p' each | grep -qE 'main \(count=' || fail "no main in its own backtrace"
    has '^\$[0-9]+ = 4711$'
    has '^as before$'
    has "in receives \(.*$(place receives)\$"
    has "^\* +[0-9]+  chan receive +receives"
    has '^\$[0-9]+ = 4712$'
    has '^back again$'
    [ "$(grep -c '^refused: ' output)" -eq 4 ] || fail "what is wrong is not refused"
    lacks '^(accepted|not as before|not back)|Python Exception|Traceback'
}

# ---- a process -------------------------------------------------------------------------------------------------------

process() { # process WHAT PROGRAM
    what=$1
    debug -ex 'break everybody_waits' -ex run "${questions[@]}" -ex 'info goroutines' -ex continue "$2"
    if grep -qE 'ptrace.*(not permitted|denied)' output; then
        echo "gdb may not trace here"
        exit 77
    fi
    check_answers
    has "^\* +1  running +everybody_waits"
    has 'exited normally'
}

program=$BURROW_TEST_PROGRAM_DIR/goroutines
process "static, optimized" "$program"
"${CC:-cc}" -g -O0 -D_GNU_SOURCE -I "$BURROW_SOURCE_DIR/include" "$source" -o shared -L "$BURROW_BUILD_DIR/lib" -lburrow -pthread \
    -Wl,-rpath,"$BURROW_BUILD_DIR/lib" || exit 1
process "shared" ./shared

# One that has not run yet.
what="a new one"
debug -ex 'break worker_start' -ex run -ex 'info goroutines' -ex 'goroutine 2 bt' -ex kill "$program"
has "^ +2  runnable +receives \\(\\) at .*goroutines\\.c:[0-9]+, made by main \\(\\) $(place made)"
has '^#1 .*sched_entry '
lacks '^#2 '

# A goroutine that is selected is so until the program runs on.
what="on from a goroutine"
debug -ex 'break everybody_waits' -ex run -ex 'goroutine 2' -ex 'tbreak abort' -ex continue -ex bt -ex kill \
    --args ./shared abort
has '^#0 .*abort \('
has "^#[0-9]+ .* in main \(.*goroutines\.c:"

# ---- core files ------------------------------------------------------------------------------------------------------

core() { # core WHAT PROGRAM
    what=$1
    rm -f core*
    { (
        ulimit -c 65536
        echo 0x01 >/proc/self/coredump_filter # private memory without a file: nothing else is needed
        exec "$2" abort
    ) >output 2>&1; } 2>/dev/null # which says that it was aborted
    local file
    file=$(find . -name 'core*' | head -n 1)
    [ -n "$file" ] || { fail "no core file"; return; }
    [ "$(du -k "$file" | cut -f 1)" -lt 60000 ] || { fail "a large core file: $(du -k "$file")"; return; }
    debug "${questions[@]}" "$2" "$file"
    check_answers
    has "^\* +1  running +main \(\) .*goroutines\.c"
}

pattern=$(cat /proc/sys/kernel/core_pattern)
if [[ $pattern =~ ^core[.%a-z]*$ ]] && (ulimit -c 65536) 2>/dev/null; then
    core "core file, static" "$program"
    core "core file, shared" ./shared
else
    echo "core files go elsewhere here ($pattern): not tested"
fi

# ---- what cannot be --------------------------------------------------------------------------------------------------

what="no process"
debug -ex 'info goroutines' "$program"
has 'There is no process and no core file'
strip -g -o without "$program"
what="no debug information"
debug -ex 'break everybody_waits' -ex run -ex 'info goroutines' -ex kill ./without
has 'library has no debug information'
what="no library"
debug -ex 'break main' -ex run -ex 'info goroutines' -ex kill "$BURROW_TEST_PROGRAM_DIR/only_plain"
has 'scheduler is not in this program'

[ "$failures" -eq 0 ]
