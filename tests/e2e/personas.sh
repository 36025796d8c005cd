#!/bin/bash
# personas.sh - conf/examples/bad-tls.conf, as it stands: each name has the one fault that it is for,
# as openssl, gnutls-cli and curl see it.
. "$(dirname "$0")/lib.sh"
need openssl gnutls-cli curl

mkdir certs
ln -s "$PKI" certs/out
# the example's own ports may be taken
start_echod "$(sed 's/port = [0-9]*;/port = 0;/' "$top_srcdir/conf/examples/bad-tls.conf")"
ca=$PKI/ca.crt
cat "$PKI/ca.crt" "$PKI/ca.crl" >with_crls # of its option for CRLs, openssl takes only the first

openssl_says() { # LISTENER HOST OPTION...: its verdict, one word in brackets and more
    timeout 60 openssl s_client -connect "127.0.0.1:$(port "$1")" -servername "$2" -verify_hostname "$2" \
        -CAfile "$ca" "${@:3}" </dev/null 2>&1 | sed -n 's/^ *Verify return code: //p' | head -n 1
}
says() { # WORDS LISTENER HOST OPTION...
    [[ $(openssl_says "${@:2}") = "$1" ]] || { openssl_says "${@:2}"; return 1; }
}
expect "localhost is good" says '0 (ok)' bad localhost -crl_check -CAfile with_crls
expect "expired" says '10 (certificate has expired)' bad expired.localhost
expect "self-signed" says '18 (self-signed certificate)' bad self-signed.localhost
expect "wrong-name" says '62 (hostname mismatch)' bad wrong-name.localhost
expect "revoked" says '23 (certificate revoked)' bad revoked.localhost -crl_check -CAfile with_crls
expect "revoked, and nobody asks" says '0 (ok)' bad revoked.localhost
expect "tls12-only is good" says '0 (ok)' tls12-only localhost
! openssl s_client -connect "127.0.0.1:$(port tls12-only)" -tls1_3 </dev/null >s_client.out 2>&1 || fail "TLS 1.3"
expect "and has no TLS 1.3" grep -q 'alert protocol version' s_client.out

cat "$PKI/ca.crt" "$PKI/intermediate.crt" >issuers # gnutls takes only CRLs of those that it trusts
gnutls() { # PORT HOST
    timeout 60 gnutls-cli -p "$1" --sni-hostname="$2" --verify-hostname="$2" --x509cafile=issuers \
        --x509crlfile="$PKI/ca.crl" 127.0.0.1 </dev/null >gnutls.out 2>&1
}
gnutls_says() { # WORDS HOST
    gnutls "$(port bad)" "$2"
    grep -q "$1" gnutls.out || { cat gnutls.out; return 1; }
}
expect "gnutls: localhost" gnutls_says 'The certificate is trusted' localhost
expect "gnutls: expired" gnutls_says 'certificate chain uses expired certificate' expired.localhost
expect "gnutls: self-signed" gnutls_says 'certificate issuer is unknown' self-signed.localhost
expect "gnutls: wrong-name" gnutls_says 'name in the certificate does not match' wrong-name.localhost
expect "gnutls: revoked" gnutls_says 'certificate chain is revoked' revoked.localhost

# whose exit status 60 is a certificate that does not hold
use_curl() { # LISTENER HOST
    exec curl -sN --http0.9 --cacert "$ca" --crlfile "$PKI/ca.crl" -o body "https://$2:$(port "$1")/"
}
curl_ends() { # LISTENER HOST: the exit status
    (use_curl "$@")
    echo $?
}
curl_gets() { # LISTENER HOST: an answer in `body`, whose end it waits for
    rm -f body
    use_curl "$@" &
    within 60 grep -qs '}$' body && kill $!
}
for name in expired self-signed wrong-name revoked; do
    expect "curl: $name" [ "$(curl_ends bad $name.localhost)" = 60 ]
done
expect "curl: localhost" curl_gets bad localhost
expect "curl: which is what it got" json 'd["tls"]["sni"] == "localhost"' <(head -n 1 body)
expect "curl: tls12-only" curl_gets tls12-only localhost
expect "curl: which is what it got" json 'd["tls"]["version"] == "TLSv1.2"' <(head -n 1 body)
stop_echod
