#!/bin/bash
# examples.sh - each file of conf/examples is in order, and does what it says. personas.sh tries
# bad-tls.conf.
. "$(dirname "$0")/lib.sh"
need systemd-socket-activate haproxy

mkdir certs
ln -s "$PKI" certs/out
examples=$top_srcdir/conf/examples
for file in "$examples"/*.conf; do
    [ "${file##*/}" != post-quantum.conf ] || [ -e "$PKI/server-ml-dsa-65.crt" ] || continue # see its test
    "$ECHOD" -t -c "$file" >told || { cat told; fail "$file"; }
    expect "${file##*/}" [ "$(tail -n 1 told)" = "$file: ok" ]
done

# its ports may be taken, and so may its path
example() { sed 's/\bport = [0-9]*;/port = 0;/; s|unix:/tmp/|unix:|' "$examples/$1.conf"; }
answers() { # STATUS LISTENER OPTION...
    run "$1" ping -c 1 --timeout 60 -W 60 --ca certs/out/ca.crt "${@:3}" "$(url "$2" | sed "s/^tcp:/${scheme-tcp}:/")"
}

start_echod "$(example plain)"
expect "plain" answers 0 echo
stop_echod

start_echod "$(example tls)"
scheme=tls expect "tls" answers 0 echo
stop_echod

start_echod "$(example mtls)"
scheme=tls expect "mtls" answers 0 echo --cert certs/out/client.crt --key certs/out/client.key
scheme=tls expect "mtls: not without a certificate" answers 1 echo
scheme=tls expect "mtls: nor with one that is revoked" answers 1 echo \
    --cert certs/out/client-revoked.crt --key certs/out/client-revoked.key
expect_records 2 end=client_cert
stop_echod

start_echod "$(example many-listeners)"
for name in plain guests path; do expect "many-listeners: $name" answers 0 $name; done
scheme=tls expect "many-listeners: secure" answers 0 secure
scheme=tls expect "many-listeners: modern" answers 0 modern --alpn echo
expect "many-listeners: lines" answers 0 lines --framing line
expect "many-listeners: records" answers 0 records --framing length
run 0 info "$(url reports)"
expect "many-listeners: reports" says '^report .*"listener":"reports"'
stop_echod

# ---- behind HAProxy, as the comment has it ----
start_echod "$(example behind-haproxy)"
{
    printf 'defaults\n timeout connect 60s\n timeout client 60s\n timeout server 60s\n'
    sed -n '/^#     listen/,/^#$/s/^#     //p' "$examples/behind-haproxy.conf" |
        sed "s|bind :7|bind unix@$dir/front|; s|:7007|:$(port echo)|; s|port 7000|port $(port health)|"
} >haproxy.cfg
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
within 60 test -S front || { cat haproxy.log; fail "haproxy"; }
run 0 ping -c 1 unix:front
expect_records 1 end=closed bytes_in=64
stop_echod

# ---- sockets that somebody else has bound ----
read -r one two <<<"$(python3 -c '
import socket
socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*[s.getsockname()[1] for s in socks])')"
log=log.passed
: >$log
systemd-socket-activate -l "127.0.0.1:$one" -l "127.0.0.1:$two" --fdname=echo:secure \
    "$ECHOD" -c "$examples/socket-activated.conf" 2>$log &
echod_pid=$!
within 60 grep -q "Listening on 127.0.0.1:$two" $log || { cat $log; fail "systemd-socket-activate"; }
run 0 ping -c 1 "tcp://127.0.0.1:$one"
run 0 ping -c 1 --ca certs/out/ca.crt "tls://127.0.0.1:$two"
expect_records 1 listener=echo end=closed
expect_records 1 listener=secure end=closed
stop_echod

# ---- inetd: one connected socket for standard input and output ----
expect "inetd" [ "$(python3 -c '
import socket, subprocess, sys
ours, theirs = socket.socketpair()
daemon = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs, stderr=theirs)
theirs.close()
ours.sendall(b"hello")
ours.shutdown(socket.SHUT_WR)
print(ours.makefile().read(), daemon.wait())' "$ECHOD" -c "$examples/inetd.conf")" = "hello 0" ]
