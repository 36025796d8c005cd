#!/bin/bash
# includes.sh - the structure of src/: a folder uses only folders of lower rows, no headers include each other and no
# files call each other in a circle, and each library is known only to the folders that wrap it. HACKING.md shows the
# same map.
set -u
top=$(cd "${top_srcdir:-$(dirname "$0")/..}" && pwd)
objects=$(cd "${top_builddir:-$top/build}/src" && pwd) || exit 1
cd "$top/src" || exit 1

# from the bottom up; the folders of one row do not use each other
rows=(
    "base"
    "net sandbox"
    "ipc proto"
    "tls parent"
    "child settings echoc"
    "daemon"
)
# header=folders that may include it
fences=(
    "openssl/=tls"
    "seccomp.h=sandbox"
    "libconfig.h=settings"
    "jansson.h=child echoc"
    "systemd/=net parent"
)

bad=0
complain() { echo "$*" >&2; bad=1; }

declare -A row_of
for i in "${!rows[@]}"; do
    for folder in ${rows[i]}; do row_of[$folder]=$i; done
done

# pairs of files on standard input, "USER USED": each user's folder is the same or above
check_order() { # WORD: what the user does
    local user used
    while read -r user used; do
        [ "${user%%/*}" = "${used%%/*}" ] || [ "${row_of[${used%%/*}]}" -lt "${row_of[${user%%/*}]}" ] ||
            complain "$user $1 $used, whose folder is not below"
    done
}
check_circles() { # WORD
    local circle
    circle=$(tsort 2>&1 >/dev/null) || complain "files that $1 each other in a circle: $circle"
}

for folder in */; do
    [ -n "${row_of[${folder%/}]-}" ] || complain "src/$folder stands in no row"
done

includes() { grep -H '^#include "' */*.[ch] | sed 's/:#include "/ /; s/"$//'; }
check_order includes < <(includes)
check_circles include < <(includes | grep -v '\.c ')

# which object uses symbols of which other, by nm(1)
calls() {
    for file in */*.c; do echo "${file%.c}.o"; done | (cd "$objects" && xargs nm -A -P) | sed 's/\.o: / /' | awk '
        $3 == "U" { n++; user[n] = $1; symbol[n] = $2 }
        $3 ~ /[A-TV-Z]/ { home[$2] = $1 }
        END {
            for (i = 1; i <= n; i++)
                if (symbol[i] in home && home[symbol[i]] != user[i])
                    print user[i], home[symbol[i]]
        }' | sort -u
}
calls=$(calls)
check_order calls <<<"$calls"
check_circles call <<<"$calls"
[ "$(wc -l <<<"$calls")" -gt 100 ] || complain "there are no objects in $objects"

for file in */*.[ch]; do
    for fence in "${fences[@]}"; do
        grep -q "^#include <${fence%%=*}" "$file" || continue
        [[ " ${fence#*=} " == *" ${file%%/*} "* ]] ||
            complain "$file includes <${fence%%=*}...>, which only ${fence#*=} may"
    done
    lines=$(wc -l <"$file")
    [ "$lines" -le 500 ] || complain "$file has $lines lines, which is more than one can hold in the head"
done

# a static function's name says its object, so that it can be looked for
names=$(grep -oE '^static [^=;(]*[ *][a-z_0-9]+\(' */*.c | sed -E 's/:.*[ *]([a-z_0-9]+)\($/ \1/' | sort -u)
while read -r n name; do
    [ "$n" -lt 3 ] || complain "$name is a static function of $n files"
done < <(cut -d' ' -f2 <<<"$names" | sort | uniq -c)

map=$(sed -n '/^## The map/,/^## [^T]/s/^    \([a-z]*\) .*/\1/p' "$top/HACKING.md" | tac | paste -sd' ')
[ "$map" = "${rows[*]}" ] || complain "HACKING.md has the folders as: $map"
exit $bad
