package transaction

import (
	"encoding/binary"
	"fmt"
	"time"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules"
)

// Totals (handbook 2.8, 3.10, 3.11): what the reports of a day and a month add up, kept behind the ledger so that nobody scans records.
//
//	space u8 | period u8: d day, m month | number u32 | account u32 | second u32 | meal u8 | class u8
//
//	T  sales of a terminal at a meal: account is what its merchant is owed on, second the terminal
//	C  sales at a meal to a class of holders: account the merchant's, 0 all merchants
//	M  sales: account the merchant's, 0 all merchants
//	F  flows: what entries of a kind (second, high half) have moved on purses of a code (low half): account the merchant's, 0 whole site
//	A  turnover of an account that is no holder's purse
//
// An entry moves cells of T, C, F and A of its business day; the rest is rolled up. One merchant or all of them, for a day or a month, by
// whatever is asked for, is one stretch of keys.

// TotalSpace is a family of totals.
type TotalSpace byte

const (
	TotalTerminal TotalSpace = 'T'
	TotalClass    TotalSpace = 'C'
	TotalMerchant TotalSpace = 'M'
	TotalFlow     TotalSpace = 'F'
	TotalAccount  TotalSpace = 'A'
)

// PeriodUnit says how long a period is.
type PeriodUnit byte

const (
	PeriodDay   PeriodUnit = 'd' // numbered by days since 1970
	PeriodMonth PeriodUnit = 'm' // numbered by months since the year 0: 12 * year + month - 1
)

// MonthOf is the number of the month in which a day lies.
func MonthOf(day uint32) uint32 {
	year, month, _ := time.Unix(int64(day)*secondsPerDay, 0).UTC().Date()
	return uint32(year*12 + int(month) - 1)
}

// Places of a cell of sales. Amounts in fen. Gross to the merchant is the list price less what he has given off himself; what he is owed is
// that less what was reversed and refunded.
const (
	SaleCount            = iota // purchases that were approved
	SaleList                    // their list price
	SaleMerchantDiscount        // given off by the merchant
	SaleSchoolDiscount          // given off and paid by the school
	SaleFee                     // management fee, which holders pay on top
	SaleMain                    // paid from main purses
	SaleSubsidy                 // from subsidy purses, the general and those of programmes
	SaleWater                   // from water purses
	SaleElectronic              // from electronic accounts
	SaleTickets                 // from count purses, in counts
	SaleReversals               // purchases given back by their terminal
	SaleReversed                // what that took from the merchant
	SaleRefunds                 // refunds at a desk
	SaleRefunded                // what they took from the merchant
	SaleLate                    // of the purchases: offline ones that came late
	SaleLateGross               // of what the merchant was given: for these
)

// Places of a cell of flows and of turnover, in the unit of the account's set.
const (
	FlowCount = iota // legs
	FlowIn           // credits
	FlowOut          // debits, as a positive amount
)

// TotalKey makes the key of a cell.
func TotalKey(space TotalSpace, unit PeriodUnit, period uint32, account ledger.AccountID, second uint32, meal, class uint8) (key ledger.CellKey) {
	key[0], key[1], key[14], key[15] = byte(space), byte(unit), meal, class
	binary.BigEndian.PutUint32(key[2:], period)
	binary.BigEndian.PutUint32(key[6:], uint32(account))
	binary.BigEndian.PutUint32(key[10:], second)
	return key
}

// Total is the key of a cell, read.
type Total struct {
	Space   TotalSpace
	Unit    PeriodUnit
	Period  uint32
	Account ledger.AccountID
	Second  uint32
	Meal    uint8
	Class   uint8
}

// ReadTotal reads a key.
func ReadTotal(key ledger.CellKey) Total {
	return Total{
		TotalSpace(key[0]), PeriodUnit(key[1]), binary.BigEndian.Uint32(key[2:]), ledger.AccountID(binary.BigEndian.Uint32(key[6:])),
		binary.BigEndian.Uint32(key[10:]), key[14], key[15],
	}
}

// Terminal is the terminal of a cell of T.
func (t Total) Terminal() TerminalID { return TerminalID(t.Second) }

// Flow is the kind and the code of a cell of F.
func (t Total) Flow() (Kind, ledger.AccountCode) {
	return Kind(t.Second >> 16), ledger.AccountCode(t.Second)
}

func (t Total) String() string {
	return fmt.Sprintf("%c/%c/%d/%d/%d/%d/%d", t.Space, t.Unit, t.Period, t.Account, t.Second, t.Meal, t.Class)
}

// RollUp tells the larger cells that take in what moves one that Count has named.
func RollUp(key *ledger.CellKey, emit func(*ledger.CellKey)) {
	month := *key
	month[1] = byte(PeriodMonth)
	binary.BigEndian.PutUint32(month[2:], MonthOf(binary.BigEndian.Uint32(key[2:])))
	emit(&month)
	site := binary.BigEndian.Uint32(key[6:]) == 0
	for _, period := range [2]*ledger.CellKey{key, &month} {
		larger := *period
		switch TotalSpace(key[0]) {
		case TotalClass:
			larger[0] = byte(TotalMerchant)
			clear(larger[10:])
			emit(&larger) // the merchant's
			clear(larger[6:10])
			emit(&larger) // all merchants'
			larger = *period
			clear(larger[6:10])
			emit(&larger) // all merchants', by meal and class
		case TotalFlow:
			if clear(larger[6:10]); !site {
				emit(&larger)
			}
		}
	}
}

// sale is what an entry says about a sale beyond its legs.
type sale struct {
	merchant ledger.AccountID
	terminal TerminalID
	meal     uint8
	class    uint8
	list     money.Fen
	discount money.Fen
	fee      money.Fen
	bySchool bool // the school bears the discount
}

// saleOf reads what the record of a purchase, or of its reversal, says about its price.
func saleOf(r *record) sale {
	p := &r.price
	return sale{
		terminal: r.terminal, meal: p.meal, class: p.class, list: r.asked(), discount: p.Discount, fee: p.Fee, bySchool: p.How&rules.SchoolBears != 0,
	}
}

// Count tells the totals that an entry moves, and by how much. Those of plain purchases it keeps back for Settle.
func (g *Register) Count(sequence uint64, day uint32, e *ledger.Entry, emit func(*ledger.CellKey, *ledger.Sums)) {
	g.learn(sequence, e)
	if e.Kind == KindPurchase {
		if refused(e.Payload) || g.keep(sequence, day, e) || g.record.decode(e.Payload, e.Kind) != nil {
			return
		}
	} else if len(e.Legs) == 0 {
		return
	}
	merchant, owed := g.parties(e)
	if s, ok := g.sale(merchant, owed, e); ok {
		g.emitSale(day, &s, emit)
	}
	g.countFlows(day, merchant, e, emit)
}

// emitSale tells the cells of a sale; the sums are what it adds.
func (g *Register) emitSale(day uint32, s *sale, emit func(*ledger.CellKey, *ledger.Sums)) {
	g.key = TotalKey(TotalTerminal, PeriodDay, day, s.merchant, uint32(s.terminal), s.meal, 0)
	emit(&g.key, &g.sums)
	g.key = TotalKey(TotalClass, PeriodDay, day, s.merchant, 0, s.meal, s.class)
	emit(&g.key, &g.sums)
}

// parties is the merchant of an entry, by what he is owed on, and what the entry gives him in money.
func (g *Register) parties(e *ledger.Entry) (merchant ledger.AccountID, owed money.Fen) {
	for i := range e.Legs {
		if m := g.payable(e.Legs[i].Account); m != 0 && (merchant == 0 || merchant == m) {
			if merchant = m; m == e.Legs[i].Account {
				owed += e.Legs[i].Amount
			}
		}
	}
	return merchant, owed
}

// sale says whether an entry is a sale, or takes one back, and puts what it adds into the sums.
func (g *Register) sale(merchant ledger.AccountID, owed money.Fen, e *ledger.Entry) (s sale, ok bool) {
	switch e.Kind {
	case KindPurchase:
		s = saleOf(&g.record)
		g.sums = ledger.Sums{SaleCount: 1, SaleList: int64(s.list), SaleFee: int64(s.fee)}
		if s.bySchool {
			g.sums[SaleSchoolDiscount] = int64(s.discount)
		} else {
			g.sums[SaleMerchantDiscount] = int64(s.discount)
		}
	case KindReversal:
		if owed >= 0 || g.record.decode(e.Payload, e.Kind) != nil {
			return s, false
		}
		s = saleOf(&g.record)
		g.sums = ledger.Sums{SaleReversals: 1, SaleReversed: -int64(owed)}
	case KindOfflineSale, KindMeterSettled, KindHoldSettled, KindDeduction, KindCountSale, KindRefund:
		if merchant == 0 || g.operation.decode(e.Payload, e.Kind) != nil {
			return s, false
		}
		s.terminal = g.operation.terminal
		g.sums = ledger.Sums{SaleCount: 1, SaleList: int64(owed)}
		switch e.Kind {
		case KindOfflineSale:
			g.sums[SaleLate], g.sums[SaleLateGross] = 1, int64(owed)
		case KindRefund:
			g.sums = ledger.Sums{SaleRefunds: 1, SaleRefunded: -int64(owed)}
		}
	default:
		return s, false
	}
	if s.merchant = merchant; merchant == 0 { // given away whole: nobody was paid
		s.merchant = g.merchantOf(s.terminal)
	}
	if e.Kind != KindReversal && e.Kind != KindRefund {
		g.addParts(e)
	}
	return s, true
}

// addParts adds what each kind of purse has paid.
func (g *Register) addParts(e *ledger.Entry) {
	for i := range e.Legs {
		if e.Legs[i].Amount >= 0 {
			continue
		}
		if place, ok := partOf(g.code(e.Legs[i].Account)); ok {
			g.sums[place] -= int64(e.Legs[i].Amount)
		}
	}
}

// partOf is the place of what purses of a code have paid.
func partOf(code ledger.AccountCode) (place int, ok bool) {
	switch code {
	case ledger.CodeMainPurse:
		return SaleMain, true
	case ledger.CodeSubsidyPurse:
		return SaleSubsidy, true
	case ledger.CodeWaterPurse:
		return SaleWater, true
	case ledger.CodeElectronicAccount:
		return SaleElectronic, true
	case ledger.CodeCountPurse:
		return SaleTickets, true
	}
	return 0, false
}

// flowKey is the cell that a leg moves: of a purse by kind and code, of another account its turnover.
func flowKey(day uint32, merchant ledger.AccountID, kind Kind, account ledger.AccountID, code ledger.AccountCode) ledger.CellKey {
	if IsPurse(code) {
		return TotalKey(TotalFlow, PeriodDay, day, merchant, uint32(kind)<<16|uint32(code), 0, 0)
	}
	return TotalKey(TotalAccount, PeriodDay, day, account, 0, 0, 0)
}

// countFlows adds what each leg moves: on a purse by kind and code, on another account to its turnover.
func (g *Register) countFlows(day uint32, merchant ledger.AccountID, e *ledger.Entry, emit func(*ledger.CellKey, *ledger.Sums)) {
	for i := range e.Legs {
		leg := &e.Legs[i]
		g.key = flowKey(day, merchant, e.Kind, leg.Account, g.code(leg.Account))
		g.sums = ledger.Sums{FlowCount: 1}
		if leg.Amount > 0 {
			g.sums[FlowIn] = int64(leg.Amount)
		} else {
			g.sums[FlowOut] = -int64(leg.Amount)
		}
		emit(&g.key, &g.sums)
	}
}
