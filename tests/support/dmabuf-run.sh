# SPDX-License-Identifier: MIT
# dmabuf-run.sh - which dmabuf-run to test
# shellcheck shell=sh
#
# Sourced, with $root set: the top of the sources.
# shellcheck disable=SC2154 # root is the caller's

# Sets dmabuf_run to DMABUF_RUN, or to the newest one that is built; false, with
# a word on stderr, when there is none.
find_dmabuf_run() {
	dmabuf_run=${DMABUF_RUN-}
	if [ -z "$dmabuf_run" ]; then
		# Not the one of tests/arm64/run, which is for that machine.
		# shellcheck disable=SC2010,SC2012 # no odd names here
		dmabuf_run=$(ls -t "$root"/build/*/tools/dmabuf-run/dmabuf-run \
			2>/dev/null | grep -v /build/arm64/ | head -n 1)
	fi
	case $dmabuf_run in
	''|/*) ;;
	*) dmabuf_run=$PWD/$dmabuf_run ;;
	esac
	[ -x "$dmabuf_run" ] && return 0
	echo "no dmabuf-run: build it, or name it with DMABUF_RUN" >&2
	return 1
}
