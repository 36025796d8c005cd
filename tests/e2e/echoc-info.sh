#!/bin/bash
# echoc-info.sh - `echoc info` tells what the server speaks and who it is, as openssl tells it.
. "$(dirname "$0")/lib.sh"
need openssl

ca=(--ca "$PKI/ca.crt")
is() { # LABEL REGEX
    says "^$1 +$2$" || { cat out; return 1; }
}
told() { json "$1" || { cat out; return 1; }; }
date_of() { # OPTION FILE: as openssl reads it, in the form of echoc
    date -u -d "$(openssl x509 -noout "$1" -in "$2" | sed 's/.*=//')" +%Y-%m-%dT%H:%M:%SZ
}

start_echod "listeners = (
    { name = \"plain\"; port = 0; },
    { name = \"tls\"; port = 0; $tls_on },
    { name = \"tls-none\"; port = 0; ${tls_on/\{/\{ tickets = 0;} },
    { name = \"tls-rsa\"; port = 0; ${tls_on//server./server-rsa.} },
    { name = \"tls-line\"; port = 0; framing = \"line\"; $tls_on },
    { name = \"tls-marker\"; port = 0; framing = \"marker\"; $tls_on },
    { name = \"tls-length\"; port = 0; framing = \"length\"; $tls_on }
);"

run 0 info "$(url plain)"
expect "plain: the address" is address "127\.0\.0\.1:$(port plain)"
expect "plain: the protocol" is protocol plaintext
expect "plain: the time" is connect '[0-9]+\.[0-9]{3} ms'
expect "plain: no more" test "$(wc -l <out)" = 3

for version in 1.2 1.3; do
    run 0 info "${ca[@]}" --tls-max $version "$(url tls)"
    openssl s_client -connect "127.0.0.1:$(port tls)" "-tls${version/./_}" </dev/null >openssl.out 2>&1
    cipher=$(sed -n 's/^ *Cipher *: //p; s/^New, TLSv1.3, Cipher is //p' openssl.out | head -n 1)
    group=$(group_in openssl.out)
    expect "TLS $version: protocol, cipher and group" is protocol "TLSv$version, $cipher, ${group:?}"
    expect "TLS $version: resumption" is resumption yes
    run 0 info "${ca[@]}" --tls-max $version "$(url tls-none)"
    expect "TLS $version without tickets: no resumption" is resumption no
done
run 0 info "${ca[@]}" --ciphers TLS_CHACHA20_POLY1305_SHA256 "$(url tls-rsa)"
expect "the cipher that was asked for" is protocol "TLSv1.3, TLS_CHACHA20_POLY1305_SHA256, $group"

expect "the signature" is signature 'RSASSA-PSS-SHA256'
expect "the chain: the leaf" is 'certificate 0:' '/CN=localhost'
expect "its names" is '    names' 'localhost, 127.0.0.1, ::1'
expect "its dates" is '    valid' "$(date_of -startdate "$PKI/server-rsa.crt") to \
$(date_of -enddate "$PKI/server-rsa.crt") \((29|30) days left\)"
expect "the chain: the issuer" is 'certificate 1:' '/CN=echod test intermediate CA'
expect "and its issuer" is '    issuer' '/CN=echod test CA'
expect "the chain ends there" test "$(grep -c '^certificate ' out)" = 2

# ---- one message is enough, with any framing ----
for framing in line marker length; do
    before=$SECONDS
    run 0 info "${ca[@]}" --framing $framing "$(url tls-$framing)"
    expect "$framing: resumption" is resumption yes
    expect "$framing: without waiting" test $((SECONDS - before)) -lt 8
    expect_records 1 end=closed listener=tls-$framing messages=1
done

# ---- --json ----
run 0 info --json "${ca[@]}" "$(url tls)"
expect "--json" told "d['command'] == 'info' and d['url'] == '$(url tls)' and
d['address'] == '127.0.0.1:$(port tls)' and d['connect_nsec'] > 0 and d['handshake_nsec'] > 0 and
d['tls']['version'] == 'TLSv1.3' and d['signature'] == 'ecdsa-with-SHA256' and d['resumes'] is True and 'report' not in d"
expect "--json: the chain" told "[c['subject'] for c in d['chain']] ==
['/CN=localhost', '/CN=echod test intermediate CA'] and
d['chain'][0]['issuer'] == d['chain'][1]['subject'] and
d['chain'][0]['names'] == 'localhost, 127.0.0.1, ::1' and
d['chain'][0]['not_after'] == '$(date_of -enddate "$PKI/server.crt")' and
d['chain'][0]['not_before'] == '$(date_of -startdate "$PKI/server.crt")'"
run 0 info --json "$(url plain)"
expect "--json, plain" told 'd["tls"] is None and "signature" not in d and d["chain"] == [] and d["resumes"] is False'

# ---- what a server says first is shown, but cannot do anything to the terminal ----
greeting() { # TEXT: a server that says so and then echoes
    python3 -c 'import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
c.sendall(sys.argv[1].encode() + b"\n")
while data := c.recv(1000):
    c.sendall(data)' "$1" >greeter &
    within 60 test -s greeter || fail "no server"
}
greeting '{"peer": "somebody", "tls": null}'
run 0 info "tcp://127.0.0.1:$(cat greeter)"
expect "a report" is report '\{"peer": "somebody", "tls": null\}'
rm greeter
greeting '{"peer": "somebody"}'
run 0 info --json "tcp://127.0.0.1:$(cat greeter)"
expect "a report in --json" told 'd["report"] == {"peer": "somebody"}'
rm greeter
greeting $'\e[31mred\a'
run 0 info "tcp://127.0.0.1:$(cat greeter)"
expect "no control characters" test "$(tr -d '[:print:]\n' <out | wc -c)" = 0

# ---- servers that are not trusted, or not there ----
run 2 info "$(url tls)"
expect "not trusted" complains ': TLS: certificate '
run 0 info --insecure "$(url tls)"
expect "--insecure shows the chain all the same" is 'certificate 0:' '/CN=localhost'
run 2 info "tcp://127.0.0.1:$(nobody)"
expect "nobody listens" complains ': connect: Connection refused$'
stop_echod
