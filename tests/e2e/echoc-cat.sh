#!/bin/bash
# echoc-cat.sh - `echoc cat` gives back every byte, and says so when it cannot.
. "$(dirname "$0")/lib.sh"
need openssl /usr/bin/time

whole() { # LISTENER FILE OPTION...: it comes back as it is
    run 0 cat --ca "$PKI/ca.crt" "${@:3}" "$(url "$1")" <"$2" && cmp "$2" out && [ ! -s err ]
}
random_bytes() { # N: always the same ones
    head -c "$1" /dev/zero | openssl enc -aes-128-ctr -nosalt -K 7 -iv 0 2>/dev/null
}
large() { # LISTENER BYTES: random ones, there and back, within little memory
    local status
    [ -s sent.sum ] || random_bytes "$2" | sha256sum >sent.sum
    random_bytes "$2" |
        /usr/bin/time -f %M -o memory "$ECHOC" cat --ca "$PKI/ca.crt" "$(url "$1")" 2>err |
        sha256sum >back.sum
    status=${PIPESTATUS[1]}
    [ "$status" = 0 ] && cmp sent.sum back.sum || { cat err; return 1; }
    sanitized || [ "$(tail -n 1 memory)" -lt 16384 ] || fail "echoc needed $(cat memory) KiB"
}
slow() { # LISTENER: pieces of input with pauses longer than --timeout, and an input without one
    { echo "piece 1" && sleep 2.5 && echo "piece 2"; } |
        timeout 60 "$ECHOC" cat --timeout 2 --ca "$PKI/ca.crt" "$(url "$1")" >out 2>err &&
        [ "$(cat out)" = $'piece 1\npiece 2' ]
}
at_once() { # LISTENER: an echo is there before the input ends
    mkfifo fifo-$1
    "$ECHOC" cat --ca "$PKI/ca.crt" "$(url "$1")" <fifo-$1 >out-$1 2>err &
    exec 9>fifo-$1
    echo first >&9
    within 60 grep -q first out-$1 || return 1
    exec 9>&-
    wait $!
}
lost() { # KIND WORDS [OPTION...]: exit status 1 and these words, with the 100,000 bytes of `input`
    run 1 cat --ca "$PKI/ca.crt" "${@:3}" "$(bad "$1")" <input && [ "$(wc -l <err)" = 1 ] &&
        complains "^echoc: $2" || { cat err; return 1; }
}

start_echod "listeners = ( { name = \"plain\"; port = 0; }, { name = \"tls\"; port = 0; $tls_on },
    { name = \"unix\"; host = \"unix:$dir/plain.socket\"; },
    { name = \"tls-unix\"; host = \"unix:$dir/tls.socket\"; $tls_on } );"
names='plain tls unix tls-unix'

# ---- all comes back ----
size=${bytes-$((1 << 26))} # many times the memory that it may use
for name in plain tls; do
    expect "$name: $((size >> 20)) MiB" large $name $size
    expect_records 1 end=closed listener=$name bytes_in=$size bytes_out=$size
done
head -c 300000 /dev/urandom >random
: >empty
for word in Q R B '.' quit '~.' k; do printf '%s\n' "$word" '' "$word"; done >commands
printf '\n~.\n\003\004\032\021\023\377\360\nQ' >>commands
for name in $names; do
    options=()
    [ $name = tls-unix ] && options=(--servername localhost)
    expect "$name: random bytes" whole $name random "${options[@]}"
    expect "$name: nothing" whole $name empty "${options[@]}"
    expect "$name: nothing in the data is a command" whole $name commands "${options[@]}"
done
expect_records 4 end=closed "bytes_in=$(wc -c <commands)" "bytes_out=$(wc -c <commands)"
for name in plain tls; do
    expect "$name: an input that takes its time" slow $name
    expect "$name: the echo does not wait for the end" at_once $name
done
expect "the version is as told" whole tls random --tls-max 1.2
expect_records 1 tls_version=TLSv1.2

# ---- --json: standard output is the echo's ----
run 0 cat --json --ca "$PKI/ca.crt" "$(url tls)" <random
expect "--json, the echo" cmp random out
expect "--json, what it says" json 'd["command"] == "cat" and d["ok"] is True and
d["sent_bytes"] == d["received_bytes"] == 300000 and d["duration_usec"] > 0 and
d["connect_nsec"] > 0 and d["handshake_nsec"] > 0 and d["tls"]["version"] == "TLSv1.3" and
d["tls"]["resumed"] is False and "error" not in d' err
run 0 cat --json "$(url plain)" <empty
expect "--json, plain" json 'd["tls"] is None and d["sent_bytes"] == d["handshake_nsec"] == 0' err

# ---- what is lost is told ----
head -c 100000 /dev/urandom >input
start_bad good truncate@30000 leave@30000 reset@30000 stall@30000 drop@30000 duplicate@30000 \
    extra hang tls-good tls-truncate@30000 tls-drop@30000 tls-extra tls-stall@30000 \
    tls-no-close-notify
for kind in good tls-good; do
    run 0 cat --ca "$PKI/ca.crt" "$(bad $kind)" <input
    expect "$kind" cmp input out
done
for tls in '' tls-; do
    expect "${tls}drop" lost ${tls}drop@30000 'echo: 99999 of 100000 bytes came back$'
    expect "${tls}extra" lost ${tls}extra 'echo: 100003 of 100000 bytes came back$'
    expect "${tls}stall" lost ${tls}stall@30000 \
        'echo: timed out after 30000 of [0-9]+ bytes$' --timeout 3
    expect "${tls}truncate" lost ${tls}truncate@30000 'e.*30000'
    expect "${tls}truncate: what came is there" cmp <(head -c 30000 input) out
done
expect "duplicate" lost duplicate@30000 'echo: 100010 of 100000 bytes came back$'
expect "leave" lost leave@30000 'echo: .* after 30000 bytes'
expect "leave: what came is there" cmp <(head -c 30000 input) out
# the reset comes right behind the bytes, and often while more is being sent
for i in 1 2 3 4 5 6 7 8; do
    run 1 cat "$(bad leave@30000)" < <(head -c 10000000 /dev/zero)
    expect "leave, in the middle of the input: what came is there" test "$(wc -c <out)" = 30000
    expect "and is told" complains "after 30000 bytes"
done
expect "reset" lost reset@30000 'echo: .* after [0-9]+ bytes'
expect "hang" lost hang 'e.*timed out.*' --timeout 3
expect "no-close-notify" lost tls-no-close-notify 'end: the server closed without close_notify$'
expect "no-close-notify: all is there" cmp input out
run 1 cat --json "$(bad drop@30000)" <input
expect "--json of a loss" eval 'tail -n 1 err >last; json "d[\"ok\"] is False and
d[\"received_bytes\"] == 99999 and \"99999 of 100000\" in d[\"error\"]" last'

# ---- output that nobody reads, a server that is not there, input that cannot be read ----
broken_pipe() {
    head -c 3000000 /dev/zero |
        timeout 60 "$ECHOC" cat --ca "$PKI/ca.crt" "$(url "$1")" 2>err | head -c 1000 >/dev/null
    [ "${PIPESTATUS[1]}" = 1 ] && complains '^echoc: cannot write standard output: Broken pipe$'
}
for name in plain tls; do
    expect "$name: a broken pipe" broken_pipe $name
done
run 2 cat "tcp://127.0.0.1:$(nobody)" <input
expect "nobody listens" complains '^echoc: 127.0.0.1:[0-9]+: connect: Connection refused$'
run 1 cat "$(url plain)" <.
expect "an input that cannot be read" complains '^echoc: cannot read standard input: Is a directory$'

# ---- an interrupt ends it ----
interrupted() {
    local pid status=0
    mkfifo silent
    "$ECHOC" cat "$(url plain)" <>silent >out 2>err &
    pid=$!
    within 60 serves 1 || return 1
    kill -INT $pid
    within 60 gone $pid || return 1
    wait $pid || status=$?
    [ $status = 1 ] && complains '^echoc: interrupted$'
}
within 60 serves 0
expect "SIGINT" interrupted
stop_echod
