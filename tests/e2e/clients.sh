#!/bin/bash
# clients.sh - the clients that people have: each sends data and gets exactly that back.
. "$(dirname "$0")/lib.sh"
need openssl socat ncat nc gnutls-cli curl strace

# begins with what s_client takes for commands; the rest has every value that a byte can have
{
    printf 'Q\nR\nK\n\0.\r\n'
    head -c 200000 /dev/urandom
} >binary
base64 binary >text # for telnet, which gives some bytes a meaning

gets_back() { # FILE COMMAND...: the command's input is the file, and so is its output
    timeout 60 "${@:2}" <"$1" >back 2>err && cmp "$1" back && return
    head -n 5 err
    return 1
}
gets_held() { # the same for a client that leaves when its input ends: not before all is back
    : >back
    hold "$1" | timeout 60 "${@:2}" >>back 2>err && cmp "$1" back && return
    head -n 5 err
    return 1
}
hold() { # FILE
    cat "$1"
    within 60 all_back "$1"
}
all_back() { [ "$(stat -c %s back)" -ge "$(stat -c %s "$1")" ]; }

# curl stays until the server ends it, hence the idle_timeout
start_echod "listeners = (
    { name = \"plain\"; port = 0; },
    { name = \"tls\"; port = 0; $tls_on },
    { name = \"idle\"; port = 0; idle_timeout = 5; }
);"
plain=$(port plain) tls=$(port tls) ca=$PKI/ca.crt

expect "socat" gets_back binary socat -t 60 - "TCP:127.0.0.1:$plain"
expect "ncat" gets_back binary ncat 127.0.0.1 "$plain"
expect "nc -N" gets_back binary nc -N 127.0.0.1 "$plain"
expect "curl telnet:" gets_back text curl -sSN "telnet://127.0.0.1:$(port idle)"
expect_records 3 listener=plain end=closed bytes_out=200010
expect_records 1 listener=idle end=idle bytes_out="$(stat -c %s text)"

expect "socat, TLS" gets_back binary socat -t 60 - "OPENSSL:127.0.0.1:$tls,cafile=$ca"
expect "gnutls-cli" gets_back binary \
    gnutls-cli --logfile=gnutls.log --x509cafile="$ca" -p "$tls" 127.0.0.1
expect "openssl s_client" gets_held binary \
    openssl s_client -quiet -nocommands -no_ign_eof -connect "127.0.0.1:$tls" \
    -CAfile "$ca" -verify_return_error -verify_ip 127.0.0.1
expect_records 3 listener=tls end=closed bytes_out=200010

# ncat checks names alone; that of Debian 12 half-closes TCP before it would say close_notify, which is a record of 19
# bytes like no other that it sends; that of Debian 13 says it
expect "ncat --ssl" gets_back binary strace -qq -o calls -e trace=write,writev,sendto,sendmsg \
    ncat --ssl-verify --ssl-trustfile "$ca" localhost "$tls"
if grep -q '"\\27\\3\\3\\0\\23.* = 24$' calls; then
    expect_records 4 listener=tls end=closed bytes_out=200010
else
    expect_records 1 listener=tls end=truncated bytes_out=200010
fi
stop_echod
