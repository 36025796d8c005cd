#!/bin/bash
# faults.sh - system calls of the parent fail $faults times in a row: it lives, says so once, and
# every client is served. One that fails in a client's process costs that client only.
. "$(dirname "$0")/lib.sh"
need strace
faults=${faults-30}
tracer=

# ---- one daemon each, since bursts run side by side ----

# a client that sends a line and wants it back; how it went to the file `clients`
client() { # PORT
    local fd line status=lost
    if exec {fd}<>"/dev/tcp/127.0.0.1/$1"; then
        echo "line" >&"$fd" && read -r -t 60 -u "$fd" line && [ "$line" = line ] && status=served
        exec {fd}>&-
    else
        status=refused
    fi 2>/dev/null
    echo $status >>clients
    [ $status = served ]
}
start_tracer() { # PID OPTION...: strace, once it is attached
    : >strace.err
    strace -ttt -o trace -p "$1" "${@:2}" 2>strace.err &
    tracer=$!
    within 60 has_begun "$tracer" strace.err
    grep -q attached strace.err || skip "strace: $(cat strace.err)"
}
has_begun() { grep -q attached "$2" || gone "$1"; } # TRACER ITS-MESSAGES
stop_tracer() {
    kill "$tracer" && wait "$tracer"
} 2>/dev/null
injected() { grep -c INJECTED trace; }
goes_on() { ! tail -n 1 trace | grep -q INJECTED; }
lost_lines() { sed -n 's/.* \([0-9]*\) log lines could not be written/\1/p' $log; }
recorded() { # a record for each client, but for lines that are lost and counted
    local lost
    lost=$(lost_lines)
    [ $(($(records | wc -l) + ${lost:-0})) = "$(wc -l <clients)" ]
}
same_parent() { ! gone "$echod_pid" && [ "$(ps -o comm= -p "$echod_pid")" = "${ECHOD##*/}" ]; }
in_own_directory() { # COMMAND...: the rest of lib.sh works there as it does here
    local status
    mkdir "$2.$3" && cd "$2.$3" || exit 1
    : >clients
    trap 'status=$?
        { stop_tracer; kill -KILL $echod_pid; } 2>/dev/null
        [ $status = 0 ] || grep -v end=closed log.*; exit $status' EXIT
    "$@"
}

# ---- the parent ----

# Clients one after the other until the faults have all been met. One that waits is enough for those
# that keep it waiting: the parent tries again by itself. One call at least comes behind them.
drive() {
    local i
    for ((i = 0; i < 10 * faults; i++)); do
        [ "$(injected)" -lt "$faults" ] || ! goes_on || return 0
        client "$port"
    done
    return 1
}
pause_after() { # in ms, as strace has it: from the last of the faults in a row to the next call
    awk '/INJECTED/ { last = $1; next } last { if ($1 - last > most) most = $1 - last; last = 0 }
        END { printf "%d\n", most * 1000 }' trace
}

# a call of the parent fails $faults times; LINE then says so, but not more than every ten seconds
burst() { # CALL ERROR LINE [SETTINGS-OF-LOG]
    local name="$1 $2" port lines msec begin=$SECONDS
    start_echod "log = { level = \"debug\"; ${4-} }; port = 0;"
    port=$(port echo)
    start_tracer "$echod_pid" -e "trace=$1" -e "inject=$1:error=$2:when=1..$faults"
    drive || fail "$name: only $(injected) faults were met"
    client "$port"
    stop_tracer
    msec=$(pause_after)
    [ "$msec" -le 10000 ] || fail "$name: tried again only $msec ms after the last fault"
    client "$port" # whose end is also the moment to look for others
    same_parent || fail "$name: the parent is gone"
    ! grep -v served clients || fail "$name: not all clients were served"
    within 60 recorded || fail "$name: $(records | wc -l) records of $(wc -l <clients) clients"
    lines=$(grep -c -- "$3" $log)
    case $3 in
    none) ;;
    *) [ "$lines" -ge 1 ] && [ "$lines" -le $((2 + (SECONDS - begin) / 10)) ] ||
        fail "$name: $lines lines say so" ;;
    esac
    stop_echod
    printf 'ok - %s: %s faults, %s clients, the next call %s ms later, %s lines\n' "$name" "$(injected)" \
        "$(wc -l <clients)" "$msec" "$lines"
}

bursts=()
start() { # BURST...: in the background
    in_own_directory burst "$@" &
    bursts+=($!)
}
all_end() { # before the first failure counts: each clears its own away
    local pid failed=0
    for pid in "${bursts[@]}"; do wait "$pid" || failed=$?; done
    [ $failed = 0 ] || exit $failed
    bursts=()
}

# those that pause between two tries take a tenth of a second for each, but no time of the machine
for error in EMFILE ENFILE ENOBUFS ENOMEM; do start accept4 $error "cannot accept"; done
for error in EAGAIN ENOMEM; do start clone,clone3 $error "cannot make a process"; done
for error in ECONNABORTED EINTR EAGAIN EPERM; do start accept4 $error none; done
start epoll_wait,epoll_pwait,epoll_pwait2 EINTR none
start epoll_wait,epoll_pwait,epoll_pwait2 ENOMEM "cannot wait for events"
start wait4,waitid EINTR none
for error in EAGAIN ENOBUFS; do start sendto,sendmsg $error none 'target = "journal";'; done
for error in EAGAIN EPIPE; do start write,writev $error "log lines could not be written"; done
all_end

# ---- a client's process ----

seen=" "
new_child() {
    local pid
    for pid in $(children); do
        [[ $seen == *" $pid "* ]] || { child=$pid; return; }
    done
    return 1
}
cases=0 attached=0 clients=() tracers=()
# a client whose process meets the fault whenever it makes the call; it waits until strace is there
spoil() { # WAY CALL ERROR
    cases=$((cases + 1))
    start_peer whole "$1" --size 20000 --pause-send 1 --timeout 120 2>/dev/null
    clients+=($!)
    within 60 new_child || fail "no process for a client"
    kill -STOP $!
    seen+="$child "
    : >strace.$cases
    strace -o trace.$cases -p "$child" -e trace="$2" -e inject="$2:error=$3:when=1..$faults" \
        2>strace.$cases &
    tracers+=($!)
    within 60 has_begun $! strace.$cases
    grep -q attached strace.$cases || echo "too late for $1 $2 $3: $(cat strace.$cases)"
    kill -CONT "${clients[-1]}"
}

# strace leaves out the calls that it lets fail, which a sandboxed process would be killed for
ECHOD=$top_builddir/tests/e2e/unsandboxed
start_echod "log = { level = \"debug\"; }; idle_timeout = 20; handshake_timeout = 20; $both"
start_peer loop tls --keep --pause-send 0.2 --seconds 300
bystander=$!
within 60 new_child || fail "no process for a client"
seen+="$child "
for error in ECONNRESET ENOMEM EINTR; do spoil plain recvfrom $error; done
for error in EPIPE ENOBUFS ENOMEM; do spoil plain sendto $error; done
for error in EINTR ENOMEM; do spoil plain poll $error; done
for call in ioctl shutdown close setsockopt; do spoil plain $call EIO; done
for error in ECONNRESET EIO ENOMEM; do spoil tls read $error; done
for error in EPIPE ENOBUFS; do spoil tls write $error; done
for error in EAGAIN ENOSYS; do spoil tls getrandom $error; done
sanitized || # whose own memory it would be
    for call in mmap brk; do spoil tls $call ENOMEM; done
for pid in "${clients[@]}"; do wait "$pid" 2>/dev/null; done
within 60 serves 1 || fail "$(($(children | wc -l) - 1)) processes are left over"
for pid in "${tracers[@]}"; do kill "$pid"; wait "$pid"; done 2>/dev/null
attached=$(grep -l INJECTED trace.* | wc -l)
printf '%s clients, of which %s met a fault:\n' $cases "$attached"
records | field end | sort | uniq -c # the first field of a line, which no blank precedes
expect_records $cases
expect "most have met it" [ "$attached" -ge $((cases * 2 / 3)) ]
expect "the parent is the same" same_parent
for way in plain tls1.2 tls1.3; do expect "it serves, $way" peer whole $way; done
kill $bystander
wait $bystander || fail "another client has suffered"
expect_records $((cases + 4))
crashes=$(records end=crashed | wc -l)
stop_echod
