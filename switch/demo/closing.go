package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"onecard/ledger/money"
)

// Phases of closing the day, as they are shown.
const (
	phaseDraining = "日结 1/3:不再刷卡,等待在途应答 / closing: no more taps, waiting for answers"
	phaseSettling = "日结 2/3:等待圈存有结果 / closing: waiting for bank loads to be settled"
	phaseStopping = "日结 3/3:交换机向银行签退并停止 / closing: the switch signs off from the bank and stops"
)

// Limits of closing. What is not done by then is still right: it is only not finished.
const (
	drainLimit  = 20 * time.Second
	settleLimit = 20 * time.Second
	stopLimit   = 40 * time.Second
)

// closeDay ends the performance: no more taps, everything answered, loads settled, the switch stopped politely.
func (c *conductor) closeDay(life context.Context) error {
	c.phase = phaseDraining
	c.crowd.goHome()
	drained := c.turnUntil(life, drainLimit, func() bool {
		return c.busy == 0 && !c.lost.on && !c.receipt.on && c.fleet.Idle()
	})
	if c.hurry {
		return c.stopSwitch(life)
	}
	if drained != nil && !errors.Is(drained, errSlow) {
		return drained
	}
	c.phase = phaseSettling
	if c.bank.cutAt != 0 {
		c.bank.toggle(0)
		c.say(toneTrick, "为日结恢复银行线路 / bank line restored for closing")
	}
	c.settling = time.Now()
	if err := c.turnUntil(life, settleLimit, c.settled); err != nil && !errors.Is(err, errSlow) {
		return err
	}
	return c.stopSwitch(life)
}

// pulseInterval is how old the figures in a status may be: the switch looks at its state once a second.
const pulseInterval = time.Second

// settled says whether no load waits for the bank, as the switch saw it after the last answer.
func (c *conductor) settled() bool {
	s := c.watch.now()
	return s.status != nil && s.status.LoadsOpen == 0 && s.at.Sub(c.settling) > pulseInterval+watchInterval
}

// stopSwitch stops it while the terminals go on listening.
func (c *conductor) stopSwitch(life context.Context) error {
	hurry := c.hurry
	c.hurry = false // a switch that is being started or stopped must be given the time
	if err := c.turnUntil(life, readyLimit, func() bool { return c.busy == 0 }); err != nil {
		return err
	}
	c.phase = phaseStopping
	var failed error
	stopped := false
	old := c.child
	c.aside(func() func() {
		err := old.stop(stopLimit)
		return func() { stopped, failed = true, err }
	})
	err := c.turnUntil(life, stopLimit+5*time.Second, func() bool { return stopped })
	c.hurry = hurry
	c.output.paint(c.model(c.fleet.Now()))
	return errors.Join(err, failed, c.memory.Spill(c.paper))
}

// audit is the result of `onecard verify --json`, as far as it is printed.
type audit struct {
	Blocks       uint64    `json:"blocks"`
	Entries      uint64    `json:"entries"`
	Sum          money.Fen `json:"sum_fen"`
	Debits       money.Fen `json:"debits_fen"`
	Credits      money.Fen `json:"credits_fen"`
	Moved        money.Fen `json:"moved_fen"`
	OpenLoads    int       `json:"open_loads"`
	Acknowledged uint64    `json:"acknowledged"`
	Lost         uint64    `json:"lost"`
	Doubled      uint64    `json:"doubled"`
	Sheet        []struct {
		Code   int       `json:"code"`
		NameZH string    `json:"name_zh"`
		NameEN string    `json:"name_en"`
		Count  uint64    `json:"count"`
		Debit  money.Fen `json:"debit_fen"`
		Credit money.Fen `json:"credit_fen"`
	} `json:"accounts_by_code"`
	Findings []struct {
		Block uint64 `json:"block"`
		Entry uint64 `json:"entry"`
		Text  string `json:"text"`
	} `json:"findings"`
	OK bool `json:"ok"`
}

// codeLoadInTransit is the account that bank loads come from (handbook 3.11).
const codeLoadInTransit = 1011

// verify lets an auditor replay the closed ledger and hold it against what terminals were told.
func (c *conductor) verify(ctx context.Context) (*audit, error) {
	report := c.place.path("verify.json")
	if err := os.RemoveAll(report); err != nil {
		return nil, fmt.Errorf("the audit: %w", err)
	}
	output, code, err := runChild(ctx, c.options.Binary, "verify", "--data", c.place.dir, "--receipts", c.place.path("receipts.bin"), "--json", report)
	if err != nil {
		return nil, fmt.Errorf("复算 / the audit: %w", err)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		return nil, fmt.Errorf("复算未完成,退出码 %d / the audit did not come to its end, exit code %d\n%s", code, code, output)
	}
	a := new(audit)
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("the audit's result: %w", err)
	}
	return a, nil
}

// difference is by how much the books do not balance.
func (a *audit) difference() money.Fen {
	if a.Sum != 0 {
		return a.Sum
	}
	return a.Debits - a.Credits
}

// loaded is what cards were credited from the bank and is not settled yet.
func (a *audit) loaded() money.Fen {
	for _, row := range a.Sheet {
		if row.Code == codeLoadInTransit {
			return row.Debit - row.Credit
		}
	}
	return 0
}

// bankMatch is what both sides say about bank loads, over all runs on this folder.
type bankMatch struct {
	loads       int
	bank, cards money.Fen
	open        int  // loads that are not settled
	known       bool // every earlier run came to its end, so that what the bank held then is known
}

// agreed says whether an account was debited for every credit of a card and for nothing else. What is open may still go either way.
func (b *bankMatch) agreed() bool { return b.bank == b.cards || b.open > 0 || !b.known }

// matchBank adds this run's books of the bank to those of the runs before: the simulated bank forgets them when it ends.
func (c *conductor) matchBank(a *audit) bankMatch {
	loads, held := c.bank.held()
	n := &c.place.note
	return bankMatch{loads: n.BankLoads + loads, bank: n.BankFen + held, cards: a.loaded(), open: a.OpenLoads, known: n.Clean}
}

// printSheet prints the day's balance sheet.
func printSheet(out io.Writer, a *audit, b *bankMatch) {
	const columns = 78
	line := strings.Repeat("─", columns)
	fmt.Fprintf(out, "\n%s\n", center("日终资产负债表 / balance sheet of the day", columns))
	fmt.Fprintln(out, line)
	fmt.Fprintf(out, " %s%s%s\n", left("科目 account", 38), right("借 debit", 19), right("贷 credit", 19))
	fmt.Fprintln(out, line)
	var debit, credit money.Fen
	for _, row := range a.Sheet {
		if row.Debit == 0 && row.Credit == 0 {
			continue
		}
		name := fmt.Sprintf("%d %s %s", row.Code, row.NameZH, row.NameEN)
		fmt.Fprintf(out, " %s%s%s\n", left(name, 38), right(amountText(row.Debit), 19), right(amountText(row.Credit), 19))
		debit, credit = debit+row.Debit, credit+row.Credit
	}
	fmt.Fprintln(out, line)
	fmt.Fprintf(out, " %s%s%s\n", left("合计 total", 38), right(debit.Yuan(), 19), right(credit.Yuan(), 19))
	fmt.Fprintf(out, " %s%s\n", left("差额 difference", 57), right((debit-credit).Yuan(), 19))
	fmt.Fprintln(out, line)
	row := func(zh, en, text string) {
		fmt.Fprintf(out, " %s%s\n", left(zh+" "+en, 38), right(text, 38))
	}
	row("账本分录", "entries, blocks", countText(a.Entries)+" / "+countText(a.Blocks))
	row("经手金额", "moved", a.Moved.Yuan())
	row("终端记得的应答", "acknowledged", countText(a.Acknowledged))
	row("其中丢失、重复", "lost, doubled", fmt.Sprintf("%d, %d", a.Lost, a.Doubled))
	printMatch(row, b)
	fmt.Fprintln(out, line)
}

func printMatch(row func(zh, en, text string), b *bankMatch) {
	row("圈存:银行净扣款", "bank has debited", fmt.Sprintf("%s (%d)", b.bank.Yuan(), b.loads))
	row("圈存:卡账入账", "cards were credited", b.cards.Yuan())
	switch {
	case b.bank == b.cards:
		row("两边一致", "both agree", "✓ 差 "+money.Fen(0).Yuan())
	case b.open > 0:
		row("两边相差", "still to be settled", fmt.Sprintf("%s,%d 笔未了结 open", (b.bank-b.cards).Yuan(), b.open))
	case !b.known:
		row("两边相差", "an earlier run was broken off", (b.bank - b.cards).Yuan())
	default:
		row("两边相差", "THEY DISAGREE", "✗ "+(b.bank-b.cards).Yuan())
	}
}

func amountText(a money.Fen) string {
	if a == 0 {
		return ""
	}
	return a.Yuan()
}

func center(s string, columns int) string {
	return strings.Repeat(" ", max(0, (columns-textWidth(s))/2)) + s
}
