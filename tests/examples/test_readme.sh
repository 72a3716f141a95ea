#!/bin/bash
# The program in README.md is examples/minute/minute.c, compiles as a user would compile it, and does what it says; what
# else README.md points to is there.
#
#   test_readme.sh [the static library]      default: $BURROW_BUILD_DIR/lib/libburrow.a
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
library=${1:-${BURROW_BUILD_DIR:?names the build directory}/lib/libburrow.a}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

check() { # check WHAT COMMAND...
    local what=$1
    shift
    if ! "$@" >"$work/output" 2>&1; then
        failures=$((failures + 1))
        echo "FAILED: $what"
        head -n 20 "$work/output"
    fi
}

awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$root/README.md" >"$work/readme.c"
check "the program in README.md is examples/minute/minute.c" diff "$root/examples/minute/minute.c" "$work/readme.c"
check "it compiles without a warning" \
    cc -O2 -Wall -Wextra -Werror ${BURROW_SANITIZE:+-fsanitize=$BURROW_SANITIZE} -I"$root/include" "$work/readme.c" "$library" -lpthread -ldl -o "$work/minute"

echo "one and one and one" | "$work/minute" >"$work/words" 2>"$work/ledger"
printf '     2 and\n     3 one\n' >"$work/wanted"
check "it counts words" diff "$work/wanted" "$work/words"
# A copy of each of five words, the channel and its buffer, the map and what is in it, the array of two words and the one
# of one before it.
check "it prints the ledger" grep -qE '^ *alloc +[0-9]+ +11 ' "$work/ledger"

# Many words: enough for collections to happen.
seq 1 300000 | sed 's/$/ again/' >"$work/many"
"$work/minute" <"$work/many" >"$work/words" 2>"$work/ledger"
check "it counts many words" test "$(wc -l <"$work/words")" -eq 300001
check "it counts one word often" grep -qx '300000 again' "$work/words"

# Links into the tree; documents that other parts of the project own are checked too, since README.md promises them.
while read -r path; do
    check "README.md points to $path" test -e "$root/$path"
done < <(grep -o '](\([^)]*\))' "$root/README.md" | tr -d ']()' | sort -u)

[ "$failures" -eq 0 ] && echo "README.md holds"
[ "$failures" -eq 0 ]
