package ledgertest_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// accountOf is the bank account of the holder of card i, counted from 1.
func accountOf(i uint64) uint64 { return 6217000000000000 + i - 1 }

// withdrawal writes the asking for one: operator wang, the amount, the hold, the account that it goes to.
func withdrawal(holder, account uint64, amount, held money.Fen) ledger.Entry {
	const ofHolder, ofBank = 1, 1 << 17
	p := append(binary.AppendUvarint(nil, ofHolder|ofBank), wang, 0, 0)
	p = binary.AppendUvarint(binary.AppendVarint(p, int64(amount)), holder)
	p = binary.AppendUvarint(binary.AppendUvarint(p, account), account)
	return ledger.Entry{
		Kind: transaction.KindBankWithdrawal, Payload: append(p, make([]byte, 8)...),
		Hold: ledger.HoldAction{Op: ledger.HoldOpen, From: mainPurse, To: transit, Amount: held},
	}
}

// withdraws asks for 5 fen and returns its number.
func (f *forger) withdraws() uint64 {
	f.rich()
	f.centre()
	f.add(withdrawal(1, accountOf(1), 5, 5))
	return uint64(len(f.entries))
}

// says appends the bank's word about a withdrawal, with the balance that is right behind it, off by so much.
func (f *forger) says(kind ledger.Kind, id uint64, op ledger.HoldOp, off int64, legs ...ledger.Leg) {
	e := ledger.Entry{Kind: kind, Legs: legs}
	if op != ledger.HoldNone {
		e.Hold = ledger.HoldAction{Op: op, ID: id}
	}
	book := ledger.NewBook()
	for i := range f.entries {
		book.Apply(uint64(i)+1, &f.entries[i].entry)
	}
	if book.Check(&e) == ledger.Accepted {
		book.Apply(uint64(len(f.entries))+1, &e)
	}
	left := book.Account(mainPurse)
	e.Payload = append(binary.AppendUvarint(nil, id), make([]byte, 14)...)
	e.Payload = binary.AppendVarint(e.Payload, int64(left.Balance-left.Held)+int64(book.Account(subsidyPurse).Balance)+off)
	f.add(e)
}

func (f *forger) pays(id uint64) {
	f.says(transaction.KindWithdrawalPaid, id, ledger.HoldPost, 0, moves(mainPurse, transit, 5)...)
}

func (f *forger) declines(id uint64) {
	f.says(transaction.KindWithdrawalDeclined, id, ledger.HoldVoid, 0)
}

func (f *forger) givesUp(id uint64) {
	f.says(transaction.KindWithdrawalUnknown, id, ledger.HoldNone, 0)
	f.says(transaction.KindWithdrawalManual, id, ledger.HoldNone, 0)
}

// byHand is what two persons did about a withdrawal.
func (f *forger) byHand(kind ledger.Kind, holder, id uint64, amount money.Fen, op ledger.HoldOp, legs ...ledger.Leg) {
	e := operation(kind, holder, id, amount, legs...)
	if op != ledger.HoldNone {
		e.Hold = ledger.HoldAction{Op: op, ID: id}
	}
	f.add(e)
}

func (f *forger) charges(id uint64, amount money.Fen) {
	f.byHand(transaction.KindWithdrawalCharged, 1, id, amount, ledger.HoldNone, moves(mainPurse, transit, amount)...)
}

func (f *forger) returns(id uint64, amount money.Fen) {
	f.byHand(transaction.KindWithdrawalReturned, 1, id, amount, ledger.HoldNone, moves(transit, mainPurse, amount)...)
}

// withdrawalFrauds are of withdrawals to bank accounts.
var withdrawalFrauds = []fraud{
	{"a withdrawal to another account", func(f *forger) {
		f.rich()
		f.centre()
		f.add(withdrawal(1, accountOf(2), 5, 5))
	}, "to account 621700******0001, he is bound to 621700******0000"},
	{"a withdrawal of another holder's money", func(f *forger) {
		f.rich()
		f.centre()
		f.add(withdrawal(2, accountOf(2), 5, 5))
	}, "must hold that amount with its fee and nothing else"},
	{"a withdrawal with less on hold", func(f *forger) {
		f.rich()
		f.centre()
		f.add(withdrawal(1, accountOf(1), 5, 4))
	}, "must hold that amount with its fee and nothing else"},
	{"a withdrawal paid twice", func(f *forger) { id := f.withdraws(); f.pays(id); f.pays(id) }, "has ended or is further, yet outcome 26 came"},
	{"a withdrawal paid after it was declined", func(f *forger) { id := f.withdraws(); f.declines(id); f.pays(id) }, "has ended or is further, yet outcome 26 came"},
	{"a withdrawal given up before it was unknown", func(f *forger) {
		f.says(transaction.KindWithdrawalManual, f.withdraws(), ledger.HoldNone, 0)
	}, "has ended or is further, yet outcome 29 came"},
	{"a withdrawal that posts more than was asked", func(f *forger) {
		f.says(transaction.KindWithdrawalPaid, f.withdraws(), ledger.HoldPost, 0, moves(mainPurse, transit, 4)...)
	}, "must take 0.05 from account 12 and post its hold"},
	{"a withdrawal that goes to a merchant", func(f *forger) {
		f.says(transaction.KindWithdrawalPaid, f.withdraws(), ledger.HoldPost, 0, moves(mainPurse, payable, 5)...)
	}, "must take 0.05 from account 12 and post its hold"},
	{"a withdrawal that is paid and still on hold", func(f *forger) {
		f.says(transaction.KindWithdrawalPaid, f.withdraws(), ledger.HoldNone, 0, moves(mainPurse, transit, 5)...)
	}, "must take 0.05 from account 12 and post its hold"},
	{"a refusal that moves money", func(f *forger) {
		f.says(transaction.KindWithdrawalDeclined, f.withdraws(), ledger.HoldPost, 0, moves(mainPurse, transit, 5)...)
	}, "must be released and nothing else"},
	{"a wrong balance with the bank's word", func(f *forger) {
		f.says(transaction.KindWithdrawalDeclined, f.withdraws(), ledger.HoldVoid, 1)
	}, "told a balance of"},
	{"a withdrawal settled by hand while the bank is asked", func(f *forger) {
		f.byHand(transaction.KindWithdrawalReturned, 1, f.withdraws(), 5, ledger.HoldVoid)
	}, "still waits for the bank"},
	{"a withdrawal that was paid and is charged again", func(f *forger) { id := f.withdraws(); f.pays(id); f.charges(id, 5) }, "was put right the wrong way"},
	{"a withdrawal that was declined and is returned", func(f *forger) { id := f.withdraws(); f.declines(id); f.returns(id, 5) }, "was put right the wrong way"},
	{"a withdrawal returned twice", func(f *forger) { id := f.withdraws(); f.pays(id); f.returns(id, 5); f.returns(id, 1) }, "was put right by 0.01, which does not fit"},
	{"a withdrawal charged with more than it was", func(f *forger) { id := f.withdraws(); f.declines(id); f.charges(id, 6) }, "was put right by 0.06, which does not fit"},
	{"what a part that was charged leaves is returned again", func(f *forger) {
		id := f.withdraws()
		f.givesUp(id)
		f.byHand(transaction.KindWithdrawalCharged, 1, id, 3, ledger.HoldPost, moves(mainPurse, transit, 3)...)
		f.returns(id, 3)
		f.returns(id, 1)
	}, "was put right by 0.01, which does not fit"},
	{"a withdrawal returned to somebody else", func(f *forger) {
		id := f.withdraws()
		f.pays(id)
		f.byHand(transaction.KindWithdrawalReturned, 1, id, 5, ledger.HoldNone, moves(transit, mainPurse+2, 5)...)
	}, "moves account 14"},
	{"a withdrawal of another holder put right", func(f *forger) {
		id := f.withdraws()
		f.pays(id)
		f.byHand(transaction.KindWithdrawalReturned, 2, id, 5, ledger.HoldNone, moves(transit, mainPurse+2, 5)...)
	}, "which does not exist or is not of holder 2"},
}

// TestHonestWithdrawalsAreClean: what the frauds are measured against, and how many are open at the end.
func TestHonestWithdrawalsAreClean(t *testing.T) {
	for name, c := range map[string]struct {
		commit func(f *forger)
		open   int
	}{
		"asked for":              {func(f *forger) { f.withdraws() }, 1},
		"paid":                   {func(f *forger) { f.pays(f.withdraws()) }, 0},
		"declined":               {func(f *forger) { f.declines(f.withdraws()) }, 0},
		"given up":               {func(f *forger) { f.givesUp(f.withdraws()) }, 1},
		"given up, paid at last": {func(f *forger) { id := f.withdraws(); f.givesUp(id); f.pays(id) }, 0},
		"paid, and returned in parts": {func(f *forger) {
			id := f.withdraws()
			f.pays(id)
			f.returns(id, 2)
			f.returns(id, 3)
		}, 0},
		"declined, and charged": {func(f *forger) { id := f.withdraws(); f.declines(id); f.charges(id, 5) }, 0},
		"given up and returned": {func(f *forger) {
			id := f.withdraws()
			f.givesUp(id)
			f.byHand(transaction.KindWithdrawalReturned, 1, id, 5, ledger.HoldVoid)
		}, 0},
		"given up, charged in part, the part returned": {func(f *forger) {
			id := f.withdraws()
			f.givesUp(id)
			f.byHand(transaction.KindWithdrawalCharged, 1, id, 3, ledger.HoldPost, moves(mainPurse, transit, 3)...)
			f.returns(id, 3)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForger(t)
			c.commit(f)
			report := audit(f.blocks()).Finish()
			require.Empty(t, report.Findings)
			require.Equal(t, c.open, report.OpenWithdrawals)
		})
	}
}
