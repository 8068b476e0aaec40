#!/bin/sh
# SPDX-License-Identifier: MIT
# test-lock-order.sh PROGRAM - the thread sanitizer reports the wrong lock order
set -u

# What the caller chose stays; the last setting of an option counts.
TSAN_OPTIONS=${TSAN_OPTIONS:-}:detect_deadlocks=1:halt_on_error=1:exitcode=99
export TSAN_OPTIONS

report=$("$1" 2>&1)
status=$?
case $report in
*lock-order-inversion*)
	[ "$status" -eq 99 ] && exit 0
	;;
esac
echo "expected a report of lock-order-inversion and status 99; status $status:"
echo "$report"
exit 1
