/* SPDX-License-Identifier: MIT */
/* forbid.c - run a command that may not call seccomp(2), or be looked into */
/*
 *	forbid ERRNO COMMAND...		seccomp(2) fails so
 *	forbid dump			nobody looks at this process: has it devices?
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int life(void);

static int seccomp_forbid(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | ((unsigned int)error & 0xffff)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "dump"))
		return prctl(PR_SET_DUMPABLE, 0) || !life();
	if (argc < 3 || seccomp_forbid(atoi(argv[1])))
		return 99;
	execvp(argv[2], argv + 2);
	return 98;
}
