package ledgertest

import "encoding/binary"

// Row types of a directory entry.
const (
	rowClass    = 1
	rowMerchant = 2
	rowDoor     = 3
	rowTerminal = 4
	rowHolder   = 5
	rowCard     = 6
	rowTerms    = 7
)

// campus is what the auditor must know about people and devices to say which accounts a request may touch.
type campus struct {
	merchants      []merchant
	terminals      []terminal // by number - 1
	holders        []holder
	cards          []card // by index
	merchantByCode map[[15]byte]uint32
	terminalByCode map[[8]byte]uint32 // number
	holderByNumber map[string]uint32
	cardByNumber   map[uint64]uint32
	transit        uint32 // account of loads in transit, 0 unknown
	managementFee  uint32
	schoolDiscount uint32
	classes        []class

	programmes      []programme
	programmeByCode map[string]uint32
	operators       []string // codes, in the order of their numbers
	desks           []auditedDesk
	zone            int64          // seconds east of UTC
	bound           map[uint64]int // holders by bank account; nil until one has signed
}

type merchant struct {
	code          [15]byte
	payable       uint32
	opens, closes uint32 // minutes of its day; equal: always open
	closed        bool
	terms
}

// terms are what was agreed with a merchant.
type terms struct {
	group      byte
	department bool
	serviceFee uint64
}

// class is a class of holders with its limits where no rules say otherwise.
type class struct {
	code         string
	wholeSubsidy bool
	limits       limits
}

// class returns a class by its row.
func (c *campus) class(i byte) *class {
	if int(i) >= len(c.classes) {
		return &class{}
	}
	return &c.classes[i]
}

type terminal struct {
	code      [8]byte
	merchant  uint32
	suspended bool
}

type holder struct {
	main, subsidy uint32
	state, class  byte
	spent         spent
	purses        []ownedPurse // of programmes, and what he owes
	account       uint64       // at the bank; 0 none
	withdrawing   int          // withdrawals that are on their way to it
	agreement     *agreement   // nil: he has never signed
}

type card struct {
	number uint64
	holder uint32
	expiry uint32
	state  byte
	hasPIN bool
}

func newCampus() campus {
	return campus{
		merchantByCode: map[[15]byte]uint32{}, terminalByCode: map[[8]byte]uint32{},
		holderByNumber: map[string]uint32{}, cardByNumber: map[uint64]uint32{}, programmeByCode: map[string]uint32{},
	}
}

// The site's own accounts that terminals' requests move, of account set 0.
const (
	codeLoadInTransit  = 1011
	codeManagementFee  = 2301
	codeSchoolDiscount = 6002
)

// siteAccount finds them as they are opened.
func (a *Auditor) siteAccount(o opening, id uint32) {
	if o.flags>>4 != 0 {
		return
	}
	switch o.code {
	case codeLoadInTransit:
		a.campus.transit = id
	case codeManagementFee:
		a.campus.managementFee = id
	case codeSchoolDiscount:
		a.campus.schoolDiscount = id
	}
}

// genesis: window u32 | zone i32, and the site's own accounts.
func (a *Auditor) genesis() {
	e := &a.entry
	if e.sequence != 1 || len(e.payload) != 8 || binary.BigEndian.Uint32(e.payload) == 0 {
		a.note("创世条目应为第 1 条、8 字节", "the genesis entry must be entry 1 with 8 bytes, it has %d", len(e.payload))
	}
	if len(e.payload) == 8 {
		a.campus.zone = int64(int32(binary.BigEndian.Uint32(e.payload[4:])))
	}
}

// date is the date at the site, which limits and a card's last day go by; the business day may be another.
func (c *campus) date(micros int64) uint32 { return uint32((micros/1_000_000 + c.zone) / 86_400) }

// clock is the date and the minute at the site.
func (c *campus) clock(micros int64) (day, minute uint32) {
	seconds := micros/1_000_000 + c.zone
	return uint32(seconds / 86_400), uint32(seconds % 86_400 / 60)
}

func (a *Auditor) malformedPayload() {
	a.note("类型 %d 的内容无法读取", "the payload of kind %d cannot be read", a.entry.kind)
}

// directoryRow takes one row of an import. The accounts that it opens are in the entry.
func (a *Auditor) directoryRow() {
	e, c := &a.entry, &a.campus
	if len(e.legs) > 0 {
		a.note("登记条目不应移动资金", "a directory entry must not move money")
	}
	r := reader{b: e.payload}
	switch r.byte() {
	case rowClass:
		a.addClass(&r)
	case rowMerchant:
		a.addMerchant(&r)
	case rowDoor:
		r.text()
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			r.take(2)
			r.uvarint()
			r.uvarint()
		}
	case rowTerminal:
		a.addTerminal(&r)
	case rowHolder:
		number := string(r.text())
		class := a.classNamed(string(r.text()))
		h := holder{class: class, state: r.byte()}
		r.u64() // groups
		h.account = r.u64()
		if last := len(a.accounts) - 1; len(e.opens) == 2 && last >= 2 {
			h.main, h.subsidy = uint32(last-1), uint32(last)
		} else {
			r.bad = true
		}
		if _, twice := c.holderByNumber[number]; twice {
			a.note("持卡人 %s 登记了两次", "holder %s is registered twice", number)
		}
		c.holderByNumber[number] = uint32(len(c.holders))
		c.holders = append(c.holders, h)
		if c.bound != nil {
			c.bound[h.account]++
		}
	case rowCard:
		a.addCard(&r)
	default:
		a.settlementRow(e.payload[0], &r)
	}
	if !r.done() {
		a.malformedPayload()
	}
}

// addClass: code text | PIN single, PIN day, day amount, day count, purse cap, one load, loads of a day uvarint | whole subsidies only u8.
func (a *Auditor) addClass(r *reader) {
	c := class{code: string(r.text())}
	c.limits = limits{pinSingle: r.fen(), pinDay: r.fen(), dayAmount: r.fen(), dayCount: r.fen()}
	for range 3 { // limits of what is in the purse and of loads, which are not recomputed
		r.uvarint()
	}
	c.wholeSubsidy = r.byte() == 1
	a.campus.classes = append(a.campus.classes, c)
	a.rulebook.forget()
}

// classNamed is the row of a class, the newest of that code.
func (a *Auditor) classNamed(code string) byte {
	for i := len(a.campus.classes) - 1; i >= 0; i-- {
		if a.campus.classes[i].code == code {
			return byte(i)
		}
	}
	return 0
}

func (a *Auditor) addMerchant(r *reader) {
	c := &a.campus
	var code [15]byte
	copy(code[:], r.take(15))
	m := merchant{code: code, opens: r.u32(), closes: r.u32(), closed: r.byte() == 1}
	a.rulebook.forget()
	if len(a.entry.opens) == 1 {
		m.payable = uint32(len(a.accounts) - 1)
	} else {
		r.bad = true
	}
	if _, twice := c.merchantByCode[code]; twice {
		a.note("商户 %s 登记了两次", "merchant %s is registered twice", code[:])
	}
	c.merchantByCode[code] = uint32(len(c.merchants))
	c.merchants = append(c.merchants, m)
}

func (a *Auditor) addTerminal(r *reader) {
	c := &a.campus
	var t terminal
	copy(t.code[:], r.take(8))
	var code [15]byte
	copy(code[:], r.take(15))
	r.take(2)
	t.suspended = r.byte() == 1
	r.text()
	r.text()
	m, ok := c.merchantByCode[code]
	if !ok {
		a.note("终端 %s 的商户未登记", "the merchant of terminal %s is not registered", t.code[:])
	}
	t.merchant = m
	if _, twice := c.terminalByCode[t.code]; twice {
		a.note("终端 %s 登记了两次", "terminal %s is registered twice", t.code[:])
	}
	c.terminals = append(c.terminals, t)
	c.terminalByCode[t.code] = uint32(len(c.terminals))
}

func (a *Auditor) addCard(r *reader) {
	c := &a.campus
	n := card{number: r.u64()}
	h, ok := c.holderByNumber[string(r.text())]
	n.holder, n.state, n.expiry = h, r.byte(), r.u32()
	n.hasPIN = r.u64() != 0
	if !ok {
		a.note("卡 %s 的持卡人未登记", "the holder of card %s is not registered", masked(n.number))
	}
	if _, twice := c.cardByNumber[n.number]; twice {
		a.note("卡 %s 登记了两次", "card %s is registered twice", masked(n.number))
	}
	c.cardByNumber[n.number] = uint32(len(c.cards))
	c.cards = append(c.cards, n)
}

// cardState: card index + 1 uvarint | state u8 | operator text.
func (a *Auditor) cardState() {
	r := reader{b: a.entry.payload}
	index, to := r.u32(), r.byte()
	r.text()
	if !r.done() || index == 0 || int(index) > len(a.campus.cards) || to > 3 {
		a.malformedPayload()
		return
	}
	c := &a.campus.cards[index-1]
	if c.state == cardClosed {
		a.note("已注销的卡 %s 又改变了状态", "card %s was closed and has changed its state again", masked(c.number))
	}
	c.state = to
}

const cardClosed = 3

// openingBalance: money comes in from what the bank keeps for the holders, or from the subsidy that the school owes.
func (a *Auditor) openingBalance() {
	for _, l := range a.entry.legs {
		if !a.known(l.account) {
			continue
		}
		code := a.accounts[l.account].code
		if from := code == 1002 || code == 1131; from != (l.amount < 0) {
			a.note("期初余额的分录方向不符:账户 %d(%d)%s", "an opening balance with a leg the wrong way: account %d (%d) %s", l.account, code, yuan(l.amount))
		}
	}
}

// masked prints the first six and the last four digits of a card number.
func masked(number uint64) string {
	digits := []byte{}
	for ; number > 0; number /= 10 {
		digits = append([]byte{byte('0' + number%10)}, digits...)
	}
	if len(digits) < 12 {
		return "****"
	}
	for i := 6; i < len(digits)-4; i++ {
		digits[i] = '*'
	}
	return string(digits)
}
