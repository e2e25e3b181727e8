package reconcile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/bankgw/reconcile"
	"onecard/ledger/money"
)

const (
	bankCode   = "01050000"
	schoolCode = "10010001"
	site       = 8 * time.Hour
)

// story is what a script has told so far.
type story struct {
	t       *testing.T
	rules   reconcile.Rules
	entries []reconcile.Entry
	all     map[uint64]reconcile.Entry // for Find
	find    bool
	file    *reconcile.File
	result  *reconcile.Result
	carried []reconcile.Item
}

// TestDays runs the scripts in testdata/days: domain handbook 3.8. Each file goes through both formats, and both must say the same.
func TestDays(t *testing.T) {
	datadriven.Walk(t, "testdata/days", func(t *testing.T, path string) {
		s := &story{t: t, rules: reconcile.DefaultRules(), all: make(map[uint64]reconcile.Entry)}
		datadriven.RunTest(t, path, func(t *testing.T, c *datadriven.TestData) string {
			s.t = t
			switch c.Cmd {
			case "rules":
				return s.setRules(c)
			case "ours":
				return s.ours(c)
			case "later": // known to Find alone
				s.ours(c)
				s.entries = nil
				return "ok\n"
			case "bank":
				return s.bank(c)
			case "run":
				return s.run(c)
			case "json":
				text, err := json.MarshalIndent(s.result, "", "  ")
				require.NoError(t, err)
				return string(text) + "\n"
			case "close":
				sequence, err := strconv.ParseUint(c.CmdArgs[0].Key, 10, 64)
				require.NoError(t, err)
				s.carried = slices.DeleteFunc(s.carried, func(i reconcile.Item) bool { return i.Sequence == sequence })
				return fmt.Sprintf("carried %d\n", len(s.carried))
			}
			t.Fatalf("%s: command %s", c.Pos, c.Cmd)
			return ""
		})
	})
}

func (s *story) setRules(c *datadriven.TestData) string {
	for _, arg := range c.CmdArgs {
		switch arg.Key {
		case "cut":
			cut, err := time.ParseDuration(arg.Vals[0])
			require.NoError(s.t, err)
			s.rules.CutWindow = cut
		case "wait":
			days, err := strconv.Atoi(arg.Vals[0])
			require.NoError(s.t, err)
			s.rules.WaitDays = days
		case "find":
			s.find = true
		}
	}
	return "ok\n"
}

func dayOf(t require.TestingT, text string) (d reconcile.Day) {
	require.NoError(t, d.UnmarshalText([]byte(text)))
	return d
}

func fenOf(t require.TestingT, text string) money.Fen {
	fen, err := money.Parse(text)
	require.NoError(t, err)
	return fen
}

func argument(c *datadriven.TestData, key, otherwise string) string {
	if c.HasArg(key) {
		for _, arg := range c.CmdArgs {
			if arg.Key == key {
				return arg.Vals[0]
			}
		}
	}
	return otherwise
}

// row of a list: first[-last] word amount clock [key=value].
type row struct {
	first, last uint64
	word        string
	amount      money.Fen
	clock       time.Duration
	more        map[string]string
}

func (s *story) rows(text string) (rows []row) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		require.GreaterOrEqual(s.t, len(words), 4, line)
		r := row{word: words[1], amount: fenOf(s.t, words[2]), more: make(map[string]string)}
		first, last, _ := strings.Cut(words[0], "-")
		var err error
		r.first, err = strconv.ParseUint(first, 10, 64)
		require.NoError(s.t, err)
		if r.last = r.first; last != "" {
			r.last, err = strconv.ParseUint(last, 10, 64)
			require.NoError(s.t, err)
		}
		clock, err := time.Parse(time.TimeOnly, words[3])
		require.NoError(s.t, err)
		r.clock = clock.Sub(clock.Truncate(24 * time.Hour))
		for _, word := range words[4:] {
			key, value, ok := strings.Cut(word, "=")
			require.True(s.t, ok, line)
			r.more[key] = value
		}
		rows = append(rows, r)
	}
	return rows
}

// account of a load, unless the row has its own.
func (s *story) account(r row, sequence uint64) reconcile.Account {
	if text, ok := r.more["account"]; ok {
		account, err := strconv.ParseUint(text, 10, 64)
		require.NoError(s.t, err)
		return reconcile.Account(account)
	}
	return reconcile.Account(9156_0000_0000_0000 + sequence)
}

func (s *story) ours(c *datadriven.TestData) string {
	day := dayOf(s.t, argument(c, "day", ""))
	var credited reconcile.Count
	for _, r := range s.rows(c.Input) {
		for sequence := r.first; sequence <= r.last; sequence++ {
			e := reconcile.Entry{Sequence: sequence, Day: day, Amount: r.amount, Account: s.account(r, sequence)}
			word, withdrawal := strings.CutPrefix(r.word, "withdrawal-")
			e.Withdrawal = withdrawal
			require.NoError(s.t, e.State.UnmarshalText([]byte(word)))
			midnight := time.Unix(int64(day)*24*60*60, 0).Add(-site)
			e.Time = midnight.Add(r.clock).UnixMicro()
			if text, ok := r.more["bank-day"]; ok {
				e.BankDay = dayOf(s.t, text)
			}
			if text, ok := r.more["before"]; ok {
				e.Before = fenOf(s.t, text)
			}
			if text, ok := r.more["of"]; ok {
				e.Day = dayOf(s.t, text)
			}
			s.entries = append(s.entries, e)
			s.all[sequence] = e
			if e.State == reconcile.StateConfirmed {
				credited.Count++
				credited.Sum += e.Amount
			}
		}
	}
	return fmt.Sprintf("confirmed %d, %s\n", credited.Count, credited.Sum)
}

func (s *story) bank(c *datadriven.TestData) string {
	day := dayOf(s.t, argument(c, "day", ""))
	f := &reconcile.File{Identity: reconcile.Identity{Bank: bankCode, Day: day}, School: schoolCode}
	for _, r := range s.rows(c.Input) {
		for sequence := r.first; sequence <= r.last; sequence++ {
			f.Lines = append(f.Lines, s.line(r, sequence, day))
		}
	}
	var fromB *reconcile.File
	s.file, fromB = s.passed(f, reconcile.FormatA), s.passed(f, reconcile.FormatB)
	require.Equal(s.t, s.file.Totals(), fromB.Totals())
	require.Len(s.t, fromB.Lines, len(s.file.Lines))
	for i, l := range s.file.Lines {
		l.Card = reconcile.MaskedCard{} // which format B has not
		require.Equal(s.t, l, fromB.Lines[i])
	}
	f = s.file
	said := fmt.Sprintf("loads %d, %s; reversals %d, %s; refused %d\n", f.Loads.Count, f.Loads.Sum, f.Reversals.Count, f.Reversals.Sum, f.Refused)
	if f.Withdrawals.Count > 0 {
		said = fmt.Sprintf("withdrawals %d, %s; ", f.Withdrawals.Count, f.Withdrawals.Sum) + said
	}
	return said
}

// passed is a file that was written and read again.
func (s *story) passed(f *reconcile.File, format reconcile.Format) *reconcile.File {
	var b bytes.Buffer
	require.NoError(s.t, reconcile.Write(&b, format, f))
	name := fmt.Sprintf("%s_%s.txt", f.Bank, f.Day)
	read, err := reconcile.Read(&b, reconcile.Source{Name: name, Format: format, Bank: bankCode, School: schoolCode, Day: f.Day})
	require.NoError(s.t, err)
	return read
}

func (s *story) line(r row, sequence uint64, day reconcile.Day) reconcile.Line {
	l := reconcile.Line{
		Sequence: sequence, BankSequence: 500_000 + sequence, Account: s.account(r, sequence), Amount: r.amount, Kind: reconcile.KindLoad, Code: reconcile.Approved,
	}
	copy(l.Card[:], "621700******5678")
	kinds := map[string]reconcile.Kind{"load": reconcile.KindLoad, "reversal": reconcile.KindReversal, "withdrawal": reconcile.KindCredit}
	require.Contains(s.t, kinds, r.word)
	l.Kind = kinds[r.word]
	if date, ok := r.more["date"]; ok {
		day = dayOf(s.t, date)
	}
	copy(l.Code[:], r.more["code"])
	l.Moment = reconcile.Moment(int64(day)*24*60*60 + int64(r.clock/time.Second))
	return l
}

func (s *story) run(c *datadriven.TestData) string {
	in := reconcile.Input{File: s.file, Entries: s.entries, Carried: s.carried, Rules: s.rules}
	if s.find {
		in.Find = func(sequence uint64) (reconcile.Entry, bool) { e, ok := s.all[sequence]; return e, ok }
	}
	if c.HasArg("ledger") {
		fen := fenOf(s.t, argument(c, "ledger", ""))
		in.Ledger = &fen
	}
	result, err := reconcile.Run(in)
	if err != nil {
		return err.Error() + "\n"
	}
	s.result, s.carried, s.entries = result, result.Open(), nil
	var b bytes.Buffer
	require.NoError(s.t, result.Write(&b))
	return strings.ReplaceAll(b.String(), "\n\n", "\n.\n")
}
