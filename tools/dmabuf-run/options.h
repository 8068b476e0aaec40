/* SPDX-License-Identifier: MIT */
/* options.h - the command line of dmabuf-run */
#ifndef DMABUF_RUN_OPTIONS_H
#define DMABUF_RUN_OPTIONS_H

#include <stdbool.h>

/* False: ended already, with *ret_status. */
bool options_parse(int argc, char **argv, int *ret_status);

#endif
