package transaction

import (
	"onecard/ledger/money"
	"onecard/switch/rules"
)

// What the rules keep of money that comes in or goes out at a desk (handbook 3.1, 3.3): it goes to the management fee fund.

// depositFee is what is kept of a deposit of the holder's class (handbook 3.3).
func (s *State) depositFee(h *Holder, amount money.Fen, now int64) money.Fen {
	compiled, _ := s.rulesAt(now)
	fee, _ := compiled.LoadFee(h.Class).Kept(amount)
	return fee
}

// withdrawalFee is what a withdrawal costs the holder's class besides the cash.
func (s *State) withdrawalFee(h *Holder, cash money.Fen, now int64) money.Fen {
	compiled, _ := s.rulesAt(now)
	return compiled.LoadFee(h.Class).Withdrawal.Of(cash)
}

// withdrawable is the most cash, in whole units, that a balance pays for together with the fee.
func (s *State) withdrawable(h *Holder, balance, unit money.Fen, now int64) money.Fen {
	compiled, _ := s.rulesAt(now)
	rate := compiled.LoadFee(h.Class).Withdrawal
	cash := (balance*money.Fen(rules.Whole)/money.Fen(rules.Whole+rate) + 1) / unit * unit // the rounding of the fee may leave room for one fen
	for cash > 0 && cash+rate.Of(cash) > balance {
		cash -= unit
	}
	return max(0, cash)
}
