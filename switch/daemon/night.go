package daemon

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"onecard/bankgw"
	"onecard/switch/console"
)

// nightPause is between two looks at the clock, the bank or the loads that are open.
const nightPause = 200 * time.Millisecond

// nightAgain is before those are looked for again whose bank could not be asked. Their bank may answer any moment, or not before morning; one look
// holds the owner for a few milliseconds.
const nightAgain = 5 * time.Second

// nightLength is how long after its time the nightly look for automatic loads may still begin or go on: a switch that is started at noon does not
// ask banks at noon for what the night has missed. Who taps is looked at anyway.
const nightLength = 6 * time.Hour

// loadInTheNight looks once a night for holders with less than their threshold and asks the bank for them, so many at a time, until the context
// ends (自动圈存, handbook 3.8). It keeps nothing: begun again after a crash, it passes over whoever has had his load of the day.
func (s *server) loadInTheNight(ctx context.Context) {
	if s.banks == nil || s.config.Loads.AutomaticInFlight == 0 {
		return
	}
	tick := time.NewTicker(nightPause)
	defer tick.Stop()
	n := night{zone: s.config.Site.Zone, at: s.config.Loads.AutomaticAt}
	for {
		if n.due(s.clock.micros()) && s.banks.LinksUp() > 0 {
			s.lookForLoads(ctx, &n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// night is how far the look for automatic loads has come.
type night struct {
	zone, at time.Duration
	date     int64  // of the night that next and asked are of, days since 1970 at the site
	next     uint32 // card
	asked    int
	left     int   // of this look, due and their bank could not be asked
	again    int64 // when the next look for them begins, microseconds since 1970; 0: at once
	done     bool
}

// due says whether there is something to look for at a moment, and begins a new night.
func (n *night) due(micros int64) bool {
	const day = 24 * time.Hour
	local := time.Duration(micros)*time.Microsecond + n.zone - n.at
	date, since := int64(local/day), local%day
	if since >= nightLength {
		return false
	}
	if date != n.date {
		*n = night{zone: n.zone, at: n.at, date: date}
	}
	return !n.done && micros >= n.again
}

// ended says that a look has come to its end: it is the night's last unless somebody's bank could not be asked.
func (n *night) ended(micros int64) {
	if n.done = n.left == 0; !n.done {
		n.next, n.left, n.again = 0, 0, micros+nightAgain.Microseconds()
	}
}

// lookForLoads goes on until the bank has enough to do or everybody has been looked at.
func (s *server) lookForLoads(ctx context.Context, n *night) {
	for {
		looked, err := s.opened.engine.LoadAutomatically(ctx, n.next, s.config.Loads.AutomaticInFlight, s.clock.micros(), s.reachable())
		if err != nil {
			if ctx.Err() == nil {
				s.log.Error("夜间自动圈存失败,将重试 / looking for automatic loads failed and will be tried again", zap.Error(err))
			}
			return
		}
		n.next, n.asked, n.left = looked.Next, n.asked+looked.Asked, n.left+looked.Left
		if looked.Done {
			if n.ended(s.clock.micros()); !n.done {
				return
			}
			s.log.Info("夜间自动圈存已向银行发出 / automatic loads of the night were asked of the bank", zap.Int("loads", n.asked))
			return
		}
		if looked.Full {
			return
		}
	}
}

// reachable says of which accounts the bank can be asked, as its links are now. A load that finds no link is declined, and its holder's load of the
// date is gone: so nobody is looked for at a bank that is known not to be there.
func (s *server) reachable() func(account uint64) bool {
	up := map[string]bool{}
	now := time.UnixMicro(s.clock.micros())
	s.eachBank(func(name string, bank *bankgw.Gateway) {
		status := bank.Status()
		up[name] = status.LinksUp() > 0 && !status.Stopping && !now.Before(status.CutOverUntil)
	})
	return func(account uint64) bool { return up[s.banks.NameOf(account)] }
}

// loadAutomaticallyNow is what an operator asks for when a night was missed: one pass through all cards, as far as the bank's room allows.
func (s *server) loadAutomaticallyNow(ctx context.Context) (asked int, err error) {
	if s.banks == nil || s.banks.LinksUp() == 0 {
		return 0, console.ErrNoBank
	}
	tick := time.NewTicker(nightPause)
	defer tick.Stop()
	for next := uint32(0); ; {
		looked, err := s.opened.engine.LoadAutomatically(ctx, next, max(1, s.config.Loads.AutomaticInFlight), s.clock.micros(), s.reachable())
		if err != nil {
			return asked, fmt.Errorf("looking for automatic loads from card %d: %w", next, err)
		}
		asked += looked.Asked
		if next = looked.Next; looked.Done {
			return asked, nil
		}
		if !looked.Full {
			continue
		}
		select {
		case <-ctx.Done():
			return asked, ctx.Err()
		case <-tick.C:
		}
	}
}
