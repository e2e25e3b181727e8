package bankgw

import (
	"slices"
	"time"
)

// Status is what an operator sees.
type Status struct {
	Name            string       `json:"name"`
	Features        []string     `json:"features,omitempty"` // what the bank can do besides
	Links           []LinkStatus `json:"links"`
	LoadsInFlight   int          `json:"loads_in_flight"`
	ReversalsQueued int          `json:"reversals_queued"`         // not answered by the bank, in flight or waiting
	OldestReversal  time.Time    `json:"oldest_reversal,omitzero"` // when its load was decided; zero: none
	Withdrawals     int          `json:"withdrawals_waiting"`      // to accounts, not answered by the bank
	OutcomesWaiting int          `json:"outcomes_waiting"`         // for the owner's inbox
	CutOverUntil    time.Time    `json:"cut_over_until,omitzero"`  // loads are declined with 90 until then; zero: no cut-over
	Keys            KeyStatus    `json:"keys"`
	Stopping        bool         `json:"stopping"`
}

// KeyStatus is the MAC key of the link.
type KeyStatus struct {
	CheckValue    string    `json:"check_value"`            // of the key in force: eight hexadecimal digits
	Since         time.Time `json:"since,omitzero"`         // it came over the link; zero: it was given by hand
	OverlapUntil  time.Time `json:"overlap_until,omitzero"` // the key before is still good for what comes in
	WaitingUntil  time.Time `json:"waiting_until,omitzero"` // the bank was asked for a new one
	ChangesByLink bool      `json:"changes_by_link"`        // the bank's table has a key change, and there is a zone master key
	LastRefusal   string    `json:"last_refusal,omitempty"` // why the last new key was not taken, or not given
}

// LinkStatus is one link.
type LinkStatus struct {
	Address   string    `json:"address"`
	State     LinkState `json:"state"`
	InFlight  int       `json:"in_flight"` // loads
	Suspect   bool      `json:"suspect"`   // something stayed unanswered: no new work until something is heard
	Draining  bool      `json:"draining"`  // an operator has taken it out of work
	LastError string    `json:"last_error,omitempty"`
}

// LinksUp counts the links that are signed on.
func (s Status) LinksUp() int {
	up := 0
	for _, l := range s.Links {
		if l.State == LinkUp {
			up++
		}
	}
	return up
}

// LinksDraining counts the links that an operator has taken out of work.
func (s Status) LinksDraining() int {
	draining := 0
	for _, l := range s.Links {
		if l.Draining {
			draining++
		}
	}
	return draining
}

// KeyAge is how long the MAC key has been in force at now; 0 when it was given by hand.
func (s Status) KeyAge(now time.Time) time.Duration {
	if s.Keys.Since.IsZero() {
		return 0
	}
	return now.Sub(s.Keys.Since)
}

// OldestReversalAge is how long the oldest reversal has been due at now; 0 when there is none.
func (s Status) OldestReversalAge(now time.Time) time.Duration {
	if s.OldestReversal.IsZero() {
		return 0
	}
	return now.Sub(s.OldestReversal)
}

// Status may be called by any goroutine. It shows the gateway after its last turn.
func (g *Gateway) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.status
	s.Links = slices.Clone(s.Links)
	return s
}

// publish shows the state after a turn.
func (g *Gateway) publish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.status
	s.Name, s.Features = g.config.Name, g.config.Dialect.Features
	s.LoadsInFlight, s.ReversalsQueued, s.OutcomesWaiting = len(g.loads), len(g.reversals.list), len(g.outcomes)
	s.Withdrawals = len(g.withdrawals.list)
	s.Stopping, s.CutOverUntil = g.phase != phaseRunning, g.cutOver
	s.Keys = g.keyStatus()
	s.OldestReversal = time.Time{}
	if len(g.reversals.list) > 0 {
		s.OldestReversal = time.UnixMicro(g.reversals.list[0].order.Time)
	}
	s.Links = s.Links[:0]
	for _, l := range g.links {
		s.Links = append(s.Links, LinkStatus{l.address, l.state, l.loads, l.suspect, l.draining, l.lastError})
	}
}
