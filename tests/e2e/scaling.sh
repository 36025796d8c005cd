#!/bin/bash
# scaling.sh - doc/scaling.md: three daemons behind HAProxy, each in a network of its own, with TLS
# passed through and shared ticket keys. One after the other is told to leave, found out by its health
# checks, stopped and started anew, under load: no request fails, and sessions resume on all of them.
# Then two on one port, of which one after the other is started anew.
. "$(dirname "$0")/lib.sh"
need haproxy socat openssl
in_own_network "$@"

proxy=10.9.0.254 # to the daemons, which are 10.9.0.1 to 3
(umask 077 && openssl rand 80 >keys)

# ---- the daemons and the proxy ----

homes=() pids=() logs=()
start_daemon() { # DAEMON
    launcher=(nsenter -t "${homes[$1]}" -n)
    start_echod "host = \"10.9.0.$1\"; listeners = (
        { name = \"secure\"; port = 7443; proxy_protocol = \"required\"; proxy_trusted = \"$proxy\";
            ${tls_on/\{/\{ ticket_keys = \"keys\";} }, { name = \"health\"; port = 7000; health = true; } );"
    pids[$1]=$echod_pid logs[$1]=$log
}
for i in 1 2 3; do
    cable echod$i $proxy 10.9.0.$i
    homes[i]=$far
    start_daemon $i
done
cat >haproxy.cfg <<END
global
    stats socket $dir/haproxy.sock
    nbthread 1 # or a server that is down might be one that another thread has just chosen
defaults
    mode tcp
    balance roundrobin
    timeout connect 10s
    timeout check 10s
    timeout client 60s
    timeout server 60s
listen secure
    bind $proxy:7443
    option tcp-check
    tcp-check connect
    tcp-check send ping
    tcp-check expect string ping
    default-server send-proxy-v2 check port 7000 inter 200ms fall 2 rise 1
$(for i in 1 2 3; do echo "    server s$i 10.9.0.$i:7443"; done)
END
ask() { timeout 60 socat -t 60 - UNIX-CONNECT:haproxy.sock <<<"$1"; } # COMMAND
is() { [[ $(ask "show stat -1 4 -1" | cut -d, -f2,18 | grep "^s$1,") == s$1,$2* ]]; } # DAEMON STATE
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
within 60 test -S haproxy.sock || { cat haproxy.log; fail "haproxy does not start"; }
for i in 1 2 3; do expect "daemon $i: its health checks pass" within 60 is $i UP; done

# ---- a rolling restart, under load ----

visit_proxy() { visit_at $proxy:7443 1.3 "$@"; } # OPTION...
resumes() { visit_proxy -sess_in session && grep -q ^Reused back; }
has() { ! has_records 0 "$@"; } # FIELD...
has_resumed() { local log=${logs[$1]}; has listener=secure tls_resumed=1 bytes_in=64 end=closed; } # DAEMON
expect "a session opens" visit_proxy -sess_out session
"$ECHOC" load -C 8 -r 100 -d 150 --new --resume --json --ca "$PKI/ca.crt" --servername localhost \
    tls://$proxy:7443 >load 2>load.err &
load=$!
for i in 1 2 3; do expect "daemon $i: it is under load, and sessions resume there" within 60 has_resumed $i; done
for i in 1 2 3; do
    log=${logs[i]} echod_pid=${pids[i]}
    kill -USR1 "$echod_pid"
    expect "daemon $i: the proxy finds it down" within 60 is $i DOWN
    ! logged stopping || fail "daemon $i has stopped"
    stop_echod
    start_daemon $i
    expect "daemon $i: and up again" within 60 is $i UP
    expect "daemon $i: it is back, under load" within 60 has_resumed $i
done
kill -INT $load
expect "the load ends in order" wait $load
expect "no request has failed" json 'd["errors"] == 0 < d["messages"]' load
expect "all sessions but the first 8 have resumed" json 'd["resumed"] >= d["dialed"] - 8 > 0' load
for i in {1..9}; do expect "the session of before resumes" resumes; done
log="log.*"
expect_records 9 tls_resumed=1 bytes_in=5
for log in "${logs[@]}"; do expect "on each of them" has tls_resumed=1 bytes_in=5; done
for i in 1 2 3; do
    log=${logs[i]} echod_pid=${pids[i]}
    stop_echod
done
log="log.*"
expect_records "$(python3 -c 'import json; print(json.load(open("load"))["messages"])')" \
    "client=$proxy" bytes_in=64 end=closed
kill -TERM $haproxy
wait $haproxy

# ---- two daemons on one port ----

launcher=()
both_on_one='host = "127.0.0.1"; port = 7007; reuse_port = true; max_clients_per_source = 0;'
start_half() { # 0 or 1
    start_echod "$both_on_one"
    pids[$1]=$echod_pid logs[$1]=$log
}
stop_half() { log=${logs[$1]} echod_pid=${pids[$1]}; stop_echod; }
restart_both() { # whether what waits at the one that stops goes to the other
    sysctl -qw net.ipv4.tcp_migrate_req="$1" || skip "the kernel has no net.ipv4.tcp_migrate_req"
    "$ECHOC" load -C 16 -d 60 --new --json tcp://127.0.0.1:7007 >load 2>load.err &
    load=$!
    for i in 0 1 0 1; do
        log=${logs[i]}
        within 60 has end=closed bytes_in=64 || fail "daemon $i has no clients"
        stop_half $i
        start_half $i
    done
    kill -INT $load
    wait $load
}
stops=4
start_half 0
start_half 1
restart_both 1
expect "both have clients, and hardly any is lost where the kernel moves those that wait" \
    json "d['errors'] <= $stops < d['messages']" load
restart_both 0
python3 -c 'import json
d = json.load(open("load"))
print("where it does not:", d["errors"], "lost in 4 stops, of", d["dialed"])'
stop_half 0
expect "one alone has them all" run 0 ping -c 20 -i 0.01 --new tcp://127.0.0.1:7007
stop_half 1
