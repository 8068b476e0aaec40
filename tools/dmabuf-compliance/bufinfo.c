/* SPDX-License-Identifier: MIT */
/* bufinfo.c - rows: the list of all buffers in debugfs */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
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

static void named(void)
{
	struct line line;
	int buf = buffer();

	must(ioctl(buf, DMA_BUF_SET_NAME, "camera"),
	     "ioctl(buf, DMA_BUF_SET_NAME, camera)");
	expect_listed(buf, &line);
	expect_text("camera", line.name, "name");
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

#define ROW(name, text, function) \
	{ .id = "bufinfo." name, .title = text, .run = function }

static const struct row bufinfo_rows[] = {
	ROW("listed", "a buffer's size, exporter and one reference", listed),
	ROW("flags", "a buffer's access mode", flags_and_mode),
	ROW("mode", "a buffer's file mode", mode_bits),
	ROW("unnamed", "a buffer without a name is called <none>", unnamed),
	ROW("named", "a buffer's name", named),
	ROW("gone", "a closed buffer is gone", gone),
	ROW("mapped", "a mapping keeps a buffer in the list", kept_by_mapping),
	ROW("totals", "the totals count buffers and bytes", totals),
	ROW("fence", "a fence is listed with its use and driver", fence_listed),
};

const struct group bufinfo_group = LINUX_GROUP(TARGET_BUFFER, bufinfo_rows);
