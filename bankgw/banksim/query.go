package banksim

import (
	"strings"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// takeQuery tells what became of a load (0600/0610): DE 39 is of the query, DE 44 what the load was answered, DE 4 its amount.
func (b *Bank) takeQuery(l *link, m *iso8583.BankMessage) {
	trace, traced := m.Number(11)
	key := loadKey{trace, m.String(37)}
	if !traced || len(key.reference) != 12 || !strings.HasPrefix(m.String(90), "0200"+m.String(11)) {
		b.send(l, b.answer(m, codeFormat), nil)
		return
	}
	how := b.next(kindQuery)
	if b.turnedAway(l, m, how) {
		return
	}
	if how.verb == verbSlow {
		b.later(how.after, func() { b.send(l, b.queryAnswer(m, key), nil) })
		return
	}
	answer := b.queryAnswer(m, key)
	switch how.verb {
	case verbWrongAmount:
		if amount, ok := answer.Number(4); ok {
			answer.SetNumber(4, amount+100)
		}
	case verbWrongReference:
		answer.Set(37, "999"+m.String(37)[3:])
	}
	b.deliver(l, answer, how)
}

// queryAnswer reads the books.
func (b *Bank) queryAnswer(m *iso8583.BankMessage, key loadKey) *iso8583.BankMessage {
	code, state, amount := b.fateOf(key)
	if code == "" {
		return b.answer(m, codeNotFound)
	}
	answer := b.answer(m, codeApproved).Set(44, code).SetNumber(4, uint64(amount))
	if state == Debited || state == Paid {
		answer.Set(38, "A"+key.reference[len(key.reference)-5:])
	}
	return answer
}

// fateOf is what a load was answered, where it stands and its amount; an empty code when the bank has never heard of it.
func (b *Bank) fateOf(key loadKey) (code string, state State, amount money.Fen) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, known := b.books.records[key]
	switch {
	case !known:
		return "", 0, 0
	case r.State == Reversed || r.State == Refused:
		return codeInvalid, r.State, r.Amount
	}
	return r.Code, r.State, r.Amount
}
