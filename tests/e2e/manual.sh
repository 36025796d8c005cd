#!/bin/bash
# manual.sh - the manual pages say what the programs do: every setting, option and end stands there,
# and nothing that there is not.
. "$(dirname "$0")/lib.sh"
need mandoc journalctl

pages=("$top_srcdir/man/echod.8" "$top_builddir/man/echod.conf.5" "$top_srcdir/man/echoc.1")
mandoc -T lint -W warning "${pages[@]}" >complaints
expect "mandoc has nothing to complain of" [ ! -s complaints ]
same() { diff "$1" "$2"; }

# ---- settings: by another way than the one the page was made ----
"$ECHOD" -T -c /dev/null | grep -oE '^ *(# )?[a-z_0-9]+ = ' | tr -d ' #=' | grep -vxE 'log|tls|listeners' | sort >settings
sed -n 's/^\.It Ic \([a-z_0-9.]*\).*/\1/p' "${pages[1]}" | sed 's/.*\.//' | sort >told
expect "every setting" same settings told
expect "and the file of settings" grep -q "^\.It Pa /.*/echod\.conf$" "${pages[1]}"
! grep -q '@' <(grep -vE '@(SECLEVEL|include)' "${pages[1]}") || fail "something is left to fill in"

# ---- options: those of --help ----
options() { grep -oE -- '--?[a-zA-Z][a-z-]*' | sort -u; }
helps() { # COMMAND...: the options at the begin of the lines of its help
    "$@" --help | sed -n 's/^  *\(-.*\)/\1/p' | sed 's/   .*//' | options
}
# -s , --size is `.It Fl s , -size`
tells() { sed -n 's/^\.It \(.*\)/\1/p' "$1" | sed 's/ Ar [^ ]*//g' | grep '^Fl' |
    sed 's/Fl //g; s/ , /\n/g' | sed -n 's/^\([a-zA-Z-][a-z-]*\).*/-\1/p' | sort -u; }
helps "$ECHOD" >settings
tells "${pages[0]}" >told
expect "every option of echod" same settings told
for command in cat ping load check info; do helps "$ECHOC" $command; done | sort -u >settings
tells "${pages[2]}" >told
expect "every option of echoc" same settings told
"$ECHOC" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | sort >settings
sed -n 's/^\.It Cm \([a-z]*\)$/\1/p' "${pages[2]}" | sort >told
expect "every command" same settings told

# ---- ends and fields: those of the source, in order of neither ----
sed -n 's/^ *\[END_[A-Z_]*\] = {"\([a-z_]*\)".*/\1/p' "$top_srcdir/src/ipc/record.c" | sort >settings
sed -n '/^The ends are/,/^\.El/s/^\.It Li //p' "${pages[0]}" | sed 's/ , /\n/g' | sort >told
expect "every end" same settings told
grep -o 'ECHOD_[A-Z_]*' "$top_srcdir/src/ipc/record.c" | sort -u >settings
grep -oE 'ECHOD_[A-Z_]+' "${pages[0]}" | sort -u >told
expect "every field" same settings told

# ---- the journal's catalog: an entry for each end, of its ID, with no field that no record has ----
catalog=$top_srcdir/systemd/echod.catalog
grep -oE '"[0-9a-f]{32}"' "$top_srcdir/src/ipc/record.c" | tr -d '"' | sort >settings
sed -n 's/^-- //p' "$catalog" | sort >told
expect "every end is in the catalog" same settings told
expect "with fields that there are" [ -z "$(grep -oE '@[A-Z_]+@' "$catalog" | tr -d @ | sort -u |
    comm -23 - <(grep -oE 'ECHOD_[A-Z_]+' "$top_srcdir/src/ipc/record.c" | sort -u))" ]
mkdir -p usr/lib/systemd/catalog
cp "$catalog" usr/lib/systemd/catalog/
journalctl --root="$dir" --update-catalog && journalctl --root="$dir" --list-catalog >told
expect "and the journal has them all" [ "$(sed 's/ .*//' told)" = "$(cat settings)" ]

# ---- the sample of the settings: as it is, and with every line of it in force ----
sample=$top_builddir/conf/echod.conf
"$ECHOD" -T -c /dev/null >settings
"$ECHOD" -T -c "$sample" >told
expect "the sample changes nothing" same settings told
sed 's/^\( *\)#\([a-z]\)/\1\2/; / = "";$/d' "$sample" >all.conf
expect "all lines are in it" [ "$(grep -c '= [^{]*;$' all.conf)" -gt 40 ]
"$ECHOD" -T -c all.conf >told
expect "nor do all of its lines" same settings told
