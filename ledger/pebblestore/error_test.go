package pebblestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore/faultdisk"
)

// Error tests (safety handbook 2.3 b): one operation on the disk fails, whichever: a read as well as a write, at work, when the store is
// opened, and when it is opened after a power cut. The store may return the error, stop the process, or survive it when nothing was lost (a
// flush that is tried again); what was acknowledged is there afterwards, in every crash state.

// causes of an operation's failure.
var causes = []struct {
	name string
	err  error
	goes bool // everything after it fails as well: the disk is gone
}{
	{"EIO", syscall.EIO, false},
	{"ENOSPC", syscall.ENOSPC, false},
	{"EIO from then on", syscall.EIO, true},
}

// errorPoint is one operation that failed, and what came of it.
type errorPoint struct {
	Operation, File, Cause, Outcome string
	Acknowledged                    uint64
	Verdict                         faultdisk.Verdict
	Failure                         string
}

// errorDisk lets operation number at fail and remembers which it was.
type errorDisk struct {
	at    int64
	err   error
	goes  bool
	ops   atomic.Int64
	mu    sync.Mutex
	which faultdisk.Op
}

func (d *errorDisk) before(op faultdisk.Op) error {
	switch n := d.ops.Add(1); {
	case n == d.at:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.which = op
		return d.err
	case n > d.at && d.goes:
		return d.err
	}
	return nil
}

func (d *errorDisk) failed() faultdisk.Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.which
}

// hungAfter is when a store that neither ends nor stops the process is taken for one that hangs.
const hungAfter = time.Minute

// tryError lets operation number at fail and judges what is left; false when there was no such operation.
func tryError(seed uint64, at int64, cause int) (errorPoint, bool) {
	w := newWorkload(seed)
	mem := vfs.NewCrashableMem()
	if seed%2 == 1 { // begin with a ledger as a power cut has left it
		if err := w.run(crashOptions(mem), 12); err != nil {
			return errorPoint{Verdict: faultdisk.Broken, Failure: err.Error()}, true
		}
		mem = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 5))})
	}
	disk := &errorDisk{at: at, err: causes[cause].err, goes: causes[cause].goes}
	o := crashOptions(faultdisk.Watch(mem, disk.before))
	o.cold = at%4 != 0
	// The process is over at the first fatal error: what is acknowledged later counts no more, and what is on the disk is what was then.
	type end struct {
		outcome string
		err     error
		acked   uint64
	}
	ends := make(chan end, 64)
	o.Fatal = func(text string) {
		ends <- end{"stopped", errors.New(text), w.acked.Load()}
		select {}
	}
	go func() { // ends with its result, or never after Fatal
		err := w.run(o, 20)
		ends <- end{map[bool]string{false: "returned", true: "survived"}[err == nil], err, w.acked.Load()}
	}()
	var e end
	select {
	case e = <-ends:
	case <-time.After(hungAfter):
		e = end{"hung", errors.New("neither an error nor an end"), w.acked.Load()}
	}
	if disk.ops.Load() < at {
		return errorPoint{}, false
	}
	op := disk.failed()
	p := errorPoint{Operation: faultdisk.Operation(op), File: faultdisk.FileKind(op.Path), Cause: causes[cause].name, Outcome: e.outcome, Acknowledged: e.acked}
	if e.outcome == "hung" {
		p.Verdict, p.Failure = faultdisk.Broken, fmt.Sprintf("operation %d, %s of %s: %v", at, p.Operation, op.Path, e.err)
		return p, true
	}
	for _, kept := range []int{0, 50, 100} {
		after := crashOptions(mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(seed, uint64(at)))}))
		if text := w.verdictOf(after, e.acked); text != "" {
			p.Verdict = verdictIn(text)
			p.Failure = fmt.Sprintf("seed %d, operation %d, %s of %s: %s (%s: %v), %d %% of unsynced kept: %s", seed, at, p.Operation, op.Path, p.Cause, e.outcome, e.err, kept, text)
			break
		}
	}
	return p, true
}

// TestErrorAtEveryOperation lets some operations fail; as the child of a campaign every one, and tells its parent on standard output.
func TestErrorAtEveryOperation(t *testing.T) {
	var seed uint64
	var cause int
	if n, _ := fmt.Sscanf(os.Getenv("ONECARD_ERROR_CHILD"), "%d/%d", &seed, &cause); n == 2 {
		tell := json.NewEncoder(os.Stdout)
		eachError(seed, cause, 1, func(p errorPoint) { _ = tell.Encode(p) })
		return
	}
	outcomes := map[string]int{}
	for cause := range causes {
		for _, seed := range []uint64{20, 21} {
			eachError(seed, cause, 23, func(p errorPoint) {
				require.Empty(t, p.Failure)
				outcomes[p.Outcome]++
			})
		}
	}
	require.Positive(t, outcomes["stopped"])
	require.Positive(t, outcomes["returned"])
}

func eachError(seed uint64, cause int, every int64, visit func(errorPoint)) {
	for at := int64(1); ; at += every {
		p, reached := tryError(seed, at, cause)
		if !reached {
			return
		}
		visit(p)
	}
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
	o := crashOptions(faultdisk.Watch(vfs.NewCrashableMem(), func(op faultdisk.Op) error {
		if failing.Load() && (op.Path == "" || strings.HasSuffix(op.Path, ".log")) && faultdisk.Changes(op) {
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
