#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - the device nodes, as unmodified programs find them
#
# usage: check.sh DMABUF_RUN PROGRAMS
#
# In both modes, as whoever calls; when that is root, as an ordinary user and as
# a container's root too. PROGRAMS is the folder of the compiled nodes.c and
# readers.c.
set -u

run=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
programs=$2
here=$(dirname "$0")
bad=0
as=	# empty, or a command that becomes somebody else
who=	# that is who
mode=

fail() {
	echo "FAIL ${who:+as $who, }$mode: $*"
	bad=$((bad + 1))
}

# A command under dmabuf-run
under() {
	$as "$run" --devices="$mode" "$@"
}

# expect TEXT COMMAND...: that is all it prints, and it succeeds
expect() {
	text=$1
	shift
	got=$(under "$@" 2>&1) || fail "$* ends with $?"
	[ "$got" = "$text" ] || fail "$* prints: $got"
}

# program NAME ARGUMENT...: one of ours
program() {
	name=$1
	shift
	under "$programs/$name" "$@" || fail "$name"
}

have() {
	command -v "$1" >/dev/null 2>&1 && return
	echo "not tried: $1 is missing"
	return 1
}

nodes_are_found() {
	expect 'contiguous
system' ls /dev/dma_heap
	expect '/dev/dma_heap/contiguous
/dev/dma_heap/system' sh -c 'find /dev/dma_heap -type c | sort'
	expect '' sh -c 'ls -la /dev/dma_heap >/dev/null'
	expect '' test -c /dev/udmabuf
	expect '' test -c /dev/dma_heap/system
	expect '' test -f /sys/kernel/debug/sync/sw_sync
	expect 'Total 0 objects, 0 bytes' tail -n 1 /sys/kernel/debug/dma_buf/bufinfo
	if [ "$mode" = mount ]; then
		expect /dev/udmabuf sh -c 'cd /dev && ls -d /dev/udmabuf'
		expect dma_heap sh -c 'ls /dev | grep dma_heap'
	fi
	have python3 &&
		expect "['contiguous', 'system']" python3 -c \
			'import os; print(sorted(os.listdir("/dev/dma_heap")))'
}

# What was there is there.
devices_stay() {
	# A pipe of somebody else's cannot be opened again.
	$as sh -c 'echo >/dev/stderr' 2>&1 | grep -q denied ||
		expect ok sh -c 'echo ok >/dev/stderr'
	expect ok sh -c 'echo ok | cat /dev/stdin'
	expect ok sh -c 'exec 3<<-end; cat /dev/fd/3
	ok
	end'
	expect 4 sh -c 'head -c 4 /dev/urandom | wc -c'
	expect '' sh -c 'echo x >/dev/null'
	if [ -w /dev/shm ]; then
		expect ok sh -c 'name=/dev/shm/run-devices.$$
			echo ok >$name && cat $name && rm $name'
	fi
	entries_stay /dev
	entries_stay /sys/kernel
	have script && pty_works
}

# Entries that are gone or have become something else
entries_stay() {
	now=$(cd "$1" && under stat -L -c '%n %F %a %t %T %d %i' -- * 2>&1)
	for name in $(ls "$1"); do
		a=$($as stat -L -c '%F %a %t %T %d %i' "$1/$name" 2>&1)
		b=$(echo "$now" | sed -n "s|^$name ||p")
		case $name:$a in
		# Of the process that looks; made anew; has our nodes
		fd:* | std*:* | *cannot* | ptmx:* | debug:*) ;;
		*) [ "$a" = "$b" ] || fail "$1/$name: $a, now $b" ;;
		esac
	done
}

pty_works() {
	under script -qc 'tty' /dev/null </dev/null >"$scratch/tty"
	grep -q '^/dev/.*pts/[0-9]' "$scratch/tty" ||
		fail "no pseudo-terminal: $(cat "$scratch/tty")"
}

# The mode asked for first is the one that it has, so that a failure is no harm.
the_machine_s_null_stays() {
	before=$(stat -c '%a %u %g %z' /dev/null)
	for node in /dev/udmabuf /dev/dma_heap/system; do
		under chmod "$(stat -c %a /dev/null)" "$node" 2>/dev/null
		under touch "$node" 2>/dev/null
	done
	if [ "$(stat -c '%a %u %g %z' /dev/null)" != "$before" ]; then
		fail "a node is the machine's /dev/null"
		return
	fi
	# Root's are root's to change, where he may make some.
	[ -z "$who" ] && [ "$(id -u)" -eq 0 ] || return
	if ! { others_are_there && node_is_made; } 2>"$scratch/why"; then
		echo "not tried, to change a node: $(cat "$scratch/why")"
		return
	fi
	expect '640 0 2345' sh -c 'chmod 640 /dev/udmabuf &&
		chgrp 2345 /dev/udmabuf && stat -c "%a %u %g" /dev/udmabuf'
}

# Here, where the check runs: in a namespace of one user they are not.
others_are_there() {
	: >"$scratch/theirs"
	chown 1234:2345 "$scratch/theirs"
	there=$?
	rm "$scratch/theirs"
	return $there
}

# Not one that is bound
node_is_made() {
	[ "$mode" = trap ] && return
	mknod "$scratch/null" c 1 3 && rm "$scratch/null"
}

# Whose fds nobody may look at, neither may the supervisor.
other_processes_are_no_concern() {
	got=$(under readlink /proc/1/fd/0 2>&1 | grep dmabuf-run) &&
		fail "another process's link: $got"
}

where_we_are_stays() {
	[ "$(cd /dev && under pwd)" = /dev ] || fail 'pwd in /dev'
	[ "$(cd / && under pwd)" = / ] || fail 'pwd in /'
	if [ "$mode" = mount ]; then
		[ "$(cd /dev && under ls dma_heap/system)" = \
			dma_heap/system ] || fail 'relative to /dev'
	fi
}

nested_namespaces_work() {
	have unshare || return
	if ! under unshare -Um true 2>/dev/null; then
		echo 'not tried: no namespace in a namespace here'
		return
	fi
	under unshare -Um "$programs/nodes" "$mode" ||
		fail 'nodes in a namespace of its own'
}

fifos_make() {
	mkfifo "$scratch/go" "$scratch/ready"
	chmod 666 "$scratch/go" "$scratch/ready"
	# Open for both, so that nobody waits for a partner.
	exec 8<>"$scratch/go" 9<>"$scratch/ready"
}

fifos_remove() {
	exec 8<&- 9<&-
	rm "$scratch/go" "$scratch/ready"
}

# Each has its own buffers.
two_beside_each_other_are_apart() {
	fifos_make
	under sh -c 'echo >&9; read -r _ <&8; exec "$0" "$1"' \
		"$programs/nodes" "$mode" &
	read -r _ <&9
	program nodes "$mode"
	echo >&8
	wait $! || fail 'the first of two'
	fifos_remove
}

one_in_another_says_one_line() {
	got=$(under "$run" true 2>&1) && fail 'one in another ends with 0'
	[ "$(echo "$got" | wc -l)" = 1 ] || fail "one in another says: $got"
}

nodes_of_the_machine_are_preferred() {
	have unshare || return
	$as unshare -Umr --propagation private sh "$here/real.sh" "$run" \
		"--devices=$mode"
	case $? in
	0) ;;
	77) echo 'not tried: no machine can be made up here' ;;
	*) fail 'a machine that has some of the nodes' ;;
	esac
}

# The supervisor, the parent of what it starts, cannot answer; then it dies.
a_killed_one_leaves_nothing() {
	fifos_make
	under sh -c 'ls /dev/dma_heap >/dev/null; echo $PPID >&9; read -r _ <&8
		cat /sys/kernel/debug/dma_buf/bufinfo >/dev/null' 2>/dev/null &
	read -r supervisor <&9
	kill -STOP "$supervisor"
	echo >&8
	kill -KILL "$supervisor"
	wait $!
	fifos_remove
	# What is left is removed some time later.
	for left in "$TMPDIR"/dmabuf-run.*; do
		[ -d "$left" ] && touch -d '1 hour ago' "$left"
	done
	under ls /dev/dma_heap >/dev/null || fail 'one after a killed one'
}

nothing_is_left() {
	left=$(ls -A "$TMPDIR")
	[ -z "$left" ] || fail "left behind: $left"
}

# Root of a container: without CAP_SYS_ADMIN, and some others

# Docker's default; "but" takes one of them away
container_root() {
	but=${1:-none}
	caps=-all
	for cap in chown dac_override fsetid fowner mknod net_raw setgid \
		setuid setfcap setpcap net_bind_service sys_chroot kill \
		audit_write; do
		[ "$cap" = "$but" ] || caps=$caps,+$cap
	done
	as="setpriv --bounding-set=$caps --inh-caps=-all"
	who="a container's root"
}

rights_are_kept_unless_asked_for() {
	mode=auto
	expect "$(readlink /proc/self/ns/user)" readlink /proc/self/ns/user
	expect '' test -c /dev/udmabuf
	expect "$($as grep Cap /proc/self/status)" grep Cap /proc/self/status
}

# Those of others: in a namespace that has root alone, all of this would fail.
other_users_are_there() {
	: >"$scratch/theirs"
	chown 1234:2345 "$scratch/theirs"
	expect 1234:2345 stat -c %u:%g "$scratch/theirs"
	expect '' chown 2345:1234 "$scratch/theirs"
	[ "$(stat -c %u:%g "$scratch/theirs")" = 2345:1234 ] ||
		fail 'chown to another user'
	expect '1234 2345 77' setpriv --reuid 1234 --regid 2345 \
		--groups 77 sh -c 'echo $(id -u; id -G)'
	rm "$scratch/theirs"
	other='setpriv --reuid 1234 --regid 2345 --clear-groups'
	# Of a mounted debugfs the folder has the mode that it has there.
	if ! under $other test -x /sys/kernel/debug; then
		echo "not tried as another user: debugfs is for root alone"
		return
	fi
	under $other "$programs/nodes" "$mode" || fail 'nodes as another user'
}

no_more_rights_than_before() {
	expect "$($as grep 'CapEff\|CapBnd\|NoNewPrivs' /proc/self/status)" \
		grep 'CapEff\|CapBnd\|NoNewPrivs' /proc/self/status
}

# A container that has a user namespace already, of several pieces
maps_of_several_pieces_are_kept() {
	have unshare || return
	fifos_make
	# shellcheck disable=SC2086 # a command
	unshare -U --keep-caps sh -c 'echo >&9; read -r _ <&8; exec "$@"' sh \
		$as --reuid 0 --regid 0 --clear-groups \
		"$run" --devices="$mode" sh -c '
		while read -r first outside count; do
			echo $first $outside $count
		done </proc/self/uid_map' >"$scratch/map" 2>&1 &
	read -r _ <&9
	for map in uid_map gid_map; do
		printf '0 10000 1000\n1000 0 1\n1001 20000 5000\n' \
			>/proc/$!/$map
	done
	echo >&8
	wait $! || fail 'in a user namespace of several pieces'
	fifos_remove
	[ "$(cat "$scratch/map")" = '0 0 1000
1000 1000 1
1001 1001 5000' ] || fail "map: $(cat "$scratch/map")"
}

# Who may not map everybody is told so, and paths are trapped.
half_a_namespace_is_none() {
	for lacks in setuid setgid; do
		container_root $lacks
		got=$(under true 2>&1) && fail "without $lacks it ends with 0"
		[ "$(echo "$got" | wc -l)" = 1 ] ||
			fail "without $lacks it says: $got"
		case $got in
		*'all users cannot be mapped'*) ;;
		*) fail "without $lacks it says: $got" ;;
		esac
		mode=auto
		expect '' test -c /dev/udmabuf
		mode=mount
	done
	container_root
}

# To whom the mode of a file of his own is one that he has to keep to
root_without_override() {
	container_root dac_override
	mode=trap
	if $as test -x "$programs/nodes"; then
		program nodes "$mode"
		nothing_is_left
	else
		echo "not tried as $who without dac_override: no programs"
	fi
	container_root
}

check_container() {
	container_root
	if ! $as true; then
		echo "not tried as $who: no setpriv that can"
		return
	fi
	rights_are_kept_unless_asked_for
	check_modes
	root_without_override
	mode=mount
	under true 2>/dev/null || return
	no_more_rights_than_before
	if ! others_are_there 2>"$scratch/why"; then
		echo "not tried as $who, with others: $(cat "$scratch/why")"
		return
	fi
	other_users_are_there
	maps_of_several_pieces_are_kept
	half_a_namespace_is_none
}

# A user's is his alone, and is not for a further group of his.
a_further_group_gets_no_node() {
	as='setpriv --reuid 65534 --regid 65534 --groups 2345'
	mode=trap
	if ! $as true 2>"$scratch/why"; then
		echo "not tried as $who of two groups: $(cat "$scratch/why")"
		return
	fi
	got=$(LC_ALL=C under chgrp 2345 /dev/udmabuf 2>&1) &&
		fail 'chgrp to a further group'
	case $got in
	*'not permitted'*) ;;
	*) fail "chgrp to a further group says: $got" ;;
	esac
}

# Whose owners of everything are nobody there
check_namespace_root() {
	as='setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Ur'
	who='root of a namespace'
	mode=mount
	have unshare || return
	if ! $as true 2>"$scratch/why"; then
		echo "not tried as $who: $(cat "$scratch/why")"
		return
	fi
	nodes_are_found
	program nodes "$mode"
}

check_all() {
	nodes_are_found
	program nodes "$mode"
	program readers
	devices_stay
	other_processes_are_no_concern
	the_machine_s_null_stays
	where_we_are_stays
	nested_namespaces_work
	nodes_of_the_machine_are_preferred
	two_beside_each_other_are_apart
	one_in_another_says_one_line
	a_killed_one_leaves_nothing
	nothing_is_left
}

check_modes() {
	mode=trap
	check_all
	mode=mount
	if under true 2>"$scratch/why"; then
		check_all
	elif grep -q __tsan_ "$run"; then
		# A thread of its own is in every child, where the kernel makes
		# no user namespace.
		echo "not tried with a thread sanitizer: $(cat "$scratch/why")"
	elif $as unshare -Umr mount -n -t tmpfs tmpfs /dev 2>/dev/null; then
		fail "others can: $(cat "$scratch/why")"
	else
		echo "not tried: $(cat "$scratch/why")"
	fi
}

# Where ours would be: others may mount something elsewhere at the same time.
outside() {
	awk '$5 ~ "^/(dev|sys/kernel)(/|$)"' /proc/self/mountinfo
	ls -d /dev/dma_heap /dev/udmabuf /sys/kernel/debug/sync \
		/sys/kernel/debug/dma_buf 2>&1
}

"$run" --version >/dev/null || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
TMPDIR=$scratch/tmp
export TMPDIR
chmod 755 "$scratch"
mkdir -m 1777 "$TMPDIR"
outside=$(outside)

check_modes
if [ "$(id -u)" = 0 ]; then
	as='setpriv --reuid 65534 --regid 65534 --clear-groups'
	who='a user'
	if $as "$run" --version >/dev/null 2>&1; then
		check_modes
		a_further_group_gets_no_node
		check_namespace_root
	else
		echo 'not tried as a user, who cannot run the programs'
	fi
	check_container
fi
[ "$outside" = "$(outside)" ] ||
	fail 'something outside has changed'
[ "$bad" = 0 ]
