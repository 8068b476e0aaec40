/* SPDX-License-Identifier: MIT */
/*
 * decode.c - ioctls, mappings and memfds in words, for the log and for who asks
 * where a leak is from
 */
#include "decode.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/dma-heap.h>
#include <linux/memfd.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "decode-text.h"
#include "nodes.h"
#include "run.h"
#include "target.h"

#ifndef SYNC_IOC_SET_DEADLINE
#define SYNC_IOC_SET_DEADLINE _IOW('>', 5, uint64_t[2])
#endif

/* Of Linux 6.3 */
#ifndef MFD_EXEC
#define MFD_NOEXEC_SEAL 0x8U
#define MFD_EXEC 0x10U
#endif

/* @print adds the argument, which is readable, to the line. */
struct ioctl_text {
	unsigned int cmd;
	const char *name;
	size_t size;
	void (*print)(FILE *out, const void *arg, const struct call *call);
};

static const struct flag_text sync_flags[] = {
	{ DMA_BUF_SYNC_RW, "DMA_BUF_SYNC_RW" },
	{ DMA_BUF_SYNC_READ, "DMA_BUF_SYNC_READ" },
	{ DMA_BUF_SYNC_WRITE, "DMA_BUF_SYNC_WRITE" },
	{ DMA_BUF_SYNC_END, "DMA_BUF_SYNC_END" },
	{ 0 }
};

static const struct flag_text open_flags[] = {
	{ O_RDWR, "O_RDWR" },
	{ O_WRONLY, "O_WRONLY" },
	{ O_CLOEXEC, "O_CLOEXEC" },
	{ 0 }
};

static void sync_print(FILE *out, const void *arg, const struct call *call)
{
	const struct dma_buf_sync *sync = arg;

	(void)call;
	fputs("{flags=", out);
	if (!(sync->flags & DMA_BUF_SYNC_END))
		fputs(sync->flags ? "DMA_BUF_SYNC_START|" :
				    "DMA_BUF_SYNC_START", out);
	flags_print(out, sync->flags, sync_flags, "");
	fputc('}', out);
}

static void name_print(FILE *out, const void *arg, const struct call *call)
{
	char name[DMA_BUF_NAME_LEN + 8];

	(void)arg;
	if (target_read_string(call->tid, name, call->args[2], sizeof(name)))
		fprintf(out, "%#" PRIx64, call->args[2]);
	else
		string_print(out, name, sizeof(name));
}

static void alloc_print(FILE *out, const void *arg, const struct call *call)
{
	const struct dma_heap_allocation_data *data = arg;

	(void)call;
	fprintf(out, "{len=%" PRIu64 ", fd=%" PRIu32 ", fd_flags=",
		(uint64_t)data->len, data->fd);
	flags_print(out, data->fd_flags, open_flags, "O_RDONLY");
	fprintf(out, ", heap_flags=%#" PRIx64 "}", (uint64_t)data->heap_flags);
}

static void create_print(FILE *out, const void *arg, const struct call *call)
{
	const struct udmabuf_create *create = arg;

	(void)call;
	fprintf(out, "{memfd=%" PRIu32 ", flags=%#" PRIx32 ", offset=%#" PRIx64
		", size=%#" PRIx64 "}", create->memfd, create->flags,
		(uint64_t)create->offset, (uint64_t)create->size);
}

#define ITEMS_SHOWN 4

static void items_print(FILE *out, uint32_t count, const struct call *call)
{
	uint64_t from = call->args[2] + sizeof(struct udmabuf_create_list);
	struct udmabuf_create_item item;
	uint32_t i;

	for (i = 0; i < count && i < ITEMS_SHOWN; i++, from += sizeof(item)) {
		if (target_read(call->tid, &item, from, sizeof(item))) {
			fprintf(out, "%s%#" PRIx64, i ? ", " : "", from);
			return;
		}
		fprintf(out, "%s{memfd=%" PRIu32 ", offset=%#" PRIx64
			", size=%#" PRIx64 "}", i ? ", " : "", item.memfd,
			(uint64_t)item.offset, (uint64_t)item.size);
	}
	if (i < count)
		fputs(", ...", out);
}

static void list_print(FILE *out, const void *arg, const struct call *call)
{
	const struct udmabuf_create_list *list = arg;

	fprintf(out, "{flags=%#" PRIx32 ", count=%" PRIu32 ", list=[",
		list->flags, list->count);
	items_print(out, list->count, call);
	fputs("]}", out);
}

static void export_print(FILE *out, const void *arg, const struct call *call)
{
	const struct dma_buf_export_sync_file *data = arg;

	(void)call;
	fputs("{flags=", out);
	flags_print(out, data->flags, sync_flags, "0");
	fputc('}', out);
}

static void import_print(FILE *out, const void *arg, const struct call *call)
{
	const struct dma_buf_import_sync_file *data = arg;

	(void)call;
	fputs("{flags=", out);
	flags_print(out, data->flags, sync_flags, "0");
	fprintf(out, ", fd=%" PRId32 "}", data->fd);
}

static void merge_print(FILE *out, const void *arg, const struct call *call)
{
	const struct sync_merge_data *data = arg;

	(void)call;
	fputs("{name=", out);
	string_print(out, data->name, sizeof(data->name) - 1);
	fprintf(out, ", fd2=%" PRId32 "}", data->fd2);
}

static void info_print(FILE *out, const void *arg, const struct call *call)
{
	const struct sync_file_info *info = arg;

	(void)call;
	fprintf(out, "{num_fences=%" PRIu32 "}", info->num_fences);
}

static void u64_print(FILE *out, const void *arg, const struct call *call)
{
	(void)call;
	fprintf(out, "{deadline_ns=%" PRIu64 "}", *(const uint64_t *)arg);
}

static void u32_print(FILE *out, const void *arg, const struct call *call)
{
	(void)call;
	fprintf(out, "[%" PRIu32 "]", *(const uint32_t *)arg);
}

static void fence_print(FILE *out, const void *arg, const struct call *call)
{
	const struct dmabuf_sw_sync_create_fence *data = arg;

	(void)call;
	fprintf(out, "{value=%" PRIu32 "}", data->value);
}

#define TEXT(cmd, type, print) { cmd, #cmd, sizeof(type), print }

static const struct ioctl_text texts[] = {
	TEXT(DMA_HEAP_IOCTL_ALLOC, struct dma_heap_allocation_data, alloc_print),
	TEXT(UDMABUF_CREATE, struct udmabuf_create, create_print),
	TEXT(UDMABUF_CREATE_LIST, struct udmabuf_create_list, list_print),
	TEXT(DMA_BUF_IOCTL_SYNC, struct dma_buf_sync, sync_print),
	TEXT(DMA_BUF_SET_NAME_A, char, name_print),
	TEXT(DMA_BUF_SET_NAME_B, char, name_print),
	TEXT(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, struct dma_buf_export_sync_file,
	     export_print),
	TEXT(DMA_BUF_IOCTL_IMPORT_SYNC_FILE, struct dma_buf_import_sync_file,
	     import_print),
	TEXT(SYNC_IOC_MERGE, struct sync_merge_data, merge_print),
	TEXT(SYNC_IOC_FILE_INFO, struct sync_file_info, info_print),
	TEXT(SYNC_IOC_SET_DEADLINE, uint64_t[2], u64_print),
	{ DMABUF_SW_SYNC_IOC_CREATE_FENCE, "SW_SYNC_IOC_CREATE_FENCE",
	  sizeof(struct dmabuf_sw_sync_create_fence), fence_print },
	{ DMABUF_SW_SYNC_IOC_INC, "SW_SYNC_IOC_INC", sizeof(uint32_t),
	  u32_print },
	{ DMABUF_SW_SYNC_GET_DEADLINE, "SW_SYNC_GET_DEADLINE",
	  sizeof(struct dmabuf_sw_sync_get_deadline), u64_print },
};

bool decode_knows(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcasecmp(texts[i].name, name))
			return true;
	return false;
}

static const struct ioctl_text *text_of(unsigned int cmd,
					const struct file *file)
{
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].cmd == cmd)
			return &texts[i];
	/* Of any size */
	if (file->kind == FILE_DEVICE && file->node->kind == DEVICE_HEAP &&
	    !_IOC_NR(cmd))
		return &texts[0];
	return NULL;
}

static bool wanted(void)
{
	return options.log || options.leaks;
}

static void ioctl_print(FILE *out, const struct call *call,
			const struct file *file, const struct ioctl_text *text)
{
	uint64_t arg[8];
	bool readable = text && !call_read_argument(call, arg, text->size);

	fprintf(out, "ioctl(%d<%s>, ", (int)call->args[0], file_text(file));
	if (!text)
		fprintf(out, "%#x, %#" PRIx64, (unsigned int)call->args[1],
			call->args[2]);
	else if (!readable)
		fprintf(out, "%s, %#" PRIx64, text->name, call->args[2]);
	else
		fprintf(out, "%s, ", text->name);
	if (readable)
		text->print(out, arg, call);
	fputc(')', out);
}

void decode_ioctl(struct call *call, const struct file *file)
{
	const struct ioctl_text *text = text_of((unsigned int)call->args[1],
						file);
	FILE *out;

	call->name = text ? text->name : "ioctl";
	out = wanted() ? detail_open(call) : NULL;
	if (!out)
		return;
	ioctl_print(out, call, file, text);
	fclose(out);
}

static const struct flag_text prot_flags[] = {
	{ PROT_READ, "PROT_READ" },
	{ PROT_WRITE, "PROT_WRITE" },
	{ PROT_EXEC, "PROT_EXEC" },
	{ 0 }
};

static const struct flag_text map_flags[] = {
	{ MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE" },
	{ MAP_SHARED, "MAP_SHARED" },
	{ MAP_PRIVATE, "MAP_PRIVATE" },
	{ MAP_FIXED, "MAP_FIXED" },
	{ MAP_POPULATE, "MAP_POPULATE" },
	{ MAP_LOCKED, "MAP_LOCKED" },
	{ 0 }
};

/* What a call that went well has written: where, and what it is called there */
static const struct {
	const char *call, *field;
	size_t offset;
} results[] = {
	{ "DMA_HEAP_IOCTL_ALLOC", "fd",
	  offsetof(struct dma_heap_allocation_data, fd) },
	{ "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", "fd",
	  offsetof(struct dma_buf_export_sync_file, fd) },
	{ "SYNC_IOC_MERGE", "fence", offsetof(struct sync_merge_data, fence) },
	{ "SYNC_IOC_FILE_INFO", "status",
	  offsetof(struct sync_file_info, status) },
	{ "SW_SYNC_IOC_CREATE_FENCE", "fence",
	  offsetof(struct dmabuf_sw_sync_create_fence, fence) },
};

void decode_result(struct call *call)
{
	size_t used = strlen(call->detail);
	int32_t value;
	size_t i;

	if (!call->name || !used)
		return;
	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		if (!strcmp(results[i].call, call->name) &&
		    !target_read(call->tid, &value,
				 call->args[2] + results[i].offset,
				 sizeof(value)))
			snprintf(call->detail + used,
				 sizeof(call->detail) - used,
				 " => {%s=%" PRId32 "}", results[i].field,
				 value);
}

void decode_mmap(struct call *call)
{
	FILE *out;

	call->name = "mmap";
	out = wanted() ? detail_open(call) : NULL;
	if (!out)
		return;
	fprintf(out, "mmap(%#" PRIx64 ", %" PRIu64 ", ", call->args[0],
		call->args[1]);
	flags_print(out, call->args[2], prot_flags, "PROT_NONE");
	fputs(", ", out);
	flags_print(out, call->args[3], map_flags, "0");
	fprintf(out, ", %d, %#" PRIx64 ")", (int)call->args[4], call->args[5]);
	fclose(out);
}

static const struct flag_text memfd_flags[] = {
	{ MFD_CLOEXEC, "MFD_CLOEXEC" },
	{ MFD_ALLOW_SEALING, "MFD_ALLOW_SEALING" },
	{ MFD_HUGETLB, "MFD_HUGETLB" },
	{ MFD_NOEXEC_SEAL, "MFD_NOEXEC_SEAL" },
	{ MFD_EXEC, "MFD_EXEC" },
	{ 0 }
};

void decode_memfd(struct call *call, const char *name)
{
	uint32_t flags = (uint32_t)call->args[1];
	uint32_t shift = flags >> MFD_HUGE_SHIFT;
	FILE *out;

	call->name = "memfd_create";
	out = wanted() ? detail_open(call) : NULL;
	if (!out)
		return;
	fputs("memfd_create(", out);
	string_print(out, name, strlen(name));
	fputs(", ", out);
	flags_print(out, flags & ((1U << MFD_HUGE_SHIFT) - 1), memfd_flags, "");
	if (shift)
		fprintf(out, "|%" PRIu32 "<<MFD_HUGE_SHIFT", shift);
	fputc(')', out);
	fclose(out);
}
