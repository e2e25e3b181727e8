package ledgertest

import (
	"encoding/binary"
	"slices"
)

// Operations of the settlement centre, read from the layouts documented in switch/transaction (operationrecord.go, programme.go, batchrun.go).

const (
	kindProposal       = 8
	kindPurse          = 9
	kindCashDeposit    = 30
	kindReversed       = 31
	kindSubsidyIssued  = 34
	kindPledge         = 40
	kindPledgeReturned = 41
	kindDeduction      = 36
	kindHoldSettled    = 44
	kindRefund         = 45
	kindOfflineSale    = 46
	kindMeterSettled   = 60
	kindCountSale      = 64
	kindAccountClosed  = 51
	kindDrawerOpened   = 56
	kindDrawerClosed   = 57
	kindCountsIssued   = 63
	kindExpired        = 67
	kindLoadMadeUp     = 77
	kindLoadClaimed    = 78
	kindLoadClosed     = 79
	kindOperationLast  = 79
	kindBatch          = 80
	kindBatchLines     = 81
	kindBatchDecided   = 82
	kindLineRefused    = 83
	kindProposalClosed = 85
	kindSheetDrafted   = 90
	kindSheetMoved     = 91
)

// Flags of an operation's payload, in the order of its fields.
const (
	recordHolder = 1 << iota
	recordOtherHolder
	recordMerchant
	recordOtherMerchant
	recordPurse
	recordOtherPurse
	recordTerminal
	recordOriginal
	recordBatch
	recordProposal
	recordKey
	recordOccurred
	recordState
	recordExpiry
	recordBalance
	recordTexts
	recordMetered
	recordBank
	recordCard
	recordFlags = 1<<iota - 1
)

// operation is an operation's payload; rows count from 1, 0 is none.
type operation struct {
	flags                    uint64
	operator, approver, desk uint64
	amount                   int64
	holder, other            uint64
	merchant, otherMerchant  uint64
	purse, otherPurse        uint64
	original, batch, line    uint64
	proposal, card           uint64
	terminal                 uint64
	key                      [16]byte
	expiry                   uint64
	balance                  int64
	bank                     bankTerms
}

func (r *reader) operation() (o operation) {
	o.flags, o.operator, o.approver, o.desk, o.amount = r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint(), r.varint()
	number := func(flag uint64) uint64 {
		if o.flags&flag == 0 {
			return 0
		}
		return r.uvarint()
	}
	o.holder, o.other, o.merchant, o.otherMerchant = number(recordHolder), number(recordOtherHolder), number(recordMerchant), number(recordOtherMerchant)
	o.purse, o.otherPurse = number(recordPurse), number(recordOtherPurse)
	o.terminal = number(recordTerminal)
	o.original, o.batch, o.line = number(recordOriginal), number(recordBatch), number(recordBatch)
	o.proposal, o.card = number(recordProposal), number(recordCard)
	if o.flags&recordKey != 0 {
		copy(o.key[:], r.take(16))
		r.take(8)
	}
	if o.flags&recordOccurred != 0 {
		r.varint()
	}
	if o.flags&recordState != 0 {
		r.byte()
	}
	o.expiry = number(recordExpiry)
	if o.flags&recordBalance != 0 {
		o.balance = r.varint()
	}
	if o.flags&recordTexts != 0 {
		r.text()
		r.text()
	}
	if o.flags&recordMetered != 0 { // tariff text | per u8 | reading, rules version uvarint
		r.text()
		r.byte()
		r.uvarint()
		r.uvarint()
	}
	if o.flags&recordBank != 0 {
		o.bank = r.bankTerms()
	}
	r.bad = r.bad || o.flags > recordFlags
	return o
}

// settlementRow reads a directory row of the settlement centre.
func (a *Auditor) settlementRow(kind byte, r *reader) {
	switch kind {
	case 7: // merchant terms
		a.addTerms(r)
	case 8:
		a.addProgramme(r)
	case 9: // operator
		code := string(r.text())
		r.uvarint()
		r.byte()
		r.take(32)
		r.text()
		if !slices.Contains(a.campus.operators, code) {
			a.campus.operators = append(a.campus.operators, code)
		}
	case 10: // account set
		r.byte()
		r.text()
	case 11: // desk
		r.text()
		a.campus.desks = append(a.campus.desks, auditedDesk{account: uint32(len(a.accounts) - 1)})
	default:
		r.bad = true
	}
}

// addTerms: merchant 15 bytes | parent text | group u8 | department u8 | service fee uvarint | bank, account, payee text | sets u16.
func (a *Auditor) addTerms(r *reader) {
	var code [15]byte
	copy(code[:], r.take(15))
	r.text()
	t := terms{group: r.byte(), department: r.byte() == 1, serviceFee: r.uvarint()}
	for range 3 {
		r.text()
	}
	r.take(2)
	if i, ok := a.campus.merchantByCode[code]; ok {
		a.campus.merchants[i].terms = t
	} else {
		r.bad = true
	}
}

// operationEntry checks an operation of the settlement centre.
func (a *Auditor) operationEntry() {
	r := reader{b: a.entry.payload}
	o := r.operation()
	c := &a.campus
	if !r.done() || o.operator > uint64(len(c.operators)) || o.approver > uint64(len(c.operators)) || o.holder > uint64(len(c.holders)) || o.desk > uint64(len(c.desks)) {
		a.malformedPayload()
		return
	}
	a.checkFlow(&o)
	a.checkPersons(&o)
	a.checkOnce(&o)
	a.checkDrawer(&o)
	a.checkReturned(&o)
	a.checkOwner(&o)
	switch {
	case isAgreement(a.entry.kind):
		a.agreementEntry(&o)
	case a.entry.kind == kindBankWithdrawal:
		a.openWithdrawal(&o)
	case o.flags&(recordBank|recordCard) != 0:
		a.malformedPayload()
	case a.entry.kind == kindWithdrawalCharged, a.entry.kind == kindWithdrawalReturned:
		a.withdrawalByHand(&o)
	case a.entry.kind >= kindLoadMadeUp:
		a.loadByHand(&o)
	}
	if o.holder == 0 {
		return
	}
	h := &c.holders[o.holder-1]
	switch a.entry.kind {
	case kindSubsidyIssued, kindCountsIssued:
		a.setExpiry(h, &o)
	case kindAccountClosed:
		h.state = holderLeft
		if h.agreement != nil && h.agreement.active {
			a.note("持卡人 %d 销户时银行卡仍在签约", "holder %d was closed with his bank account still signed", o.holder)
		}
	}
	if now := a.spendable(h); o.flags&recordBalance != 0 && a.entry.kind != kindDrawerClosed && now != o.balance {
		a.note("告知持卡人 %d 余额 %s,应为 %s", "holder %d was told a balance of %s, it is %s", o.holder, yuan(o.balance), yuan(now))
	}
}

const holderLeft = 2

// setExpiry: money added to a purse keeps the later of both ends; no end is the latest.
func (a *Auditor) setExpiry(h *holder, o *operation) {
	for i := range h.purses {
		p := &h.purses[i]
		if o.purse < 2 || uint64(p.programme) != o.purse-2 {
			continue
		}
		if a.accounts[p.account].balance == o.amount || p.expiry != 0 && (o.expiry == 0 || o.expiry > p.expiry) {
			p.expiry = o.expiry
		}
	}
}

// flow says which codes of accounts an operation may take from and give to.
type flow struct{ from, to []uint16 }

const (
	cash, custody, inTransit, third, receivable, debt          = 1001, 1002, 1011, 1012, 1131, 1133
	main, subsidy, water, electronic, count                    = 2001, 2002, 2003, 2004, 2005
	payable, pledges, fees, suspense, unclaimed                = 2101, 2201, 2301, 2901, 2902
	cardIncome, serviceIncome, deductionIncome, schoolDiscount = 5001, 5002, 5003, 6002
)

// flows is the auditor's own table of what money an operation moves (handbook 3.11, 3.14), by kind from 30 on.
var flows = map[byte]flow{
	30: {[]uint16{cash}, []uint16{main, water, electronic, debt, fees}},
	32: {[]uint16{main, water, electronic}, []uint16{cash}},
	33: {[]uint16{custody}, []uint16{main, water, electronic, debt, fees}},
	34: {[]uint16{receivable, subsidy}, []uint16{subsidy, receivable}},
	35: {[]uint16{subsidy, count}, []uint16{receivable}},
	36: {[]uint16{main, water, electronic}, []uint16{payable}},
	37: {[]uint16{main, water, electronic}, []uint16{main, water, electronic}},
	38: {[]uint16{suspense, main, subsidy, water, electronic}, []uint16{suspense, main, subsidy, water, electronic}},
	39: {[]uint16{cash, main}, []uint16{cardIncome}},
	40: {[]uint16{cash}, []uint16{pledges}},
	41: {[]uint16{pledges}, []uint16{cash}},
	42: {}, 43: {}, 59: {}, 61: {}, 58: {}, 62: {},
	44: {[]uint16{main, subsidy, water, electronic}, []uint16{payable}},
	60: {[]uint16{main, subsidy, water, electronic}, []uint16{payable}},
	46: {[]uint16{main, debt}, []uint16{payable}},
	47: {[]uint16{payable}, []uint16{payable}},
	48: {[]uint16{payable}, []uint16{custody}},
	49: {[]uint16{payable}, []uint16{deductionIncome}},
	50: {[]uint16{payable}, []uint16{serviceIncome}},
	51: {[]uint16{main, subsidy, water, electronic, count}, []uint16{cash, custody, receivable, debt}},
	52: {[]uint16{third}, []uint16{main, water, electronic, debt, fees}},
	53: {[]uint16{custody}, []uint16{cash}},
	54: {[]uint16{custody}, []uint16{inTransit}},
	55: {[]uint16{custody}, []uint16{receivable}},
	56: {[]uint16{cash}, []uint16{cash}},
	57: {[]uint16{cash, suspense}, []uint16{cash, suspense}},
	63: {[]uint16{receivable, count}, []uint16{count, receivable}},
	64: {[]uint16{count}, []uint16{payable}},
	65: {[]uint16{main}, []uint16{unclaimed}},
	66: {[]uint16{custody}, []uint16{third}},
	67: {[]uint16{subsidy, count}, []uint16{receivable}},
	68: {}, 69: {}, 70: {}, 75: {},
	71: {},
	72: {[]uint16{main, debt}, []uint16{inTransit, fees}},
	73: {[]uint16{inTransit}, []uint16{main, debt}},
	74: {[]uint16{main}, []uint16{third}},
	77: {[]uint16{inTransit}, []uint16{main}},
	78: {[]uint16{main, debt}, []uint16{inTransit}},
	79: {},
	90: {},
	91: {[]uint16{payable, suspense}, []uint16{payable, custody, serviceIncome, deductionIncome, suspense}},
}

// checkFlow: an operation moves money only between the accounts that its kind is about. What a refund or a reversal gives back is compared
// with its original instead.
func (a *Auditor) checkFlow(o *operation) {
	allowed, known := flows[a.entry.kind]
	if !known {
		return
	}
	for _, l := range a.entry.legs {
		if !a.known(l.account) {
			continue
		}
		codes := allowed.to
		if l.amount < 0 {
			codes = allowed.from
		}
		if !slices.Contains(codes, a.accounts[l.account].code) {
			a.note("业务 %d(单 %d)不应动用账户 %d(科目 %d)%s", "an operation of kind %d (operator %d) must not move account %d (%d) by %s", a.entry.kind, o.operator, l.account, a.accounts[l.account].code, yuan(l.amount))
		}
	}
}

// twoPersons are the kinds that nobody does alone.
var twoPersons = []byte{34, 35, 36, 38, 46, 47, 48, 49, 50, 54, 55, 63, 65, 66, 72, 73, 77, 78, 79}

// checkPersons: an act has an operator, and a second person where its kind asks for one.
func (a *Auditor) checkPersons(o *operation) {
	kind := a.entry.kind
	if kind == kindExpired {
		a.checkExpired(o)
		return
	}
	if o.operator == 0 && a.entry.hold.op != holdExpire {
		a.note("业务没有操作员", "an operation without an operator")
	}
	if slices.Contains(twoPersons, kind) && o.approver == 0 {
		a.note("业务类型 %d 无人审核", "an operation of kind %d that nobody approved", kind)
	}
	if o.approver != 0 && o.approver == o.operator {
		a.note("操作员 %d 审核了自己的业务", "operator %d approved his own act", o.operator)
	}
}

// checkExpired: money goes back by itself only when its last day is over, and from where it was.
func (a *Auditor) checkExpired(o *operation) {
	day := uint64(a.campus.date(a.entry.time))
	if o.holder == 0 || o.purse < 2 {
		a.malformedPayload()
		return
	}
	for _, p := range a.campus.holders[o.holder-1].purses {
		if uint64(p.programme) == o.purse-2 && (p.expiry == 0 || day <= p.expiry || !a.entry.sameLegs(leg{p.account, -o.amount}, leg{a.campus.programmes[p.programme].receivable, o.amount})) {
			a.note("持卡人 %d 的补贴未到期即清退,或清退有误:%s", "a subsidy of holder %d went back before its last day, or to the wrong account: %s", o.holder, yuan(o.amount))
		}
	}
}

// checkOnce: a key, a proposal and a line of a batch are each carried out once.
func (a *Auditor) checkOnce(o *operation) {
	once := func(what string, id [24]byte) {
		if a.once[id] {
			a.note("%s 办理了两次", "%s was carried out twice", what)
		}
		a.once[id] = true
	}
	var id [24]byte
	if o.flags&recordKey != 0 && o.proposal == 0 {
		copy(id[:], o.key[:])
		id[23] = 'K'
		once("幂等键 / a key", id)
	}
	if o.proposal != 0 {
		id = [24]byte{23: 'P'}
		binary.BigEndian.PutUint64(id[:], o.proposal)
		once("待审业务 / a proposal", id)
	}
	if o.batch != 0 {
		id = [24]byte{23: 'B'}
		binary.BigEndian.PutUint64(id[:], o.batch)
		binary.BigEndian.PutUint64(id[8:], o.line)
		once("批次行 / a line of a batch", id)
		a.checkLine(o)
	}
}

// checkDrawer keeps what must be in each drawer and compares it with what was handed in.
func (a *Auditor) checkDrawer(o *operation) {
	if o.desk == 0 {
		return
	}
	d := &a.campus.desks[o.desk-1]
	switch a.entry.kind {
	case kindDrawerOpened:
		d.operator = o.operator
	case kindDrawerClosed:
		if a.accounts[d.account].balance != 0 || a.accounts[d.account].held != 0 {
			a.note("收银台 %d 清点后账上仍有 %s", "desk %d still has %s on its account after the count", o.desk, yuan(-a.accounts[d.account].balance))
		}
	}
	if d.operator != o.operator {
		a.note("收银台 %d 由操作员 %d 开箱,却由 %d 办理", "desk %d was opened by operator %d, the act is of %d", o.desk, d.operator, o.operator)
	}
	if a.entry.kind == kindDrawerClosed {
		d.operator = 0
	}
	if -a.accounts[d.account].balance < 0 {
		a.note("收银台 %d 付出多于所有", "desk %d paid out more than it had", o.desk)
	}
}

// checkReturned: what is given back never exceeds what was paid, and goes where it came from.
func (a *Auditor) checkReturned(o *operation) {
	switch a.entry.kind {
	case kindRefund, kindReversed, kindPledgeReturned:
	default:
		if len(a.entry.legs) > 0 {
			paid := paidAmount{amount: a.paidBy(), holder: o.holder}
			if refundable(a.entry.kind) {
				paid.legs = append(paid.legs, a.entry.legs...)
			}
			a.paid[a.entry.sequence] = paid
		}
		return
	}
	original, known := a.paid[o.original]
	if !known {
		if number, ok := a.requests.bySequence(o.original); ok && a.requests.at(number).phase == phaseMoved && a.requests.at(number).kind == kindPurchase {
			original, known = a.paidPurchase(number), true
			a.requests.at(number).phase = phaseRefunded
		}
	}
	if !known {
		a.note("退回的原记录 %d 不存在或没有收款", "record %d, which is given back, does not exist or took nothing", o.original)
		return
	}
	original.returned += o.amount
	if original.returned > original.amount || a.entry.kind != kindRefund && original.returned != original.amount {
		a.note("记录 %d 收款 %s,退回 %s", "record %d took %s, %s was given back", o.original, yuan(original.amount), yuan(original.returned))
	}
	if a.entry.kind == kindRefund {
		a.checkRefund(o, &original)
	}
	a.paid[o.original] = original
}

// paidBy is what an entry moved: what its credits sum to.
func (a *Auditor) paidBy() (sum int64) {
	for _, l := range a.entry.legs {
		if l.amount > 0 {
			sum += l.amount
		}
	}
	return sum
}

// batchEntry takes what is said about a batch.
func (a *Auditor) batchEntry() {
	a.noMoney()
	r := reader{b: a.entry.payload}
	switch a.entry.kind {
	case kindBatch:
		b := &auditedBatch{kind: r.byte(), operator: r.uvarint()}
		a.batches[a.entry.sequence] = b
		return
	case kindBatchLines:
		b := a.batches[r.uvarint()]
		for b != nil && len(r.b) > 0 && !r.bad {
			b.lines = append(b.lines, auditedLine{r.uvarint(), r.fen()})
		}
		if b == nil || !r.done() {
			a.malformedPayload()
		}
	case kindBatchDecided:
		b, state, by := a.batches[r.uvarint()], r.byte(), r.uvarint()
		r.text()
		if b == nil || !r.done() {
			a.malformedPayload()
			return
		}
		if state == 1 && by == b.operator {
			a.note("操作员 %d 审核了自己的批次", "operator %d approved his own batch", by)
		}
		b.approved = state == 1
	}
}

type auditedBatch struct {
	kind     byte
	operator uint64
	approved bool
	lines    []auditedLine
}

type auditedLine struct {
	holder uint64
	amount int64
}

// checkLine: a posted line is one of an approved batch, for its holder and its amount.
func (a *Auditor) checkLine(o *operation) {
	b := a.batches[o.batch]
	if b == nil || !b.approved || o.line >= uint64(len(b.lines)) || b.kind != a.entry.kind {
		a.note("批次 %d 第 %d 行不在已审核的批次中", "line %[2]d of batch %[1]d is not in an approved batch", o.batch, o.line+1)
		return
	}
	if line := b.lines[o.line]; line.holder != o.holder || line.amount != 0 && line.amount != o.amount {
		a.note("批次 %d 第 %d 行应为持卡人 %d 的 %s", "line %[2]d of batch %[1]d is of holder %[3]d and %[4]s", o.batch, o.line+1, line.holder, yuan(line.amount))
	}
}

// auditedDesk is a cash desk: its account, and who has its drawer open.
type auditedDesk struct {
	account  uint32
	operator uint64
}
