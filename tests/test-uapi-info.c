/* SPDX-License-Identifier: MIT */
/* test-uapi-info.c - what is told about buffers as text */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"
#include "warns.h"

#define HEAD "\nDma-buf Objects:\n" \
	"size    \tflags   \tmode    \tcount   \texp_name\tino     \tname\n"

static char text[8192];

/* Into @text, which fits. */
static void fdinfo_of(struct dma_buf *dmabuf)
{
	FILE *file = fmemopen(text, sizeof(text), "w");

	assert_non_null(file);
	assert_int_equal(dmabuf_buffer_fdinfo(dmabuf, file), 0);
	assert_int_equal(fclose(file), 0);
}

static void bufinfo(void)
{
	FILE *file = fmemopen(text, sizeof(text), "w");

	assert_non_null(file);
	assert_int_equal(dmabuf_bufinfo(file), 0);
	assert_int_equal(fclose(file), 0);
}

#define assert_shows(what) assert_non_null(strstr(text, (what)))
#define assert_hides(what) assert_null(strstr(text, (what)))

/* fdinfo */

static void fdinfo_has_size_count_and_exporter(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, 8192, 0);
	mock.info.exp_name = "maker";
	mock_export_inited(&mock);
	get_dma_buf(mock.dmabuf);
	fdinfo_of(mock.dmabuf);
	assert_string_equal(text, "size:\t8192\ncount:\t1\nexp_name:\tmaker\n");
	dma_buf_put(mock.dmabuf);
	dma_buf_put(mock.dmabuf);
}

static void fdinfo_has_a_name_once_there_is_one(void **state)
{
	struct mock mock;

	(void)state;
	mock_export(&mock, 4096, 0);
	fdinfo_of(mock.dmabuf);
	assert_hides("\nname:");
	assert_int_equal(dma_buf_set_name(mock.dmabuf, ""), 0);
	fdinfo_of(mock.dmabuf);
	assert_shows("\nname:\t\n");
	assert_int_equal(dma_buf_set_name(mock.dmabuf, "frame 7"), 0);
	fdinfo_of(mock.dmabuf);
	assert_shows("\nname:\tframe 7\n");
	dma_buf_put(mock.dmabuf);
}

static void fdinfo_counts_who_else_has_it(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	int fd;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	/* One fd, as in /proc: its reader is not in it. */
	fdinfo_of(dmabuf);
	assert_shows("count:\t1\n");
	close(fd);
	dispatch_until_refs(dmabuf, 1);
	fdinfo_of(dmabuf);
	assert_shows("count:\t0\n");
	dma_buf_put(dmabuf);
}

static void an_exporter_without_a_name_has_none(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, 4096, 0);
	mock.info.exp_name = NULL;
	mock_export_inited(&mock);
	fdinfo_of(mock.dmabuf);
	assert_shows("exp_name:\t\n");
	bufinfo();
	assert_shows("\t00000001\t\t00000000\t<none>\n");
	dma_buf_put(mock.dmabuf);
}

static void a_file_that_fails_is_eio(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	FILE *file = fopen("/proc/self/maps", "r");

	(void)state;
	assert_non_null(file);
	assert_int_equal(dmabuf_buffer_fdinfo(dmabuf, file), -EIO);
	assert_int_equal(dmabuf_bufinfo(file), -EIO);
	fclose(file);
	dma_buf_put(dmabuf);
}

/* A disk that fills up: glibc wants 0 for an error here. */
static ssize_t write_while_there_is_room(void *cookie, const char *buf,
					 size_t size)
{
	size_t *room = cookie;

	(void)buf;
	if (size > *room)
		return 0;
	*room -= size;
	return (ssize_t)size;
}

static int fdinfo_in(struct dma_buf *dmabuf, size_t room)
{
	const cookie_io_functions_t io = { .write = write_while_there_is_room };
	FILE *file = fopencookie(&room, "w", io);
	int ret;

	assert_non_null(file);
	setvbuf(file, NULL, _IONBF, 0);
	ret = dmabuf_buffer_fdinfo(dmabuf, file);
	fclose(file);
	return ret;
}

static void a_file_that_fills_up_is_eio_at_every_line(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	size_t room;

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, "camera"), 0);
	fdinfo_of(dmabuf);
	for (room = 0; room < strlen(text); room++)
		assert_int_equal(fdinfo_in(dmabuf, room), -EIO);
	assert_int_equal(fdinfo_in(dmabuf, room), 0);
	dma_buf_put(dmabuf);
}

static void fdinfo_of_nothing_is_einval_and_warns(void **state)
{
	(void)state;
	assert_int_equal(dmabuf_buffer_fdinfo(NULL, stderr), -EINVAL);
	assert_warned("dmabuf_buffer_fdinfo");
}

/* bufinfo */

static void without_buffers_there_are_totals(void **state)
{
	(void)state;
	bufinfo();
	assert_string_equal(text, HEAD "\nTotal 0 objects, 0 bytes\n");
}

static void bufinfo_has_a_line_for_a_buffer(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, 8192, 0);
	mock.info.exp_name = "maker";
	mock.info.flags = O_RDWR | O_CLOEXEC;
	mock_export_inited(&mock);
	get_dma_buf(mock.dmabuf);
	bufinfo();
	assert_string_equal(text, HEAD
			    "00008192\t00000002\t00080007\t00000002\tmaker\t"
			    "00000000\t<none>\n"
			    "\tAttached Devices:\n"
			    "Total 0 devices attached\n\n"
			    "\nTotal 1 objects, 8192 bytes\n");
	assert_int_equal(dmabuf_refcount(mock.dmabuf), 2);
	dma_buf_put(mock.dmabuf);
	dma_buf_put(mock.dmabuf);
}

static void bufinfo_has_inode_name_and_mode(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDONLY);
	char wanted[80];
	struct stat st;
	int fd;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(dma_buf_set_name(dmabuf, "frame 7"), 0);
	bufinfo();
	snprintf(wanted, sizeof(wanted), "\t00000002\tmemfd\t%08ju\tframe 7\n",
		 (uintmax_t)st.st_ino);
	assert_shows(wanted);
	assert_shows("00004096\t00000000\t00080005\t");
	close(fd);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void the_newest_comes_first(void **state)
{
	struct dma_buf *old = memfd_export(4096, O_RDWR);
	struct dma_buf *new = memfd_export(8192, O_WRONLY);

	(void)state;
	bufinfo();
	assert_true(strstr(text, "00008192") < strstr(text, "00004096"));
	assert_shows("00008192\t00000001\t00080006\t");
	assert_shows("\nTotal 2 objects, 12288 bytes\n");
	dma_buf_put(old);
	dma_buf_put(new);
}

static void bufinfo_names_the_devices(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	static const struct dmabuf_device_info infos[] = {
		{ .name = "one" }, { .name = "two" },
	};
	struct device *one = device_of(&infos[0]);
	struct device *two = device_of(&infos[1]);
	struct dma_buf_attachment *attach1 = dma_buf_attach(dmabuf, one);
	struct dma_buf_attachment *attach2 = dma_buf_attach(dmabuf, two);

	(void)state;
	bufinfo();
	assert_shows("<none>\n\tAttached Devices:\n\ttwo\n\tone\n"
		     "Total 2 devices attached\n\n");
	dma_buf_detach(dmabuf, attach1);
	dma_buf_detach(dmabuf, attach2);
	dmabuf_device_destroy(one);
	dmabuf_device_destroy(two);
	dma_buf_put(dmabuf);
}

static void fence_add(struct dma_resv *obj, struct dma_fence *fence,
		      enum dma_resv_usage usage)
{
	assert_int_equal(dma_resv_reserve_fences(obj, 1), 0);
	dma_resv_add_fence(obj, fence, usage);
}

static void bufinfo_describes_the_fences(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *fences[4];
	unsigned int i;

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	for (i = 0; i < 4; i++) {
		fences[i] = point_make(timeline, i + 1);
		fence_add(dmabuf->resv, fences[i], i);
	}
	dma_resv_unlock(dmabuf->resv);
	bufinfo();
	assert_shows("\tkernel fence:sw_sync line seq 1 unsignalled\n"
		     "\twrite fence:sw_sync line seq 2 unsignalled\n"
		     "\tread fence:sw_sync line seq 3 unsignalled\n"
		     "\tAttached Devices:\n");
	dmabuf_sw_sync_inc(timeline, 2);
	bufinfo();
	assert_shows("\twrite fence:sw_sync line seq 2 signalled\n");
	for (i = 0; i < 4; i++)
		dma_fence_put(fences[i]);
	dma_buf_put(dmabuf);
	dmabuf_sw_sync_destroy(timeline);
}

static void who_holds_the_reservation_sees_its_fences(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	struct mock_fence *fence = mock_fence_new();

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	fence_add(dmabuf->resv, &fence->base, DMA_RESV_USAGE_WRITE);
	bufinfo();
	assert_shows("\twrite fence:mock line");
	/* It is still held. */
	assert_true(dma_resv_held(dmabuf->resv));
	dma_resv_unlock(dmabuf->resv);
	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
	dma_buf_put(dmabuf);
}

static void *ask(void *data)
{
	(void)data;
	bufinfo();
	return NULL;
}

static void a_reservation_of_another_is_not_waited_for(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	pthread_t thread;

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	assert_int_equal(pthread_create(&thread, NULL, ask, NULL), 0);
	/* It would never end. */
	assert_int_equal(pthread_join(thread, NULL), 0);
	dma_resv_unlock(dmabuf->resv);
	assert_shows("<none>\n\tfences: busy\n\tAttached Devices:\n");
	dma_buf_put(dmabuf);
}

static void release_hook(struct mock *mock, enum mock_op op,
			 struct dma_buf_attachment *attach)
{
	(void)mock;
	(void)attach;
	if (op == MOCK_OP_RELEASE)
		bufinfo();
}

static void a_buffer_that_goes_is_not_shown(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, 4096, 0);
	mock.hook = release_hook;
	dma_buf_put(mock_export_inited(&mock));
	assert_string_equal(text, HEAD "\nTotal 0 objects, 0 bytes\n");
}

static void a_buffer_that_waits_for_its_release_is_not_shown(void **state)
{
	struct dma_resv held;
	struct mock mock;

	(void)state;
	dma_resv_init(&held);
	mock_export(&mock, 4096, 0);
	dma_resv_lock(&held, NULL);
	dma_buf_put(mock.dmabuf);
	bufinfo();
	assert_string_equal(text, HEAD "\nTotal 0 objects, 0 bytes\n");
	assert_log(&mock, "");
	dma_resv_unlock(&held);
	assert_log(&mock, "release");
	dma_resv_fini(&held);
}

/* The last reference is given back by who only wanted to look. */

static const char *naming_name(struct dma_fence *fence)
{
	struct mock *mock = (struct mock *)(uintptr_t)fence->seqno;

	if (mock->dmabuf) {
		dma_buf_put(mock->dmabuf);
		mock->dmabuf = NULL;
	}
	return "named";
}

static const struct dma_fence_ops naming_ops = {
	.get_driver_name = naming_name,
	.get_timeline_name = naming_name,
};

static void a_buffer_may_go_while_it_is_shown(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct dma_fence *fence = calloc(1, sizeof(*fence));
	struct mock mock;

	(void)state;
	mock_export(&mock, 4096, 0);
	dma_fence_init(fence, &naming_ops, &lock, dma_fence_context_alloc(1),
		       (uintptr_t)&mock);
	dma_resv_lock(mock.dmabuf->resv, NULL);
	fence_add(mock.dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(mock.dmabuf->resv);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	bufinfo();
	assert_shows("\twrite fence:named named");
	assert_shows("\nTotal 1 objects, 4096 bytes\n");
	assert_log(&mock, "release");
	assert_int_equal(dmabuf_live_buffers(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(fdinfo_has_size_count_and_exporter),
		LEAK_TEST(fdinfo_has_a_name_once_there_is_one),
		LEAK_TEST(fdinfo_counts_who_else_has_it),
		LEAK_TEST(an_exporter_without_a_name_has_none),
		LEAK_TEST(a_file_that_fails_is_eio),
		LEAK_TEST(a_file_that_fills_up_is_eio_at_every_line),
		LEAK_TEST(fdinfo_of_nothing_is_einval_and_warns),
		LEAK_TEST(without_buffers_there_are_totals),
		LEAK_TEST(bufinfo_has_a_line_for_a_buffer),
		LEAK_TEST(bufinfo_has_inode_name_and_mode),
		LEAK_TEST(the_newest_comes_first),
		LEAK_TEST(bufinfo_names_the_devices),
		LEAK_TEST(bufinfo_describes_the_fences),
		LEAK_TEST(who_holds_the_reservation_sees_its_fences),
		LEAK_TEST(a_reservation_of_another_is_not_waited_for),
		LEAK_TEST(a_buffer_that_goes_is_not_shown),
		LEAK_TEST(a_buffer_that_waits_for_its_release_is_not_shown),
		LEAK_TEST(a_buffer_may_go_while_it_is_shown),
	};

	return cmocka_run_group_tests_name("uapi/info", tests,
					   leaks_group_setup, NULL) != 0;
}
