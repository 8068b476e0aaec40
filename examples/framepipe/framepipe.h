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

#define NR_SLOTS 2u		/* buffers of a kind: frames in flight */
#define MAX_FRAMES 1000u
#define MAX_DEPS 2u		/* fences that a process waits for, a frame */

enum role { DECODER, FILTER, VIEWER, NR_ROLES };
enum frame_id { PICTURE, RESULT, NR_FRAMES };
enum link { DECODER_FILTER, DECODER_VIEWER, FILTER_VIEWER, NR_LINKS };

extern const char *const role_names[NR_ROLES];
extern const char *const frame_names[NR_FRAMES];

struct options {
	const char *picture;
	const char *output;
	const char *timeline;	/* or NULL */
	uint32_t frames;
	int kill;		/* role that kills itself midway, or -1 */
};

/* options.c: 0; 1 when only the help was asked for; -1 after a complaint */
int options_parse(struct options *options, int argc, char **argv);

/* A fence of another process that a span had to wait for. */
struct dep {
	enum role role;
	uint32_t number;	/* frame */
	int64_t signalled;
	int error;
};

/*
 * What a process did for a frame. Times are of CLOCK_MONOTONIC, in nanoseconds;
 * what it did not come to is 0.
 */
struct span {
	int64_t wait, begin, end;
	struct dep deps[MAX_DEPS];
	uint32_t nr_deps;
	bool died, failed;
	uint64_t sums[NR_FRAMES];	/* of the pixels, as written or seen */
};

/* Memory of all four processes; each writes to its own spans only. */
struct timeline {
	uint32_t frames;
	struct span *spans;
};

/* timeline.c */
int timeline_init(struct timeline *timeline, uint32_t frames);
void timeline_fini(struct timeline *timeline);
struct span *timeline_span(const struct timeline *timeline, enum role role,
			   uint32_t number);
uint32_t timeline_nr_spans(const struct timeline *timeline);
const struct span *timeline_shown(const struct timeline *timeline, uint32_t i);
bool timeline_close(const struct timeline *timeline);
int64_t timeline_first(const struct timeline *timeline);
int64_t timeline_last(const struct timeline *timeline);
int64_t span_woken(const struct span *span);
bool span_waited_for(const struct span *span, uint32_t dep);
void timeline_print(const struct timeline *timeline);

/* svg.c */
void timeline_draw(const struct timeline *timeline, FILE *file);

/* One process of the three. The ends of links that are not its own are -1. */
struct stage {
	enum role role;
	int links[NR_LINKS];
	int log;
	const struct options *options;
	const struct timeline *timeline;
	FILE *output;		/* the viewer's */
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
	EVENT_RELEASED,		/* the exporter has released its frames */
	EVENT_PEER_GONE,	/* from here on errors, the best reason last */
	EVENT_FENCE_FAILED,
	EVENT_ERROR,
};

struct event {
	enum event_kind kind;
	enum role role;
	enum role receiver;	/* of what was sent */
	enum frame_id frame;
	uint32_t number, slot;
	bool fence_only;
	uint64_t dev, ino, bytes;
	char text[400];
};

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* stage.c: what a process says and when it is. 0, or -1 */
int stage_event(const struct stage *stage, struct event *event);
int stage_note(const struct stage *stage, const char *fmt, ...)
	PRINTF_LIKE(2, 3);
int stage_fail(const struct stage *stage, const char *fmt, ...)
	PRINTF_LIKE(2, 3);	/* always -1, after the event */
int stage_error(const struct stage *stage, enum event_kind kind,
		const char *fmt, ...) PRINTF_LIKE(3, 4);	/* always -1 */
void stage_midway(const struct stage *stage, uint32_t number);
int64_t now_ns(void);

/* channel.c: messages over the links. All return 0 or -1 */

/* All that goes over a link and is no fd. A fence alone has no size. */
struct message {
	uint32_t magic, number, width, height, stride;
};

enum role link_peer(const struct stage *stage, enum link link);
int message_send(const struct stage *stage, enum link link,
		 struct message *message, const int *fds, size_t nr_fds);
int message_receive(const struct stage *stage, enum link link,
		    struct message *message, int *fds, size_t nr_fds);
int link_wait_closed(const struct stage *stage, enum link link);

/* Pixels are RGBA, 8 bits each; a row takes stride bytes. */
struct frame {
	enum frame_id id;
	uint32_t slot;
	uint32_t width, height, stride;
	struct dma_buf *dmabuf;		/* NULL before its first use */
	int fd;				/* the exporter's, or -1 */
};

/*
 * Work of a process on one frame: job.c says how it goes. The fence of its own
 * is there from job_arm() to job_end().
 */
struct job {
	const struct stage *stage;
	uint32_t number;
	struct span *span;
	struct { const struct frame *frame; bool write; } uses[NR_FRAMES];
	uint32_t nr_uses, nr_cpu;
	struct dma_fence *deps[MAX_DEPS];
	struct dma_fence *pending[NR_FRAMES];	/* collected */
	struct dma_fence *fence;
	int fd;
	int error;
};

/* job.c: all return 0 or -1 */
void job_init(struct job *job, const struct stage *stage, uint32_t number);
void job_use(struct job *job, const struct frame *frame, bool write);
int job_depend(struct job *job, const struct frame *frame, bool write,
	       enum role role, uint32_t number, int fd);
int job_collect(struct job *job);
int job_arm(struct job *job);
int job_wait_cpu(struct job *job);
int job_wait_device(struct job *job);
int job_end(struct job *job, int ret);

/* frame.c: buffers and their fences over the links. All return 0 or -1 */
int frame_create(const struct stage *stage, struct frame *frame,
		 enum frame_id id, uint32_t width, uint32_t height,
		 uint32_t slot);
int frame_send(const struct job *job, enum link link,
	       const struct frame *frame);
int frame_receive(struct job *job, enum link link, struct frame *frame,
		  enum frame_id id);
int release_send(const struct job *job, enum link link, enum frame_id id);
int release_receive(struct job *job, enum link link, const struct frame *frame);
int frames_close(const struct stage *stage, struct frame frames[NR_SLOTS]);
int frames_wait_released(const struct stage *stage, enum frame_id id);
uint64_t sum_row(uint64_t sum, const uint8_t *row, uint32_t width);

/* device.c: a frame as a device sees it. Both return 0 or -errno */
struct dma_frame {
	const struct frame *frame;
	struct device *dev;
	struct dma_buf_attachment *attach;
	struct sg_table *table;
	enum dma_data_direction dir;
};

int dma_frame_map(struct dma_frame *dma, const struct frame *frame,
		  struct device *dev, enum dma_data_direction dir);
void dma_frame_unmap(struct dma_frame *dma);
int dma_frame_row(struct dma_frame *dma, uint32_t y, uint8_t *pixels);

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

/* main.c: one line on stderr; always -1 */
int complain(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* output.c: errors are complained of. output_finish() returns 0 or -1 */
#define NR_FATAL_SIGNALS 4

enum output { OUTPUT_PICTURE, OUTPUT_TIMELINE, NR_OUTPUTS };

extern const int fatal_signals[NR_FATAL_SIGNALS];

FILE *output_open(enum output output, const char *path);
int output_finish(enum output output, bool good);
void output_print(enum output output);

/* proof.c: what the parent makes of the events */
struct proof {
	const struct timeline *timeline;
	struct event inodes[NR_ROLES][NR_FRAMES][NR_SLOTS];
	bool one_inode;
	unsigned int nr_closing[NR_FRAMES];
	enum frame_id released[NR_FRAMES];
	unsigned int nr_released;
	uint64_t bytes_sent, nr_sent;
	bool in_order;
	struct event error;	/* the first one; a cause beats an effect */
};

void proof_init(struct proof *proof, const struct timeline *timeline);
void proof_follow(struct proof *proof, int log);
bool proof_print(const struct proof *proof);

#endif
