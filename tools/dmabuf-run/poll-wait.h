/* SPDX-License-Identifier: MIT */
/* poll-wait.h - poll(2) and select(2) that have to wait for fences */
#ifndef DMABUF_RUN_POLL_WAIT_H
#define DMABUF_RUN_POLL_WAIT_H

#include "call.h"

/* For call_defer(): waits in the program's place, and ends the call. */
void poll_wait(struct call *call);

#endif
