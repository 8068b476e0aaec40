// SPDX-License-Identifier: MIT
// client.go - a buffer from Go, which makes its system calls itself
package main

import (
	"os"
	"syscall"
	"unsafe"
)

type allocation struct {
	len       uint64
	fd        uint32
	fdFlags   uint32
	heapFlags uint64
}

func ioctl(fd int, cmd uintptr, arg unsafe.Pointer) {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), cmd, uintptr(arg))
	if errno != 0 {
		panic(errno)
	}
}

func main() {
	heap, err := os.OpenFile("/dev/dma_heap/system", os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	data := allocation{len: 10000, fdFlags: syscall.O_RDWR | syscall.O_CLOEXEC}
	ioctl(int(heap.Fd()), 0xC0184800, unsafe.Pointer(&data))
	view, err := syscall.Mmap(int(data.fd), 0, 12288, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	flags := uint64(3)
	ioctl(int(data.fd), 0x40086200, unsafe.Pointer(&flags))
	view[12287] = 1
	size, err := syscall.Seek(int(data.fd), 0, 2)
	if err != nil || size != 12288 {
		panic("the size")
	}
}
