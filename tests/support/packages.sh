# SPDX-License-Identifier: MIT
# packages.sh - what the run scripts need, and how to get it
# shellcheck shell=sh
#
# Sourced. need NAME... installs what is missing, or says so and exits 1.

# Is it there? One line a need; the names are those of package() below.
have() {
	case $1 in
	gcc|g++|clang|meson|valgrind|gcovr|doxygen|strace|make|cpio|xz)
		command -v "$1" >/dev/null ;;
	qemu)
		command -v qemu-system-x86_64 >/dev/null ;;
	qemu-arm64)
		command -v qemu-system-aarch64 >/dev/null ;;
	gcc-arm64)
		command -v aarch64-linux-gnu-gcc >/dev/null ;;
	busybox)
		have_static busybox ;;
	kmod)
		command -v depmod >/dev/null &&
			command -v modprobe >/dev/null ;;
	libc)
		have_header stdlib.h ;;
	ninja)
		command -v ninja >/dev/null || command -v ninja-build \
			>/dev/null || command -v samu >/dev/null ;;
	pkg-config)
		command -v pkg-config >/dev/null ;;
	clang-runtime)
		have_clang_runtime ;;
	gcc-sanitizers)
		have_gcc_sanitizers ;;
	libc-symbols)
		valgrind --quiet --error-exitcode=1 true >/dev/null 2>&1 ;;
	libbsd|libseccomp|cmocka|libpng)
		pkg-config --exists "$1" 2>/dev/null ;;
	*)
		return 1 ;;
	esac
}

have_header() {
	command -v gcc >/dev/null &&
		echo "#include <$1>" | gcc -E -x c - >/dev/null 2>&1
}

# A program without an interpreter: the guests have no libraries.
have_static() {
	command -v "$1" >/dev/null &&
		! ldd "$(command -v "$1")" >/dev/null 2>&1
}

# gcc and clang answer with the bare name when they have no such file.
have_clang_runtime() {
	command -v clang >/dev/null || return 1
	case $(clang --print-file-name=libclang_rt.fuzzer.a) in
	*/*) return 0 ;;
	esac
	case $(clang --print-file-name="libclang_rt.fuzzer-$(uname -m).a") in
	*/*) return 0 ;;
	esac
	return 1
}

have_gcc_sanitizers() {
	command -v gcc >/dev/null || return 1
	for lib in libasan libubsan libtsan; do
		case $(gcc --print-file-name=$lib.so) in
		*/*) ;;
		*) return 1 ;;
		esac
	done
}

# The package of a need: apt, dnf, pacman, apk. Nothing when another brings it.
package() {
	case $1:$2 in
	apt:libc) echo libc6-dev ;;
	apt:ninja) echo ninja-build ;;
	apt:clang-runtime) echo libclang-rt-dev ;;
	apt:gcc-sanitizers) ;;
	apt:libc-symbols) echo libc6-dbg ;;
	apt:libbsd) echo libbsd-dev ;;
	apt:libseccomp) echo libseccomp-dev ;;
	apt:cmocka) echo libcmocka-dev ;;
	apt:libpng) echo libpng-dev ;;
	apt:qemu) echo qemu-system-x86 ;;
	apt:qemu-arm64) echo qemu-system-arm ;;
	apt:gcc-arm64) echo gcc-aarch64-linux-gnu ;;
	apt:busybox) echo busybox-static ;;
	apt:xz) echo xz-utils ;;

	dnf:g++) echo gcc-c++ ;;
	dnf:libc) echo glibc-devel ;;
	dnf:ninja) echo ninja-build ;;
	dnf:pkg-config) echo pkgconf-pkg-config ;;
	dnf:clang-runtime) echo compiler-rt ;;
	dnf:gcc-sanitizers) echo libasan libubsan libtsan ;;
	dnf:libc-symbols) ;;
	dnf:libbsd) echo libbsd-devel ;;
	dnf:libseccomp) echo libseccomp-devel ;;
	dnf:cmocka) echo libcmocka-devel ;;
	dnf:libpng) echo libpng-devel ;;
	dnf:qemu) echo qemu-system-x86 ;;
	dnf:qemu-arm64) echo qemu-system-aarch64 ;;
	dnf:gcc-arm64) echo gcc-aarch64-linux-gnu ;;

	pacman:g++|pacman:gcc-sanitizers|pacman:libc-symbols) ;;
	pacman:libc) echo glibc linux-api-headers ;;
	pacman:pkg-config) echo pkgconf ;;
	pacman:clang-runtime) echo compiler-rt ;;
	pacman:qemu) echo qemu-system-x86 ;;
	pacman:qemu-arm64) echo qemu-system-aarch64 ;;
	pacman:gcc-arm64) echo aarch64-linux-gnu-gcc ;;

	apk:libc) echo musl-dev linux-headers ;;
	apk:pkg-config) echo pkgconf ;;
	apk:clang-runtime) echo compiler-rt ;;
	apk:gcc-sanitizers) ;;
	apk:libc-symbols) echo musl-dbg ;;
	apk:libbsd) echo libbsd-dev ;;
	apk:libseccomp) echo libseccomp-dev ;;
	apk:cmocka) echo cmocka-dev ;;
	apk:libpng) echo libpng-dev ;;
	apk:qemu) echo qemu-system-x86_64 ;;
	apk:qemu-arm64) echo qemu-system-aarch64 ;;
	apk:busybox) echo busybox-static ;;
	*) echo "$2" ;;
	esac
}

# The command that installs with a manager.
install_command() {
	case $1 in
	apt) echo apt-get install -y --no-install-recommends ;;
	dnf) echo dnf install -y ;;
	pacman) echo pacman -S --needed --noconfirm ;;
	apk) echo apk add ;;
	esac
}

manager() {
	for name in apt-get dnf pacman apk; do
		if command -v $name >/dev/null; then
			echo "${name%-get}"
			return
		fi
	done
}

# Does running things as root need a word in front? Fails when it may not be.
root_prefix() {
	[ "$(id -u)" -ne 0 ] || return 0
	command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo sudo -n
}

missing() {
	for name in "$@"; do
		have "$name" || echo "$name"
	done
}

packages() {
	manager=$1
	shift
	for name in "$@"; do
		package "$manager" "$name"
	done | tr '\n' ' '
}

apt_install() {
	as_root=$1
	shift
	echo "installing: $*"
	# shellcheck disable=SC2086 # no word, or two
	$as_root apt-get update -q >/dev/null
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
		--no-install-recommends "$@" </dev/null >/dev/null
}

# shellcheck disable=SC2046,SC2086 # lists of words
need() {
	lacking=$(missing "$@" | tr '\n' ' ')
	[ -n "$lacking" ] || return 0
	with=$(manager)
	if [ "$with" = apt ] && as_root=$(root_prefix); then
		apt_install "$as_root" $(packages apt $lacking) || true
		# Some needs can be looked at only now that others are there.
		lacking=$(missing "$@" | tr '\n' ' ')
		[ -n "$lacking" ] || return 0
	fi
	echo "missing: $lacking" >&2
	if [ -n "$with" ]; then
		echo "install with: $(install_command "$with")" \
			$(packages "$with" $lacking) >&2
	else
		echo "no apt, dnf, pacman or apk here: install by hand" >&2
	fi
	exit 1
}
