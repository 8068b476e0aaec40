/* SPDX-License-Identifier: MIT */
/* options.c - the command line */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "framepipe.h"

#define DEFAULT_FRAMES 6

static const char usage[] =
	"usage: framepipe [PICTURE.png] [-o OUT.png] [-n FRAMES]\n"
	"                 [--timeline OUT.svg] [--kill PROCESS]\n"
	"\n"
	"Three processes share the frames of a scrolling picture: a decoder exports\n"
	"them, a filter works on them with a simulated device, a viewer puts both\n"
	"versions side by side. Fences keep them in order. Prints who worked when.\n"
	"\n"
	"  PICTURE.png           what to read; default: the one that ships with it\n"
	"  -o, --output OUT.png  what to write: the last frame; default: framepipe.png\n"
	"  -n, --frames FRAMES   how many, 1 to 1000; default: 6\n"
	"  --timeline OUT.svg    draws who worked when, and who waited for whom\n"
	"  --kill PROCESS        decoder, filter or viewer kills itself in the middle\n"
	"                        of the middle frame: what the others make of it\n"
	"  -h, --help            this text\n";

static int parse_kill(struct options *options, const char *name)
{
	for (int role = 0; role < NR_ROLES; role++)
		if (!strcmp(name, role_names[role]))
			options->kill = role;
	if (options->kill < 0)
		return complain("no process is called '%s'", name);
	return 0;
}

static int parse_frames(struct options *options, const char *text)
{
	unsigned long frames;
	char *end;

	errno = 0;
	frames = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || !frames ||
	    frames > MAX_FRAMES)
		return complain("'%s' is no number of frames from 1 to %u", text,
				MAX_FRAMES);
	options->frames = (uint32_t)frames;
	return 0;
}

static int parse_file(const char **file, const char *option)
{
	*file = optarg;
	return *optarg ? 0 : complain("%s needs a file name", option);
}

static const char *argument_of(int opt)
{
	switch (opt) {
	case 'n':
		return "a number";
	case 'k':
		return "a process";
	default:
		return "a file name";
	}
}

static int parse_option(struct options *options, int opt, const char *word)
{
	switch (opt) {
	case 'o':
		return parse_file(&options->output, "-o");
	case 't':
		return parse_file(&options->timeline, "--timeline");
	case 'n':
		return parse_frames(options, optarg);
	case 'k':
		return parse_kill(options, optarg);
	case ':':
		return complain("%s needs %s", word, argument_of(optopt));
	default:
		if (optopt && !strchr("hkont", optopt))
			return complain("'-%c' is not understood, --help says "
					"what is", optopt);
		return complain("'%s' is not understood, --help says what is",
				word);
	}
}

int options_parse(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "frames", required_argument, NULL, 'n' },
		{ "timeline", required_argument, NULL, 't' },
		{ "kill", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt;

	*options = (struct options){ FRAMEPIPE_PICTURE, "framepipe.png", NULL,
				     DEFAULT_FRAMES, -1 };
	while ((opt = getopt_long(argc, argv, ":o:n:h", longs, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return 1;
		}
		if (parse_option(options, opt, argv[optind - 1]))
			return -1;
	}
	if (argc - optind > 1)
		return complain("one picture at a time, --help says more");
	if (optind < argc)
		options->picture = argv[optind];
	return 0;
}
