/* SPDX-License-Identifier: MIT */
/* main.c - framepipe: three processes share a picture */
/*
 *	file --> decoder ==fd==> filter ==fd==> viewer --> file
 *	            \________________fd________/
 *
 * The parent starts the three, follows their events and puts the output file in
 * its place when everything was as it must be. Each process holds only its own
 * ends of the links, so the death of one is an end of file for the others, and
 * nobody waits for the dead.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "framepipe.h"

static const char usage[] =
	"usage: framepipe [PICTURE.png] [-o OUT.png]\n"
	"\n"
	"Three processes share one picture: a decoder exports it, a filter works on\n"
	"it with a simulated device, a viewer puts both versions side by side.\n"
	"\n"
	"  PICTURE.png           what to read; default: the one that ships with it\n"
	"  -o, --output OUT.png  what to write; default: framepipe.png\n"
	"  --kill PROCESS        decoder, filter or viewer kills itself midway (for\n"
	"                        tests)\n"
	"  -h, --help            this text\n";

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

static int parse_kill(struct options *options, const char *name)
{
	for (int role = 0; role < NR_ROLES; role++)
		if (!strcmp(name, role_names[role]))
			options->kill = role;
	if (options->kill < 0)
		return complain("no process is called '%s'", name);
	return 0;
}

static int parse_option(struct options *options, int opt, const char *word)
{
	switch (opt) {
	case 'o':
		options->output = optarg;
		return *optarg ? 0 : complain("-o needs a file name");
	case 'k':
		return parse_kill(options, optarg);
	case ':':
		return complain("%s needs %s", word, optopt == 'o' ?
				"a file name" : "a process");
	default:
		if (optopt && !strchr("hko", optopt))
			return complain("'-%c' is not understood, --help says "
					"what is", optopt);
		return complain("'%s' is not understood, --help says what is",
				word);
	}
}

/* 1 when only the help was asked for. */
static int parse_options(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "kill", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, ":o:h", longs, NULL)) != -1) {
		if (opt == 'h')
			return 1;
		if (parse_option(options, opt, argv[optind - 1]))
			return -1;
	}
	if (argc - optind > 1)
		return complain("one picture at a time, --help says more");
	if (optind < argc)
		options->picture = argv[optind];
	return 0;
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
static int start(const struct options *options, FILE *output,
		 struct sockets *sockets, pid_t pids[NR_ROLES])
{
	struct stage stage = { .options = options, .output = output };

	fflush(stdout);
	for (int role = 0; role < NR_ROLES; role++) {
		pids[role] = fork();
		if (pids[role] < 0)
			return -errno;
		stage.role = (enum role)role;
		if (pids[role] == 0)
			exit(stage_run(&stage, sockets));
	}
	return 0;
}

/* Reaps all. A process that was killed is the cause of all other trouble. */
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
			return complain("the %s died: %s", role_names[role],
					strsignal(WTERMSIG(status[role])));
	if (proof->error.text[0])
		return complain("%s", proof->error.text);
	if (bad)
		return complain("a process failed without a word");
	return 0;
}

static int run(const struct options *options, FILE *output)
{
	pid_t pids[NR_ROLES] = { -1, -1, -1 };
	struct sockets sockets;
	struct proof proof;
	int ret;

	proof_init(&proof);
	if (sockets_open(&sockets))
		return -1;
	ret = start(options, output, &sockets, pids);
	if (ret)
		snprintf(proof.error.text, sizeof(proof.error.text), "fork: %s",
			 strerror(-ret));
	sockets_close_links(&sockets);
	proof_follow(&proof, sockets.log[1]);
	close_end(&sockets.log[1]);
	if (finish(pids, &proof))
		return -1;
	if (!proof_print(&proof))
		return complain("the run does not prove what it must");
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { FRAMEPIPE_PICTURE, "framepipe.png", -1 };
	FILE *output;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	if (keep_streams_apart())
		return 1;
	ret = parse_options(&options, argc, argv);
	if (ret > 0)
		fputs(usage, stdout);
	if (ret)
		return ret < 0 || stdout_check();
	output = output_open(options.output);
	if (!output)
		return 1;
	ret = run(&options, output);
	if (!ret)
		ret = stdout_check();
	if (output_finish(output, options.output, ret == 0))
		return 1;
	output_print();
	return stdout_check() != 0;
}
