#!/bin/bash
# f-reload.sh - SIGHUP: new settings and certificates at once, or the old ones whole; no client is
# lost over it.
. "$(dirname "$0")/lib.sh"
need openssl

reloads=0
reload() { # SETTINGS
    printf '%s\n' "$1" >echod.conf
    reloads=$((reloads + 1))
    kill -HUP "$echod_pid"
    within 60 reloaded || fail "reload $reloads"
}
reloaded() { [ "$(grep -c 'echod.conf: reloaded$' $log)" = $reloads ]; }
busy() { [ "$(records listener="$1" end=closed | wc -l)" -ge 5 ]; }
served_certificate() {
    openssl s_client -connect "127.0.0.1:$(port tls)" </dev/null 2>/dev/null |
        openssl x509 -noout -fingerprint
}
serves_certificate() { # NAME
    [ "$(served_certificate)" = "$(openssl x509 -noout -fingerprint -in "$PKI/$1.crt")" ]
}
renew() { # NAME: what the listener's files hold from now on
    cp "$PKI/$1.crt" now.crt
    cp "$PKI/$1.key" now.key
}

renew server
tls_now=${tls_on//"$PKI/server"/now}
both=${both//"$tls_on"/"$tls_now"}
start_echod "$both"

# ---- many of them under load ----
load=()
for way in plain plain tls1.2 tls1.3; do
    start_peer loop $way
    load+=($!)
done
for name in plain tls; do
    within 60 busy $name || fail "the load does not come up"
done
for _ in {1..30}; do
    reload "$both"
done
kill "${load[@]}"
for pid in "${load[@]}"; do
    wait "$pid" || fail "a client was lost over the reloads"
done
echo "ok - 30 reloads under load lost no client"

# ---- a renewed certificate ----
expect "the certificate" serves_certificate server
renew server-rsa
expect "files alone change nothing" serves_certificate server
reload "$both"
expect "the renewed one after a reload" serves_certificate server-rsa

# ---- a listener comes, another goes ----
plain_port=$(port plain) tls_port=$(port tls)
within 60 serves 0
start_peer loop plain --keep
old=$!
expect "a client of the listener that goes" within 60 serves 1
reload "listeners = ( { name = \"tls\"; port = $tls_port; $tls_now },
    { name = \"new\"; host = \"127.0.0.2\"; port = 0; } );"
expect "the one that came serves" peer whole new --host 127.0.0.2
expect "the one that went does not" refused "$plain_port"
expect "the one that stayed has its port still" test "$(port tls)" = "$tls_port"
expect "and serves" peer whole tls
kill $old
expect "the client of the one that went was served on" wait $old

# ---- a faulty file ----
printf '%s\n' '# a comment' 'listeners = ( { name = "other"; prot = 0; } );' >echod.conf
kill -HUP "$echod_pid"
expect "a fault is named with its place" within 60 logged 'echod.conf:2: prot: no such setting'
expect "the old settings stay" within 60 logged 'not reloaded'
expect "the old listeners serve" peer whole new --host 127.0.0.2
printf '%s\n' "${both//now.key/absent.key}" >echod.conf
kill -HUP "$echod_pid"
expect "so is a missing key" within 60 logged 'echod.conf:1: tls.key: cannot load absent.key'
expect "and TLS still serves" peer whole tls
stop_echod
