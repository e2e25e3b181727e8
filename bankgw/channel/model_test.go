package channel_test

import (
	"context"
	"errors"
	"maps"
	"time"

	"onecard/bankgw/channel"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// errLost is an answer that did not come.
var errLost = errors.New("no answer")

// model is a channel small enough to be copied: one order, its refunds, and how the next call goes wrong.
type model struct {
	exists, closed bool
	paid           money.Fen
	refunds        map[string]channel.Repayment

	how   string // of the next call: "", "lose" (not done), "drop" (done, no answer), "reject", "process", "pay" (somebody pays right after it)
	power *power // of our machine: what is down asks nothing
}

// call begins a call; done says what happens to it.
func (m *model) call(do func() error) error {
	if m.power.down {
		return errCrashed
	}
	how := m.how
	m.how = ""
	if how == "lose" {
		return errLost
	}
	if how == "reject" {
		return channel.ErrRejected
	}
	err := do()
	if how == "pay" && m.exists && !m.closed && m.paid == 0 {
		m.paid = smallAmount
	}
	if how == "drop" {
		return errLost
	}
	return err
}

func (m *model) Create(_ context.Context, o *channel.Order) (string, error) {
	return "pay:" + o.Number, m.call(func() error { m.exists = true; return nil })
}

func (m *model) Query(_ context.Context, number string) (p channel.Payment, err error) {
	err = m.call(func() error { p = m.payment(number); return nil })
	return p, err
}

func (m *model) payment(number string) channel.Payment {
	p := channel.Payment{Number: number}
	switch {
	case m.paid > 0:
		p.Status, p.Transaction, p.Amount, p.Currency, p.At = channel.PaymentDone, "T1", m.paid, "CNY", start.UnixMicro()
	case m.closed:
		p.Status = channel.PaymentClosed
	case m.exists:
		p.Status = channel.PaymentWaiting
	}
	return p
}

func (m *model) Close(context.Context, string) error {
	return m.call(func() error {
		if m.paid > 0 {
			return channel.ErrPaid
		}
		m.closed = m.exists
		return nil
	})
}

func (m *model) Refund(_ context.Context, _ *channel.Order, r *channel.Refund) (word channel.Repayment, err error) {
	process := m.how == "process"
	err = m.call(func() error {
		if before, there := m.refunds[r.Number]; there {
			word = before
			return nil
		}
		word = channel.Repayment{Number: r.Number, Amount: r.Amount, Currency: "CNY", Status: channel.RefundDone, At: start.UnixMicro()}
		if process {
			word.Status = channel.RefundProcessing
		}
		m.refunds[r.Number] = word
		return nil
	})
	return word, err
}

func (m *model) QueryRefund(_ context.Context, number string) (word channel.Repayment, err error) {
	err = m.call(func() error { word = m.refunds[number]; word.Number = number; return nil })
	return word, err
}

func (m *model) Statement(context.Context, string) (*channel.Statement, error) {
	return nil, errLost
}

// promised is what the channel has paid back or will.
func (m *model) promised() (sum money.Fen) {
	for _, r := range m.refunds {
		if r.Status != channel.RefundClosed {
			sum += r.Amount
		}
	}
	return sum
}

func (m *model) finish(status channel.RefundStatus) {
	for number, r := range m.refunds {
		if r.Status == channel.RefundProcessing {
			r.Status = status
			m.refunds[number] = r
		}
	}
}

// start is when the small world begins; its phases are in time and expired.
var start = time.Date(2026, 11, 26, 12, 0, 0, 0, beijing)

var phases = [...]time.Duration{0, 20 * time.Minute}

// world is everything that lasts: what is on disk, what the ledger and the channel have, how late it is.
type world struct {
	power power
	disk  disk
	books *books
	model model
	phase int
	print string // its fingerprint, once it has one
}

func newWorld() *world {
	w := &world{}
	w.power.set(-1, false)
	w.disk = disk{&w.power, map[string][]byte{}}
	w.books = newBooks(&w.power)
	w.model = model{refunds: map[string]channel.Repayment{}, power: &w.power}
	return w
}

func (w *world) copied() *world {
	c := newWorld()
	c.phase = w.phase
	c.disk.rows = maps.Clone(w.disk.rows)
	c.books.purses, c.books.keys, c.books.asked = maps.Clone(w.books.purses), maps.Clone(w.books.keys), maps.Clone(w.books.asked)
	c.books.entries, c.books.transit = append([]posted(nil), w.books.entries...), w.books.transit
	power := c.model.power
	c.model = w.model
	c.model.power, c.model.refunds, c.model.how = power, maps.Clone(w.model.refunds), ""
	return c
}

func (w *world) now() time.Time { return start.Add(phases[w.phase]) }

// moved adds up the entries of a kind.
func (w *world) moved(kinds ...transaction.Kind) (sum money.Fen, count int) {
	for _, e := range w.books.entries {
		for _, kind := range kinds {
			if e.Kind == kind {
				sum, count = sum+e.Amount, count+1
			}
		}
	}
	return sum, count
}
