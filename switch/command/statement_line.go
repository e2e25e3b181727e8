package command

import (
	"fmt"
	"strings"
	"time"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/daemon"
	"onecard/switch/transaction"
)

// line adds one entry to the table.
func (s *statementReader) line(sequence uint64) error {
	e, day, err := s.store.Entry(sequence)
	if err != nil {
		return err
	}
	l, ok := transaction.ReadEntry(sequence, day, &e)
	if !ok {
		return fmt.Errorf("第 %d 条无法读取 / entry %d cannot be read: run onecard verify", sequence, sequence)
	}
	change := s.change(&l, &e)
	result := resultOf(&l)
	if l.Kind == transaction.KindLoad && l.Reason == transaction.ReasonNone {
		if result, err = s.finishLoad(&l, &change); err != nil {
			return err
		}
	}
	s.table.add(
		s.local(l.Time), transaction.ReferenceOf(sequence).String(), whatOf(&l), s.partner(&l), traceText(&l),
		amountText(l.Amount, l.Kind != transaction.KindPassage && l.Kind != transaction.KindCardState && l.Kind != transaction.KindBalance), changeText(change), amountText(l.Balance, l.HasBalance), result,
	)
	return nil
}

// change is what an entry did to both purses of the line's holder.
func (s *statementReader) change(l *transaction.Line, e *ledger.Entry) money.Fen {
	if l.Kind == transaction.OpeningKind {
		return l.Amount
	}
	if l.Card == 0 {
		return 0
	}
	h := s.state.Holder(s.state.Card(l.Card - 1).Holder)
	var sum money.Fen
	for _, leg := range e.Legs {
		if leg.Account == h.Main || leg.Account == h.Subsidy {
			sum += leg.Amount
		}
	}
	return sum
}

// finishLoad reads what became of a load and takes it into its line.
func (s *statementReader) finishLoad(l *transaction.Line, change *money.Fen) (string, error) {
	said, err := s.entries(transaction.StatementLoad, l.Sequence)
	if err != nil {
		return "", err
	}
	if len(said) == 0 {
		return "在途,等银行应答 / on its way, waiting for the bank", nil
	}
	var words []string
	for i := len(said) - 1; i >= 0; i-- { // oldest first
		e, day, err := s.store.Entry(said[i])
		if err != nil {
			return "", err
		}
		outcome, ok := transaction.ReadEntry(said[i], day, &e)
		if !ok {
			return "", fmt.Errorf("第 %d 条无法读取 / entry %d cannot be read: run onecard verify", said[i], said[i])
		}
		if outcome.Kind == transaction.KindLoadConfirmed {
			*change, l.HasBalance, l.Balance = outcome.Amount, true, outcome.Balance
		}
		words = append(words, outcomeText(&outcome)+" "+s.local(outcome.Time)[len("2006-01-02 "):])
	}
	return strings.Join(words, "; "), nil
}

func outcomeText(l *transaction.Line) string {
	switch l.Kind {
	case transaction.KindLoadConfirmed:
		return l.Code.String() + " 已入账 / credited"
	case transaction.KindLoadDeclined:
		return l.Code.String() + " " + sentences(l)
	case transaction.KindLoadUnknown:
		return l.Code.String() + " 银行未应答,冲正 / no answer from the bank, being reversed"
	case transaction.KindLoadReversed:
		return "银行已冲正 / reversed at the bank"
	}
	return "银行迟到的应答 " + l.Code.String() + ",不入账 / a late answer of the bank, not credited"
}

func sentences(l *transaction.Line) string {
	return l.Reason.Sentence(l.Numbers) + " / " + l.Reason.English(l.Numbers)
}

func resultOf(l *transaction.Line) string {
	switch {
	case l.Kind == transaction.OpeningKind:
		return ""
	case l.Kind == transaction.KindCardState:
		return fmt.Sprintf("改为 %[1]s,经办 %[2]s / now %[1]s, asked by %[2]s", l.To, l.Operator)
	case l.Kind == transaction.KindReversal && l.Original != 0:
		return fmt.Sprintf("%s %s (%s)", l.Code, sentences(l), transaction.ReferenceOf(l.Original))
	}
	return l.Code.String() + " " + sentences(l)
}

var statementKinds = map[transaction.Kind]string{
	transaction.OpeningKind: "期初 / opening", transaction.KindCardState: "卡状态 / card state", transaction.KindBalance: "查询 / balance",
	transaction.KindPurchase: "消费 / purchase", transaction.KindLoad: "圈存 / load", transaction.KindReversal: "冲正 / reversal",
}

func whatOf(l *transaction.Line) string {
	switch {
	case l.Kind != transaction.KindPassage:
		return statementKinds[l.Kind]
	case l.Direction == transaction.DirectionOut:
		return "出门 / way out"
	}
	return "进门 / way in"
}

// partner is the other side of the line: the terminal on a card's statement, the card and its holder on a terminal's.
func (s *statementReader) partner(l *transaction.Line) string {
	switch {
	case s.ofACard && l.Terminal != 0:
		return s.state.Terminal(l.Terminal).Code.String()
	case s.ofACard:
		return ""
	case l.Card == 0:
		return l.Number.String() + " ?"
	}
	c := s.state.Card(l.Card - 1)
	return c.Number.String() + " " + s.holderName(c.Holder)
}

func traceText(l *transaction.Line) string {
	if l.Terminal == 0 {
		return ""
	}
	return fmt.Sprintf("%06d-%06d", l.Batch, l.Trace)
}

func amountText(amount money.Fen, shown bool) string {
	if !shown {
		return ""
	}
	return amount.String()
}

func changeText(change money.Fen) string {
	if change == 0 {
		return ""
	}
	if change > 0 {
		return "+" + change.String()
	}
	return change.String()
}

func (s *statementReader) local(micros int64) string {
	return time.UnixMicro(micros).UTC().Add(time.Duration(s.state.Site().ZoneSeconds) * time.Second).Format("2006-01-02 15:04:05")
}

func (s *statementReader) holderName(holder uint32) string {
	number := s.state.HolderNumber(holder)
	return strings.TrimSpace(number + " " + daemon.NameOf(s.store, "holder", number))
}
