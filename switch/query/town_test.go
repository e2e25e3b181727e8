package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/ledger/pebblestore"
	"onecard/switch/campus"
	"onecard/switch/campus/bankload"
	"onecard/switch/campus/consumption"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

const (
	people    = 12
	terminals = 6
	merchants = 3
)

// town is terminals and bank in one: random purchases, reversals and loads over some weeks, from one seed, on a real store.
type town struct {
	t       *testing.T
	rng     *rand.Rand
	store   *pebblestore.Store
	engine  *transaction.Engine
	stop    context.CancelFunc
	now     int64
	left    int
	traces  [terminals + 1]uint32
	sold    []transaction.Request
	bank    []transaction.Request // what the bank will say
	waiting int

	withdrawals byte // asked for
}

func newTown(t *testing.T, seed uint64) *town {
	store, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: vfs.NewMem(), MemTableBytes: 1 << 20, IndexWindowEntries: 37})
	require.NoError(t, err)
	start := time.Date(2026, 10, 18, 0, 0, 0, 0, time.UTC).UnixMicro()
	w := &town{t: t, rng: rand.New(rand.NewPCG(seed, 3)), store: store, now: start}
	w.open()
	faults, err := w.engine.ImportBeforeRun(directory(), w.now)
	require.NoError(t, err)
	require.Empty(t, faults)
	require.NoError(t, w.engine.SetOperatorBeforeRun(transaction.OperatorRow{Code: "zhang", Roles: transaction.RoleCashier, TokenHash: [32]byte{1}}, "root", w.now))
	require.NoError(t, store.StartIndexer(index(w.engine.State().NewRegister())))
	return w
}

func index(register *transaction.Register) pebblestore.Index {
	return pebblestore.Index{Keys: register.Statements, Shared: transaction.SharedStatements, Totals: pebblestore.Totals{Count: register.Count, Settle: register.Settle, RollUp: transaction.RollUp}}
}

func (w *town) open() {
	var err error
	w.engine, err = transaction.Open(context.Background(), transaction.Config{
		Journal: w.store, Site: transaction.DefaultSite(), Routes: campus.Routes([]campus.Subsystem{consumption.New(consumption.DefaultConfig()), bankload.New(bankload.Config{})}),
		Withdrawals: transaction.WithdrawalTerms{Takes: func(uint64) bool { return true }},
	}, w.now)
	require.NoError(w.t, err)
}

func merchantCode(i int) string { return fmt.Sprintf("1034100541100%02d", i+1) }

func directory() *transaction.Directory {
	dir := &transaction.Directory{Classes: []transaction.ClassRow{{Code: "student"}}}
	for i := range merchants {
		dir.Merchants = append(dir.Merchants, transaction.MerchantRow{Code: transaction.MerchantCode([]byte(merchantCode(i)))})
	}
	for i := range terminals {
		row := transaction.TerminalRow{
			Code: transaction.TerminalCode(fmt.Appendf(nil, "T%07d", i+1)), Merchant: dir.Merchants[i%merchants].Code, Type: transaction.TerminalPOS, SealedKey: []byte{1},
		}
		if i == terminals-1 {
			row.Type = transaction.TerminalKiosk
		}
		dir.Terminals = append(dir.Terminals, row)
	}
	for i := range people {
		number := fmt.Sprintf("2026%04d", i)
		dir.Holders = append(dir.Holders, transaction.HolderRow{
			Number: number, Class: "student", BankAccount: 6217000000000000 + uint64(i), OpeningMain: 20_000, OpeningSubsidy: 3_000,
		})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: cardOf(i), Holder: number, PINValue: 7})
		if i%3 == 0 { // some have two
			dir.Cards = append(dir.Cards, transaction.CardRow{Number: cardOf(100 + i), Holder: number, PINValue: 7})
		}
	}
	return dir
}

func cardOf(i int) transaction.CardNumber { return 9156000000000000 + transaction.CardNumber(i) }

// run lets some requests come, and the bank say what it has to.
func (w *town) run(requests int) {
	w.left = requests
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.stop = cancel
	w.open()
	w.engine.Connect(w, w)
	w.withdraw()
	require.NoError(w.t, w.engine.Run(ctx, w.now))
}

// withdraw is some holders who want money back on their accounts.
func (w *town) withdraw() {
	for range 4 {
		op := &transaction.Operation{Kind: transaction.KindBankWithdrawal, Operator: "zhang", Holder: fmt.Sprintf("2026%04d", w.rng.IntN(people)), Amount: 1 + money.Fen(w.rng.IntN(900))}
		w.withdrawals++
		op.Key[0] = w.withdrawals
		_, err := w.engine.OperateBeforeRun(op, w.now)
		require.NoError(w.t, err)
	}
}

func (w *town) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	switch { // time goes on in steps of any size
	case w.rng.IntN(60) == 0:
		w.now += 1 + w.rng.Int64N(int64(3*24*time.Hour/time.Microsecond))
	case w.rng.IntN(3) == 0:
		w.now += w.rng.Int64N(int64(time.Hour / time.Microsecond))
	}
	if len(w.bank) > 0 && (w.left == 0 || w.rng.IntN(2) == 0) {
		word := w.bank[0]
		w.bank = w.bank[1:]
		word.Received = w.now
		return requests, w.engine.Submit(word)
	}
	if w.left == 0 {
		if w.waiting == 0 {
			w.stop()
		}
		return requests, nil
	}
	w.left--
	return append(requests, w.request()), nil
}

func (w *town) request() transaction.Request {
	r := transaction.Request{
		Kind: transaction.KindPurchase, Origin: 1, Received: w.now, Terminal: transaction.TerminalID(1 + w.rng.IntN(terminals-1)), Batch: 1,
		Card: cardOf(w.rng.IntN(people)), Amount: 1 + 10*90,
	}
	r.Amount = r.Amount * (1 + r.Amount%3) / 2
	if n := w.rng.IntN(people); w.rng.IntN(4) == 0 && n%3 == 0 {
		r.Card = cardOf(100 + n)
	}
	switch n := w.rng.IntN(10); {
	case n == 0 && len(w.sold) > 0:
		r = w.sold[w.rng.IntN(len(w.sold))]
		r.Kind, r.Received = transaction.KindReversal, w.now
		return r
	case n == 1:
		r.Kind, r.Terminal, r.Amount, r.PINValue = transaction.KindLoad, terminals, 5_000, 7
		w.waiting++
	case n == 2:
		r.Kind, r.Amount = transaction.KindBalance, 0
	case n == 3:
		r.Card = 9156999999999999 // nobody's
	}
	w.traces[r.Terminal]++
	if r.Trace = w.traces[r.Terminal]; r.Kind == transaction.KindPurchase {
		w.sold = append(w.sold, r)
	}
	return r
}

func (w *town) Answer([]transaction.Decision) {}
func (w *town) Wake()                         {}

func (w *town) Load(o transaction.LoadOrder) {
	word := transaction.Request{Kind: transaction.KindLoadConfirmed, Load: o.Load, BankCode: transaction.Approved}
	switch w.rng.IntN(4) {
	case 0:
		word.Kind, word.BankCode = transaction.KindLoadDeclined, transaction.ResponseCode{'5', '1'}
	case 1:
		word.Kind, word.BankCode = transaction.KindLoadUnknown, transaction.ResponseCode{}
	}
	if word.Kind != transaction.KindLoadUnknown {
		w.waiting--
	}
	w.bank = append(w.bank, word)
}

func (w *town) Withdraw(o transaction.LoadOrder) {
	if o.Repeat { // of one that is answered already
		return
	}
	word := transaction.Request{Kind: transaction.KindWithdrawalPaid, Load: o.Load, BankCode: transaction.Approved}
	switch o.Load % 3 {
	case 0:
		word.Kind, word.BankCode = transaction.KindWithdrawalDeclined, transaction.ResponseCode{'1', '4'}
	case 1:
		w.bank = append(w.bank, transaction.Request{Kind: transaction.KindWithdrawalUnknown, Load: o.Load})
	}
	w.bank = append(w.bank, word)
}

func (w *town) Reverse(o transaction.LoadOrder) {
	w.waiting--
	w.bank = append(w.bank, transaction.Request{Kind: transaction.KindLoadReversed, Load: o.Load})
}

// reader reads the state as it is between two runs.
func (w *town) reader() *query.Reader {
	state := w.engine.State()
	return query.New(query.Config{
		Store: w.store, Now: func() int64 { return w.now }, Look: func(_ context.Context, look func(*transaction.State)) error { look(state); return nil },
	}, state.Site().ZoneSeconds)
}

// entry is an entry as a naive reader finds it.
type entry struct {
	sequence uint64
	day      uint32
	ledger.Entry
	line transaction.Line
	act  transaction.OperationLine
}

// entries reads all of the ledger.
func (w *town) entries() []entry {
	var all []entry
	require.NoError(w.t, w.store.Replay(context.Background(), 0, func(b ledger.Block) error {
		return b.Each(func(sequence uint64, e *ledger.Entry) error {
			own := entry{sequence: sequence, day: b.Day(), Entry: e.Clone()}
			own.line, _ = transaction.ReadEntry(sequence, b.Day(), &own.Entry)
			own.act, _ = transaction.ReadOperation(sequence, b.Day(), &own.Entry)
			all = append(all, own)
			return nil
		})
	}))
	return all
}
