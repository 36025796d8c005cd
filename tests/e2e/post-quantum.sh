#!/bin/bash
# post-quantum.sh - keys of ML-DSA (FIPS 204), kept apart as those of other types are, and key exchange with
# ML-KEM, which conf/examples/post-quantum.conf takes alone.
. "$(dirname "$0")/lib.sh"
need openssl
[ -e "$PKI/server-ml-dsa-65.crt" ] || skip "$(openssl version) has no ML-DSA; OpenSSL 3.5 has"

tls() { # NAME CERTIFICATE SETTINGS
    printf '{ name = "%s"; port = 0; tls = { enabled = true; certificate = "%s"; key = "%s"; %s }; },' \
        "$1" "$PKI/$2.crt" "$PKI/$2.key" "${3-}"
}
listeners="listeners = (
    $(tls tls-44 server-ml-dsa-44) $(tls tls-65 server-ml-dsa-65) $(tls tls-87 server-ml-dsa-87)
    $(tls sni server "sni = ( { names = \"quantum.example\";
        certificate = \"$PKI/server-ml-dsa-65.crt\"; key = \"$PKI/server-ml-dsa-65.key\"; } );")
    $(tls mutual server-ml-dsa-65 "verify_client = \"require\"; client_ca = \"$PKI/ca.crt\";")
    { name = \"plain\"; port = 0; } );"

speaks() { # WORDS LISTENER OPTION...: openssl's client has its word echoed, and says this of the session
    visit "$2" 1.3 -CAfile "$PKI/ca.crt" -verify_return_error "${@:3}" || return
    grep -q "$1" back || { cat back; return 1; }
}
all_speak() { # WORDS
    local level
    for level in 44 65 87; do
        expect "$1: ML-DSA-$level" speaks "Peer signature type: mldsa$level" tls-$level
        expect "$1: with X25519MLKEM768" grep -q 'group: X25519MLKEM768' back
    done
}
tells() { # SIGNATURE LISTENER OPTION...: what echoc says
    run 0 info --ca "$PKI/ca.crt" "${@:3}" "tls://localhost:$(port "$2")"
    says "^signature +$1\$" && says '^protocol .*X25519MLKEM768$' || { cat out; return 1; }
}

start_echod "$listeners"
expect "the keys are kept apart" [ -n "$(signer)" ]
all_speak "at the start"
first=$(signer)
kill -HUP "$echod_pid"
within 60 logged "echod.conf: reloaded" || fail "no reload"
all_speak "after a reload"
expect "with another process for the keys" [ "$(signer)" != "$first" ]

expect "SNI: a name with ML-DSA" speaks 'Peer signature type: mldsa65' sni -servername quantum.example
expect "SNI: another without" speaks 'ecdsa_secp256r1_sha256' sni -servername localhost
expect "a client's certificate" speaks 'Peer signature type: mldsa65' mutual \
    -cert "$PKI/client-ml-dsa-65.crt" -cert_chain "$PKI/client-ml-dsa-65.crt" -key "$PKI/client-ml-dsa-65.key"
! visit mutual 1.3 -CAfile "$PKI/ca.crt" >/dev/null || fail "a client without one"

expect "echoc: ML-DSA-65" tells ML-DSA-65 tls-65
expect "echoc: ECDSA" tells ecdsa-with-SHA256 sni
expect "echoc: with a certificate of its own" tells ML-DSA-65 mutual \
    --cert "$PKI/client-ml-dsa-65.crt" --key "$PKI/client-ml-dsa-65.key"
run 0 info --ca "$PKI/ca.crt" --groups x25519 "tls://localhost:$(port tls-65)"
expect "echoc --groups" says '^protocol .*, x25519$'
stop_echod

# ---- post-quantum key exchange alone ----
mkdir certs
ln -s "$PKI" certs/out
start_echod "$(sed 's/\bport = [0-9]*;/port = 0;/' "$top_srcdir/conf/examples/post-quantum.conf")"
run 0 ping -c 1 --ca certs/out/ca.crt "tls://localhost:$(port echo)"
run 0 ping -c 1 --ca certs/out/ca.crt --groups X25519MLKEM768 "tls://localhost:$(port echo)"
expect_records 2 end=closed tls_group=X25519MLKEM768
run 2 ping -c 1 --ca certs/out/ca.crt --groups x25519:secp256r1 "tls://localhost:$(port echo)"
expect_records 1 end=tls_error 'error="no suitable key share"'
stop_echod
