/* SPDX-License-Identifier: MIT */
/* bufinfo.c - rows: the list of all buffers in debugfs */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct line {
	unsigned long long size, flags, mode, count, inode;
	char exporter[64], name[64];
};

static FILE *bufinfo_open(void)
{
	FILE *file = fopen(devices.bufinfo_path, "r");

	if (!file)
		skip("no bufinfo: %s", errno == ENOENT ? "not there" :
		     errno_name(errno));
	return file;
}

static bool parse(const char *text, struct line *line)
{
	memset(line, 0, sizeof(*line));
	return sscanf(text, "%llu %llx %llx %llu %63s %llu %63s", &line->size,
		      &line->flags, &line->mode, &line->count, line->exporter,
		      &line->inode, line->name) >= 6;
}

/* The line of the buffer with this inode number. */
static bool find(unsigned long long inode, struct line *line)
{
	FILE *file = bufinfo_open();
	bool found = false;
	char text[512];

	while (!found && fgets(text, sizeof(text), file))
		found = parse(text, line) && line->inode == inode;
	fclose(file);
	return found;
}

static unsigned long long inode_of(int buf)
{
	struct stat st;

	expect(0, fstat(buf, &st), "fstat(buf)");
	return st.st_ino;
}

static void expect_listed(int buf, struct line *line)
{
	if (!find(inode_of(buf), line))
		fail("expected the buffer in bufinfo, got none such");
}

static void listed(void)
{
	struct line line;

	expect_listed(buffer(), &line);
	expect_value(buffer_size(), line.size, "size");
	expect_text(the_subject->name, line.exporter, "exporter");
	expect_value(1, line.count, "count");
}

static void flags_and_mode(void)
{
	struct line line;

	expect_listed(buffer(), &line);
	expect_value(O_RDWR, line.flags & O_ACCMODE, "access mode");
}

/* Bits that tell that a file can be read and be written. */
static void mode_bits(void)
{
	struct line line;

	expect_listed(buffer(), &line);
	expect_value(3, line.mode & 3, "mode");
}

static void unnamed(void)
{
	struct line line;

	expect_listed(buffer(), &line);
	expect_text("<none>", line.name, "name");
}

static void expect_named(const char *name)
{
	struct line line;
	int buf = buffer();

	must(ioctl(buf, DMA_BUF_SET_NAME, name),
	     "ioctl(buf, DMA_BUF_SET_NAME, \"%s\")", name);
	expect_listed(buf, &line);
	expect_text(name, line.name, "name");
}

static void named(void)
{
	expect_named("camera");
}

static void empty_name(void)
{
	expect_named("");
}

static bool is_gone(void *inode)
{
	struct line line;

	return !find(*(unsigned long long *)inode, &line);
}

static void gone(void)
{
	unsigned long long inode;
	struct line line;
	int buf = buffer();

	inode = inode_of(buf);
	expect_listed(buf, &line);
	expect(0, close(buf), "close(buf)");
	if (!eventually(is_gone, &inode))
		fail("expected the buffer gone from bufinfo, got it");
}

static void kept_by_mapping(void)
{
	unsigned long long inode;
	unsigned char *addr;
	struct line line;
	int buf = buffer();

	inode = inode_of(buf);
	addr = buffer_map(buf, BUFFER_PAGES);
	expect(0, close(buf), "close(buf)");
	if (!find(inode, &line))
		fail("expected the mapped buffer in bufinfo, got none such");
	expect_value(1, line.count, "count");
	expect(0, munmap(addr, buffer_size()), "munmap(buf)");
	if (!eventually(is_gone, &inode))
		fail("expected the buffer gone from bufinfo, got it");
}

/* Of a size that no one else's buffers are likely to have. */
#define ODD_PAGES 29

static bool none_is_odd(void *unused)
{
	FILE *file = bufinfo_open();
	bool found = false;
	struct line line;
	char text[512];

	(void)unused;
	while (!found && fgets(text, sizeof(text), file))
		found = parse(text, &line) &&
			line.size == ODD_PAGES * page_size() &&
			!strcmp(line.exporter, the_subject->name);
	fclose(file);
	return !found;
}

static void expect_none_odd(void)
{
	if (!eventually(none_is_odd, NULL))
		fail("expected no buffer of %d pages in bufinfo, got one",
		     ODD_PAGES);
}

/* All is done but to find a number for it. */
static void freed_without_fd(void)
{
	struct dma_heap_allocation_data data = {
		.len = ODD_PAGES * page_size(), .fd_flags = O_RDWR,
	};
	struct udmabuf_create create = { .size = ODD_PAGES * page_size() };
	bool is_udmabuf = the_subject->is_udmabuf;
	int device = is_udmabuf ? udmabuf_open() : heap_open();

	fclose(bufinfo_open());
	create.memfd = (__u32)sealed_memfd(ODD_PAGES);
	fds_use_up();
	if (is_udmabuf)
		expect(-EMFILE, ioctl(device, UDMABUF_CREATE, &create),
		       "ioctl(udmabuf, UDMABUF_CREATE), no fd free");
	else
		expect(-EMFILE, ioctl(device, DMA_HEAP_IOCTL_ALLOC, &data),
		       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC), no fd free");
	fds_allow_more();
	expect_none_odd();
}

/* Kernels before some 6.12.y forgot an fd, and with it the buffer. */
static void freed_without_write_back(void)
{
	struct dma_heap_allocation_data data = {
		.len = ODD_PAGES * page_size(), .fd_flags = O_RDWR,
	};
	struct fd_snapshot before;
	int heap, fd;

	if (the_subject->is_udmabuf)
		skip("udmabuf writes nothing back");
	fclose(bufinfo_open());
	heap = heap_open();
	fds_snapshot(&before);
	expect(-EFAULT, ioctl(heap, DMA_HEAP_IOCTL_ALLOC,
			      read_only_copy(&data, sizeof(data))),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, read-only memory)");
	if (fds_new(&before, &fd))
		skip("an fd is left, see heap.alloc.write-back-fd");
	expect_none_odd();
}

/*
 * Who waits for a fence holds the buffer, even if all fds are closed.
 * @a: events, @want: whether these are waited for.
 */
static void kept_by_poll(void)
{
	int timeline = timeline_open(), buf = buffer();
	unsigned long long inode = inode_of(buf);
	struct line line;

	fclose(bufinfo_open());
	buffer_import(buf, DMA_BUF_SYNC_WRITE, timeline_fence(timeline, 1));
	expect_events(0, fd_poll(buf, (short)the_row->a), "poll(buf)");
	expect(0, close(buf), "close(buf)");
	if (the_row->want && !find(inode, &line))
		fail("expected the buffer in bufinfo till the fence, got none");
	if (the_row->want)
		timeline_inc(timeline, 1);
	if (!eventually(is_gone, &inode))
		fail("expected the buffer gone from bufinfo, got it");
}

/* "Total N objects, N bytes" ends the list. */
static void totals(void)
{
	unsigned long long nr, bytes, listed_nr = 0, listed_bytes = 0;
	bool found = false;
	struct line line;
	char text[512];
	FILE *file;

	buffer();
	buffer();
	file = bufinfo_open();
	while (!found && fgets(text, sizeof(text), file)) {
		found = sscanf(text, "Total %llu objects, %llu bytes", &nr,
			       &bytes) == 2;
		if (found || !parse(text, &line))
			continue;
		listed_nr++;
		listed_bytes += line.size;
	}
	fclose(file);
	if (!found)
		fail("expected a line Total, got none");
	expect_value((long long)listed_nr, (long long)nr, "buffers");
	expect_value((long long)listed_bytes, (long long)bytes, "bytes");
}

static void fence_listed(void)
{
	int timeline = timeline_open(), buf = buffer();
	bool found = false;
	char text[512];
	FILE *file;

	buffer_import(buf, DMA_BUF_SYNC_WRITE, timeline_fence(timeline, 1));
	file = bufinfo_open();
	while (!found && fgets(text, sizeof(text), file))
		found = strstr(text, "write") && strstr(text, "sw_sync");
	fclose(file);
	if (!found)
		fail("expected a writer's fence of sw_sync, got none");
}

#define ROW(name, text, function, ...) \
	{ .id = "bufinfo." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row bufinfo_rows[] = {
	ROW("listed", "a buffer's size, exporter and one reference", listed),
	ROW("flags", "a buffer's access mode", flags_and_mode),
	ROW("mode", "a buffer's file mode", mode_bits),
	ROW("unnamed", "a buffer without a name is called <none>", unnamed),
	ROW("named", "a buffer's name", named),
	ROW("empty-name", "an empty name is empty", empty_name),
	ROW("gone", "a closed buffer is gone", gone),
	ROW("mapped", "a mapping keeps a buffer in the list", kept_by_mapping),
	ROW("emfile", "a buffer that gets no fd number is gone", freed_without_fd),
	ROW("write-back", "so is one whose fd cannot be told", freed_without_write_back),
	ROW("armed", "a poll keeps a buffer till its fence is over", kept_by_poll, .a = POLLIN, .want = 1),
	ROW("not-armed", "a poll for POLLPRI does not", kept_by_poll, .a = POLLPRI),
	ROW("totals", "the totals count buffers and bytes", totals),
	ROW("fence", "a fence is listed with its use and driver", fence_listed),
};

const struct group bufinfo_group = LINUX_GROUP(TARGET_BUFFER, bufinfo_rows);
