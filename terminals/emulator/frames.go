package emulator

import (
	"encoding/binary"
	"fmt"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// Network codes, F60.3 (wire handbook 3.4).
const (
	networkSignOff = 2
	networkEcho    = 301
)

// operator is F63.1.
const operator = "001"

// transactionCode is what tells transactions of one MTI apart (wire handbook 3.5).
type transactionCode struct {
	processing  uint64
	condition   uint64
	messageType uint64
}

var codes = [...]transactionCode{
	KindBalance: {310000, 0, 1}, KindPurchase: {0, 0, 22}, KindLoad: {600000, 91, 45}, KindPassage: {0, 0, 22},
}

// SignOn appends a 0800. Working keys of before are gone when its answer installs new ones.
func (d *Device) SignOn(dst []byte) []byte {
	trace := d.number()
	d.network = networkRequest{KindSignOn, trace}
	b := &d.builder
	b.Request(dst, d.config.TPDU, d.config.Header, iso8583.MTISignOn)
	d.networkFields(trace, uint64(d.scheme.Code()))
	if d.config.Serial != "" {
		b.Text(62, d.config.Serial)
	}
	b.Text(63, operator)
	return b.Finish(nil, nil)
}

// SignOff appends an 0820 with code 002.
func (d *Device) SignOff(dst []byte) []byte { return d.manage(dst, KindSignOff, networkSignOff) }

// Echo appends an 0820 with code 301.
func (d *Device) Echo(dst []byte) []byte { return d.manage(dst, KindEcho, networkEcho) }

func (d *Device) manage(dst []byte, kind Kind, code uint64) []byte {
	trace := d.number()
	d.network = networkRequest{kind, trace}
	d.builder.Request(dst, d.config.TPDU, d.config.Header, iso8583.MTIManagement)
	d.networkFields(trace, code)
	return d.builder.Finish(nil, nil)
}

func (d *Device) networkFields(trace uint32, code uint64) {
	b := &d.builder
	b.Number(11, uint64(trace))
	b.Text(41, d.config.Code)
	b.Text(42, d.config.Merchant)
	b.Variable(60, uint64(d.batch)*1e3+code, 11)
}

// Purchase appends a 0200 that takes amount from a card. pin is "" when the holder types none.
func (d *Device) Purchase(dst []byte, card uint64, amount money.Fen, pin iso8583.PIN) ([]byte, error) {
	frame, _, err := d.Append(dst, &Request{Kind: KindPurchase, Card: card, Amount: amount, PIN: pin})
	return frame, err
}

// Balance appends a 0200 that asks what a card can spend.
func (d *Device) Balance(dst []byte, card uint64) ([]byte, error) {
	frame, _, err := d.Append(dst, &Request{Kind: KindBalance, Card: card})
	return frame, err
}

// Load appends a 0200 that asks the bank for money (圈存).
func (d *Device) Load(dst []byte, card uint64, amount money.Fen, pin iso8583.PIN) ([]byte, error) {
	frame, _, err := d.Append(dst, &Request{Kind: KindLoad, Card: card, Amount: amount, PIN: pin})
	return frame, err
}

// Passage appends a 0200 that asks whether a card may pass a gate.
func (d *Device) Passage(dst []byte, card uint64, way Direction) ([]byte, error) {
	frame, _, err := d.Append(dst, &Request{Kind: KindPassage, Card: card, Direction: way})
	return frame, err
}

// Append appends the frame of a wish and returns it with its trace number. On an error dst comes back as it was.
func (d *Device) Append(dst []byte, r *Request) ([]byte, uint32, error) {
	if r.Kind == KindReversal {
		frame, err := d.Reversal(dst, r.Trace, r.Cause)
		return frame, r.Trace, err
	}
	switch {
	case d.mac == nil:
		return dst, 0, ErrNotSignedOn
	case !d.Room():
		return dst, 0, ErrFull
	}
	if err := check(r); err != nil {
		return dst, 0, err
	}
	trace := d.number()
	s := &d.slots[trace%uint32(len(d.slots))]
	*s = slot{request: *r, batch: d.batch, trace: trace, original: phaseWaiting}
	d.waiting++
	return d.build(dst, s, false), trace, nil
}

// check refuses what no frame can hold. What the switch has to refuse is not looked at.
func check(r *Request) error {
	switch {
	case r.Kind < KindBalance || r.Kind > KindPassage:
		return fmt.Errorf("a terminal cannot ask for %s like this", r.Kind)
	case r.Card < 1e15:
		return fmt.Errorf("card number with fewer than 16 digits")
	case r.Amount < 0 || r.Amount > 999_999_999_999:
		return fmt.Errorf("amount %s does not fit twelve digits of fen", r.Amount)
	case r.PIN != "" && !isPIN(r.PIN):
		return iso8583.ErrPINFormat
	case r.Kind == KindPassage && r.Direction != In && r.Direction != Out:
		return fmt.Errorf("a passage goes in or out")
	}
	return nil
}

func isPIN(pin iso8583.PIN) bool {
	for i := range len(pin) {
		if pin[i] < '0' || pin[i] > '9' {
			return false
		}
	}
	return len(pin) >= 4 && len(pin) <= 12
}

// Reversal appends a 0400 for a transaction that is remembered, answered or not. Asked again it makes the same bytes again. A balance
// enquiry moves nothing and has no reversal (wire handbook 3.5): it can be repeated.
func (d *Device) Reversal(dst []byte, trace uint32, cause Cause) ([]byte, error) {
	s, err := d.find(trace)
	if err == nil {
		err = d.reversible(trace)
	}
	switch {
	case err != nil:
		return dst, err
	case s.reversal == phaseNone || s.reversal == phaseAnswered:
		d.waiting++
		d.reversal++
		if s.original == phaseWaiting {
			s.original = phaseGivenUp
			d.waiting--
		}
	}
	if s.reversal == phaseNone {
		s.request.Cause = cause
	}
	s.reversal = phaseWaiting
	return d.build(dst, s, true), nil
}

func (d *Device) reversible(trace uint32) error {
	switch {
	case !d.Remembers(trace):
		return ErrUnknown
	case d.slots[trace%uint32(len(d.slots))].request.Kind == KindBalance:
		return ErrNoReversal
	}
	return nil
}

// Repeat appends the frame of a remembered transaction once more: the same bytes, or, after another sign-on, the same contents under the
// new keys.
func (d *Device) Repeat(dst []byte, trace uint32) ([]byte, error) {
	s, err := d.find(trace)
	if err != nil {
		return dst, err
	}
	return d.build(dst, s, false), nil
}

func (d *Device) find(trace uint32) (*slot, error) {
	s := &d.slots[trace%uint32(len(d.slots))]
	switch {
	case d.mac == nil:
		return nil, ErrNotSignedOn
	case s.trace != trace || s.original == phaseNone:
		return nil, ErrUnknown
	}
	return s, nil
}

// build writes the frame of a transaction or of its reversal and keeps its MAC, which binds the answer. The same slot and keys make the
// same bytes.
func (d *Device) build(dst []byte, s *slot, reversing bool) []byte {
	r := &s.request
	if !reversing && r.Kind == KindPurchase && r.PIN == "" && r.Purse == PurseByRules && r.Card < 1e16 {
		return d.stamp(dst, s)
	}
	frame := d.compose(dst, s, reversing)
	if reversing {
		copy(s.reversalMAC[:], frame[len(frame)-iso8583.MACSize:])
	} else {
		copy(s.mac[:], frame[len(frame)-iso8583.MACSize:])
	}
	return frame
}

// compose writes a frame field by field.
func (d *Device) compose(dst []byte, s *slot, reversing bool) []byte {
	r := &s.request
	code := &codes[r.Kind]
	b := &d.builder
	mti := iso8583.MTIFinancial
	if reversing {
		mti = iso8583.MTIReversal
	}
	b.Request(dst, d.config.TPDU, d.config.Header, mti)
	b.Variable(2, r.Card, digitsOf(r.Card))
	b.Number(3, code.processing)
	if r.Kind != KindBalance {
		b.Number(4, uint64(r.Amount))
	}
	b.Number(11, uint64(s.trace))
	withPIN := r.PIN != "" && !reversing
	if r.PIN != "" {
		b.Number(22, 71)
	} else {
		b.Number(22, 72)
	}
	b.Number(25, code.condition)
	if withPIN {
		b.Number(26, 6)
	}
	if reversing {
		b.Bytes(39, r.Cause[:])
	}
	b.Text(41, d.config.Code)
	b.Text(42, d.config.Merchant)
	b.Text(49, "156")
	if withPIN {
		d.pinFields(s)
	}
	if !reversing {
		d.privateField(r)
	}
	b.Variable(60, (code.messageType*1e6+uint64(s.batch))*1e5+60, 13) // 60.3 000, 60.4 reads chips, 60.5 none
	return b.Finish(d.mac, nil)
}

// Where a plain purchase with a card of sixteen digits has what changes from one to the next. A plain purchase is what a terminal sends
// nearly always, and a load generator shares its processors with the switch it measures: so its frame is composed once per batch and then
// only stamped.
const (
	stampMTI    = 13
	stampCard   = 24
	stampAmount = 35
	stampTrace  = 41
)

// stamp is compose for a plain purchase.
func (d *Device) stamp(dst []byte, s *slot) []byte {
	if d.plainBatch != s.batch {
		d.plain = d.compose(d.plain[:0], s, false)
		d.plainBatch = s.batch
	}
	from := len(dst)
	dst = append(dst, d.plain...)
	frame := dst[from:]
	putDigits(frame[stampCard:stampCard+8], s.request.Card)
	putDigits(frame[stampAmount:stampAmount+6], uint64(s.request.Amount))
	putDigits(frame[stampTrace:stampTrace+3], uint64(s.trace))
	macAt := len(frame) - iso8583.MACSize
	s.mac = d.mac.Sum(nil, frame[stampMTI:macAt])
	copy(frame[macAt:], s.mac[:])
	return dst
}

// putDigits fills b with packed digits.
func putDigits(b []byte, value uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		pair := byte(value % 100)
		b[i] = pair/10<<4 | pair%10
		value /= 100
	}
}

// pinFields writes F52 and F53. The filling of an ISO format 4 block need only differ from block to block: batch and trace do, and make a
// repeat come out the same.
func (d *Device) pinFields(s *slot) {
	var fill [8]byte
	binary.BigEndian.PutUint32(fill[:], s.batch)
	binary.BigEndian.PutUint32(fill[4:], s.trace)
	block, err := d.pin.Encode(s.request.PIN, s.request.Card, fill)
	if err != nil {
		return // check has seen it
	}
	d.builder.Bytes(52, block)
	d.builder.Digits(53, d.pin.Field53())
}

// privateField writes F59 where there is something to say.
func (d *Device) privateField(r *Request) {
	switch {
	case r.Kind == KindPassage && r.Direction == In:
		d.builder.Text(59, "C5001I")
	case r.Kind == KindPassage:
		d.builder.Text(59, "C5001O")
	case r.Purse == PurseMain:
		d.builder.Text(59, "C10011")
	case r.Purse == PurseSubsidy:
		d.builder.Text(59, "C10012")
	}
}

func digitsOf(n uint64) int {
	digits := 1
	for ; n >= 10; n /= 10 {
		digits++
	}
	return digits
}
