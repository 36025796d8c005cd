#!/bin/bash
# limits.sh - each limit ends the client that reaches it, no other, with a record that says so.
. "$(dirname "$0")/lib.sh"

later() { # WORDS COMMAND...: it takes its time, and must have succeeded by all_done
    "${@:2}" &
    words[$!]=$1
}
all_done() {
    local pid
    for pid in "${!words[@]}"; do expect "${words[pid]}" wait "$pid"; done
}
words=()
cut_off() { # LISTENER SIZE: of so many bytes the first 1000 come back, and then the end
    [[ $(peer whole "$1" --size "$2" 2>&1) == *"1000 of $2 bytes came back"* ]]
}

start_echod "idle_timeout = 0; listeners = (
    { name = \"free\"; port = 0; },
    { name = \"idle\"; port = 0; idle_timeout = 0.4; },
    { name = \"tls-handshake\"; port = 0; handshake_timeout = 0.4; $tls_on },
    { name = \"session\"; port = 0; session_timeout = 0.8; },
    { name = \"bytes\"; port = 0; max_bytes = 1000; },
    { name = \"tls-bytes\"; port = 0; max_bytes = 1000; $tls_on },
    { name = \"long-idle\"; port = 0; idle_timeout = 5; },
    { name = \"tls-long-handshake\"; port = 0; handshake_timeout = 60; $tls_on },
    { name = \"long-session\"; port = 0; session_timeout = 60; }
);"
start_peer silent free --seconds 600
free=$!

# ---- just under the time: far enough that a busy machine makes no difference ----
later "who is silent for a shorter time stays" \
    peer whole long-idle --size 12 --piece 1 --pause-send 0.5
later "a slow handshake is done" peer whole tls-long-handshake --piece 100 --pause-send 0.2
later "a shorter session is served" peer whole long-session --size 4 --piece 1 --pause-send 0.5

# ---- time ----
expect "idle_timeout ends who is silent" peer silent idle --seconds 120
expect_records 1 listener=idle end=idle
expect "when it is time" lasted 400 20000 end=idle

expect "handshake_timeout ends who does not begin one" \
    peer silent free --port "$(port tls-handshake)" --seconds 120
expect "and who stops half-way" peer silent tls-handshake --half-handshake --seconds 120
# a byte at a time must not buy time
peer whole tls-handshake --piece 1 --pause-send 0.05 --timeout 120 2>/dev/null &&
    fail "the handshake had no end"
expect_records 3 listener=tls-handshake end=handshake_timeout
expect "when it is time" lasted 400 20000 end=handshake_timeout

peer loop session --keep --seconds 120 2>/dev/null && fail "the session had no end"
expect_records 1 listener=session end=session_timeout
expect "session_timeout ends who is busy, when it is time" lasted 800 20000 end=session_timeout

all_done
expect_records 1 listener=long-idle end=closed bytes_out=12
expect "for longer than idle_timeout in all" lasted 5500 60000 listener=long-idle
expect_records 1 listener=tls-long-handshake end=closed bytes_out=1024
expect_records 1 listener=long-session end=closed bytes_out=4

# ---- bytes ----
for name in bytes tls-bytes; do
    expect "$name: one fewer than it takes" peer whole $name --size 999
    expect_records 1 listener=$name end=closed bytes_in=999 bytes_out=999
    expect "$name: as many as it takes" peer whole $name --size 1000
    expect_records 1 listener=$name end=closed bytes_in=1000 bytes_out=1000
    expect "$name: one more" cut_off $name 1001
    expect "$name: many more" cut_off $name 300000
    expect_records 2 listener=$name end=max_bytes bytes_in=1000 bytes_out=1000
done

expect "a client without limits is still there" serves 1
kill $free
stop_echod

# ---- clients at a time ----
start_echod "max_clients = 2; $both"
start_peer silent plain --seconds 600
first=$!
expect "one client" within 60 serves 1
start_peer silent tls --seconds 600
second=$!
expect "two clients" within 60 serves 2
start_peer whole plain
third=$!
sleep 0.5
expect "a third one waits" kill -0 $third
expect "and has no process" serves 2
kill $first
expect "it is served when one has gone" wait $third
expect_records 1 end=closed bytes_out=1024
kill $second
stop_echod
