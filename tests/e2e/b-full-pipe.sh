#!/bin/bash
# b-full-pipe.sh - a client that sends until the path is full, and only then reads, gets it all.
# Ten times each way, since what fails here fails by how the sizes fall.
. "$(dirname "$0")/lib.sh"

start_echod "$both"
# more at once would have the kernel shrink the buffers that this test is to fill
for way in plain tls1.2 tls1.3; do
    for batch in {1..2}; do
        pids=()
        for _ in {1..5}; do
            start_peer full $way
            pids+=($!)
        done
        for pid in "${pids[@]}"; do
            wait "$pid" || fail "$way, batch $batch: a client did not get it all"
        done
    done
    echo "ok - $way"
done
expect_records 30 end=closed
stop_echod
