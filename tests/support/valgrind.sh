#!/bin/sh
# SPDX-License-Identifier: MIT
# valgrind.sh - runs a test under valgrind
#
# usage: valgrind.sh SUPPRESSIONS PROGRAM [ARGUMENT...]
# A wrong access fails the test, in children that it forks too. Leaks count in
# the test itself alone: a forked child ends without freeing what other threads
# and its parent's stack frames own.
set -u

suppressions=$1
shift
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

(
	exec sh -c 'echo $$ >"$0/pid"; exec "$@"' "$scratch" \
		valgrind --quiet --error-exitcode=99 --trace-children=no \
		--leak-check=full --show-leak-kinds=definite \
		--errors-for-leak-kinds=none --num-callers=24 \
		--fair-sched=try --suppressions="$suppressions" \
		--log-file="$scratch/log.%p" "$@"
)
status=$?

own=$scratch/log.$(cat "$scratch/pid")
if [ "$status" -eq 0 ] && grep -q 'definitely lost' "$own"; then
	status=99
fi
if [ "$status" -ne 0 ]; then
	cat "$scratch"/log.* >&2
fi
exit "$status"
