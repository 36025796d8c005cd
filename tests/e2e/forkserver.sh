#!/bin/bash
# forkserver.sh - who makes the processes of clients has nothing else to its name; if it dies another one takes its
# place, and no client notices.
. "$(dirname "$0")/lib.sh"

no_zombie() { ! ps -o stat= --ppid "$echod_pid" | grep -q Z; }
has_forkserver() { [ -n "$(forkserver)" ]; }
another() { has_forkserver && [ "$(forkserver)" != "$1" ]; }
dies() { # PID: and the next client is served
    kill -KILL "$1"
    within 60 gone "$1" || fail "it does not die"
    peer whole plain
}

start_echod "max_clients_per_source = 0; listeners = ( { name = \"plain\"; port = 0; }, { name = \"tls\"; port = 0; $tls_on } );"
! has_forkserver || fail "there is a fork server and no client"
expect "the first client" peer whole plain
expect "the first one over TLS" peer whole tls
first=$(forkserver)
expect "one fork server" test "$(wc -w <<<"$first")" = 1
if ! sanitized && [ "$(id -u)" = 0 ]; then
    sockets() { find "/proc/$first/fd" -lname 'socket:*' | wc -l; }
    expect "it has the line to the parent and that to the signer: no socket that listens" test "$(sockets)" = 2
    expect "it is restricted" grep -q '^Seccomp:.*2' "/proc/$first/status"
    expect "it gains no privileges" grep -q '^NoNewPrivs:.*1' "/proc/$first/status"
fi

for ((i = 0; i < 20; i++)); do
    dies "$(forkserver)" || fail "no client is served after $i deaths"
done
echo "ok - 20 fork servers killed"
logged "the process that makes those of clients has ended or been stopped; another one takes its place" || fail "no word of it"

# while clients come and go
timeout 120 "$ECHOC" load -C 8 -d 2 --new --json "$(url plain)" >load 2>&1 &
load=$!
kills=0
until gone $load; do
    pid=$(forkserver)
    [ -n "$pid" ] && kill -KILL "$pid" && kills=$((kills + 1))
    sleep 0.1
done 2>/dev/null
grep -q '"errors":0,' load || fail "$kills killed under load: $(cat load)"
echo "ok - $kills killed under load, and no client has noticed"
expect "no zombie is left" within 60 no_zombie
expect "clients are served" peer whole plain

pid=$(forkserver)
kill -STOP "$pid"
expect "one that has been stopped is killed" within 60 gone "$pid"
expect "and the next client is served" peer whole plain

timeout 120 "$ECHOC" load -C 8 -d 1 --new --json "$(url plain)" >load 2>&1 &
load=$!
until gone $load; do
    kill -STOP "$echod_pid"
    kill -CONT "$echod_pid"
    sleep 0.01
done
grep -q '"errors":0,' load || fail "the parent was stopped and went on: $(cat load)"
expect "the parent was stopped and went on many times: no zombie" within 60 no_zombie

old=$(forkserver)
kill -HUP "$echod_pid"
expect "reloaded" within 60 logged "echod.conf: reloaded"
expect "a client of the new settings" peer whole tls
expect "has been made by another one" another "$old"
stop_echod
within 60 gone "$old" || fail "the old one is still there"
expect "the books balance" grep -qE 'stopped: ([0-9]+) accepted = 0 refused \+ \1 ended' $log

# whoever kills the parent has no fork server left
start_echod 'listeners = ( { name = "plain"; port = 0; } );'
expect "the first client" peer whole plain
pid=$(forkserver)
kill -KILL "$echod_pid"
wait "$echod_pid" 2>/dev/null
expect "it ends with the parent" within 60 gone "$pid"
