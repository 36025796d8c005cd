#!/bin/bash
# hostile.sh - what hostile peers cost the honest ones. A measurement, no test: run it by hand, on a
# machine with nothing else to do.
#
#   tests/chaos/hostile.sh [ROUNDS [SECONDS [RATE]]]       (3 rounds of 10 seconds, 500 a second)
#
# 50 honest clients on the plain listener send RATE messages a second after a warm-up, without and
# with 2,000 silent, 200 slow (a byte a second) and 200 garbage-sending peers on the TLS listener, the
# latter coming again $AGAIN (60) seconds later on average: A B A B ... Prints the
# medians of p50 and p99 and their ratios, and how long a hostile peer has stayed at the most, whose
# handshake_timeout is 60 seconds. $ECHOD, $SILENT, $SLOW and $GARBAGE replace the daemon and the
# numbers, $ARRIVALS how many come a second.
top_srcdir=$(cd "$(dirname "$0")/../.." && pwd)
. "$top_srcdir/tests/e2e/lib.sh"
rounds=${1:-3} seconds=${2:-10} rate=${3:-500}
silent=${SILENT:-2000} slow=${SLOW:-200} garbage=${GARBAGE:-200}
timeout=60 # handshake_timeout
ulimit -n "$(ulimit -Hn)"

has_setting() { "$ECHOD" -T -c /dev/null | grep -q "^ *$1 "; }
more=
if has_setting max_clients_per_source; then more="max_clients_per_source = 0;"; fi

measure() { # A|B: its p50 and p99 in microseconds to the file of that name
    run 0 load --warmup 2 -C 50 -r "$rate" -d "$seconds" --json "$(url plain)"
    python3 -c 'import json
latency = json.load(open("out"))["latency"]
print(latency["p50_usec"], latency["p99_usec"])' >>"$1" || fail "no latencies: $(cat out)"
    printf '%s: p50 and p99 in µs: %s\n' "$1" "$(tail -n 1 "$1")"
}
served() { [ "$(children | wc -l)" -ge $((silent + slow)) ]; }
invade() {
    # what it costs to be hostile is not to be measured, and would be paid elsewhere
    nice -n 19 python3 "$top_srcdir/tests/chaos/hostile.py" --port "$(port tls)" --silent "$silent" \
        --slow "$slow" --garbage "$garbage" --again "${AGAIN:-60}" --rate "${ARRIVALS:-200}" &
    hostile=$!
    within 50 served || fail "only $(children | wc -l) hostile peers are there"
}
leave() { # how long they have stayed
    kill -USR1 $hostile
    within $((timeout + 30)) serves 0 || fail "$(children | wc -l) hostile peers are left over"
    wait $hostile
    expect_records $(((silent + slow) * (round + 1))) end=handshake_timeout
    printf 'the longest of them has stayed %s ms\n' \
        "$(($(records end=handshake_timeout | field duration_usec | sort -n | tail -n 1) / 1000))"
}
median() { # FILE COLUMN
    cut -d' ' -f"$2" "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

start_echod "max_clients = 4000; handshake_timeout = $timeout; $more $both"
for ((round = 0; round < rounds; round++)); do
    measure A
    invade
    measure B
    leave
done
awk -v a50="$(median A 1)" -v b50="$(median B 1)" -v a99="$(median A 2)" -v b99="$(median B 2)" '
BEGIN { printf "p50: %d µs without, %d µs with, ratio %.2f\n", a50, b50, b50 / a50
        printf "p99: %d µs without, %d µs with, ratio %.2f\n", a99, b99, b99 / a99 }'
