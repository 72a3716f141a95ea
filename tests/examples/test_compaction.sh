#!/bin/bash
# examples/compaction: what it says of itself, and that its pictures show what it says.
#
# modes: plain verify=1 poison=1
#
#   test_compaction.sh [the program]      default: $BURROW_BUILD_DIR/bin/compaction
set -u
compaction=$(realpath "${1:-${BURROW_BUILD_DIR:?names the build directory}/bin/compaction}") || exit 1
export LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "FAILED: $*"
    cat "$work/out"
    exit 1
}

"$compaction" 48 90 "$work" >"$work/out" 2>&1 || fail "exit status $?"
for line in \
    'made       [0-9]+ documents, and dropped [0-9]+ of them' \
    'before     [0-9.]+ MiB of objects, [0-9.]+ MiB resident: [0-9.]+ times that; .*/before\.svg' \
    'compacted  [0-9]+ objects, [0-9.]+ MiB, were moved; [0-9.]+ MiB of spans became empty' \
    '           [0-9]+ had to stay: [0-9]+ for a word on a stack, [0-9]+ in static data, [0-9]+ in memory; [1-9][0-9]* were pinned' \
    '           in [0-9.]+ ms: marking [0-9.]+, pinning [0-9.]+, planning [0-9.]+, updating [0-9.]+, moving [0-9.]+' \
    'after      [0-9.]+ MiB of objects, [0-9.]+ MiB resident: [0-9.]+ times that; .*/after\.svg' \
    'checked    [0-9]+ documents: as they were'; do
    grep -qxE "$line" "$work/out" || fail "no line like: $line"
done
[ "$(wc -l <"$work/out")" -eq 7 ] || fail "other lines"

# The heap as the two pictures have it: full spans, where there were sparse ones; and the same objects.
number() { # number FILE NAME
    grep -m 1 -o " data-$2=\"[0-9]*\"" "$work/$1.svg" | tr -dc '0-9\n'
}
[ "$(number after span-bytes)" -lt $(($(number before span-bytes) / 3)) ] || fail "spans are as they were"
[ $(($(number after live-bytes) * 10)) -gt $(($(number after span-bytes) * 6)) ] || fail "spans are not full"
# With poison=1 it is not to be touched for a while, and not yet known to be the system's.
freed=$(($(number after released-bytes) + $(number after free-bytes)))
[ $freed -gt $(($(number before span-bytes) / 2)) ] || fail "nothing became free"
layout() { # layout FILE: objects of the type
    sed -n 's/<g data-layout="document" data-slot-bytes="[0-9]*" data-objects="\([0-9]*\)".*/\1/p' "$work/$1.svg"
}
before=$(layout before) after=$(layout after)
[ "$before" -gt 1000 ] || fail "$before documents"
# A word on the stack may have kept one more.
[[ $((before - after)) -ge 0 && $((before - after)) -lt 5 ]] || fail "$before documents, and then $after"

ends() { # ends STATUS MESSAGE ARGUMENT...
    "$compaction" "${@:3}" >"$work/out" 2>&1
    [ $? -eq "$1" ] || fail "exit status"
    grep -q "$2" "$work/out" || fail "not told: $2"
}
ends 2 '^usage: compaction ' 0
ends 1 '^compaction: nothing is left$' 1 100 "$work"
ends 1 '^open /no/such/before.svg: no such file or directory$' 1 50 /no/such
echo "as they should be"
