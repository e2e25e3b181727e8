package pebblestore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore/faultdisk"
)

// A disk that is full, and one that is slow (safety handbook 2.3 f and g, F3).

// fullDisk takes nothing more from operation at on until the ballast is removed; then it takes room operations more.
type fullDisk struct {
	vfs.FS
	at, room int64
	ops      atomic.Int64
	left     atomic.Int64 // operations that the ballast has made room for; -1: it is still there
	met      atomic.Int64 // operations that were refused
}

func (d *fullDisk) before(op faultdisk.Op) error {
	if op.Kind == errorfs.OpRemove && strings.HasSuffix(op.Path, ballastName) {
		d.left.Store(d.room)
		return nil
	}
	takes := op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFilePreallocate || op.Kind == errorfs.OpMkdirAll
	if !takes || d.ops.Add(1) < d.at || d.left.Load() > 0 && d.left.Add(-1) >= 0 {
		return nil
	}
	d.met.Add(1)
	return syscall.ENOSPC
}

// GetDiskUsage says what is free: room for the ballast and a start, until the disk is full.
func (d *fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	free := uint64(1 << 30)
	if d.met.Load() > 0 && d.left.Load() <= 0 {
		free = 0
	}
	return vfs.DiskUsage{AvailBytes: free, TotalBytes: 1 << 40}, nil
}

// tryFull fills the disk at an operation. A store may go on with the ballast's room, stop the process or return an error; nothing is lost, a
// start on the full disk is refused in words, and with room it goes on.
func tryFull(campaign *faultdisk.Campaign, seed uint64, at, room int64) (reached bool) {
	w := newWorkload(seed)
	mem := vfs.NewCrashableMem()
	disk := &fullDisk{FS: mem, at: at, room: room}
	disk.left.Store(-1)
	o := crashOptions(nil)
	o.BallastBytes, o.LowWaterBytes = 1<<20, 100<<20
	full := faultdisk.Watch(disk, disk.before)
	o.FS = full
	type end struct {
		outcome string
		acked   uint64
	}
	ends := make(chan end, 64)
	o.Fatal = func(string) {
		ends <- end{"stopped", w.acked.Load()}
		select {} // as a process that has ended
	}
	go func() { // ends with its result, or never after Fatal
		err := w.run(o, 20)
		ends <- end{map[bool]string{true: "went on", false: "returned"}[err == nil], w.acked.Load()}
	}()
	var e end
	select {
	case e = <-ends:
	case <-time.After(hungAfter):
		e = end{"hung", w.acked.Load()}
		campaign.Fail(faultdisk.Broken, "seed %d: full at operation %d, room for %d: neither an error nor an end", seed, at, room)
	}
	if disk.met.Load() == 0 || !campaign.Point(roomText(room), e.outcome) {
		return false
	}
	campaign.Total("entries acknowledged", int64(e.acked))
	crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, uint64(at)))})
	start := crashOptions(smallDisk{crashed, 1 << 20})
	start.BallastBytes = 0
	var noSpace *NoSpaceError
	if _, err := Open(start); !errors.As(err, &noSpace) && disk.left.Load() <= 0 {
		if info, err := crashed.Stat("data/" + ballastName); err != nil || info.Size() < int64(newStore(start).needed()) {
			campaign.Fail(faultdisk.Broken, "seed %d, operation %d: a start on a full disk is not refused: %v", seed, at, err)
		}
	}
	if text := w.verdictOf(crashOptions(crashed), e.acked); text != "" {
		campaign.Fail(verdictIn(text), "seed %d: full at operation %d, room for %d, %s: %s", seed, at, room, e.outcome, text)
	}
	return true
}

// enoughRoom is a ballast that lasts.
const enoughRoom = 1 << 40

func roomText(room int64) string {
	if room == enoughRoom {
		return "ballast that lasts"
	}
	return fmt.Sprintf("ballast for %d writes", room)
}

func TestDiskFullAtSomeOperations(t *testing.T) {
	campaign := faultdisk.New("diskfull", 1, 1<<40)
	for _, room := range []int64{0, enoughRoom} {
		for at := int64(3); tryFull(campaign, 3, at, room); at += 13 {
		}
	}
	require.Empty(t, campaign.Failures())
	require.Greater(t, campaign.Judged(), int64(4))
}

// TestCampaignDiskFull fills the disk at every operation that takes room.
func TestCampaignDiskFull(t *testing.T) {
	campaign := asked(t, "diskfull")
	campaign.Workers = 1
	campaign.Run(func(seed uint64) {
		room := []int64{0, 5, enoughRoom}[seed%3]
		for at := int64(1); tryFull(campaign, seed, at, room); at++ {
		}
	})
	finish(t, campaign)
}

// slowRound writes blocks on a disk whose syncs wait; the longest wait of an answer is what the meters show, and a crash in the middle loses
// nothing.
func slowRound(campaign *faultdisk.Campaign, seed uint64, longest time.Duration) {
	w := newWorkload(seed)
	mem := vfs.NewCrashableMem()
	var waits, slowest atomic.Int64
	var slow atomic.Bool
	rng := rand.New(rand.NewPCG(seed, 17))
	delay := longest/200 + time.Duration(rng.Int64N(int64(longest)))
	o := crashOptions(faultdisk.Watch(mem, func(op faultdisk.Op) error {
		if slow.Load() && faultdisk.Syncs(op) && op.Path != "" {
			waits.Add(1)
			time.Sleep(delay)
		}
		return nil
	}))
	o.Events.Synced = func(_ uint32, _ int, took time.Duration) { slowest.Store(max(slowest.Load(), int64(took))) }
	s, err := Open(o)
	if err != nil {
		campaign.Fail(faultdisk.Broken, "seed %d: %v", seed, err)
		return
	}
	slow.Store(true)
	written := make(chan error, 1)
	go func() { written <- w.write(s, 3) }() // ends by itself
	time.Sleep(delay / 2)
	acked := w.acked.Load() // before the copy
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	err = <-written
	slow.Store(false)
	if !campaign.Point("syncs", fmt.Sprintf("of %4d ms and less", (delay/time.Millisecond/500+1)*500)) {
		_ = s.Close()
		return
	}
	campaign.Total("syncs that waited", waits.Load())
	campaign.Total("entries acknowledged", int64(w.acked.Load()))
	if text := w.verdictOf(crashOptions(crashed), acked); text != "" {
		campaign.Fail(verdictIn(text), "seed %d, syncs of %s: %s", seed, delay, text)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		campaign.Fail(faultdisk.Broken, "seed %d, syncs of %s: %v", seed, delay, err)
	}
	if time.Duration(slowest.Load()) < delay {
		campaign.Fail(faultdisk.Broken, "seed %d: syncs took %s and the meters show %s at most", seed, delay, time.Duration(slowest.Load()))
	}
	if text := w.verdictOf(crashOptions(mem.CrashClone(vfs.CrashCloneCfg{})), w.acked.Load()); text != "" {
		campaign.Fail(verdictIn(text), "seed %d, syncs of %s, at the end: %s", seed, delay, text)
	}
}

func TestSlowDiskLosesNothing(t *testing.T) {
	campaign := faultdisk.New("slowdisk", 1, 3)
	for seed := range uint64(3) {
		slowRound(campaign, seed, 20*time.Millisecond)
	}
	require.Empty(t, campaign.Failures())
}

// TestCampaignSlowDisk: syncs of 10 to 2,000 ms.
func TestCampaignSlowDisk(t *testing.T) {
	campaign := asked(t, "slowdisk")
	campaign.Workers = 8 // they wait, they do not work
	campaign.Run(func(seed uint64) { slowRound(campaign, seed, 2*time.Second) })
	require.NoError(t, campaign.Finish(os.Stdout, os.Getenv("ONECARD_OUT")))
}
