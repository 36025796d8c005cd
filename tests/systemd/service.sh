#!/bin/bash
# service.sh - echod under a real systemd: started, reloaded, activated by its sockets, stopped.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

status_text() { property StatusText; }

install_echod
expect "the units are well-formed" systemd-analyze verify "$systemdsystemunitdir"/echod{,-standalone}.service \
    "$systemdsystemunitdir"/echod{@.service,.socket}
expect "the service has an exposure of 0.5 at most" systemd-analyze security --no-pager --threshold=5 echod.service
expect "on its own, 1.5" systemd-analyze security --no-pager --threshold=15 echod-standalone.service
unit=echod-standalone.service
expect "the installed settings are right" "$sbindir/echod" -t

# ---- start, reload, stop: the service binds its own sockets ----
expect "systemctl start, with the settings as installed" systemctl start "$unit"
expect "it serves as soon as start returns" echo_on 7
expect "its status is shown" eval 'status_text | grep -qE "^(Serving|[0-9]+ clients, )"'
expect "the status has live counts" within 60 sh -c 'systemctl show -P StatusText echod-standalone | grep -q "^0 clients, 1 served, 0 refused, 5 bytes echoed$"'

settings <<CONF
listeners = (
    { name = "echo"; port = 7007; },
    { name = "secure"; port = 7443; tls = { $credentials }; }
);
CONF
pid=$(main_pid)
expect "systemctl reload" systemctl reload "$unit"
expect "what the reload brought serves as soon as it returns" echo_on 7007
expect "and TLS" tls_on 7443
expect "what it took away does not" sh -c '! timeout 60 socat -u /dev/null TCP:127.0.0.1:7 2>/dev/null'
expect "the process is the same" test "$(main_pid)" = "$pid"

settings <<<'port = 70000; hots = "localhost";'
sleep 1.5 # no count of clients is on its way any more, which would take the place of the text
systemctl reload "$unit"
expect "of a faulty reload the status says so" \
    within 60 eval 'status_text | grep -qi "not reloaded"'
expect "and the settings are kept" echo_on 7007
expect "and it goes on to, with the counts and what certificates have left" within 60 \
    sh -c 'systemctl show -P StatusText "$unit" | grep -qE "echoed; not reloaded at [0-9:]+ UTC; a certificate expires on $(
        date -u -d "$(openssl x509 -noout -enddate -in "$PKI/server.crt" | sed s/.*=//)" +%F)$"'
expect "the log names the line" logged "$conf:1: hots: no such setting; did you mean host?"
expect "it is still active" systemctl -q is-active "$unit"

# ---- metrics, which others read ----
settings <<<'port = 7007; metrics_file = "/run/echod/echod.prom";'
expect "reload with metrics_file" systemctl reload "$unit"
expect "any user can read the metrics" within 60 runuser -u nobody -- grep -q '^echod_last_reload_successful 1$' /run/echod/echod.prom
settings <<CONF
listeners = (
    { name = "echo"; port = 7007; },
    { name = "secure"; port = 7443; tls = { $credentials }; }
);
CONF
systemctl reload "$unit" || fail "reload without metrics_file"
expect "and without it they are gone" within 60 test ! -e /run/echod/echod.prom

# ---- the records, native fields ----
field() { journalctl -q -u "$unit" -o json "$1" | python3 -c "
import json, sys
wanted = '$2'.split()
rows = [json.loads(line) for line in sys.stdin]
sys.exit(not rows or any(name not in row for row in rows for name in wanted))"; }
journalctl -q --sync
common="MESSAGE MESSAGE_ID PRIORITY ECHOD_LISTENER ECHOD_CLIENT ECHOD_CLIENT_PORT ECHOD_BYTES_IN
 ECHOD_BYTES_OUT ECHOD_DURATION_USEC"
expect "each plain client has its record" field ECHOD_LISTENER=echo "ECHOD_END ${common//$'\n'/}"
expect "each TLS client too" field ECHOD_LISTENER=secure \
    "ECHOD_END ${common//$'\n'/} ECHOD_TLS_VERSION ECHOD_TLS_CIPHER ECHOD_TLS_GROUP ECHOD_TLS_RESUMED ECHOD_TLS_SNI"
printf 'rubbish\n' | timeout 60 socat - TCP:127.0.0.1:7443 >/dev/null
expect "an error stands in the record" within 60 field ECHOD_END=wrong_protocol ECHOD_ERROR
python3 "$peer" silent --port 7007 --seconds 120 &
silent=$!
within 60 children >/dev/null || fail "no process for the silent client"
kill -KILL "$(children)"
expect "a crash leaves a record" within 60 field ECHOD_END=crashed ECHOD_ERROR
wait $silent

# ---- a stop lets clients finish ----
coproc { exec socat -t 60 - TCP:127.0.0.1:7007; }
within 60 children >/dev/null || fail "no process for the client"
systemctl stop --no-block "$unit"
stopping() { [ "$(property ActiveState)" = deactivating ]; }
within 60 stopping
expect "stop refuses new clients" within 60 sh -c '! timeout 60 socat -u /dev/null TCP:127.0.0.1:7007 2>/dev/null'
echo late >&"${COPROC[1]}"
read -r -t 60 -u "${COPROC[0]}" word
expect "a client of before is still served" test "$word" = late
exec {COPROC[1]}>&-
expect "the stop is over once it has gone" within 60 sh -c '! systemctl -q is-active "$unit"'
expect "and was an orderly one" test "$(systemctl show -p Result --value "$unit")" = success

# ---- load balancers are left first ----
settings <<CONF
listeners = ( { name = "echo"; port = 7007; tls = { $credentials }; }, { name = "health"; port = 7000; health = true; } );
CONF
shut() { ! timeout 60 socat -u /dev/null TCP:127.0.0.1:7000 2>/dev/null; }
systemctl start "$unit"
pid=$(main_pid) key_signer=$(signer)
python3 "$peer" loop --port 7007 --tls --ca "$PKI/ca.crt" --keep --seconds 120 &
load=$!
within 60 children >/dev/null || fail "no process for the client"
expect "the health listener serves" echo_on 7000
systemctl kill -s USR1 "$unit"
expect "SIGUSR1, which all processes get, closes it" within 60 shut
expect "its status says so" within 60 eval 'status_text | grep -q "ealth listeners are closed"'
expect "the other one goes on" tls_on 7007
expect "the processes are the same" test "$(main_pid) $(signer)" = "$pid $key_signer"
expect "a reload" systemctl reload "$unit"
expect "opens it again" echo_on 7000
drop_in "$unit" <<'CONF'
[Service]
ExecStop=kill -s USR1 $MAINPID
ExecStop=sh -c 'until [ -e /run/let-it-stop ]; do sleep 0.1; done'
CONF
systemctl stop --no-block "$unit"
expect "with ExecStop= it closes before a stop" within 60 shut
expect "while the other one goes on" tls_on 7007
touch /run/let-it-stop
kill $load
expect "the client that was there notices nothing" wait $load
expect "and the stop comes" within 60 sh -c '! systemctl -q is-active "$unit" && [ "$(systemctl show -P ActiveState "$unit")" = inactive ]'
expect "in order" test "$(property Result)" = success
drop_in "$unit" </dev/null

# ---- faults at the start ----
settings <<<'port = "seven";'
systemctl start "$unit" 2>/dev/null && fail "it started with a faulty file"
expect "a faulty file is not tried again" test "$(systemctl show -p NRestarts --value "$unit")" = 0
expect "with exit status 78" test "$(systemctl show -p ExecMainStatus --value "$unit")" = 78
systemctl reset-failed "$unit"

# ---- behind its socket unit ----
unit=echod.service
{ plain 7; echo 'metrics_file = "/run/echod/echod.prom";'; } | settings
expect "systemctl start echod.socket" systemctl start echod.socket
expect "no service runs yet" sh -c '! systemctl -q is-active echod.service'
expect "the first connection starts it" echo_on 7
expect "the service is active" systemctl -q is-active echod.service
expect "it serves the passed sockets" logged "echo: listening on 127.0.0.1:7, passed by the service manager"

expect "its metrics too can be read" within 60 runuser -u nobody -- grep -q '^echod_clients{listener="echo"} 0$' /run/echod/echod.prom

# ---- watchdog ----
mkdir -p /run/systemd/system/echod.service.d
printf '[Service]\nWatchdogSec=6\nRestartSec=0\n' >/run/systemd/system/echod.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart echod.service
pid=$(main_pid)
fed=$(property WatchdogTimestampMonotonic)
is_fed() { [ "$(property WatchdogTimestampMonotonic)" != "$fed" ]; }
expect "the watchdog is fed" within 60 is_fed
kill -STOP "$pid"
expect "a daemon that hangs is replaced" within 60 sh -c "p=\$(systemctl show -p MainPID --value echod); [ \$p != 0 ] && [ \$p != $pid ]"
expect "and serves again" within 60 echo_on 7
systemctl stop echod.socket echod.service
echo "$n checks"
