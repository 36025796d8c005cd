#!/bin/bash
# resume.sh - a session that one process opened resumes in another one, by its ticket.
. "$(dirname "$0")/lib.sh"
need openssl

start_echod "listeners = (
    { name = \"tls\"; port = 0; $tls_on },
    { name = \"tls-none\"; port = 0; ${tls_on/\{/\{ tickets = 0;} }
);"
for version in 1.2 1.3; do
    expect "TLS $version" visit tls $version -sess_out session
    expect_records 1 listener=tls tls_version=TLSv$version tls_resumed=0
    expect "TLS $version, the same session" visit tls $version -sess_in session
    expect_records 1 listener=tls tls_version=TLSv$version tls_resumed=1

    rm -f session
    expect "TLS $version without tickets" visit tls-none $version -sess_out session
    expect "TLS $version, nothing to resume by" test ! -e session
done
stop_echod
