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
# Faults are for the library, not for a sanitizer that the programs are built with.
for tool in ASAN TSAN; do
    export ${tool}_OPTIONS="$(printenv ${tool}_OPTIONS):handle_segv=0:handle_sigbus=0:handle_sigfpe=0:use_sigaltstack=0"
done
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
    'number is 0, origin is {x:0 y:0 label:}'
# 3200 bytes in a slot with at most an eighth to spare.
matches 'path = bw_make_slice\(point, 2, 100\) +make \+1 \(\+3[2-5][0-9]{2} bytes\)  slice \+1 \(\+3[2-5][0-9]{2} bytes\)' \
    'ages = bw_make_map\(age_map\) +make \+1 \(\+[0-9]+ bytes\)  map \+1 \(\+[0-9]+ bytes\)'
has 'path has 2 elements and room for 100: [{x:0 y:0 label:} {x:3 y:4 label:the end}]' \
    'map[string]int of 2: map[Ada:36 Grace:85]'

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
matches '\[\]person: 24 bytes, align 8, 1 of 3 words .*' \
    'string: 16 bytes, align 8, 1 of 2 words .*' \
    'map\[string\]\*person: 8 bytes, align 8, 1 of 1 words .*' \
    'Speaker: 16 bytes, align 8, 1 of 2 words .*' \
    'interface \{\}: 16 bytes, align 8, 1 of 2 words .*'
has 'printing them                         no change' \
    'people = bw_make_slice(person, 3, 4)  make +1 (+192 bytes)  slice +1 (+192 bytes)' \
    'last: 96 bytes into people, length 1, capacity 2' \
    "the third person's age is 30"

run 08_safety
has 'nobody recovers: exit status 2' \
    'use of an object after its arena: exit status 2' \
    'an index out of range: runtime error: index out of range [3] with length 3' \
    'a slice of what is not there: runtime error: slice bounds out of range [:4] with capacity 3' \
    'a string that ends before it begins: runtime error: slice bounds out of range [4:2]' \
    'an entry in a nil map: assignment to entry in nil map' \
    'a nil pointer: runtime error: invalid memory address or nil pointer dereference' \
    'a division by zero: runtime error: integer divide by zero' \
    'a slice of -1 elements: runtime error: makeslice: len out of range' \
    'a value of another type: interface conversion: interface {} is int, not string' \
    'the numbers are still [1 2 3]'
matches 'a second bw_free: bw_free: 0x[0-9a-f]+ .* it is .*freed.*' \
    'bw_free of the middle of an object: bw_free: 0x[0-9a-f]+ .*10 bytes into .* of 112 bytes' \
    'bw_free of a variable on the stack: bw_free: 0x[0-9a-f]+ .*stack.*' \
    'a bw_release without a bw_retain: bw_release: 0x[0-9a-f]+ .*' \
    ' +panic: bw_free: 0x[0-9a-f]+ .* it is .*freed.*' \
    ' +.*arena.*'

run 09_strings
has 'cutting and trimming                  no change' \
    '"name" is "Grüße aus Köln": 17 bytes, 14 characters' \
    '0: G U+0047' '1: r U+0072' '2: ü U+00FC' '4: ß U+00DF'
# Where something is dropped at once, a collection may have come by: what is nil is not looked at.
matches 'bw_str_to_upper, bw_concat +make \+2 \(\+64 bytes\)  .*'
has 'GRÜßE AUS KÖLN!' \
    'words = bw_str_fields(value)          make +1 (+48 bytes)  slice +1 (+48 bytes)' \
    '["Grüße" "aus" "Köln"], joined "Grüße-aus-Köln"' \
    '255 <nil>' \
    'strconv.ParseInt: parsing "300": value out of range' \
    '127' \
    '3...2...1...go'

run 10_slices
matches 'five times bw_append +make \+3 \(\+64 bytes\)  .*'
has '[1 4 9 16 25] 5 8' \
    'a part, and one bw_append to it       no change' \
    '[100 9 16 200] [1 100 9 16 200]' \
    'sorted: [1 9 16 100 200] as it was: [1 100 9 16 200]' \
    '16 at 2: true' \
    '[{4 5} {2 7} {1 9}]' \
    'the two shortest are 6 long'

run 11_maps
has 'map[be:2 not:1 or:1 to:2] 4' \
    'never seen: 0' \
    '"not": 1, true' \
    'more than once: map[be:2 to:2]'
matches 'numbers = bw_make_map\(.., 1000\) .*  map \+[0-9]+ \(\+[0-9]+ bytes\)'
has 'cleared: 0' \
    'a1: rook only'

run 12_interfaces
has 'a Circle and a Box                    new +2 (+32 bytes)  struct +2 (+32 bytes)' \
    '*Circle &{2} has an area of 12' \
    '*Box 4x6 has an area of 24' \
    'a circle: false; prints itself: true' \
    'the number 42' \
    'bw_any_of(42)                         no change' \
    'a text of 5 bytes' \
    'a point at 1'
matches 'a text, a point +new \+2 \(\+32 bytes\)  make \+1 \(\+16 bytes\)  .*'
has 'something else, of type float64' \
    'nothing'

run 13_errors
has 'configure: open /no/such/file: no such file or directory' \
    'not there: true, not allowed: false, errno: 2' \
    'the file is /no/such/file' \
    'configure: strconv.Atoi: parsing "": invalid syntax' \
    'no good: 120 is over 100: 20 too much' \
    '<nil>' \
    'no good: 120 is over 100' \
    'the disk is full' \
    'full: true, what the first wraps: 120 is over 100' \
    'one text, one error: false'
matches 'all of that .*  error \+[0-9]+ \(\+[0-9]+ bytes\)'

run 14_panics
has 'in room 1' 'shut room 1' 'shut house 1' \
    'in room 1' 'shut room 1' 'in room 2' 'shut room 2' 'shut house 2' \
    'reported: room 2 is on fire' \
    'recovered: room 2 is on fire; a runtime error: false' \
    '12 / 2 is 6' \
    '12 / 1 is 12' \
    'try 3: runtime error: integer divide by zero; a runtime error: true' \
    'shut house 3' \
    'no panic: true'

run 15_printing
has 'values: 42 2.5 text true 120 <nil>' \
    'numbers: 42|   42|42   |00042|ff|0b101|+7' \
    'floats: 0.1|3.14|   3.142|1.000000e+06|1e+21' \
    'texts: hi|      hi|hi      |"a \"b\"\n"|6869' \
    "characters: 世 '世' U+4E16" \
    'end = bw_new(point)                   new +1 (+16 bytes)  struct +1 (+16 bytes)'
matches 'structs: \{diagonal \{0 0\} 0x[0-9a-f]+\}' \
    ' +\{name:diagonal from:\{x:0 y:0\} to:0x[0-9a-f]+\}'
has '         point{x:3, y:4}' \
    'pointers: &{3 4}' \
    'printing them                         no change' \
    'slices and maps: [{0 0} {3 4}] map[gold:19.3 iron:7.87]' \
    'types: []point map[string]float64 *point float64' \
    'mistakes: %!d(string=hi) %!s(int=7), %!d(MISSING)' \
    'mistakes: 1%!(EXTRA string=more)' \
    'hello world! 12'

# Where the kinds end the row may go on with what is kept for safety.
run 16_goroutines
matches '5 tasks and a wait group +new \+1 \(\+32 bytes\)  make \+1 \(\+80 bytes\)  struct \+1 .*  slice \+1 \(\+80 bytes\).*'
has '5 goroutines                          no change' \
    '[{10 55} {20 210} {30 465} {40 820} {50 1275}]' \
    'in vain: out of luck' \
    '4 goroutines counted to 4000' \
    'squares = bw_make_chan(long, 10)      make +2 (+192 bytes)  channel +2 (+192 bytes)' \
    '100 squares, 328350 in all' \
    '5 goroutines more                     no change'

# Each program is tested: a new one is added here.
for source in "$here"/../../examples/article/*.c; do
    checks=$((checks + 1))
    name=$(basename "$source" .c)
    grep -qxF "run $name" "$here/test_article.sh" || { program=$name && : >out && fail "is not tested"; }
done

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
