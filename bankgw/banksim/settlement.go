package banksim

import (
	"fmt"
	"time"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

const (
	secondsPerDay = 24 * 60 * 60
	dayHours      = 24 * time.Hour
	yearDays      = 366
)

// Settlement codes, DE 66.
const (
	settlementBalanced    = 1
	settlementNotBalanced = 2
	settlementInError     = 3
)

// Day is the bank's settlement date now, in days since 1970.
func (b *Bank) Day() uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.postingNow().Day
}

// SetDay sets the settlement date, whatever the clock says; 0 goes back to the clock.
func (b *Bank) SetDay(day uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pinned = day
}

// postingNow is the day and the moment of what is booked now.
// REQUIRES: mu is held.
func (b *Bank) postingNow() Posting {
	moment := b.config.Clock().UTC().Add(b.config.Zone)
	day := b.pinned
	if day == 0 {
		counted := moment
		if b.config.CutOver > 0 {
			counted = moment.Add(dayHours - b.config.CutOver)
		}
		day = uint32(counted.Unix() / secondsPerDay)
	}
	return Posting{Day: day, Moment: moment}
}

// settlementDay is DE 15 of the answer to a load or a reversal: when the books have it, else now. 0 for all other messages.
func (b *Bank) settlementDay(request *iso8583.BankMessage) uint32 {
	mti := request.MTI()
	if mti != "0200" && mti != "0201" && mti != "0420" && mti != "0421" {
		return 0
	}
	trace, _ := request.Number(11)
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.books.records[loadKey{trace, request.String(37)}]; r != nil {
		posting := r.Debit
		if mti != "0200" && mti != "0201" {
			posting = r.Return
		}
		if posting.Day != 0 {
			return posting.Day
		}
	}
	return b.postingNow().Day
}

func monthAndDay(day uint32) string {
	return time.Unix(int64(day)*secondsPerDay, 0).UTC().Format("0102")
}

// dayOf finds the settlement date that DE 15 means: the latest one that the bank has had, tomorrow taken in.
func (b *Bank) dayOf(text string) (day uint32, ok bool) {
	today := b.Day()
	for day := today + 1; day+yearDays > today && day > 0; day-- {
		if monthAndDay(day) == text {
			return day, true
		}
	}
	return 0, false
}

// Totals are what the bank has booked on a settlement date: loads debited, and loads given back whenever they were debited.
func (b *Bank) Totals(day uint32) (debits, reversed Count) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.books.records {
		if day != 0 && r.Debit.Day == day && !r.Credit {
			debits.add(r.Amount)
		}
		if day != 0 && r.Return.Day == day {
			reversed.add(r.Amount)
		}
	}
	return debits, reversed
}

// Credits are the withdrawals that the bank has paid on a settlement date.
func (b *Bank) Credits(day uint32) (credits Count) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.books.records {
		if day != 0 && r.Debit.Day == day && r.Credit {
			credits.add(r.Amount)
		}
	}
	return credits
}

// takeTotals answers an 0520 with the bank's own totals and says whether the campus has the same.
func (b *Bank) takeTotals(l *link, m *iso8583.BankMessage) {
	how := b.next(kindTotals)
	if b.turnedAway(l, m, how) {
		return
	}
	switch how.verb {
	case verbSlow:
		how.verb = verbDelay
	case verbWrongAmount:
		answer := b.fullAnswer(m, codeApproved)
		amount, _ := answer.Number(88)
		b.send(l, answer.SetNumber(88, amount+100).SetNumber(66, settlementNotBalanced), nil)
		return
	}
	b.behave(l, m, how, codeApproved, nil)
}

// totalsAnswer puts the totals of the date asked for into an 0530.
func (b *Bank) totalsAnswer(request, answer *iso8583.BankMessage) *iso8583.BankMessage {
	answer.Set(15, request.String(15)).Set(50, request.String(50))
	day, ok := b.dayOf(request.String(15))
	if !ok {
		return answer.SetNumber(66, settlementInError)
	}
	debits, reversed := b.Totals(day)
	credits := b.Credits(day)
	return setTotals(answer, debits, reversed, credits).SetNumber(66, compare(request, debits, reversed, credits))
}

// setTotals writes DE 74 to 77, 86 to 89 and 97. The bank takes no credit back.
func setTotals(m *iso8583.BankMessage, debits, reversed, credits Count) *iso8583.BankMessage {
	sign, net := "D", debits.Sum-reversed.Sum-credits.Sum
	if net < 0 {
		sign, net = "C", -net
	}
	return m.SetNumber(74, uint64(credits.Count)).SetNumber(75, 0).SetNumber(76, uint64(debits.Count)).SetNumber(77, uint64(reversed.Count)).
		SetNumber(86, uint64(credits.Sum)).SetNumber(87, 0).SetNumber(88, uint64(debits.Sum)).SetNumber(89, uint64(reversed.Sum)).
		Set(97, fmt.Sprintf("%s%016d", sign, int64(net)))
}

// compare is DE 66: the campus's figures against the bank's.
func compare(request *iso8583.BankMessage, debits, reversed, credits Count) uint64 {
	code := uint64(settlementBalanced)
	for n, want := range map[int]uint64{74: uint64(credits.Count), 86: uint64(credits.Sum)} { // left out: none
		if figure, _ := request.Number(n); figure != want {
			code = settlementNotBalanced
		}
	}
	for n, want := range map[int]money.Fen{76: money.Fen(debits.Count), 77: money.Fen(reversed.Count), 88: debits.Sum, 89: reversed.Sum} {
		figure, ok := request.Number(n)
		switch {
		case !ok || !request.Has(n):
			return settlementInError
		case figure != uint64(want):
			code = settlementNotBalanced
		}
	}
	return code
}

// FileReady tells the campus on every link that the file of a day lies ready under a name of at most 17 characters: an 0520 with the day's
// totals and DE 101.
func (b *Bank) FileReady(day uint32, name string) {
	debits, reversed := b.Totals(day)
	b.mu.Lock()
	b.trace++
	trace, moment := b.trace, b.postingNow().Moment
	links := make([]*link, 0, len(b.links))
	for l := range b.links {
		links = append(links, l)
	}
	b.mu.Unlock()
	for _, l := range links {
		m := b.begin("0520").Set(7, moment.Format("0102150405")).SetNumber(11, trace).Set(15, monthAndDay(day)).Set(101, name)
		b.send(l, setTotals(m, debits, reversed, b.Credits(day)), nil)
	}
}
