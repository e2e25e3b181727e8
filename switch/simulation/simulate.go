package simulation

// Result is one seed that has run to its end.
type Result struct {
	Seed     uint64
	Events   uint64 // of the agenda
	Requests uint64 // that reached the switch
	Answers  uint64
	Entries  uint64 // in the ledger
	Lives    int    // owners
	Lost     int    // blocks that were written and were gone after a death
	Kept     int    // blocks that nobody had waited for and that were there after a death
	Loads    int
	Hash     uint64 // of everything that happened
}

// Run lets one seed happen: events of the agenda in any weather, then calm. The error is a *Finding when an invariant did not hold. What
// was met is added to coverage. still waits until every goroutine that the world has started is blocked (synctest.Wait): an operator's order
// that asks for a second thing does so on a goroutine of its own, and on a busy machine it came a poll sooner or later. tell, when not nil, is
// told the history line by line.
func Run(seed, events uint64, coverage *Coverage, still func(), tell func(format string, args ...any)) (Result, error) {
	w := newWorld(seed, events, coverage)
	w.still = still
	if tell != nil {
		w.tell = func(format string, args ...any) {
			tell("%6d %s "+format, append([]any{w.events, clockOf(w.clockNow())}, args...)...)
		}
	}
	err := w.run()
	for m, n := range w.bank.moods {
		coverage.moods[m] += n
	}
	return Result{
		Seed: seed, Events: w.events, Requests: uint64(len(w.deliveries)), Answers: w.told, Entries: w.books.sequence, Lives: w.lives,
		Lost: w.journal.lost, Kept: w.journal.kept, Loads: len(w.books.loads), Hash: w.hash,
	}, err
}
