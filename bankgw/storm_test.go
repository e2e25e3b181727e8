package bankgw_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// temper of the bank in a storm.
const temper = `70 approve; 4 decline 51; 2 decline 68; 3 drop; 3 lose; 2 close; 2 done-close; 3 delay 4s; 3 delay 12s; 2 slow 3s; 2 slow 13s; 2 twice; 2 late
1 wrong-amount; 1 wrong-reference; 1 wrong-mac; 1 garbage; 1 contradict
reversal: 60 approve; reversal: 8 lose; reversal: 8 drop; reversal: 4 decline 96; reversal: 3 close; reversal: 3 done-close; reversal: 3 twice; reversal: 3 delay 14s; reversal: 3 slow 14s
echo: 95 approve; echo: 5 lose; sign-on: 90 approve; sign-on: 5 decline 91; sign-on: 5 close`

// TestStorm: a bank in a bad temper, a line that is cut, a machine that dies again and again, terminals that reverse and repeat; then
// fair weather. In the end: bank debited <=> card credited. The seed decides the storm (not the scheduling).
func TestStorm(t *testing.T) {
	site := newSite(t, time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC))
	var mu sync.Mutex
	faults := make(map[string]int) // of all storms: one alone may have missed a kind
	t.Cleanup(func() {
		for _, label := range []string{"timeout", "link_lost", "late", "mac", "wrong_amount", "duplicate", "uncertain_code", "reversal_timeout", "reversal_refused", "not_found_yet"} {
			if faults[label] == 0 {
				t.Errorf("no storm had a %s: %v", label, faults)
			}
		}
	})
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := storm(t, site, seed)
				mu.Lock()
				defer mu.Unlock()
				for label, n := range w.faults {
					faults[label] += n
				}
			})
		})
	}
}

func storm(t *testing.T, site *disk, seed uint64) *world {
	random := rand.New(rand.NewPCG(seed, 7))
	w := newWorld(t, worldOptions{bank: banksim.Config{Mix: temper, Seed: seed}, from: site, record: seed%2 == 1})
	t.Cleanup(w.bury)
	trace, cutFor := uint32(0), 0
	for range 240 { // about ten minutes
		time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
		switch chance := random.IntN(100); {
		case chance < 6:
			w.life.die()
			<-w.life.ended
			time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
			w.start()
		case chance < 10 && cutFor == 0:
			w.bank.Cut()
			cutFor = 1 + random.IntN(6)
		case chance < 25 && trace > 0:
			w.ask(transaction.KindReversal, trace-uint32(random.IntN(int(min(trace, 8)))), amountOf(trace))
		case chance < 35 && trace > 0:
			w.ask(transaction.KindLoad, trace, amountOf(trace))
		default:
			trace++
			w.ask(transaction.KindLoad, trace, amountOf(trace))
		}
		if cutFor > 0 {
			if cutFor--; cutFor == 0 {
				w.bank.Restore()
			}
		}
	}
	w.bank.Restore()
	for begun := time.Now(); time.Since(begun) < 4*time.Hour; {
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.settled() {
			break
		}
	}
	require.NoError(t, w.verify())
	require.Positive(t, w.debited())
	require.Positive(t, w.bank.Stats().Reversed.Count)
	w.end()
	return w
}

// amountOf is the same for every request about a trace's neighbourhood, so that a reversal meets its original.
func amountOf(trace uint32) money.Fen { return money.Fen(100 * (1 + trace/16)) }
