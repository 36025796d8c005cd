#!/bin/bash
# let-go.sh - a listener is closed while a client's process, which is not sealed yet, has it open as well:
# whoever connects to it in that moment is nobody's, and the parent goes on.
. "$(dirname "$0")/lib.sh"
need strace
delay=2 # seconds that a client's process takes for the seal

kept="{ name = \"plain\"; host = \"127.0.0.1\"; port = $(nobody); }"
ports=() going= # several, or what is freed with one may be taken again for another
for i in 1 2 3 4; do
    ports+=("$(nobody)")
    going+=", { name = \"goes$i\"; host = \"127.0.0.1\"; port = ${ports[-1]}; health = true; }"
done
export MALLOC_PERTURB_=90 # so that what has been freed does not look as if it had not
begins() { # a client whose process holds all that the parent has
    start_peer whole plain
    client=$!
    within 10 serves 1 || fail "no process for the client"
}
goes() { # WORDS TEXT: it has been closed, says the log
    expect "$1: the listener is closed" within 10 logged "$2"
    serves 1 || skip "the machine is too slow for this"
    for port in "${ports[@]}"; do
        expect "$1: and yet the kernel still takes clients" timeout 5 bash -c ": >/dev/tcp/127.0.0.1/$port"
    done
    sleep 0.3
    ! gone "$echod_pid" || fail "the parent has ended"
    expect "$1: the client is served" wait $client
    expect "$1: and others are" peer whole plain
}
for way in USR1 HUP; do
    start_echod "listeners = ( $kept$going );"
    strace -f -o trace -p "$echod_pid" -e trace=close_range \
        -e inject=close_range:delay_enter=${delay}s 2>strace.err &
    tracer=$!
    within 10 grep -q attached strace.err || skip "strace: $(cat strace.err)"
    begins
    printf '%s\n' "listeners = ( $kept );" >echod.conf
    kill -$way "$echod_pid"
    case $way in
    USR1) goes $way 'the health listeners are closed' ;;
    HUP) goes $way 'echod.conf: reloaded' ;;
    esac
    kill $tracer && wait $tracer
    stop_echod
done 2>/dev/null
