#!/bin/bash
# haproxy.sh - HAProxy in front of three daemons, each in a network of its own, as if on machines of
# their own. It names its clients to them in either version of the PROXY protocol, in front of TLS too,
# and a session resumes on whichever it comes to. One after the other is taken out, drained and started
# anew under load: no request fails, and every record names the client.
. "$(dirname "$0")/lib.sh"
need haproxy socat openssl
in_own_network "$@"

proxy=10.9.0.254 # to clients and daemons, which are 10.9.0.1 to 3
loader=10.9.1.1 # where the load comes from
visitors="10.9.1.2 10.9.1.3"

# ---- the daemons, their networks around that of the proxy ----

homes=() pids=() logs=()
start_daemon() { # DAEMON
    launcher=(nsenter -t "${homes[$1]}" -n)
    start_echod "proxy_protocol = \"required\"; proxy_trusted = [ \"$proxy\" ]; host = \"10.9.0.$1\";
        listeners = ( { name = \"one\"; port = 7001; }, { name = \"two\"; port = 7002; },
            { name = \"tls\"; port = 7003; ${tls_on/\{/\{ ticket_keys = \"keys\";} } );"
    pids[$1]=$echod_pid logs[$1]=$log
}
stop_daemon() { # DAEMON
    echod_pid=${pids[$1]} log=${logs[$1]}
    stop_echod
}
(umask 077 && openssl rand 80 >keys)
for i in 1 2 3; do
    cable echod$i $proxy 10.9.0.$i
    homes[i]=$far
    start_daemon $i
done

cable clients $proxy $loader
client=(nsenter -t "$far" -n)
for host in $visitors; do
    at_far ip addr add "$host" dev far && ip route add "$host" dev clients || fail "no address $host"
done

# ---- the proxy ----

servers() { for i in 1 2 3; do echo "    server s$i 10.9.0.$i:$1"; done; } # PORT
cat >haproxy.cfg <<END
global
    stats socket $dir/haproxy.sock level admin
    nbthread 1 # or a server without sessions might be one that another thread has just chosen
defaults
    mode tcp
    balance roundrobin
    default-server check inter 500ms fall 3 rise 1
    timeout connect 10s
    timeout check 10s
    timeout client 60s
    timeout server 60s
    retries 5
    option redispatch 1
listen one
    bind $proxy:7001
    default-server send-proxy
$(servers 7001)
listen two
    bind $proxy:7002
    default-server send-proxy-v2
$(servers 7002)
listen tls
    bind $proxy:7003
    default-server send-proxy-v2 proxy-v2-options crc32c,unique-id
$(servers 7003)
END
ask() { timeout 60 socat -t 60 - UNIX-CONNECT:haproxy.sock <<<"$1"; } # COMMAND
set_state() { # DAEMON STATE
    local way
    for way in one two tls; do ask "set server $way/s$1 state $2" >/dev/null || fail "haproxy"; done
}
in_all_ways() { # DAEMON CONDITION: of awk, it holds for the rows of statistics about it
    [ "$(ask "show stat -1 4 -1" | awk -F, "\$2 == \"s$1\" && $2" | wc -l)" = 3 ]
}
is_idle() { in_all_ways "$1" '$5 == 0'; } # no session
is_up() { in_all_ways "$1" '$18 ~ /^UP/'; }
is_down() { in_all_ways "$1" '$18 == "DOWN"'; }

haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
within 60 test -S haproxy.sock || { cat haproxy.log; fail "haproxy does not start"; }
for i in 1 2 3; do expect "daemon $i: its health checks pass" within 60 is_up $i; done

# ---- load ----

loads=() results=()
load() { # URL OPTION...: in the background, a connection for each message of 64 bytes
    local result=load.$((${#results[@]} + 1))
    "${client[@]}" "$ECHOC" load -C 8 -r 100 -d 150 -s 64 --new --json --ca "$PKI/ca.crt" \
        --servername localhost "${@:2}" "$1" >"$result" 2>"$result.err" &
    loads[$!]=$result results+=("$result")
}
start_loads() {
    load tcp://$proxy:7001
    load tcp://$proxy:7002
    load tls://$proxy:7003 --resume --tls-max 1.2
    load tls://$proxy:7003 --resume --tls-min 1.3
}
end_loads() { # in TLS, all but the first connection of each of the 8 has resumed
    local pid
    kill -INT "${!loads[@]}"
    for pid in "${!loads[@]}"; do
        wait "$pid" && json 'd["errors"] == 0 and
            ("tcp:" in d["url"] or d["resumed"] >= d["dialed"] - 8 > 0)' "${loads[pid]}" ||
            fail "a request has failed, or not resumed: $(cat "${loads[pid]}"*)"
    done
    loads=()
    echo "ok - no request has failed"
}
requests() { # of all loads
    python3 -c 'import json, sys
print(sum(json.load(open(name))["messages"] for name in sys.argv[1:]))' "${results[@]}"
}
has() { ! has_records 0 "$@"; } # FIELD...
is_loaded() { # DAEMON: in all ways, and sessions resume there
    local log=${logs[$1]} from=client=$loader
    has $from listener=one && has $from listener=two &&
        has $from tls_version=TLSv1.2 tls_resumed=1 && has $from tls_version=TLSv1.3 tls_resumed=1
}

# ---- who the client is ----

all="log.*" # of the daemons, those that have been stopped too
tells() { # LISTENER PORT OPTION...: its record, of a client at `host`
    local log=$all
    "${client[@]}" python3 "$here/peer.py" whole --host $proxy --port "$2" --source "$host" --size 100000 \
        "${@:3}" && within 60 has_records 1 "listener=$1" "client=$host" bytes_in=100000 end=closed
}
for host in $visitors; do
    expect "one: $host is told" tells one 7001
    expect "two: $host is told" tells two 7002
    expect "tls: $host is told" tells tls 7003 --tls --ca "$PKI/ca.crt"
done

# ---- each daemon taken out, drained and started anew, under load ----

visit_proxy() { visit_at $proxy:7003 "$1" -bind 10.9.1.2:0 "${@:2}"; } # VERSION OPTION...
resumes() { visit_proxy "$1" -sess_in "session-$1" && grep -q ^Reused back; } # VERSION
for version in 1.2 1.3; do
    expect "TLS $version: a session opens" visit_proxy $version -sess_out session-$version
done
start_loads
for i in 1 2 3; do expect "daemon $i: it is under load" within 60 is_loaded $i; done
for i in 1 2 3; do
    set_state $i drain
    expect "daemon $i: nobody comes any more" within 60 is_idle $i
    stop_daemon $i
    start_daemon $i
    set_state $i ready
    expect "daemon $i: it is back, and under load" within 60 is_loaded $i
done
end_loads

# ---- the sessions of before, on each of them: they take turns ----
for version in 1.2 1.3; do
    for i in 1 2 3; do expect "TLS $version: it resumes" resumes $version; done
    for log in "${logs[@]}"; do expect_records 1 client=10.9.1.2 tls_version=TLSv$version tls_resumed=1; done
done

# ---- one that goes without a word is found out, and its clients go to the others ----
stop_daemon 1
start_loads
expect "daemon 1: it is missed" within 60 is_down 1
start_daemon 1
expect "daemon 1: it is back" within 60 is_loaded 1
end_loads

# ---- what the records say ----
for i in 1 2 3; do stop_daemon $i; done
kill -TERM $haproxy
wait $haproxy
log=$all
expect_records "$(requests)" client=$loader bytes_in=64 end=closed
records >records
expect "each of $(wc -l <records) records names the client and the proxy" [ -z \
    "$(grep -vE " client=10\.9\.1\.[123] client_port=[0-9]+ proxy=${proxy//./\\.}:[0-9]+ " records)" ]
