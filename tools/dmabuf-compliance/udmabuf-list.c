/* SPDX-License-Identifier: MIT */
/* udmabuf-list.c - rows: UDMABUF_CREATE_LIST, its checks and their order */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 8

/* As struct udmabuf_create_list, with room. */
struct list {
	__u32 flags, count;
	struct udmabuf_create_item items[MOST];
};

/* Pages [@first, @first + @pages) of @memfd come next. */
static void add(struct list *list, int memfd, size_t first, size_t pages)
{
	struct udmabuf_create_item *item = &list->items[list->count++];

	item->memfd = (__u32)memfd;
	item->offset = first * page_size();
	item->size = pages * page_size();
}

static int create(long long want, struct list *list)
{
	struct fd_snapshot before;
	int device = udmabuf_open();
	long long got;

	fds_snapshot(&before);
	got = expect(want, ioctl(device, UDMABUF_CREATE_LIST, list),
		     "ioctl(udmabuf, UDMABUF_CREATE_LIST, {count=%u})",
		     (unsigned int)list->count);
	if (got < 0)
		expect_no_new_fd(&before);
	return (int)got;
}

static void expect_pages(int buf, const unsigned int *numbers, size_t pages)
{
	unsigned char *addr;
	size_t i;

	expect((long long)(pages * page_size()), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
	addr = buffer_map(buf, pages);
	for (i = 0; i < pages; i++)
		expect_page_number(addr + i * page_size(), numbers[i],
				   "the mapping");
}

static void one(void)
{
	static const unsigned int numbers[] = { 1, 2 };
	struct list list = { .count = 0 };

	add(&list, sealed_memfd(4), 1, 2);
	expect_pages(create(ANY_FD, &list), numbers, 2);
}

static void in_list_order(void)
{
	static const unsigned int numbers[] = { 3, 0, 1, 2 };
	struct list list = { .count = 0 };
	int memfd = sealed_memfd(4);

	add(&list, memfd, 3, 1);
	add(&list, memfd, 0, 2);
	add(&list, memfd, 2, 1);
	expect_pages(create(ANY_FD, &list), numbers, 4);
}

static void two_memfds(void)
{
	static const unsigned int numbers[] = { 2, 1, 3 };
	struct list list = { .count = 0 };
	int a = sealed_memfd(4), b = sealed_memfd(4);

	add(&list, a, 2, 1);
	add(&list, b, 1, 1);
	add(&list, a, 3, 1);
	expect_pages(create(ANY_FD, &list), numbers, 3);
}

static void overlapping(void)
{
	static const unsigned int numbers[] = { 0, 1, 1, 2, 0, 1 };
	struct list list = { .count = 0 };
	int memfd = sealed_memfd(4);

	add(&list, memfd, 0, 2);
	add(&list, memfd, 1, 2);
	add(&list, memfd, 0, 2);
	expect_pages(create(ANY_FD, &list), numbers, 6);
}

static void one_page_thrice(void)
{
	struct list list = { .count = 0 };
	int memfd = sealed_memfd(2);
	unsigned char *addr;

	add(&list, memfd, 1, 1);
	add(&list, memfd, 1, 1);
	add(&list, memfd, 1, 1);
	addr = buffer_map(create(ANY_FD, &list), 3);
	number_pages(addr + page_size(), 1, 77);
	expect_page_number(addr, 77, "the first page");
	expect_page_number(addr + 2 * page_size(), 77, "the third page");
}

/* @a: flags, @want: close-on-exec. */
static void flags(void)
{
	struct list list = { .flags = (__u32)the_row->a };

	add(&list, sealed_memfd(2), 0, 1);
	expect(the_row->want, fcntl(create(ANY_FD, &list), F_GETFD),
	       "fcntl(buf, F_GETFD)");
}

static void padding(void)
{
	struct list list = { .count = 0 };

	add(&list, sealed_memfd(2), 0, 1);
	list.items[0].__pad = 0xffffffff;
	create(ANY_FD, &list);
}

static void empty(void)
{
	struct list list = { .count = 0 };

	create(-EINVAL, &list);
}

/* @a: which item of two has size 0. */
static void empty_item(void)
{
	struct list list = { .count = 0 };
	int memfd = sealed_memfd(2);

	add(&list, memfd, 0, the_row->a == 0 ? 0 : 1);
	add(&list, memfd, 0, the_row->a == 1 ? 0 : 1);
	create(-EINVAL, &list);
}

static unsigned int count_limit(void)
{
	unsigned int limit = 1024;
	FILE *file;

	file = fopen("/sys/module/udmabuf/parameters/list_limit", "r");
	if (file) {
		if (fscanf(file, "%u", &limit) != 1)
			limit = 1024;
		fclose(file);
	}
	return limit;
}

/* @a: how many items more than allowed. */
static void many(void)
{
	unsigned int nr = count_limit() + (unsigned int)the_row->a, i;
	struct udmabuf_create_list *list;
	int memfd = sealed_memfd(2);

	list = calloc(1, sizeof(*list) + nr * sizeof(list->list[0]));
	if (!list)
		fail("set-up: calloc: ENOMEM");
	list->count = nr;
	for (i = 0; i < nr; i++) {
		list->list[i].memfd = (__u32)memfd;
		list->list[i].size = page_size();
	}
	expect(the_row->want, ioctl(udmabuf_open(), UDMABUF_CREATE_LIST, list),
	       "ioctl(udmabuf, UDMABUF_CREATE_LIST, {count=limit + %lld})",
	       the_row->a);
}

/* The head alone can be read. */
static void items_unreadable(void)
{
	struct udmabuf_create_list head = { .count = (__u32)the_row->a };

	if (the_row->b)
		head.count = count_limit() + 1;
	expect(the_row->want, ioctl(udmabuf_open(), UDMABUF_CREATE_LIST,
				    at_page_end(&head, sizeof(head))),
	       "ioctl(udmabuf, UDMABUF_CREATE_LIST, unreadable items)");
}

/* What can be read is wrong, and does not count. */
static void last_item_unreadable(void)
{
	struct list list = { .count = 0 };
	size_t size = offsetof(struct list, items[1]);
	int memfd = sealed_memfd(2);

	add(&list, memfd, 0, 1);
	add(&list, memfd, 1, 1);
	list.items[0].offset = 1;
	expect(-EFAULT, ioctl(udmabuf_open(), UDMABUF_CREATE_LIST,
			      at_page_end(&list, size + 8)),
	       "ioctl(udmabuf, UDMABUF_CREATE_LIST, unreadable second item)");
}

static void pointer(void)
{
	expect(-EFAULT, ioctl(udmabuf_open(), UDMABUF_CREATE_LIST,
			      bad_pointer()),
	       "ioctl(udmabuf, UDMABUF_CREATE_LIST, bad pointer)");
}

static void unaligned_item(void)
{
	struct list list = { .count = 0 };
	int memfd = sealed_memfd(2);

	add(&list, memfd, 0, 1);
	add(&list, memfd, 0, 1);
	list.items[1].offset = 1;
	create(-EINVAL, &list);
	list.items[1].offset = 0;
	list.items[1].size = 100;
	create(-EINVAL, &list);
}

/* The total does not wrap: else it were within the limit, and EBADFD. */
static void sizes_wrap(void)
{
	struct list list = { .count = 0 };
	int fd = closed_fd();

	add(&list, fd, 0, 1);
	add(&list, fd, 0, 1);
	list.items[0].size = (__u64)1 << 63;
	list.items[1].size = (__u64)1 << 63;
	create(-EINVAL, &list);
	list.items[1].size += page_size();
	create(-EINVAL, &list);
}

/* Every item's numbers are looked at before the first item's memfd. */
static void numbers_first(void)
{
	struct list list = { .count = 0 };

	add(&list, closed_fd(), 0, 1);
	add(&list, sealed_memfd(2), 0, 1);
	list.items[1].offset = 1;
	create(-EINVAL, &list);
}

/* The total is what counts. */
static void over_limit(void)
{
	size_t half = (size_t)udmabuf_size_limit() / page_size() / 2;
	struct list list = { .count = 0 };
	int fd = closed_fd();

	add(&list, fd, 0, half);
	add(&list, fd, 0, half);
	create(-EBADFD, &list);
	add(&list, fd, 0, 1);
	create(-EINVAL, &list);
}

static int unsealed_memfd(void)
{
	int memfd;

	memfd = must(memfd_create("compliance", MFD_CLOEXEC |
				  MFD_ALLOW_SEALING), "memfd_create()");
	must(ftruncate(memfd, 2 * page_size()), "ftruncate(memfd)");
	return memfd;
}

/* Some items may be empty until memfds are looked at; all of them may not. */
static void empty_closed(void)
{
	struct list list = { .count = 0 };
	int fd = closed_fd();

	add(&list, fd, 0, 0);
	add(&list, fd, 0, 0);
	create(-EINVAL, &list);
	add(&list, sealed_memfd(2), 0, 1);
	create(-EBADFD, &list);
}

/* Of two bad memfds the first one tells. */
static void first_memfd_wins(void)
{
	struct list list = { .count = 0 };

	add(&list, the_row->a ? unsealed_memfd() : closed_fd(), 0, 1);
	add(&list, the_row->a ? closed_fd() : unsealed_memfd(), 0, 1);
	create(the_row->want, &list);
}

/* The first tells, also where the second cannot be opened again. */
static void unsealed_before_mode(void)
{
	struct list list = { .count = 0 };
	int memfd = sealed_memfd(1);

	must(fchmod(memfd, 0), "fchmod(memfd, 0)");
	add(&list, unsealed_memfd(), 0, 1);
	add(&list, memfd, 0, 1);
	create(-EINVAL, &list);
}

static void bad_second(void)
{
	struct list list = { .count = 0 };

	add(&list, sealed_memfd(2), 0, 1);
	add(&list, a_pipe_fd(), 0, 1);
	create(-EBADFD, &list);
}

static void range_second(void)
{
	struct list list = { .count = 0 };
	int memfd = sealed_memfd(2);

	add(&list, memfd, 0, 1);
	add(&list, memfd, 1, 2);
	create(-EINVAL, &list);
}

/* Had its pages stayed pinned, the first memfd could not be sealed. */
static void undone(void)
{
	struct list list = { .count = 0 };
	int memfd = sealed_memfd(2);

	add(&list, memfd, 0, 2);
	add(&list, closed_fd(), 0, 1);
	create(-EBADFD, &list);
	expect(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE),
	       "fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE)");
}

#define ROW(name, text, function, ...) \
	{ .id = "udmabuf.list." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row udmabuf_list_rows[] = {
	ROW("one", "a list of one item", one),
	ROW("order", "items follow each other in list order", in_list_order),
	ROW("two-memfds", "items of two memfds", two_memfds),
	ROW("overlapping", "overlapping ranges of one memfd", overlapping),
	ROW("same-page", "one page three times is one page", one_page_thrice),
	ROW("flags-none", "flags 0: the fd survives exec", flags, .a = 0),
	ROW("flags-all", "flags ~0 are accepted", flags, .a = 0xffffffff, .want = FD_CLOEXEC),
	ROW("padding", "the padding does not matter", padding),
	ROW("count-0", "an empty list is EINVAL", empty),
	ROW("size-0-first", "a first item of size 0 is EINVAL", empty_item, .a = 0),
	ROW("size-0-second", "a second item of size 0 is EINVAL", empty_item, .a = 1),
	ROW("count-limit", "as many items as allowed", many, .a = 0, .want = ANY_FD),
	ROW("count-limit-passed", "one item more is EINVAL", many, .a = 1, .want = -EINVAL),
	ROW("pointer", "an unreadable head is EFAULT", pointer),
	ROW("items", "unreadable items are EFAULT", items_unreadable, .a = 2, .want = -EFAULT),
	ROW("items-half", "an unreadable second item is EFAULT", last_item_unreadable),
	ROW("items-count-0", "an empty list without items is EINVAL", items_unreadable, .a = 0, .want = -EINVAL),
	ROW("order.count-items", "the count is checked before the items are read", items_unreadable, .b = 1, .want = -EINVAL),
	ROW("sizes-wrap", "sizes that add up to 0, or to a page, are EINVAL", sizes_wrap),
	ROW("unaligned-second", "a second item that is not aligned is EINVAL", unaligned_item),
	ROW("order.numbers-first", "offsets and sizes are checked before memfds", numbers_first),
	ROW("order.limit-first", "the total size is checked before memfds", over_limit),
	ROW("order.empty-closed", "an empty item of a closed fd is EBADFD, all empty EINVAL", empty_closed),
	ROW("order.closed-unsealed", "a closed fd before an unsealed memfd is EBADFD", first_memfd_wins, .a = 0, .want = -EBADFD),
	ROW("order.unsealed-closed", "an unsealed memfd before a closed fd is EINVAL", first_memfd_wins, .a = 1, .want = -EINVAL),
	ROW("order.unsealed-mode", "an unsealed memfd before one that nobody may open is EINVAL", unsealed_before_mode),
	ROW("bad-second", "a pipe as second item is EBADFD", bad_second),
	ROW("range-second", "a second item past its memfd is EINVAL", range_second),
	ROW("undone", "a failing item undoes the ones before it", undone),
};

const struct group udmabuf_list_group = GROUP(TARGET_UDMABUF, udmabuf_list_rows);
