#!/bin/bash
# metrics.sh - metrics_file: whole and clean at every moment, served by the real node_exporter, and equal to
# what the clients have counted themselves once the drain is over.
. "$(dirname "$0")/lib.sh"
need openssl promtool prometheus-node-exporter curl

umask 077 # as the units have it: whoever collects the numbers is another user
mkdir metrics
file=metrics/echod.prom
settings() { # FILE NETWORK...: metrics_file, and who may not come to `deny`
    printf '%s\n' "metrics_file = \"$1\"; drain_timeout = 1; max_clients = 100;" "listeners = (
    { name = \"plain\"; port = 0; }, { name = \"tls\"; port = 0; $tls_on },
    { name = \"line\"; port = 0; framing = \"line\"; max_bytes = 1000; },
    { name = \"deny\"; host = \"127.0.0.1\"; port = 0; deny = [ \"127.0.1.0/24\" ]; } );"
}
value() { # SAMPLE [FILE]: as the file has it
    awk -v name="$1" '$1 == name { print $2 }' "${2-$file}"
}
is() { # NUMBER SAMPLE [FILE]
    local now
    now=$(value "${@:2}")
    [ "$now" = "$1" ] || { echo "$2 is ${now:-not there}, not $1"; return 1; }
} >&2
settles() { within 60 is "$@" 2>/dev/null || is "$@"; }
of() { printf '%s{listener="%s"%s}' "$1" "$2" "${3+,$3}"; } # FAMILY LISTENER [LABEL]: a sample
sum() { # FAMILY: of all its samples
    awk -v name="$1{" 'index($1, name) == 1 { n += $2 } END { print n }' $file
}
is_clean() { promtool check metrics <$file; }
is_whole() { # whenever it is looked at
    local i
    for i in {1..300}; do
        [ "$(tail -n 1 $file | cut -d '{' -f 1)" = echod_certificate_expiry_timestamp_seconds ] || return 1
        sleep 0.01
    done
}

start_echod "$(settings $file)"
expect "it is there before any client" settles 0 "$(of echod_clients plain)"
expect "with every listener and end" is 0 "$(of echod_connections_total tls 'end="tls_error"')"
expect "others can read it" [ "$(stat -c %a $file)" = 644 ]
expect "promtool: clean" is_clean

# ---- the clients, who count for themselves ----
many() { # NAME N OPTION...: N connections of 100 bytes, by each of four
    local i pids=()
    for i in 1 2 3 4; do
        "$ECHOC" ping --json --new -i 0.001 -s 100 -c "$2" --ca "$PKI/ca.crt" "${@:3}" "$(url "$1")" >"$1.$i.json" &
        pids+=($!)
    done
    wait "${pids[@]}"
}
counted() { # NAME: the connections that those counted
    python3 -c 'import json, sys; print(sum(json.load(open(f))["received"] for f in sys.argv[1:]))' "$1".[1-4].json
}
is_whole &
watcher=$!
many plain 60
many tls 30
expect "whole at every look" wait $watcher
head -c 3000000 /dev/urandom >random
run 0 cat "$(url plain)" <random
expect "the bytes are back" cmp -s random out
printf 'one\ntwo\nthree\n' | "$ECHOC" cat "$(url line)" >out
yes | head -n 600 | "$ECHOC" cat "$(url line)" >/dev/null 2>&1
echo 'this is no TLS' | timeout 60 socat -t 60 - "TCP:127.0.0.1:$(port tls)" >/dev/null 2>&1
refused=$(peer knock deny --count 7 --source 127.0.1.9)
expect "refused at the door: 7" [ "$refused" = 0 ]

# ---- while they are served ----
start_peer knock plain --count 3 --keep --seconds 100 >kept
within 60 test -s kept || fail "nobody came"
expect "clients: 3 are here" settles 3 "$(of echod_clients plain)"
expect "clients: none elsewhere" is 0 "$(of echod_clients tls)"
expect "promtool: still clean" is_clean

exporter_port=$(nobody)
prometheus-node-exporter --collector.disable-defaults --collector.textfile \
    --collector.textfile.directory="$dir/metrics" --web.listen-address="127.0.0.1:$exporter_port" >exporter.log 2>&1 &
scrape() { curl -fsS --max-time 10 "http://127.0.0.1:$exporter_port/metrics" >scraped; }
within 60 scrape 2>/dev/null || fail "node_exporter does not serve: $(cat exporter.log scraped)"
same() { # SAMPLE...: node_exporter has the file's number of each
    local each
    for each; do is "$(value "$each")" "$each" scraped || return 1; done
}
expect "node_exporter: no error" is 0 node_textfile_scrape_error scraped
expect "node_exporter: the same numbers" same "$(of echod_clients plain)" \
    "$(of echod_refusals_total deny 'rule="deny"')" 'echod_log_lines_dropped_total'
# it sorts the labels, and so writes them in another order than they come
expect "node_exporter: ends" is "$(value "$(of echod_connections_total plain 'end="closed"')")" \
    'echod_connections_total{end="closed",listener="plain"}' scraped
expect "node_exporter: a counter is one" grep -qx '# TYPE echod_connections_total counter' scraped
expect "node_exporter: and so is a histogram" grep -qx '# TYPE echod_handshake_seconds histogram' scraped

# ---- reload ----
reload() { settings "$2" >echod.conf; [ $# = 2 ] || echo "$3" >>echod.conf; kill -HUP "$echod_pid"; within 60 logged "$1"; }
expect "reload: one with a fault" reload "not reloaded, the settings" $file 'prot = 1;'
expect "reload: it is told" settles 0 echod_last_reload_successful
expect "reload: to another file" reload "echod.conf: reloaded" metrics/other.prom
expect "reload: the old one is gone" within 60 [ ! -e $file ]
file=metrics/other.prom
expect "reload: the counts are the same" settles 3 "$(of echod_clients plain)"
expect "reload: this one was well" is 1 echod_last_reload_successful
expect "promtool: clean with another reload" is_clean
expect "certificate: when it expires" is "$(date -d "$(openssl x509 -in "$PKI/server.crt" -noout -enddate |
    cut -d = -f 2)" +%s)" "$(grep -o '^echod_certificate_expiry[^ ]*' $file | head -n 1)"

# ---- what cannot be written ----
mv metrics before && : >metrics # at once: it may be written to
many plain 1
expect "a file that cannot be written is told" \
    within 60 logged 'cannot write metrics_file metrics/other.prom: Not a directory'
rm metrics && mkdir metrics
expect "and tried again, without a client" within 60 test -e $file

# ---- after the drain ----
crashes=0
stop_echod
expect "the drain: cut are 3" is 3 "$(of echod_connections_total plain 'end="drained"')"
expect "the drain: nobody is here" [ "$(sum echod_clients)" = 0 ]
plain=$((4 * 60 + 1 + 4)) tls=$(counted tls)
expect "the clients' own count: TLS" [ "$tls" = 120 ]
expect "the same: connections" is $plain "$(of echod_connections_total plain 'end="closed"')"
expect "the same: TLS connections" is "$tls" "$(of echod_connections_total tls 'end="closed"')"
expect "the same: bytes" is $((100 * (plain - 1) + 3000000 + 3)) "$(of echod_echoed_bytes_total plain)"
expect "the same: bytes in TLS" is $((100 * tls)) "$(of echod_received_bytes_total tls)"
expect "the same: messages" [ "$(value "$(of echod_messages_total line)")" -ge 3 ]
expect "the same: too many bytes" is 1 "$(of echod_connections_total line 'end="max_bytes"')"
expect "the same: no TLS" is 1 "$(of echod_connections_total tls 'end="wrong_protocol"')"
expect "the same: refused" is 7 "$(of echod_refusals_total deny 'rule="deny"')"
expect "the same: refused is an end" is 7 "$(of echod_connections_total deny 'end="refused"')"
expect "handshakes: one a connection" is "$tls" "$(of echod_handshake_seconds_count tls)"
expect "sessions: all of them" is $((plain + 3)) "$(of echod_session_seconds_count plain)"
expect "all that were accepted are over" logged "stopped: $(sum echod_connections_total) accepted = "
expect "no half-made file is left" [ "$(ls metrics)" = other.prom ]
expect "promtool: clean at the end" is_clean

# ---- before the start ----
settings no/such/echod.prom >bad.conf
timeout 60 "$ECHOD" -t -c bad.conf >out || fail "-t: exit status $?"
expect "-t: names the line" says '^bad.conf:1: metrics_file: cannot write no/such/echod.prom: No such file.*a note'
settings "$dir/metrics" >bad.conf
timeout 60 "$ECHOD" -t -c bad.conf >out || fail "-t: exit status $?"
expect "-t: a directory is no file" says 'metrics_file: cannot write .*/metrics: it is no regular file'
start_echod "$(settings no/such/echod.prom)"
expect "start: it is told" within 60 logged 'cannot write metrics_file no/such/echod.prom: No such file'
expect "start: and nobody is turned away for it" peer whole plain
stop_echod

# ---- names of every kind stay apart, and readable ----
printf '%s\n' 'metrics_file = "metrics/names.prom"; listeners = ( { name = "é"; port = 0; }, { name = "è"; port = 0; },
    { name = "quote\"back\\slash"; port = 0; } );' >echod.conf
launch "$ECHOD" -c echod.conf
file=metrics/names.prom
within 60 test -e $file || fail "no metrics of names"
expect "names: clean" is_clean
expect "names: three clients' gauges" [ "$(grep '^echod_clients{' $file | sort -u | wc -l)" = 3 ]
expect "names: node_exporter takes them" within 60 eval "scrape && grep -Fq 'listener=\"\\\\xc3\\\\xa9\"' scraped"
expect "names: without an error" is 0 node_textfile_scrape_error scraped
stop_echod
