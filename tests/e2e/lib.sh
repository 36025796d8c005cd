# shellcheck shell=bash
# lib.sh - what the end-to-end tests share; each sources it first.
#
# A test works in a directory of its own. Its daemons listen on loopback, on ports that the kernel
# chooses and their logs tell. Every wait ends by an event, and at the latest after a minute: how long something
# takes from outside says how busy the machine is. What a deadline is held to is the daemon's own figure, its record.
# Status 0 passed, 77 cannot run here, else failed.
set -u
export LC_ALL=C LD_BIND_NOW=1 # as the units have it, see unmap_libs.h
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_srcdir=${top_srcdir:-${here%/tests/e2e}}
ECHOD=${ECHOD:-$top_srcdir/build/echod}
top_builddir=${top_builddir:-$(dirname "$ECHOD")}
ECHOC=${ECHOC:-$top_builddir/echoc}
CHAOS=$top_builddir/tests/chaos/chaos
PKI=${PKI:-$top_srcdir/build/tests/pki}
[ -e "$PKI/ca.crt" ] || "$top_srcdir/certs/make-certs" "$PKI" >/dev/null || exit 1

dir=$(mktemp -d) || exit 1
cd "$dir" || exit 1 # so that paths in settings and in the log are short
log=/dev/null       # of the daemon started last
echod_pid=
launches=0
crashes=0    # how many records of `crashed` stop_echod expects
launcher=()  # a command to run the daemon under
client=()    # one to run visit_at() under
command=()   # see peer()

# ---- the verdict ----

fail() {
    printf 'FAILED: %s\n' "$*"
    exit 1
}

expect() { # WORDS COMMAND...: it must succeed
    "${@:2}" || fail "$1"
    printf 'ok - %s\n' "$1"
}

within() { # SECONDS COMMAND...: it succeeds before the time is over; asked ever less often, since asking costs, too
    local end=$((SECONDS + $1)) pauses=(0.01 0.02 0.03 0.05 0.07 0.1) i=0
    until "${@:2}"; do
        [ $SECONDS -lt $end ] || return 1
        sleep "${pauses[i++]-0.2}"
    done
}

need() { # TOOL...: skip the test where one is missing
    local tool
    for tool; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

skip() {
    printf 'SKIPPED: %s\n' "$*"
    exit 77
}

finish() {
    local status=$? pid
    for pid in $(jobs -rp); do kill -KILL "$pid" && wait "$pid"; done 2>/dev/null
    [ $status = 0 ] || [ $status = 77 ] || tail -n 60 log.* 2>/dev/null
    cd / && rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM
need python3 pgrep
# a version manager's python3 is a script that takes longer than what it starts
[ "$(head -c 2 "$(command -v python3)" | tr -d '\0')" != '#!' ] ||
    PATH=$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))'):$PATH

# ---- the daemon ----

# settings that most tests share: one listener for each of the ways to speak; a busy machine gets a minute to shake hands
tls_on="tls = { enabled = true; certificate = \"$PKI/server.crt\"; key = \"$PKI/server.key\"; };"
both="listeners = ( { name = \"plain\"; port = 0; }, { name = \"tls\"; port = 0; handshake_timeout = 60; $tls_on } );"

launch() { # COMMAND...: in the background, the daemon that `log` and `echod_pid` are of from now on
    launches=$((launches + 1))
    log=log.$launches
    "$@" >$log 2>&1 </dev/null &
    echod_pid=$!
}

start_echod() { # SETTINGS: a daemon, once all its listeners are announced
    local name
    printf '%s\n' "$1" >echod.conf
    launch "${launcher[@]}" "$ECHOD" -c echod.conf
    for name in $(listeners echod.conf); do
        within 300 announced "$name" || fail "$name does not listen"
    done
    ! gone "$echod_pid" || fail "the daemon has ended"
}

listeners() { # FILE: the names it gives
    grep -q 'name = "' "$1" || echo echo
    sed 's/name = /\n&/g' "$1" | sed -n 's/^name = "\([^"]*\)".*/\1/p'
}
announced() { [ -n "$(addresses "$1")" ] || gone "$echod_pid"; }
addresses() { # LISTENER: a line for each
    sed -n "s/^echod: $1: listening on \([^ ,]*\).*/\1/p" $log
}
port() { addresses "$1" | sed -n '$s/.*://p'; }

stop_echod() { # in order, with nothing to complain of
    kill -TERM "$echod_pid"
    expect_exit 0 "$echod_pid"
    ! grep -HE 'AddressSanitizer|LeakSanitizer|runtime error:' $log || fail "a sanitizer complains"
    [ "$(records end=crashed | wc -l)" = $crashes ] || fail "a client's process has crashed"
}

expect_exit() { # STATUS PID: it ends by itself, so
    local status=0
    within 60 gone "$2" || fail "process $2 has not ended"
    wait "$2" || status=$?
    [ $status = "$1" ] || fail "exit status $status, not $1"
}

gone() { ! kill -0 "$1" 2>/dev/null; }
logged() { grep -qF -- "$1" $log; }
children() { # of clients: neither the signer nor who makes these
    pgrep -P "$echod_pid" | grep -vxF -e "$(signer)" -e "$(forkserver)"
}
forkserver() { pgrep -P "$echod_pid" -x echod-fork; }
signer() { pgrep -P "$echod_pid" -x echod-signer; }
serves() { [ "$(children | wc -l)" = "$1" ]; } # N: clients under way

# ---- records ----

records() { # FIELD...: the lines of clients that have ended and have all of these fields
    sed -n '/^echod: end=/s/$/ /p' $log | with_fields "$@"
}
with_fields() {
    if [ $# = 0 ]; then cat; else grep -F -- " $1 " | with_fields "${@:2}"; fi
}
has_records() { # N FIELD...
    [ "$(records "${@:2}" | wc -l)" = "$1" ]
}
expect_records() { # N FIELD...: so many there are, or will be soon
    within 60 has_records "$@" || fail "not $1 records with ${*:2}"
    printf 'ok - records: %s\n' "$*"
}
lasted() { # FROM TO FIELD...: each of these clients, and there are some, was here for so many ms
    records "${@:3}" | field duration_usec | awk -v from="$1" -v to="$2" '
        { n++ } $1 < from * 1000 || $1 >= to * 1000 { bad++; print "duration_usec=" $1 }
        END { exit !n || bad }'
}
field() { # NAME: of the records on standard input
    sed -n "s/.* $1=\([^ ]*\) .*/\1/p"
}

# ---- clients ----

peer() { # MODE WAY OPTION...: peer.py with a listener; WAY is its name, tls1.2 or tls1.3
    set_command "$@"
    "${command[@]}"
}
start_peer() { # the same in the background, as process $!
    set_command "$@"
    "${command[@]}" &
}
set_command() {
    local name=${2%1.[23]}
    command=(python3 "$here/peer.py" "$1")
    case $(addresses "$name") in
    unix:*) command+=(--unix "$(addresses "$name" | sed s/unix://)") ;;
    *) command+=(--port "$(port "$name")") ;;
    esac
    case $2 in
    tls1.*) command+=(--tls-version "${2#tls}" --ca "$PKI/ca.crt") ;;
    tls*) command+=(--tls --ca "$PKI/ca.crt") ;;
    esac
    command+=("${@:3}")
}
refused() { # PORT [HOST]: nobody listens there
    timeout 60 bash -c ": >/dev/tcp/${2-127.0.0.1}/$1" 2>/dev/null
    [ $? = 1 ]
}

visit() { visit_at "127.0.0.1:$(port "$1")" "${@:2}"; } # LISTENER VERSION OPTION...
visit_at() { # ADDRESS VERSION OPTION...: openssl's, a word there and back; it tells of the session in `back`
    : >back
    hold_word | "${client[@]}" timeout 60 openssl s_client -nocommands -no_ign_eof "-tls${2/./_}" \
        -connect "$1" "${@:3}" >>back 2>err && echoed ||
        { cat back err; return 1; }
}
hold_word() { # the tickets of TLS 1.3 come behind the handshake, at the latest with the echo
    echo word
    within 60 echoed
}
echoed() { grep -q 'word$' back; } # a line of openssl's own may still be under way before it
group_in() { # FILE: that of a full handshake, as openssl s_client tells it: which it is depends on the library
    sed -n 's/^Negotiated TLS1.3 group: //p; s/^\(Server\|Peer\) Temp Key: \([^,]*\).*/\L\2/p' "$1" | head -n 1
}

# ---- networks ----

in_own_network() { # "$@" of the test, which goes on, from its start, in a network namespace of its own
    if [ "${1-}" != inside ]; then
        [ "$(id -u)" = 0 ] || skip "it takes root to make network namespaces"
        need ip unshare nsenter
        unshare -n true 2>/dev/null || skip "network namespaces cannot be made here"
        unshare -n bash "$here/${0##*/}" inside
        exit
    fi
    ip link set lo up
}
# to a new namespace, that of the process `far`; HERE may be at the near end of other cables too
cable() { # NAME HERE THERE: its device here, and an address at each end
    unshare -n sleep 600 &
    far=$!
    within 60 is_apart || fail "no namespace at the far end"
    within 60 ip link add "$1" type veth peer name far netns $far || skip "there is no veth here"
    ip addr add "$2" peer "$3" dev "$1" && ip link set "$1" up &&
        at_far ip addr add "$3" peer "$2" dev far && at_far ip link set far up || fail "no cable"
}
is_apart() { [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
at_far() { nsenter -t $far -n "$@"; } # of the cable made last

# ---- echoc ----

sanitized() { grep -q __asan_init "$ECHOC"; } # such a build needs far more memory and time

run() { # STATUS ARGUMENT...: echoc, with its output in `out` and `err`; it must end so, and in time
    local status=0
    timeout -k 60 300 "$ECHOC" "${@:2}" >out 2>err || status=$?
    [ $status = "$1" ] && ! grep -qE 'AddressSanitizer|LeakSanitizer|runtime error:' err && return
    printf 'echoc %s: exit status %s, not %s\n' "${*:2}" $status "$1"
    head -c 3000 out err | cat -v
    fail "echoc ${*:2}"
}
says() { grep -Eq -- "$1" out; }          # REGEX: a line of its standard output
complains() { grep -Eq -- "$1" err; }     # REGEX: a line of its standard error
is_silent() { [ ! -s out ] && [ ! -s err ]; }
json() { # EXPRESSION [FILE]: it holds for `d`, the one JSON object there
    python3 -c 'import json, sys
d = json.load(open(sys.argv[2]))
sys.exit(not eval(f"({sys.argv[1]})"))' "$1" "${2-out}"
}
url() { # LISTENER: as echoc takes it
    local address scheme=tcp://
    address=$(addresses "$1" | tail -n 1)
    case $1 in tls*) scheme=tls:// ;; esac
    case $scheme,$address in
    tcp*,unix:*) echo "$address" ;;
    tls*,unix:*) echo "tls+$address" ;;
    *) echo "${scheme}127.0.0.1:${address##*:}" ;;
    esac
}

start_bad() { # KIND...: bad_server.py, which says what they are; bad() tells where they listen
    python3 "$here/bad_server.py" --certificate "$PKI/server.crt" --key "$PKI/server.key" "$@" \
        >bad.log 2>&1 &
    bad_pid=$!
    within 60 grep -q '^ready$' bad.log || fail "bad_server.py does not listen"
}
bad() { # KIND: its URL
    case $1 in
    tls-*) sed -n "s/^$1 listens on /tls:\/\/127.0.0.1:/p" bad.log ;;
    *) sed -n "s/^$1 listens on /tcp:\/\/127.0.0.1:/p" bad.log ;;
    esac
}
nobody() { # a port of 127.0.0.1 that nobody listens on
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
