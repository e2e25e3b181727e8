package samplecampus

import (
	"math"
	"math/rand/v2"
	"time"

	"onecard/ledger/money"
)

// Kind is what a holder wants of a terminal.
type Kind uint8

// Kinds of events, with the mix of handbook 5.4.
const (
	Purchase Kind = iota
	Balance
	Load
	Passage
)

// Event is one planned arrival.
type Event struct {
	At       time.Duration // since the start of the traffic, in real time
	Clock    time.Duration // since midnight, in campus time
	Terminal int           // index into Campus.Terminals
	Kind     Kind
	Card     int // index into Campus.Holders
	Amount   money.Fen
	PIN      bool // the holder types his PIN
	WrongPIN bool
	Repeat   bool // the terminal sends the message twice
	Leaving  bool // passages: out
}

// bump is one bell of the arrival curve (handbook 5.2): share of the day, mean and standard deviation in minutes after midnight.
type bump struct{ share, mean, deviation float64 }

var bells = [...]bump{
	{0.085, 7*60 + 22, 12},
	{0.045, 7*60 + 45, 8},
	{0.050, 9*60 + 20, 25},
	{0.035, 11*60 + 5, 10},
	{0.190, 11*60 + 48, 7},
	{0.110, 12*60 + 10, 9},
	{0.045, 12*60 + 35, 14},
	{0.060, 16*60 + 50, 15},
	{0.130, 17*60 + 40, 14},
	{0.090, 18*60 + 15, 16},
	{0.030, 19 * 60, 20},
	{0.040, 21*60 + 25, 30},
	{0.090, 15 * 60, 210},
}

var gateBells = [...]bump{
	{0.25, 7*60 + 50, 8}, {0.2, 11*60 + 45, 8}, {0.2, 13*60 + 50, 8}, {0.1, 17*60 + 30, 15}, {0.25, 22 * 60, 15},
}

// DayShare is the part of a day's transactions that falls into one minute of the day.
func DayShare(minute float64) float64 { return density(bells[:], minute) }

func density(curve []bump, minute float64) float64 {
	total := 0.0
	for _, b := range curve {
		z := (minute - b.mean) / b.deviation
		total += b.share * math.Exp(-z*z/2) / (b.deviation * math.Sqrt(2*math.Pi))
	}
	return total
}

// Plan says which part of which day is replayed, and how densely.
type Plan struct {
	Seed         uint64
	Start        time.Duration // campus time since midnight
	Speed        float64       // campus seconds per real second, 1 is real time
	Transactions float64       // purchases and so on of a whole day
	Passages     float64       // passages of a whole day
	Loop         time.Duration // start again after this much campus time; 0: after midnight comes the next day
}

// Traffic plans arrivals one after another: a Poisson process whose rate follows the curve.
type Traffic struct {
	campus *Campus
	plan   Plan
	random *rand.Rand
	real   float64 // seconds since the start
	sales  []int   // indexes of terminals by merchant
	gates  []int
	kiosks []int
	by     [][]int
	zipf   *rand.Zipf
}

// Traffic makes a deterministic plan.
func (c *Campus) Traffic(p Plan) *Traffic {
	random := rand.New(rand.NewPCG(p.Seed, 58))
	t := &Traffic{campus: c, plan: p, random: random, by: make([][]int, len(c.Merchants)), zipf: rand.NewZipf(random, 1.05, 30, uint64(len(c.Holders)-1))}
	for i := range c.Terminals {
		switch c.Terminals[i].Type {
		case POS:
			t.sales = append(t.sales, i)
			t.by[c.Terminals[i].Merchant] = append(t.by[c.Terminals[i].Merchant], i)
		case Gate:
			t.gates = append(t.gates, i)
		case Kiosk:
			t.kiosks = append(t.kiosks, i)
		}
	}
	return t
}

// clock is the campus time of a real moment.
func (t *Traffic) clock(real float64) time.Duration {
	elapsed := time.Duration(real * t.plan.Speed * float64(time.Second))
	if t.plan.Loop > 0 {
		elapsed %= t.plan.Loop
	}
	return (t.plan.Start + elapsed) % (24 * time.Hour)
}

// Rates are purchases (and the like) and passages per real second at a real moment.
func (t *Traffic) rates(real float64) (sales, passages float64) {
	minute := t.clock(real).Minutes()
	perSecond := t.plan.Speed / 60
	sales = t.plan.Transactions * density(bells[:], minute) * perSecond
	if len(t.gates) > 0 {
		passages = t.plan.Passages * density(gateBells[:], minute) * perSecond
	}
	return sales, passages
}

// Next plans the next arrival. It allocates nothing.
func (t *Traffic) Next() Event {
	for {
		sales, passages := t.rates(t.real)
		rate := math.Max(sales+passages, 0.05)
		step := t.random.ExpFloat64() / rate
		if step > 1 { // the curve may have risen meanwhile: look again a second later
			t.real++
			continue
		}
		t.real += step
		e := Event{At: time.Duration(t.real * float64(time.Second)), Clock: t.clock(t.real)}
		if t.random.Float64()*(sales+passages) < passages {
			t.passage(&e)
		} else {
			t.visit(&e)
		}
		return e
	}
}

func (t *Traffic) passage(e *Event) {
	e.Kind, e.Terminal = Passage, t.gates[t.random.IntN(len(t.gates))]
	e.Card = t.random.IntN(len(t.campus.Holders))
	e.Leaving = t.random.Float64() < 0.5
}

func (t *Traffic) visit(e *Event) {
	e.Card = int(t.zipf.Uint64()*7919) % len(t.campus.Holders)
	switch p := t.random.Float64(); {
	case p < 0.01 && len(t.kiosks) > 0:
		e.Kind, e.Terminal, e.PIN = Load, t.kiosks[t.random.IntN(len(t.kiosks))], true
		e.Amount = money.Fen(5000 * (1 + t.random.IntN(4)))
	case p < 0.02 && len(t.kiosks) > 0:
		e.Kind, e.Terminal = Balance, t.kiosks[t.random.IntN(len(t.kiosks))]
	default:
		e.Kind, e.Terminal = Purchase, t.window(e.Card)
		e.Amount = t.amount(e.Clock)
		e.PIN = e.Amount > 3000 || t.random.Float64() < 0.02
		e.WrongPIN = e.PIN && t.random.Float64() < 0.05
		e.Repeat = t.random.Float64() < 0.003
	}
}

// window: six in ten eat where they ate yesterday (handbook 5.4).
func (t *Traffic) window(card int) int {
	own := t.by[t.campus.Holders[card].Hall%len(t.by)]
	if len(own) > 0 && t.random.Float64() < 0.6 {
		return own[t.random.IntN(len(own))]
	}
	return t.sales[t.random.IntN(len(t.sales))]
}

// amount is handbook 5.3, today's prices: rounded to 0.1 in seven of ten, else to 0.5.
func (t *Traffic) amount(clock time.Duration) money.Fen {
	yuan := 0.0
	switch hour := clock.Hours(); {
	case hour < 10:
		yuan = t.logNormal(2.5, 0.5)
	case t.random.Float64() < 0.25:
		yuan = 0.5 + 1.5*t.random.Float64()
	case t.random.Float64() < 0.8:
		yuan = t.logNormal(6, 0.45)
	default:
		yuan = 10 + 8*t.random.Float64()
	}
	if t.random.Float64() < 0.7 {
		return money.Fen(max(1, math.Round(yuan*10))) * 10
	}
	return money.Fen(max(1, math.Round(yuan*2))) * 50
}

func (t *Traffic) logNormal(median, sigma float64) float64 {
	return median * math.Exp(sigma*t.random.NormFloat64())
}
