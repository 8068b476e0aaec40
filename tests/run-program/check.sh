#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - what dmabuf-run promises to programs and to who starts them
#
# usage: check.sh DMABUF_RUN PROGRAM STATIC_PROGRAM FORBID NO_HEAP KEPT_HEAP
#
# The programs are run-program, the same statically linked, and forbid; the last
# two are shared objects.
set -u

run=$1
program=$2
static=$3
forbid=$4
no_heap=$5
kept_heap=$6
here=$(cd "$(dirname "$0")" && pwd)
bad=0
tmp=$(mktemp -d) || exit 1
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM

fail() {
	echo "FAIL $*"
	bad=$((bad + 1))
}

# status N COMMAND...: it ends so, within a minute
status() {
	want=$1
	shift
	timeout 60 "$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	[ "$got" -eq "$want" ] && return
	fail "$* ends with $got, not $want"
	cat "$tmp/err"
}

# says TEXT FILE: it is in what the last command printed
says() {
	grep -qF -e "$1" "$tmp/$2" && return
	fail "$2 does not say: $1"
	cat "$tmp/$2"
}

# quiet: the last command printed no error
quiet() {
	[ -s "$tmp/err" ] || return
	fail "it complains"
	cat "$tmp/err"
}

have() {
	command -v "$1" >/dev/null 2>&1 && return
	echo "not tried: $1 is missing"
	return 1
}

user="setpriv --reuid 65534 --regid 65534 --clear-groups"

# Root of a namespace has not always other users.
others=false
if [ "$(id -u)" -eq 0 ]; then
	if $user true 2>"$tmp/err"; then
		others=true
	else
		echo "not tried as another user: $(cat "$tmp/err")"
	fi
fi

# How many fds a program has is not told before Linux 6.2.
no_room=no-room
if [ "$(stat -c %s /proc/self/fd)" = 0 ]; then
	echo "not tried, no room for an fd: nobody tells how many there are"
	no_room=
fi

programs() {
	for name in life threads forks vforks execs crowd signals killed \
		hostile owned $no_room passed copies many-fds waits wait-counted \
		wait-interrupted wait-killed wait-restarted argument-changes timeline-dies \
		below-directory; do
		status 0 "$run" "$program" $name
		status 0 "$run" --devices=trap "$static" $name
		status 0 "$run" --low-fds "$program" $name
		$others && status 0 $user "$run" "$static" $name
	done
}

# Root's dmabuf-run answers for others too, whatever it may do by itself.
other_users() {
	$others || return
	timeout 60 "$run" $user "$program" life 2>"$tmp/err" >"$tmp/out"
	if grep -q 'CAP_SYS_PTRACE is missing' "$tmp/err"; then
		echo "not tried for others: $(cat "$tmp/err")"
		return
	fi
	less="setpriv --bounding-set=-sys_resource --inh-caps=-all"
	$less true || less=
	for name in owned $no_room; do
		status 0 "$run" $user "$program" $name
		[ "$less" ] || continue
		status 0 $less "$run" $user "$program" $name
		status 0 $less "$run" --devices=trap $user "$static" $name
	done
}

# Without the range these are the kernel's.
range() {
	for name in second-fds own-fds; do
		status 0 "$run" "$program" $name
		status 0 "$run" --devices=trap "$static" $name
		$others && status 0 $user "$run" "$static" $name
	done
}

# A compiler that is there may still lack something.
builds() {
	timeout 60 "$@" >"$tmp/out" 2>&1 && return
	echo "not tried, as it does not build: $*"
	cat "$tmp/out"
	return 1
}

languages() {
	if have python3; then
		status 0 "$run" python3 "$here/client.py"
		status 0 "$run" --devices=trap python3 "$here/client.py"
	fi
	if have go && builds env GOCACHE="$tmp/go" GOPATH="$tmp/go" go build \
		-o "$tmp/go-client" "$here/client.go"; then
		status 0 "$run" "$tmp/go-client"
	fi
	if have rustc && builds rustc -o "$tmp/rust-client" \
		"$here/client.rs"; then
		status 0 "$run" "$tmp/rust-client"
	fi
}

exit_statuses() {
	status 7 "$run" sh -c 'exit 7'
	status 127 "$run" /nonexistent/program
	says "No such file or directory" err
	status 126 "$run" /
	status 125 "$run"
	status 125 "$run" --nonsense true
	"$run" sh -c 'kill -TERM $$' 2>/dev/null
	[ $? -eq 143 ] || fail "a signal does not end it as it ended the command"
	status 0 "$run" --help
	says "usage: dmabuf-run" out
	status 0 "$run" --version
	says "dmabuf-run " out
	"$run" --help >/dev/full
	[ $? -eq 125 ] || fail "help that cannot be written is no failure"
}

signals() {
	"$run" sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done' \
		>"$tmp/ready" &
	pid=$!
	until [ -s "$tmp/ready" ]; do :; done
	kill -USR1 $pid
	wait $pid
	[ $? -eq 9 ] || fail "a signal is not passed on"
}

# What is for dmabuf-run alone is for the command, not what all of a terminal get.
signals_alone() {
	have python3 || return
	# A timer lives through exec.
	status 142 python3 -c 'import os, signal, sys
signal.alarm(1)
os.execvp(sys.argv[1], sys.argv[1:])' "$run" sleep 60
	# The terminal goes, and who leads its session is told.
	status 0 python3 -c 'import os, pty, sys
pid, fd = pty.fork()
if not pid:
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(fd, 100)
os.close(fd)
sys.exit(os.waitpid(pid, 0)[1] != 1)' "$run" sh -c 'echo ready; exec sleep 60'
}

# The command starts with what dmabuf-run was started with.
inheritance() {
	for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
		for program_here in "$program life" "sh -c '$program life & wait'"; do
			status 0 sh -c "\"$run\" --stats $program_here $closed"
			status 0 sh -c "\"$run\" --devices=trap $program_here $closed"
		done
	done
	status 1 "$run" sh -c "exec <&- 0<&-; test -e /proc/\$\$/fd/0"
	status 1 sh -c "\"$run\" sh -c 'test -e /proc/\$\$/fd/0' <&-"
	if have python3; then
		ignore='import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])'
		# timeout(1) changes some, so it is around both.
		timeout 60 python3 -c "$ignore" grep SigIgn /proc/self/status \
			>"$tmp/want"
		status 0 python3 -c "$ignore" "$run" grep SigIgn \
			/proc/self/status
		cmp -s "$tmp/want" "$tmp/out" || fail "ignored signals change"
	fi
	status 0 sh -c "ulimit -n 64; exec \"$run\" \"$program\" few-fds"
	status 125 sh -c "ulimit -n 12; exec \"$run\" true"
	if [ "$(id -u)" -eq 0 ] && have unshare; then
		status 125 unshare -pf "$run" true
		says "of another pid namespace" err
	fi
}

# The command has ended, what it started has not: nobody waits for that.
orphans() {
	mkfifo "$tmp/fifo"
	status 3 sh -c "out=\$(\"$run\" sh -c '(read x <$tmp/fifo; \"$program\" life; echo \$? >$tmp/late) >/dev/null 2>&1 & exit 3')"
	echo go >"$tmp/fifo"
	until [ -s "$tmp/late" ]; do :; done
	[ "$(cat "$tmp/late")" = 0 ] || fail "an orphan has no devices"
	# Of many fds that were there, none is kept from who waits for its end.
	have python3 && status 0 python3 -c 'import os, subprocess, sys
other, end = os.pipe()
for fd in range(300, 600):
    os.dup2(end, fd)
os.close(end)
stay, go = os.pipe()
os.set_inheritable(stay, True)
subprocess.call([sys.argv[1], sys.executable, "-c", """import os, sys
if os.fork():
    os._exit(0)
os.closerange(300, 600)
os.read(int(sys.argv[1]), 1)""", str(stay)], close_fds=False)
os.closerange(300, 600)
sys.exit(os.read(other, 1) != b"")' "$run"
}

options() {
	status 0 "$run" --log="$tmp/log" "$program" life
	grep -q 'DMA_HEAP_IOCTL_ALLOC, {len=10000, fd=0, fd_flags=O_RDWR|O_CLOEXEC, heap_flags=0}) => {fd=[0-9]*} = 0' \
		"$tmp/log" || fail "the log shows no allocation"
	grep -q 'DMA_BUF_IOCTL_SYNC, {flags=DMA_BUF_SYNC_END|DMA_BUF_SYNC_WRITE\|DMA_BUF_IOCTL_SYNC, {flags=DMA_BUF_SYNC_WRITE|DMA_BUF_SYNC_END}) = 0' \
		"$tmp/log" || fail "the log shows no SYNC"
	grep -q 'EINVAL (Invalid argument)' "$tmp/log" ||
		fail "the log shows no error"
	status 0 "$run" --log "$program" life
	says DMA_HEAP_IOCTL_ALLOC err
	grep -q '^dmabuf-run: \(nodes are mounted\|paths are trapped, as .*\)$' \
		"$tmp/log" || fail "the log does not show how devices came"
	status 0 sh -c "ulimit -n 256; exec \"$run\" --log \"$program\" life"
	says "ulimit -n is 256" err
	status 125 "$run" --log= true
	says "--log= wants a file's name" err
	status 125 "$run" --log=/nonexistent/log true
	status 0 "$run" --log=/dev/full "$program" life
	says "the log: No space left" err
	# Nobody reads the pipe, and it can be given up.
	mkfifo "$tmp/unread"
	status 124 timeout 1 "$run" --log="$tmp/unread" true
	status 0 "$run" --log="$tmp/log" "$program" two-lines
	grep -q '^two' "$tmp/log" && fail "a name makes lines in the log"
	status 0 "$run" --log="$tmp/log" "$program" list
	grep -q 'count=5, list=\[{memfd=3, offset=0, size=0x1000}, .*{memfd=3, offset=0x3000, size=0x1000}, \.\.\.\]}) = ' \
		"$tmp/log" || fail "the log does not show the items of a list"
	status 0 "$run" --stats "$program" two-buffers
	says "system                        2            24576            24576        0" err
	status 0 "$run" --leaks "$program" life
	quiet
	status 99 "$run" --leaks "$program" leak
	says "leaked: 12288 bytes of system" err
	says "DMA_HEAP_IOCTL_ALLOC" err
	status 99 "$run" --leaks sh -c "\"$program\" leak-mapped; true"
	status 1 "$run" --fail alloc:1 "$program" life
	says "Cannot allocate memory" err
	status 1 "$run" --fail dma_buf_ioctl_sync:2:EIO "$program" life
	says "Input/output error" err
	status 1 "$run" --fail mmap:1:13 "$program" life
	says "Permission denied" err
	status 0 "$run" --fail alloc:2 "$program" life
	says "--fail alloc:2: number 2 never came; calls in all: 1" err
	# Of several for one call, by whatever names, the last counts.
	status 1 "$run" --fail alloc:1:EIO --fail alloc:1:EACCES "$program" life
	says "Permission denied" err
	status 1 "$run" --fail alloc:1:EIO --fail dma_heap_ioctl_alloc:1:EROFS \
		"$program" life
	says "Read-only file system" err
	status 1 "$run" --log="$tmp/log" --fail alloc:1 "$program" life
	grep -q '= -1 ENOMEM (Cannot allocate memory) (INJECTED)$' "$tmp/log" ||
		fail "the log does not show what was injected"
	for wrong in alloc alloc:0 alloc:x alloc:1:ENONSENSE :1 allocate:1 \
		alloc:99999999999999999999; do
		status 125 "$run" --fail $wrong true
	done
	# One after the other: what was closed counts no more.
	status 0 "$run" --limit 12K "$program" lives
	status 0 "$run" --limit 12K "$program" life
	status 0 "$run" --heap mine="$kept_heap" --limit 12K "$program" lives
	status 0 "$run" --heap mine="$kept_heap" --stats "$program" life
	says "total                         1            12288            12288        0" err
	status 1 "$run" --limit 12K "$program" two-buffers
	status 1 "$run" --log="$tmp/log" --limit 10000 "$program" life
	grep -q '= -1 ENOMEM (Cannot allocate memory) (--limit)$' "$tmp/log" ||
		fail "the log does not show what --limit did"
	status 0 "$run" --limit 10000 "$program" wrong-buffer
	for wrong in 0 -1 1T 1.5M x ''; do
		status 125 "$run" --limit "$wrong" true
		says "a whole number of bytes from 1 on" err
	done
	status 0 "$run" --heap mine=contiguous --heap blocks=system sh -c \
		'test -c /dev/dma_heap/mine && test -c /dev/dma_heap/blocks'
	for twice in system=system 'mine=system --heap mine=contiguous'; do
		status 125 "$run" --heap $twice true
		[ "$(cat "$tmp/err")" = \
		  "dmabuf-run: --heap: there is a heap ${twice%%=*} already" ] ||
			fail "of heaps of one name: $(cat "$tmp/err")"
	done
	for wrong in mine mine=nothing =system a/b=system system=system ..=system \
		mine=/nonexistent.so mine="$no_heap"; do
		status 125 "$run" --heap $wrong true
	done
	status 125 "$run" --devices=nonsense true
}

# as_bare COMMAND...: the last command printed what this does
as_bare() {
	"$@" >"$tmp/bare"
	cmp -s "$tmp/bare" "$tmp/out" && return
	fail "it is other than that of $*"
	diff "$tmp/bare" "$tmp/out"
}

# Only with the option, and only of huge pages, memfds are other than they were.
small_pages() {
	status 0 "$run" "$program" memfds
	as_bare "$program" memfds
	status 0 "$run" --small-pages --log="$tmp/log" "$program" memfds
	if grep -v '^dmabuf-run: ' "$tmp/log" |
		grep -qv 'memfd_create("flags", .*MFD_HUGETLB'; then
		fail "the log shows what is not of huge pages"
		cat "$tmp/log"
	fi
	grep -q 'memfd_create("flags", MFD_CLOEXEC|MFD_HUGETLB|21<<MFD_HUGE_SHIFT) = 3$' \
		"$tmp/log" || fail "the log shows no memfd of huge pages"
	if $others; then
		status 0 $user "$run" --devices=trap --small-pages \
			"$program" memfds-hidden
		as_bare $user "$program" memfds-hidden
	fi
	for options in '' --devices=trap '--poll --low-fds'; do
		status 0 "$run" --small-pages $options "$program" small-pages
		status 0 "$run" --small-pages $options "$static" small-pages
		$others && status 0 $user "$run" --small-pages \
			$options "$static" small-pages
	done
}

# Each call with a path or an fd is in words, without what differs each time.
decoded() {
	status 0 "$run" --devices=trap --log="$tmp/log" "$program" decoded
	sed -e '/^dmabuf-run: /d' -e '/ioctl(/d' \
		-e 's/^[0-9]* //' -e 's/) = .*/)/' \
		-e 's/0x[0-9a-f]\{8,\}/ADDRESS/g' -e 's/[0-9]*</FD</' \
		-e 's/\(\\001\)\{67\}/MANY/' "$tmp/log" >"$tmp/got"
	old=
	[ "$(uname -m)" = x86_64 ] ||
		old='^(open|creat|l?stat|access|readlink|l?chown|chmod)\('
	grep -Ev "${old:-^\$}" "$here/decoded.txt" >"$tmp/want"
	cmp -s "$tmp/want" "$tmp/got" && return
	fail "the log shows calls otherwise"
	diff "$tmp/want" "$tmp/got"
}

inside_and_around() {
	status 125 "$run" "$run" true
	says "somebody else answers calls of this process already" err
	status 125 "$forbid" 1 "$run" true
	says "seccomp(2) is not allowed here" err
	status 125 "$forbid" 38 "$run" true
	says "seccomp(2) is not allowed here" err
	status 125 "$forbid" 22 "$run" true
	says "no seccomp user notification" err
	status 125 sh -c "ulimit -f 1; exec \"$run\" true"
	says "the filter cannot be made: File too large" err
	if have strace; then
		status 0 "$run" strace -f -o "$tmp/strace" "$program" forks
		grep -q DMA_HEAP_IOCTL_ALLOC "$tmp/strace" ||
			fail "strace inside shows nothing"
	fi
	if [ "$(id -u)" -eq 0 ] && [ -w /dev/fuse ]; then
		mkdir -p "$tmp/mount"
		status 0 "$run" "$program" file-server "$tmp/mount"
	else
		echo "not tried: /dev/fuse is missing, or for root alone"
	fi
	if have gdb; then
		status 0 "$run" gdb -q -batch -ex run -ex 'info program' \
			--args "$program" life
		says "exited normally" out
	fi
	# One that only CAP_SYS_PTRACE may look into, and nobody has it
	less="setpriv --bounding-set=-sys_admin,-sys_ptrace --inh-caps=-all"
	if $others && $less true; then
		timeout 60 $less "$run" $user "$program" life \
			>"$tmp/out" 2>"$tmp/err"
		says "it is another user's, and CAP_SYS_PTRACE is missing" err
	fi
	# A program that nobody may look into has no devices, and one line says so.
	if $others; then
		timeout 60 $user "$run" "$forbid" dump >"$tmp/out" 2>"$tmp/err"
		says "cannot be looked into" err
	fi
}

# The one that answers is killed: calls fail, and nothing hangs.
killed_supervisor() {
	"$run" sh -c "while \"$program\" life 2>/dev/null; do echo alive; done; exit 5" \
		>"$tmp/alive" 2>"$tmp/err" &
	pid=$!
	until [ -s "$tmp/alive" ]; do :; done
	kill -KILL "$(cat /proc/$pid/task/$pid/children)"
	wait $pid
	[ $? -eq 5 ] || fail "without a supervisor the status is lost"
	says "the supervisor was killed" err
	# Signals find the command still, and what it started is not waited for.
	: >"$tmp/err"
	"$run" sh -c 'trap "kill \$!; exit 5" USR1; sleep 60 & kill -KILL $PPID
		while :; do wait; done' >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	until [ -s "$tmp/err" ]; do :; done
	kill -USR1 $pid
	wait $pid
	[ $? -eq 5 ] || fail "without a supervisor signals are lost"
}

programs
other_users
range
languages
exit_statuses
signals
signals_alone
inheritance
orphans
options
small_pages
decoded
inside_and_around
killed_supervisor
[ "$bad" -eq 0 ]
