#!/bin/bash
# drain-health.sh - SIGUSR1: load balancers find the health listeners closed, and nothing else changes,
# until a reload opens them again.
. "$(dirname "$0")/lib.sh"
need systemd-socket-activate socat

conf="max_clients_per_source = 0; listeners = ( { name = \"plain\"; port = 0; },
    { name = \"health\"; port = $(nobody); health = true; host = \"127.0.0.1\"; },
    { name = \"path\"; host = \"unix:health\"; health = true; },
    { name = \"tls\"; port = 0; $tls_on } );"
closed='the health listeners are closed until a reload; the others go on'
nothing='SIGUSR1 changes nothing:'
times() { [ "$(grep -cF -- "$2" $log)" = "$1" ]; } # N TEXT: in the log
reload() { # N: the Nth
    kill -HUP "$echod_pid"
    within 60 times "$1" 'echod.conf: reloaded' || fail "reload $1"
}

# ---- closed, and open again ----
start_echod "$conf"
health=$(port health)
expect "a health listener is one like any other" peer whole health
start_peer loop plain --keep
of_plain=$!
start_peer loop tls --keep
of_tls=$!
start_peer loop health --keep
of_health=$!
expect "three clients" within 60 serves 3
kill -USR1 "$echod_pid"
expect "SIGUSR1 closes it" within 60 refused "$health"
expect "says so" within 60 times 1 "$closed"
expect "and takes its path away" [ ! -e health ]
for name in plain tls; do expect "$name goes on" peer whole $name; done
expect "those that were there stay, on the health listener too" serves 3
kill -USR1 "$echod_pid"
expect "a second one changes nothing" within 60 logged "$nothing the health listeners are closed already"
printf 'prot = 1;' >echod.conf
kill -HUP "$echod_pid"
expect "nor does a reload that fails" within 60 logged 'not reloaded'
expect "the health listener stays closed" refused "$health"
printf '%s\n' "$conf" >echod.conf
reload 1
expect "a reload opens it on the same port" [ "$(port health)" = "$health" ]
expect "and serves there" peer whole health
expect "and on the path" [ "$(echo word | socat -t 60 - UNIX-CONNECT:health)" = word ]
kill -USR1 "$echod_pid"
expect "it closes again" within 60 refused "$health"

# ---- a signal to all processes, as systemctl kill sends it ----
group=$(pgrep -P "$echod_pid")
signer=$(signer)
# shellcheck disable=SC2086 # words
for _ in 1 2 3; do kill -USR1 "$echod_pid" $group; done
sleep 0.3
expect "sent to all processes it harms none" serves 3
expect "nor the signer" [ "$(signer)" = "$signer" ]
for name in plain tls; do expect "$name goes on" peer whole $name; done

# ---- under load, among reloads ----
for i in {2..8}; do
    reload "$i"
    expect "reload $i: open" peer whole health
    kill -USR1 "$echod_pid"
    within 60 refused "$health" || fail "reload $i: not closed"
done
for pid in $of_plain $of_tls $of_health; do
    kill "$pid"
    wait "$pid" || fail "a client was lost over it"
done
echo "ok - no client was lost over it"
start_peer silent plain
silent=$!
within 60 serves 1
kill -TERM "$echod_pid"
within 60 logged stopping
kill -USR1 "$echod_pid"
sleep 0.2
expect "while it drains SIGUSR1 is nothing" serves 1
kill $silent
expect_exit 0 "$echod_pid"
expect_records 0 end=crashed

# ---- where there is none ----
start_echod "$both"
kill -USR1 "$echod_pid"
expect "without a health listener there is a warning" within 60 logged "$nothing no listener has health = true"
for name in plain tls; do expect "and $name goes on" peer whole $name; done
stop_echod

# ---- one that was passed stays the service manager's: connections wait there, and none is answered ----
read -r one two <<<"$(nobody) $(nobody)"
cat >echod.conf <<'CONF'
listeners = ( { name = "plain"; port = 7007; }, { name = "health"; port = 7000; health = true; } );
CONF
launch systemd-socket-activate -l "127.0.0.1:$one" -l "127.0.0.1:$two" --fdname=plain:health "$ECHOD" -c echod.conf
within 60 logged "Listening on 127.0.0.1:$two" || fail "systemd-socket-activate"
ping() { "$ECHOC" ping -c 1 --timeout 60 -W 60 "tcp://127.0.0.1:$1" >"out.$1" 2>&1; }
for port in $one $two; do expect "a passed one serves" ping $port; done
kill -USR1 "$echod_pid"
expect "SIGUSR1 leaves it" within 60 times 1 "$closed"
ping "$two" &
waiting=$!
for _ in {1..10}; do ping "$one" || fail "the other one does not go on"; done
expect "nobody answers there, while the other one goes on" [ "$(grep -c seq= "out.$two")" = 0 ]
reload 1
expect "a reload takes it back, with who has waited" wait $waiting
stop_echod
