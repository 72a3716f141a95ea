#!/bin/bash
# examples/cache, driven by Debian's redis-cli and redis-benchmark, and by bytes that no client would send.
#
# modes: plain verify=1 poison=1,gcstress=200
# timeout: 300
#
# cache/commands.txt and cache/raw.txt are sent, cache/*_replies.txt is what redis-server 7.0.15 answered to them:
#
#   test_cache.sh [the program]      default: $BURROW_BUILD_DIR/bin/cache
#   test_cache.sh --record           asks redis-server again
set -u
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
if ! command -v redis-cli >/dev/null || ! command -v redis-benchmark >/dev/null; then
    echo "skipped: there is no redis-cli (scripts/deps.sh check)"
    exit 77
fi
work=$(mktemp -d)
cd "$work" || exit 1
checks=0
failures=0
server=
trap '[ -z "$server" ] || kill -9 "$server"; rm -rf "$work"' EXIT

fail() { # fail WHAT [FILE...]
    failures=$((failures + 1))
    echo "FAILED: $1"
    shift
    [ $# -eq 0 ] || head -c 2000 "$@" | sed 's/^/  | /'
    if [ -n "$server" ] && ! kill -0 "$server" 2>/dev/null; then
        echo "the server has ended:"
        head -n 100 log | sed 's/^/  ! /'
        server=
        exit 1
    fi
}

holds() { # holds WHAT COMMAND...: the command succeeds
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" || fail "$what"
}

same() { # same WHAT WANTED GOT: the files are equal
    checks=$((checks + 1))
    cmp -s "$2" "$3" || { fail "$1" && diff "$2" "$3" | head -n 20 | sed 's/^/  /'; }
}

until_true() { # until_true COMMAND...: waits, ten seconds and more, until the command succeeds
    local tries
    for tries in $(seq 200); do
        "$@" && return 0
        sleep "0.0$((tries < 50 ? 1 : 9))"
    done
    return 1
}

# ---- starting and asking ---------------------------------------------------------------------------------------------

start() { # start [OPTION...]: the server, at $port and $work/socket
    : >log # that of the server before
    "$cache" --port 0 --unix socket "$@" >>log 2>&1 &
    server=$!
    until_true grep -q 'listening on socket' log || { fail "the server starts" log && exit 1; }
    port=$(sed -n 's/^cache: listening on .*:\([0-9]*\)$/\1/p' log)
}

stop() { # stop SIGNAL: it ends by itself, with status 0
    kill "-$1" "$server"
    wait "$server"
    holds "the end by SIG$1: status $?" test $? -eq 0
    server=
    holds "it says so" grep -qx "cache: ending (SIG$1)" log
    holds "nothing else is said" test "$(grep -vc '^cache: \(listening on\|ending (\)' log)" -eq 0
    holds "the socket is gone" test ! -e socket
}

ask() { # ask WORD...: what redis-cli prints
    redis-cli -s socket "$@"
}

answers() { # answers WANTED WORD...
    checks=$((checks + 1))
    local wanted=$1 got
    shift
    got=$(ask "$@" 2>&1)
    [ "$got" = "$wanted" ] || fail "$*: it answers '$got', not '$wanted'"
}

number_of() { # number_of FIELD: of INFO
    ask info | tr -d '\r' | sed -n "s/^$1://p"
}

is() { # is NUMBER COMMAND...: it prints that number
    local wanted=$1
    shift
    [ "$("$@")" = "$wanted" ]
}

below() { # below LIMIT NUMBER
    [ -n "$2" ] && [ "$2" -lt "$1" ]
}

say() { # say FORMAT: prints the bytes on a connection of its own, and what comes back until that is closed
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return
    # shellcheck disable=SC2059 # formats are what is meant
    printf "$1" >&3
    timeout 60 cat <&3 2>/dev/null
    exec 3>&-
}

raw() { # each line of raw.txt; behind those that begin with a plus, which the server does not close, words that end it
    local line kind
    while IFS= read -r line; do
        echo "> $line"
        kind=${line:0:1}
        line=${line:1}
        [ "$kind" != + ] || line+='*1\r\n$4\r\nQUIT\r\n'
        say "$line" | cat -v
        echo
    done <"$here/cache/raw.txt"
}

if [ "${1:-}" = --record ]; then
    : >log
    port=$((20000 + RANDOM % 10000))
    redis-server --port "$port" --unixsocket socket --save "" --appendonly no >log &
    server=$!
    until_true ask ping >out 2>&1 || exit 1
    redis-cli -s socket --no-raw <"$here/cache/commands.txt" >"$here/cache/commands_replies.txt"
    raw >"$here/cache/raw_replies.txt"
    exit 0
fi
cache=$(realpath "${1:-${BURROW_BUILD_DIR:?names the build directory}/bin/cache}") || exit 1

# ---- options ---------------------------------------------------------------------------------------------------------

"$cache" --help >out 2>err
holds "--help" test $? -eq 0
holds "--help" grep -q '^usage: cache ' out
"$cache" --version >out 2>err
holds "--version" grep -qxE 'cache \(Burrow [0-9.]+\)' out

refuses() { # refuses STATUS MESSAGE OPTION...: the first line of standard error matches the expression
    local wanted=$1 message=$2 status
    shift 2
    timeout 60 "$cache" "$@" >out 2>err
    status=$?
    checks=$((checks + 1))
    { [ $status -eq "$wanted" ] && head -n 1 err | grep -qxE "$message"; } || fail "$*: status $status" err
}
refuses 2 'cache: --port wants a number from 0 to 65535, not "70000"' --port 70000
refuses 2 'cache: --port wants a number from 0 to 65535, not "x"' --port x
refuses 2 'cache: --clients wants a number from 1 to 1000000, not "0"' --clients 0
refuses 2 'cache: what is "more" for\?' more
refuses 2 '.*unrecognized option.*' --nonsense
refuses 1 'cache: listen tcp: lookup nowhere.invalid: .*' --host nowhere.invalid
refuses 1 'cache: listen unix /no/such/place: bind: no such file or directory' --unix /no/such/place

start
refuses 1 "cache: listen tcp 127.0.0.1:$port: bind: address already in use" --port "$port"
refuses 1 'cache: listen unix socket: bind: address already in use' --unix socket

# ---- what it answers -------------------------------------------------------------------------------------------------

redis-cli -s socket --no-raw <"$here/cache/commands.txt" >got
same "the replies to commands.txt" "$here/cache/commands_replies.txt" got
raw >got
same "the replies to raw.txt" "$here/cache/raw_replies.txt" got
holds "redis-cli on the port" is PONG redis-cli -p "$port" ping
holds "what a browser sends is not answered" is "" say 'Host: localhost\r\nPING\r\n'

answers "OK" flushall
head -c 3000000 /dev/urandom >bytes
ask -x set large <bytes >out
ask get large | head -c -1 >got
same "a value of 3 MB" bytes got
head -c 300 bytes >key
answers OK set before 1
ask -X KEY set KEY value <key >out
holds "any bytes as a key" grep -qx OK out
holds "any bytes as a key" is value ask -X KEY get KEY <key
answers 3 dbsize
holds "COMMAND COUNT" test "$(ask command count)" -gt 20
holds "COMMAND" test "$(ask command | grep -cx 'get\|set\|scan')" -eq 3

# A request that comes byte by byte, and one after another within one write.
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf '*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$11\r\nbyte\r\nbyte!\r\n*1\r\n$4\r\nQUIT\r\n' | while IFS= read -r -n 1 -d '' byte; do
    printf '%s' "$byte" >&3
done
holds "byte by byte" is $'+OK\r\n+OK\r' timeout 60 cat <&3
exec 3>&-
answers $'byte\r\nbyte!' get slow

# ---- expiry ----------------------------------------------------------------------------------------------------------

answers OK set brief value px 300
answers value get brief
holds "the time left" below 301 "$(ask pttl brief)"
answers OK set long value ex 1000
holds "the time left" below 1001 "$(ask ttl long)"
holds "the time left" test "$(ask ttl long)" -gt 900
answers 1 pexpire long 100000000
holds "another time left" test "$(ask ttl long)" -gt 90000
holds "what expires is gone" until_true is "" ask get brief
answers -2 ttl brief
answers 0 exists brief

# Without anybody asking for them.
before=$(number_of expired_keys)
for i in $(seq 2000); do
    echo "SET brief:$i value PX 500"
done | redis-cli -s socket >out
holds "2000 keys are set" test "$(grep -cx OK out)" -eq 2000
holds "what expires is swept out" until_true is 5 ask dbsize
holds "it is counted" test "$(($(number_of expired_keys) - before))" -eq 2000

# ---- walks -----------------------------------------------------------------------------------------------------------

answers OK flushall
for i in $(seq 3000); do
    echo "SET key:$i $i"
done | redis-cli -s socket --pipe >out
holds "redis-cli --pipe" grep -q 'errors: 0, replies: 3000' out
seq 3000 | sed 's/^/key:/' | sort >wanted
ask --scan | sort >got
same "all keys are seen" wanted got
walk() { # walk COUNT: the keys by SCAN
    local cursor=0 reply
    while reply=$(ask scan "$cursor" count "$1") && cursor=${reply%%$'\n'*}; do
        sed 1d <<<"$reply"
        [ "$cursor" != 0 ] || break
    done
}
walk 1000 | sort >got
same "all keys are seen in large steps" wanted got
ask --scan --pattern 'key:*7' | sort >got
grep '7$' wanted >sevens
same "those that match are seen" sevens got
# While others come and go.
(while [ ! -e enough ]; do
    for i in $(seq 200); do echo "SET other:$i x"; done
    for i in $(seq 200); do echo "DEL other:$i"; done
done | redis-cli -s socket >out.others) &
others=$!
for _ in 1 2 3; do
    walk 200 | grep '^key:' | sort -u >got
    same "all keys are seen while others come and go" wanted got
done
touch enough
wait "$others"
answers 3000 dbsize

# ---- many clients ----------------------------------------------------------------------------------------------------

benchmark() { # benchmark WHAT OPTION...
    local what=$1
    shift
    checks=$((checks + 1))
    timeout 200 redis-benchmark -s socket --csv "$@" >out 2>err && ! grep -qi 'error' out err &&
        [ "$(grep -c '^"' out)" -gt 1 ] || fail "$what" out err
}

processed() { # what INFO has counted, beyond $before
    echo $(($(number_of total_commands_processed) - before))
}

before=$(number_of total_commands_processed)
benchmark "50 connections" -c 50 -n 5000 -t ping,set,get,incr,mset
holds "all of them are counted" test "$(processed)" -ge 30000
benchmark "50 connections, pipelining" -c 50 -P 16 -n 20000 -r 1000 -t set,get
benchmark "1000 connections" -c 1000 -n 5000 -r 1000 -t set,get
benchmark "1000 connections, pipelining" -c 1000 -P 16 -n 20000 -t get
benchmark "values of 100 KB" -c 20 -d 100000 -n 1000 -t set,get
redis-benchmark -p "$port" -c 10 -n 1000 -t get --csv >out 2>err
holds "by TCP" test "$(grep -c '^"GET"' out)" -eq 1
holds "the connections are closed again" until_true is 1 number_of connected_clients
holds "counting is exact" is 20000 sh -c '
    redis-cli -s socket del counter >/dev/null
    for i in 1 2 3 4; do
        (yes INCR counter | head -n 5000 | redis-cli -s socket >/dev/null) &
    done
    wait
    redis-cli -s socket get counter'
answers OK flushall

# ---- clients that misbehave ------------------------------------------------------------------------------------------

# Killed in the midst of a request.
{ for i in $(seq 5); do
    bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf "*3\\r\\n\$3\\r\\nSET\\r\\n\$4\\r\\nhalf\\r\\n\$1000000\\r\\nthe beginning" >&3
        kill -9 $$' bash "$port"
done; } 2>/dev/null
head -c 2000000 bytes >part
redis-cli -s socket -x set half <part >out &
victim=$!
kill -9 "$victim"
wait "$victim" 2>/dev/null
holds "the killed are noticed" until_true is 1 number_of connected_clients
answers 0 exists half
holds "it goes on" is PONG ask ping

# Those that announce much, and send nothing: the memory is not taken. What the values before left is collected some time.
before=$(number_of used_memory)
for i in $(seq 10 59); do
    eval "exec $i<>/dev/tcp/127.0.0.1/$port"
    if [ $((i % 2)) -eq 0 ]; then
        printf '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nx' >&"$i"
    else
        printf '*2147483647\r\n$1\r\nx\r\n' >&"$i"
    fi
done
holds "they are there" until_true is 51 number_of connected_clients
holds "memory for what was announced" below $((before + 20000000)) "$(number_of used_memory)"
for i in $(seq 10 59); do
    eval "exec $i>&-"
done
holds "they are gone" until_true is 1 number_of connected_clients

# One that asks for 400 MB and does not read: others are served, and nothing piles up. Then it gets all of it.
head -c 200000 bytes | redis-cli -s socket -x set piece >out
exec 3<>"/dev/tcp/127.0.0.1/$port"
yes GET piece | head -n 2000 >&3
holds "others are served" is PONG ask ping
before=$(number_of total_commands_processed)
benchmark "others are served" -c 10 -n 2000 -t set,get
used=$(number_of used_memory)
holds "nothing piles up: $used bytes" below 60000000 "$used"
yes QUIT | head -n 1 >&3
holds "it gets all of it" test "$(timeout 100 cat <&3 | wc -c)" -eq $((2000 * (200000 + 11) + 5))
exec 3>&-

# Garbage.
for i in 1 2 3 4 5 6 7 8; do
    head -c $((i * 20000)) /dev/urandom >garbage
    (cat garbage >&3 && printf '\r\nQUIT\r\nQUIT\r\n' >&3 && timeout 20 cat <&3 >out.garbage) 3<>"/dev/tcp/127.0.0.1/$port" 2>/dev/null
done
head -c 70000 /dev/zero | tr '\0' x >garbage
(cat garbage >&3 && timeout 60 cat <&3 >got) 3<>"/dev/tcp/127.0.0.1/$port" 2>/dev/null
holds "a line without an end" grep -q '^-ERR Protocol error: too big inline request' got
holds "it goes on" is PONG ask ping
holds "the connections are closed" until_true is 1 number_of connected_clients

# ---- the end ---------------------------------------------------------------------------------------------------------

# With connections: one that is idle, one in the midst of a request, one that does not read.
exec 3<>"/dev/tcp/127.0.0.1/$port" 4<>"/dev/tcp/127.0.0.1/$port" 5<>"/dev/tcp/127.0.0.1/$port"
printf '*3\r\n$3\r\nSET\r\n' >&4
yes GET piece | head -n 2000 >&5
stop TERM
exec 3>&- 4>&- 5>&-

start --clients 5
exec 3<>"/dev/tcp/127.0.0.1/$port" 4<>"/dev/tcp/127.0.0.1/$port" 5<>"/dev/tcp/127.0.0.1/$port" 6<>"/dev/tcp/127.0.0.1/$port"
holds "five clients" until_true is 5 number_of connected_clients
fifth() { # redis-cli's connection may be the fifth still
    local reply
    exec 7<>"/dev/tcp/127.0.0.1/$port" && printf 'PING\r\n' >&7 && read -r -t 60 reply <&7 && [ "$reply" = $'+PONG\r' ]
}
holds "a fifth one is served" until_true fifth
holds "a sixth one is told" is $'-ERR max number of clients reached\r' say ""
exec 3>&- 4>&- 5>&- 6>&- 7>&-
holds "there is room again" until_true is PONG ask ping
stop INT

# A socket that was left behind is no hindrance.
start
{ kill -9 "$server" && wait "$server"; } 2>/dev/null
holds "it is left behind" test -S socket
start
holds "it starts all the same" is PONG ask ping
stop TERM

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
