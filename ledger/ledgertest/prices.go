package ledgertest

// price is how the amount of a purchase came about, behind the parts of its record:
//
//	class u8 | meal u8 | rules version uvarint | list price uvarint | discount uvarint | fee uvarint | how u8
//
// The record's amount is list - discount + fee; the list price is what the terminal asked for.
type price struct {
	list, discount, fee int64
	version             uint64
	class, meal, how    byte
}

// Bits of how.
const (
	howSchoolBears = 1
	howAll         = 1<<4 - 1
)

// plain says that nothing was taken off and nothing put on.
func (p *price) plain() bool { return p.discount == 0 && p.fee == 0 }

func (p *price) payable() int64 { return p.list - p.discount + p.fee }

// legs are those of the price but for the purses; sign is -1 when it is given back.
func (a *Auditor) priceLegs(p *price, payable uint32, sign int64) []leg {
	school := int64(0)
	if p.how&howSchoolBears != 0 {
		school = p.discount
	}
	return []leg{{payable, sign * (p.list - p.discount + school)}, {a.campus.schoolDiscount, -sign * school}, {a.campus.managementFee, sign * p.fee}}
}

// readPrice reads the price of a request and makes its list price what the request asked for.
func (a *Auditor) readPrice(r *reader, q *request) {
	p := &q.price
	q.priced = true
	*p = price{class: r.byte(), meal: r.byte(), version: r.uvarint(), list: r.fen(), discount: r.fen(), fee: r.fen(), how: r.byte()}
	if r.bad {
		return
	}
	if p.payable() != q.amount || p.discount > p.list || p.how > howAll || p.meal > 15 || int(p.class) >= max(1, len(a.campus.classes)) {
		a.note("价格不符:原价 %s、优惠 %s、管理费 %s,应付 %s", "a price that does not add up: list %s, discount %s, fee %s, payable %s", yuan(p.list), yuan(p.discount), yuan(p.fee), yuan(q.amount))
	}
	q.amount = p.list
}

// ruleVersion takes a publication of the rules: they are numbered one after another, a version names itself or an older one, and no money moves.
//
//	number uvarint | names uvarint | effective varint | author, approver, reason text | tables, to the end, when it names itself
func (a *Auditor) ruleVersion() {
	a.noMoney()
	r := reader{b: a.entry.payload}
	number, names := r.uvarint(), r.uvarint()
	effective := r.varint()
	author, approver := r.text(), r.text()
	r.text()
	if r.bad || (names == number) != (len(r.b) > 0) || len(author) == 0 {
		a.malformedPayload()
		return
	}
	last := uint64(len(a.rulebook.versions))
	if number != last+1 || names > number {
		a.note("规则版本 %d(内容同版本 %d)接在版本 %d 之后", "version %d of the rules, with the tables of %d, follows version %d", number, names, last)
	}
	if string(author) == string(approver) {
		a.note("规则版本 %d 由同一人发布和审核", "version %d of the rules has one person as author and approver", number)
	}
	if effective < a.entry.time {
		a.note("规则版本 %d 的生效时间早于发布:已售的不能改价", "version %d of the rules is in force from before its publication: what was sold keeps its price", number)
	}
	v := version{effective: effective, tables: &ruleTables{}}
	switch tables, ok := readTables(r.b); {
	case names == number && !ok:
		a.malformedPayload()
	case names == number:
		v.tables = tables
	case names > 0 && names <= last:
		v.tables = a.rulebook.versions[names-1].tables
	}
	a.rulebook.versions = append(a.rulebook.versions, v)
	a.rulebook.forget()
}
