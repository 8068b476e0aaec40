/* SPDX-License-Identifier: MIT */
/* udmabuf.h - what is wrong with ranges, whatever memfds they are of */
#ifndef LIB_EXPORTER_UDMABUF_H
#define LIB_EXPORTER_UDMABUF_H

#include <stddef.h>

#include <dmabuf/udmabuf.h>

/*
 * The first checks of dmabuf_udmabuf_export(), before any of the fds is looked
 * at. @ret_size: bytes of all ranges together. 0; -EINVAL; -ENOMEM.
 */
int udmabuf_ranges_check(const struct dmabuf_udmabuf_range *ranges, size_t nr,
			 size_t *ret_size);

#endif
