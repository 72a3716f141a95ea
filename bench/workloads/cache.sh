#!/bin/bash
# cache.sh - a server that speaks the protocol of Redis, asked by redis-benchmark: 50 connections by TCP on this machine,
# one request at a time each, values of 3 bytes for one key.
#
#     cache.sh REQUESTS SERVER ARGUMENT...      PORT in the arguments stands for a free port
#
# Prints "R set rps X p99_ms Y" and the same for get, and what the server took of the processors.
set -u
requests=$1
shift
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$directory"' EXIT
cd "$directory" || exit 1

for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    # The server ends with this script, whatever ends that.
    setpriv --pdeathsig KILL -- "${@//PORT/$port}" >log 2>&1 &
    server=$!
    for _ in $(seq 100); do
        [ "$(redis-cli -p $port ping 2>/dev/null)" = PONG ] && kill -0 "$server" 2>/dev/null && break 2
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
done

# More of each than are measured, so that neither is measured cold.
redis-benchmark -p "$port" -t set,get -c 50 -n $((requests / 10)) -q >/dev/null || exit 1
ticks() {
    awk '{ print $14 + $15 }' "/proc/$server/stat"
}
before=$(ticks)
redis-benchmark -p "$port" -t set,get -c 50 -n "$requests" --csv >csv || exit 1
awk -v ticks=$(($(ticks) - before)) -v hertz="$(getconf CLK_TCK)" -F '"' '
    $2 == "SET" || $2 == "GET" { print "R", tolower($2), "rps", $4, "p99_ms", $14; found++ }
    END { print "R server cpu_s", ticks / hertz; exit found != 2 }' csv
