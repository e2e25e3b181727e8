package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/denylist"
)

// State is everything a decision may look at. Owner: the engine's goroutine.
type State struct {
	book      *ledger.Book
	classes   []Class
	merchants []Merchant
	entrances []Entrance
	terminals ledger.Table[Terminal]
	holders   ledger.Table[Holder]
	cards     ledger.Table[Card]
	answers   ledger.Table[answered]
	numbers   numbers // of the holders, by row
	loads     map[uint64]load
	settlement
	lastTime int64     // of the newest entry: time in the ledger never goes back
	window   uint32    // remembered answers per terminal and class; fixed when the ledger is made
	warmth   money.Fen // sink of warm
	read     record    // of the original that is applied
	zone     int32     // seconds east of UTC of the site; fixed when the ledger is made
	business business
	rulebook rulebook
	denied   *denylist.List // the cards that are not active, by the entries that made them so

	// Indexes, rebuilt from the tables.
	cardIndex      rowIndex
	holderIndex    rowIndex
	terminalByCode map[TerminalCode]TerminalID
	merchantByCode map[MerchantCode]uint32
	classByCode    map[string]uint8
	entranceByCode map[string]uint32
}

// The site's own accounts, opened by the genesis entry in this order.
const (
	AccountCash ledger.AccountID = iota + 1
	AccountBankCustody
	AccountLoadInTransit
	AccountThirdPartyTransit
	AccountSubsidyReceivable
	AccountHolderDebt
	AccountDeposits
	AccountManagementFee
	AccountSuspense
)

var siteAccounts = []ledger.Opening{
	{Code: ledger.CodeCash},
	{Code: ledger.CodeBankCustody},
	{Code: ledger.CodeLoadInTransit},
	{Code: ledger.CodeThirdPartyTransit},
	{Code: ledger.CodeSubsidyReceivable},
	{Code: ledger.CodeHolderDebt},
	{Code: ledger.CodeDeposits},
	{Code: ledger.CodeManagementFee},
	{Code: ledger.CodeSuspense},
}

func newState(book *ledger.Book) *State {
	return &State{
		book:           book,
		loads:          make(map[uint64]load),
		terminalByCode: make(map[TerminalCode]TerminalID),
		merchantByCode: make(map[MerchantCode]uint32),
		classByCode:    make(map[string]uint8),
		entranceByCode: make(map[string]uint32),
		settlement:     newSettlement(),
		denied:         denylist.New(denylist.KeptDefault),
	}
}

// Book returns the books for reading.
func (s *State) Book() *ledger.Book { return s.book }

// Terminal returns a registered terminal. REQUIRES: 1 <= id <= Terminals().
func (s *State) Terminal(id TerminalID) *Terminal { return s.terminals.At(uint32(id) - 1) }

// Terminals is the number of registered terminals.
func (s *State) Terminals() uint32 { return s.terminals.Len() }

// TerminalByCode finds a terminal by DE 41.
func (s *State) TerminalByCode(code TerminalCode) (TerminalID, bool) {
	id, ok := s.terminalByCode[code]
	return id, ok
}

// CardByNumber finds a card.
func (s *State) CardByNumber(number CardNumber) (*Card, bool) {
	i, ok := s.cardRow(number)
	if !ok {
		return nil, false
	}
	return s.cards.At(i), true
}

// CardIndex finds a card's row: what entries and statements call it, less one.
func (s *State) CardIndex(number CardNumber) (uint32, bool) {
	return s.cardRow(number)
}

// Card returns a card by its row. REQUIRES: i < Cards().
func (s *State) Card(i uint32) *Card { return s.cards.At(i) }

// Holder returns a holder by his row. REQUIRES: i < Holders().
func (s *State) Holder(i uint32) *Holder { return s.holders.At(i) }

// HolderNumber is the holder's 学号/工号. REQUIRES: i < Holders().
func (s *State) HolderNumber(i uint32) string { return string(s.numbers.at(i)) }

// Merchant returns the merchant of a terminal.
func (s *State) Merchant(t *Terminal) *Merchant { return &s.merchants[t.Merchant] }

// Site is what was fixed when the ledger was made.
func (s *State) Site() Site { return Site{Window: s.window, ZoneSeconds: s.zone} }

// Holders is the number of holders ever registered.
func (s *State) Holders() uint32 { return s.holders.Len() }

// Cards is the number of cards ever issued.
func (s *State) Cards() uint32 { return s.cards.Len() }

// OpenLoads is the number of loads whose outcome at the bank is not settled.
func (s *State) OpenLoads() int { return len(s.loads) }

// Spendable is what a holder can spend on a day: the purses of money that have not expired, less holds. What is bound to a purpose counts
// too, wherever it is asked for (handbook 3.4, worked B).
func (s *State) Spendable(h *Holder, day uint32) money.Fen {
	sum := s.book.Account(h.Main).Available() + s.book.Account(h.Subsidy).Available()
	for n := h.Purses; n != 0; {
		p := s.purses.At(n - 1)
		n = p.Next
		if s.spends(p, day) {
			sum += s.book.Account(p.Account).Available()
		}
	}
	return sum
}

// spends says whether a purse's money can be spent on a day.
func (s *State) spends(p *ProgrammePurse, day uint32) bool {
	return p.Programme != debtProgramme && s.programmes[p.Programme].Set == 0 && (p.Expiry == 0 || day <= p.Expiry)
}

// balanceAfter is what a holder can spend when the legs have been posted.
func (s *State) balanceAfter(h *Holder, day uint32, legs []ledger.Leg) money.Fen {
	sum := s.Spendable(h, day)
	for i := range legs {
		l := &legs[i]
		if l.Account == h.Main || l.Account == h.Subsidy {
			sum += l.Amount
		} else if n, ok := s.purseOf(h, l.Account); ok && s.spends(s.purses.At(n), day) {
			sum += l.Amount
		}
	}
	return sum
}

const (
	microsPerSecond = 1_000_000
	secondsPerDay   = 86_400
)

// localDay returns the day at the site, in days since 1970, and the minute of it.
func (s *State) localDay(micros int64) (day uint32, minute uint16) { return dayAt(s.zone, micros) }

func dayAt(zone int32, micros int64) (day uint32, minute uint16) {
	seconds := micros/microsPerSecond + int64(zone)
	return uint32(seconds / secondsPerDay), uint16(seconds % secondsPerDay / 60)
}

// weekdayBit is bit 0 for Monday .. bit 6 for Sunday. 1970-01-01 was a Thursday.
func weekdayBit(day uint32) uint8 { return 1 << weekday(day) }

// weekday is 0 for Monday.
func weekday(day uint32) uint8 { return uint8((day + 3) % 7) }

// within says whether minute lies between from (inclusive) and to (exclusive), over midnight when to < from, always when equal.
func within(minute, from, to uint16) bool {
	switch {
	case from == to:
		return true
	case from < to:
		return minute >= from && minute < to
	}
	return minute >= from || minute < to
}

// HolderByNumber finds a holder's row by his 学号/工号.
func (s *State) HolderByNumber(number string) (row uint32, ok bool) {
	return s.holderRow([]byte(number))
}

// ClassCode is the code of a holder class.
func (s *State) ClassCode(class uint8) string {
	if int(class) >= len(s.classes) {
		return ""
	}
	return s.classes[class].Code
}
