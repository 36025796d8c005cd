#!/bin/bash
# keylog.sh - with tls.keylog, what decrypts a session stands in that file, as the client knows it,
# and nobody is left in doubt of what that means.
. "$(dirname "$0")/lib.sh"
need openssl

settings="port = 0; host = \"127.0.0.1\"; name = \"tls\"; ${tls_on/\{/\{ keylog = \"keys\";}"
start_echod "$settings"
expect "there is a warning" within 60 logged 'anyone who can read keys can read what all clients send'
expect "the file is there, for its owner only" [ "$(stat -c %a keys)" = 600 ]

secrets() { grep -v '^#' "$1" | sort; } # FILE
# whatever the client has, and nothing else; of TLS 1.3, the exporter's secret is there as well
agree() { [ -s keys ] && diff <(secrets client) <(secrets keys); }
s_client() { # OPTION...
    timeout 60 openssl s_client -connect "127.0.0.1:$(port tls)" -keylogfile client "$@" </dev/null >s_client.out 2>&1
}
for version in 1.2 1.3; do
    : >keys
    rm -f client
    s_client -tls${version/./_}
    expect_records 1 tls_version=TLSv$version
    expect "TLS $version" agree
done
: >keys
rm -f client
for i in {1..8}; do s_client & clients[i]=$!; done
wait "${clients[@]}"
lines=$(secrets client | wc -l)
has_all() { [ "$(secrets keys | grep -cxE '[A-Z_0-9]+ [0-9a-f]{64} ([0-9a-f]{64}|[0-9a-f]{96})')" = 40 ]; }
expect "eight at once: no line is broken" within 60 has_all
expect "the client's own" [ "$lines" = 40 ]

# ---- a check makes no file; a reload opens it anew; what cannot be written is a fault ----
"$ECHOD" -t -c echod.conf -o tls.keylog=other >told || fail "-t"
expect "a check makes no file" [ ! -e other ]
mv keys old
kill -HUP "$echod_pid"
within 60 logged 'reloaded' || fail "no reload"
rm -f client
s_client
expect "a reload opens it anew" within 60 agree
mkfifo fifo
ln -s /nonexistent/keys link
for path in /nonexistent/keys /dev/null . fifo link; do
    timeout 60 "$ECHOD" -c echod.conf -o "tls.keylog=$path" 2>told
    expect "$path" [ $? = 78 ]
    expect "$path: the setting is named" grep -q "tls.keylog: cannot write to $path: " told
    "$ECHOD" -t -c echod.conf -o "tls.keylog=$path" >told
    expect "$path: -t says so, too" grep -q "tls.keylog: cannot write to $path: " told
done
stop_echod

# ---- without the setting there is none ----
rm keys
start_echod "${settings/keylog = \"keys\";/}"
s_client
expect "without the setting" [ ! -e keys ]
stop_echod
