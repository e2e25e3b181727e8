// Package consumption decides purchases and balance enquiries at POS terminals and kiosks (消费).
//
// The one idea: the rules are looked at in the order of domain handbook 3.1, and the first that says no wins with its numbers, so that a
// holder hears the same reason for the same facts everywhere. Limits are compared strictly: exactly at the limit still passes (3.2).
//
// It does not price: discounts and management fees come with the rule tables of the settlement centre.
package consumption

import (
	"onecard/ledger/money"
	"onecard/switch/campus"
	"onecard/switch/transaction"
)

// Config bounds what any purchase may be, whatever the tables say.
type Config struct {
	AmountMax money.Fen // largest single purchase in fen
}

// DefaultConfig allows purchases of up to 5,000.00 yuan.
func DefaultConfig() Config { return Config{AmountMax: 500_000} }

// New returns the subsystem.
func New(c Config) campus.Subsystem {
	return campus.Subsystem{
		Name:  "consumption",
		Title: "消费 / consumption",
		Routes: []transaction.Route{
			{Kind: transaction.KindPurchase, Terminals: []transaction.TerminalType{transaction.TerminalPOS}, Decide: c.purchase},
			{Kind: transaction.KindBalance, Terminals: []transaction.TerminalType{transaction.TerminalPOS, transaction.TerminalKiosk}, Decide: balance},
		},
	}
}

func balance(*transaction.Case) transaction.Outcome { return transaction.Outcome{} }

func (c Config) purchase(k *transaction.Case) transaction.Outcome {
	amount := k.Request.Amount
	switch {
	case !k.Open(): // step 5
		return transaction.Refuse(transaction.ReasonOutsideHours)
	case amount <= 0: // step 6
		return transaction.Refuse(transaction.ReasonAmountZero)
	case amount > c.AmountMax:
		return transaction.Refuse(transaction.ReasonAmountTooLarge, amount, c.AmountMax)
	}
	if refusal, ok := checkLimits(k, amount); !ok {
		return refusal
	}
	verified, refusal, ok := checkPIN(k, amount)
	if !ok {
		return refusal
	}
	outcome := transaction.Outcome{PINVerified: verified} // a right PIN ends a row of wrong ones, whatever the purse says
	if left := pay(k, amount, &outcome); left > 0 {
		outcome = transaction.Refuse(transaction.ReasonFunds, amount-left, amount)
		outcome.PINVerified = verified
	}
	return outcome
}

// checkLimits: day count, then day amount (steps 9 and 10). A PIN lifts neither.
func checkLimits(k *transaction.Case, amount money.Fen) (refusal transaction.Outcome, ok bool) {
	spent, count := k.SpentToday()
	limits := k.Class
	if limits.DayCount > 0 && uint32(count)+1 > limits.DayCount {
		return transaction.Refuse(transaction.ReasonDayCount, money.Fen(count), money.Fen(limits.DayCount)), false
	}
	if limits.DayAmount > 0 && spent+amount > limits.DayAmount {
		return transaction.Refuse(transaction.ReasonDayAmount, spent, amount, limits.DayAmount), false
	}
	return transaction.Outcome{}, true
}

// checkPIN: a purchase above the single threshold, or one that takes the day's total above the cumulative one, needs the PIN (step 11).
// A PIN that comes without need is checked too: whoever types one expects it to count.
func checkPIN(k *transaction.Case, amount money.Fen) (verified bool, refusal transaction.Outcome, ok bool) {
	if k.Request.PINValue != 0 {
		refusal, ok := k.CheckPIN()
		return ok, refusal, ok
	}
	spent, _ := k.SpentToday()
	limits := k.Class
	if limits.PINSingle > 0 && amount > limits.PINSingle {
		return false, transaction.Refuse(transaction.ReasonPINNeededSingle, amount, limits.PINSingle), false
	}
	if limits.PINDay > 0 && spent+amount > limits.PINDay {
		return false, transaction.Refuse(transaction.ReasonPINNeededDay, spent, amount, limits.PINDay), false
	}
	return false, transaction.Outcome{}, true
}

// pay is the debit order of handbook 3.4: the purses in the order that the core gives them, each as far as it goes. The terminal may name
// one kind of purse. A general subsidy that does not cover the amount gives what it has, unless the class's rule leaves it alone. What the
// purses can pay is usable; the plan counts only when left is 0.
func pay(k *transaction.Case, amount money.Fen, o *transaction.Outcome) (left money.Fen) {
	left = amount
	choices := k.Purses(0)
	for i := range choices {
		choice := &choices[i]
		if named := k.Request.Purse; named != transaction.PurseAuto && named != choice.Purse {
			continue
		}
		if choice.Purse == transaction.PurseSubsidy && k.Request.Purse == transaction.PurseAuto && k.Class.RefusePartial {
			choice.WholeOnly = true
		}
		left = o.Take(choice, left)
	}
	return left
}
