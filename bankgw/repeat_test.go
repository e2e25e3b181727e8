package bankgw_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// ownTimes has each repeat of a reversal carry a DE 7 of its own; DE 90 holds the original's (wire handbook 5.2).
func ownTimes(c *bankgw.Config) {
	for i, line := range c.Dialect.Reversal {
		if line == "7=date_time" {
			c.Dialect.Reversal[i] = "7=sent"
		}
	}
}

// TestStaleNotFound: a bank that forgets reversals that find nothing says 25 to the first one, and that answer is under way for long; meanwhile it
// books the original. Heard after not_found_after the 25 ends the reversal, and the money stays with the bank, unless the answer tells which repeat
// it is to.
func TestStaleNotFound(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("own times %v", own), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := newPuppet(true)
				require.NoError(t, err)
				c := bankgw.DefaultConfig()
				c.Links = 1
				if own {
					ownTimes(&c)
				}
				require.NoError(t, c.Validate())
				m := &machine{network: p.network, passing: func(bool, bool) bool { return true }}
				var outcomes []transaction.Request
				var g *bankgw.Gateway
				faults := map[string]int{}
				g, err = bankgw.New(c, bankgw.Keys{MAC: bankKey}, func(r transaction.Request) error {
					outcomes = append(outcomes, r)
					return nil
				}, bankgw.Events{Fault: func(f string) { faults[f]++ }}, bankgw.Options{Dial: m.dial, Seed: 1})
				require.NoError(t, err)
				stop := runGateway(t, g)
				time.Sleep(time.Second + 250*time.Millisecond)
				order := orderOf(7, 5000)
				g.Load(order)
				time.Sleep(11 * time.Second)
				g.Reverse(order) // its outcome was unknown after 10 s
				time.Sleep(time.Second)
				p.mu.Lock()
				first := p.reversal
				require.Equal(t, "25", p.bookReversal())
				stale := p.answer(first, "25")
				p.bookLoad("00") // 12 s old: it may
				p.mu.Unlock()
				time.Sleep(10 * time.Second) // the load is 22 s old, the answer to its first reversal comes now
				p.mu.Lock()
				p.send(stale)
				p.mu.Unlock()
				time.Sleep(time.Second)
				last := outcomes[len(outcomes)-1]
				if !own {
					require.Equal(t, transaction.KindLoadReversed, last.Kind, "nothing tells this 25 from one that was said now")
					require.Equal(t, banksim.Debited, p.state)
				} else {
					require.Equal(t, transaction.KindLoadUnknown, last.Kind)
					require.Equal(t, 1, faults["not_found_yet"])
					time.Sleep(30 * time.Second)
					p.mu.Lock()
					repeat := p.reversal
					require.Equal(t, "0421", repeat.MTI())
					require.Equal(t, first.String(90), repeat.String(90), "the original stays what it was")
					require.NotEqual(t, first.String(7), repeat.String(7))
					p.send(p.answer(repeat, p.bookReversal()))
					p.mu.Unlock()
					time.Sleep(time.Second)
					last = outcomes[len(outcomes)-1]
					require.Equal(t, transaction.KindLoadReversed, last.Kind)
					require.Equal(t, transaction.Approved, last.BankCode)
					require.Equal(t, banksim.Reversed, p.state)
				}
				require.NoError(t, p.fault)
				stop()
				p.end()
			})
		})
	}
}

// TestNotFoundToARepeat: with times of their own a 25 to a repeat that was sent late enough ends a reversal; one that gives back a time at which nothing
// can have been sent does not, and one that gives none back is taken by when it came.
func TestNotFoundToARepeat(t *testing.T) {
	for name, c := range map[string]struct {
		sent  func(repeat string) string
		ended bool
	}{
		"its own":    {func(repeat string) string { return repeat }, true},
		"none":       {func(string) string { return "" }, true},
		"no moment":  {func(string) string { return "1399999999" }, false},
		"the future": {func(string) string { return "0105000000" }, false},
		"the past":   {func(string) string { return "1231000000" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			outcomes := reversedBy(t, func(p *puppet) {
				answer := p.begin("0430").Set(4, p.reversal.String(4)).Set(7, c.sent(p.reversal.String(7))).Set(11, p.reversal.String(11)).Set(37, p.reversal.String(37))
				p.send(answer.Set(39, "25").Set(41, p.reversal.String(41)))
			})
			require.Equal(t, c.ended, outcomes[len(outcomes)-1].Kind == transaction.KindLoadReversed)
		})
	}
}

// reversedBy runs a load that the bank never answers to the repeat of its reversal after not_found_after, which answer answers.
func reversedBy(t *testing.T, answer func(*puppet)) (outcomes []transaction.Request) {
	synctest.Test(t, func(t *testing.T) {
		p, err := newPuppet(true)
		require.NoError(t, err)
		c := bankgw.DefaultConfig()
		c.Links = 1
		ownTimes(&c)
		m := &machine{network: p.network, passing: func(bool, bool) bool { return true }}
		g, err := bankgw.New(c, bankgw.Keys{MAC: bankKey}, func(r transaction.Request) error {
			outcomes = append(outcomes, r)
			return nil
		}, bankgw.Events{}, bankgw.Options{Dial: m.dial, Seed: 1})
		require.NoError(t, err)
		stop := runGateway(t, g)
		time.Sleep(time.Second)
		order := orderOf(7, money.Fen(5000))
		g.Load(order)
		time.Sleep(11 * time.Second)
		g.Reverse(order)
		time.Sleep(25 * time.Second)
		p.mu.Lock()
		require.Equal(t, "0421", p.reversal.MTI())
		answer(p)
		p.mu.Unlock()
		time.Sleep(time.Second)
		stop()
		p.end()
	})
	return outcomes
}

// TestOwnTimesOverRecords: a load that was dropped and one that was lost come right with either dialect.
func TestOwnTimesOverRecords(t *testing.T) {
	for _, record := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{record: record, bank: banksim.Config{Script: "drop; lose; reversal: lose; reversal: approve"}, change: func(c *bankgw.Config) {
				c.Links = 1
				ownTimes(c)
				for i, line := range c.Dialect.Record.Reversal {
					if line == "date_time:10" {
						c.Dialect.Record.Reversal[i] = "sent:10"
					}
				}
				require.NoError(t, c.Validate())
			}})
			time.Sleep(time.Second)
			w.ask(transaction.KindLoad, 1, 5000)
			time.Sleep(time.Second)
			w.ask(transaction.KindLoad, 2, 3000)
			time.Sleep(5 * time.Minute)
			require.NoError(t, w.verify())
			require.Positive(t, w.faults["not_found_yet"]+w.faults["reversal_timeout"])
			w.end()
		})
	}
}
