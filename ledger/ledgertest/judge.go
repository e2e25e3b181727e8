package ledgertest

import "fmt"

// Every purchase is judged again (handbook 3.1, steps 5 to 13): the rules in force say what it costs and whether hours, limits, PIN and purses
// allow it, and the entry must say the same: its price, its reason, the numbers it names and what each purse gave.

// Reasons that the rules give, the PIN and the purses.
const (
	reasonOutsideHours = 5
	reasonAmountZero   = 17
	reasonTooLarge     = 18
	reasonDayCount     = 19
	reasonDayAmount    = 20
	reasonPINSingle    = 21
	reasonPINDay       = 22
	reasonPINWrong     = 23
	reasonPINLocked    = 24
	reasonOutsideMeals = 50
	reasonMealCount    = 51
	reasonMealAmount   = 52
)

var reasonNames = map[byte]string{
	reasonNone: "批准 approved", reasonOutsideHours: "不在营业时段 outside_hours", reasonAmountZero: "金额为零 amount_zero", reasonTooLarge: "金额过大 amount_too_large",
	reasonDayCount: "日次数 day_count", reasonDayAmount: "日限额 day_amount", reasonPINSingle: "单笔须密码 pin_needed_single", reasonPINDay: "累计须密码 pin_needed_day",
	reasonPINWrong: "密码错 pin_wrong", reasonPINLocked: "密码锁定 pin_locked", reasonFunds: "余额不足 funds", reasonOutsideMeals: "不在餐次 outside_meals",
	reasonMealCount: "餐次数 meal_count", reasonMealAmount: "餐限额 meal_amount",
}

// wholeRate is 100 % of a rate, and listMax the highest list price that can be judged.
const (
	wholeRate = 10_000
	listMax   = 1<<24 - 1
)

// Bits of how a price came about, besides who bears the discount.
const (
	howChased    = 2
	howNight     = 4
	howPrivilege = 8
)

// verdict is what the auditor finds.
type verdict struct {
	price   price
	reason  byte
	numbers [3]int64
}

func (v *verdict) refuse(reason byte, numbers ...int64) {
	v.reason = reason
	v.numbers = [3]int64{}
	copy(v.numbers[:], numbers)
}

// isJudged says whether a reason is one that this file is about: all others were given before.
func isJudged(reason byte) bool {
	return reason == reasonNone || reason == reasonOutsideHours || reason >= reasonAmountZero && reason <= reasonFunds || reason >= reasonOutsideMeals && reason <= reasonMealAmount
}

// swipe is a purchase on the table with what the holder has bought before.
type swipe struct {
	q        *request
	h        *holder
	merchant uint32
	day      uint32 // date at the site
	began    uint32 // date on which the meal began
	meal     byte
	rows     *ruling
	counters
}

// judge compares a purchase with what the rules, the PIN and the purses say.
func (a *Auditor) judge(q *request) {
	a.rulesAt()
	if q.priced && q.price.version != a.rulebook.inForce {
		a.note("%s:依据规则版本 %d,当时有效的是 %d", "%s: decided by version %d of the rules, in force was %d", a.who(q), q.price.version, a.rulebook.inForce)
	}
	if q.card >= strangerBase || !isJudged(q.reason) {
		return
	}
	s := swipe{q: q, h: a.holderOf(q.card), merchant: a.campus.terminals[q.terminal-1].merchant}
	var minute uint32
	s.day, minute = a.campus.clock(a.entry.time)
	v := verdict{price: price{list: q.amount}}
	m := &a.campus.merchants[s.merchant]
	if !within(minute, m.opens, m.closes) {
		v.refuse(reasonOutsideHours)
	} else {
		s.meal, s.began = a.mealAt(s.merchant, s.day, minute)
		s.rows = a.rulingFor(s.h.class, s.merchant, s.meal, q.purse)
		s.counters = s.h.spent.at(s.day, s.began, s.meal)
		a.decide(&s, &v)
	}
	a.holdAgainst(&s, &v)
}

// within says whether a minute lies between two, over midnight when they are the other way round, always when they are equal.
func within(minute, from, to uint32) bool {
	if from < to {
		return minute >= from && minute < to
	}
	return from == to || minute >= from || minute < to
}

// decide goes through the steps; the first refusal stands.
func (a *Auditor) decide(s *swipe, v *verdict) {
	q := s.q
	if s.began != s.day {
		v.price.how = howNight
	}
	switch {
	case a.rulebook.tables.onlyInMeals && len(a.rulebook.tables.meals) > 0 && s.meal == 0:
		v.refuse(reasonOutsideMeals)
		return
	case q.amount == 0:
		v.refuse(reasonAmountZero)
		return
	case q.amount > listMax:
		v.refuse(reasonTooLarge, q.amount, q.numbers[1])
		return
	}
	a.priceOf(s, v)
	if q.reason == reasonTooLarge && q.numbers[1] < q.amount { // the site's own bound, which stands in no entry
		v.refuse(reasonTooLarge, q.amount, q.numbers[1])
		return
	}
	if a.limit(s, v); v.reason != reasonNone {
		return
	}
	if !a.checkPIN(s, v) {
		return
	}
	if usable, payable := a.plan(s, v.price.payable()), v.price.payable(); usable < payable {
		v.refuse(reasonFunds, usable, payable)
	}
}

// share is a rate of an amount, half up.
func share(amount, rate int64) int64 { return (amount*rate + wholeRate/2) / wholeRate }

// priceOf finds discount and fee: the first privilege that is not used up, the first fee.
func (a *Auditor) priceOf(s *swipe, v *verdict) {
	p := &v.price
	for i := range s.rows.privileges {
		row := &s.rows.privileges[i]
		if row.perMeal > 0 {
			if s.privileged >= int64(row.perMeal) {
				continue
			}
			p.how |= howPrivilege
		}
		switch row.mode {
		case modePercent:
			p.discount = share(p.list, row.rate)
		case modeReduction:
			p.discount = min(p.list, row.amount)
		case modePrice:
			p.discount = max(0, p.list-row.amount)
		}
		if row.schoolBears && p.discount > 0 {
			p.how |= howSchoolBears
		}
		break
	}
	a.feeOf(s, p)
}

func (a *Auditor) feeOf(s *swipe, p *price) {
	p.fee = 0
	if row := s.rows.fee; row != nil {
		base := p.list
		if !a.rulebook.tables.feeFirst {
			base -= p.discount
		}
		p.fee = share(base, row.rate) + row.amount
	}
}

// limit looks at counts and amounts; what is equal to a limit still passes. A swipe beyond its meal's limits may be sold without privilege.
func (a *Auditor) limit(s *swipe, v *verdict) {
	l, p := &s.rows.limits, &v.price
	if l.dayCount > 0 && s.dayCount >= l.dayCount {
		v.refuse(reasonDayCount, s.dayCount, l.dayCount)
		return
	}
	if m := s.rows.mealLimit; m != nil {
		switch {
		case m.count > 0 && s.mealCount >= int64(m.count):
			v.refuse(reasonMealCount, s.mealCount, int64(m.count))
		case m.amount > 0 && s.mealAmount+p.payable() > m.amount:
			v.refuse(reasonMealAmount, s.mealAmount, p.payable(), m.amount)
		}
		if v.reason != reasonNone {
			if m.after == 0 {
				return
			}
			v.refuse(reasonNone)
			p.discount, p.how = 0, p.how&howNight|howChased
			a.feeOf(s, p)
			p.fee += share(p.list, m.surcharge)
		}
	}
	if l.dayAmount > 0 && s.dayAmount+p.payable() > l.dayAmount {
		v.refuse(reasonDayAmount, s.dayAmount, p.payable(), l.dayAmount)
	}
}

// checkPIN: a threshold that is passed needs one; one that came is right, wrong, or cannot be tried any more.
func (a *Auditor) checkPIN(s *swipe, v *verdict) bool {
	l, payable := &s.rows.limits, v.price.payable()
	since := s.dayAmount
	if l.resetOnPIN {
		since = s.sincePIN
	}
	came := s.q.pinVerified || s.q.reason == reasonPINWrong || s.q.reason == reasonPINLocked
	switch {
	case !came && l.pinSingle > 0 && payable > l.pinSingle:
		v.refuse(reasonPINSingle, payable, l.pinSingle)
	case !came && l.pinDay > 0 && since+payable > l.pinDay:
		v.refuse(reasonPINDay, since, payable, l.pinDay)
	case came && a.pinLocked(s.q, s.h):
		v.refuse(reasonPINLocked)
	case s.q.reason == reasonPINWrong:
		v.refuse(reasonPINWrong, pinTries-1-int64(s.h.spent.tries))
	}
	return v.reason == reasonNone
}

// pinTries wrong PINs in a row lock it.
const pinTries = 3

func (a *Auditor) pinLocked(q *request, h *holder) bool {
	return h.spent.tries >= pinTries || !a.campus.cards[q.card-1].hasPIN
}

// holdAgainst says where the entry differs from the verdict.
func (a *Auditor) holdAgainst(s *swipe, v *verdict) {
	q := s.q
	said := &q.price
	if said.list != v.price.list || said.discount != v.price.discount || said.fee != v.price.fee || said.how != v.price.how || said.meal != s.meal || said.class != s.h.class && q.priced {
		a.note("%s:价格为%s,按当时规则应为%s", "%s: its price is %s, by the rules in force it is %s", a.who(q), said.words(), v.price.wordsAt(s.meal, s.h.class))
	}
	if q.reason != v.reason {
		a.note("%s:应为%s,账本却记%s", "%s: by the rules, the PIN and the purses this is %s, the ledger says %s", a.who(q), words(v.reason, v.numbers), words(q.reason, q.numbers))
		return
	}
	if q.reason != reasonNone && q.numbers != v.numbers {
		a.note("%s:拒绝所列数字应为%s,账本却记%s", "%s: the numbers of the refusal are %s, the ledger says %s", a.who(q), words(v.reason, v.numbers), words(q.reason, q.numbers))
	}
	if q.reason == reasonNone {
		a.checkPlan(s)
	}
}

func (p *price) words() string { return p.wordsAt(p.meal, p.class) }

func (p *price) wordsAt(meal, class byte) string {
	return fmt.Sprintf(" list %s - %s + %s (how %d, meal %d, class %d)", yuan(p.list), yuan(p.discount), yuan(p.fee), p.how, meal, class)
}

// words prints a reason with its numbers.
func words(reason byte, numbers [3]int64) string {
	text := reasonNames[reason]
	for _, n := range numbers {
		if n == 0 {
			break
		}
		if reason == reasonDayCount || reason == reasonMealCount || reason == reasonPINWrong {
			text += fmt.Sprintf(" %d", n)
		} else {
			text += " " + yuan(n)
		}
	}
	return text
}
