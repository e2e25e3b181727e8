package dayend

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/proof"
	"onecard/switch/transaction"
)

// Blocks is where the blocks of a day are read from.
type Blocks interface {
	// EachOf visits the blocks of a span in order, each checked for its hash and its place in the chain.
	EachOf(ctx context.Context, span ledger.Span, visit func(ledger.Block) error) error
}

// Input is what a day is closed from.
type Input struct {
	Span     ledger.Span   // of the closed day
	Opening  Balances      // at the end of the day before, from the log
	Memory   Balances      // of the owner, taken back to the end of the day
	Switch   DaySwitch     // the entry that closed the day
	Before   *SignedBefore // nil: there is no statement of a day before
	Campus   Campus
	Zone     *time.Location
	Late     func(e *ledger.Entry, opened int64) bool              // sales from before the day opened, recorded today; nil: LateSale
	Totals   map[transaction.TerminalID]TerminalTotals             // that terminals have sent
	Open     []OpenItem                                            // what the day leaves behind
	Drawers  []Drawer                                              // that were open at the end; those that were counted stand in the log
	Bank     []BankBalance                                         // figures that an operator gave, or accounts without one
	KindName func(kind transaction.Kind) (chinese, english string) // of entries, for the double entry
}

// DaySwitch is the day switch that ended the day.
type DaySwitch struct {
	transaction.DaySwitch
	Time int64
}

// SignedBefore is the statement of the day before with the hash that its signature is over.
type SignedBefore struct {
	Statement Statement
	Hash      [32]byte
}

// Close balances a day and signs its root. The statement that it returns is not signed itself: see Sign. Closing carries the balances to the
// next day. A day that does not balance is no error: its statement says where.
func Close(ctx context.Context, blocks Blocks, in *Input, key ed25519.PrivateKey) (s Statement, closing Balances, err error) {
	late := in.Late
	if late == nil {
		late = LateSale
	}
	b := newBook(&in.Campus, &in.Opening, late)
	var first ledger.Hash
	err = blocks.EachOf(ctx, in.Span, func(block ledger.Block) error {
		if b.blocks == 0 {
			first = block.Previous()
		}
		return b.take(block)
	})
	if err != nil {
		return Statement{}, Balances{}, fmt.Errorf("reading the blocks of %s: %w", proof.Day(in.Span.Day), err)
	}
	root, err := b.tree.Root()
	if err != nil {
		return Statement{}, Balances{}, err
	}
	s = Statement{
		Format: Format, Day: proof.Day(in.Span.Day), Next: proof.Day(in.Switch.Opens), Opened: in.moment(b.opened), Closed: in.moment(in.Switch.Time),
		First: in.Span.First, Last: in.Span.Last, Entries: b.entries, Blocks: b.blocks, Accounts: uint32(len(b.closing.Fen) - 1),
		Root: proof.SignDay(proof.Day(in.Span.Day), b.entries, root, b.closing.Head.Hash, key),
		Open: orEmpty(in.Open), Drawers: append(b.drawers, in.Drawers...), Bank: orEmpty(in.Bank),
	}
	digest := b.closing.Digest()
	s.Balances = digest[:]
	if in.Before != nil {
		was := &in.Before.Statement
		s.DayBefore = &DayBefore{Day: was.Day, Last: was.Last, LastBlock: was.Root.LastBlock, Balances: was.Balances, Statement: in.Before.Hash[:]}
	}
	c := checker{in: in, book: b, statement: &s, firstPrevious: first}
	c.tables()
	c.run()
	return s, b.closing, nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (in *Input) moment(micros int64) string {
	return time.UnixMicro(micros).In(in.Zone).Format(time.RFC3339)
}

// sums adds balances up by what accounts are.
type sums struct {
	purses    map[codeKey]money.Fen
	classes   map[uint8]money.Fen
	merchants map[uint32]money.Fen
	codes     map[codeKey]ledger.ControlTotal
}

func (c *Campus) sum(b *Balances) sums {
	s := sums{map[codeKey]money.Fen{}, map[uint8]money.Fen{}, map[uint32]money.Fen{}, map[codeKey]ledger.ControlTotal{}}
	for id := 1; id < len(b.Fen); id++ {
		a := Account{Class: NoClass}
		if id < len(c.Accounts) {
			a = c.Accounts[id]
		}
		balance := b.Fen[id]
		key := codeKey{a.Set, a.Code}
		total := s.codes[key]
		s.codes[key] = ledger.ControlTotal{Set: a.Set, Code: a.Code, Accounts: total.Accounts + 1, Balance: total.Balance + balance}
		if isPurse(a.Code) {
			s.purses[key] += balance
			if a.Set == 0 {
				s.classes[a.Class] += balance
			}
		}
		if a.Merchant != 0 && a.Code == ledger.CodeMerchantPayable && a.Set == 0 {
			s.merchants[a.Merchant-1] += balance
		}
	}
	return s
}
