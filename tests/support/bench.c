/* SPDX-License-Identifier: MIT */
/* bench.c - two ways to do the same work, timed against each other */
#include "bench.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WARM_UP 2	/* rounds that do not count */

/* What a round measured: ns for doing the work once, and their ratio. */
struct round {
	double work_ns;
	double hand_ns;
	double ratio;
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double excluded_ns;

void bench_exclude(double ns)
{
	excluded_ns += ns;
}

static double sample_ns(const struct bench_row *row,
			void (*side)(void *data, unsigned int repeat))
{
	double start;
	double spent;

	if (row->before)
		row->before(row->data);
	excluded_ns = 0;
	start = now_ns();
	side(row->data, row->repeat);
	spent = now_ns() - start - excluded_ns;
	if (row->after)
		row->after(row->data);
	return spent / row->repeat;
}

static struct round round_run(const struct bench_row *row)
{
	struct round round;

	round.work_ns = sample_ns(row, row->work);
	round.hand_ns = sample_ns(row, row->hand);
	round.hand_ns += sample_ns(row, row->hand);
	round.work_ns += sample_ns(row, row->work);
	round.ratio = round.work_ns / round.hand_ns;
	round.work_ns /= 2;
	round.hand_ns /= 2;
	return round;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* @rank: 0 is the smallest of @values, 0.5 the median; sorts them */
static double rank_of(double *values, unsigned int nr, double rank)
{
	qsort(values, nr, sizeof(*values), compare);
	return values[(unsigned int)(rank * (nr - 1) + 0.5)];
}

static const char *verdict(double value, double limit)
{
	if (limit <= 0)
		return "reported";
	return value > limit ? "OVER" : "ok";
}

static void limit_text(double limit, char *text, size_t size)
{
	if (limit > 0)
		snprintf(text, size, "%.2f", limit);
	else
		snprintf(text, size, "-");
}

void bench_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%-36s %-26s %7s %13s %6s %-9s %11s %11s\n", "what", "against",
	       "median", "10..90 %", "limit", "", "ns", "against");
}

static void row_print(const struct bench_row *row, double *values[3])
{
	char spread[24];
	char limit[16];
	double median = rank_of(values[2], row->rounds, 0.5);

	snprintf(spread, sizeof(spread), "%.2f..%.2f",
		 rank_of(values[2], row->rounds, 0.1),
		 rank_of(values[2], row->rounds, 0.9));
	limit_text(row->limit, limit, sizeof(limit));
	printf("%-36s %-26s %7.2f %13s %6s %-9s %11.1f %11.1f\n", row->what,
	       row->against, median, spread, limit,
	       verdict(median, row->limit),
	       rank_of(values[0], row->rounds, 0.5),
	       rank_of(values[1], row->rounds, 0.5));
}

bool bench_compare(const struct bench_row *row)
{
	double *all = calloc(3 * (size_t)row->rounds, sizeof(*all));
	double *values[3] = { all, all + row->rounds, all + 2 * row->rounds };
	bool inside;
	unsigned int i;

	if (!all) {
		perror("bench");
		exit(1);
	}
	for (i = 0; i < WARM_UP; i++)
		round_run(row);
	for (i = 0; i < row->rounds; i++) {
		struct round round = round_run(row);

		values[0][i] = round.work_ns;
		values[1][i] = round.hand_ns;
		values[2][i] = round.ratio;
	}
	row_print(row, values);
	inside = row->limit <= 0 ||
		 rank_of(values[2], row->rounds, 0.5) <= row->limit;
	free(all);
	return inside;
}

bool bench_amount(const char *what, double amount, const char *unit,
		  double limit)
{
	char text[16];

	limit_text(limit, text, sizeof(text));
	printf("%-36s %-26s %7.0f %13s %6s %-9s\n", what, unit, amount, "",
	       text, verdict(amount, limit));
	return limit <= 0 || amount <= limit;
}
