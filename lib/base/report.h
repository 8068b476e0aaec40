/* SPDX-License-Identifier: MIT */
/* report.h - telling of misuse (WARN) and of broken state (BUG) */
#ifndef LIB_BASE_REPORT_H
#define LIB_BASE_REPORT_H

/* Longer reports are cut. */
#define REPORT_MAX 1024

/* One warning: "libdmabuf: WARN: <function>: <format>". Hold no lock. */
void report_warn(const char *function, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

/*
 * The end: "libdmabuf: BUG: <function>: <format>". First gives back what the
 * library's frames on this thread hold (see context.h), so that a handler can
 * leave by longjmp(3). What the caller itself locked, it has unlocked.
 */
_Noreturn void report_bug(const char *function, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

#endif
