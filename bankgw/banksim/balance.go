package banksim

import (
	"fmt"

	"onecard/switch/iso8583"
)

// balanceAct is DE 3 of a balance enquiry.
const balanceAct = "300000"

// fieldAmounts is DE 54.
const fieldAmounts = 54

// takeBalance answers a balance enquiry as the script says: what is in the account, and what is available, which are the same here.
func (b *Bank) takeBalance(l *link, m *iso8583.BankMessage) {
	how := b.next(kindBalance)
	if b.turnedAway(l, m, how) {
		return
	}
	if how.verb == verbSlow {
		b.later(how.after, func() { b.send(l, b.balanceAnswer(m), nil) })
		return
	}
	b.deliver(l, b.balanceAnswer(m), how)
}

func (b *Bank) balanceAnswer(m *iso8583.BankMessage) *iso8583.BankMessage {
	account := m.String(102)
	if account == "" {
		account = m.String(2)
	}
	if account == "" || len(m.String(37)) != 12 {
		return b.answer(m, codeFormat)
	}
	balance, side := b.Balance(account), 'C'
	if balance < 0 {
		balance, side = -balance, 'D'
	}
	return b.answer(m, codeApproved).Set(38, "B"+m.String(37)[7:]).Set(fieldAmounts, fmt.Sprintf("1002156%c%012d", side, int64(balance)))
}
