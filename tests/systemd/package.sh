#!/bin/bash
# package.sh - the Debian packages: built, without a fault that lintian knows, and under a systemd installed, used,
# upgraded while clients come, removed and purged.
# shellcheck source-path=SCRIPTDIR
set -u
debs=$top_builddir/deb
if [ "$(cat /run/systemd/container 2>/dev/null)" != rig ]; then
    command -v lintian >/dev/null || { echo "SKIPPED: no lintian here: scripts/deps test"; exit 77; }
    . "$(dirname "$0")/build-packages"
    lintian --allow-root --fail-on error,warning "$debs"/*.changes || { echo "FAILED: lintian"; exit 1; }
fi
. "$(dirname "$0")/lib.sh" # and from here on in the rig
conf=/etc/echod/echod.conf

# what this machine has on purpose, and what a systemd, man-db and dpkg keep for themselves
rm -rf /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/*
touch /usr/sbin/.writable 2>/dev/null || { echo "no package can be installed here: /usr is read-only"; exit 77; }
rm /usr/sbin/.writable
quick_dpkg
dpkg --purge echod echoc >/dev/null 2>&1 # if it has them already
files() {
    find /etc /usr /var /run \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache/man -o -path /run/systemd \
        -o -path /run/log -o -path /run/credentials \) -prune -o -printf '%p %y %m %l\n' | LC_ALL=C sort
    find /etc -type f -exec sha256sum {} + | LC_ALL=C sort
}
files >/tmp/before

# ---- installed ----
install() { DEBIAN_FRONTEND=noninteractive dpkg -i "$@" </dev/null >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; false; }; }
expect "both packages can be installed" install "$debs"/*.deb
contents() { dpkg -L "$1" | while read -r each; do [ -d "$each" ] || echo "$each"; done | LC_ALL=C sort; }
has() { # PACKAGE: and nothing but what stands on standard input
    diff <(LC_ALL=C sort) <(contents "$1")
}
doc=/usr/share/doc man=/usr/share/man completion=/usr/share/bash-completion/completions units=/usr/lib/systemd/system
expect "echod has its files" has echod <<LIST
$conf
$units/echod-standalone.service
$units/echod.service
$units/echod.socket
$units/echod@.service
/usr/lib/systemd/catalog/echod.catalog
/usr/sbin/echod
$completion/echod
$doc/echod/NEWS.gz
$doc/echod/README.md
$doc/echod/changelog.gz
$doc/echod/copyright
$(cd "$top_srcdir/doc" && find . -type f -printf "$doc/echod/doc/%P\n")
$(cd "$top_srcdir/conf/examples" && printf "$doc/echod/examples/%s\n" *)
$man/man5/echod.conf.5.gz
$man/man8/echod.8.gz
LIST
expect "echoc has its own" has echoc <<LIST
/usr/bin/echoc
$completion/echoc
$doc/echoc/changelog.gz
$doc/echoc/copyright
$doc/echoc/echoc-json.md
$man/man1/echoc.1.gz
LIST
expect "they are all there and whole" test -z "$(dpkg --verify echod echoc 2>&1)"
expect "the settings are the administrator's" test "$(dpkg-query -W -f '${Conffiles}' echod | awk '{ print $1 }' | xargs)" = "$conf"
needs() { dpkg-query -W -f '${Depends}\n' "$1" | sed 's/ ([^)]*)//g; s/, /\n/g' | sed 's/[0-9]*\(t64\)\{0,1\}$//' | LC_ALL=C sort | xargs; }
expect "echod needs the libraries that it uses" test "$(needs echod)" = "libc libconfig libjansson libseccomp libssl libsystemd"
expect "echoc needs fewer" test "$(needs echoc)" = "libc libjansson libssl"
hardened() { # PROGRAM: position independent, and nothing is writable once it is linked
    readelf -hW "$1" | grep -q 'Type: *DYN' && readelf -lW "$1" | grep -q GNU_RELRO &&
        readelf -dW "$1" | grep -q 'FLAGS_1.*NOW.*PIE' && readelf -sW --dyn-syms "$1" | grep -q __stack_chk_fail &&
        readelf -sW --dyn-syms "$1" | grep -q '_chk@'
}
expect "echod is hardened" hardened /usr/sbin/echod
expect "and echoc" hardened /usr/bin/echoc
expect "the settings as installed are right" echod -t
expect "the units are well-formed" test -z "$(systemd-analyze verify $units/echod{,-standalone,@}.service $units/echod.socket 2>&1)"
expect "nothing runs" test -z "$(systemctl -q list-units --plain --no-legend 'echod*'; pgrep -x echod)"
expect "nor will it after the next boot" test -z "$(find /etc/systemd -name '*echod*')"
expect "the journal's catalog has its entries" sh -c 'journalctl --list-catalog | grep -q " echod: "'
for each in echod echoc; do
    expect "bash completes for $each" bash -c ". $completion/$each && complete -p $each >/dev/null"
done

# ---- used ----
expect "systemctl enable --now echod.socket" systemctl -q enable --now echod.socket
expect "a word comes back" echo_on 7
expect "and a file, by echoc" cmp "$conf" <(echoc cat tcp://localhost:7 <"$conf")
for each in echod echod-standalone; do
    drop_in $each.service <<UNIT
[Service]
LoadCredential=certificate:$PKI/server.crt
LoadCredential=key:$PKI/server.key
UNIT
done
settings <<<"tls = { $credentials };"
expect "with a certificate" systemctl restart echod
expect "it speaks TLS" tls_on 7

# ---- upgraded ----
newer() { # VERSION [LINE]: the same of this version, with a unit that tells it, and a line more in the sample
    local tree=/tmp/newer
    rm -rf $tree && dpkg-deb -R "$debs"/echod_*.deb $tree && rm $tree/DEBIAN/md5sums &&
        sed -i "s/^Version: .*/Version: $1/" $tree/DEBIAN/control &&
        sed -i "s/^Description=.*/Description=echod of $1/" $tree$units/echod{,-standalone}.service &&
        printf '%s' "${2-}" >>$tree$conf && dpkg-deb -b $tree "/tmp/echod_$1.deb" >/dev/null
}
client() { exec python3 "$peer" loop --port 7 --tls --ca "$PKI/ca.crt" --seconds 120 "$@" >>/tmp/trips; }
stopping() { [ "$(property ActiveState)" = deactivating ]; }
several() { [ "$(children | wc -l)" -ge 2 ]; }
expect "a newer package" newer 9.1
sum=$(sha256sum "$conf") pid=$(main_pid) comers=()
client --keep &
stays=$!
for _ in 1 2 3; do
    client &
    comers+=($!)
done
within 60 several || fail "no processes for the clients"
install /tmp/echod_9.1.deb &
upgrade=$!
expect "an upgrade has the service restarted" within 60 stopping
expect "but not its socket" systemctl -q is-active echod.socket
sleep 1 # newcomers wait in it
expect "a client of before is still served" kill -TERM $stays
expect "to its end" wait $stays
expect "then the upgrade is over" wait $upgrade
expect "another process serves" test "$(main_pid)" != "$pid" -a "$(main_pid)" != 0
expect "of the new program" test "$(readlink "/proc/$(main_pid)/exe")" = /usr/sbin/echod
expect "by the new unit" test "$(property Description)" = "echod of 9.1"
: >/tmp/trips
sleep 1
kill -TERM "${comers[@]}" || fail "a client is gone"
for each in "${comers[@]}"; do wait "$each" || fail "a client was lost over the upgrade"; done
ok "no client of three that came again and again was lost: $(xargs </tmp/trips)"
expect "nobody was cut" sh -c '! journalctl -q -u echod ECHOD_END=drained | grep .'
expect "the edited settings are untouched" test "$(sha256sum "$conf")" = "$sum"

systemctl -q disable --now echod.socket
systemctl -q start echod-standalone
unit=echod-standalone.service pid=$(main_pid)
expect "another one, with another sample" newer 9.2 $'# another line\n'
expect "is installed; who is asked keeps the settings" install --force-confdef /tmp/echod_9.2.deb
expect "they are in force" tls_on 7
expect "the service that ran was restarted" test "$(main_pid)" != "$pid" -a "$(property Description)" = "echod of 9.2"
expect "and none was started that did not run" test "$(systemctl is-active echod.socket echod.service | xargs)" = "inactive inactive"
expect "the settings are as edited" test "$(sha256sum "$conf")" = "$sum"

# ---- removed ----
unit=echod.service
systemctl -q enable --now echod.socket
expect "the socket's again" tls_on 7
expect "it runs" systemctl -q is-active echod.socket echod.service
expect "dpkg --remove" dpkg --remove echod
expect "nothing runs any more" test -z "$(systemctl -q list-units --plain --no-legend --state=active 'echod*'; pgrep -x echod)"
expect "nobody is served" sh -c '! timeout 60 socat -u /dev/null TCP:127.0.0.1:7 2>/dev/null'
expect "the units are gone" test "$(systemctl show -P LoadState echod.socket)" = not-found
expect "the settings are still there" test "$(sha256sum "$conf")" = "$sum"
expect "dpkg --purge" dpkg --purge echod echoc
files >/tmp/after
expect "nothing is left" diff /tmp/before /tmp/after
echo "$n checks"
