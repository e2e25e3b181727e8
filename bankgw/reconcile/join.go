package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"onecard/ledger/money"
)

// Rules of a site and its bank.
type Rules struct {
	// Zone is how far the site's clock is ahead of UTC.
	Zone time.Duration
	// CutWindow is how long before the end of a day a load may be in the bank's next file, up to half a day, where Entry.BankDay does not
	// say it.
	CutWindow time.Duration
	// WaitDays is how many days a reversal under way is waited for.
	WaitDays int
}

// DefaultRules are for a bank that cuts its day at 23:00 and clocks that are ten minutes apart.
func DefaultRules() Rules {
	return Rules{Zone: 8 * time.Hour, CutWindow: 70 * time.Minute, WaitDays: 3}
}

func (r *Rules) check() error {
	if r.Zone.Abs() > 14*time.Hour || r.CutWindow < time.Second || r.CutWindow > 12*time.Hour || r.WaitDays < 0 {
		return fmt.Errorf("rules: zone %s, cut window %s, %d days to wait", r.Zone, r.CutWindow, r.WaitDays)
	}
	return nil
}

// Input of a run.
type Input struct {
	File    *File
	Entries []Entry // ours, in any order; see Entry for which
	Carried []Item  // Result.Open of the day before, less what people have closed since
	// Find, when it is set, looks up our load of any day. It is asked about lines of which neither Entries nor Carried know.
	Find func(sequence uint64) (Entry, bool)
	// Ledger is what our own books say that the day has credited, added up there and not from Entries. Nil: Entries are added up.
	Ledger *money.Fen
	Rules  Rules
}

// kept is the pair of numbers that every load has.
type kept struct{ ours, bank money.Fen }

// meeting is all that is known of one load.
type meeting struct {
	rules    Rules
	day      Day
	sequence uint64
	entry    *Entry
	carried  *Item
	load     *Line // or, of a withdrawal, the credit
	reversal *Line
	stray    *Line  // of the kind that this is not: a credit of what we have as a load, or a load of what we have as a withdrawal
	found    *Entry // of another day, of which the bank speaks

	withdrawal bool // the numbers below are what was taken from the holder's purse, and paid to his account

	kept    // after this day
	before  kept
	state   State
	account Account
	age     int
	nearCut bool // new today, and its other side may be of the next day; nothing is put off twice
}

// Run reconciles the day of a file. An error says that the input is not what it should be; it never stands for a difference.
func Run(in Input) (*Result, error) {
	if in.File == nil {
		return nil, errors.New("reconcile: there is no file")
	}
	if err := in.Rules.check(); err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	entries, carried := slices.Clone(in.Entries), slices.Clone(in.Carried)
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Sequence, b.Sequence) })
	slices.SortFunc(carried, func(a, b Item) int { return cmp.Compare(a.Sequence, b.Sequence) })
	if err := checkInput(in.File, entries, carried); err != nil {
		return nil, fmt.Errorf("reconcile: %s of bank %s: %w", in.File.Day, in.File.Bank, err)
	}
	r := newResult(in.File)
	j := &join{in: &in, lines: in.File.Lines, entries: entries, carried: carried}
	for {
		m, more := j.next()
		if !more {
			break
		}
		r.take(&m)
	}
	if j.fault != nil {
		return nil, fmt.Errorf("reconcile: %s of bank %s: %w", in.File.Day, in.File.Bank, j.fault)
	}
	slices.SortFunc(r.Items, func(a, b Item) int { return cmp.Or(cmp.Compare(a.Case, b.Case), cmp.Compare(a.Sequence, b.Sequence)) })
	r.balance(&in, entries, carried)
	if r.overflow {
		return nil, fmt.Errorf("reconcile: %s of bank %s: %w", in.File.Day, in.File.Bank, money.ErrOverflow)
	}
	return r, nil
}

// checkInput sees to it that the join may be a merge: every list in order, no two of a kind.
func checkInput(f *File, entries []Entry, carried []Item) error {
	if len(entries) > LinesMax || len(carried) > LinesMax || len(f.Lines) > LinesMax {
		return fmt.Errorf("more than %d loads", LinesMax)
	}
	for i := range f.Lines {
		l := &f.Lines[i]
		if i > 0 && compareLines(f.Lines[i-1], *l) >= 0 || l.Kind < KindLoad || l.Kind > KindCredit {
			return fmt.Errorf("line %d of the file is not in order", l.Number)
		}
		if l.Amount < 1 || l.Amount > AmountMax {
			return fmt.Errorf("line %d of the file has the amount %s", l.Number, l.Amount)
		}
	}
	for i := range entries {
		if err := entries[i].check(f.Day); err != nil {
			return err
		}
		if i > 0 && entries[i-1].Sequence == entries[i].Sequence {
			return fmt.Errorf("load %d stands twice in our own list", entries[i].Sequence)
		}
	}
	for i := range carried {
		switch c := &carried[i]; {
		case i > 0 && carried[i-1].Sequence == c.Sequence:
			return fmt.Errorf("open item %d is carried twice", c.Sequence)
		case c.First >= f.Day:
			return fmt.Errorf("open item %d was first seen on %s, not before the day reconciled", c.Sequence, c.First)
		case c.Difference != c.Bank-c.Ours:
			return fmt.Errorf("open item %d: its difference %s is not %s less %s", c.Sequence, c.Difference, c.Bank, c.Ours)
		case c.State >= stateCount:
			return fmt.Errorf("open item %d has the state %s", c.Sequence, c.State)
		}
	}
	return nil
}

// join walks three lists that are sorted by sequence, all at once.
type join struct {
	in      *Input
	lines   []Line
	entries []Entry
	carried []Item
	fault   error // of the input, found on the way
}

// next is the next load of which any list knows.
func (j *join) next() (m meeting, more bool) {
	const none = ^uint64(0)
	m = meeting{rules: j.in.Rules, day: j.in.File.Day, sequence: none}
	if len(j.lines) > 0 {
		m.sequence = j.lines[0].Sequence
	}
	if len(j.entries) > 0 {
		m.sequence = min(m.sequence, j.entries[0].Sequence)
	}
	if len(j.carried) > 0 {
		m.sequence = min(m.sequence, j.carried[0].Sequence)
	}
	if m.sequence == none {
		return m, false
	}
	for len(j.lines) > 0 && j.lines[0].Sequence == m.sequence {
		switch l := &j.lines[0]; l.Kind {
		case KindLoad:
			m.load = l
		case KindReversal:
			m.reversal = l
		default:
			m.stray = l
		}
		j.lines = j.lines[1:]
	}
	if len(j.entries) > 0 && j.entries[0].Sequence == m.sequence {
		m.entry, j.entries = &j.entries[0], j.entries[1:]
	}
	if len(j.carried) > 0 && j.carried[0].Sequence == m.sequence {
		m.carried, j.carried = &j.carried[0], j.carried[1:]
	}
	if m.entry == nil && m.carried == nil && j.in.Find != nil {
		if found, ok := j.in.Find(m.sequence); ok {
			m.found = &found
			if found.Sequence != m.sequence || found.Day == m.day {
				j.fault = fmt.Errorf("load %d of %s is ours and not in our list", found.Sequence, found.Day)
			}
		}
	}
	m.turn()
	m.reckon()
	return m, true
}

// turn finds out which of the two it is: by our record, else by the file.
func (m *meeting) turn() {
	switch {
	case m.entry != nil:
		m.withdrawal = m.entry.Withdrawal
	case m.carried != nil:
		m.withdrawal = m.carried.Withdrawal
	case m.found != nil:
		m.withdrawal = m.found.Withdrawal
	default:
		m.withdrawal = m.load == nil && m.stray != nil
	}
	if m.withdrawal {
		m.load, m.stray = m.stray, m.load
	}
}

// reckon finds the two numbers before and after this day.
func (m *meeting) reckon() {
	switch {
	case m.carried != nil:
		m.before = kept{m.carried.Ours, m.carried.Bank}
		m.state, m.account, m.age = m.carried.State, m.carried.Account, int(m.day-m.carried.First)
	case m.entry != nil:
		m.before = m.entry.broughtIn(m.day)
	case m.found != nil && m.found.Day < m.day:
		// It was reconciled on its day and is not open, so the bank kept what we credited.
		m.before = kept{m.found.credited(), m.found.credited()}
	}
	m.kept = m.before
	m.bank += sign(m.withdrawal) * (m.load.kept() + m.reversal.kept() + m.stray.kept())
	switch {
	case m.entry != nil:
		m.ours = m.entry.credited()
		m.state, m.account = m.entry.State, m.entry.Account
	case m.found != nil:
		m.state, m.account = m.found.State, m.found.Account
	}
	line := m.line()
	if m.account == 0 && line != nil {
		m.account = line.Account
	}
	m.nearCut = m.carried == nil && m.expectedLater()
}

// expectedLater says whether the other side of a load that is new today may be of the next day: by the date that the bank has given it, by our
// own of a load that the bank has before us, else by the clock.
func (m *meeting) expectedLater() bool {
	switch {
	case m.entry != nil && m.entry.BankDay != 0:
		return m.entry.BankDay > m.day
	case m.found != nil:
		return m.found.Day > m.day
	}
	return m.moment() >= (m.day+1).at(0)-Moment(m.rules.CutWindow/time.Second)
}

// broughtIn is what stood before this day for an entry that is not carried. One of an earlier day that was taken back today had been
// credited, and the bank had kept it, or it would be carried.
func (e *Entry) broughtIn(day Day) kept {
	if e.Withdrawal {
		return kept{e.Before, e.Before}
	}
	if e.Day < day && e.State.takenBack() {
		return kept{e.Amount, e.Amount}
	}
	return kept{}
}

// line is what the file says, of the load if it says that.
func (m *meeting) line() *Line {
	switch {
	case m.load != nil:
		return m.load
	case m.stray != nil:
		return m.stray
	}
	return m.reversal
}

// moment of the load on our clock, else on the bank's.
func (m *meeting) moment() Moment {
	switch {
	case m.entry != nil:
		return m.rules.local(m.entry.Time)
	case m.carried != nil:
		return m.carried.Moment
	case m.found != nil:
		return m.rules.local(m.found.Time)
	case m.line() != nil:
		return m.line().Moment
	}
	return 0
}

// local brings microseconds of UTC onto the site's clock.
func (r *Rules) local(micros int64) Moment {
	return Moment((micros + r.Zone.Microseconds()) / time.Second.Microseconds())
}

// bankReversed says whether the bank has given it back, today or before. It takes no payment back.
func (m *meeting) bankReversed() bool {
	return !m.withdrawal && m.reversal.kept() != 0 || m.carried != nil && m.carried.BankReversed
}

// held is what is on hold for a withdrawal.
func (m *meeting) held() money.Fen {
	switch {
	case !m.withdrawal || !m.state.open():
		return 0
	case m.entry != nil:
		return m.entry.Amount
	case m.carried != nil:
		return m.carried.Held
	case m.found != nil:
		return m.found.Amount
	}
	return 0
}

// otherHolder says whether a debit is of another account than the credit.
func (m *meeting) otherHolder() bool {
	switch {
	case m.bank <= 0:
		return false
	case m.load == nil || m.load.Code != Approved:
		return m.carried != nil && m.carried.Case == CaseAccountDiffers
	}
	return !sameHolder(m.account, m.load.Account)
}

// item tells of a load whose sides do not agree.
func (m *meeting) item(v verdict) Item {
	i := Item{
		Sequence: m.sequence, Day: m.day, First: m.day, Age: m.age, Case: v.what, Action: v.action, State: m.state, Account: m.account,
		Ours: m.ours, Bank: m.bank, Difference: m.bank - m.ours, Moment: m.moment(), BankReversed: m.bankReversed(), Chinese: v.zh, English: v.en,
		Withdrawal: m.withdrawal, Held: m.held(),
	}
	i.Change = i.Difference - (m.before.bank - m.before.ours)
	switch {
	case m.carried != nil:
		i.Day, i.First, i.BankSequence = m.carried.Day, m.carried.First, m.carried.BankSequence
	case m.entry != nil:
		i.Day = m.entry.Day
	case m.found != nil:
		i.Day = m.found.Day
	}
	if l := m.line(); l != nil {
		i.BankSequence, i.FileLine = l.BankSequence, l.Number
	}
	i.Open = i.Difference != 0 || i.Case == CaseDateCut || i.Case == CaseAccountDiffers || m.withdrawal && m.state.open()
	return i
}
