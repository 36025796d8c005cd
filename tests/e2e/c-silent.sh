#!/bin/bash
# c-silent.sh - clients that say nothing hold up nobody else.
. "$(dirname "$0")/lib.sh"

start_echod "$both"
silent=()
start_peer silent plain
silent+=($!)
start_peer silent tls
silent+=($!)
start_peer silent tls --half-handshake
silent+=($!)
expect "three silent clients" within 60 serves 3

expect "20 plain clients beside them" peer many plain --count 20
expect "20 TLS clients beside them" peer many tls --count 20
expect_records 40 end=closed
expect "the silent ones are still there" serves 3

kill "${silent[@]}"
expect "and gone when they go" within 60 serves 0
stop_echod
