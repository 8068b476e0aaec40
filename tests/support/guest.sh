# SPDX-License-Identifier: MIT
# guest.sh - boots Debian's kernel with a static busybox and runs a program
# shellcheck shell=sh
#
# Sourced after debian.sh. The guest is nothing but an initramfs: guest_tree
# makes its directory, the caller adds programs, guest_boot packs it, boots it
# and returns the status of the command in the guest. The command's output comes
# over a serial line of its own, so that no message of the kernel is among it.
# shellcheck disable=SC2154 # root and kernel_... are the caller's

guests=$root/build/guest

# guest_begin: a scratch directory, guest_scratch, gone when the script ends
guest_begin() {
	mkdir -p "$guests" && guest_scratch=$(mktemp -d "$guests/XXXXXX") &&
		trap 'guest_end' EXIT && trap 'exit 130' HUP INT TERM
}

guest_end() {
	[ -z "${guest_pid-}" ] || kill "$guest_pid" 2>/dev/null
	rm -rf "$guest_scratch"
}

# How long a guest may take from start to end, on a slow machine; its memory in
# MiB, and more words for its kernel: a script may set these.
guest_seconds=${GUEST_SECONDS:-300}
guest_memory=1024
guest_append=hugepages=64

# The first process of the guest. /run-me is the caller's.
guest_init() {
	cat <<'END'
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /bin /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/ TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug
ln -s /proc/self/fd /dev/fd
while read -r module; do
	insmod "/modules/$module" || echo "cannot load $module"
done </modules/order
stty -F /dev/ttyS1 raw
cd /tmp
sh /run-me </dev/null >/dev/ttyS1 2>&1
printf '\nguest: status %03d\n' $? >/dev/ttyS1
stty -F /dev/ttyS1 sane
poweroff -f
END
}

# guest_tree DIR MODULE...: an empty guest with these modules
guest_tree() {
	tree=$1
	shift
	rm -rf "$tree"
	mkdir -p "$tree/bin" "$tree/etc" "$tree/modules" || return 1
	echo 'root:x:0:0:root:/:/bin/sh' >"$tree/etc/passwd"
	echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >>"$tree/etc/passwd"
	echo 'root:x:0:' >"$tree/etc/group"
	echo 'nogroup:x:65534:' >>"$tree/etc/group"
	cp "$(command -v busybox)" "$tree/bin/busybox" &&
		guest_init >"$tree/init" && chmod 755 "$tree/init" &&
		: >"$tree/modules/order" &&
		{ [ $# -eq 0 ] || kernel_modules "$tree/modules" "$@"; }
}

guest_pack() {
	(cd "$1" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$2"
}

# Without hardware help; with five levels of page tables kernels panic at random.
accel_none="-accel tcg -cpu max,la57=off"

# Hardware help, where it works. There are machines with a /dev/kvm on which no
# kernel gets far, so a guest that does nothing has to come to its end with it;
# what came out holds until this machine is started again.
guest_accel() {
	boot=$(cat /proc/sys/kernel/random/boot_id)
	known=$guests/accel
	if [ ! -w /dev/kvm ]; then
		accel=$accel_none
	elif [ "$(sed -n 1p "$known" 2>/dev/null)" = "$boot" ]; then
		accel=$(sed -n 2p "$known")
	else
		guest_accel_try && printf '%s\n' "$boot" "$accel" >"$known"
	fi
}

guest_accel_try() {
	guest_tree "$guest_scratch/kvm" &&
		echo 'exit 0' >"$guest_scratch/kvm/run-me" || return 1
	accel="-accel kvm -cpu host"
	guest_run "$guest_scratch/kvm" 20
	guest_ended "$guest_scratch/kvm" || accel=$accel_none
}

# stoppable COMMAND...: runs it; a signal to the script ends both at once
stoppable() {
	"$@" </dev/null &
	guest_pid=$!
	wait "$guest_pid"
	stopped=$?
	guest_pid=
	return "$stopped"
}

# guest_run DIR SECONDS: qemu's status; the guest's output is in DIR.out
guest_run() {
	guest_pack "$1" "$1.cpio" && : >"$1.out" && : >"$1.console" || return
	# shellcheck disable=SC2086 # words
	stoppable timeout -k 5 "$2" qemu-system-x86_64 \
		$accel -machine pc -m "$guest_memory" -smp 2 -no-reboot \
		-nodefaults -display none -monitor none \
		-serial "file:$1.console" -serial "file:$1.out" \
		-kernel "$kernel_image" -initrd "$1.cpio" -append \
		"console=ttyS0 loglevel=4 panic=-1 $guest_append" \
		>"$1.qemu" 2>&1
}

guest_ended() {
	tail -n 1 "$1.out" | grep -q '^guest: status [0-9]*$'
}

# A kernel that panics before it has run anything tells nothing of that.
guest_panicked() {
	[ ! -s "$1.out" ] && grep -q 'Kernel panic' "$1.console"
}

# guest_boot DIR: runs DIR/run-me; prints its output, returns its status. 125
# when the guest did not get that far: then its console is shown.
guest_boot() {
	guest_accel
	tries=3
	while
		guest_run "$1" "$guest_seconds"
		guest_status=$?
		guest_panicked "$1" && [ $((tries -= 1)) -gt 0 ]
	do
		echo "the guest's kernel panicked before it ran anything: again" >&2
	done
	if guest_ended "$1"; then
		head -c -19 "$1.out"
		ended=$(tail -n 1 "$1.out" | sed 's/^guest: status 0*//')
		return "${ended:-0}"
	fi
	cat "$1.out"
	echo "the guest did not end; qemu's status: $guest_status" >&2
	tail -n 20 "$1.qemu" "$1.console" >&2
	return 125
}
