/* SPDX-License-Identifier: MIT */
/* locking.h - what test-locking calls, and a mock exporter that logs its ops */
#ifndef LOCKING_H
#define LOCKING_H

#include <stdbool.h>
#include <stddef.h>

#include <dmabuf/dmabuf.h>

#define SIZE 4096

/* The mock exporter, and a heap that it is */

enum op {
	OP_ATTACH, OP_DETACH, OP_PIN, OP_UNPIN, OP_MAP, OP_UNMAP, OP_RELEASE,
	OP_BEGIN, OP_END, OP_MMAP, OP_VMAP, OP_VUNMAP, OP_BACKING, OP_MOVE,
	OP_ALLOCATE,
	NR_OPS
};

extern const char *const op_names[NR_OPS];

extern unsigned int op_log;		/* a bit for each op that ran */
extern enum op op_fails;		/* NR_OPS: none */

extern enum op hook_op;
extern void (*hook)(struct dma_buf *dmabuf);	/* runs once, in hook_op */

extern const struct dma_buf_ops static_ops, dynamic_ops;
extern const struct dma_buf_attach_ops importer_ops;

struct dma_buf *mock_export(const struct dma_buf_ops *ops);
extern const struct dma_heap_ops mock_heap_ops;
struct dma_heap *mock_heap(void);

/* What the functions work on: one set for the test, one for the hook */

struct set {
	struct dma_buf_attachment *fixed;	/* static importer */
	struct dma_buf_attachment *moving;	/* dynamic importer */
	struct sg_table *table;			/* mapped through moving */
	struct dma_buf *victim;			/* one reference */
	struct dma_buf_attachment *made;
	struct sg_table *mapped;
	struct dma_buf *exported;
	int refs;
};

extern struct dma_buf *buffer;
extern struct dma_buf *udmabuf;		/* on ranges of udmabuf_memfd */
extern int udmabuf_memfd;
extern struct device *dev;
extern struct set sets[2], *set;
extern int buffer_fd;			/* -1: none */
extern void *view;			/* MAP_FAILED: none */
extern unsigned int vmaps;
extern int nr_closed;	/* fds that dispatch will tell of */

void fixture_init(const struct dma_buf_ops *ops, bool vmapped);
void fixture_fini(void);

/* The functions: a row of the table each */

enum {
	VMAPPED = 1,		/* wants a vmap before */
	WITH_FD = 2,		/* wants an fd before */
	ON_UDMABUF = 4,		/* is about that buffer */
};

struct function {
	const char *name;	/* and, of an ioctl, which */
	void (*call)(void);
	unsigned int how;
};

extern const struct function functions[];
extern const size_t nr_functions;

#define for_each_function(f) \
	for ((f) = functions; (f) < functions + nr_functions; (f)++)

void call_fd(void);
void call_put(void);
void call_begin(void);

/* locking-uapi.c */
void call_heap_add(void);
void call_heap_find(void);
void call_heap_drvdata(void);
void call_heap_name(void);
void call_heap_buffer_alloc(void);
void call_heap_add_kind(void);
void call_heap_next(void);
void call_alloc(void);
void call_udmabuf_export(void);
void call_udmabuf_set_limits(void);
void call_udmabuf_list_limit(void);
void call_udmabuf_piece(void);
void call_udmabuf_view_fd(void);
void call_ioctl_sync(void);
void call_ioctl_set_name(void);
void call_ioctl_export(void);
void call_ioctl_import(void);
void call_fd_ioctl_sync(void);
void call_seek(void);
void call_mmap_check(void);
void call_fdinfo(void);
void call_bufinfo(void);
void call_heap_ioctl(void);
void call_udmabuf_ioctl(void);
void call_find(void);

#endif
