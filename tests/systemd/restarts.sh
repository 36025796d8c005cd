#!/bin/bash
# restarts.sh - while clients come all the time, over plaintext and TLS, the service behind
# its sockets is restarted and reloaded again and again ($restarts and $reloads times): not one connection is
# lost, as the clients count.
# shellcheck source-path=SCRIPTDIR
limit=3600
export restarts=${restarts-15} reloads=${reloads-30}
. "$(dirname "$0")/lib.sh"

install_echod
cat >/run/systemd/system/secure.socket <<'UNIT'
[Socket]
FileDescriptorName=secure
ListenStream=127.0.0.1:7443
Service=echod.service
UNIT
systemctl daemon-reload
settings <<CONF
listeners = ( { name = "echo"; port = 7; }, { name = "secure"; port = 7443; tls = { $credentials }; } );
log = { level = "notice"; };
CONF
systemctl start echod.socket secure.socket || fail "the sockets do not start"
expect "it serves" echo_on 7
expect "and over TLS" tls_on 7443

clients=0
come() { # OPTION...: a client that goes on until end_clients
    clients=$((clients + 1))
    python3 "$peer" loop --seconds 1200 "$@" >"/tmp/client.$clients" 2>&1 &
}
plain() { come --port 7 "$@"; }
secure() { come --port 7443 --tls --ca "$PKI/ca.crt" "$@"; }
end_clients() { # WORDS: none of them has lost anything
    local pid trips
    for pid in $(jobs -rp); do kill -TERM "$pid"; done
    for pid in $(jobs -p); do wait "$pid" || fail "$1: a client has lost a connection: $(cat /tmp/client.*)"; done
    [ "$(grep -l 'round trips$' /tmp/client.* | wc -l)" = $clients ] || fail "$1: $(cat /tmp/client.*)"
    trips=$(cat /tmp/client.* | awk '{ n += $1 } END { print n }')
    [ "$trips" -gt "$2" ] || fail "$1: only $trips round trips"
    ok "$1, $trips round trips, none lost"
    rm /tmp/client.*
    clients=0
}

again() { # N restart|reload, under the clients that have come
    local i begin
    begin=$(date +%s%N)
    for ((i = 0; i < $1; i++)); do
        systemctl "$2" echod.service || fail "$2 $i"
    done
    ok "$1 times $2 in $((($(date +%s%N) - begin) / 1000000)) ms"
    end_clients "$1 times $2" "$1"
}

plain && plain && secure && secure
again "$restarts" restart

pid=$(main_pid)
plain && plain --keep && secure && secure --keep
again "$reloads" reload
expect "it is the process of before" [ "$(main_pid)" = "$pid" ]
systemctl stop echod.socket secure.socket echod.service
journalctl -q --sync
expect "no client's process has crashed" test -z "$(journalctl -q ECHOD_END=crashed)"
echo "$n checks"
