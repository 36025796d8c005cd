#!/bin/bash
# leaks.sh - no process of the daemon, parent or child, loses memory, keeps a descriptor open or
# touches what is not its own: valgrind watches each of them and writes it a report.
. "$(dirname "$0")/lib.sh"
need valgrind socat
ECHOD=$top_builddir/tests/e2e/unsandboxed
! grep -q __asan_init "$ECHOD" || skip "a build with sanitizers does not run under valgrind"

reload() { # SETTINGS LINE: the line then stands in the log
    printf '%s\n' "$1" >echod.conf
    kill -HUP "$echod_pid"
    within 300 logged "$2" || fail "no such line: $2"
}
complete() { # N: so many reports there are, and each has its end
    [ "$(grep -l 'ERROR SUMMARY:' report.* | wc -l)" = "$1" ]
}
open_descriptors() { # but for the report itself, valgrind's own
    grep -H ' Open ' report.* | grep -v 'report\.[0-9]*$'
}

# descriptors of the test harness would count as the daemon's
for fd in /proc/$$/fd/*; do
    case ${fd##*/} in [012] | 255) ;; *) eval "exec ${fd##*/}>&-" ;; esac
done

# valgrind 3.24 has it as an error that close_range(2) goes over descriptors that are closed already
cat >suppressed <<'ERRORS'
{
   close_range
   CoreError:FdBadClose
   fun:close_range
}
ERRORS
launcher=(valgrind --log-file=report.%p --suppressions=suppressed --track-fds=yes --leak-check=full
    --show-leak-kinds=definite,indirect,possible
    --errors-for-leak-kinds=definite,indirect,possible)
start_echod "$both"
for way in plain tls1.2 tls1.3; do
    expect "a client, $way" peer whole $way --size 100000
done
expect "a client without close_notify" peer whole tls --end cut
expect "a client that resets" peer whole tls --end reset
socat -u "SYSTEM:echo rubbish" "TCP:127.0.0.1:$(port tls)"
expect_records 1 end=wrong_protocol
expect_records 6

start_peer loop tls --keep
old=$!
expect "a client that stays over reloads" within 300 serves 1
reload "prot = 7; $both" "prot: no such setting"
reload "host = \"unix:absent/sock\"; $tls_on" "cannot listen on unix:absent/sock"
reload "listeners = ( { name = \"new\"; port = 0; $tls_on }, { name = \"unix\"; host = \"unix:sock\"; } );" \
    "echod.conf: reloaded"
expect "a client after the reload" peer whole unix
kill $old
expect "the one of before" wait $old
expect_records 8
stop_echod

expect "a report for the parent, 8 clients and 4 signers" within 300 complete 13
if grep -H 'ERROR SUMMARY:' report.* | grep -v ' 0 errors' || open_descriptors; then
    cat report.*
    fail "valgrind complains"
fi
