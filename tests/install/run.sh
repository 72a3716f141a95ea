#!/bin/bash
# Installs the library as a user would and builds a program outside the tree with it: by pkg-config and by CMake, with gcc
# and with clang, shared and static. Prints `ok WHAT` or `FAILED WHAT` a check; exit status 1 if one failed.
# Called by `scripts/check.sh install`; GCC and CLANG name the compilers.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
GCC=${GCC:-gcc}
CLANG=${CLANG:-clang-14}
build=build/check/gcc

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# attempt WHAT COMMAND...: one check, with the command's output if it fails
attempt() {
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok $what"
    else
        echo "FAILED $what"
        grep -v '^-- ' "$work/output" | head -n 20
        failed=1
    fi
}

make_install() {
    make --no-print-directory -C "$tree" install BUILD="$build" CC="$GCC" "$@"
}

# ---- make install ----------------------------------------------------------------------------------------------------

prefix=$work/prefix
attempt "make install PREFIX=" make_install PREFIX="$prefix"
attempt "make install PREFIX= DESTDIR=" make_install PREFIX=/opt/burrow DESTDIR="$work/stage"
if [ $failed -ne 0 ]; then
    exit 1
fi
attempt "both install the same" diff -r "$prefix" "$work/stage/opt/burrow"

same_headers() {
    diff -r "$tree/include" "$prefix/include"
}
attempt "every public header is installed" same_headers

attempt "the gdb script is installed" cmp "$tree/scripts/burrow-gdb.py" "$prefix/share/burrow/burrow-gdb.py"

library=$prefix/lib/libburrow.so
soname() {
    readelf -d "$library" | grep -F 'Library soname: [libburrow.so.0.1]'
}
attempt "soname" soname

# Public names, and the functions of libc that Burrow stands in front of (src/os/os_interpose.c).
interposed='pthread_create|pthread_clockjoin_np|thrd_join|thrd_detach|pthread_detach|pthread_exit|pthread_tryjoin_np|pthread_timedjoin_np|pthread_join|thrd_create|sigaction|signal|longjmp|_longjmp|siglongjmp|__longjmp_chk|pthread_sigmask|sigprocmask|sigsuspend|sigwait|sigwaitinfo|sigtimedwait|ppoll|pselect|epoll_pwait'
only_public_names() {
    local others
    others=$(nm -D --defined-only --extern-only "$library" | awk '{print $3}' | grep -vE '^bw_' | grep -vxE "$interposed")
    [ -z "$others" ] || { printf 'exported, but not public:\n%s\n' "$others" && false; }
}
attempt "no name is exported but the public ones" only_public_names

# ---- pkg-config ------------------------------------------------------------------------------------------------------

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
pc_version() {
    [ "$(pkg-config --modversion burrow)" = "$(sed -n 's/^#define BURROW_VERSION "\(.*\)"/\1/p' "$tree/include/burrow/base.h")" ]
}
attempt "burrow.pc has the header's version" pc_version

by_pkg_config() { # by_pkg_config shared|static COMPILER FLAG...
    local kind=$1 compiler=$2 flags libs
    shift 2
    flags=$(pkg-config --cflags burrow) || return
    if [ "$kind" = static ]; then
        libs=$(pkg-config --static --libs burrow) || return
        libs=${libs/-lburrow/-l:libburrow.a}
    else
        libs="$(pkg-config --libs burrow) -Wl,-rpath,$prefix/lib" || return
    fi
    rm -f "$work/outside"
    # shellcheck disable=SC2086 # the flags are words
    "$compiler" "$@" -Wall -Wextra -Werror $flags "$here/outside.c" $libs -o "$work/outside" && "$work/outside"
}

headers_alone() { # each header can be included by itself
    local header
    for header in burrow.h $(cd "$prefix/include" && echo burrow/*.h); do
        echo "#include <$header>" >"$work/alone.c"
        # shellcheck disable=SC2046
        "$1" -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags burrow) "$work/alone.c" || return
    done
}

for compiler in "$GCC" "$CLANG"; do
    for kind in shared static; do
        attempt "pkg-config, $compiler, $kind" by_pkg_config $kind "$compiler" -O2
    done
    attempt "pkg-config, $compiler, shared, -O0 -std=gnu11" by_pkg_config shared "$compiler" -O0 -std=gnu11
    attempt "headers by themselves, $compiler" headers_alone "$compiler"
done

# ---- the CMake package -----------------------------------------------------------------------------------------------

by_cmake() { # by_cmake COMPILER
    rm -rf "$work/cmake-build"
    cmake -S "$here" -B "$work/cmake-build" -G Ninja -DCMAKE_C_COMPILER="$1" -DCMAKE_PREFIX_PATH="$prefix" &&
        cmake --build "$work/cmake-build" && "$work/cmake-build/outside_shared" && "$work/cmake-build/outside_static"
}
for compiler in "$GCC" "$CLANG"; do
    attempt "CMake package, $compiler" by_cmake "$compiler"
done

exit $failed
