package simulation

import (
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// operation judges an operation of the settlement centre: it was asked for, once, by one who may, with a second person where one is needed,
// and it moves what its kind moves.
func (k *reckoning) operation(l *transaction.OperationLine, e *ledger.Entry) {
	var h *holderBook
	if l.Holder != 0 {
		h = k.holders[l.Holder-1]
		k.touched = append(k.touched, int(l.Holder)-1)
	}
	if l.Batch != 0 {
		k.batchLine(l, e, h)
	} else if e.Hold.Op == ledger.HoldExpire {
		if at := k.holds[e.Hold.ID]; at.expires == 0 || at.expires > e.Time || !k.holdings[e.Hold.ID] {
			k.find("I6", "entry %d ends hold %d, whose time has not come", l.Sequence, e.Hold.ID)
		}
		k.legs(e)
	} else {
		k.byPaper(l, e, h)
	}
	if l.HasBalance && h != nil && l.Kind != transaction.KindDrawerClosed {
		if has := k.spendable(h, e); l.Balance != has {
			k.find("I3", "operation %d of kind %d says holder %d has %d, he has %d", l.Sequence, l.Kind, l.Holder, l.Balance, has)
		}
	}
	switch l.Kind {
	case transaction.KindFundsHeld, transaction.KindMeterStarted:
		k.holdings[l.Sequence] = true
	case transaction.KindRefund, transaction.KindDepositReversed, transaction.KindCardDepositReturned:
		k.refunded[l.Original] += l.Amount
	case transaction.KindBankWithdrawal:
		k.withdrawal(l, e, h)
	case transaction.KindAccountClosed:
		h.left = true
		if k.withdrawing(int(l.Holder)-1) > 0 {
			k.find("I6", "closing %d while a withdrawal is on its way to the bank", l.Sequence)
		}
		if h.agreement.active {
			k.find("I3", "closing %d while the holder's bank account is signed", l.Sequence)
		}
	}
	if transaction.IsAgreement(l.Kind) {
		k.agreement(l, h)
	}
	k.drawer(l, e)
}

// byPaper: the operation stands on a paper of the office.
func (k *reckoning) byPaper(l *transaction.OperationLine, e *ledger.Entry, h *holderBook) {
	p := k.papers[l.Document]
	if p == nil || p.op.Kind != l.Kind {
		k.find("I3", "operation %d of kind %d stands on paper %q, which nobody wrote", l.Sequence, l.Kind, l.Document)
		return
	}
	if p.entry != 0 {
		k.find("I4", "entries %d and %d carry out the same operation %s", p.entry, l.Sequence, l.Document)
	}
	if p.refused || p.closed {
		k.find("I4", "entry %d carries out %s, which was refused", l.Sequence, l.Document)
	}
	p.entry = l.Sequence
	row, _ := transaction.CatalogueOf(l.Kind)
	operator := k.operators[l.Operator-1]
	if operator.Code != p.op.Operator || operator.Suspended || operator.Roles&row.Roles == 0 {
		k.find("I12", "operation %d of kind %d was asked for by %s", l.Sequence, l.Kind, operator.Code)
	}
	if alone := l.Kind == transaction.KindBankWithdrawal && l.Amount <= withdrawalTwoPersons && l.Proposal == 0; row.TwoPersons && !alone {
		approver := transaction.OperatorRow{}
		if l.Approver != 0 {
			approver = k.operators[l.Approver-1]
		}
		if k.proposals[l.Proposal] != p || approver.Roles&transaction.RoleApprover == 0 || approver.Suspended || l.Approver == l.Operator {
			k.find("I12", "operation %d of kind %d was approved by %q on proposal %d", l.Sequence, l.Kind, approver.Code, l.Proposal)
		}
	}
	k.moves(l, e, h, &p.op)
}

// moves holds the legs against those of the kind (handbook 3.14).
func (k *reckoning) moves(l *transaction.OperationLine, e *ledger.Entry, h *holderBook, op *transaction.Operation) {
	if !op.All && op.Amount != l.Amount && l.Kind != transaction.KindUnclaimed && l.Kind != transaction.KindAccountClosed && !transaction.IsAgreement(l.Kind) && op.Amount != 0 {
		k.find("I3", "operation %d is of %d, %d was asked for", l.Sequence, l.Amount, op.Amount)
	}
	var want []ledger.Leg
	if from, to, amount := k.between(l, h, op); from != 0 {
		want = []ledger.Leg{{Account: from, Amount: -amount}, {Account: to, Amount: amount}}
		if l.Kind == transaction.KindSubsidyIssued || l.Kind == transaction.KindCountsIssued {
			left := k.ended(h, l)
			want = append(want, ledger.Leg{Account: to, Amount: -left}, ledger.Leg{Account: from, Amount: left})
		}
	} else {
		want = k.several(l, e, h, op)
	}
	k.legs(e, want...)
	k.holdOf(l, e, h)
	if l.Kind == transaction.KindSubsidyIssued || l.Kind == transaction.KindCountsIssued {
		k.expires(h, l, k.ended(h, l))
	}
}

// between is what an operation moves that has one account on each side; from is 0 for the others.
func (k *reckoning) between(l *transaction.OperationLine, h *holderBook, op *transaction.Operation) (from, to ledger.AccountID, amount money.Fen) {
	purse := func() ledger.AccountID { return k.purse(h, l.Purse) }
	payable := func() ledger.AccountID { return k.payable[l.Merchant-1] }
	cash := func() ledger.AccountID { return k.desks[op.Desk].cash }
	site := func(code ledger.AccountCode) ledger.AccountID { return k.site(0, code) }
	switch amount = l.Amount; l.Kind {
	case transaction.KindWithdrawal:
		return purse(), cash(), amount
	case transaction.KindSubsidyIssued, transaction.KindCountsIssued:
		return k.provider(l.Purse), purse(), amount
	case transaction.KindSubsidyReturned:
		return purse(), k.provider(l.Purse), amount
	case transaction.KindDeduction:
		return purse(), payable(), amount
	case transaction.KindTransfer:
		other := h
		if l.OtherHolder != 0 {
			other = k.holders[l.OtherHolder-1]
			k.touched = append(k.touched, int(l.OtherHolder)-1)
		}
		return purse(), k.purse(other, l.OtherPurse), amount
	case transaction.KindAdjustment:
		return transaction.AccountSuspense, purse(), amount
	case transaction.KindCardFee:
		if op.Desk != "" {
			return cash(), site(ledger.CodeCardIncome), amount
		}
		return h.main, site(ledger.CodeCardIncome), amount
	case transaction.KindCardDeposit:
		return cash(), transaction.AccountDeposits, amount
	case transaction.KindCardDepositReturned:
		k.whole(l)
		return transaction.AccountDeposits, cash(), amount
	case transaction.KindDepartmentTransfer:
		return payable(), k.payable[l.OtherMerchant-1], amount
	case transaction.KindMerchantPayout:
		return payable(), transaction.AccountBankCustody, amount
	case transaction.KindMerchantDeduction:
		return payable(), site(ledger.CodeDeductionIncome), amount
	case transaction.KindServiceFee:
		return payable(), site(ledger.CodeServiceIncome), amount
	case transaction.KindDrawerOpened:
		return cash(), transaction.AccountCash, amount
	case transaction.KindCountSale:
		return purse(), k.counts[int(l.Merchant)-1], amount
	case transaction.KindUnclaimed:
		return h.main, site(ledger.CodeUnclaimed), k.free(h.main)
	case transaction.KindThirdPartyRefunded:
		return h.main, transaction.AccountThirdPartyTransit, amount
	}
	return k.arriving(l)
}

// arriving is money that comes to the custody account from where it was on its way.
func (k *reckoning) arriving(l *transaction.OperationLine) (from, to ledger.AccountID, amount money.Fen) {
	switch l.Kind {
	case transaction.KindCashHandedIn:
		to = transaction.AccountCash
	case transaction.KindTransitSettled:
		to = transaction.AccountLoadInTransit
	case transaction.KindThirdPartySettled:
		to = transaction.AccountThirdPartyTransit
	case transaction.KindSubsidyReceived:
		to = k.provider(l.Purse)
	default:
		return 0, 0, 0
	}
	return transaction.AccountBankCustody, to, l.Amount
}

// several is what an operation moves that has more accounts, or none.
func (k *reckoning) several(l *transaction.OperationLine, e *ledger.Entry, h *holderBook, op *transaction.Operation) (want []ledger.Leg) {
	amount := l.Amount
	add := func(account ledger.AccountID, fen money.Fen) {
		want = append(want, ledger.Leg{Account: account, Amount: fen})
	}
	switch l.Kind {
	case transaction.KindCashDeposit:
		add(k.desks[op.Desk].cash, -amount)
		return k.credit(want, l, h, amount)
	case transaction.KindFundDeposit:
		add(transaction.AccountBankCustody, -amount)
		return k.credit(want, l, h, amount)
	case transaction.KindThirdPartyLoad:
		add(transaction.AccountThirdPartyTransit, -amount)
		return k.credit(want, l, h, amount)
	case transaction.KindDepositReversed:
		k.whole(l)
		for _, leg := range k.legsOf[l.Original] {
			add(leg.Account, -leg.Amount)
		}
	case transaction.KindOfflineSale:
		paid := min(max(0, k.free(h.main)), amount)
		if k.states[h.main] == ledger.AccountFrozen {
			paid = 0
		}
		add(h.main, -paid)
		if paid < amount {
			add(h.programme(debt).account, paid-amount)
		}
		add(k.payable[l.Merchant-1], amount)
	case transaction.KindDrawerClosed:
		desk := k.desks[op.Desk]
		add(transaction.AccountCash, -amount)
		add(desk.cash, desk.inside)
		add(transaction.AccountSuspense, amount-desk.inside)
	case transaction.KindHoldSettled, transaction.KindMeterSettled:
		if at := k.holds[l.Original]; e.Hold.Op == ledger.HoldPost {
			if amount > at.amount {
				k.find("I6", "operation %d settles %d of a hold of %d", l.Sequence, amount, at.amount)
			}
			add(at.from, -amount)
			add(at.to, amount)
		}
	case transaction.KindLoadMadeUp, transaction.KindLoadClaimed, transaction.KindLoadClosed:
		return k.byHand(l, e)
	case transaction.KindWithdrawalCharged, transaction.KindWithdrawalReturned:
		return k.payoutByHand(l, e)
	case transaction.KindRefund:
		return k.refund(l, h)
	case transaction.KindAccountClosed:
		return k.closing(l, h, op)
	}
	return want
}

// whole: an original that is given back as a whole is given back once.
func (k *reckoning) whole(l *transaction.OperationLine) {
	if back := k.refunded[l.Original]; back != 0 {
		k.find("I7", "operation %d gives back record %d, of which %d was given back before", l.Sequence, l.Original, back)
	}
}

// credit brings money to a purse; of what comes to main, what he owes is paid first.
func (k *reckoning) credit(want []ledger.Leg, l *transaction.OperationLine, h *holderBook, amount money.Fen) []ledger.Leg {
	if l.Purse != 0 {
		return append(want, ledger.Leg{Account: k.purse(h, l.Purse), Amount: amount})
	}
	if owed := min(k.owes(h), amount); owed > 0 {
		want = append(want, ledger.Leg{Account: h.programme(debt).account, Amount: owed})
		amount -= owed
	}
	return append(want, ledger.Leg{Account: h.main, Amount: amount})
}

// ended is the money of a purse that has expired: it goes back to its provider before new money comes.
func (k *reckoning) ended(h *holderBook, l *transaction.OperationLine) money.Fen {
	if l.Purse < 2 {
		return 0
	}
	if p := h.programme(int(l.Purse) - 2); p.expiry != 0 && localDay(l.Time) > p.expiry {
		return max(0, k.free(p.account))
	}
	return 0
}

// expires: money that joins other money keeps the later end of both. gone is what has just left the purse.
func (k *reckoning) expires(h *holderBook, l *transaction.OperationLine, gone money.Fen) {
	if l.Purse < 2 {
		return
	}
	p := h.programme(int(l.Purse) - 2)
	alone := k.balances[p.account] == gone
	if alone || p.expiry != 0 && (l.Expiry == 0 || l.Expiry > p.expiry) {
		p.expiry = l.Expiry
	}
}

// refund gives back a part of a sale to the legs it came from, the last that paid first; never more than was paid.
func (k *reckoning) refund(l *transaction.OperationLine, h *holderBook) (want []ledger.Leg) {
	var paid money.Fen
	legs := k.legsOf[l.Original]
	for _, leg := range legs {
		if leg.Amount < 0 {
			paid -= leg.Amount
		}
	}
	before := k.refunded[l.Original]
	if before+l.Amount > paid {
		k.find("I7", "refunds of record %d come to %d of %d", l.Original, before+l.Amount, paid)
	}
	left, skip := l.Amount, before
	for i := len(legs) - 1; i >= 0; i-- {
		room := -legs[i].Amount
		if room <= 0 {
			want = append(want, ledger.Leg{Account: legs[i].Account, Amount: -l.Amount})
			continue
		}
		gone := min(skip, room)
		skip -= gone
		back := min(left, room-gone)
		left -= back
		if p := h.programme(debt); p != nil && legs[i].Account == p.account { // what was owed then and has been paid is his own again
			owed := min(back, k.owes(h))
			want = append(want, ledger.Leg{Account: p.account, Amount: owed}, ledger.Leg{Account: h.main, Amount: back - owed})
			continue
		}
		want = append(want, ledger.Leg{Account: k.returnsTo(h, legs[i].Account, localDay(k.time)), Amount: back})
	}
	return want
}

// closing empties every purse: own money to the holder, subsidies to their providers.
func (k *reckoning) closing(l *transaction.OperationLine, h *holderBook, op *transaction.Operation) (want []ledger.Leg) {
	add := func(account ledger.AccountID, amount money.Fen) {
		want = append(want, ledger.Leg{Account: account, Amount: amount})
	}
	own := k.balances[h.main]
	add(h.main, -own)
	add(h.subsidy, -k.balances[h.subsidy])
	add(transaction.AccountSubsidyReceivable, k.balances[h.subsidy])
	for _, p := range h.others {
		has := k.balances[p.account]
		add(p.account, -has)
		switch {
		case p.programme == debt || k.programmes[p.programme].row.Account == ledger.CodeWaterPurse:
			own += has
		default:
			add(k.programmes[p.programme].receivable, has)
		}
	}
	if own != l.Amount {
		k.find("I3", "closing %d pays %d of the holder's own %d", l.Sequence, l.Amount, own)
	}
	if op.Desk != "" {
		add(k.desks[op.Desk].cash, own)
	} else {
		add(transaction.AccountBankCustody, own)
	}
	if _, coming := h.loadedOn(0); coming > 0 {
		k.find("I6", "closing %d while %d is on its way from the bank", l.Sequence, coming)
	}
	return want
}

// holdOf holds what an operation does to a hold against its kind.
func (k *reckoning) holdOf(l *transaction.OperationLine, e *ledger.Entry, h *holderBook) {
	switch l.Kind {
	case transaction.KindFundsHeld, transaction.KindMeterStarted:
		from := k.purse(h, l.Purse)
		if e.Hold.Op != ledger.HoldOpen || e.Hold.From != from || e.Hold.Amount != l.Amount || k.free(from) < l.Amount {
			k.find("I6", "operation %d holds %+v of %d", l.Sequence, e.Hold, k.free(from))
		}
	case transaction.KindHoldReleased, transaction.KindHoldSettled, transaction.KindMeterSettled, transaction.KindMeterCancelled:
		if e.Hold.Op == ledger.HoldOpen || e.Hold.ID != l.Original || !k.holdings[l.Original] {
			k.find("I6", "operation %d does %+v to hold %d", l.Sequence, e.Hold, l.Original)
		}
	case transaction.KindLoadMadeUp, transaction.KindLoadClosed, transaction.KindBankWithdrawal, transaction.KindWithdrawalCharged, transaction.KindWithdrawalReturned: // looked at elsewhere
	default:
		k.noHold(e)
	}
}

// drawer keeps what must be in the drawers.
func (k *reckoning) drawer(l *transaction.OperationLine, e *ledger.Entry) {
	if l.Desk == 0 {
		return
	}
	d := k.desks[k.deskRows[l.Desk-1]]
	for _, leg := range e.Legs {
		if leg.Account == d.cash {
			d.inside -= leg.Amount
		}
	}
	switch {
	case l.Kind == transaction.KindDrawerOpened:
		if d.operator != 0 {
			k.find("I12", "operation %d opens a drawer that is open", l.Sequence)
		}
		d.operator = l.Operator
	case d.operator != l.Operator:
		k.find("I12", "operation %d goes through a drawer that another has opened", l.Sequence)
	}
	if l.Kind == transaction.KindDrawerClosed {
		d.operator = 0
	}
	if d.inside < 0 || -k.balances[d.cash]-d.inside != sumOf(e, d.cash) {
		k.find("I1", "operation %d leaves %d in a drawer whose account says %d", l.Sequence, d.inside, -k.balances[d.cash])
	}
}

func sumOf(e *ledger.Entry, account ledger.AccountID) (sum money.Fen) {
	for _, leg := range e.Legs {
		if leg.Account == account {
			sum += leg.Amount
		}
	}
	return sum
}
