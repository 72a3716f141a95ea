#!/bin/sh
# Installs what `make bench` compares this library with. Run it again at any time: what is there already is left alone.
#
#   scripts/peers.sh            every peer
#   scripts/peers.sh go         only those named: boehm mimalloc jemalloc glib redis go plots
#   scripts/peers.sh --check    says which are there; installs nothing
#
# Boehm's collector, mimalloc, jemalloc, GLib and redis-server are this Debian's own packages, and so is matplotlib
# (plots), which is no peer: `make bench` draws with it what it measured. Go 1.27 is newer than this Debian, so it comes
# from the unstable suite of the archive this machine already uses: apt is given a source list, state and cache of its own
# in a temporary directory, the packages are downloaded and unpacked into .peers/go (untracked), and neither the system's
# package lists nor any installed package changes.
#
# Exit status: 0 when every peer asked for is there, 1 when one could not be had (the others are installed all the
# same), 2 for a wrong argument.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
peers=$root/.peers
go_version=1.27
missing=

say() { printf 'peers: %s\n' "$*"; }
cannot() {
    printf 'peers: %s: %s; going on without it\n' "$1" "$2" >&2
    missing="$missing $1"
}

if [ "$(id -u)" -eq 0 ]; then
    as_root() { "$@"; }
elif command -v sudo >/dev/null; then
    as_root() { sudo "$@"; }
else
    as_root() {
        printf 'peers: this needs root and there is no sudo: %s\n' "$*" >&2
        return 1
    }
fi

# ---- peers that this Debian has ------------------------------------------------------------------------------------

lists_fresh=
has_package() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

debian_package() { # debian_package PEER PACKAGE
    if has_package "$2"; then
        say "$1: $2 $(dpkg-query -W -f '${Version}' "$2") is installed"
        return
    fi
    if [ -n "$check_only" ]; then
        cannot "$1" "$2 is not installed"
        return
    fi
    if [ -z "$lists_fresh" ]; then
        say "apt-get update"
        as_root apt-get update -qq || printf 'peers: apt-get update failed; trying with the lists there are\n' >&2
        lists_fresh=yes
    fi
    say "$1: installing $2"
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null; then
        say "$1: $2 $(dpkg-query -W -f '${Version}' "$2") is installed"
    else
        cannot "$1" "apt-get could not install $2"
    fi
}

# ---- Go, from the unstable suite, beside the system ------------------------------------------------------------------

# Nothing of this may come from the caller's environment or leave .peers.
unset GOROOT GOPATH GOFLAGS GOBIN
export GOTOOLCHAIN=local GOPROXY=off GOENV=off GOCACHE="$peers/go-cache" GOTELEMETRY=off

go_runs() { # the toolchain starts, says the right version, and compiles a program that runs
    [ -x "$peers/go/bin/go" ] || return 1
    "$peers/go/bin/go" version 2>/dev/null | grep -q "go$go_version" || return 1
    trial=$(mktemp -d) || return 1
    printf 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("go runs") }\n' >"$trial/trial.go"
    [ "$(cd "$trial" && "$peers/go/bin/go" run trial.go 2>"$trial/errors")" = "go runs" ]
    status=$?
    [ $status -eq 0 ] || cat "$trial/errors" >&2
    rm -rf "$trial"
    return $status
}

# The archives of the machine's own apt sources that carry a whole Debian release (not -security, -updates and the like):
# asked of apt itself, which knows both forms of source files, and whether or not there are lists yet.
debian_archives() {
    apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\\(.*\\)/dists/\\([^/]*\\)/InRelease'.*|\\1 \\2|p" |
        awk '$2 !~ /-/ && !seen[$1]++ { print $1 }'
}

fetch_go() { # fetch_go ARCHIVE DIRECTORY: leaves the packages in DIRECTORY; everything apt writes stays there too
    mkdir -p "$2/etc" "$2/lists/partial" "$2/cache/archives/partial" "$2/state" "$2/deb"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    signed=
    [ -r $keyring ] && signed="[signed-by=$keyring]"
    printf 'deb %s %s unstable main\n' "$signed" "$1" >"$2/etc/sources.list"
    : >"$2/state/status"
    # Read after the system's configuration: its proxies and options stay, its hooks and places do not.
    cat >"$2/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$2/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$2/state";
Dir::State::status "$2/state/status";
Dir::State::lists "$2/lists";
Dir::Cache "$2/cache";
Dir::Cache::archives "$2/cache/archives";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
CONF
    apt-get -c "$2/apt.conf" update -qq || return 1
    (cd "$2/deb" && apt-get -c "$2/apt.conf" download -qq "golang-$go_version-go" "golang-$go_version-src") || return 1
}

# Debian splits GOROOT between /usr/lib (programs, packages of this architecture) and /usr/share (sources), joined by
# links that are absolute or climb to /usr; here the two halves become one directory that works from anywhere.
assemble_goroot() { # assemble_goroot UNPACKED DESTINATION
    lib=$1/usr/lib/go-$go_version
    share=$1/usr/share/go-$go_version
    [ -d "$lib" ] && [ -d "$share" ] || return 1
    mkdir -p "$2" || return 1
    for half in "$share" "$lib"; do
        # the links there are lead from the one half to the other
        find "$half" -type l -delete
        cp -a "$half/." "$2/" || return 1
    done
}

install_go() {
    if go_runs; then
        say "go: $("$peers/go/bin/go" version) in .peers/go"
        return
    fi
    if [ -n "$check_only" ]; then
        cannot go "no working Go $go_version in .peers/go"
        return
    fi
    if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
        cannot go "this is not a Debian system (no apt-get or dpkg)"
        return
    fi
    mkdir -p "$peers"
    work=$(mktemp -d "$peers/tmp.XXXXXX") || { cannot go "no temporary directory in .peers"; return; }
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    found=
    for archive in $(debian_archives); do
        say "go: downloading Go $go_version from the unstable suite of this machine's Debian archive (about 50 MB)"
        if fetch_go "$archive" "$work"; then
            found=yes
            break
        fi
        rm -rf "${work:?}"/*
    done
    if [ -z "$found" ]; then
        cannot go "no archive among this machine's apt sources offers golang-$go_version in its unstable suite"
        return
    fi
    for package in "$work"/deb/*.deb; do
        dpkg -x "$package" "$work/unpacked" || { cannot go "${package##*/} could not be unpacked"; return; }
    done
    if ! assemble_goroot "$work/unpacked" "$work/go"; then
        cannot go "the packages do not have the expected layout"
        return
    fi
    rm -rf "$peers/go"
    mv "$work/go" "$peers/go"
    rm -rf "$work"
    if go_runs; then
        say "go: $("$peers/go/bin/go" version) in .peers/go"
    else
        cannot go "the toolchain in .peers/go does not run on this machine"
    fi
}

# ---------------------------------------------------------------------------------------------------------------------

check_only=
wanted=
for argument in "$@"; do
    case $argument in
    --check) check_only=yes ;;
    -h | --help)
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
        exit 0
        ;;
    boehm | mimalloc | jemalloc | glib | redis | go | plots) wanted="$wanted $argument" ;;
    *)
        printf 'peers: unknown argument %s (boehm, mimalloc, jemalloc, glib, redis, go, plots, --check)\n' "$argument" >&2
        exit 2
        ;;
    esac
done

for peer in ${wanted:-boehm mimalloc jemalloc glib redis go plots}; do
    case $peer in
    boehm) debian_package boehm libgc-dev ;;
    mimalloc) debian_package mimalloc libmimalloc-dev ;;
    jemalloc) debian_package jemalloc libjemalloc-dev ;;
    glib) debian_package glib libglib2.0-dev ;;
    redis) debian_package redis redis-server ;;
    go) install_go ;;
    plots) debian_package plots python3-matplotlib ;;
    esac
done

if [ -n "$missing" ]; then
    printf 'peers: not available:%s\n' "$missing" >&2
    exit 1
fi
