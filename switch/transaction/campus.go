package transaction

import (
	"onecard/ledger/money"
	"onecard/switch/rules"
)

// Route hands one kind of request to the subsystem that decides it. The core has checked the terminal, the identity, the card and the
// person before (handbook 3.1, steps 1 to 4); the route decides the rest and says what money moves.
type Route struct {
	Kind      Kind
	Terminals []TerminalType // which terminals may ask
	Decide    func(c *Case) Outcome
	// Automatic says of loads whether one may be asked for that nobody asks for: without terminal and PIN. Terminal and Merchant of its case are
	// nil. nil: there are none.
	Automatic func(c *Case) Outcome
}

// Case is one request on the table with everything its rules may look at. Rows are for reading only.
type Case struct {
	Request  *Request
	Terminal *Terminal
	Merchant *Merchant
	Card     *Card
	Holder   *Holder
	Class    *Class
	card     uint32 // row + 1
	Day      uint32 // date at the site, days since 1970; not the business day
	Minute   uint16 // of the day at the site
	state    *State
	choices  [MaxPurses]rules.Purse
}

// Outcome is what a subsystem decided.
type Outcome struct {
	Reason      Reason // ReasonNone: approved
	Numbers     Numbers
	Parts       [MaxPurses]Part // what the purses pay, see Take
	parts       int
	Price       rules.Price // of a purchase
	Meal        uint8       // of a purchase
	PINVerified bool        // the PIN that came was right: the count of wrong ones starts again
}

// Refuse makes an outcome that refuses.
func Refuse(reason Reason, numbers ...money.Fen) Outcome {
	o := Outcome{Reason: reason}
	copy(o.Numbers[:], numbers)
	return o
}

// MainAvailable is what the holder's main purse can pay.
func (c *Case) MainAvailable() money.Fen { return c.state.book.Account(c.Holder.Main).Available() }

// Rules are the site's rules in force.
func (c *Case) Rules() *rules.Compiled { return c.state.rulebook.compiled }

// Swipe is a purchase as the rules see it: the meal of this merchant at this minute, and what the holder has bought before.
func (c *Case) Swipe() rules.Swipe {
	s := rules.Swipe{Class: c.Holder.Class, Merchant: c.Terminal.Merchant, Purse: uint8(c.Request.Purse), PINCame: c.Request.PINValue != 0, List: c.Request.Amount}
	s.Meal, s.Night = c.Rules().Meal(s.Merchant, weekday(c.Day), c.Minute)
	s.Counters = c.Holder.counters(c.Day, s.Meal, s.Night)
	return s
}

// Limits are the holder's at one of his purses.
func (c *Case) Limits(purse Purse) *rules.Limit { return c.Rules().Limit(c.Holder.Class, uint8(purse)) }

// Order is the debit order of the holder at this merchant.
func (c *Case) Order() *rules.Order { return c.Rules().Order(c.Holder.Class, c.Terminal.Merchant) }

// Open says whether the merchant sells at this minute.
func (c *Case) Open() bool { return within(c.Minute, c.Merchant.Opens, c.Merchant.Closes) }

// Entrance returns the gate's door, if it has one.
func (c *Case) Entrance() (*Entrance, bool) {
	if c.Terminal.Door == 0 {
		return nil, false
	}
	return &c.state.entrances[c.Terminal.Door-1], true
}

// GrantedNow says whether a grant covers this minute. One that goes over midnight belongs to the day on which it begins: Friday 22:00-06:00
// lets through on Saturday at 05:59, whether Saturday is granted or not.
func (c *Case) GrantedNow(g Grant) bool {
	day := c.Day
	if g.To < g.From && c.Minute < g.To {
		day--
	}
	return g.Weekdays&weekdayBit(day) != 0 && within(c.Minute, g.From, g.To)
}

// maxPINTries wrong ones in a row lock the PIN (handbook 3.2).
const maxPINTries = 3

// CheckPIN judges the PIN that came with the request. ok is false when the request is refused with the outcome. Against a card whose PIN was
// never set no PIN is right, and trying costs nothing.
func (c *Case) CheckPIN() (refusal Outcome, ok bool) {
	if c.Holder.PINTries >= maxPINTries || c.Card.PINValue == 0 {
		return Refuse(ReasonPINLocked), false
	}
	if c.Request.PINValue != c.Card.PINValue { // one comparison of two words: it takes the same time wherever they differ
		return Refuse(ReasonPINWrong, money.Fen(maxPINTries-1-c.Holder.PINTries)), false
	}
	return Outcome{}, true
}

// Loading is what the holder has pending at the bank, on any day.
func (c *Case) Loading() money.Fen { return money.Fen(c.Holder.Loading) }

// LoadedToday is what the holder has loaded from the bank today, what is on its way included.
func (c *Case) LoadedToday() money.Fen {
	if !c.Holder.countsOn(c.Day) {
		return 0
	}
	return money.Fen(c.Holder.DayLoaded)
}
