package channel

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// keyOf is the ledger's key of what happens to an order once.
func (c *Channel) keyOf(what, number string) transaction.Key {
	sum := sha256.Sum256([]byte("channel\x00" + c.config.Name + "\x00" + what + "\x00" + number))
	return transaction.Key(sum[:16])
}

// Settle takes the channel's word that an order has been paid, from wherever it came, and credits the holder once. It returns when the
// credit is durable; an error says that it is not, and the evidence should come again. What does not fit moves nothing.
func (c *Channel) Settle(ctx context.Context, p Payment, now int64) error {
	return c.settle(ctx, p, now, false)
}

// Again asks the channel about an order that waits for a person, once what was in the way has been seen to, and credits it if it may be.
func (c *Channel) Again(ctx context.Context, number string, now int64) (Order, error) {
	o, err := c.find(number)
	if err != nil {
		return Order{}, err
	}
	if o.State != Manual || o.credited() || o.Claim != 0 {
		return Order{}, &transaction.Refused{
			Field: "number", Rule: "order_manual", Chinese: "订单状态为 " + string(o.State) + ",无可补办", English: "the order is " + string(o.State) + ": there is nothing to settle by hand",
		}
	}
	p, err := c.provider.Query(ctx, number)
	if err == nil {
		err = c.settle(ctx, p, now, true)
	}
	if err != nil {
		return Order{}, err
	}
	return c.Order(number)
}

func (c *Channel) settle(ctx context.Context, p Payment, now int64, asked bool) error {
	sequence, ok := sequenceOf(c.config.Prefix, p.Number)
	if !ok {
		return ErrNoOrder
	}
	lock := c.stripe(sequence)
	lock.Lock()
	defer lock.Unlock()
	o, err := c.find(p.Number)
	if err != nil {
		return err
	}
	if p.Status != PaymentDone {
		return nil
	}
	if o.credited() {
		if o.Transaction != p.Transaction || o.Amount != p.Amount {
			c.strange(o.Number, "credited for payment %s of %s, now told of %s of %s", o.Transaction, o.Amount, p.Transaction, p.Amount)
		}
		return nil
	}
	if o.State == Manual && !asked || o.Claim != 0 {
		return nil
	}
	if fault := c.misfit(o, &p, now); fault != "" {
		return c.leaveToPerson(o, &p, fault)
	}
	receipt, err := c.core.Operate(ctx, c.credit(o), now)
	var refused *transaction.Refused
	if errors.As(err, &refused) && !passing(refused) {
		return c.leaveToPerson(o, &p, refused.Error())
	}
	if err != nil {
		return fmt.Errorf("crediting order %s: %w", o.Number, err)
	}
	o.State, o.Record, o.Transaction, o.PaidAt, o.Cause = Paid, receipt.Sequence, p.Transaction, p.At, ""
	if err := c.save(o); err != nil {
		return err
	}
	c.settled(o.Sequence)
	c.tellOrder(Paid)
	return nil
}

// credit is the operation of an order: made of nothing but the order, so that every evidence asks for the same under the same key.
func (c *Channel) credit(o *Order) *transaction.Operation {
	return &transaction.Operation{
		Kind: transaction.KindThirdPartyLoad, Key: c.keyOf("credit", o.Number), Operator: Operator(c.config.Name), Holder: o.Holder, Amount: o.Amount, Document: o.Number,
	}
}

// misfit says why evidence does not credit its order.
func (c *Channel) misfit(o *Order, p *Payment, now int64) string {
	switch {
	case p.Amount != o.Amount:
		return fmt.Sprintf("金额不符:订单 %s,通道 %s / the amounts differ: the order's is %[1]s, the channel's %[2]s", o.Amount, p.Amount)
	case p.Currency != currency:
		return fmt.Sprintf("币种不是 CNY / the currency is not CNY: %q", p.Currency)
	case now-o.Created > tooOld.Microseconds():
		return "订单已逾 30 天 / the order is older than 30 days"
	}
	return ""
}

// passing says whether a refusal is the site's and not the order's: it is asked again. All others (an account that is closed or frozen, a full
// purse) will not go by themselves.
func passing(r *transaction.Refused) bool {
	return slices.Contains([]string{"disk_low", "operator_known", "role"}, r.Rule)
}

// leaveToPerson stops an order: the channel has money that nobody has been credited for. REQUIRES: its stripe is held.
func (c *Channel) leaveToPerson(o *Order, p *Payment, cause string) error {
	o.State, o.Cause = Manual, cause
	if p != nil {
		o.Transaction, o.PaidAt = p.Transaction, p.At
	}
	if err := c.save(o); err != nil {
		return err
	}
	c.settled(o.Sequence)
	c.tellOrder(Manual)
	c.strange(o.Number, "%s", cause)
	return nil
}

// lapse lets an order go that the channel has closed unpaid. A payment that is told of later is still credited.
func (c *Channel) lapse(sequence uint64) error {
	lock := c.stripe(sequence)
	lock.Lock()
	defer lock.Unlock()
	o, err := c.read(sequence)
	if err != nil || o.State != Created {
		return err
	}
	o.State = Closed
	if err := c.save(o); err != nil {
		return err
	}
	c.settled(sequence)
	c.tellOrder(Closed)
	return nil
}

// paidBack is what has been refunded of an order for good.
func (o *Order) paidBack() (sum money.Fen) {
	for i := range o.Refunds {
		if o.Refunds[i].State == RefundPaid {
			sum += o.Refunds[i].Amount
		}
	}
	return sum
}
