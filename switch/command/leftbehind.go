package command

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/daemon"
	"onecard/switch/transaction"
)

// leftBehind is what a restore to an entry or a moment leaves out, in the words of the trade: terminals were answered and banks were told,
// and the restored ledger knows nothing of it.
type leftBehind struct {
	zone   *time.Location
	counts map[transaction.Kind]*leftCount
	lines  []transaction.Line
	more   uint64 // beyond what is kept
}

type leftCount struct {
	answers, approved uint64
	amount            money.Fen // of the approved
}

// leftLinesMax bounds the list that is kept while restoring: some 30 MB.
const leftLinesMax = 100_000

// add reads a block that is left out. What cannot be read is told by the restoration.
func (l *leftBehind) add(raw []byte) {
	b, err := ledger.SkimBlock(raw)
	if err != nil {
		return
	}
	_ = b.Each(func(sequence uint64, e *ledger.Entry) error {
		line, ok := transaction.ReadEntry(sequence, b.Day(), e)
		if !ok {
			return nil
		}
		if l.counts == nil {
			l.counts = map[transaction.Kind]*leftCount{}
		}
		c := l.counts[line.Kind]
		if c == nil {
			c = new(leftCount)
			l.counts[line.Kind] = c
		}
		c.answers++
		if line.Code == transaction.Approved {
			c.approved++
			c.amount += line.Amount
		}
		if len(l.lines) == leftLinesMax {
			l.more++
			return nil
		}
		l.lines = append(l.lines, line)
		return nil
	})
}

// leftKinds are the kinds that are told of; what the bank said follows loads.
var leftKinds = map[transaction.Kind]string{
	transaction.KindPurchase: "消费 / purchases", transaction.KindReversal: "冲正 / reversals", transaction.KindLoad: "圈存请求 / loads asked for",
	transaction.KindLoadConfirmed: "圈存入账 / loads credited", transaction.KindLoadReversed: "圈存冲正 / loads reversed at the bank",
	transaction.KindWithdrawalPaid: "提现付款 / withdrawals paid by the bank",
	transaction.KindPassage:        "通行 / passages", transaction.KindCardState: "卡状态变更 / changes of cards",
}

// tell prints how much of what was left out.
func (l *leftBehind) tell(out io.Writer) {
	for _, kind := range slices.Sorted(maps.Keys(l.counts)) {
		name, ok := leftKinds[kind]
		switch c := l.counts[kind]; {
		case !ok:
		case c.approved == 0:
			fmt.Fprintf(out, "    %s %s\n", name, thousands(c.answers))
		case kind == transaction.KindLoad: // approved is what was sent to the bank
			fmt.Fprintf(out, "    %s %s,发往银行 / sent to the bank %s,金额 / amount %s\n", name, thousands(c.answers), thousands(c.approved), c.amount)
		default:
			fmt.Fprintf(out, "    %s %s,成功 / approved %s,金额 / amount %s\n", name, thousands(c.answers), thousands(c.approved), c.amount)
		}
	}
}

// write writes the list. Terminals and cards are named as the restored ledger knows them; one that came later has its number with a #.
func (l *leftBehind) write(ctx context.Context, data, path string) (err error) {
	config := daemon.DefaultConfig()
	config.Data.Directory = data
	store, engine, err := daemon.OpenToRead(ctx, &config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("--left-out: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := csv.NewWriter(f)
	_ = w.Write([]string{"record", "time", "what", "terminal", "batch", "trace", "card", "amount_fen", "code", "original_or_load"})
	for i := range l.lines {
		_ = w.Write(l.row(engine.State(), &l.lines[i]))
	}
	if l.more > 0 {
		_ = w.Write([]string{fmt.Sprintf("… %d more", l.more)})
	}
	w.Flush()
	return w.Error()
}

func (l *leftBehind) row(s *transaction.State, line *transaction.Line) []string {
	terminal, card := "", line.Number.String()
	switch {
	case line.Terminal != 0 && uint32(line.Terminal) <= s.Terminals():
		terminal = s.Terminal(line.Terminal).Code.String()
	case line.Terminal != 0:
		terminal = fmt.Sprintf("#%d", line.Terminal)
	}
	switch {
	case line.Card != 0 && line.Card <= s.Cards():
		card = s.Card(line.Card - 1).Number.String()
	case line.Card != 0:
		card = fmt.Sprintf("#%d", line.Card)
	case line.Number == 0:
		card = ""
	}
	return []string{
		transaction.ReferenceOf(line.Sequence).String(), time.UnixMicro(line.Time).In(l.zone).Format("2006-01-02 15:04:05.000000"), leftName(line.Kind),
		terminal, fmt.Sprintf("%06d", line.Batch), fmt.Sprintf("%06d", line.Trace), card, strconv.FormatInt(int64(line.Amount), 10), codeText(line.Code),
		strconv.FormatUint(max(line.Original, line.Load), 10),
	}
}

func leftName(kind transaction.Kind) string {
	if name, ok := leftKinds[kind]; ok {
		return name
	}
	if name, ok := statementKinds[kind]; ok {
		return name
	}
	return fmt.Sprintf("kind %d", kind)
}

func codeText(code transaction.ResponseCode) string {
	if code == (transaction.ResponseCode{}) {
		return ""
	}
	return code.String()
}
