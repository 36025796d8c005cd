#!/bin/bash
# bad-settings.sh - every fault of a settings file is found, placed and named, and none is invented.
#
# The files are tests/unit/bad/NAME.conf; their comments say what echod -t must print of them:
#     # expect: LINE: SETTING: words    one fault; SETTING is - where it has none, and LINE is
#                                       OTHER:LINE where it lies in an included file
#     # start: STATUS                   the exit status of a start where it is not 78
# @PKI@ in a file stands for the directory of the test certificates.
set -u
: "${ECHOD:?}" "${PKI:?}" "${top_srcdir:?}"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cases=0 bad=0

for file in "$top_srcdir"/tests/unit/bad/*.conf; do
    sed "s|@PKI@|$PKI|g" "$file" >"$work/${file##*/}"
done

complain() { # FILE WORDS TEXT
    bad=$((bad + 1))
    printf 'FAILED: %s: %s\n' "${1##*/}" "$2"
    printf '    %s\n' "${3//$'\n'/$'\n    '}"
}

run() { # ARGUMENT...: echod's status and output; a hang is a failure too
    output=$(timeout 60 "$ECHOD" "$@" 2>&1 </dev/null)
    status=$?
}

find_fault() { # FILE LINE SETTING WORDS: in `faults`; its index is left in `found`
    local place=$1:$2 name="$3: "
    [[ $2 != *:* ]] || place=$work/$2
    [ "$3" != - ] || name=
    for found in "${!faults[@]}"; do
        [[ ${faults[found]} != "$place: $name"*"$4"* ]] || return 0
    done
    return 1
}

compare() { # FILE: each expected fault takes its line away; what is left over is too much
    local line setting words n=0
    while read -r line setting words; do
        n=$((n + 1))
        if find_fault "$1" "${line%:}" "${setting%:}" "$words"; then
            unset "faults[found]"
        else
            complain "$1" "not found: $line $setting $words" "$output"
        fi
    done < <(sed -n 's/^# expect: //p' "$1")
    [ $n -gt 0 ] || complain "$1" "expects nothing" "$output"
    [ ${#faults[@]} = 0 ] || complain "$1" "not expected:" "$(printf '%s\n' "${faults[@]}")"
}

check() { # FILE: -t prints its faults
    run -t -c "$1"
    [ $status = 78 ] || complain "$1" "-t: exit status $status, not 78" "$output"
    mapfile -t faults < <(grep -v '(a note, not a fault)$' <<<"$output")
    compare "$1"
}

start() { # FILE: no service starts on it
    local wanted
    wanted=$(sed -n 's/^# start: //p' "$1")
    run -c "$1"
    [ $status = "${wanted:-78}" ] ||
        complain "$1" "start: exit status $status, not ${wanted:-78}" "$output"
    [[ $output != *"listening on"* ]] || complain "$1" "start: it listens" "$output"
    [[ $output == "echod: "* ]] || complain "$1" "start: it does not say why not" "$output"
}

for file in "$work"/*.conf; do
    cases=$((cases + 1))
    check "$file"
    [ $status = 0 ] || start "$file"
done

echo "$cases bad files, $bad failures"
[ $cases -ge 40 ] || echo "FAILED: fewer than 40 bad files"
[ $cases -ge 40 ] && [ $bad = 0 ]
