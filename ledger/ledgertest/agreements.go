package ledgertest

import "slices"

// Agreements with the bank (handbook 2.7, 3.8), read from the layout documented in switch/transaction/agreement.go.

const (
	kindBankSigned    = 68
	kindBankUnsigned  = 69
	kindBankChanged   = 70
	kindAutomaticLoad = 75
)

// A bank account has 8 to 19 digits; how somebody was known is one of four ways.
const (
	accountLeast   = 10_000_000
	accountMost    = 9_999_999_999_999_999_999
	identityChecks = 4
)

// agreement is a holder's, as the auditor has it.
type agreement struct {
	own       ownTerms
	active    bool
	automatic uint32    // date of the last automatic load; 0 never
	day       uint32    // date that today is of
	today     []ownLoad // that came or are on their way, of those asked for since he signed
}

// ownTerms are a holder's own bounds, and when money is asked for without him.
type ownTerms struct{ single, day, purse, threshold, automatic int64 }

type ownLoad struct {
	sequence uint64
	amount   int64
}

// bankTerms is what an entry says of an agreement.
type bankTerms struct {
	account, before      uint64
	identity             byte
	signed               uint64
	single, day, purse   int64
	threshold, automatic int64
}

func (r *reader) bankTerms() (t bankTerms) {
	t.account, t.before, t.identity, t.signed = r.uvarint(), r.uvarint(), r.byte(), r.uvarint()
	t.single, t.day, t.purse, t.threshold, t.automatic = r.fen(), r.fen(), r.fen(), r.fen(), r.fen()
	r.text() // the bank's reference
	return t
}

func isAgreement(kind byte) bool {
	return kind >= kindBankSigned && kind <= kindBankChanged || kind == kindAutomaticLoad
}

// agreementEntry checks an operation on an agreement and takes it over.
func (a *Auditor) agreementEntry(o *operation) {
	a.noMoney()
	if o.holder == 0 || o.flags&recordBank == 0 {
		a.malformedPayload()
		return
	}
	h, t := &a.campus.holders[o.holder-1], &o.bank
	if h.agreement == nil {
		h.agreement = &agreement{}
	}
	if t.before != h.account {
		a.note("持卡人 %d 的银行账户此前应为 %s,账本却记 %s", "holder %d had the bank account %s, the ledger says %s", o.holder, masked(h.account), masked(t.before))
	}
	kept := h.agreement.own
	switch a.entry.kind {
	case kindBankSigned:
		if h.agreement.active {
			a.note("持卡人 %d 重复签约", "holder %d has signed twice", o.holder)
		}
		a.checkBound(o, h)
	case kindBankChanged:
		if t.account == h.account || h.account == 0 {
			a.note("持卡人 %d 换卡前后账户相同,或此前没有账户", "holder %d changed his bank account for the same, or had none", o.holder)
		}
		if t.own() != kept {
			a.note("持卡人 %d 换卡时限额改变", "the bounds of holder %d changed with his bank account", o.holder)
		}
		a.checkBound(o, h)
	case kindBankUnsigned:
		if t.account != 0 || h.account == 0 {
			a.note("持卡人 %d 解约后仍有银行账户,或此前没有", "holder %d has a bank account after its release, or had none before", o.holder)
		}
	case kindAutomaticLoad:
		if !h.agreement.active || t.account != h.account {
			a.note("持卡人 %d 未签约,或设置自动圈存时换了账户", "holder %d has not signed, or the setting of automatic loads changed his account", o.holder)
		}
	}
	if t.account != h.account && h.account != 0 && a.loading(h) != 0 {
		a.note("持卡人 %d 有圈存在途,却解约或换卡", "holder %d has loads at the bank, yet his account was released or changed", o.holder)
	}
	if t.account != h.account && h.withdrawing > 0 {
		a.note("持卡人 %d 有提现在途,却解约或换卡", "holder %d has a withdrawal at the bank, yet his account was released or changed", o.holder)
	}
	if (t.threshold > 0) != (t.automatic > 0) {
		a.note("持卡人 %d 自动圈存的起充额与金额不配", "threshold and amount of the automatic loads of holder %d do not go together", o.holder)
	}
	a.bind(h, t)
}

// checkBound: the account is one, on a consent of today or before, and nobody else's.
func (a *Auditor) checkBound(o *operation, h *holder) {
	t := &o.bank
	if t.account < accountLeast || t.account > accountMost {
		a.note("持卡人 %d 的银行账户不是 8 至 19 位", "the bank account of holder %d has not 8 to 19 digits", o.holder)
	}
	if t.identity == 0 || t.identity > identityChecks || t.signed == 0 || t.signed > uint64(a.campus.date(a.entry.time)) {
		a.note("持卡人 %d 的协议没有身份核验或日期不符", "the agreement of holder %d says not how he was known, or is of a day to come", o.holder)
	}
	others := a.holdersBound(t.account)
	if h.account == t.account {
		others--
	}
	if others > 0 {
		a.note("银行账户 %s 已与另一持卡人签约,又签给持卡人 %d", "bank account %s is bound to another holder and was bound to holder %d too", masked(t.account), o.holder)
	}
}

// holdersBound counts the holders who have an account; the count is made when the first agreement is met.
func (a *Auditor) holdersBound(account uint64) int {
	c := &a.campus
	if c.bound == nil {
		c.bound = map[uint64]int{}
		for i := range c.holders {
			c.bound[c.holders[i].account]++
		}
	}
	return c.bound[account]
}

func (a *Auditor) bind(h *holder, t *bankTerms) {
	a.holdersBound(0)
	if t.account != h.account {
		a.campus.bound[h.account]--
		a.campus.bound[t.account]++
	}
	h.account = t.account
	g := h.agreement
	g.active = a.entry.kind != kindBankUnsigned
	g.own = t.own()
}

func (t *bankTerms) own() ownTerms {
	return ownTerms{t.single, t.day, t.purse, t.threshold, t.automatic}
}

// loading is what a holder has on its way from the bank.
func (a *Auditor) loading(h *holder) (sum int64) {
	for _, l := range a.loads {
		if l.state != loadReturning && l.state != loadManualReturning && a.holderOf(a.requests.at(l.row).card) == h {
			sum += l.amount
		}
	}
	return sum
}

// checkOwnBounds: a load is within what its holder has signed for; called before it is counted.
func (a *Auditor) checkOwnBounds(q *request, h *holder) {
	g := h.agreement
	if g == nil {
		return
	}
	if day := a.campus.date(a.entry.time); g.day != day {
		g.day, g.today = day, g.today[:0]
	}
	loaded := q.amount
	for _, l := range g.today {
		loaded += l.amount
	}
	above := func(limit, sum int64) bool { return g.active && limit > 0 && sum > limit }
	if above(g.own.single, q.amount) || above(g.own.day, loaded) || above(g.own.purse, a.available(h.main)+a.loading(h)+q.amount) {
		a.note("%s:圈存 %s 超出持卡人本人限额", "%s: a load of %s is above the holder's own bounds", a.who(q), yuan(q.amount))
	}
	g.today = append(g.today, ownLoad{a.entry.sequence, q.amount})
}

// uncountLoad takes a load that did not come, or was taken back, off its day again.
func (h *holder) uncountLoad(sequence uint64) {
	if g := h.agreement; g != nil {
		g.today = slices.DeleteFunc(g.today, func(l ownLoad) bool { return l.sequence == sequence })
	}
}

// automaticLoad checks a load that no terminal asked for: its holder has signed for it, had less than his threshold, and it is the day's first.
func (a *Auditor) automaticLoad(q *request) {
	if a.entry.kind != kindLoad || q.terminal != 0 || q.batch != 0 || q.trace != 0 || q.reason != reasonNone || q.pinVerified || q.card == 0 || int(q.card) > len(a.campus.cards) {
		a.malformedPayload()
		return
	}
	c := &a.campus.cards[q.card-1]
	h, day := a.holderOf(q.card), a.campus.date(a.entry.time)
	if c.state != 0 || c.expiry != 0 && day > c.expiry || h.state != 0 || a.known(h.main) && a.accounts[h.main].state != stateOpen {
		a.note("自动圈存 %s:卡 %s 或其持卡人状态不允许", "an automatic load of %s although card %s or its holder is not in good standing", yuan(q.amount), masked(c.number))
	}
	g := h.agreement
	switch {
	case g == nil || !g.active || g.own.automatic == 0 || q.amount != g.own.automatic:
		a.note("自动圈存 %s 与持卡人的协议不符(卡 %s)", "an automatic load of %s that the holder has not signed for (card %s)", yuan(q.amount), masked(c.number))
	case g.automatic == day:
		a.note("自动圈存 %s:当日第二次(卡 %s)", "an automatic load of %s is the second of its day (card %s)", yuan(q.amount), masked(c.number))
	case a.available(h.main)+a.loading(h) >= g.own.threshold:
		a.note("自动圈存 %s:余额未低于起充额 %s(卡 %s)", "an automatic load of %s although the purse is not below the threshold of %s (card %s)", yuan(q.amount), yuan(g.own.threshold), masked(c.number))
	}
	if g != nil {
		g.automatic = day
	}
	i := a.appendRow(q, phaseLoadOpen)
	a.requests.at(i).code = [2]byte{} // not answered yet
	a.openLoad(q, i)
}
