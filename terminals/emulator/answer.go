package emulator

import (
	"errors"
	"fmt"

	"golang.org/x/text/encoding/simplifiedchinese"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// ResponseCode is DE 39.
type ResponseCode [2]byte

func (c ResponseCode) String() string { return string(c[:]) }

// Approved is code 00.
var Approved = ResponseCode{'0', '0'}

// Reference is DE 37.
type Reference [12]byte

func (r Reference) String() string { return string(r[:]) }

// Answer is what a terminal was told.
type Answer struct {
	Kind     Kind
	Reversed Kind // of a reversal's answer: the kind of its original
	Code     ResponseCode
	// Authentic says that the answer bears a good MAC bound to its request (or, for a sign-on, keys that only the switch can have made).
	// What is not authentic leaves the request waiting: it is a hint at most.
	Authentic bool
	// SignOnAgain is the header's 处理要求 3.
	SignOnAgain bool
	// Repeated says that the request had been answered before, Late that it had been given up and reversed.
	Repeated, Late bool
	// GivenUp, of a reversal's answer, says that its original had no answer when it was taken back: this is all that will be heard of it.
	GivenUp      bool
	HasBalance   bool
	Trace, Batch uint32
	Card         uint64
	Amount       money.Fen
	Reference    Reference
	Balance      money.Fen
	// Of an approved purchase that was not sold at its list price, which is the amount: what a receipt shows (Priced).
	Discount, Fee, Payable money.Fen
	Priced                 bool
	Meal                   uint8
	Text                   string // F56: the sentence for the holder
	Raw                    []byte // the payload; good as long as what was given to Receive
	// Planned and Sent are the request's.
	Planned, Sent int64
}

// Approved says whether the answer is a yes that can be believed.
func (a *Answer) Approved() bool { return a.Authentic && a.Code == Approved }

// What may be wrong with what a terminal receives.
var (
	ErrMAC        = errors.New("answer with a wrong MAC")
	ErrUnasked    = errors.New("answer to nothing that was asked")
	ErrOtherReply = errors.New("answer differs from its request")
	ErrFrame      = errors.New("not a frame of the terminal link")
)

// Receive reads one frame, length prefix included. With an error nothing in the device has changed and the answer holds what could be read.
func (d *Device) Receive(frame []byte) (Answer, error) {
	var a Answer
	n, ok, err := iso8583.FrameLength(frame)
	if err != nil || !ok || n != len(frame)-iso8583.PrefixSize {
		return a, ErrFrame
	}
	err = d.receive(frame[iso8583.PrefixSize:], &a)
	return a, err
}

// receive is Receive for a payload, into an answer of the caller's.
func (d *Device) receive(payload []byte, a *Answer) error {
	m := &d.message
	*a = Answer{Raw: payload}
	if err := m.Parse(payload, d.scheme.PINBlockLength()); err != nil {
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	trace, _ := m.Number(11)
	a.Trace = uint32(trace)
	_, a.Batch, _, _ = m.Network()
	copy(a.Code[:], m.Value(39))
	copy(a.Reference[:], m.Value(37))
	a.SignOnAgain = m.Header()[2]&0x0F == 3
	switch m.MTI() {
	case iso8583.MTIFinancialReply:
		return d.receiveFinancial(a, false)
	case iso8583.MTIReversalReply:
		return d.receiveFinancial(a, true)
	case iso8583.MTISignOnReply, iso8583.MTIManagementReply:
		return d.receiveNetwork(a)
	}
	return ErrUnasked
}

func (d *Device) receiveFinancial(a *Answer, reversing bool) error {
	m := &d.message
	s := &d.slots[a.Trace%uint32(len(d.slots))]
	now, binding := &s.original, &s.mac
	a.Kind = s.request.Kind
	if reversing {
		now, binding = &s.reversal, &s.reversalMAC
		a.Kind, a.Reversed = KindReversal, s.request.Kind
	}
	if s.trace != a.Trace || *now == phaseNone {
		return ErrUnasked
	}
	a.Card, a.Amount, a.Planned, a.Sent = s.request.Card, s.request.Amount, s.request.Planned, s.request.Sent
	if !m.Has(64) {
		return d.compare(s, a) // a refusal of what could not be authenticated: not under a MAC either
	}
	if d.mac == nil || !d.mac.Verify(binding[:], m.MAB(), m.MAC()) && !d.config.AnyMAC {
		return ErrMAC
	}
	if err := d.compare(s, a); err != nil {
		return err
	}
	a.Authentic = true
	a.Repeated, a.Late = *now == phaseAnswered, *now == phaseGivenUp
	d.readBalance(a)
	d.readPrice(a)
	if text := m.Value(56); text != nil {
		a.Text = decodeText(text)
	}
	if *now == phaseWaiting {
		*now = phaseAnswered
		d.waiting--
		if reversing {
			d.reversal--
			a.GivenUp = s.original == phaseGivenUp
		}
	}
	return nil
}

// compare holds the answer against its request: terminal, merchant, batch, card and amount are echoed.
func (d *Device) compare(s *slot, a *Answer) error {
	m := &d.message
	if string(m.Value(41)) != d.config.Code || string(m.Value(42)) != d.config.Merchant || m.Has(60) && a.Batch != s.batch {
		return ErrOtherReply
	}
	if card, _, ok := m.CardNumber(); ok && card != s.request.Card {
		return ErrOtherReply
	}
	if amount, ok := m.Number(4); ok && money.Fen(amount) != s.request.Amount {
		return ErrOtherReply
	}
	a.Batch = s.batch
	return nil
}

// readBalance reads F54: account type, amount type, currency, sign, twelve digits.
func (d *Device) readBalance(a *Answer) {
	f := d.message.Value(54)
	if len(f) < 20 || f[7] != 'C' && f[7] != 'D' {
		return
	}
	for _, digit := range f[8:20] {
		if digit < '0' || digit > '9' {
			return
		}
		a.Balance = a.Balance*10 + money.Fen(digit-'0')
	}
	if f[7] == 'D' {
		a.Balance = -a.Balance
	}
	a.HasBalance = true
}

// readPrice reads F59: C8 list price, C9 discount, CA fee, CB payable, C6 meal, each fen or a number in decimal.
func (d *Device) readPrice(a *Answer) {
	list := d.message.Value(59)
	payable, ok := tagNumber(list, "CB")
	if !ok {
		return
	}
	discount, _ := tagNumber(list, "C9")
	fee, _ := tagNumber(list, "CA")
	meal, _ := tagNumber(list, "C6")
	a.Priced, a.Payable, a.Discount, a.Fee, a.Meal = true, payable, discount, fee, uint8(meal)
}

func tagNumber(list []byte, tag string) (n money.Fen, ok bool) {
	value, ok := iso8583.TLV(list, tag)
	for _, digit := range value {
		if digit < '0' || digit > '9' || len(value) > 12 {
			return 0, false
		}
		n = n*10 + money.Fen(digit-'0')
	}
	return n, ok
}

func decodeText(gbk []byte) string {
	text, err := simplifiedchinese.GBK.NewDecoder().Bytes(gbk)
	if err != nil {
		return "" // cannot be: what GBK does not have becomes U+FFFD
	}
	return string(text)
}

func (d *Device) receiveNetwork(a *Answer) error {
	m := &d.message
	asked := d.network
	reply := iso8583.MTIManagementReply
	if asked.kind == KindSignOn {
		reply = iso8583.MTISignOnReply
	}
	switch {
	case asked.kind == 0 || asked.trace != a.Trace || m.MTI() != reply:
		return ErrUnasked
	case string(m.Value(41)) != d.config.Code || string(m.Value(42)) != d.config.Merchant:
		return ErrOtherReply
	}
	a.Kind = asked.kind
	if a.Code == Approved && asked.kind == KindSignOn {
		if err := d.install(m.Value(62)); err != nil {
			return err
		}
		d.adopt(a.Batch)
		a.Authentic = true
	}
	d.network = networkRequest{}
	if a.Code == Approved && asked.kind == KindSignOff {
		d.Forget()
	}
	return nil
}

// install takes the working keys of a sign-on, if their check values are right.
func (d *Device) install(field62 []byte) error {
	keys, err := iso8583.UnwrapWorkingKeys(d.scheme, d.config.Mode, d.config.Key, field62)
	if err != nil {
		return fmt.Errorf("working keys of terminal %s: %w", d.config.Code, err)
	}
	mac, err := iso8583.NewMAC(d.config.Mode, keys.MAC)
	if err != nil {
		return fmt.Errorf("working keys of terminal %s: %w", d.config.Code, err)
	}
	pin, err := iso8583.NewPINCipher(d.scheme, keys.PIN)
	if err != nil {
		return fmt.Errorf("working keys of terminal %s: %w", d.config.Code, err)
	}
	d.mac, d.pin = mac, pin
	return nil
}
