package transaction_test

import (
	"slices"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// naive is the switch once more, written from the handbook with lists and sums: it forgets nothing, keeps no counter and adds everything
// up anew for each question. It is slow and plain, and shares nothing with what it judges but the types of the request and the decision.
type naive struct {
	sequence  uint64
	lastTime  int64
	openDay   uint32 // business day
	switchAt  int    // minute of the day at which it ends
	diskLow   bool
	suspended map[transaction.TerminalID]bool
	types     map[transaction.TerminalID]transaction.TerminalType
	cards     map[transaction.CardNumber]*naiveCard
	purses    [][2]money.Fen // by holder: main, subsidy
	tries     []int          // by holder: wrong PINs in a row
	classes   []transaction.ClassRow
	facts     []*fact
	loads     []*naiveLoad
	waiting   map[uint64]transaction.Origin
	said      []transaction.Decision // what terminals must hear
	ordered   []naiveOrder           // what the bank must hear
}

type naiveCard struct {
	holder int
	state  transaction.CardState
	pin    uint64
}

// fact is one recorded request.
type fact struct {
	request  transaction.Request
	answer   transaction.Decision
	day      uint32 // date
	kept     bool   // it stands in the memory of answers
	open     bool   // a load that the bank has not answered
	reversed bool
	stone    bool // a reversal that stands where its original would
}

type naiveLoad struct {
	id        uint64
	fact      *fact
	ended     bool
	reversing bool // the bank is being told to take it back
	returning bool // and it had been credited
	gone      bool // it brought no money in the end: the day's total forgets it
}

type naiveOrder struct {
	id      uint64
	reverse bool
	repeat  bool
	time    int64
	amount  money.Fen
}

const naiveWindow = 8

func (n *naive) clone() *naive {
	c := *n
	c.cards, c.waiting = map[transaction.CardNumber]*naiveCard{}, map[uint64]transaction.Origin{}
	for number, card := range n.cards {
		copied := *card
		c.cards[number] = &copied
	}
	for id, origin := range n.waiting {
		c.waiting[id] = origin
	}
	c.purses, c.tries = slices.Clone(n.purses), slices.Clone(n.tries)
	moved := map[*fact]*fact{}
	c.facts, c.loads = nil, nil
	for _, f := range n.facts {
		copied := *f
		moved[f] = &copied
		c.facts = append(c.facts, &copied)
	}
	for _, l := range n.loads {
		copied := *l
		copied.fact = moved[l.fact]
		c.loads = append(c.loads, &copied)
	}
	c.said, c.ordered = nil, nil
	return &c
}

func dayOf(micros int64) uint32 { return uint32((micros/1_000_000 + 8*3600) / 86400) }

// clock takes the time and closes the business day when it is over: an entry of its own. Days that begin in the afternoon have
// tomorrow's date, those that begin before noon today's.
func (n *naive) clock(received int64) (now int64) {
	now = max(received, n.lastTime)
	minute := int(now/60_000_000+8*60) % (24 * 60)
	day := dayOf(now)
	switch {
	case n.switchAt >= 12*60 && minute >= n.switchAt:
		day++
	case n.switchAt < 12*60 && minute < n.switchAt:
		day--
	}
	if day > n.openDay {
		n.record(now)
		n.openDay = day
	}
	return now
}

// record gives an entry its number.
func (n *naive) record(time int64) uint64 {
	n.sequence, n.lastTime = n.sequence+1, time
	return n.sequence
}

// newer says whether a is ahead of b when both count to 999,999 and start again.
func newer(a, b uint32) bool {
	steps := 0
	if steps = int(a) - int(b); steps < 0 {
		steps += 999_999
	}
	return steps > 0 && steps < 500_000
}

// find looks through everything that was ever remembered. tooOld: something newer stands in the place of this identity.
func (n *naive) find(r *transaction.Request, reversal bool) (found *fact, tooOld bool) {
	for _, f := range n.facts {
		isReversal := f.request.Kind == transaction.KindReversal && !f.stone
		if !f.kept || isReversal != reversal || f.request.Terminal != r.Terminal || f.request.Trace%naiveWindow != r.Trace%naiveWindow {
			continue
		}
		switch {
		case f.request.Batch == r.Batch && f.request.Trace == r.Trace:
			found = f
		case newer(f.request.Batch, r.Batch) || f.request.Batch == r.Batch && newer(f.request.Trace, r.Trace):
			return nil, true
		}
	}
	return found, false
}

// handle decides one request.
func (n *naive) handle(r transaction.Request) {
	now := n.clock(r.Received)
	if r.Load != 0 {
		n.outcome(&r, now)
		return
	}
	d := transaction.Decision{Origin: r.Origin, Kind: r.Kind, Time: now, Day: n.openDay, Terminal: r.Terminal, Batch: r.Batch}
	if r.Kind == transaction.KindReversal {
		n.reversal(&r, &d)
		return
	}
	found, tooOld := n.find(&r, false)
	if found != nil && !found.stone && !found.reversed && sameRequest(&found.request, &r) {
		n.again(found, r.Origin)
		return
	}
	if n.diskLow {
		n.say(d, transaction.ReasonDiskLow)
		return
	}
	if n.suspended[r.Terminal] && (found != nil || tooOld) {
		n.say(d, transaction.ReasonTerminalSuspended)
		return
	}
	n.original(&r, &d, found, tooOld)
}

func sameRequest(a, b *transaction.Request) bool {
	return a.Kind == b.Kind && a.Amount == b.Amount && a.Card == b.Card && a.Purse == b.Purse && a.Direction == b.Direction
}

// say answers without a record.
func (n *naive) say(d transaction.Decision, reason transaction.Reason) {
	d.Reason, d.Code = reason, reason.Code()
	n.said = append(n.said, d)
}

func (n *naive) again(f *fact, origin transaction.Origin) {
	if f.open {
		if before := n.waiting[f.answer.Sequence]; before != 0 {
			n.said = append(n.said, transaction.Decision{Origin: before, Silent: true})
		}
		n.waiting[f.answer.Sequence] = origin
		return
	}
	d := f.answer
	d.Origin, d.Replayed = origin, true
	n.said = append(n.said, d)
}

func (n *naive) original(r *transaction.Request, d *transaction.Decision, found *fact, tooOld bool) {
	reason, numbers, parts, verified := n.judge(r, dayOf(d.Time), found, tooOld)
	d.Reason, d.Code, d.Numbers = reason, reason.Code(), numbers
	d.Sequence = n.record(d.Time)
	f := &fact{request: *r, day: dayOf(d.Time), kept: !tooOld && (found == nil || found.stone)}
	f.request.Received = d.Time
	n.facts = append(n.facts, f)
	card := n.cards[r.Card]
	if card != nil {
		n.countPIN(card.holder, reason, verified)
		n.move(r, d, card.holder, parts)
	}
	f.answer = *d
	if r.Kind == transaction.KindLoad && reason == transaction.ReasonNone {
		f.open = true
		n.loads = append(n.loads, &naiveLoad{id: d.Sequence, fact: f})
		n.waiting[d.Sequence] = r.Origin
		n.ordered = append(n.ordered, naiveOrder{id: d.Sequence, time: d.Time, amount: r.Amount})
		return
	}
	n.said = append(n.said, *d)
}

func (n *naive) countPIN(holder int, reason transaction.Reason, verified bool) {
	if reason == transaction.ReasonPINWrong {
		n.tries[holder]++
	}
	if verified {
		n.tries[holder] = 0
	}
}

// move takes a purchase's money and says the balance where the rules say it.
func (n *naive) move(r *transaction.Request, d *transaction.Decision, holder int, parts [2]money.Fen) {
	tells := r.Kind == transaction.KindPurchase || r.Kind == transaction.KindBalance
	if d.Reason == transaction.ReasonNone && r.Kind == transaction.KindPurchase {
		n.purses[holder][0] -= parts[0]
		n.purses[holder][1] -= parts[1]
		d.Main, d.Subsidy, d.Price.List = parts[0], parts[1], r.Amount
	}
	if tells && (d.Reason == transaction.ReasonNone || d.Reason == transaction.ReasonFunds) {
		d.HasBalance, d.Balance = true, n.purses[holder][0]+n.purses[holder][1]
	}
}
