package reconcile_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/bankgw/reconcile"
	"onecard/ledger/money"
)

const firstDay reconcile.Day = 20_783 // 2026-11-26

// pair is a load as both sides have it, at noon or thereabouts.
func pair(sequence uint64, amount money.Fen, day reconcile.Day, second int64) (reconcile.Entry, reconcile.Line) {
	account := reconcile.Account(9156_0000_0000_0000 + sequence)
	e := reconcile.Entry{
		Sequence: sequence, Day: day, Amount: amount, State: reconcile.StateConfirmed, Account: account,
		Time: (int64(day)*86400+second)*1_000_000 - site.Microseconds(),
	}
	l := reconcile.Line{
		Sequence: sequence, BankSequence: sequence, Account: account, Amount: amount, Kind: reconcile.KindLoad, Code: reconcile.Approved,
		Moment: reconcile.Moment(int64(day)*86400 + second),
	}
	copy(l.Card[:], "621700******5678")
	return e, l
}

// fileOf writes lines and reads them, as a bank and we would.
func fileOf(t require.TestingT, format reconcile.Format, day reconcile.Day, lines []reconcile.Line) *reconcile.File {
	var b bytes.Buffer
	f := &reconcile.File{Identity: reconcile.Identity{Bank: bankCode, Day: day}, School: schoolCode, Lines: lines}
	require.NoError(t, reconcile.Write(&b, format, f))
	read, err := reconcile.Read(&b, reconcile.Source{Name: "bank.txt", Format: format, Day: day})
	require.NoError(t, err)
	return read
}

func run(t require.TestingT, in reconcile.Input) *reconcile.Result {
	in.Rules = reconcile.DefaultRules()
	r, err := reconcile.Run(in)
	require.NoError(t, err)
	require.True(t, r.Equation.Balanced(), "%+v", r.Equation)
	require.Zero(t, r.Equation.Unexplained)
	require.Equal(t, r.Equation.Difference, r.Equation.BankOnly-r.Equation.CampusOnly-r.Equation.PaidOnly+r.Equation.TakenOnly+r.Equation.Amounts+r.Equation.CutOff)
	return r
}

// spoilt is a day with faults, and what must be said of it.
type spoilt struct {
	entries []reconcile.Entry
	lines   []reconcile.Line
	want    map[uint64]reconcile.Case
	missing money.Fen // bank less ours
}

// spoil draws a day on which the sides agree, and then faults, each on a load of its own.
func spoil(t *rapid.T) (s spoilt) {
	s.want = make(map[uint64]reconcile.Case)
	for n := range uint64(rapid.IntRange(1, 60).Draw(t, "loads")) {
		amount := money.Fen(rapid.Int64Range(1, 100_000).Draw(t, "fen"))
		e, l := pair(1+3*n, amount, firstDay, rapid.Int64Range(0, 82_199).Draw(t, "second")) // before 22:50
		_, reversal := pair(e.Sequence, amount, firstDay, 82_000)
		reversal.Kind = reconcile.KindReversal
		_, stranger := pair(e.Sequence+1, amount, firstDay, 40_000)
		fault, before := rapid.IntRange(0, 13).Draw(t, "fault"), s.missing
		if rapid.IntRange(0, 3).Draw(t, "withdrawal") == 0 { // the same the other way round, but that no payment is taken back
			e.Withdrawal, l.Kind, stranger.Kind = true, reconcile.KindCredit, reconcile.KindCredit
			if fault == 2 || fault == 9 {
				fault = 0
			}
		}
		s.add(fault, e, l, reversal, stranger)
		s.missing = before + (s.missing-before)*map[bool]money.Fen{false: 1, true: -1}[e.Withdrawal]
	}
	return s
}

func (s *spoilt) add(fault int, e reconcile.Entry, l, reversal, stranger reconcile.Line) {
	said, lines := reconcile.Case(0), []reconcile.Line{l}
	switch fault {
	case 0:
		said, lines = reconcile.CaseCampusOnly, nil
		s.missing -= e.Amount
	case 1:
		said, lines[0].Amount = reconcile.CaseAmountDiffers, l.Amount+7
		s.missing += 7
	case 2:
		said, lines = reconcile.CaseStatusDiffers, append(lines, reversal)
		s.missing -= e.Amount
	case 3:
		said, lines[0].Code = reconcile.CaseCampusOnly, reconcile.Code{'5', '1'}
		s.missing -= e.Amount
	case 4:
		said, e.State = reconcile.CaseBankOnly, reconcile.StateUnknown
		s.missing += e.Amount
	case 5:
		said, e.State = reconcile.CaseStatusDiffers, reconcile.StateReversed
		s.missing += e.Amount
	case 6:
		said, lines[0].Account = reconcile.CaseAccountDiffers, l.Account+1
	case 7:
		said, e.State, lines = reconcile.CaseNothingTaken, reconcile.StateManual, nil
	case 8:
		s.lines, s.want[stranger.Sequence] = append(s.lines, stranger), reconcile.CaseBankOnly
		s.missing += stranger.Amount
	case 9:
		e.State, lines = reconcile.StateReversed, append(lines, reversal)
	case 10:
		e.State, lines = reconcile.StateDeclined, nil
	}
	if said != 0 {
		s.want[e.Sequence] = said
	}
	s.entries, s.lines = append(s.entries, e), append(s.lines, lines...)
}

// TestExactlyTheExceptions: domain handbook 3.8. Any loss, invention or change of lines gives the exceptions that it must give, no others, and
// the equation comes out.
func TestExactlyTheExceptions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := spoil(t)
		r := run(t, reconcile.Input{File: fileOf(t, reconcile.FormatA, firstDay, s.lines), Entries: s.entries})
		found := make(map[uint64]reconcile.Case)
		for _, i := range r.Items {
			found[i.Sequence] = i.Case
		}
		require.Equal(t, s.want, found)
		require.Len(t, r.Items, len(found))
		require.Equal(t, s.missing, r.Equation.Difference)
		require.Equal(t, s.missing, r.Equation.Closing)
	})
}

// TestAnyOrder: permutations of the file and of our list say the same, and so do both formats.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := spoil(t)
		r := run(t, reconcile.Input{File: fileOf(t, reconcile.FormatA, firstDay, s.lines), Entries: s.entries})
		lines, entries := rapid.Permutation(s.lines).Draw(t, "lines"), rapid.Permutation(s.entries).Draw(t, "entries")
		other := run(t, reconcile.Input{File: fileOf(t, reconcile.FormatB, firstDay, lines), Entries: entries})
		for i := range r.Items {
			r.Items[i].FileLine, other.Items[i].FileLine = 0, 0
		}
		r.File.SHA256, other.File.SHA256 = reconcile.Digest{}, reconcile.Digest{}
		require.Equal(t, r, other)
	})
}

// TestAgain: the same file says the same, byte for byte, and Run changes nothing of what it is given.
func TestAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := spoil(t)
		f := fileOf(t, reconcile.FormatA, firstDay, s.lines)
		entries := slices.Clone(s.entries)
		slices.Reverse(entries)
		given := slices.Clone(entries)
		one, err := json.Marshal(run(t, reconcile.Input{File: f, Entries: entries}))
		require.NoError(t, err)
		other, err := json.Marshal(run(t, reconcile.Input{File: fileOf(t, reconcile.FormatA, firstDay, s.lines), Entries: entries}))
		require.NoError(t, err)
		require.Equal(t, string(one), string(other))
		require.Equal(t, given, entries)
	})
}

// TestALineTwice: a file that has one of its lines twice is not taken, whichever line that is.
func TestALineTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := spoil(t)
		if len(s.lines) == 0 {
			return
		}
		twice := rapid.SampledFrom(s.lines).Draw(t, "twice")
		at := rapid.IntRange(0, len(s.lines)).Draw(t, "at")
		var b bytes.Buffer
		f := &reconcile.File{Identity: reconcile.Identity{Bank: bankCode, Day: firstDay}, School: schoolCode, Lines: slices.Insert(slices.Clone(s.lines), at, twice)}
		require.NoError(t, reconcile.Write(&b, reconcile.FormatB, f))
		_, err := reconcile.Read(&b, reconcile.Source{Name: "bank.txt", Format: reconcile.FormatB})
		var faults *reconcile.FileError
		require.ErrorAs(t, err, &faults)
		require.Len(t, faults.Faults, 1)
		require.Contains(t, faults.Faults[0].Field, "school sequence")
	})
}
