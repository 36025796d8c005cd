#!/bin/bash
# d-many.sh - 200 clients at once: each gets its own bytes and leaves one record.
. "$(dirname "$0")/lib.sh"

start_echod "max_clients_per_source = 0; $both"
expect "200 plain clients" peer many plain --count 200 --size 100000
expect "200 TLS clients" peer many tls --count 200 --size 100000
expect_records 200 listener=plain end=closed bytes_in=100000 bytes_out=100000
expect_records 200 listener=tls end=closed bytes_in=100000 bytes_out=100000
expect_records 400
stop_echod
