/* SPDX-License-Identifier: MIT */
/* list.h - rings of the links that public structs have */
#ifndef LIB_BASE_LIST_H
#define LIB_BASE_LIST_H

#include <stdbool.h>

#include <dmabuf/list.h>

/* An empty ring, or a link that is in none. */
static inline void list_init(struct dmabuf_list *node)
{
	node->next = node;
	node->prev = node;
}

static inline bool list_empty(const struct dmabuf_list *head)
{
	return head->next == head;
}

static inline void list_add_before(struct dmabuf_list *node,
				   struct dmabuf_list *next)
{
	node->next = next;
	node->prev = next->prev;
	next->prev->next = node;
	next->prev = node;
}

/* A link that is in none stays so. */
static inline void list_del_init(struct dmabuf_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#endif
