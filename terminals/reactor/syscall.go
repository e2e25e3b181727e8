package reactor

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ready asks epoll what is ready: first without waiting, and only then, when wait says so, by a call that may block.
//
// Measured on two cores with 64 connections of one message each: reads and writes that the scheduler knows of cost 8.5 us a message in
// place of 6.7 us raw; going to the blocking wait at once costs 7.0 us. With 32 messages on each connection all three are within 20 %.
func (l *Loop) ready(wait time.Duration) (int, error) {
	n, errno := l.glance()
	if n > 0 || wait == 0 || errno != 0 && errno != unix.EINTR {
		return n, errnoOrNil(errno)
	}
	for {
		n, errno = l.await(wait)
		if errno == unix.EINTR && wait < 0 {
			continue
		}
		return n, errnoOrNil(errno)
	}
}

func errnoOrNil(errno unix.Errno) error {
	if errno == 0 || errno == unix.EINTR {
		return nil
	}
	return errno
}

// glance is epoll_wait without waiting, unseen by the scheduler.
func (l *Loop) glance() (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// await is epoll_wait with waiting, to the nanosecond where the kernel can.
func (l *Loop) await(wait time.Duration) (int, unix.Errno) {
	if !l.coarseWait {
		var limit *unix.Timespec
		if wait >= 0 {
			span := unix.NsecToTimespec(int64(wait))
			limit = &span
		}
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(unsafe.Pointer(limit)), 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.ENOSYS {
			return 0, errno
		}
		l.coarseWait = true
	}
	milliseconds := -1
	if wait >= 0 {
		milliseconds = int((wait + time.Millisecond - 1) / time.Millisecond)
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(milliseconds), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// readNow reads from a socket that does not block. REQUIRES: len(b) > 0.
func readNow(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// writeNow writes to a socket that does not block; a peer that has gone is an error, not a signal. REQUIRES: len(b) > 0.
func writeNow(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
