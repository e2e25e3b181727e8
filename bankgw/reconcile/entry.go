package reconcile

import (
	"fmt"

	"onecard/ledger/money"
)

// State of a load on our side (wire handbook 4.2).
type State uint8

// States. Only a confirmed load has its money on the holder's account.
const (
	StateNone      State = iota // we have no record
	StateConfirmed              // the bank approved in time, credited
	StateDeclined               // the bank declined, or it was never sent
	StateUnknown                // no answer, and nothing more is asked of the bank
	StateReversing              // no answer, its reversal is repeated until the bank answers
	StateReversed               // the bank took the reversal
	StateReturning              // credited, then taken back by the terminal; the bank must still be told
	StateManual                 // given up, two persons have it in hand
	stateCount
)

var (
	stateNames = [stateCount]string{"none", "confirmed", "declined", "unknown", "reversing", "reversed", "returning", "manual"}
	stateZh    = [stateCount]string{"无记录", "已入账", "已拒绝", "结果不明", "冲正中", "已冲正", "退回中", "人工处理"}
)

func (s State) String() string {
	if s >= stateCount {
		return fmt.Sprintf("State(%d)", uint8(s))
	}
	return stateNames[s]
}

// MarshalText is String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name.
func (s *State) UnmarshalText(text []byte) error {
	return named(text, stateNames[:], func(i int) { *s = State(i) })
}

// named finds a name in a table.
func named(text []byte, names []string, set func(int)) error {
	for i, name := range names {
		if name == string(text) {
			set(i)
			return nil
		}
	}
	return fmt.Errorf("%q 不在 %v 之中 / %q is none of %v", text, names, text, names)
}

// Entry is one load or one withdrawal on our side. Those of the day that is reconciled are all given, whatever became of them; those of earlier
// days only when the day that is reconciled has changed them: a credit made up, a load taken back, an amount put right.
type Entry struct {
	Sequence uint64 // DE 37
	Day      Day    // settlement date
	Amount   money.Fen
	State    State
	Account  Account
	Time     int64 // when it was decided, microseconds since 1970 UTC
	BankDay  Day   // the bank's settlement date, DE 15 of its answer; 0: it has not said
	// ReturnDay is that of its reversal. NotFound: the bank has said that there was nothing to take back.
	ReturnDay Day
	NotFound  bool
	// Withdrawal: the money goes the other way. Confirmed is taken from the purse, unknown and manual are on hold, declined and reversed are given
	// back. Amount is what was taken where that is not all of it.
	Withdrawal bool
	// Before is what stood of a withdrawal of an earlier day, when this day began.
	Before money.Fen
}

// credited is what the holder has of it; of a withdrawal, what has been taken from him for it.
func (e *Entry) credited() money.Fen {
	if e == nil || e.State != StateConfirmed {
		return 0
	}
	return e.Amount
}

// sign is which way the money goes: 1 from the bank to us, -1 to the holder's account.
func sign(withdrawal bool) money.Fen {
	if withdrawal {
		return -1
	}
	return 1
}

// takenBack says whether the state means that a credit was undone, for an entry that had one.
func (s State) takenBack() bool { return s == StateReversed || s == StateReturning }

// check refuses what could not be told apart from a real difference.
func (e *Entry) check(day Day) error {
	switch {
	case e.Sequence < 1 || e.Sequence > SequenceMax:
		return fmt.Errorf("sequence %d does not fit into DE 37", e.Sequence)
	case e.Amount < 1 || e.Amount > AmountMax:
		return fmt.Errorf("load %d has the amount %s", e.Sequence, e.Amount)
	case e.State == StateNone || e.State >= stateCount:
		return fmt.Errorf("load %d has the state %s", e.Sequence, e.State)
	case e.Day > day:
		return fmt.Errorf("load %d is of %s, after the day reconciled", e.Sequence, e.Day)
	}
	return nil
}
