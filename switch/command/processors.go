package command

import (
	"os"
	"runtime"
)

// syncingThreads are how many goroutines of a busy switch may be in the kernel at the same time, waiting for the disk: the log's, the witness's, a
// flush's, a compaction's.
const syncingThreads = 4

// spareProcessors gives Go's scheduler a place for each goroutine that waits for the disk, besides one for each processor.
//
// A goroutine in a system call keeps its place until the runtime's monitor takes it away: the monitor then looks every 20 us, and each sync costs two
// hand-overs. With places to spare nothing is taken away and the monitor sleeps. Measured on two cores, interleaved, four rounds: 64
// connections of one request 34,600/s in place of 23,200/s, 23.6 in place of 34 us of processor each; 64 x 32 a twentieth more.
// Whoever sets GOMAXPROCS knows better.
func spareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + syncingThreads)
	}
}
