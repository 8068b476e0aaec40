/* SPDX-License-Identifier: MIT */
/* main.c - framepipe: three processes share frames, kept in order by fences */
/*
 *	file --> decoder ==fd==> filter ==fd==> viewer --> file
 *	            \________________fd________/
 *
 * With each buffer goes a fence: when its writer will be done. Against each
 * arrow comes another one: when its reader will be done, and the buffer may be
 * written again. There are two of each kind, so that two frames are in flight.
 *
 * The parent starts the three, follows their events and puts the output file in
 * its place when everything was as it must be. Each process holds only its own
 * ends of the links, so the death of one is an end of file for the others, and
 * the fences that it owed fail: nobody waits for the dead.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "framepipe.h"

/* One line, whatever bytes a file name has. */
int complain(const char *fmt, ...)
{
	char line[PATH_MAX + 256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = '?';
	fprintf(stderr, "framepipe: %s\n", line);
	return -1;
}

/*
 * Files opened later never get the numbers of the standard streams, even if the
 * caller had closed these: what is printed is not to end in the picture.
 */
static int keep_streams_apart(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? complain("/dev/null: %s", strerror(errno)) : close(fd);
}

static int stdout_check(void)
{
	if (fflush(stdout) || ferror(stdout))
		return complain("cannot write to the standard output");
	return 0;
}

/* All sockets of a run; an end that is closed is -1. */
struct sockets {
	int links[NR_LINKS][2];		/* sender's end, receiver's end */
	int log[2];			/* the processes' end, the parent's */
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void sockets_close_links(struct sockets *sockets)
{
	for (int i = 0; i < NR_LINKS; i++) {
		close_end(&sockets->links[i][0]);
		close_end(&sockets->links[i][1]);
	}
	close_end(&sockets->log[0]);
}

static int sockets_open(struct sockets *sockets)
{
	const int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
	int ret;

	memset(sockets, -1, sizeof(*sockets));
	ret = socketpair(AF_UNIX, type, 0, sockets->log);
	for (int i = 0; !ret && i < NR_LINKS; i++)
		ret = socketpair(AF_UNIX, type, 0, sockets->links[i]);
	if (!ret)
		return 0;
	complain("no sockets: %s", strerror(errno));
	sockets_close_links(sockets);
	close_end(&sockets->log[1]);
	return -1;
}

static void take_end(struct stage *stage, enum link link, int *fd)
{
	stage->links[link] = *fd;
	*fd = -1;
}

static int stage_run(struct stage *stage, struct sockets *sockets)
{
	static int (*const mains[NR_ROLES])(const struct stage *) = {
		decoder_main, filter_main, viewer_main,
	};
	int status;

	for (int i = 0; i < NR_FATAL_SIGNALS; i++)
		signal(fatal_signals[i], SIG_DFL);
	memset(stage->links, -1, sizeof(stage->links));
	if (stage->role == DECODER) {
		take_end(stage, DECODER_FILTER, &sockets->links[DECODER_FILTER][0]);
		take_end(stage, DECODER_VIEWER, &sockets->links[DECODER_VIEWER][0]);
	} else if (stage->role == FILTER) {
		take_end(stage, DECODER_FILTER, &sockets->links[DECODER_FILTER][1]);
		take_end(stage, FILTER_VIEWER, &sockets->links[FILTER_VIEWER][0]);
	} else {
		take_end(stage, DECODER_VIEWER, &sockets->links[DECODER_VIEWER][1]);
		take_end(stage, FILTER_VIEWER, &sockets->links[FILTER_VIEWER][1]);
	}
	stage->log = sockets->log[0];
	sockets->log[0] = -1;
	sockets_close_links(sockets);
	close_end(&sockets->log[1]);
	status = mains[stage->role](stage);
	fclose(stage->output);
	return status;
}

/* The parent has made no use of the library yet: its children start fresh. */
static int start(struct stage *stage, struct sockets *sockets,
		 pid_t pids[NR_ROLES])
{
	fflush(stdout);
	for (int role = 0; role < NR_ROLES; role++) {
		pids[role] = fork();
		if (pids[role] < 0)
			return -errno;
		stage->role = (enum role)role;
		if (pids[role] == 0)
			exit(stage_run(stage, sockets));
	}
	return 0;
}

/* A process that was killed is the cause of all other trouble. */
static int complain_of_death(enum role role, int sig, const struct event *error)
{
	if (error->kind != EVENT_FENCE_FAILED)
		return complain("the %s died: %s", role_names[role],
				strsignal(sig));
	return complain("the %s died: %s; the %s %s", role_names[role],
			strsignal(sig), role_names[error->role], error->text);
}

/* Reaps all, the timeline's writers. */
static int finish(const pid_t pids[NR_ROLES], const struct proof *proof)
{
	int status[NR_ROLES] = { 0 };
	int bad = 0;

	for (int role = 0; role < NR_ROLES; role++) {
		if (pids[role] > 0)
			waitpid(pids[role], &status[role], 0);
		bad |= status[role];
	}
	for (int role = 0; role < NR_ROLES; role++)
		if (WIFSIGNALED(status[role]))
			return complain_of_death((enum role)role,
						 WTERMSIG(status[role]),
						 &proof->error);
	if (proof->error.text[0])
		return complain("%s", proof->error.text);
	if (bad)
		return complain("a process failed without a word");
	return 0;
}

static int run(struct stage *stage)
{
	pid_t pids[NR_ROLES] = { -1, -1, -1 };
	struct sockets sockets;
	struct proof proof;
	int ret;

	proof_init(&proof, stage->timeline);
	if (sockets_open(&sockets))
		return -1;
	ret = start(stage, &sockets, pids);
	if (ret) {
		proof.error.kind = EVENT_ERROR;
		snprintf(proof.error.text, sizeof(proof.error.text), "fork: %s",
			 strerror(-ret));
	}
	sockets_close_links(&sockets);
	proof_follow(&proof, sockets.log[1]);
	close_end(&sockets.log[1]);
	ret = finish(pids, &proof);
	if (timeline_close(stage->timeline))
		timeline_print(stage->timeline);
	if (ret)
		return -1;
	if (!proof_print(&proof))
		return complain("the run does not prove what it must");
	return 0;
}

/* A drawing of a run that failed is of use too, if there is something on it. */
static int put_timeline(const struct timeline *timeline, FILE *file)
{
	bool good = timeline_close(timeline);

	if (good)
		timeline_draw(timeline, file);
	return output_finish(OUTPUT_TIMELINE, good);
}

static int run_with_outputs(const struct options *options, FILE *output,
			    FILE *drawing)
{
	struct timeline timeline;
	struct stage stage = { .options = options, .output = output,
			       .timeline = &timeline };
	int ret, drawn = -1;

	ret = timeline_init(&timeline, options->frames);
	if (!ret) {
		ret = run(&stage);
		if (!ret)
			ret = stdout_check();
		if (drawing)
			drawn = put_timeline(&timeline, drawing);
		timeline_fini(&timeline);
	} else if (drawing) {
		output_finish(OUTPUT_TIMELINE, false);
	}
	ret = output_finish(OUTPUT_PICTURE, ret == 0);
	if (!ret)
		output_print(OUTPUT_PICTURE);
	if (!drawn)
		output_print(OUTPUT_TIMELINE);
	return ret || (drawing && drawn) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct options options;
	FILE *output, *drawing = NULL;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	if (keep_streams_apart())
		return 1;
	ret = options_parse(&options, argc, argv);
	if (ret)
		return ret < 0 || stdout_check();
	output = output_open(OUTPUT_PICTURE, options.output);
	if (output && options.timeline)
		drawing = output_open(OUTPUT_TIMELINE, options.timeline);
	if (options.timeline && !drawing)
		output_finish(OUTPUT_PICTURE, false);
	if (!output || (options.timeline && !drawing))
		return 1;
	if (run_with_outputs(&options, output, drawing))
		return 1;
	return stdout_check() != 0;
}
