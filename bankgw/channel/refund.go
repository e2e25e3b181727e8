package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// RefundAsked is what somebody asks for.
type RefundAsked struct {
	By, Key string
	Number  string // the order's
	Amount  money.Fen
	Reason  string
}

// Refund writes a refund down, takes its money from the purse and asks the channel to pay it. The order comes back as far as it got; what is
// not known yet is asked for later.
func (c *Channel) Refund(ctx context.Context, a RefundAsked, now int64) (Order, bool, error) {
	o, repeated, err := c.intend(a, now)
	if err != nil {
		return Order{}, false, err
	}
	if refund := o.refund(); refund != nil {
		if err := c.pursue(ctx, o.Sequence, now); err != nil {
			c.failed(refund.Number, err) // it is on disk and goes on by itself
		}
	}
	done, err := c.read(o.Sequence)
	if err != nil {
		return Order{}, repeated, err
	}
	return *done, repeated, nil
}

func refusedRefund(field, rule, chinese, english string) error {
	return &transaction.Refused{Field: field, Rule: rule, Chinese: chinese, English: english}
}

// intend writes a refund down before anything moves.
func (c *Channel) intend(a RefundAsked, now int64) (o *Order, repeated bool, err error) {
	sequence, ok := sequenceOf(c.config.Prefix, a.Number)
	if !ok {
		return nil, false, ErrNoOrder
	}
	lock := c.stripe(sequence)
	lock.Lock()
	defer lock.Unlock()
	if o, err = c.find(a.Number); err != nil {
		return nil, false, err
	}
	name := nameOf("refund", a.By, a.Key)
	if i := slices.IndexFunc(o.Refunds, func(r Refund) bool { return r.Name == name }); i >= 0 {
		if o.Refunds[i].Amount != a.Amount {
			return nil, false, ErrNameUsed
		}
		return o, true, nil
	}
	switch left := o.Refundable(); {
	case o.State != Paid:
		return nil, false, refusedRefund("number", "order_paid", "订单状态为 "+string(o.State)+",不能退款", "the order is "+string(o.State)+": only a paid one can be refunded")
	case a.Amount <= 0 || a.Amount > left:
		return nil, false, refusedRefund("amount", "amount_bound", fmt.Sprintf("可退 %s", left), fmt.Sprintf("%s can be refunded", left))
	case len(o.Refunds) >= refundsMax:
		return nil, false, refusedRefund("number", "refunds_many", "退款次数过多", "the order has had too many refunds")
	}
	o.Refunds = append(o.Refunds, Refund{
		Number: fmt.Sprintf("%sR%d", o.Number, len(o.Refunds)+1), Name: name, By: a.By, Amount: a.Amount, Reason: a.Reason, State: RefundIntended, Asked: now,
	})
	o.State = Refunding
	return o, false, c.beginRefund(o, now)
}

// beginRefund writes the intent together with the head that names it. REQUIRES: the order's stripe is held.
func (c *Channel) beginRefund(o *Order, now int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.refunding) >= refundsOpenMax {
		return ErrBusy
	}
	c.refunding[o.Sequence] = true
	if err := c.rows.Put(map[string][]byte{rowOrder(o.Sequence): o.encode(), rowHead: c.head()}); err != nil {
		delete(c.refunding, o.Sequence)
		return err
	}
	c.waiting[o.Sequence] = &turn{at: now + c.config.QueryBackOff[0].Microseconds()}
	c.tellRefund(RefundIntended)
	return nil
}

// endRefund writes how the open refund ended, and the order's state after it. REQUIRES: the order's stripe is held, refund is its open one.
func (c *Channel) endRefund(o *Order, refund *Refund, state RefundState) error {
	refund.State = state
	switch {
	case state == RefundManual:
		o.State, o.Cause = Manual, refund.Cause
	case o.paidBack() == o.Amount:
		o.State = Refunded
	default:
		o.State = Paid
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := map[string][]byte{}
	if state == RefundPaid {
		day := c.dayOf(refund.PaidAt)
		list, err := c.refundsOf(day)
		if err != nil {
			return err
		}
		rows[rowRefunds(day)], _ = json.Marshal(append(list, o.Sequence)) // numbers: it cannot fail
	}
	turn := c.waiting[o.Sequence]
	delete(c.refunding, o.Sequence)
	delete(c.waiting, o.Sequence)
	rows[rowOrder(o.Sequence)], rows[rowHead] = o.encode(), c.head()
	if err := c.rows.Put(rows); err != nil {
		c.refunding[o.Sequence], c.waiting[o.Sequence] = true, turn
		return err
	}
	c.tellRefund(state)
	c.tellOrder(o.State)
	return nil
}

func (c *Channel) dayOf(at int64) string {
	return time.UnixMicro(at).In(c.config.zone()).Format(time.DateOnly)
}

// refundsOf lists the orders with a refund that the channel has paid on a day.
func (c *Channel) refundsOf(day string) (list []uint64, err error) {
	row, err := c.rows.Row(rowRefunds(day))
	if err != nil || row == nil {
		return nil, err
	}
	return list, json.Unmarshal(row, &list)
}

// pursue takes the open refund of an order as far as it can now.
func (c *Channel) pursue(ctx context.Context, sequence uint64, now int64) error {
	o, err := c.take(ctx, sequence, now)
	if err != nil {
		return err
	}
	refund := o.refund()
	if refund == nil {
		return nil
	}
	if refund.State == RefundRejected {
		return c.ask(ctx, o, refund, now)
	}
	word, err := c.provider.Refund(ctx, o, refund)
	if errors.Is(err, ErrRejected) {
		return c.reject(sequence, refund.Number, err, now)
	}
	if err != nil {
		return fmt.Errorf("refund %s: %w", refund.Number, err)
	}
	return c.Repaid(ctx, word, now)
}

// take debits the purse for an intended refund, once.
func (c *Channel) take(ctx context.Context, sequence uint64, now int64) (*Order, error) {
	lock := c.stripe(sequence)
	lock.Lock()
	defer lock.Unlock()
	o, err := c.read(sequence)
	if err != nil {
		return nil, err
	}
	refund := o.refund()
	if refund == nil || refund.State != RefundIntended {
		return o, nil
	}
	if now-refund.Asked > tooOld.Microseconds() {
		refund.Cause = "退款意向已逾 30 天 / the refund was asked for more than 30 days ago"
		return o, c.endRefund(o, refund, RefundManual)
	}
	receipt, err := c.core.Operate(ctx, &transaction.Operation{
		Kind: transaction.KindThirdPartyRefunded, Key: c.keyOf("refund", refund.Number), Operator: Operator(c.config.Name), Holder: o.Holder, Amount: refund.Amount,
		Document: refund.Number, Reason: refund.Reason,
	}, now)
	var refused *transaction.Refused
	if errors.As(err, &refused) && !passing(refused) {
		refund.Cause = refused.Error()
		return o, c.endRefund(o, refund, RefundRefused)
	}
	if err != nil {
		return nil, fmt.Errorf("taking refund %s from the purse: %w", refund.Number, err)
	}
	refund.State, refund.Record = RefundTaken, receipt.Sequence
	if err := c.save(o); err != nil {
		return nil, err
	}
	c.tellRefund(RefundTaken)
	return o, nil
}

// reject writes down that the channel has said no. An earlier request whose answer was lost may still be on its way, so that is not the end.
func (c *Channel) reject(sequence uint64, number string, cause error, now int64) error {
	_, err := c.change(sequence, func(o *Order) {
		if refund := o.refund(); refund != nil && refund.Number == number && refund.State == RefundTaken {
			refund.State, refund.Rejected, refund.Cause = RefundRejected, now, cause.Error()
			c.tellRefund(RefundRejected)
		}
	})
	return err
}

// ask finds out what became of a refund that was rejected.
func (c *Channel) ask(ctx context.Context, o *Order, refund *Refund, now int64) error {
	word, err := c.provider.QueryRefund(ctx, refund.Number)
	if err != nil {
		return fmt.Errorf("asking about refund %s: %w", refund.Number, err)
	}
	if word.Status == RefundUnknown && now-refund.Rejected >= c.config.RejectedAfter.Microseconds() {
		return c.giveBack(ctx, o.Sequence, refund.Number, refund.Cause, now)
	}
	return c.Repaid(ctx, word, now)
}

// Repaid takes the channel's word on a refund, from wherever it came.
func (c *Channel) Repaid(ctx context.Context, word Repayment, now int64) error {
	sequence, refundNumber, err := c.refundNumber(word.Number)
	if err != nil {
		return err
	}
	if word.Status == RefundClosed {
		return c.giveBack(ctx, sequence, refundNumber, "通道已关闭退款 / the channel has closed the refund", now)
	}
	if word.Status != RefundDone && word.Status != RefundAbnormal {
		return nil
	}
	lock := c.stripe(sequence)
	lock.Lock()
	defer lock.Unlock()
	o, err := c.read(sequence)
	if err != nil {
		return err
	}
	refund := o.refund()
	if refund == nil || refund.Number != refundNumber {
		return c.repaidBefore(o, refundNumber, &word)
	}
	switch {
	case refund.State == RefundIntended:
		return fmt.Errorf("refund %s was paid before it was asked for", refundNumber)
	case word.Status == RefundAbnormal:
		refund.Cause = "通道退款异常,须在通道处理 / the refund is abnormal at the channel: see to it there"
	case word.Amount != refund.Amount || word.Currency != currency:
		refund.Cause = fmt.Sprintf("退款金额不符:应退 %s,通道 %s / the amounts differ: %[1]s was asked for, the channel paid %[2]s", refund.Amount, word.Amount)
	default:
		refund.PaidAt = word.At
		return c.endRefund(o, refund, RefundPaid)
	}
	return c.endRefund(o, refund, RefundManual)
}

// repaidBefore looks at word of a refund that has ended here.
func (c *Channel) repaidBefore(o *Order, number string, word *Repayment) error {
	for i := range o.Refunds {
		if r := &o.Refunds[i]; r.Number == number {
			if r.State != RefundPaid && word.Status == RefundDone {
				c.strange(number, "the refund is %s here, and the channel says that it has paid it", r.State)
			}
			return nil
		}
	}
	c.strange(number, "the channel tells of a refund that nobody asked for here")
	return nil
}

// refundNumber takes a refund's number apart: the order's, R, a count.
func (c *Channel) refundNumber(number string) (sequence uint64, refund string, err error) {
	order, _, found := strings.Cut(number, "R")
	if i := strings.LastIndexByte(number, 'R'); found && i > 0 { // the prefix may hold an R
		order = number[:i]
	}
	sequence, ok := sequenceOf(c.config.Prefix, order)
	if !found || !ok {
		return 0, "", ErrNoOrder
	}
	if _, err := c.find(order); err != nil {
		return 0, "", err
	}
	return sequence, number, nil
}

// giveBack turns the debit of a refund round that the channel will not pay, once.
func (c *Channel) giveBack(ctx context.Context, sequence uint64, number, cause string, now int64) error {
	lock := c.stripe(sequence)
	lock.Lock()
	defer lock.Unlock()
	o, err := c.read(sequence)
	if err != nil {
		return err
	}
	refund := o.refund()
	if refund == nil || refund.Number != number || refund.State == RefundIntended {
		return nil
	}
	record, err := c.reverse(ctx, "return", number, refund.Record, now)
	var refused *transaction.Refused
	if errors.As(err, &refused) && !passing(refused) {
		refund.Cause = cause + ";" + refused.Error()
		return c.endRefund(o, refund, RefundManual)
	}
	if err != nil {
		return fmt.Errorf("giving refund %s back: %w", number, err)
	}
	refund.Back, refund.Cause = record, cause
	return c.endRefund(o, refund, RefundReturned)
}

// reverse turns an entry of this channel round, once.
func (c *Channel) reverse(ctx context.Context, what, number string, original uint64, now int64) (record uint64, err error) {
	evidence, err := c.core.Evidence(original)
	if err != nil {
		return 0, err
	}
	receipt, err := c.core.Operate(ctx, &transaction.Operation{
		Kind: transaction.KindDepositReversed, Key: c.keyOf(what, number), Operator: Operator(c.config.Name), Original: original, Evidence: evidence,
		Document: number, Reason: what,
	}, now)
	return receipt.Sequence, err
}
