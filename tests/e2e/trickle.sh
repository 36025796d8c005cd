#!/bin/bash
# trickle.sh - clients that send and read little by little get all of it; that is slow, not idle.
. "$(dirname "$0")/lib.sh"

start_echod "idle_timeout = 10; $both"

# a byte a packet both ways: with TLS the handshake too, and no packet holds a whole record
for way in plain tls1.2 tls1.3; do
    expect "a byte at a time, $way" peer whole $way --size 100 --piece 1
done
expect_records 3 end=closed bytes_out=100

# more than the kernel holds, so that the daemon waits to write for longer than idle_timeout
slow=(--size 8000000 --receive-buffer 8192 --piece 8192 --pause-read 0.02)
start_peer whole plain "${slow[@]}"
plain=$!
start_peer whole tls "${slow[@]}"
tls=$!
expect "two slow readers" within 60 serves 2
expect "others are not slowed down" peer many plain
expect "by the slow ones" within 60 serves 2
expect "a slow reader gets all" wait $plain
expect "with TLS too" wait $tls
expect_records 2 end=closed bytes_out=8000000
for usec in $(records bytes_out=8000000 | field duration_usec); do
    expect "that took longer than idle_timeout" test "$usec" -gt 12000000
done
stop_echod
