package bankgw

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// errand is what is asked of a link or the bank, or an order that is no bank's and is given to a gateway to be answered for.
type errand struct {
	link   int
	drain  bool
	newKey bool
	totals *Totals

	sendTotals bool
	nobody     *order
}

// Drain takes a link out of work, for maintenance at the bank or on the line: it gets nothing new, what is in flight is waited for, then it
// signs off and stays down until Resume. Any goroutine may call it; Status shows how far it is.
func (g *Gateway) Drain(link int) error { return g.giveErrand(errand{link: link, drain: true}) }

// Resume puts a link back to work.
func (g *Gateway) Resume(link int) error { return g.giveErrand(errand{link: link}) }

// Languages takes what an order is refused with apart, Chinese and English.
func Languages(err error) (chinese, english string) {
	chinese, english, both := strings.Cut(err.Error(), " / ")
	if !both {
		return chinese, chinese
	}
	return chinese, english
}

func (g *Gateway) giveErrand(e errand) error {
	if e.link < 0 || e.link >= len(g.links) {
		return fmt.Errorf("没有链路 %d,共 %d 条 / there is no link %[1]d, there are %[2]d", e.link, len(g.links))
	}
	if !g.handover.giveErrand(e) {
		return fmt.Errorf("网关已停止 / the gateway has stopped")
	}
	return nil
}

func (h *handover) giveErrand(e errand) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.errands = append(h.errands, e)
	select {
	case h.wake <- struct{}{}:
	default:
	}
	return true
}

func (h *handover) takeErrands() []errand {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := h.errands
	h.errands = nil
	return taken
}

func (g *Gateway) takeErrands(now time.Time) {
	for _, e := range g.handover.takeErrands() {
		if e.nobody != nil {
			g.answerForNobody(e.nobody)
			continue
		}
		if e.totals != nil {
			g.takeTotals(now, e.totals, e.sendTotals)
			continue
		}
		if e.newKey {
			g.askKey(now, nil)
			continue
		}
		l := g.links[e.link]
		if l.draining == e.drain {
			continue
		}
		l.draining = e.drain
		switch {
		case !e.drain && l.state == LinkDown:
			l.due = now
		case !e.drain:
			g.reversals.changed() // it takes work again
		case l.state == LinkConnecting || l.state == LinkSigningOn:
			g.drop(l) // nothing is in flight yet
		}
	}
}

// drained signs a link off on which nothing is in flight any more, and says whether it did.
func (g *Gateway) drained(now time.Time, l *link) bool {
	busy := l.loads > 0 || g.signingOn(l) || g.withdrawalOn(l) || slices.ContainsFunc(g.deadlines, func(ex *exchange) bool {
		return !ex.ended && ex.link == l && ex.generation == l.generation
	})
	if busy {
		return false
	}
	g.enter(l, LinkSigningOff)
	if !g.askNetwork(now, l, functionSignOff, g.config.SignOnTimeout) {
		g.drop(l)
	}
	return true
}
