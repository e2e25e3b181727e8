package reconcile

import (
	"fmt"

	"onecard/ledger/money"
)

// Totals are the figures of a settlement date in 0520 and 0530, from the bank's side: a debit takes from a holder's bank account (wire
// handbook 5.2).
type Totals struct {
	Day            Day       // DE 15
	Debits         int       // DE 76
	DebitAmount    money.Fen // DE 88
	Reversed       int       // DE 77
	ReversedAmount money.Fen // DE 89
	Credits        int       // DE 74, withdrawals paid to accounts
	CreditAmount   money.Fen // DE 86
}

// Settlement is a settlement code, DE 66.
type Settlement uint8

// Settlement codes of ISO 8583:1987.
const (
	Balanced    Settlement = 1
	NotBalanced Settlement = 2
	InError     Settlement = 3 // the figures are not of the same day, or are none
)

// Comparison of two totals.
type Comparison struct {
	Code Settlement
	// Net is the bank's debits less reversed, less the same of ours. It is nothing where the bank has counted a debit and its reversal that
	// we never heard of: not in balance, and no money is missing.
	Net     money.Fen
	Chinese []string // what differs
	English []string
}

func (c *Comparison) say(code Settlement, zh, en string, args ...any) {
	c.Code = max(c.Code, code)
	c.Chinese = append(c.Chinese, fmt.Sprintf(zh, args...))
	c.English = append(c.English, fmt.Sprintf(en, args...))
}

// Compare holds the bank's totals against ours, figure by figure.
func Compare(ours, bank Totals) Comparison {
	c := Comparison{Code: Balanced}
	if ours.Day != bank.Day {
		c.say(InError, "清算日期不同:我方 %s,银行 %s", "other settlement dates: ours %s, the bank's %s", ours.Day, bank.Day)
		return c
	}
	for _, t := range []Totals{ours, bank} {
		if !t.possible() {
			c.say(InError, "数字不可能成立:借记 %d 笔 %s,冲正 %d 笔 %s,贷记 %d 笔 %s", "impossible figures: %d debits of %s, %d reversed of %s, %d credits of %s",
				t.Debits, t.DebitAmount, t.Reversed, t.ReversedAmount, t.Credits, t.CreditAmount)
			return c
		}
	}
	if ours.Debits != bank.Debits || ours.DebitAmount != bank.DebitAmount {
		c.say(NotBalanced, "借记:我方 %d 笔 %s,银行 %d 笔 %s", "debits: ours %d of %s, the bank's %d of %s", ours.Debits, ours.DebitAmount, bank.Debits, bank.DebitAmount)
	}
	if ours.Reversed != bank.Reversed || ours.ReversedAmount != bank.ReversedAmount {
		c.say(NotBalanced, "冲正:我方 %d 笔 %s,银行 %d 笔 %s", "reversed: ours %d of %s, the bank's %d of %s", ours.Reversed, ours.ReversedAmount, bank.Reversed, bank.ReversedAmount)
	}
	if ours.Credits != bank.Credits || ours.CreditAmount != bank.CreditAmount {
		c.say(NotBalanced, "贷记:我方 %d 笔 %s,银行 %d 笔 %s", "credits: ours %d of %s, the bank's %d of %s", ours.Credits, ours.CreditAmount, bank.Credits, bank.CreditAmount)
	}
	c.Net = (bank.DebitAmount - bank.ReversedAmount - bank.CreditAmount) - (ours.DebitAmount - ours.ReversedAmount - ours.CreditAmount)
	return c
}

// possible: counts and amounts are there together and fit DE 76 and 88. Reversed may be more than debited: their loads may be of the day before.
func (t *Totals) possible() bool {
	const numberMax, amountMax = 9_999_999_999, 9_999_999_999_999_999
	pair := func(count int, amount money.Fen) bool {
		return count >= 0 && count <= numberMax && amount >= 0 && amount <= amountMax && (count == 0) == (amount == 0)
	}
	return pair(t.Credits, t.CreditAmount) && pair(t.Debits, t.DebitAmount) && pair(t.Reversed, t.ReversedAmount)
}

// Totals of the file, which must be those of the bank's 0530.
func (f *File) Totals() Totals {
	return Totals{
		Day: f.Day, Debits: f.Loads.Count, DebitAmount: f.Loads.Sum, Reversed: f.Reversals.Count, ReversedAmount: f.Reversals.Sum,
		Credits: f.Withdrawals.Count, CreditAmount: f.Withdrawals.Sum,
	}
}

// TotalsOf are ours of one of the bank's days, for the 0520: a debit is a load that was credited or taken back, and reversed is what the bank has
// said that it has taken back, each on the day that the bank has put it into, or on the load's own where it has not said. What the bank did not
// find is neither; a credit is a withdrawal that was posted. A load whose approval we never heard of counts as both; when it was debited on another day than it was taken back, the two
// days differ, and the file says which.
func TotalsOf(day Day, entries []Entry) Totals {
	t := Totals{Day: day}
	for i := range entries {
		e := &entries[i]
		debited := e.Day
		if e.BankDay != 0 {
			debited = e.BankDay
		}
		if e.Withdrawal {
			if e.State == StateConfirmed && debited == day {
				t.Credits++
				t.CreditAmount += e.Amount
			}
			continue
		}
		returned := debited
		if e.ReturnDay != 0 {
			returned = e.ReturnDay
		}
		if debited == day && (e.State == StateConfirmed || e.State.takenBack()) && !e.NotFound {
			t.Debits++
			t.DebitAmount += e.Amount
		}
		if returned == day && e.State == StateReversed && !e.NotFound {
			t.Reversed++
			t.ReversedAmount += e.Amount
		}
	}
	return t
}
