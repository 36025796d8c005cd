#!/bin/bash
# listening.sh - what a listener's host and port stand for, and what is said where it cannot listen.
. "$(dirname "$0")/lib.sh"

listens_on() { # LISTENER ADDRESS...: on these and no other, all with one port
    local want
    want=$(printf '%s\n' "${@:2}" | sort)
    [ "$(addresses "$1" | sed 's/:[0-9]*$//' | sort)" = "$want" ] &&
        [ "$(addresses "$1" | sed 's/.*://' | sort -u | wc -l)" = 1 ]
}
cannot_listen() { # SETTINGS TEXT: exit status 69, and a line that contains the text
    printf '%s\n' "$1" >second.conf
    timeout 60 "$ECHOD" -c second.conf >second.log 2>&1 </dev/null
    [ $? = 69 ] && grep -qF -- "$2" second.log || { cat second.log; return 1; }
}
has_address() { # IPv6-ADDRESS: it is one of this machine
    python3 -c 'import socket, sys
socket.socket(socket.AF_INET6).bind((sys.argv[1], 0))' "$1" 2>/dev/null
}
has_served() { [ -n "$(records)" ]; }
name_of() { cat "/proc/$1/comm"; }

# ---- addresses ----
loopback=(127.0.0.1) any=(0.0.0.0)
! has_address ::1 || loopback+=('[::1]')
! has_address :: || any+=('[::]')
start_echod 'listeners = (
    { name = "localhost"; host = "localhost"; port = 0; },
    { name = "any"; host = "*"; port = 0; },
    { name = "ipv4"; host = "127.0.0.1"; port = 0; }
);'
expect "localhost is every loopback address" within 60 listens_on localhost "${loopback[@]}"
expect "* is every address" within 60 listens_on any "${any[@]}"
expect "an address is no other" within 60 listens_on ipv4 127.0.0.1
for name in localhost any ipv4; do
    expect "$name serves IPv4" peer whole $name
done
if has_address ::1; then
    expect "localhost serves IPv6" peer whole localhost --host ::1
    expect "* serves IPv6" peer whole any --host ::1
    expect "IPv4 alone does not" refused "$(port ipv4)" ::1
fi

# ---- a port that another process holds ----
held=127.0.0.1:$(port ipv4)
cannot="listening on $held: Address already in use (held by $(name_of "$echod_pid"), pid $echod_pid)"
expect "exit 69 names address, port and who holds it" \
    cannot_listen "host = \"127.0.0.1\"; port = ${held#*:};" "${cannot/listening/cannot listen}"
expect "also where the holder has the wildcard address" \
    cannot_listen "host = \"127.0.0.1\"; port = $(port any);" "pid $echod_pid)"
stop_echod

# ---- unix: ----
unix='host = "unix:sock";'
start_echod "$unix"
expect "a path serves" peer whole echo
expect "a path in use is not taken" cannot_listen "$unix" "pid $echod_pid)"
expect "nor removed" peer whole echo
kill -KILL "$echod_pid"
wait "$echod_pid" 2>/dev/null
expect "a killed daemon leaves its path" test -S sock
start_echod "$unix"
expect "which the next one takes over" peer whole echo
stop_echod
expect "an orderly stop removes it" test ! -e sock

# ---- two daemons on one port ----
share='host = "127.0.0.1"; reuse_port = true;'
start_echod "$share port = 0;"
first=("$echod_pid" "$log")
start_echod "$share port = $(port echo);"
expect "clients of both" peer many echo --count 60
expect "the second has some" within 60 has_served
stop_echod
echod_pid=${first[0]} log=${first[1]}
expect "and the first" within 60 has_served
stop_echod
