#!/bin/bash
# selfcheck.sh - what with-systemd boots is a systemd to test with.
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ "$(cat /run/systemd/container 2>/dev/null)" = rig ] ||
    exec "$here/with-systemd" -t 1800 bash "$here/selfcheck.sh"
units=/run/systemd/system bad=0
check() { if "${@:2}"; then echo "ok   $1"; else echo "FAIL $1"; bad=1; fi; }
within() { for _ in {1..600}; do "$@" && return; sleep .1; done; return 1; }
state() { [ "$(systemctl is-system-running)" = running ] || { systemctl --failed --no-legend --plain; return 1; }; }
logged() { journalctl -o json -u "$1" 2>/dev/null | grep -q "\"MESSAGE\":\"$2\""; }
echoes() { [ "$(timeout 60 bash -c "exec 3<>/dev/tcp/$1/$2 && echo hello $1 >&3 && head -n 1 <&3")" = "hello $1" ]; }
is() { [ "$(systemctl show -P "$2" "$1")" = "$3" ]; }
limit() { [ "$(cat /sys/fs/cgroup/{,"$1/"}system.slice/rig-limits.service/{"$2","$3"} 2>/dev/null)" = "$4" ]; }

mkdir -p $units
cat >$units/rig-oneshot.service <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=echo line of the one-shot service
END
cat >$units/rig-notify.service <<'END'
[Service]
Type=notify
NotifyAccess=all
DynamicUser=yes
SetCredential=word:secret
ExecStart=bash -c 'read -r w <$CREDENTIALS_DIRECTORY/word; systemd-notify --ready --status="word $w"; sleep 99'
END
cat >$units/rig-limits.service <<'END'
[Service]
TasksMax=17
MemoryMax=64M
ExecStart=sleep 99
END
cat >$units/rig-echo.socket <<'END'
[Socket]
ListenStream=127.0.0.1:7
ListenStream=[::1]:7
Accept=yes
END
cat >$units/rig-echo@.service <<'END'
[Service]
StandardInput=socket
StandardOutput=socket
ExecStart=cat
END

check "PID 1 is systemd" [ "$(cat /proc/1/comm)" = systemd ]
check "the system is running, no unit failed" state
systemctl daemon-reload
check "a one-shot service runs" systemctl start rig-oneshot.service
check "its line is in the journal, as JSON" within logged rig-oneshot.service "line of the one-shot service"
check "a Type=notify service gets ready" systemctl start rig-notify.service
check "with its credential, as a dynamic user" is rig-notify.service StatusText "word secret"
check "an orderly stop" systemctl stop rig-notify.service
check "two loopback addresses for a socket unit" systemctl start rig-echo.socket
check "127.0.0.1 echoes" echoes 127.0.0.1 7
check "::1 echoes" echoes ::1 7
check "a service was started for each" is rig-echo.socket NAccepted 2
check "a service with limits starts" systemctl start rig-limits.service
for c in "pids TasksMax= pids.max - 17" "memory MemoryMax= memory.max memory.limit_in_bytes 67108864"; do
    read -r c setting v2 v1 value <<<"$c"
    if [ -d "/sys/fs/cgroup/$c" ] || grep -qw "$c" /sys/fs/cgroup/cgroup.controllers 2>/dev/null
    then check "$setting is in force" limit "$c" "$v2" "$v1" "$value"
    else echo "skip $setting: no $c controller here"; fi
done
check "still nothing failed" state
exit $bad
