package rules

import "onecard/ledger/money"

// Swipe is a purchase as the rules see it.
type Swipe struct {
	Class    uint8  // index in the directory
	Merchant uint32 // index in the directory
	Purse    uint8  // the purse that the terminal names; 0 none
	Meal     uint8  // as Compiled.Meal says
	Night    bool   // likewise
	PINCame  bool   // whether it is right is judged by whoever has the card
	List     money.Fen
	Counters
}

// Counters are what the holder has bought before, refunds taken off.
type Counters struct {
	DayAmount  money.Fen // payable
	SincePIN   money.Fen // of DayAmount, after the last purchase with a right PIN
	DayCount   uint32
	MealAmount money.Fen // in the meal of this swipe
	MealCount  uint32
	Privileged uint32 // of MealCount, those that took a privilege with a bound
}

// How says how a price came about. The values are stored.
type How uint8

const (
	SchoolBears   How = 1 << iota // the discount is the school's expense; without it the merchant's
	Chased                        // beyond the limits of the meal: sold without privilege
	NightMeal                     // the meal began on the day before
	UsedPrivilege                 // counts as a privileged swipe of the meal
)

// Price is what a swipe costs: Payable = List - Discount + Fee.
type Price struct {
	List     money.Fen
	Discount money.Fen // 0 <= Discount <= List
	Fee      money.Fen // management fee, and the surcharge of a chased swipe
	How      How
}

// Payable is what is taken from the holder.
func (p *Price) Payable() money.Fen { return p.List - p.Discount + p.Fee }

// Merchant is what the merchant gets.
func (p *Price) Merchant() money.Fen { return p.List - p.Borne(0) }

// School is what the school pays.
func (p *Price) School() money.Fen { return p.Borne(SchoolBears) }

// Borne is the discount when bearer bears it: SchoolBears, or 0 for the merchant.
func (p *Price) Borne(bearer How) money.Fen {
	if p.How&SchoolBears == bearer {
		return p.Discount
	}
	return 0
}

// Refusal is why the rules say no, in the order in which they are looked at.
type Refusal uint8

const (
	Allowed         Refusal = iota
	RefuseOutside           // no meal period now
	RefuseList              // list price not above zero or above MaxList
	RefuseDayCount          // numbers: count so far, limit
	RefuseMealCount         // numbers: count in this meal, limit
	RefuseMealMoney         // numbers: amount in this meal, payable, limit
	RefuseDayAmount         // numbers: amount today, payable, limit
	NeedPINSingle           // numbers: payable, limit
	NeedPINDay              // numbers: amount since the last PIN or today, payable, limit
)

// Verdict is what the rules say. Price is complete even when they say no, as far as it was looked at.
type Verdict struct {
	Price
	Refusal Refusal
	Numbers [3]money.Fen
}

// NoRules judges by the directory's limits alone: version 0.
func NoRules(d *Directory) *Compiled { return Compile(&Tables{}, d) }

// Meal finds the meal period of a merchant at a minute: its number, and whether it began on the day before. 0 is outside every period.
// weekday is 0 for Monday.
func (c *Compiled) Meal(merchant uint32, weekday uint8, minute uint16) (number uint8, night bool) {
	for i := range c.meals {
		m := &c.meals[i]
		if m.merchants != 0 && c.merchants[merchant]&m.merchants == 0 {
			continue
		}
		today, before := m.weekdays&(1<<weekday) != 0, m.weekdays&(1<<((weekday+6)%7)) != 0
		switch {
		case m.from < m.to:
			if today && minute >= m.from && minute < m.to {
				return m.number, false
			}
		case today && minute >= m.from: // over midnight: this evening's
			return m.number, false
		case before && minute < m.to: // or last evening's
			return m.number, true
		}
	}
	return 0, false
}

// MealName returns the names of a meal's number; false when this version has none.
func (c *Compiled) MealName(number uint8) (chinese, english string, ok bool) {
	for i := range c.names {
		if c.names[i].Number == number {
			return c.names[i].Chinese, c.names[i].English, true
		}
	}
	return "", "", false
}

// Judge says what a swipe costs and whether the rules allow it. It changes nothing and allocates nothing.
func (c *Compiled) Judge(s *Swipe, v *Verdict) {
	*v = Verdict{Price: Price{List: s.List}}
	if s.Night {
		v.How = NightMeal
	}
	switch {
	case c.onlyInMeals && s.Meal == 0:
		v.refuse(RefuseOutside, 0, 0, 0)
		return
	case s.List <= 0 || s.List > MaxList:
		v.refuse(RefuseList, s.List, MaxList, 0)
		return
	}
	class, groups := &c.classes[s.Class], c.merchants[s.Merchant]
	c.price(class, groups, s, v)
	limit := &class.limits[min(s.Purse, purseCount-1)]
	if limit.DayCount > 0 && s.DayCount+1 > limit.DayCount {
		v.refuse(RefuseDayCount, money.Fen(s.DayCount), money.Fen(limit.DayCount), 0)
		return
	}
	if c.mealLimits(class, groups, s, v); v.Refusal != Allowed {
		return
	}
	payable := v.Payable()
	if limit.DayAmount > 0 && s.DayAmount+payable > limit.DayAmount {
		v.refuse(RefuseDayAmount, s.DayAmount, payable, limit.DayAmount)
		return
	}
	if s.PINCame {
		return
	}
	since := s.DayAmount
	if limit.ResetOnPIN {
		since = s.SincePIN
	}
	switch {
	case limit.PINSingle > 0 && payable > limit.PINSingle:
		v.refuse(NeedPINSingle, payable, limit.PINSingle, 0)
	case limit.PINDay > 0 && since+payable > limit.PINDay:
		v.refuse(NeedPINDay, since, payable, limit.PINDay)
	}
}

func (v *Verdict) refuse(why Refusal, a, b, c money.Fen) {
	v.Refusal, v.Numbers = why, [3]money.Fen{a, b, c}
}

func (s *scope) covers(groups uint64, swipe *Swipe) bool {
	return (s.merchants == 0 || s.merchants&groups != 0) && s.meals&(1<<swipe.Meal) != 0 && s.purses&(1<<swipe.Purse) != 0
}

// price looks up discount and fee (steps 7 and 8). A fee that comes first is taken of the list price and is not made smaller by the discount,
// which is always taken of the list price.
func (c *Compiled) price(class *classRows, groups uint64, s *Swipe, v *Verdict) {
	for i := range class.privileges {
		p := &class.privileges[i]
		if !p.covers(groups, s) || p.perMeal > 0 && s.Privileged >= uint32(p.perMeal) {
			continue
		}
		v.Discount = p.of(s.List)
		if p.schoolBears && v.Discount > 0 {
			v.How |= SchoolBears
		}
		if p.perMeal > 0 {
			v.How |= UsedPrivilege
		}
		break
	}
	c.fee(class, groups, s, v)
}

func (p *privilege) of(list money.Fen) money.Fen {
	switch p.mode {
	case ModePercent:
		return p.rate.Of(list)
	case ModeReduction:
		return min(list, p.amount)
	case ModePrice:
		return max(0, list-p.amount)
	}
	return 0
}

func (c *Compiled) fee(class *classRows, groups uint64, s *Swipe, v *Verdict) {
	v.Fee = 0
	for i := range class.fees {
		if f := &class.fees[i]; f.covers(groups, s) {
			base := s.List - v.Discount
			if c.feeFirst {
				base = s.List
			}
			v.Fee = f.rate.Of(base) + f.amount
			return
		}
	}
}

// mealLimits looks at the count and the amount in the meal (steps 9 and 10). A swipe beyond either is refused, or chased (追扣): sold at the
// list price, with a surcharge where the rules say so. A chased swipe is not looked at again: it is beyond the meal's limits already.
func (c *Compiled) mealLimits(class *classRows, groups uint64, s *Swipe, v *Verdict) {
	for i := range class.mealLimits {
		l := &class.mealLimits[i]
		if !l.covers(groups, s) {
			continue
		}
		payable := v.Payable()
		switch {
		case l.count > 0 && s.MealCount+1 > uint32(l.count):
			v.refuse(RefuseMealCount, money.Fen(s.MealCount), money.Fen(l.count), 0)
		case l.amount > 0 && s.MealAmount+payable > l.amount:
			v.refuse(RefuseMealMoney, s.MealAmount, payable, l.amount)
		default:
			return
		}
		if l.after != AfterRefuse {
			v.refuse(Allowed, 0, 0, 0)
			v.Discount, v.How = 0, v.How&NightMeal|Chased
			c.fee(class, groups, s, v)
			v.Fee += l.surcharge.Of(s.List)
		}
		return
	}
}

// Limit returns the limits of a class at a purse: 1 main, 2 subsidy, 0 when none is named.
func (c *Compiled) Limit(class, purse uint8) *Limit {
	return &c.classes[class].limits[min(purse, purseCount-1)]
}

// LoadFee returns what is kept of a class's deposits and withdrawals.
func (c *Compiled) LoadFee(class uint8) LoadFee { return c.classes[class].loadFee }

// Order returns the debit order of a class at a merchant.
func (c *Compiled) Order(class uint8, merchant uint32) *Order {
	orders, groups := c.classes[class].orders, c.merchants[merchant]
	i := 0
	for orders[i].merchants != 0 && orders[i].merchants&groups == 0 { // the last one is for all merchants
		i++
	}
	return &orders[i].order
}
