#!/bin/bash
# docs.sh - every command block of README.md and doc/ is run as it stands, each document in one shell, and
# what it prints is what the block of text after it says.
# shellcheck source-path=SCRIPTDIR
limit=3600 # seconds
[ "$(cat /run/systemd/container 2>/dev/null)" = rig ] || . "$(dirname "$0")/build-packages" # as README has it
. "$(dirname "$0")/lib.sh"

# here all of the machine is a copy that nobody misses
quick_dpkg
cd "$top_srcdir" || fail "no $top_srcdir"
top_srcdir=$PWD
install -m 755 "$here/../../tests/systemd/docs.py" /tmp/docs.py
[ "$(realpath "$top_builddir")" = "$PWD/build" ] || { rm -rf build && ln -s "$(realpath "$top_builddir")" build; }
unset BUILD CC CFLAGS MAKEFLAGS MAKELEVEL MFLAGS
# not all of the tests, since scripts/test is what runs this; nor all echoes
export TESTS=tests/unit/echoc/test_histogram runs=1 peers=^echod PATH=$PWD/build:$PATH

for document in README.md doc/*.md; do
    /tmp/docs.py "$document" >/tmp/out 2>&1 || fail "$document: $(cat /tmp/out)"
    ok "$document, $(tail -n 1 /tmp/out)"
done
echo "$n checks"
