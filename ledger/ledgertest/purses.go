package ledgertest

// Purses of programmes: what a holder has besides his main and his general subsidy purse.

// debtProgramme is the programme number of the account of what a holder owes.
const debtProgramme = 1<<16 - 1

// programme is what the auditor must know of a subsidy programme.
type programme struct {
	set        byte
	receivable uint32
	provider   string
	bounds
}

// bounds say where and how much of a programme's money can be used; they can change.
type bounds struct {
	purposes  uint64 // groups of merchants, a bit each; 0 all
	perMeal   int64  // 0 no bound
	wholeOnly bool
}

// ownedPurse is a holder's purse of a programme.
type ownedPurse struct {
	account   uint32
	programme uint32
	expiry    uint64 // last day of its money, 0 never
	used      int64  // in the meal that is told by its number and its date
	usedBegan uint32
	usedMeal  byte
}

const codeSubsidyReceivable = 1131

// addProgramme: code text | account code uvarint | set u8 | purposes u64 | provider text | per meal uvarint | whole only u8. A provider's
// first programme opens the account of what he owes.
func (a *Auditor) addProgramme(r *reader) {
	code := string(r.text())
	r.uvarint()
	p := programme{set: r.byte()}
	purposes := r.u64()
	p.provider = string(r.text())
	p.bounds = bounds{purposes, r.fen(), r.byte() == 1}
	c := &a.campus
	if i, there := c.programmeByCode[code]; there {
		c.programmes[i].bounds = p.bounds // they change, the money does not
		return
	}
	c.programmeByCode[code] = uint32(len(c.programmes))
	switch {
	case len(a.entry.opens) == 1:
		p.receivable = uint32(len(a.accounts) - 1)
	case p.provider == "":
		p.receivable = a.siteReceivable(p.set)
	default:
		for _, other := range c.programmes {
			if other.set == p.set && other.provider == p.provider {
				p.receivable = other.receivable
			}
		}
	}
	c.programmes = append(c.programmes, p)
}

// siteReceivable is the first account of its kind in an account set: the site's own chart is opened before any provider's.
func (a *Auditor) siteReceivable(set byte) uint32 {
	for i := range a.accounts {
		if a.accounts[i].code == codeSubsidyReceivable && a.accounts[i].set == set {
			return uint32(i)
		}
	}
	return 0
}

// purse takes a holder's new purse: holder uvarint | programme uvarint, one account opened.
func (a *Auditor) purse() {
	r := reader{b: a.entry.payload}
	h, number := r.uvarint(), r.uvarint()
	if !r.done() || h == 0 || h > uint64(len(a.campus.holders)) || len(a.entry.opens) != 1 || len(a.entry.legs) > 0 ||
		number != debtProgramme && number >= uint64(len(a.campus.programmes)) {
		a.malformedPayload()
		return
	}
	owner := &a.campus.holders[h-1]
	for _, p := range owner.purses {
		if uint64(p.programme) == number {
			a.note("持卡人 %d 的同一钱包开了两次(项目 %d)", "holder %d has two purses of programme %d", h, number)
		}
	}
	owner.purses = append(owner.purses, ownedPurse{account: uint32(len(a.accounts) - 1), programme: uint32(number)})
}

// spends says whether a purse's money can be spent on a calendar day.
func (a *Auditor) spends(p *ownedPurse, day uint32) bool {
	return p.programme != debtProgramme && a.campus.programmes[p.programme].set == 0 && (p.expiry == 0 || uint64(day) <= p.expiry)
}

// spendable is what a holder can spend now.
func (a *Auditor) spendable(h *holder) int64 {
	sum := a.available(h.main) + a.available(h.subsidy)
	day := a.campus.date(a.entry.time)
	for i := range h.purses {
		if p := &h.purses[i]; a.spends(p, day) {
			sum += a.available(p.account)
		}
	}
	return sum
}

// boughtWith says whether the legs of a purchase are its parts: what main pays is main, the rest is paid by subsidies of the holder that had
// not expired, and what others get is the price.
func (a *Auditor) boughtWith(q *request, h *holder, payable uint32) bool {
	main, subsidy := int64(0), int64(0)
	var others [entryLegsMax]leg
	rest := entry{legs: others[:0]}
	day := a.campus.date(a.entry.time)
	for _, l := range a.entry.legs {
		switch {
		case l.account == h.main && l.amount < 0:
			main -= l.amount
		case l.amount < 0 && (l.account == h.subsidy || a.purseSpends(h, l.account, day)):
			subsidy -= l.amount
		default:
			rest.legs = append(rest.legs, l)
		}
	}
	right := main == q.main && subsidy == q.subsidy && main+subsidy == q.price.payable() && q.amount > 0
	return right && rest.sameLegs(a.priceLegs(&q.price, payable, 1)...)
}

func (a *Auditor) purseSpends(h *holder, account, day uint32) bool {
	for i := range h.purses {
		if p := &h.purses[i]; p.account == account {
			return a.spends(p, day)
		}
	}
	return false
}

// keepSplit remembers the legs of a purchase that programmes took part in: its reversal must give each back.
func (a *Auditor) keepSplit(i uint32, h *holder) {
	for _, l := range a.entry.legs {
		if l.amount < 0 && l.account != h.main && l.account != h.subsidy && l.account != a.campus.schoolDiscount {
			a.splits[i] = append([]leg(nil), a.entry.legs...)
			return
		}
	}
}

// givesBack says whether the entry's legs are those of a split original turned round. Money of a programme that has expired meanwhile goes to
// its provider (handbook 3.4).
func (a *Auditor) givesBack(original []leg, h *holder) bool {
	want := make([]leg, 0, len(original))
	day := a.campus.date(a.entry.time)
	for _, l := range original {
		back := leg{l.account, -l.amount}
		for i := range h.purses {
			if p := &h.purses[i]; p.account == l.account && p.expiry != 0 && uint64(day) > p.expiry {
				back.account = a.campus.programmes[p.programme].receivable
			}
		}
		want = append(want, back)
	}
	return a.entry.sameLegs(want...)
}
