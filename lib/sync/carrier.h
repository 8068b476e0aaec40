/* SPDX-License-Identifier: MIT */
/* carrier.h - the socket pair that carries a fence into other processes */
#ifndef LIB_SYNC_CARRIER_H
#define LIB_SYNC_CARRIER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * One end is given out, and is the sync file: the holder's. The other stays
 * with the process that signals, which sends one record and keeps the end. So
 * the holder's end is readable for all who have a copy, and for good, as nobody
 * takes the record; and a hang-up without one says that the signaller is dead.
 */
struct carrier {
	int holder;		/* close-on-exec */
	int signaller;		/* close-on-exec */
};

#define CARRIER_ID_BITS 48
#define CARRIER_ID_MAX ((UINT64_C(1) << CARRIER_ID_BITS) - 1)

/* The record, as it goes through the socket. */
struct carrier_record {
	int32_t status;		/* 1, or -errno */
	uint32_t zero;
	int64_t timestamp_ns;	/* CLOCK_MONOTONIC */
};

/*
 * @id: of this pair among those that this process makes. -EMFILE, -ENFILE,
 * -ENOMEM.
 */
int carrier_open(uint64_t id, struct carrier *carrier);

/* -EBADF; -ENOTTY when @fd does not look like the holder's end of a pair. */
int carrier_id(int fd, uint64_t *ret_id);

/* A number that the kernel gives to a socket, and never to another one. */
uint64_t carrier_cookie(int fd);

/* The process that made the pair; 0 when it is not to be seen from here. */
pid_t carrier_maker(int fd);

/*
 * False when nobody holds the other end, or the record does not get there. No
 * cancellation point.
 */
bool carrier_send(int signaller, int status, int64_t timestamp_ns);

/*
 * False while the fence of @holder is pending. Otherwise with what was sent, or
 * -EOWNERDEAD for a hang-up, or -EBADMSG for anything else.
 */
bool carrier_look(int holder, struct carrier_record *ret_record);

#endif
