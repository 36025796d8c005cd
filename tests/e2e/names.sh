#!/bin/bash
# names.sh - what TLS agrees on before the first byte: the certificate for the name that a client asks
# for, ALPN, and the OCSP response that is stapled.
. "$(dirname "$0")/lib.sh"
need openssl

own="enabled = true; certificate = \"$PKI/server.crt\"; key = \"$PKI/server.key\";"
of() { printf 'certificate = "%s"; key = "%s";' "$PKI/$1.crt" "$PKI/$1.key"; }
sni="sni = (
    { names = \"elsewhere.example\"; $(of elsewhere) },
    { names = \"elsewhere.example\"; $(of elsewhere-rsa) },
    { names = [ \"*.elsewhere.example\", \"other.example\" ]; $(of wrong-name) },
    { names = \"exact.elsewhere.example\"; $(of elsewhere-rsa) } );"

# an OCSP response for a certificate, good for a day
ocsp() { # NAME
    local serial
    serial=$(openssl x509 -noout -serial -in "$PKI/$1.crt" | sed 's/.*=//')
    printf 'V\t351231000000Z\t\t%s\tunknown\t/CN=x\n' "$serial" >index
    openssl ocsp -index index -CA "$PKI/intermediate.crt" -rsigner "$PKI/intermediate.crt" \
        -rkey "$PKI/intermediate.key" -issuer "$PKI/intermediate.crt" -cert "$PKI/$1.crt" \
        -ndays 1 -respout "$1.ocsp" >/dev/null 2>ocsp.err || { cat ocsp.err; fail "no OCSP response"; }
}
ocsp server
ocsp elsewhere

start_echod "listeners = (
    { name = \"tls\"; port = 0; tls = { $own $sni }; },
    { name = \"strict\"; port = 0; tls = { $own $sni strict_sni = true; }; },
    { name = \"alpn\"; port = 0; tls = { $own alpn = [ \"echo/2\", \"echo/1\" ]; }; },
    { name = \"open\"; port = 0; tls = { $own key_isolation = false; ocsp_response = \"server.ocsp\";
        sni = ( { names = \"elsewhere.example\"; $(of elsewhere) ocsp_response = \"elsewhere.ocsp\"; },
                { names = \"other.example\"; $(of wrong-name) } ); }; } );"

ask() { # LISTENER OPTION...: what s_client tells, in `told`
    echo | timeout 60 openssl s_client -connect "127.0.0.1:$(port "$1")" -CAfile "$PKI/ca.crt" "${@:2}" \
        >told 2>&1
}
shown() { # CERTIFICATE LISTENER OPTION...: the one that the server shows
    local wanted got
    ask "${@:2}"
    wanted=$(openssl x509 -noout -fingerprint -sha256 -in "$PKI/$1.crt")
    got=$(openssl x509 -noout -fingerprint -sha256 -in told 2>/dev/null)
    [ "$got" = "$wanted" ]
}
told() { grep -Eq -- "$1" told; }
refuses() { # WORDS-OF-CLIENT LISTENER OPTION...
    ask "${@:2}"
    told "$1"
}

# ---- SNI (RFC 6066, 3) ----
for version in -tls1_2 -tls1_3; do
    expect "$version: no name" shown server tls $version -noservername
    expect "$version: a name of its own" shown server tls $version -servername localhost
    expect "$version: a name that nobody has" shown server tls $version -servername nobody.example
    expect "$version: a name" shown elsewhere tls $version -servername elsewhere.example \
        -sigalgs ECDSA+SHA256
    expect "$version: the same name by RSA" shown elsewhere-rsa tls $version \
        -servername elsewhere.example -sigalgs RSA-PSS+SHA256:RSA+SHA256 -client_sigalgs RSA-PSS+SHA256
    expect "$version: letters of any case" shown wrong-name tls $version -servername OTHER.example
    expect "$version: a wildcard" shown wrong-name tls $version -servername a.elsewhere.example
    expect "$version: of one label only" shown server tls $version -servername a.b.elsewhere.example
    expect "$version: an exact name before it" shown elsewhere-rsa tls $version \
        -servername exact.elsewhere.example
    expect "$version: strict, a name of its own" shown server strict $version -servername localhost
    expect "$version: strict, a name" shown elsewhere strict $version \
        -servername elsewhere.example -sigalgs ECDSA+SHA256
    expect "$version: strict, a name that nobody has" refuses "alert unrecognized name|alert number 112" \
        strict $version -servername nobody.example
    expect "$version: strict, no name" refuses "alert unrecognized name|alert number 112" \
        strict $version -noservername
done
expect_records 2 listener=strict end=tls_error \
    'error="no certificate is for the name it asks for: nobody.example"'
expect_records 2 listener=strict end=tls_error 'error="no certificate is for the name it asks for: none"'

# ---- ALPN (RFC 7301) ----
ask alpn -alpn echo/1,echo/2
expect "ALPN: the server's order counts" told '^ALPN protocol: echo/2'
ask alpn -alpn other,echo/1
expect "ALPN: one in common" told '^ALPN protocol: echo/1'
ask alpn
expect "ALPN: none asked, none told" told '^No ALPN negotiated'
expect "ALPN: nothing in common" refuses "alert no application protocol" alpn -alpn h2
expect_records 1 listener=alpn tls_alpn=echo/2
expect_records 1 listener=alpn end=tls_error 'error="none of the protocols it offers in ALPN is in tls.alpn"'

# ---- OCSP (RFC 6066, 8) ----
for version in -tls1_2 -tls1_3; do
    ask open $version -status -servername localhost
    expect "$version: the response is stapled" told 'OCSP Response Status: successful'
    serial=$(openssl x509 -noout -serial -in "$PKI/elsewhere.crt" | sed 's/.*=//')
    ask open $version -status -servername elsewhere.example
    expect "$version: of the certificate that is shown" told "Serial Number: 0*$serial"
    ask open $version -status -servername other.example
    expect "$version: and only of that" told 'OCSP response: no response sent'
    ask open $version -servername localhost
    expect "$version: nobody gets one who does not ask" told 'Verify return code: 0'
done
stop_echod

faulty() { # WORDS SETTING...: of tls.sni's or tls.ocsp_response's
    local status=0
    "$ECHOD" -t -c /dev/null -o tls.enabled=true -o "tls.certificate=$PKI/server.crt" \
        -o "tls.key=$PKI/server.key" "${@:2}" >told 2>&1 || status=$?
    [ $status = 78 ] && grep -qF -- "$1" told || { cat told; false; }
}
expect "a response for another certificate" faulty "it does not speak of this certificate" \
    -o tls.ocsp_response=elsewhere.ocsp
expect "what is no response" faulty "it is no OCSP response in DER form" \
    -o "tls.ocsp_response=$PKI/garbage.pem"
expect "a name without a certificate" faulty "tls.sni: certificate is missing" \
    -o "tls.sni=( { names = \"a\"; key = \"$PKI/server.key\"; } )"
expect "a key of another certificate" faulty "tls.sni.[0].key: $PKI/mismatch.key is not the key" \
    -o "tls.sni=( { names = \"a\"; certificate = \"$PKI/server.crt\"; key = \"$PKI/mismatch.key\"; } )"
expect "a star inside a name" faulty '"a.*.example": a star stands for the first label' \
    -o "tls.sni=( { names = \"a.*.example\"; certificate = \"$PKI/server.crt\"; key = \"$PKI/server.key\"; } )"
expect "two stars for a client" faulty '"*.*.example" has more than one star' -o tls.verify_client=require \
    -o "tls.client_ca=$PKI/ca.crt" -o 'tls.client_names=*.*.example'
expect "clients' issuers that nobody is asked about" faulty "tls.client_ca: has no effect" \
    -o "tls.client_ca=$PKI/ca.crt"
expect "stale CRLs" faulty "is stale: its next update is past" -o tls.verify_client=require \
    -o "tls.client_ca=$PKI/ca.crt" -o "tls.crl=$PKI/stale.crl"
expect "a credential that was not passed" faulty 'CREDENTIALS_DIRECTORY is not set' -o tls.key=credential:key

"$ECHOD" -t -c /dev/null -o port=0 -o tls.enabled=true -o "tls.certificate=$PKI/expired.crt" \
    -o "tls.key=$PKI/expired.key" >told 2>&1 || fail "an expired certificate is no fault"
expect "an expired certificate is noted" told 'tls.certificate: /CN=localhost has expired on .* note, not a fault'

# ---- credentials (systemd.exec(5)) ----
mkdir passed && cp "$PKI/server.key" passed/key && export CREDENTIALS_DIRECTORY=$PWD/passed
start_echod "port = 0; tls = { enabled = true; certificate = \"$PKI/server.crt\"; key = \"credential:key\"; };"
expect "the key is a credential" shown server echo
