package ledgertest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/money"
	"onecard/switch/campus"
	"onecard/switch/campus/access"
	"onecard/switch/campus/bankload"
	"onecard/switch/campus/consumption"
	"onecard/switch/transaction"
)

// blocks is a journal in memory.
type blocks struct {
	raw  [][]byte
	head ledger.Head
}

func (j *blocks) Append(b ledger.Block) error {
	j.raw, j.head = append(j.raw, slices.Clone(b.Bytes())), b.Head()
	return nil
}
func (j *blocks) Wait(uint64) error                                              { return nil }
func (j *blocks) Head() ledger.Head                                              { return j.head }
func (j *blocks) Replay(context.Context, uint64, func(ledger.Block) error) error { return nil }

// lunch is terminals and bank in one: it plays random traffic of every kind, from one seed, and remembers every answer.
type lunch struct {
	rng      *rand.Rand
	engine   *transaction.Engine
	stop     context.CancelFunc
	left     int
	now      int64
	origin   transaction.Origin
	asked    map[transaction.Origin]transaction.Request
	recent   []transaction.Request
	traces   []uint32
	bank     []transaction.Request // what the bank will say
	receipts bytes.Buffer
	plain    bool // purchases only
}

const (
	people    = 200
	terminals = 20
)

func cardOf(i int) transaction.CardNumber {
	return 9156000000000000 + transaction.CardNumber(i)
}

func sampleCampus(opening money.Fen) *transaction.Directory {
	shop := transaction.MerchantCode([]byte("103410054110001"))
	dir := &transaction.Directory{
		Classes:   []transaction.ClassRow{{Code: "student"}},
		Merchants: []transaction.MerchantRow{{Code: shop}, {Code: transaction.MerchantCode([]byte("103410054110002"))}},
		Doors:     []transaction.DoorRow{{Code: "library", Grants: []transaction.Grant{{Group: 1, Weekdays: 0x7F}}}},
	}
	for i := range terminals {
		row := transaction.TerminalRow{Code: transaction.TerminalCode(fmt.Appendf(nil, "T%07d", i+1)), Merchant: dir.Merchants[i%2].Code, Type: transaction.TerminalPOS, SealedKey: []byte{1}}
		if i%10 == 9 {
			row.Type, row.Door = transaction.TerminalGate, "library"
		}
		dir.Terminals = append(dir.Terminals, row)
	}
	for i := range people {
		number := fmt.Sprintf("2026%04d", i)
		dir.Holders = append(dir.Holders, transaction.HolderRow{
			Number: number, Class: "student", Groups: uint64(i % 4), BankAccount: 6217000000000000 + uint64(i),
			OpeningMain: opening, OpeningSubsidy: 5000,
		})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: cardOf(i), Holder: number, PINValue: 7})
	}
	return dir
}

func play(t testing.TB, seed uint64, requests int, plain bool) (*blocks, *lunch) {
	journal := &blocks{}
	engine, err := transaction.Open(context.Background(), transaction.Config{
		Journal: journal, Site: transaction.DefaultSite(),
		Routes: campus.Routes([]campus.Subsystem{consumption.New(consumption.DefaultConfig()), access.New(), bankload.New(bankload.Config{})}),
	}, 1_795_405_680_000_000)
	require.NoError(t, err)
	opening := money.Fen(100_000)
	if plain {
		opening = 100_000_000
	}
	faults, err := engine.ImportBeforeRun(sampleCampus(opening), 1_795_405_680_000_001)
	require.NoError(t, err)
	require.Empty(t, faults)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &lunch{
		rng: rand.New(rand.NewPCG(seed, 1)), engine: engine, stop: cancel, left: requests, now: 1_795_405_680_000_002, plain: plain,
		asked: map[transaction.Origin]transaction.Request{}, traces: make([]uint32, terminals+1),
	}
	l.receipts.WriteString("ONECARD-RCPT\x00\x00\x00\x01")
	engine.Connect(l, l)
	require.NoError(t, engine.Run(ctx, l.now))
	return journal, l
}

func (l *lunch) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	for len(l.bank) > 0 && (l.rng.IntN(3) > 0 || l.left == 0) {
		word := l.bank[0]
		l.bank = l.bank[1:]
		word.Received = l.now
		_ = l.engine.Submit(word)
	}
	for range min(1+l.rng.IntN(64), l.left) {
		l.left--
		l.now += int64(l.rng.IntN(100_000))
		r := l.request()
		l.origin++
		r.Origin, r.Received = l.origin, l.now
		l.asked[r.Origin] = r
		requests = append(requests, r)
	}
	if l.left == 0 && len(l.bank) == 0 {
		l.stop()
	}
	return requests, nil
}

// request is usually something new, sometimes a repeat, a repeat with other contents, or a reversal of something asked or not yet asked.
func (l *lunch) request() transaction.Request {
	dice := l.rng.IntN(100)
	if len(l.recent) > 0 && dice < 25 && !l.plain {
		r := l.recent[l.rng.IntN(len(l.recent))]
		switch {
		case dice < 8:
			return r
		case dice < 10:
			r.Amount++
			return r
		}
		r.Kind = transaction.KindReversal
		return r
	}
	id := transaction.TerminalID(1 + l.rng.IntN(terminals))
	l.traces[id]++
	r := transaction.Request{Kind: transaction.KindPurchase, Terminal: id, Batch: 1 + l.traces[id]/1000, Trace: 1 + l.traces[id]%999_999, Card: cardOf(l.rng.IntN(people)), Amount: 1}
	if l.plain {
		return r
	}
	r.Amount = 1 + money.Fen(l.rng.IntN(3000))
	switch {
	case id%10 == 0:
		r.Kind, r.Amount = transaction.KindPassage, 0
	case dice < 35:
		r.Kind, r.PINValue = transaction.KindLoad, 7
	case dice < 40:
		r.Kind, r.Amount = transaction.KindBalance, 0
	case dice < 42:
		r.Card = 9999000000000000
	case dice < 45: // the reversal comes first
		l.keep(r)
		r.Kind = transaction.KindReversal
		return r
	}
	l.keep(r)
	return r
}

func (l *lunch) keep(r transaction.Request) {
	l.recent = append(l.recent, r)
	if len(l.recent) > 60 {
		l.recent = l.recent[1:]
	}
}

func (l *lunch) Answer(decisions []transaction.Decision) {
	if l.plain {
		return
	}
	for i := range decisions {
		d := &decisions[i]
		if !d.Silent && l.rng.IntN(20) > 0 { // some answers never arrive
			l.remember(l.asked[d.Origin], d)
		}
		delete(l.asked, d.Origin)
	}
}

func (l *lunch) remember(r transaction.Request, d *transaction.Decision) {
	class := byte(1)
	if r.Kind == transaction.KindReversal {
		class = 2
	}
	reference, code := d.Reference(), d.Code
	terminal := transaction.TerminalCode(fmt.Appendf(nil, "T%07d", r.Terminal))
	record := append([]byte{class, byte(r.Kind)}, code[:]...)
	record = binary.BigEndian.AppendUint32(record, r.Batch)
	record = binary.BigEndian.AppendUint32(record, r.Trace)
	record = append(append(record, terminal[:]...), reference[:]...)
	record = binary.BigEndian.AppendUint64(record, uint64(r.Amount))
	l.receipts.Write(binary.BigEndian.AppendUint64(record, uint64(r.Card)))
}

func (l *lunch) Wake() {}

// Load is the bank: it approves, declines, is silent, or is silent and answers too late.
func (l *lunch) Load(o transaction.LoadOrder) {
	word := transaction.Request{Load: o.Load, Kind: transaction.KindLoadConfirmed, BankCode: transaction.Approved}
	switch l.rng.IntN(5) {
	case 0:
		word.Kind, word.BankCode = transaction.KindLoadDeclined, transaction.ResponseCode{'5', '1'}
	case 1:
		word.Kind = transaction.KindLoadUnknown
	case 2:
		late := word
		word.Kind = transaction.KindLoadUnknown
		l.bank = append(l.bank, word, late)
		return
	}
	l.bank = append(l.bank, word)
}

// Withdraw is the bank paying.
func (l *lunch) Withdraw(o transaction.LoadOrder) {
	l.bank = append(l.bank, transaction.Request{Load: o.Load, Kind: transaction.KindWithdrawalPaid, BankCode: transaction.Approved})
}

// Reverse is the bank taking a load back.
func (l *lunch) Reverse(o transaction.LoadOrder) {
	l.bank = append(l.bank, transaction.Request{Load: o.Load, Kind: transaction.KindLoadReversed, BankCode: transaction.Approved})
}

func audit(raw [][]byte) *ledgertest.Auditor {
	a := ledgertest.New()
	for _, b := range raw {
		a.Block(binary.BigEndian.Uint64(b[8:]), b)
	}
	return a
}
