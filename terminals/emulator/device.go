package emulator

import (
	"errors"
	"fmt"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// Kind says what a terminal asks for. Values are those of the receipts format (see Memory).
type Kind uint8

// What a terminal can ask for.
const (
	KindSignOn   Kind = 10 // 0800
	KindSignOff  Kind = 11 // 0820 code 002
	KindBalance  Kind = 12 // 0200 310000
	KindPurchase Kind = 13 // 0200 000000
	KindLoad     Kind = 14 // 0200 600000
	KindReversal Kind = 15 // 0400
	KindPassage  Kind = 16 // 0200 amount 0, F59 C5
	KindEcho     Kind = 17 // 0820 code 301
)

var kindNames = [...]string{
	KindSignOn: "sign-on", KindSignOff: "sign-off", KindBalance: "balance", KindPurchase: "purchase", KindLoad: "load",
	KindReversal: "reversal", KindPassage: "passage", KindEcho: "echo",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Purse is F59 C1 of a purchase: which purse pays.
type Purse uint8

// Purses.
const (
	PurseByRules Purse = iota
	PurseMain
	PurseSubsidy
)

// Direction is F59 C5 of a passage.
type Direction byte

// Directions.
const (
	In  Direction = 'I'
	Out Direction = 'O'
)

// Cause is F39 of a reversal (wire handbook 3.6).
type Cause [2]byte

// Why a terminal takes a transaction back.
var (
	CauseNoAnswer = Cause{'9', '8'}
	CauseFault    = Cause{'9', '6'}
	CauseMAC      = Cause{'A', '0'}
	CauseOther    = Cause{'0', '6'}
)

// Request is one wish.
type Request struct {
	Kind      Kind // balance, purchase, load, passage or reversal
	Purse     Purse
	Direction Direction // passages
	Cause     Cause     // reversals
	Trace     uint32    // reversals: of the original; others are numbered by the device
	Card      uint64
	Amount    money.Fen
	PIN       iso8583.PIN // "": the holder types none
	// Planned and Sent are the caller's own moments. They come back in the answer; the device gives them no meaning.
	Planned, Sent int64
}

// DeviceConfig is what is set up in a terminal before it is put on a counter.
type DeviceConfig struct {
	Code     string          // DE 41, eight characters
	Merchant string          // DE 42, fifteen characters
	Key      iso8583.Secret  // terminal master key
	Mode     iso8583.MACMode // as registered

	// Batch and Trace are what the terminal remembers of its last request. Trace 0: no memory.
	Batch, Trace uint32
	// InFlight is how many requests may wait for their answers [64, the most].
	InFlight int
	// Serial is F62 of the sign-on, whole; "" leaves it out.
	Serial string
	// AnyMAC believes answers whatever their MAC: it is computed and compared all the same. For measuring against servers that make none.
	AnyMAC bool
	// TPDU and Header begin every frame [60 0003 0001 and 60 31 00 310000].
	TPDU   [5]byte
	Header [6]byte
}

// rememberedMost bounds the transactions that a device remembers, waiting ones included. The switch remembers the last 128 answers of a
// terminal: a repeat of something older would be refused (94), so nothing may be left behind further than that.
const rememberedMost = 128

// Device is one terminal without a socket. It belongs to one goroutine.
type Device struct {
	config  DeviceConfig
	scheme  iso8583.KeyScheme
	mac     *iso8583.MAC // nil: not signed on
	pin     *iso8583.PINCipher
	batch   uint32
	newest  uint32 // trace given last
	fresh   bool   // no memory of what was used in the batch
	builder iso8583.Builder
	message iso8583.Message

	plain      []byte // a plain purchase, to be stamped
	plainBatch uint32 // its batch; 0: none

	network  networkRequest
	slots    []slot // by trace, modulo their number
	waiting  int    // originals and reversals without an answer; 0 <= waiting <= 2*config.InFlight
	reversal int    // of these, reversals
}

// networkRequest is the sign-on, sign-off or echo that waits for its answer.
type networkRequest struct {
	kind  Kind // 0: none
	trace uint32
}

type phase uint8

const (
	phaseNone     phase = iota
	phaseWaiting        // sent, not answered
	phaseAnswered       // answered, authentically
	phaseGivenUp        // reversed before it was answered
)

// slot is one transaction with what may become of it.
type slot struct {
	request     Request
	batch       uint32
	trace       uint32
	original    phase
	reversal    phase
	mac         [iso8583.MACSize]byte // of the original as sent last: binds its answer
	reversalMAC [iso8583.MACSize]byte
}

// What a device refuses to do.
var (
	ErrNotSignedOn = errors.New("terminal is not signed on: sign on first")
	ErrFull        = errors.New("too many requests wait for their answers")
	ErrUnknown     = errors.New("no transaction with this trace number is remembered")
	ErrNoReversal  = errors.New("a balance enquiry has no reversal: repeat it")
)

// New makes a terminal that is not signed on.
func New(c DeviceConfig) (*Device, error) {
	switch {
	case len(c.Code) != 8:
		return nil, fmt.Errorf("terminal code %q: eight characters are needed", c.Code)
	case len(c.Merchant) != 15:
		return nil, fmt.Errorf("merchant code %q: fifteen characters are needed", c.Merchant)
	case len(c.Key) != 16:
		return nil, fmt.Errorf("terminal %s: a master key of 16 bytes is needed, %d given", c.Code, len(c.Key))
	case c.InFlight < 0 || c.InFlight > 64:
		return nil, fmt.Errorf("terminal %s: %d requests in flight: 1 to 64", c.Code, c.InFlight)
	case c.Batch > numberMost || c.Trace > numberMost:
		return nil, fmt.Errorf("terminal %s: batch and trace are 1 to 999999", c.Code)
	}
	if c.InFlight == 0 {
		c.InFlight = 64
	}
	if c.TPDU == [5]byte{} {
		c.TPDU = [5]byte{0x60, 0x00, 0x03, 0x00, 0x01}
	}
	if c.Header == [6]byte{} {
		c.Header = [6]byte{0x60, 0x31, 0x00, 0x31, 0x00, 0x00}
	}
	remembered := 16
	for remembered < 2*c.InFlight && remembered < rememberedMost {
		remembered *= 2
	}
	return &Device{
		config: c, scheme: iso8583.SchemeOf(c.Mode), batch: max(c.Batch, 1), newest: c.Trace, fresh: c.Trace == 0, slots: make([]slot, remembered),
	}, nil
}

// Code is DE 41.
func (d *Device) Code() string { return d.config.Code }

// SignedOn says whether the device has working keys.
func (d *Device) SignedOn() bool { return d.mac != nil }

// Batch is the batch of the next request.
func (d *Device) Batch() uint32 { return d.batch }

// Trace is the trace number given last.
func (d *Device) Trace() uint32 { return d.newest }

// Waiting is how many requests have no answer yet, reversals included.
func (d *Device) Waiting() int { return d.waiting }

// Reversing is how many reversals have no answer yet. A terminal sells nothing before they have (wire handbook 3.6).
func (d *Device) Reversing() int { return d.reversal }

// Room says whether another transaction can be sent now.
func (d *Device) Room() bool {
	return d.mac != nil && d.waiting < d.config.InFlight && d.slots[following(d.newest)%uint32(len(d.slots))].idle()
}

func (s *slot) idle() bool { return s.original != phaseWaiting && s.reversal != phaseWaiting }

// Remembers says whether a transaction can be repeated or reversed: the newest ones can, twice as many as may be in flight at least.
func (d *Device) Remembers(trace uint32) bool {
	s := &d.slots[trace%uint32(len(d.slots))]
	return s.trace == trace && s.original != phaseNone
}

// EachWaiting calls visit with every transaction that waits for an answer, oldest first; reversing says that it is the reversal's.
func (d *Device) EachWaiting(visit func(r *Request, trace uint32, reversing bool)) {
	n := uint32(len(d.slots))
	for i := range n {
		s := &d.slots[(d.newest+1+i)%n]
		switch {
		case s.reversal == phaseWaiting:
			visit(&s.request, s.trace, true)
		case s.original == phaseWaiting:
			visit(&s.request, s.trace, false)
		}
	}
}

// Forget drops the working keys, as a power cut does. Transactions that wait are still remembered.
func (d *Device) Forget() { d.mac, d.pin, d.network = nil, nil, networkRequest{} }

// numberMost is the highest batch and trace number; the next one is 1.
const numberMost = 999_999

func following(n uint32) uint32 { return n%numberMost + 1 }

// number gives the next trace. When traces begin again a new batch begins too: a trace is used once in a batch.
func (d *Device) number() uint32 {
	if d.newest == numberMost {
		d.batch = following(d.batch)
	}
	d.newest = following(d.newest)
	return d.newest
}

// adopt takes the batch that a sign-on grants. Batches only go forward: the switch may have forgotten ours in a crash, and going back
// would use numbers again.
func (d *Device) adopt(granted uint32) {
	switch {
	case d.fresh:
		d.batch, d.fresh = following(granted), false
	case (granted+numberMost-d.batch)%numberMost <= numberMost/2:
		d.batch = granted
	}
}
