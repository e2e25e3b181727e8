package ledgertest

// Reasons with a meaning of their own; all others refuse and change nothing.
const (
	reasonNone             = 0
	reasonTraceTooOld      = 8
	reasonDuplicateDiffers = 9
	reasonReversedBefore   = 10
	reasonFunds            = 25
	reasonOriginalTooOld   = 35
	reasonOriginalAmount   = 36
	reasonOriginalCard     = 37
	reasonOriginalUnknown  = 40
	reasonOriginalRefused  = 41
	reasonAlreadyReversed  = 42
)

// reasonCodes is the DE 39 that goes with each reason (wire handbook 3.9); an entry writes its code only when it has another.
const reasonCodes = "00" + "97" + "58" + "03" + "03" + "58" + "58" + "C1" + "94" + "94" + // 0 to 9
	"22" + "14" + "41" + "62" + "14" + "54" + "57" + "13" + "13" + "65" + // 10 to 19
	"61" + "55" + "55" + "55" + "38" + "51" + "57" + "57" + "61" + "61" + // 20 to 29
	"61" + "57" + "57" + "91" + "68" + "12" + "64" + "22" + "22" + "96" + // 30 to 39
	"00" + "00" + "00" + "58" + "94" + "55" + "96" + "51" + "22" + "62" + // 40 to 49
	"58" + "65" + "61" // 50 to 52

// Flags of a request's payload.
const (
	flagCard = 1 << iota
	flagPINVerified
	flagBalance
	flagCode
	flagNumbers
	flagParts
	flagPriced
	flagAutomatic // a load that no terminal asked for: it has no identity
)

// request is the payload of an entry that came from a terminal:
//
//	flags u8 | reason u8 | purse low and direction high nibble u8 | terminal, batch, trace uvarint |
//	card index + 1 uvarint, or card number u64 when unknown | amount uvarint |
//	[code 2 bytes] [balance varint] [three numbers varint] | [main, subsidy uvarint] | [price] | original uvarint (reversals only)
type request struct {
	key           uint64
	terminal      uint32
	batch, trace  uint32
	card          uint32 // index + 1, or strangerBase on
	amount        int64  // as the terminal asked
	purse         byte   // that the terminal named
	price         price
	priced        bool
	pinVerified   bool
	numbers       [3]int64
	reason        byte
	code          [2]byte
	hasBalance    bool
	balance       int64
	main, subsidy int64
	original      uint64
	automatic     bool
}

// readRequest decodes the payload; false when it can't be read or names what does not exist.
func (a *Auditor) readRequest(class byte) (q request, ok bool) {
	r := reader{b: a.entry.payload}
	flags := r.byte()
	q.reason, q.purse, q.pinVerified = r.byte(), r.byte()&15, flags&flagPINVerified != 0
	q.terminal, q.batch, q.trace = r.u32(), r.u32(), r.u32()
	if flags&flagCard != 0 {
		q.card = r.u32()
	} else {
		q.card = a.requests.strangerCard(r.u64())
	}
	q.amount = r.fen()
	if int(q.reason)*2+2 <= len(reasonCodes) {
		copy(q.code[:], reasonCodes[int(q.reason)*2:])
	} else {
		r.bad = true
	}
	if flags&flagCode != 0 {
		copy(q.code[:], r.take(2))
	}
	if q.hasBalance = flags&flagBalance != 0; q.hasBalance {
		q.balance = r.varint()
	}
	if flags&flagNumbers != 0 {
		q.numbers = [3]int64{r.varint(), r.varint(), r.varint()}
	}
	if flags&flagParts != 0 {
		q.main, q.subsidy = r.fen(), r.fen()
	}
	q.price.list = q.amount
	if flags&flagPriced != 0 {
		a.readPrice(&r, &q)
	}
	if class == classReversal {
		q.original = r.uvarint()
	}
	if !r.done() {
		a.malformedPayload()
		return q, false
	}
	if q.automatic = flags&flagAutomatic != 0; q.automatic {
		return q, true
	}
	return q, a.placeRequest(&q, class)
}

// placeRequest checks that terminal and card exist and packs the identity.
func (a *Auditor) placeRequest(q *request, class byte) bool {
	var fits bool
	if q.key, fits = identityKey(class, q.terminal, q.batch, q.trace); !fits {
		a.note("终端 %d 批次 %d 流水 %d 超出范围", "terminal %d, batch %d, trace %d are out of range", q.terminal, q.batch, q.trace)
		return false
	}
	if q.terminal == 0 || int(q.terminal) > len(a.campus.terminals) {
		a.note("终端 %d 未登记", "terminal %d is not registered", q.terminal)
		return false
	}
	if q.card < strangerBase && (q.card == 0 || int(q.card) > len(a.campus.cards)) {
		a.note("卡序号 %d 不存在", "card index %d does not exist", q.card)
		return false
	}
	return true
}

func (a *Auditor) appendRow(q *request, phase byte) uint32 {
	i := a.requests.append(row{key: q.key, sequence: a.entry.sequence, card: q.card, code: q.code, kind: a.entry.kind, phase: phase})
	a.requests.setAmounts(i, q.amount, q.subsidy)
	return i
}

// who names an identity.
func (a *Auditor) who(q *request) string {
	if q.automatic {
		return "自动圈存 automatic"
	}
	return string(a.campus.terminals[q.terminal-1].code[:]) + "/" + digits6(q.batch) + "/" + digits6(q.trace)
}

func digits6(n uint32) string {
	var d [6]byte
	for i := 5; i >= 0; i-- {
		d[i] = byte('0' + n%10)
		n /= 10
	}
	return string(d[:])
}

// original checks a purchase, balance enquiry, load or passage against everything that was decided before.
func (a *Auditor) original() {
	q, ok := a.readRequest(classOriginal)
	if !ok {
		return
	}
	if q.automatic {
		a.automaticLoad(&q)
		return
	}
	if a.entry.kind == kindPurchase {
		a.countPurchase(&q)
	}
	number, owned := a.requests.owner(q.key)
	i := a.appendRow(&q, phaseNothing)
	a.checkOriginalMoney(&q, i)
	if a.entry.kind == kindPurchase {
		a.judge(&q)
		a.keepMark(&q, i)
	}
	a.tell(&q)
	switch q.reason {
	case reasonTraceTooOld:
		return // may have been decided long ago: not its owner
	case reasonDuplicateDiffers, reasonReversedBefore:
		if !owned {
			a.note("%s:称重复或已冲正,但此前无此流水", "%s: refused as seen before, but it was not", a.who(&q))
			return
		}
		if phase := a.requests.at(number).phase; q.reason == reasonReversedBefore && phase != phaseReversed && phase != phaseTombstone {
			a.note("%s:称已冲正,但条目 %d 未被冲正", "%s: refused as reversed, but entry %d was not", a.who(&q), a.requests.at(number).sequence)
		}
		return
	}
	if !owned {
		a.requests.own(i)
		return
	}
	a.decidedTwice(&q, a.requests.at(number), a.requests.at(i))
}

// decidedTwice: an identity that has an owner was decided again.
func (a *Auditor) decidedTwice(q *request, first, again *row) {
	switch {
	case first.phase == phaseTombstone && q.reason == reasonNone:
		a.note("%s:冲正已先到(条目 %d),迟到的原交易 %s 却被批准", "%s: its reversal came first (entry %d), yet the late original of %s was approved", a.who(q), first.sequence, yuan(q.amount))
	case moves(first.phase) && moves(again.phase):
		a.duplicates[q.key] = struct{}{}
		a.note("%s:资金移动了两次,条目 %d 与本条,%s", "%s: money moved twice, in entry %d and in this one, %s", a.who(q), first.sequence, yuan(q.amount))
	default:
		a.note("%s:同一流水裁决了两次,先在条目 %d", "%s: decided twice, first in entry %d", a.who(q), first.sequence)
	}
}

func moves(phase byte) bool { return phase != phaseNothing && phase != phaseTombstone }

// checkOriginalMoney checks legs, hold, parts and the balance that was told, and sets the row's phase.
func (a *Auditor) checkOriginalMoney(q *request, i uint32) {
	e := &a.entry
	approved := q.reason == reasonNone
	if approved {
		a.checkStanding(q)
	}
	switch {
	case approved && e.kind == kindPurchase && q.card < strangerBase:
		a.requests.at(i).phase = phaseMoved
		h := a.holderOf(q.card)
		payable := a.campus.merchants[a.campus.terminals[q.terminal-1].merchant].payable
		if !q.price.plain() {
			a.prices[i] = q.price
		}
		a.keepSplit(i, h)
		if !a.boughtWith(q, h, payable) {
			a.note("%s:消费 %s 的分录与内容不符(主 %s、补贴 %s,应入账户 %d)", "%s: the legs of a purchase of %s are not its parts (main %s, subsidy %s, to account %d)", a.who(q), yuan(q.price.payable()), yuan(q.main), yuan(q.subsidy), payable)
		}
		a.noHold()
	case approved && e.kind == kindLoad && q.card < strangerBase:
		a.requests.at(i).phase = phaseLoadOpen
		a.requests.at(i).code = [2]byte{} // not answered yet
		a.openLoad(q, i)
	default:
		a.noMoney()
	}
	a.checkBalanceTold(q)
}

// checkStanding: what was approved was approved for a card, a person, a shop and a terminal in good standing.
func (a *Auditor) checkStanding(q *request) {
	if q.card >= strangerBase {
		a.note("%s:未登记的卡被批准", "%s: approved for a card that is not registered", a.who(q))
		return
	}
	t := &a.campus.terminals[q.terminal-1]
	c := &a.campus.cards[q.card-1]
	if c.state != 0 || c.expiry != 0 && a.campus.date(a.entry.time) > c.expiry || a.campus.holders[c.holder].state != 0 {
		a.note("%s:卡 %s 或其持卡人状态不允许,却被批准", "%s: approved although card %s or its holder is not in good standing", a.who(q), masked(c.number))
	}
	if t.suspended || a.campus.merchants[t.merchant].closed {
		a.note("%s:终端停用或商户停业,却被批准", "%s: approved although the terminal is suspended or the merchant closed", a.who(q))
	}
}

func (a *Auditor) holderOf(card uint32) *holder {
	return &a.campus.holders[a.campus.cards[card-1].holder]
}

func (a *Auditor) noHold() {
	if a.entry.hold.op != holdNone {
		a.note("不应有冻结操作", "a hold operation does not belong here")
	}
}

func (a *Auditor) noMoney() {
	a.noHold()
	if l := a.entry.legs; len(l) > 0 {
		a.note("不应移动资金:账户 %d %s", "must not move money: account %d %s", l[0].account, yuan(l[0].amount))
	}
}

func (a *Auditor) available(id uint32) int64 {
	if !a.known(id) {
		return 0
	}
	return a.accounts[id].balance - a.accounts[id].held
}

// checkBalanceTold: the balance in the answer is what both purses can spend after the entry.
func (a *Auditor) checkBalanceTold(q *request) {
	if !q.hasBalance || q.card >= strangerBase {
		return
	}
	h := a.holderOf(q.card)
	if now := a.spendable(h); now != q.balance {
		a.note("%s:告知余额 %s,应为 %s(账户 %d)", "%s: told a balance of %s, it is %s (account %d)", a.who(q), yuan(q.balance), yuan(now), h.main)
	}
}
