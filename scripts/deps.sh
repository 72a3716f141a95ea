#!/bin/bash
# Installs the Debian packages that a make target needs and that are missing. Says what and why; silent when all is there.
#
#   scripts/deps.sh build    to build the library and run the examples
#   scripts/deps.sh check    also to test it
#   scripts/deps.sh tidy     also for `make tidy`
#   scripts/deps.sh bench    to build the benchmarks (the peers themselves: scripts/peers.sh)
#   scripts/deps.sh make     make itself, for scripts that start before there is one
#
# On a system without dpkg it only looks whether the commands and headers are there.
set -euo pipefail

# package | what shows that it is there where dpkg cannot say | what for
build_set='
gcc | gcc | compiles the library (gcc 12)
libc6-dev | /usr/include/stdlib.h | the C library headers, which the example crossref also reads
cmake | cmake | describes the build
ninja-build | ninja | runs the build
binutils | objcopy | makes libbacktrace, which comes with gcc, part of the library
libxxhash-dev | /usr/include/xxhash.h | the hash function of maps, compiled into the library'
check_set='
libcmocka-dev | /usr/include/cmocka.h | the unit tests
clang-14 | clang-14 | the second compiler
libclang-rt-14-dev | /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a | libFuzzer
clang-format-14 | clang-format-14 | checks the formatting
pkg-config | pkg-config | the outside program of tests/install
valgrind | valgrind | runs the tests marked for it
spin | spin | checks the models of the protocols
gdb | gdb | the test of scripts/burrow-gdb.py
redis-tools | redis-cli | drives examples/cache'
tidy_set='
clang-14 | clang-14 | the compilation that clang-tidy follows
libcmocka-dev | /usr/include/cmocka.h | the unit tests are read too
clang-tidy-14 | clang-tidy-14 | static analysis'
make_set='
make | make | starts everything else'

case "${1:-}" in
build | bench) wanted=$build_set ;;
check) wanted=$build_set$check_set ;;
tidy) wanted=$build_set$tidy_set ;;
make) wanted=$make_set ;;
*)
    echo "usage: scripts/deps.sh build|check|tidy|bench|make" >&2
    exit 2
    ;;
esac

have_dpkg=
if command -v dpkg-query >/dev/null; then
    have_dpkg=yes
fi

is_there() { # is_there PACKAGE PROBE
    if [ -n "$have_dpkg" ]; then
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
    elif [[ $2 == /* ]]; then
        [ -e "$2" ]
    else
        command -v "$2" >/dev/null
    fi
}

missing=()
reasons=()
while IFS='|' read -r package probe reason; do
    package=${package// /}
    probe=${probe// /}
    if [ -n "$package" ] && ! is_there "$package" "$probe"; then
        missing+=("$package")
        reasons+=("$(printf '    %-18s %s' "$package" "${reason# }")")
    fi
done <<<"$wanted"

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

give_up() {
    echo "deps: $1" >&2
    printf '%s\n' "${reasons[@]}" >&2
    echo "deps: on Debian 12, as root:  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
}

if [ -z "$have_dpkg" ] || ! command -v apt-get >/dev/null; then
    give_up "this is not a Debian system, so nothing was installed; these are missing (by their Debian names):"
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "packages are missing, and installing them takes root or sudo:"
    as_root=(sudo)
fi

echo "deps: installing what '$1' needs and this system lacks:"
printf '%s\n' "${reasons[@]}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}

# A fresh system has no package lists at all, an old one lists that name files the archive no longer has. Both show as a
# failed install, and only then are the lists fetched. That apt-get update complains is no reason to stop (one source of
# several may be down): the second try decides.
if ! apt install -y --no-install-recommends "${missing[@]}"; then
    echo "deps: fetching the package lists first (apt-get update)"
    : >"$log"
    apt update || true
    if ! apt install -y --no-install-recommends "${missing[@]}"; then
        tail -n 15 "$log" >&2
        give_up "apt-get could not install these. Is the network up, and are the sources in /etc/apt right?"
    fi
fi
