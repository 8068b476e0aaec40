/* SPDX-License-Identifier: MIT */
/* mock-caller.h - a caller with a small memory and a few fds */
#ifndef TESTS_MOCK_CALLER_H
#define TESTS_MOCK_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dmabuf/uapi.h>

#define HIS_PAGE 4096u
#define HIS_PAGES 8
#define HIS_MEMORY UINT64_C(0x700000000000)	/* his first page */

/* His fds have these numbers, which are not those of this process. */
#define HIS_FD 500
#define HIS_FDS 8

/*
 * Everything that is done to him is written down in @log, as in "room read
 * sync_file write give write": so the order shows. The memory is his first
 * HIS_PAGES pages. The rest is not there.
 */
struct mock_caller {
	struct dmabuf_caller base;	/* first */
	unsigned char memory[HIS_PAGES * HIS_PAGE];
	bool unreadable[HIS_PAGES];
	bool unwritable[HIS_PAGES];
	int fds[HIS_FDS];		/* ours behind his; -1: free */
	int flags[HIS_FDS];		/* as given with them */
	unsigned int fds_max;
	int give_error;			/* he takes no fd, whatever he said */
	char log[256];
};

void mock_caller_init(struct mock_caller *mock);

/* Closes his fds. */
void mock_caller_fini(struct mock_caller *mock);

/* Copy to his memory, or from it, behind his back. Returns the address. */
uint64_t his_put(struct mock_caller *mock, size_t at, const void *data,
		  size_t size);
void his_get(struct mock_caller *mock, size_t at, void *data, size_t size);

/* Give him an fd, which is his then. Returns his number. */
int his_fd_put(struct mock_caller *mock, int fd);

/* Ours behind his. */
int his_fd(const struct mock_caller *mock, int number);

unsigned int his_nr_fds(const struct mock_caller *mock);

/* What is in the log; then it is empty. */
#define assert_asked(mock, text)                                  \
	do {                                                    \
		assert_string_equal((mock)->log, (text));       \
		(mock)->log[0] = '\0';                          \
	} while (0)

#endif
