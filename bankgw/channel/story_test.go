package channel_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/bankgw/channel"
	"onecard/ledger/money"
)

// TestStories runs the stories of testdata: what a holder, the channel and a crash do, and what stands in the order and in the books after it.
//
//	place HOLDER AMOUNT [key=]     an order, answered with its text for a QR code
//	refund ORDER AMOUNT [key=]     asks for money back
//	again ORDER                    a person has seen to what was in the way
//	pay ORDER [AMOUNT]             the holder pays at the channel
//	script                         misbehaviour of the channel that is next
//	deliver | late                 the channel sends its notifications | those that it has kept back
//	attend                         the channel is asked about what is due
//	advance DURATION               time passes
//	crash N before|after           the machine goes down at the N-th durable step of what follows; up brings it back
//	spend HOLDER AMOUNT | freeze HOLDER | thaw HOLDER | disk low|fine
//	finish REFUND STATUS | forget ORDER | alter ORDER AMOUNT      in the channel's books
//	reconcile DAY                  the day against the channel's file
//	show                           orders, purses, account 1012 and the channel's books
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := newSite(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t, s.said = t, nil
			answer := s.command(d)
			return answer + strings.Join(append(s.said, ""), "\n")
		})
		require.NoError(t, s.sim.Check())
	})
}

func (s *site) command(d *datadriven.TestData) string {
	argument := func(i int) string {
		if i < len(d.CmdArgs) && len(d.CmdArgs[i].Vals) == 0 {
			return d.CmdArgs[i].Key
		}
		return ""
	}
	amount := func(i int) money.Fen {
		fen, err := money.Parse(argument(i))
		require.NoError(s.t, err, d.Pos)
		return fen
	}
	key := "key-" + d.Pos
	d.MaybeScanArgs(s.t, "key", &key)
	switch d.Cmd {
	case "place":
		return s.placed(s.channel.Place(s.t.Context(), channel.Asked{By: "li", Key: key, Holder: argument(0), Amount: amount(1)}, s.micros()))
	case "refund":
		o, repeated, err := s.channel.Refund(s.t.Context(), channel.RefundAsked{By: "li", Key: key, Number: s.number(argument(0)), Amount: amount(1), Reason: "holder"}, s.micros())
		if err != nil {
			return "refused: " + err.Error() + "\n"
		}
		return s.told(&o) + again(repeated) + "\n"
	case "again":
		o, err := s.channel.Again(s.t.Context(), s.number(argument(0)), s.micros())
		if err != nil {
			return "refused: " + s.short(err.Error()) + "\n"
		}
		return s.told(&o) + "\n"
	case "pay":
		if argument(1) != "" {
			return complaint(s.sim.PayWrong(s.number(argument(0)), amount(1)))
		}
		return complaint(s.sim.Pay(s.number(argument(0))))
	case "script":
		require.NoError(s.t, s.sim.Script(d.Input), d.Pos)
		return ""
	case "late":
		s.sim.Late()
		return fmt.Sprintln(s.deliver())
	case "deliver":
		return fmt.Sprintln(s.deliver())
	case "attend":
		s.channel.Attend(s.t.Context(), s.micros())
		return s.show()
	case "advance":
		pause, err := time.ParseDuration(argument(0))
		require.NoError(s.t, err)
		s.now = s.now.Add(pause)
		return ""
	case "reconcile":
		r, err := s.channel.Reconcile(s.t.Context(), argument(0), s.micros())
		if err != nil {
			return "refused: " + err.Error() + "\n"
		}
		return s.report(&r)
	case "show":
		return s.show()
	}
	return s.happens(d, argument, amount)
}

// happens is what nobody asks us for.
func (s *site) happens(d *datadriven.TestData, argument func(int) string, amount func(int) money.Fen) string {
	switch d.Cmd {
	case "crash":
		n, err := strconv.Atoi(argument(0))
		require.NoError(s.t, err)
		s.power.set(n-1, argument(1) == "after")
	case "up":
		s.power.set(-1, false)
		s.open()
	case "spend":
		s.books.purses[argument(0)] -= amount(1)
	case "freeze", "thaw":
		s.books.frozen[argument(0)] = d.Cmd == "freeze"
	case "disk":
		s.books.diskLow = argument(0) == "low"
	case "finish":
		require.NoError(s.t, s.sim.Finish(s.number(argument(0)), argument(1)))
	case "forget":
		s.sim.Forget(s.number(argument(0)))
	case "alter":
		s.sim.Alter(s.number(argument(0)), amount(1))
	default:
		require.Fail(s.t, "no command "+d.Cmd, d.Pos)
	}
	return ""
}

func complaint(err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	return ""
}

func again(repeated bool) string {
	if repeated {
		return " (again)"
	}
	return ""
}

func (s *site) placed(o channel.Order, repeated bool, err error) string {
	if err != nil {
		return "refused: " + s.short(err.Error()) + "\n"
	}
	return s.told(&o) + " " + s.short(o.Pay) + again(repeated) + "\n"
}

// number turns O1R2 into the real number.
func (s *site) number(short string) string {
	order, refund, isRefund := strings.Cut(strings.TrimPrefix(short, "O"), "R")
	for key, row := range s.disk.rows {
		n, err := strconv.Atoi(order)
		require.NoError(s.t, err)
		if key == fmt.Sprintf("order/%016x", n) {
			_, rest, _ := strings.Cut(string(row), `"number":"`)
			number, _, _ := strings.Cut(rest, `"`)
			if isRefund {
				return number + "R" + refund
			}
			return number
		}
	}
	return short
}

// told is one order in a line.
func (s *site) told(o *channel.Order) string {
	var b strings.Builder
	fmt.Fprintf(&b, "O%d %s %s %s", o.Sequence, o.Holder, o.Amount, o.State)
	for i := range o.Refunds {
		r := &o.Refunds[i]
		fmt.Fprintf(&b, " [R%d %s %s]", i+1, r.Amount, r.State)
	}
	return b.String()
}

func (s *site) show() string {
	var b strings.Builder
	for sequence := 1; ; sequence++ {
		number := s.number(fmt.Sprintf("O%d", sequence))
		if strings.HasPrefix(number, "O") && len(number) < 10 {
			break
		}
		o, err := s.channel.Order(number)
		require.NoError(s.t, err)
		b.WriteString(s.told(&o))
		if o.Cause != "" {
			fmt.Fprintf(&b, ": %s", s.short(o.Cause))
		}
		b.WriteString("\n")
	}
	var holders []string
	for holder := range s.books.purses {
		holders = append(holders, holder)
	}
	slices.Sort(holders)
	for _, holder := range holders {
		fmt.Fprintf(&b, "%s has %s, ", holder, s.books.purses[holder])
	}
	totals := s.sim.Totals()
	fmt.Fprintf(&b, "1012 %s; channel took %s, gave back %s; waiting %d\n", s.books.transit, totals.Taken, totals.Returned, s.channel.Waiting())
	return b.String()
}

func (s *site) report(r *channel.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "equal %d, paid %s / %s, refunded %s / %s, fees %s, settled %v\n", r.Equal, r.OursPaid, r.TheirsPaid, r.OursRefunded, r.TheirsRefunded, r.Fees, r.Settled())
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "%s %s %s / %s -> %s\n", s.short(d.Number), d.Case, d.Ours, d.Theirs, d.Action)
	}
	return b.String()
}
