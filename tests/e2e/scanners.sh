#!/bin/bash
# scanners.sh - sslscan and testssl find nothing to complain of in the default settings, but that
# nobody has issued the certificate.
. "$(dirname "$0")/lib.sh"
need openssl sslscan testssl

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 300 -subj /CN=localhost \
    -addext 'subjectAltName = DNS:localhost, IP:127.0.0.1' -keyout own.key -out own.crt 2>/dev/null
start_echod 'name = "tls"; host = "127.0.0.1"; port = 0; max_clients_per_source = 0;
    tls = { enabled = true; certificate = "own.crt"; key = "own.key"; };'
target=127.0.0.1:$(port tls)

timeout 600 sslscan --no-colour --xml=scan.xml "$target" >scan.out 2>&1 ||
    { cat scan.out; fail "sslscan"; }
has() { # EXPRESSION: it holds for the scan `d`
    python3 -c 'import sys, xml.etree.ElementTree as tree
d = tree.parse("scan.xml").find("ssltest")
protocols = {p.get("type") + p.get("version") for p in d.iter("protocol") if p.get("enabled") == "1"}
ciphers = [c for c in d.iter("cipher")]
sys.exit(not eval(f"({sys.argv[1]})"))' "$1" || { cat scan.out; return 1; }
}
expect "sslscan: the protocols" has 'protocols == {"tls1.2", "tls1.3"}'
expect "sslscan: forward secrecy and AEAD in every cipher" has 'len(ciphers) >= 5 and all(
    c.get("cipher").startswith(("TLS_", "ECDHE-")) and ("GCM" in c.get("cipher") or "POLY1305" in c.get("cipher"))
    for c in ciphers)'
expect "sslscan: 128 bits at least" has 'all(int(c.get("bits")) >= 128 for c in ciphers)'
expect "sslscan: no renegotiation, no compression, no heartbleed" has '
    d.find("renegotiation").get("supported") == "0" and
    all(c.get("supported") == "0" for c in d.iter("compression")) and
    all(h.get("vulnerable") == "0" for h in d.iter("heartbleed"))'
expect "sslscan: no downgrade" grep -q "Server supports TLS Fallback SCSV" scan.out

# protocols and vulnerabilities; with scans="-s -f -P -S" also ciphers, forward secrecy, preferences, and what the server
# says of itself, which takes three times as long. Its simulation of clients finds nothing.
# shellcheck disable=SC2086 # words
timeout 3000 testssl --quiet --color 0 -p -U ${scans-} --jsonfile found.json "$target" </dev/null >testssl.out 2>&1
finds() { # EXPRESSION: it holds for the findings, by severity
    python3 -c 'import json, sys
def of(*severities): return [f["id"] for f in found if f["severity"] in severities]
found = json.load(open("found.json"))
sys.exit(not eval(sys.argv[1]))' "$1" || { cat testssl.out; return 1; }
}
expect "testssl: it has looked around" finds 'len(of("OK")) >= '"$([ -n "${scans-}" ] && echo 35 || echo 18)"' and not of("FATAL")'
# nobody has issued the certificate, so nobody can revoke it either
expect "testssl: nothing above LOW, but that the certificate is self-signed" finds 'set(of("MEDIUM", "HIGH", "CRITICAL")) <= {"cert_chain_of_trust", "cert_revocation"}'
stop_echod
