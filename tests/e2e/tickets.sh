#!/bin/bash
# tickets.sh - which sessions outlive their process: over reloads and new keys while the daemon runs,
# over restarts and on other daemons by a file of keys; and what stops them.
. "$(dirname "$0")/lib.sh"
need openssl

versions="1.2 1.3"

# ---- visits of openssl, which tells in its own words whether it resumed ----

opens() { # LISTENER VERSION SESSION: a new one, kept in the file
    visit "$1" "$2" -sess_out "$3" && grep -q '^New, TLSv1' back && [ -s "$3" ]
}
resumes() { # LISTENER VERSION SESSION [OPTION...]
    visit "$1" "$2" -sess_in "$3" "${@:4}" && grep -q "^Reused, TLSv1" back
}
does_not_resume() { # LISTENER VERSION SESSION
    visit "$1" "$2" -sess_in "$3" && grep -q "^New, TLSv1" back
}
got_ticket() { grep -q '^<<< .*NewSessionTicket' back; } # the last visit with -msg
key_of() { # SESSION: the name of the key that its ticket was made by
    openssl sess_id -noout -text -in "$1" | sed -n 's/^ *0000 - //p' | cut -c 1-47
}
each() { # COMMAND LISTENER SESSION [OPTION...]: in each version, whose session is SESSION-VERSION
    local version
    for version in $versions; do
        "$1" "$2" "$version" "$3-$version" "${@:4}" || return 1
    done
}

# ---- reloads ----

reload() { # SETTINGS [LINE]: which the log then has, `reloaded` unless told otherwise
    local line=${2-echod.conf: reloaded} before
    before=$(grep -cF -- "$line" $log)
    printf '%s\n' "$1" >echod.conf
    kill -HUP "$echod_pid"
    within 60 more_than "$before" "$line" || fail "no line: $line"
}
more_than() { [ "$(grep -cF -- "$2" $log)" -gt "$1" ]; }

listener() { # NAME SETTINGS: of TLS
    echo "{ name = \"$1\"; port = 0; ${tls_on/\{/\{ $2} }"
}
listeners_of() { # LISTENER...
    local IFS=,
    echo "listeners = ( $* );"
}

# ---- no ticket outlives the certificate that its client has shown ----
brief_client() { # SECONDS: that it is valid for, in brief.crt and brief.key
    mkdir -p ca && : >ca/index && cat >ca.conf <<CONF
[ca]
default_ca = issue
[issue]
database = ca/index
new_certs_dir = ca
rand_serial = yes
default_md = sha256
policy = policy
[policy]
commonName = supplied
CONF
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=brief -keyout brief.key -out brief.csr &&
        openssl ca -batch -notext -config ca.conf -cert "$PKI/ca.crt" -keyfile "$PKI/ca.key" -in brief.csr \
            -out brief.crt -startdate "$(date -u -d '1 hour ago' +%y%m%d%H%M%SZ)" \
            -enddate "$(date -u -d "$1 seconds" +%y%m%d%H%M%SZ)"
}
start_echod "$(listeners_of "$(listener tls "verify_client = \"request\"; client_ca = \"$PKI/ca.crt\";")")"
brief_client 15 >openssl.log 2>&1 || { cat openssl.log; fail "no certificate"; }
expires=$(($(date +%s) + 15))
brief=(-cert brief.crt -key brief.key)
for version in $versions; do
    expect "TLS $version: a client with a certificate" visit tls $version -sess_out c-$version "${brief[@]}"
    [ "$(date +%s)" -ge $expires ] || expect "TLS $version: it resumes" resumes tls $version c-$version "${brief[@]}"
done
brief_daemon=("$echod_pid" "$log")

# ---- keys that the daemon makes ----

made=$(listeners_of "$(listener tls '')" "$(listener tls-same '')" \
    "$(listener tls-other 'ciphers = "ECDHE+AESGCM"; groups = "P-256";')" \
    "$(listener tls-none 'tickets = 0;')")
start_echod "$made"
expect "sessions open" each opens tls a
expect "they resume in another process" each resumes tls a
expect_records 2 listener=tls tls_resumed=0
expect_records 1 listener=tls tls_version=TLSv1.2 tls_resumed=1
expect_records 1 listener=tls tls_version=TLSv1.3 tls_resumed=1
expect "and on a listener of the same settings" each resumes tls-same a
expect "but not where TLS has other settings" each does_not_resume tls-other a
expect "nor where there are no tickets" each does_not_resume tls-none a
reload "$made"
expect "they resume after a reload" each resumes tls a
reload "prot = 7; $made" "not reloaded"
expect "and after one that failed" each resumes tls a
for _ in {1..10}; do reload "$made"; done
expect "and after ten more" each resumes tls a
reload "port = 0;"
reload "$made"
expect "but not once there was no TLS" each does_not_resume tls a
"$ECHOC" ping -c 4 -i 0.01 --new --resume --json --ca "$PKI/ca.crt" "$(url tls)" >out
expect "echoc resumes" json "d['received'] == 4 and d['resumed'] == 3"
stop_echod
start_echod "$made"
expect "nor after a restart" each does_not_resume tls a
stop_echod

# ---- they follow one another ----

short=$(listener tls 'ticket_lifetime = 16;')
start_echod "$(listeners_of "$short")"
started=$SECONDS
expect "sessions of the first key" each opens tls a
has_new_key() { sleep 1; opens tls 1.3 later && [ "$(key_of later)" != "$(key_of a-1.3)" ]; }
expect "both versions have it" test "$(key_of a-1.2)" = "$(key_of a-1.3)"
expect "a second key comes by itself" within 60 has_new_key
if [ $((SECONDS - started)) -lt 14 ]; then
    expect "the first one's sessions resume" each resumes tls a -msg
    expect "and get a ticket of the second" got_ticket
fi
is_over() { sleep 1; each does_not_resume tls a; }
expect "and no more when their time is over" within 60 is_over
stop_echod

# ---- a file of keys ----

openssl rand 80 >one
openssl rand 80 >two
cp one keys
chmod 600 keys
filed=$(listeners_of "$(listener tls 'ticket_keys = "keys";')" \
    "$(listener tls-none 'ticket_keys = "keys"; tickets = 0;')")
start_echod "$filed"
! logged "every user can read the ticket keys" || fail "it warns without need"
expect "sessions open, with a file of keys" each opens tls a
expect "they resume" each resumes tls a
first_pid=$echod_pid first_log=$log
start_echod "$filed"
expect "they resume on another daemon with the same file" each resumes tls a
expect_records 2 listener=tls tls_resumed=1
stop_echod
echod_pid=$first_pid log=$first_log
stop_echod
start_echod "$filed"
expect "they resume after a restart" each resumes tls a

cat two one >keys
expect "a file alone changes nothing" each resumes tls a
reload "$filed"
expect "they resume by a key that has become the second" each resumes tls a
expect "TLS 1.2 goes on with its ticket" resumes tls 1.2 a-1.2 -msg
expect "and gets one of the new key" got_ticket
expect "new sessions are of the new key" each opens tls b
expect "which resume" resumes tls 1.2 b-1.2 -msg
! got_ticket || fail "a ticket of the newest key is renewed"
cp two keys
reload "$filed"
expect "they do not when their key has left the file" each does_not_resume tls a
expect "those of the key that stayed do" each resumes tls b

# ---- no tickets ----
for version in $versions; do
    expect "TLS $version, tickets" visit tls $version -msg
    expect "openssl sees them come" got_ticket
    expect "TLS $version, no tickets" visit tls-none $version -msg -sess_out none
    ! got_ticket || fail "a ticket came"
    expect "nothing to resume by" test ! -e none
done
expect "a ticket of the same keys resumes nothing there" each does_not_resume tls-none b

# ---- a file that is no good ----
where="echod.conf:1: tls.ticket_keys: cannot load keys"
head -c 79 two >keys
reload "$filed" "$where: it must be 80, 160 or 240 bytes long, of one to three keys"
within 60 logged "not reloaded" || fail "it reloads"
expect "the keys in force stay" each resumes tls b
cat two one two >keys
reload "$filed" "$where: two of its keys have the same name"
rm keys
reload "$filed" "$where: No such file or directory"
mkdir keys
reload "$filed" "$where: it is no regular file"
expect "as long as it takes" each resumes tls b
expect "-t says so" [ "$("$ECHOD" -t -c echod.conf)" = "$where: it is no regular file
$where: it is no regular file" ]
rmdir keys
cp two keys
chmod 644 keys
reload "$filed"
expect "it warns of a file for all" within 60 logged "tls: every user can read the ticket keys keys"
stop_echod

# ---- the certificate of the beginning has expired ----
echod_pid=${brief_daemon[0]} log=${brief_daemon[1]}
is_past() { [ "$(date +%s)" -gt $((expires + 1)) ]; }
within 60 is_past
for version in $versions; do
    expect "TLS $version: no more when that has expired" does_not_resume tls $version c-$version
done
stop_echod
