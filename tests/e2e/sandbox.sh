#!/bin/bash
# sandbox.sh - each process that strangers talk to is sandboxed and serves all the same; so is the signer
# of the keys, which is replaced when it dies.
. "$(dirname "$0")/lib.sh"
need openssl gnutls-cli

has_status() { grep -qxF "$2" "/proc/$1/status"; } # PID LINE
limit() { sed -n "s/^$2  *\([^ ]*\)  *\([^ ]*\).*/\1 \2/p" "/proc/$1/limits"; } # PID NAME: soft, hard
is_limited() { [ "$(limit "$1" "$2")" = "$3 $3" ]; }                        # PID NAME N
score() { cat "/proc/$1/oom_score_adj"; }
is_sandboxed() { # WHAT PID
    expect "$1: filters" has_status "$2" "Seccomp:	2"
    expect "$1: no new privileges" has_status "$2" "NoNewPrivs:	1"
    expect "$1: no new process" is_limited "$2" "Max processes" 0
    expect "$1: no core file" is_limited "$2" "Max core file size" 0
    sanitized || expect "$1: no file" is_limited "$2" "Max file size" 0
}
holds() { # PID DESCRIPTORS SANITIZED: exactly these; such a build keeps what was up to 2
    [ "$(id -u)" = 0 ] || return 0 # nobody else may look
    ! sanitized || set -- "$1" "$3"
    [ "$(ls "/proc/$1/fd" 2>/dev/null | sort -n | xargs)" = "$2" ]
}
only_child() { # once there is one
    within 60 serves 1 || fail "no client"
    children
}

# ---- what a client's process is left with ----
start_echod "$both"
expected=1000 # as high as it goes, proc(5)

start_peer loop plain --keep
peer=$!
child=$(only_child)
within 60 holds "$child" 0 "0 1 2" || fail "plain: descriptors"
is_sandboxed plain "$child"
expect "plain: one descriptor and no more" is_limited "$child" "Max open files" 1
expect "plain: the kernel kills it first" [ "$(score "$child")" = $expected ]
for _ in 1 2 3; do
    kill -STOP "$child"
    sleep 0.2
    kill -CONT "$child"
done
kill $peer
expect "plain: stopped and continued, it serves on" wait $peer
expect "and is gone" within 60 serves 0

start_peer silent tls --half-handshake
peer=$!
child=$(only_child)
within 60 has_status "$child" "Seccomp:	2"
expect "tls, in the handshake: socket and line" within 60 holds "$child" "0 1" "0 1 2"
is_sandboxed "tls" "$child"
expect "tls: two descriptors and no more" is_limited "$child" "Max open files" 2
expect "tls: the kernel kills it first" [ "$(score "$child")" = $expected ]
kill $peer
expect "it is gone" within 60 serves 0

start_peer loop tls --keep
peer=$!
child=$(only_child)
expect "tls, after the handshake: the socket alone" within 60 holds "$child" 0 "0 2"
kill -STOP "$child"
sleep 0.5
kill -CONT "$child"
kill $peer
expect "tls: stopped and continued, it serves on" wait $peer

# ---- the signer ----
pid=$(signer)
is_sandboxed signer "$pid"
expect "signer: the line to the parent, and epoll" holds "$pid" "0 1" "0 1 2"
expect "signer: it is not killed before others" [ "$(score "$pid")" = "$(score "$echod_pid")" ]
stop_echod
expect "it goes with the parent" within 60 gone "$pid"

start_echod "tls = { key_isolation = false; }; $both"
expect "no signer where nobody wants one" [ -z "$(signer)" ]
expect "TLS without one" peer whole tls
stop_echod

# ---- clients, versions and kinds of keys ----
head -c 300000 /dev/urandom >data
kinds=(server server-rsa server-ed25519)
start_echod "listeners = ( $(for kind in "${kinds[@]}"; do
    echo "{ name = \"tls-$kind\"; port = 0; tls = { enabled = true;
        certificate = \"$PKI/$kind.crt\"; key = \"$PKI/$kind.key\"; }; },"
done) { name = \"plain\"; port = 0; } );"

all_back() { [ "$(stat -c %s back)" -ge 300000 ]; }
hold() { # it leaves when its input ends: not before all is back
    cat data
    within 60 all_back
}
s_client() { # PORT VERSION
    : >back
    hold | timeout 60 openssl s_client -quiet -nocommands -no_ign_eof "-tls1_${2#1.}" \
        -connect "127.0.0.1:$1" -CAfile "$PKI/ca.crt" -verify_return_error >>back 2>err
    cmp data back
}
gnutls() { # PORT VERSION
    timeout 60 gnutls-cli --logfile=gnutls.log --x509cafile="$PKI/ca.crt" \
        --priority "NORMAL:-VERS-ALL:+VERS-TLS$2" -p "$1" 127.0.0.1 <data >back 2>err
    cmp data back
}
for kind in "${kinds[@]}"; do
    for version in 1.2 1.3; do
        for client in s_client gnutls; do
            expect "$client, TLS $version, $kind" $client "$(port "tls-$kind")" $version
        done
        expect_records 2 listener="tls-$kind" end=closed tls_version=TLSv$version bytes_out=300000
    done
done
stop_echod

# ---- a signer that dies is replaced ----
cp "$PKI/server.key" now.key
mine=${both//"$PKI/server.key"/now.key}
start_echod "handshake_timeout = 60; $mine"
load() { # until there is a file `enough`; it breaks off at the first failure
    local i
    for i in {1..1000}; do
        [ ! -e enough ] || return
        "$ECHOC" load --new -C 4 -d 1 --ca "$PKI/ca.crt" "$(url tls)" >/dev/null 2>&1
    done
}
load &
load=$!
shakes_hands() { timeout 60 "$ECHOC" ping -c 1 -i 0 --ca "$PKI/ca.crt" "$(url tls)" >/dev/null 2>&1; }
is_replaced() { [ -n "$(signer)" ] && [ "$(signer)" != "$victim" ]; }
expect "the load" within 60 shakes_hands
for _ in {1..20}; do
    victim=$(signer)
    kill -KILL "$victim"
    within 60 is_replaced || fail "the signer $victim was not replaced"
    within 60 shakes_hands || fail "no handshake with the new signer"
done
echo "ok - 20 signers were killed under load, and replaced"
expect "the log tells" logged "the signer had died; another one has taken its place"
touch enough
wait $load
expect "no client is left" within 60 serves 0
expect "and none has waited for a signer that was no more" lasted 0 20000
expect "no crash" [ "$(records end=crashed | wc -l)" = 0 ]
expect "still one signer" [ "$(signer | wc -l)" = 1 ]

# ---- a reload while a client is in its handshake ----
cat >late.py <<'END_OF_PYTHON'
import os, socket, ssl, sys, time
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
context = ssl.create_default_context(cafile=sys.argv[2])
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    hello = outgoing.read()
sock.sendall(hello[:100])
while not os.path.exists("reloaded"):
    time.sleep(0.02)
sock.sendall(hello[100:])
while True:
    try:
        tls.do_handshake()
        break
    except ssl.SSLWantReadError:
        incoming.write(sock.recv(65536))
sock.sendall(outgoing.read())
END_OF_PYTHON
deaths() { grep -c 'signer had died' $log; }
before=$(deaths)
old=$(signer)
python3 late.py "$(port tls)" "$PKI/ca.crt" &
late=$!
child=$(only_child)
within 60 has_status "$child" "Seccomp:	2" || fail "no client in its handshake"
kill -HUP "$echod_pid"
within 60 logged "echod.conf: reloaded" || fail "no reload"
sleep 0.3
expect "the old signer stays" [ "$(signer | wc -l)" = 2 ]
touch reloaded
expect "the handshake under way is completed" wait $late
expect "and the old signer goes" within 60 gone "$old"
expect "the new one serves" shakes_hands
expect "nobody takes that for a death" [ "$(deaths)" = "$before" ]

# ---- and cannot be where its key has gone ----
rm now.key
kill -KILL "$(signer)"
expect_exit 71 "$echod_pid"
expect "echod says why it ends" logged \
    "the signer has died, and no other can take its place: cannot load now.key: No such file"
