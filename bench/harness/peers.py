"""Who is measured: the library and its peers, how a workload is built for each, and what environment it runs in."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "bench"
BUILD = Path(os.environ.get("BUILD") or "build")
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
BINARIES = BUILD / "bench"
PEERS_DIR = ROOT / ".peers"
SHARED_GO = ROOT.parent / "shared" / "peers" / "go"

CC = os.environ.get("CC") or "gcc"
CFLAGS = (
    "-std=gnu11 -D_GNU_SOURCE= -O2 -g -pthread -fno-plt -Wall -Wextra -Wshadow -Wstrict-prototypes "
    "-Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2 -Werror"
).split()

# What would change a measurement behind the runner's back.
UNWANTED = re.compile(r"^(GO.*|BURROWDEBUG|GC_.*|MIMALLOC_.*|MALLOC_.*|GLIBC_TUNABLES|LD_PRELOAD)$")


class BuildError(Exception):
    """A program could not be built; the text says why."""


class Unavailable(Exception):
    """A peer, or a program of it, is not on this machine; the text says what is missing."""


def run_quietly(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def outdated(target, sources):
    if not target.exists():
        return True
    made = target.stat().st_mtime_ns
    return any(source.stat().st_mtime_ns >= made for source in sources)


def make(target, command, **options):
    """Runs `command`, which takes "-o FILE", and puts what it made in place of `target` at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        result = run_quietly([*command[:2], "-o", str(temporary), *command[2:]], **options)
        if result.returncode != 0:
            raise BuildError(result.stdout.strip())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def package_version(package):
    result = run_quietly(["dpkg-query", "-W", "-f", "${Version}", package])
    return result.stdout.strip() if result.returncode == 0 else "version unknown"


class Peer:
    """One library. `name` is its key in the results."""

    def __init__(self, name, title):
        self.name = name
        self.title = title

    def require(self):
        """Raises Unavailable if the peer is not on this machine."""

    def version(self):
        raise NotImplementedError

    def program(self, name):
        """Builds the workload `name` if need be; its path."""
        raise NotImplementedError

    def environment(self, procs):
        clean = {key: value for key, value in os.environ.items() if not UNWANTED.match(key)}
        clean["LC_ALL"] = "C"
        return clean


class CPeer(Peer):
    """A library for C: workloads/NAME.c compiled with -DPEER_..."""

    def __init__(self, name, title, package=None, header=None, links=(), variables=()):
        super().__init__(name, title)
        self.package = package
        self.header = header
        self.links = list(links)
        self.variables = variables  # set to the number of processors

    def define(self):
        return f"-DPEER_{self.name.upper()}"

    @functools.lru_cache(maxsize=None)
    def missing(self):
        if shutil.which(CC) is None:
            return f"no C compiler '{CC}'"
        if self.header is None:
            return None
        test = run_quietly(
            [CC, "-x", "c", "-", "-o", "/dev/null", *self.links],
            input=f"#include <{self.header}>\nint main(void) {{ return 0; }}\n",
        )
        return None if test.returncode == 0 else f"{self.package} is not installed (scripts/peers.sh {self.name})"

    def require(self):
        reason = self.missing()
        if reason is not None:
            raise Unavailable(reason)

    def version(self):
        return f"{package_version(self.package)} (Debian's {self.package})"

    def inputs(self):
        """Besides the sources: what a program must be newer than."""
        return []

    def program(self, name):
        self.require()
        source = BENCH / "workloads" / f"{name}.c"
        target = BINARIES / f"{name}-{self.name}"
        if outdated(target, [source, *(BENCH / "workloads").glob("*.h"), *self.inputs()]):
            make(target, [CC, *CFLAGS, self.define(), str(source), *self.links])
        return target

    def environment(self, procs):
        return {**super().environment(procs), **{variable: str(procs) for variable in self.variables}}


class Burrow(CPeer):
    """This library, from the build directory: the archive, or the shared library for name `burrow-shared`."""

    def __init__(self, name, title, shared=False):
        super().__init__(name, title, variables=["GOMAXPROCS"])
        self.shared = shared
        self.library = BUILD / "lib" / ("libburrow.so" if shared else "libburrow.a")
        include = f"-I{ROOT / 'include'}"
        if shared:
            self.links = [include, f"-L{self.library.parent}", f"-Wl,-rpath,{self.library.parent}", "-lburrow"]
        else:
            self.links = [include, str(self.library), "-ldl"]

    def define(self):
        return "-DPEER_BURROW"

    def missing(self):
        if not self.library.exists():
            return f"{os.path.relpath(self.library, ROOT)} is not built (make)"
        return None if shutil.which(CC) else f"no C compiler '{CC}'"

    def inputs(self):
        return [self.library, *sorted((ROOT / "include").rglob("*.h"))]

    def program(self, name):
        if name == "crossref":
            self.require()
            target = BUILD / "bin" / "crossref"
            if not target.exists():
                raise Unavailable(f"{target.name} is not built (make)")
            return target
        if name == "cache":
            self.require()
            if not (BUILD / "bin" / "cache").exists():
                raise Unavailable("cache is not built (make)")
            return cache_driver()
        return super().program(name)

    def version(self):
        text = (ROOT / "include" / "burrow" / "base.h").read_text()
        number = re.search(r'define BURROW_VERSION "([^"]+)"', text)
        commit = run_quietly(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
        changed = run_quietly(["git", "-C", str(ROOT), "status", "--porcelain", "--", "src", "include"])
        words = number.group(1) if number else "version unknown"
        if commit.returncode == 0:
            words += f", commit {commit.stdout.strip()}"
            words += " and changes to it" if changed.stdout.strip() else ""
        return words


def cache_driver():
    """The script that starts a server, which its arguments name, and asks it."""
    if shutil.which("redis-benchmark") is None:
        raise Unavailable("no redis-benchmark (scripts/deps.sh check)")
    return BENCH / "workloads" / "cache.sh"


class Redis(Peer):
    """The server that examples/cache is measured beside."""

    def require(self):
        if shutil.which("redis-server") is None:
            raise Unavailable("redis-server is not installed (scripts/peers.sh redis)")

    def version(self):
        return f"{package_version('redis-server')} (Debian's redis-server)"

    def program(self, name):
        self.require()
        return cache_driver()


class GLib(CPeer):
    """The hash table that most C programs of Debian link. pkg-config knows where it is."""

    def __init__(self):
        super().__init__("glib", "GLib's GHashTable", "libglib2.0-dev", "glib.h")
        found = None
        if shutil.which("pkg-config"):
            found = run_quietly(["pkg-config", "--cflags", "--libs", "glib-2.0"])
        if found is not None and found.returncode == 0:
            self.links = found.stdout.split()


class Go(Peer):
    """Go's programs: ../shared/peers/go/NAME.go beside the repository, else bench/peers/NAME.go."""

    tool = PEERS_DIR / "go" / "bin" / "go"

    def require(self):
        if not self.tool.exists():
            raise Unavailable("no Go in .peers/go (scripts/peers.sh go)")

    @staticmethod
    def tool_environment():
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GO")}
        # Nothing is downloaded, nothing is left outside .peers.
        return {
            **clean,
            "GOTOOLCHAIN": "local",
            "GOPROXY": "off",
            "GOENV": "off",
            "GOFLAGS": "",
            "GOWORK": "off",
            "GO111MODULE": "auto",
            "GOCACHE": str(PEERS_DIR / "go-cache"),
            "GOPATH": str(PEERS_DIR / "go-path"),
        }

    @functools.lru_cache(maxsize=None)
    def version(self):
        words = run_quietly([str(self.tool), "version"], env=self.tool_environment()).stdout.split()
        return f"{words[2].removeprefix('go')} (Debian unstable's packages)" if len(words) > 2 else "version unknown"

    def program(self, name):
        self.require()
        source = BENCH / "peers" / f"{name}.go"
        if not source.exists():
            source = SHARED_GO / f"{name}.go"
        if not source.exists():
            raise Unavailable(f"no {name}.go: the directory ../shared/peers/go is not beside the repository")
        target = PEERS_DIR / "bin" / name
        if outdated(target, [source, self.tool]):
            make(target, [str(self.tool), "build", str(source)], env=self.tool_environment(), cwd=source.parent)
        return target

    def environment(self, procs):
        return {**super().environment(procs), "GOMAXPROCS": str(procs)}


PEERS = {
    peer.name: peer
    for peer in [
        Burrow("burrow", "Burrow"),
        Burrow("burrow-shared", "Burrow, shared library", shared=True),
        Go("go", "Go"),
        CPeer("mimalloc", "mimalloc", "libmimalloc-dev", "mimalloc.h", ["-Wl,--no-as-needed", "-lmimalloc"]),
        CPeer("boehm", "Boehm's collector", "libgc-dev", "gc/gc.h", ["-lgc"], ["GC_MARKERS"]),
        CPeer("jemalloc", "jemalloc", "libjemalloc-dev", "jemalloc/jemalloc.h", ["-Wl,--no-as-needed", "-ljemalloc"]),
        CPeer("glibc", "glibc", "libc6", None),
        GLib(),
        Redis("redis", "redis-server"),
    ]
}


def stopwatch():
    """The program that measures the others."""
    source = BENCH / "workloads" / "measure.c"
    target = BINARIES / "measure"
    if outdated(target, [source]):
        make(target, [CC, *CFLAGS, str(source)])
    return target
