package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
)

// PurseChoice is one purse that may pay at this merchant now.
type PurseChoice struct {
	Account   ledger.AccountID
	Purse     Purse     // main or subsidy, as a terminal names them
	Available money.Fen // balance less holds
	MealLeft  money.Fen // how much of it this meal may still take; negative: no limit
	WholeOnly bool      // it pays its whole part or nothing
	expiry    uint32    // never is the largest number
	bound     bool
}

// maxChoices is how many purses one purchase looks at: main, general subsidy, and the programmes that apply, earliest expiry first.
const maxChoices = 8

// Purses lists the purses that may pay here, in debit order (handbook 3.4): subsidies bound to a purpose that this merchant serves, earliest
// expiry first; then general subsidies, earliest expiry first; main last. meal is the number of the meal, for what a programme allows in
// each. The list is good until the next call.
func (c *Case) Purses(meal uint8) []PurseChoice {
	h, book := c.Holder, c.state.book
	list := c.choices[:0]
	for n := h.Purses; n != 0 && len(list) < maxChoices-2; {
		p := c.state.purses.At(n - 1)
		n = p.Next
		if choice, ok := c.choice(p, meal); ok {
			list = insertChoice(list, choice)
		}
	}
	general := book.Account(h.Subsidy)
	if general.State == ledger.AccountOpen {
		list = insertChoice(list, PurseChoice{Account: h.Subsidy, Purse: PurseSubsidy, Available: general.Available(), MealLeft: -1, expiry: never})
	}
	if main := book.Account(h.Main); main.State == ledger.AccountOpen {
		list = append(list, PurseChoice{Account: h.Main, Purse: PurseMain, Available: main.Available(), MealLeft: -1, expiry: never})
	}
	return list
}

// never stands where money does not expire: after every day there is.
const never = 1<<32 - 1

// choice says whether a programme's purse may pay here and now.
func (c *Case) choice(p *ProgrammePurse, meal uint8) (choice PurseChoice, ok bool) {
	if p.Programme == debtProgramme || p.Expiry != 0 && c.Day > p.Expiry {
		return choice, false
	}
	programme, account := &c.state.programmes[p.Programme], c.state.book.Account(p.Account)
	if programme.Set != 0 || account.State != ledger.AccountOpen || programme.Purposes != 0 && programme.Purposes&(1<<c.Merchant.Group) == 0 {
		return choice, false
	}
	choice = PurseChoice{
		Account: p.Account, Purse: PurseSubsidy, Available: account.Available(), MealLeft: -1, WholeOnly: programme.WholeOnly, expiry: never,
		bound: programme.Purposes != 0,
	}
	if p.Expiry != 0 {
		choice.expiry = p.Expiry
	}
	if programme.PerMeal > 0 {
		choice.MealLeft = programme.PerMeal
		if p.MealDay == c.Day && p.Meal == meal {
			choice.MealLeft = max(0, programme.PerMeal-money.Fen(p.MealUsed))
		}
	}
	return choice, true
}

// insertChoice keeps the debit order; among equals the one opened last stands first, as the holder's list has it.
func insertChoice(list []PurseChoice, choice PurseChoice) []PurseChoice {
	at := len(list)
	for at > 0 && before(&choice, &list[at-1]) {
		at--
	}
	list = append(list, PurseChoice{})
	copy(list[at+1:], list[at:])
	list[at] = choice
	return list
}

func before(a, b *PurseChoice) bool {
	if a.bound != b.bound {
		return a.bound
	}
	return a.expiry < b.expiry
}

// Part is what one purse pays.
type Part struct {
	Account ledger.AccountID
	Amount  money.Fen
}

// Take plans that a purse pays: at most its part of what is left. It returns what is left then.
func (o *Outcome) Take(choice *PurseChoice, left money.Fen) money.Fen {
	part := left
	if choice.MealLeft >= 0 {
		part = min(part, choice.MealLeft)
	}
	if choice.Available < part {
		if choice.WholeOnly {
			return left
		}
		part = choice.Available
	}
	if part <= 0 {
		return left
	}
	o.Parts[o.parts] = Part{choice.Account, part}
	o.parts++
	return left - part
}

// Usable is what a purse could pay of an amount.
func (choice *PurseChoice) Usable(amount money.Fen) money.Fen {
	var o Outcome
	return amount - o.Take(choice, amount)
}

// useMeals counts what programmes have paid in a meal; a reversal of the same meal takes it off again.
func (s *State) useMeals(h *Holder, day uint32, meal uint8, legs []ledger.Leg) {
	for i := range legs {
		n, ok := s.purseOf(h, legs[i].Account)
		if !ok {
			continue
		}
		p := s.purses.Edit(n)
		if p.MealDay != day || p.Meal != meal {
			p.MealDay, p.Meal, p.MealUsed = day, meal, 0
		}
		p.MealUsed = uint32(min(max(0, money.Fen(p.MealUsed)-legs[i].Amount), never))
	}
}

// unuseMeals takes a reversed purchase off again, unless another meal has begun.
func (s *State) unuseMeals(h *Holder, day uint32, legs []ledger.Leg) {
	for i := range legs {
		n, ok := s.purseOf(h, legs[i].Account)
		if !ok || s.purses.At(n).MealDay != day {
			continue
		}
		p := s.purses.Edit(n)
		p.MealUsed = uint32(max(0, money.Fen(p.MealUsed)+legs[i].Amount))
	}
}
