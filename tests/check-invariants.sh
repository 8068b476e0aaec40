#!/bin/sh
# SPDX-License-Identifier: MIT
# check-invariants.sh - doc/invariants.md has every rule, and its tests exist
#
# usage: check-invariants.sh SOURCE_ROOT
set -u

root=$1
table=$root/doc/invariants.md
bad=0

# Every rule: what its ids begin with, and the highest number there.
families='EXPORT-:10 REL-:3 PUT-:2 ATT-:3 DET-:3 PIN-:2 MAP-:3 UNMAP-:4 CPU-:2
KMAP-:4 MMAP-:2 VMAP-:10 LOCK-:9 D-:15 FENCE-:13 ARRAY-:2 CHAIN-:1 RESV-:6
F-D:12 HEAP-:5 HEAP-D:5 UDMA-D:4'

# Those that cannot exist here: they have a reason in place of tests.
without='EXPORT-6 EXPORT-7 EXPORT-8 PUT-2 KMAP-1 KMAP-2 KMAP-3 KMAP-4 MMAP-2
VMAP-4 VMAP-9 VMAP-10 LOCK-6 LOCK-7 LOCK-8 HEAP-4 HEAP-5'

# What Linux tests of fences, in its groups.
linux_tests='dma_fence:sanitycheck dma_fence:test_signaling
dma_fence:test_add_callback dma_fence:test_late_add_callback
dma_fence:test_rm_callback dma_fence:test_late_rm_callback
dma_fence:test_status dma_fence:test_error dma_fence:test_wait
dma_fence:test_wait_timeout dma_fence:test_stub dma_fence:race_signal_callback
dma_fence_chain:sanitycheck dma_fence_chain:find_seqno
dma_fence_chain:find_signaled dma_fence_chain:find_out_of_order
dma_fence_chain:find_gap dma_fence_chain:find_race
dma_fence_chain:signal_forward dma_fence_chain:signal_backward
dma_fence_chain:wait_forward dma_fence_chain:wait_backward
dma_fence_chain:wait_random
dma_fence_unwrap:sanitycheck dma_fence_unwrap:unwrap_array
dma_fence_unwrap:unwrap_chain dma_fence_unwrap:unwrap_chain_array
dma_fence_unwrap:unwrap_merge dma_fence_unwrap:unwrap_merge_complex
dma_resv:sanitycheck dma_resv:test_signaling dma_resv:test_for_each
dma_resv:test_for_each_unlocked dma_resv:test_get_fences
sync:test_alloc_timeline sync:test_alloc_fence
sync:test_alloc_fence_negative sync:test_fence_one_timeline_wait
sync:test_fence_one_timeline_merge sync:test_fence_merge_same_fence
sync:test_fence_multi_timeline_wait
sync:test_stress_two_threads_shared_timeline
sync:test_consumer_stress_multi_producer_single_consumer
sync:test_merge_stress_random_merge'

complain() {
	echo "$*"
	bad=$((bad + 1))
}

all_ids() {
	for family in $families; do
		seq -f "INV-${family%:*}%.0f" "${family#*:}"
	done
}

# column N of a row
column() {
	printf '%s\n' "$row" | cut -d '|' -f "$1" | sed 's/^ *//; s/ *$//'
}

# in_list WORD LIST
in_list() {
	for word in $2; do
		[ "$word" != "$1" ] || return 0
	done
	return 1
}

# check_test ID FILE NAME: a function, or made by a macro
check_test() {
	grep -q "^static void $3(void \*\*[a-z]*)\$\|^[A-Z_]*TEST($3, " \
		"$root/tests/$2" || complain "$1: $2 has no test $3"
	grep -q "TESTS\?($3)\|_test($3)\|^[[:space:]]*$3),\$" \
		"$root/tests/$2" ||
		complain "$1: $2 does not run $3"
}

# check_file ID FILE: it says the id, if it is one, and the build knows it
check_file() {
	if [ ! -f "$root/tests/$2" ]; then
		complain "$1: there is no tests/$2"
		return 1
	fi
	case $1 in
	INV-*)
		grep -q "$1\([^0-9]\|\$\)" "$root/tests/$2" ||
			complain "$1: $2 does not mention it"
		;;
	esac
	name=${2#test-}
	grep -q "^  '${name%.c}': {" "$root/tests/meson.build" ||
		complain "$1: $2 is not in tests/meson.build"
}

# check_tests ID CELL: words in backquotes are a file, then names in it
check_tests() {
	file= names=0
	for word in $(printf '%s\n' "$2" | grep -o '`[^`]*`' | tr -d '`'); do
		case $word in
		test-*.c)
			file=$word
			check_file "$1" "$file" || return
			;;
		*)
			check_test "$1" "$file" "$word"
			names=$((names + 1))
			;;
		esac
	done
	[ "$names" -gt 0 ] || complain "$1: no test is named"
}

# check_rule ID: one row, with tests, or with a reason where that is allowed
check_rule() {
	row=$(grep "^| $1 |" "$table")
	[ "$(printf '%s\n' "$row" | grep -c .)" -eq 1 ] ||
		{ complain "$1: not exactly one row"; return; }
	kind=$(column 3) cell=$(column 5)
	case $cell in
	"none: "?*)
		in_list "${1#INV-}" "$without" ||
			complain "$1: has a reason, and needs a test"
		;;
	*)
		check_tests "$1" "$cell"
		;;
	esac
	case $kind:$cell in
	BUG:none*) ;;
	BUG:*test-bug.c*test-*.c* | BUG:*test-*.c*test-bug.c*) ;;
	BUG:*) complain "$1: a BUG is tried in a child and with a handler" ;;
	WARN:* | "WARN once":* | assertion:* | unchecked:*) ;;
	*) complain "$1: unknown kind $kind" ;;
	esac
}

# check_linux GROUP:NAME: one row, with tests, or a reason for the one without
check_linux() {
	row=$(grep "^| ${1%:*} | ${1#*:} |" "$table")
	[ "$(printf '%s\n' "$row" | grep -c .)" -eq 1 ] ||
		{ complain "$1: not exactly one row"; return; }
	case $1:$(column 4) in
	sync:test_alloc_fence_negative:"none: "?*) ;;
	*) check_tests "$1" "$(column 4)" ;;
	esac
}

for id in $(all_ids); do
	check_rule "$id"
done
for name in $linux_tests; do
	check_linux "$name"
done

# Rows of rules that nobody knows
for id in $(grep -o '^| INV-[A-Z0-9-]*' "$table" | cut -c 3-); do
	in_list "$id" "$(all_ids)" || complain "$id: unknown"
done
for name in $(sed -n 's/^| \([a-z_]*\) | \([a-z_]*\) | `.*/\1:\2/p' "$table"); do
	in_list "$name" "$linux_tests" || complain "$name: unknown"
done

nr="$(all_ids | wc -l) rules, and $(echo "$linux_tests" | wc -w) tests of Linux"
[ "$bad" -eq 0 ] || { echo "$bad faults in $nr"; exit 1; }
echo "$nr"
