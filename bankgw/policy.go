package bankgw

// LinkPolicy is which of the links that take work gets the next message.
type LinkPolicy string

// Policies.
const (
	PolicyLeastPending   LinkPolicy = "least_pending"   // the one with the fewest loads in flight, the next in turn among equals
	PolicyRoundRobin     LinkPolicy = "round_robin"     // the next in turn
	PolicyPrimaryStandby LinkPolicy = "primary_standby" // the first; the others only while those before them take no work
)

// policies say whether one link is to be preferred to the best so far. Links are looked at in their turn, but for primary_standby in
// their order.
var policies = map[LinkPolicy]func(l, best *link) bool{
	PolicyLeastPending:   func(l, best *link) bool { return l.loads < best.loads },
	PolicyRoundRobin:     func(_, _ *link) bool { return false },
	PolicyPrimaryStandby: func(_, _ *link) bool { return false },
}

// usable says that a link takes new work.
func (l *link) usable() bool { return l.state == LinkUp && !l.suspect && !l.draining && !l.line.full() }

// choose returns the link for the next message among those that take work; nil: none, and whether only the windows are full. A primary
// whose window is full declines: a standby is for when the primary is gone.
func (g *Gateway) choose(window int) (best *link, windowFull bool) {
	first, better := g.turn+1, policies[g.config.Policy]
	inOrder := g.config.Policy == PolicyPrimaryStandby
	if inOrder {
		first = 0
	}
	for i := range g.links {
		l := g.links[(first+i)%len(g.links)]
		switch {
		case !l.usable():
			continue
		case window > 0 && l.loads >= window:
			windowFull = true
		case best == nil || better(l, best):
			best = l
		}
		if inOrder {
			break
		}
	}
	if best != nil {
		g.turn = best.number
	}
	return best, windowFull
}
