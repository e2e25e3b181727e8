package bankgw_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

const patience = 20 * time.Second // for what happens at once

func await[T any](t *testing.T, what string, from <-chan T, wanted func(T) bool) T {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case got := <-from:
			if wanted(got) {
				return got
			}
		case <-deadline:
			t.Fatalf("no %s", what)
		}
	}
}

func (w *world) awaitLinks(t *testing.T, n int) {
	for range n {
		await(t, "link up", w.states, func(s string) bool { return s == "up" })
	}
}

// TestOverTCP takes loads over real sockets with each framing and each MAC: approved, declined, taken back after a cut, and a polite stop.
func TestOverTCP(t *testing.T) {
	for _, framing := range []iso8583.BankFraming{iso8583.FramingASCII4, iso8583.FramingASCII6, iso8583.FramingBinary2, iso8583.FramingCUPS46} {
		for _, mode := range []iso8583.MACMode{iso8583.MACSM4CBC, iso8583.MACX919, iso8583.MACAESCMAC} {
			t.Run(fmt.Sprintf("%s %s", framing, mode), func(t *testing.T) {
				w := newWorld(t, worldOptions{
					tcp: true, bank: banksim.Config{
						Framing: framing, MACMode: mode, Script: "approve; decline 51; drop", Station: "01050000", Campus: bankgw.DefaultConfig().Forwarding,
					},
					change: func(g *bankgw.Config) {
						g.Framing, g.MACMode, g.Receiving = framing, mode.String(), "01050000"
						g.ReconnectMin = time.Millisecond
					},
				})
				t.Cleanup(w.bury)
				w.awaitLinks(t, 2)
				anything := func(transaction.Decision) bool { return true }
				w.ask(transaction.KindLoad, 1, 1000)
				require.Equal(t, transaction.Approved, await(t, "answer", w.heard, anything).Code)
				w.ask(transaction.KindLoad, 2, 2000)
				require.Equal(t, transaction.InsufficientFunds, await(t, "answer", w.heard, anything).Code)
				w.ask(transaction.KindLoad, 3, 3000)
				w.awaitDebit(t, 4000)
				w.bank.Cut()
				require.Equal(t, transaction.BankTimeout, await(t, "answer", w.heard, anything).Code)
				w.bank.Restore()
				w.awaitLinks(t, 2)
				w.awaitDebit(t, 1000)
				w.end()
				require.Equal(t, 2, w.bank.Stats().SignOffs)
				require.NoError(t, w.bank.Check())
				books := booksOf(openEngine(t, w.disk, w.life, time.Now()).State())
				require.Equal(t, w.debited(), books.credited)
				require.Zero(t, books.sum)
			})
		}
	}
}

// awaitDebit looks at the bank's books until they hold an amount: a request that the bank does not answer has no other sign.
func (w *world) awaitDebit(t *testing.T, fen int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); int64(w.debited()) != fen; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the bank holds %s", w.debited())
		}
	}
}
