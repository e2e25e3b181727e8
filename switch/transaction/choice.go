package transaction

import (
	"math"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules"
)

// MaxPurses is how many purses one purchase looks at: main, general subsidy, and the programmes that apply, earliest expiry first.
const MaxPurses = 8

// never stands where money does not expire: after every day there is.
const never uint32 = math.MaxUint32

// Purses lists the purses that may pay here, those of one kind with the earliest expiry first (handbook 3.4): subsidies bound to a purpose
// that this merchant serves, general subsidies, and main. What a programme allows in each meal is what is left of it in this one. A purse's
// number is its account. The list is good until the next call.
func (c *Case) Purses(meal uint8, night bool) []rules.Purse {
	h, book := c.Holder, c.state.book
	began := c.Day
	if night {
		began--
	}
	list := c.choices[:0]
	for n := h.Purses; n != 0 && len(list) < MaxPurses-2; {
		p := c.state.purses.At(n - 1)
		n = p.Next
		if choice, ok := c.choice(p, began, meal); ok {
			list = insertPurse(list, choice)
		}
	}
	general := book.Account(h.Subsidy)
	if general.State == ledger.AccountOpen {
		list = insertPurse(list, rules.Purse{Number: uint32(h.Subsidy), Kind: rules.GeneralSubsidy, Available: general.Available(), Entitled: -1, Expiry: never})
	}
	if main := book.Account(h.Main); main.State == ledger.AccountOpen {
		list = append(list, rules.Purse{Number: uint32(h.Main), Kind: rules.MainPurse, Available: main.Available(), Entitled: -1, Expiry: never})
	}
	return list
}

// choice says whether a programme's purse may pay here and now, in a meal that began on a day.
func (c *Case) choice(p *ProgrammePurse, began uint32, meal uint8) (choice rules.Purse, ok bool) {
	if p.Programme == debtProgramme || p.Expiry != 0 && c.Day > p.Expiry {
		return choice, false
	}
	programme, account := &c.state.programmes[p.Programme], c.state.book.Account(p.Account)
	if programme.Set != 0 || account.State != ledger.AccountOpen || programme.Purposes != 0 && programme.Purposes&(1<<c.Merchant.Group) == 0 {
		return choice, false
	}
	choice = rules.Purse{
		Number: uint32(p.Account), Kind: rules.GeneralSubsidy, Available: account.Available(), Entitled: -1, WholeOnly: programme.WholeOnly, Expiry: never,
	}
	if programme.Purposes != 0 {
		choice.Kind = rules.PurposeSubsidy
	}
	if p.Expiry != 0 {
		choice.Expiry = p.Expiry
	}
	if programme.PerMeal > 0 {
		choice.Entitled = programme.PerMeal
		if p.MealDay == began && p.Meal == meal {
			choice.Entitled = max(0, programme.PerMeal-money.Fen(p.MealUsed))
		}
	}
	return choice, true
}

// insertPurse keeps kinds together and the earliest expiry first; among equals the one opened last stands first, as the holder's list has it.
func insertPurse(list []rules.Purse, choice rules.Purse) []rules.Purse {
	at := len(list)
	for at > 0 && (choice.Kind < list[at-1].Kind || choice.Kind == list[at-1].Kind && choice.Expiry < list[at-1].Expiry) {
		at--
	}
	list = append(list, rules.Purse{})
	copy(list[at+1:], list[at:])
	list[at] = choice
	return list
}

// Part is what one purse pays.
type Part struct {
	Account ledger.AccountID
	Amount  money.Fen
}

// Take plans that a purse pays an amount, which may be nothing.
func (o *Outcome) Take(purse *rules.Purse, amount money.Fen) {
	if amount > 0 {
		o.Parts[o.parts] = Part{ledger.AccountID(purse.Number), amount}
		o.parts++
	}
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
		p.MealUsed = uint32(min(max(0, money.Fen(p.MealUsed)-legs[i].Amount), math.MaxUint32))
	}
}

// unuseMeals takes a reversed purchase off again, unless another meal has begun. day is when the meal began.
func (s *State) unuseMeals(h *Holder, day uint32, meal uint8, legs []ledger.Leg) {
	for i := range legs {
		n, ok := s.purseOf(h, legs[i].Account)
		if !ok {
			continue
		}
		if p := s.purses.At(n); p.MealDay != day || p.Meal != meal {
			continue
		}
		p := s.purses.Edit(n)
		p.MealUsed = uint32(max(0, money.Fen(p.MealUsed)+legs[i].Amount))
	}
}
