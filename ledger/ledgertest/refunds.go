package ledgertest

// paidAmount is what an operation or a sale took, from whom, and how much of it has been given back.
type paidAmount struct {
	amount, returned int64
	holder           uint64           // row from 1
	legs             []leg            // of sales
	back             map[uint32]int64 // by purse of the original
}

// refundable are the operations that a desk gives back in part.
func refundable(kind byte) bool {
	switch kind {
	case kindDeduction, kindHoldSettled, kindOfflineSale, kindMeterSettled, kindCountSale:
		return true
	}
	return false
}

// soldLegs are the legs of a purchase, from its row.
func (a *Auditor) soldLegs(number uint32) []leg {
	if legs := a.splits[number]; legs != nil {
		return legs
	}
	row := a.requests.at(number)
	amount, subsidy := a.requests.amounts(number)
	price, priced := a.prices[number]
	if !priced {
		price.list = amount
	}
	h := a.holderOf(row.card)
	terminal := uint32(row.key >> 40 & (1<<22 - 1))
	shop := a.campus.merchants[a.campus.terminals[terminal-1].merchant].payable
	legs := append(a.priceLegs(&price, shop, 1), leg{h.main, subsidy - price.payable()}, leg{h.subsidy, -subsidy})
	return legs
}

// paidPurchase makes of a purchase what can be given back.
func (a *Auditor) paidPurchase(number uint32) paidAmount {
	p := paidAmount{legs: a.soldLegs(number), holder: uint64(a.campus.cards[a.requests.at(number).card-1].holder) + 1}
	for _, l := range p.legs {
		if l.amount < 0 && a.isHolders(l.account) {
			p.amount -= l.amount
		}
	}
	return p
}

// isHolders says whether an account is of a kind that only holders have.
func (a *Auditor) isHolders(id uint32) bool {
	code := a.codeOf(id)
	return isPurse(code) || code == debt
}

// checkRefund: what a refund gives goes to the purses that paid, no more to any than it gave, or to the provider when the money has expired
// meanwhile; fee and school take part in proportion, half up over all refunds together, and the merchant gives the rest.
func (a *Auditor) checkRefund(o *operation, original *paidAmount) {
	if o.holder != original.holder || o.amount <= 0 {
		a.note("记录 %d 是持卡人 %d 的,退给了持卡人 %d %s", "record %d is of holder %d, holder %d was given back %s", o.original, original.holder, o.holder, yuan(o.amount))
		return
	}
	if original.back == nil {
		original.back = map[uint32]int64{}
	}
	before, after := original.returned-o.amount, original.returned
	left := map[uint32]int64{} // what the entry moves, less what it should
	for _, l := range a.entry.legs {
		left[l.account] += l.amount
	}
	h, rest := &a.campus.holders[o.holder-1], o.amount
	var shop uint32
	others := int64(0)
	for _, l := range original.legs {
		switch {
		case l.amount < 0 && a.isHolders(l.account):
			for _, to := range a.returnsTo(h, l.account) {
				gives := max(0, min(left[to], -l.amount-original.back[l.account]))
				left[to] -= gives
				original.back[l.account] += gives
				rest -= gives
			}
			if a.codeOf(l.account) == debt && a.accounts[l.account].balance > 0 {
				a.note("欠款账户 %[1]d 上留下 %[2]s", "%[2]s was left on account %[1]d, which is for debts", l.account, yuan(a.accounts[l.account].balance))
			}
		case a.codeOf(l.account) == payable:
			shop = l.account
		default:
			part := portion(l.amount, after, original.amount) - portion(l.amount, before, original.amount)
			left[l.account] += part
			others += part
		}
	}
	left[shop] += o.amount - others
	if rest != 0 {
		a.note("记录 %d 的退款 %s 中有 %s 没有退回原来付款的钱包", "of the refund of record %d, %s, %s did not go back to the purses that paid", o.original, yuan(o.amount), yuan(rest))
	}
	for account, amount := range left {
		if amount != 0 {
			a.note("记录 %d 的退款在账户 %d 上多出 %s", "the refund of record %d moves account %d by %s too much", o.original, account, yuan(amount))
		}
	}
}

// returnsTo is where money that comes back to a purse goes on the date of the entry: what was owed and has been paid meanwhile to the main
// purse.
func (a *Auditor) returnsTo(h *holder, account uint32) []uint32 {
	if a.codeOf(account) == debt {
		return []uint32{account, h.main}
	}
	for i := range h.purses {
		p := &h.purses[i]
		if p.account == account && p.programme != debtProgramme && p.expiry != 0 && uint64(a.campus.date(a.entry.time)) > p.expiry {
			return []uint32{a.campus.programmes[p.programme].receivable}
		}
	}
	return []uint32{account}
}

// portion is part/total of an amount, half up, of what is negative as of what is not.
func portion(amount, part, total int64) int64 {
	if amount < 0 {
		return -portion(-amount, part, total)
	}
	if total == 0 {
		return 0
	}
	return (2*amount*part + total) / (2 * total)
}

// owns says whether an account is one of a holder's.
func (h *holder) owns(account uint32) bool {
	for i := range h.purses {
		if h.purses[i].account == account {
			return true
		}
	}
	return account == h.main || account == h.subsidy
}

// checkOwner: a sale takes money from its own holder and from nobody else.
func (a *Auditor) checkOwner(o *operation) {
	if o.holder == 0 || !refundable(a.entry.kind) {
		return
	}
	for _, l := range a.entry.legs {
		if l.amount < 0 && a.isHolders(l.account) && !a.campus.holders[o.holder-1].owns(l.account) {
			a.note("持卡人 %d 的业务动用了别人的账户 %d:%s", "an operation of holder %d moves account %d, which is not his: %s", o.holder, l.account, yuan(l.amount))
		}
	}
}
