#!/bin/bash
# unmap-libs.sh - a client's process has the libraries that it calls and no others, before and after a reload, if all
# functions are bound at the start.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "a client's process shows its memory to root only"
! sanitized || skip "a sanitizer's library looks into all others"

libraries() { # LISTENER: those in a client's process, one a line
    exec 3<>"/dev/tcp/127.0.0.1/$(port "$1")"
    within 60 sandboxed || fail "no process for the client, or none that is sandboxed"
    awk '$2 != "---p" && /\.so/ { sub(".*/", ""); sub("\\.so.*", ""); print }' "/proc/$(children)/maps" | sort -u
    exec 3>&-
    within 60 serves 0 || fail "the client's process stays"
}
sandboxed() { serves 1 && [ "$(awk '/^Seccomp:/ { print $2 }' "/proc/$(children)/status")" = 2 ]; }
file_of() { ldd "$ECHOD" | awk -v name="$1.so" 'index($1, name) == 1 { print $3 }'; } # LIBRARY
with_needed() { # LIBRARY...: and those that they need, which for libcrypto is another matter in each release
    local each
    for each; do
        echo "$each.so"
        ldd "$(file_of "$each")"
    done | awk '{ sub("\\.so.*", "", $1); print $1 }' | grep -E '^lib' | sort -u
}
expect_libraries() { # LISTENER LIBRARY...: besides libc
    local wanted got
    wanted=$(with_needed "${@:2}" | grep -vx libc | paste -sd' ')
    got=$(libraries "$1" | grep -vE '^(libc|ld-.*)$' | paste -sd' ')
    expect "$1: libc $wanted" test "$got" = "$wanted"
}

plain='listeners = ( { name = "plain"; port = 0; } );'
tls="listeners = ( { name = \"tls\"; port = 0; $tls_on } );"
report='listeners = ( { name = "report"; port = 0; report = true; } );'

start_echod "$plain"
expect_libraries plain
printf '%s\n' "$tls" >echod.conf
kill -HUP "$echod_pid"
expect "reloaded" within 60 logged "echod.conf: reloaded"
expect_libraries tls libcrypto libssl
expect "tls: whole" peer whole tls
printf '%s\n' "$report" >echod.conf
kill -HUP "$echod_pid"
expect "reloaded" within 60 announced report
expect_libraries report libjansson
stop_echod

unset LD_BIND_NOW
start_echod "$plain"
expect "not bound at the start: all that the parent has" grep -q libsystemd <<<"$(libraries plain)"
stop_echod
