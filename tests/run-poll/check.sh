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
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' HUP INT TERM

# case_of NAME COMMAND...: it succeeds, within a minute
case_of() {
	name=$1
	shift
	timeout 60 "$@" "$name" && return
	echo "FAIL $* $name"
	bad=$((bad + 1))
}

# says CASE LINE...: the log has these, as patterns
says() {
	what=$1
	shift
	case_of "$what" "$run" --poll --log="$log" "$program"
	for line in "$@"; do
		grep -q "^[0-9]* $line" "$log" && continue
		echo "FAIL the log of $what does not say $line"
		bad=$((bad + 1))
	done
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

# What is waited for; of select(2) the sets that there are.
says polls 'p*poll(\[{fd=[0-9]*, events=POLLIN|POLLOUT}\], 1, ' \
	'p*poll(\[{fd=[0-9]*, events=POLLOUT}\], 1, '
says selects 'p*select6*([0-9]*, \[[0-9]*\], \[[0-9]*\], \[[0-9]*\], 0x' \
	'p*select6*([0-9]*, \[[0-9]*\], NULL, NULL, NULL) = 1' \
	'pselect6([0-9]*, NULL, \[[0-9]*\], NULL, NULL) = 1'
says poll-others 'ppoll(\[{fd=[0-9]*, events=[A-Z|]*}, {fd=[0-9]*, '

# Sets of epoll need no option.
for name in epolls epoll-changes epoll-wrong epoll-shared; do
	case_of "$name" "$run" "$program"
done
[ "$bad" -eq 0 ]
