#!/bin/bash
# user.sh - started by root, echod becomes `user` once it has its sockets and keys, and so does the
# signer; what only root could read is then out of reach for a reload and for another signer.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "only root can become somebody else"

chmod 755 "$dir"
cp "$PKI/server.crt" "$PKI/server.key" "$PKI/ca.crt" .
chmod 644 server.crt
own_key() { # MODE OWNER
    chmod "$1" server.key && chown "$2" server.key
}
user_of() { stat -c %U "/proc/$1"; }
has_signer() { [ -n "$(signer)" ]; }
kill_signer() {
    local pid
    pid=$(signer)
    kill -KILL "$pid"
    within 60 gone "$pid" || fail "it does not die"
}
settings="user = \"nobody\"; listeners = ( { name = \"plain\"; port = 0; }, { name = \"tls\"; port = 0;
    tls = { enabled = true; certificate = \"$dir/server.crt\"; key = \"$dir/server.key\"; }; } );"

# ---- a key of the user's ----
own_key 600 nobody
start_echod "$settings"
within 60 logged "running as the user nobody" || fail "it does not say who it is"
! logged "cannot read the private key" || fail "it warns of a key that it can read"
expect "the daemon is nobody" [ "$(user_of "$echod_pid")" = nobody ]
expect "it has no group but its own" \
    [ "$(awk '/^Groups:/ { print NF }' "/proc/$echod_pid/status")" -le 2 ]
for way in plain tls1.2 tls1.3; do expect "it serves, $way" peer whole $way; done
kill -HUP "$echod_pid"
within 60 logged "echod.conf: reloaded" || fail "no reload"
! logged "has no effect" || fail "it doubts the user that it is"
printf '%s\n' "${settings/nobody/daemon}" >echod.conf
kill -HUP "$echod_pid"
within 60 logged "user = daemon has no effect" || fail "it does not say that it stays nobody"
kill_signer
expect "another signer comes" within 60 has_signer
expect "and it serves" peer whole tls
stop_echod

# ---- a key of root's ----
own_key 600 root
start_echod "$settings"
expect "it starts with a key of root's" peer whole tls
expect "and warns of it" logged "tls: user cannot read the private key $dir/server.key"
kill -HUP "$echod_pid"
within 60 logged "tls.key: cannot load $dir/server.key: Permission denied" || fail "no fault"
within 60 logged "not reloaded" || fail "no word of the reload"
expect "and serves on after a reload without it" peer whole tls
kill_signer
expect_exit 71 "$echod_pid"
logged "the signer has died, and no other can take its place: cannot load $dir/server.key" ||
    fail "it does not say why"
