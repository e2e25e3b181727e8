package terminals

import (
	"io"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// Network management codes, F60.3 of an 0820 (wire handbook 3.4).
const (
	codeSignOff = 2
	codeEcho    = 301
)

// askSignOn reads a 0800. The core says whether the terminal may work here and hands over its sealed key; openSession does the rest.
func (s *Session) askSignOn(now int64, requests []transaction.Request) ([]transaction.Request, error) {
	m := &s.sessions.message
	mandatory := tableOfMandatory[transaction.KindSignOn]
	var r transaction.Request
	if fieldSet(m.Bitmap())&mandatory != mandatory || !readIdentity(m, &r) {
		s.decline(now, transaction.FormatError, 0, false, rejectedMissingField)
		return requests, nil
	}
	messageType, _, code, _ := m.Network()
	if _, ok := iso8583.SchemeOfCode(code); !ok || messageType != 0 {
		s.decline(now, transaction.NotSupported, 0, false, rejectedUnsupported)
		return requests, nil
	}
	s.keep(transaction.KindSignOn, now, &r)
	r.Terminal = 0
	copy(r.TerminalCode[:], m.Value(41))
	copy(r.MerchantCode[:], m.Value(42))
	return append(requests, r), nil
}

// management reads an 0820: echo or sign-off.
func (s *Session) management(now int64, requests []transaction.Request) ([]transaction.Request, error) {
	m := &s.sessions.message
	mandatory := tableOfMandatory[transaction.KindEcho]
	var r transaction.Request
	_, _, code, _ := m.Network()
	switch {
	case fieldSet(m.Bitmap())&mandatory != mandatory || !readIdentity(m, &r):
		s.decline(now, transaction.FormatError, 0, false, rejectedMissingField)
		return requests, nil
	case code != codeEcho && code != codeSignOff:
		s.decline(now, transaction.NotSupported, 0, false, rejectedUnsupported)
		return requests, nil
	case !s.signedOn:
		s.withoutKeys(now)
		return requests, nil
	case string(m.Value(41)) != string(s.code[:]) || string(m.Value(42)) != string(s.merchant[:]):
		s.decline(now, transaction.FormatError, 0, false, rejectedIdentity)
		return requests, nil
	}
	kind := transaction.KindEcho
	if code == codeSignOff {
		kind = transaction.KindSignOff
	}
	s.keep(kind, now, &r)
	return append(requests, r), nil
}

// openSession draws working keys for an approved sign-on and returns them wrapped: F62. A code other than 00 refuses. The keys become
// the session's only with it.
//
// Anybody can ask for keys in the name of a terminal that he knows, and drawing and wrapping them costs two to ten times what a purchase
// does. So a connection gets only so many without a message that proves them; whoever wants more must come back through the bounds on new
// connections.
func (s *Session) openSession(e *iso8583.Echo, grant *transaction.SignOnGrant) (field62 []byte, code transaction.ResponseCode) {
	t := s.sessions
	_, _, asked, _ := e.Network()
	mode := iso8583.MACMode(grant.MACMode)
	scheme, _ := iso8583.SchemeOfCode(asked)
	if scheme != iso8583.SchemeOf(mode) {
		t.events.rejected(rejectionLabels[rejectedScheme])
		return nil, transaction.ReasonSchemeMismatch.Code()
	}
	if s.unproven++; s.tooManySignOns() {
		t.events.rejected(rejectionLabels[rejectedUnproven])
		return nil, transaction.SystemBusy
	}
	var code8 transaction.TerminalCode
	terminal, merchant := e.Place()
	copy(code8[:], terminal)
	field62, keys, err := t.drawKeys(code8, mode, scheme, grant.SealedKey)
	if err != nil {
		t.events.rejected(rejectionLabels[rejectedKeys])
		return nil, transaction.SystemBusy
	}
	mac, err := iso8583.NewMAC(mode, keys.MAC)
	if err != nil {
		t.events.rejected(rejectionLabels[rejectedKeys])
		return nil, transaction.SystemBusy
	}
	pin, err := iso8583.NewPINCipher(scheme, keys.PIN)
	if err != nil {
		t.events.rejected(rejectionLabels[rejectedKeys])
		return nil, transaction.SystemBusy
	}
	s.signOff()
	s.signedOn, s.terminal, s.code, s.scheme, s.mac, s.pin, s.pinBlockLength = true, grant.Terminal, code8, scheme, mac, pin, scheme.PINBlockLength()
	copy(s.merchant[:], merchant)
	t.signedOn++
	if t.events.SignedOn != nil {
		t.events.SignedOn(grant.Terminal)
	}
	return field62, transaction.Approved
}

// tooManySignOns: several sets of keys in a row that nobody has proven to hold are no accident.
func (s *Session) tooManySignOns() bool { return s.unproven > s.sessions.config.BadMACsBeforeClose }

func (t *Sessions) drawKeys(code transaction.TerminalCode, mode iso8583.MACMode, scheme iso8583.KeyScheme, sealed []byte) ([]byte, iso8583.WorkingKeys, error) {
	master, err := t.keys.OpenTerminalKey(code, sealed)
	if err != nil {
		return nil, iso8583.WorkingKeys{}, err
	}
	keys, err := iso8583.DrawWorkingKeys(mode, func(b []byte) error {
		_, err := io.ReadFull(t.random, b)
		return err
	})
	if err != nil {
		return nil, iso8583.WorkingKeys{}, err
	}
	field62, err := iso8583.WrapWorkingKeys(scheme, master, keys)
	return field62, keys, err
}
