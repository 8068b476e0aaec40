/* SPDX-License-Identifier: MIT */
/* proof.c - follows the events of a run, and says what they prove */
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "framepipe.h"

static const unsigned int users[NR_FRAMES] = { [PICTURE] = 3, [RESULT] = 2 };

void proof_init(struct proof *proof)
{
	memset(proof, 0, sizeof(*proof));
	proof->in_order = true;
}

static void print_event(const struct event *event)
{
	const char *frame = frame_names[event->frame];

	printf("%-8s ", role_names[event->role]);
	switch (event->kind) {
	case EVENT_INODE:
		printf("has the %s as inode %" PRIu64 ":%" PRIu64 "\n", frame,
		       event->dev, event->ino);
		break;
	case EVENT_SENT:
		printf("sends the %s to the %s: an fd and %" PRIu64 " bytes\n",
		       frame, role_names[event->receiver], event->bytes);
		break;
	case EVENT_CLOSING:
		printf("closes the %s\n", frame);
		break;
	case EVENT_RELEASED:
		printf("released the %s: that was the last close\n", frame);
		break;
	default:
		printf("%s\n", event->text);
	}
	fflush(stdout);
}

static void keep_inode(struct proof *proof, const struct event *event)
{
	proof->inodes[event->role][event->frame] = *event;
	proof->nr_inodes[event->frame]++;
}

static void keep_release(struct proof *proof, const struct event *event)
{
	if (proof->nr_closing[event->frame] != users[event->frame])
		proof->in_order = false;
	if (proof->nr_released < NR_FRAMES)
		proof->released[proof->nr_released++] = event->frame;
	else
		proof->in_order = false;
}

/* The first error counts, but a consequence gives way to its cause. */
static void keep_error(struct proof *proof, const struct event *event)
{
	bool better = proof->error.kind == EVENT_PEER_GONE &&
		      event->kind == EVENT_ERROR;

	if (!proof->error.text[0] || better)
		proof->error = *event;
}

static void follow_event(struct proof *proof, const struct event *event)
{
	switch (event->kind) {
	case EVENT_INODE:
		keep_inode(proof, event);
		break;
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
	case EVENT_ERROR:
	case EVENT_PEER_GONE:
		keep_error(proof, event);
		return;
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

/* Every process that has the frame has the same inode. */
static bool inode_is_one(const struct proof *proof, enum frame_id id)
{
	const struct event *first = &proof->inodes[VIEWER][id];

	for (int role = 0; role < NR_ROLES; role++) {
		const struct event *other = &proof->inodes[role][id];

		if (other->ino && (other->ino != first->ino ||
				   other->dev != first->dev))
			return false;
	}
	return proof->nr_inodes[id] == users[id];
}

static bool print_line(const char *what, bool ok, const char *text)
{
	printf("%-30s %s%s\n", what, text, ok ? "" : "  <-- WRONG");
	return ok;
}

/* What the run was for. False when something is not as it must be. */
bool proof_print(const struct proof *proof)
{
	const struct event *seen = proof->inodes[VIEWER];
	char text[160];
	bool ok;

	printf("\n");
	snprintf(text, sizeof(text), "picture %" PRIu64 ":%" PRIu64
		 " (%u of 3), result %" PRIu64 ":%" PRIu64 " (%u of 2)",
		 seen[PICTURE].dev, seen[PICTURE].ino,
		 proof->nr_inodes[PICTURE], seen[RESULT].dev, seen[RESULT].ino,
		 proof->nr_inodes[RESULT]);
	ok = print_line("same inode in every process:",
			inode_is_one(proof, PICTURE) &&
			inode_is_one(proof, RESULT) &&
			seen[PICTURE].ino != seen[RESULT].ino, text);

	snprintf(text, sizeof(text), "%" PRIu64 " (%" PRIu64
		 " headers of %zu; no pixel)", proof->bytes_sent,
		 proof->nr_sent, sizeof(struct frame_header));
	ok &= print_line("bytes through the sockets:", proof->nr_sent == 3 &&
			 proof->bytes_sent == 3 * sizeof(struct frame_header),
			 text);

	snprintf(text, sizeof(text), "1. %s, 2. %s",
		 frame_names[proof->released[0]],
		 frame_names[proof->released[1]]);
	ok &= print_line("releases, after the last close:",
			 proof->in_order && proof->nr_released == 2 &&
			 proof->released[0] == RESULT, text);
	return ok;
}
