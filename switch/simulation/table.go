package simulation

import (
	"fmt"
	"slices"
	"strings"

	"onecard/switch/transaction"
)

// messages are the kinds that come from terminals, with the answers that each may be given.
type message struct {
	kind    transaction.Kind
	name    string
	reasons []transaction.Reason
}

// anyOriginal are the answers that whatever is not a reversal may be given.
func anyOriginal(more ...transaction.Reason) []transaction.Reason {
	return append([]transaction.Reason{
		transaction.ReasonNone, transaction.ReasonNotSignedOn, transaction.ReasonDiskLow, transaction.ReasonTerminalSuspended, transaction.ReasonTraceTooOld,
		transaction.ReasonDuplicateDiffers, transaction.ReasonReversedBefore, transaction.ReasonKindNotAllowed, transaction.ReasonCardUnknown,
		transaction.ReasonCardLost, transaction.ReasonCardFrozen, transaction.ReasonCardClosed, transaction.ReasonCardExpired, transaction.ReasonHolderState,
		transaction.ReasonMerchantClosed,
	}, more...)
}

func messages() []message {
	return []message{
		{transaction.KindSignOn, "0800 sign-on", []transaction.Reason{
			transaction.ReasonNone, transaction.ReasonTerminalUnknown, transaction.ReasonMerchantMismatch, transaction.ReasonTerminalSuspended,
		}},
		{transaction.KindSignOff, "0820 sign-off", []transaction.Reason{transaction.ReasonNone}},
		{transaction.KindEcho, "0820 echo", []transaction.Reason{transaction.ReasonNone}},
		{transaction.KindPurchase, "0200 purchase", anyOriginal(
			transaction.ReasonOutsideHours, transaction.ReasonAmountZero, transaction.ReasonAmountTooLarge, transaction.ReasonDayCount, transaction.ReasonDayAmount,
			transaction.ReasonAccountState, transaction.ReasonDebt,
			transaction.ReasonPINNeededSingle, transaction.ReasonPINNeededDay, transaction.ReasonPINWrong, transaction.ReasonPINLocked, transaction.ReasonFunds,
		)},
		{transaction.KindBalance, "0200 balance", anyOriginal()},
		{transaction.KindLoad, "0200 load", anyOriginal(
			transaction.ReasonAccountState, transaction.ReasonNoBankAccount, transaction.ReasonAmountZero, transaction.ReasonLoadSingle, transaction.ReasonLoadDay, transaction.ReasonPurseCap,
			transaction.ReasonPINNeededLoad, transaction.ReasonPINWrong, transaction.ReasonPINLocked, transaction.ReasonBankDeclined,
			transaction.ReasonBankUnreachable, transaction.ReasonBankTimeout,
		)},
		{transaction.KindPassage, "0200 passage", anyOriginal(transaction.ReasonNoPermission, transaction.ReasonOutsideDoorTime)},
		{transaction.KindReversal, "0400 reversal", []transaction.Reason{
			transaction.ReasonNone, transaction.ReasonNotSignedOn, transaction.ReasonOriginalUnknown, transaction.ReasonOriginalRefused,
			transaction.ReasonOriginalTooOld, transaction.ReasonOriginalAmount, transaction.ReasonOriginalCard, transaction.ReasonOriginalNotRefunded,
			transaction.ReasonDuplicateDiffers, transaction.ReasonRefundedAtDesk, transaction.ReasonAccountState,
		}},
	}
}

// elsewhere are the reasons that the core never gives to a terminal, with who does.
var elsewhere = map[transaction.Reason]string{
	transaction.ReasonAlreadyReversed: "a second reversal of one original has the identity of the first, and hears its answer",
	transaction.ReasonSchemeMismatch:  "the terminal server compares keys before the core is asked",
	transaction.ReasonQueueFull:       "the terminal server says it when the core's queue is full",
	transaction.ReasonOutsideMeals:    "only under published rules, which this traffic has none of",
	transaction.ReasonMealCount:       "likewise",
	transaction.ReasonMealAmount:      "likewise",
	transaction.ReasonBankTurnsDay:    "the gateway says it while the bank turns its day, which this traffic's bank does not",
	transaction.ReasonInFlight:        "the asker before is let go without an answer, and the newest hears the outcome",
}

// cannot says why an answer cannot meet a fault; empty when it can.
func cannot(kind transaction.Kind, reason transaction.Reason, f fault) string {
	fresh := reason == transaction.ReasonTraceTooOld || reason == transaction.ReasonDuplicateDiffers
	switch {
	case reason == transaction.ReasonDiskLow && f != faultDisk && f != faultNone:
		return "" // in company of faultDisk
	case reason == transaction.ReasonDiskLow && f == faultNone:
		return "it is only said when the disk is short"
	case f == faultDisk && fresh && kind != transaction.KindReversal:
		return "with the disk short, what is not the repeat of an answer is refused for that before it is looked at"
	}
	return ""
}

// words are what the bank may say about a load.
var words = [bankWords]string{"bank approves", "bank declines", "bank unknown", "bank reversed", "bank late", "bank given up"}

var stages = [loadStages]string{loadEnded: "ended", loadSent: "sent", loadReversing: "reversing", loadReturning: "returning"}

// wordCannot is the same for what the bank says.
func wordCannot(word int, stage loadStage, f fault) string {
	const approves, unknown = 0, 2
	if stage == loadSent && f == faultRepeat && word <= unknown {
		return "the first such word ends that stage"
	}
	if stage == loadReturning && word == approves && f == faultNone {
		return "a load that is returning was approved before: it is a repeat"
	}
	if f == faultOvertaken || f == faultRush {
		return "the bank is heard one word at a time"
	}
	return ""
}

// orders are what an operator may ask for, and what he may hear.
var (
	orders  = [orderCount]string{"card state", "import", "disk", "checkpoint", "look at clock", "close day", "operation", "operation again", "approve", "reject", "expire holds", "batch", "decide batch", "automatic loads"}
	results = [resultCount]string{"done", "refused", "unheard"}
)

// orderCannot is the same for orders. row is false when the result cannot be at all.
func orderCannot(kind order, result orderResult, f fault) (why string, row bool) {
	if result == resultRefused && slices.Contains([]order{orderImport, orderDisk, orderCheckpoint, orderTurnDay, orderExpire, orderLoads, orderRepeated}, kind) || result == resultUnheard && kind == orderRepeated {
		return "", false
	}
	if f == faultOvertaken || f == faultRush || f == faultRepeat {
		return "an operator waits for the answer to one order before he gives the next", true
	}
	return "", true
}

// Row is one line of the table: a message with an answer, and how often it met each fault.
type Row struct {
	Message string            `json:"message"`
	Answer  string            `json:"answer"`
	Counts  map[string]uint64 `json:"counts"`
	cells   [faultCount]uint64
	cannot  [faultCount]string
}

// Rows is the whole table. Stray says what was met and is not in it: the table must then be taught.
func (c *Coverage) Rows() (rows []Row, stray []string) {
	for _, m := range messages() {
		for reason := range c.answers[m.kind] {
			known := slices.Contains(m.reasons, transaction.Reason(reason))
			row := Row{Message: m.name, cells: c.answers[m.kind][reason]}
			if !known {
				if row.cells != [faultCount]uint64{} {
					stray = append(stray, fmt.Sprintf("%s answered with %s", m.name, transaction.Reason(reason)))
				}
				continue
			}
			r := transaction.Reason(reason)
			row.Answer = fmt.Sprintf("%s %s", r.Code(), r)
			for f := range faultCount {
				row.cannot[f] = cannot(m.kind, r, f)
			}
			rows = append(rows, row)
		}
	}
	for word := range c.outcomes {
		for stage := range loadStages {
			row := Row{Message: words[word], Answer: "load " + stages[stage], cells: c.outcomes[word][stage]}
			for f := range faultCount {
				row.cannot[f] = wordCannot(word, stage, f)
			}
			rows = append(rows, row)
		}
	}
	for kind := range orderCount {
		for result := range resultCount {
			row := Row{Message: orders[kind], Answer: results[result], cells: c.orders[kind][result]}
			can := false
			for f := range faultCount {
				row.cannot[f], can = orderCannot(kind, result, f)
			}
			if can {
				rows = append(rows, row)
			} else if row.cells != [faultCount]uint64{} {
				stray = append(stray, fmt.Sprintf("%s: %s", row.Message, row.Answer))
			}
		}
	}
	transaction.Catalogue(func(kind transaction.CatalogueRow) {
		for _, result := range []orderResult{resultDone, resultRefused} {
			row := Row{Message: kind.Label, Answer: results[result], cells: c.operations[kind.Kind][result]}
			for f := range faultCount {
				row.cannot[f], _ = orderCannot(orderOperation, result, f)
			}
			if result == resultDone {
				row.cannot[faultDisk] = "with the disk short nothing new is taken"
			}
			if result == resultDone && kind.Kind == transaction.KindLoadClaimed {
				continue // this bank never takes back what it has approved
			}
			rows = append(rows, row)
		}
	})
	for i := range rows {
		rows[i].Counts = map[string]uint64{}
		for f, n := range rows[i].cells {
			rows[i].Counts[faultNames[f]] = n
		}
	}
	return rows, stray
}

// Empty are the cells that could have been met and were not, and those that were met though they cannot be.
func (c *Coverage) Empty() []string {
	rows, wrong := c.Rows()
	for i := range rows {
		for f, n := range rows[i].cells {
			switch why := rows[i].cannot[f]; {
			case n == 0 && why == "":
				wrong = append(wrong, fmt.Sprintf("%s, %s never met fault %s", rows[i].Message, rows[i].Answer, faultNames[f]))
			case n > 0 && why != "":
				wrong = append(wrong, fmt.Sprintf("%s, %s met fault %s %d times, but %s", rows[i].Message, rows[i].Answer, faultNames[f], n, why))
			}
		}
	}
	for m, n := range c.moods {
		if n == 0 {
			wrong = append(wrong, fmt.Sprintf("mood %d of the bank was never met", m))
		}
	}
	for d := diesAtOnce; d < deathCount; d++ {
		if c.deaths[d] == 0 {
			wrong = append(wrong, fmt.Sprintf("death %d was never met", d))
		}
	}
	return wrong
}

// String prints the table, a dash where a cell cannot be.
func (c *Coverage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-19s %-26s", "message", "answer")
	for _, name := range faultNames {
		fmt.Fprintf(&b, "%10s", name)
	}
	b.WriteByte('\n')
	rows, _ := c.Rows()
	for i := range rows {
		fmt.Fprintf(&b, "%-19s %-26s", rows[i].Message, rows[i].Answer)
		for f, n := range rows[i].cells {
			if rows[i].cannot[f] != "" && n == 0 {
				fmt.Fprintf(&b, "%10s", "-")
				continue
			}
			fmt.Fprintf(&b, "%10d", n)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
