package bankgw

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// Agreements with the bank (签约 890000, 解约 920000, 验证 330000; wire handbook 5.2) are asked for by a person who waits, and move no money. They
// go over the same links under the same MAC, and beside the machine of loads: a question that stays unanswered is not reversed, because asking
// again does no harm. Whoever asked decides what to believe.

// SigningAct is what the bank is asked.
type SigningAct string

// Processing codes, DE 3 of 0100.
const (
	SigningBind    SigningAct = "890000" // 签约
	SigningRelease SigningAct = "920000" // 解约
	SigningVerify  SigningAct = "330000" // 验证: nothing changes
)

// Signing is one question.
type Signing struct {
	Act      SigningAct
	Account  uint64               // at the bank
	Holder   string               // his number at the site, DE 103
	Identity iso8583.BankIdentity // DE 61; may be empty for a release
}

// SigningAnswer is what the bank says.
type SigningAnswer struct {
	Code      transaction.ResponseCode
	Reference string // the bank's own number: its authorisation code, else DE 37
	Signed    string // of a verification: "Y" it has an agreement with this holder, "N" it has none, "" it does not say
}

// What became of a question that has no answer.
var (
	// ErrNotAsked: nothing has left the house.
	ErrNotAsked = errors.New("没有可用的银行链路,未发出 / no link to the bank: nothing was sent")
	// ErrSilent: it has left, and whether the bank did it is not known.
	ErrSilent = errors.New("银行未答复,结果未知 / the bank did not answer: the outcome is not known")
)

// Message types of agreements, and the terminal and merchant that they are asked from: the desks' own.
const (
	mtiSigning       = "0100"
	mtiSigningAnswer = "0110"
	signingMerchant  = "000000000000000"
	conditionSigning = "00"
)

var signingTerminal = transaction.TerminalCode{'D', 'E', 'S', 'K', '0', '0', '0', '0'}

// signingsMax bounds the questions in flight: people ask them.
const signingsMax = 64

// asked is one question with who waits for it.
type asked struct {
	Signing
	answer chan<- signingSaid // holds one: nobody is waited for
	key    muxKey
	link   *link
	until  time.Time
}

type signingSaid struct {
	SigningAnswer
	err error
}

// signings are the questions about agreements.
type signings struct {
	mu     sync.Mutex
	asked  []*asked // guarded by mu; not yet taken
	closed bool     // guarded by mu: nobody takes any more

	// Owner of all below: Run.
	mux    map[muxKey]*asked
	newest int64 // moment of the last reference: references are never used again
}

// Ask asks the bank about an agreement and waits for its answer. An error is ErrNotAsked, ErrSilent, the context's, which says no more than
// ErrSilent does, or iso8583.ErrIdentity.
func (g *Gateway) Ask(ctx context.Context, s Signing) (SigningAnswer, error) {
	answer := make(chan signingSaid, 1)
	if !g.signings.give(&asked{Signing: s, answer: answer}) {
		return SigningAnswer{}, ErrNotAsked
	}
	select {
	case g.handover.wake <- struct{}{}:
	default:
	}
	select {
	case said := <-answer:
		return said.SigningAnswer, said.err
	case <-ctx.Done():
		return SigningAnswer{}, ctx.Err()
	}
}

func (q *signings) give(a *asked) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.asked) >= signingsMax {
		return false
	}
	q.asked = append(q.asked, a)
	return true
}

func (q *signings) take() []*asked {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.asked
	q.asked = nil
	return list
}

// takeSignings sends what was asked.
func (g *Gateway) takeSignings(now time.Time) {
	for _, a := range g.signings.take() {
		if err := g.sendSigning(now, a); err != nil {
			a.answer <- signingSaid{err: err}
		}
	}
}

func (g *Gateway) sendSigning(now time.Time, a *asked) error {
	l, _ := g.choose(0)
	if l == nil || g.phase != phaseRunning || now.Before(g.cutOver) || len(g.signings.mux) >= signingsMax {
		return ErrNotAsked
	}
	g.trace = g.trace%traceSpace + 1
	a.key = muxKey{classSigning, signingTerminal, g.trace}
	if g.signings.mux[a.key] != nil {
		return ErrNotAsked
	}
	g.signings.newest = max(g.signings.newest+1, now.UnixMicro())
	frame, err := g.writer.signing(&a.Signing, g.trace, g.signings.newest)
	if err != nil {
		g.events.fault(faultEncoding)
		return err
	}
	a.link, a.until = l, now.Add(g.config.RequestTimeout)
	g.signings.mux[a.key] = a
	g.send(l, mtiSigning, frame)
	return nil
}

// signing is the 0100. Its reference is the moment at which it was asked.
func (w *writer) signing(s *Signing, trace uint32, moment int64) ([]byte, error) {
	m, account := w.begin(mtiSigning), strconv.FormatUint(s.Account, 10)
	if s.Identity != (iso8583.BankIdentity{}) {
		identity, err := s.Identity.Encode()
		if err != nil {
			return nil, err
		}
		m.Set(61, identity)
	}
	at := w.local(moment)
	reference := fmt.Sprintf("S%011s", strings.ToUpper(strconv.FormatInt(moment, 36)))
	return w.frame(m.Set(2, account).Set(3, string(s.Act)).Set(7, at.Format("0102150405")).SetNumber(11, uint64(trace)).
		Set(12, at.Format("150405")).Set(13, at.Format("0102")).Set(18, w.config.MerchantType).Set(25, conditionSigning).
		Set(32, w.config.Institution).Set(33, w.config.Forwarding).Set(37, reference).
		Set(41, signingTerminal.String()).Set(42, signingMerchant).Set(102, account).Set(103, s.Holder))
}

// signingAnswered takes the bank's 0110: the answer to the question that is in flight under its trace, about its account and its act.
func (g *Gateway) signingAnswered(a *answer) {
	m := a.message
	key := muxKey{class: classSigning, trace: a.trace}
	copy(key.terminal[:], m.String(41))
	open := g.signings.mux[key]
	switch {
	case open == nil:
		g.events.fault(faultUnmatched) // it was given up
		return
	case m.String(3) != string(open.Act) || m.Has(102) && m.String(102) != strconv.FormatUint(open.Account, 10):
		g.events.fault(faultIdentity)
		return // it still waits for one that fits
	case len(m.String(39)) != len(a.code):
		g.events.fault(faultMalformed)
		return
	}
	said := SigningAnswer{Code: a.code, Reference: strings.TrimSpace(m.String(38)), Signed: m.String(44)}
	if said.Reference == "" {
		said.Reference = strings.TrimSpace(m.String(37))
	}
	g.endSigning(open, signingSaid{SigningAnswer: said})
}

func (g *Gateway) endSigning(a *asked, said signingSaid) {
	delete(g.signings.mux, a.key)
	a.answer <- said
}

// expireSignings gives up what has waited too long, and says when to look again.
func (g *Gateway) expireSignings(now time.Time) (next time.Time) {
	for _, a := range g.signings.mux {
		if !now.Before(a.until) {
			g.events.fault(faultTimeout)
			g.endSigning(a, signingSaid{err: ErrSilent})
			continue
		}
		next = earliest(next, a.until)
	}
	return next
}

// loseSignings gives up what was in flight on a link.
func (g *Gateway) loseSignings(l *link) {
	for _, a := range g.signings.mux {
		if a.link == l {
			g.events.fault(faultLinkLost)
			g.endSigning(a, signingSaid{err: ErrSilent})
		}
	}
}

// closeSignings ends every question at the stop of the gateway.
func (g *Gateway) closeSignings() {
	g.signings.mu.Lock()
	waiting := g.signings.asked
	g.signings.asked, g.signings.closed = nil, true
	g.signings.mu.Unlock()
	for _, a := range waiting {
		a.answer <- signingSaid{err: ErrNotAsked}
	}
	for _, a := range g.signings.mux {
		g.endSigning(a, signingSaid{err: ErrSilent})
	}
}
