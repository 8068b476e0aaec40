/* SPDX-License-Identifier: MIT */
/*
 * memfd.c - memfd_create(2) of huge pages, for --small-pages
 *
 * The memfd that the program gets is an ordinary one. It needs no huge pages to
 * be reserved, and a udmabuf of any part of it can be mapped, for which of huge
 * pages only the kernel has the means.
 */
#include "handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include "answer.h"
#include "decode.h"
#include "target.h"

/* With its end; a longer one is EINVAL. */
#define NAME_SIZE 250

#define HUGE_FLAGS (MFD_HUGETLB | (unsigned int)MFD_HUGE_MASK << MFD_HUGE_SHIFT)

/*
 * A name that is too long, or cannot be read, is the kernel's business: it
 * looks at the flags first, and where nobody may look into the program, only
 * the kernel can read it.
 */
void memfd_handle(struct call *call)
{
	unsigned int flags = (unsigned int)call->args[1];
	char name[NAME_SIZE];
	int fd, cloexec = flags & MFD_CLOEXEC ? O_CLOEXEC : 0;

	if (target_read_string(call->tid, name, call->args[0], sizeof(name)))
		return;
	decode_memfd(call, name);
	fd = memfd_create(name, (flags & ~HUGE_FLAGS) | MFD_CLOEXEC);
	call_return_low_fd(call, fd < 0 ? -errno : fd, cloexec);
}
