package terminals

import (
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// signOnAgain is the 处理要求 nibble that tells the terminal to sign on again (wire handbook 3.1).
const signOnAgain = 3

// answer builds the reply to a request from what was kept of it and the core's decision. The same request, decision and keys make the same
// bytes, so a repeat gets the first answer byte for byte.
func (s *Session) answer(e *iso8583.Echo, d *transaction.Decision) {
	switch e.MTI() {
	case iso8583.MTISignOn:
		s.answerSignOn(e, d)
	case iso8583.MTIManagement:
		s.answerManagement(e, d)
	default:
		s.answerFinancial(e, d)
	}
}

// answerFinancial: 0210 and 0410 (wire handbook 5.1).
func (s *Session) answerFinancial(e *iso8583.Echo, d *transaction.Decision) {
	t := s.sessions
	b := &t.builder
	approved := d.Code == transaction.Approved
	sale := approved && e.MTI() == iso8583.MTIFinancial && d.Kind != transaction.KindBalance
	b.Answer(s.link.Buffer(), e, e.MTI().Reply(), 0)
	s.echoHead(e, d.Time)
	if sale {
		b.Wire(15, t.clock.settlementDate(d.Day))
	}
	b.Echo(e, iso8583.EchoCondition)
	if sale {
		b.Wire(32, t.institution)
	}
	reference := d.Reference()
	b.Wire(37, reference[:])
	if sale && t.config.AuthorizationCodes {
		code := t.authorization(reference)
		b.Bytes(38, code[:])
	}
	b.Wire(39, d.Code[:])
	b.Echo(e, iso8583.EchoPlace)
	b.Echo(e, iso8583.EchoCurrency)
	if approved && d.HasBalance && e.MTI() == iso8583.MTIFinancial {
		balance := balanceField(d.Balance)
		b.Bytes(54, balance[:])
	}
	if !approved && t.config.RefusalText {
		b.Bytes(56, t.texts.of(d.Reason, d.Numbers))
	}
	if sale && d.Kind == transaction.KindPurchase {
		s.priceField(d)
	}
	b.Echo(e, iso8583.EchoNetwork)
	s.link.Update(b.Finish(s.mac, e.MAC()))
}

// echoHead writes what every reply begins with.
func (s *Session) echoHead(e *iso8583.Echo, moment int64) {
	t := s.sessions
	b := &t.builder
	b.Echo(e, iso8583.EchoFirst)
	hhmmss, mmdd := t.clock.wire(moment)
	b.Wire(12, hhmmss)
	b.Wire(13, mmdd)
}

// authorization is DE 38: the prefix, then as many last digits of the reference as fit.
func (t *Sessions) authorization(r transaction.Reference) (code [6]byte) {
	n := copy(code[:], t.config.AuthorizationPrefix)
	copy(code[n:], r[len(r)-len(code)+n:])
	return code
}

// answerSignOn: 0810, with the working keys when the terminal is let in.
func (s *Session) answerSignOn(e *iso8583.Echo, d *transaction.Decision) {
	t := s.sessions
	code := d.Code
	var keys []byte
	if code == transaction.Approved && d.SignOn != nil {
		keys, code = s.openSession(e, d.SignOn)
	}
	b := &t.builder
	b.Answer(s.link.Buffer(), e, iso8583.MTISignOnReply, 0)
	s.echoHead(e, d.Time)
	if code == transaction.Approved {
		b.Wire(32, t.institution)
	}
	s.finishNetwork(e, d.Reference(), code, func() {
		if code != transaction.Approved {
			b.Echo(e, iso8583.EchoNetwork)
			return
		}
		s.network(e, d.SignOn.Batch)
		b.Bytes(62, keys)
	})
	if s.tooManySignOns() {
		s.finish(ClosedBadMACs)
	}
}

// network writes F60 with the batch that the terminal is to use from now on.
func (s *Session) network(e *iso8583.Echo, batch uint32) {
	b := &s.sessions.builder
	messageType, asked, code, _ := e.Network()
	if asked == batch {
		b.Echo(e, iso8583.EchoNetwork) // pad nibble and all
		return
	}
	b.Variable(60, uint64(messageType)*1e9+uint64(batch)*1e3+uint64(code), 11)
}

// answerManagement: 0830. A sign-off ends the session; the connection stays for the next one.
func (s *Session) answerManagement(e *iso8583.Echo, d *transaction.Decision) {
	s.sessions.builder.Answer(s.link.Buffer(), e, iso8583.MTIManagementReply, 0)
	s.echoHead(e, d.Time)
	s.finishNetwork(e, d.Reference(), d.Code, func() { s.sessions.builder.Echo(e, iso8583.EchoNetwork) })
	if d.Kind == transaction.KindSignOff && d.Code == transaction.Approved {
		s.signOff()
	}
}

// finishNetwork writes the end that replies without a MAC share; tail writes F60 and what follows.
func (s *Session) finishNetwork(e *iso8583.Echo, reference transaction.Reference, code transaction.ResponseCode, tail func()) {
	b := &s.sessions.builder
	b.Bytes(37, reference[:])
	b.Bytes(39, code[:])
	b.Echo(e, iso8583.EchoPlace)
	tail()
	s.link.Update(b.Finish(nil, nil))
}

// decline answers a message that does not become a request. sealed says whether the message was authentic, so that the answer may bear
// our MAC; an answer under our MAC to whatever anybody sends would be a gift to a forger.
func (s *Session) decline(now int64, code transaction.ResponseCode, processing byte, sealed bool, why rejection) {
	t := s.sessions
	e := &t.echo
	t.message.Echo(e)
	t.events.rejected(rejectionLabels[why])
	b := &t.builder
	b.Answer(s.link.Buffer(), e, e.MTI().Reply(), processing)
	s.echoHead(e, now)
	b.Echo(e, iso8583.EchoCondition)
	reference := t.number(now)
	b.Bytes(37, reference[:])
	b.Bytes(39, code[:])
	b.Echo(e, iso8583.EchoPlace)
	b.Echo(e, iso8583.EchoCurrency)
	b.Echo(e, iso8583.EchoNetwork)
	if sealed {
		s.link.Update(b.Finish(s.mac, e.MAC()))
		return
	}
	s.link.Update(b.Finish(nil, nil))
}
