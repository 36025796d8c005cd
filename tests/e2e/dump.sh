#!/bin/bash
# dump.sh - what echod -T prints reads back to the same settings; -o in all its forms; usage.
set -u
: "${ECHOD:?}" "${PKI:?}"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cases=0 bad=0

fail() { # WORDS: with what echod said
    bad=$((bad + 1))
    printf 'FAILED: %s\n' "$1"
    grep -hv '^ *#' out err | head -n 20 | sed 's/^/    /'
}

run() { # STATUS ARGUMENT...: echod ends with that status, its output in the files out and err
    local wanted=$1
    shift
    cases=$((cases + 1)) what="echod $*" status=0
    timeout 60 "$ECHOD" "$@" >out 2>err </dev/null || status=$?
    [ $status = "$wanted" ] || fail "$what: exit status $status, not $wanted"
}

shows() { # LINE [TIMES]: the last dump has this line, whatever its indent
    local n
    n=$(sed 's/^ *//' out | grep -cxF -- "$1")
    [ "$n" = "${2-1}" ] || fail "$what: $n times, not ${2-1}: $1"
}

says() { # FILE WORDS: a line of the file begins so
    local line
    while IFS= read -r line; do
        [[ $line != "$2"* ]] || return 0
    done <"$1"
    fail "$what: says not in $1: $2"
}

is_empty() { # FILE
    [ ! -s "$1" ] || fail "$what: writes to $1"
}

# ---- a dump is a file with the same settings ----
round_trip() { # settings on stdin; the dump is left in out
    cat >settings.conf
    run 0 -t -c settings.conf
    run 0 -T -c settings.conf
    is_empty err
    mv out first
    run 0 -T -c first
    cmp first out || fail "the dump of a dump differs: $(diff first out)"
    cases=$((cases + 1)) what="echod -T | echod -t -c /dev/stdin"
    "$ECHOD" -T -c settings.conf | "$ECHOD" -t -c /dev/stdin |
        tail -n 1 | grep -qx '/dev/stdin: ok' ||
        fail "$what: not ok"
}

round_trip </dev/null
shows 'max_clients = 1000;'
shows 'level = "info";'
shows 'name = "echo";'
shows 'idle_timeout = 300;'
shows 'allow = [ ];'
shows '# certificate = ;'

# every setting other than by default
odd='"quoted" back\slash, blank, Ünï.pem'
cp "$PKI/server-rsa.crt" "crt $odd"
cp "$PKI/server-rsa.key" "key $odd"
head -c 80 /dev/urandom >"tickets $odd"
cp "$PKI/ca.crt" "$PKI/ca.crl" "$PKI/server.crt" "$PKI/server.key" .
round_trip <<'CONF'
max_clients = 65536;
drain_timeout = 0.5; user = "nobody"; group = "nogroup";
log = { target = "stderr"; level = "debug"; };
name = "other"; host = "127.0.0.1"; port = 0; backlog = 65535;
reuse = false; reuse_port = true; health = true; nodelay = false; keepalive = 32767;
handshake_timeout = 1.000001; idle_timeout = 0; session_timeout = 31536000; max_bytes = 1; report = true;
allow = ( "127.0.0.0/8", "::1" ); deny = "::ffff:192.0.2.0/120"; max_clients_per_source = 0;
source_prefix_v4 = 1; source_prefix_v6 = 128; rate_per_source = 1000000;
proxy_protocol = "required"; proxy_trusted = [ "127.0.0.1", "fd00::/8" ];
framing = "marker"; marker = "\r\n.\r\n"; max_message = 16777216;
tls = {
    enabled = true;
    certificate = "crt \"quoted\" back\\slash, blank, Ünï.pem";
    key = "key \"quoted\" back\\slash, blank, Ünï.pem";
    min_version = "TLSv1"; max_version = "TLSv1.3";
    ciphers = "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0";
    ciphersuites = "TLS_AES_128_GCM_SHA256"; groups = "P-256:X25519";
    tickets = 16; ticket_lifetime = 604800; key_isolation = false;
    keylog = "keys"; ticket_keys = "tickets \"quoted\" back\\slash, blank, Ünï.pem";
    sni = ( { names = [ "a.example", "*.b.example" ]; certificate = "server.crt"; key = "server.key"; } );
    strict_sni = true; verify_client = "request"; client_ca = "ca.crt"; crl = "ca.crl"; verify_depth = 0;
    client_names = "client"; alpn = [ "h2", "echo" ];
};
CONF
for line in 'max_clients = 65536;' 'drain_timeout = 0.5;' 'user = "nobody";' \
    'group = "nogroup";' 'key_isolation = false;' 'target = "stderr";' 'level = "debug";' \
    'name = "other";' 'host = "127.0.0.1";' 'port = 0;' 'backlog = 65535;' 'reuse = false;' \
    'reuse_port = true;' 'health = true;' 'nodelay = false;' 'keepalive = 32767;' 'handshake_timeout = 1.000001;' \
    'idle_timeout = 0;' 'session_timeout = 31536000;' 'max_bytes = 1;' 'report = true;' 'keylog = "keys";' 'framing = "marker";' \
    'allow = [ "127.0.0.0/8", "::1/128" ];' 'deny = [ "192.0.2.0/24" ];' \
    'max_clients_per_source = 0;' 'source_prefix_v4 = 1;' 'source_prefix_v6 = 128;' \
    'rate_per_source = 1000000;' 'proxy_protocol = "required";' \
    'proxy_trusted = [ "127.0.0.1/32", "fd00::/8" ];' \
    'marker = "\x0d\n.\x0d\n";' 'max_message = 16777216;' 'enabled = true;' \
    'certificate = "crt \"quoted\" back\\slash, blank, Ünï.pem";' \
    'key = "key \"quoted\" back\\slash, blank, Ünï.pem";' 'min_version = "TLSv1";' \
    'max_version = "TLSv1.3";' 'ciphers = "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0";' \
    'ciphersuites = "TLS_AES_128_GCM_SHA256";' 'groups = "P-256:X25519";' 'tickets = 16;' \
    'ticket_keys = "tickets \"quoted\" back\\slash, blank, Ünï.pem";' \
    'sni = ( { names = [ "a.example", "*.b.example" ]; certificate = "server.crt"; key = "server.key"; } );' \
    'strict_sni = true;' 'verify_client = "request";' 'client_ca = "ca.crt";' 'crl = "ca.crl";' \
    'verify_depth = 0;' 'client_names = [ "client" ];' 'alpn = [ "h2", "echo" ];' \
    'ticket_lifetime = 604800;'; do
    shows "$line"
done
# 52 settings, and log, tls and listeners; ocsp_response, which has no default, is left out
[ "$(grep -v '^ *#' out | grep -c ' = ')" = 55 ] ||
    fail "the dump does not have the settings that this test knows"

# texts: what libconfig escapes, control bytes before hexadecimal digits, UTF-8, bytes that are none
printf 'name = "a\\"b\\\\c\\td\\ne\\x01f0\\x7f%b"; host = "unix:@\\x1b[1m # { ; %b";' \
    'ö€𝄞 \0377' '\0351' | round_trip
shows "$(printf 'name = "a\\"b\\\\c\\x09d\\ne\\x01f0\\x7f%b";' 'ö€𝄞 \0377')"
shows "$(printf 'host = "unix:@\\x1b[1m # { ; %b";' '\0351')"

# seconds, as short as they can be written
round_trip <<'CONF'
port = 0; drain_timeout = 0.1; handshake_timeout = 86399.999999; idle_timeout = 2.50;
session_timeout = 1e-3; tls = { ticket_lifetime = 6.048e5; };
CONF
shows 'drain_timeout = 0.1;'
shows 'handshake_timeout = 86399.999999;'
shows 'idle_timeout = 2.5;'
shows 'session_timeout = 0.001;'
shows 'ticket_lifetime = 604800;'

# bytes of 32 and 64 bits, and several listeners with what they inherit
round_trip <<'CONF'
host = "127.0.0.1"; port = 0; max_bytes = 2147483648L; tls = { tickets = 5; };
listeners = (
    { name = "one"; },
    { name = "two"; max_bytes = 2147483647; tls = { ticket_lifetime = 1.5; }; },
    { name = "three"; max_bytes = 9000000000000000L; port = 7007; tls = { tickets = 0; }; },
    { name = "four"; max_bytes = 0x10; idle_timeout = 4L; }
);
CONF
shows 'host = "127.0.0.1";' 4
shows 'port = 0;' 3
shows 'port = 7007;'
shows 'max_bytes = 2147483648L;'
shows 'max_bytes = 2147483647;'
shows 'max_bytes = 9000000000000000L;'
shows 'max_bytes = 16;'
shows 'idle_timeout = 4;'
shows 'tickets = 5;' 3
shows 'tickets = 0;'
shows 'ticket_lifetime = 1.5;'
shows 'ticket_lifetime = 7200;' 3

# ---- -o that is right ----
cat >one.conf <<'CONF'
name = "file"; port = 7007; idle_timeout = 5; tls = { tickets = 3; };
CONF
cat >two.conf <<'CONF'
port = 7007;
listeners = ( { name = "first"; }, { name = "second"; port = 7008; tls = { tickets = 3; }; } );
CONF

sets() { # FILE LINE TIMES OVERRIDE...: the dump has the line so often
    local file=$1 line=$2 times=$3 override arguments=()
    shift 3
    for override; do
        arguments+=(-o "$override")
    done
    run 0 -T -c "$file" "${arguments[@]}"
    shows "$line" "$times"
}

sets one.conf 'port = 7009;' 1 port=7009
sets one.conf 'port = 7011;' 1 port=7009 port=7010 port=7011
sets one.conf 'name = "word";' 1 name=word
sets one.conf 'name = "quoted";' 1 'name="quoted"'
sets one.conf 'name = "two words";' 1 'name=two words'
sets one.conf 'name = "two words";' 1 'name="two words"'
sets one.conf 'name = "a=b";' 1 name=a=b
sets one.conf 'name = "a\"b";' 1 'name=a"b'
sets one.conf 'name = "a\"b";' 1 'name="a\"b"'
sets one.conf 'name = "a\\b";' 1 'name=a\b'
sets one.conf 'name = "7";' 1 name=7
sets one.conf 'name = "true";' 1 name=true
sets one.conf 'host = "*";' 1 'host=*'
sets one.conf 'nodelay = false;' 1 nodelay=false
sets one.conf 'idle_timeout = 0.25;' 1 idle_timeout=0.25
sets one.conf 'max_bytes = 5000000000L;' 1 max_bytes=5000000000L
sets one.conf 'max_clients = 5;' 1 max_clients=5
sets one.conf 'level = "debug";' 1 log.level=debug
sets one.conf 'level = "debug";' 1 'log.level="debug"'
sets one.conf 'tickets = 4;' 1 tls.tickets=4
sets one.conf 'enabled = true;' 1 tls.enabled=true tls.certificate=c tls.key=k
sets one.conf 'allow = [ "192.0.2.0/24" ];' 1 allow=192.0.2.0/24
sets one.conf 'allow = [ "192.0.2.0/24", "2001:db8::/32" ];' 1 \
    'allow=["192.0.2.0/24", "2001:db8::/32"]'
sets one.conf 'deny = [ ];' 1 deny=192.0.2.0/24 'deny=()'
sets two.conf 'deny = [ "::1/128" ];' 1 'listeners.[1].deny=::1'
sets two.conf 'port = 7009;' 1 port=7009
sets two.conf 'port = 7009;' 1 'listeners.[0].port=7009'
sets two.conf 'port = 7009;' 1 'listeners.[1].port=7009'
sets two.conf 'port = 7008;' 0 'listeners.[1].port=7009'
sets two.conf 'tickets = 4;' 1 tls.tickets=4
sets two.conf 'tickets = 4;' 1 'listeners.[0].tls.tickets=4'
sets two.conf 'tickets = 4;' 2 'listeners.[0].tls.tickets=4' 'listeners.[1].tls.tickets=4'
sets two.conf 'level = "error";' 1 log.level=error
run 0 -T -c one.conf -oport=7009
shows 'port = 7009;'
run 0 -T --config=one.conf --option=port=7009
shows 'port = 7009;'
run 0 --test --config one.conf --option port=7009
says out 'one.conf: ok'

# ---- -o that is wrong ----
refuses() { # FILE WORDS OVERRIDE...: -t and -T and a start say so; WORDS follow "-o: "
    local file=$1 words=$2 override arguments=()
    shift 2
    for override; do
        arguments+=(-o "$override")
    done
    run 78 -t -c "$file" "${arguments[@]}"
    says out "-o: $words"
    run 78 -T -c "$file" "${arguments[@]}"
    says err "-o: $words"
    is_empty out
    [ $status = 78 ] || return # it would start
    run 78 -c "$file" "${arguments[@]}"
    says err "echod: -o: $words"
}

refuses one.conf 'prot: no such setting; did you mean port?' prot=7009
refuses one.conf 'zzzzzzzz: no such setting' zzzzzzzz=1
refuses one.conf 'tls.enabld: no such setting; did you mean tls.enabled?' tls.enabld=true
refuses one.conf 'tls: ' tls=true
refuses one.conf 'listeners: ' listeners=1
refuses one.conf 'port: 65536 is not in the range from 0 to 65535' port=65536
refuses one.conf 'port: -1 is not in the range from 0 to 65535' port=-1
refuses one.conf 'port: must be a whole number, and is a decimal number' port=7.5
refuses one.conf 'port: must be a whole number, and is a text' 'port="7"'
refuses one.conf 'port: ' port=seven
refuses one.conf 'port: ' port=
refuses one.conf 'port: ' 'port=[7]'
refuses one.conf 'port: ' 'port={}'
refuses one.conf 'port: ' 'port=7009; host="*"'
refuses one.conf 'allow: "x" is no network' 'allow=[ "::1", "x" ]'
refuses one.conf 'allow: must be a network, as a text, and is a whole number' 'allow=[7]'
refuses one.conf 'deny: 192.0.2.1/24 has bits beyond its prefix; did you mean 192.0.2.0/24?' \
    deny=192.0.2.1/24
refuses one.conf 'nodelay: ' nodelay=yes
refuses one.conf 'nodelay: must be true or false, and is a whole number' nodelay=1
refuses one.conf 'idle_timeout: -1 is not in the range from 0 to 86400' idle_timeout=-1
refuses one.conf 'name: must have 1 to 63 bytes, and has 0' name=
refuses one.conf 'name: must have 1 to 63 bytes, and has 64' "name=$(printf '%064d' 0)"
refuses one.conf 'log.level: "loud" is not one of error, warning, notice, info' log.level=loud
refuses one.conf 'tls.certificate: is missing' tls.enabled=true
refuses one.conf 'tls.max_version: is older than tls.min_version' tls.max_version=TLSv1.1
refuses one.conf 'port: ' 'listeners.[0].port=7009'
refuses two.conf 'port: ' 'listeners.[2].port=7009'
refuses two.conf 'listeners.[-1].port: no such setting' 'listeners.[-1].port=7009'
refuses two.conf 'listeners.[x].port: no such setting' 'listeners.[x].port=7009'
refuses two.conf 'listeners.[4294967296].port: no such setting' 'listeners.[4294967296].port=7009'
refuses two.conf 'prt: no such setting; did you mean port?' 'listeners.[1].prt=7009'
refuses two.conf 'max_clients: is of the whole daemon' 'listeners.[1].max_clients=5'
refuses two.conf 'listeners.[1]: ' 'listeners.[1]=5'
refuses two.conf 'name: "first" is the name of the listener at' 'listeners.[1].name=first'
refuses one.conf '"port" is not NAME=VALUE' port
refuses one.conf '"=7009" is not NAME=VALUE' =7009
refuses one.conf '"" is not NAME=VALUE' ''
refuses one.conf 'prot: no such setting' port=65536 prot=1
refuses one.conf 'port: 65536 is not in the range' port=65536 prot=1
echo 'tls = "on";' >text.conf
refuses text.conf 'tls.enabled: cannot be set' tls.enabled=true

# more than 32 bits without the L: all of it or a fault, but not what is left of it
cases=$((cases + 1)) what="echod -T -o max_bytes=5000000000"
if "$ECHOD" -T -c one.conf -o max_bytes=5000000000 >out 2>err; then
    shows 'max_bytes = 5000000000L;'
else
    says err '-o: max_bytes: '
fi

# ---- files that are none ----
run 78 -t -c no-such.conf
says out 'no-such.conf: cannot read it: No such file or directory'
run 78 -T -c no-such.conf
says err 'no-such.conf: cannot read it: No such file or directory'
is_empty out
run 78 -c no-such.conf
says err 'echod: no-such.conf: cannot read it: No such file or directory'
run 78 -t -c .
says out '.: cannot read it: Is a directory'
cases=$((cases + 1)) what="echod -T >/dev/full"
"$ECHOD" -T -c one.conf >/dev/full && fail "$what: exit status 0"

# ---- usage ----
usage_error() {
    run 64 "$@"
    is_empty out
    says err "Try 'echod --help'."
}

usage_error -x
usage_error --no-such-option
usage_error argument
usage_error -t argument
usage_error -t -c one.conf argument
usage_error -t -c
usage_error -t -o
usage_error --config
usage_error --test=yes
run 0 --help
is_empty err
says out 'Usage: echod [-c FILE] [-o NAME=VALUE]... [-t | -T]'
for option in '-c, --config' '-o, --option' '-t, --test' '-T, --dump' '    --help'; do
    says out "  $option"
done
run 0 --version
is_empty err
says out 'echod '

echo "$cases cases, $bad failures"
[ $bad = 0 ]
