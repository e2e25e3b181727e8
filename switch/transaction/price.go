package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules"
)

// priced is how a purchase's price came about, as its record carries it behind the parts (flagPriced):
//
//	class u8 | meal u8 | rules version uvarint | list price uvarint | discount uvarint | fee uvarint | how u8
//
// The record's amount is then list - discount + fee: what is moved from the holder. The list price is what the terminal asked for (DE 4).
// A refused purchase has the price as far as it was looked at. The reversal of a purchase has what it gives back, with version 0: its
// original names the version.
type priced struct {
	rules.Price
	set     bool
	class   uint8 // row of the holder's class; 0 too when the card is unknown
	meal    uint8 // 0 outside every meal period
	version uint32
}

// put writes it at a place and returns the place behind it.
func (p *priced) put(b *ledger.Room, at uint8) uint8 {
	b[at], b[at+1] = p.class, p.meal
	at = b.PutUvarint(at+2, uint64(p.version))
	at = b.PutUvarint(at, uint64(p.List))
	at = b.PutUvarint(at, uint64(p.Discount))
	at = b.PutUvarint(at, uint64(p.Fee))
	b[at] = byte(p.How)
	return at + 1
}

func (p *payloadReader) price() priced {
	return priced{
		set: true, class: p.byte(), meal: p.byte(), version: uint32(p.uvarint()),
		Price: rules.Price{List: money.Fen(p.uvarint()), Discount: money.Fen(p.uvarint()), Fee: money.Fen(p.uvarint()), How: rules.How(p.byte())},
	}
}

// pack puts what the duplicate table must remember of an approved purchase's price into the word that loads keep their moment in:
//
//	discount 24 bits | fee 26 | meal 4 | how 4 | class 6
func (p *priced) pack() uint64 {
	return uint64(p.Discount)<<40 | uint64(p.Fee)<<14 | uint64(p.meal&0x0F)<<10 | uint64(p.How&0x0F)<<6 | uint64(p.class&0x3F)
}

// price unpacks it. Of a purchase from the time before prices everything is zero but the list price.
func (a *answered) price() priced {
	w := uint64(a.asked)
	return priced{
		set: true, class: uint8(w & 0x3F), meal: uint8(w >> 10 & 0x0F),
		Price: rules.Price{List: a.amount, Discount: money.Fen(w >> 40), Fee: money.Fen(w >> 14 & (1<<26 - 1)), How: rules.How(w >> 6 & 0x0F)},
	}
}

// asked is the amount that the terminal sent.
func (r *record) asked() money.Fen {
	if r.price.set {
		return r.price.List
	}
	return r.amount
}

// quote gives the record of a purchase its price: what the subsystem found, or the list price alone when it was refused before that.
func (d *decider) quote(r *Request, o *Outcome) {
	p := &d.record.price
	*p = priced{Price: o.Price, set: true, meal: o.Meal, version: d.state.rulebook.inForce}
	if p.List == 0 {
		p.List = r.Amount
	}
	if d.holder != nil {
		p.class = d.holder.Class
	}
	d.record.amount = p.Payable()
}

// pay writes the legs of a price but those of the purses: sign is 1 for a purchase, -1 when it is given back. The merchant gets the list price
// less the discount that it bears itself; what the school bears is its expense.
func (d *decider) pay(merchant *Merchant, p *priced, sign money.Fen) {
	d.leg(merchant.Payable, sign*p.Merchant())
	if school := p.School(); school != 0 {
		d.leg(d.state.site(ledger.CodeSchoolDiscount), -sign*school)
	}
	d.leg(AccountManagementFee, sign*p.Fee)
}
