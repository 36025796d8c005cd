#!/bin/bash
# echoc-usage.sh - help, version, and words for every argument that is wrong.
. "$(dirname "$0")/lib.sh"

url=tcp://127.0.0.1:$(nobody) # a wrong argument must not lead to a connection
wrong() { # REGEX ARGUMENT...: exit status 2, nothing on standard output, and these words
    run 2 "${@:2}" </dev/null
    [ ! -s out ] && complains "$1" || {
        cat out err
        fail "echoc ${*:2}: not \"$1\""
    }
    printf 'ok - %s\n' "${*:2}"
}
helps() { # COMMAND WORD...: its help has all of these
    local word
    run 0 "$1" --help
    [ ! -s err ] || return
    for word in "${@:2}" --ca --cert --key --servername --insecure --alpn --tls-min --tls-max \
        --ciphers --groups --framing --marker --json --timeout "^Usage: echoc $1 " tcp:// tls:// unix: tls.unix:; do
        says "$word" || { echo "no $word"; return 1; }
    done
}

# ---- help and version ----
run 0 --help
for command in cat ping load check info; do
    expect "--help lists $command" says "^  $command +[a-z]"
done
expect "cat --help" helps cat
expect "ping --help" helps ping -c -i -s -W --new --resume --count --interval --size --wait
expect "load --help" helps load -C -d -s -r -D -j -W --seed --new --resume --connections --rate
expect "check --help" helps check -w -c --expiry --warning --critical -s -W
expect "info --help" helps info
run 0 --version
expect "--version" says '^echoc [0-9]+\.[0-9]+'
cp out version
run 0 ping --version
expect "ping --version" cmp version out

# ---- commands and URLs ----
hint="^Try 'echoc (ping )?--help'\.$"
wrong '^echoc: a command is missing$'
expect "a hint" complains "$hint"
wrong '^echoc: pong: no such command$' pong "$url"
expect "a hint" complains "$hint"
wrong '^echoc: --bad: no such command$' --bad
wrong '^echoc: a URL is missing$' ping
expect "a hint" complains "$hint"
wrong '^echoc: only one URL can be given$' ping "$url" "$url"
for bad in localhost:7 http://localhost:7 tcp://localhost tcp://localhost: tcp://:7 tcp://localhost:0 \
    tcp://localhost:65536 tcp://localhost:7x tcp://::1:7 tcp://[::1:7 tcp:// "tcp://$(printf '%0300d' 0):7" \
    tcp://localhost:+7 tcp://localhost:-7 'tcp://localhost: 7' 'tcp://[]:7' \
    "unix:$(printf '%0400d' 0)" ''; do
    wrong "^echoc: \"${bad//[[+]/.}\" is no URL; it must be tcp://HOST:PORT" cat "$bad"
done
wrong '^echoc: .*"unix:" must have 1 to 107 bytes$' cat unix:
wrong '^echoc: .*: connect: No such file or directory$' cat unix:nothing

# ---- options ----
wrong "unrecognized option '--nonsense'" ping --nonsense "$url"
expect "a hint" complains "$hint"
wrong "invalid option -- 'x'" ping -x "$url"
wrong "option '--ca' requires an argument" ping --ca
wrong "option requires an argument -- 'c'" ping -c
wrong "option '--json' doesn't allow an argument" ping --json=1 "$url"
for option in --count=1 --interval=1 --rate=1 --depth=1 --seed=1 --expiry=1 --new --resume --size=1; do
    wrong "^echoc: cat takes no such option: ${option%=*}" cat "$option" "$url"
done
wrong '^echoc: ping takes no such option: --rate' ping --rate 1 "$url"
wrong '^echoc: load takes no such option: --count' load --count 1 "$url"
wrong '^echoc: info takes no such option: --new' info --new "$url"

# ---- values ----
for value in x '' 1x nan inf -1 0 1.5 1e16; do
    wrong "^echoc: (-c|--count): \"$value\" is no " ping -c "$value" "$url"
done
for value in x '' 1s nan inf -1 1e7; do
    wrong "^echoc: (-i|--interval): \"$value\" is no " ping -i "$value" "$url"
    wrong "^echoc: (-W|--wait): \"$value\" is no " ping -W "$value" "$url"
    wrong "^echoc: --timeout: \"$value\" is no " cat --timeout "$value" "$url"
    wrong "^echoc: (-d|--duration): \"$value\" is no " load -d "$value" "$url"
done
for value in 0 -5 16777217 1.5 x; do
    wrong "^echoc: (-s|--size): \"$value\" is no " load -s "$value" "$url"
done
for value in 0 -1 1.5 x 1e9; do
    wrong "^echoc: (-C|--connections): \"$value\" is no " load -C "$value" "$url"
    wrong "^echoc: (-D|--depth): \"$value\" is no " load -D "$value" "$url"
    wrong "^echoc: (-j|--threads): \"$value\" is no " load -j "$value" "$url"
done
wrong '^echoc: (-r|--rate): "-1" is no ' load -r -1 "$url"
wrong '^echoc: --seed: "x" is no ' load --seed x "$url"
wrong '^echoc: --framing: "lines" is ' ping --framing lines "$url"
wrong '^echoc: --tls-min: "1.4" is ' ping --tls-min 1.4 "$url"
wrong '^echoc: --tls-max: "TLSv1.3" is ' ping --tls-max TLSv1.3 "$url"
wrong '^echoc: --marker: ' ping --marker '' "$url"
wrong '^echoc: --marker: ' ping --marker "$(printf '%0256d' 0)" "$url"

# ---- files and what TLS makes of them ----
tls=tls://${url#tcp://}
wrong '^echoc: cannot load the trusted certificates of nothing: .' cat --ca nothing "$tls"
wrong '^echoc: cannot load the trusted certificates of .*garbage.pem: .' cat --ca "$PKI/garbage.pem" "$tls"
wrong '^echoc: cannot load the certificate nothing: .' cat --cert nothing --key "$PKI/client.key" "$tls"
wrong '^echoc: .*mismatch.key is not the key of the certificate$' \
    cat --cert "$PKI/client.crt" --key "$PKI/mismatch.key" "$tls"
wrong '^echoc: .*nothing' cat --cert "$PKI/client.crt" --key nothing "$tls"
wrong '^echoc: .*encrypted' cat --cert "$PKI/client.crt" --key "$PKI/encrypted.key" "$tls"
wrong '^echoc: .*--key' cat --cert "$PKI/client.crt" "$tls"
wrong '^echoc: .*--cert' cat --key "$PKI/client.key" "$tls"
wrong '^echoc: "NOTHING" names no ciphers$' cat --ciphers NOTHING "$tls"
wrong '^echoc: "TLS_NOTHING" names no ciphers$' cat --ciphers TLS_NOTHING "$tls"
wrong '^echoc: "NOTHING" is no list of groups$' cat --groups NOTHING "$tls"
wrong '^echoc: "a,,b" is no list of ALPN names$' cat --alpn a,,b "$tls"
wrong '^echoc: .*--tls-m' cat --tls-min 1.3 --tls-max 1.2 "$tls"
