package channelsim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"onecard/ledger/money"
)

// Order is an order in the channel's books.
type Order struct {
	Number      string
	Amount      money.Fen // as announced
	Taken       money.Fen // from the payer; 0 unpaid
	Transaction string
	PaidAt      time.Time
	Expires     time.Time
	Closed      bool
	NotifyURL   string
	Refunds     []*Refund
}

// Refund is a refund in the channel's books.
type Refund struct {
	Number string
	Amount money.Fen
	Status string // SUCCESS, PROCESSING, CLOSED, ABNORMAL
	At     time.Time
}

func (o *Order) refunded() (sum money.Fen) {
	for _, r := range o.Refunds {
		if r.Status != "CLOSED" {
			sum += r.Amount
		}
	}
	return sum
}

// Totals are the channel's books added up.
type Totals struct {
	Orders   int
	Paid     int
	Taken    money.Fen // from payers
	Returned money.Fen // to payers
}

// Totals adds the books up.
func (s *Sim) Totals() (t Totals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		t.Orders++
		if o.Taken > 0 {
			t.Paid++
		}
		t.Taken += o.Taken
		for _, r := range o.Refunds {
			if r.Status == "SUCCESS" {
				t.Returned += r.Amount
			}
		}
	}
	return t
}

// Order is a copy of an order; false when the channel has none of that number.
func (s *Sim) Order(number string) (Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.orders[number]
	if !ok {
		return Order{}, false
	}
	copied := *o
	copied.Refunds = nil
	for _, r := range o.Refunds {
		refund := *r
		copied.Refunds = append(copied.Refunds, &refund)
	}
	return copied, true
}

// Numbers lists the orders by number.
func (s *Sim) Numbers() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number := range s.orders {
		list = append(list, number)
	}
	slices.Sort(list)
	return list
}

// Check says what in the books cannot be: more given back than taken, a payment that was closed.
func (s *Sim) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number, o := range s.orders {
		if o.refunded() > o.Taken {
			return fmt.Errorf("order %s: %s refunded, %s taken", number, o.refunded(), o.Taken)
		}
		if o.Closed && o.Taken > 0 {
			return fmt.Errorf("order %s was paid and closed", number)
		}
	}
	return nil
}

// Pay is a payer with a phone: he pays an order that is open and in time.
func (s *Sim) Pay(number string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.orders[number]
	switch {
	case !ok:
		return fmt.Errorf("no order %s", number)
	case o.Closed:
		return fmt.Errorf("order %s is closed", number)
	case o.Taken > 0:
		return fmt.Errorf("order %s is paid", number)
	case s.config.Clock().After(o.Expires):
		return fmt.Errorf("order %s has expired", number)
	}
	s.pay(o, o.Amount)
	return nil
}

// PayWrong lets a payer pay another amount than the order's, which a channel must not do.
func (s *Sim) PayWrong(number string, amount money.Fen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.orders[number]
	if !ok || o.Closed || o.Taken > 0 {
		return fmt.Errorf("order %s cannot be paid", number)
	}
	s.pay(o, amount)
	return nil
}

func (s *Sim) pay(o *Order, amount money.Fen) {
	s.counter++
	o.Taken, o.PaidAt, o.Transaction = amount, s.config.Clock().Truncate(time.Second), fmt.Sprintf("42000%023d", s.counter)
	s.announce(o.NotifyURL, "TRANSACTION.SUCCESS", s.paymentOf(o))
}

// Finish ends a refund that is being processed: "SUCCESS", "CLOSED" or "ABNORMAL".
func (s *Sim) Finish(number, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	order, _, _ := strings.Cut(number, "R")
	for _, o := range s.orders {
		for _, r := range o.Refunds {
			if r.Number == number && r.Status == "PROCESSING" && strings.HasPrefix(o.Number, order) {
				r.Status, r.At = status, s.config.Clock().Truncate(time.Second)
				s.announce(o.NotifyURL, "REFUND."+status, s.repaymentOf(o, r, true))
				return nil
			}
		}
	}
	return fmt.Errorf("no refund %s is being processed", number)
}

// Forget makes the channel lose a payment, as one that was never taken: what we have credited it then denies.
func (s *Sim) Forget(number string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[number]
	o.Taken, o.Transaction, o.PaidAt = 0, "", time.Time{}
}

// Alter changes what the channel says that it has taken.
func (s *Sim) Alter(number string, amount money.Fen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[number].Taken = amount
}

// Script puts behaviours ahead of what the channel does next, one a line: what, how. Each is used once, in order.
//
//	create     drop (done, no answer) | lose (not done, no answer) | refuse | busy | pay (paid as soon as it is made)
//	query      drop | busy | amount FEN (it tells another amount) | forged (its signature is of something else)
//	close      drop | lose | busy
//	refund     drop | lose | busy | reject | process | close | abnormal
//	notify     lose | twice | late | forged | stale | amount FEN
//	statement  forged | cut | sum
func (s *Sim) Script(lines string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(lines) {
		what, how, _ := strings.Cut(strings.TrimSpace(line), " ")
		if what == "" {
			continue
		}
		verb, _, _ := strings.Cut(how, " ")
		if !slices.Contains(behaviours[what], verb) {
			return fmt.Errorf("a channel cannot %q", line)
		}
		s.script[what] = append(s.script[what], how)
	}
	return nil
}

var behaviours = map[string][]string{
	"create": {"drop", "lose", "refuse", "busy", "pay"}, "query": {"drop", "busy", "amount", "forged"}, "close": {"drop", "lose", "busy"},
	"refund": {"drop", "lose", "busy", "reject", "process", "close", "abnormal"}, "notify": {"lose", "twice", "late", "forged", "stale", "amount"},
	"statement": {"forged", "cut", "sum"},
}

// next takes the next behaviour of a kind; "" is to behave.
func (s *Sim) next(what string) (verb string, amount money.Fen) {
	list := s.script[what]
	if len(list) == 0 {
		return "", 0
	}
	s.script[what] = list[1:]
	verb, number, _ := strings.Cut(list[0], " ")
	_, _ = fmt.Sscanf(number, "%d", &amount)
	return verb, amount
}
