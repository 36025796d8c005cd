#!/bin/bash
# echoc-load.sh - `echoc load` finds every fault of a server and none of a good one, and its
# schedule shows a pause that the usual way of measuring hides.
. "$(dirname "$0")/lib.sh"

ca=(--ca "$PKI/ca.crt")

# a short load, and longer ones until all connections, or the wrong byte, were seen
long_enough() { # STATUS EXPRESSION OPTION...
    local seconds
    for seconds in 0.2 2 20; do
        "$ECHOC" load --json -d $seconds "${ca[@]}" "${@:3}" >out 2>err </dev/null
        [ $? = "$1" ] && json "$2" && return
    done
    cat out err
    fail "echoc load ${*:3}: not exit status $1 and $2"
}
good() { # LISTENER OPTION...: no error
    long_enough 0 'd["messages"] > 0 and d["dialed"] >= d["connections"]' "${@:2}" "$(url "$1")"
    json 'd["errors"] == 0 and d["troubles"] == {} and d["messages"] > 0 and
d["latency"]["count"] == d["messages"] and d["dialed"] == d["connect"]["count"] and
d["bytes"] % d["messages"] == 0' || { cat out; return 1; }
}
told() { json "$@" || { cat "${2-out}"; return 1; }; }
finds() { # KIND TROUBLE WORDS OPTION...: the first error is of this sort and at this place
    long_enough 1 'd["errors"] > 0' -C 1 -s 100 "${@:4}" "$(bad "$1")"
    json "list(d['troubles']) == ['$2'] and d['troubles']['$2']['first'] == '''$3''' and
d['errors'] == d['troubles']['$2']['count'] > 0" || { cat out; return 1; }
}

# ---- good servers ----
start_echod "max_clients = 4000; listeners = (
    { name = \"plain\"; port = 0; },
    { name = \"tls\"; port = 0; $tls_on },
    { name = \"unix\"; host = \"unix:$dir/plain.socket\"; },
    { name = \"line\"; port = 0; framing = \"line\"; },
    { name = \"marker\"; port = 0; framing = \"marker\"; marker = \"--end--\"; },
    { name = \"length\"; port = 0; framing = \"length\"; },
    { name = \"tls-line\"; port = 0; framing = \"line\"; $tls_on },
    { name = \"tls-marker\"; port = 0; framing = \"marker\"; marker = \"--end--\"; $tls_on },
    { name = \"tls-length\"; port = 0; framing = \"length\"; $tls_on }
);"
for name in plain tls; do
    expect "$name" good $name -C 20 -j 2
    expect "$name: its figures" told 'd["command"] == "load" and d["connections"] == 20 and
d["threads"] == 2 and d["size"] == 64 and d["rate"] == 0 and d["duration_sec"] > 0.1 and
d["dialed"] == 20 and d["resumed"] == 0 and d["bytes"] == 64 * d["messages"] and
d["messages_per_sec"] > 0'
    expect "$name: eight messages under way" good $name -C 10 -D 8
    expect "$name: and large ones" good $name -C 4 -D 8 -s 100000
    expect "$name: a connection for each" good $name -C 8 --new
    expect "$name: so many of them" told 'd["dialed"] - 8 <= d["messages"] <= d["dialed"]'
done
within 60 serves 0
expect "all have ended in order" test "$(records end=closed | wc -l)" = "$(records | wc -l)"
expect "unix" good unix -C 10 -j 2 -D 3
for version in 1.2 1.3; do
    expect "tls: resumed, $version" good tls -C 4 --resume --tls-max $version
    expect "tls: nearly all of them" told 'd["dialed"] - 4 <= d["resumed"] < d["dialed"]'
done
for tls in '' tls-; do
    expect "${tls}line" good ${tls}line --framing line -D 4
    expect "${tls}marker" good ${tls}marker --framing marker --marker --end-- -D 4
    expect "${tls}length" good ${tls}length --framing length -D 4
    expect "${tls}length: one byte and four" told 'd["bytes"] == 68 * d["messages"]'
done
expect_records 0 end=truncated

# ---- bad servers ----
start_bad corrupt@12345 drop@12345 duplicate@12345 truncate@12345 truncate@12300 reset@12345 \
    stall@12345 prompt@100 babble extra hang tls-corrupt@12345 tls-truncate@12345 tls-no-close-notify
in_123='at byte 12345 of the connection, in message 123'
for tls in '' tls-; do
    expect "${tls}corrupt" finds ${tls}corrupt@12345 wrong "another byte than was sent $in_123"
    expect "${tls}truncate" finds ${tls}truncate@12345 broken "the server ended $in_123"
done
expect "drop" finds drop@12345 wrong "another byte than was sent $in_123"
expect "duplicate" finds duplicate@12345 wrong \
    "another byte than was sent at byte 12346 of the connection, in message 123"
expect "reset" finds reset@12345 broken "Connection reset by peer $in_123"
expect "stall" finds stall@12345 timeout "timed out $in_123" -W 3
expect "babble" finds babble wrong \
    "another byte than was sent at byte 100 of the connection, in message 1"
expect "extra" finds extra end \
    "more came back than was sent at byte 100 of the connection, in message 1" --new
expect "hang" finds hang end \
    "the server does not end its side at byte 100 of the connection, in message 1" --new -W 3
expect "no-close-notify" finds tls-no-close-notify end \
    "closed without close_notify at byte 100 of the connection, in message 1" --new
expect "eight under way, one of them wrong" finds corrupt@12345 wrong \
    "another byte than was sent $in_123" -D 8
run 0 load --json -d 2 -C 1 -s 100 --new "$(bad prompt@100)"
expect "an end that comes with the echo: the next begins at once" told 'd["dialed"] >= 10'
expect "an end while nothing is under way" finds truncate@12300 broken \
    "the server ended at byte 12300 of the connection, in message 123" -r 500
run 1 load -d 2 -C 1 -s 100 "$(bad corrupt@12345)"
expect "in words" says "^  wrong +[0-9]+, the first: another byte than was sent $in_123$"
run 2 load -d 0.3 "tcp://127.0.0.1:$(nobody)"
expect "nobody listens" complains ': connect: Connection refused$'

# ---- a schedule that leaves most connections idle ----
cpu_msec() { # of this shell's children that have ended
    awk -v ticks="$(getconf CLK_TCK)" '{ print int(($16 + $17) * 1000 / ticks) }' /proc/$$/stat
}
for name in plain tls; do
    before=$(cpu_msec)
    run 0 load --json -d 3 -C 20 -r 5 -W 2 "${ca[@]}" "$(url $name)"
    after=$(cpu_msec)
    expect "$name: no idle one is an error" told 'd["errors"] == 0 and 8 <= d["messages"] <= 5 * d["duration_sec"] + 2'
    sanitized || expect "$name: and none needs the processor" test $((after - before)) -lt 800
done

# ---- a pause of a second: a schedule shows it; a closed loop hides it, and so does a warm-up ----
plain=$(url plain)
beside() { # NAME OPTION...: a load, whose figures are NAME/out, beside the others
    mkdir "$1"
    (cd "$1" && run 0 load --json "${@:2}" "$plain") &
    loads+=($!)
}
stop_for_a_second() {
    local pids
    sleep 1
    pids="$echod_pid $(children)"
    # shellcheck disable=SC2086
    kill -STOP $pids && sleep 1 && kill -CONT $pids
}
beside schedule -d 4 -C 10 -r 200
beside closed -d 4 -C 2
beside warm-up --warmup 4 -d 1 -C 10 -r 200
stop_for_a_second
for pid in "${loads[@]}"; do wait "$pid" || fail "a load beside others"; done
expect "the schedule: all were sent" told '600 <= d["messages"] <= 200 * d["duration_sec"] + 2 and d["rate"] == 200' schedule/out
expect "the schedule: p99.9 shows the pause" told 'd["latency"]["p999_usec"] > 700e3' schedule/out
expect "the schedule: and a fifth waited" told 'd["latency"]["p90_usec"] > 200e3' schedule/out
expect "the closed loop: p99 hides it" told 'd["latency"]["p99_usec"] < d["latency"]["max_usec"] / 2' closed/out
expect "the closed loop: the slowest has it" told 'd["latency"]["max_usec"] > 700e3' closed/out
expect "the warm-up: a second's messages" told '100 <= d["messages"] <= 200 * d["duration_sec"] + 2 and d["dialed"] == 10' warm-up/out
expect "the warm-up: which took a second" told 'd["duration_sec"] > 0.9' warm-up/out
expect "the warm-up: and none saw the pause" told 'd["latency"]["p99_usec"] < 700e3' warm-up/out

# ---- in words; an interrupt; figures that were measured elsewhere ----
run 0 load -d 0.5 -C 3 -j 2 "${ca[@]}" "$(url tls)"
for line in '3 connections, 2 threads, 64 bytes, as fast as answered, [0-9.]+ s$' \
    '^messages +[0-9]+ \([0-9]+/s\)$' '^bytes +[0-9]+ each way' '^connections +3 .* 0 resumed$' \
    '^latency min/avg/max/mdev = ' '^latency p50/p90/p99/p99.9 = ' '^connect min' '^tls min' \
    '^  < .* [um]s +[0-9.]+% #+$' '^errors +0$'; do
    expect "a line with $line" says "$line"
done
"$ECHOC" load --json -d 60 "$(url plain)" >out 2>err &
within 60 serves 10
kill -INT $!
expect_exit 0 $!
expect "an interrupt: what there is" told '0 < d["duration_sec"] < 50 and d["errors"] == 0'
run 0 load --json -d 0.5 -C 1 -s 1234 "$(url plain)"
messages=$(python3 -c 'import json; print(json.load(open("out"))["messages"])')
expect_records 1 listener=plain bytes_in=$((1234 * messages)) bytes_out=$((1234 * messages))
stop_echod
