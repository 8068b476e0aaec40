/* SPDX-License-Identifier: MIT */
/* lookup.h - looking at fences that others may be about to free */
#ifndef LIB_FENCE_LOOKUP_H
#define LIB_FENCE_LOOKUP_H

/*
 * Between the two, nothing that was to be found at the beginning is freed by
 * dma_fence_free(). A few instructions; nothing is called meanwhile.
 */
unsigned int lookup_begin(void);
void lookup_end(unsigned int lookup);

/* Wait for those that began before this. */
void lookups_wait(void);

#endif
