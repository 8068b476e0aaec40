#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - udmabufs mapped by programs that know nothing of dmabuf-run
#
# usage: check.sh DMABUF_RUN CLIENT STATIC_CLIENT
#
# As whoever calls; when that is root, as an ordinary user too.
set -u

run=$1
client=$2
static=$3
as=		# who: empty, or a command that becomes somebody else
bad=0
reserved=/proc/sys/vm/nr_hugepages
before=		# what it was, while it is another
tmp=$(mktemp -d) || exit 1
chmod 777 "$tmp"
trap 'rm -rf "$tmp"; give_back' EXIT
trap 'exit 130' HUP INT TERM

fail() {
	echo "FAIL ${as:+as a user, }$*"
	bad=$((bad + 1))
}

# Without what has never been seen to end by then
under() {
	$as timeout 250 "$run" "$@" </dev/null
}

# cases CLIENT [CASE...]: all that it has, in its words
cases() {
	under "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	grep '^# not tried' "$tmp/err"
	[ "$status" -ne 0 ] || return
	fail "$* ends with $status"
	grep -v '^ok' "$tmp/out"
	cat "$tmp/err"
}

# huge_pages COMMAND...: with 16 of them, if they can be had. Tests that
# reserve some wait for each other, as huge_pages_need() does.
huge_pages() {
	[ -r "$reserved" ] || { echo "not tried: no huge pages"; return; }
	exec 9<"$reserved"
	flock 9
	before=$(cat "$reserved")
	[ ! -w "$reserved" ] || echo $((before + 16)) >"$reserved"
	if [ "$(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)" -ge 16 ]; then
		"$@" 9<&-
	else
		echo "not tried: no huge pages, and none to reserve"
	fi
	give_back
	exec 9<&-
}

give_back() {
	[ -z "$before" ] || [ ! -w "$reserved" ] ||
		echo "$before" >"$reserved"
	before=
}

# The one whose end the supervisor itself waits for
a_command_that_is_killed_while_mapping() {
	for after in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		(under "$client" --be-killed "$after" >"$tmp/out" 2>&1)
		status=$?
		[ "$status" -eq 137 ] && continue
		fail "the killed command's status is $status, not 137"
		cat "$tmp/out"
	done
}

# The command dies, or finds that there are no devices; nobody hangs.
a_supervisor_that_is_killed_while_mapping() {
	for after in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		(under "$client" --orphan "$after" >"$tmp/out" 2>&1)
		[ $? -ne 124 ] || fail "it hangs without a supervisor"
		grep -q 'the supervisor was killed' "$tmp/out" ||
			{ fail "it was not killed"; cat "$tmp/out"; }
	done
}

# tracer NAME COMMAND...: under it everything works but this
tracer() {
	if ! command -v "$1" >/dev/null 2>&1; then
		echo "not tried: $1 is missing"
		return
	fi
	rm -f "$tmp/log"
	under --log="$tmp/log" "$@" "$client" --show-error >"$tmp/out" 2>&1
	grep -q '^mmap: No such device$' "$tmp/out" ||
		{ fail "$1: mmap does not fail so"; cat "$tmp/out"; }
	grep -q 'cannot be stopped' "$tmp/log" ||
		{ fail "$1: the log does not say why"; cat "$tmp/log"; }
}

the_log_has_the_address() {
	under --log="$tmp/log" "$client" a_hint_is_taken >"$tmp/out" 2>&1 ||
		fail "a_hint_is_taken: $?"
	[ "$(grep -c 'mmap(.* = 0x[0-9a-f]*000$' "$tmp/log")" -eq 2 ] ||
		{ fail "not two lines of mmap:"; cat "$tmp/log"; }
	rm -f "$tmp/log"
}

all() {
	cases "$client"
	cases "$static"
	huge_pages cases "$client" --huge-pages
	a_command_that_is_killed_while_mapping
	a_supervisor_that_is_killed_while_mapping
	tracer strace -f -o "$tmp/trace"
	tracer gdb -batch -ex run --args
	the_log_has_the_address
	rm -f "$tmp"/*
}

all
if [ "$(id -u)" -eq 0 ]; then
	as="setpriv --reuid 65534 --regid 65534 --clear-groups"
	all
fi
[ "$bad" -eq 0 ]
