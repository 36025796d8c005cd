#!/bin/bash
# scaling.sh - what each step of doc/scaling.md buys on this machine, as two tables, in two to three
# minutes. All daemons run all the time, and the set-ups are loaded one after the other, in each of
# $ROUNDS rounds (3): a figure is the median of them. On ports of 127.0.0.1 from $PORT (27000) on.
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${BUILD:-$top/build}")
rounds=${ROUNDS:-3} base=${PORT:-27000}
seconds=2 # for each figure

dir=$(mktemp -d) && cd "$dir" || exit 1
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
die() { echo "scaling.sh: $*" >&2; tail -n 5 log.* >&2 2>/dev/null; exit 1; }
for tool in haproxy openssl python3 socat; do command -v $tool >/dev/null || die "$tool is not installed"; done
"$top/certs/make-certs" pki >/dev/null || die "no certificates"
(umask 077 && openssl rand 80 >keys)

# ---- the daemons: 1 alone, 2 and 3 on one port, 4 to 6 behind a proxy ----

pids=()
start() { # DAEMON
    local port=$((base + 10 * $1)) more=
    case $1 in
    2 | 3) port=$((base + 20)) more="reuse_port = true;" ;;
    [456]) more="proxy_protocol = \"required\"; proxy_trusted = \"127.0.0.1\";" ;;
    esac
    cat >conf."$1" <<END
host = "127.0.0.1"; max_clients_per_source = 0; log = { level = "notice"; }; $more
tls = { certificate = "pki/server.crt"; key = "pki/server.key"; };
listeners = ( { name = "plain"; port = $port; },
    { name = "secure"; port = $((port + 1)); tls = { enabled = true; ticket_keys = "keys"; }; },
    { name = "own"; port = $((port + 2)); tls = { enabled = true; }; },
    { name = "health"; port = $((base + 10 * $1 + 9)); health = true; proxy_protocol = "off"; } );
END
    "$build/echod" -c conf."$1" 2>>log."$1" &
    pids[$1]=$!
    # of all its listeners the last
    waits "$build/echoc" check --timeout 1 "tcp://127.0.0.1:$((base + 10 * $1 + 9))" || die "echod $1 does not start"
}
stop() { # DAEMON
    kill -TERM "${pids[$1]}"
    wait "${pids[$1]}"
}
waits() { # COMMAND...: until it succeeds
    for _ in {1..400}; do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.02
    done
    return 1
}
for i in {1..6}; do start "$i"; done

# ---- the proxy ----

proxy() { # NAME PORT-OF-THE-FRONT-END OFFSET DAEMON...
    printf 'listen %s\n    bind 127.0.0.1:%s\n' "$1" $((base + $2))
    for i in "${@:4}"; do
        echo "    server s$i 127.0.0.1:$((base + 10 * i + $3)) send-proxy-v2 check port $((base + 10 * i + 9)) inter 200ms fall 2 rise 1"
    done
}
{
    printf 'global\n    stats socket %s\ndefaults\n    mode tcp\n    balance roundrobin\n' "$dir/socket"
    printf '    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n'
    proxy plain1 1 0 4
    proxy secure1 2 1 4
    proxy plain 3 0 4 5 6
    proxy secure 4 1 4 5 6
    proxy own 5 2 4 5 6
    proxy again 6 0 4 5 6
    echo '    option redispatch'
} >haproxy.cfg
haproxy -db -f haproxy.cfg >log.haproxy 2>&1 &
is() { # DAEMON STATE
    [ "$(echo "show stat plain 4 -1" | timeout 5 socat - UNIX-CONNECT:socket | cut -d, -f2,18 | grep -c "^s$1,$2")" = 1 ]
}
for i in 4 5 6; do waits is $i UP || die "haproxy does not start"; done

# ---- figures ----

load() { # PORT OPTION...: one JSON object
    local scheme=tcp
    case $* in *--ca*) scheme=tls ;; esac
    "$build/echoc" load --json --servername localhost "${@:2}" "$scheme://127.0.0.1:$((base + $1))"
}
note() { # ROW COLUMN: what the load on standard input has shown, a figure for each name in $figures
    python3 -c 'import json, sys
d = json.load(sys.stdin)
d["share"] = 100 * d["resumed"] / max(d["dialed"], 1)
d["slowest"] = d["latency"]["max_usec"] / 1000
print(*sys.argv[1:3], *[d[name] for name in sys.argv[3].split()], sep="\t")' "$1" "$2" "$figures" >>figures
}
ca="--ca pki/ca.crt"
speeds() { # ROW PLAIN SECURE RESUMING
    load "$2" -C 32 -d $seconds | note "$1" 1
    load "$2" -C 32 -d $seconds --new | note "$1" 2
    load "$3" -C 32 -d $seconds --new $ca | note "$1" 3
    load "$4" -C 32 -d $seconds --resume $ca | note "$1" 4
}
restarts() { # ROW PORT DAEMON COMMAND...: one restart, the commands before the stop, under a load on a schedule
    load "$2" -C 16 -r 200 -d 3 --new >out &
    local load=$!
    sleep 1
    ! [ $# -gt 3 ] || "${@:4}" "$3"
    stop "$3"
    sleep 0.5
    start "$3"
    wait $load
    note "$1" 1 <out
    waits is 4 UP
}
leave() { # DAEMON
    kill -USR1 "${pids[$1]}"
    waits is "$1" DOWN || die "the proxy does not see that daemon $1 leaves"
}
for _ in $(seq "$rounds"); do
    figures="messages_per_sec share"
    speeds "1 one echod" 10 11 11
    speeds "2 two on one port" 20 21 22
    speeds "3 HAProxy, one" 1 2 2
    speeds "4 HAProxy, three" 3 4 5
    load 4 -C 32 -d $seconds --resume $ca | note "5 HAProxy, three, shared ticket keys" 4
    figures="errors slowest"
    restarts "6 two on one port: SIGTERM" 20 2
    restarts "7 HAProxy, three: SIGTERM" 3 4
    restarts "8 HAProxy, three, \`option redispatch\`: SIGTERM" 6 4
    restarts "9 HAProxy, three: SIGUSR1, SIGTERM once it is down" 3 4 leave
done

# ---- tables ----

echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r), medians of $rounds rounds"
python3 - <<'END'
import statistics

rows = {}
for line in open("figures"):
    row, column, first, second = line.rstrip("\n").split("\t")
    rows.setdefault(row, {}).setdefault(int(column), []).append((float(first), float(second)))
median = lambda pairs, i: statistics.median(pair[i] for pair in pairs)

print("\n| | messages/s | connections/s | TLS connections/s | with --resume | of them resumed |")
print("|---|---|---|---|---|---|")
for row, columns in sorted(rows.items()):
    if row[0] < "6":
        cells = [f"{median(columns[i], 0):.0f}" if i in columns else "" for i in range(1, 5)]
        print("|", row[2:], "|", " | ".join(cells), "|", f"{median(columns[4], 1):.0f} %", "|")
print("\n| one restart, at 200 new connections a second | lost, in each round | slowest answer |")
print("|---|---|---|")
for row, columns in sorted(rows.items()):
    if row[0] >= "6":
        lost = ", ".join(f"{first:.0f}" for first, _ in columns[1])
        print("|", row[2:], "|", lost, "|", f"{median(columns[1], 1):.0f} ms", "|")
END
