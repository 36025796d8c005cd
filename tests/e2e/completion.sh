#!/bin/bash
# completion.sh - what bash offers behind echod and echoc.
. "$(dirname "$0")/lib.sh"
. "$top_srcdir/completion/echod"

offers() { # WORDS COMMAND WORD...: with the last word begun; these, sorted
    local function=_${2##*/}
    COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
    COMPREPLY=()
    $function "$2"
    [ "$(printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -sd' ')" = "$1" ] || { echo "${COMPREPLY[@]}"; return 1; }
}
expect "echod: options" offers '--config --dump --help --option --test --version' "$ECHOD" --
expect "echod: settings" offers 'tls.certificate= tls.ciphers= tls.ciphersuites= tls.client_ca= tls.client_names= tls.crl=' \
    "$ECHOD" -o tls.c
expect "echod: of the top level" offers 'max_bytes= max_clients= max_clients_per_source= max_message=' "$ECHOD" -o max_
touch some.conf
expect "echod: a file" offers some.conf "$ECHOD" -c so
expect "echoc: commands" offers 'cat check' "$ECHOC" c
expect "echoc: options of one" offers '--rate --resume' "$ECHOC" load --r
expect "echoc: and of another" offers '--resume' "$ECHOC" ping --r
expect "echoc: versions" offers '1.0 1.1 1.2 1.3' "$ECHOC" info --tls-min 1
expect "echoc: a URL" offers 'tls+unix: tls://' "$ECHOC" info tl
expect "echoc: a file" offers some.conf "$ECHOC" info --ca so
expect "every setting" [ "$(_echo_settings "$ECHOD" | wc -l)" = \
    "$("$ECHOD" -T -c /dev/null | grep -cE '^ *(# )?[a-z_0-9]+ = [^({]*;$|\[ \];$|\( \);$')" ]
