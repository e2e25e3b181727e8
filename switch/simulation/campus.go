package simulation

import (
	"fmt"
	"math/rand/v2"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// The campus is small, so that things meet: eight terminals, a dozen holders, a card for each way to be refused.

const (
	zone          = 8 * 3600
	micro         = int64(1)
	second        = 1_000_000 * micro
	minute        = 60 * second
	oneDay        = 86_400 * second
	rightPIN      = 1234
	wrongPIN      = 4321
	unknownCard   = transaction.CardNumber(9156999999999999)
	firstCard     = transaction.CardNumber(9156000000000001)
	firstNumber   = 1_000 // holders' numbers
	bankAccount   = 6217000012345678
	amountMax     = money.Fen(500_000) // consumption.DefaultConfig
	numberSpace   = 999_999            // batches and traces count 1..999,999
	merchantHours = 1                  // merchants by index
	merchantShut  = 2
)

// start is where the first day begins: 2026-03-02, a Monday, 21:20 at the site.
const start = 1_772_409_600*second + 13*60*minute + 20*minute

// campus is what the world knows of the site without asking the switch.
type campus struct {
	directory transaction.Directory
	holders   map[string]*transaction.HolderRow
	cards     map[transaction.CardNumber]*transaction.CardRow
	numbers   []transaction.CardNumber // of all cards, in the order of their rows
}

func terminalCode(i int) transaction.TerminalCode {
	return transaction.TerminalCode([]byte(fmt.Sprintf("TERM%04d", i)))
}

func merchantCode(i int) transaction.MerchantCode {
	return transaction.MerchantCode([]byte(fmt.Sprintf("10341005411%04d", i)))
}

func newCampus(rng *rand.Rand) *campus {
	today := localDay(start)
	c := &campus{holders: map[string]*transaction.HolderRow{}, cards: map[transaction.CardNumber]*transaction.CardRow{}}
	c.directory = transaction.Directory{
		Classes: []transaction.ClassRow{
			{Code: "tight", PINSingle: 300, PINDay: 500, DayAmount: 2000, DayCount: 6, PurseCap: 3000, LoadSingle: 900, LoadDay: 1500},
			{Code: "whole", RefusePartial: true, PINDay: 4000, DayAmount: 20_000},
			{Code: "free", PurseCap: 50_000, LoadDay: 20_000},
		},
		Merchants: []transaction.MerchantRow{
			{Code: merchantCode(0)}, {Code: merchantCode(merchantHours), Opens: 390, Closes: 22 * 60}, {Code: merchantCode(merchantShut), Closed: true},
		},
		Doors: []transaction.DoorRow{
			{Code: "library", Grants: []transaction.Grant{
				{Group: 0, Weekdays: 0x7F}, {Group: 1, Weekdays: 0x1F, From: 8 * 60, To: 20 * 60}, {Group: 2, Weekdays: 0x55, From: 22 * 60, To: 6 * 60},
			}},
		},
	}
	for i, t := range []struct {
		merchant  int
		kind      transaction.TerminalType
		suspended bool
		door      string
	}{
		{0, transaction.TerminalPOS, false, ""},
		{0, transaction.TerminalPOS, false, ""},
		{merchantHours, transaction.TerminalPOS, false, ""},
		{merchantShut, transaction.TerminalPOS, false, ""},
		{0, transaction.TerminalPOS, true, ""},
		{0, transaction.TerminalKiosk, false, ""},
		{0, transaction.TerminalGate, false, "library"},
		{merchantHours, transaction.TerminalKiosk, false, ""},
		{merchantShut, transaction.TerminalGate, false, "library"},
	} {
		c.directory.Terminals = append(c.directory.Terminals, transaction.TerminalRow{
			Code: terminalCode(i + 1), Merchant: merchantCode(t.merchant), Type: t.kind, Suspended: t.suspended, MACMode: 1, SealedKey: []byte{1}, Door: t.door,
		})
	}
	for i := range 12 {
		c.addHolder(rng, i)
	}
	for i := range c.directory.Holders {
		card := transaction.CardRow{Number: firstCard + transaction.CardNumber(i), Holder: c.directory.Holders[i].Number, PINValue: rightPIN}
		switch i {
		case 3:
			card.PINValue = 0
		case 6:
			card.ExpiryDay = today // and no day longer
		case 7:
			card.ExpiryDay = today - 1
		case 8:
			card.State = transaction.CardLost
		case 9:
			card.State = transaction.CardFrozen
		}
		c.directory.Cards = append(c.directory.Cards, card)
	}
	c.directory.Cards = append(c.directory.Cards, transaction.CardRow{Number: firstCard + 20, Holder: c.directory.Holders[0].Number, PINValue: rightPIN},
		transaction.CardRow{Number: firstCard + 21, Holder: c.directory.Holders[1].Number, State: transaction.CardClosed})
	c.settlement()
	c.learn(&c.directory)
	return c
}

func (c *campus) addHolder(rng *rand.Rand, i int) {
	h := transaction.HolderRow{
		Number: fmt.Sprint(firstNumber + i), Class: c.directory.Classes[i%3].Code, Groups: uint64(i % 8), BankAccount: bankAccount,
		OpeningMain: money.Fen(rng.IntN(3_000)), OpeningSubsidy: money.Fen(rng.IntN(4) * 150),
	}
	switch i {
	case 4:
		h.OpeningMain, h.OpeningSubsidy = 0, 40
	case 5:
		h.BankAccount = 0
	case 10:
		h.State = transaction.HolderSuspended
	case 11:
		h.State = transaction.HolderLeft
	}
	c.directory.Holders = append(c.directory.Holders, h)
}

// learn enters what a directory brings.
func (c *campus) learn(dir *transaction.Directory) {
	for i := range dir.Holders {
		c.holders[dir.Holders[i].Number] = &dir.Holders[i]
	}
	for i := range dir.Cards {
		c.cards[dir.Cards[i].Number] = &dir.Cards[i]
		c.numbers = append(c.numbers, dir.Cards[i].Number)
	}
}

func localDay(at int64) uint32    { return uint32((at/second + zone) / 86_400) }
func localMinute(at int64) uint16 { return uint16((at/second + zone) % 86_400 / 60) }

// clockOf prints a moment at the site.
func clockOf(at int64) string {
	minutes := localMinute(at)
	return fmt.Sprintf("%d %02d:%02d:%02d", localDay(at), minutes/60, minutes%60, at/second%60)
}

// untilMidnight is how long the site's day still lasts.
func untilMidnight(at int64) int64 { return oneDay - (at+zone*second)%oneDay }
