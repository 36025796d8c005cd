#!/bin/bash
# echoc-check.sh - `echoc check` answers as the Monitoring Plugins Development Guidelines ask: one
# line, `STATUS - words | figures`, and 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
. "$(dirname "$0")/lib.sh"

ca=(--ca "$PKI/ca.crt")
number='[0-9]+(\.[0-9]+)?'
plain_figures="time=${number}ms;[0-9.]*;[0-9.]*;0 connect=${number}ms;;;0 echo=${number}ms;;;0"
tls_figures="$plain_figures tls=${number}ms;;;0 expiry=-?$number(;[0-9]+:)?"

answers() { # STATUS WORD REGEX OPTION...: one line, of this sort
    run "$1" check "${@:4}"
    [ "$(wc -l <out)" = 1 ] && [ ! -s err ] && says "^ECHO $2 - $3$" && return
    cat out err
    return 1
}

start_echod "listeners = (
    { name = \"plain\"; port = 0; },
    { name = \"tls\"; port = 0; $tls_on },
    { name = \"unix\"; host = \"unix:$dir/plain.socket\"; },
    { name = \"line\"; port = 0; framing = \"line\"; },
    { name = \"tls-expired\"; port = 0; ${tls_on//server./expired.} },
    { name = \"tls-wrong-name\"; port = 0; ${tls_on//server./wrong-name.} }
);"
plain=$(url plain) tls=$(url tls)

# ---- OK ----
expect "plain" answers 0 OK "$plain answered in $number ms \| $plain_figures" "$plain"
expect_records 1 end=closed listener=plain bytes_in=64 bytes_out=64
expect "TLS" answers 0 OK "$tls answered in $number ms \| $tls_figures" "${ca[@]}" "$tls"
expect_records 1 end=closed listener=tls bytes_in=64
expect "a local socket" answers 0 OK ".* \| $plain_figures" "$(url unix)"
expect "-s" answers 0 OK ".* \| $plain_figures" -s 100000 "$plain"
expect_records 1 end=closed bytes_in=100000
expect "--framing" answers 0 OK ".* \| $plain_figures" --framing line "$(url line)"
expect_records 1 end=closed listener=line bytes_in=65 messages=1
expect "both limits kept" answers 0 OK \
    ".* \| time=${number}ms;50000;60000.5;0 .*" -w 50000 -c 60000.5 "$plain"
expect "a certificate that lasts" answers 0 OK ".* expiry=(29|30)\.[0-9];7:" --expiry 7 "${ca[@]}" "$tls"

# ---- WARNING and CRITICAL ----
expect "-w" answers 1 WARNING \
    "$plain: $number ms is more than 0.001 ms \| time=${number}ms;0.001;;0 .*" -w 0.001 "$plain"
expect "-c" answers 2 CRITICAL \
    "$plain: $number ms is more than 0.001 ms \| time=${number}ms;;0.001;0 .*" -c 0.001 "$plain"
expect "both" answers 2 CRITICAL ".*;0.001;0.002;0 .*" --warning 0.001 --critical 0.002 "$plain"
expect "--expiry" answers 1 WARNING \
    "$tls: a certificate expires in (29|30)\.[0-9] days \| $tls_figures" --expiry 31 "${ca[@]}" "$tls"
expect "--expiry, but worse as well" answers 2 CRITICAL ".* is more than .*" \
    --expiry 31 -c 0.001 "${ca[@]}" "$tls"
expect "an expired certificate" answers 2 CRITICAL ".*: TLS: .*certificate has expired" \
    "${ca[@]}" "$(url tls-expired)"
expect "a wrong name" answers 2 CRITICAL ".*: TLS: .* not for this name, but for wrong.example" \
    "${ca[@]}" "$(url tls-wrong-name)"
expect "--servername makes it right" answers 0 OK ".*" \
    "${ca[@]}" --servername wrong.example "$(url tls-wrong-name)"
expect "a CA that is not trusted" answers 2 CRITICAL ".*: TLS: certificate .* issuer certificate" "$tls"
url=tcp://127.0.0.1:$(nobody)
expect "nobody listens" answers 2 CRITICAL "$url: .*: connect: Connection refused" "$url"
expect "no such socket" answers 2 CRITICAL ".*: connect: No such file or directory" unix:nothing

start_bad corrupt@10 drop@10 truncate@10 stall@10 extra hang tls-no-close-notify
expect "a wrong byte" answers 2 CRITICAL \
    ".*: echo: byte 10 of 64 is not the one that was sent \| .*" "$(bad corrupt@10)"
# the one behind it is the same one time in 256
expect "a missing byte" answers 2 CRITICAL \
    ".*: echo: byte 1[0-9] of 64 is not the one that was sent \| .*" "$(bad drop@10)"
expect "an early end" answers 2 CRITICAL \
    ".*: echo: the server ended after 10 of 64 bytes \| .*" "$(bad truncate@10)"
expect "a stall" answers 2 CRITICAL \
    ".*: echo: timed out after 10 of 64 bytes \| .*" -W 3 "$(bad stall@10)"
expect "more than was sent" answers 2 CRITICAL \
    ".*: end: the server sent more than it was sent \| .*" "$(bad extra)"
expect "no end" answers 2 CRITICAL ".*: end: the server does not end its side \| .*" \
    -W 3 "$(bad hang)"
expect "no close_notify" answers 2 CRITICAL ".*: end: the server closed without close_notify \| .*" \
    "${ca[@]}" "$(bad tls-no-close-notify)"
kill -STOP "$echod_pid"
expect "a stopped server" answers 2 CRITICAL ".*: echo: timed out after 0 of 64 bytes \| .*" \
    -W 0.3 "$plain"
expect "a stopped server, TLS" answers 2 CRITICAL ".*: TLS: Connection timed out" \
    --timeout 0.3 "${ca[@]}" "$tls"
kill -CONT "$echod_pid"

# ---- UNKNOWN: the check is wrong, not the server ----
expect "an unknown host" answers 3 UNKNOWN "no-such-host.invalid:7: resolve: .*" tcp://no-such-host.invalid:7
expect "no URL of this kind" answers 3 UNKNOWN ".*http://localhost.* is no URL.*" http://localhost:7
expect "a CA that is not there" answers 3 UNKNOWN ".*nothing.*" --ca nothing "$tls"
for arguments in '' '--no-such-option' '-w x tcp://localhost:7' "-i 1 $plain" "$plain $plain" '-w'; do
    # shellcheck disable=SC2086
    run 3 check $arguments
    expect "check $arguments: UNKNOWN on standard output" says '^ECHO UNKNOWN - .+'
done

# ---- --json ----
run 0 check --json "${ca[@]}" "$tls"
expect "--json" json "d['command'] == 'check' and d['url'] == '$tls' and d['status'] == 'OK' and
d['time_msec'] * 1e6 >= d['connect_nsec'] + d['handshake_nsec'] + d['echo_nsec'] > 0 and
d['tls']['version'] == 'TLSv1.3' and 28 < d['expiry_days'] < 31 and 'error' not in d"
run 2 check --json "$(bad corrupt@10)"
expect "--json of a fault" json 'd["status"] == "CRITICAL" and "byte 10 of 64" in d["error"] and
d["tls"] is None and d["expiry_days"] is None'
run 1 check --json -w 0.001 "$plain"
expect "--json of a warning" json 'd["status"] == "WARNING" and "more than" in d["error"]'
stop_echod
