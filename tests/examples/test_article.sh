#!/bin/bash
# What the programs of examples/article print: what they did to the ledger, to the object and the byte, and that its
# identities hold; never an address.
#
# modes: plain verify=1 poison=1,gcstress=5
#
#   test_article.sh [the directory of the programs]      default: $BURROW_BUILD_DIR/bin/article
set -u
programs=$(realpath "${1:-${BURROW_BUILD_DIR:?names the build directory}/bin/article}") || exit 1
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
checks=0
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAILED: $program: $1"
    sed 's/^/  | /' out err | head -n 25
}

# run PROGRAM: it succeeds, says nothing on standard error, and its last line is an account that balances
run() {
    program=$1
    "$programs/$program" >out 2>err
    local status=$?
    checks=$((checks + 3))
    [ $status -eq 0 ] || fail "exit status $status"
    [ ! -s err ] || fail "standard error is not empty"
    tail -n 1 out | awk '{
        gsub(/[^0-9]+/, " "); split($0, n, " ")
        exit !(length(n) == 7 && n[1] == n[2] + n[3] && n[4] == n[5] + n[6] && n[1] - n[4] == n[7])
    }' || fail "the account does not balance"
}

# has LINE...: these lines are printed, in this order, perhaps with others between them
has() {
    local from=1 at line
    for line in "$@"; do
        checks=$((checks + 1))
        at=$(tail -n +$from out | grep -nxF -- "$line" | head -n 1 | cut -d: -f1)
        if [ -z "$at" ]; then
            fail "no line: $line"
            return
        fi
        from=$((from + at))
    done
}

# matches EXPRESSION...: as has, for lines that an extended regular expression describes
matches() {
    local expression
    for expression in "$@"; do
        checks=$((checks + 1))
        grep -qxE -- "$expression" out || fail "no line like: $expression"
    done
}

run 01_new
has 'number = bw_new(int)                  new +1 (+16 bytes)  struct +1 (+16 bytes)' \
    '*number is 0' \
    'three times bw_new(node)              new +3 (+96 bytes)  struct +3 (+96 bytes)' \
    'the tree holds 0, 0 and 42' \
    'alloc 4 = new 4 + make 0; reclaim 0 = nil 0 + zero 0; alloc - reclaim = layout 4'

run 02_make
has 'bw_make(int), bw_make(point)          no change' \
    'number is 0, origin is (0, 0), its label is NULL'
# 2400 bytes in a slot with at most an eighth to spare.
matches 'path = bw_new_array\(point, 100\)  +make \+1 \(\+2[45][0-9]{2} bytes\)  slice \+1 \(\+2[45][0-9]{2} bytes\)'
has 'path[0] is (0, 0), path[99] is (3, 4), the end' \
    'alloc 1 = new 0 + make 1; reclaim 0 = nil 0 + zero 0; alloc - reclaim = layout 1'

run 03_nil
has 'a ring of 1000 objects                new +1000 (+16000 bytes)  struct +1000 (+16000 bytes)' \
    'bw_gc() while it is referred to       no change' \
    'the ring is still there' \
    'ring = NULL                           no change' \
    'bw_gc()                               nil +1000 (+16000 bytes)  struct -1000 (-16000 bytes)' \
    'the ring is gone'

run 04_count
has 'bw_retain(bw_new(document))           new +1 (+16 bytes)  struct +1 (+16 bytes)' \
    'bw_retain: the count is 2             no change' \
    'bw_release: the count is 1            no change' \
    'the document has 12 pages' \
    'bw_release: the count is 0            zero +1 (+16 bytes)  struct -1 (-16 bytes)' \
    'alloc 1 = new 1 + make 0; reclaim 1 = nil 0 + zero 1; alloc - reclaim = layout 0'

run 05_arena
has '1000 words are 4500 long' \
    'an arena with 1000 words              new +1000 (+16000 bytes)  struct +1000 (+16000 bytes)' \
    'bw_arena_free                         zero +1000 (+16000 bytes)  struct -1000 (-16000 bytes)' \
    '10 words are 45 long' \
    'an arena of a scope, with 10 words    new +10 (+160 bytes)  struct +10 (+160 bytes)' \
    'the end of the scope                  zero +10 (+160 bytes)  struct -10 (-160 bytes)' \
    'alloc 1010 = new 1010 + make 0; reclaim 1010 = nil 0 + zero 1010; alloc - reclaim = layout 0'

run 06_free
has 'picture = bw_alloc_noscan(1 MiB)      new +1 (+1048576 bytes)  struct +1 (+1048576 bytes)' \
    'an address in the middle of it belongs to 1048576 bytes, which begin with it' \
    'bw_free(picture)                      zero +1 (+1048576 bytes)  struct -1 (-1048576 bytes)' \
    'alloc 1 = new 1 + make 0; reclaim 1 = nil 0 + zero 1; alloc - reclaim = layout 0'

# Offsets and sizes are the x86-64 and aarch64 C interface's.
run 07_layout
matches 'person: 48 bytes, align 8, 3 of 6 words .*' \
    ' +0 +1  initial .*char' \
    ' +1 +7 .*padding.*' \
    ' +8 +8  name .*pointer' \
    ' +16 +2  age .*short' \
    ' +18 +2 .*padding.*' \
    ' +20 +12  scores .*int\[3\]' \
    ' +32 +16  friends .*pointer' \
    'pair: 16 bytes, align 8, 1 of 2 words .*' \
    ' +0 +8  first .*pointer' \
    ' +8 +8  second .*' \
    'plain: 16 bytes, align 8, 2 of 2 words .*' \
    'int: 4 bytes, align 4, 0 of 0 words .*'
has 'printing them                         no change' \
    'two times bw_new(person)              new +2 (+96 bytes)  struct +2 (+96 bytes)' \
    "a new person's friend's age is 0"

run 08_safety
for mistake in 'a second bw_free' 'bw_free of the middle of an object' 'bw_free of a variable on the stack' \
    'a bw_release without a bw_retain' 'use of an object after its arena' 'an array of -1 elements'; do
    has "$mistake: exit status 2"
done
matches ' +panic: bw_free: 0x[0-9a-f]+ .* it is .*freed.*' \
    ' +panic: bw_free: 0x[0-9a-f]+ .*10 bytes into .* of 112 bytes' \
    ' +panic: bw_free: 0x[0-9a-f]+ .*stack.*' \
    ' +panic: bw_release: 0x[0-9a-f]+ .*' \
    ' +.*arena.*' \
    ' +panic: runtime error: makeslice: len out of range'
has 'six children later                    no change' \
    'the object still holds 7' \
    'alloc 1 = new 1 + make 0; reclaim 0 = nil 0 + zero 0; alloc - reclaim = layout 1'

# Each program is tested: a new one is added here.
for source in "$here"/../../examples/article/*.c; do
    checks=$((checks + 1))
    name=$(basename "$source" .c)
    grep -qxF "run $name" "$here/test_article.sh" || { program=$name && : >out && fail "is not tested"; }
done

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
