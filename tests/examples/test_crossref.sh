#!/bin/bash
# What examples/crossref prints for the headers in corpus/ and for files made here that are hard to read.
#
# modes: plain verify=1 poison=1,gcstress=200
# timeout: 300
#
#   test_crossref.sh [the program]      default: $BURROW_BUILD_DIR/bin/crossref
set -u
here=$(cd "$(dirname "$0")" && pwd)
crossref=$(realpath "${1:-${BURROW_BUILD_DIR:?names the build directory}/bin/crossref}") || exit 1
export LC_ALL=C.UTF-8

work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
cp -r "$here/corpus" "$work/corpus"
cd "$work" || exit 1
checks=0
failures=0

# run [crossref's arguments]: leaves out, err and status behind
run() {
    "$crossref" "$@" >out 2>err
    status=$?
}

fail() { # fail WHAT
    failures=$((failures + 1))
    echo "FAILED: $1"
    echo "  status $status; standard output, then standard error:"
    head -c 2000 out | sed 's/^/  | /'
    head -c 2000 err | sed 's/^/  ! /'
}

# expect WHAT STATUS [ERR]: the whole of standard output is what comes in; so is standard error, one line or empty
expect() {
    checks=$((checks + 1))
    cat >wanted
    printf '%s' "${3:+$3$'\n'}" >wanted_err
    if [ "$status" -ne "$2" ] || ! cmp -s wanted out || ! cmp -s wanted_err err; then
        fail "$1"
        echo "  wanted status $2 and:"
        sed 's/^/  > /' wanted wanted_err
    fi
}

# holds WHAT COMMAND...: the command succeeds
holds() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" || fail "$what"
}

# ---- how identifiers look --------------------------------------------------------------------------------------------

declared() { # the declarations of the corpus, as `name look line`
    run -q --all -d corpus/declarations.h "$@"
    sed -n 's/^\([A-Za-z_]*\): [0-9]* definition.*/name \1/p
            s/^corpus\/declarations.h:\([0-9]*\): \([a-z]*\):.*/place \2 \1/p' out |
        awk '$1 == "name" { name = $2 } $1 == "place" && $2 != "use" { print name, $2, $3 }' >declared
    mv declared out
}

names=$(grep -o '[A-Za-z_]*' corpus/declarations.h | sort -u)
# shellcheck disable=SC2086 # words
declared $names
sort -o out out
status=0
LC_ALL=C.UTF-8 sort >sorted <<'END'
DECLARATIONS_H macro 3
SHAPE_LIMIT macro 11
area_of macro 12
shape tag 15
inner tag 17
shape_t typedef 20
shape_ref typedef 20
draw_function typedef 21
shape_maker typedef 22
shape_compare typedef 23
shape_name typedef 24
plain_t typedef 25
colour tag 26
COLOUR_RED enumerator 26
COLOUR_GREEN enumerator 26
COLOUR_BLUE enumerator 26
colour_t typedef 26
number tag 27
shape_count variable 29
shape_counts variable 29
shape_unit variable 30
shape_hook variable 31
shape_new function 33
shape_copy function 34
shape_is_empty function 35
old_style function 39
prototype_macro function 40
after_the_body function 41
either tag 44
either_small tag 46
behind_the_branches function 50
at_the_end variable 55
END
: >err
expect "what looks like a definition" 0 <sorted

run -q -d corpus/declarations.h shape shape_unit int nothing_like_it Shape_limit header_name
expect "places of names" 1 <<'END'
shape: 1 definition, 9 uses, in 1 file
corpus/declarations.h:15: tag: struct shape {
corpus/declarations.h:12: use: #define area_of(shape) ((shape)->width * (shape)->height)
corpus/declarations.h:14: use: struct shape;                       /* a use: nothing is defined */
corpus/declarations.h:18: use: void (*draw)(struct shape *self);
corpus/declarations.h:20: use: typedef struct shape shape_t, *shape_ref;
corpus/declarations.h:21: use: typedef void (*draw_function)(shape_t *shape, void *data);
corpus/declarations.h:34: use: struct shape *shape_copy(const struct shape *from);
corpus/declarations.h:35: use: static inline int shape_is_empty(const shape_t *shape) {
corpus/declarations.h:36: use: int local_variable = shape->width == 0;
corpus/declarations.h:37: use: return local_variable || shape->height == 0;

shape_unit: 1 definition, 0 uses, in 1 file
corpus/declarations.h:30: variable: static const shape_t shape_unit = { .width = 1, .height = 1 };

int: a keyword; those are not indexed

nothing_like_it: not found

Shape_limit: not found; like it: SHAPE_LIMIT

header_name: not found
END

run -q corpus/ --limit 1 --top 3 nested SHAPE_LIMIT
expect "the most frequent, and a limit" 0 <<'END'
occurrences   files  identifier
         13       1  shape
          7       1  shape_t
          5       1  SHAPE_LIMIT

nested: 1 definition, 0 uses, in 1 file
corpus/deep/er/nested.h:1: variable: int nested; /* the only file below */

SHAPE_LIMIT: 1 definition, 4 uses, in 1 file
corpus/declarations.h:11: macro: #define SHAPE_LIMIT 16
corpus/declarations.h:24: use: typedef unsigned char shape_name[SHAPE_LIMIT];
... and 3 more uses
END

# ---- what is a token, and in which line ------------------------------------------------------------------------------

# In lexing.h each visible_N is in line N, and nothing hidden_N is an identifier.
run -q --top 1000 -d corpus/lexing.h
awk 'NR > 1 { print $3 }' out | grep -E 'visible|34' >names
holds "identifiers in lexing.h" test "$(wc -l <names)" -eq 19
holds "hidden words" test "$(grep -c hidden out)" -eq 0
# shellcheck disable=SC2046 # words
run -q -d corpus/lexing.h -- $(cat names)
holds "lines of lexing.h" test "$(grep -c '^corpus/lexing.h:' out)" -eq 19
while read -r name; do
    line=$(echo "$name" | tr -dc '0-9' | tail -c 2)
    holds "line of $name" grep -A1 -F "$name: " out >found
    holds "line of $name" grep -q "^corpus/lexing.h:$line: " found
done < <(sed 's/u00ef//' names | grep -v 'na\\')
holds "universal character name" grep -qF 'na\u00efve_34: 1 definition, 0 uses' out

printf 'int first;\r\nint spl\\\r\niced; /* a\r\nb */ int fourth;\r\n#define M \\\r\n fifth\r\nint seventh;\r\n' >crlf.h
run -q ./crlf.h first spliced fourth M fifth seventh
expect "carriage returns" 0 <<'END'
first: 1 definition, 0 uses, in 1 file
./crlf.h:1: variable: int first;

spliced: 1 definition, 0 uses, in 1 file
./crlf.h:2: variable: int spl\

fourth: 1 definition, 0 uses, in 1 file
./crlf.h:4: variable: b */ int fourth;

M: 1 definition, 0 uses, in 1 file
./crlf.h:5: macro: #define M \

fifth: 0 definitions, 1 use, in 1 file
./crlf.h:6: use: fifth

seventh: 1 definition, 0 uses, in 1 file
./crlf.h:7: variable: int seventh;
END

printf 'int before;\n/* begun\n and never\n ended, int within;\n' >open.h
run -q ./open.h before within
expect "a comment that does not end" 1 "crossref: ./open.h: the comment begun in line 2 does not end" <<'END'
before: 1 definition, 0 uses, in 1 file
./open.h:1: variable: int before;

within: not found
END

printf 'char *text = "begun\nint after;\nint quote = '"'"'x\nint last' >quotes.h
run -q ./quotes.h text after quote last
expect "quotes that do not end, a file without a last newline" 0 <<'END'
text: 1 definition, 0 uses, in 1 file
./quotes.h:1: variable: char *text = "begun

after: 0 definitions, 1 use, in 1 file
./quotes.h:2: use: int after;

quote: 1 definition, 0 uses, in 1 file
./quotes.h:3: variable: int quote = 'x

last: 0 definitions, 1 use, in 1 file
./quotes.h:4: use: int last
END

printf '\xef\xbb\xbf#define FIRST_THING\n' >bom.h
run -q ./bom.h FIRST_THING
expect "a byte order mark" 0 <<END
FIRST_THING: 1 definition, 0 uses, in 1 file
./bom.h:1: macro: $(printf '\xef\xbb\xbf')#define FIRST_THING
END

for end in '\' '/' '"' "'" '/*' '//' '#' '#define' '#define X' '#include <' 'L' 'R"' 'R"x(' '1' '1e' "1'" '.' '<' '\u' '\u12' 'x\' \
    'x\\u00' '#if' '/\' 'u8' '#error "'; do
    printf 'int found;\n%s' "$end" >end.h
    run -q ./end.h found
    holds "a file that ends with $end" test "$status" -eq 0
    holds "a file that ends with $end" grep -qx 'found: 1 definition, 0 uses, in 1 file' out
    printf 'int found;\n%s\\\n' "$end" >end.h
    run -q ./end.h found
    holds "a file that ends with $end and a splice" grep -qx 'found: 1 definition, 0 uses, in 1 file' out
done

# ---- sizes -----------------------------------------------------------------------------------------------------------

# One line of 8 MiB, and an identifier larger than the pieces that files are read in.
{
    head -c 4194304 /dev/zero | tr '\0' ' '
    printf 'int in_the_middle; /*'
    head -c 4194304 /dev/zero | tr '\0' '*'
    printf '*/ int at_the_end;\nint next_line;\nint '
    head -c 700000 /dev/zero | tr '\0' 'a'
    printf '_large;\n'
} >huge.h
run -q ./huge.h in_the_middle at_the_end next_line
sed -i "s/^\\(.\\{50\\}\\).*/\\1/" out
expect "a huge line" 0 <<'END'
in_the_middle: 1 definition, 0 uses, in 1 file
./huge.h:1: variable: int in_the_middle; /********

at_the_end: 1 definition, 0 uses, in 1 file
./huge.h:1: variable: int in_the_middle; /********

next_line: 1 definition, 0 uses, in 1 file
./huge.h:2: variable: int next_line;
END
run -q ./huge.h --top 10
holds "a huge identifier" test "$(awk 'NR > 1 { print length($3) }' out | sort -n | tail -n 1)" -eq 700006

# A large identifier in pieces of one character, each on a line of its own.
{
    printf 'int '
    yes 'a\' | head -n 200000
    printf 'z;\nint behind;\n'
} >spliced.h
run -q ./spliced.h behind
expect "an identifier of many lines" 0 <<'END'
behind: 1 definition, 0 uses, in 1 file
./spliced.h:200002: variable: int behind;
END

# Tokens of every length at every place around the ends of the pieces.
awk 'BEGIN { for (i = 0; i < 60000; i++) printf "int w%d; /* c%d */ char *s%d = \"q%d\";%s", i, i, i, i, i % 7 ? " " : "\n" }' >pieces.h
run -q ./pieces.h w0 w31234 s59999 q31234 c31234
sed -i 's/variable: .*/variable/; s/; like it.*//' out
expect "tokens across the ends of pieces" 1 <<'END'
w0: 1 definition, 0 uses, in 1 file
./pieces.h:1: variable

w31234: 1 definition, 0 uses, in 1 file
./pieces.h:4463: variable

s59999: 1 definition, 0 uses, in 1 file
./pieces.h:8573: variable

q31234: not found

c31234: not found
END
run --no-stats ./pieces.h x
holds "all of them" grep -qE '^found +120000 identifiers in 120000 places$' out

# ---- what cannot be read ---------------------------------------------------------------------------------------------

mkdir empty
run -q ./empty
expect "an empty directory" 1 "crossref: no C header was read" </dev/null
run -q ./missing
expect "a missing path" 1 "crossref: ./missing: No such file or directory; skipped
crossref: no C header was read" </dev/null
run -q --no-stats ./missing ./bom.h FIRST_THING -l 0
expect "a missing path and one that is there" 0 "crossref: ./missing: No such file or directory; skipped" <<'END'
FIRST_THING: 1 definition, 0 uses, in 1 file
... and 1 more definitions
END

mkdir binary
printf 'int seen;\n\0int unseen;\n' >binary/early.h
{
    printf 'int unseen; int seen;\n'
    head -c 1000000 /dev/zero | tr '\0' '\n'
    printf '\0'
} >binary/late.h
printf 'int seen;\n' >binary/text.h
run --no-stats ./binary seen unseen
sed -i 's/ in [0-9.]* s (.*//' out
expect "binary files leave nothing behind" 1 <<'END'
seen: 1 definition, 0 uses, in 1 file
./binary/text.h:1: variable: int seen;

unseen: not found; like it: seen

read       1 files, 1 lines, 0.0 MiB
skipped    0 that could not be read, 2 binary
found      1 identifiers in 1 places
END

run -q /proc/self/mem ./bom.h FIRST_THING -l 0
expect "a file that fails to be read" 0 "crossref: /proc/self/mem: Input/output error; skipped" <<'END'
FIRST_THING: 1 definition, 0 uses, in 1 file
... and 1 more definitions
END

# Root may read everything, so this is tried as somebody else.
mkdir -p locked/room
printf 'int inside;\n' | tee locked/a.h locked/room/b.h locked/c.h >/dev/null
chmod 000 locked/a.h locked/room
as_somebody=()
if [ "$(id -u)" -eq 0 ]; then
    as_somebody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    chmod 755 "$work"
    cp "$crossref" ./crossref
    "${as_somebody[@]}" ./crossref --version >out 2>err || as_somebody=()
fi
if [ "$(id -u)" -ne 0 ] || [ ${#as_somebody[@]} -gt 0 ]; then
    [ ${#as_somebody[@]} -gt 0 ] || cp "$crossref" ./crossref
    "${as_somebody[@]}" ./crossref --no-stats ./locked inside >out 2>err
    status=$?
    sed -i 's/ in [0-9.]* s (.*//' out
    expect "what may not be read" 0 "crossref: ./locked/a.h: Permission denied; skipped
crossref: ./locked/room: Permission denied; skipped" <<'END'
inside: 1 definition, 0 uses, in 1 file
./locked/c.h:1: variable: int inside;

read       1 files, 1 lines, 0.0 MiB
skipped    2 that could not be read, 0 binary
found      1 identifiers in 1 places
END
else
    echo "not tried: files that may not be read (setpriv cannot make this root somebody else)"
fi

# ---- trees -----------------------------------------------------------------------------------------------------------

mkdir -p tree/z tree/zz
printf 'int here;\n' >tree/z/file.h
ln -s ../z tree/zz/to_z
ln -s .. tree/zz/round
ln -s . tree/z/self
ln -s file.h tree/z/again.h
ln -s nowhere tree/z/broken.h
ln -s nowhere tree/z/broken
ln tree/z/file.h tree/z/hard.h
mkfifo tree/z/pipe.h
mkdir tree/z/directory.h
printf 'int odd_1;\n' >$'tree/new\nline\033[31m.h'
printf 'int odd_2;\n' >$'tree/\xff\xfe back\\slash.h'
printf 'int odd_3;\n' >'tree/-q.h'
printf 'int odd_4;\n' >tree/.h
printf 'int upper;\n' >tree/UPPER.H
run -q ./tree here odd_1 odd_2 odd_3 upper
expect "links, rounds, a pipe and odd names" 1 "crossref: ./tree/z/broken.h: No such file or directory; skipped" <<END
here: 1 definition, 0 uses, in 1 file
./tree/z/file.h:1: variable: int here;

odd_1: 1 definition, 0 uses, in 1 file
./tree/new\\012line\\033[31m.h:1: variable: int odd_1;

odd_2: 1 definition, 0 uses, in 1 file
./tree/$(printf '\xff\xfe') back\\\\slash.h:1: variable: int odd_2;

odd_3: 1 definition, 0 uses, in 1 file
./tree/-q.h:1: variable: int odd_3;

upper: not found
END
run -q -d tree/UPPER.H -d tree/z/../UPPER.H upper
expect "a file named twice, whatever it is called" 0 <<'END'
upper: 1 definition, 0 uses, in 1 file
tree/UPPER.H:1: variable: int upper;
END

mkdir deep && (cd deep && for _ in $(seq 300); do mkdir d && cd d || exit; done; printf 'int bottom;\n' >b.h)
run -q ./deep bottom
holds "a deep tree" grep -q '^./deep/d/d/.*/b.h:1: variable: int bottom;$' out
mkdir many && (cd many && for i in $(seq 3000); do echo "int n;" >"$i.h"; done)
run -q ./many n -l 2
expect "a directory of many files" 0 <<'END'
n: 3000 definitions, 0 uses, in 3000 files
./many/1.h:1: variable: int n;
./many/10.h:1: variable: int n;
... and 2998 more definitions
END

# ---- standard input, options, output ---------------------------------------------------------------------------------

printf 'int piped;\nint twice, twice;\n' | "$crossref" -q -d - piped twice >out 2>err
status=$?
expect "standard input" 0 <<'END'
piped: 1 definition, 0 uses, in 1 file
<stdin>:1: variable:

twice: 1 definition, 0 uses, in 1 file
<stdin>:2: variable:
END
printf 'int piped; \0' | "$crossref" -q -d - piped >out 2>err
status=$?
expect "binary standard input" 1 "crossref: no C header was read" </dev/null

run --top
holds "an option without its argument" test "$status" -eq 2
run --top many
expect "a number that is none" 2 "crossref: --top wants a number, not 'many'
Try: crossref --help" </dev/null
run --limit -1
holds "a negative number" test "$status" -eq 2
run --limit 99999999999999999999999
holds "a number out of range" test "$status" -eq 2
run --no-such-option
holds "an option that does not exist" test "$status" -eq 2
run --help
holds "--help" grep -q '^usage: crossref ' out
run --version
holds "--version" grep -qxE 'crossref \(Burrow [0-9.]+\)' out
run -q -d corpus/declarations.h --top 0
expect "no table" 0 </dev/null
if [ -e /dev/full ]; then
    "$crossref" -q -d corpus/declarations.h >/dev/full 2>err
    status=$?
    : >out
    expect "output that cannot be written" 1 "crossref: standard output: No space left on device" </dev/null
fi

# ---- the summary -----------------------------------------------------------------------------------------------------

run ./corpus shape
holds "totals" grep -qE '^read +3 files, [0-9]+ lines, 0.0 MiB in [0-9.]+ s' out
for line in found collector pauses processor heap; do
    holds "the line $line" grep -q "^$line " out
done
holds "no progress without a terminal" test ! -s err
run --no-stats ./corpus shape
holds "--no-stats" test "$(grep -cE '^(collector|pauses|processor|heap) ' out)" -eq 0
if command -v script >/dev/null; then
    script -qec "'$crossref' ./corpus shape" /dev/null >out 2>err </dev/null
    holds "progress on a terminal" grep -qE $'\r\033\[K[0-9]+ files, [0-9]+ identifiers, ' out
    holds "progress is cleared" grep -q $'\r\033\[Kshape: ' out
fi

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
