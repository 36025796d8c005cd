#!/bin/bash
# report.sh - with `report`, one line of JSON goes ahead of the echo: what the server saw of the
# client, which must agree with what the client and others know of themselves.
. "$(dirname "$0")/lib.sh"
need openssl

client=(-cert "$PKI/client.crt" -key "$PKI/client.key" -cert_chain "$PKI/client.crt")
start_echod "report = true; host = \"127.0.0.1\"; proxy_trusted = [ \"127.0.0.1\" ]; listeners = (
    { name = \"plain\"; port = 0; },
    { name = \"line\"; port = 0; framing = \"line\"; },
    { name = \"proxy\"; port = 0; proxy_protocol = \"optional\"; },
    { name = \"tls\"; port = 0; ${tls_on/\{/\{ alpn = [ \"echo\" ]; verify_client = \"request\";
        client_ca = \"$PKI/ca.crt\";} },
    { name = \"unix\"; host = \"unix:$dir/socket\"; } );"

report() { json "$1" report || { cat report; return 1; }; } # EXPRESSION: it holds for the report `d`

# the report goes to `report`, what follows to `rest`, the client's own port to `own`
talk() { # LISTENER BYTES, in Python
    python3 -c '
import socket, sys
def tlv(kind, value): return bytes([kind]) + len(value).to_bytes(2, "big") + value
def v2(*tlvs):
    rest = bytes([192, 0, 2, 1, 192, 0, 2, 2, 3, 232, 7, 208]) + b"".join(tlvs)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(rest).to_bytes(2, "big") + rest
address, data = sys.argv[1], eval(sys.argv[2])
s = socket.socket(socket.AF_UNIX if address.startswith("/") else socket.AF_INET)
s.connect(address if address.startswith("/") else ("127.0.0.1", int(address)))
print(0 if address.startswith("/") else s.getsockname()[1], file=open("own", "w"))
stream = s.makefile("rwb")
if data.startswith((b"PROXY", b"\r\n")): s.sendall(data); data = b""  # it is waited for
open("report", "wb").write(stream.readline())
s.sendall(data)
s.shutdown(socket.SHUT_WR)
open("rest", "wb").write(stream.read())' "$([ "$1" = unix ] && echo "$dir/socket" || port "$1")" "$2" || fail "talk $1"
}
rest() { [ "$(cat rest)" = "$1" ]; }

# ---- plain ----
talk plain 'b"hello\n"'
expect "it comes before the client has said anything, and the echo after it" rest hello
expect "the client is told who it is" report "d['listener'] == 'plain' and
    d['peer'] == {'address': '127.0.0.1', 'port': $(cat own)} and d['proxy'] is None and d['tls'] is None"
expect "how its connection is" report "d['tcp']['rtt_usec'] > 0 and d['tcp']['mss'] > 500 and
    d['tcp']['retransmits'] == 0"
expect "and when it was" report "abs(__import__('datetime').datetime.strptime(d['time'],
    '%Y-%m-%dT%H:%M:%S.%fZ').timestamp() - $(date +%s)) < 60"
expect_records 1 listener=plain end=closed bytes_in=6 bytes_out=6
talk line 'b"one\ntwo\n"'
expect "with messages" rest $'one\ntwo'
talk unix 'b"hello"'
expect "over a socket in the file system" rest hello
expect "... which is no TCP" report "d['tcp'] is None and 'port' not in d['peer']"
python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"abc")
s.close()' "$dir/socket"
left() { has_records 1 listener=unix end=reset bytes_in=3 || has_records 2 listener=unix end=closed; }
within 60 left ||
    fail "who sends, and leaves without reading, has no record of it"
talk plain 'b""'
expect "who leaves without a byte gets it, too" report "d['listener'] == 'plain'"

# ---- what a proxy says ----
talk proxy 'b"PROXY TCP6 2001:db8::1 2001:db8::2 1000 2000\r\nhello"'
expect "version 1" report "d['proxy']['version'] == 1 and not d['proxy']['local'] and
    d['proxy']['source'] == {'address': '2001:db8::1', 'port': 1000} and
    d['proxy']['destination'] == {'address': '2001:db8::2', 'port': 2000} and
    d['peer'] == {'address': '127.0.0.1', 'port': $(cat own)} and d['proxy']['ssl'] is None"
expect "... and the echo" rest hello
talk proxy 'v2(tlv(1, b"h2"), tlv(2, b"evil\x1b[1m\\.example\xff\""), tlv(5, b"\0\x01\xfe"),
    tlv(0x20, b"\7\0\0\0\0" + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"somebody"))) + b"hello"'
expect "version 2" report "d['proxy']['version'] == 2 and
    d['proxy']['source'] == {'address': '192.0.2.1', 'port': 1000} and d['proxy']['alpn'] == 'h2' and
    d['proxy']['unique_id'] == '0001fe' and d['proxy']['netns'] is None"
expect "... and bytes that are no text" report "d['proxy']['authority'] == 'evil\\\\x1b[1m\\\\x5c.example\\\\xff\"'"
expect "... and of TLS" report "d['proxy']['ssl']['version'] == 'TLSv1.3' and
    d['proxy']['ssl']['common_name'] == 'somebody' and d['proxy']['ssl']['verified'] is True and
    d['proxy']['ssl']['used'] and d['proxy']['ssl']['cipher'] is None"
expect "... and the echo" rest hello
talk proxy 'b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0hello"'
expect "its health check" report "d['proxy'] == {'version': 2, 'local': True}"
talk proxy 'v2(tlv(2, b"\xff" * 4081)) + b"hello"'
expect "the longest header" report "d['proxy']['authority'] == 255 * '\\\\xff'"
expect "... and the echo" rest hello

# ---- TLS ----
s_client() { # OPTION...: its session to `session`, a report to `report`
    : >s_client.out
    { within 30 reported >/dev/null; echo; } | timeout 60 openssl s_client -connect "127.0.0.1:$(port tls)" -CAfile "$PKI/ca.crt" \
        -servername name.example -alpn other,echo "$@" >>s_client.out 2>&1
    reported >report || { cat s_client.out; fail "no report: $*"; }
}
reported() { grep -o '{"time".*}$' s_client.out; }
certificate_says() { openssl x509 -noout "$@" -in "$PKI/client.crt" | sed 's/.*=//; s/://g'; }
for version in tls1_2 tls1_3; do
    for again in False True; do
        options=(-sess_out session)
        [ $again = False ] || options=(-sess_in session)
        s_client -$version "${client[@]}" "${options[@]}"
        cipher=$(sed -n 's/^ *Cipher *: //p; s/^\(New\|Reused\), TLSv1.3, Cipher is //p' s_client.out | head -n 1)
        [ $again = True ] || group=$(group_in s_client.out)
        expect "$version: what was agreed on" report "d['tls']['cipher'] == '$cipher' and
            d['tls']['version'] == '$(tr _ . <<<"${version/tls/TLSv}")' and d['tls']['group'] == '${group:?}' and
            d['tls']['sni'] == 'name.example' and d['tls']['alpn'] == 'echo' and d['tls']['resumed'] is $again"
        expect "$version: the client's certificate, resumed: $again" report "(c := d['tls']['client_certificate']) and
            c['subject'] == '/CN=client' and c['issuer'] == '/CN=echod test intermediate CA' and
            c['serial'].upper() == '$(certificate_says -serial)' and
            c['sha256'].upper() == '$(certificate_says -fingerprint -sha256)' and c['verdict'] == 'ok' and
            c['names'] == 'client.example, client@client.example, spiffe://example/client, 192.0.2.7' and
            c['not_after'] == '$(date -u -d "$(openssl x509 -noout -enddate -in "$PKI/client.crt" | sed 's/.*=//')" +%Y-%m-%dT%H:%M:%SZ)'"
    done
done
s_client
expect "no certificate" report "d['tls']['client_certificate'] is None and not d['tls']['resumed']"

# ---- echoc info shows it ----
run 0 info --json --ca "$PKI/ca.crt" --alpn echo "$(url tls)"
expect "echoc info" json "d['report']['tls']['cipher'] == d['tls']['cipher'] and d['report']['listener'] == 'tls'"
within 60 serves 0 || fail "a client is left"
stop_echod
