package daemon

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
)

// garbageBytes is how much garbage may pile up before the collector runs.
//
// Go's own rule lets as much pile up as there is live memory: with five million holders the tables are most of a gigabyte, and the process
// grew to nearly two. The tables hold no pointers, so that the collector marks a thousand rows at a time and passes over them: a run costs
// hardly more for five million holders than for a thousand, and may come as often as in a small process.
const garbageBytes = 96 << 20

// collectorPercent is the collector's setting for so much live memory.
func collectorPercent(live uint64) int {
	return int(min(100, max(5, 100*garbageBytes/max(live, 1))))
}

// collector keeps the garbage collector's setting in step with the tables. Owner: keepHouse. Whoever sets GOGC knows better.
type collector struct {
	percent int
	left    bool // to GOGC
}

// newCollector gives back to the system what bringing the state back has left.
func newCollector() *collector {
	debug.FreeOSMemory()
	return &collector{left: os.Getenv("GOGC") != ""}
}

// follow sets the collector for what is live now.
func (c *collector) follow() {
	if c.left {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return
	}
	if percent := collectorPercent(sample[0].Value.Uint64()); percent != c.percent {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}
