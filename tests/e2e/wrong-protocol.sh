#!/bin/bash
# wrong-protocol.sh - who speaks something else than the listener does is told from the others in
# the log, and gets no byte of plain text where TLS is spoken.
. "$(dirname "$0")/lib.sh"
need curl openssl nc

# Send bytes, as printf has them, and print what comes back, in hexadecimal.
speak() { # LISTENER BYTES
    # shellcheck disable=SC2059
    printf "$2" | timeout 60 nc -N 127.0.0.1 "$(port "$1")" | od -An -v -tx1 | tr -d ' \n'
}
told() { # WHAT BYTES: what the record calls them; nothing comes back
    expect "$1: no byte comes back" [ -z "$(speak tls "$2")" ]
    within 60 has_records 1 listener=tls end=wrong_protocol \
        "error=\"it sent $1 where TLS is spoken\"" || fail "$1: no record"
    stop_echod
    start_echod "$both"
}

start_echod "$both"
told "text" 'hello\r\n'
told "HTTP" 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
told "HTTP" 'POST /form HTTP/1.0\r\n\r\n'
told "HTTP/2" 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
told "SSH" 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'
told "SMTP" 'EHLO mail.example\r\n'
told "the PROXY protocol" 'PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n'
told "the PROXY protocol" '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\1\x7f\0\0\1\1\2\3\4'
told "PostgreSQL" '\0\0\0\x08\x04\xd2\x16\x2f'
told "RDP" '\x03\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\3\0\0\0'
told "unknown bytes" '\0\1\2\3\4\5\6\7\x08\x09'
told "unknown bytes" '\x16\x03\x05\0\x10\1' # TLS of a version that there is not

# ---- the clients that people have ----
status=0
curl -sS -m 20 "http://127.0.0.1:$(port tls)/" >back 2>err || status=$?
expect "curl without TLS fails" [ $status != 0 ]
expect "and has got nothing" [ ! -s back ]
expect_records 1 listener=tls end=wrong_protocol 'error="it sent HTTP where TLS is spoken"'

# ---- TLS that fails is answered in TLS: an alert, RFC 8446, 6 ----
expect "a faulty hello gets an alert" [ "$(speak tls '\x16\3\1\0\5\1\0\0\1\3' | cut -c 1-6)" = 150303 ]
expect_records 1 listener=tls end=tls_error
expect_records 1 listener=tls end=wrong_protocol

# ---- TLS where none is spoken: echoed like anything else, and noted ----
timeout 60 openssl s_client -connect "127.0.0.1:$(port plain)" </dev/null >/dev/null 2>&1 &&
    fail "a handshake with an echo"
within 60 has_records 1 listener=plain 'error="it sent TLS where none is spoken"' ||
    fail "no note of the hello"
expect "a hello comes back" [ "$(speak plain '\x16\3\1\0\5\1\0\0\1\3')" = 16030100050100000103 ]
expect_records 2 listener=plain 'error="it sent TLS where none is spoken"'
expect "text is not noted" [ "$(speak plain 'GET / HTTP/1.0\r\n\r\n' | wc -c)" = 36 ]
expect_records 1 listener=plain end=closed bytes_in=18
expect_records 2 listener=plain 'error="it sent TLS where none is spoken"'

# ---- who says nothing is a probe, which health checks are: debug level ----
before=$(records | wc -l)
for name in plain tls; do
    expect "$name: nothing comes back of nothing" [ -z "$(speak $name '')" ]
done
expect "both are gone" within 60 serves 0
kill -HUP "$echod_pid" # whatever is logged of them is logged by the time of the next line
within 60 logged reloaded || fail "no reload"
expect "a probe is not shown" [ "$(records | wc -l)" = "$before" ]
stop_echod
start_echod "log = { level = \"debug\"; }; $both"
for name in plain tls; do speak $name ''; done
expect_records 1 listener=plain end=probe bytes_in=0
expect_records 1 listener=tls end=probe bytes_in=0
stop_echod
