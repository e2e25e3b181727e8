package demo

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// crowd is the people of the campus: who taps where and when, and what he does when he is told no. Arrivals come from the handbook's curve;
// what people do then is their own: who is asked for his PIN types it from now on, who has no money goes to a kiosk, who is not let in at
// a door tries it no more. It belongs to the conductor.
type crowd struct {
	campus  *samplecampus.Campus
	traffic *samplecampus.Traffic
	plan    samplecampus.Plan
	random  *rand.Rand
	people  []person
	byCard  map[uint64]int
	kiosks  []int // indexes of terminals
	gates   []int
	taps    taps
	began   int64 // on the fleet's clock
	planned int64 // arrivals up to here are among the taps
	shut    map[doorOf]bool
}

// person is what one of the crowd remembers.
type person struct {
	tapped   int64 // when last, on the fleet's clock; 0 never
	typesPIN bool  // he was asked for it before
	away     bool  // keeps his card in his pocket: a trick is played with it
}

// doorOf is a door and the people who may or may not pass it, by the groups that they belong to.
type doorOf struct{ groups, door string }

// purpose says why somebody taps.
type purpose uint8

const (
	forHimself   purpose = iota
	forLost              // key l: the first tap of a card reported lost
	forRemainder         // key r: is the balance still what the receipt says?
)

// tap is one card held against one terminal.
type tap struct {
	at      int64 // on the fleet's clock
	device  int   // index of the terminal
	holder  int
	kind    emulator.Kind
	amount  money.Fen
	pin     bool
	wrong   bool // the PIN is mistyped
	twice   bool // the terminal loses the answer and asks again
	leaving bool
	again   bool // a second try
	purpose purpose
}

// taps is a heap by time.
type taps []tap

func (t taps) Len() int           { return len(t) }
func (t taps) Less(i, j int) bool { return t[i].at < t[j].at }
func (t taps) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push is for package heap.
func (t *taps) Push(x any) { *t = append(*t, x.(tap)) }

// Pop is for package heap.
func (t *taps) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// horizon is how far ahead arrivals are known: key l wants a card that is about to be tapped.
const horizon = int64(2 * time.Second)

// hunger is how long, in real time, somebody who has just bought something does not come again, if others are there to take his place.
const hunger = int64(40 * time.Second)

func newCrowd(campus *samplecampus.Campus, plan samplecampus.Plan) *crowd {
	c := &crowd{
		campus: campus, traffic: campus.Traffic(plan), plan: plan, random: rand.New(rand.NewPCG(plan.Seed, 7)), people: make([]person, len(campus.Holders)),
		byCard: make(map[uint64]int, len(campus.Holders)), shut: make(map[doorOf]bool),
	}
	for i := range campus.Holders {
		c.byCard[campus.Holders[i].Card] = i
	}
	for i := range campus.Terminals {
		switch campus.Terminals[i].Type {
		case samplecampus.Kiosk:
			c.kiosks = append(c.kiosks, i)
		case samplecampus.Gate:
			c.gates = append(c.gates, i)
		}
	}
	return c
}

// clock is the campus's time of day, and which replay of the lunch this is.
func (c *crowd) clock(now int64) (clock time.Duration, round int) {
	if c.began == 0 {
		return c.plan.Start, 1
	}
	elapsed := time.Duration(float64(now-c.began) * c.plan.Speed)
	round = 1
	if c.plan.Loop > 0 {
		round += int(elapsed / c.plan.Loop)
		elapsed %= c.plan.Loop
	}
	return (c.plan.Start + elapsed) % (24 * time.Hour), round
}

// look takes arrivals of the next two seconds into the taps.
func (c *crowd) look(now int64) {
	for c.planned < now+horizon {
		e := c.traffic.Next()
		t := tap{
			at: c.began + int64(e.At), device: e.Terminal, holder: e.Card, amount: e.Amount, pin: e.PIN, wrong: e.WrongPIN, twice: e.Repeat, leaving: e.Leaving,
		}
		switch e.Kind {
		case samplecampus.Balance:
			t.kind = emulator.KindBalance
		case samplecampus.Load:
			t.kind, t.wrong = emulator.KindLoad, false
		case samplecampus.Passage:
			t.kind = emulator.KindPassage
		default:
			t.kind = emulator.KindPurchase
		}
		c.planned = t.at
		heap.Push(&c.taps, t)
	}
}

// due takes the next tap whose moment has come.
func (c *crowd) due(now int64) (tap, bool) {
	for len(c.taps) > 0 && c.taps[0].at <= now {
		t := heap.Pop(&c.taps).(tap)
		if t.purpose == forHimself && !c.settle(&t, now) {
			continue
		}
		c.people[t.holder].tapped = now
		return t, true
	}
	return tap{}, false
}

// next is when the next tap is due.
func (c *crowd) next() (int64, bool) {
	if len(c.taps) == 0 {
		return 0, false
	}
	return c.taps[0].at, true
}

// settle finds who taps: a lunch compressed to minutes would else have the same few people eat a day's meals in one minute. ok is false
// when nobody does.
func (c *crowd) settle(t *tap, now int64) (ok bool) {
	if t.again {
		return !c.people[t.holder].away
	}
	for range 8 {
		p := &c.people[t.holder]
		fits := !p.away && (p.tapped == 0 || now-p.tapped > hunger)
		switch t.kind {
		case emulator.KindPassage:
			fits = fits && (!c.shut[c.doorOf(t)] || c.random.IntN(100) == 0)
		case emulator.KindLoad:
			fits = fits && c.campus.Holders[t.holder].BankAccount != 0
		}
		if fits {
			break
		}
		t.holder = c.random.IntN(len(c.people))
		if t.kind == emulator.KindPassage { // another door, too: one may be shut for everybody at this hour
			t.device = c.gates[c.random.IntN(len(c.gates))]
		}
	}
	p := &c.people[t.holder]
	t.pin = t.pin || p.typesPIN
	return !p.away
}

func (c *crowd) doorOf(t *tap) doorOf {
	return doorOf{c.campus.Holders[t.holder].Groups, c.campus.Terminals[t.device].Door}
}

// request is the tap as its terminal puts it.
func (c *crowd) request(t *tap) emulator.Request {
	h := &c.campus.Holders[t.holder]
	r := emulator.Request{Kind: t.kind, Card: h.Card, Amount: t.amount}
	if t.kind == emulator.KindPassage {
		r.Amount, r.Direction = 0, emulator.In
		if t.leaving {
			r.Direction = emulator.Out
		}
	}
	if t.pin && (t.kind == emulator.KindPurchase || t.kind == emulator.KindLoad) {
		r.PIN = iso8583.PIN(h.PIN)
		if t.wrong {
			r.PIN = iso8583.PIN(h.PIN[:5] + string('0'+(h.PIN[5]-'0'+1)%10))
		}
	}
	return r
}

// Response codes that people react to.
var (
	codeFunds        = emulator.ResponseCode{'5', '1'}
	codePIN          = emulator.ResponseCode{'5', '5'}
	codeNotPermitted = emulator.ResponseCode{'5', '7'}
	codeLost         = emulator.ResponseCode{'4', '1'}
)

// told is what somebody does about an answer.
func (c *crowd) told(t *tap, a *emulator.Answer, now int64) {
	if t.again || t.purpose != forHimself {
		return
	}
	second := func(after time.Duration) *tap {
		s := *t
		s.at, s.again, s.wrong, s.twice = now+int64(after)+c.random.Int64N(int64(after)), true, false, false
		return &s
	}
	switch {
	case a.Code == codePIN && t.kind != emulator.KindPassage:
		c.people[t.holder].typesPIN = true
		s := second(time.Second)
		s.pin = true
		heap.Push(&c.taps, *s)
	case a.Code == codeFunds && t.kind == emulator.KindPurchase && len(c.kiosks) > 0 && c.campus.Holders[t.holder].BankAccount != 0 && c.random.IntN(2) == 0:
		s := second(2 * time.Second)
		s.kind, s.device, s.amount, s.pin = emulator.KindLoad, c.kiosks[c.random.IntN(len(c.kiosks))], 10_000, true
		heap.Push(&c.taps, *s)
	case a.Code == codeNotPermitted && t.kind == emulator.KindPassage:
		c.shut[c.doorOf(t)] = true
	}
}

// nextBuyer takes the card of somebody who is about to buy something between two moments out of his hands: the tap is no longer among the
// taps. Without one somebody is made hungry.
func (c *crowd) nextBuyer(from, until int64) tap {
	for i := range c.taps {
		t := c.taps[i]
		if t.at >= from && t.at < until && t.kind == emulator.KindPurchase && t.purpose == forHimself && !t.again && c.usable(t.holder) {
			heap.Remove(&c.taps, i)
			return t
		}
	}
	t := tap{at: from, kind: emulator.KindPurchase, amount: 850, device: c.random.IntN(len(c.campus.Terminals) - len(c.kiosks))}
	for t.holder = c.random.IntN(len(c.people)); !c.usable(t.holder); t.holder = c.random.IntN(len(c.people)) {
	}
	for c.campus.Terminals[t.device].Type != samplecampus.POS {
		t.device = c.random.IntN(len(c.campus.Terminals))
	}
	return t
}

// usable says whether a card is one that nothing is wrong with, as far as anybody knows.
func (c *crowd) usable(holder int) bool {
	h := &c.campus.Holders[holder]
	return !c.people[holder].away && h.State == "active" && h.Expires == ""
}

// add puts a tap among the taps.
func (c *crowd) add(t *tap) { heap.Push(&c.taps, *t) }

// goHome ends the day: nobody taps any more, but for the tricks that are being played.
func (c *crowd) goHome() {
	kept := c.taps[:0]
	for _, t := range c.taps {
		if t.purpose != forHimself {
			kept = append(kept, t)
		}
	}
	c.taps = kept
	heap.Init(&c.taps)
}
