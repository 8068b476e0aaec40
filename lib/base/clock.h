/* SPDX-License-Identifier: MIT */
/* clock.h - nanoseconds on CLOCK_MONOTONIC */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define US_NS ((int64_t)1000)
#define MS_NS (1000 * US_NS)
#define SECOND_NS (1000 * MS_NS)

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

#endif
