#!/bin/bash
# proxy.sh - clients behind a proxy that names them: in both versions of its protocol, before TLS, a
# byte at a time; who may do so and who must; and the records, which tell of the client and not of
# the proxy.
. "$(dirname "$0")/lib.sh"
need curl openssl nc

# ---- headers ----

v1='PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n'
v1_six='PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n'
start='\r\n\r\n\0\r\nQUIT\n'
v2="$start"'\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\x04\1\xbb'
v2_tlv="$start"'\x21\x11\0\x12\xc0\0\2\1\xc6\x33\x64\2\xdc\x04\1\xbb\1\0\3foo'
local_v2="$start"'\x20\0\0\0'
unknown_v1='PROXY UNKNOWN\r\n'
denied='PROXY TCP4 192.0.2.66 198.51.100.2 56324 443\r\n'

# a client in Python: sends its pieces (as printf has them, nothing for a pause), the first ones in
# the clear, those after "TLS" in it, half-closes, and prints what comes back, in hexadecimal
speak() { # LISTENER PIECE...
    timeout 60 python3 -c '
import re, socket, ssl, sys, time
name, port, source, *pieces = sys.argv[1:]
s = socket.socket(socket.AF_UNIX if port.startswith("unix:") else socket.AF_INET)
if source: s.bind((source, 0))
s.connect(port[5:] if port.startswith("unix:") else ("127.0.0.1", int(port)))
if s.family == socket.AF_INET: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
back = b""
try:
    for piece in pieces:
        if piece == "TLS":
            s = ssl._create_unverified_context().wrap_socket(s)
        elif piece == "":
            time.sleep(0.005)
        else:
            s.sendall(piece.encode("latin-1").decode("unicode_escape").encode("latin-1"))
    if not isinstance(s, ssl.SSLSocket):
        s.shutdown(socket.SHUT_WR)
        while chunk := s.recv(65536): back += chunk
    else:
        back = s.recv(65536)
        try: s.unwrap()
        except (ssl.SSLError, OSError): pass
except (ConnectionResetError, BrokenPipeError): pass
sys.stdout.write(back.hex())
' "$1" "$(address_of "$1")" "$source" "${@:2}"
}
source=
address_of() { case $(addresses "$1") in unix:*) addresses "$1" ;; *) port "$1" ;; esac; }
hex() { printf '%b' "$1" | od -An -v -tx1 | tr -d ' \n'; }
# the numbers of printf in octal are not those of Python
python() { local text=${1//\\0/\\x00}; text=${text//\\1/\\x01}; text=${text//\\2/\\x02}; echo "${text//\\3/\\x03}"; }
comes_back() { # TEXT LISTENER PIECE...: and nothing else
    local pieces=() piece back
    for piece in "${@:3}"; do pieces+=("$(python "$piece")"); done
    back=$(speak "$2" "${pieces[@]}")
    [ "$back" = "$(hex "$1")" ] || { echo "came back: $back"; return 1; }
}
bytes_of() { # TEXT: each a piece, with a pause behind
    local text
    text=$(python "$1")
    mapfile -t trickled < <(python3 -c '
import sys
for byte in sys.argv[1].encode("latin-1").decode("unicode_escape").encode("latin-1"):
    print(f"\\x{byte:02x}")
    print()' "$text")
}

trusted='proxy_trusted = [ "127.0.0.1", "::1" ];'
settings="log = { level = \"debug\"; }; handshake_timeout = 2; listeners = (
    { name = \"off\"; host = \"127.0.0.1\"; port = 0; },
    { name = \"optional\"; host = \"127.0.0.1\"; port = 0; proxy_protocol = \"optional\"; $trusted
        deny = [ \"192.0.2.64/28\" ]; },
    { name = \"required\"; host = \"127.0.0.1\"; port = 0; proxy_protocol = \"required\"; $trusted
        allow = [ \"127.0.0.0/8\", \"192.0.2.0/26\", \"2001:db8::/32\" ]; },
    { name = \"path\"; host = \"unix:sock\"; proxy_protocol = \"required\"; },
    { name = \"tls\"; host = \"127.0.0.1\"; port = 0; proxy_protocol = \"required\"; $trusted $tls_on },
    { name = \"tls-optional\"; host = \"127.0.0.1\"; port = 0; proxy_protocol = \"optional\"; $trusted
        $tls_on }
);"
start_echod "$settings"

# ---- the client is the one that is named ----
named() { # CLIENT LISTENER N: so many records tell of it, and of the proxy
    expect_records "$3" listener="$2" "client=$1" client_port=56324 end=closed
    [ "$(records listener="$2" "client=$1" end=closed | field proxy | grep -c '^127\.0\.0\.1:[0-9]*$')" \
        = "$3" ] || fail "$2: the proxy is not told"
}
for name in optional required; do
    expect "$name: version 1" comes_back hello $name "${v1}hello"
    named 192.0.2.1 $name 1
    expect "$name: version 1, IPv6" comes_back hello $name "${v1_six}hello"
    named 2001:db8::1 $name 1
    expect "$name: version 2" comes_back hello $name "$v2" hello
    named 192.0.2.1 $name 2
    expect "$name: with a TLV, and data in the same segment" comes_back hello $name "${v2_tlv}hello"
    named 192.0.2.1 $name 3
    expect "$name: a header behind the first is data" comes_back "$v1" $name "$v2$v1"
    named 192.0.2.1 $name 4
    for header in "$v1" "$v2_tlv"; do
        bytes_of "${header}hello"
        expect "$name: a byte at a time" comes_back hello $name "${trickled[@]}"
    done
    named 192.0.2.1 $name 6
    for header in "$local_v2" "$unknown_v1"; do
        expect "$name: one that names nobody" comes_back hello $name "$header" hello
    done
    expect_records 2 listener=$name client=127.0.0.1 end=closed bytes_in=5
done
expect "nobody is said to be a proxy of himself" [ -z "$(records client=127.0.0.1 | grep proxy=)" ]
expect "off: it is data" comes_back "${v1}hello" off "${v1}hello"
expect "over a path: everyone may" comes_back hello path "${v1}hello"
expect_records 1 listener=path client=192.0.2.1 proxy=unix end=closed

# ---- before TLS ----
for name in tls tls-optional; do
    expect "$name: version 1" comes_back hello $name "$v1" TLS hello
    expect "$name: version 2" comes_back hello $name "$v2_tlv" TLS hello
    bytes_of "$v1"
    expect "$name: a byte at a time" comes_back hello $name "${trickled[@]}" TLS hello
    within 60 has_records 3 listener=$name client=192.0.2.1 client_port=56324 tls_version=TLSv1.3 ||
        fail "$name: no records"
done
expect "tls-optional: none" comes_back hello tls-optional TLS hello
expect_records 1 listener=tls-optional client=127.0.0.1 tls_version=TLSv1.3

# ---- curl sends one too, with its own address ----
curl -sSN --http0.9 --haproxy-protocol "http://127.0.0.1:$(port required)/curl" >back 2>err &
curl=$!
expect "curl --haproxy-protocol" within 60 grep -q '^GET /curl HTTP/1.1' back
kill $curl # which waits for the end of the answer
wait $curl
curl_left() {
    has_records 1 listener=required client=127.0.0.1 end=reset ||
        has_records 1 listener=required client=127.0.0.1 end=closed bytes_in="$(wc -c <back)"
}
within 60 curl_left || fail "no record of curl"
expect "its proxy is itself" [ "$(records proxy= | wc -l)" = 0 ]

# ---- none, or a part ----
expect "optional: none" comes_back hello optional hello
for text in P PRO PROXIMITY '\r\n' '\r\n\r\n\r\n\r\n' 'PROXY' '\r\n\r\n\0\r\nQUIX\n'; do
    bytes_of "$text"
    expect "optional: what only begins like one, $text" comes_back "$(python "$text")" optional "${trickled[@]}"
    expect "optional: and at once" comes_back "$(python "$text")" optional "$text"
done
expect "required: none" comes_back "" required hello
expect_records 1 listener=required end=proxy_error client=127.0.0.1 \
    'error="it sent text where the PROXY protocol is required"'
expect "required: a part" comes_back "" required PRO
expect "optional: a part that is surely one" comes_back "" optional 'PROXY TCP4 192'
for name in required optional; do
    expect_records 1 listener=$name end=proxy_error 'error="the stream ended inside the PROXY header"'
done
expect "tls: none" [ -z "$(speak tls 'GET / HTTP/1.0\r\n\r\n')" ]
expect_records 1 listener=tls end=proxy_error 'error="it sent HTTP where the PROXY protocol is required"'
expect "tls-optional: none, and no TLS" comes_back "" tls-optional PROX "" IMITY
expect_records 1 listener=tls-optional end=wrong_protocol 'error="it sent text where TLS is spoken"'

# ---- broken ones ----
expect "a broken line" comes_back "" optional 'PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\nhello'
expect_records 1 listener=optional end=proxy_error \
    'error="a broken PROXY header: a broken IPv4 address"'
expect "an endless line" comes_back "" required "PROXY UNKNOWN $(printf 'x%.0s' {1..5000})"
expect_records 1 listener=required end=proxy_error \
    'error="a broken PROXY header: a line longer than 107 bytes"'
expect "a header that is too long" comes_back "" required "$start"'\x21\x11\xff\xff'
expect_records 1 listener=required end=proxy_error 'error="a broken PROXY header: longer than 4112 bytes"'

# ---- from others they are not believed ----
source=127.0.0.2
expect "optional: a stranger's is data" comes_back "${v1}hello" optional "${v1}hello"
expect_records 1 listener=optional client=127.0.0.2 end=closed
expect "required: a stranger is not served" comes_back "" required "${v1}hello"
expect_records 1 listener=required client=127.0.0.2 end=proxy_error \
    'error="127.0.0.2 is not in proxy_trusted"'
expect "tls-optional: a stranger's is no TLS" comes_back "" tls-optional "${v1}hello"
expect_records 1 listener=tls-optional client=127.0.0.2 end=wrong_protocol \
    'error="it sent the PROXY protocol where TLS is spoken"'
source=

# ---- the lists hold for who is named ----
expect "optional: who is denied is refused" comes_back "" optional "${denied}hello"
expect_records 1 listener=optional end=refused rule=deny client=192.0.2.66 count=1
expect "required: so is who is not allowed" comes_back "" required "${denied}hello"
expect_records 1 listener=required end=refused rule=allow client=192.0.2.66 count=1
expect "off: lists know nothing of it" comes_back "${denied}hello" off "${denied}hello"

# ---- who says nothing ----
probes=$(records end=probe | wc -l)
for name in optional required tls tls-optional; do
    expect "$name: nothing comes of nothing" comes_back "" $name
    expect "$name: nor of a header alone" comes_back "" $name "$unknown_v1"
done
expect_records $((probes + 8)) end=probe
for name in required tls tls-optional; do
    start_peer crowd $name --count 1 --seconds 120
    silent+=($!)
done
python3 -c '
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"PROXY TCP4 1")
assert s.recv(1) == b""' "$(port optional)" &
silent+=($!)
for pid in "${silent[@]}"; do wait "$pid" || fail "a silent one is not cut"; done
for name in required optional; do
    expect_records 1 listener=$name end=handshake_timeout \
        'error="the PROXY header was not there in time"'
done
expect_records 1 listener=tls end=handshake_timeout
expect_records 1 listener=tls-optional end=handshake_timeout

# an ordinary client may be silent for longer than that
expect "optional: silence is no fault" python3 -c '
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
time.sleep(3)
s.sendall(b"late")
assert s.recv(4, socket.MSG_WAITALL) == b"late"' "$(port optional)"

stop_echod
sums=$(grep -o 'stopped: [0-9]* accepted = [0-9]* refused + [0-9]* ended' $log)
read -r _ accepted _ _ refused _ _ ended _ <<<"$sums"
expect "$sums" [ "$accepted,$refused" = "$((ended + refused)),$(records end=refused | wc -l)" ]
expect "of which some were refused" [ "$refused" -ge 2 ]
expect "one record for each" [ "$(records | wc -l)" = "$accepted" ]

# ---- no limit holds for a proxy, since many clients come through it; those of others do ----
start_echod "name = \"echo\"; host = \"127.0.0.1\"; port = 0; max_clients_per_source = 2;
    rate_per_source = 2; proxy_protocol = \"optional\"; $trusted"
lets_in() { [ "$(peer knock echo --count 5 --source "$2")" = "$1" ]; }
expect "a proxy brings as many as it likes" lets_in 5 127.0.0.1
expect "others do not" lets_in 2 127.0.0.2
stop_echod

# ---- settings ----
printf '%s\n' 'proxy_protocol = "required";' >echod.conf
"$ECHOD" -t -c echod.conf >out 2>err && fail "nobody is trusted, and -t says nothing"
expect "nobody is trusted" grep -q '^echod.conf:1: proxy_trusted: is empty' out
