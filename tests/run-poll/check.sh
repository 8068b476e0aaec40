#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - waiting for buffers' fences under dmabuf-run --poll
#
# usage: check.sh DMABUF_RUN PROGRAM
#
# The program is run-poll.
set -u

run=$1
program=$2
bad=0

# case_of NAME COMMAND...: it succeeds, within a minute
case_of() {
	name=$1
	shift
	timeout 60 "$@" "$name" && return
	echo "FAIL $* $name"
	bad=$((bad + 1))
}

user="setpriv --reuid 65534 --regid 65534 --clear-groups"

for name in $("$program"); do
	case_of "$name" "$run" --poll "$program"
	case_of "$name" "$run" --poll --low-fds "$program"
	[ "$(id -u)" -ne 0 ] ||
		case_of "$name" $user "$run" --poll "$program"
done

# What is read about a thread may be long.
if [ "$(id -u)" -eq 0 ]; then
	groups=$(seq -s , 3000000000 3000000999)
	case_of interrupted setpriv --groups "$groups" "$run" --poll "$program"
fi

# Sets of epoll need no option.
for name in epolls epoll-changes epoll-wrong epoll-shared; do
	case_of "$name" "$run" "$program"
done
[ "$bad" -eq 0 ]
