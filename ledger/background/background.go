// Package background lets work that nobody waits for give way to work that somebody waits for.
//
// The one idea: the operating system's scheduler is told, thread by thread. Go has no priorities; its scheduler and the kernel's give a checkpoint, a
// compaction or the index as much of a processor as the goroutine that decides purchases. On a machine of two cores, each of them took one
// whole for as long as it ran, and purchases queued for what was left. A thread of lower priority gets what is over, and a tenth when nothing is:
// so it is late on a full machine, but it ends.
//
// What it does not do: it raises nothing, so it needs no privilege; and it is not for code that holds a lock for long which others wait for.
package background

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// niceness of background threads: a tenth of the weight of an ordinary one (setpriority(2)).
const niceness = 10

// GiveWay lowers the priority of the calling goroutine for the rest of its life: it keeps its thread, and the thread ends with it.
// REQUIRES: the goroutine ends without unlocking its thread.
func GiveWay() {
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) // of a thread, on Linux. A system that refuses runs it at the usual priority
}
