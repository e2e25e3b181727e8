package daemon

import (
	"cmp"
	"context"
	"slices"
	"time"

	"onecard/ledger"
	"onecard/switch/dayend"
	"onecard/switch/transaction"
)

// campusRows are read in one look at the state: some 50 us of the owner's time.
const campusRows = 4096

// campusOf says whose the accounts are: the classes of the holders as they are now, merchants and terminals.
func (s *server) campusOf(ctx context.Context, in *dayend.Input) error {
	look, c := s.opened.engine.Look, &in.Campus
	var holders uint32
	err := look(ctx, func(state *transaction.State) {
		in.Zone = time.FixedZone("", int(state.Site().ZoneSeconds))
		for _, class := range state.Classes() {
			c.Classes = append(c.Classes, class.Code)
		}
		for i, m := range state.Merchants() {
			c.Merchants = append(c.Merchants, dayend.Merchant{Code: m.Code.String()})
			if int(m.Payable) < len(c.Accounts) {
				c.Accounts[m.Payable].Merchant = uint32(i) + 1
			}
		}
		c.Terminals = make([]string, state.Terminals()+1)
		for id := range state.Terminals() {
			c.Terminals[id+1] = state.Terminal(transaction.TerminalID(id + 1)).Code.String()
		}
		holders = state.Holders()
	})
	for from := uint32(0); from < holders && err == nil; from += campusRows {
		err = look(ctx, func(state *transaction.State) {
			for row := from; row < min(from+campusRows, holders); row++ {
				class := state.Holder(row).Class
				state.EachPurse(row, func(id ledger.AccountID) {
					if int(id) < len(c.Accounts) {
						c.Accounts[id].Class = class
					}
				})
			}
		})
	}
	return err
}

// leftover is what a day had left open and the entries since have ended, or the other way round.
type leftover struct {
	last     uint64          // entry of the day
	holds    map[uint64]bool // of the day or before, ended since
	returned map[uint64]bool // loads of the day or before that a terminal has given back since
}

// note takes an entry after the day.
func (l *leftover) note(e *ledger.Entry) {
	if e.Hold.Op != ledger.HoldNone && e.Hold.Op != ledger.HoldOpen && e.Hold.ID <= l.last {
		l.holds[e.Hold.ID] = true
	}
	if e.Kind != transaction.KindReversal {
		return
	}
	if line, ok := transaction.ReadEntry(0, 0, e); ok && line.Original != 0 && line.Original <= l.last {
		l.returned[line.Original] = true
	}
}

// openItemsKept bounds the list that a statement carries.
const openItemsKept = 10_000

// openItems lists what the day left open: loads that the bank has not settled, and money on hold for anything else.
func (s *server) openItems(ctx context.Context, in *dayend.Input, left *leftover) error {
	open := left.holds
	returning := map[uint64]bool{}
	err := s.opened.engine.Look(ctx, func(state *transaction.State) {
		state.Book().EachHold(func(h ledger.Hold) {
			if h.ID <= left.last {
				open[h.ID] = true
			}
		})
		for _, id := range state.ReturningLoads() {
			if id <= left.last && !left.returned[id] {
				open[id], returning[id] = true, true
			}
		}
	})
	if err != nil {
		return err
	}
	for id := range open {
		if len(in.Open) == openItemsKept {
			break
		}
		e, _, err := s.opened.store.Entry(id)
		if err != nil {
			return err
		}
		in.Open = append(in.Open, itemOf(id, &e, in.Zone, returning[id]))
	}
	slices.SortFunc(in.Open, func(a, b dayend.OpenItem) int { return cmp.Compare(a.Entry, b.Entry) })
	return nil
}

func itemOf(id uint64, e *ledger.Entry, zone *time.Location, returning bool) dayend.OpenItem {
	item := dayend.OpenItem{What: "hold", Entry: id, Since: time.UnixMicro(e.Time).In(zone).Format(time.RFC3339), Amount: e.Hold.Amount, Says: "冻结资金 / money on hold"}
	if e.Kind == transaction.KindLoad {
		item.What, item.Says = "load", "银行未了结的圈存 / a load that the bank has not settled"
	}
	if line, ok := transaction.ReadEntry(id, 0, e); ok && returning {
		item.Amount, item.Says = line.Amount, "终端已退、银行未确认冲正的圈存 / a load given back at its terminal, the bank has not confirmed the reversal"
	}
	return item
}

var kindNames = map[transaction.Kind][2]string{
	transaction.OpeningKind:       {"期初导入", "balances brought in"},
	transaction.KindPurchase:      {"消费", "purchases"},
	transaction.KindReversal:      {"冲正", "reversals"},
	transaction.KindLoadConfirmed: {"银行圈存", "bank loads"},
}

// kindName says what entries of a kind are, for the double entry of a statement.
func kindName(kind transaction.Kind) (chinese, english string) {
	name := kindNames[kind]
	return name[0], name[1]
}
