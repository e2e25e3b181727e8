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

// What a closed day had left open is worked out as its balances are: from what is open now, and what the entries since have ended.

// leftover is what the entries after a day have ended that was open at its end, or the other way round.
type leftover struct {
	last      uint64          // entry of the day
	next      uint32          // business day after it
	holds     map[uint64]bool // of the day or before, ended since
	returned  map[uint64]bool // loads of the day or before that a terminal has given back since
	proposals map[uint64]bool // of the day or before, decided since
	desks     map[uint16]bool // by their first drawer entry since: true it was closed, so that it was open at the end of the day
	bank      *transaction.OperationLine
}

func newLeftover(last uint64, next uint32) *leftover {
	return &leftover{last: last, next: next, holds: map[uint64]bool{}, returned: map[uint64]bool{}, proposals: map[uint64]bool{}, desks: map[uint16]bool{}}
}

// note takes an entry after the day.
func (l *leftover) note(sequence uint64, day uint32, e *ledger.Entry) {
	if e.Hold.Op != ledger.HoldNone && e.Hold.Op != ledger.HoldOpen && e.Hold.ID <= l.last {
		l.holds[e.Hold.ID] = true
	}
	if number, ok := transaction.ReadProposalClosed(e); ok && number <= l.last {
		l.proposals[number] = true
	}
	if e.Kind == transaction.KindReversal {
		if line, ok := transaction.ReadEntry(sequence, day, e); ok && line.Original != 0 && line.Original <= l.last {
			l.returned[line.Original] = true
		}
		return
	}
	said, ok := transaction.ReadOperation(sequence, day, e)
	if !ok {
		return
	}
	if said.Proposal != 0 && said.Proposal <= l.last {
		l.proposals[said.Proposal] = true
	}
	switch e.Kind {
	case transaction.KindDrawerOpened, transaction.KindDrawerClosed:
		if _, seen := l.desks[said.Desk]; !seen {
			l.desks[said.Desk] = e.Kind == transaction.KindDrawerClosed
		}
	case transaction.KindBankStatement:
		if day == l.next {
			l.bank = &said
		}
	}
}

// openItemsKept bounds the list that a statement carries.
const openItemsKept = 10_000

// openItems lists what the day left open: loads and withdrawals that the bank has not settled, money on hold, what waits for a second person, drawers that
// nobody has counted, and what the bank has to say.
func (s *server) openItems(ctx context.Context, in *dayend.Input, left *leftover) error {
	open, returning := left.holds, map[uint64]bool{}
	err := s.opened.engine.Look(ctx, func(state *transaction.State) {
		state.Book().EachHold(func(h ledger.Hold) { open[h.ID] = true })
		for _, id := range state.ReturningLoads() {
			if !left.returned[id] {
				open[id], returning[id] = true, true
			}
		}
		for _, p := range state.Proposals() {
			open[p.Number] = true
		}
		for number := range left.proposals {
			open[number] = true
		}
		openDrawers(state, in, left)
		bankBalances(state, in, left)
	})
	if err != nil {
		return err
	}
	ids := make([]uint64, 0, len(open))
	for id := range open {
		if id <= left.last {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids[:min(len(ids), openItemsKept)] {
		e, day, err := s.opened.store.Entry(id)
		if err != nil {
			return err
		}
		in.Open = append(in.Open, itemOf(id, day, &e, in.Zone, returning[id]))
	}
	slices.SortStableFunc(in.Open, func(a, b dayend.OpenItem) int { return cmp.Compare(a.What, b.What) })
	return nil
}

func itemOf(id uint64, day uint32, e *ledger.Entry, zone *time.Location, returning bool) dayend.OpenItem {
	item := dayend.OpenItem{What: "hold", Entry: id, Since: time.UnixMicro(e.Time).In(zone).Format(time.RFC3339), Amount: e.Hold.Amount, Says: "冻结资金 / money on hold"}
	if e.Kind == transaction.KindLoad {
		item.What, item.Says = "load", "银行未了结的圈存 / a load that the bank has not settled"
	}
	if e.Kind == transaction.KindBankWithdrawal {
		item.What, item.Says = "withdrawal", "银行未了结的提现 / a withdrawal to a bank account that the bank has not settled"
	}
	if p, ok := transaction.ReadProposal(id, day, e); ok {
		zh, en := kindName(p.Operation.Kind)
		item.What, item.Amount, item.Says = "proposal", p.Operation.Amount, "待复核:"+zh+" / waits for a second person: "+en
	}
	if line, ok := transaction.ReadEntry(id, day, e); ok && returning {
		item.Amount, item.Says = line.Amount, "终端已退、银行未确认冲正的圈存 / a load given back at its terminal, the bank has not confirmed the reversal"
	}
	return item
}

// openDrawers lists the drawers that nobody had counted at the end of the day, with what must have been in them.
func openDrawers(state *transaction.State, in *dayend.Input, left *leftover) {
	for i, desk := range state.Desks() {
		closedSince, seen := left.desks[uint16(i+1)]
		if !closedSince && (seen || desk.Operator == 0) {
			continue
		}
		d := dayend.Drawer{Desk: desk.Code}
		if int(desk.Cash) < len(in.Memory.Fen) {
			d.Expected = -in.Memory.Fen[desk.Cash]
		}
		if !closedSince && int(desk.Operator) < len(in.Campus.Operators) {
			d.Operator = in.Campus.Operators[desk.Operator]
		}
		in.Drawers = append(in.Drawers, d)
	}
}

// bankBalances lists the accounts that the bank keeps for us, or passes money on from, beside the figure that an operator has entered on the
// day after: what the bank's statement has for the end of this one.
func bankBalances(state *transaction.State, in *dayend.Input, left *leftover) {
	for _, code := range []ledger.AccountCode{ledger.CodeBankCustody, ledger.CodeLoadInTransit, ledger.CodeThirdPartyTransit} {
		id, ok := state.SiteAccount(0, code)
		if !ok || int(id) >= len(in.Memory.Fen) {
			continue
		}
		b := dayend.BankBalance{Account: uint32(id), Code: uint16(code), Books: -in.Memory.Fen[id]}
		switch {
		case code == ledger.CodeBankCustody && left.bank != nil:
			b.Bank, b.Document = &left.bank.Amount, left.bank.Document
		case b.Books == 0:
			continue
		}
		in.Bank = append(in.Bank, b)
	}
}
