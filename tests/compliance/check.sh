#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - dmabuf-compliance itself: options, exit statuses, its two outputs
#
# usage: check.sh DMABUF-COMPLIANCE ROWS MAN-PAGE
# ROWS is the program of rows.c: the runner, with rows that go wrong.
set -u

compliance=$1 rows=$2 page=$3
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
status=0

wrong() {
	echo "$1"
	cat "$scratch/out" "$scratch/err"
	status=1
}

# expect STATUS WHAT COMMAND...: leaves what was printed in out and err
expect() {
	want=$1 what=$2
	shift 2
	"$@" >"$scratch/out" 2>"$scratch/err" </dev/null
	got=$?
	[ "$got" -eq "$want" ] || wrong "$what: status $got, not $want"
}

in_out() {
	grep -q "$1" "$scratch/out" || wrong "$2"
}

in_err() {
	grep -q "$1" "$scratch/err" || wrong "$2"
}

quiet_out() {
	[ ! -s "$scratch/out" ] || wrong "$1: it wrote to standard output"
}

# TAP: a plan, and as many results, numbered
valid_tap() {
	awk '
	NR == 1 && $0 != "TAP version 13" { exit bad = 1 }
	NR == 2 && !match($0, /^1\.\.[0-9]+/) { exit bad = 1 }
	NR == 2 { planned = substr($0, 4) + 0; next }
	NR == 1 || /^#/ { next }
	/^ok / { if ($2 != ++seen || $3 != "-") exit bad = 1; next }
	/^not ok / { if ($3 != ++seen || $4 != "-") exit bad = 1; next }
	{ exit bad = 1 }
	END { exit bad || planned != seen }' "$1"
}

# Its options, and all that cannot be right about them.
options() {
	expect 0 "--help" "$compliance" --help
	in_out '^usage: dmabuf-compliance' "--help: no usage"
	sed -n 's/^  \(--[a-z-]*\).*/\1/p' "$scratch/out" |
		sort >"$scratch/options"
	sed -n 's/^\.It Fl -\([a-z-]*\).*/--\1/p' "$page" | sort |
		diff "$scratch/options" - >"$scratch/out" ||
		wrong "--help and $page: other options"
	expect 0 "--version" "$compliance" --version
	in_out '^dmabuf-compliance [0-9]' "--version: no version"
	for bad in --nonsense --only '--timeout 0' '--timeout 1x' word \
			'--only no.such.row' '--heap' '--only buf.read,typo' \
			'--only buf.read, --list' '--list --skip typo'; do
		# shellcheck disable=SC2086 # an option and its argument
		expect 2 "$bad" "$compliance" $bad
		quiet_out "$bad"
		in_err . "$bad: no message"
	done
	expect 2 "word" "$compliance" word
	in_err '^dmabuf-compliance: word: ' "word: it is not named"
	expect 2 "--only with a typo" "$compliance" --only buf.read,typo
	in_err 'no row is called typo$' "--only: the typo is not named"
}

list() {
	expect 0 "--list" "$compliance" --list
	quiet=$scratch/list
	sed 's/[ :].*//' "$scratch/out" >"$quiet"
	[ "$(wc -l <"$quiet")" -gt 400 ] || wrong "--list: few rows"
	sort "$quiet" | uniq -d >"$scratch/twice"
	[ ! -s "$scratch/twice" ] ||
		wrong "--list: ids twice: $(cat "$scratch/twice")"
	grep -vx '[a-z_]*\(\.[a-z0-9-]*\)*' "$quiet" >"$scratch/odd"
	[ ! -s "$scratch/odd" ] || wrong "--list: odd ids: $(cat "$scratch/odd")"
	grep -v ': .' "$scratch/out" >"$scratch/untitled" &&
		wrong "--list: rows without a title"
	expect 0 "--list --only" "$compliance" --list --only 'buf.lseek.c?r,sync.link'
	[ "$(sed 's/[ :].*//' "$scratch/out" | tr '\n' ' ')" = \
		"buf.lseek.cur sync.link " ] || wrong "--only: other rows"
	expect 0 "--list with much" "$compliance" --list --only sync.link \
		--skip buf.reopen --only 'buf.reo*,buf.lseek.cur' \
		--skip 'buf.*-read-only'
	[ "$(sed 's/[ :].*//' "$scratch/out" | tr '\n' ' ')" = \
		"buf.lseek.cur buf.reopen-path sync.link " ] ||
		wrong "--only and --skip, twice each: other rows"
}

one_line_in_err() {
	[ "$(wc -l <"$scratch/err")" -eq 1 ] || wrong "$1: not one line"
}

# A system without one device.
no_device() {
	for device in /dev/dma_heap /dev/udmabuf \
			/sys/kernel/debug/sync/sw_sync; do
		[ ! -e $device ] || {
			echo "skipped: no device at all: $device is here"
			return
		}
	done
	expect 3 "no device" "$compliance"
	quiet_out "no device"
	one_line_in_err "no device"
	in_err "no heap in /dev/dma_heap" "no device: not where it looked"
	expect 3 "no device, TAP" "$compliance" --tap
	in_out '^1\.\.0 # SKIP ' "no device: no TAP"
}

# named_missing OPTION VALUE: what is named has to be there, if others are or not
named_missing() {
	expect 3 "$1 $2" "$compliance" --heap-dir "$scratch/heaps" \
		--udmabuf "$scratch/udmabuf" "$1" "$2" --only 'udmabuf.*'
	quiet_out "$1 $2"
	one_line_in_err "$1 $2"
	in_err "^dmabuf-compliance: $1 $2: " "$1 $2: it is not named"
	expect 3 "$1 $2, alone" "$compliance" "$1" "$2"
	in_err "^dmabuf-compliance: $1 $2: " "$1 $2, alone: it is not named"
	expect 3 "$1 $2, TAP" "$compliance" "$1" "$2" --tap
	in_out "^Bail out! $1 $2: " "$1 $2: no TAP"
}

named_devices() {
	named_missing --heap typo
	mkdir "$scratch/empty"
	for dir in empty none; do
		named_missing --heap-dir "$scratch/$dir"
	done
	for option in --udmabuf --sw-sync --bufinfo; do
		named_missing $option "$scratch/none"
	done
}

# Files are no devices: every row fails, or skips, and is on a line of its own.
false_devices() {
	mkdir "$scratch/heaps"
	: >"$scratch/heaps/zeta"
	: >"$scratch/heaps/alpha"
	: >"$scratch/udmabuf"
	: >"$scratch/sw_sync"
	: >"$scratch/bufinfo"
	set -- "$compliance" --heap-dir "$scratch/heaps" \
		--udmabuf "$scratch/udmabuf" --sw-sync "$scratch/sw_sync" \
		--bufinfo "$scratch/bufinfo"
	expect 1 "files as devices" "$@" --only 'heap.*,udmabuf.create.flags*' \
		--skip 'heap.mode.*,heap.memory.*'
	in_out '^FAIL  heap.system: expected a heap system' \
		"files as devices: a heap system was found"
	in_out '^FAIL  heap.alloc.basic \[alpha\]: .*expected 0, got ENOTTY$' \
		"files as devices: a heap that allocates"
	in_out '^skip  heap.memory.large \[zeta\]: left out, as asked$' \
		"--skip: a row is missing"
	in_out '^skip  heap.mode.cloexec' "--skip: the second glob is lost"
	grep -n 'basic \[' "$scratch/out" | sed 's/.*\[//;s/\].*//' |
		tr '\n' ' ' >"$scratch/order"
	[ "$(cat "$scratch/order")" = "alpha zeta " ] ||
		wrong "files as devices: heaps out of order"
	expect 1 "--heap" "$@" --heap zeta --only 'heap.*'
	grep -q '\[alpha\]' "$scratch/out" && wrong "--heap: others as well"
	in_out '^skip  heap.system: --heap zeta$' "--heap: a heap is missed"
	expect 1 "files as devices, TAP" "$@" --tap --only 'heap.device.*'
	valid_tap "$scratch/out" || wrong "files as devices: no valid TAP"
	expect 1 "the same again" "$@" --only 'heap.device.*'
	cp "$scratch/out" "$scratch/first"
	expect 1 "the same again" "$@" --only 'heap.device.*'
	cmp -s "$scratch/first" "$scratch/out" || wrong "two runs differ"
}

# Whatever a row does, there is a line for it, and the next one runs.
runner() {
	expect 1 "rows that go wrong" "$rows"
	cut -c1-70 "$scratch/out" >"$scratch/got"
	diff -u "$here/rows.expected" "$scratch/got" >"$scratch/out" ||
		wrong "rows that go wrong: not what was expected"
	expect 1 "rows that go wrong, TAP" "$rows" --tap
	valid_tap "$scratch/out" || wrong "rows that go wrong: no valid TAP"
	in_out '^not ok 16 - crashes: title of crashes$' "TAP: not ok"
	in_out '^ok 15 - skips: title of skips # SKIP not today$' "TAP: skip"
	in_out '^# died of signal 11$' "TAP: no reason"
	expect 1 "rows that go wrong, --verbose" "$rows" --verbose
	in_out '^      close(900) = EBADF$' "--verbose: no call"
}

here=$(cd "$(dirname "$0")" && pwd)
options
list
no_device
false_devices
named_devices
runner
exit $status
