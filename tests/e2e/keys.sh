#!/bin/bash
# keys.sh - no process but the signer ever has a part of a private key in its memory: not after 100
# handshakes, not after a reload. With tls.key_isolation = false they have, or this test is blind.
. "$(dirname "$0")/lib.sh"
need openssl
! sanitized || skip "AddressSanitizer maps too much memory to look through"
[ "$(id -u)" = 0 ] || skip "only root may look into the memory of other processes"

tls_of() { # NAME KEY CERTIFICATE
    echo "{ name = \"$1\"; port = 0; tls = { enabled = true; key = \"$2\"; certificate = \"$3\"; }; }"
}
types=(server server-rsa server-ed25519)
[ ! -e "$PKI/server-ml-dsa-65.key" ] || types+=(server-ml-dsa-65)
kinds=("${types[@]}" combined)
cat "$PKI/server.key" "$PKI/server.crt" >combined.pem
settings="listeners = ( $(for kind in "${types[@]}"; do
    tls_of "tls-$kind" "$PKI/$kind.key" "$PKI/$kind.crt"
    echo ,
done) $(tls_of tls-combined "$PWD/combined.pem" "$PWD/combined.pem") );"

handshakes() { # N: at each listener, with both versions of TLS
    local kind version
    for kind in "${kinds[@]}"; do
        for version in 1.2 1.3; do
            [[ $kind,$version != *ml-dsa*,1.2 ]] || continue # they are of TLS 1.3 alone
            peer many "tls-$kind" --tls-version $version --count "$1" || fail "handshakes, $kind"
        done
    done
}
stay() { # at each listener a client in the middle of its session
    local kind
    for kind in "${kinds[@]}"; do start_peer loop "tls-$kind" --keep --seconds 100; done
    expect "clients that stay" within 60 serves ${#kinds[@]}
}
leave() {
    local pid
    for pid in $(jobs -rp); do [ "$pid" = "$echod_pid" ] || kill "$pid"; done
}
scan() { # STATUS WORDS PID...: what keyscan.py says of each key in these processes
    local kind status
    for kind in "${types[@]}"; do
        python3 "$here/keyscan.py" "$PKI/$kind.key" "${@:3}" >scan
        status=$?
        [ $status = "$1" ] || { cat scan; fail "$2: $kind: status $status, not $1"; }
    done
    printf 'ok - %s\n' "$2"
}
everyone() { echo "$echod_pid" $(children); }

start_echod "$settings"
handshakes 13
stay
scan 0 "no key in any process after 100 handshakes" $(everyone)
kill -HUP "$echod_pid"
within 60 logged "echod.conf: reloaded" || fail "no reload"
handshakes 2
leave
stay
scan 0 "no key in any process after a reload" $(everyone)
scan 1 "the signer has them all" $(signer)
leave
stop_echod

start_echod "tls = { key_isolation = false; }; $settings"
expect "no signer where nobody wants one" [ -z "$(signer)" ]
stay
scan 1 "the parent has the keys with key_isolation = false" "$echod_pid"
for pid in $(children); do scan 1 "and so has a client's process" "$pid"; done
leave
stop_echod
