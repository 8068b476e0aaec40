/* SPDX-License-Identifier: MIT */
/* timeline.c - who worked when, and who waited for whom: as text */
/*
 * The spans are in memory that the parent shares with its children: what a
 * process wrote there is still to be seen when it has died.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "framepipe.h"

#define COLUMNS 38

static size_t spans_size(const struct timeline *timeline)
{
	return timeline_nr_spans(timeline) * sizeof(struct span);
}

/* Past the last frame there are those that only wait for the last readers. */
uint32_t timeline_nr_spans(const struct timeline *timeline)
{
	return NR_ROLES * (timeline->frames + NR_SLOTS);
}

int timeline_init(struct timeline *timeline, uint32_t frames)
{
	timeline->frames = frames;
	timeline->spans = mmap(NULL, spans_size(timeline),
			       PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (timeline->spans == MAP_FAILED)
		return complain("no time line: %s", strerror(errno));
	return 0;
}

void timeline_fini(struct timeline *timeline)
{
	munmap(timeline->spans, spans_size(timeline));
}

struct span *timeline_span(const struct timeline *timeline, enum role role,
			   uint32_t number)
{
	return &timeline->spans[number * NR_ROLES + role];
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Was it pending when the wait began? */
bool span_waited_for(const struct span *span, uint32_t dep)
{
	return span->deps[dep].signalled > span->wait;
}

/* When the wait was over, well or badly. */
int64_t span_woken(const struct span *span)
{
	return span->begin ? span->begin : span->end;
}

/* It waited in vain. */
static bool span_in_vain(const struct span *span)
{
	for (uint32_t i = 0; i < span->nr_deps; i++)
		if (span->deps[i].error)
			return true;
	return false;
}

/* Waiting for the last readers is of interest only when they never come. */
const struct span *timeline_shown(const struct timeline *timeline, uint32_t i)
{
	const struct span *span = &timeline->spans[i];

	if (!span->wait || !span->end ||
	    (i / NR_ROLES >= timeline->frames && !span_in_vain(span)))
		return NULL;
	return span;
}

/* The dead write nothing: that they died is what others saw of their fences. */
static void close_dead(const struct timeline *timeline,
		       const struct span *witness)
{
	for (uint32_t i = 0; i < witness->nr_deps; i++) {
		const struct dep *dep = &witness->deps[i];
		struct span *span = timeline_span(timeline, dep->role,
						  dep->number);

		if (dep->error == -EOWNERDEAD && span->begin && !span->end) {
			span->end = dep->signalled;
			span->died = true;
		}
	}
}

/* One who did not come to work has waited until the last fence failed. */
static void close_wait(struct span *span)
{
	span->end = span->wait;
	for (uint32_t i = 0; i < span->nr_deps; i++)
		span->end = later(span->end, span->deps[i].signalled);
}

/* Fills in the ends that are missing. False: no frame was worked on. */
bool timeline_close(const struct timeline *timeline)
{
	uint32_t nr = timeline_nr_spans(timeline);
	bool any = false;

	for (uint32_t i = 0; i < nr; i++) {
		struct span *span = &timeline->spans[i];

		any |= span->begin && span->end && !span->failed;
		if (span->wait && !span->begin)
			close_wait(span);
		close_dead(timeline, span);
	}
	return any;
}

int64_t timeline_first(const struct timeline *timeline)
{
	int64_t first = INT64_MAX;

	for (uint32_t i = 0; i < timeline_nr_spans(timeline); i++) {
		const struct span *span = timeline_shown(timeline, i);

		if (span && span->wait < first)
			first = span->wait;
	}
	return first;
}

int64_t timeline_last(const struct timeline *timeline)
{
	int64_t last = 0;

	for (uint32_t i = 0; i < timeline_nr_spans(timeline); i++) {
		const struct span *span = timeline_shown(timeline, i);

		last = span ? later(last, span->end) : last;
	}
	return last;
}

/* What a span looks like at a point of time. */
static char look(const struct span *span, int64_t from, int64_t to)
{
	if ((span->died || span->failed) && span->end > from && span->end <= to)
		return 'X';
	if (span->begin && span->begin < to && span->end > from)
		return '#';
	if (span->wait < to && span_woken(span) > from)
		return '.';
	return ' ';
}

static void print_bar(const struct span *span, int64_t first, int64_t column)
{
	putchar('|');
	for (int i = 0; i < COLUMNS; i++, first += column)
		putchar(look(span, first, first + column));
	putchar('|');
}

/* Whose fences it slept for, and how long. */
static void print_waits(const struct span *span)
{
	double ms = (double)(span_woken(span) - span->wait) / 1e6;
	const char *between = ":";

	if (span->died || span->failed)
		printf(" %s", span->died ? "died" : "failed");
	for (uint32_t i = 0; i < span->nr_deps; i++) {
		const struct dep *dep = &span->deps[i];

		if (!span_waited_for(span, i) && !dep->error)
			continue;
		if (*between == ':')
			printf(" %.1f ms", ms);
		printf("%s %s %u%s", between, role_names[dep->role],
		       dep->number, dep->error ? "!" : "");
		between = ",";
	}
	putchar('\n');
}

static void print_name(const struct timeline *timeline, uint32_t i)
{
	uint32_t number = i / NR_ROLES;

	if (number >= timeline->frames)
		printf(" end");
	else if (i % NR_ROLES == 0)
		printf("%4u", number);
	else
		printf("    ");
	printf(" %-8s", role_names[i % NR_ROLES]);
}

void timeline_print(const struct timeline *timeline)
{
	int64_t first = timeline_first(timeline);
	int64_t total = timeline_last(timeline) - first;
	int64_t column = total / COLUMNS + 1, work = 0;

	printf("\nframe            # works  . waits for a fence         "
	       "   waited: for whose fence\n");
	for (uint32_t i = 0; i < timeline_nr_spans(timeline); i++) {
		const struct span *span = timeline_shown(timeline, i);

		if (!span)
			continue;
		print_name(timeline, i);
		print_bar(span, first, column);
		print_waits(span);
		if (span->begin)
			work += span->end - span->begin;
	}
	printf("%13s 0%*.1f ms   %.1f ms of work\n", "", COLUMNS - 4,
	       (double)total / 1e6, (double)work / 1e6);
}
