package ledgertest

// States of an open load.
const (
	loadSent            = iota + 1 // the bank has been asked
	loadReversing                  // its reversal is queued: it must never be credited
	loadReturning                  // credited, then taken back by the terminal: the bank must still be told
	loadManual                     // reversing, and given up
	loadManualReturning            // returning, and given up
)

type load struct {
	row    uint32
	amount int64
	state  byte
}

// openLoad checks the hold of a load that goes to the bank.
func (a *Auditor) openLoad(q *request, i uint32) {
	e, h := &a.entry, a.holderOf(q.card)
	if len(e.legs) > 0 || e.hold.op != holdOpen || e.hold.from != a.campus.transit || e.hold.to != h.main || e.hold.amount != q.amount {
		a.note("%s:圈存 %s 应只冻结该金额(账户 %d 至 %d)", "%s: a load of %s must hold that amount and nothing else (account %d to %d)", a.who(q), yuan(q.amount), a.campus.transit, h.main)
	}
	a.checkOwnBounds(q, h)
	a.loads[e.sequence] = load{i, q.amount, loadSent}
}

func (a *Auditor) setLoad(id uint64, state byte) {
	if l, ok := a.loads[id]; ok {
		l.state = state
		a.loads[id] = l
	}
}

// loadOutcome checks what the bank said: load uvarint | code 2 bytes | bank's reference 12 bytes | balance varint |
// [bank's settlement date uvarint]. A load is credited at most once, on the bank's word that came before its reversal was queued.
func (a *Auditor) loadOutcome() {
	e := &a.entry
	r := reader{b: e.payload}
	id := r.uvarint()
	code := r.take(2)
	r.take(12)
	balance := r.varint()
	if len(r.b) > 0 && r.u32() == 0 || !r.done() {
		a.malformedPayload()
		return
	}
	if e.kind == kindLoadLate {
		a.noMoney()
		return
	}
	open, ok := a.loads[id]
	if !ok {
		a.endedLoad(id)
		return
	}
	row := a.requests.at(open.row)
	inTime := open.state == loadSent
	switch e.kind {
	case kindLoadReversed:
		inTime = open.state != loadSent
	case kindLoadManual:
		inTime = open.state == loadReversing || open.state == loadReturning
	}
	if !inTime {
		a.note("圈存 %d(%s)的结果类型 %d 不应在其冲正入队后出现", "outcome %[3]d of load %[1]d (%[2]s) must not come after its reversal was queued, or before", id, yuan(open.amount), e.kind)
	}
	switch e.kind {
	case kindLoadConfirmed:
		a.creditLoad(id, open, balance)
		row.code, row.phase = [2]byte{'0', '0'}, phaseCredited
	case kindLoadDeclined:
		a.releaseLoad(id, open)
		row.code, row.phase = [2]byte(code), phaseNothing
	case kindLoadUnknown:
		a.noMoney()
		a.setLoad(id, loadReversing)
		row.code, row.phase = [2]byte{'6', '8'}, phaseReversing
		return
	case kindLoadManual:
		a.noMoney()
		a.setLoad(id, open.state-loadReversing+loadManual)
		return
	case kindLoadReversed:
		if open.state == loadReturning || open.state == loadManualReturning {
			a.noMoney()
		} else {
			a.releaseLoad(id, open)
		}
	}
	delete(a.loads, id)
}

// loadByHand checks what two persons did to a load by the bank's file: one that is open had been given up; what is put right of one that has
// ended stays within it.
func (a *Auditor) loadByHand(o *operation) {
	id, e := o.original, &a.entry
	i, known := a.requests.bySequence(id)
	if !known || a.requests.at(i).kind != kindLoad {
		a.note("业务所指的圈存 %d 不存在", "an operation is about load %d, which does not exist", id)
		return
	}
	amount, _ := a.requests.amounts(i)
	if h := a.holderOf(a.requests.at(i).card); e.kind == kindLoadMadeUp {
		a.madeUp[id] = true
		if !e.sameLegs(leg{a.campus.transit, -o.amount}, leg{h.main, o.amount}) {
			a.note("圈存 %d 补账应入账户 %d:%s", "load %d must be made up on account %d: %s", id, h.main, yuan(o.amount))
		}
	}
	if open, ok := a.loads[id]; ok {
		held := open.state != loadManualReturning
		switch {
		case open.state != loadManual && held, e.kind == kindLoadClaimed, e.kind == kindLoadMadeUp && !held:
			a.note("圈存 %d 尚待银行,不应手工处理(类型 %d)", "load %d still waits for the bank and was settled by hand (kind %d)", id, e.kind)
		case held && e.kind == kindLoadMadeUp && (e.hold.op != holdPost || e.hold.id != id || o.amount > open.amount):
			a.note("圈存 %d 补账 %s 未了结其冻结", "load %d: making up %s must post its hold", id, yuan(o.amount))
		case e.kind == kindLoadClosed && held:
			a.releaseLoad(id, open)
		case e.kind == kindLoadClosed:
			a.noMoney()
		}
		delete(a.loads, id)
		return
	}
	if a.putRight[id] += o.amount; a.putRight[id] > amount || e.kind == kindLoadClosed {
		a.note("圈存 %d(%s)更正至 %s", "load %d (%s) was put right by %s", id, yuan(amount), yuan(a.putRight[id]))
	}
	if phase := a.requests.at(i).phase; e.kind == kindLoadMadeUp && phase == phaseCredited {
		a.note("圈存 %d 已入账又补账 %s", "load %d was credited and then made up by %s", id, yuan(o.amount))
	} else if e.kind == kindLoadClaimed && phase != phaseCredited && !a.madeUp[id] {
		a.note("圈存 %d 未入账却追回 %s", "load %d was not credited and %s was taken back", id, yuan(o.amount))
	}
}

// endedLoad: an outcome for a load that is not open.
func (a *Auditor) endedLoad(id uint64) {
	i, ok := a.requests.bySequence(id)
	if !ok || a.requests.at(i).kind != kindLoad {
		a.note("银行结果所指的圈存 %d 不存在", "the bank's word is about load %d, which does not exist", id)
		return
	}
	amount, _ := a.requests.amounts(i)
	a.note("圈存 %d(%s)已了结,又有结果类型 %d", "load %d (%s) has ended, yet another outcome %d came", id, yuan(amount), a.entry.kind)
}

func (a *Auditor) creditLoad(id uint64, open load, balance int64) {
	e := &a.entry
	h := a.holderOf(a.requests.at(open.row).card)
	if e.hold.op != holdPost || e.hold.id != id || !e.sameLegs(leg{a.campus.transit, -open.amount}, leg{h.main, open.amount}) {
		a.note("圈存 %[1]d 应入账 %[2]s 至账户 %[3]d 并了结其冻结", "load %[1]d must credit %[2]s to account %[3]d and post its hold", id, yuan(open.amount), h.main)
	}
	if now := a.spendable(h); now != balance {
		a.note("圈存 %[1]d 告知余额 %[2]s,应为 %[3]s", "load %[1]d told a balance of %[2]s, it is %[3]s", id, yuan(balance), yuan(now))
	}
}

func (a *Auditor) releaseLoad(id uint64, open load) {
	a.holderOf(a.requests.at(open.row).card).uncountLoad(id)
	e := &a.entry
	if e.hold.op != holdVoid || e.hold.id != id || len(e.legs) > 0 {
		a.note("圈存 %[1]d 未成,应只释放其冻结 %[2]s", "load %[1]d has failed: its hold of %[2]s must be released and nothing else", id, yuan(open.amount))
	}
}
