package terminals

import (
	"strconv"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// What a receipt shows besides the amount that was asked for (DE 4, echoed as ever) stands in F59 of the 0210, in the tags of the wire handbook
// 5.1: C6 the number of the meal, C8 the list price, C9 the discount, CA the management fee with any surcharge, CB what was taken. They are
// there only when something was taken off or put on: a terminal at a site without prices never sees them, and one that does not know them
// passes F59 over and shows the balance.
const (
	tagMeal     = "C6"
	tagList     = "C8"
	tagDiscount = "C9"
	tagFee      = "CA"
	tagPayable  = "CB"
)

// priceField writes F59 of a purchase that was not sold at its list price.
func (s *Session) priceField(d *transaction.Decision) {
	p := &d.Price
	if p.Discount == 0 && p.Fee == 0 {
		return
	}
	t := s.sessions
	list := t.prices[:0]
	if d.Meal != 0 {
		list = t.appendAmount(list, tagMeal, money.Fen(d.Meal))
	}
	list = t.appendAmount(list, tagList, p.List)
	list = t.appendAmount(list, tagDiscount, p.Discount)
	list = t.appendAmount(list, tagFee, p.Fee)
	t.prices = t.appendAmount(list, tagPayable, p.Payable())
	t.builder.Bytes(59, t.prices)
}

// appendAmount writes a tag with fen in decimal: never more than nine digits.
func (t *Sessions) appendAmount(dst []byte, tag string, amount money.Fen) []byte {
	digits := strconv.AppendInt(t.digits[:0], int64(amount), 10)
	return append(append(dst, tag[0], tag[1], '0', '0', byte('0'+len(digits))), digits...)
}
