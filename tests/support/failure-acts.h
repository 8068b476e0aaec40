/* SPDX-License-Identifier: MIT */
/* failure-acts.h - what the cases of several tests of failures are made of */
#ifndef TESTS_FAILURE_ACTS_H
#define TESTS_FAILURE_ACTS_H

#include "failure-case.h"

/* Attaches @dev, which is the scene's then, to its buffer. */
void scene_attach(struct scene *s, struct device *dev);

int act_vmap(struct scene *s);
void undo_vmap(struct scene *s);

/* Through the attachment, in both directions */
int act_map(struct scene *s);
void undo_map(struct scene *s);

/* Puts the buffer that the call returned. */
void undo_result(struct scene *s);

void undo_pages(struct scene *s);

/* After scene_attach(): detaches, and puts the buffer. */
void end_attached(struct scene *s);

void end_put(struct scene *s);
void end_fd(struct scene *s);

#endif
