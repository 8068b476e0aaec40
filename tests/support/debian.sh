# SPDX-License-Identifier: MIT
# debian.sh - Linux 6.12 of Debian, unpacked below build/debian
# shellcheck shell=sh
#
# Sourced, with $root set: the top of the sources. The packages are fetched with
# apt directories of our own, from the mirror that this machine uses (or from
# DEBIAN_MIRROR), checked with Debian's keys, unpacked and never installed.
# What is there is used again: remove build/debian to get newer ones.
# shellcheck disable=SC2154 # root is the caller's

# Where an ordinary user has them not: depmod and modprobe.
PATH=$PATH:/usr/sbin:/sbin
# For another machine a script sets both anew, before it calls anything.
debian=$root/build/debian
debian_arch=amd64
debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg
debian_why=

# Mirrors of Debian: the addresses of all configured sources, as one is enough.
debian_mirrors() {
	if [ -n "${DEBIAN_MIRROR-}" ]; then
		echo "$DEBIAN_MIRROR"
	else
		apt-get --print-uris update </dev/null |
			sed -n "s/^'\(.*\/\)dists\/.*/\1/p" |
			awk '!seen[$0]++'
	fi
}

# This system's suite, and the one that came with 6.12.
debian_suites() {
	(
		ID='' VERSION_CODENAME=''
		# shellcheck disable=SC1091
		. /etc/os-release
		[ "$ID" != debian ] || echo "$VERSION_CODENAME"
		echo trixie
	) | awk '$0 && !seen[$0]++'
}

# An apt that reads and writes nothing of the system but its proxy settings.
debian_configure() {
	mkdir -p "$debian/apt/lists/partial" \
		"$debian/apt/cache/archives/partial" &&
		: >"$debian/apt/status" &&
		cat >"$debian/apt/apt.conf" <<-END
		Dir::State "$debian/apt";
		Dir::State::status "$debian/apt/status";
		Dir::State::lists "$debian/apt/lists/";
		Dir::Cache "$debian/apt/cache";
		Dir::Etc::sourcelist "$debian/apt/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::Etc::preferences "-";
		Dir::Etc::preferencesparts "-";
		APT::Architecture "$debian_arch";
		APT::Architectures { "$debian_arch"; };
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		Acquire::Retries "3";
		END
}

debian_apt() {
	tool=$1
	shift
	"apt-$tool" -q -c "$debian/apt/apt.conf" "$@" </dev/null
}

# The newest linux-image-6.12.N-FLAVOUR, when the lists in use have one.
debian_newest() {
	debian_apt cache pkgnames linux-image-6.12. 2>/dev/null |
		grep "^linux-image-6\.12\.[0-9][^-]*-$1\$" | sort -V | tail -n 1
}

debian_update_from() {
	echo "deb [signed-by=$debian_keys] $1 $2 main" \
		>"$debian/apt/sources.list"
	debian_apt get update >"$debian/apt/log" 2>&1 &&
		[ -n "$(debian_newest "$debian_arch")" ]
}

# Lists of the first suite and mirror that have a 6.12.
debian_update() {
	[ -z "${debian_updated-}" ] || return 0
	debian_configure || return 1
	for suite in $(debian_suites); do
		for mirror in $(debian_mirrors); do
			debian_update_from "$mirror" "$suite" || continue
			debian_updated=yes
			return 0
		done
	done
	return 1
}

# debian_download PACKAGE: its file is then $debian_deb
debian_download() {
	echo "downloading $1" >&2
	rm -f "$debian"/deb/*.deb
	mkdir -p "$debian/deb" &&
		(cd "$debian/deb" && debian_apt get download "$1") \
			>"$debian/apt/log" 2>&1 || return 1
	debian_deb=$(find "$debian/deb" -name '*.deb')
	[ -n "$debian_deb" ]
}

# Why something of this file failed, for a line "skipped: ...".
debian_can() {
	if [ "$(uname -m)" != x86_64 ]; then
		debian_why="Debian's amd64 kernel is not for $(uname -m)"
	elif ! command -v apt-get >/dev/null; then
		debian_why="no apt here to get Debian's packages with"
	elif [ ! -r "$debian_keys" ]; then
		debian_why="no keys of Debian in $debian_keys"
	else
		return 0
	fi
	return 1
}

debian_get() {
	debian_can || return 1
	if ! debian_update; then
		debian_why="no configured source of packages has Debian's Linux"
		debian_why="$debian_why 6.12 (DEBIAN_MIRROR names one)"
		return 1
	fi
	package=$1
	case $package in
	*-6.12.) package=$(debian_newest "$2") ;;
	esac
	[ -n "$package" ] && debian_download "$package" && return 0
	debian_why="cannot download ${package:-$1 of flavour $2}"
	return 1
}

debian_image_unpack() {
	rm -rf "$debian/new" && mkdir -p "$debian/new" &&
		dpkg-deb -x "$debian_deb" "$debian/new" || return 1
	# Where the package still has its modules in /lib.
	[ -d "$debian/new/lib" ] || ln -s usr/lib "$debian/new/lib"
	version=$(basename "$debian"/new/boot/vmlinuz-*)
	version=${version#vmlinuz-}
	depmod -b "$debian/new" "$version" &&
		echo "$version" >"$debian/new/version" &&
		rm -rf "$debian_deb" "$debian/$1" &&
		mv "$debian/new" "$debian/$1"
}

debian_image() {
	debian_get linux-image-6.12. "$1" || return 1
	debian_image_unpack "$1" && return 0
	debian_why="cannot unpack $debian_deb"
	return 1
}

# debian_have FILE COMMAND...: makes it with the command unless it is there. Two
# scripts at a time do not do so both.
debian_have() {
	file=$debian/$1
	shift
	[ ! -f "$file" ] || return 0
	mkdir -p "$debian" && exec 9>"$debian/lock" || return 1
	flock 9
	[ -f "$file" ] || "$@" 9>&-
	exec 9>&-
	[ -f "$file" ]
}

# debian_kernel FLAVOUR: amd64, cloud-amd64, arm64. Sets kernel_dir, kernel_version,
# kernel_image; false, with the reason in debian_why, when there is none.
debian_kernel() {
	kernel_dir=$debian/$1
	debian_have "$1/version" debian_image "$1" || return 1
	kernel_version=$(cat "$kernel_dir/version")
	kernel_image=$kernel_dir/boot/vmlinuz-$kernel_version
}

# kernel_modules DIR NAME...: copies modules and what they need to DIR, not
# compressed, with their order in DIR/order. Built-in ones are no files.
kernel_modules() {
	to=$1
	shift
	for name in "$@"; do
		modprobe -d "$kernel_dir" -S "$kernel_version" --show-depends \
			"$name" || return 1
	done >"$to/paths"
	awk '$1 == "insmod" && !seen[$2]++ { print $2 }' "$to/paths" |
	while read -r path; do
		name=$(basename "${path%.xz}")
		case $path in
		*.xz) xz -dc "$path" >"$to/$name" ;;
		*) cp "$path" "$to/$name" ;;
		esac && echo "$name" >>"$to/order" || exit 1
	done
}
