/* SPDX-License-Identifier: MIT */
/* mock-exporter.h - an exporter that logs its calls and fails on demand */
#ifndef TESTS_MOCK_EXPORTER_H
#define TESTS_MOCK_EXPORTER_H

#include <pthread.h>

#include <dmabuf/dmabuf.h>

/* Words of the log are the names in the comments. */
enum mock_op {
	MOCK_OP_ATTACH,		/* attach */
	MOCK_OP_DETACH,		/* detach */
	MOCK_OP_PIN,		/* pin */
	MOCK_OP_UNPIN,		/* unpin */
	MOCK_OP_MAP,		/* map */
	MOCK_OP_UNMAP,		/* unmap */
	MOCK_OP_RELEASE,	/* release */
	MOCK_OP_BEGIN,		/* begin */
	MOCK_OP_END,		/* end */
	MOCK_OP_MMAP,		/* mmap */
	MOCK_OP_VMAP,		/* vmap */
	MOCK_OP_VUNMAP,		/* vunmap */
	MOCK_OP_BACKING_FD,	/* backing_fd */
	MOCK_OP_MOVE_NOTIFY,	/* move_notify, of mock_importer */
	MOCK_NR_OPS,
};

enum {
	MOCK_DYNAMIC = 1 << 0,	/* with pin and unpin */
	MOCK_CACHED = 1 << 1,	/* cache_sgt_mapping */
	MOCK_PAGES = 1 << 2,	/* with backing_fd */
	MOCK_BARE = 1 << 3,	/* none of the optional ops */
};

/*
 * Belongs to the test and outlives the buffer, so that the log can be read
 * after the release. Any thread may call the ops.
 */
struct mock {
	/* The test may change these between mock_init() and mock_export(). */
	struct dma_buf_ops ops;
	struct dma_buf_export_info info;

	struct dma_buf *dmabuf;
	int fd;			/* memfd with the pages; -1 after the release */
	void *addr;		/* where vmap says they are */
	struct dmabuf_pages pages;

	/*
	 * Called in each op after it was logged and before it acts; NULL: not.
	 * @attach is NULL where the op has none.
	 */
	void (*hook)(struct mock *mock, enum mock_op op,
		     struct dma_buf_attachment *attach);
	void *hook_data;
	enum dma_data_direction dir;	/* of the last op that has one */

	pthread_mutex_t log_lock;
	char log[1024];			/* ends in "..." when it was too long */
	unsigned int calls[MOCK_NR_OPS];
	unsigned int fail_at[MOCK_NR_OPS];
	long fail_ret[MOCK_NR_OPS];
};

/* Fill in ops and info, with @size bytes of zeroed pages. */
void mock_init(struct mock *mock, size_t size, unsigned int options);

/* mock_init() and dma_buf_export(), which must succeed. */
struct dma_buf *mock_export(struct mock *mock, size_t size,
			    unsigned int options);

/* dma_buf_export() after mock_init(), which must succeed. */
struct dma_buf *mock_export_inited(struct mock *mock);

/* The pages of a mock that was never exported, or whose export failed. */
void mock_fini(struct mock *mock);

/*
 * Let the @nth call of @op from now on (1: the next) return @ret and do
 * nothing. For map and vmap, @ret is the pointer: 0 for NULL, -ENOMEM for
 * ERR_PTR(-ENOMEM).
 */
void mock_fail(struct mock *mock, enum mock_op op, unsigned int nth, long ret);

/* How often @op was called since mock_init(). */
unsigned int mock_calls(struct mock *mock, enum mock_op op);

/* The log is as given, as "attach map unmap detach"; it is empty afterwards. */
void mock_log_check(struct mock *mock, const char *log, const char *file,
		    int line);
#define assert_log(mock, text) \
	mock_log_check((mock), (text), __FILE__, __LINE__)

/* A dynamic importer; give the mock as importer_priv. */
extern const struct dma_buf_attach_ops mock_importer;

/* A device without limits; ended by dmabuf_device_destroy(). */
struct device *device_new(void);

#endif
