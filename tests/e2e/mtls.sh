#!/bin/bash
# mtls.sh - client certificates, good and bad, over TLS 1.2 and 1.3, with the clients that people have:
# each ends as it should, its record says why, and whoever is refused gets no byte back.
. "$(dirname "$0")/lib.sh"
need openssl gnutls-cli

server="enabled = true; certificate = \"$PKI/server.crt\"; key = \"$PKI/server.key\";"
asks() { # NAME SETTINGS: a listener that wants certificates
    printf '{ name = "%s"; port = 0; tls = { %s client_ca = "%s"; %s }; }' "$1" "$server" \
        "${3-$PKI/ca.crt}" "$2"
}
mkdir issuers && cp "$PKI/ca.crt" issuers/a.pem && cp "$PKI/ca.crl" issuers/not-a-certificate
openssl x509 -in "$PKI/client.crt" >gap.crt
{ cat gap.crt; openssl x509 -in "$PKI/deep-1.crt"; } >strange-chain.crt

# what listeners there are
listeners="listeners = (
    $(asks require 'verify_client = "require";'),
    $(asks request 'verify_client = "request";'),
    $(asks crl "verify_client = \"require\"; crl = \"$PKI/ca.crl\";"),
    $(asks directory "verify_client = \"require\"; crl = \"$PKI/ca.crl\";" "$dir/issuers"),
    $(asks shallow 'verify_client = "require"; verify_depth = 1;'),
    $(asks exact 'verify_client = "require"; client_names = [ "client.example" ];'),
    $(asks wildcard 'verify_client = "require"; client_names = [ "nobody", "*.example" ];'),
    $(asks email 'verify_client = "require"; client_names = [ "*@client.example" ];'),
    $(asks uri 'verify_client = "require"; client_names = [ "spiffe://example/*" ];'),
    $(asks ip 'verify_client = "require"; client_names = [ "192.0.2.7" ];'),
    $(asks common 'verify_client = "require"; client_names = [ "client" ];'),
    $(asks bare 'verify_client = "require"; client_names = [ "bare.example" ];'),
    $(asks nobody 'verify_client = "require"; client_names = [ "client.example.org" ];') );"

# listener, certificate, its end, and words of the reason; NAME:KEY where the two names differ
cases="
require    client                closed
require    client-rsa            closed
require    client-ed25519        closed
require    client-revoked        closed
require    client-deep           closed
require    client-no-san         closed
require    -                     client_cert  peer did not return a certificate
require    client-self-signed    client_cert  self-signed certificate
require    client-other-ca       client_cert  unable to get local issuer certificate
require    client-expired        client_cert  certificate has expired
require    client-not-yet-valid  client_cert  certificate is not yet valid
require    client-wrong-eku      client_cert  unsuitable certificate purpose
require    client-of-pretender   client_cert  invalid CA certificate
require    gap:client            client_cert  unable to get local issuer certificate
require    strange-chain:client  client_cert  unable to get local issuer certificate
request    -                     closed
request    client                closed
request    client-expired        client_cert  certificate has expired
request    client-self-signed    client_cert  self-signed certificate
request    client-other-ca       client_cert  unable to get local issuer certificate
crl        client                closed
crl        client-rsa            closed
crl        -                     client_cert  peer did not return a certificate
crl        client-revoked        client_cert  certificate revoked
crl        client-deep           client_cert  unable to get certificate CRL
directory  client                closed
directory  client-revoked        client_cert  certificate revoked
directory  client-other-ca       client_cert  unable to get local issuer certificate
shallow    client                closed
shallow    client-deep           client_cert  certificate chain too long
exact      client                closed
exact      client-no-san         client_cert  none of tls.client_names
wildcard   client                closed
wildcard   client-no-san         closed
email      client                closed
email      client-no-san         client_cert  none of tls.client_names
uri        client                closed
uri        client-no-san         client_cert  none of tls.client_names
ip         client                closed
ip         client-no-san         client_cert  none of tls.client_names
common     client                client_cert  none of tls.client_names
common     client-no-san         client_cert  none of tls.client_names
bare       client-no-san         closed
bare       client                client_cert  none of tls.client_names
nobody     client                client_cert  none of tls.client_names
nobody     client-revoked        client_cert  none of tls.client_names"

certificate_options() { # PREFIX-CERT PREFIX-KEY NAME[:KEY]
    local crt=$PKI/${3%:*}.crt
    [ -e "$crt" ] || crt=${3%:*}.crt
    [ "$3" = - ] || echo "$1 $crt $2 $PKI/${3#*:}.key"
}
use_openssl() { # LISTENER VERSION CERTIFICATE
    # shellcheck disable=SC2046
    exec openssl s_client -quiet -nocommands -CAfile "$PKI/ca.crt" -verify_return_error \
        "-tls1_${2#1.}" -connect "127.0.0.1:$(port "$1")" $(certificate_options -cert -key "$3") \
        $([ "$3" = - ] || echo -cert_chain "$(chain "$3")") 2>err
}
chain() { [ -e "$PKI/${1%:*}.crt" ] && echo "$PKI/${1%:*}.crt" || echo "${1%:*}.crt"; }
use_gnutls() {
    # shellcheck disable=SC2046
    exec gnutls-cli --logfile=err --x509cafile="$PKI/ca.crt" --verify-hostname=localhost \
        --priority="NORMAL:-VERS-ALL:+VERS-TLS$2" -p "$(port "$1")" 127.0.0.1 \
        $(certificate_options --x509certfile --x509keyfile "$3")
}

# Send a line, print what comes back, and leave.
visit() { # CLIENT LISTENER VERSION CERTIFICATE
    local line='' client
    coproc CLIENT { use_"$1" "$2" "$3" "$4"; }
    client=$CLIENT_PID
    echo hello >&"${CLIENT[1]}"
    read -r -t 60 line <&"${CLIENT[0]}"
    eval "exec ${CLIENT[1]}>&-"
    kill "$client" 2>/dev/null
    wait "$client"
    echo "$line"
} 2>/dev/null

tried=0
try() { # CLIENT VERSION LISTENER CERTIFICATE END WORDS...
    local what="$3, TLS $2, $1 with $4" back
    back=$(visit "$1" "$3" "$2" "$4")
    tried=$((tried + 1))
    case $5 in
    closed)
        [ "$back" = hello ] || fail "$what: no echo but '$back': $(cat err)"
        within 60 has_records 1 "listener=$3" bytes_out=6 || fail "$what: no record of its echo" ;;
    *)
        [ -z "$back" ] || fail "$what: '$back' came back"
        grep -qi alert err || fail "$what: the client is not told: $(cat err)"
        within 60 has_records 1 "listener=$3" "end=$5" bytes_in=0 bytes_out=0 || fail "$what: no record"
        records "end=$5" | grep -qF -- "${*:6}" || fail "$what: not '${*:6}': $(records "end=$5")" ;;
    esac
    [ "$4" = - ] || [ "$5" != closed ] || records "listener=$3" | grep -q 'client_cert="*/CN=' ||
        fail "$what: the record does not name the certificate"
    seen=$(wc -l <$log)
}
seen=0
records() { # of the case under way alone
    tail -n +$((seen + 1)) $log | sed -n '/^echod: end=/s/$/ /p' | with_fields "$@"
}

# ---- a CRL that goes stale meanwhile ----

crl_of_intermediate() { # SECONDS
    : >db && echo 01 >number
    printf '[ca]\ndefault_ca=x\n[x]\ncertificate=%s\nprivate_key=%s\ndatabase=db\ncrlnumber=number
default_md=sha256\n' "$PKI/intermediate.crt" "$PKI/intermediate.key" >ca.conf
    openssl ca -config ca.conf -gencrl -crlsec "$1" 2>/dev/null
}
{ sed '/-----END/q' "$PKI/ca.crl"; crl_of_intermediate 30; } >short.crl
stale_after=$((SECONDS + 31))
stale="listeners = ( $(asks echo "verify_client = \"require\"; crl = \"$PWD/short.crl\";") );"
start_echod "$stale"
seen=$(wc -l <$log)
try openssl 1.3 echo client closed
stale_daemon=("$echod_pid" "$log")

# ---- all cases ----

start_echod "$listeners"
seen=$(wc -l <$log)
clients='openssl gnutls' versions='1.2 1.3'
if sanitized; then clients=openssl versions=1.3; fi
while read -r listener certificate end words; do
    [ -n "$listener" ] || continue
    for version in $versions; do
        for client in $clients; do
            [[ $client$certificate = gnutls*:* ]] || # it adds what is missing in a chain
                try "$client" "$version" "$listener" "$certificate" "$end" "$words"
        done
    done
done <<<"$cases"
expect "$tried cases, each with its end, and no echo for whom is refused" \
    [ $tried -ge "$(sanitized && echo 45 || echo 120)" ]
stop_echod

# ---- the CRL ----

is_stale() { [ $SECONDS -gt $stale_after ]; }
within 60 is_stale
echod_pid=${stale_daemon[0]} log=${stale_daemon[1]}
seen=$(wc -l <$log)
try openssl 1.3 echo client client_cert CRL has expired
printf '%s\n' "$stale" >echod.conf
kill -HUP "$echod_pid"
within 60 logged 'tls.crl: '"$PWD/short.crl: the CRL of /CN=echod test intermediate CA is stale" ||
    fail "no word of the stale CRL at the reload"
{ sed '/-----END/q' "$PKI/ca.crl"; crl_of_intermediate 1000; } >short.crl
kill -HUP "$echod_pid"
within 60 logged "echod.conf: reloaded" || fail "not reloaded"
seen=$(wc -l <$log)
try openssl 1.3 echo client closed
echo "ok - a CRL that went stale refuses clients, and a reload brings a new one"
