/* SPDX-License-Identifier: MIT */
/* bench.h - two ways to do the same work, timed against each other */
#ifndef TESTS_SUPPORT_BENCH_H
#define TESTS_SUPPORT_BENCH_H

#include <stdbool.h>

/*
 * One row of the table. Both sides do the work @repeat times a call; what
 * @before and @after do around each call is not timed.
 */
struct bench_row {
	const char *what;
	const char *against;
	double limit;			/* of what/against; 0: only reported */
	unsigned int rounds;
	unsigned int repeat;
	void (*work)(void *data, unsigned int repeat);
	void (*hand)(void *data, unsigned int repeat);
	void (*before)(void *data);	/* may be NULL */
	void (*after)(void *data);	/* may be NULL */
	void *data;
};

/* The head of the table. */
void bench_begin(void);

/*
 * Runs the row and prints it. A round is work, hand, hand, work, so that a
 * drift of the machine's speed falls on both; its ratio is one number of the
 * median and the spread. False when the median is over the limit.
 */
bool bench_compare(const struct bench_row *row);

/* From work or hand: so much of it is not to be counted. */
void bench_exclude(double ns);

/* A row that counts instead of timing. */
bool bench_amount(const char *what, double amount, const char *unit,
		  double limit);

#endif
