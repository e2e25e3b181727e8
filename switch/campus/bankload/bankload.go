// Package bankload decides whether a bank load (圈存) may be asked for (domain handbook 2.7, 3.8).
//
// The one idea: everything that can be refused here is refused before the bank hears of it, because what the bank has heard of can only be
// undone by it. Money pending at the bank counts against the limits as if it had come.
//
// It does not talk to a bank and does not credit: the core does that on the bank's evidence.
package bankload

import (
	"onecard/ledger/money"
	"onecard/switch/campus"
	"onecard/switch/transaction"
)

// Config says what the site has.
type Config struct {
	NoBank bool // the site has no bank: every load is refused before it begins
	// TakesAutomatic says whether the bank of an account takes loads that nobody has keyed a PIN for. nil: every bank does.
	TakesAutomatic func(account uint64) bool
}

// New returns the subsystem.
func New(c Config) campus.Subsystem {
	return campus.Subsystem{
		Name:  "bankload",
		Title: "圈存 / bank load",
		Routes: []transaction.Route{
			{Kind: transaction.KindLoad, Terminals: []transaction.TerminalType{transaction.TerminalKiosk, transaction.TerminalPOS}, Decide: c.load, Automatic: c.automatic},
		},
	}
}

func (c Config) load(k *transaction.Case) transaction.Outcome {
	amount := k.Request.Amount
	if c.NoBank {
		return transaction.Refuse(transaction.ReasonBankUnreachable)
	}
	if k.Holder.BankAccount == 0 {
		return transaction.Refuse(transaction.ReasonNoBankAccount)
	}
	if amount <= 0 {
		return transaction.Refuse(transaction.ReasonAmountZero)
	}
	if refusal, ok := checkLimits(k, amount); !ok {
		return refusal
	}
	if k.Request.PINValue == 0 {
		return transaction.Refuse(transaction.ReasonPINNeededLoad)
	}
	if refusal, ok := k.CheckPIN(); !ok {
		return refusal
	}
	return transaction.Outcome{PINVerified: true}
}

// automatic: the holder has signed for it (handbook 3.8). Where the bounds do not allow the whole of it there is none: he did not sign for a part.
func (c Config) automatic(k *transaction.Case) transaction.Outcome {
	if c.NoBank || c.TakesAutomatic != nil && !c.TakesAutomatic(k.Holder.BankAccount) {
		return transaction.Refuse(transaction.ReasonBankUnreachable)
	}
	if refusal, ok := checkLimits(k, k.Request.Amount); !ok {
		return refusal
	}
	return transaction.Outcome{}
}

// checkLimits: one load, the day's loads, the purse with everything on its way.
func checkLimits(k *transaction.Case, amount money.Fen) (refusal transaction.Outcome, ok bool) {
	limits := k.LoadBounds()
	if limits.Single > 0 && amount > limits.Single {
		return transaction.Refuse(transaction.ReasonLoadSingle, amount, limits.Single), false
	}
	if k.Loading()+amount > transaction.MaxLoading {
		return transaction.Refuse(transaction.ReasonLoadSingle, amount, transaction.MaxLoading-k.Loading()), false
	}
	if loaded := k.LoadedToday(); limits.Day > 0 && loaded+amount > limits.Day {
		return transaction.Refuse(transaction.ReasonLoadDay, loaded, amount, limits.Day), false
	}
	if has := k.MainAvailable() + k.Loading(); limits.Purse > 0 && has+amount > limits.Purse {
		return transaction.Refuse(transaction.ReasonPurseCap, has, amount, limits.Purse), false
	}
	return transaction.Outcome{}, true
}
