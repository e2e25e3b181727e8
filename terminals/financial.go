package terminals

import (
	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// transactionCode is what tells transactions of one MTI apart: the digits of F3, F25 and F60.1 (wire handbook 3.5), as they are packed.
type transactionCode uint64

const (
	balanceCode  transactionCode = 0x310000_00_01
	purchaseCode transactionCode = 0x000000_00_22
	loadCode     transactionCode = 0x600000_91_45
)

// fieldSet is a bitmap of fields.
type fieldSet uint64

func fieldsOf(numbers ...int) fieldSet {
	var set fieldSet
	for _, n := range numbers {
		set |= 1 << (64 - n)
	}
	return set
}

// What a message must have (wire handbook 5.1), F64 apart, which is asked for before anything else. F2 may be in track 2 for a balance.
// A load without a PIN is refused by the core, in words the holder can use.
var tableOfMandatory = [...]fieldSet{
	transaction.KindBalance:  tableFields(3, 11, 22, 25, 41, 42, 49, 60),
	transaction.KindPurchase: tableFields(2, 3, 4, 11, 22, 25, 41, 42, 49, 60),
	transaction.KindPassage:  tableFields(2, 3, 4, 11, 22, 25, 41, 42, 49, 59, 60),
	transaction.KindLoad:     tableFields(2, 3, 4, 11, 22, 25, 41, 42, 49, 60),
	transaction.KindReversal: tableFields(2, 3, 4, 11, 22, 25, 39, 41, 42, 49, 60),
	transaction.KindSignOn:   tableFields(11, 41, 42, 60, 63),
	transaction.KindEcho:     tableFields(11, 41, 42, 60),
}

// tableFields is fieldsOf for the table above.
func tableFields(numbers ...int) fieldSet { return fieldsOf(numbers...) }

// financial reads a 0200, 0220 or 0400. The order matters: no field is believed before the MAC is good, and what fails before that is
// answered without a MAC of ours.
func (s *Session) financial(now int64, requests []transaction.Request) ([]transaction.Request, error) {
	m := &s.sessions.message
	if !s.signedOn {
		s.withoutKeys(now)
		return requests, nil
	}
	if !m.Has(64) || !s.mac.Verify(nil, m.MAB(), m.MAC()) {
		return requests, s.wrongMAC(now)
	}
	s.badMACs, s.unproven = 0, 0
	s.prove()
	kind, ok := s.kindOf(m)
	if !ok {
		s.decline(now, transaction.NotSupported, 0, true, rejectedUnsupported)
		return requests, nil
	}
	requests = append(requests, transaction.Request{})
	r := &requests[len(requests)-1]
	if code, why := s.read(m, kind, r); code != transaction.Approved {
		processing := byte(0)
		if why == rejectedPIN {
			processing = signOnAgain
		}
		s.decline(now, code, processing, true, why)
		return requests[:len(requests)-1], nil
	}
	s.keep(kind, now, r)
	return requests, nil
}

// withoutKeys answers C1: the terminal signs on. It may have sent as much ahead as the link allows before it hears of it; whoever sends
// more does not listen.
func (s *Session) withoutKeys(now int64) {
	s.decline(now, transaction.AcquirerStateBad, signOnAgain, false, rejectedNotSignedOn)
	if s.keyless++; s.keyless > s.sessions.config.MaxInFlightPerConnection {
		s.finish(ClosedBadFrames)
	}
}

// wrongMAC answers A0: the terminal signs on again. Several in a row are no accident.
func (s *Session) wrongMAC(now int64) error {
	if f := s.sessions.events.MACFailed; f != nil {
		f()
	}
	s.decline(now, transaction.MACError, signOnAgain, false, rejectedMAC)
	if s.badMACs++; s.badMACs >= s.sessions.config.BadMACsBeforeClose {
		s.finish(ClosedBadMACs)
	}
	return nil
}

// prove marks the session as the terminal's own, and drops the one before. It waits for the first good MAC: a sign-on alone proves
// nothing, and whoever can connect must not be able to throw terminals out.
func (s *Session) prove() {
	if s.proven {
		return
	}
	s.proven = true
	t := s.sessions
	before := t.byNumber[s.terminal]
	t.byNumber[s.terminal] = s
	if before != nil && before != s {
		before.link.Close(ClosedReplaced)
	}
}

// kindOf says what a message asks for.
func (s *Session) kindOf(m *iso8583.Message) (transaction.Kind, bool) {
	if !m.Has(3) || !m.Has(25) || !m.Has(60) {
		return transaction.KindPurchase, m.MTI() != iso8583.MTIAdvice // read will say which field is missing
	}
	switch code := codeOf(m.Value(3), m.Value(25), m.Value(60)); {
	case m.MTI() == iso8583.MTIReversal && (code == purchaseCode || code == loadCode):
		return transaction.KindReversal, true
	case m.MTI() != iso8583.MTIFinancial:
		return 0, false
	case code == balanceCode:
		return transaction.KindBalance, true
	case code == loadCode:
		return transaction.KindLoad, true
	case code == purchaseCode && isPassage(m):
		return transaction.KindPassage, true
	case code == purchaseCode:
		return transaction.KindPurchase, true
	}
	return 0, false
}

// codeOf puts them together. F60.1 is believed where the batch stands behind it.
func codeOf(processing, condition, network []byte) transactionCode {
	code := uint64(processing[0])<<32 | uint64(processing[1])<<24 | uint64(processing[2])<<16 | uint64(condition[0])<<8
	if len(network) >= 4 {
		code |= uint64(network[0])
	}
	return transactionCode(code)
}

// isPassage: a purchase of nothing with a direction is a passage through a gate (wire handbook 5.1).
func isPassage(m *iso8583.Message) bool {
	if _, ok := iso8583.TLV(m.Value(59), "C5"); !ok {
		return false
	}
	amount, ok := m.Number(4)
	return ok && amount == 0
}

// read fills in a request. A code other than 00 refuses it.
func (s *Session) read(m *iso8583.Message, kind transaction.Kind, r *transaction.Request) (transaction.ResponseCode, rejection) {
	if mandatory := tableOfMandatory[kind]; fieldSet(m.Bitmap())&mandatory != mandatory {
		return transaction.FormatError, rejectedMissingField
	}
	if transaction.TerminalCode(m.Value(41)) != s.code || transaction.MerchantCode(m.Value(42)) != s.merchant {
		return transaction.FormatError, rejectedIdentity
	}
	if string(m.Value(49)) != "156" {
		return transaction.FormatError, rejectedCurrency
	}
	if !readIdentity(m, r) {
		return transaction.FormatError, rejectedMissingField
	}
	amount, _ := m.Number(4)
	entry, _ := m.Number(22)
	r.Amount, r.EntryMode = money.Fen(amount), uint16(entry)
	if kind == transaction.KindBalance {
		r.Amount = 0
	}
	copy(r.Cause[:], m.Value(39))
	if !readCard(m, r) {
		return transaction.InvalidCard, rejectedCard
	}
	if !readPrivate(m, kind, r) {
		return transaction.FormatError, rejectedPurse
	}
	if m.Has(52) && kind != transaction.KindReversal {
		return s.readPIN(m, r)
	}
	return transaction.Approved, 0
}

// readIdentity reads batch and trace: 1 to 999,999 each.
func readIdentity(m *iso8583.Message, r *transaction.Request) bool {
	_, batch, _, ok := m.Network()
	trace, _ := m.Number(11)
	r.Batch, r.Trace = batch, uint32(trace)
	return ok && batch != 0 && trace != 0
}

// readCard takes the card number from F2, or from track 2 when there is no F2: 16 to 19 digits, the first not 0.
func readCard(m *iso8583.Message, r *transaction.Request) bool {
	number, digits, ok := m.CardNumber()
	if !ok && m.Has(35) {
		number, digits = trackNumber(m.Value(35))
	}
	r.Card = transaction.CardNumber(number)
	return digits >= 16 && digits <= 19 && number >= 1e15
}

// trackNumber reads the digits before the separator of track 2.
func trackNumber(track []byte) (number uint64, digits int) {
	for i := range 2 * len(track) {
		nibble := track[i/2] >> 4
		if i%2 == 1 {
			nibble = track[i/2] & 0x0F
		}
		if nibble > 9 {
			return number, digits
		}
		if digits++; digits > 19 {
			return 0, digits
		}
		number = number*10 + uint64(nibble)
	}
	return 0, 0
}

// readPrivate reads F59: C1 the purse (0 by the rules, 1 main, 2 subsidy), C5 the direction of a passage (I, O).
func readPrivate(m *iso8583.Message, kind transaction.Kind, r *transaction.Request) bool {
	if !m.Has(59) {
		return true
	}
	if purse, ok := iso8583.TLV(m.Value(59), "C1"); ok {
		if len(purse) != 1 || purse[0] < '0' || purse[0] > '2' {
			return false
		}
		r.Purse = transaction.Purse(purse[0] - '0')
	}
	if kind == transaction.KindPassage {
		direction, _ := iso8583.TLV(m.Value(59), "C5")
		switch string(direction) {
		case "I":
			r.Direction = transaction.DirectionIn
		case "O":
			r.Direction = transaction.DirectionOut
		default:
			return false
		}
	}
	return true
}

// readPIN turns F52 into a verification value. The PIN itself goes no further than this function.
func (s *Session) readPIN(m *iso8583.Message, r *transaction.Request) (transaction.ResponseCode, rejection) {
	pin, err := s.pin.Decode(m.Value(52), uint64(r.Card))
	if err != nil {
		return transaction.PINFormat, rejectedPIN
	}
	r.PINValue = s.sessions.keys.PINValue(r.Card, pin)
	return transaction.Approved, 0
}
