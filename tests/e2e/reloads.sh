#!/bin/bash
# reloads.sh - the daemon does not grow with its reloads: neither its memory nor its descriptors, with
# all that a generation has of TLS. How many reloads: $RELOADS.
. "$(dirname "$0")/lib.sh"
sanitized && skip "the memory of a build with sanitizers is not the daemon's"

reloads=${RELOADS-150}
warm=$((reloads / 3)) # after which the heap has its shape

reloaded() { [ "$(grep -c 'echod.conf: reloaded$' $log)" -ge "$1" ]; }
reload_until() { # N: of all
    for ((; n < $1; n++)); do
        kill -HUP "$echod_pid"
        within 60 reloaded $((n + 1)) || fail "reload $n"
    done
}
memory() { awk '/^VmRSS:/ { print $2 }' "/proc/$echod_pid/status"; } # in kB
descriptors() { ls "/proc/$echod_pid/fd" | wc -l; }

head -c 240 /dev/urandom >keys
start_echod "listeners = ( { name = \"plain\"; port = 0; }, { name = \"tls\"; port = 0; $tls_on },
    { name = \"tls-keys\"; port = 0; ${tls_on/\{/\{ ticket_keys = \"keys\";} },
    { name = \"tls-own\"; port = 0; ${tls_on/\{/\{ key_isolation = false;} } );"
n=0
reload_until $warm
before=$(memory) before_fds=$(descriptors)
expect "clients come in between" peer whole tls
reload_until "$reloads"
growth=$(($(memory) - before))
expect "$((reloads - warm)) reloads take $growth kB more" test $growth -le 256
expect "and no descriptor" test "$(descriptors)" = "$before_fds"
expect "there is one signer" test "$(signer | wc -l)" = 1
expect "and it serves" peer whole tls
stop_echod
