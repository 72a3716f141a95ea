#!/bin/bash
# The examples in README.md, docs/*.md and the comments of the public headers compile without a warning, with gcc and with
# clang; those that are whole programs also run, and end with status 0.
#
# What is an example:
#   in Markdown   a block that begins with ```c, or with ```c body
#   in a header   the block in a comment, indented by four more than its text, that follows a line which ends in
#                 `Example:` or in `Example, within a function:`
# It is a program or declarations of a file; a body, or one within a function, is statements. Unless it includes burrow.h
# itself, that is included before it, with stdio.h and unistd.h; statements find the type `node` of burrow.h's own example.
#
#   test_snippets.sh [the static library]      default: $BURROW_BUILD_DIR/lib/libburrow.a
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
library=$(realpath "${1:-${BURROW_BUILD_DIR:?names the build directory}/lib/libburrow.a}") || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir snippets

# Each example becomes snippets/<file>:<line>.c, or .body.
from_markdown() { # from_markdown FILE NAME
    awk -v name="$2" '
        /^```/ && out != "" { close(out); out = ""; next }
        /^```c( body)?$/ { out = "snippets/" name ":" NR ($2 == "body" ? ".body" : ".c"); printf "" >out; next }
        out != "" { print >out }' "$1"
}
from_header() { # from_header FILE NAME
    awk -v name="$2" '
        { comment = /^( \*|\/\*)/ && !/^ \*\// }
        out != "" && !(comment && ($0 ~ /^ \*     / || $0 ~ /^ \* *$/)) { close(out); out = "" }
        out != "" { print substr($0, 8) >out }
        comment && /Example(, within a function)?:$/ {
            out = "snippets/" name ":" NR (/within a function:$/ ? ".body" : ".c")
            printf "" >out
        }' "$1"
}
for document in "$root"/README.md "$root"/docs/*.md; do
    from_markdown "$document" "$(basename "$document")"
done
for header in "$root"/include/burrow.h "$root"/include/burrow/*.h; do
    from_header "$header" "$(basename "$header")"
done

compilers=()
for compiler in gcc "$(command -v clang-14 || echo clang)"; do
    if command -v "$compiler" >/dev/null; then
        compilers+=("$compiler")
    else
        echo "$compiler is not installed: left out"
    fi
done
sanitize=()
if [ -n "${BURROW_SANITIZE:-}" ]; then
    # The library wants the sanitizer's runtime of the compiler that made it.
    compilers=(gcc)
    sanitize=("-fsanitize=$BURROW_SANITIZE")
fi
[ ${#compilers[@]} -gt 0 ] || exit 77

checks=0
failures=0
check() { # check WHAT COMMAND...
    checks=$((checks + 1))
    if ! "${@:2}" >output 2>&1; then
        failures=$((failures + 1))
        echo "FAILED: $1"
        head -n 20 output
    fi
}

# An example that is announced otherwise would be left out in silence.
announced=$(cat "$root"/include/burrow.h "$root"/include/burrow/*.h | grep -c Example)
check "$announced examples are announced in headers, and found" \
    test "$announced" -eq "$(find snippets -name '*.h:*' | wc -l)"

for snippet in snippets/*; do
    name=${snippet#snippets/}
    name=${name%.*}
    if ! grep -q '[^[:space:]]' "$snippet"; then
        failures=$((failures + 1))
        echo "FAILED: $name: the example is empty"
        continue
    fi
    {
        grep -q '#include <burrow.h>' "$snippet" || printf '#include <%s>\n' burrow.h stdio.h unistd.h
        if [[ $snippet == *.body ]]; then
            echo 'BW_STRUCT(node, (struct node *, left), (struct node *, right), (int, value));'
            echo 'void example(void);'
            echo 'void example(void) {'
            cat "$snippet"
            echo '}'
        else
            cat "$snippet"
        fi
    } >snippet.c
    for compiler in "${compilers[@]}"; do
        # What an example declares only to show it is used by nobody.
        flags=(-std=gnu11 -O1 -Wall -Wextra -Werror -Wno-unused -I"$root/include" "${sanitize[@]}")
        if grep -qE '^int main\(' snippet.c; then
            rm -f program
            check "$name, $compiler" "$compiler" "${flags[@]}" snippet.c "$library" -lpthread -ldl -o program
            [ -x program ] && check "$name, $compiler: it runs" ./program </dev/null
        else
            check "$name, $compiler" "$compiler" "${flags[@]}" -c snippet.c -o snippet.o
        fi
    done
done

count=$(find snippets -type f | wc -l)
echo "$count examples, $checks checks, $failures failed"
[ "$count" -gt 0 ] && [ "$failures" -eq 0 ]
