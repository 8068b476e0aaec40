/* SPDX-License-Identifier: MIT */
/* holds.h - what must hold in a walk against a model */
#ifndef TESTS_HOLDS_H
#define TESTS_HOLDS_H

#include <stdio.h>

/* The first thing that did not hold ends the walk. */
#define HOLDS(walk, condition)                                               \
	do {                                                                 \
		if (!(condition) && !(walk)->result->fault[0])               \
			snprintf((walk)->result->fault,                      \
				 sizeof((walk)->result->fault),              \
				 "%s:%d: not so: %s", __FILE__, __LINE__,    \
				 #condition);                                \
	} while (0)

#endif
