#!/bin/bash
# A program that only links the library starts as one that does not: no thread, no signal handler, no memory mapped, no
# environment read; a first use of the library changes that, so that the comparison is one that can fail.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$*" >&2
    exit 1
}

cd "$work"
programs=$BURROW_TEST_PROGRAM_DIR
case $(ldd "$programs/only_plain" 2>/dev/null) in
    *san.so*) echo "a sanitizer maps memory of its own"; exit 77 ;;
esac
nm "$programs/only_links" | grep -q ' T bw_gc$' || fail "only_links does not hold the library"
if nm "$programs/only_plain" | grep -q ' bw_gc$'; then
    fail "only_plain holds the library"
fi

# A wrong knob would be told as soon as the environment is read.
export BURROWDEBUG=nonsense=1 GOGC=nonsense
"$programs/only_plain" >plain.out 2>plain.err
"$programs/only_links" >links.out 2>links.err
[ ! -s links.err ] || fail "it says: $(cat links.err)"
grep -qx 'threads 1' plain.out || fail "what a process has cannot be told: $(cat plain.out)"
diff plain.out links.out >&2 || fail "only linking the library changes the process"

# Once it is used all of that is different.
"$programs/only_links" use >use.out 2>use.err
grep -qx collected use.out || fail "no collection: $(cat use.out)"
grep -q 'nonsense=1: no such knob' use.err || fail "the environment was not read: $(cat use.err)"
for what in threads SigCgt anonymous; do
    if [ "$(grep "^$what" plain.out)" = "$(grep "^$what" use.out)" ]; then
        fail "$what is the same in a program that collects: the comparison sees nothing"
    fi
done

# The same of the shared library, preloaded into a program that knows nothing of it: what the loader maps from files is
# not counted.
library=$(find "$BURROW_BUILD_DIR/lib" -name 'libburrow.so*' -type f | head -n 1)
if [ -n "$library" ]; then
    LD_PRELOAD=$library "$programs/only_plain" >preload.out 2>preload.err
    [ ! -s preload.err ] || fail "preloaded it says: $(cat preload.err)"
    diff <(grep -v '^anonymous' plain.out) <(grep -v '^anonymous' preload.out) >&2 ||
        fail "the shared library changes a process that does not use it"
fi

# The system calls, where strace is there: the static program makes not one more.
if command -v strace >/dev/null && strace -o probe true 2>/dev/null; then
    for program in plain links; do
        strace -f -o "$program.trace" "$programs/only_$program" >/dev/null
        sed -E 's/^[0-9]+ +//; s/\(.*//' "$program.trace" | grep -E '^[a-z_0-9]+$' | sort | uniq -c >"$program.calls"
    done
    diff plain.calls links.calls >&2 || fail "only linking the library makes system calls"
    ! grep -qE ' (clone|clone3|rt_sigaction)$' links.calls || fail "a thread or a handler: $(cat links.calls)"
fi
