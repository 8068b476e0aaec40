/* SPDX-License-Identifier: MIT */
/* test-failures.c - each allocation and each syscall of a call fails in turn */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "failure-acts.h"
#include "inject.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "sanitized.h"

#define SIZE ((size_t)16384)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static size_t huge_size;	/* of one huge page, where there are some */

/* Beginnings and ends */

static void begin_mock(struct scene *s)
{
	s->dmabuf = mock_export(&s->mock, SIZE, 0);
}

static void begin_anon(struct scene *s)
{
	assert_int_equal(dmabuf_anon_export(SIZE, O_RDWR, &s->dmabuf), 0);
}

static void begin_memfd(struct scene *s)
{
	assert_int_equal(dmabuf_memfd_export(SIZE, O_RDWR, &s->dmabuf), 0);
}

/* A sealed memfd that no buffer of this process is known by. */
static int memfd_sealed(const char *name)
{
	return memfd_make(name, SIZE, F_SEAL_SHRINK | F_SEAL_GROW |
				      F_SEAL_SEAL);
}

static void begin_sealed(struct scene *s)
{
	s->fd = memfd_sealed("dmabuf:other");
}

static void begin_import(struct scene *s)
{
	begin_sealed(s);
	s->dmabuf = dma_buf_get(s->fd);
	assert_false(IS_ERR(s->dmabuf));
}

static void end_import(struct scene *s)
{
	dma_buf_put(s->dmabuf);
	close(s->fd);
}

/* Exporting */

static int act_export(struct scene *s)
{
	s->result = dma_buf_export(&s->mock.info);
	return PTR_ERR_OR_ZERO(s->result);
}

static void begin_export(struct scene *s)
{
	mock_init(&s->mock, SIZE, 0);
}

static int act_anon_export(struct scene *s)
{
	return dmabuf_anon_export(SIZE, O_RDWR, &s->result);
}

static int act_memfd_export(struct scene *s)
{
	return dmabuf_memfd_export(SIZE, O_RDWR, &s->result);
}

static int act_memfd_import(struct scene *s)
{
	return dmabuf_memfd_import(s->fd, &s->result);
}

static int act_get(struct scene *s)
{
	s->result = dma_buf_get(s->fd);
	return PTR_ERR_OR_ZERO(s->result);
}

static void begin_get(struct scene *s)
{
	begin_memfd(s);
	get_dma_buf(s->dmabuf);
	s->fd = dma_buf_fd(s->dmabuf, O_CLOEXEC);
	assert_true(s->fd >= 0);
}

static void end_get(struct scene *s)
{
	close(s->fd);
	wait_for_refs(s->dmabuf, 1);
	dma_buf_put(s->dmabuf);
}

static const struct failure_case export_cases[] = {
	{ .name = "dma_buf_export", .begin = begin_export, .act = act_export,
	  .undo = undo_result, .calls_min = 1 },
	{ .name = "dmabuf_anon_export", .act = act_anon_export,
	  .undo = undo_result, .calls_min = 3 },
	{ .name = "dmabuf_memfd_export", .act = act_memfd_export,
	  .undo = undo_result, .calls_min = 5 },
	{ .name = "dmabuf_memfd_import", .begin = begin_sealed,
	  .act = act_memfd_import, .undo = undo_result, .end = end_fd,
	  .calls_min = 6, .ret = -EPERM },
	{ .name = "dma_buf_get, another's", .begin = begin_sealed,
	  .act = act_get, .undo = undo_result, .end = end_fd, .calls_min = 7,
	  .ret = -EINVAL },
	{ .name = "dma_buf_get, ours", .begin = begin_get, .act = act_get,
	  .undo = undo_result, .end = end_get, .calls_min = 1 },
};

/* Handing out fds: the call takes one of two references. */

#define POLLED "inotify_add_watch getrandom"
#define POLLED_REASON "closes are then looked for by polling, and the lock's " \
		      "byte is chosen by the clock"

static int act_fd(struct scene *s)
{
	int fd = dma_buf_fd(s->dmabuf, O_CLOEXEC);

	if (fd < 0)
		return fd;
	s->fd = fd;
	return 0;
}

static void undo_fd(struct scene *s)
{
	close(s->fd);
	wait_for_refs(s->dmabuf, 1);
}

static void begin_fd_opaque(struct scene *s)
{
	begin_anon(s);
	get_dma_buf(s->dmabuf);
}

static void begin_fd_pages(struct scene *s)
{
	begin_memfd(s);
	get_dma_buf(s->dmabuf);
}

/* The second fd: the inode is known already. */
static void begin_fd_second(struct scene *s)
{
	begin_memfd(s);
	get_dma_buf(s->dmabuf);
	assert_int_equal(act_fd(s), 0);
	close(s->fd);
	wait_for_refs(s->dmabuf, 1);
	get_dma_buf(s->dmabuf);
}

static int act_fd_import(struct scene *s)
{
	int fd = dma_buf_fd(s->dmabuf, O_CLOEXEC);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void begin_fd_import(struct scene *s)
{
	begin_import(s);
	get_dma_buf(s->dmabuf);
}

static const struct failure_case fd_cases[] = {
	{ .name = "dma_buf_fd, opaque", .begin = begin_fd_opaque,
	  .act = act_fd, .undo = undo_fd, .end = end_put, .calls_min = 7,
	  .harmless = POLLED " fcntl(F_GET_SEALS)",
	  .reason = POLLED_REASON "; seals are then set anyway" },
	{ .name = "dma_buf_fd, page-backed", .begin = begin_fd_pages,
	  .act = act_fd, .undo = undo_fd, .end = end_put, .calls_min = 5,
	  .harmless = POLLED, .reason = POLLED_REASON, .ret = -EPERM },
	{ .name = "dma_buf_fd, again", .begin = begin_fd_second,
	  .act = act_fd, .undo = undo_fd, .end = end_put, .calls_min = 3,
	  .harmless = POLLED, .reason = POLLED_REASON },
	{ .name = "dma_buf_fd, importing", .begin = begin_fd_import,
	  .act = act_fd_import, .end = end_import, .calls_min = 1 },
};

/* Attaching */

static const struct dmabuf_device_info coherent = { .name = "coherent" };
static const struct dmabuf_device_info non_coherent = {
	.name = "non-coherent", .non_coherent = true, .max_segment_size = 8192,
};

static void add_device(struct scene *s, const struct dmabuf_device_info *info)
{
	assert_int_equal(dmabuf_device_create(info, &s->dev), 0);
}

static int act_attach(struct scene *s)
{
	s->attach = dma_buf_attach(s->dmabuf, s->dev);
	return PTR_ERR_OR_ZERO(s->attach);
}

static int act_dynamic_attach(struct scene *s)
{
	s->attach = dma_buf_dynamic_attach(s->dmabuf, s->dev, &mock_importer,
					   &s->mock);
	return PTR_ERR_OR_ZERO(s->attach);
}

static void undo_attach(struct scene *s)
{
	dma_buf_detach(s->dmabuf, s->attach);
}

static void end_attach(struct scene *s)
{
	dma_buf_put(s->dmabuf);
	dmabuf_device_destroy(s->dev);
	if (s->fd >= 0)
		close(s->fd);
}

static void begin_attach_anon(struct scene *s)
{
	begin_anon(s);
	add_device(s, &coherent);
}

static void begin_attach_memfd(struct scene *s)
{
	begin_memfd(s);
	add_device(s, &non_coherent);
}

static void begin_attach_import(struct scene *s)
{
	begin_import(s);
	add_device(s, &non_coherent);
}

static void begin_attach_static(struct scene *s)
{
	begin_mock(s);
	add_device(s, &non_coherent);
}

static void begin_attach_dynamic(struct scene *s)
{
	s->dmabuf = mock_export(&s->mock, SIZE, MOCK_DYNAMIC);
	add_device(s, &coherent);
}

static const struct failure_case attach_cases[] = {
	{ .name = "dma_buf_attach, anon", .begin = begin_attach_anon,
	  .act = act_attach, .undo = undo_attach, .end = end_attach,
	  .calls_min = 2 },
	{ .name = "dma_buf_attach, memfd", .begin = begin_attach_memfd,
	  .act = act_attach, .undo = undo_attach, .end = end_attach,
	  .calls_min = 2 },
	{ .name = "dma_buf_attach, importing", .begin = begin_attach_import,
	  .act = act_attach, .undo = undo_attach, .end = end_attach,
	  .calls_min = 2 },
	{ .name = "dma_buf_dynamic_attach, static exporter",
	  .begin = begin_attach_static, .act = act_dynamic_attach,
	  .undo = undo_attach, .end = end_attach, .calls_min = 6 },
	{ .name = "dma_buf_attach, dynamic exporter",
	  .begin = begin_attach_dynamic, .act = act_attach,
	  .undo = undo_attach, .end = end_attach, .calls_min = 5 },
};

/* Mapping for a device */

static int act_map_locked(struct scene *s)
{
	dma_resv_lock(s->dmabuf->resv, NULL);
	s->table = dma_buf_map_attachment(s->attach, DMA_BIDIRECTIONAL);
	dma_resv_unlock(s->dmabuf->resv);
	return PTR_ERR_OR_ZERO(s->table);
}

static void end_map(struct scene *s)
{
	dma_buf_detach(s->dmabuf, s->attach);
	end_attach(s);
}

static void begin_map_anon(struct scene *s)
{
	begin_attach_anon(s);
	assert_int_equal(act_attach(s), 0);
}

static void begin_map_memfd(struct scene *s)
{
	begin_attach_memfd(s);
	assert_int_equal(act_attach(s), 0);
}

static void begin_map_import(struct scene *s)
{
	begin_attach_import(s);
	assert_int_equal(act_attach(s), 0);
}

static void begin_map_cached(struct scene *s)
{
	s->dmabuf = mock_export(&s->mock, SIZE, MOCK_CACHED);
	add_device(s, &coherent);
	assert_int_equal(act_attach(s), 0);
}

static const struct failure_case map_cases[] = {
	{ .name = "dma_buf_map_attachment, anon", .begin = begin_map_anon,
	  .act = act_map_locked, .undo = undo_map, .end = end_map,
	  .calls_min = 4 },
	{ .name = "dma_buf_map_attachment_unlocked, memfd",
	  .begin = begin_map_memfd, .act = act_map, .undo = undo_map,
	  .end = end_map, .calls_min = 8 },
	{ .name = "dma_buf_map_attachment_unlocked, importing",
	  .begin = begin_map_import, .act = act_map, .undo = undo_map,
	  .end = end_map, .calls_min = 8 },
	{ .name = "dma_buf_map_attachment_unlocked, cached",
	  .begin = begin_map_cached, .act = act_map, .undo = undo_map,
	  .end = end_map, .calls_min = 4 },
};

/* Mapping for the CPU */

static int act_mmap(struct scene *s)
{
	s->vaddr = dma_buf_mmap(s->dmabuf, SIZE, PROT_READ | PROT_WRITE,
				MAP_SHARED, 0);
	return PTR_ERR_OR_ZERO(s->vaddr);
}

static void undo_mmap(struct scene *s)
{
	assert_int_equal(munmap(s->vaddr, SIZE), 0);
	wait_for_refs(s->dmabuf, 1);
}

static const struct failure_case cpu_cases[] = {
	{ .name = "dma_buf_vmap, memfd", .begin = begin_memfd,
	  .act = act_vmap, .undo = undo_vmap, .end = end_put, .calls_min = 1 },
	{ .name = "dma_buf_vmap, importing", .begin = begin_import,
	  .act = act_vmap, .undo = undo_vmap, .end = end_import,
	  .calls_min = 1 },
	{ .name = "dma_buf_mmap, opaque", .begin = begin_mock,
	  .act = act_mmap, .undo = undo_mmap, .end = end_put, .calls_min = 2 },
	{ .name = "dma_buf_mmap, memfd", .begin = begin_memfd,
	  .act = act_mmap, .undo = undo_mmap, .end = end_put, .calls_min = 8,
	  .harmless = POLLED, .reason = POLLED_REASON, .ret = -EPERM },
	{ .name = "dma_buf_mmap, importing", .begin = begin_import,
	  .act = act_mmap, .undo = undo_mmap, .end = end_import,
	  .calls_min = 2 },
};

static const struct failure_case anon_mmap_case = {
	.name = "dma_buf_mmap, anon", .begin = begin_anon, .act = act_mmap,
	.undo = undo_mmap, .end = end_put, .calls_min = 3,
};

/* The name */

static void begin_name(struct scene *s)
{
	begin_mock(s);
	assert_int_equal(dma_buf_set_name(s->dmabuf, "before"), 0);
}

static int act_name(struct scene *s)
{
	return dma_buf_set_name(s->dmabuf, "after");
}

static const struct failure_case name_cases[] = {
	{ .name = "dma_buf_set_name", .begin = begin_name, .act = act_name,
	  .end = end_put, .calls_min = 1 },
};

/* Huge pages: how large they are has to be asked. */

static int act_huge_export(struct scene *s)
{
	return dmabuf_memfd_export(1, O_RDWR | DMABUF_EXPORT_HUGETLB,
				   &s->result);
}

static void begin_huge(struct scene *s)
{
	assert_int_equal(act_huge_export(s), 0);
	s->dmabuf = s->result;
}

static void begin_huge_fd(struct scene *s)
{
	begin_huge(s);
	get_dma_buf(s->dmabuf);
}

static int act_huge_mmap(struct scene *s)
{
	s->vaddr = dma_buf_mmap(s->dmabuf, huge_size, PROT_READ, MAP_SHARED, 0);
	return PTR_ERR_OR_ZERO(s->vaddr);
}

static void undo_huge_mmap(struct scene *s)
{
	assert_int_equal(munmap(s->vaddr, huge_size), 0);
	wait_for_refs(s->dmabuf, 1);
}

static void begin_huge_pages(struct scene *s)
{
	s->fd = huge_memfd_make("huge", huge_size, 0);
}

static int act_huge_pages(struct scene *s)
{
	return dmabuf_pages_init_memfd(&s->pages, s->fd, 0, huge_size);
}

static void begin_huge_import(struct scene *s)
{
	s->fd = huge_memfd_make("huge", huge_size, 0);
	assert_int_equal(fcntl(s->fd, F_ADD_SEALS,
			       F_SEAL_SHRINK | F_SEAL_WRITE), 0);
}

static const struct failure_case huge_cases[] = {
	{ .name = "dmabuf_memfd_export, huge", .act = act_huge_export,
	  .undo = undo_result, .calls_min = 8 },
	{ .name = "dma_buf_fd, huge", .begin = begin_huge_fd, .act = act_fd,
	  .undo = undo_fd, .end = end_put, .calls_min = 7,
	  .harmless = POLLED, .reason = POLLED_REASON, .ret = -EPERM },
	{ .name = "dma_buf_mmap, huge", .begin = begin_huge,
	  .act = act_huge_mmap, .undo = undo_huge_mmap, .end = end_put,
	  .calls_min = 9, .harmless = POLLED, .reason = POLLED_REASON,
	  .ret = -EPERM },
	{ .name = "dmabuf_pages_init_memfd, huge", .begin = begin_huge_pages,
	  .act = act_huge_pages, .undo = undo_pages, .end = end_fd,
	  .calls_min = 3 },
	{ .name = "dmabuf_memfd_import, huge", .begin = begin_huge_import,
	  .act = act_memfd_import, .undo = undo_result, .end = end_fd,
	  .calls_min = 7, .ret = -EPERM },
};

/* Dispatch: what could not be looked at is looked at again. */

static void begin_dispatch(struct scene *s)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };

	begin_fd_pages(s);
	assert_int_equal(act_fd(s), 0);
	close(s->fd);
	assert_int_equal(poll(&event, 1, 10000), 1);
}

static int act_dispatch(struct scene *s)
{
	int nr = dmabuf_dispatch();

	(void)s;
	return nr < 0 ? nr : 0;
}

static void undo_dispatch(struct scene *s)
{
	wait_for_refs(s->dmabuf, 1);
}

static const struct failure_case dispatch_cases[] = {
	{ .name = "dmabuf_dispatch", .begin = begin_dispatch,
	  .act = act_dispatch, .undo = undo_dispatch, .end = end_put,
	  .calls_min = 1, .harmless = "fcntl(F_OFD_GETLK) timerfd_settime",
	  .reason = "the fd then counts as open until the next dispatch" },
};

/* Pages of an import, where a device points: nothing replaces them. */
static int child_without_pages(struct scene *s)
{
	inject_arm(1);
	dmabuf_dispatch();
	inject_disarm();
	CHECK(inject_failed() && !strncmp(inject_failed(), "mmap", 4));
	CHECK(PTR_ERR(dma_buf_vmap(s->dmabuf)) == -EIO);
	undo_map(s);
	dma_buf_detach(s->dmabuf, s->attach);
	dma_buf_put(s->dmabuf);
	CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

/* The tests */

/* INV-D-14 */
static void exports_and_imports_come_back_with_the_error(void **state)
{
	(void)state;
	play_all(export_cases, NR_ELEMENTS(export_cases));
}

/* INV-D-12 */
static void fds_come_back_with_the_error(void **state)
{
	(void)state;
	play_all(fd_cases, NR_ELEMENTS(fd_cases));
}

/* INV-D-6 */
static void attaching_comes_back_with_the_error(void **state)
{
	(void)state;
	play_all(attach_cases, NR_ELEMENTS(attach_cases));
}

static void mapping_for_devices_comes_back_with_the_error(void **state)
{
	(void)state;
	play_all(map_cases, NR_ELEMENTS(map_cases));
}

/* INV-D-3 */
static void mapping_for_the_cpu_comes_back_with_the_error(void **state)
{
	(void)state;
	play_all(cpu_cases, NR_ELEMENTS(cpu_cases));
}

static void mapping_of_anon_comes_back_with_the_error(void **state)
{
	(void)state;
	if (under_valgrind()) {
		print_message("skipped under valgrind, which does not know "
			      "mremap(2) with an old size of 0\n");
		skip();
	}
	play(&anon_mmap_case);
}

static void naming_comes_back_with_the_error(void **state)
{
	(void)state;
	play_all(name_cases, NR_ELEMENTS(name_cases));
}

static void dispatch_looks_again(void **state)
{
	(void)state;
	play_all(dispatch_cases, NR_ELEMENTS(dispatch_cases));
}

static void import_that_cannot_be_replaced_in_a_child_is_left_out(void **state)
{
	struct scene s = { .fd = -1 };
	int status;
	pid_t pid;

	(void)state;
	begin_import(&s);
	add_device(&s, &coherent);
	assert_int_equal(act_attach(&s), 0);
	assert_int_equal(act_map(&s), 0);
	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(child_without_pages(&s));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	undo_map(&s);
	end_map(&s);
	assert_int_equal(status, 0);
}

static void huge_pages_come_back_with_the_error(void **state)
{
	(void)state;
	huge_size = huge_pages_need(2);
	if (!huge_size)
		skip();
	play_all(huge_cases, NR_ELEMENTS(huge_cases));
	huge_pages_done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exports_and_imports_come_back_with_the_error),
		cmocka_unit_test(fds_come_back_with_the_error),
		cmocka_unit_test(attaching_comes_back_with_the_error),
		cmocka_unit_test(mapping_for_devices_comes_back_with_the_error),
		cmocka_unit_test(mapping_for_the_cpu_comes_back_with_the_error),
		cmocka_unit_test(mapping_of_anon_comes_back_with_the_error),
		cmocka_unit_test(naming_comes_back_with_the_error),
		cmocka_unit_test(dispatch_looks_again),
		cmocka_unit_test(
			import_that_cannot_be_replaced_in_a_child_is_left_out),
		cmocka_unit_test(huge_pages_come_back_with_the_error),
	};

	return cmocka_run_group_tests_name("failures", tests,
					   leaks_group_setup, NULL) != 0;
}
