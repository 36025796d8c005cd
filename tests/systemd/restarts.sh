#!/bin/bash
# restarts.sh - while clients come all the time, over plaintext and TLS, the service behind
# its sockets is restarted and reloaded again and again ($restarts and $reloads times): not one connection is
# lost, as the clients count.
# shellcheck source-path=SCRIPTDIR
limit=1800
export restarts=${restarts-50} reloads=${reloads-100}
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

plain && plain && secure && secure
begin=$(date +%s%N)
for ((i = 0; i < restarts; i++)); do
    systemctl restart echod.service || fail "restart $i"
done
ok "$restarts restarts in $((($(date +%s%N) - begin) / 1000000)) ms"
end_clients "$restarts restarts" "$restarts"

pid=$(main_pid)
plain && plain --keep && secure && secure --keep
begin=$(date +%s%N)
for ((i = 0; i < reloads; i++)); do
    systemctl reload echod.service || fail "reload $i"
done
ok "$reloads reloads in $((($(date +%s%N) - begin) / 1000000)) ms"
end_clients "$reloads reloads" "$reloads"
expect "it is the process of before" [ "$(main_pid)" = "$pid" ]
systemctl stop echod.socket secure.socket echod.service
expect "the books are balanced" sh -c "journalctl -q -u echod.service | grep -c crashed | grep -qx 0"
echo "$n checks"
