#!/bin/bash
# framing.sh - each whole message comes back, however the bytes are cut; what is no message is told.
. "$(dirname "$0")/lib.sh"
need nc

ca=(--ca "$PKI/ca.crt")
kinds='line marker length'
listener() { # NAME FRAMING [SETTINGS]
    echo "{ name = \"$1\"; port = 0; framing = \"$2\"; marker = \"abcabd\"; ${3-} }"
}
short='max_message = 1000;'
start_echod "listeners = (
    $(listener line line), $(listener tls-line line "$tls_on"), $(listener line-short line "$short"),
    $(listener marker marker), $(listener tls-marker marker "$tls_on"),
    $(listener marker-short marker "$short"),
    $(listener length length), $(listener tls-length length "$tls_on"),
    $(listener length-short length "$short") );"

# ---- echoc, which knows the framing ----
for kind in $kinds; do
    for tls in '' tls-; do
        framing=(--framing "$kind" --marker abcabd)
        run 0 ping -c 5 -i 0 -s 100 "${framing[@]}" "${ca[@]}" "$(url $tls$kind)"
        expect "$tls$kind: ping" says '^5 sent, 5 received, 0% loss'
        expect_records 1 listener=$tls$kind end=closed messages=5
        run 0 load --json -d 0.3 -C 5 -D 3 "${framing[@]}" "${ca[@]}" "$(url $tls$kind)"
        expect "$tls$kind: load" json 'd["errors"] == 0 and d["messages"] > 0'
        expect "$tls$kind: large ones" run 0 ping -c 2 -i 0 -s 1000000 "${framing[@]}" "${ca[@]}" \
            "$(url $tls$kind)"
        expect_records 1 listener=$tls$kind end=closed messages=2
    done
done

# ---- netcat, which knows nothing ----
netcat() { # LISTENER SENT BACK: as printf has them
    # shellcheck disable=SC2059
    cmp <(printf "$2" | timeout 60 nc -N 127.0.0.1 "$(port "$1")") <(printf "$3")
}
expect "line: lines" netcat line 'one\n\r\ntwo\r\n\n' 'one\n\r\ntwo\r\n\n'
expect_records 1 listener=line end=closed bytes_in=12 bytes_out=12 messages=4
expect "line: the end inside one" netcat line 'one\ntwo' 'one\n'
expect_records 1 listener=line end=truncated bytes_in=7 bytes_out=4 messages=1 \
    'error="the stream ended inside a message"'
expect "marker: two" netcat marker '1abcabd2abcabd' '1abcabd2abcabd'
expect_records 1 listener=marker end=closed bytes_in=14 messages=2
expect "marker: nearly one, then one" netcat marker 'abcabcabd' 'abcabcabd'
expect_records 1 listener=marker end=closed bytes_in=9 messages=1
expect "marker: empty ones" netcat marker 'abcabdabcabd' 'abcabdabcabd'
expect_records 1 listener=marker end=closed bytes_in=12 messages=2
expect "marker: the last one may have none" netcat marker '1abcabd23' '1abcabd23'
expect_records 1 listener=marker end=closed bytes_in=9 bytes_out=9 messages=2
expect "length: zero, and one" netcat length '\0\0\0\0\0\0\0\1x' '\0\0\0\0\0\0\0\1x'
expect_records 1 listener=length end=closed bytes_in=9 bytes_out=9 messages=2
expect "length: the end inside one" netcat length '\0\0\0\1x\0\0\0\3yz' '\0\0\0\1x'
expect_records 1 listener=length end=truncated bytes_in=11 bytes_out=5 messages=1
expect "length: the end inside a length" netcat length '\0\0\0\0\0\0\1' '\0\0\0\0'
expect_records 1 listener=length end=truncated bytes_in=7 bytes_out=4 messages=1
expect "nothing at all" netcat line '' ''

# ---- too long: what came before comes back, the rest does not ----
thousand=$(printf '%01000d' 0)
expect "line: one byte shorter" netcat line-short "${thousand#0}\r\n" "${thousand#0}\r\n"
expect_records 1 listener=line-short end=closed messages=1 bytes_out=1001
expect "line: as long as it may be" netcat line-short "$thousand\r\n" "$thousand\r\n"
expect_records 1 listener=line-short end=closed messages=1 bytes_out=1002
expect "line: one byte more" netcat line-short "1\n2\n0$thousand\n3\n" '1\n2\n'
expect_records 1 listener=line-short end=message_too_long bytes_out=4 messages=2
expect "marker: one byte shorter" netcat marker-short "${thousand#0}abcabd" "${thousand#0}abcabd"
expect_records 1 listener=marker-short end=closed messages=1 bytes_out=1005
expect "marker: as long as it may be" netcat marker-short "${thousand}abcabd" "${thousand}abcabd"
expect_records 1 listener=marker-short end=closed messages=1 bytes_out=1006
expect "marker: one byte more" netcat marker-short "1abcabd0${thousand}abcabd" '1abcabd'
expect_records 1 listener=marker-short end=message_too_long bytes_out=7 messages=1
expect "length: one byte shorter" netcat length-short '\0\0\3\347'"${thousand#0}" '\0\0\3\347'"${thousand#0}"
expect_records 1 listener=length-short end=closed messages=1 bytes_out=1003
expect "length: as long as it may be" netcat length-short '\0\0\3\350'"$thousand" '\0\0\3\350'"$thousand"
expect_records 1 listener=length-short end=closed messages=1 bytes_out=1004
expect "length: one byte more" netcat length-short '\0\0\0\0\0\0\3\351' '\0\0\0\0'
expect_records 1 listener=length-short end=message_too_long bytes_out=4 messages=1
expect "length: far more, which would need all memory" netcat length-short '\377\377\377\377' ''
expect_records 1 listener=length-short end=message_too_long bytes_in=4 bytes_out=0

# ---- pieces: an answer is there as soon as its message is whole, and no byte of it before ----
cat >pieces.py <<'END'
import random, select, socket, ssl, struct, sys, time
kind, port, ca = sys.argv[1].removeprefix("tls-"), int(sys.argv[2]), sys.argv[3]
sock = socket.create_connection(("127.0.0.1", port), timeout=60)
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
if sys.argv[1].startswith("tls-"):
    sock = ssl.create_default_context(cafile=ca).wrap_socket(sock, server_hostname="localhost")
sock.settimeout(60)

def message(content):
    return {"line": content + b"\n", "marker": content + b"abcabd",
            "length": struct.pack(">I", len(content)) + content}[kind]

def quiet(seconds):
    """Nothing comes; of TLS a ticket may."""
    sock.settimeout(seconds)
    try:
        return not sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(60)

def take(wanted):
    got = b""
    while len(got) < len(wanted):
        piece = sock.recv(len(wanted) - len(got))
        if not piece:
            break
        got += piece
    if got != wanted:
        sys.exit(f"{got!r} came back, not {wanted!r}")

random.seed(7)
count = 0
one = message(b"abcabc\rabab")
for cut in range(1, len(one)):  # each in two pieces
    sock.sendall(one[:cut])
    if not quiet(0.01):
        sys.exit(f"an answer to {cut} bytes of a message")
    sock.sendall(one[cut:])
    take(one)
    count += 1
for byte in range(len(one)):  # a byte at a time
    sock.sendall(one[byte:byte + 1])
    time.sleep(0.005)
take(one)
two = message(b"first") + message(b"") + message(b"second")[:3]  # an end and the next beginning
sock.sendall(two)
take(two[:-3])
sock.sendall(message(b"second")[3:])
take(message(b"second"))
count += 4
many = [message(random.randbytes(random.randint(0, 50)).replace(b"\n", b"").replace(b"d", b""))
        for _ in range(500)]
stream = b"".join(many)  # cut in odd places
start = 0
while start < len(stream):
    end = start + random.randint(1, 400)
    sock.sendall(stream[start:end])
    start = end
    if random.random() < 0.1:
        time.sleep(0.002)
take(stream)
print(count + len(many), sock.getsockname()[1])  # others may have sent as many
END
for kind in $kinds; do
    for tls in '' tls-; do
        expect "$tls$kind: pieces" eval "python3 pieces.py $tls$kind $(port $tls$kind) $PKI/ca.crt >count"
        read -r messages port <count
        expect_records 1 listener=$tls$kind client_port=$port messages=$messages
    done
done
stop_echod
