#!/bin/bash
# a-whole.sh - whatever a client sends before it ends its side comes back whole, on every way in.
. "$(dirname "$0")/lib.sh"

start_echod "listeners = (
    { name = \"plain\"; port = 0; },
    { name = \"tls\"; port = 0; $tls_on },
    { name = \"unix\"; host = \"unix:sock\"; },
    { name = \"tls-unix\"; host = \"unix:tls-sock\"; $tls_on }
);"
for size in 1 1024 16777216; do
    ways=5
    for way in plain tls1.2 tls1.3 unix tls-unix; do
        expect "$size bytes, $way" peer whole $way --size $size
    done
    if addresses plain | grep -qF '[::1]'; then
        ways=7
        expect "$size bytes, plain, IPv6" peer whole plain --size $size --host ::1
        expect "$size bytes, TLS, IPv6" peer whole tls --size $size --host ::1
    fi
    expect_records $ways end=closed bytes_in=$size bytes_out=$size
done
stop_echod
