package channel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// Case is how a number stands in the comparison (handbook 3.8).
type Case string

// Cases of the comparison.
const (
	Equal         Case = "equal"
	ChannelOnly   Case = "channel_only"   // 长款: the channel has taken or paid, the ledger has not
	OursOnly      Case = "ours_only"      // 短款: the ledger has, the channel has not
	AmountDiffers Case = "amount_differs" // both have, and disagree
)

// Cases calls visit with every case.
func Cases(visit func(Case)) {
	for _, c := range []Case{Equal, ChannelOnly, OursOnly, AmountDiffers} {
		visit(c)
	}
}

// Booked is a payment or a refund as it is in our books.
type Booked struct {
	Number string // of the order, or of the refund
	Amount money.Fen
}

// Difference is a number that does not stand equal.
type Difference struct {
	Case   Case      `json:"case"`
	Number string    `json:"number"`
	Refund bool      `json:"refund,omitempty"`
	Ours   money.Fen `json:"ours"`
	Theirs money.Fen `json:"theirs"`
	Action string    `json:"action"` // "credited", "pending", "reversed", "confirmed", "manual"
	Cause  string    `json:"cause,omitempty"`
	line   Line
}

// Compare joins both sides by number. theirs are lines of one sort, payments or refunds. A number that stands twice on one side is added up.
func Compare(ours []Booked, theirs []Line) (equal int, differences []Difference) {
	type pair struct {
		ours, theirs       money.Fen
		hasOurs, hasTheirs bool
		line               Line
	}
	pairs := map[string]*pair{}
	of := func(number string) *pair {
		p, ok := pairs[number]
		if !ok {
			p = new(pair)
			pairs[number] = p
		}
		return p
	}
	for _, b := range ours {
		p := of(b.Number)
		p.ours, p.hasOurs = p.ours+b.Amount, true
	}
	for _, l := range theirs {
		p := of(cmp.Or(l.Refund, l.Order))
		p.theirs, p.hasTheirs, p.line = p.theirs+l.Amount, true, l
	}
	for number, p := range pairs {
		d := Difference{Number: number, Refund: p.line.Refund != "", Ours: p.ours, Theirs: p.theirs, line: p.line}
		switch {
		case !p.hasTheirs:
			d.Case = OursOnly
		case !p.hasOurs:
			d.Case = ChannelOnly
		case p.ours != p.theirs:
			d.Case = AmountDiffers
		default:
			equal++
			continue
		}
		differences = append(differences, d)
	}
	slices.SortFunc(differences, func(a, b Difference) int { return cmp.Compare(a.Number, b.Number) })
	return equal, differences
}

// Report is a day held against the channel's file, before and after what could be mended.
type Report struct {
	Channel        string       `json:"channel"`
	Day            string       `json:"day"`
	Time           int64        `json:"time"`
	Equal          int          `json:"equal"`
	OursPaid       money.Fen    `json:"ours_paid"`
	TheirsPaid     money.Fen    `json:"theirs_paid"`
	OursRefunded   money.Fen    `json:"ours_refunded"`
	TheirsRefunded money.Fen    `json:"theirs_refunded"`
	Fees           money.Fen    `json:"fees"` // what the channel keeps
	Differences    []Difference `json:"differences"`
}

// Settled says whether nothing is left for a person or for another day.
func (r *Report) Settled() bool {
	return !slices.ContainsFunc(r.Differences, func(d Difference) bool { return d.Action == "manual" || d.Action == "pending" })
}

// Reconcile holds a day against the channel's file and mends what can be mended without a person. It may be run again at any time: what is
// mended stands equal then.
func (c *Channel) Reconcile(ctx context.Context, day string, now int64) (Report, error) {
	statement, err := c.provider.Statement(ctx, day)
	if err != nil {
		return Report{}, err
	}
	paid, refunded, err := c.booked(day)
	if err != nil {
		return Report{}, err
	}
	var payments, refunds []Line
	for _, l := range statement.Lines {
		if l.Refund == "" {
			payments = append(payments, l)
		} else {
			refunds = append(refunds, l)
		}
	}
	r := Report{
		Channel: c.config.Name, Day: day, Time: now, OursPaid: sum(paid), TheirsPaid: statement.Payments, OursRefunded: sum(refunded),
		TheirsRefunded: statement.Refunds, Fees: statement.Fees, Differences: []Difference{},
	}
	equal, differences := Compare(paid, payments)
	equalRefunds, refundDifferences := Compare(refunded, refunds)
	r.Equal = equal + equalRefunds
	for i := range refundDifferences {
		refundDifferences[i].Refund = true
	}
	for _, d := range append(differences, refundDifferences...) {
		if err := c.mend(ctx, &d, now); err != nil {
			return Report{}, fmt.Errorf("reconciling %s: %w", d.Number, err)
		}
		r.Differences = append(r.Differences, d)
	}
	c.tellReconciled(&r)
	encoded, err := json.Marshal(r)
	if err != nil {
		return Report{}, err
	}
	return r, c.rows.Put(map[string][]byte{rowReport(day): encoded})
}

// Report is the newest comparison of a day; false when there was none.
func (c *Channel) Report(day string) (r Report, there bool, err error) {
	row, err := c.rows.Row(rowReport(day))
	if err != nil || row == nil {
		return r, false, err
	}
	return r, true, json.Unmarshal(row, &r)
}

func sum(list []Booked) (total money.Fen) {
	for _, b := range list {
		total += b.Amount
	}
	return total
}

func (c *Channel) tellReconciled(r *Report) {
	if c.events.Reconciled == nil {
		return
	}
	counts := map[Case]int{Equal: r.Equal}
	for _, d := range r.Differences {
		counts[d.Case]++
	}
	Cases(func(of Case) { c.events.Reconciled(c.config.Name, of, counts[of]) })
}

// booked lists what was credited and refunded on a day of the channel's. Orders stand in the order in which they were made, and are paid
// before they expire; the search goes back from the newest until the day is behind it.
func (c *Channel) booked(day string) (paid, refunded []Booked, err error) {
	begin, err := time.ParseInLocation(time.DateOnly, day, c.config.zone())
	if err != nil {
		return nil, nil, err
	}
	oldest := begin.Add(-c.config.Expiry - clockDoubt).UnixMicro()
	c.mu.Lock()
	next := c.next
	c.mu.Unlock()
	for sequence := next - 1; sequence > 0; sequence-- {
		o, err := c.read(sequence)
		if err != nil {
			return nil, nil, err
		}
		if o.Created < oldest {
			break
		}
		if o.credited() && c.dayOf(o.PaidAt) == day {
			paid = append(paid, Booked{o.Number, o.Amount})
		}
	}
	list, err := c.refundsOf(day)
	if err != nil {
		return nil, nil, err
	}
	for _, sequence := range list {
		o, err := c.read(sequence)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range o.Refunds {
			if b := (Booked{r.Number, r.Amount}); r.State == RefundPaid && c.dayOf(r.PaidAt) == day && !slices.Contains(refunded, b) {
				refunded = append(refunded, b)
			}
		}
	}
	return paid, refunded, nil
}

// clockDoubt is how far the clocks of the channel and of this machine, or of this machine before and after it was set, may be apart.
const clockDoubt = 24 * time.Hour

// mend does about a difference what needs no person, and says what it did.
func (c *Channel) mend(ctx context.Context, d *Difference, now int64) error {
	switch {
	case d.Refund && d.Case == ChannelOnly:
		return c.mendRefund(ctx, d, now)
	case d.Refund && d.Case == OursOnly:
		word, err := c.provider.QueryRefund(ctx, d.Number)
		if err != nil {
			return err
		}
		d.act(word.Status == RefundDone, "pending", "通道称已退,应在另一日的文件 / the channel says it is paid: another day's file should have it")
		return nil
	case d.Refund || d.Case == AmountDiffers:
		d.act(false, "", "")
		return nil
	case d.Case == ChannelOnly:
		return c.makeUp(ctx, d, now)
	}
	return c.claim(ctx, d, now)
}

// act notes what was done when it could be, and that a person must look when not.
func (d *Difference) act(done bool, action, cause string) {
	d.Action = "manual"
	if done {
		d.Action, d.Cause = action, cause
	}
}

// makeUp credits what the channel has and we have not (补账): the file is evidence as good as an answer.
func (c *Channel) makeUp(ctx context.Context, d *Difference, now int64) error {
	p := Payment{Number: d.Number, Transaction: d.line.Transaction, Status: PaymentDone, Amount: d.Theirs, Currency: currency, At: d.line.At}
	if err := c.Settle(ctx, p, now); err != nil && !errors.Is(err, ErrNoOrder) {
		return err
	}
	o, err := c.find(d.Number)
	if errors.Is(err, ErrNoOrder) {
		d.act(false, "", "")
		d.Cause = "没有此订单 / there is no such order here"
		return nil
	}
	if err != nil {
		return err
	}
	d.act(o.credited(), "credited", "")
	if !o.credited() {
		d.Cause = o.Cause
	}
	return nil
}

// mendRefund takes the file's word that a refund has been paid.
func (c *Channel) mendRefund(ctx context.Context, d *Difference, now int64) error {
	err := c.Repaid(ctx, Repayment{Number: d.Number, Order: d.line.Order, Status: RefundDone, Amount: d.Theirs, Currency: currency, At: d.line.At}, now)
	if err != nil && !errors.Is(err, ErrNoOrder) {
		return err
	}
	o, err := c.find(d.line.Order)
	if err != nil && !errors.Is(err, ErrNoOrder) {
		return err
	}
	paid := err == nil && slices.ContainsFunc(o.Refunds, func(r Refund) bool { return r.Number == d.Number && r.State == RefundPaid })
	d.act(paid, "confirmed", "")
	return nil
}

// claim looks into what we have credited and the channel's file does not have (短款). The channel is asked again: if it has been paid after all,
// another day's file has it; if not, the credit is turned round as long as the money is there, and is a claim on the holder when it is not.
func (c *Channel) claim(ctx context.Context, d *Difference, now int64) error {
	p, err := c.provider.Query(ctx, d.Number)
	if err != nil {
		return err
	}
	if p.Status == PaymentDone {
		d.act(p.Amount == d.Ours, "pending", "通道称已付,应在另一日的文件 / the channel says it is paid: another day's file should have it")
		return nil
	}
	sequence, _ := sequenceOf(c.config.Prefix, d.Number)
	lock := c.stripe(sequence)
	lock.Lock()
	defer lock.Unlock()
	o, err := c.find(d.Number)
	if err != nil {
		return err
	}
	if o.State != Paid || len(o.Refunds) > 0 {
		d.act(false, "", "")
		d.Cause = "通道称未付;订单状态 " + string(o.State) + ",须人工 / the channel says it is not paid; a person must look"
		return nil
	}
	record, err := c.reverse(ctx, "claim", o.Number, o.Record, now)
	var refused *transaction.Refused
	if errors.As(err, &refused) && !passing(refused) {
		d.act(false, "", "")
		d.Cause = "通道称未付,余额不足以收回 / the channel says it is not paid, and the purse cannot give it back: " + refused.Error()
		return c.leaveToPerson(o, nil, d.Cause)
	}
	if err != nil {
		return err
	}
	d.act(true, "reversed", "通道称未付,已收回 / the channel says it is not paid: taken back")
	o.Record, o.Claim = 0, record
	return c.leaveToPerson(o, nil, d.Cause)
}
