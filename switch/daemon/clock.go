package daemon

import (
	"sync/atomic"
	"time"
)

// clock gives moments that go forward at the pace of the monotonic clock, so that a step of the system's time does not end every session at
// once. It is set right again now and then: see follow.
type clock struct {
	began time.Time    // with its monotonic reading
	ahead atomic.Int64 // microseconds that the system's time has been stepped since
}

func newClock() *clock { return &clock{began: time.Now()} }

// micros is the moment in microseconds since 1970.
func (c *clock) micros() int64 {
	return c.began.UnixMicro() + time.Since(c.began).Microseconds() + c.ahead.Load()
}

// stepNoticed is the smallest step that is taken over; slower drift is what NTP slews away by itself.
const stepNoticed = time.Second

// follow takes over a step of the system's time and returns it; 0 when there was none. Time in the ledger never goes back whatever
// happens here: the owner sees to that.
func (c *clock) follow() time.Duration {
	step := time.Duration(time.Now().Round(0).UnixMicro()-c.micros()) * time.Microsecond
	if step.Abs() < stepNoticed {
		return 0
	}
	c.ahead.Add(step.Microseconds())
	return step
}
