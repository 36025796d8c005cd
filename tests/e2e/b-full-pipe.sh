#!/bin/bash
# b-full-pipe.sh - a client that sends until the path is full, and only then reads, gets it all.
# Five times each way, and $batches times that, since what fails here fails by how the sizes fall.
. "$(dirname "$0")/lib.sh"

batches=${batches-1}
start_echod "$both"
# more at once would have the kernel shrink the buffers that this test is to fill
for way in plain tls1.2 tls1.3; do
    for ((batch = 1; batch <= batches; batch++)); do
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
expect_records $((15 * batches)) end=closed
stop_echod
