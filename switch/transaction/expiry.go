package transaction

import (
	"context"

	"onecard/ledger"
)

// KindSubsidyExpired is money that nobody used in time, back to its provider by the rule of its batch: no operator asks for it (补贴到期清退,
// handbook 3.4, worked C).
const KindSubsidyExpired Kind = 67

// Bounds of one call of ReturnExpired: what is looked at and what is posted before others have their turn.
const (
	expiryLooks = 8192
	expiryPosts = 128
)

// ReturnExpired looks through the purses from one on for money that has expired and gives it back to its provider, durably. next is where to
// go on; 0: all have been looked at. Expired money cannot be spent whether it has been given back or not, so nothing hurries.
func (e *Engine) ReturnExpired(ctx context.Context, from uint32, now int64) (next uint32, returned int, err error) {
	err = e.command(ctx, func() error {
		var err error
		next, returned, err = e.lookForExpired(from, now)
		return err
	})
	return next, returned, err
}

// ReturnExpiredBeforeRun is ReturnExpired for a ledger that nobody serves yet.
func (e *Engine) ReturnExpiredBeforeRun(from uint32, now int64) (next uint32, returned int, err error) {
	next, returned, err = e.lookForExpired(from, now)
	if err == nil {
		err = e.settle()
	}
	return next, returned, err
}

func (e *Engine) lookForExpired(from uint32, now int64) (next uint32, returned int, err error) {
	if err := e.setClock(now); err != nil {
		return 0, 0, err
	}
	last := min(e.state.purses.Len(), from+expiryLooks)
	for next = from; next < last && returned < expiryPosts; next++ {
		gone, err := e.returnExpired(next, now)
		if err != nil {
			return next, returned, err
		}
		if gone {
			returned++
		}
	}
	if next == e.state.purses.Len() {
		next = 0
	}
	return next, returned, nil
}

func (e *Engine) returnExpired(i uint32, now int64) (bool, error) {
	s := e.state
	p := s.purses.At(i)
	if p.Programme == debtProgramme || p.Expiry == 0 || e.decider.day <= p.Expiry {
		return false, nil
	}
	account := s.book.Account(p.Account)
	left := account.Available()
	if left <= 0 || account.State == ledger.AccountClosed || account.State == ledger.AccountFrozen {
		return false, nil
	}
	if err := e.prepare(now); err != nil {
		return false, err
	}
	record := operationRecord{amount: left, holder: p.Holder + 1, purse: p.Programme + 2, flags: recordBalance}
	legs := []ledger.Leg{{Account: p.Account, Amount: -left}, {Account: s.programmes[p.Programme].Receivable, Amount: left}}
	record.balance = s.balanceAfter(s.holders.At(p.Holder), e.decider.day, legs)
	e.add(&ledger.Entry{Kind: KindSubsidyExpired, Time: e.decider.now, Legs: legs, Payload: record.append(nil)})
	return true, nil
}
