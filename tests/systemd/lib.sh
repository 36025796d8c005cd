# shellcheck shell=bash
# lib.sh - what the tests of the service share; each sources it first.
# The script runs itself where systemd is PID 1; what it installs there is gone afterwards.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ "$(cat /run/systemd/container 2>/dev/null)" = rig ] ||
    exec "$here/with-systemd" -t "${limit-1800}" bash "$here/${0##*/}"
# shellcheck disable=SC2034 # for the script that sources this one
peer=$top_srcdir/tests/e2e/peer.py
conf=$sysconfdir/echod/echod.conf
n=0
export unit=echod.service # the one that is tried

# ---- the verdict ----

fail() { # WORDS: last, since only the end of what a test prints is shown
    systemctl status --no-pager "$unit" echod.socket
    journalctl --no-pager -n 40 -o short-monotonic
    echo "FAILED: $*"
    exit 1
}
ok() { n=$((n + 1)); echo "ok $n - $1"; }
expect() { # WORDS COMMAND...: it must succeed
    local words=$1
    shift
    "$@" || fail "$words"
    ok "$words"
}
within() { # SECONDS COMMAND...: it succeeds before the time is over, which a busy machine may take
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

quick_dpkg() { # this machine is gone in a minute: nothing is written through to a disk, nor an index of manual pages made
    echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/quick
    rm -f /var/lib/man-db/auto-update
}

# ---- the service ----

install_echod() {
    make -s -C "$top_builddir" install >/dev/null || fail "make install"
    systemctl -q link "$systemdsystemunitdir"/echod* 2>/dev/null
    local each
    for each in echod.service echod-standalone.service; do
        mkdir -p "/run/systemd/system/$each.d"
        # what looks for leaks at the exit wants ptrace(2), which the units do not allow
        printf '%s\n' '[Service]' "LoadCredential=certificate:$PKI/server.crt" "LoadCredential=key:$PKI/server.key" \
            Environment=ASAN_OPTIONS=detect_leaks=0 \
            >"/run/systemd/system/$each.d/credentials.conf"
    done
    systemctl daemon-reload
}
drop_in() { # UNIT: lines of it on standard input, in place of those of before
    mkdir -p "/run/systemd/system/$1.d"
    cat >"/run/systemd/system/$1.d/test.conf"
    systemctl daemon-reload
}
property() { systemctl show -P "$1" "${2-$unit}"; }
main_pid() { property MainPID; }
signer() { pgrep -P "$(main_pid)" -x echod-signer; }
children() { pgrep -P "$(main_pid)" -x echod; } # of clients: the signer has a name of its own
settings() { cat >"$conf"; }
credentials='enabled = true; certificate = "credential:certificate"; key = "credential:key";' # TLS of the tests
plain() { printf 'name = "echo"; port = %s;\n' "$1"; }
logged() { journalctl -q --sync; journalctl -q -u "$unit" "${@:2}" | grep -q "$1"; }

# ---- its clients ----

echo_on() { # PORT: one word there and back
    [ "$(printf 'word\n' | timeout 60 socat - "TCP:127.0.0.1:$1")" = word ]
}
tls_on() { # PORT
    [ "$(printf 'word\n' | timeout 60 socat - "OPENSSL:localhost:$1,cafile=$PKI/ca.crt,pf=ip4")" = word ]
}
