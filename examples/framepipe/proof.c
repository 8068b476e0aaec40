/* SPDX-License-Identifier: MIT */
/* proof.c - follows the events of a run, and says what they prove */
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "framepipe.h"

static const unsigned int users[NR_FRAMES] = { [PICTURE] = 3, [RESULT] = 2 };

/* Each frame goes over three links, and a fence comes back over each. */
#define MESSAGES_A_FRAME (2u * NR_LINKS)

void proof_init(struct proof *proof, const struct timeline *timeline)
{
	memset(proof, 0, sizeof(*proof));
	proof->timeline = timeline;
	proof->in_order = true;
	proof->one_inode = true;
}

static void print_sent(const struct event *event)
{
	const char *frame = frame_names[event->frame];
	const char *receiver = role_names[event->receiver];

	if (event->fence_only)
		printf("owes the %s a fence: %s %u is read\n", receiver, frame,
		       event->number);
	else
		printf("sends %s %u to the %s: its fd, a fence, %" PRIu64
		       " bytes\n", frame, event->number, receiver,
		       event->bytes);
}

/* What happens with every frame is told of the first one only. */
static void print_event(const struct event *event)
{
	const char *frame = frame_names[event->frame];

	if (event->number)
		return;
	printf("%-8s ", role_names[event->role]);
	switch (event->kind) {
	case EVENT_INODE:
		printf("has %s buffer %u as inode %" PRIu64 ":%" PRIu64 "\n",
		       frame, event->slot, event->dev, event->ino);
		break;
	case EVENT_SENT:
		print_sent(event);
		break;
	case EVENT_CLOSING:
		printf("closes %s buffer %u\n", frame, event->slot);
		break;
	case EVENT_RELEASED:
		printf("released the %s buffers: that was the last close\n",
		       frame);
		break;
	default:
		printf("%s\n", event->text);
	}
	fflush(stdout);
}

/* Every time that a process gets a buffer it is the same inode. */
static void keep_inode(struct proof *proof, const struct event *event)
{
	enum frame_id id = event->frame;
	struct event *known = &proof->inodes[event->role][id][event->slot];

	if (!known->ino) {
		*known = *event;
		print_event(event);
	} else if (known->ino != event->ino || known->dev != event->dev) {
		proof->one_inode = false;
	}
}

static void keep_release(struct proof *proof, const struct event *event)
{
	uint32_t frames = proof->timeline->frames;
	uint32_t slots = frames < NR_SLOTS ? frames : NR_SLOTS;

	if (proof->nr_closing[event->frame] != users[event->frame] * slots)
		proof->in_order = false;
	if (proof->nr_released < NR_FRAMES)
		proof->released[proof->nr_released++] = event->frame;
	else
		proof->in_order = false;
}

static void follow_event(struct proof *proof, const struct event *event)
{
	switch (event->kind) {
	case EVENT_INODE:
		keep_inode(proof, event);
		return;
	case EVENT_SENT:
		proof->bytes_sent += event->bytes;
		proof->nr_sent++;
		break;
	case EVENT_CLOSING:
		proof->nr_closing[event->frame]++;
		break;
	case EVENT_RELEASED:
		keep_release(proof, event);
		break;
	case EVENT_PEER_GONE:
	case EVENT_FENCE_FAILED:
	case EVENT_ERROR:
		if (event->kind > proof->error.kind)
			proof->error = *event;
		if (event->kind != EVENT_FENCE_FAILED)
			return;
		break;
	default:
		break;
	}
	print_event(event);
}

/* Until the last process has closed its end: by ending, or by dying. */
void proof_follow(struct proof *proof, int log)
{
	struct event event;

	while (recv(log, &event, sizeof(event), 0) == sizeof(event))
		follow_event(proof, &event);
}

/* How many processes have the buffer, each as the same inode; 0 otherwise. */
static unsigned int nr_users(const struct proof *proof, enum frame_id id,
			     uint32_t slot)
{
	const struct event *first = &proof->inodes[VIEWER][id][slot];
	unsigned int nr = 0;

	for (int role = 0; role < NR_ROLES; role++) {
		const struct event *other = &proof->inodes[role][id][slot];

		if (other->ino && (other->ino != first->ino ||
				   other->dev != first->dev))
			return 0;
		nr += other->ino != 0;
	}
	return nr;
}

static bool print_line(const char *what, bool ok, const char *text)
{
	printf("%-30s %s%s\n", what, text, ok ? "" : "  <-- WRONG");
	return ok;
}

static bool print_inodes(const struct proof *proof)
{
	uint32_t frames = proof->timeline->frames;
	uint32_t nr_slots = frames < NR_SLOTS ? frames : NR_SLOTS;
	bool ok = proof->one_inode;
	char text[160] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < NR_FRAMES * nr_slots; i++) {
		enum frame_id id = i / nr_slots;
		uint32_t slot = i % nr_slots;
		unsigned int nr = nr_users(proof, id, slot);

		ok &= nr == users[id];
		len += (size_t)snprintf(text + len, sizeof(text) - len,
				"%s%s %" PRIu64 " (%u of %u)", i ? ", " : "",
				frame_names[id],
				proof->inodes[VIEWER][id][slot].ino, nr,
				users[id]);
	}
	return print_line("same inode in every process:", ok, text);
}

/* Did it begin only when those it depends on had ended? */
static bool span_in_order(const struct timeline *timeline,
			  const struct span *span)
{
	for (uint32_t i = 0; i < span->nr_deps; i++) {
		const struct dep *dep = &span->deps[i];

		if (timeline_span(timeline, dep->role, dep->number)->end >
		    span->begin)
			return false;
	}
	return span->end >= span->begin;
}

static bool print_order(const struct timeline *timeline)
{
	uint32_t frames = timeline->frames;
	uint32_t first = frames < NR_SLOTS ? frames : NR_SLOTS;
	uint32_t nr = 0, slept = 0;
	char text[80];
	bool ok = true;

	for (uint32_t i = 0; i < NR_ROLES * frames; i++) {
		const struct span *span = &timeline->spans[i];

		ok &= span_in_order(timeline, span);
		nr += span->nr_deps;
		for (uint32_t dep = 0; dep < span->nr_deps; dep++)
			slept += span_waited_for(span, dep);
	}
	/* No buffer of the first frames was in use before. */
	ok &= nr == 2 * NR_LINKS * frames - NR_LINKS * first;
	snprintf(text, sizeof(text), "%u, of which %u were pending", nr, slept);
	return print_line("fences that kept the order:", ok, text);
}

static const enum role writers[NR_FRAMES] = { DECODER, FILTER };

/* Whoever has the frame saw the pixels that were written. */
static bool frame_is_one(const struct timeline *timeline, enum frame_id id,
			 uint32_t number)
{
	uint64_t sum = timeline_span(timeline, writers[id], number)->sums[id];

	for (int role = 0; role < NR_ROLES; role++)
		if (role > (int)writers[id] &&
		    timeline_span(timeline, role, number)->sums[id] != sum)
			return false;
	return sum != 0;
}

static bool print_pixels(const struct timeline *timeline)
{
	uint32_t nr[NR_FRAMES] = { 0 };
	char text[120];

	for (uint32_t n = 0; n < timeline->frames; n++)
		for (int id = 0; id < NR_FRAMES; id++)
			nr[id] += frame_is_one(timeline, id, n);
	snprintf(text, sizeof(text), "%u pictures by 3 processes, %u results "
		 "by 2", nr[PICTURE], nr[RESULT]);
	return print_line("seen as they were written:",
			  nr[PICTURE] == timeline->frames &&
			  nr[RESULT] == timeline->frames, text);
}

/* What the run was for. False when something is not as it must be. */
bool proof_print(const struct proof *proof)
{
	uint64_t messages = MESSAGES_A_FRAME * proof->timeline->frames;
	char text[160];
	bool ok;

	printf("\n");
	ok = print_inodes(proof);
	snprintf(text, sizeof(text), "%" PRIu64 " (%" PRIu64
		 " messages of %zu; no pixel)", proof->bytes_sent,
		 proof->nr_sent, sizeof(struct message));
	ok &= print_line("bytes through the sockets:",
			 proof->nr_sent == messages &&
			 proof->bytes_sent == messages * sizeof(struct message),
			 text);
	ok &= print_order(proof->timeline);
	ok &= print_pixels(proof->timeline);
	snprintf(text, sizeof(text), "1. %s, 2. %s",
		 frame_names[proof->released[0]],
		 frame_names[proof->released[1]]);
	ok &= print_line("releases, after the last close:",
			 proof->in_order && proof->nr_released == 2 &&
			 proof->released[0] == RESULT, text);
	return ok;
}
