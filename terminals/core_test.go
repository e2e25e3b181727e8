package terminals

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/switch/campus/consumption"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// memoryJournal is a ledger that lasts as long as the test.
type memoryJournal struct{ head ledger.Head }

func (j *memoryJournal) Append(b ledger.Block) error {
	if err := b.Follows(j.head); err != nil {
		return err
	}
	j.head = b.Head()
	return nil
}

func (j *memoryJournal) Wait(uint64) error { return nil }
func (j *memoryJournal) Head() ledger.Head { return j.head }

func (j *memoryJournal) Replay(context.Context, uint64, func(ledger.Block) error) error { return nil }

// noBank is never asked: the only terminal is a POS.
type noBank struct{ t *testing.T }

func (b noBank) Load(transaction.LoadOrder)     { b.t.Error("a load") }
func (b noBank) Reverse(transaction.LoadOrder)  { b.t.Error("a reversal of a load") }
func (b noBank) Withdraw(transaction.LoadOrder) { b.t.Error("a withdrawal") }

// core is the real thing behind a real door.
func core(t *testing.T) *Server {
	c := DefaultConfig()
	c.Listen = "127.0.0.1:0"
	clock := func() int64 { return time.Now().UnixMicro() }
	server, err := Listen(c, siteKeys{}, rand.NewChaCha8([32]byte{3}), clock, Events{})
	require.NoError(t, err)
	engine, err := transaction.Open(t.Context(), transaction.Config{
		Journal: new(memoryJournal), Routes: consumption.New(consumption.DefaultConfig()).Routes, Site: transaction.DefaultSite(),
	}, clock())
	require.NoError(t, err)
	merchant := transaction.MerchantCode([]byte(merchantCode))
	faults, err := engine.ImportBeforeRun(&transaction.Directory{
		Classes:   []transaction.ClassRow{{Code: "student"}},
		Merchants: []transaction.MerchantRow{{Code: merchant}},
		Terminals: []transaction.TerminalRow{{
			Code: transaction.TerminalCode([]byte(terminalCode)), Merchant: merchant, Type: transaction.TerminalPOS,
			MACMode: uint8(iso8583.MACAESCMAC), SealedKey: master,
		}},
		Holders: []transaction.HolderRow{{Number: "20260001", Class: "student", OpeningMain: 5000}},
		Cards:   []transaction.CardRow{{Number: card, Holder: "20260001"}},
	}, clock())
	require.NoError(t, err)
	require.Empty(t, faults)
	engine.Connect(server, noBank{t})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx, clock()) }() // ends with the test
	t.Cleanup(func() {
		require.NoError(t, server.Drain(context.Background()))
		stop()
		require.NoError(t, <-ended)
		server.Close()
	})
	return server
}

// TestIdentities: wire handbook 6 as far as the core decides it, from socket to socket: the same purchase twice, the same trace number
// with another amount, and a reversal that comes before its purchase.
func TestIdentities(t *testing.T) {
	h := &house{t: t, server: core(t)}
	d := h.signedOn(terminalCode)
	ask := func(s sale) (*iso8583.Message, []byte) {
		t.Helper()
		request := s.frame(d.mac)
		d.write(request)
		reply := d.receive()
		return d.checkReply(t, request, reply), reply
	}
	answer := func(s sale, code, balance string) []byte {
		t.Helper()
		m, reply := ask(s)
		require.Equal(t, code, string(m.Value(39)))
		require.Equal(t, balance, string(m.Value(54)))
		return reply
	}
	s := d.sale()
	s.network = 2200000000060 + uint64(d.batch)*100_000
	first := answer(s, "00", "1002156C000000003750")
	require.Equal(t, first, answer(s, "00", "1002156C000000003750"), "a repeat gets the first answer byte for byte")
	other := s
	other.amount = 1251
	answer(other, "94", "")
	other = s
	other.card = "6217000012345686"
	answer(other, "94", "")
	require.Equal(t, first, answer(s, "00", "1002156C000000003750"))

	s.trace = 7
	reversal := s
	reversal.mti, reversal.cause = iso8583.MTIReversal, "98"
	undone := answer(reversal, "00", "")
	require.Equal(t, undone, answer(reversal, "00", ""))
	answer(s, "22", "")
	s.trace = 8
	answer(s, "00", "1002156C000000002500")
	reversal.trace = 8
	answer(reversal, "00", "")
	s.trace = 9
	answer(s, "00", "1002156C000000002500")
	s.trace, s.amount = 10, 2501
	refused := answer(s, "51", "")
	require.True(t, slices.Equal(refused, answer(s, "51", "")))
}
