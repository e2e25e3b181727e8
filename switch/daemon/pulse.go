package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// pulse looks at the state once a second, so that a scrape, a health check and a status page cost the owner nothing and never wait for him.
type pulse struct {
	engine *transaction.Engine // set when the ledger is open
	clock  *clock
	at     atomic.Int64 // when the owner last answered, microseconds since 1970
	seen   atomic.Pointer[beat]
	sum    atomic.Int64 // of all balances

	groups      atomic.Uint64 // blocks made durable since the start
	entries     atomic.Uint64
	syncMicros  atomic.Uint64 // sum over all groups
	syncLongest atomic.Uint64 // since the last status was asked for
}

// beat is what one look has found.
type beat struct {
	Sequence  uint64
	Credits   money.Fen
	Debits    money.Fen
	Accounts  uint32
	Holders   uint32
	Cards     uint32
	Terminals uint32
	Loads     int
	Holds     int
	// Withdrawals to bank accounts that are open.
	Withdrawals int
	// BusinessDay is the one that is open, in days since 1970 at the site.
	BusinessDay uint32
}

const (
	pulseInterval = time.Second
	// A beat adds up the balances of some accounts in turns of so many, ten microseconds each, so that those of a campus are added up in every one and those
	// of a hundred million accounts in six minutes.
	sumAccounts = 8 << 10
	sumTurns    = 32
)

func newPulse(c *clock) *pulse {
	p := &pulse{clock: c}
	p.seen.Store(&beat{})
	return p
}

// run looks until the context ends.
func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(pulseInterval)
	defer tick.Stop()
	for {
		p.look(ctx)
		p.addUp(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *pulse) look(ctx context.Context) {
	var b beat
	err := p.engine.Look(ctx, func(s *transaction.State) {
		book := s.Book()
		b = beat{
			Sequence: book.Sequence(), Accounts: book.Accounts(), Holders: s.Holders(), Cards: s.Cards(), Terminals: s.Terminals(),
			Loads: s.OpenLoads(), Holds: book.Holds(), Withdrawals: s.OpenWithdrawals(), BusinessDay: s.BusinessDay(),
		}
		b.Credits, b.Debits = book.Turnover()
	})
	if err != nil {
		return
	}
	p.seen.Store(&b)
	p.at.Store(p.clock.micros())
}

// addUp adds up what all accounts hold, until it has added up all or a beat's share of them.
func (p *pulse) addUp(ctx context.Context) {
	for range sumTurns {
		var sum money.Fen
		var whole bool
		if p.engine.Look(ctx, func(s *transaction.State) { sum, whole = s.Book().AddUp(sumAccounts) }) != nil {
			return
		}
		p.at.Store(p.clock.micros())
		if whole {
			p.sum.Store(int64(sum))
			return
		}
	}
}

// synced counts a durable block.
func (p *pulse) synced(entries uint32, took time.Duration) {
	micros := uint64(took.Microseconds())
	p.groups.Add(1)
	p.entries.Add(uint64(entries))
	p.syncMicros.Add(micros)
	for longest := p.syncLongest.Load(); micros > longest && !p.syncLongest.CompareAndSwap(longest, micros); {
		longest = p.syncLongest.Load()
	}
}

// difference is by how much the books do not balance: the larger of the two ways of adding up. It is 0.
func (p *pulse) difference() money.Fen {
	b := p.seen.Load()
	if d := b.Debits - b.Credits; d != 0 {
		return d
	}
	return money.Fen(p.sum.Load())
}

// healthy says whether the owner has answered lately.
func (p *pulse) healthy() bool {
	return p.clock.micros()-p.at.Load() < (5 * time.Second).Microseconds()
}
