#!/bin/bash
# drain.sh - SIGTERM: nobody new, those that are there may finish, and those that do not are cut.
. "$(dirname "$0")/lib.sh"

# ---- a busy client finishes ----
start_echod "$both"
ports=("$(port plain)" "$(port tls)")
start_peer loop plain --keep
plain=$!
start_peer loop tls --keep
tls=$!
expect "two clients" within 60 serves 2
kill -TERM "$echod_pid"
for port in "${ports[@]}"; do
    expect "new clients are refused at once" within 60 refused "$port"
done
expect "while those of before stay" within 60 serves 2
kill $plain
expect "and finish" wait $plain
expect "one by one" within 60 serves 1
kill $tls
expect "all of them" wait $tls
expect_exit 0 "$echod_pid"
expect_records 2 end=closed

# ---- a client that does not ----
start_echod "drain_timeout = 0.5; $both"
start_peer silent plain
silent=$!
expect "a silent client" within 60 serves 1
stop_echod
expect_records 1 end=drained
expect "is cut" wait $silent

# ---- impatience ----
start_echod "drain_timeout = 600; $both"
start_peer silent tls
silent=$!
expect "a silent client" within 60 serves 1
kill -TERM "$echod_pid"
expect "the drain has begun" within 60 logged stopping
sleep 0.5
expect "and goes on" serves 1
stop_echod
expect_records 1 end=drained
expect "a second SIGTERM cuts" wait $silent
