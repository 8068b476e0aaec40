/* SPDX-License-Identifier: MIT */
/*
 * poll-set.c - what poll(2) and select(2) are asked for
 *
 * The sets of select(2) become entries, each with the events that the kernel
 * asks a file for then.
 */
#include "poll-set.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "interruptions.h"
#include "target.h"
#include "thread.h"

#define SECOND_NS INT64_C(1000000000)

/* More fds than any process may have */
#define NR_MAX (1u << 20)

#define WORD_BITS (8 * sizeof(unsigned long))

/* What a set asks for, and which answers put an fd into it */
static const struct {
	short events, answers;
} set_events[3] = {
	{ POLLIN | POLLRDNORM | POLLRDBAND,
	  POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR },
	{ POLLOUT | POLLWRNORM | POLLWRBAND,
	  POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR },
	{ POLLPRI, POLLPRI },
};

int64_t poll_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Timeouts */

static int deadline_set(struct poll_set *set, int64_t seconds, int64_t ns)
{
	int64_t now = poll_now();

	if (seconds < 0 || ns < 0 || ns >= SECOND_NS)
		return -EINVAL;
	if (seconds >= (DEADLINE_NONE - now) / SECOND_NS - 1)
		set->deadline_ns = DEADLINE_NONE - 1;
	else
		set->deadline_ns = now + seconds * SECOND_NS + ns;
	/* Nothing is written back in place of a zero. */
	if (!seconds && !ns)
		set->timeout_addr = 0;
	return 0;
}

static int timespec_read(const struct call *call, struct poll_set *set,
			 uint64_t addr)
{
	struct timespec timeout;

	set->deadline_ns = DEADLINE_NONE;
	set->timeout_addr = addr;
	if (!addr)
		return 0;
	if (target_read(call->tid, &timeout, addr, sizeof(timeout)))
		return -EFAULT;
	return deadline_set(set, timeout.tv_sec, timeout.tv_nsec);
}

static int timeval_read(const struct call *call, struct poll_set *set,
			uint64_t addr)
{
	struct timeval timeout;
	int64_t seconds;

	set->deadline_ns = DEADLINE_NONE;
	set->timeout_addr = addr;
	set->timeout_is_timeval = true;
	if (!addr)
		return 0;
	if (target_read(call->tid, &timeout, addr, sizeof(timeout)))
		return -EFAULT;
	if (__builtin_add_overflow(timeout.tv_sec, timeout.tv_usec / 1000000,
				   &seconds))
		return -EINVAL;
	return deadline_set(set, seconds, timeout.tv_usec % 1000000 * 1000);
}

static int milliseconds_read(struct poll_set *set, int timeout)
{
	set->deadline_ns = DEADLINE_NONE;
	if (timeout < 0)
		return 0;
	return deadline_set(set, timeout / 1000, timeout % 1000 * 1000000L);
}

bool poll_set_write_timeout(const struct call *call,
			    const struct poll_set *set)
{
	int64_t left = set->deadline_ns - poll_now();
	struct timespec spec;
	struct timeval val;

	if (!set->timeout_addr || !call_valid(call))
		return true;
	if (left < 0)
		left = 0;
	if (!set->timeout_is_timeval) {
		spec.tv_sec = left / SECOND_NS;
		spec.tv_nsec = left % SECOND_NS;
		return !target_write(call->tid, set->timeout_addr, &spec,
				     sizeof(spec));
	}
	val.tv_sec = left / SECOND_NS;
	val.tv_usec = left % SECOND_NS / 1000;
	return !target_write(call->tid, set->timeout_addr, &val, sizeof(val));
}

/* Masks */

static int mask_read(const struct call *call, struct poll_set *set,
		     uint64_t addr, uint64_t size)
{
	if (!addr)
		return 0;
	if (size != sizeof(set->mask))
		return -EINVAL;
	set->has_mask = true;
	if (target_read(call->tid, &set->mask, addr, sizeof(set->mask)))
		return -EFAULT;
	/* Nobody can block these. */
	set->mask &= ~(UINT64_C(1) << (SIGKILL - 1) |
		       UINT64_C(1) << (SIGSTOP - 1));
	return 0;
}

/* The last argument of pselect6 is a pointer to the two. */
static int packed_mask_read(const struct call *call, struct poll_set *set)
{
	uint64_t packed[2] = { 0 };
	uint64_t addr = call->args[5];

	if (addr && target_read(call->tid, packed, addr, sizeof(packed)))
		return -EFAULT;
	return mask_read(call, set, packed[0], packed[1]);
}

/* poll(2) */

static int pollfds_read(const struct call *call, struct poll_set *set)
{
	unsigned int nr = (unsigned int)call->args[1];
	struct pollfd *fds;
	unsigned int i;
	int ret;

	if (nr > NR_MAX || (long)nr > target_max_fds(call->tid))
		return -EINVAL;
	fds = calloc(nr + 1, sizeof(*fds));
	set->entries = calloc(nr + 1, sizeof(*set->entries));
	ret = fds && set->entries ? 0 : -ENOMEM;
	if (!ret && nr)
		ret = target_read(call->tid, fds, call->args[0],
				  nr * sizeof(*fds));
	for (i = 0; !ret && i < nr; i++) {
		set->entries[i].fd = fds[i].fd;
		set->entries[i].events = fds[i].events;
	}
	free(fds);
	set->nr = nr;
	set->addr[0] = call->args[0];
	return ret;
}

/* Only revents: the rest is the program's, and may be changing. */
static int revents_write(const struct call *call, const struct poll_set *set)
{
	struct iovec local[64], remote[64];
	unsigned int done, i, nr;

	for (done = 0; done < set->nr; done += nr) {
		nr = set->nr - done < 64 ? set->nr - done : 64;
		for (i = 0; i < nr; i++) {
			uint64_t to = set->addr[0] +
				      (done + i) * sizeof(struct pollfd) +
				      offsetof(struct pollfd, revents);

			local[i].iov_base = &set->entries[done + i].revents;
			local[i].iov_len = sizeof(short);
			remote[i].iov_base = (void *)(uintptr_t)to;
			remote[i].iov_len = sizeof(short);
		}
		if (process_vm_writev(call->tid, local, nr, remote, nr, 0) !=
		    (ssize_t)(nr * sizeof(short)))
			return -EFAULT;
	}
	return 0;
}

/* select(2) */

static bool set_has(const unsigned long *words, unsigned int fd)
{
	return words[fd / WORD_BITS] >> fd % WORD_BITS & 1;
}

static void entry_add(struct poll_set *set, unsigned int fd, int which)
{
	struct poll_entry *last = set->entries + set->nr;

	if (!set->nr || last[-1].fd != (int)fd) {
		set->nr++;
		*last++ = (struct poll_entry){ .fd = (int)fd };
	}
	last[-1].events |= set_events[which].events;
}

static int entries_make(struct poll_set *set, unsigned long *const words[3],
			unsigned int nr)
{
	unsigned int fd;
	int i;

	set->entries = calloc(nr + 1, sizeof(*set->entries));
	if (!set->entries)
		return -ENOMEM;
	for (fd = 0; fd < nr; fd++)
		for (i = 0; i < 3; i++)
			if (set_has(words[i], fd))
				entry_add(set, fd, i);
	return 0;
}

static int words_alloc(size_t size, unsigned long *ret_words[3])
{
	char *all = calloc(3, size ? size : 1);
	int i;

	if (!all)
		return -ENOMEM;
	for (i = 0; i < 3; i++)
		ret_words[i] = (unsigned long *)(void *)(all + i * size);
	return 0;
}

/* Past the end of the table the kernel looks at nothing. */
static int fd_sets_read(const struct call *call, struct poll_set *set)
{
	struct thread_status status;
	unsigned long *words[3];
	int nr = (int)call->args[0];
	int i, ret;

	if (nr < 0 || thread_status_read(call->tid, &status))
		return -EINVAL;
	if (nr > status.fd_size)
		nr = status.fd_size;
	set->is_select = true;
	set->nr_bits = (unsigned int)nr;
	set->set_size = ((size_t)nr + WORD_BITS - 1) / WORD_BITS *
			sizeof(unsigned long);
	ret = words_alloc(set->set_size, words);
	if (ret)
		return ret;
	for (i = 0; !ret && i < 3; i++) {
		set->addr[i] = call->args[1 + i];
		if (set->addr[i] && set->set_size)
			ret = target_read(call->tid, words[i], set->addr[i],
					  set->set_size);
	}
	if (!ret)
		ret = entries_make(set, words, (unsigned int)nr);
	free(words[0]);
	return ret;
}

/* The number of bits, or -errno */
static long set_fill(const struct poll_set *set, int which,
		     unsigned long *words)
{
	const struct poll_entry *entry = set->entries;
	const struct poll_entry *end = entry + set->nr;
	long nr = 0;

	for (; entry < end; entry++) {
		unsigned int fd = (unsigned int)entry->fd;

		if ((entry->events & set_events[which].events) !=
			    set_events[which].events ||
		    !(entry->revents & set_events[which].answers))
			continue;
		words[fd / WORD_BITS] |= 1UL << fd % WORD_BITS;
		nr++;
	}
	return nr;
}

static long fd_sets_write(const struct call *call, const struct poll_set *set)
{
	unsigned long *words[3];
	long nr = 0;
	int i;

	if (words_alloc(set->set_size, words))
		return -ENOMEM;
	for (i = 0; i < 3; i++) {
		nr += set_fill(set, i, words[i]);
		if (set->addr[i] && set->set_size &&
		    target_write(call->tid, set->addr[i], words[i],
				 set->set_size)) {
			nr = -EFAULT;
			break;
		}
	}
	free(words[0]);
	return nr;
}

/* Both */

static int all_read(const struct call *call, struct poll_set *set)
{
	int ret = -ENOSYS;

	/* What this machine does not have is a number that no call has. */
	switch (call->nr) {
	case SCMP_SYS(poll):
		ret = pollfds_read(call, set);
		return ret ? ret : milliseconds_read(set, (int)call->args[2]);
	case SYS_ppoll:
		ret = pollfds_read(call, set);
		if (!ret)
			ret = timespec_read(call, set, call->args[2]);
		return ret ? ret : mask_read(call, set, call->args[3],
					     call->args[4]);
	case SCMP_SYS(select):
		ret = fd_sets_read(call, set);
		return ret ? ret : timeval_read(call, set, call->args[4]);
	case SYS_pselect6:
		ret = fd_sets_read(call, set);
		if (!ret)
			ret = timespec_read(call, set, call->args[4]);
		return ret ? ret : packed_mask_read(call, set);
	}
	return ret;
}

int poll_set_read(const struct call *call, struct poll_set *set)
{
	int ret;

	memset(set, 0, sizeof(*set));
	ret = all_read(call, set);
	if (ret)
		poll_set_fini(set);
	return ret;
}

void poll_set_fini(struct poll_set *set)
{
	free(set->entries);
	set->entries = NULL;
}

long poll_set_write(const struct call *call, struct poll_set *set, long ret)
{
	long written = ret;

	if (!call_valid(call))
		return -EINTR;
	if (!set->is_select && revents_write(call, set))
		written = -EFAULT;
	else if (set->is_select && ret >= 0)
		written = fd_sets_write(call, set);
	/* Otherwise it does not matter to the kernel either. */
	if (!poll_set_write_timeout(call, set) && written ==
						   -ERESTARTNOHAND)
		written = -EINTR;
	return written;
}
