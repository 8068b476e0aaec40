/* SPDX-License-Identifier: MIT */
/* dispatch.h - what dmabuf_dispatch() looks at, beside the floor it is on */
#ifndef LIB_BASE_DISPATCH_H
#define LIB_BASE_DISPATCH_H

#include <stdbool.h>

/* static, and added once */
struct dispatch_hook {
	void (*look)(void);	/* with no lock held */
	struct dispatch_hook *next;
	bool added;
};

void dispatch_add(struct dispatch_hook *hook);

/* Call all of them. */
void dispatch_look(void);

#endif
