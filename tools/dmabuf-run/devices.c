/* SPDX-License-Identifier: MIT */
/*
 * devices.c - how the program comes to its device nodes
 *
 * In mount mode they are real nodes of a mount namespace of the program
 * (mount.c), which the kernel opens. In trap mode calls with their paths are
 * answered (paths.c), and what is open then is a memfd: one for each node.
 */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bufinfo.h"
#include "fd-socket.h"
#include "log.h"
#include "mount.h"
#include "nodes.h"
#include "paths-directory.h"

/* The command's process sends through them what bufinfo_serve() takes. */
static int sockets[2] = { -1, -1 };

int devices_init(void)
{
	int ret = nodes_init();

	if (!ret && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			       sockets))
		ret = -errno;
	if (ret)
		complain("device nodes: %s", strerror(-ret));
	return ret;
}

int devices_mount(const char **why)
{
	return mount_nodes(sockets[1], why);
}

static void bufinfo_start(void)
{
	int fds[2], ret;
	char byte;

	if (!device_of_path(BUFINFO_PATH))
		return;
	ret = fds_receive(sockets[0], &byte, 1, fds, 2, MSG_DONTWAIT);
	if (!ret) {
		ret = bufinfo_serve(fds[0], fds[1]);
		if (ret) {
			close(fds[0]);
			close(fds[1]);
		}
	}
	if (ret)
		log_line("bufinfo stays empty: %s", strerror(-ret));
}

/* What an open node is, in trap mode; without, it cannot be opened. */
static void file_make(struct device_node *device)
{
	struct stat st;
	int fd;

	fd = memfd_create("device", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return;
	/* It is to have no content: nobody counts its pages. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL) ||
	    fchmod(fd, device->mode & 07777) || fstat(fd, &st)) {
		close(fd);
		return;
	}
	device->place->dev = st.st_dev;
	device->place->ino = st.st_ino;
	device->fd = fd;
}

void devices_set_mode(enum devices_mode mode)
{
	struct device_node *device;

	if (mode == DEVICES_MOUNT) {
		bufinfo_start();
	} else {
		directories_init();
		TAILQ_FOREACH(device, &device_nodes, link)
			file_make(device);
	}
	close(sockets[0]);
	close(sockets[1]);
}

void devices_fini(void)
{
	nodes_fini();
	directories_fini();
}
