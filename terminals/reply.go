package terminals

import (
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// signOnAgain is the 处理要求 nibble that tells the terminal to sign on again (wire handbook 3.1).
const signOnAgain = 3

// answer builds the reply to a request from the raw frame it came in and the core's decision. The same frame, decision and keys make the
// same bytes, so a repeat gets the first answer byte for byte.
func (s *Session) answer(p *pending, d *transaction.Decision) {
	m := &s.sessions.message
	if s.parse(m, p.payload()) != nil {
		return // it was read before; a session cannot have other keys with the same epoch
	}
	switch m.MTI() {
	case iso8583.MTISignOn:
		s.answerSignOn(m, d)
	case iso8583.MTIManagement:
		s.answerManagement(m, d)
	default:
		s.answerFinancial(m, d)
	}
}

// answerFinancial: 0210 and 0410 (wire handbook 5.1).
func (s *Session) answerFinancial(m *iso8583.Message, d *transaction.Decision) {
	t := s.sessions
	b := &t.builder
	approved := d.Code == transaction.Approved
	sale := approved && m.MTI() == iso8583.MTIFinancial && d.Kind != transaction.KindBalance
	b.Reply(s.link.Buffer(), m, m.MTI().Reply(), 0)
	s.echoHead(m, d.Time)
	if sale {
		b.Number(15, t.clock.settlementDate(d.Day))
	}
	b.Copy(m, 25)
	if sale {
		b.Digits(32, t.config.Institution)
	}
	reference := d.Reference()
	b.Bytes(37, reference[:])
	if sale && t.config.AuthorizationCodes {
		code := t.authorization(reference)
		b.Bytes(38, code[:])
	}
	b.Bytes(39, d.Code[:])
	b.Copy(m, 41)
	b.Copy(m, 42)
	b.Copy(m, 49)
	if approved && d.HasBalance && m.MTI() == iso8583.MTIFinancial {
		balance := balanceField(d.Balance)
		b.Bytes(54, balance[:])
	}
	if !approved && t.config.RefusalText {
		b.Bytes(56, t.texts.of(d.Reason, d.Numbers))
	}
	if sale && d.Kind == transaction.KindPurchase {
		s.priceField(d)
	}
	b.Copy(m, 60)
	s.link.Update(b.Finish(s.mac, m.MAC()))
}

// echoHead writes what every reply begins with.
func (s *Session) echoHead(m *iso8583.Message, moment int64) {
	t := s.sessions
	b := &t.builder
	b.Copy(m, 2)
	b.Copy(m, 3)
	b.Copy(m, 4)
	b.Copy(m, 11)
	hhmmss, mmdd := t.clock.at(moment)
	b.Number(12, hhmmss)
	b.Number(13, mmdd)
}

// authorization is DE 38: the prefix, then as many last digits of the reference as fit.
func (t *Sessions) authorization(r transaction.Reference) (code [6]byte) {
	n := copy(code[:], t.config.AuthorizationPrefix)
	copy(code[n:], r[len(r)-len(code)+n:])
	return code
}

// answerSignOn: 0810, with the working keys when the terminal is let in.
func (s *Session) answerSignOn(m *iso8583.Message, d *transaction.Decision) {
	t := s.sessions
	code := d.Code
	var keys []byte
	if code == transaction.Approved && d.SignOn != nil {
		keys, code = s.openSession(m, d.SignOn)
	}
	b := &t.builder
	b.Reply(s.link.Buffer(), m, iso8583.MTISignOnReply, 0)
	s.echoHead(m, d.Time)
	if code == transaction.Approved {
		b.Digits(32, t.config.Institution)
	}
	s.finishNetwork(m, d.Reference(), code, func() {
		if code != transaction.Approved {
			b.Copy(m, 60)
			return
		}
		s.network(m, d.SignOn.Batch)
		b.Bytes(62, keys)
	})
	if s.tooManySignOns() {
		s.finish(ClosedBadMACs)
	}
}

// network writes F60 with the batch that the terminal is to use from now on.
func (s *Session) network(m *iso8583.Message, batch uint32) {
	b := &s.sessions.builder
	messageType, asked, code, _ := m.Network()
	if asked == batch {
		b.Copy(m, 60) // pad nibble and all
		return
	}
	b.Variable(60, uint64(messageType)*1e9+uint64(batch)*1e3+uint64(code), 11)
}

// answerManagement: 0830. A sign-off ends the session; the connection stays for the next one.
func (s *Session) answerManagement(m *iso8583.Message, d *transaction.Decision) {
	s.sessions.builder.Reply(s.link.Buffer(), m, iso8583.MTIManagementReply, 0)
	s.echoHead(m, d.Time)
	s.finishNetwork(m, d.Reference(), d.Code, func() { s.sessions.builder.Copy(m, 60) })
	if d.Kind == transaction.KindSignOff && d.Code == transaction.Approved {
		s.signOff()
	}
}

// finishNetwork writes the end that replies without a MAC share; tail writes F60 and what follows.
func (s *Session) finishNetwork(m *iso8583.Message, reference transaction.Reference, code transaction.ResponseCode, tail func()) {
	b := &s.sessions.builder
	b.Bytes(37, reference[:])
	b.Bytes(39, code[:])
	b.Copy(m, 41)
	b.Copy(m, 42)
	tail()
	s.link.Update(b.Finish(nil, nil))
}

// decline answers a message that does not become a request. sealed says whether the message was authentic, so that the answer may bear
// our MAC; an answer under our MAC to whatever anybody sends would be a gift to a forger.
func (s *Session) decline(now int64, code transaction.ResponseCode, processing byte, sealed bool, why rejection) {
	t := s.sessions
	m := &t.message
	t.events.rejected(rejectionLabels[why])
	b := &t.builder
	b.Reply(s.link.Buffer(), m, m.MTI().Reply(), processing)
	s.echoHead(m, now)
	b.Copy(m, 25)
	reference := t.number(now)
	b.Bytes(37, reference[:])
	b.Bytes(39, code[:])
	b.Copy(m, 41)
	b.Copy(m, 42)
	b.Copy(m, 49)
	b.Copy(m, 60)
	if sealed {
		s.link.Update(b.Finish(s.mac, m.MAC()))
		return
	}
	s.link.Update(b.Finish(nil, nil))
}
