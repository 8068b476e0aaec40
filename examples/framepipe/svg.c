/* SPDX-License-Identifier: MIT */
/* svg.c - the time line as a drawing: a row a process, an arrow a fence */
#include <stdio.h>

#include "framepipe.h"

#define LEFT 92.0
#define RIGHT 56.0
#define TOP 64.0
#define LANE 84.0		/* from row to row */
#define BAR 38.0
#define MIN_PLOT 860.0
#define FRAME_WIDTH 100.0
#define MIN_IN_VAIN 6.0		/* arrows end there */

static const char *const colours[NR_ROLES][NR_SLOTS] = {
	[DECODER] = { "#1f6fb2", "#63a6dc" },
	[FILTER] = { "#b3541e", "#e39256" },
	[VIEWER] = { "#2f7d4f", "#72b98d" },
};

static const char head[] =
	"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
	"height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
	"font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
	"<title>framepipe: who worked when, and who waited for which fence"
	"</title>\n"
	"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
	"<defs>\n";

static const char hatch[] =
	"<pattern id=\"wait-%s\" width=\"6\" height=\"6\" "
	"patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
	"<rect width=\"6\" height=\"6\" fill=\"#f6f6f6\"/>"
	"<rect width=\"1.6\" height=\"6\" fill=\"%s\"/></pattern>\n"
	"<marker id=\"tip-%s\" markerWidth=\"8\" markerHeight=\"8\" refX=\"6\" "
	"refY=\"3\" orient=\"auto\" markerUnits=\"userSpaceOnUse\">"
	"<path d=\"M0,0 L7,3 L0,6 z\" fill=\"%s\"/></marker>\n";

/* A drawing under way. */
struct drawing {
	FILE *file;
	const struct timeline *timeline;
	int64_t first;
	double plot, per_ns;
	double bottom;
};

static double at(const struct drawing *d, int64_t time)
{
	return LEFT + (double)(time - d->first) * d->per_ns;
}

/* The right edge of a wait; one that was in vain is seen, however short. */
static double wait_end(const struct drawing *d, const struct span *span)
{
	double end = at(d, span_woken(span));
	double least = at(d, span->wait) + MIN_IN_VAIN;

	return span->begin || end > least ? end : least;
}

static double lane(int role)
{
	return TOP + role * LANE;
}

/* Milliseconds: 1, 2 or 5 times a power of ten, at least 80 pixels wide. */
static double tick_step(double per_ms)
{
	const double factors[] = { 2, 2.5, 2 };
	double step = 0.001;

	for (int i = 0; step * per_ms < 80; i++)
		step *= factors[i % 3];
	return step;
}

static void draw_axis(const struct drawing *d)
{
	double per_ms = d->per_ns * 1e6, step = tick_step(per_ms);

	for (double ms = 0; ms * per_ms <= d->plot + 1; ms += step) {
		double x = LEFT + ms * per_ms;

		fprintf(d->file, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
			"y2=\"%.1f\" stroke=\"#e4e4e4\"/>\n", x, TOP - 14, x,
			d->bottom);
		fprintf(d->file, "<text x=\"%.1f\" y=\"%.1f\" "
			"text-anchor=\"middle\" fill=\"#666\">%g ms</text>\n",
			x, d->bottom + 16, ms);
	}
	for (int role = 0; role < NR_ROLES; role++)
		fprintf(d->file, "<text x=\"%.1f\" y=\"%.1f\" "
			"text-anchor=\"end\" font-weight=\"bold\" "
			"fill=\"%s\">%s</text>\n", LEFT - 12,
			lane(role) + BAR / 2 + 4, colours[role][0],
			role_names[role]);
}

static void draw_box(const struct drawing *d, double x, double y, double width,
		     const char *fill, const char *more)
{
	fprintf(d->file, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" "
		"height=\"%.1f\" fill=\"%s\" %s/>\n", x, y, width, BAR, fill,
		more);
}

static void draw_wait(const struct drawing *d, int role, uint32_t number,
		      const struct span *span)
{
	double x = at(d, span->wait), width = wait_end(d, span) - x;
	char fill[24], more[64];

	(void)number;
	snprintf(fill, sizeof(fill), "url(#wait-%s)", role_names[role]);
	snprintf(more, sizeof(more), "stroke=\"%s\" stroke-width=\"0.6\"",
		 span->begin ? colours[role][1] : "#c00");
	draw_box(d, x, lane(role), width, fill, more);
}

static void draw_cross(const struct drawing *d, int role, uint32_t number,
		       const struct span *span)
{
	double x = at(d, span->end), y = lane(role) + BAR / 2;

	(void)number;
	if (!span->died && !span->failed)
		return;
	fprintf(d->file, "<path d=\"M%.1f,%.1f l12,12 m0,-12 l-12,12\" "
		"stroke=\"#c00\" stroke-width=\"3\"/>\n"
		"<text x=\"%.1f\" y=\"%.1f\" fill=\"#c00\" "
		"font-weight=\"bold\" stroke=\"#fff\" stroke-width=\"4\" "
		"paint-order=\"stroke\">%s</text>\n", x - 6, y - 6, x + 12,
		y + 4, span->died ? "died" : "failed");
}

static void draw_work(const struct drawing *d, int role, uint32_t number,
		      const struct span *span)
{
	double x = at(d, span->begin), width = at(d, span->end) - x;

	draw_box(d, x, lane(role), width > 1 ? width : 1,
		 colours[role][number % NR_SLOTS], "");
}

/* The last fence is the one that wakes; the others came meanwhile. */
static bool dep_wakes(const struct span *span, const struct dep *dep)
{
	for (uint32_t i = 0; i < span->nr_deps; i++)
		if (span->deps[i].signalled > dep->signalled)
			return false;
	return true;
}

/* Where it meets the waiter, who may have come when it had failed already. */
static double arrow_end(const struct drawing *d, const struct span *span,
			const struct dep *dep)
{
	double x = at(d, dep_wakes(span, dep) ? span_woken(span) :
						dep->signalled);

	if (x < at(d, span->wait))
		return at(d, span->wait);
	return x > wait_end(d, span) ? wait_end(d, span) : x;
}

/* The fence of the dead fails with them, though it may be seen later. */
static double arrow_begin(const struct drawing *d, const struct dep *dep)
{
	const struct span *span = timeline_span(d->timeline, dep->role,
						dep->number);

	if (dep->error && span->end && span->end < dep->signalled)
		return at(d, span->end);
	return at(d, dep->signalled);
}

/* From the moment of the signal to where the waiter goes on. */
static void draw_arrow(const struct drawing *d, int role,
		       const struct span *span, const struct dep *dep)
{
	bool down = (int)dep->role < role;
	double x1 = arrow_begin(d, dep), y1 = lane(dep->role) + BAR * down;
	double x2 = arrow_end(d, span, dep), y2 = lane(role) + BAR * !down;
	double bend = (y2 - y1) / 2;
	const char *colour = dep->error ? "#c00" : colours[dep->role][0];

	fprintf(d->file, "<path d=\"M%.1f,%.1f C%.1f,%.1f %.1f,%.1f "
		"%.1f,%.1f\" fill=\"none\" stroke=\"%s\" "
		"stroke-width=\"1.6\" marker-end=\"url(#tip-%s)\"/>\n", x1, y1,
		x1, y1 + bend, x2, y2 - bend, x2, y2, colour,
		dep->error ? "error" : role_names[dep->role]);
	fprintf(d->file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.4\" "
		"fill=\"%s\"/>\n", x1, y1, colour);
}

static void draw_arrows(const struct drawing *d, int role, uint32_t number,
			const struct span *span)
{
	(void)number;
	for (uint32_t i = 0; i < span->nr_deps; i++)
		if (span_waited_for(span, i) || span->deps[i].error)
			draw_arrow(d, role, span, &span->deps[i]);
}

/* The frame's number, where there is room for it. */
static void draw_number(const struct drawing *d, int role, uint32_t number,
			const struct span *span)
{
	double x = at(d, span->begin), width = at(d, span->end) - x;

	if (width > 9 + 7 * (number > 9) + 7 * (number > 99))
		fprintf(d->file, "<text x=\"%.1f\" y=\"%.1f\" fill=\"#fff\" "
			"text-anchor=\"middle\" font-weight=\"bold\">"
			"%u</text>\n", x + width / 2,
			lane(role) + BAR / 2 + 4, number);
}

typedef void (*draw_fn)(const struct drawing *d, int role, uint32_t number,
			const struct span *span);

/* What each process did, or only where it came to work. */
static void draw_each(const struct drawing *d, draw_fn draw, bool work_only)
{
	for (uint32_t i = 0; i < timeline_nr_spans(d->timeline); i++) {
		const struct span *span = timeline_shown(d->timeline, i);

		if (span && (span->begin || !work_only))
			draw(d, (int)(i % NR_ROLES), i / NR_ROLES, span);
	}
}

static bool any_failed(const struct timeline *timeline)
{
	for (uint32_t i = 0; i < timeline_nr_spans(timeline); i++) {
		const struct span *span = timeline_shown(timeline, i);

		for (uint32_t dep = 0; span && dep < span->nr_deps; dep++)
			if (span->deps[dep].error)
				return true;
	}
	return false;
}

static void draw_legend(const struct drawing *d)
{
	const double y = d->bottom + 34;

	fprintf(d->file, "<g transform=\"translate(%.0f %.0f)\">\n", LEFT, y);
	fprintf(d->file, "<rect width=\"16\" height=\"14\" fill=\"%s\"/>"
		"<rect x=\"16\" width=\"16\" height=\"14\" fill=\"%s\"/>"
		"<text x=\"40\" y=\"12\">works on a frame, in buffer 0 or 1"
		"</text>\n", colours[DECODER][0], colours[DECODER][1]);
	fprintf(d->file, "<rect x=\"260\" width=\"32\" height=\"14\" "
		"fill=\"url(#wait-filter)\" stroke=\"%s\"/>"
		"<text x=\"300\" y=\"12\">waits for a fence</text>\n",
		colours[FILTER][1]);
	fprintf(d->file, "<circle cx=\"424\" cy=\"7\" r=\"2.4\" fill=\"%s\"/>"
		"<path d=\"M424,7 h32\" stroke=\"%s\" stroke-width=\"1.6\" "
		"marker-end=\"url(#tip-viewer)\"/><text x=\"464\" y=\"12\">"
		"a fence that somebody waited for, from the signal on</text>\n",
		colours[VIEWER][0], colours[VIEWER][0]);
	fprintf(d->file, "<rect x=\"0.5\" y=\"22.5\" width=\"31\" "
		"height=\"13\" fill=\"#fff\" stroke=\"#999\"/>"
		"<text x=\"40\" y=\"34\">between jobs: messages, the "
		"scheduler</text>\n");
	if (any_failed(d->timeline))
		fprintf(d->file, "<circle cx=\"424\" cy=\"29\" r=\"2.4\" "
			"fill=\"#c00\"/><path d=\"M424,29 h32\" "
			"stroke=\"#c00\" stroke-width=\"1.6\" "
			"marker-end=\"url(#tip-error)\"/><text x=\"464\" "
			"y=\"34\">a fence that failed</text>\n");
	fputs("</g>\n", d->file);
}

/* Frames that the viewer has done. */
static uint32_t nr_through(const struct timeline *timeline)
{
	uint32_t nr = 0;

	for (uint32_t number = 0; number < timeline->frames; number++) {
		const struct span *span = timeline_span(timeline, VIEWER,
							number);

		nr += span->begin && span->end && !span->died && !span->failed;
	}
	return nr;
}

static void draw_title(const struct drawing *d)
{
	uint32_t frames = d->timeline->frames, nr = nr_through(d->timeline);

	fprintf(d->file, "<text x=\"%.0f\" y=\"28\" font-size=\"16\" "
		"font-weight=\"bold\">framepipe: ", LEFT);
	if (nr < frames)
		fprintf(d->file, "%u of ", nr);
	fprintf(d->file, "%u frame%s through three processes, at most two in "
		"flight</text>\n", frames, frames == 1 ? "" : "s");
}

static void draw_head(const struct drawing *d)
{
	double width = LEFT + d->plot + RIGHT, height = d->bottom + 86;

	fprintf(d->file, head, width, height, width, height);
	for (int role = 0; role < NR_ROLES; role++)
		fprintf(d->file, hatch, role_names[role], colours[role][1],
			role_names[role], colours[role][0]);
	fprintf(d->file, hatch, "error", "#c00", "error", "#c00");
	fputs("</defs>\n", d->file);
}

/* Errors stay with the file. */
void timeline_draw(const struct timeline *timeline, FILE *file)
{
	struct drawing d = { .file = file, .timeline = timeline,
			     .first = timeline_first(timeline),
			     .plot = timeline->frames * FRAME_WIDTH,
			     .bottom = TOP + NR_ROLES * LANE - LANE / 3 };

	if (d.plot < MIN_PLOT)
		d.plot = MIN_PLOT;
	d.per_ns = d.plot / (double)(timeline_last(timeline) - d.first + 1);
	draw_head(&d);
	draw_title(&d);
	draw_axis(&d);
	draw_each(&d, draw_wait, false);
	draw_each(&d, draw_work, true);
	draw_each(&d, draw_arrows, false);
	draw_each(&d, draw_number, true);
	draw_each(&d, draw_cross, true);
	draw_legend(&d);
	fputs("</svg>\n", file);
}
