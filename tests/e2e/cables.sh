#!/bin/bash
# cables.sh - what the network does to clients: cut cables, resets at every stage, a byte a second.
# Each ends at its deadline and leaves one record; the others notice nothing.
. "$(dirname "$0")/lib.sh"
need ss
in_own_network "$@"
cable near 10.9.0.1 10.9.0.2
cut_cable() { at_far ip link set far down; }
join_cable() { at_far ip link set far up; }

# ---- clients at the far end ----

# clients in Python: with a socket for each listener, `s` being the last one's, until(N) to read so
# many bytes, trickle(BYTES), reset(), and ready() for when the test may go on; they stay until killed
far_client() { # LISTENERS CODE
    local name ports=() ready=ready.${1//[^a-z]/.}
    for name in $1; do ports+=("$name=$(port "$name")"); done
    at_far python3 -c '
import os, socket, struct, sys, time
def until(n):
    while n > 0: n -= len(s.recv(n))
def trickle(data):
    ready()
    for byte in bytes(data) + bytes(1000):
        s.send(bytes([byte]))
        time.sleep(0.2)
def reset():
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
def ready():
    open(sys.argv[1], "w").close()
def connect(name, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("10.9.0.1", int(port)))
    if not name.startswith("tls"): return s
    import ssl
    return ssl._create_unverified_context().wrap_socket(s)
sockets = [connect(*arg.split("=")) for arg in sys.argv[2:]]
s = sockets[-1]
'"$2"'
ready()
time.sleep(600)' "$ready" "${ports[@]}" 2>"$ready.err" &
    far_clients+=($!)
    within 60 [ -e "$ready" ] || fail "no client of $1: $(cat "$ready.err")"
}
far_clients=()
let_go() { # of those whose fate is sandboxed
    kill -KILL "${far_clients[@]}"
    wait "${far_clients[@]}"
    far_clients=()
} 2>/dev/null

listener() { # NAME SETTINGS
    printf '{ name = "%s"; host = "*"; port = 0; %s },' "$1" "$2"
}
# The client of LISTENER has left one record, of one of these ends. The deadlines are of five seconds at most, and
# another one that it gets to end its side; without them it would be here for minutes. A busy machine is in between.
ends() { # LISTENER END...
    local end
    within 60 recorded "$1" || fail "$1: still there, long after its deadline"
    end=$(records "listener=$1" | field end)
    [[ " ${*:2} " == *" $end "* ]] && lasted 0 20000 "listener=$1" || fail "$1: $(records "listener=$1")"
    printf 'ok - %s: end=%s after %s us\n' "$1" "$end" "$(records "listener=$1" | field duration_usec)"
}
recorded() { ! has_records 0 "listener=$1"; }

limits="idle_timeout = 5;" # enough to come here and to have the cable cut, on any machine
start_echod "idle_timeout = 0; listeners = (
    $(listener silent "keepalive = 1;") $(listener half-open "keepalive = 1;") $(listener killed "")
    $(listener patient "keepalive = 1; idle_timeout = 300;")
    $(listener stream "$limits") $(listener final "$limits") $(listener tls-final "$limits $tls_on")
    $(listener handshake "$tls_on") $(listener hello "handshake_timeout = 1; $tls_on")
    $(listener data "") $(listener close "") $(listener tls-close "$tls_on")
    $(listener line "session_timeout = 1; framing = \"line\";")
    $(listener length "session_timeout = 1; framing = \"length\";")
    { name = \"plain\"; host = \"127.0.0.1\"; port = 0; } );"
start_peer loop plain --keep --pause-send 0.2 --seconds 300
bystander=$!

# ---- the cable is cut ----
far_client silent 's.sendall(b"x"); until(1)'
far_client patient 's.sendall(b"x"); until(1)'
far_client "stream final tls-final" '
s, *finals = sockets
for final in finals:
    final.sendall(bytes(20000)) # which the socket surely holds for a client that does not read
    final.shutdown(socket.SHUT_WR)
s.setblocking(False)
try:
    while True: s.send(bytes(65536))
except BlockingIOError: pass'
cut_cable
let_go                          # their last words are lost with the cable
ends stream idle reset  # idle_timeout
ends final closed reset # what it is owed can never reach it
ends tls-final truncated reset
# after a second of silence TCP asks, and takes another one for an answer
(ends silent reset) || failed="keepalive does not find a cut cable"
(ends patient reset) || failed="nor where a client may be idle for longer"
join_cable

# the far end has forgotten the connection when the cable is whole again
far_client half-open 's.sendall(b"x"); until(1)'
cut_cable
at_far ss -K state established dst 10.9.0.1 >/dev/null 2>&1
join_cable
ends half-open reset

# ---- resets ----
far_client killed 's.sendall(b"x"); until(1)'
ss -K state established "sport = :$(port killed)" >/dev/null 2>&1
ends killed reset
far_client handshake 's.sendall(bytes([0x16, 3, 1, 2, 0, 1])); reset()'
ends handshake reset
far_client data 's.sendall(bytes(100000)); until(1000); reset()'
ends data reset
far_client close 's.sendall(bytes(1000)); until(1000); reset()'
ends close reset
far_client tls-close 's.sendall(bytes(1000)); until(1000); reset()'
ends tls-close reset truncated # see chaos.sh

# ---- a byte a second buys no time ----
far_client hello 'trickle([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4])'
far_client line 'trickle(b"a word and no end")'
far_client length 'trickle(bytes([0, 0, 3, 232]))'
ends hello handshake_timeout
ends line session_timeout
ends length session_timeout

# ---- and what is only slow ----
expect "a reader of 1 KiB at a time gets everything" \
    peer whole plain --size 300000 --piece 1024 --pause-read 0.002 --receive-buffer 4096
kill $bystander
wait $bystander || fail "the client beside them has suffered"
kill $far
[ -z "${failed-}" ] || fail "$failed"
stop_echod
