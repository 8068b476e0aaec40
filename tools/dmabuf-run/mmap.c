/* SPDX-License-Identifier: MIT */
/*
 * mmap.c - mmap(2) of a buffer
 *
 * The kernel maps what is one memfd from its start, by itself, once it is known
 * that the buffer allows it. A buffer out of pieces needs inject.c.
 */
#include "handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "answer.h"
#include "decode.h"
#include "fail.h"
#include "files.h"
#include "inject.h"
#include "log.h"

static int flags_without_place(int flags)
{
	return flags & ~(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_POPULATE |
			 MAP_LOCKED);
}

/*
 * Exporters say what they think of private mappings: try one here.
 */
static int private_check(struct dma_buf *dmabuf, const struct call *call)
{
	size_t length = call->args[1];
	void *addr = dma_buf_mmap(dmabuf, length, (int)call->args[2],
				  flags_without_place((int)call->args[3]),
				  (off_t)call->args[5]);

	if (IS_ERR(addr))
		return (int)PTR_ERR(addr);
	munmap(addr, length);
	return 0;
}

static int check(const struct file *file, struct call *call)
{
	struct dma_buf *dmabuf = file->dmabuf;
	int mode = file_flags(call->tid, (int)call->args[4], file);
	int flags = (int)call->args[3];
	int ret = mode < 0 ? mode :
			     dmabuf_buffer_mmap_check(dmabuf, call->args[1],
						      (int)call->args[2], flags,
						      call->args[5],
						      mode & O_ACCMODE);

	if (!ret)
		ret = fail_take(call, false);
	if (!ret && (flags & MAP_TYPE) == MAP_PRIVATE)
		ret = private_check(dmabuf, call);
	return ret;
}

static void map(struct call *call, const struct file *file)
{
	struct dma_buf *dmabuf = file->dmabuf;
	struct dmabuf_udmabuf_range piece;
	int ret = check(file, call);

	if (ret)
		call_return(call, ret);
	else if (!dmabuf_udmabuf_piece(dmabuf, 0, &piece))
		inject_mmap(call, dmabuf);
	else
		log_passed(call);
}

void mmap_handle(struct call *call)
{
	struct file file;

	if (file_of(call->tid, (int)call->args[4], &file))
		return;
	if (file.kind == FILE_BUFFER) {
		decode_mmap(call);
		map(call, &file);
	} else if (file.kind != FILE_OTHER) {
		/* The file behind it may be one that can be mapped. */
		decode_mmap(call);
		call_return(call, -ENODEV);
	}
	file_put(&file);
}
