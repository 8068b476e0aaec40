// SPDX-License-Identifier: MIT
// client.rs - a buffer from Rust, by its standard library and two C functions
use std::fs::OpenOptions;
use std::os::unix::io::AsRawFd;

#[repr(C)]
struct Allocation {
    len: u64,
    fd: u32,
    fd_flags: u32,
    heap_flags: u64,
}

extern "C" {
    fn ioctl(fd: i32, cmd: u64, ...) -> i32;
    fn lseek(fd: i32, offset: i64, whence: i32) -> i64;
}

fn main() {
    let heap = OpenOptions::new().read(true).write(true).open("/dev/dma_heap/system").unwrap();
    let mut data = Allocation { len: 10000, fd: 0, fd_flags: 0o2000002, heap_flags: 0 };
    let mut flags: u64 = 3;
    unsafe {
        assert_eq!(ioctl(heap.as_raw_fd(), 0xC018_4800, &mut data), 0);
        assert_eq!(ioctl(data.fd as i32, 0x4008_6200, &mut flags), 0);
        assert_eq!(lseek(data.fd as i32, 0, 2), 12288);
    }
}
