/* SPDX-License-Identifier: MIT */
/* description.h - the fds handed out, and how each tells that it is closed */
#ifndef LIB_BUFFER_DESCRIPTION_H
#define LIB_BUFFER_DESCRIPTION_H

#include "buffer/handle.h"

/*
 * A new fd. The description holds a reference, which the caller brings along.
 * -EEXIST: @handle was new, and another thread's became the buffer's.
 */
int description_open(struct handle *handle, int flags,
		     struct description **ret_description);

#endif
