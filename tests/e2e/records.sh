#!/bin/bash
# records.sh - how a client ends stands in its record; each end here is provoked. Those of limits,
# crashes and drains are provoked in limits.sh, e-crash.sh and drain.sh.
. "$(dirname "$0")/lib.sh"
need openssl socat

matches() { # REGEX FIELD...: the one record with these fields, as a whole
    [[ "$(records "${@:2}")" =~ ^$1\ $ ]]
}
number='[0-9]+'
of_plain="listener=plain client=127\.0\.0\.1 client_port=$number"
of_tls="listener=tls client=127\.0\.0\.1 client_port=$number"

start_echod "$both"

# ---- closed, with every field ----
expect "a plain client" peer whole plain --size 300
expect_records 1 end=closed
expect "its record" matches \
    "echod: end=closed $of_plain bytes_in=300 bytes_out=300 duration_usec=$number" end=closed
expect "a TLS client" peer whole tls1.3 --size 400
expect_records 2 end=closed
expect "its record" matches "echod: end=closed $of_tls bytes_in=400 bytes_out=400 \
duration_usec=$number tls_version=TLSv1\.3 tls_cipher=TLS_[A-Z0-9_]+ tls_group=[a-zA-Z0-9_]+ \
tls_resumed=0 tls_sni=localhost" listener=tls

# ---- other ends ----
expect "a client without close_notify" peer whole tls --end cut --size 500
expect_records 1 end=truncated listener=tls bytes_in=500 bytes_out=500
expect "a client that resets, plain" peer whole plain --end reset --size 600
expect_records 1 end=reset listener=plain bytes_in=600 bytes_out=600 'error="Connection reset by peer"'
expect "a client that resets, TLS" peer whole tls --end reset --size 700
expect_records 1 end=reset listener=tls bytes_in=700 bytes_out=700 'error="Connection reset by peer"'

printf 'GET / HTTP/1.0\r\n\r\n' | timeout 60 socat - "TCP:127.0.0.1:$(port tls)" >/dev/null
expect_records 1 end=wrong_protocol listener=tls bytes_in=0 'error="it sent HTTP where TLS is spoken"'
openssl s_client -connect "127.0.0.1:$(port tls)" -tls1_1 -cipher ALL:@SECLEVEL=0 \
    </dev/null >/dev/null 2>&1
expect_records 1 end=tls_error 'error="unsupported protocol"'
printf '\26\3\1' | timeout 60 socat -u - "TCP:127.0.0.1:$(port tls)"
expect_records 1 end=tls_error 'error="the peer left during the handshake"'

# ---- a peer's bytes forge no line, no field and no terminal's colours ----
name_server() { # NAME
    openssl s_client -connect "127.0.0.1:$(port tls)" -servername "$1" </dev/null >/dev/null 2>&1
}
name_server $'a\nechod: end=forged \e[31m\xff'
expect_records 1 'tls_sni="a\x0aechod: end=forged \x1b[31m\xff"'
name_server 'a" tls_alpn=forged error="b'
expect_records 1 'tls_sni="a\x22 tls_alpn=forged error=\x22b"'
expect "no line came from anywhere else" test "$(grep -vc '^echod: ' $log)" = 0
stop_echod

# ---- who leaves without a byte: at debug level only ----
leave_at_once() {
    peer whole plain --size 0
    peer whole plain --size 0 --port "$(port tls)"
}
start_echod "$both"
expect "two probes" leave_at_once
within 60 serves 0
sleep 1.5 # a record comes as soon as the process has gone, or with the next sweep
expect_records 0
stop_echod
start_echod "$both log = { level = \"debug\"; };"
expect "two probes" leave_at_once
expect_records 1 end=probe listener=plain bytes_in=0
expect_records 1 end=probe listener=tls bytes_in=0
stop_echod
