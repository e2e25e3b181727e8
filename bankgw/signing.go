package bankgw

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"onecard/ledger/money"
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
	Code      transaction.ResponseCode // as people are told
	NotFound  bool                     // there is no such agreement
	Reference string                   // the bank's own number: its authorisation code, else DE 37
	Signed    string                   // of a verification: "Y" it has an agreement with this holder, "N" it has none, "" it does not say

	Balance money.Fen // of a balance enquiry
	Told    bool      // the bank has told it
}

// What became of a question that has no answer.
var (
	// ErrNotAsked: nothing has left the house.
	ErrNotAsked = errors.New("没有可用的银行链路,未发出 / no link to the bank: nothing was sent")
	// ErrSilent: it has left, and whether the bank did it is not known.
	ErrSilent = errors.New("银行未答复,结果未知 / the bank did not answer: the outcome is not known")
	// ErrHolder: the holder's number does not fit into the message.
	ErrHolder = errors.New("持卡人编号不能写入银行报文 / the holder's number cannot be sent to the bank")
	// ErrNoAgreements: this bank has no message for agreements, or the account is no bank's.
	ErrNoAgreements = errors.New("该银行没有签约报文,不能办理 / this bank has no message for agreements")
)

// signingTable is the table of a dialect for agreements, signingNeeds what its answer is recognised by.
const signingTable = "signing"

var signingNeeds = [...]source{sourceTrace, sourceTerminal, sourceAct, sourceAccount, sourceHolder, sourceReference}

// ownReference says whether a reference is of an agreement: it has a letter in front, so that it is never a load's.
func ownReference(message string, s source) bool {
	return (message == signingTable || message == balanceTable) && s == sourceReference
}

// signingMerchant and signingTerminal are where agreements are asked from: the desks' own.
const signingMerchant = "000000000000000"

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
// ErrSilent does, ErrNoAgreements, ErrHolder, or iso8583.ErrIdentity.
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
	if l == nil || l.line.full() || g.phase != phaseRunning || now.Before(g.cutOver) || len(g.signings.mux) >= signingsMax {
		return ErrNotAsked
	}
	g.trace = g.trace%traceSpace + 1
	a.key = muxKey{class: classSigning, terminal: signingTerminal, trace: g.trace}
	if g.signings.mux[a.key] != nil {
		return ErrNotAsked
	}
	g.signings.newest = max(g.signings.newest+1, now.UnixMicro())
	frame, err := g.writer.signing(&a.Signing, g.trace, g.signings.newest)
	if err != nil {
		if !errors.Is(err, ErrNoAgreements) {
			g.events.fault(faultEncoding)
		}
		return err
	}
	a.link, a.until = l, now.Add(g.config.RequestTimeout)
	g.signings.mux[a.key] = a
	mti := mtiSigning
	if a.Act == SigningBalance {
		mti = mtiLoad
	}
	g.send(l, mti, frame)
	return nil
}

// signingContent is what one question is about, as its message has it. Its reference is the moment at which it was asked.
type signingContent struct {
	*Signing
	identity, reference string
}

// ofSigning is about a question.
func (c *Config) ofSigning(s *Signing, trace uint32, moment int64) (about content, err error) {
	asked := &signingContent{Signing: s, reference: fmt.Sprintf("S%011s", strings.ToUpper(strconv.FormatInt(moment, 36)))}
	if s.Identity != (iso8583.BankIdentity{}) {
		asked.identity, err = s.Identity.Encode()
	}
	unfit := func(c rune) bool { return c <= ' ' || c > '~' }
	if len(s.Holder) > sources[sourceHolder].width || strings.ContainsFunc(s.Holder, unfit) {
		err = ErrHolder
	}
	return content{config: c, moment: c.local(moment), trace: trace, signing: asked}, err
}

// value is what a source is for an agreement; false when it is the same as elsewhere.
func (s *signingContent) value(of source) (string, bool) {
	switch of {
	case sourceAccount:
		return strconv.FormatUint(s.Account, 10), true
	case sourceAct:
		return string(s.Act), true
	case sourceHolder:
		return s.Holder, true
	case sourceIdentity:
		return s.identity, true
	case sourceReference:
		return s.reference, true
	case sourceTerminal:
		return signingTerminal.String(), true
	case sourceMerchant:
		return signingMerchant, true
	}
	return "", false
}

// agreed is what an answer says besides its code: what it is about, and whether the bank has an agreement, or what the account has.
type agreed struct{ act, account, signed, balance string }

// signedTwice is DE 39 for an account that another holder has signed for. Of a load it is uncertain; of an agreement it is a refusal.
var signedTwice = transaction.ResponseCode{'9', '4'}

// signingAnswered takes the bank's answer to the question that is in flight under its trace, about its account and its act. A code that does not
// say what was done is no answer.
func (g *Gateway) signingAnswered(a *answer) {
	open := g.signings.mux[muxKey{class: classSigning, terminal: a.terminal, trace: a.trace}]
	said := SigningAnswer{Code: a.told, NotFound: a.notFound, Reference: strings.TrimSpace(string(a.bank[:])), Signed: a.agreement.signed}
	if said.Balance, said.Told = readBalance(a.agreement.balance); a.agreement.act != string(SigningBalance) || a.told != transaction.Approved {
		said.Balance, said.Told = 0, false
	}
	switch {
	case open == nil:
		g.events.fault(faultUnmatched) // it was given up
	case a.agreement.act != string(open.Act) || a.agreement.account != "" && a.agreement.account != strconv.FormatUint(open.Account, 10):
		g.events.fault(faultIdentity) // it still waits for one that fits
	case a.uncertain && a.code != signedTwice:
		g.events.fault(faultUncertain)
		g.endSigning(open, signingSaid{err: fmt.Errorf("%w (%s)", ErrSilent, a.code)})
	default:
		g.endSigning(open, signingSaid{SigningAnswer: said})
	}
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

// signingOn says whether a question is in flight on a link.
func (g *Gateway) signingOn(l *link) bool {
	for _, a := range g.signings.mux {
		if a.link == l {
			return true
		}
	}
	return false
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
