package bankgw_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/switch/transaction"
)

// behaviours of the bank that the matrix goes through (safety handbook G9). All end alike.
var behaviours = []string{
	"approve", "decline 51", "decline 68", "twice", "drop", "lose", "close", "done-close", "delay 5s", "delay 15s", "slow 5s", "slow 15s",
	"late", "wrong-amount", "wrong-reference", "wrong-mac", "garbage", "contradict",
	"drop; reversal: lose", "drop; reversal: drop", "drop; reversal: close", "drop; reversal: done-close", "drop; reversal: decline 96",
	"drop; reversal: twice", "drop; reversal: wrong-mac", "drop; reversal: delay 15s", "drop; reversal: slow 15s", "lose; reversal: 3x lose",
}

// step is what the terminal does at a moment after its first request.
type step struct {
	at   time.Duration
	kind transaction.Kind
}

// terminals' ways: asks once; asks again while it waits and after; reverses soon; reverses after the time-out; reverses late and asks again.
var terminalWays = map[string][]step{
	"waits":          {{0, transaction.KindLoad}},
	"asks again":     {{0, transaction.KindLoad}, {3 * time.Second, transaction.KindLoad}, {14 * time.Second, transaction.KindLoad}},
	"reverses soon":  {{0, transaction.KindLoad}, {2 * time.Second, transaction.KindReversal}},
	"reverses after": {{0, transaction.KindLoad}, {13 * time.Second, transaction.KindReversal}, {20 * time.Second, transaction.KindReversal}},
	"reverses first": {{0, transaction.KindReversal}, {time.Second, transaction.KindLoad}},
}

const (
	downtime     = 4 * time.Second
	settleWithin = 20 * time.Minute // virtual
)

// TestMatrix is bank behaviour x terminal behaviour x point of death. A point of death is each block (before and after it is durable) and
// each frame (before and after it is delivered) from the terminal's first request on; every one of them is tried, one a case. Every case
// ends with: bank debited <=> card credited, no hold, no open load, no reversal left, sums zero.
func TestMatrix(t *testing.T) {
	site := newSite(t, time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC))
	var cases atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d cases", cases.Load())
		noteProof(t, "matrix_cases", cases.Load())
	})
	for _, script := range behaviours {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			for way, steps := range terminalWays {
				for point := 0; ; point++ {
					cases.Add(1)
					c := matrixCase{script: script, steps: steps, dieAt: int64(point)}
					synctest.Test(t, func(t *testing.T) { c.run(t, site) })
					if c.failed != nil {
						t.Errorf("bank %q, terminal %q, death at point %d (%s): %v", script, way, point, c.diedAt, c.failed)
					}
					if point > 0 && c.diedAt == "" {
						break // there are no more points
					}
				}
			}
		})
	}
}

// matrixCase is one case: the machine dies at point dieAt, counted from 1; 0: never.
type matrixCase struct {
	script string
	steps  []step
	dieAt  int64
	diedAt string
	failed error
}

func (c *matrixCase) run(t *testing.T, site *disk) {
	w := newWorld(t, worldOptions{
		bank: banksim.Config{Script: c.script}, from: site,
		change: func(g *bankgw.Config) { g.EchoInterval = time.Hour },
	})
	synctest.Wait()
	var counted atomic.Int64
	died := make(chan struct{}, 1)
	w.passes = func(point string) bool {
		if counted.Add(1) != c.dieAt {
			return true
		}
		c.diedAt = point
		died <- struct{}{}
		return false
	}
	begun := time.Now()
	for _, s := range c.steps {
		c.sleepUntil(w, begun.Add(s.at), died)
		w.ask(s.kind, 7, 5000)
	}
	for deadline := begun.Add(settleWithin); time.Now().Before(deadline); {
		c.sleepUntil(w, time.Now().Add(5*time.Second), died)
		if time.Since(begun) > 45*time.Second && w.settled() {
			break
		}
	}
	c.failed = w.verify()
	before := w.look()
	w.end()
	if c.dieAt == 0 {
		c.replay(t, w, before)
	}
}

// sleepUntil starts the machine again when it dies meanwhile.
func (c *matrixCase) sleepUntil(w *world, at time.Time, died <-chan struct{}) {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-died:
		<-w.life.ended
		time.Sleep(downtime)
		w.start()
		synctest.Wait()
		time.Sleep(time.Until(at))
	case <-timer.C:
	}
	synctest.Wait()
}

// replay opens the ledger once more: it must say the same.
func (c *matrixCase) replay(t *testing.T, w *world, before books) {
	engine := openEngine(t, w.disk, w.life, time.Now())
	require.Equal(t, before, booksOf(engine.State()), fmt.Sprintf("%q, death at %d", c.script, c.dieAt))
}
