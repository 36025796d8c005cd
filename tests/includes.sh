#!/bin/bash
# The shape of src/: a file includes only headers of lower rows, so no circles can form, and each
# library is known to the few modules that wrap it. A module is x.c with x.h; x_y belongs to x.
set -u
cd "${top_srcdir:-$(dirname "$0")/..}/src" || exit 1

# from the bottom up
rows=(
    "err lists outcome file deadline addr notify frame hist sniff memory slim rights"
    "log resolve holder payload url network proxy user ossl seal"
    "record admit keeper tickets"
    "board stream metrics starter"
    "clients echo tls listen exchange preface"
    "server report dial warm"
    "session"
    "settings"
    "service"
    "echod echoc"
)
# header=modules that may include it
fences=(
    "openssl/=tls keeper ossl tickets"
    "seccomp.h=seal"
    "libconfig.h=settings"
    "jansson.h=report echoc"
    "systemd/=listen server"
)

bad=0
complain() { echo "$*" >&2; bad=1; }

declare -A row_of
for i in "${!rows[@]}"; do
    for module in ${rows[i]}; do row_of[$module]=$i; done
done
module_of() { local name=${1%.[ch]}; echo "${name%%_*}"; }

for file in *.c *.h; do
    mine=$(module_of "$file")
    [ -n "${row_of[$mine]-}" ] || { complain "$file: its module stands in no row"; continue; }
    while read -r header; do
        theirs=$(module_of "$header")
        [ "$theirs" = "$mine" ] && continue
        [ -n "${row_of[$theirs]-}" ] || { complain "$file: $header stands in no row"; continue; }
        [ "${row_of[$theirs]}" -lt "${row_of[$mine]}" ] ||
            complain "$file includes $header, which is not in a lower row"
    done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$file")
    for fence in "${fences[@]}"; do
        grep -q "^#include <${fence%%=*}" "$file" || continue
        [[ " ${fence#*=} " == *" $mine "* ]] || complain "$file includes <${fence%%=*}...>, which only ${fence#*=} may"
    done
    lines=$(wc -l <"$file")
    [ "$lines" -le 500 ] || complain "$file has $lines lines, more than one can hold in the head"
done
exit $bad
