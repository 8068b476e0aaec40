/* SPDX-License-Identifier: MIT */
/* framepipe.h - what the three processes and their parent share */
#ifndef FRAMEPIPE_H
#define FRAMEPIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <dmabuf/dmabuf.h>

enum role { DECODER, FILTER, VIEWER, NR_ROLES };
enum frame_id { PICTURE, RESULT, NR_FRAMES };
enum link { DECODER_FILTER, DECODER_VIEWER, FILTER_VIEWER, NR_LINKS };

extern const char *const role_names[NR_ROLES];
extern const char *const frame_names[NR_FRAMES];

struct options {
	const char *picture;
	const char *output;
	int kill;		/* role that kills itself midway, or -1 */
};

/* One process of the three. The ends of links that are not its own are -1. */
struct stage {
	enum role role;
	int links[NR_LINKS];
	int log;
	const struct options *options;
	FILE *output;		/* the viewer's */
};

/* Pixels are RGBA, 8 bits each; a row takes stride bytes. */
struct frame {
	enum frame_id id;
	uint32_t width, height, stride;
	struct dma_buf *dmabuf;
};

/* What goes over a link, with one fd beside it: all that is not a pixel. */
struct frame_header {
	uint32_t magic, width, height, stride;
};

/*
 * What a process tells its parent. The log is one socket that all three write
 * to, so events that cause each other arrive in that order.
 */
enum event_kind {
	EVENT_NOTE,		/* for people */
	EVENT_INODE,		/* dev and ino of a frame, as seen here */
	EVENT_SENT,		/* bytes that go over a link now */
	EVENT_CLOSING,		/* about to give back all it has of a frame */
	EVENT_RELEASED,		/* the exporter has released a frame */
	EVENT_ERROR,
	EVENT_PEER_GONE,	/* an error that another process began */
};

struct event {
	enum event_kind kind;
	enum role role;
	enum role receiver;	/* of what was sent */
	enum frame_id frame;
	uint64_t dev, ino, bytes;
	char text[400];
};

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* main.c: one line on stderr; always -1 */
int complain(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* output.c: errors are complained of. output_finish() returns 0 or -1 */
#define NR_FATAL_SIGNALS 4

extern const int fatal_signals[NR_FATAL_SIGNALS];

FILE *output_open(const char *path);
int output_finish(FILE *file, const char *path, bool good);
void output_print(void);

/* channel.c: frames over the links, events over the log. Both return 0 or -1 */
int stage_event(const struct stage *stage, struct event *event);
int stage_note(const struct stage *stage, const char *fmt, ...)
	PRINTF_LIKE(2, 3);
int stage_fail(const struct stage *stage, const char *fmt, ...)
	PRINTF_LIKE(2, 3);	/* always -1, after the event */
void stage_midway(const struct stage *stage);

int frame_create(const struct stage *stage, struct frame *frame,
		 enum frame_id id, uint32_t width, uint32_t height);
int frame_fd(const struct stage *stage, const struct frame *frame);
int frame_send(const struct stage *stage, enum link link,
	       const struct frame *frame, int fd);
int frame_receive(const struct stage *stage, enum link link,
		  struct frame *frame, enum frame_id id);
int frame_close(const struct stage *stage, struct frame *frame);
int frame_wait_released(const struct stage *stage, enum frame_id id);
int link_wait_closed(const struct stage *stage, enum link link);

/* png.c: errors are texts, put into a caller's buffer. All return 0 or -1 */
#define PNG_ERROR_SIZE 128

struct png_picture {
	FILE *file;
	void *png, *info;	/* libpng's */
	int passes;
	uint32_t width, height;
	char error[PNG_ERROR_SIZE];
};

/* Why a file is none to read or write; NULL for a regular one. */
const char *irregular(const struct stat *st);

typedef const uint8_t *(*png_row_fn)(void *data, uint32_t y);

int png_picture_open(struct png_picture *picture, const char *path);
int png_picture_read(struct png_picture *picture, uint8_t *pixels,
		     size_t stride);
void png_picture_close(struct png_picture *picture);
int png_picture_write(FILE *file, uint32_t width, uint32_t height,
		      png_row_fn row, void *data, char *error);

/* The processes. Each returns its exit status. */
int decoder_main(const struct stage *stage);
int filter_main(const struct stage *stage);
int viewer_main(const struct stage *stage);

/* proof.c: what the parent makes of the events */
struct proof {
	struct event inodes[NR_ROLES][NR_FRAMES];
	unsigned int nr_inodes[NR_FRAMES];
	unsigned int nr_closing[NR_FRAMES];
	enum frame_id released[NR_FRAMES];
	unsigned int nr_released;
	uint64_t bytes_sent, nr_sent;
	bool in_order;
	struct event error;	/* the first one; a cause beats an effect */
};

void proof_init(struct proof *proof);
void proof_follow(struct proof *proof, int log);
bool proof_print(const struct proof *proof);

#endif
