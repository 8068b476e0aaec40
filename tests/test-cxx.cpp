/* SPDX-License-Identifier: MIT */
/* test-cxx.cpp - the library in C++, its headers inside of extern "C" */
#include <cstddef>
#include <cstdio>

extern "C" {
#include <dmabuf/dmabuf.h>
}

#define CHECK(condition)                                              \
	do {                                                          \
		if (condition)                                        \
			break;                                        \
		std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			     __LINE__, #condition);                   \
		return 1;                                             \
	} while (0)

/* NULL is a number in C++. */
static int merge_with_null()
{
	dmabuf_sw_sync *timeline;
	dma_fence *point, *merged;

	CHECK(!dmabuf_sw_sync_create("cxx", &timeline));
	point = dmabuf_sw_sync_fence(timeline, 1);
	CHECK(!IS_ERR_OR_NULL(point));
	merged = dma_fence_unwrap_merge(point, NULL);
	CHECK(merged == point);
	dma_fence_put(merged);
	merged = dma_fence_unwrap_merge(NULL, NULL, point);
	CHECK(merged == point);
	dma_fence_put(merged);
	merged = dma_fence_unwrap_merge(point, NULL, point, NULL);
	CHECK(merged == point);
	dma_fence_put(merged);
	dma_fence_put(point);
	dmabuf_sw_sync_destroy(timeline);
	return 0;
}

int main()
{
	return merge_with_null();
}
