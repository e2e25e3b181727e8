package channel

import (
	"encoding/json"
	"fmt"
	"time"

	"onecard/ledger/money"
)

// State is where an order stands.
type State string

// States of an order.
const (
	Created   State = "created"   // on disk; the channel may or may not know it
	Paid      State = "paid"      // credited: Record is the entry
	Closed    State = "closed"    // expired and closed at the channel, unpaid
	Refunding State = "refunding" // a refund is on its way
	Refunded  State = "refunded"  // all of it went back
	Manual    State = "manual"    // a person must look: Cause says why
)

// States calls visit with every state.
func States(visit func(State)) {
	for _, s := range []State{Created, Paid, Closed, Refunding, Refunded, Manual} {
		visit(s)
	}
}

// Order is one top-up: a row on disk. Amounts in fen, times in microseconds since 1970.
type Order struct {
	Sequence    uint64    `json:"sequence"`
	Number      string    `json:"number"` // out_trade_no: at most 32 characters
	Name        string    `json:"name"`   // fingerprint of who asked and of his Idempotency-Key
	By          string    `json:"by"`     // who asked
	Holder      string    `json:"holder"`
	Amount      money.Fen `json:"amount"` // > 0
	Created     int64     `json:"created"`
	Expires     int64     `json:"expires"`
	State       State     `json:"state"`
	Pay         string    `json:"pay,omitempty"`         // what a QR code is made of; "" until the channel has given it
	Transaction string    `json:"transaction,omitempty"` // the channel's number of the payment
	PaidAt      int64     `json:"paid_at,omitempty"`     // by the channel's clock: its file of that day has it
	Record      uint64    `json:"record,omitempty"`      // the entry that credited it
	Claim       uint64    `json:"claim,omitempty"`       // the entry that took the credit back: the channel has denied the payment
	Refunds     []Refund  `json:"refunds,omitempty"`     // at most the last is open; sum of those not refused or returned <= Amount
	Cause       string    `json:"cause,omitempty"`       // why it waits for a person, or how it ended
}

// RefundState is where a refund stands.
type RefundState string

// States of a refund.
const (
	RefundIntended RefundState = "intended" // on disk; the purse may or may not have been debited
	RefundTaken    RefundState = "taken"    // out of the purse; the channel may or may not have been asked
	RefundRejected RefundState = "rejected" // the channel has said no once; what may still be on its way is given time
	RefundPaid     RefundState = "paid"     // the channel has paid it
	RefundRefused  RefundState = "refused"  // the purse could not give it: nothing moved
	RefundReturned RefundState = "returned" // the channel did not pay it, and the purse has it back
	RefundManual   RefundState = "manual"   // the channel could neither pay nor close it
)

// Refund is money on its way back.
type Refund struct {
	Number   string      `json:"number"` // out_refund_no: the order's number, R and a digit or two
	Name     string      `json:"name"`
	By       string      `json:"by"`
	Amount   money.Fen   `json:"amount"`
	Reason   string      `json:"reason"`
	State    RefundState `json:"state"`
	Asked    int64       `json:"asked"`
	Rejected int64       `json:"rejected,omitempty"` // when the channel said no
	PaidAt   int64       `json:"paid_at,omitempty"`
	Record   uint64      `json:"record,omitempty"` // the entry that took it from the purse
	Back     uint64      `json:"back,omitempty"`   // the entry that gave it back
	Cause    string      `json:"cause,omitempty"`
}

func (r *Refund) open() bool {
	return r.State == RefundIntended || r.State == RefundTaken || r.State == RefundRejected
}

// gone says whether its money has left the holder, or is about to.
func (r *Refund) gone() bool { return r.open() || r.State == RefundPaid || r.State == RefundManual }

// Open says whether something is still to happen by itself.
func (o *Order) Open() bool { return o.State == Created || o.State == Refunding }

// Refundable is what has not been refunded and is not on its way.
func (o *Order) Refundable() money.Fen {
	left := o.Amount
	for i := range o.Refunds {
		if o.Refunds[i].gone() {
			left -= o.Refunds[i].Amount
		}
	}
	return left
}

// refund is the refund on its way; nil when there is none.
func (o *Order) refund() *Refund {
	if n := len(o.Refunds); n > 0 && o.Refunds[n-1].open() {
		return &o.Refunds[n-1]
	}
	return nil
}

// credited says whether an entry of the ledger has credited it.
func (o *Order) credited() bool { return o.Record != 0 }

func (o *Order) encode() []byte {
	encoded, _ := json.Marshal(o) // strings and numbers: it cannot fail
	return encoded
}

func decodeOrder(row []byte) (*Order, error) {
	o := new(Order)
	if err := json.Unmarshal(row, o); err != nil {
		return nil, fmt.Errorf("reading an order's row: %w", err)
	}
	return o, nil
}

// orderNumber is prefix, local time to the second, sequence: "OC" 20261126120000 000000042. The time keeps numbers apart that were given out
// before and after rows were lost.
func orderNumber(prefix string, created int64, zone *time.Location, sequence uint64) string {
	return fmt.Sprintf("%s%s%09d", prefix, time.UnixMicro(created).In(zone).Format("20060102150405"), sequence%sequences)
}

const (
	sequences      = 1_000_000_000
	sequenceDigits = 9
	timeDigits     = 14
	refundsMax     = 20 // of one order
)

// sequenceOf reads the sequence out of an order's number.
func sequenceOf(prefix, number string) (sequence uint64, ok bool) {
	if len(number) != len(prefix)+timeDigits+sequenceDigits || number[:len(prefix)] != prefix {
		return 0, false
	}
	for _, c := range number[len(prefix):] {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	for _, c := range number[len(prefix)+timeDigits:] {
		sequence = sequence*10 + uint64(c-'0')
	}
	return sequence, true
}

// RefundStates calls visit with every state of a refund.
func RefundStates(visit func(RefundState)) {
	for _, s := range []RefundState{RefundIntended, RefundTaken, RefundRejected, RefundPaid, RefundRefused, RefundReturned, RefundManual} {
		visit(s)
	}
}
