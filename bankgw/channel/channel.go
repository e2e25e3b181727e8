package channel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// Rows is where orders lie: rows that are written together are on disk together when Put returns. A row's value is never nil.
type Rows interface {
	Put(rows map[string][]byte) error
	Row(key string) ([]byte, error) // nil: there is none
}

// Core moves the money: the engine. Evidence reads an entry for its reversal.
type Core interface {
	Operate(ctx context.Context, o *transaction.Operation, now int64) (transaction.Receipt, error)
	Evidence(sequence uint64) (*transaction.Evidence, error)
}

// Provider is the channel as the state machine sees it: Client, or a model of one.
type Provider interface {
	Create(ctx context.Context, o *Order) (pay string, err error)
	Query(ctx context.Context, number string) (Payment, error)
	Close(ctx context.Context, number string) error
	Refund(ctx context.Context, o *Order, r *Refund) (Repayment, error)
	QueryRefund(ctx context.Context, number string) (Repayment, error)
	Statement(ctx context.Context, day string) (*Statement, error)
}

// Events tell of what happens. Any of them may be nil; labels are closed sets.
type Events struct {
	Order      func(channel string, state State)
	Refund     func(channel string, state RefundState)
	Notified   func(channel, outcome string)
	Reconciled func(channel string, c Case, count int)
	// Strange tells of what does not fit and moved nothing: for the log.
	Strange func(channel, number, what string)
	// Failed tells of what could not be done now and will be tried again.
	Failed func(channel, number string, err error)
}

// Operator is who acts for a channel in the ledger.
func Operator(name string) string { return "channel-" + name }

// Channel is the orders of one channel. Its methods may be called by any goroutine.
type Channel struct {
	config   Config
	provider Provider
	rows     Rows
	core     Core
	events   Events

	stripes [64]sync.Mutex // the lock of an order is that of its sequence; it is held before mu

	mu        sync.Mutex
	next      uint64           // sequence of the next order; guarded by mu
	waiting   map[uint64]*turn // open orders; guarded by mu
	refunding map[uint64]bool  // orders with a refund on its way: on disk in the head; guarded by mu
}

// turn is when an open order is looked at next.
type turn struct {
	at   int64
	step int
}

// head is the row that says where orders begin and end.
type head struct {
	Next      uint64   `json:"next"`
	Oldest    uint64   `json:"oldest"` // no order before it waits for its payment
	Refunding []uint64 `json:"refunding"`
}

const (
	rowHead        = "head"
	refundsOpenMax = 1000
	// tooOld is the age at which the ledger may have forgotten the key of a credit (32 business days): a person decides then.
	tooOld = 30 * 24 * time.Hour
)

func rowOrder(sequence uint64) string { return fmt.Sprintf("order/%016x", sequence) }
func rowName(name string) string      { return "name/" + name }
func rowRefunds(day string) string    { return "refunds/" + day }
func rowReport(day string) string     { return "report/" + day }

// Open reads the orders that something is still to happen to. REQUIRES: c has its defaults.
func Open(c Config, p Provider, rows Rows, core Core, events Events) (*Channel, error) {
	ch := &Channel{config: c, provider: p, rows: rows, core: core, events: events, next: 1, waiting: map[uint64]*turn{}, refunding: map[uint64]bool{}}
	encoded, err := rows.Row(rowHead)
	if err != nil || encoded == nil {
		return ch, err
	}
	var h head
	if err := json.Unmarshal(encoded, &h); err != nil {
		return nil, fmt.Errorf("reading the head of channel %s: %w", c.Name, err)
	}
	ch.next = h.Next
	for _, sequence := range h.Refunding {
		ch.refunding[sequence] = true
	}
	for sequence := h.Oldest; sequence < h.Next; sequence++ {
		o, err := ch.read(sequence)
		if err != nil {
			return nil, err
		}
		if o.Open() {
			ch.waiting[sequence] = &turn{}
		}
	}
	for sequence := range ch.refunding {
		ch.waiting[sequence] = &turn{}
	}
	return ch, nil
}

// Name is the channel's.
func (c *Channel) Name() string { return c.config.Name }

// Title is what holders call it.
func (c *Channel) Title() string { return c.config.Title }

// Waiting is how many orders and refunds wait for the channel.
func (c *Channel) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// head is what is on disk of mu's fields.
func (c *Channel) head() []byte {
	h := head{Next: c.next, Oldest: c.next, Refunding: []uint64{}}
	for sequence := range c.waiting {
		if !c.refunding[sequence] {
			h.Oldest = min(h.Oldest, sequence)
		}
	}
	for sequence := range c.refunding {
		h.Refunding = append(h.Refunding, sequence)
	}
	encoded, _ := json.Marshal(h) // numbers: it cannot fail
	return encoded
}

func (c *Channel) read(sequence uint64) (*Order, error) {
	row, err := c.rows.Row(rowOrder(sequence))
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, fmt.Errorf("channel %s has no row of order %d", c.config.Name, sequence)
	}
	return decodeOrder(row)
}

// save writes an order. REQUIRES: its stripe is held.
func (c *Channel) save(o *Order) error {
	return c.rows.Put(map[string][]byte{rowOrder(o.Sequence): o.encode()})
}

func (c *Channel) stripe(sequence uint64) *sync.Mutex {
	return &c.stripes[sequence%uint64(len(c.stripes))]
}

// known are errors that are the asker's.
var (
	// ErrNoOrder says that the channel has no such order here.
	ErrNoOrder = errors.New("没有此订单 / there is no such order")
	// ErrBusy says that too many orders or refunds wait.
	ErrBusy = errors.New("待处理的订单过多,请稍后再试 / too many orders are waiting: try again later")
	// ErrNameUsed says that the Idempotency-Key was used for something else.
	ErrNameUsed = errors.New("幂等键已用于另一笔订单 / the Idempotency-Key was used for another order")
)

// find reads an order by its number.
func (c *Channel) find(number string) (*Order, error) {
	sequence, ok := sequenceOf(c.config.Prefix, number)
	if !ok {
		return nil, ErrNoOrder
	}
	row, err := c.rows.Row(rowOrder(sequence))
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, ErrNoOrder
	}
	o, err := decodeOrder(row)
	if err == nil && o.Number != number {
		err = ErrNoOrder
	}
	return o, err
}

// Order is an order as it stands.
func (c *Channel) Order(number string) (Order, error) {
	o, err := c.find(number)
	if err != nil {
		return Order{}, err
	}
	return *o, nil
}

// Asked is what somebody asks for.
type Asked struct {
	By     string // operator
	Key    string // his Idempotency-Key
	Holder string
	Amount money.Fen
}

// nameOf is the fingerprint of a request's name.
func nameOf(what, by, key string) string {
	sum := sha256.Sum256([]byte(what + "\x00" + by + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// Place makes an order, or finds the one that was made under the same name, and announces it to the channel. An error that comes with an
// order says that the channel did not answer: ask again under the same name. REQUIRES: the holder is known and may be credited.
func (c *Channel) Place(ctx context.Context, a Asked, now int64) (Order, bool, error) {
	o, repeated, err := c.place(a, now)
	if err != nil {
		return Order{}, false, err
	}
	if o.State != Created || o.Pay != "" {
		return *o, repeated, nil
	}
	pay, err := c.provider.Create(ctx, o)
	if err != nil {
		c.failed(o.Number, err)
		return *o, repeated, err
	}
	o, err = c.change(o.Sequence, func(o *Order) { o.Pay = pay })
	if err != nil {
		return Order{}, repeated, err
	}
	return *o, repeated, nil
}

// place writes the order down before the channel hears of it.
func (c *Channel) place(a Asked, now int64) (o *Order, repeated bool, err error) {
	if a.Amount <= 0 || a.Amount > c.config.amountMax() {
		return nil, false, &transaction.Refused{
			Field: "amount", Rule: "amount_bound", Chinese: fmt.Sprintf("金额须大于零,不超过 %s", c.config.amountMax()),
			English: fmt.Sprintf("the amount must be above zero and at most %s", c.config.amountMax()),
		}
	}
	name := nameOf("order", a.By, a.Key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, err := c.named(name); err != nil || o != nil {
		if err == nil && (o.Holder != a.Holder || o.Amount != a.Amount) {
			err = ErrNameUsed
		}
		return o, true, err
	}
	if len(c.waiting) >= c.config.OpenMax {
		return nil, false, ErrBusy
	}
	sequence := c.next
	o = &Order{
		Sequence: sequence, Number: orderNumber(c.config.Prefix, now, c.config.zone(), sequence), Name: name, By: a.By, Holder: a.Holder, Amount: a.Amount,
		Created: now, Expires: now + c.config.Expiry.Microseconds(), State: Created,
	}
	c.next++
	c.waiting[sequence] = &turn{at: now + c.config.QueryBackOff[0].Microseconds()}
	err = c.rows.Put(map[string][]byte{rowOrder(sequence): o.encode(), rowName(name): []byte(o.Number), rowHead: c.head()})
	if err != nil {
		c.next--
		delete(c.waiting, sequence)
		return nil, false, err
	}
	c.tellOrder(Created)
	return o, false, nil
}

// named finds the order of a request's name; nil when it is new.
func (c *Channel) named(name string) (*Order, error) {
	number, err := c.rows.Row(rowName(name))
	if err != nil || number == nil {
		return nil, err
	}
	return c.find(string(number))
}

// Known says whether an order has been made under a request's name.
func (c *Channel) Known(by, key string) (bool, error) {
	o, err := c.named(nameOf("order", by, key))
	return o != nil, err
}

// change reads an order, changes it and writes it, under its lock.
func (c *Channel) change(sequence uint64, how func(*Order)) (*Order, error) {
	lock := c.stripe(sequence)
	lock.Lock()
	defer lock.Unlock()
	o, err := c.read(sequence)
	if err != nil {
		return nil, err
	}
	how(o)
	return o, c.save(o)
}

// settled takes an order off the list of what waits.
func (c *Channel) settled(sequence uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.refunding[sequence] {
		delete(c.waiting, sequence)
	}
}

// Next is when something is to be attended to; false when nothing waits.
func (c *Channel) Next() (at int64, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at = math.MaxInt64
	for _, t := range c.waiting {
		at = min(at, t.at)
	}
	return at, len(c.waiting) > 0
}

func (c *Channel) tellOrder(s State) {
	if c.events.Order != nil {
		c.events.Order(c.config.Name, s)
	}
}

func (c *Channel) tellRefund(s RefundState) {
	if c.events.Refund != nil {
		c.events.Refund(c.config.Name, s)
	}
}

func (c *Channel) strange(number, format string, args ...any) {
	if c.events.Strange != nil {
		c.events.Strange(c.config.Name, number, fmt.Sprintf(format, args...))
	}
}

func (c *Channel) failed(number string, err error) {
	if c.events.Failed != nil {
		c.events.Failed(c.config.Name, number, err)
	}
}
