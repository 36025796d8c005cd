#!/bin/bash
# e-crash.sh - a process that is killed costs one client, which leaves a record of it.
. "$(dirname "$0")/lib.sh"

start_echod "$both"
start_peer silent plain
silent=$!
expect "a client to lose its process" within 60 serves 1
victim=$(children)
others=()
for way in plain tls; do
    start_peer loop $way --keep
    others+=($!)
done
expect "two others that stay" within 60 serves 3

kill -KILL "$victim"
expect_records 1 end=crashed listener=plain bytes_in=0 'error="killed by signal 9 (Killed)"'
wait $silent || fail "the client was not told"
expect "new clients are served" peer whole tls
expect "the others are still there" within 60 serves 2
kill "${others[@]}"
for pid in "${others[@]}"; do
    wait "$pid" || fail "another client has suffered"
done
expect_records 3 end=closed
expect_records 4
crashes=1
stop_echod
