package daemon

import (
	"context"
	"errors"

	"onecard/bankgw/reconcile"
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/ledger/pebblestore"
	"onecard/switch/transaction"
)

// bankDay gathers a business day of our loads and withdrawals at one bank as reconciliation wants them (domain handbook 3.8): every one of the
// day, and those of earlier days that the day has changed, each as it stood when the day ended. What came later belongs to a later day, so the same day
// is the same list whenever it is asked for. Beside it our books' own sum: what left the account in transit, and not what the list says.
type bankDay struct {
	server *server
	bank   string
	day    uint32

	loads  map[uint64]*reconcile.Entry // withdrawals too; nil: not of this bank
	moved  map[uint64]bool             // those whose money the day has moved
	ledger money.Fen
}

func (s *server) bankDay(ctx context.Context, bank string, day uint32) (*bankDay, error) {
	d := &bankDay{server: s, bank: bank, day: day, loads: map[uint64]*reconcile.Entry{}, moved: map[uint64]bool{}}
	span, err := s.opened.store.SpanOf(day)
	if errors.Is(err, pebblestore.ErrNoEntry) {
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	err = s.opened.store.Between(ctx, span.First-1, span.Last, func(b ledger.Block) error {
		return b.Each(func(sequence uint64, e *ledger.Entry) error { return d.take(ctx, sequence, e) })
	})
	return d, err
}

// entries is the list. A load of an earlier day whose end has come, but no money with it, is in it only when it was open: on its own day the
// bank's file and we had nothing of it either.
func (d *bankDay) entries(carried []reconcile.Item) []reconcile.Entry {
	open := map[uint64]bool{}
	for i := range carried {
		open[carried[i].Sequence] = true
	}
	var list []reconcile.Entry
	for sequence, e := range d.loads {
		if e != nil && (uint32(e.Day) == d.day || d.moved[sequence] || open[sequence]) {
			list = append(list, *e)
		}
	}
	return list
}

// take follows what an entry of the day does to a load.
func (d *bankDay) take(ctx context.Context, sequence uint64, e *ledger.Entry) error {
	if withdrawal := withdrawalMoved(sequence, d.day, e); withdrawal != 0 {
		return d.takeWithdrawal(ctx, withdrawal, sequence, e)
	}
	if err := d.dated(ctx, sequence, e); err != nil {
		return err
	}
	load, state, amount := loadMoved(sequence, d.day, e)
	if load == 0 {
		return nil
	}
	own, err := d.load(ctx, load)
	if err != nil || own == nil {
		return err
	}
	if own.State = state; amount > 0 {
		own.Amount = amount
	}
	d.moveInTransit(load, e)
	return nil
}

// moveInTransit adds up what an entry about a load has moved out of what the bank owes.
func (d *bankDay) moveInTransit(load uint64, e *ledger.Entry) {
	for _, l := range e.Legs {
		if l.Account == transaction.AccountLoadInTransit {
			d.ledger -= l.Amount
			d.moved[load] = true
		}
	}
}

// dated takes the settlement dates that the bank has put a load and its reversal into.
func (d *bankDay) dated(ctx context.Context, sequence uint64, e *ledger.Entry) error {
	if load, bankDay := loadDated(sequence, d.day, e); bankDay != 0 {
		own, err := d.load(ctx, load)
		if err != nil {
			return err
		}
		if own != nil {
			own.BankDay = bankDay
		}
	}
	if e.Kind != transaction.KindLoadReversed {
		return nil
	}
	line, ok := transaction.ReadEntry(sequence, d.day, e)
	if !ok {
		return nil
	}
	own, err := d.load(ctx, line.Load)
	if err == nil && own != nil {
		own.ReturnDay, own.NotFound = reconcile.Day(line.BankDay), line.Code != transaction.Approved
		if own.ReturnDay == 0 {
			own.ReturnDay = reconcile.Day(d.day)
		}
	}
	return err
}

// loadDated says on which of its days the bank has debited a load; 0 when the entry does not say it. A reversal's date is another's.
func loadDated(sequence uint64, day uint32, e *ledger.Entry) (load uint64, bankDay reconcile.Day) {
	if e.Kind != transaction.KindLoadConfirmed && e.Kind != transaction.KindLoadLate {
		return 0, 0
	}
	line, ok := transaction.ReadEntry(sequence, day, e)
	if !ok || line.Code != transaction.Approved {
		return 0, 0
	}
	return line.Load, reconcile.Day(line.BankDay)
}

// loadMoved says which load an entry is about and where it stands afterwards; 0 when it changes none. amount is what the holder has of it
// where that is not the load's own.
func loadMoved(sequence uint64, day uint32, e *ledger.Entry) (load uint64, state reconcile.State, amount money.Fen) {
	if act, ok := transaction.ReadOperation(sequence, day, e); ok {
		switch act.Kind {
		case transaction.KindLoadMadeUp:
			return act.Original, reconcile.StateConfirmed, act.Amount
		case transaction.KindLoadClaimed, transaction.KindLoadClosed:
			return act.Original, reconcile.StateReversed, 0
		}
		return 0, 0, 0
	}
	line, ok := transaction.ReadEntry(sequence, day, e)
	if !ok {
		return 0, 0, 0
	}
	switch e.Kind {
	case transaction.KindLoad:
		if line.Reason == transaction.ReasonNone {
			return sequence, reconcile.StateReversing, 0 // until the bank has answered
		}
	case transaction.KindReversal:
		if line.Reason == transaction.ReasonNone && len(e.Legs) > 0 {
			return line.Original, reconcile.StateReturning, 0
		}
	default:
		if state, ok := statesOfLoads[e.Kind]; ok {
			return line.Load, state, 0
		}
	}
	return 0, 0, 0
}

var statesOfLoads = map[transaction.Kind]reconcile.State{
	transaction.KindLoadConfirmed: reconcile.StateConfirmed, transaction.KindLoadDeclined: reconcile.StateDeclined,
	transaction.KindLoadUnknown: reconcile.StateReversing, transaction.KindLoadReversed: reconcile.StateReversed, transaction.KindLoadManual: reconcile.StateManual,
}

// load is a load of the list; one that is new to it is read. nil: the entry is no load, or another bank's.
func (d *bankDay) load(ctx context.Context, sequence uint64) (*reconcile.Entry, error) {
	if own, seen := d.loads[sequence]; seen {
		return own, nil
	}
	own, err := d.server.loadOf(ctx, d.bank, sequence)
	if err == nil {
		d.loads[sequence] = own
	}
	return own, err
}

// loadOf reads a load from the ledger as it was asked for; nil when the entry is none of this bank's.
func (s *server) loadOf(ctx context.Context, bank string, sequence uint64) (*reconcile.Entry, error) {
	e, day, err := s.opened.store.Entry(sequence)
	if errors.Is(err, pebblestore.ErrNoEntry) {
		return nil, nil
	}
	if err != nil || e.Kind != transaction.KindLoad {
		return nil, err
	}
	line, ok := transaction.ReadEntry(sequence, day, &e)
	if !ok || line.Reason != transaction.ReasonNone || line.Card == 0 {
		return nil, nil
	}
	own := &reconcile.Entry{Sequence: sequence, Day: reconcile.Day(day), Amount: line.Amount, State: reconcile.StateReversing, Time: e.Time}
	var account uint64
	var signed *uint32 // holder who has signed since he was registered: his account may have been another
	err = s.opened.engine.LookDurable(ctx, func(state *transaction.State) {
		card := state.Card(line.Card - 1)
		own.Account, account = reconcile.Account(card.Number), state.Holder(card.Holder).BankAccount
		if holder := card.Holder; state.Agreement(holder) != nil {
			signed = &holder
		}
	})
	if err == nil && signed != nil {
		account, err = s.accountAt(sequence, *signed, account)
	}
	if err != nil || s.banks.NameOf(account) != bank {
		return nil, err
	}
	return own, nil
}

// accountAt is the bank account that a holder had at an entry: the one before what he did about it next, or the one that he has now, which was looked
// at durably. A change that had been decided and was not on disk yet would be in what he has now and not in his list: the account would be the new one
// of a load that was asked of the old one, whenever the two share a group of the journal.
func (s *server) accountAt(sequence uint64, holder uint32, now uint64) (uint64, error) {
	for from := sequence; ; {
		acts, err := s.opened.store.Statement(transaction.StatementHolder, uint64(holder)+1, from, 1<<62, actsTogether, false)
		if err != nil {
			return 0, err
		}
		for _, n := range acts {
			e, day, err := s.opened.store.Entry(n)
			if err != nil {
				return 0, err
			}
			if act, ok := transaction.ReadOperation(n, day, &e); ok && transaction.IsAgreement(act.Kind) {
				return act.Bank.Before, nil
			}
		}
		if len(acts) < actsTogether {
			return now, nil
		}
		from = acts[len(acts)-1] + 1
	}
}

// actsTogether are how many of a holder's operations are looked at together.
const actsTogether = 64

// find looks a load or a withdrawal of any day up, as it stands now: the bank's file speaks of it, and the day's list does not.
func (s *server) find(ctx context.Context, bank string, sequence uint64) (reconcile.Entry, bool, error) {
	if paid, err := s.withdrawalOf(ctx, bank, sequence, 1<<62); paid != nil || err != nil {
		if err != nil {
			return reconcile.Entry{}, false, err
		}
		return *paid, true, nil
	}
	own, err := s.loadOf(ctx, bank, sequence)
	if err != nil || own == nil {
		return reconcile.Entry{}, false, err
	}
	said, err := s.opened.store.Statement(transaction.StatementLoad, sequence, 0, sequence+1<<62, outcomesMax, false)
	for _, n := range said {
		e, day, err := s.opened.store.Entry(n)
		if err != nil {
			return reconcile.Entry{}, false, err
		}
		if load, bankDay := loadDated(n, day, &e); load == sequence && bankDay != 0 {
			own.BankDay = bankDay
		}
		if load, state, amount := loadMoved(n, day, &e); load == sequence {
			if own.State = state; amount > 0 {
				own.Amount = amount
			}
		}
	}
	return *own, true, err
}

// outcomesMax of one load are read.
const outcomesMax = 64
