#!/bin/sh
# SPDX-License-Identifier: MIT
# real.sh - a machine that has some of the nodes; for check.sh
#
# usage: real.sh DMABUF_RUN --devices=MODE
#
# In a mount namespace, where files stand for what the machine has. They
# are to be seen with --prefer-real, and not without.
set -u

run=$1
mode=$2
bad=0

machine_make() {
	mount -n -t tmpfs tmpfs /mnt &&
		for name in null tty urandom zero; do
			: >/mnt/$name && mount -n --bind /dev/$name /mnt/$name ||
				return
		done &&
		mkdir /mnt/dma_heap &&
		for name in dma_heap/system dma_heap/other udmabuf; do
			echo real >/mnt/$name
		done &&
		mount -n --move /mnt /dev &&
		mount -n -t tmpfs tmpfs /sys/kernel/debug &&
		mkdir /sys/kernel/debug/sync /sys/kernel/debug/other &&
		echo real >/sys/kernel/debug/sync/sw_sync &&
		echo real >/sys/kernel/debug/sync/info
}

# is PATH TYPE OPTION...: what the program sees there
is() {
	path=$1
	type=$2
	shift 2
	got=$("$run" "$mode" "$@" stat -c %F "$path" 2>&1)
	[ "$got" = "$type" ] && return
	echo "FAIL $mode $* $path: $got"
	bad=$((bad + 1))
}

heaps_are() {
	heaps=$1
	shift
	got=$("$run" "$mode" "$@" ls /dev/dma_heap | tr '\n' ' ')
	[ "$got" = "$heaps" ] && return
	echo "FAIL $mode $* heaps: $got"
	bad=$((bad + 1))
}

# is_hidden PATH: it is neither there nor to be opened
is_hidden() {
	got=$("$run" "$mode" sh -c 'test -e "$0" || cat "$0"' "$1" 2>&1) ||
		return
	echo "FAIL $mode $1 is there: $got"
	bad=$((bad + 1))
}

machine_make || exit 77
is /dev/dma_heap/system 'character special file'
is /dev/udmabuf 'character special file'
is /sys/kernel/debug/sync/sw_sync 'regular empty file'
heaps_are 'contiguous system '
is_hidden /dev/dma_heap/other
is_hidden /dev/dma_heap/none
is /dev/dma_heap/system 'regular file' --prefer-real
is /dev/dma_heap/other 'regular file' --prefer-real
is /dev/dma_heap/contiguous 'character special file' --prefer-real
is /dev/udmabuf 'regular file' --prefer-real
is /sys/kernel/debug/sync/sw_sync 'regular file' --prefer-real
heaps_are 'contiguous other system ' --prefer-real
# Not ours, in both cases
is /sys/kernel/debug/sync/info 'regular file'
is /sys/kernel/debug/other directory
is /dev/zero 'character special file'
# A machine that has this one only
rm -r /dev/dma_heap
is /dev/udmabuf 'character special file'
is /dev/dma_heap/system 'character special file'
is /dev/udmabuf 'regular file' --prefer-real
is /dev/dma_heap/system 'character special file' --prefer-real
[ "$bad" = 0 ]
