/* SPDX-License-Identifier: MIT */
/* mock-caller.c - a caller with a small memory and a few fds */
#include "mock-caller.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bsd/string.h>
#include <cmocka.h>

static struct mock_caller *mock_of(struct dmabuf_caller *caller)
{
	return (struct mock_caller *)caller;
}

static void note(struct mock_caller *mock, const char *word)
{
	if (mock->log[0])
		strlcat(mock->log, " ", sizeof(mock->log));
	strlcat(mock->log, word, sizeof(mock->log));
}

/* Page by page, as a kernel copies: up to the first one that is not there. */
static int copy(struct mock_caller *mock, uint64_t addr, char *ours,
		size_t size, bool write)
{
	const bool *denied = write ? mock->unwritable : mock->unreadable;
	size_t at, part;

	for (; size; addr += part, ours += part, size -= part) {
		at = (size_t)(addr - HIS_MEMORY);
		if (addr < HIS_MEMORY || at >= sizeof(mock->memory))
			return -EFAULT;
		if (denied[at / HIS_PAGE])
			return -EFAULT;
		part = HIS_PAGE - at % HIS_PAGE;
		if (part > size)
			part = size;
		if (write)
			memcpy(mock->memory + at, ours, part);
		else
			memcpy(ours, mock->memory + at, part);
	}
	return 0;
}

static int mock_read(struct dmabuf_caller *caller, void *to, uint64_t from,
		     size_t size)
{
	note(mock_of(caller), "read");
	return copy(mock_of(caller), from, to, size, false);
}

static int mock_write(struct dmabuf_caller *caller, uint64_t to,
		      const void *from, size_t size)
{
	note(mock_of(caller), "write");
	return copy(mock_of(caller), to, (char *)(uintptr_t)from, size, true);
}

static int mock_fd_room(struct dmabuf_caller *caller)
{
	struct mock_caller *mock = mock_of(caller);

	note(mock, "room");
	return his_nr_fds(mock) < mock->fds_max ? 0 : -EMFILE;
}

static int mock_fd_give(struct dmabuf_caller *caller, int fd, int flags)
{
	struct mock_caller *mock = mock_of(caller);
	int number;

	note(mock, "give");
	/*
	 * Ours never outlive an exec: his flag is his. By number, so that the
	 * call cannot be made to fail.
	 */
	assert_int_equal(syscall(SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
	if (mock->give_error) {
		close(fd);
		return mock->give_error;
	}
	number = his_fd_put(mock, fd);
	mock->flags[number - HIS_FD] = flags;
	return number;
}

static int mock_fd_open(struct dmabuf_caller *caller, int fd)
{
	struct mock_caller *mock = mock_of(caller);
	int ours = his_fd(mock, fd);

	note(mock, "open");
	if (ours < 0)
		return -EBADF;
	ours = fcntl(ours, F_DUPFD_CLOEXEC, 0);
	return ours < 0 ? -errno : ours;
}

static int mock_sync_file(struct dmabuf_caller *caller, int fd,
			  struct sync_file *ret_file)
{
	struct mock_caller *mock = mock_of(caller);
	int ours = his_fd(mock, fd);
	uint64_t id;
	int ret;

	note(mock, "sync_file");
	if (ours < 0)
		return -EBADF;
	ret = dmabuf_sync_file_id(ours, &id);
	return ret ? ret : dmabuf_sync_file_find(id, ret_file);
}

static const struct dmabuf_caller_ops mock_ops = {
	.read = mock_read,
	.write = mock_write,
	.fd_room = mock_fd_room,
	.fd_give = mock_fd_give,
	.fd_open = mock_fd_open,
	.sync_file = mock_sync_file,
};

void mock_caller_init(struct mock_caller *mock)
{
	size_t i;

	memset(mock, 0, sizeof(*mock));
	mock->base.ops = &mock_ops;
	mock->fds_max = HIS_FDS;
	for (i = 0; i < HIS_FDS; i++)
		mock->fds[i] = -1;
}

void mock_caller_fini(struct mock_caller *mock)
{
	size_t i;

	for (i = 0; i < HIS_FDS; i++)
		if (mock->fds[i] >= 0)
			close(mock->fds[i]);
}

uint64_t his_put(struct mock_caller *mock, size_t at, const void *data,
		  size_t size)
{
	memcpy(mock->memory + at, data, size);
	return HIS_MEMORY + at;
}

void his_get(struct mock_caller *mock, size_t at, void *data, size_t size)
{
	memcpy(data, mock->memory + at, size);
}

int his_fd_put(struct mock_caller *mock, int fd)
{
	size_t i = 0;

	while (i < HIS_FDS && mock->fds[i] >= 0)
		i++;
	assert_true(i < HIS_FDS);
	mock->fds[i] = fd;
	return HIS_FD + (int)i;
}

int his_fd(const struct mock_caller *mock, int number)
{
	if (number < HIS_FD || number >= HIS_FD + HIS_FDS)
		return -1;
	return mock->fds[number - HIS_FD];
}

unsigned int his_nr_fds(const struct mock_caller *mock)
{
	unsigned int nr = 0;
	size_t i;

	for (i = 0; i < HIS_FDS; i++)
		nr += mock->fds[i] >= 0;
	return nr;
}
