#!/bin/sh
# SPDX-License-Identifier: MIT
# check-symbols.sh - headers, version script and library agree on what is public
#
# usage: check-symbols.sh LIBRARY MAP HEADER-DIR HEADER...
# HEADER... are the installed ones; they must be all there are in HEADER-DIR.
set -eu

library=$1 map=$2 header_dir=$3
shift 3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The name before the first parenthesis of each declaration marked DMABUF_API.
declared() {
	cat "$@" | awk '
	{ text = text $0 "\n" }
	END {
		while (match(text, /\/\*([^*]|\*+[^*\/])*\*+\//))
			text = substr(text, 1, RSTART - 1) " " \
			       substr(text, RSTART + RLENGTH)
		nr = split(text, line, "\n")
		text = ""
		for (i = 1; i <= nr; i++)
			if (line[i] !~ /^[ \t]*#/)
				text = text line[i] " "
		nr = split(text, part, "DMABUF_API")
		for (i = 2; i <= nr; i++) {
			sub(/[(;[].*/, "", part[i])
			sub(/[ \t]+$/, "", part[i])
			sub(/.*[ \t*]/, "", part[i])
			print part[i]
		}
	}'
}

declared "$@" | sort -u >"$scratch/headers"
sed -n 's/^[[:space:]]*\([A-Za-z_][A-Za-z0-9_]*\);.*/\1/p' "$map" |
	sort >"$scratch/map"
${NM:-nm} -D --defined-only "$library" |
	awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
	sort -u >"$scratch/library"
printf '%s\n' "$@" | sed 's|.*/||' | sort >"$scratch/installed"
find "$header_dir" -name '*.h' | sed 's|.*/||' | sort >"$scratch/found"

status=0
same() {
	if ! diff -u "$scratch/$1" "$scratch/$2" >"$scratch/diff"; then
		echo "$3"
		sed -n '3,$p' "$scratch/diff"
		status=1
	fi
}

test -s "$scratch/headers" || { echo "no DMABUF_API name found"; exit 1; }
same headers map "names declared in the headers (-) and in $map (+):"
same headers library "names declared in the headers (-), exported by $library (+):"
same installed found "headers installed (-) and present (+):"
[ "$status" -ne 0 ] || echo "$(wc -l <"$scratch/headers") names"
exit "$status"
