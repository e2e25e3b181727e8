package bankgw

import (
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"onecard/ledger/invariant"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// The change of the MAC key (wire handbook 4.2 and 5.2). The bank begins by itself or because it was asked (0820, function 101):
//
//	0800/101 with the key under the ZMK and its check value, signed with the new key   ->   check value? MAC? never in force before?
//	                                                                                        keep it, sign with it at once, take the old one
//	0810/101 with 00, signed with the new key                                          <-   for key_overlap more
//
// What is refused is answered under the old key, which stays: A7 for the check value, A0 for the MAC, 94 for a key of before, 96 when it cannot
// be stored. When our 0810 is lost the bank sends its 0800 again: it brings the key in force, and is answered 00 again.
//
// A request for a key is sent on a link that is not signed on, too: where the keys do not agree no link can sign on.
type rekey struct {
	badMACs  int       // in a row, on any link
	trace    uint32    // DE 11 of the request; 0: none is under way
	deadline time.Time // when the new key must be here
	askAgain time.Time // without an order not before
	refusal  string    // why the last one was not taken, or not given

	checkValue string // of the key in force
}

// Response codes for key changes.
var (
	codeBadMAC      = transaction.ResponseCode{'A', '0'}
	codeBadKey      = transaction.ResponseCode{'A', '7'}
	codeRetiredKey  = transaction.ResponseCode{'9', '4'}
	codeKeyNotKept  = transaction.ResponseCode{'9', '6'}
	refusalsOfFault = map[fault]struct {
		code transaction.ResponseCode
		text string
	}{
		faultKeyCheckValue: {codeBadKey, "新密钥与校验值不符 / the new key does not have its check value"},
		faultKeyMAC:        {codeBadMAC, "密钥报文的 MAC 不是新密钥的 / the key change is not signed with the new key"},
		faultKeyRetired:    {codeRetiredKey, "送来的是已停用的密钥 / the key was in force before"},
		faultKeyNotKept:    {codeKeyNotKept, "新密钥无法保存 / the new key could not be stored"},
	}
)

// Why keys are not changed.
var (
	ErrNoKeyChange = errors.New("本行方言没有换密钥报文(dialect.keys、record.key) / the bank's table has no key change (dialect.keys, record.key)")
	ErrNoZMK       = errors.New("没有配置 zmk_file,链路上不能换密钥 / there is no zmk_file: keys are not changed over the link")
	ErrNoLink      = errors.New("没有连接着的链路 / no link is connected")
)

// changesKeys says why keys are not changed over the link; nil: they are.
func (g *Gateway) changesKeys() error {
	switch {
	case !g.writer.changesKeys():
		return ErrNoKeyChange
	case g.ring.zmk == nil:
		return ErrNoZMK
	}
	return nil
}

// ChangeKey asks the bank for a new MAC key. Any goroutine may call it; Status shows what comes of it.
func (g *Gateway) ChangeKey() error {
	if err := g.changesKeys(); err != nil {
		return err
	}
	for _, l := range g.Status().Links {
		if l.State == LinkSigningOn || l.State == LinkUp {
			return g.giveErrand(errand{newKey: true})
		}
	}
	return ErrNoLink
}

// unfit counts what was no message of the bank. A key change among it is answered.
func (g *Gateway) unfit(now time.Time, l *link, h *happening) {
	g.events.fault(h.fault)
	if h.refused != nil {
		g.events.message("in", mtiKey)
		g.refuseKey(l, h.refused, h.fault)
	}
	if h.fault == faultMAC {
		g.weighMAC(now, l, true)
	}
}

// weighMAC counts wrong MACs in a row: the bank's, and ours that the bank answers with A0. Enough of them ask for a new key.
func (g *Gateway) weighMAC(now time.Time, l *link, bad bool) {
	if g.rekey.badMACs++; !bad {
		g.rekey.badMACs = 0
	}
	due := g.config.KeyResetAfter > 0 && g.rekey.badMACs >= g.config.KeyResetAfter && !now.Before(g.rekey.askAgain)
	if due && g.changesKeys() == nil {
		g.askKey(now, l)
	}
}

// askKey sends the request. on is where it is wanted because something was heard there; nil: an operator has ordered it.
func (g *Gateway) askKey(now time.Time, on *link) {
	ordered := on == nil
	for _, l := range g.links {
		connected := l.line != nil && (l.state == LinkUp || l.state == LinkSigningOn) && !l.line.full()
		if connected && (on == nil || on.state != LinkUp && l.state == LinkUp) {
			on = l
		}
	}
	if on == nil || on.line == nil || on.line.full() {
		return
	}
	g.trace = g.trace%traceSpace + 1
	frame, err := g.writer.network(functionKey, g.trace, now)
	if err != nil {
		g.events.fault(faultEncoding)
		return
	}
	g.events.keyAsked(ordered)
	g.send(on, mtiNetwork, frame)
	g.rekey.badMACs, g.rekey.trace, g.rekey.deadline, g.rekey.askAgain = 0, g.trace, now.Add(g.config.SignOnTimeout), now.Add(keyAskPause)
}

// keyAskAnswered takes the bank's 0830 to the request. An approval is no key yet.
func (g *Gateway) keyAskAnswered(a *answer) {
	switch {
	case g.rekey.trace == 0 || a.trace != g.rekey.trace:
		// The key may have come before this.
	case a.code != transaction.Approved:
		g.events.fault(faultKeyRefused)
		g.endKeyWait("银行以 " + a.code.String() + " 拒绝 / the bank refused with " + a.code.String())
	}
}

func (g *Gateway) endKeyWait(refusal string) {
	g.rekey.trace, g.rekey.deadline, g.rekey.refusal = 0, time.Time{}, refusal
}

// tickKeys gives up a request that brought nothing.
func (g *Gateway) tickKeys(now time.Time) (next time.Time) {
	if !g.rekey.deadline.IsZero() && !now.Before(g.rekey.deadline) {
		g.events.fault(faultKeyTimeout)
		g.endKeyWait("申请后未收到新密钥 / no new key came after it was asked for")
	}
	return g.rekey.deadline
}

// keyCame takes a key change. REQUIRES: it is authentic under the key that it brings, or brings none.
func (g *Gateway) keyCame(now time.Time, l *link, a *answer) {
	held := g.ring.inUse.Load()
	switch {
	case a.key == nil:
		g.answerKey(l, a, transaction.NotSupported)
	case string(a.key) == string(held.MAC): // our answer was lost
		g.endKeyWait("")
		g.answerKey(l, a, transaction.Approved)
	case held.retired(a.key):
		g.events.fault(faultKeyRetired)
		g.refuseKey(l, a, faultKeyRetired)
	default:
		g.takeKey(now, l, a)
	}
}

func (k *Keys) retired(key iso8583.Secret) bool {
	wanted := FingerprintOf(key)
	for _, f := range k.Retired {
		if f == wanted {
			return true
		}
	}
	return false
}

// takeKey puts a new key in force. It is stored before the bank hears of it: a death between them leaves us signing with what the bank has sent.
func (g *Gateway) takeKey(now time.Time, l *link, a *answer) {
	held := g.ring.inUse.Load()
	next := held.next(a.key, now, g.config.KeyOverlap)
	next.CheckValue = g.ring.checkValue(next.MAC)
	if held.Keep != nil {
		if err := held.Keep(next); err != nil {
			g.events.fault(faultKeyNotKept)
			g.refuseKey(l, a, faultKeyNotKept)
			return
		}
	}
	err := g.writer.use(next.MAC)
	invariant.Hold(err == nil, "a MAC key that was tried: %v", err)
	g.ring.inUse.Store(&next)
	g.rekey.checkValue = next.CheckValue
	g.endKeyWait("")
	g.events.keyChanged(g.rekey.checkValue)
	g.answerKey(l, a, transaction.Approved)
	for _, other := range g.links { // theirs went out under the old key
		if other.state == LinkSigningOn && other.line != nil && !g.askNetwork(now, other, functionSignOn, g.config.SignOnTimeout) {
			g.lose(now, other, "签到报文无法组成 / the sign-on could not be written")
		}
	}
}

func (g *Gateway) refuseKey(l *link, a *answer, f fault) {
	refusal := refusalsOfFault[f]
	g.endKeyWait(refusal.text)
	g.answerKey(l, a, refusal.code)
}

// answerKey answers a key change under the key in force.
func (g *Gateway) answerKey(l *link, a *answer, code transaction.ResponseCode) {
	if l.line == nil || l.line.full() {
		return // the bank sends it again
	}
	frame, err := g.writer.networkAnswer(a, code.String())
	if err != nil {
		g.events.fault(faultEncoding)
		return
	}
	g.send(l, mtiKeyAnswer, frame)
}

func (g *Gateway) keyStatus() KeyStatus {
	k := g.ring.inUse.Load()
	return KeyStatus{
		CheckValue: g.rekey.checkValue, Since: k.Since, OverlapUntil: k.Until, WaitingUntil: g.rekey.deadline,
		ChangesByLink: g.changesKeys() == nil, LastRefusal: g.rekey.refusal,
	}
}

// checkValue of a key, in digits.
func (r *keyRing) checkValue(key iso8583.Secret) string {
	value, err := iso8583.CheckValue(iso8583.SchemeOf(r.mode), key)
	invariant.Hold(err == nil, "check value of a MAC key that was tried: %v", err)
	return strings.ToUpper(hex.EncodeToString(value[:]))
}
