#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - builds and runs the consumer in both ways a stranger would
#
# usage: check.sh SOURCE-ROOT
# CC is the compiler. Everything happens in a scratch directory.
set -eu

source_root=$(cd "$1" && pwd)
here=$source_root/tests/consumer
cc=${CC:-cc}
# The checks on the library itself do not concern its users.
unset MESON_TESTTHREADS DESTDIR CFLAGS LDFLAGS PKG_CONFIG_PATH || true

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

step() {
	echo "$1"
	shift
	if ! "$@" >"$scratch/log" 2>&1; then
		cat "$scratch/log"
		exit 1
	fi
}

as_subproject() {
	parent=$scratch/parent
	mkdir -p "$parent/subprojects"
	cp "$here/consumer.c" "$here/meson.build" "$parent"
	ln -s "$source_root" "$parent/subprojects/libdmabuf"
	if [ -d "$source_root/subprojects/packagecache" ]; then
		ln -s "$source_root/subprojects/packagecache" \
			"$parent/subprojects/packagecache"
	fi
	step "subproject: set up" meson setup --force-fallback-for=libdmabuf \
		"$parent/build" "$parent"
	step "subproject: build" meson compile -C "$parent/build"
	step "subproject: run" meson test -C "$parent/build" --suite consumer \
		--print-errorlogs
	if [ -n "$(find "$parent/build" -name 'test-*' -type f -perm -u+x)" ]; then
		echo "a subproject built tests"
		exit 1
	fi
}

through_pkg_config() {
	prefix=$scratch/prefix
	step "install: set up" meson setup --prefix="$prefix" --libdir=lib \
		-Dtests=disabled -Dexamples=false -Ddocs=disabled \
		"$scratch/build" "$source_root"
	step "install: build and install" meson install -C "$scratch/build"
	export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
	flags=$(pkg-config --cflags --libs libdmabuf)
	# shellcheck disable=SC2086 # words on purpose
	step "install: compile" $cc -Wall -Wextra -Werror -o "$scratch/consumer" \
		"$here/consumer.c" $flags
	LD_LIBRARY_PATH="$prefix/lib"
	export LD_LIBRARY_PATH
	step "install: run" "$scratch/consumer"
	cat "$scratch/log"
}

as_subproject
through_pkg_config
