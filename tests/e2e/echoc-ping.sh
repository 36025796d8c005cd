#!/bin/bash
# echoc-ping.sh - `echoc ping` measures round trips, tells losses and says what is wrong.
. "$(dirname "$0")/lib.sh"

ca=(--ca "$PKI/ca.crt")
ms='[0-9]+\.[0-9]{3} ms'
four='[0-9.]+/[0-9.]+/[0-9.]+/[0-9.]+ ms'

summary() { # SENT RECEIVED LOSS LABEL...: with figures for each label and for no other
    local label
    says "^$1 sent, $2 received, $3% loss, time [0-9]+ ms(, [0-9]+ TLS sessions resumed)?$" || return
    for label in "${@:4}"; do
        says "^$label min/avg/max/mdev = $four$" && says "^$label p50/p90/p99/p99.9 = $four$" || return
    done
    [ "$(grep -c 'min/avg/max' out)" = $(($# - 3)) ]
}
lines() { [ "$(grep -Ec -- "$2" out)" = "$1" ]; } # N REGEX
took() { # LEAST MOST: milliseconds, as the summary has it
    local msec
    msec=$(sed -n 's/.* time \([0-9]*\) ms.*/\1/p' out)
    [ "$msec" -ge "$1" ] && [ "$msec" -le "$2" ]
}

start_echod "$both"
plain=$(url plain) tls=$(url tls)

# ---- lines and summary ----
run 0 ping -c 3 -i 0.05 "$plain"
expect "plain: head" says "^PING $plain \(127.0.0.1:$(port plain)\): 64 bytes of content$"
expect "plain: a line each" lines 3 "^64 bytes: seq=[123] time=$ms$"
expect "plain: summary" summary 3 3 0 echo connect
expect_records 1 end=closed listener=plain bytes_in=192 bytes_out=192
run 0 ping -c 3 -i 0.05 "${ca[@]}" "$tls"
expect "TLS: what was agreed on" says "^connected to .* in $ms, TLS in $ms: TLSv1.3, TLS_"
expect "TLS: a line each" lines 3 "^64 bytes: seq=[123] time=$ms$"
expect "TLS: summary" summary 3 3 0 echo connect tls
expect_records 1 end=closed listener=tls bytes_in=192 bytes_out=192

run 0 ping -c 3 -i 0 --new "$plain"
expect "--new: a line each" lines 3 "^64 bytes: seq=[123] connect=$ms time=$ms$"
expect "--new: summary" summary 3 3 0 echo connect
expect_records 3 end=closed listener=plain bytes_in=64
run 0 ping -c 3 -i 0 --new "${ca[@]}" "$tls"
expect "--new, TLS: a line each" lines 3 "^64 bytes: seq=[123] connect=$ms tls=$ms time=$ms$"
expect_records 3 end=closed listener=tls bytes_in=64 tls_resumed=0
for version in 1.2 1.3; do
    run 0 ping -c 3 -i 0 --resume --tls-max $version "${ca[@]}" "$tls"
    expect "--resume, TLS $version" lines 2 "^64 bytes: .* tls=$ms \(resumed\) time="
    expect "all but the first" summary 3 3 0 echo connect tls
    expect "as the summary says" says ', 2 TLS sessions resumed$'
    expect_records 2 end=closed listener=tls bytes_in=64 tls_version=TLSv$version tls_resumed=1
done

run 0 ping -c 5 -i 0.2 -s 70000 "$plain"
expect "-s and -i" lines 5 '^70000 bytes: '
expect "-i" took 800 60000
expect_records 1 bytes_in=350000 bytes_out=350000
run 0 ping -c 100 -i 0 "$plain"
expect "-i 0" summary 100 100 0 echo connect

# ---- --json ----
run 0 ping --json -c 20 -i 0 --new "${ca[@]}" "$tls"
expect "--json" json "d['command'] == 'ping' and d['url'] == '$tls' and d['sent'] == 20 and
d['received'] == 20 and d['loss_percent'] == 0 and d['resumed'] == 0 and d['duration_usec'] > 0
and d['tls']['version'] == 'TLSv1.3' and set(d['tls']) == {'version', 'cipher', 'group', 'alpn',
'resumed'} and 'error' not in d"
expect "--json: figures" json 'all(list(map(h.get, ("min_usec", "p50_usec", "p90_usec", "p99_usec",
"p999_usec", "max_usec"))) == sorted(h[name] for name in h if name not in ("count", "mean_usec",
"mdev_usec")) and h["min_usec"] <= h["mean_usec"] <= h["max_usec"] and h["count"] == 20
for h in (d["echo"], d["connect"], d["handshake"]))'
run 0 ping --json -c 2 -i 0 "$plain"
expect "--json, plain" json 'd["tls"] is None and d["handshake"] is None and
d["connect"]["count"] == 1 and d["echo"]["count"] == 2'

# ---- until it is interrupted ----
for signal in INT TERM; do
    : >out # without the lines of the run before
    "$ECHOC" ping -i 60 "$plain" >out 2>err & # between two messages: one under way would be lost
    within 60 says ' seq=1 ' || fail "no answer"
    kill -$signal $!
    expect_exit 0 $!
    expect "SIG$signal: the summary" summary 1 1 0 echo connect
done

# ---- losses ----
port=$(nobody)
run 1 ping -c 2 -i 0.05 "tcp://127.0.0.1:$port"
expect "nobody listens" lines 2 "^seq=[12] 127.0.0.1:$port: connect: Connection refused$"
expect "and all is lost" summary 2 0 100
run 1 ping --json -c 2 -i 0.05 "tcp://127.0.0.1:$port"
expect "--json of a loss" json 'd["received"] == 0 and d["loss_percent"] == 100 and
d["echo"] is None and d["connect"] is None and "refused" in d["error"]'

unread() { ss -Htn state established "sport = :${plain##*:}" | grep -q '^64 '; }
kill -STOP "$echod_pid"
run 1 ping -c 3 -i 0.05 -W 0.3 "$plain"
expect "a stopped server: its lines" lines 3 '^seq=[123] echo: timed out after 0 of 64 bytes$'
expect "a stopped server: all is lost" summary 3 0 100 connect
expect "a stopped server: when it is time" took 900 60000
run 1 ping -c 2 -i 0.05 -W 0.3 --timeout 0.3 "${ca[@]}" "$tls"
expect "a stopped server, TLS" lines 2 '^seq=[12] .*: TLS: Connection timed out$'
expect "a stopped server, TLS: all is lost" summary 2 0 100
"$ECHOC" ping -W 60 "$plain" >out 2>err &
within 60 unread || fail "no message sent"
kill -INT $!
expect "SIGINT does not wait for the answer" within 60 gone $!
expect_exit 1 $! # the message is lost
expect "and says why that one is lost" says '^seq=1 interrupted$'
expect "and prints the summary" summary 1 0 100 connect
"$ECHOC" ping --json -W 60 "$plain" >out 2>err &
within 60 unread || fail "no message sent"
kill -INT $!
expect_exit 1 $!
expect "--json of that" json 'd["received"] == 0 and d["error"] == "interrupted"'
kill -CONT "$echod_pid"

start_bad corrupt@100 stall@100 late
run 1 ping -c 3 -i 0 "$(bad corrupt@100)"
expect "a wrong byte" says '^seq=2 echo: byte 36 of 64 is not the one that was sent$'
expect "the others, on other connections" summary 3 2 33.33 echo connect
run 1 ping -c 2 -i 0 -W 3 "$(bad stall@100)"
expect "half an answer" says '^seq=2 echo: timed out after 36 of 64 bytes$'

# ---- errors that a second try would not change ----
run 2 ping --servername wrong.example "${ca[@]}" "$tls"
expect "another name: the names there are" complains \
    "TLS: the certificate is not for this name, but for localhost, 127.0.0.1, ::1$"
expect "and no statistics" test ! -s out
run 2 ping "$tls"
expect "a CA that is not trusted" complains \
    "TLS: certificate /CN=.*: unable to get (local )?issuer certificate$"
run 2 ping "tcp://no-such-host.invalid:7"
expect "an unknown host" complains '^echoc: no-such-host.invalid:7: resolve: '
run 2 ping -c 1 "${ca[@]}" "tls://127.0.0.1:$(port plain)"
expect "TLS with a plain server" complains ': TLS: '
run 0 ping -c 1 --insecure "$tls"
expect "--insecure" says '^64 bytes: seq=1 '

# ---- strace measures the same; its own time must be a small part ----
agrees() { # the median from sendto to the recvfrom that has all, which differ by less than 20 %
    python3 - <<'END'
import json, re, statistics
trips, begin = [], None
for line in open("trace"):
    m = re.match(r"([\d.]+) (sendto|recvfrom)\(.* = (-?\d+).*<([\d.]+)>$", line)
    if m and m[2] == "sendto" and m[3] == "64":
        begin = float(m[1])
    elif m and m[2] == "recvfrom" and m[3] == "64" and begin:
        trips.append((float(m[1]) + float(m[4]) - begin) * 1e6)
        begin = None
told = json.load(open("out"))["echo"]
traced = statistics.median(trips)
print(f"{len(trips)} round trips: median {traced:.1f} us by strace, {told['p50_usec']:.1f} us by echoc")
raise SystemExit(len(trips) != 300 or not 0.8 < told["p50_usec"] / traced < 1.2)
END
}
if sanitized; then
    echo "no comparison with strace: a sanitizer would complain of it"
elif ! command -v strace >/dev/null || ! strace -o trace true 2>err; then
    echo "no comparison with strace: $(cat err)"
else
    timeout 60 strace -ttt -T -s 0 -e trace=sendto,recvfrom -o trace \
        "$ECHOC" ping --json -c 300 -i 0 -s 64 "$(bad late)" >out 2>err
    expect "round trips as strace sees them" agrees
fi
stop_echod
