package channel_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"onecard/bankgw/channel"
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// errCrashed is what everything says once the machine is down.
var errCrashed = errors.New("the machine is down")

// power is what a crash takes away. It goes at the n-th durable step from now, before the step or after it.
type power struct {
	mu    sync.Mutex
	steps int // until it goes; < 0 never
	after bool
	down  bool
	took  int // steps since it was last set
}

// step does one durable thing, or not.
func (p *power) step(do func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return errCrashed
	}
	p.took++
	if p.steps == 0 {
		p.down = true
		if p.after {
			do()
		}
		return errCrashed
	}
	if p.steps > 0 {
		p.steps--
	}
	do()
	return nil
}

// set says when it goes.
func (p *power) set(steps int, after bool) { p.steps, p.after, p.down, p.took = steps, after, false, 0 }

// disk keeps rows.
type disk struct {
	power *power
	rows  map[string][]byte
}

func (d *disk) Put(rows map[string][]byte) error {
	return d.power.step(func() { maps.Copy(d.rows, rows) })
}

func (d *disk) Row(key string) ([]byte, error) {
	if d.power.down {
		return nil, errCrashed
	}
	return slices.Clone(d.rows[key]), nil
}

// posted is one entry of the model's ledger.
type posted struct {
	Kind     transaction.Kind
	Holder   string
	Amount   money.Fen // into the purse
	Document string
}

// books are a ledger with purses and account 1012, and keys as the engine keeps them.
type books struct {
	power   *power
	purses  map[string]money.Fen
	transit money.Fen // 1012, as the books have it: what channels owe us is above zero
	frozen  map[string]bool
	diskLow bool
	entries []posted
	keys    map[transaction.Key]int // entry from 1
	asked   map[transaction.Key]string
}

func newBooks(p *power) *books {
	return &books{power: p, purses: map[string]money.Fen{}, frozen: map[string]bool{}, keys: map[transaction.Key]int{}, asked: map[transaction.Key]string{}}
}

func (b *books) Operate(_ context.Context, o *transaction.Operation, _ int64) (receipt transaction.Receipt, err error) {
	contents, _ := json.Marshal(o)
	failed := b.power.step(func() { receipt, err = b.operate(o, string(contents)) })
	if failed != nil {
		return transaction.Receipt{}, failed
	}
	return receipt, err
}

func (b *books) operate(o *transaction.Operation, contents string) (transaction.Receipt, error) {
	refuse := func(field, rule string) (transaction.Receipt, error) {
		return transaction.Receipt{}, &transaction.Refused{Field: field, Rule: rule, Chinese: rule, English: rule}
	}
	if n, seen := b.keys[o.Key]; seen {
		if b.asked[o.Key] != contents {
			return refuse("key", "key_reused")
		}
		return transaction.Receipt{Sequence: uint64(n), Repeated: true}, nil
	}
	p := posted{Kind: o.Kind, Holder: o.Holder, Amount: o.Amount, Document: o.Document}
	switch o.Kind {
	case transaction.KindThirdPartyRefunded:
		p.Amount = -o.Amount
	case transaction.KindDepositReversed:
		original := b.entries[o.Original-1]
		p.Holder, p.Amount = original.Holder, -original.Amount
	}
	switch {
	case b.diskLow:
		return refuse("", "disk_low")
	case b.frozen[p.Holder]:
		return refuse("holder", "account_open")
	case b.purses[p.Holder]+p.Amount < 0:
		return refuse("amount", "funds")
	}
	b.purses[p.Holder] += p.Amount
	b.transit += p.Amount
	b.entries = append(b.entries, p)
	b.keys[o.Key], b.asked[o.Key] = len(b.entries), contents
	return transaction.Receipt{Sequence: uint64(len(b.entries))}, nil
}

func (b *books) Evidence(sequence uint64) (*transaction.Evidence, error) {
	return &transaction.Evidence{Kind: b.entries[sequence-1].Kind, Legs: []ledger.Leg{}}, nil
}

var _ channel.Core = (*books)(nil)
