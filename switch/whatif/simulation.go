package whatif

import (
	"context"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules"
	"onecard/switch/transaction"
)

// simulation is one run: the new rules, what the site has, and what holders have bought so far under them.
type simulation struct {
	question Question
	site     site
	compiled *rules.Compiled
	holders  []holder // by row
	past     map[place]*decided
	result   Result
	verdict  rules.Verdict
}

// holder is what is counted of one holder under the new rules.
type holder struct {
	day        uint32 // calendar day of the counters
	count      uint32
	amount     money.Fen
	beforePIN  money.Fen // of amount, up to the last purchase with a PIN
	meal       meal
	mealCount  uint32
	privileged uint32
	mealAmount money.Fen
	paidMore   money.Fen // than he did, up to now
	spendable  money.Fen // as he was told last
	told       bool
}

// meal names a meal by the day on which it began.
type meal struct {
	day    uint32
	number uint8
}

// place is where a purchase stands for its reversal: the window of the duplicate table, see transaction.
type place struct {
	terminal transaction.TerminalID
	trace    uint32
}

// decided is a purchase that may still be reversed.
type decided struct {
	sequence uint64
	holder   uint32
	merchant uint32
	class    uint8
	counted  bool // it is of the days asked for
	happened bool
	would    bool
	actual   rules.Price
	whatIf   rules.Price
	day      uint32
	meal     meal
}

func (s *simulation) begin(ctx context.Context) error {
	var directory *rules.Directory
	if err := s.site.look(ctx, func(state *transaction.State) {
		directory = state.RulesDirectory()
		s.site.zone, s.site.window = int64(state.Site().ZoneSeconds), state.Site().Window
	}); err != nil {
		return err
	}
	s.compiled = rules.Compile(s.question.Tables, directory)
	for i := range directory.Merchants {
		s.result.Merchants = append(s.result.Merchants, Row{Code: directory.Merchants[i]})
	}
	for i := range directory.Classes {
		s.result.Classes = append(s.result.Classes, Row{Code: directory.Classes[i].Code})
	}
	s.result.From, s.result.To = ledger.DateOf(s.question.From), ledger.DateOf(s.question.To)
	return nil
}

const (
	secondsPerDay   = 86_400
	microsPerSecond = 1_000_000
)

// block judges the purchases of a block.
func (s *simulation) block(ctx context.Context, b ledger.Block) error {
	if err := s.site.learn(ctx, b); err != nil {
		return err
	}
	return b.Each(func(sequence uint64, e *ledger.Entry) error {
		if e.Kind != transaction.KindPurchase && e.Kind != transaction.KindReversal {
			return nil
		}
		line, ok := transaction.ReadEntry(sequence, b.Day(), e)
		switch {
		case !ok:
			return ledger.ErrMalformed
		case line.Card == 0:
		case e.Kind == transaction.KindPurchase:
			s.purchase(&line)
		case line.Reason == transaction.ReasonNone:
			s.reversal(&line)
		}
		return nil
	})
}

// ruled are the refusals that other rules could turn round.
func ruled(r transaction.Reason) bool {
	switch r {
	case transaction.ReasonNone, transaction.ReasonOutsideMeals, transaction.ReasonDayCount, transaction.ReasonDayAmount, transaction.ReasonMealCount,
		transaction.ReasonMealAmount, transaction.ReasonFunds:
		return true
	}
	return false
}

// purchase judges one purchase as it happened and as it would have.
func (s *simulation) purchase(line *transaction.Line) {
	if !ruled(line.Reason) {
		return
	}
	d := &decided{sequence: line.Sequence, holder: s.site.cards[line.Card-1] - 1, merchant: s.site.terminals[line.Terminal-1] - 1, class: line.Class}
	if !line.Priced {
		d.class = s.site.classes[line.Card-1]
	}
	d.counted = line.Day >= s.question.From
	d.happened, d.actual = line.Reason == transaction.ReasonNone, line.Price
	for int(d.holder) >= len(s.holders) {
		s.holders = append(s.holders, holder{})
	}
	h := &s.holders[d.holder]
	pin, asked := s.judge(line, d, h)
	s.pay(line, d, h)
	if d.would {
		h.buy(d, pin || asked)
	}
	s.record(d, asked)
	s.past[place{line.Terminal, line.Trace % s.site.window}] = d
}

// judge asks the new rules. asked says that the PIN would have been, pin that it came.
func (s *simulation) judge(line *transaction.Line, d *decided, h *holder) (pin, asked bool) {
	seconds := line.Time/microsPerSecond + s.site.zone
	d.day = uint32(seconds / secondsPerDay)
	swipe := rules.Swipe{Class: d.class, Merchant: d.merchant, Purse: uint8(line.Purse), PINCame: line.PINVerified, List: line.Price.List}
	swipe.Meal, swipe.Night = s.compiled.Meal(d.merchant, uint8((d.day+3)%7), uint16(seconds%secondsPerDay/60))
	d.meal = meal{d.day, swipe.Meal}
	if swipe.Night {
		d.meal.day--
	}
	swipe.Counters = h.counters(d)
	v := &s.verdict
	s.compiled.Judge(&swipe, v)
	if asked = v.Refusal == rules.NeedPINSingle || v.Refusal == rules.NeedPINDay; asked {
		swipe.PINCame = true
		s.compiled.Judge(&swipe, v)
	}
	d.would, d.whatIf = v.Refusal == rules.Allowed, v.Price
	return line.PINVerified, asked
}

// pay says whether the holder could have paid, and follows what he has.
func (s *simulation) pay(line *transaction.Line, d *decided, h *holder) {
	if line.HasBalance {
		h.told, h.spendable = true, line.Balance
		if d.happened {
			h.spendable += d.actual.Payable()
		}
	}
	usable := h.spendable
	if line.Reason == transaction.ReasonFunds {
		usable = line.Numbers[0] // of the purses that pay here
	}
	if payable := d.whatIf.Payable(); h.told && payable > usable-h.paidMore && payable > 0 {
		d.would = false
	}
	if d.happened {
		h.spendable -= d.actual.Payable()
	}
	h.paidMore += d.difference()
}

// difference is what the holder would have paid more for this purchase.
func (d *decided) difference() (more money.Fen) {
	if d.would {
		more = d.whatIf.Payable()
	}
	if d.happened {
		more -= d.actual.Payable()
	}
	return more
}

// record adds a purchase to the sums.
func (s *simulation) record(d *decided, asked bool) {
	if !d.counted {
		return
	}
	for _, row := range []*Row{&s.result.Merchants[d.merchant], &s.result.Classes[d.class], &s.result.Total} {
		row.Actual.take(d.happened, &d.actual)
		row.WhatIf.take(d.would, &d.whatIf)
		if d.would && asked {
			row.WhatIf.PINAsked++
		}
	}
}

func (s *Sums) take(sold bool, p *rules.Price) {
	if sold {
		s.add(p, 1)
	} else {
		s.Refused++
	}
}

// reversal gives a purchase back on both sides.
func (s *simulation) reversal(line *transaction.Line) {
	at := place{line.Terminal, line.Trace % s.site.window}
	d := s.past[at]
	if d == nil || d.sequence != line.Original {
		return // from before the days that are read
	}
	delete(s.past, at)
	h := &s.holders[d.holder]
	h.paidMore -= d.difference()
	if line.HasBalance {
		h.told, h.spendable = true, line.Balance
	}
	if d.would {
		h.giveBack(d)
	}
	if !d.counted {
		return
	}
	for _, row := range []*Row{&s.result.Merchants[d.merchant], &s.result.Classes[d.class], &s.result.Total} {
		row.Actual.add(&d.actual, -1)
		if d.would {
			row.WhatIf.add(&d.whatIf, -1)
		} else {
			row.WhatIf.Refused--
		}
	}
}

// finish leaves out who sold and bought nothing.
func (s *simulation) finish(context.Context) (*Result, error) {
	r := &s.result
	r.Merchants, r.Classes = used(r.Merchants), used(r.Classes)
	r.Total.Code = "total"
	return r, nil
}

func used(rows []Row) []Row {
	kept := []Row{}
	for _, row := range rows {
		if row.Actual != (Sums{}) || row.WhatIf != (Sums{}) {
			kept = append(kept, row)
		}
	}
	return kept
}
