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
    for byte in data:
        s.send(bytes([byte]))
        time.sleep(1)
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
time.sleep(60)' "$ready" "${ports[@]}" 2>"$ready.err" &
    far_clients+=($!)
    within 30 [ -e "$ready" ] || fail "no client of $1: $(cat "$ready.err")"
    # shellcheck disable=SC2086 # they are words
    now $1
}
declare -A since # when what is to end a client began, in microseconds
now() { # LISTENER...
    local name
    for name; do since[$name]=${EPOCHREALTIME/./}; done
}
far_clients=()
let_go() { # of those whose fate is sealed
    kill -KILL "${far_clients[@]}"
    wait "${far_clients[@]}"
    far_clients=()
} 2>/dev/null

listener() { # NAME SETTINGS
    printf '{ name = "%s"; host = "*"; port = 0; %s },' "$1" "$2"
}
# The client of LISTENER has left one record, of one of these ends, so many ms after its `now`: and a
# second that it gets to end its side, and a moment.
gone_by() { # MILLISECONDS LISTENER END...
    local msec end
    within $(($1 / 1000 + 20)) recorded "$2" || fail "$2: still there, long after its deadline"
    msec=$(((${EPOCHREALTIME/./} - ${since[$2]}) / 1000))
    end=$(records "listener=$2" | field end)
    [[ " ${*:3} " == *" $end "* ]] || fail "$2: $(records "listener=$2")"
    [ $msec -le $(($1 + $(a_second) + 300)) ] || fail "$2: $end, but only after $msec ms"
    printf 'ok - %s: end=%s after %s ms\n' "$2" "$end" $msec
}
recorded() { ! has_records 0 "listener=$1"; }

limits="idle_timeout = 3; handshake_timeout = 3;"
start_echod "idle_timeout = 0; listeners = (
    $(listener silent "keepalive = 2;") $(listener half-open "keepalive = 2;") $(listener killed "")
    $(listener patient "keepalive = 2; idle_timeout = 300;")
    $(listener stream "$limits") $(listener final "$limits") $(listener tls-final "$limits $tls_on")
    $(listener handshake "$limits $tls_on") $(listener hello "$limits $tls_on")
    $(listener data "") $(listener close "") $(listener tls-close "$tls_on")
    $(listener line "session_timeout = 3; framing = \"line\";")
    $(listener length "session_timeout = 3; framing = \"length\";")
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
now silent patient stream final tls-final
let_go                          # their last words are lost with the cable
gone_by 3000 stream idle reset  # idle_timeout
gone_by 3000 final closed reset # what it is owed can never reach it
gone_by 3000 tls-final truncated reset
# after 2 seconds of silence TCP asks, and takes another 2 for an answer
(gone_by 5000 silent reset) || failed="keepalive does not find a cut cable"
(gone_by 5000 patient reset) || failed="nor where a client may be idle for longer"
join_cable

# the far end has forgotten the connection when the cable is whole again
far_client half-open 's.sendall(b"x"); until(1)'
cut_cable
at_far ss -K state established dst 10.9.0.1 >/dev/null 2>&1
join_cable
now half-open
gone_by 3000 half-open reset

# ---- resets ----
far_client killed 's.sendall(b"x"); until(1)'
ss -K state established "sport = :$(port killed)" >/dev/null 2>&1
gone_by 1000 killed reset
far_client handshake 's.sendall(bytes([0x16, 3, 1, 2, 0, 1])); reset()'
gone_by 1000 handshake reset
far_client data 's.sendall(bytes(100000)); until(1000); reset()'
gone_by 1000 data reset
far_client close 's.sendall(bytes(1000)); until(1000); reset()'
gone_by 1000 close reset
far_client tls-close 's.sendall(bytes(1000)); until(1000); reset()'
gone_by 1000 tls-close reset truncated # see chaos.sh

# ---- a byte a second buys no time ----
far_client hello 'trickle([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4])'
far_client line 'trickle(b"a word and no end")'
far_client length 'trickle(bytes([0, 0, 0, 9]) + b"123456789")'
gone_by 3000 hello handshake_timeout
gone_by 3000 line session_timeout
gone_by 3000 length session_timeout

# ---- and what is only slow ----
expect "a reader of 1 KiB at a time gets everything" \
    peer whole plain --size 300000 --piece 1024 --pause-read 0.002 --receive-buffer 4096
kill $bystander
wait $bystander || fail "the client beside them has suffered"
kill $far
[ -z "${failed-}" ] || fail "$failed"
stop_echod
