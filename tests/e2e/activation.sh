#!/bin/bash
# activation.sh - sockets that somebody else made: systemd's listening ones, matched by name or by
# address; and systemd's or inetd's connected one, for a process that serves this client and ends.
. "$(dirname "$0")/lib.sh"
need systemd-socket-activate socat

free_ports() { # N ports, as systemd-socket-activate takes no port 0: of those that the kernel
    # gives to nobody by itself, so that no other test has one by the time it is used
    python3 -c '
import random, socket, sys
low, high = map(int, open("/proc/sys/net/ipv4/ip_local_port_range").read().split())
ports = [p for p in range(2000, 65000) if not low <= p <= high] or range(2000, 65000)
found = set()
while len(found) < int(sys.argv[1]):
    port = random.choice(ports)
    try:
        socket.create_server(("127.0.0.1", port)).close()
        found.add(port)
    except OSError:
        pass
print(*found)' "$1"
}
activate() { # SETTINGS OPTION...: systemd-socket-activate, from the moment that it listens
    printf '%s\n' "$1" >echod.conf
    launch systemd-socket-activate "${@:2}" "$ECHOD" -c echod.conf
    within 60 logged "Listening on" || fail "systemd-socket-activate does not listen"
}
at() { # MODE PORT OPTION...: peer.py, where no listener is announced yet
    timeout 60 python3 "$here/peer.py" "$1" --port "$2" "${@:3}"
}
tls=(--tls --ca "$PKI/ca.crt")
read -r one two three < <(free_ports 3)

# ---- listening sockets, by name: where they listen is not for the settings to say ----
activate "$both" -l "127.0.0.1:$one" -l "127.0.0.1:$two" -l "127.0.0.1:$three" --fdname=plain:tls:plain
expect "the first client starts it" at whole "$one"
expect "a second socket, of another listener" at whole "$two" "${tls[@]}"
expect "a third one, of the first listener" at whole "$three"
expect "they are what the listeners have" \
    test "$(addresses plain | xargs)" = "127.0.0.1:$one 127.0.0.1:$three"
expect_records 2 listener=plain end=closed
expect_records 1 listener=tls end=closed
kill -HUP "$echod_pid"
expect "a reload" within 60 logged "echod.conf: reloaded"
expect "keeps them" at whole "$three"
stop_echod

# ---- by address, beside a socket of its own ----
activate "listeners = (
    { name = \"passed\"; host = \"127.0.0.1\"; port = $one; },
    { name = \"unix\"; host = \"unix:$PWD/sock\"; },
    { name = \"own\"; host = \"127.0.0.1\"; port = 0; }
);" -l "127.0.0.1:$one" -l "$PWD/sock"
expect "a passed port" at whole "$one"
expect "a passed path" peer whole unix
expect "a port of its own" peer whole own
expect "the log tells them apart" \
    test "$(grep -c 'listening on .*, passed by the service manager$' $log)" = 2
stop_echod
expect "a passed path stays" test -S sock

# ---- a connected socket a process: Accept=yes ----
activate "listeners = (
    { name = \"plain\"; port = $one; },
    { name = \"tls\"; port = $two; $tls_on }
); log = { level = \"debug\"; };" --accept -l "127.0.0.1:$one" -l "127.0.0.1:$two"
expect "a client" at whole "$one"
expect "another one, of the listener with this port" at whole "$two" "${tls[@]}"
expect "20 at once" at many "$one"
expect_records 21 listener=plain end=closed bytes_out=1024
expect_records 1 listener=tls end=closed bytes_out=1024
expect "a client that says nothing" at whole "$one" --size 0
expect_records 1 listener=plain end=probe
expect "no process stays" within 60 serves 0
kill "$echod_pid"
wait "$echod_pid"

# ---- inetd: standard input and output are the client ----
activate 'name = "plain";' --accept --inetd -l "127.0.0.1:$one"
expect "a client on standard input and output" at whole "$one" --size 100000
expect_records 1 listener=plain end=closed bytes_out=100000
kill "$echod_pid"
wait "$echod_pid"

ln -s "$ECHOD" echod # socat gives blanks and colons a meaning
inetd() { # SETTINGS: for one client on the path `inetd`, standard error and all
    printf '%s\n' "$1" >echod.conf
    rm -f inetd
    launch socat UNIX-LISTEN:inetd "EXEC:./echod -c echod.conf,nofork,stderr"
    within 60 test -S inetd || fail "socat does not listen"
}
inetd 'log = { target = "stderr"; level = "debug"; };'
expect "no line of the log reaches the client" at whole 0 --unix inetd --size 100000
expect_exit 0 "$echod_pid"
inetd 'metrics_file = "no/such/echod.prom"; log = { target = "stderr"; };'
expect "metrics are none of a single client's, who is served" at whole 0 --unix inetd
expect_exit 0 "$echod_pid"
inetd 'prot = 7;'
expect "nor does a fault" test "$(socat -u UNIX-CONNECT:inetd - | wc -c)" = 0
expect_exit 78 "$echod_pid"
