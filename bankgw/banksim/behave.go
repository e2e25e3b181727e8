package banksim

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// Network functions, DE 70.
const (
	functionSignOn  = 1
	functionSignOff = 2
	functionEcho    = 301
)

// secondAnswer is how long after the first one it comes.
const secondAnswer = 20 * time.Millisecond

// echoed are the fields of a request that its answer repeats.
var echoed = []int{2, 3, 4, 7, 11, 12, 13, 18, 25, 32, 33, 37, 41, 42, 49, 70, 90, 100, 102, 103}

// take answers one message as the script says.
func (b *Bank) take(l *link, m *iso8583.BankMessage) {
	switch m.MTI() {
	case "0200":
		if !l.signedOn {
			b.send(l, b.answer(m, codeUnsigned), nil)
			return
		}
		if m.String(3) == balanceAct {
			b.takeBalance(l, m)
			return
		}
		b.takeLoad(l, m)
	case "0201":
		b.takeLoad(l, m)
	case "0420", "0421":
		b.takeReversal(l, m)
	case "0600":
		b.takeQuery(l, m)
	case "0100":
		b.takeSigning(l, m)
	case "0820":
		b.takeNetwork(l, m)
	case "0520":
		b.takeTotals(l, m)
	case "0810":
		b.takeKeyAnswer(m)
	case "0530":
		if verdict, _ := m.Number(66); verdict == settlementBalanced {
			b.mu.Lock()
			b.books.stats.TotalsAgreed++
			b.mu.Unlock()
		}
	case "0830": // of our own Ask
	default:
		b.send(l, b.answer(m, codeUnknown), nil)
	}
}

// next takes the behaviour for a request of a kind.
func (b *Bank) next(k kind) behaviour {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.program.next(k)
}

// answer begins the answer to a request.
func (b *Bank) answer(request *iso8583.BankMessage, code string) *iso8583.BankMessage {
	mti := []byte(request.MTI())
	mti[2], mti[3] = mti[2]|1, '0'
	m := b.begin(string(mti))
	for _, n := range echoed {
		m.Set(n, request.String(n))
	}
	if day := b.settlementDay(request); day != 0 {
		m.Set(15, monthAndDay(day))
	}
	return m.Set(39, code)
}

// financial reads what a load or a reversal is about; ok is false when something is missing.
func financial(m *iso8583.BankMessage) (key loadKey, account string, amount money.Fen, ok bool) {
	trace, traced := m.Number(11)
	fen, priced := m.Number(4)
	key, account = loadKey{trace, m.String(37)}, m.String(102)
	if account == "" {
		account = m.String(2)
	}
	return key, account, money.Fen(fen), traced && priced && fen > 0 && len(key.reference) == 12 && account != ""
}

func (b *Bank) takeLoad(l *link, m *iso8583.BankMessage) {
	key, account, amount, ok := financial(m)
	if !ok {
		b.send(l, b.answer(m, codeFormat), nil)
		return
	}
	asked, credit := kindLoad, isWithdrawal(m)
	if credit {
		asked = kindWithdrawal
	}
	how := b.next(asked)
	decline := how.code
	if !b.permits(account) {
		decline = codeNotAllowed
	}
	switch how.verb {
	case verbLose:
		return
	case verbClose:
		l.close()
		return
	case verbSlow:
		b.later(how.after, func() {
			code, _ := b.book(key, account, m.String(103), amount, decline, credit)
			b.send(l, b.fullAnswer(m, code), nil)
		})
		return
	case verbRecant:
		decline = codeFunds
	}
	if credit && how.verb == verbDecline && atTheFront(m.MTI(), how.code) {
		b.send(l, b.answer(m, how.code), nil)
		return
	}
	code, r := b.book(key, account, m.String(103), amount, decline, credit)
	b.behave(l, m, how, code, r)
}

// atTheFront says whether a refusal of a credit comes from the bank's front end, which does not look into the books: one about its health, or one
// about a message that is a repeat. What is said of the account the books have to say, once and for all copies.
func atTheFront(mti, code string) bool {
	return code[0] == '9' || mti == "0201" && slices.Contains([]string{codeInvalid, codeFormat, codeUnknown, "A0", codeUnsigned}, code)
}

// isWithdrawal says whether a request is a credit to the account.
func isWithdrawal(m *iso8583.BankMessage) bool { return strings.HasPrefix(m.String(3), "29") }

func (b *Bank) book(key loadKey, account, campus string, amount money.Fen, decline string, credit bool) (string, *Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if credit {
		return b.books.withdraw(key, account, campus, amount, decline)
	}
	return b.books.load(key, account, campus, amount, decline)
}

func (b *Bank) redeem(r *Record) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.books.redeem(r)
}

// behave answers a request that the books have taken. r is nil for all but loads.
func (b *Bank) behave(l *link, m *iso8583.BankMessage, how behaviour, code string, r *Record) {
	answer := b.fullAnswer(m, code)
	switch how.verb {
	case verbLate:
		b.mu.Lock()
		r.held = func() { b.send(l, answer, nil) }
		b.mu.Unlock()
	case verbWrongAmount:
		amount, _ := m.Number(4)
		b.send(l, answer.SetNumber(4, amount+100), nil)
	case verbWrongReference:
		b.send(l, answer.Set(37, "999"+m.String(37)[3:]), nil)
	case verbContradict:
		b.send(l, answer, nil)
		b.later(secondAnswer, func() { b.send(l, b.answer(m, codeFunds), nil) })
	case verbRecant:
		b.send(l, answer, nil)
		b.later(secondAnswer, func() { b.send(l, b.fullAnswer(m, b.redeem(r)), nil) })
	default:
		b.deliver(l, answer, how)
	}
}

// deliver sends an answer as the behaviour says, whatever it answers.
func (b *Bank) deliver(l *link, answer *iso8583.BankMessage, how behaviour) {
	switch how.verb {
	case verbDrop:
	case verbDoneClose:
		l.close()
	case verbDelay:
		b.later(how.after, func() { b.send(l, answer, nil) })
	case verbTwice:
		b.send(l, answer, nil)
		b.later(secondAnswer, func() { b.send(l, answer, nil) })
	case verbWrongMAC:
		b.send(l, answer, func(payload []byte) []byte { payload[len(payload)-1] ^= 1; return payload })
	case verbGarbage:
		b.send(l, answer, func(payload []byte) []byte { return bytes.Repeat([]byte("?"), len(payload)) })
	default:
		b.send(l, answer, nil)
	}
}

// fullAnswer is answer with DE 38, the bank's own number of a debit, where there was one, and the totals where they were asked for.
func (b *Bank) fullAnswer(m *iso8583.BankMessage, code string) *iso8583.BankMessage {
	answer := b.answer(m, code)
	if m.MTI() == "0520" {
		return b.totalsAnswer(m, answer)
	}
	if reference := m.String(37); (m.MTI() == "0200" || m.MTI() == "0201") && code == codeApproved {
		answer.Set(38, "A"+reference[len(reference)-5:])
	}
	return answer
}

// turnedAway does what needs nothing of the request: it loses it, closes the line or declines, when the script says so.
func (b *Bank) turnedAway(l *link, m *iso8583.BankMessage, how behaviour) bool {
	switch how.verb {
	case verbLose:
	case verbClose:
		l.close()
	case verbDecline:
		b.send(l, b.answer(m, how.code), nil)
	default:
		return false
	}
	return true
}

func (b *Bank) takeReversal(l *link, m *iso8583.BankMessage) {
	key, account, amount, ok := financial(m)
	if !ok || !strings.HasPrefix(m.String(90), "0200"+m.String(11)) {
		b.send(l, b.answer(m, codeFormat), nil)
		return
	}
	how := b.next(kindReversal)
	if b.turnedAway(l, m, how) {
		return
	}
	if how.verb == verbSlow {
		b.later(how.after, func() { b.giveBack(l, m, behaviour{}, key, account, amount) })
		return
	}
	b.giveBack(l, m, how, key, account, amount)
}

// giveBack reverses in the books, answers, and then sends the load's own answer if it was kept for now.
func (b *Bank) giveBack(l *link, m *iso8583.BankMessage, how behaviour, key loadKey, account string, amount money.Fen) {
	b.mu.Lock()
	code, r := b.books.reverse(key, account, amount)
	held := r.held
	r.held = nil
	b.mu.Unlock()
	b.behave(l, m, how, code, nil)
	if held != nil {
		l.rest() // it is a message of its own
		held()
	}
}

func (b *Bank) takeNetwork(l *link, m *iso8583.BankMessage) {
	function, _ := m.Number(70)
	if function == functionKey {
		b.takeKeyAsk(l, m)
		return
	}
	k, code := kindEcho, codeApproved
	b.mu.Lock()
	switch function {
	case functionSignOn:
		k = kindSignOn
		b.books.stats.SignOns++
	case functionSignOff:
		k = kindSignOff
		b.books.stats.SignOffs++
	case functionEcho:
		b.books.stats.Echoes++
	default:
		code = codeUnknown
	}
	b.mu.Unlock()
	how := b.next(k)
	switch how.verb {
	case verbLose:
		return
	case verbClose:
		l.close()
		return
	case verbDecline:
		code = how.code
	case verbSlow:
		how.verb = verbDelay
	}
	if k == kindSignOn || k == kindSignOff {
		l.signedOn = k == kindSignOn && code == codeApproved
	}
	b.behave(l, m, how, code, nil)
}
