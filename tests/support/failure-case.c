/* SPDX-License-Identifier: MIT */
/* failure-case.c - one call: each allocation and syscall in it fails once */
#include "failure-case.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "inject.h"
#include "leaks.h"

#define MAX_CALLS 64
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* The object before and after */

struct look {
	unsigned int refs;
	unsigned int counter;
	void *vmap_ptr;
	char name[32];
	unsigned int attachments;
	unsigned int live_buffers;
};

static void look_at(const struct scene *s, struct look *look)
{
	const struct dma_buf *dmabuf = s->dmabuf;
	struct dma_buf_attachment *attach;

	memset(look, 0, sizeof(*look));
	look->live_buffers = dmabuf_live_buffers();
	if (!dmabuf)
		return;
	look->refs = dmabuf_refcount(dmabuf);
	look->counter = dmabuf->vmapping_counter;
	look->vmap_ptr = dmabuf->vmap_ptr;
	snprintf(look->name, sizeof(look->name), "%s",
		 dmabuf->name ? dmabuf->name : "(none)");
	dmabuf_for_each_attachment(attach, dmabuf)
		look->attachments++;
}

static void looks_the_same(const struct look *before, const struct look *after)
{
	assert_int_equal(before->refs, after->refs);
	assert_int_equal(before->counter, after->counter);
	assert_ptr_equal(before->vmap_ptr, after->vmap_ptr);
	assert_string_equal(before->name, after->name);
	assert_int_equal(before->attachments, after->attachments);
	assert_int_equal(before->live_buffers, after->live_buffers);
}

/* Playing a case */

static bool is_harmless(const struct failure_case *c, const char *symbol)
{
	const char *at = c->harmless ? strstr(c->harmless, symbol) : NULL;

	return at && (at == c->harmless || at[-1] == ' ') &&
	       strchr(" ", at[strlen(symbol)]);
}

static void failed_rightly(const struct failure_case *c, int ret)
{
	int expected = c->ret ? c->ret : inject_failed_ret();

	/* The exporter's and the library's own refusals keep their errno. */
	if (ret == expected || ret == inject_failed_ret())
		return;
	print_error("%s: with a failing %s it returns %d, not %d\n", c->name,
		    inject_failed(), ret, expected);
	fail();
}

/* One round; true when there was an @nth call to fail. */
static bool play_round(const struct failure_case *c, unsigned int nth,
		       unsigned int *ret_calls)
{
	static struct scene s;
	struct look before, after;
	bool hit;
	int ret;

	assert_int_equal(leaks_setup(NULL), 0);
	memset(&s, 0, sizeof(s));
	s.fd = -1;
	if (c->begin)
		c->begin(&s);
	look_at(&s, &before);
	inject_arm(nth);
	ret = c->act(&s);
	*ret_calls = inject_disarm();
	hit = inject_failed() != NULL;
	if (hit && ret) {
		failed_rightly(c, ret);
		look_at(&s, &after);
		looks_the_same(&before, &after);
		ret = c->act(&s);
	} else if (hit && !is_harmless(c, inject_failed())) {
		print_error("%s: a failing %s goes unnoticed\n", c->name,
			    inject_failed());
		fail();
	}
	assert_int_equal(ret, 0);
	if (c->undo)
		c->undo(&s);
	if (c->end)
		c->end(&s);
	assert_int_equal(leaks_teardown(NULL), 0);
	return hit;
}

void play(const struct failure_case *c)
{
	static const int fd_errnos[] = { EMFILE, ENFILE };
	unsigned int nth, calls = 0;
	size_t i;

	for (i = 0; i < NR_ELEMENTS(fd_errnos); i++) {
		inject_set_fd_errno(fd_errnos[i]);
		for (nth = 1; play_round(c, nth, &calls); nth++)
			assert_true(nth < MAX_CALLS);
		if (calls < c->calls_min) {
			print_error("%s: only %u calls seen\n", c->name,
				    calls);
			fail();
		}
	}
	if (c->harmless)
		print_message("%s: %s may fail: %s\n", c->name, c->harmless,
			      c->reason);
}

void play_all(const struct failure_case *cases, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		play(&cases[i]);
}

/* Waiting */

void wait_for_refs(struct dma_buf *dmabuf, unsigned int refs)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };

	for (;;) {
		assert_true(dmabuf_dispatch() >= 0);
		if (dmabuf_refcount(dmabuf) <= refs)
			break;
		assert_int_equal(poll(&event, 1, 10000), 1);
	}
	assert_int_equal(dmabuf_refcount(dmabuf), refs);
}
