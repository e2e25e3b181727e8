package bankgw_test

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/banksim"
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// books are what the ledger says.
type books struct {
	credited          money.Fen // to the purse, beyond what it had
	transit           money.Fen // load in transit
	held, promised    money.Fen // on hold of what is in transit, and of the purse
	suspense, sum     money.Fen
	difference        money.Fen
	openHolds, opened int
}

func booksOf(s *transaction.State) books {
	book := s.Book()
	b := books{sum: book.Sum(), openHolds: book.Holds(), opened: s.OpenLoads() + s.OpenWithdrawals(), suspense: book.Account(transaction.AccountSuspense).Balance}
	credits, debits := book.Turnover()
	b.difference = credits - debits
	transit := book.Account(transaction.AccountLoadInTransit)
	b.transit, b.held = transit.Balance, transit.Held
	for id := uint32(1); id <= book.Accounts(); id++ {
		if a := book.Account(ledger.AccountID(id)); a.Code == ledger.CodeMainPurse {
			b.credited, b.promised = a.Balance-openingMain, a.Held
		}
	}
	return b
}

// look reads the books of a running switch.
func (w *world) look() (b books) {
	require.NoError(w.t, w.life.engine.Look(context.Background(), func(s *transaction.State) { b = booksOf(s) }))
	return b
}

// debited is what the bank holds, by its own records: what it has paid out is less than nothing.
func (w *world) debited() (sum money.Fen) {
	for _, r := range w.bank.Records() {
		switch r.State {
		case banksim.Debited:
			sum += r.Amount
		case banksim.Paid:
			sum -= r.Amount
		}
	}
	return sum
}

// settled says that nothing is under way any more.
func (w *world) settled() bool {
	s := w.life.gateway.Status()
	return w.look().opened == 0 && s.LoadsInFlight == 0 && s.Withdrawals == 0 && s.ReversalsQueued == 0 && s.OutcomesWaiting == 0
}

// verify is the audit: bank debited <=> card credited, and nothing is left over.
func (w *world) verify() error {
	b := w.look()
	switch held := w.debited(); {
	case held != b.credited:
		return fmt.Errorf("the bank has debited %s, the card was credited %s", held, b.credited)
	case b.transit != -b.credited || b.held != 0 || b.openHolds != 0:
		return fmt.Errorf("load in transit: %s, held %s in %d holds, for %s credited", b.transit, b.held, b.openHolds, b.credited)
	case b.sum != 0 || b.difference != 0 || b.suspense != 0:
		return fmt.Errorf("sum %s, difference %s, suspense %s", b.sum, b.difference, b.suspense)
	case !w.settled():
		return fmt.Errorf("still open: %d loads, gateway %+v", b.opened, w.life.gateway.Status())
	}
	return w.bank.Check()
}
