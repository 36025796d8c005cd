#!/bin/bash
# haproxy.sh - three daemons, each on a machine of its own as far as the network goes, behind HAProxy,
# which names its clients to them in either version of the PROXY protocol, in front of TLS too. One
# daemon after the other is taken out, drained and started anew under load, and no request fails; a
# TLS session resumes on whichever it comes to.
if [ "${1-}" != inside ]; then
    . "$(dirname "$0")/lib.sh"
    [ "$(id -u)" = 0 ] || skip "it takes root to make network namespaces"
    need ip unshare nsenter
    unshare -n true 2>/dev/null || skip "network namespaces cannot be made here"
    unshare -n bash "$here/haproxy.sh" inside
    exit
fi
. "$(dirname "$0")/lib.sh"
need haproxy socat openssl

seconds=4
checks=1s # each is a client, and a process
sanitized && seconds=8 checks=4s
ways=(one two tls) # header of version 1; of version 2; of version 2, then TLS
front() { echo $((8000 + $1)); } # WAY: where the proxy takes clients for it, on loopback

# ---- the network: this namespace is the proxy's and its clients', each daemon is a cable away ----
ip link set lo up
machines=()
is_apart() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
for i in 0 1 2; do
    unshare -n sleep 300 &
    machines[i]=$!
    within 5 is_apart "${machines[i]}" || fail "no namespace"
    within 5 ip link add "cable$i" type veth peer name far netns "${machines[i]}" || skip "there is no veth here"
    ip addr add "10.9.$i.1/30" dev "cable$i" && ip link set "cable$i" up &&
        nsenter -t "${machines[i]}" -n ip addr add "10.9.$i.2/30" dev far &&
        nsenter -t "${machines[i]}" -n ip link set far up || fail "no cable"
done

# ---- the daemons ----

pids=() logs=()
(umask 077 && openssl rand 80 >keys)
start_daemon() { # DAEMON
    launcher=(nsenter -t "${machines[$1]}" -n)
    start_echod "proxy_protocol = \"required\"; proxy_trusted = [ \"10.9.$1.1\" ]; max_clients = 2000;
        host = \"10.9.$1.2\"; listeners = (
            { name = \"one\"; port = 7000; }, { name = \"two\"; port = 7001; },
            { name = \"tls\"; port = 7002; ${tls_on/\{/\{ ticket_keys = \"keys\";} } );"
    pids[$1]=$echod_pid
    logs[$1]=$log
}
stop_daemon() { # DAEMON
    echod_pid=${pids[$1]} log=${logs[$1]}
    stop_echod
    stopped_logs+=("$log")
}
stopped_logs=()

# ---- the proxy ----

group() { # WAY SEND
    echo "listen ${ways[$1]}
    bind 127.0.0.1:$(front "$1")
    balance roundrobin"
    for i in 0 1 2; do
        echo "    server s$i 10.9.$i.2:700$1 $2 check inter $checks fall 3 rise 1"
    done
}
haproxy_conf() {
    echo "global
    stats socket $dir/haproxy.sock level admin
    maxconn 4000
defaults
    mode tcp
    timeout connect 10s
    timeout check 10s
    timeout client 60s
    timeout server 60s
    retries 5
    option redispatch 1"
    group 0 send-proxy
    group 1 send-proxy-v2
    group 2 'send-proxy-v2 proxy-v2-options crc32c,unique-id'
}
ask() { timeout 10 socat -t 5 - UNIX-CONNECT:haproxy.sock <<<"$1"; } # COMMAND
set_state() { # DAEMON STATE
    local way
    for way in "${ways[@]}"; do ask "set server $way/s$1 state $2" >/dev/null || fail "haproxy"; done
}
sessions() { # DAEMON: of haproxy with it
    ask "show stat -1 4 -1" | awk -F, -v name="s$1" '$2 == name { n += $5; seen++ } END { print seen == 3 ? n : "?" }'
}
is_idle() { [ "$(sessions "$1")" = 0 ]; }
is_up() { # DAEMON: for all ways
    [ "$(ask "show stat -1 4 -1" | awk -F, -v name="s$1" '$2 == name && $18 ~ /^UP/' | wc -l)" = 3 ]
}
all_have_left() { # DAEMON: it is through with them, records and all
    local echod_pid=${pids[$1]}
    is_idle "$1" && serves 0
}
expect_all_gone() {
    local i
    for i in 0 1 2; do within 30 all_have_left $i || fail "daemon $i still has clients"; done
}

# ---- load ----

loads=()
load() { # WAY OPTION...: in the background
    local scheme=tcp out=load.${#loads[@]}
    [ "${ways[$1]}" = tls ] && scheme=tls
    timeout 100 "$ECHOC" load --json --ca "$PKI/ca.crt" "${@:2}" "$scheme://localhost:$(front "$1")" \
        >"$out" 2>"$out.err" &
    loads+=($!)
}
expect_no_error() { # once the loads have ended; of `dialed` connections so many had a `message`
    local i
    dialed=0 messages=0
    for i in "${!loads[@]}"; do
        wait "${loads[i]}" || { cat "load.$i" "load.$i.err"; fail "a request has failed"; }
        json 'd["errors"] == 0 and d["messages"] > 0' "load.$i" || { cat "load.$i"; fail "errors"; }
        dialed=$((dialed + $(json_value dialed "load.$i")))
        messages=$((messages + $(json_value messages "load.$i")))
    done
    loads=()
    echo "ok - no error on $dialed connections, with $messages messages"
}
json_value() { python3 -c 'import json, sys; print(json.load(open(sys.argv[2]))[sys.argv[1]])' "$1" "$2"; }

for i in 0 1 2; do start_daemon $i; done
haproxy_conf >haproxy.cfg
haproxy -c -f haproxy.cfg >haproxy.log 2>&1 || { cat haproxy.log; fail "haproxy.cfg"; }
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
proxy=$!
within 20 test -S haproxy.sock || { cat haproxy.log; fail "haproxy does not start"; }
for i in 0 1 2; do within 40 is_up $i || fail "haproxy does not find daemon $i"; done
echo "ok - its health checks pass"

# ---- who the client is ----
for way in 0 1; do
    for host in 127.0.1.1 127.0.1.2 127.0.1.3; do
        python3 "$here/peer.py" whole --port "$(front $way)" --source $host --size 100000 ||
            fail "${ways[way]}: not all came back"
    done
done
python3 "$here/peer.py" whole --port "$(front 2)" --source 127.0.1.4 --tls --ca "$PKI/ca.crt" ||
    fail "tls: not all came back"
all() { cat "${logs[@]}" "${stopped_logs[@]}" | sort -u | sed -n '/^echod: end=/s/$/ /p'; }
tells() { [ "$(all | with_fields "${@:2}" | wc -l)" = "$1" ]; } # N FIELD...
for host in 127.0.1.1 127.0.1.2 127.0.1.3; do
    for way in one two; do
        expect "$way: $host is told" within 15 tells 1 listener=$way client=$host bytes_in=100000 end=closed
    done
done
expect "tls: 127.0.1.4 is told" within 15 tells 1 listener=tls client=127.0.1.4 end=closed

# ---- a session of one daemon resumes on each of them, in the client's own words ----
visit() { # OPTION...
    timeout 20 openssl s_client -connect "127.0.0.1:$(front 2)" -CAfile "$PKI/ca.crt" -verify_return_error "$@" \
        < <(sleep 0.3) >s_client.out 2>&1
}
resumes() { # VERSION HOST: everywhere, and each daemon tells of that client
    local i
    for i in 0 1 2; do # round they go
        visit -bind "$2:0" "-tls${1/./_}" -sess_in "session$1" && grep -q '^Reused, ' s_client.out ||
            { cat s_client.out; return 1; }
    done
    for i in 0 1 2; do
        log=${logs[i]} within 15 has_records 1 listener=tls "client=$2" tls_resumed=1 "tls_version=TLSv$1" ||
            { cat "${logs[i]}"; return 1; }
    done
}
for version in 1.2 1.3; do
    expect "a session of TLS $version" visit -tls${version/./_} -sess_out session$version
    expect "it resumes on each daemon" resumes $version 127.0.1.${version#*.}
done

# ---- what the records say of the loads ----
with_bytes() { all | grep -vc ' bytes_in=0 '; } # what is dialed last is not used any more
has_all() {
    local n=$(($(with_bytes) - before))
    [ $n -ge "$messages" ] && [ $n -le "$dialed" ] || { echo "records: $n, of $messages to $dialed"; return 1; }
}

# ---- more of them through one proxy than one source may have ----
load 0 -C 250 -d $seconds
expect_no_error
expect_all_gone

# ---- each daemon taken out, drained and started anew, under load ----
before=$(with_bytes)
for way in 0 1 2; do load $way -C 8 -r 100 --new -d $((3 * seconds)); done
for i in 0 1 2; do
    set_state $i drain
    expect "daemon $i: nobody comes any more" within 40 is_idle $i
    stop_daemon $i
    start_daemon $i
    set_state $i ready
    expect "daemon $i: it is back" within 40 is_up $i
done
expect_no_error
expect "one record for each" within 20 has_all
expect_all_gone
for version in 1.2 1.3; do
    expect "the session of TLS $version resumes on each, now that all are new" resumes $version 127.0.2.${version#*.}
done

# ---- one that goes without a word is found out, and its clients go to the others ----
before=$(with_bytes)
stop_daemon 1
for way in 0 1 2; do load $way -C 4 -r 50 --new -d 1; done
expect_no_error
expect "one record for each" within 20 has_all
start_daemon 1
expect "daemon 1: it is back" within 40 is_up 1

# ---- every record tells of the client, none of the proxy ----
for i in 0 1 2; do stop_daemon $i; done
kill -TERM $proxy
wait $proxy
all >records
expect "every record names the client" \
    [ "$(grep -c ' client=127\.0\.[0-2]\.[0-9]* client_port=[0-9]* proxy=10\.9\.[0-2]\.1:[0-9]* ' records)" = \
    "$(wc -l <records)" ]
expect "none was cut or refused" \
    [ "$(grep -cE 'end=(crashed|drained|refused|idle|proxy_error|handshake_timeout) ' records)" = 0 ]
