#!/bin/sh
# SPDX-License-Identifier: MIT
# check-docs.sh - what the documents say is so
#
# usage: check-docs.sh SOURCE-ROOT LIBRARY
# CC is the compiler. LIBRARY is the shared library. Everything happens in a
# scratch directory.
# shellcheck disable=SC2016 # the quotes of Markdown expand nothing
set -eu

library=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
cd "$1"
cc=${CC:-cc}
readme=README.md
tutorial=doc/writing-an-exporter.md
pages="README.md $(echo doc/*.md)"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
status=0

wrong() {
	echo "$1"
	status=1
}

# block MARK FILE: the fenced block behind the line <!-- MARK -->
block() {
	awk -v mark="<!-- $1 -->" '
		$0 == mark { wanted = 1; next }
		wanted && /^```/ { if (inside) exit; inside = 1; next }
		inside { print }' "$2"
}

same() {
	diff -u "$1" "$2" >"$scratch/diff" && return
	wrong "$3"
	cat "$scratch/diff"
}

# The README's program is the one that the consumer test builds and runs.
readme_program() {
	block program "$readme" >"$scratch/readme.c"
	sed 1,2d tests/consumer/consumer.c >"$scratch/consumer.c"
	test -s "$scratch/readme.c" || wrong "README.md: no program"
	same "$scratch/consumer.c" "$scratch/readme.c" \
		"README.md: its program is not tests/consumer/consumer.c"
	block meson "$readme" >"$scratch/readme.meson"
	test -s "$scratch/readme.meson" || wrong "README.md: no Meson lines"
	grep -v '^#' tests/consumer/meson.build >"$scratch/meson.build"
	grep -vxFf "$scratch/meson.build" "$scratch/readme.meson" |
		grep . >"$scratch/diff" || return 0
	wrong "README.md: Meson lines that tests/consumer does not try:"
	cat "$scratch/diff"
}

# tutorial_source STEP: the newest version of each piece, in the order in which
# these stand in the page
tutorial_source() {
	awk -v step="$1" '
		$1 == "<!--" && $2 == "step:" {
			piece = ($3 + 0 <= step + 0) ? $4 : ""
			next
		}
		piece != "" && /^```/ {
			if (inside) {
				nr++
				names[nr] = piece
				texts[nr] = text
				newest[piece] = nr
				piece = ""
			}
			inside = !inside
			text = ""
			next
		}
		inside { text = text $0 "\n" }
		END {
			# The table and what uses it come last.
			for (i = 1; i <= nr; i++)
				if (newest[names[i]] == i && !late(names[i]))
					printf "%s\n", texts[i]
			printf "%s", texts[newest["table"]]
			printf "%s", texts[newest["export"]]
			printf "%s", texts[newest["main"]]
		}
		function late(name) {
			return name == "table" || name == "export" ||
			       name == "main"
		}' "$tutorial"
}

# From step 2 on there is a main().
tutorial_step() {
	name=step-$1
	tutorial_source "$1" >"$scratch/$name.c"
	set -- -Wall -Wextra -Werror -Iinclude "$scratch/$name.c"
	if [ "$name" = step-1 ]; then
		set -- "$@" -Wno-unused-function -c -o "$scratch/$name.o"
	else
		set -- "$@" -o "$scratch/$name" "$library" \
			-Wl,-rpath,"$(dirname "$library")"
	fi
	if ! $cc "$@"; then
		wrong "$tutorial: $name does not compile"
	elif [ "$name" != step-1 ] &&
	     ! "$scratch/$name" >"$scratch/$name.out" 2>&1; then
		wrong "$tutorial: $name fails:"
		cat "$scratch/$name.out"
	fi
}

tutorial_program() {
	steps=$(sed -n 's/^<!-- step: \([0-9]*\) .*/\1/p' "$tutorial" | sort -nu)
	for step in $steps; do
		tutorial_step "$step"
		last=$step
	done
	echo "tutorial: $last steps"
	block output "$tutorial" >"$scratch/output"
	same "$scratch/output" "$scratch/step-$last.out" \
		"$tutorial: the last program prints something else"
}

# Links and pictures of a page, without those that leave the project
links() {
	grep -o '](\([^)]*\))\|src="[^"]*"' "$1" |
		sed 's/^](//; s/)$//; s/^src="//; s/"$//; s/#.*//' |
		grep -v '^[a-z]*:' | grep . || true
}

# Names in `quotes` that look like files of ours. The cache of the wraps is the
# user's to make.
paths() {
	grep -o '`[^`]*`' "$1" | tr -d '`' |
		grep -E '^(\./)?(lib|include|tests|tools|examples|doc|subprojects)/[^ *]*$' |
		grep -v '^subprojects/packagecache' || true
}

page_files() {
	for link in $(links "$1"); do
		test -e "$(dirname "$1")/$link" || wrong "$1: no file $link"
	done
	for path in $(paths "$1"); do
		test -e "$path" || wrong "$1: no file $path"
	done
}

# Every name of ours in a page is one that the code has.
page_names() {
	sed '/^```/,/^```/d' "$1" |
		grep -oE '\b(dma_buf|dma_fence|dma_heap|dma_resv|sync_file|ww_acquire|dma_map|dma_unmap|dma_sync|dma_get|dmabuf|sg)_[a-z0-9_]+\b|\bDMABUF_[A-Z0-9_]+\b' |
		sort -u >"$scratch/names" || true
	while read -r name; do
		case $name in
		*_) continue ;;
		esac
		grep -rqwF -- "$name" include lib ||
			wrong "$1: there is no $name"
	done <"$scratch/names"
}

# Every option of dmabuf-run is in its manual page, and no others are.
options() {
	sed -n 's/^	{ "\([a-z-]*\)", [a-z]*_argument,.*/\1/p' \
		tools/dmabuf-run/options.c | sort >"$scratch/options"
	sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p' doc/man/dmabuf-run.1 |
		sort >"$scratch/described"
	test -s "$scratch/options" || wrong "tools/dmabuf-run: no options"
	same "$scratch/options" "$scratch/described" \
		"doc/man/dmabuf-run.1: has other options than the program"
}

# What a doc comment calls a difference from the kernel is in differences.md.
differences() {
	awk '
		/^\/\*\*|^\t\/\*\*/ { name = ""; comment = 1 }
		comment && name == "" && match($0, /[a-z_0-9]+\(\) - /) {
			name = substr($0, RSTART, RLENGTH - 5)
		}
		comment && name == "" && match($0, /@[a-z_]+:/) {
			name = substr($0, RSTART + 1, RLENGTH - 2)
		}
		comment && /Differs from the kernel/ { print name }
		/\*\// { comment = 0 }' include/dmabuf/*.h |
		sort -u >"$scratch/differ"
	while read -r name; do
		grep -qwF -- "$name" doc/differences.md ||
			wrong "doc/differences.md: nothing on $name"
	done <"$scratch/differ"
	echo "differences: $(wc -l <"$scratch/differ") named in doc comments"
}

pictures() {
	for picture in doc/*.svg; do
		for element in title desc; do
			grep -q "<$element" "$picture" ||
				wrong "$picture: no $element"
		done
		# shellcheck disable=SC2086 # words on purpose
		grep -lq "$(basename "$picture")" $pages ||
			wrong "$picture: shown nowhere"
		if command -v xmllint >/dev/null; then
			xmllint --noout "$picture" || wrong "$picture: not well-formed"
		fi
	done
	command -v xmllint >/dev/null ||
		echo "no xmllint: pictures not checked for being well-formed"
}

# Lints with what there is; mandoc knows most.
man_page() {
	page=$1
	if command -v mandoc >/dev/null; then
		mandoc -T lint -W warning "$page" >"$scratch/man" 2>&1 || true
	elif command -v groff >/dev/null; then
		groff -mandoc -ww -z -Tutf8 "$page" >"$scratch/man" 2>&1 || true
	else
		echo "neither mandoc nor groff: $page was not checked"
		return
	fi
	test ! -s "$scratch/man" && return
	wrong "$page:"
	cat "$scratch/man"
}

readme_program
tutorial_program
for page in $pages; do
	page_files "$page"
	page_names "$page"
done
for page in doc/man/*; do
	page_names "$page"
	man_page "$page"
done
options
differences
pictures
exit "$status"
