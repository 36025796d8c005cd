#!/bin/bash
# admission.sh - who may enter: lists, limits for each source, and a record of each refusal that is
# never lost and never floods the log. In a crowd, who is silent is cut sooner.
. "$(dirname "$0")/lib.sh"
need openssl systemd-socket-activate

knock() { peer knock "$@"; } # WAY OPTION...: prints how many of --count are let in
lets_in() { # N WAY OPTION...
    local n
    n=$(knock "${@:2}") || return 1
    [ "$n" = "$1" ] || { echo "$n were let in, not $1"; return 1; }
}
stays=0
stay() { # N WAY OPTION...: so many are let in and stay, as process $!
    stays=$((stays + 1))
    local out=stay.$stays
    start_peer knock "${@:2}" --keep --seconds 100 >$out
    within 60 test -s $out || fail "nobody came"
    [ "$(cat $out)" = "$1" ] || fail "$(cat $out) were let in, not $1"
}
refused_so_far() { # FIELD...: all that the records stand for
    records end=refused "$@" | field count | awk '{ n += $1 } END { print n + 0 }'
}
are_refused() { [ "$(refused_so_far "${@:2}")" = "$1" ]; } # N FIELD...
has_totals() { logged "stopped: $1 accepted = $2 refused + $3 ended"; }

# ---- lists ----
start_echod "listeners = (
    { name = \"deny\"; host = \"127.0.0.1\"; port = 0; deny = [ \"127.0.1.0/24\", \"::1\" ]; },
    { name = \"allow\"; host = \"127.0.0.1\"; port = 0; allow = [ \"127.0.1.0/24\" ]; },
    { name = \"both\"; host = \"127.0.0.1\"; port = 0;
        allow = [ \"127.0.0.0/8\" ]; deny = [ \"127.0.1.7\" ]; },
    { name = \"v6\"; host = \"::1\"; port = 0; deny = [ \"::1\" ]; },
    { name = \"v6-allow\"; host = \"::1\"; port = 0; allow = [ \"::/64\" ]; },
    { name = \"unix\"; host = \"unix:sock\"; allow = [ \"192.0.2.0/24\" ];
        max_clients_per_source = 1; rate_per_source = 1; },
    { name = \"tls\"; host = \"127.0.0.1\"; port = 0; deny = [ \"127.0.0.1\" ]; $tls_on } );"
expect "deny: others enter" lets_in 1 deny --count 1
expect "deny: who is on the list does not" lets_in 0 deny --count 1 --source 127.0.1.1
expect_records 1 end=refused listener=deny client=127.0.1.1 rule=deny count=1
expect "deny: nor from the end of the network" lets_in 0 deny --count 1 --source 127.0.1.255
expect "deny: the next address does" lets_in 1 deny --count 1 --source 127.0.2.0
expect "allow: others do not" lets_in 0 allow --count 1
expect_records 1 end=refused listener=allow client=127.0.0.1 rule=allow count=1
expect "allow: who is on the list enters" lets_in 1 allow --count 1 --source 127.0.1.1
expect "both: deny wins" lets_in 0 both --count 1 --source 127.0.1.7
expect_records 1 end=refused listener=both client=127.0.1.7 rule=deny count=1
expect "both: its neighbour enters" lets_in 1 both --count 1 --source 127.0.1.8
expect "IPv6: deny" lets_in 0 v6 --count 1 --host ::1
expect_records 1 end=refused listener=v6 client=::1 rule=deny count=1
expect "IPv6: allow" lets_in 1 v6-allow --count 1 --host ::1
expect "clients over a path have no address" lets_in 10 unix --count 10

timeout 60 openssl s_client -connect "127.0.0.1:$(port tls)" </dev/null >out 2>&1 &&
    fail "TLS: it was let in"
expect "TLS: a refused client gets no byte" peer crowd tls --count 3 --seconds 120
expect_records 1 end=refused listener=tls client=127.0.0.1 rule=deny count=1
stop_echod
expect "no refusal is lost" are_refused 9
expect "TLS: they are reported together" are_refused 4 listener=tls
expect "nor counted twice" has_totals 24 9 15

# ---- an address of IPv4 that comes over IPv6 is the one of IPv4 ----
mapped=$(nobody)
printf '%s\n' 'name = "mapped"; deny = [ "127.0.1.0/24" ];' >echod.conf
launch systemd-socket-activate -l "[::ffff:127.0.0.1]:$mapped" --fdname=mapped "$ECHOD" -c echod.conf
within 60 logged "Listening on" || fail "systemd-socket-activate does not listen"
at_mapped() { python3 "$here/peer.py" knock --port "$mapped" --count 1 --source "$1"; }
[ "$(at_mapped 127.0.0.1)" = 1 ] || fail "mapped: who may enter does not"
expect "mapped: deny" [ "$(at_mapped 127.0.1.1)" = 0 ]
within 60 are_refused 1 listener=mapped client=127.0.1.1 rule=deny || fail "mapped: no record"
stop_echod

# ---- clients at a time ----
start_echod "max_clients_per_source = 3; listeners = (
    { name = \"one\"; port = 0; host = \"127.0.0.1\"; },
    { name = \"two\"; port = 0; host = \"127.0.0.1\"; },
    { name = \"network\"; port = 0; host = \"127.0.0.1\"; source_prefix_v4 = 24; } );"
stay 2 one --count 2
two=$!
expect "two of three are here: one more enters" lets_in 1 one --count 1
within 60 serves 2 || fail "it has not gone"
stay 1 one --count 1
third=$!
expect "three are here: nobody enters" lets_in 0 one --count 1
expect_records 1 end=refused listener=one client=127.0.0.1 rule=source count=1
expect "but from elsewhere" lets_in 1 one --count 1 --source 127.0.1.1
expect "or at another listener" lets_in 1 two --count 1
within 60 serves 3 || fail "they have not gone"
kill -HUP "$echod_pid"
within 60 logged "echod.conf: reloaded" || fail "no reload"
expect "a reload forgets nobody" lets_in 0 one --count 1
kill $third
wait $third
within 60 serves 2 || fail "it has not gone"
expect "one has left: one enters" lets_in 1 one --count 1
within 60 serves 2 || fail "it has not gone"
expect "but not two" lets_in 1 one --count 2
kill $two
wait $two
within 60 serves 0 || fail "they have not gone"
expect "all have left: three enter of five" lets_in 3 one --count 5
within 60 serves 0 || fail "they have not gone"

stay 1 network --count 1 --source 127.0.3.1
first=$!
stay 2 network --count 2 --source 127.0.3.2
second=$!
expect "they are one source: nobody enters" lets_in 0 network --count 1 --source 127.0.3.255
expect "but from the next network" lets_in 1 network --count 1 --source 127.0.4.0
kill $first $second
wait $first $second
stop_echod
expect "no refusal of the source is lost" are_refused 5 listener=one rule=source
expect "nor of the network" are_refused 1 listener=network client=127.0.3.255 rule=source
expect "there are no others" are_refused 6

# ---- a rate: so many at once, then so many a second ----
start_echod 'name = "rate"; host = "127.0.0.1"; port = 0; rate_per_source = 2;'
expect "one of two at once" lets_in 1 rate --count 1
sleep 1.2
expect "two of two" lets_in 2 rate --count 2
sleep 1.2
hardly_more() { # than two of a hundred: two for each second that they take
    local begin=$SECONDS n
    n=$(knock rate --count 100) && refused=$((100 - n)) && [ "$n" -ge 2 ] && [ "$n" -le $((4 + 2 * (SECONDS - begin))) ]
}
expect "two of a hundred" hardly_more
expect_records 1 end=refused listener=rate client=127.0.0.1 rule=rate count=1
expect "another source has its own" lets_in 2 rate --count 2 --source 127.0.1.1
sleep 1.2
expect "it heals by itself" lets_in 2 rate --count 2
stop_echod
expect "no refusal is lost" are_refused "$refused"

# ---- a flood of refusals is two lines: the first one, and all the others ----
start_echod 'name = "flood"; host = "127.0.0.1"; port = 0; deny = [ "127.0.0.1" ];'
expect "nobody of 300 enters" lets_in 0 flood --count 300
expect "the first is told at once" within 60 are_refused 1
expect "the others wait" has_records 1 end=refused
expect "and are told when ten seconds are over" within 60 are_refused 300
expect "together" has_records 2 end=refused
expect "the log has as many" has_records 1 end=refused count=299
stop_echod
expect "nothing is told twice" are_refused 300
expect "the totals" has_totals 300 300 0

# ---- -T ----
printf '%s\n' 'allow = [ "127.0.0.0/8" ]; deny = [ "127.0.1.7", "::1" ]; max_clients_per_source = 3;
    source_prefix_v4 = 24; source_prefix_v6 = 56; rate_per_source = 9;' >echod.conf
"$ECHOD" -T -c echod.conf >dump || fail "-T"
shows() { tr -s ' \n' ' ' <dump | grep -qF -- "$1"; }
"$ECHOD" -T -c dump >dump.2 && expect "-T reads itself back" cmp dump dump.2
for line in 'allow = [ "127.0.0.0/8" ];' 'max_clients_per_source = 3;' 'source_prefix_v4 = 24;' \
    'source_prefix_v6 = 56;' 'rate_per_source = 9;'; do
    expect "-T: $line" shows "$line"
done

# ---- a crowd: silent ones have a fifth of the time once eight of ten are here ----
start_echod "max_clients = 10; name = \"tls\"; port = 0; handshake_timeout = 15; $tls_on"
cut_after() { # N FROM TO: so many ended after so many milliseconds
    [ "$(records end=handshake_timeout | field duration_usec |
        awk -v from="$2" -v to="$3" '$1 >= from * 1000 && $1 < to * 1000' | wc -l)" = "$1" ]
}
start_peer crowd tls --count 8 --seconds 60
early=$!
expect "eight silent clients" within 60 serves 8
hurry="of 10 clients are here: handshakes get less time"
expect "no hurry yet" [ "$(grep -cF "$hurry" $log)" = 0 ]
start_peer crowd tls --count 2 --seconds 60
late=$!
expect "two more" within 60 serves 10
wait $late || fail "the late ones were not cut"
expect_records 2 end=handshake_timeout
expect "after three seconds" cut_after 2 3000 15000
expect "the early ones stay" serves 8
wait $early || fail "the early ones were not cut"
expect_records 10 end=handshake_timeout
expect "they had all their time" cut_after 8 15000 60000
expect "the log says so once" [ "$(grep -cF "8 $hurry" $log)" = 1 ]
expect "an empty house hurries nobody" peer whole tls
stop_echod
