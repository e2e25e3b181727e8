// Package invariant is where the house stops when it is wrong about itself.
//
// The one idea: a broken invariant is neither a refusal (data) nor a failure (an error): it means that the program's own books can no longer be
// trusted. The only safe answer for a money ledger is to stop before anything more is written or acknowledged; the journal holds
// everything that was answered, and a restart rebuilds the rest. This is the only place that panics, and nothing recovers from it.
//
// It does not validate input: what comes from outside is refused with a reason, never asserted.
package invariant

import "fmt"

// Broken is the value the process stops with.
type Broken struct{ Text string }

func (b Broken) Error() string { return "broken invariant: " + b.Text }

// Hold stops the process when condition is false. The arguments are boxed whether it is or not: on a hot path write the condition out and
// call Fail.
func Hold(condition bool, format string, args ...any) {
	if !condition {
		panic(Broken{fmt.Sprintf(format, args...)})
	}
}

// Fail stops the process.
func Fail(format string, args ...any) {
	panic(Broken{fmt.Sprintf(format, args...)})
}
