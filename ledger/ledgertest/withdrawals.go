package ledgertest

// Withdrawals to bank accounts (handbook 3.8, 3.11), read from the layouts documented in switch/transaction (withdrawal.go, operationrecord.go):
// the money is on hold from the asking to the end, it ends once, and what two persons put right of one that has ended stays within it.

const (
	kindWithdrawalLate     = 19
	kindWithdrawalPaid     = 26
	kindWithdrawalDeclined = 27
	kindWithdrawalUnknown  = 28
	kindWithdrawalManual   = 29
	kindBankWithdrawal     = 71
	kindWithdrawalCharged  = 72
	kindWithdrawalReturned = 73
)

// stage of a withdrawal.
type stage byte

const (
	stageSent     stage = iota // the bank has been asked
	stageUnknown               // and did not answer
	stageManual                // given up
	stagePaid                  // posted, on the bank's word or by hand
	stageReleased              // not paid: the hold is gone
)

func (s stage) open() bool { return s <= stageManual }

type withdrawal struct {
	holder     uint64 // row from 1
	amount     int64
	held       int64 // with the fee
	stage      stage
	outOfPurse int64 // put right after its end: charged
	backInto   int64 // and returned
}

// openWithdrawal checks the hold of a withdrawal, and whose account it goes to.
func (a *Auditor) openWithdrawal(o *operation) {
	e := &a.entry
	if o.holder == 0 || o.flags&recordBank == 0 || o.card > uint64(len(a.campus.cards)) {
		a.malformedPayload()
		return
	}
	h := &a.campus.holders[o.holder-1]
	if len(e.legs) > 0 || e.hold.op != holdOpen || e.hold.from != h.main || e.hold.to != a.campus.transit || e.hold.amount < o.amount || e.hold.expires != 0 || o.amount <= 0 {
		a.note("持卡人 %d 提现 %s 应只冻结该金额与手续费(账户 %d 至 %d)", "a withdrawal of holder %d of %s must hold that amount with its fee and nothing else (account %d to %d)", o.holder, yuan(o.amount), h.main, a.campus.transit)
	}
	if o.bank.account == 0 || o.bank.account != h.account || o.bank.before != h.account {
		a.note("持卡人 %d 提现至账户 %s,其签约账户为 %s", "a withdrawal of holder %d to account %s, he is bound to %s", o.holder, masked(o.bank.account), masked(h.account))
	}
	if o.card != 0 && a.holderOf(uint32(o.card)) != h {
		a.note("持卡人 %d 的提现记有别人的卡", "the withdrawal of holder %d names a card that is not his", o.holder)
	}
	a.withdrawals[e.sequence] = &withdrawal{holder: o.holder, amount: o.amount, held: e.hold.amount}
	a.begun(h, 1)
}

// begun counts the withdrawals that are on their way, of a holder and of all.
func (a *Auditor) begun(h *holder, by int) {
	h.withdrawing += by
	a.withdrawing += by
}

// withdrawalOutcome checks what the bank said: load uvarint | code 2 bytes | bank's reference 12 bytes | balance varint.
func (a *Auditor) withdrawalOutcome() {
	e := &a.entry
	r := reader{b: e.payload}
	id, code := r.uvarint(), r.take(2)
	r.take(12)
	balance := r.varint()
	if !r.done() {
		a.malformedPayload()
		return
	}
	if e.kind == kindWithdrawalLate {
		a.noMoney()
		return
	}
	w := a.withdrawals[id]
	if w == nil || !w.stage.open() || e.kind == kindWithdrawalUnknown && w.stage != stageSent || e.kind == kindWithdrawalManual && w.stage != stageUnknown {
		a.note("提现 %d 不存在或已了结,又有结果类型 %d", "withdrawal %d does not exist, has ended or is further, yet outcome %d came", id, e.kind)
		return
	}
	h := &a.campus.holders[w.holder-1]
	switch e.kind {
	case kindWithdrawalUnknown, kindWithdrawalManual:
		a.noMoney()
		w.stage++
		return
	case kindWithdrawalPaid:
		a.paidWithdrawal(id, w, h, w.amount)
	case kindWithdrawalDeclined:
		a.releasedWithdrawal(id, w, h)
		if string(code) == "00" {
			a.note("提现 %d 记为拒绝,应答码却是 00", "withdrawal %d was declined with code 00", id)
		}
	}
	if now := a.spendable(h); now != balance {
		a.note("提现 %[1]d 告知余额 %[2]s,应为 %[3]s", "withdrawal %[1]d told a balance of %[2]s, it is %[3]s", id, yuan(balance), yuan(now))
	}
}

// paidWithdrawal: the hold is posted to where the bank is owed, with the fee to its fund.
func (a *Auditor) paidWithdrawal(id uint64, w *withdrawal, h *holder, amount int64) {
	e, fee := &a.entry, w.held-w.amount
	want := []leg{{h.main, -(amount + fee)}, {a.campus.transit, amount}}
	if fee > 0 {
		want = append(want, leg{a.campus.managementFee, fee})
	}
	if e.hold.op != holdPost || e.hold.id != id || !e.sameLegs(want...) {
		a.note("提现 %[1]d 应自账户 %[3]d 付出 %[2]s 并了结其冻结", "withdrawal %[1]d must take %[2]s from account %[3]d and post its hold", id, yuan(amount), h.main)
	}
	w.stage = stagePaid
	a.begun(h, -1)
}

func (a *Auditor) releasedWithdrawal(id uint64, w *withdrawal, h *holder) {
	e := &a.entry
	if e.hold.op != holdVoid || e.hold.id != id || len(e.legs) > 0 {
		a.note("提现 %[1]d 未付,应只释放其冻结 %[2]s", "withdrawal %[1]d was not paid: its hold of %[2]s must be released and nothing else", id, yuan(w.held))
	}
	w.stage = stageReleased
	a.begun(h, -1)
}

// withdrawalByHand checks what two persons did by the bank's file.
func (a *Auditor) withdrawalByHand(o *operation) {
	id, w := o.original, a.withdrawals[o.original]
	if w == nil || o.holder != w.holder {
		a.note("业务所指的提现 %d 不存在,或不属于持卡人 %d", "an operation is about withdrawal %d, which does not exist or is not of holder %d", id, o.holder)
		return
	}
	h, charged := &a.campus.holders[w.holder-1], a.entry.kind == kindWithdrawalCharged
	switch {
	case w.stage == stageManual && charged && o.amount <= w.amount:
		a.paidWithdrawal(id, w, h, o.amount)
		w.backInto = w.amount - o.amount // was never taken
		return
	case w.stage == stageManual && !charged && o.amount == w.amount:
		a.releasedWithdrawal(id, w, h)
		return
	case w.stage.open():
		a.note("提现 %d 尚待银行,或金额不符,不应手工处理(类型 %d)", "withdrawal %d still waits for the bank, or the amount is another, and was settled by hand (kind %d)", id, a.entry.kind)
		return
	case charged != (w.stage == stageReleased):
		a.note("提现 %d 的更正方向不符(类型 %d)", "withdrawal %d was put right the wrong way (kind %d)", id, a.entry.kind)
	}
	if charged {
		w.outOfPurse += o.amount
	} else {
		w.backInto += o.amount
	}
	moved := int64(0)
	for _, l := range a.entry.legs {
		if l.account == a.campus.transit {
			moved += l.amount
		} else if !h.owns(l.account) {
			a.note("提现 %d 的更正动用了账户 %d", "putting withdrawal %d right moves account %d", id, l.account)
		}
	}
	if moved != o.amount && charged || moved != -o.amount && !charged || w.outOfPurse > w.amount || w.backInto > w.amount || a.entry.hold.op != holdNone {
		a.note("提现 %d(%s)更正 %s 不符", "withdrawal %d (%s) was put right by %s, which does not fit", id, yuan(w.amount), yuan(o.amount))
	}
}
