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
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "answer.h"
#include "decode.h"
#include "log.h"
#include "target.h"
#include "thread.h"

/* With its end; a longer one is EINVAL. */
#define NAME_SIZE 250

#define HUGE_FLAGS (MFD_HUGETLB | (unsigned int)MFD_HUGE_MASK << MFD_HUGE_SHIFT)

/* As the kernel would have it; else who asked could not fchmod(2) it. */
static void owner_set(const struct call *call, int fd)
{
	struct thread_status status;

	if (!thread_status_read(call->tid, &status) &&
	    fchown(fd, status.fs_uid, status.fs_gid))
		log_line("the memfd stays with dmabuf-run's own user: %s",
			 strerror(errno));
}

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
	if (fd < 0)
		fd = -errno;
	else
		owner_set(call, fd);
	call_return_low_fd(call, fd, cloexec);
}
