# SPDX-License-Identifier: MIT
# build.sh - the build directories of the run scripts, below build/
# shellcheck shell=sh
#
# Sourced, with $root set: the top of the sources.
# shellcheck disable=SC2154 # root is the caller's

# Exits when nothing can be built here.
build_writable() {
	mkdir -p "$root/build" 2>/dev/null && [ -w "$root/build" ] && return
	echo "cannot write to $root/build: work on a copy of your own" >&2
	exit 1
}

# What a build directory depends on: it is of no use when one of these is
# another one, and in a copy or a renamed checkout the sources are elsewhere.
recipe() {
	echo "$root $CC $CXX $* $(meson --version) $($CC --version | head -n 1)"
}

# setup_in DIR OPTION...: for the compilers CC and CXX, unless it is there
setup_in() {
	dir=$1
	shift
	wanted=$(recipe "$@")
	if [ -f "$dir/build.ninja" ] &&
	   [ "$(cat "$dir/recipe" 2>/dev/null)" = "$wanted" ]; then
		return 0
	fi
	rm -rf "$dir"
	CC=$CC CXX=$CXX meson setup "$dir" "$root" "$@" &&
		echo "$wanted" >"$dir/recipe"
}
