package bankgw

import (
	"context"
	"fmt"
	"slices"
	"time"

	"onecard/switch/transaction"
)

// link is one of the standing connections to the bank:
//
//	down -> connecting -> signing on -> up -> signing off -> down
//	 ^----------'-------------'--------'
//
// Owner: Run.
type link struct {
	number     int
	address    string
	state      LinkState
	generation uint64             // counts lines: what an older line still tells is not listened to
	line       *line              // nil unless signing on, up or signing off
	cut        context.CancelFunc // ends the line's goroutines; nil when down
	due        time.Time          // down: when to connect; signing on or off: when to give up
	failures   int                // since it was last up
	bad        int                // messages in a row that are none
	loads      int                // in flight
	draining   bool               // taken out of work by an operator: see Drain
	lastError  string

	heard    time.Time // an authentic message came
	suspect  bool      // something stayed unanswered and nothing has come since: no new work
	misses   int       // echoes unanswered in a row
	function int       // network message that waits for its answer; 0: none
	trace    uint32    // its DE 11
	answerBy time.Time // of an echo
}

func (g *Gateway) enter(l *link, s LinkState) {
	l.state = s
	g.events.linkState(l.number, s)
}

// tickLink does what is due on one link.
func (g *Gateway) tickLink(now time.Time, l *link) (next time.Time) {
	switch l.state {
	case LinkDown:
		if g.phase != phaseRunning || l.draining {
			return time.Time{}
		}
		if now.Before(l.due) {
			return l.due
		}
		l.generation++
		g.enter(l, LinkConnecting)
		var ctx context.Context
		ctx, l.cut = context.WithCancel(context.Background())
		g.running.Add(1)
		go g.runLine(ctx, happening{link: l.number, generation: l.generation}, l.address)
	case LinkSigningOn, LinkSigningOff:
		if now.Before(l.due) {
			return l.due
		}
		switch {
		case l.state == LinkSigningOn:
			g.lose(now, l, "签到未获应答 / no answer to the sign-on")
		case g.phase == phaseRunning && !l.draining:
			g.lose(now, l, "银行已签退 / the bank has signed off")
		default:
			g.drop(l)
		}
		return l.due
	case LinkUp:
		if l.draining && g.drained(now, l) {
			return l.due
		}
		return g.tickEcho(now, l)
	}
	return time.Time{}
}

// tickEcho asks a silent link whether it is alive, and takes it down when it is not.
func (g *Gateway) tickEcho(now time.Time, l *link) (next time.Time) {
	if l.function == functionSignOn { // see signOnDaily
		if now.Before(l.answerBy) {
			return l.answerBy
		}
		g.lose(now, l, "签到未获应答 / no answer to the sign-on")
		return l.due
	}
	if l.function == functionEcho {
		if now.Before(l.answerBy) {
			return l.answerBy
		}
		g.events.fault(faultEchoMissed)
		l.function = 0
		if l.misses++; l.misses >= g.config.EchoMisses {
			g.lose(now, l, fmt.Sprintf("连续 %d 次回响无应答 / %d echoes in a row were not answered", l.misses, l.misses))
			return l.due
		}
	} else if idle := l.heard.Add(g.config.EchoInterval); !l.suspect && now.Before(idle) {
		return idle
	}
	if !g.askNetwork(now, l, functionEcho, g.config.EchoTimeout) {
		g.lose(now, l, "发送队列已满 / its outbox is full")
		return l.due
	}
	return l.answerBy
}

// askNetwork sends a 0820. At most one waits for its answer on a link; a newer one takes its place.
func (g *Gateway) askNetwork(now time.Time, l *link, function int, patience time.Duration) bool {
	g.trace = g.trace%traceSpace + 1
	frame, err := g.writer.network(function, g.trace, now)
	if err != nil || l.line.full() {
		return false
	}
	g.send(l, mtiNetwork, frame)
	l.function, l.trace = function, g.trace
	if l.answerBy = now.Add(patience); function != functionEcho {
		l.due = l.answerBy
	}
	return true
}

// send hands a message to a link's writer, which is woken by flush. REQUIRES: its line is not full.
func (g *Gateway) send(l *link, mti string, frame []byte) {
	l.line.outbox.add(g.framer, frame)
	g.events.message("out", mti)
}

// happened takes what a line's goroutine tells.
func (g *Gateway) happened(now time.Time, h *happening) {
	l := g.links[h.link]
	if h.generation != l.generation {
		return
	}
	switch h.kind {
	case lineConnected:
		g.connected(now, l, h.line)
	case lineLost:
		g.lose(now, l, h.text)
	case lineUnfit:
		g.unfit(now, l, h)
		if l.bad++; l.bad >= badBeforeClose {
			g.lose(now, l, fmt.Sprintf("连续 %d 条报文无法识别 / %d messages in a row could not be read", l.bad, l.bad))
		}
	case lineHeard:
		g.heard(now, l, h)
	}
}

// heard gives the messages that came together to whom they are for. A message may take its link down; then the others belong to a line that
// is gone.
func (g *Gateway) heard(now time.Time, l *link, h *happening) {
	if l.suspect || g.reversals.blocked {
		g.reversals.changed()
	}
	l.heard, l.suspect, l.misses, l.bad = now, false, 0, 0
	for i := range h.answers {
		if h.generation != l.generation {
			break
		}
		g.events.message("in", h.answers[i].mti)
		g.weighMAC(now, l, h.answers[i].code == codeBadMAC)
		g.answered(now, l, &h.answers[i])
	}
	g.giveSpare(h.answers)
}

func (g *Gateway) connected(now time.Time, l *link, connected *line) {
	l.line = connected
	if g.phase != phaseRunning {
		g.drop(l)
		return
	}
	l.bad, l.misses, l.suspect, l.heard = 0, 0, false, now
	g.enter(l, LinkSigningOn)
	if !g.askNetwork(now, l, functionSignOn, g.config.SignOnTimeout) {
		g.lose(now, l, "签到报文无法组成 / the sign-on could not be written")
	}
}

// answered gives a message of the bank to whom it is for.
func (g *Gateway) answered(now time.Time, l *link, a *answer) {
	switch {
	case !a.complete:
		g.events.fault(faultMalformed)
	case a.agreement != nil:
		g.signingAnswered(a)
	case a.mti == mtiLoadAnswer && g.withdrawals.knows(a):
		g.withdrawalAnswered(now, a)
	case a.mti == mtiQueryAnswer && g.withdrawals.knows(a):
		g.withdrawalTold(now, a)
	case a.mti == mtiLoadAnswer:
		g.loadAnswered(now, a)
	case a.mti == mtiReversalAnswer:
		g.reversalAnswered(now, a)
	case a.mti == mtiQueryAnswer:
		g.queryAnswered(a)
	case a.mti == mtiNetworkAnswer:
		g.networkAnswered(now, l, a)
	case a.mti == mtiNetwork:
		g.networkAsked(now, l, a)
	case a.mti == mtiTotals && a.totals != nil:
		g.totalsCame(l, a)
	case a.mti == mtiTotalsAnswer && a.totals != nil:
		g.totalsAnswered(a)
	case a.mti == mtiKey:
		g.keyCame(now, l, a)
	default:
		g.events.fault(faultUnexpected)
	}
}

// networkAnswered takes the bank's 0830.
func (g *Gateway) networkAnswered(now time.Time, l *link, a *answer) {
	if a.function == functionKey {
		g.keyAskAnswered(a)
		return
	}
	if l.function == 0 || a.trace != l.trace || a.function != uint64(l.function) {
		// The echo that was missed, or one that was given up for a sign-off: the link is alive, which is all that it says.
		if a.function != functionEcho {
			g.events.fault(faultUnmatched)
		}
		return
	}
	l.function = 0
	switch {
	case a.function == functionSignOff:
		g.drop(l)
	case a.code != transaction.Approved:
		g.events.fault(faultNetworkRefused)
		g.lose(now, l, fmt.Sprintf("银行以 %s 拒绝网络管理报文 %03d / the bank answered network message %03d with %s", a.code, a.function, a.function, a.code))
	case l.state == LinkSigningOn:
		l.failures, l.lastError = 0, ""
		g.enter(l, LinkUp)
		g.reversals.changed()
	}
}

// networkAsked answers the bank's own 0820: echo, the turn of its day, its sign-off.
func (g *Gateway) networkAsked(now time.Time, l *link, a *answer) {
	code := transaction.Approved
	switch a.function {
	case functionEcho, functionSignOff:
	case functionCutOverBegin, functionCutOverEnd:
		g.dayTurns(now, a.function == functionCutOverBegin)
	default:
		code = transaction.NotSupported
	}
	if frame, err := g.writer.networkAnswer(a, code.String()); err == nil && !l.line.full() {
		g.send(l, mtiNetworkAnswer, frame)
	}
	if a.function == functionSignOff {
		l.due = now.Add(g.config.SignOnTimeout) // the bank closes the line; what is in flight may still be answered
		g.enter(l, LinkSigningOff)
	}
}

// lose takes a link down and connects it again later. What was in flight on it is unknown.
func (g *Gateway) lose(now time.Time, l *link, reason string) {
	g.drop(l)
	l.lastError = reason
	pause := g.config.ReconnectMax
	if l.failures < 30 {
		pause = min(pause, g.config.ReconnectMin<<l.failures)
	}
	l.failures++
	// Half of the pause is drawn, so that two links that broke together do not knock together.
	l.due = now.Add(pause/2 + time.Duration(g.random.Int64N(int64(pause/2)+1)))
	g.events.linkLost(l.number, reason)
	g.loseSignings(l)
	g.loseWithdrawals(now, l)
	for _, ex := range slices.Concat(g.deadlines, g.queries) {
		if ex.link == l && !ex.ended {
			g.abandon(now, ex, faultLinkLost)
		}
	}
}

// drop closes a link's line.
func (g *Gateway) drop(l *link) {
	if l.cut != nil {
		l.cut()
		l.cut, l.line = nil, nil
	}
	l.generation++
	l.function, l.loads = 0, 0
	if l.state != LinkDown {
		g.enter(l, LinkDown)
	}
}
