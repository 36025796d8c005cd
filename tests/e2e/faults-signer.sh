#!/bin/bash
# faults-signer.sh - the signer of the private keys, and the way to it, fail $faults times: that
# costs handshakes and nothing else. Afterwards all is well.
. "$(dirname "$0")/lib.sh"
need strace
faults=${faults-30}
! sanitized || faults=20 # whose handshakes take many times as long

# handshakes one after the other, whatever becomes of them, until the faults have been met
drive() { # COMMAND: tells when
    local i=0
    until "$@"; do
        [ $((i++)) -lt 100 ] || fail "only $(injected) faults were met"
        timeout 60 "$ECHOC" load -C 4 -d 0.2 --new --ca "$PKI/ca.crt" "$(url tls)" >/dev/null 2>&1
    done
}
injected() { cat trace* | grep -c INJECTED; }
met() { [ "$(injected)" -ge $faults ]; }
trace() { # PID OPTION...
    : >trace
    : >strace.err # or one finds that of before
    strace -o trace -p "$1" "${@:2}" 2>strace.err &
    tracer=$!
    within 60 has_begun
    grep -q attached strace.err || skip "strace: $(cat strace.err)"
}
has_begun() { grep -q attached strace.err || gone "$tracer"; }
untrace() { kill $tracer && wait $tracer; } 2>/dev/null
works_soon() { # with one of the next ten handshakes, a tenth of a second apart
    local i=0
    until peer whole tls --size 100 2>/dev/null; do
        [ $((++i)) -lt 10 ] || fail "$1: no handshake"
        sleep 0.1
    done
    printf 'ok - %s: %s faults, and it works\n' "$1" "$(injected)"
}

has_signer() { [ -n "$(signer)" ]; }

# strace leaves out the calls that it lets fail, which a sandboxed process would be killed for
ECHOD=$top_builddir/tests/e2e/unsandboxed
start_echod "max_clients_per_source = 0; handshake_timeout = 20; log = { level = \"debug\"; }; $both"
parent=$echod_pid

# ---- the signer ----
for fault in recvmsg:ENOMEM recvfrom:ECONNRESET sendto:ENOBUFS epoll_wait:EINTR epoll_ctl:ENOSPC; do
    trace "$(signer)" -e "trace=${fault%:*}" -e "inject=${fault%:*}:error=${fault#*:}:when=1..$faults"
    drive met
    untrace
    works_soon "the signer, $fault"
done

# ---- a client's process on its way to the signer, each of which begins to count anew ----
for fault in socketpair:EMFILE sendmsg:ETOOMANYREFS; do
    trace "$(forkserver)" -f -e "trace=${fault%:*}" -e "inject=${fault%:*}:error=${fault#*:}"
    drive met
    untrace
    works_soon "on the way to the signer, $fault"
    logged "the signer did not sign" || fail "no record says so"
done

# ---- the signer's own end ----
for ((i = 0; i < 20; i++)); do
    pid=$(signer)
    kill -KILL "$pid"
    within 60 gone "$pid" || fail "it does not die"
    within 60 has_signer || fail "no other one comes"
done
works_soon "20 signers killed"
[ "$(grep -c "another one has taken its place" $log)" -le 3 ] || fail "it says so too often"
expect "the parent is the same" [ "$(ps -o comm= -p "$parent")" = unsandboxed ]
crashes=$(records end=crashed | wc -l)
stop_echod

# ---- none to begin with: that is no fault of the settings, and may be gone at the next start ----
# (LeakSanitizer cannot look under strace)
export ASAN_OPTIONS=detect_leaks=0
for fault in socketpair:EMFILE clone:EAGAIN; do
    timeout 60 strace -f -o /dev/null -e "inject=${fault%:*}:error=${fault#*:}" \
        "$ECHOD" -c echod.conf 2>err
    [ $? = 71 ] || fail "no signer at the start, $fault: $(cat err)"
    timeout 60 strace -f -o /dev/null -e "inject=${fault%:*}:error=${fault#*:}" \
        "$ECHOD" -t -c echod.conf >/dev/null
    [ $? = 71 ] || fail "-t, no signer, $fault: not 71"
    expect "no signer at the start, $fault" complains "^echod: echod.conf: cannot load it: .*the signer"
done
