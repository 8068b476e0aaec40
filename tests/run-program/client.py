# SPDX-License-Identifier: MIT
# client.py - a buffer from Python: ioctl, mmap, SYNC, name, poll
import fcntl
import mmap
import os
import select
import struct

ALLOC = 0xC0184800
SYNC = 0x40086200
SET_NAME = 0x40086201

heap = os.open("/dev/dma_heap/system", os.O_RDWR)
data = bytearray(struct.pack("QIIQ", 10000, 0, os.O_RDWR | os.O_CLOEXEC, 0))
fcntl.ioctl(heap, ALLOC, data)
fd = struct.unpack("QIIQ", data)[1]
os.close(heap)
assert os.lseek(fd, 0, os.SEEK_END) == 12288
view = mmap.mmap(fd, 12288)
assert view[:] == bytes(12288)
fcntl.ioctl(fd, SYNC, struct.pack("Q", 2))
view[:5] = b"hello"
fcntl.ioctl(fd, SYNC, struct.pack("Q", 6))
try:
    fcntl.ioctl(fd, SYNC, struct.pack("Q", 0))
    raise SystemExit("a SYNC without a direction was not refused")
except OSError:
    pass
poll = select.poll()
poll.register(fd, select.POLLIN | select.POLLOUT)
assert poll.poll(0) == [(fd, select.POLLIN | select.POLLOUT)]
assert sorted(os.listdir("/dev/dma_heap"))[:2] == ["contiguous", "system"]
view.close()
os.close(fd)
