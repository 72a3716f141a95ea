#!/bin/bash
# Everything that must hold before a change is good, cheapest first. `make check` runs it; so does CI.
#
#   scripts/check.sh                 every phase that CI runs
#   scripts/check.sh gcc asan        only these
#   scripts/check.sh --list          the phases
#   scripts/check.sh --c-files       the C files that belong to the tree, one a line
#
# Each phase builds in build/check/<phase> and prints a header, failures with their output, and one closing line. The last
# line sums up the tests of all phases, "N passed, N failed"; a phase that cannot build counts as one failure. The exit
# status is 0 when nothing failed.
#
# JOBS=N     how many compilations and tests run at once (default: one a processor)
# FUZZ_SECONDS=N  how long the phase fuzz gives each target (default: 15)
# GCC, CLANG the two compilers (gcc, clang-14)
set -u
cd "$(dirname "$0")/.." || exit 1
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
export LC_ALL=C.UTF-8
unset CC CFLAGS LDFLAGS DESTDIR CMAKE_GENERATOR MAKEFLAGS MAKELEVEL BURROWDEBUG GOGC GOMEMLIMIT GOMAXPROCS

JOBS=${JOBS:-$(nproc)}
GCC=${GCC:-gcc}
CLANG=${CLANG:-clang-14}
builds=build/check

all_phases=(format gcc install clang fuzz asan tsan valgrind)
describe() {
    case $1 in
    format) echo "clang-format over every C file" ;;
    gcc) echo "build with $GCC, every test in every mode" ;;
    install) echo "make install, then a program outside the tree by pkg-config and by CMake" ;;
    clang) echo "build with $CLANG, the plain tests that are not slow" ;;
    fuzz) echo "libFuzzer with each target of tests/fuzz, FUZZ_SECONDS each" ;;
    asan) echo "address and undefined behaviour sanitizers, every test" ;;
    tsan) echo "thread sanitizer, every test" ;;
    valgrind) echo "valgrind over the tests marked for it" ;;
    tidy) echo "clang-tidy over the tree (not part of the default run)" ;;
    *) return 1 ;;
    esac
}

passed=0
failed=0
failed_phases=()

# The result of one phase: count NAME PASSED FAILED NOTE
count() {
    passed=$((passed + $2))
    failed=$((failed + $3))
    local took=$((SECONDS - phase_start))
    if [ "$3" -eq 0 ] && [ "$2" -gt 0 ]; then
        printf '   %s: ok, %d of %d%s, %d s\n' "$1" "$2" "$2" "$4" $took
    else
        printf '   %s: FAILED, %d of %d%s, %d s\n' "$1" "$3" $(($2 + $3)) "$4" $took
        failed_phases+=("$1")
    fi
}

c_files() { # tracked or new, not ignored, not deleted; without git everything but build directories
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard -- '*.c' '*.h'
    else
        find . -name build -prune -o -name '.?*' -prune -o \( -name '*.c' -o -name '*.h' \) -printf '%P\n'
    fi | sort -u | while IFS= read -r file; do
        [ -f "$file" ] && printf '%s\n' "$file"
    done
}

# build DIRECTORY COMPILER [OPTION...]: configures and builds; prints the log only if that fails
build() {
    local directory=$builds/$1 compiler=$2
    shift 2
    mkdir -p "$directory"
    local log=$directory/check-build.log
    if cmake -S . -B "$directory" -G Ninja -DCMAKE_C_COMPILER="$compiler" -DBURROW_WERROR=ON -DBURROW_TESTS=ON "$@" \
        >"$log" 2>&1 && cmake --build "$directory" -j "$JOBS" -- -k 20 >>"$log" 2>&1; then
        return 0
    fi
    # Not the progress, nor the compiler's command lines: check-build.log has them.
    grep -vE '^\[[0-9]+/[0-9]+\]|^-- |^/.* -c /' "$log" | head -n 120
    return 1
}

# Prints what ctest says about failures and hides the rest; on a terminal shows how far it is.
only_failures() {
    local line progress='^ *[0-9]+/[0-9]+ Test +#[0-9]+: .*( Passed |\(Disabled\)|\*\*\*Skipped)'
    local noise='^( +Start +[0-9]+: .*|Internal ctest changing .*|Test project .*|[0-9]+% tests passed.*|Total Test time .*|)$'
    local clear=
    [ -t 1 ] && clear=$'\r\033[K'
    while IFS= read -r line; do
        if [[ $line =~ $progress ]]; then
            [ -n "$clear" ] && printf '%s   %s' "$clear" "${line:0:100}"
        elif ! [[ $line =~ $noise ]]; then
            printf '%s%s\n' "$clear" "$line"
        fi
    done
    printf '%s' "$clear"
}

junit_count() { # junit_count FILE ATTRIBUTE, from the head of ctest's own record
    sed -n "/<testsuite/,/>/s/.*[[:space:]]$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

# run_tests PHASE DIRECTORY [ctest option...]
run_tests() {
    local phase=$1 directory=$builds/$2
    shift 2
    local record=$PWD/$directory/check-tests.xml
    rm -f "$record"
    "${test_prefix[@]}" ctest --test-dir "$directory" -j "$JOBS" --output-on-failure --no-label-summary --no-tests=error \
        --output-junit "$record" "$@" 2>&1 | only_failures
    local status=${PIPESTATUS[0]}
    local total=0 bad=1 left_out=0
    if [ -f "$record" ]; then
        total=$(junit_count "$record" tests)
        bad=$(junit_count "$record" failures)
        left_out=$(($(junit_count "$record" disabled) + $(junit_count "$record" skipped)))
    fi
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        echo "   ctest ended with status $status"
        bad=1
        total=$((total + 1))
    fi
    local note=
    [ "$left_out" -gt 0 ] && note=", $left_out left out"
    count "$phase" $((total - bad - left_out)) "$bad" "$note"
}

test_prefix=(env)

build_and_test() { # build_and_test PHASE COMPILER "CMAKE OPTIONS" [ctest option...]
    local phase=$1 compiler=$2 options=$3
    shift 3
    # shellcheck disable=SC2086 # the options are words
    if build "$phase" "$compiler" $options; then
        run_tests "$phase" "$phase" "$@"
    else
        count "$phase" 0 1 " (the build)"
    fi
}

# ---- phases ----------------------------------------------------------------------------------------------------------

phase_format() {
    local good=0 bad=0 file
    while IFS= read -r file; do
        if clang-format-14 --dry-run -Werror "$file" 2>"$builds/format.log"; then
            good=$((good + 1))
        else
            bad=$((bad + 1))
            head -n 3 "$builds/format.log"
        fi
    done < <(c_files)
    [ $bad -gt 0 ] && echo "   make format rewrites them"
    if [ $bad -eq 0 ] && [ $good -gt 0 ]; then
        count format 1 0 " ($good files)"
    else
        count format 0 1 " ($bad of $((good + bad)) files)"
    fi
}

phase_gcc() {
    build_and_test gcc "$GCC" "-DBURROW_SANITIZE=" -LE '^valgrind$'
}

phase_clang() {
    build_and_test clang "$CLANG" "-DBURROW_SANITIZE=" -L '^plain$' -LE '^(slow|valgrind)$'
}

# libFuzzer writes what it finds into the first corpus: a copy, so that the tree stays as it is.
phase_fuzz() {
    if ! build fuzz "$CLANG" -DBURROW_SANITIZE= -DBURROW_FUZZER=ON; then
        count fuzz 0 1 " (the build)"
        return
    fi
    local good=0 bad=0 target subject
    for target in "$builds"/fuzz/tests/fuzz/fuzz_*; do
        [ -x "$target" ] || continue
        subject=${target##*/fuzz_}
        rm -rf "$builds/fuzz/corpus-$subject"
        mkdir -p "$builds/fuzz/corpus-$subject"
        if "$target" -max_total_time="${FUZZ_SECONDS:-15}" -timeout=60 -rss_limit_mb=4096 -artifact_prefix="$builds/fuzz/" \
            "$builds/fuzz/corpus-$subject" "tests/fuzz/corpus/$subject" >"$builds/fuzz/$subject.log" 2>&1; then
            good=$((good + 1))
        else
            bad=$((bad + 1))
            echo "fuzz_$subject:"
            tail -n 40 "$builds/fuzz/$subject.log"
        fi
    done
    [ $((good + bad)) -eq 0 ] && bad=1
    count fuzz $good $bad ""
}

phase_asan() {
    build_and_test asan "$GCC" "-DBURROW_SANITIZE=address,undefined"
}

phase_tsan() {
    # gcc 12's runtime cannot place its shadow under the wider address randomisation of newer kernels.
    if setarch -R true 2>/dev/null; then
        test_prefix=(setarch -R)
    fi
    build_and_test tsan "$GCC" "-DBURROW_SANITIZE=thread"
    test_prefix=(env)
}

phase_valgrind() {
    if build gcc "$GCC" -DBURROW_SANITIZE=; then
        run_tests valgrind gcc -L '^valgrind$'
    else
        count valgrind 0 1 " (the build)"
    fi
}

phase_install() {
    local log=$builds/install.log
    GCC=$GCC CLANG=$CLANG tests/install/run.sh >"$log" 2>&1
    local status=$? good bad
    good=$(grep -c '^ok ' "$log")
    bad=$(grep -c '^FAILED ' "$log")
    if [ $status -ne 0 ] || [ "$bad" -gt 0 ]; then
        grep -v '^ok ' "$log" | head -n 80
        [ "$bad" -gt 0 ] || bad=1
    fi
    count install "$good" "$bad" ""
}

phase_tidy() {
    if ! cmake -S . -B $builds/tidy -G Ninja -DCMAKE_C_COMPILER="$CLANG" -DBURROW_TESTS=ON >$builds/tidy.log 2>&1; then
        cat $builds/tidy.log
        count tidy 0 1 " (the configuration)"
        return
    fi
    local good=0 bad=0 file
    while IFS= read -r file; do
        if clang-tidy-14 --quiet -p $builds/tidy "$file" >$builds/tidy.log 2>&1; then
            good=$((good + 1))
        else
            bad=$((bad + 1))
            grep -v ' warnings generated\.$' $builds/tidy.log
        fi
    done < <(c_files | grep '\.c$' | grep -F -x -f <(sed -n "s|.*\"file\": \"$PWD/\(.*\)\".*|\1|p" \
        $builds/tidy/compile_commands.json))
    count tidy $good $bad ""
}

# ---- the run ---------------------------------------------------------------------------------------------------------

case ${1:-} in
--list)
    for phase in "${all_phases[@]}" tidy; do
        printf '%-10s %s\n' "$phase" "$(describe "$phase")"
    done
    exit 0
    ;;
--c-files)
    c_files
    exit 0
    ;;
esac

phases=("$@")
[ $# -gt 0 ] || phases=("${all_phases[@]}")
for phase in "${phases[@]}"; do
    if ! describe "$phase" >/dev/null; then
        echo "check: no phase '$phase'; there are: ${all_phases[*]} tidy" >&2
        exit 2
    fi
done

mkdir -p $builds
for phase in "${phases[@]}"; do
    printf '== %s: %s\n' "$phase" "$(describe "$phase")"
    phase_start=$SECONDS
    "phase_$phase"
done

printf '\n'
if [ ${#failed_phases[@]} -gt 0 ]; then
    printf 'failed in: %s (logs in %s)\n' "${failed_phases[*]}" "$builds"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ ${#failed_phases[@]} -eq 0 ]
