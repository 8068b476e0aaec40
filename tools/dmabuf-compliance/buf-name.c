/* SPDX-License-Identifier: MIT */
/* buf-name.c - rows: SET_NAME, and where the name shows */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_31 "1234567890123456789012345678901"
#define NAME_32 NAME_31 "2"
#define NAME_99 NAME_32 NAME_32 NAME_32 "789"

static void set_name(long long want, int buf, const char *name)
{
	expect(want, ioctl(buf, DMA_BUF_SET_NAME, name),
	       "ioctl(buf, DMA_BUF_SET_NAME, \"%s\")", name);
}

/* @arg: name. */
static void name(void)
{
	set_name(the_row->want, buffer(), the_row->arg);
}

/* @a: command. */
static void name_by(void)
{
	expect(0, ioctl(buffer(), (unsigned long)the_row->a, "camera"),
	       "ioctl(buf, DMA_BUF_SET_NAME of %lu bytes, \"camera\")",
	       (unsigned long)_IOC_SIZE(the_row->a));
}

static void name_pointer(void)
{
	int buf = buffer();

	expect(-EFAULT, ioctl(buf, DMA_BUF_SET_NAME, bad_pointer()),
	       "ioctl(buf, DMA_BUF_SET_NAME, bad pointer)");
	expect(-EFAULT, ioctl(buf, DMA_BUF_SET_NAME, NULL),
	       "ioctl(buf, DMA_BUF_SET_NAME, NULL)");
}

static void name_at_page_end(void)
{
	char *end = at_page_end("page end", sizeof("page end"));

	set_name(0, buffer(), end);
}

static void name_without_end(void)
{
	char *start = at_page_end("unterminated", strlen("unterminated"));

	expect(-EFAULT, ioctl(buffer(), DMA_BUF_SET_NAME, start),
	       "ioctl(buf, DMA_BUF_SET_NAME, no end within the page)");
}

static void name_32_without_end(void)
{
	char *start = at_page_end(NAME_32, strlen(NAME_32));

	expect(-EINVAL, ioctl(buffer(), DMA_BUF_SET_NAME, start),
	       "ioctl(buf, DMA_BUF_SET_NAME, 32 bytes and no more)");
}

static void name_of_two(void)
{
	set_name(0, buffer(), "twin");
	set_name(0, buffer(), "twin");
}

#define ROW(name, text, function, ...) \
	{ .id = "buf.name." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row buf_name_rows[] = {
	ROW("short", "a name", name, .arg = "camera"),
	ROW("empty", "an empty name", name, .arg = ""),
	ROW("31", "31 characters", name, .arg = NAME_31),
	ROW("32", "32 characters are EINVAL", name, .arg = NAME_32, .want = -EINVAL),
	ROW("99", "99 characters are EINVAL", name, .arg = NAME_99, .want = -EINVAL),
	ROW("odd", "slashes, blanks and high bytes", name, .arg = "a/b c\xff"),
	ROW("twins", "two buffers of one name", name_of_two),
	ROW("ioctl-a", "SET_NAME_A, of 4 bytes", name_by, .a = DMA_BUF_SET_NAME_A),
	ROW("ioctl-b", "SET_NAME_B, of 8 bytes", name_by, .a = DMA_BUF_SET_NAME_B),
	ROW("pointer", "an unreadable name is EFAULT", name_pointer),
	ROW("page-end", "a name that ends with its page", name_at_page_end),
	ROW("no-end", "a name that goes on into nowhere is EFAULT", name_without_end),
	ROW("no-end-32", "32 characters without an end are EINVAL", name_32_without_end),
};

const struct group buf_name_group = GROUP(TARGET_BUFFER, buf_name_rows);

static void expect_named(int buf, const char *want)
{
	char value[256];

	if (!fdinfo_field(buf, "name", value, sizeof(value)))
		fail("fdinfo: expected a line name, got none");
	expect_text(want, value, "fdinfo name");
}

/* @arg: name. */
static void fdinfo_name(void)
{
	int buf = buffer();

	set_name(0, buf, the_row->arg);
	expect_named(buf, the_row->arg);
}

static void link_name(void)
{
	char want[64];
	int buf = buffer();

	set_name(0, buf, the_row->arg);
	snprintf(want, sizeof(want), "/dmabuf:%s", (const char *)the_row->arg);
	expect_link(want, buf);
}

static void renamed(void)
{
	int buf = buffer();

	set_name(0, buf, "first name");
	set_name(0, buf, "second");
	expect_named(buf, "second");
	expect_link("/dmabuf:second", buf);
}

static void name_kept(void)
{
	int buf = buffer();

	set_name(0, buf, "kept");
	set_name(-EINVAL, buf, NAME_32);
	expect(-EFAULT, ioctl(buf, DMA_BUF_SET_NAME, bad_pointer()),
	       "ioctl(buf, DMA_BUF_SET_NAME, bad pointer)");
	expect_named(buf, "kept");
}

static void name_of_dup(void)
{
	int buf = buffer(), copy;

	copy = must(dup(buf), "dup(buf)");
	set_name(0, copy, "shared");
	expect_named(buf, "shared");
	expect_link("/dmabuf:shared", buf);
}

static void child_names(void *arg)
{
	set_name(0, *(int *)arg, "by the child");
}

static void name_by_child(void)
{
	int buf = buffer();

	in_child(child_names, &buf);
	expect_named(buf, "by the child");
}

static const struct row buf_name_linux_rows[] = {
	ROW("fdinfo", "fdinfo tells the name", fdinfo_name, .arg = "camera"),
	ROW("fdinfo-31", "fdinfo tells 31 characters", fdinfo_name, .arg = NAME_31),
	ROW("fdinfo-empty", "fdinfo has a line for an empty name", fdinfo_name, .arg = ""),
	ROW("link", "the link text tells the name", link_name, .arg = "camera"),
	ROW("link-31", "the link text tells 31 characters", link_name, .arg = NAME_31),
	ROW("link-empty", "the link text of an empty name", link_name, .arg = ""),
	ROW("renamed", "the last name counts", renamed),
	ROW("kept", "a refused name leaves the old one", name_kept),
	ROW("dup", "a copy of the fd has the same name", name_of_dup),
	ROW("child", "a child's name is seen by its parent", name_by_child),
};

const struct group buf_name_linux_group = LINUX_GROUP(TARGET_BUFFER, buf_name_linux_rows);
