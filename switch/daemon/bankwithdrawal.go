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

// Withdrawals (提现) in a day with the bank. What was taken from the purse for one may change on several days, and in parts, by the hands of two
// persons: so what stood when the day began is worked out from all that the ledger has under its number, and the day's own entries go on from there.

// withdrawalMoved is the withdrawal that an entry is about; 0 when it is about none.
func withdrawalMoved(sequence uint64, day uint32, e *ledger.Entry) uint64 {
	switch e.Kind {
	case transaction.KindBankWithdrawal:
		return sequence
	case transaction.KindWithdrawalPaid, transaction.KindWithdrawalDeclined, transaction.KindWithdrawalUnknown, transaction.KindWithdrawalManual:
		if line, ok := transaction.ReadEntry(sequence, day, e); ok {
			return line.Load
		}
	case transaction.KindWithdrawalCharged, transaction.KindWithdrawalReturned:
		if act, ok := transaction.ReadOperation(sequence, day, e); ok {
			return act.Original
		}
	}
	return 0
}

// takeWithdrawal follows what an entry of the day does to a withdrawal.
func (d *bankDay) takeWithdrawal(ctx context.Context, withdrawal, sequence uint64, e *ledger.Entry) error {
	own, seen := d.loads[withdrawal]
	if !seen {
		var err error
		if own, err = d.server.withdrawalOf(ctx, d.bank, withdrawal, sequence-1); err != nil {
			return err
		}
		if own != nil {
			own.Before = taken(own)
		}
		d.loads[withdrawal] = own
	}
	if own == nil {
		return nil
	}
	followWithdrawal(own, sequence, d.day, e)
	d.moveInTransit(withdrawal, e)
	return nil
}

// withdrawalOf reads a withdrawal as it stood behind an entry; nil when there is none of this number, or it is another bank's.
func (s *server) withdrawalOf(ctx context.Context, bank string, withdrawal, upTo uint64) (*reconcile.Entry, error) {
	e, day, err := s.opened.store.Entry(withdrawal)
	if errors.Is(err, pebblestore.ErrNoEntry) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	act, ok := transaction.ReadOperation(withdrawal, day, &e)
	if !ok || act.Kind != transaction.KindBankWithdrawal || s.banks.NameOf(act.Bank.Account) != bank {
		return nil, nil
	}
	own := &reconcile.Entry{Sequence: withdrawal, Day: reconcile.Day(day), Amount: act.Amount, State: reconcile.StateUnknown, Time: e.Time, Withdrawal: true}
	if act.Card != 0 {
		if err := s.opened.engine.Look(ctx, func(state *transaction.State) {
			own.Account = reconcile.Account(state.Card(act.Card - 1).Number)
		}); err != nil {
			return nil, err
		}
	}
	said, err := s.opened.store.Statement(transaction.StatementLoad, withdrawal, 0, upTo, outcomesMax, false)
	for _, n := range said {
		e, day, err := s.opened.store.Entry(n)
		if err != nil {
			return nil, err
		}
		followWithdrawal(own, n, day, &e)
	}
	return own, err
}

// taken is what has been taken from the purse for a withdrawal.
func taken(own *reconcile.Entry) (sum money.Fen) {
	if own.State == reconcile.StateConfirmed {
		sum = own.Amount
	}
	return sum
}

// followWithdrawal takes a withdrawal to where an entry about it has brought it. On hold and asked about is unknown; given back is declined on the
// bank's word and reversed by hand.
func followWithdrawal(own *reconcile.Entry, sequence uint64, day uint32, e *ledger.Entry) {
	act, _ := transaction.ReadOperation(sequence, day, e)
	switch e.Kind {
	case transaction.KindWithdrawalPaid:
		own.State = reconcile.StateConfirmed
	case transaction.KindWithdrawalDeclined:
		own.State = reconcile.StateDeclined
	case transaction.KindWithdrawalManual:
		own.State = reconcile.StateManual
	case transaction.KindWithdrawalCharged:
		own.State, own.Amount = reconcile.StateConfirmed, taken(own)+act.Amount
	case transaction.KindWithdrawalReturned:
		if rest := taken(own) - act.Amount; rest > 0 {
			own.Amount = rest
		} else {
			own.State = reconcile.StateReversed
		}
	}
}
