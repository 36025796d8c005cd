#!/bin/bash
# echoc-peers.sh - echoc tells the truth about the echoes of others, those that lose data included.
. "$(dirname "$0")/lib.sh"

need setsid
PATH=$PATH:/usr/sbin:/sbin
size=$((1 << 20))
head -c $size /dev/urandom >input
ca=(--ca "$PKI/ca.crt")
tried=0
server=

stop() {
    [ -z "$server" ] || kill -KILL -- -$server
    wait $server
    server=
} 2>/dev/null
trap 'finish; stop' EXIT

serve() { # TOOL ARGUMENT...: in the background, until `port` takes connections
    local tool=$1
    setsid "$@" >"log.$tool" 2>&1 </dev/null & # a group, as it may fork for each client
    server=$!
    within 60 connects || fail "$tool does not listen: $(cat "log.$tool")"
}
connects() { gone $server || timeout 60 bash -c ": >/dev/tcp/127.0.0.1/$port" 2>/dev/null; }

row() { printf '%-24s %-30s %-26s %s\n' "$@"; }

try() { # NAME SCHEME TOOL ARGUMENT...: one row of the table
    local name=$1 url=$2://127.0.0.1:$port cat_status=0 told pinged check_status=0
    if ! command -v "$3" >/dev/null; then
        row "$name" "$3 is not installed"
        return
    fi
    tried=$((tried + 1))
    serve "${@:3}"

    timeout 120 "$ECHOC" cat --json --timeout 2 "${ca[@]}" "$url" <input >out 2>err || cat_status=$?
    [ $cat_status -le 1 ] || fail "$name: cat ended with $cat_status: $(cat err)"
    tail -n 1 err >last
    told=$(wc -c <out)
    json "d['received_bytes'] == $told and d['sent_bytes'] <= $size and d['ok'] is ($cat_status == 0)" last ||
        fail "$name: $told bytes came back, but echoc says $(cat err)"
    # whatever came back, in the order it was sent; all of it, and then status 0, or words
    cmp -n "$told" out input || fail "$name: what came back is not what was sent"
    if [ $cat_status = 0 ]; then
        [ "$told" = $size ] || fail "$name: status 0 for $told bytes"
    else
        complains '^echoc: (echo|end): .' || fail "$name: no words: $(cat err)"
    fi

    timeout 120 "$ECHOC" ping --json -c 5 -i 0 -W 60 "${ca[@]}" "$url" >out 2>err
    json 'd["sent"] == d["received"] == 5 and d["echo"]["count"] == 5' ||
        fail "$name: ping: $(cat out err)"
    pinged=$(python3 -c 'import json
d = json.load(open("out")); print("5 of 5, p50 %.3f ms" % (d["echo"]["p50_usec"] / 1e3))')
    timeout 120 "$ECHOC" check -W 2 "${ca[@]}" "$url" >out 2>err || check_status=$?
    [ "$(wc -l <out)" = 1 ] && case $check_status in
    0) says '^ECHO OK - ' ;;
    2) says '^ECHO CRITICAL - .*: (echo|end): ' ;;
    *) false ;;
    esac || fail "$name: check: $check_status $(cat out err)"
    row "$name" "$told bytes, status $cat_status" "$pinged" \
        "$(sed 's/ - [a-z+]*:[^ ]*//; s/ |.*//' out)"
    stop
    port=$(nobody)
}

port=$(nobody)
row server "cat, $size bytes" ping check
try 'socat PIPE' tcp socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" PIPE
try 'socat EXEC:cat' tcp socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" EXEC:cat

cat >stunnel.conf <<END
foreground = yes
pid =
[echo]
accept = 127.0.0.1:$port
cert = $PKI/server.crt
key = $PKI/server.key
exec = /bin/cat
execArgs = cat
END
try 'stunnel exec cat' tls stunnel stunnel.conf

cat >xinetd.conf <<END
service echo
{
    type = INTERNAL UNLISTED
    id = echo-stream
    flags = NOLIBWRAP
    socket_type = stream
    protocol = tcp
    wait = no
    user = $(id -un)
    bind = 127.0.0.1
    port = $port
    log_type = FILE $dir/xinetd.log
    log_on_success = PID
    log_on_failure =
    cps = 1000 1
    instances = UNLIMITED
}
END
try 'xinetd internal' tcp xinetd -dontfork -f xinetd.conf -pidfile "$dir/xinetd.pid"
try 'ncat -k -l -e /bin/cat' tcp ncat -k -l -e /bin/cat 127.0.0.1 "$port"
[ $tried -gt 0 ] || skip "none of them is installed"
