// Package consumption decides purchases and balance enquiries at POS terminals and kiosks (消费).
//
// The one idea: the rules are looked at in the order of domain handbook 3.1, and the first that says no wins with its numbers, so that a
// holder hears the same reason for the same facts everywhere. What a swipe costs and what limits say about it is asked of the rules in force
// (switch/rules); here is what only the switch knows: the merchant's hours, the PIN and the purses.
//
// It keeps no counters and moves no money: the core does both from what is decided here.
package consumption

import (
	"onecard/ledger/money"
	"onecard/switch/campus"
	"onecard/switch/rules"
	"onecard/switch/transaction"
)

// Config bounds what any purchase may be, whatever the tables say.
type Config struct {
	AmountMax money.Fen // largest single purchase in fen, at most rules.MaxList
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
	if !k.Open() { // step 5
		return transaction.Refuse(transaction.ReasonOutsideHours)
	}
	swipe := k.Swipe()
	var v rules.Verdict
	k.Rules().Judge(&swipe, &v)
	outcome := transaction.Outcome{Price: v.Price, Meal: swipe.Meal}
	if outcome.Reason, outcome.Numbers = c.refusal(k.Request.Amount, &v); outcome.Reason != transaction.ReasonNone {
		return outcome
	}
	if swipe.PINCame { // step 11: one that comes without need is checked too, whoever types it expects it to count
		refusal, ok := k.CheckPIN()
		if !ok {
			outcome.Reason, outcome.Numbers = refusal.Reason, refusal.Numbers
			return outcome
		}
		outcome.PINVerified = true // a right PIN ends a row of wrong ones, whatever the purse says
	}
	payable := v.Payable()
	if usable := split(k, payable, &swipe, &outcome); usable < payable { // steps 12 and 13
		outcome.Reason, outcome.Numbers = transaction.ReasonFunds, transaction.Numbers{usable, payable}
	}
	return outcome
}

// reasons are the core's words for what the rules refuse.
var reasons = [...]transaction.Reason{
	rules.Allowed:         transaction.ReasonNone,
	rules.RefuseOutside:   transaction.ReasonOutsideMeals,
	rules.RefuseList:      transaction.ReasonAmountTooLarge,
	rules.RefuseDayCount:  transaction.ReasonDayCount,
	rules.RefuseMealCount: transaction.ReasonMealCount,
	rules.RefuseMealMoney: transaction.ReasonMealAmount,
	rules.RefuseDayAmount: transaction.ReasonDayAmount,
	rules.NeedPINSingle:   transaction.ReasonPINNeededSingle,
	rules.NeedPINDay:      transaction.ReasonPINNeededDay,
}

// refusal puts the site's own bounds of an amount (step 6) in their place among what the rules say.
func (c Config) refusal(amount money.Fen, v *rules.Verdict) (transaction.Reason, transaction.Numbers) {
	switch {
	case v.Refusal == rules.RefuseOutside:
	case amount <= 0:
		return transaction.ReasonAmountZero, transaction.Numbers{}
	case amount > c.AmountMax:
		return transaction.ReasonAmountTooLarge, transaction.Numbers{amount, c.AmountMax}
	}
	return reasons[v.Refusal], v.Numbers
}

// split is the purse plan: the purses in the debit order of the rules, each as far as it goes. The terminal may name one kind of purse; then
// that one pays alone, however little a subsidy has.
func split(k *transaction.Case, payable money.Fen, swipe *rules.Swipe, o *transaction.Outcome) (usable money.Fen) {
	order := k.Order()
	var alone rules.Order
	switch k.Request.Purse {
	case transaction.PurseMain:
		alone.Kinds, order = [...]rules.PurseKind{rules.MainPurse, 0, 0}, &alone
	case transaction.PurseSubsidy:
		alone.Kinds, order = [...]rules.PurseKind{rules.PurposeSubsidy, rules.GeneralSubsidy, 0}, &alone
	}
	purses := k.Purses(swipe.Meal, swipe.Night)
	var parts [transaction.MaxPurses]money.Fen
	usable = order.Split(payable, purses, parts[:len(purses)])
	for i := range purses {
		o.Take(&purses[i], parts[i])
	}
	return usable
}
