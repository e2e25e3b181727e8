// Package whatif prices past purchases again under other rules and tells the difference, per merchant and per class of holders, without
// touching the ledger.
//
// The one idea: the rules are a pure function (switch/rules), and what they ask of a holder's past can be counted anew from the ledger. So the
// purchases of some days are judged once more, one after another, with counters that follow from the new verdicts and not from the old: a
// privilege that is used up earlier, or a limit that is reached sooner, is seen. Under the rules that were in force it gives what happened, to
// the fen; that is its test.
//
// What it cannot know it takes as it was: holders come and buy as they did; whoever would be asked for his PIN types it (how many would be is
// told); a purse pays if what the holder could spend at that moment, less what he would have paid more before, is enough. Refusals that the
// rules have no say in (lost cards, closed merchants, wrong PINs) are left out of both sides, and so are PINs that were asked for: the same
// purchase came again with one.
package whatif

import (
	"context"
	"errors"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules"
	"onecard/switch/transaction"
)

// Question is which tables and which business days, both ends included.
type Question struct {
	Tables   *rules.Tables
	From, To uint32 // days since 1970 at the site
}

// Ledger is where the purchases are read.
type Ledger interface {
	// DayBegins returns the last entry before the blocks of a business day.
	DayBegins(day uint32) (after uint64, err error)
	Replay(ctx context.Context, after uint64, visit func(ledger.Block) error) error
}

// Sums are what some purchases come to.
type Sums struct {
	Count    int64     `json:"count"`
	Refused  int64     `json:"refused"` // by the rules, or for want of money
	PINAsked int64     `json:"pin_asked"`
	List     money.Fen `json:"list_fen"`
	Discount money.Fen `json:"discount_fen"`
	School   money.Fen `json:"school_fen"` // of the discount, what the school bears
	Fee      money.Fen `json:"fee_fen"`
	Payable  money.Fen `json:"payable_fen"`
}

// Merchant is what merchants get.
func (s *Sums) Merchant() money.Fen { return s.List - s.Discount + s.School }

// Minus is the difference.
func (s *Sums) Minus(o *Sums) Sums {
	return Sums{
		Count: s.Count - o.Count, Refused: s.Refused - o.Refused, PINAsked: s.PINAsked - o.PINAsked, List: s.List - o.List, Discount: s.Discount - o.Discount,
		School: s.School - o.School, Fee: s.Fee - o.Fee, Payable: s.Payable - o.Payable,
	}
}

func (s *Sums) add(p *rules.Price, sign int64) {
	times := money.Fen(sign)
	s.Count += sign
	s.List += times * p.List
	s.Discount += times * p.Discount
	s.School += times * p.School()
	s.Fee += times * p.Fee
	s.Payable += times * p.Payable()
}

// Row is one merchant or class: what happened and what would have.
type Row struct {
	Code   string `json:"code"`
	Name   string `json:"name,omitempty"`
	Actual Sums   `json:"actual"`
	WhatIf Sums   `json:"what_if"`
}

// Result is the answer.
type Result struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Entries   uint64 `json:"entries"` // read
	Merchants []Row  `json:"merchants"`
	Classes   []Row  `json:"classes"`
	Total     Row    `json:"total"`
}

// Look reads the state of the switch on its owner; it must be quick.
type Look func(context.Context, func(*transaction.State)) error

// Run answers a question. progress, which may be nil, is told the newest entry read, now and then.
func Run(ctx context.Context, q Question, blocks Ledger, look Look, progress func(sequence uint64)) (*Result, error) {
	if q.From > q.To {
		return nil, fmt.Errorf("起始日晚于截止日 / the first day is after the last")
	}
	s := &simulation{question: q, site: site{look: look}, past: map[place]*decided{}}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	// One day more is read in front: a meal that began on the evening before is still going on at midnight.
	after, err := blocks.DayBegins(q.From - 1)
	if err != nil {
		return nil, err
	}
	read, newest := 0, uint64(0)
	err = blocks.Replay(ctx, after, func(b ledger.Block) error {
		if b.Day() > q.To {
			return errEnough
		}
		if read++; progress != nil && read%progressBlocks == 0 {
			progress(b.First())
		}
		if b.Day() >= q.From {
			s.result.Entries += uint64(b.Count())
		}
		newest = b.Last()
		return s.block(ctx, b)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if progress != nil {
		progress(newest)
	}
	return s.finish(ctx)
}

// progressBlocks is how many blocks pass between two words about progress.
const progressBlocks = 1000

var errEnough = errors.New("the days asked for have been read")
