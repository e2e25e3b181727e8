package ledgertest

import "math"

// The purse plan (handbook 3.4): which purses may pay a swipe, in which order, and how much each gives.

// Kinds of purses in a debit order.
const (
	purposeSubsidy = 1
	generalSubsidy = 2
	mainPurse      = 3
)

// programmesLooked is how many purses of programmes one purchase looks at: the newest that may pay.
const programmesLooked = 6

// payer is one purse that may pay, and what it gives.
type payer struct {
	account   uint32
	expiry    uint64
	kind      byte
	whole     bool  // with less than it is asked for it gives nothing
	bound     int64 // most it may give; negative: no bound
	available int64
	gives     int64
}

// planned is the plan of the swipe on the table.
type planned struct {
	list [programmesLooked + 2]payer
	n    int
}

// plan shares an amount among the purses and returns what they can give together.
func (a *Auditor) plan(s *swipe, payable int64) (usable int64) {
	p := &a.planned
	p.n = 0
	for i := len(s.h.purses) - 1; i >= 0 && p.n < programmesLooked; i-- {
		a.offer(s, &s.h.purses[i])
	}
	p.sort()
	a.offerOwn(s.h.subsidy, generalSubsidy)
	a.offerOwn(s.h.main, mainPurse)
	rest := payable
	for _, kind := range s.rows.order.kinds {
		for i := range p.list[:p.n] {
			if w := &p.list[i]; w.kind == kind {
				asked := rest
				if w.bound >= 0 {
					asked = min(asked, w.bound)
				}
				w.gives = min(asked, max(0, w.available))
				if w.gives < asked && (w.whole || s.rows.order.wholeSubsidy && kind != mainPurse) {
					w.gives = 0
				}
				rest -= w.gives
				if usable += w.gives; kind == mainPurse {
					usable += max(0, w.available) - w.gives
				}
			}
		}
	}
	return usable
}

// before is what an account could spend before the entry on the table.
func (a *Auditor) before(id uint32) int64 {
	sum := a.available(id)
	for _, l := range a.entry.legs {
		if l.account == id {
			sum -= l.amount
		}
	}
	return sum
}

func (a *Auditor) offerOwn(id uint32, kind byte) {
	if a.known(id) && a.accounts[id].state == stateOpen {
		a.planned.list[a.planned.n] = payer{account: id, kind: kind, bound: -1, available: a.before(id)}
		a.planned.n++
	}
}

// offer adds a programme's purse, when its money can be used at the merchant on the date.
func (a *Auditor) offer(s *swipe, p *ownedPurse) {
	if !a.spends(p, s.day) || a.accounts[p.account].state != stateOpen {
		return
	}
	programme := &a.campus.programmes[p.programme]
	w := payer{account: p.account, kind: generalSubsidy, whole: programme.wholeOnly, bound: -1, expiry: p.expiry, available: a.before(p.account)}
	if programme.purposes != 0 {
		w.kind = purposeSubsidy
		if programme.purposes&(1<<a.campus.merchants[s.merchant].group) == 0 {
			return
		}
	}
	if w.expiry == 0 {
		w.expiry = math.MaxUint64
	}
	if programme.perMeal > 0 {
		w.bound = programme.perMeal
		if p.usedBegan == s.began && p.usedMeal == s.meal {
			w.bound = max(0, w.bound-p.used)
		}
	}
	a.planned.list[a.planned.n] = w
	a.planned.n++
}

// sort puts what expires first before the rest; what expires together stays in its order.
func (p *planned) sort() {
	for i := 1; i < p.n; i++ {
		for j := i; j > 0 && p.list[j].expiry < p.list[j-1].expiry; j-- {
			p.list[j], p.list[j-1] = p.list[j-1], p.list[j]
		}
	}
}

// checkPlan compares what each purse gave with the plan.
func (a *Auditor) checkPlan(s *swipe) {
	p := &a.planned
	for _, w := range p.list[:p.n] {
		if gave := a.before(w.account) - a.available(w.account); gave != w.gives {
			a.note("%s:账户 %d 付了 %s,按扣款顺序应付 %s", "%s: account %d gave %s, by the debit order it gives %s", a.who(s.q), w.account, yuan(gave), yuan(w.gives))
		}
	}
}

// useMeals counts what programmes have paid in a meal; sign is -1 when it is given back.
func (a *Auditor) useMeals(h *holder, legs []leg, began uint32, meal byte, sign int64) {
	for _, l := range legs {
		for i := range h.purses {
			p := &h.purses[i]
			if p.account != l.account {
				continue
			}
			if p.usedBegan != began || p.usedMeal != meal {
				if sign < 0 {
					continue // another meal has begun
				}
				p.usedBegan, p.usedMeal, p.used = began, meal, 0
			}
			p.used = max(0, p.used-sign*l.amount)
		}
	}
}
