#!/bin/bash
# faults.sh - echod under a systemd that gives it little: processes, memory, a log, rights.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

count_of() { # MATCH...: entries of the unit with these fields
    journalctl -q --sync
    journalctl -q -u "$unit" -o cat --since "@$since" "$@" | wc -l
}
lines_with() { # TEXT
    journalctl -q --sync
    journalctl -q -u "$unit" -o cat --since "@$since" | grep -cF -- "$1"
}
mark() { since=$(date +%s.%6N); }
crowd() { python3 "$here/crowd.py" "$@"; }
turn() { crowd turns --count 1 "$@"; } # one client is served
same() { # what must never end is there as before
    [ "$(main_pid)" = "$main" ] && [ "$(signer)" = "$signer" ] && systemctl -q is-active "$unit"
}
start_echod() { # settings on standard input
    settings
    systemctl restart "$unit" || fail "it does not start"
    main=$(main_pid) signer=$(signer)
    mark
}
secure() { # LINE...: a TLS listener with the certificate of the tests
    printf '%s\n' "tls = { $credentials };" "$@"
}
open_tls() { coproc { exec socat -t 60 - "OPENSSL:localhost:$1,cafile=$PKI/ca.crt,pf=ip4"; }; }
say() { # WORD: by the client of open_tls, and it comes back
    local word
    echo "$1" >&"${COPROC[1]}"
    read -r -t 60 -u "${COPROC[0]}" word && [ "$word" = "$1" ]
}
hang_up() { exec {COPROC[1]}>&-; }

install_echod
unit=echod-standalone.service

# ---- TasksMax=: no process for a client ----
drop_in "$unit" <<<$'[Service]\nTasksMax=20'
start_echod < <(plain 7007)
for burst in 1 2 3; do
    expect "burst $burst of 60 where 20 processes may be" \
        crowd turns --port 7007 --count 60 --fit 18
done
expect "it was the same process throughout" same
short="cannot make a process for a client: Resource temporarily unavailable"
expect "the log says so" [ "$(lines_with "$short")" -gt 0 ]
seconds=$(($(date +%s) - ${since%.*}))
expect "but not more than every 10 s" [ "$(lines_with "$short")" -le $((1 + seconds / 10)) ]
expect "all 180 have their record" within 60 eval '[ "$(count_of ECHOD_END=closed)" = 180 ]'

# ---- MemoryMax=: the kernel kills ----
score() { cat "/proc/$1/oom_score_adj"; }
drop_in "$unit" <<<$'[Service]\nMemoryMax=8M'
start_echod < <(secure 'name = "secure"; port = 7443; max_clients_per_source = 0;')
open_tls 7443
expect "TLS in 8 MiB" say word
expect "a client's process is the first to be killed" \
    [ "$(score "$main") $(score "$signer") $(score "$(children)")" = "0 0 1000" ]
hang_up
expect "120 clients in 8 MiB" crowd press --port 7443 --ca "$PKI/ca.crt" --count 120
expect "one is served" turn --port 7443 --ca "$PKI/ca.crt"
expect "neither the main process nor the signer was killed" same
killed=$(count_of ECHOD_END=crashed "ECHOD_ERROR=killed by signal 9 (Killed)")
expect "but clients' processes were: $killed" [ "$killed" -gt 0 ]
expect "and crashed in no other way" [ "$(count_of ECHOD_END=crashed)" = "$killed" ]

# ---- journald stops, goes, is full ----
# Standard error, where lines go that the journal does not take, is full here: so they are lost.
drop_in "$unit" <<<$'[Service]\nStandardError=file:/dev/full'
journal_lines() { printf 'log = { target = "journal"; };\n'; }
many() { # 300 clients or more, each with a connection of its own, however long it takes
    clients=0
    for _ in {1..15}; do
        "$ECHOC" load --new -C 4 -d 1 --json tcp://127.0.0.1:7007 >"$load" || return
        clients=$((clients + $(python3 -c 'import json, sys; print(json.load(sys.stdin)["messages"])' <"$load")))
        [ $clients -lt 300 ] || return 0
    done
    return 1
}
lost() { # how many lines the log says were lost
    journalctl -q --sync
    journalctl -q -u "$unit" -o cat --since "@$since" |
        sed -n 's/^\([0-9]*\) log lines could not be written$/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}
accounted() { # N: all clients since mark, each in the log or among the lost; asks with one more each time
    asked=$((asked + 1))
    echo_on 7007 && [ "$(lost)" -gt 0 ] && [ $(($(count_of ECHOD_END=closed) + $(lost))) = $(($1 + asked)) ]
}
load=$(mktemp)
start_echod < <(plain 7007; journal_lines)
journald=$(property MainPID systemd-journald.service)
kill -STOP "$journald"
expect "clients are served while journald is stopped" many
expect "and one more" turn --port 7007
kill -CONT "$journald"
asked=0
expect "then each has its record or is counted as lost" within 60 accounted $((clients + 1))
echo "$clients clients, $(lost) lines lost"

mark
systemctl stop systemd-journald{,-dev-log,-audit}.socket systemd-journald.service
expect "clients are served without journald" many
systemctl start systemd-journald{,-dev-log}.socket systemd-journald.service
asked=0
expect "then each is counted as lost" within 60 accounted "$clients"
echo "$clients clients, $(lost) lines lost"

journald_again() { systemctl restart systemd-journald.service || fail "journald does not start"; }
mkdir -p /run/systemd/journald.conf.d
printf '[Journal]\nRuntimeMaxUse=1M\nRuntimeMaxFileSize=512K\n' >/run/systemd/journald.conf.d/test.conf
mount -t tmpfs -o size=4M journal /run/log/journal
journald_again
fill() { ! cat /dev/zero >/run/log/journal/rest 2>/dev/null; }
expect "the disk of the journal is full" fill
expect "clients are served while the journal is full" many
expect "and one more" turn --port 7007
rm /run/systemd/journald.conf.d/test.conf /run/log/journal/rest
umount -l /run/log/journal
journald_again
mark
echo_on 7007
expect "and leave records once there is room" within 60 eval '[ "$(count_of ECHOD_END=closed)" -gt 0 ]'
expect "it was the same process throughout" same

# ---- rights: as few as there are, behind the socket unit ----
filters() { sed -n 's/^Seccomp_filters:[[:space:]]*//p' "/proc/$1/status"; }
uid() { awk '/^Uid:/ { print $2 }' "/proc/$1/status"; }
works() { # WORDS: TLS, the sandbox, the signer, reload and stop
    systemctl start echod.socket || fail "the socket unit of $1"
    mark
    open_tls 7
    expect "$1: TLS echoes" say word
    main=$(main_pid) signer=$(signer)
    expect "$1: it is not root" [ "$(uid "$main")" != 0 ]
    expect "$1: clients' processes are sandboxed" [ "$(filters "$(children)")" -gt "$(filters "$main")" ]
    expect "$1: and so is the signer" [ "$(filters "$signer")" -gt "$(filters "$main")" ]
    systemctl reload echod.service
    expect "$1: reload" within 60 logged "$conf: reloaded"
    expect "$1: TLS echoes after it" tls_on 7
    expect "$1: and to the client of before" say again
    signer=$(signer)
    kill -KILL "$signer"
    expect "$1: a signer that dies is replaced" within 60 eval 'now=$(signer) && [ "$now" != "$signer" ]'
    expect "$1: and TLS is served" turn --port 7 --ca "$PKI/ca.crt"
    expect "$1: the main process is the same" [ "$(main_pid)" = "$main" ]
    hang_up
    systemctl stop echod.socket echod.service
    expect "$1: it stops in order" [ "$(property Result)" = success ]
    expect "$1: no process has crashed" [ "$(count_of ECHOD_END=crashed)" = 0 ]
}
systemctl stop "$unit"
unit=echod.service
pki=$sysconfdir/echod/pki
useradd --system --no-create-home echod-test || fail "no user for the test"
install -d -m 750 -g echod-test "$pki"
install -m 640 -g echod-test "$PKI/server.crt" "$PKI/server.key" "$pki"
drop_in echod.service <<<$'[Service]\nDynamicUser=no\nUser=echod-test'
settings <<<"name = \"echo\"; tls = { enabled = true; certificate = \"$pki/server.crt\"; key = \"$pki/server.key\"; };"
works "a user of its own"

drop_in echod.service </dev/null
settings <<<"name = \"echo\"; tls = { $credentials };"
works "a dynamic user with credentials"

unit=echod-standalone.service
systemctl start "$unit"
expect "on its own: TLS on a port below 1024" tls_on 7
systemctl stop "$unit"
unit=echod.service
settings <<<'name = "echo";'

# ---- Accept=yes: a service for each client ----
units=/run/systemd/system
instance() { systemctl list-units --plain --no-legend "$1@*" | awk '{ print $1 }'; }
ended() { [ -z "$(instance "$1")" ]; }
single() { # NAME PORT LINE...: a socket unit and its template
    printf '[Socket]\nAccept=yes\nListenStream=127.0.0.1:%s\n' "$2" >"$units/$1.socket"
    printf '%s\n' "[Service]" "ExecStart=$sbindir/echod -c $conf" "${@:3}" >"$units/$1@.service"
    systemctl daemon-reload
    systemctl start "$1.socket" || fail "the socket unit $1"
}
# not by the unit: a process that has ended by the time that journald looks has none any more
single_record() { # so many clients since mark have their record; socat does not always send close_notify
    journalctl -q --sync
    [ "$(journalctl -q --since "@$since" ECHOD_END=closed ECHOD_END=truncated | wc -l)" = "$records" ]
}
alone() { # NAME PORT
    mark
    records=1
    expect "$1: TLS echoes" tls_on "$2"
    expect "$1: the client has its record" within 60 single_record
    expect "$1: the instance is over" within 60 ended "$1"
    open_tls "$2"
    expect "$1: once more" say word
    systemctl stop --no-block "$(instance "$1")"
    within 60 eval '[ "$(property ActiveState "$(instance "'"$1"'")")" = deactivating ]' || fail "$1: no stop"
    expect "$1: a stop lets the client finish" say late
    hang_up
    records=2
    expect "$1: which has its record" within 60 single_record
    expect "$1: and the instance is over" within 60 ended "$1"
    expect "$1: no instance has failed" [ "$(journalctl -q -u "$1@*" | grep -c 'Deactivated successfully')" = 2 ]
    systemctl stop "$1.socket"
}
settings <<<"name = \"single\"; tls = { enabled = true; certificate = \"$PKI/server.crt\"; key = \"$PKI/server.key\"; };"
single echod-passed 7444
alone echod-passed 7444
single echod-stdin 7445 StandardInput=socket
alone echod-stdin 7445

# the template that is installed
settings <<<'name = "echo";'
drop_in echod.socket <<<$'[Socket]\nAccept=yes'
expect "echod.socket with Accept=yes" systemctl start echod.socket
mark
expect "it echoes" echo_on 7
records=1
expect "its client has its record" within 60 single_record
expect "and the instance is over" within 60 ended echod
expect "and leaves nothing behind" [ -z "$(systemctl --failed --plain --no-legend)" ]
systemctl stop echod.socket

echo "$n checks"
