package bankgw_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// bench is a gateway without an owner: the test gives orders and hears outcomes.
type bench struct {
	bank    *banksim.Bank
	gateway *bankgw.Gateway
	stop    context.CancelFunc
	ended   chan struct{}

	mu       sync.Mutex
	messages []string              // guarded by mu; as the bank sees them
	refused  map[string]int        // guarded by mu
	outcomes []transaction.Request // guarded by mu
	busy     int                   // guarded by mu: submits still to be refused
}

func (b *bench) submit(r transaction.Request) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy > 0 {
		b.busy--
		return transaction.ErrBusy
	}
	b.outcomes = append(b.outcomes, r)
	return nil
}

// causes are why loads were not sent, and how many.
func (b *bench) causes() map[string]int {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.refused)
}

// told are the messages since the last call.
func (b *bench) told() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.messages
	b.messages = nil
	return told
}

// heard are the outcomes since the last call.
func (b *bench) heard() []transaction.Request {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	heard := b.outcomes
	b.outcomes = nil
	return heard
}

// onBench runs a test in virtual time with a gateway that is signed on.
func onBench(t *testing.T, script string, change func(*bankgw.Config), test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{refused: make(map[string]int), ended: make(chan struct{})}
		var err error
		b.bank, err = banksim.New(banksim.Config{MACKey: bankKey, MACMode: iso8583.MACSM4CBC, Script: script, Trace: func(direction, message string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.messages = append(b.messages, direction+" "+message)
		}})
		require.NoError(t, err)
		n := newNetwork()
		serving, stopBank := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- b.bank.Serve(serving, n) }()
		c := bankgw.DefaultConfig()
		if change != nil {
			change(&c)
		}
		m := &machine{network: n, passing: func(bool, bool) bool { return true }}
		b.gateway, err = bankgw.New(c, bankgw.Keys{MAC: bankKey}, b.submit, bankgw.Events{
			LoadRefused: func(cause string) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.refused[cause]++
			},
		}, bankgw.Options{Dial: m.dial, Seed: 1})
		require.NoError(t, err)
		var running context.Context
		running, b.stop = context.WithCancel(context.Background())
		go func() {
			defer close(b.ended)
			if err := b.gateway.Run(running); err != nil {
				t.Error(err)
			}
		}()
		t.Cleanup(func() {
			b.stop()
			<-b.ended
			stopBank()
			require.NoError(t, <-served)
			require.NoError(t, b.bank.Check())
		})
		b.pause(50 * time.Millisecond)
		require.Equal(t, c.Links, b.gateway.Status().LinksUp())
		test(t, b)
	})
}

func (b *bench) pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func orderOf(load uint64, fen money.Fen) transaction.LoadOrder {
	return transaction.LoadOrder{
		Load: load, Time: time.Now().UnixMicro(), Amount: fen, Card: cardNumber, BankAccount: 6217000012345678,
		TerminalCode: transaction.TerminalCode([]byte("KIOSK001")), MerchantCode: transaction.MerchantCode([]byte("103410054110001")),
	}
}

func kindsOf(outcomes []transaction.Request) (kinds []transaction.Kind) {
	for _, r := range outcomes {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

// TestBusyOwner: outcomes are offered again, in their order, and none is lost or doubled.
func TestBusyOwner(t *testing.T) {
	onBench(t, "approve; decline 51; approve", nil, func(t *testing.T, b *bench) {
		b.mu.Lock()
		b.busy = 7
		b.mu.Unlock()
		for load := uint64(1); load <= 3; load++ {
			b.gateway.Load(orderOf(load, 100))
			b.pause(10 * time.Millisecond)
		}
		require.Equal(t, 3, b.gateway.Status().OutcomesWaiting)
		b.pause(time.Second)
		heard := b.heard()
		require.Equal(t, []transaction.Kind{transaction.KindLoadConfirmed, transaction.KindLoadDeclined, transaction.KindLoadConfirmed}, kindsOf(heard))
		for i, r := range heard {
			require.Equal(t, uint64(i+1), r.Load)
		}
		require.Zero(t, b.gateway.Status().OutcomesWaiting)
	})
}

// TestSameLoadTwice: an order given again is not sent again and says nothing of its own.
func TestSameLoadTwice(t *testing.T) {
	onBench(t, "delay 2s; approve", nil, func(t *testing.T, b *bench) {
		b.gateway.Load(orderOf(5, 100))
		b.gateway.Load(orderOf(5, 100))
		b.pause(time.Second)
		b.gateway.Load(orderOf(5, 100))
		b.pause(5 * time.Second)
		b.gateway.Load(orderOf(5, 100))
		b.gateway.Load(orderOf(4, 100))
		require.Equal(t, []transaction.Kind{transaction.KindLoadConfirmed}, kindsOf(b.heard()))
		require.Equal(t, 1, b.bank.Stats().Loads)
		require.Equal(t, map[string]int{"duplicate": 4}, b.causes())
	})
}

// TestKeyInUse: a second request with the class, terminal and trace of one in flight is declined, since nothing has left.
func TestKeyInUse(t *testing.T) {
	onBench(t, "delay 2s; approve", nil, func(t *testing.T, b *bench) {
		b.gateway.Load(orderOf(7, 100))
		b.gateway.Load(orderOf(7+999_999, 200))
		heard := b.heard()
		require.Equal(t, []transaction.Kind{transaction.KindLoadDeclined}, kindsOf(heard))
		require.Equal(t, uint64(7+999_999), heard[0].Load)
		require.Equal(t, transaction.BankCannotOperate, heard[0].BankCode)
		b.pause(3 * time.Second)
		require.Equal(t, []transaction.Kind{transaction.KindLoadConfirmed}, kindsOf(b.heard()))
		require.Equal(t, map[string]int{"key_in_use": 1}, b.causes())
	})
}

// TestWindows: each link takes its window, in turns; one more is declined.
func TestWindows(t *testing.T) {
	onBench(t, "100x slow 1s", func(c *bankgw.Config) { c.Links, c.MaxInFlight = 3, 4 }, func(t *testing.T, b *bench) {
		for load := uint64(1); load <= 13; load++ {
			b.gateway.Load(orderOf(load, 100))
		}
		synctest.Wait()
		for _, l := range b.gateway.Status().Links {
			require.Equal(t, 4, l.InFlight)
		}
		require.Equal(t, 12, b.gateway.Status().LoadsInFlight)
		require.Equal(t, map[string]int{"window_full": 1}, b.causes())
		b.pause(2 * time.Second)
		require.Len(t, b.heard(), 13)
		require.Zero(t, b.gateway.Status().LoadsInFlight)
		b.gateway.Load(orderOf(14, 100))
		b.pause(2 * time.Second)
		require.Equal(t, []transaction.Kind{transaction.KindLoadConfirmed}, kindsOf(b.heard()))
	})
}

// TestOneLinkDies: loads go on over the other one, and both are up again after a while.
func TestOneLinkDies(t *testing.T) {
	onBench(t, "close; always approve", nil, func(t *testing.T, b *bench) {
		b.gateway.Load(orderOf(1, 100))
		b.pause(10 * time.Millisecond)
		require.Equal(t, []transaction.Kind{transaction.KindLoadUnknown}, kindsOf(b.heard()))
		require.Equal(t, 1, b.gateway.Status().LinksUp())
		for load := uint64(2); load <= 10; load++ {
			b.gateway.Load(orderOf(load, 100))
		}
		b.pause(10 * time.Millisecond)
		heard := b.heard()
		require.Len(t, heard, 9)
		for _, r := range heard {
			require.Equal(t, transaction.KindLoadConfirmed, r.Kind)
		}
		b.pause(time.Second)
		require.Equal(t, 2, b.gateway.Status().LinksUp())
	})
}

// TestUnencodable: what cannot be written as a message has not left.
func TestUnencodable(t *testing.T) {
	onBench(t, "", nil, func(t *testing.T, b *bench) {
		o := orderOf(1, 1_000_000_000_000)
		b.gateway.Load(o)
		heard := b.heard()
		require.Equal(t, []transaction.Kind{transaction.KindLoadDeclined}, kindsOf(heard))
		require.Equal(t, transaction.FormatError, heard[0].BankCode)
		require.Zero(t, b.bank.Stats().Loads)
	})
}

// TestReversalsOldestFirst: after a cut they go out oldest first, a bounded number at a time, and none is lost.
func TestReversalsOldestFirst(t *testing.T) {
	onBench(t, "reversal: always slow 1s", func(c *bankgw.Config) { c.MaxReversalsInFlight, c.NotFoundAfter, c.Links = 5, 0, 1 }, func(t *testing.T, b *bench) {
		b.bank.Cut()
		synctest.Wait()
		for _, load := range []uint64{31, 7, 12, 3, 44, 25, 18, 9, 1, 2, 50, 40} {
			o := orderOf(load, 100)
			o.Repeat = load%2 == 0
			b.gateway.Reverse(o)
			b.gateway.Reverse(o) // given twice is once
		}
		b.pause(time.Minute)
		require.Equal(t, 12, b.gateway.Status().ReversalsQueued)
		require.Equal(t, time.Minute, b.gateway.Status().OldestReversalAge(time.Now()))
		b.told()
		b.bank.Restore()
		var sent []string
		answered := 0
		for range 300 {
			b.pause(100 * time.Millisecond)
			for _, m := range b.told() {
				switch {
				case strings.HasPrefix(m, "in 042"):
					sent = append(sent, m[strings.Index(m, " 37=")+4:][:12])
				case strings.HasPrefix(m, "out 0430"):
					answered++
				}
			}
			require.LessOrEqual(t, len(sent)-answered, 5)
		}
		require.Len(t, sent, 12)
		require.True(t, slices.IsSorted(sent))
		require.Len(t, b.heard(), 12)
		require.Zero(t, b.gateway.Status().ReversalsQueued)
		require.Zero(t, b.gateway.Status().OldestReversal)
	})
}

// TestNotFoundThenApproved: a bank that finds nothing to reverse and approves the original later is told again, without being asked.
func TestNotFoundThenApproved(t *testing.T) {
	onBench(t, "recant; approve", func(c *bankgw.Config) { c.Links = 1 }, func(t *testing.T, b *bench) {
		b.gateway.Load(orderOf(3, 100))
		b.pause(time.Second)
		require.Equal(t, []transaction.Kind{transaction.KindLoadDeclined, transaction.KindLoadLate}, kindsOf(b.heard()))
		require.Zero(t, b.bank.Debited("000000000003"))
		require.Equal(t, 1, b.bank.Stats().Reversed.Count)
	})
}

// TestAfterStop: orders that come after the end leave nothing hanging.
func TestAfterStop(t *testing.T) {
	onBench(t, "", nil, func(t *testing.T, b *bench) {
		b.stop()
		<-b.ended
		b.gateway.Load(orderOf(1, 100))
		b.gateway.Reverse(orderOf(2, 100))
		require.Equal(t, []transaction.Kind{transaction.KindLoadDeclined}, kindsOf(b.heard()))
		require.True(t, b.gateway.Status().Stopping)
		require.Zero(t, b.gateway.Status().LinksUp())
		require.Equal(t, 2, b.bank.Stats().SignOffs)
	})
}

// TestNoLoadWhileStopping: what is asked during the drain is declined, what is in flight is waited for.
func TestNoLoadWhileStopping(t *testing.T) {
	onBench(t, "delay 3s", nil, func(t *testing.T, b *bench) {
		b.gateway.Load(orderOf(1, 100))
		b.pause(time.Second)
		b.stop()
		b.pause(time.Second)
		b.gateway.Load(orderOf(2, 100))
		require.Equal(t, []transaction.Kind{transaction.KindLoadDeclined}, kindsOf(b.heard()))
		<-b.ended
		require.Equal(t, []transaction.Kind{transaction.KindLoadConfirmed}, kindsOf(b.heard()))
		require.Equal(t, map[string]int{"stopping": 1}, b.causes())
	})
}

// TestUnsignedLink: a bank that has forgotten our sign-on refuses with C1, which no terminal may take for its own.
func TestUnsignedLink(t *testing.T) {
	onBench(t, "decline C1", nil, func(t *testing.T, b *bench) {
		b.gateway.Load(orderOf(1, 100))
		b.pause(time.Second)
		heard := b.heard()
		require.Equal(t, []transaction.Kind{transaction.KindLoadDeclined}, kindsOf(heard))
		require.Equal(t, transaction.BankCannotOperate, heard[0].BankCode)
	})
}

// TestStopWithReversalsWaiting: they do not hold up a stop, nor keep it busy; the ledger gives them again at the next start.
func TestStopWithReversalsWaiting(t *testing.T) {
	onBench(t, "reversal: always lose; sign-off: always lose", nil, func(t *testing.T, b *bench) {
		for load := uint64(1); load <= 5; load++ {
			b.gateway.Reverse(orderOf(load, 100))
		}
		b.pause(10500 * time.Millisecond) // asked once, waiting to be asked again
		begun := time.Now()
		b.stop()
		<-b.ended
		require.LessOrEqual(t, time.Since(begun), 20*time.Second)
		require.Equal(t, 5, b.gateway.Status().ReversalsQueued)
		require.Empty(t, b.heard())
	})
}
