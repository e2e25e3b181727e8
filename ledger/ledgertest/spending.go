package ledgertest

import "math"

// What a holder has bought on a date at the site and in one meal, and how many wrong PINs came in a row. A meal is told by its number and by
// the date on which it began; buying in another one begins its counters anew.

// spent is 24 bytes beside each holder. Counters stop at their bounds.
type spent struct {
	day        uint32 // of amount, count and beforePIN
	amount     uint32 // fen
	beforePIN  uint32 // of amount: up to the last purchase with a right PIN
	began      uint32 // date of the meal
	mealAmount uint32
	count      uint16
	meal       byte
	mealCount  byte
	privileged byte // of mealCount
	tries      byte
}

// counters are what a swipe is judged by.
type counters struct {
	dayAmount, sincePIN, dayCount     int64
	mealAmount, mealCount, privileged int64
}

func (s *spent) at(day, began uint32, meal byte) (c counters) {
	if s.day == day {
		c.dayAmount, c.sincePIN, c.dayCount = int64(s.amount), int64(s.amount-s.beforePIN), int64(s.count)
	}
	if s.began == began && s.meal == meal {
		c.mealAmount, c.mealCount, c.privileged = int64(s.mealAmount), int64(s.mealCount), int64(s.privileged)
	}
	return c
}

// add counts an approved purchase.
func (s *spent) add(day uint32, p *price, pinVerified bool) {
	if s.day != day {
		s.day, s.amount, s.count, s.beforePIN = day, 0, 0, 0
	}
	if began := p.began(day); s.began != began || s.meal != p.meal {
		s.began, s.meal, s.mealAmount, s.mealCount, s.privileged = began, p.meal, 0, 0, 0
	}
	s.amount, s.mealAmount = bounded(int64(s.amount)+p.payable()), bounded(int64(s.mealAmount)+p.payable())
	s.count += above(s.count)
	s.mealCount += above(s.mealCount)
	if p.how&howPrivilege != 0 {
		s.privileged += above(s.privileged)
	}
	if pinVerified {
		s.beforePIN = s.amount
	}
}

// remove takes a purchase of a date off again that was given back.
func (s *spent) remove(day uint32, p *price) {
	if s.day == day {
		s.amount = bounded(int64(s.amount) - p.payable())
		s.beforePIN = min(s.beforePIN, s.amount)
		s.count -= min(s.count, 1)
	}
	if s.began != p.began(day) || s.meal != p.meal {
		return
	}
	s.mealAmount = bounded(int64(s.mealAmount) - p.payable())
	s.mealCount -= min(s.mealCount, 1)
	if p.how&howPrivilege != 0 {
		s.privileged -= min(s.privileged, 1)
	}
}

func bounded(fen int64) uint32 { return uint32(min(max(fen, 0), math.MaxUint32)) }

func above[T byte | uint16](n T) T {
	if n == ^T(0) {
		return 0
	}
	return 1
}

// began is the date on which the meal of a purchase began.
func (p *price) began(day uint32) uint32 {
	if p.how&howNight != 0 {
		return day - 1
	}
	return day
}

// tell moves the holder's counters by a request: PIN tries by any, spending by an approved purchase.
func (a *Auditor) tell(q *request) {
	if q.card >= strangerBase {
		return
	}
	approved := q.reason == reasonNone
	if !q.pinVerified && q.reason != reasonPINWrong && (!approved || a.entry.kind != kindPurchase) {
		return
	}
	s := &a.holderOf(q.card).spent
	if q.reason == reasonPINWrong {
		s.tries++
	}
	if q.pinVerified {
		s.tries = 0
	}
	if approved && a.entry.kind == kindPurchase {
		s.add(a.campus.date(a.entry.time), &q.price, q.pinVerified)
	}
}

// keepMark keeps the meal of an approved purchase, and how its price came about, for its reversal.
func (a *Auditor) keepMark(q *request, i uint32) {
	if q.reason != reasonNone || q.card >= strangerBase {
		return
	}
	a.requests.marks[i/pieceRows][i%pieceRows] = q.price.meal&15 | q.price.how<<4
	if legs := a.splits[i]; legs != nil {
		a.useMeals(a.holderOf(q.card), legs, q.price.began(a.campus.date(a.entry.time)), q.price.meal, 1)
	}
}

// uncount takes a purchase that is given back off the counters.
func (a *Auditor) uncount(number uint32, h *holder, p *price) {
	mark, day := a.requests.marks[number/pieceRows][number%pieceRows], a.dateOf(a.requests.at(number).sequence)
	p.meal, p.how = mark&15, mark>>4
	h.spent.remove(day, p)
	if legs := a.splits[number]; legs != nil {
		a.useMeals(h, legs, p.began(day), p.meal, -1)
	}
}

// dateFrom is the first entry of a date at the site.
type dateFrom struct {
	sequence uint64
	day      uint32
}

// keepDate remembers where dates begin, so that no row needs one of its own.
func (a *Auditor) keepDate() {
	if day := a.campus.date(a.entry.time); len(a.dates) == 0 || a.dates[len(a.dates)-1].day != day {
		a.dates = append(a.dates, dateFrom{a.entry.sequence, day})
	}
}

// dateOf is the date at the site of an entry.
func (a *Auditor) dateOf(sequence uint64) uint32 {
	for i := len(a.dates) - 1; i >= 0; i-- { // nearly always of today
		if a.dates[i].sequence <= sequence {
			return a.dates[i].day
		}
	}
	return 0
}
