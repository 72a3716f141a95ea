#!/bin/bash
# The models in docs/models: spin searches all that can happen in each, and finds nothing wrong; and finds each variant
# that the model's head lists as wrong (` *   -DNAME ...`) to be wrong. Needs spin, which nothing else here does.
#
# labels: slow
# timeout: 400
# not under: thread address undefined
#
#   test_models.sh [MODEL...]      default: docs/models/*.pml
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
command -v spin >/dev/null || { echo "spin is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
    failures=$((failures + 1))
    echo "FAILED: $1"
    grep -v '^unreached' "$work/output" | tail -n 15
}

# search MODEL [-DVARIANT]: leaves what the search says in output
search() (
    rm -rf "$work/search" && mkdir "$work/search" && cp "$1" "$work/search/model.pml" && cd "$work/search" || exit
    shift
    spin -a "$@" model.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
) >"$work/output" 2>&1

# Every state was looked at.
complete() {
    ! grep -qE 'max search depth too small|Search not completed|out of memory' "$work/output"
}

models=("$@")
[ $# -gt 0 ] || models=("$root"/docs/models/*.pml)
for model in "${models[@]}"; do
    name=$(basename "$model" .pml)
    if search "$model" && complete && grep -q 'errors: 0$' "$work/output"; then
        echo "$name: holds, $(grep 'states, stored' "$work/output" | xargs)"
    else
        fail "$name"
        (cd "$work/search" && spin -t -p model.pml) 2>/dev/null | tail -n 60
    fi
    variants=$(sed -n 's/^ \*   -D\([A-Z_]*\) .*/\1/p' "$model")
    [ -n "$variants" ] || fail "$name lists no variant that is wrong"
    for variant in $variants; do
        if search "$model" "-D$variant" && grep -qE 'errors: [1-9]' "$work/output"; then
            echo "$name, $variant: $(grep -m 1 '^pan:1:' "$work/output")"
        else
            fail "$name, $variant: no error was found in what is wrong"
        fi
    done
done

[ "$failures" -eq 0 ]
