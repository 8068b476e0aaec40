/* SPDX-License-Identifier: MIT */
/* inject-none.c - machines whose registers are not known here */
#include "inject.h"

#include <errno.h>

#include "answer.h"
#include "log.h"

pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;

void inject_mmap(struct call *call, struct dma_buf *dmabuf)
{
	(void)dmabuf;
	log_line("mmap of a udmabuf works on x86-64 and arm64 only");
	call_return(call, -ENODEV);
}
