package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"onecard/bankgw/channel"
	"onecard/ledger/money"
	"onecard/switch/console"
	"onecard/switch/transaction"
)

// channelDesk hands the console the payment channels.
type channelDesk struct{ s *server }

func (d channelDesk) find(name string) (*payment, error) {
	i := slices.IndexFunc(d.s.payments, func(p *payment) bool { return p.Name() == name })
	if i < 0 {
		return nil, &transaction.Refused{Rule: "channel_known", Chinese: "没有支付通道 " + name, English: "there is no payment channel " + name}
	}
	return d.s.payments[i], nil
}

// List is every channel.
func (d channelDesk) List() (list []console.ChannelView) {
	for _, p := range d.s.payments {
		list = append(list, console.ChannelView{Name: p.Name(), Title: p.Title(), Waiting: p.Waiting()})
	}
	return list
}

// Place looks whether the holder could be credited now, so that nobody pays for what would be refused, and makes the order.
func (d channelDesk) Place(ctx context.Context, by, key, name, holder string, amount console.Yuan) (console.ChannelOrder, error) {
	p, err := d.find(name)
	if err != nil {
		return console.ChannelOrder{}, err
	}
	now := d.s.clock.micros()
	known, err := p.Known(by, key)
	if err == nil && !known {
		_, err = d.s.opened.engine.Possible(ctx, &transaction.Operation{
			Kind: transaction.KindThirdPartyLoad, Operator: channel.Operator(name), Holder: holder, Amount: money.Fen(amount), Document: "order",
		}, now)
	}
	if err != nil {
		return console.ChannelOrder{}, err
	}
	o, repeated, err := p.Place(ctx, channel.Asked{By: by, Key: key, Holder: holder, Amount: money.Fen(amount)}, now)
	if err != nil {
		return console.ChannelOrder{}, orderProblem(err)
	}
	return d.view(p, &o, repeated), nil
}

// Order is one order.
func (d channelDesk) Order(_ context.Context, name, number string) (console.ChannelOrder, error) {
	p, err := d.find(name)
	if err != nil {
		return console.ChannelOrder{}, err
	}
	o, err := p.Order(number)
	if err != nil {
		return console.ChannelOrder{}, orderProblem(err)
	}
	return d.view(p, &o, false), nil
}

// Refund asks for money back.
func (d channelDesk) Refund(ctx context.Context, by, key, name, number string, amount console.Yuan, reason string) (console.ChannelOrder, error) {
	p, err := d.find(name)
	if err != nil {
		return console.ChannelOrder{}, err
	}
	o, repeated, err := p.Refund(ctx, channel.RefundAsked{By: by, Key: key, Number: number, Amount: money.Fen(amount), Reason: reason}, d.s.clock.micros())
	if err != nil {
		return console.ChannelOrder{}, orderProblem(err)
	}
	return d.view(p, &o, repeated), nil
}

// Settle asks the channel again about an order that waits for a person.
func (d channelDesk) Settle(ctx context.Context, name, number string) (console.ChannelOrder, error) {
	p, err := d.find(name)
	if err != nil {
		return console.ChannelOrder{}, err
	}
	o, err := p.Again(ctx, number, d.s.clock.micros())
	if err != nil {
		return console.ChannelOrder{}, orderProblem(err)
	}
	return d.view(p, &o, false), nil
}

// Reconcile holds a day against the channel's file.
func (d channelDesk) Reconcile(ctx context.Context, name, day string) (console.ChannelDay, error) {
	p, err := d.find(name)
	if err != nil {
		return console.ChannelDay{}, err
	}
	r, err := p.Reconcile(ctx, day, d.s.clock.micros())
	if err != nil {
		return console.ChannelDay{}, orderProblem(err)
	}
	return d.day(&r), nil
}

// Reconciled is what the last comparison of a day said.
func (d channelDesk) Reconciled(_ context.Context, name, day string) (console.ChannelDay, error) {
	p, err := d.find(name)
	if err != nil {
		return console.ChannelDay{}, err
	}
	r, there, err := p.Report(day)
	if err == nil && !there {
		err = &transaction.Refused{Rule: "report_known", Chinese: day + " 尚未与 " + name + " 对账", English: name + " has not been compared for " + day}
	}
	if err != nil {
		return console.ChannelDay{}, err
	}
	return d.day(&r), nil
}

// orderProblem puts a channel's errors into the desk's words. What came from outside and is no refusal is the channel not answering.
func orderProblem(err error) error {
	var refused *transaction.Refused
	if errors.As(err, &refused) || errors.Is(err, context.Canceled) || errors.Is(err, transaction.ErrStopped) {
		return err
	}
	chinese, english := halves(err.Error())
	switch {
	case errors.Is(err, channel.ErrNoOrder):
		return &transaction.Refused{Rule: "order_known", Chinese: chinese, English: english}
	case errors.Is(err, channel.ErrNameUsed):
		return &transaction.Refused{Rule: "order_key_reused", Chinese: chinese, English: english}
	case errors.Is(err, channel.ErrBusy):
		return &transaction.Refused{Rule: "channel_busy", Chinese: chinese, English: english}
	}
	return &transaction.Refused{
		Rule: "channel_unanswered", Chinese: "支付通道没有给出可用的应答,请以同一 Idempotency-Key 重发:" + chinese,
		English: "the payment channel gave no answer that can be used: send it again with the same Idempotency-Key: " + english,
	}
}

func (d channelDesk) moment(micros int64) string {
	if micros == 0 {
		return ""
	}
	return time.UnixMicro(micros).In(time.FixedZone("", int(d.s.config.Site.Zone/time.Second))).Format(time.RFC3339)
}

func reference(sequence uint64) string {
	if sequence == 0 {
		return ""
	}
	return transaction.ReferenceOf(sequence).String()
}

func (d channelDesk) view(p *payment, o *channel.Order, repeated bool) console.ChannelOrder {
	v := console.ChannelOrder{
		Channel: p.Name(), Number: o.Number, Holder: o.Holder, Amount: console.Yuan(o.Amount), State: string(o.State), Pay: o.Pay, Created: d.moment(o.Created),
		Expires: d.moment(o.Expires), Transaction: o.Transaction, Record: reference(o.Record), Cause: o.Cause, Repeated: repeated,
	}
	if o.State == channel.Paid || o.State == channel.Refunding {
		v.Refundable = console.Yuan(o.Refundable())
	}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		v.Refunds = append(v.Refunds, console.ChannelRefund{
			Number: r.Number, Amount: console.Yuan(r.Amount), State: string(r.State), Record: reference(r.Record), Back: reference(r.Back), Cause: r.Cause,
		})
	}
	return v
}

func (d channelDesk) day(r *channel.Report) console.ChannelDay {
	v := console.ChannelDay{
		Channel: r.Channel, Day: r.Day, Time: d.moment(r.Time), Equal: r.Equal, OursPaid: console.Yuan(r.OursPaid), TheirsPaid: console.Yuan(r.TheirsPaid),
		OursRefunded: console.Yuan(r.OursRefunded), TheirsRefunded: console.Yuan(r.TheirsRefunded), Fees: console.Yuan(r.Fees), Settled: r.Settled(),
		Differences: []console.ChannelDifference{},
	}
	for i := range r.Differences {
		f := &r.Differences[i]
		v.Differences = append(v.Differences, console.ChannelDifference{
			Case: string(f.Case), Number: f.Number, Refund: f.Refund, Ours: console.Yuan(f.Ours), Theirs: console.Yuan(f.Theirs), Action: f.Action, Cause: f.Cause,
		})
	}
	return v
}
