package bankgw_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// diary gathers what happens, with the virtual time since the last start of a story.
type diary struct {
	mu    sync.Mutex
	begun time.Time
	lines strings.Builder
}

func (d *diary) log(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(&d.lines, "%8.3fs %s\n", time.Since(d.begun).Seconds(), fmt.Sprintf(format, args...))
}

func (d *diary) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.lines.Reset()
	if strings.Contains(d.lines.String(), account) || strings.Contains(d.lines.String(), strconv.Itoa(cardNumber)) {
		return "a number is not masked\n"
	}
	if d.lines.Len() == 0 {
		return "(nothing)\n"
	}
	return d.lines.String()
}

// TestStories runs the scripts in testdata/stories: wire handbook 4.2 and 5.2, domain handbook 3.8, with the real owner, in virtual time. Messages
// are printed as the bank sees them, masked.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) { tell(t, path, false) })
	})
}

// TestStoriesOverRecords runs the same scripts with a bank that speaks records of fixed places: everything that happens is the same. What
// such a record holds is told in full in testdata/records, in place of the story that tells ISO 8583 in full.
func TestStoriesOverRecords(t *testing.T) {
	for _, folder := range []string{"testdata/stories", "testdata/records"} {
		datadriven.Walk(t, folder, func(t *testing.T, path string) {
			if path == "testdata/stories/load_5_2" {
				return
			}
			synctest.Test(t, func(t *testing.T) { tell(t, path, true) })
		})
	}
}

func tell(t *testing.T, path string, record bool) {
	d := &diary{begun: time.Now()}
	var w *world
	datadriven.RunTest(t, path, func(t *testing.T, c *datadriven.TestData) string {
		switch c.Cmd {
		case "world":
			inFull := c.HasArg("in-full")
			told := func(direction, message string) { d.log("bank %s %s", direction, inShort(inFull, message)) }
			w = newWorld(t, worldOptions{
				bank:   banksim.Config{Trace: told, Script: c.Input, AnswerBadMAC: c.HasArg("answer-bad-mac")},
				change: func(g *bankgw.Config) { configure(t, c, g) }, log: d.log, record: record,
			})
			w.dates = c.HasArg("dates")
			t.Cleanup(w.bury)
		case "script":
			require.NoError(t, w.bank.Script(c.Input))
			return "ok\n"
		case "load", "reverse":
			kind := map[string]transaction.Kind{"load": transaction.KindLoad, "reverse": transaction.KindReversal}[c.Cmd]
			var trace int
			var amount string
			c.ScanArgs(t, "trace", &trace)
			c.ScanArgs(t, "amount", &amount)
			fen, err := money.Parse(amount)
			require.NoError(t, err)
			w.ask(kind, uint32(trace), fen)
		case "withdraw":
			var amount string
			c.ScanArgs(t, "amount", &amount)
			fen, err := money.Parse(amount)
			require.NoError(t, err)
			if _, err = w.withdraw(fen); err != nil {
				d.log("desk hears %s", err)
			}
		case "wait":
			pause, err := time.ParseDuration(c.CmdArgs[0].Key)
			require.NoError(t, err)
			time.Sleep(pause)
		case "drain", "resume":
			link, err := strconv.Atoi(c.CmdArgs[0].Key)
			require.NoError(t, err)
			if c.Cmd == "drain" {
				require.NoError(t, w.life.gateway.Drain(link))
			} else {
				require.NoError(t, w.life.gateway.Resume(link))
			}
		case "cut":
			w.bank.Cut()
		case "restore":
			w.bank.Restore()
		case "bank-asks":
			function, err := strconv.Atoi(c.CmdArgs[0].Key)
			require.NoError(t, err)
			w.bank.Ask(function)
		case "bank-day":
			day, err := time.Parse(time.DateOnly, c.CmdArgs[0].Key)
			require.NoError(t, err)
			w.bank.SetDay(uint32(day.Unix() / 86400))
		case "totals":
			day, err := time.Parse(time.DateOnly, c.CmdArgs[0].Key)
			require.NoError(t, err)
			given := bankgw.Totals{Day: uint32(day.Unix() / 86400)}
			figures := []any{&given.Debits, &given.DebitAmount, &given.Reversed, &given.ReversedAmount, &given.Credits, &given.CreditAmount}
			n := min(len(strings.Fields(c.Input)), len(figures))
			_, err = fmt.Sscan(c.Input, figures[:n]...)
			require.NoError(t, err)
			require.NoError(t, w.life.gateway.GiveTotals(given, !c.HasArg("to-answer")))
		case "bank-totals":
			day, err := time.Parse(time.DateOnly, c.CmdArgs[0].Key)
			require.NoError(t, err)
			w.bank.FileReady(uint32(day.Unix()/86400), "ICBC20000101.txt")
		case "bank-key":
			require.NoError(t, w.bank.ChangeKey())
		case "bank-forgets-key":
			w.bank.ForceKey(iso8583.Secret("the bank's other"))
		case "key":
			if err := w.life.gateway.ChangeKey(); err != nil {
				return err.Error() + "\n"
			}
		case "keys-kept":
			w.notKept = c.HasArg("not")
			return "ok\n"
		case "keys":
			synctest.Wait()
			k := w.life.gateway.Status().Keys
			return fmt.Sprintf("check value %s, by link %v, by hand %v, overlap %v, waiting %v, %s\nbank: %d changes, bad in %d\n", k.CheckValue, k.ChangesByLink, k.Since.IsZero(), time.Now().Before(k.OverlapUntil), !k.WaitingUntil.IsZero(), k.LastRefusal, w.bank.Stats().KeyChanges, w.bank.Stats().BadInbound)
		case "kill":
			w.life.die()
		case "start":
			w.start()
		case "stop":
			w.end()
			return d.take()
		case "status":
			synctest.Wait()
			return printStatus(w)
		case "audit":
			synctest.Wait()
			return printAudit(w)
		default:
			t.Fatalf("%s: command %s", c.Pos, c.Cmd)
		}
		time.Sleep(100 * time.Millisecond) // a few journeys on the network
		synctest.Wait()
		return d.take()
	})
}

// inShort keeps the fields that a story is about, unless it wants all of them.
func inShort(inFull bool, message string) string {
	if inFull {
		return message
	}
	words := strings.Fields(message)
	return strings.Join(slices.DeleteFunc(words, func(word string) bool {
		number, _, field := strings.Cut(word, "=")
		return field && word != "3=290000" && !slices.Contains([]string{"4", "7", "11", "37", "39", "44", "60", "66", "70", "76", "77", "88", "89", "90", "97", "101"}, number)
	}), " ")
}

func configure(t *testing.T, c *datadriven.TestData, g *bankgw.Config) {
	g.Links = 1
	g.Receiving = "01050000"
	for _, arg := range c.CmdArgs {
		switch value := strings.Join(arg.Vals, ""); arg.Key {
		case "links":
			n, err := strconv.Atoi(value)
			require.NoError(t, err)
			g.Links = n
		case "key-reset-after":
			n, err := strconv.Atoi(value)
			require.NoError(t, err)
			g.KeyResetAfter = n
		case "max-in-flight":
			n, err := strconv.Atoi(value)
			require.NoError(t, err)
			g.MaxInFlight = n
		case "query":
			g.QueryTimeout, g.Dialect.Features = duration(t, value), append(g.Dialect.Features, bankgw.FeatureQuery)
		case "withdrawal", "withdrawal_once":
			g.Dialect.Features = append(g.Dialect.Features, arg.Key)
		case "withdrawal-expiry":
			g.WithdrawalExpiry = duration(t, value)
		case "reversal-expiry":
			g.ReversalExpiry = duration(t, value)
		case "reversal-refusals":
			n, err := strconv.Atoi(value)
			require.NoError(t, err)
			g.ReversalRefusals = n
		case "policy":
			g.Policy = bankgw.LinkPolicy(value)
		case "echo-interval":
			g.EchoInterval = duration(t, value)
		case "totals":
			g.Dialect.Features = []string{bankgw.FeatureTotals}
		case "daily-sign-on":
			g.DailySignOn = duration(t, value)
		case "dates", "in-full", "answer-bad-mac":
		default:
			t.Fatalf("%s: argument %s", c.Pos, arg.Key)
		}
	}
}

func duration(t *testing.T, value string) time.Duration {
	d, err := time.ParseDuration(value)
	require.NoError(t, err)
	return d
}

func printStatus(w *world) string {
	s := w.life.gateway.Status()
	var b strings.Builder
	for i, l := range s.Links {
		fmt.Fprintf(&b, "link %d %s, in flight %d, suspect %v %s", i, l.State, l.InFlight, l.Suspect, l.LastError)
		if l.Draining {
			b.WriteString("draining")
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "up %d, loads in flight %d, reversals %d, oldest %s\n", s.LinksUp(), s.LoadsInFlight, s.ReversalsQueued, s.OldestReversalAge(time.Now()))
	return b.String()
}

func printAudit(w *world) string {
	b := w.look()
	var text strings.Builder
	for _, r := range w.bank.Records() {
		fmt.Fprintf(&text, "bank: %s %s %s, 0200 %d, 042x %d\n", r.Reference, r.Amount, r.State, r.Requests, r.Reversals)
	}
	fmt.Fprintf(&text, "bank holds %s, card credited %s, open loads %d, held %s, sum %s\n", w.debited(), b.credited, b.opened, b.held, b.sum)
	if err := w.verify(); err != nil {
		fmt.Fprintf(&text, "%s\n", err)
	}
	return text.String()
}
