package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// Error tests (safety handbook 2.3 b): one operation on the disk fails, whichever. The store may return the error, stop the process, or
// survive it when nothing was lost (a flush that is tried again); what was acknowledged is there afterwards, in every crash state.

type errorCounts struct{ fatal, returned, survived, unreached int }

// errorPoint lets operation number at fail and judges what is left.
func errorPoint(t testing.TB, seed uint64, at int64, cause error, counts *errorCounts) {
	w := newWorkload(seed)
	mem := vfs.NewCrashableMem()
	var ops atomic.Int64
	o := crashOptions(inject(mem, func(op errorfs.Op) error {
		if changes(op) && ops.Add(1) == at {
			return cause
		}
		return nil
	}))
	o.cold = at%4 != 0
	// The process is over at the first fatal error: what is acknowledged later counts no more, and what is on the disk is what was then.
	type end struct {
		fatal bool
		err   error
		acked uint64
	}
	ends := make(chan end, 64)
	o.Fatal = func(text string) {
		ends <- end{true, errors.New(text), w.acked.Load()}
		select {}
	}
	go func() { // ends with its result, or never after Fatal
		err := w.run(o, 30)
		ends <- end{false, err, w.acked.Load()}
	}()
	e := <-ends
	switch {
	case ops.Load() < at:
		counts.unreached++
		return
	case e.fatal:
		counts.fatal++
	case e.err != nil:
		counts.returned++
	default:
		counts.survived++
	}
	for _, kept := range []int{0, 50, 100} {
		after := crashOptions(mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(seed, uint64(at)))}))
		require.Empty(t, w.verdictOf(after, e.acked), "seed %d, operation %d failed (fatal %v: %v), %d %% of unsynced kept", seed, at, e.fatal, e.err, kept)
	}
}

func TestErrorAtEveryOperation(t *testing.T) {
	seed, every := uint64(21), int64(11)
	if child, err := strconv.ParseUint(os.Getenv("ONECARD_ERROR_SEED"), 10, 64); err == nil { // the campaign's child: every operation
		seed, every = child, 1
	}
	var counts errorCounts
	for _, cause := range []error{errorfs.ErrInjected, syscall.ENOSPC, syscall.EIO} {
		before := counts.unreached
		for at := int64(1); counts.unreached == before; at += every {
			errorPoint(t, seed, at, cause, &counts)
		}
	}
	fmt.Printf("errors: fatal=%d returned=%d survived=%d lost=0\n", counts.fatal, counts.returned, counts.survived)
	require.Positive(t, counts.fatal)
	require.Positive(t, counts.returned)
}

// TestTheProcessStopsWhenTheJournalCannotBeWritten runs a real process whose disk fails: it says so in both languages and exits with its
// own code.
func TestTheProcessStopsWhenTheJournalCannotBeWritten(t *testing.T) {
	if os.Getenv("ONECARD_FAILING_CHILD") != "" {
		failingChild()
	}
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "ONECARD_FAILING_CHILD=1")
	var errOut bytes.Buffer
	child.Stderr = &errOut
	var exit *exec.ExitError
	require.ErrorAs(t, child.Run(), &exit)
	require.Equal(t, ExitJournalFailed, exit.ExitCode(), errOut.String())
	require.Contains(t, errOut.String(), "账本写入失败,进程停止 / the journal cannot be written")
}

// failingChild writes blocks until the sync of the WAL fails, without a Fatal of its own.
func failingChild() {
	var failing atomic.Bool
	w := newWorkload(1)
	o := crashOptions(inject(vfs.NewCrashableMem(), func(op errorfs.Op) error {
		if failing.Load() && (op.Path == "" || strings.HasSuffix(op.Path, ".log")) && changes(op) {
			return errorfs.ErrInjected
		}
		return nil
	}))
	s, err := Open(o)
	if err == nil {
		err = w.write(s, 4)
		failing.Store(true)
	}
	if err == nil {
		err = w.write(s, 4)
	}
	fmt.Fprintln(os.Stderr, "the child goes on:", err)
	os.Exit(0)
}

// TestDiskFullGivesUpTheBallast: when the disk is full the ballast goes, the process stops or goes on, nothing is lost, and it can start
// again; with no ballast left a start is refused with a text that says what to do.
func TestDiskFullGivesUpTheBallast(t *testing.T) {
	mem := vfs.NewCrashableMem()
	disk := &fillingDisk{FS: mem, free: 1 << 30}
	w := newWorkload(31)
	o := crashOptions(disk)
	o.BallastBytes, o.LowWaterBytes = 1<<20, 100<<20
	s, err := Open(o)
	require.NoError(t, err)
	info, err := mem.Stat("data/" + ballastName)
	require.NoError(t, err)
	require.Equal(t, o.BallastBytes, info.Size())
	require.NoError(t, w.write(s, 10))
	_, low := s.Space()
	require.False(t, low)

	// Below the low-water mark it says so; full, it takes the ballast and goes on.
	disk.setFree(50 << 20)
	s.RefreshSpace()
	_, low = s.Space()
	require.True(t, low)
	disk.full.Store(true)
	require.NoError(t, w.write(s, 60), "the ballast was not given up")
	require.False(t, disk.full.Load())
	_, err = mem.Stat("data/" + ballastName)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, s.Close())

	// A start on a full disk is refused in words, and works again when there is room.
	disk.setFree(1 << 20)
	_, err = Open(o)
	var noSpace *NoSpaceError
	require.ErrorAs(t, err, &noSpace)
	require.Contains(t, err.Error(), "请清理磁盘后再启动")
	disk.setFree(1 << 30)
	require.Empty(t, w.verdictOf(o, w.acked.Load()))
}

// TestHalfMadeBallastIsMadeAgain: a crash while the ballast was being made leaves a file of another size.
func TestHalfMadeBallastIsMadeAgain(t *testing.T) {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("data", 0o700))
	f, err := mem.Create("data/"+ballastName, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	o := crashOptions(&fillingDisk{FS: mem, free: 1 << 30})
	o.BallastBytes = 1 << 20
	s, err := Open(o)
	require.NoError(t, err)
	info, err := mem.Stat("data/" + ballastName)
	require.NoError(t, err)
	require.Equal(t, o.BallastBytes, info.Size())
	require.NoError(t, s.Close())
}

// fillingDisk says how much is free, and refuses to grow files while it is full and the ballast is there.
type fillingDisk struct {
	vfs.FS
	free uint64
	full atomic.Bool
}

func (d *fillingDisk) setFree(n uint64) { d.free = n }

func (d *fillingDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free, TotalBytes: 1 << 40}, nil
}

func (d *fillingDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if d.full.Load() {
		return nil, &os.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	return d.FS.Create(name, category)
}

func (d *fillingDisk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if d.full.Load() {
		return nil, &os.PathError{Op: "reuse", Path: to, Err: syscall.ENOSPC}
	}
	return d.FS.ReuseForWrite(from, to, category)
}

func (d *fillingDisk) Remove(name string) error {
	if strings.HasSuffix(name, ballastName) {
		d.full.Store(false)
	}
	return d.FS.Remove(name)
}
