/* SPDX-License-Identifier: MIT */
/* export.h - marks what the shared library exports */
#ifndef DMABUF_EXPORT_H
#define DMABUF_EXPORT_H

#if defined(__GNUC__)
#define DMABUF_API __attribute__((visibility("default")))
#else
#define DMABUF_API
#endif

/* What others define, for the project's programs to find. */
#if defined(__GNUC__)
#define DMABUF_ENTRY __attribute__((visibility("default")))
#else
#define DMABUF_ENTRY
#endif

/* For calls so short that a jump through the procedure linkage table shows. */
#if defined(__GNUC__) && !defined(__clang__)
#define DMABUF_NOPLT __attribute__((noplt))
#else
#define DMABUF_NOPLT
#endif

#endif
