#!/bin/bash
# chaos.sh - many clients, good and bad, while processes are killed, connections broken and settings
# reloaded: no byte is wrong, the parent stays as it is, and its books agree with the clients' own.
#
# CHAOS_CONNECTIONS=50000 carries more than 20 GB in some ten minutes; CHAOS_SEED repeats a run.
. "$(dirname "$0")/lib.sh"
connections=${CHAOS_CONNECTIONS:-800}
if sanitized; then connections=$((connections / 4)); fi
warm_up=$((connections / 2 < 1000 ? connections / 2 : 1000))
seed=${CHAOS_SEED:-$RANDOM}

chaos() { # N FIRST OPTION...: so many clients, from 127.0.1.1 and up; totals in `out`
    "$CHAOS" -n "$1" --first "$2" "${@:3}" --timeout 300 --seed "$seed" --ca "$PKI/ca.crt" \
        "$(url plain)" "$(url tls)" >>out && tail -n 1 out
}
totals() { # NAME: of all that chaos() ran
    field "$1" <out | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# ---- faults: they hit only clients of 127.0.0.1, which are there to be hit ----

# a process that has the victim's connection, and is not the parent
victim() { # PORT
    ss -Htnp state established "sport = :$1 and dst 127.0.0.1" | grep -o 'pid=[0-9]*' |
        grep -vxF "pid=$echod_pid" | sed 's/pid=//' | head -n 1
}
has_victim() { [ -n "$(victim "$1")" ]; }
hurt() { # kill|cut PORT BYTE: a client that loses its process, or its connection
    local fd how=$1
    exec {fd}<>"/dev/tcp/127.0.0.1/$2" || return
    printf '%b' "$3" >&"$fd"
    within 60 has_victim "$2" || how=spared
    # the byte is to be read, without one it would be no client but a probe: a plain one comes back
    if [ "$3" = x ]; then read -r -t 60 -N 1 -u "$fd"; else sleep 0.2; fi
    case $how in
    kill) kill -KILL "$(victim "$2")" || how=spared ;;
    cut) ss -K state established "sport = :$2 and dst 127.0.0.1" >/dev/null || how=spared ;;
    esac
    echo "$how" >>hurt
    [ "$how" = spared ] || read -r -t 60 -N 1 -u "$fd"
    [ $? -le 128 ] || echo untold >>hurt
    exec {fd}>&-
}
hurt_some() {
    until [ -e stop ]; do
        hurt kill "$(port plain)" x
        hurt cut "$(port tls)" '\x16'
        hurt cut "$(port plain)" x
        hurt kill "$(port tls)" '\x16'
    done
}
hurts() { grep -c "$1" hurt; }
reload_often() {
    until [ -e stop ]; do
        kill -HUP "$echod_pid"
        sleep 1
    done
}

under_faults() { # COMMAND...
    local faults=() status=0
    rm -f stop
    reload_often &
    faults+=($!)
    if [ "$(id -u)" = 0 ] && command -v ss >/dev/null; then
        hurt_some 2>hurt.err &
        faults+=($!)
    fi
    "$@" || status=$?
    : >stop
    wait "${faults[@]}"
    within 60 serves 0 || fail "clients are left over"
    return $status
}

# ---- the parent ----

descriptors() { find /proc/"$echod_pid"/fd -type l | wc -l; }
memory() { awk '/^Rss:/ { print $2 }' /proc/"$echod_pid"/smaps_rollup; }
steady() { # BEFORE AFTER: within 60 %
    local difference=$(($2 - $1))
    printf '%s KiB, then %s KiB\n' "$1" "$2"
    [ $((${difference#-} * 100)) -le "$1" ]
}

# more clients at a time than any later: the scoreboard has a page for each, which stays touched
crowd() {
    local fd fds=() ports port
    ports=("$(port plain)" "$(port tls)")
    for _ in {1..60}; do
        for port in "${ports[@]}"; do
            exec {fd}<>"/dev/tcp/127.0.0.1/$port" && fds+=("$fd") && echo held >>hurt
        done
    done
    within 60 serves ${#fds[@]} || fail "a crowd of ${#fds[@]} is not served"
    for fd in "${fds[@]}"; do exec {fd}>&-; done
    within 60 serves 0 || fail "the crowd has not gone"
}

# the last reload is over, and a client has come since: before that there is no fork server, nor its socket
rest() {
    sleep 1
    "$ECHOC" ping -c 1 "$(url plain)" >visit || fail "a visitor is not served"
    echo visited >>hurt
    within 60 serves 0 || fail "a visitor is left over"
}

start_echod "log = { level = \"debug\"; }; $both"
: >hurt
crowd
under_faults chaos $warm_up 0 || fail "chaos, while warming up"
rest
before=$(memory) descriptors=$(descriptors)
under_faults chaos $((connections - warm_up)) $warm_up || fail "chaos"
rest
printf 'ok - every byte came back: %s of %s connections\n' "$(totals back)" "$(totals connected)"
expect "the parent is the same" kill -0 "$echod_pid"
expect "it has as many descriptors as before" [ "$(descriptors)" = "$descriptors" ]
sanitized || # which keep what is freed
    expect "and as much memory" steady "$before" "$(memory)"
expect "it was reloaded on the way" logged "echod.conf: reloaded"
printf 'ok - faults: %s processes killed, %s connections cut, %s clients spared\n' \
    "$(hurts kill)" "$(hurts cut)" "$(hurts spared)"
expect "each client that was hit was told" [ "$(hurts untold)" = 0 ]

# ---- the books ----
crashes=$(hurts kill)
stop_echod
# the first line is about chaos, the second about the clients that were hit
awk '/^echod: end=/ {
    split("", value)
    for (i = 2; i <= NF; i++) { at = index($i, "="); value[substr($i, 1, at - 1)] = substr($i, at + 1) }
    end = value["end"]; in_ = value["bytes_in"] + 0; out = value["bytes_out"] + 0
    mine = value["client"] == "127.0.0.1" ? "hit" : "chaos"
    records[mine]++; ends[mine, end]++; bytes[mine, end] += in_
    if (out > in_ || (end == "closed" && out != in_)) { unequal++; print >"unequal" }
} END {
    printf "chaos records=%d closed=%d closed_bytes=%.0f truncated=%d unequal=%d \n", records["chaos"],
        ends["chaos", "closed"], bytes["chaos", "closed"], ends["chaos", "truncated"], unequal
    printf "hit records=%d crashed=%d reset=%d \n", records["hit"], ends["hit", "crashed"],
        ends["hit", "reset"]
}' $log >books
cat books
book() { grep "^$1 " books | field "$2"; }
expect "a record for each connection" [ "$(book chaos records)" = "$(totals connected)" ]
expect "closed are those that ended in order" [ "$(book chaos closed)" = "$(totals closed)" ]
expect "with exactly their bytes" [ "$(book chaos closed_bytes)" = "$(totals closed_bytes)" ]
# a reset that TLS 1.3 meets while it sends its tickets looks like an end without close_notify
expect "without close_notify, they are truncated" [ "$(book chaos truncated)" -ge "$(totals truncated)" ]
[ ! -e unequal ] || cat unequal
expect "no record has more out than in, nor closed less" [ "$(book chaos unequal)" = 0 ]
expect "a record for each one hit" [ "$(book hit records)" = "$(wc -l <hurt)" ]
expect "those killed have crashed" [ "$(book hit crashed)" = "$crashes" ]
expect "those cut are reset" [ "$(book hit reset)" = "$(hurts cut)" ]

# ---- and the parent's own ----
if sums=$(grep -o 'stopped: [0-9]* accepted = [0-9]* refused + [0-9]* ended' $log); then
    read -r _ accepted _ _ refused _ _ ended _ <<<"$sums"
    all=$(($(totals connected) + $(wc -l <hurt)))
    expect "$sums" [ "$accepted,$((refused + ended))" = "$all,$all" ]
fi
