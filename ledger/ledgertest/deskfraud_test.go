package ledgertest_test

import (
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// centre registers three operators, opens the income accounts and closes the day.
func (f *forger) centre() {
	for _, code := range []string{"wang", "li", "zhao"} {
		p := append([]byte{9, byte(len(code))}, code...)
		f.add(ledger.Entry{Kind: transaction.KindDirectory, Payload: append(p, make([]byte, 1+1+32+1)...)})
	}
	f.add(ledger.Entry{Kind: transaction.KindDirectory, Opens: []ledger.Opening{{Code: ledger.CodeServiceIncome}, {Code: ledger.CodeDeductionIncome}}, Payload: []byte{10, 0, 0}})
	f.switchDay(1, 1)
}

// Operators by number.
const (
	wang = iota + 1
	li
	zhao
)

// income are the accounts that centre has opened.
func income() (service, deduction ledger.AccountID) {
	const site, merchants = 9, 2
	return site + merchants + 2*people + 1, site + merchants + 2*people + 2
}

// sales is what the first merchant sold on the day before the open one.
func (f *forger) sales() *ledgertest.Sums {
	day := f.entries[len(f.entries)-1].day - 1
	key := ledgertest.Cell{0: 'M', 1: 'd', 9: payable}
	binary.BigEndian.PutUint32(key[2:], day)
	return audit(f.blocks()).Totals()[key]
}

// draft keeps a sheet of the first merchant for the day just closed, with a rent of 1.00, as honest as edit leaves it.
func (f *forger) draft(edit func(*transaction.Sheet)) *transaction.Sheet {
	s, day := f.sales(), f.entries[len(f.entries)-1].day-1
	require.NotNil(f.t, s)
	sheet := &transaction.Sheet{Merchant: "103410054110001", From: day, To: day, Drafter: "wang", Lines: []transaction.SheetLine{
		{Code: "gross", Amount: money.Fen(s[1])}, {Code: "reversed", Amount: -money.Fen(s[11])}, {Code: "deduction", Amount: -100, Text: "rent"},
	}}
	edit(sheet)
	if sheet.Payable == 0 {
		for _, l := range sheet.Lines {
			sheet.Payable += l.Amount
		}
	}
	encoded, err := json.Marshal(sheet)
	require.NoError(f.t, err)
	f.add(ledger.Entry{Kind: transaction.KindSheetDrafted, Payload: encoded})
	sheet.Number = uint64(len(f.entries))
	return sheet
}

func (f *forger) step(s *transaction.Sheet, to transaction.SheetState, operator byte, legs ...ledger.Leg) {
	p := append(binary.AppendUvarint(nil, s.Number), byte(to), operator, 1, 'D', 1, 'R')
	f.add(ledger.Entry{Kind: transaction.KindSheetMoved, Legs: legs, Payload: p})
}

func rent(amount money.Fen) []ledger.Leg {
	_, deduction := income()
	return []ledger.Leg{{Account: deduction, Amount: amount}, {Account: payable, Amount: -amount}}
}

func payment(amount money.Fen) []ledger.Leg {
	return []ledger.Leg{{Account: payable, Amount: -amount}, {Account: bankCustody, Amount: amount}}
}

// approved takes a sheet to its approval.
func (f *forger) approved(edit func(*transaction.Sheet)) *transaction.Sheet {
	f.centre()
	s := f.draft(edit)
	f.step(s, transaction.SheetChecked, li)
	f.step(s, transaction.SheetApproved, zhao, rent(100)...)
	return s
}

func honest(*transaction.Sheet) {}

// operation writes an operation of the first operator.
func operation(kind ledger.Kind, holder, original uint64, amount money.Fen, legs ...ledger.Leg) ledger.Entry {
	flags := uint64(1)
	if original != 0 {
		flags |= 128
	}
	p := append(binary.AppendUvarint(nil, flags), wang, li, 0)
	p = binary.AppendUvarint(binary.AppendVarint(p, int64(amount)), holder)
	if original != 0 {
		p = binary.AppendUvarint(p, original)
	}
	return ledger.Entry{Kind: kind, Legs: legs, Payload: p}
}

// sold has card 1 buy for 5 fen from main, with the centre open.
func (f *forger) sold() (original uint64) {
	f.rich()
	f.centre()
	f.deals(deal{trace: 1, list: 5, main: 5})
	return uint64(len(f.entries))
}

func moves(from, to ledger.AccountID, amount money.Fen) []ledger.Leg {
	return []ledger.Leg{{Account: from, Amount: -amount}, {Account: to, Amount: amount}}
}

// deskFrauds are of the settlement centre: sheets, refunds, other people's purses.
var deskFrauds = []fraud{
	{"a sheet that says more was sold", func(f *forger) { f.approved(func(s *transaction.Sheet) { s.Lines[0].Amount += 7 }) }, "says gross"},
	{"a sheet that leaves reversals out", func(f *forger) {
		f.approved(func(s *transaction.Sheet) { s.Lines = append(s.Lines[:1], s.Lines[2]) })
	}, "says reversed 0.00, the records of its days give -"},
	{"a sheet with late sales that never were", func(f *forger) {
		f.approved(func(s *transaction.Sheet) {
			s.Lines = append(s.Lines, transaction.SheetLine{Code: "late", Amount: 5})
		})
	}, "says late 0.05, the records of its days give 0.00"},
	{"a sheet with a service fee that was not agreed", func(f *forger) {
		f.approved(func(s *transaction.Sheet) {
			s.Lines = append(s.Lines, transaction.SheetLine{Code: "service_fee", Amount: -5})
		})
	}, "takes a service fee of 0.05, agreed is 0.00"},
	{"a sheet that carries what nobody left", func(f *forger) {
		f.approved(func(s *transaction.Sheet) {
			s.Lines = append(s.Lines, transaction.SheetLine{Code: "carried", Amount: -5})
		})
	}, "carries -0.05, the one before leaves 0.00"},
	{"a sheet with a gift", func(f *forger) {
		f.approved(func(s *transaction.Sheet) {
			s.Lines = append(s.Lines, transaction.SheetLine{Code: "gift", Amount: 5})
		})
	}, "has a line that does not belong: gift 0.05"},
	{"a sheet that pays more than its lines", func(f *forger) { f.approved(func(s *transaction.Sheet) { s.Payable = 1 << 30 }) }, "payable is 10737418.24"},
	{"a sheet of the open day", func(f *forger) { f.approved(func(s *transaction.Sheet) { s.To++ }) }, "is open"},
	{"a day settled twice", func(f *forger) { f.approved(honest); f.draft(honest) }, "a day is settled twice"},
	{"a sheet approved unchecked", func(f *forger) {
		f.centre()
		f.step(f.draft(honest), transaction.SheetApproved, zhao, rent(100)...)
	}, "goes from state 0 to 2"},
	{"a sheet paid twice", func(f *forger) {
		s := f.approved(honest)
		f.step(s, transaction.SheetPaid, wang, payment(s.Payable)...)
		f.step(s, transaction.SheetPaid, wang, payment(s.Payable)...)
	}, "goes from state 3 to 3"},
	{"a sheet checked by who drew it up", func(f *forger) {
		f.centre()
		f.step(f.draft(honest), transaction.SheetChecked, wang)
	}, "wang did two steps that need two persons"},
	{"a sheet approved by who checked it", func(f *forger) {
		f.centre()
		s := f.draft(honest)
		f.step(s, transaction.SheetChecked, li)
		f.step(s, transaction.SheetApproved, li, rent(100)...)
	}, "li did two steps that need two persons"},
	{"a deduction that is not booked as it is written", func(f *forger) {
		f.centre()
		s := f.draft(honest)
		f.step(s, transaction.SheetChecked, li)
		f.step(s, transaction.SheetApproved, zhao, rent(90)...)
	}, "differ on code 5003 by 0.10"},
	{"a deduction taken from another merchant", func(f *forger) {
		f.centre()
		s := f.draft(honest)
		f.step(s, transaction.SheetChecked, li)
		legs := rent(100)
		legs[1].Account++
		f.step(s, transaction.SheetApproved, zhao, legs...)
	}, "what another is owed on: -1.00"},
	{"a payment of more than the sheet", func(f *forger) {
		s := f.approved(honest)
		f.step(s, transaction.SheetPaid, wang, payment(s.Payable+1)...)
	}, "sheet in state 3 differ on code 1002 by -0.01"},
	{"a payment of a sheet that was only checked", func(f *forger) {
		f.centre()
		s := f.draft(honest)
		f.step(s, transaction.SheetChecked, li)
		f.step(s, transaction.SheetPaid, wang, payment(s.Payable)...)
	}, "goes from state 1 to 3"},
	{"a step of a sheet that is not there", func(f *forger) {
		f.centre()
		f.step(&transaction.Sheet{Number: plenty}, transaction.SheetChecked, li)
	}, "the payload of kind 91 cannot be read"},
	{"a refund to somebody else", func(f *forger) {
		f.add(operation(transaction.KindRefund, 1, f.sold(), 3, moves(payable, mainPurse+2, 3)...))
	}, "did not go back to the purses that paid"},
	{"a refund to a purse that did not pay", func(f *forger) {
		f.add(operation(transaction.KindRefund, 1, f.sold(), 3, moves(payable, subsidyPurse, 3)...))
	}, "did not go back to the purses that paid"},
	{"a refund in another holder's name", func(f *forger) {
		f.add(operation(transaction.KindRefund, 2, f.sold(), 3, moves(payable, mainPurse+2, 3)...))
	}, "is of holder 1, holder 2 was given back 0.03"},
	{"a refund that another merchant pays", func(f *forger) {
		f.add(operation(transaction.KindRefund, 1, f.sold(), 3, moves(payable+1, mainPurse, 3)...))
	}, "moves account 11 by -0.03 too much"},
	{"a refund of more than was paid", func(f *forger) {
		f.add(operation(transaction.KindRefund, 1, f.sold(), 6, moves(payable, mainPurse, 6)...))
	}, "took 0.05, 0.06 was given back"},
	{"two refunds of more than was paid", func(f *forger) {
		original := f.sold()
		f.add(operation(transaction.KindRefund, 1, original, 3, moves(payable, mainPurse, 3)...))
		f.add(operation(transaction.KindRefund, 1, original, 3, moves(payable, mainPurse, 3)...))
	}, "took 0.05, 0.06 was given back"},
	{"a refund that moves more than it says", func(f *forger) {
		f.add(operation(transaction.KindRefund, 1, f.sold(), 3, moves(payable, mainPurse, 4)...))
	}, "moves account 10 by -0.01 too much"},
	{"a deduction from somebody else", func(f *forger) {
		f.sold()
		f.add(operation(transaction.KindDeduction, 1, 0, 3, moves(mainPurse+2, payable, 3)...))
	}, "moves account 14, which is not his: -0.03"},
}

// TestHonestDesksAreClean: what the frauds of the centre are measured against.
func TestHonestDesksAreClean(t *testing.T) {
	for name, commit := range map[string]func(f *forger){
		"a sheet from its draft to its end": func(f *forger) {
			s := f.approved(honest)
			f.step(s, transaction.SheetPaid, wang, payment(s.Payable)...)
			f.step(s, transaction.SheetClosed, wang)
		},
		"a wrong sheet that is cancelled, and another of its days": func(f *forger) {
			f.centre()
			s := f.draft(func(s *transaction.Sheet) { s.Lines[0].Amount += 7 })
			f.step(s, transaction.SheetCancelled, li)
			f.draft(honest)
		},
		"a refund in two parts": func(f *forger) {
			original := f.sold()
			f.add(operation(transaction.KindRefund, 1, original, 3, moves(payable, mainPurse, 3)...))
			f.add(operation(transaction.KindRefund, 1, original, 2, moves(payable, mainPurse, 2)...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForger(t)
			commit(f)
			require.Empty(t, audit(f.blocks()).Finish().Findings)
		})
	}
}
