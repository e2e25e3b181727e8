package daemon

import (
	"context"
	"time"

	"onecard/ledger"
	"onecard/switch/dayend"
	"onecard/switch/transaction"
)

// campusRows are read in one look at the state: some 50 us of the owner's time.
const campusRows = 4096

// campusOf says whose the accounts are: the classes of the holders as they are now, merchants with their areas, terminals, desks, operators.
func (s *server) campusOf(ctx context.Context, in *dayend.Input) error {
	look, c := s.opened.engine.Look, &in.Campus
	var holders uint32
	err := look(ctx, func(state *transaction.State) {
		in.Zone = time.FixedZone("", int(state.Site().ZoneSeconds))
		nameCampus(state, c)
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

func nameCampus(state *transaction.State, c *dayend.Campus) {
	for _, class := range state.Classes() {
		c.Classes = append(c.Classes, class.Code)
	}
	for i := range state.Merchants() {
		m := state.MerchantAt(i)
		c.Merchants = append(c.Merchants, dayend.Merchant{Code: m.Code.String(), Area: areaOf(state, i)})
		if int(m.Payable) < len(c.Accounts) {
			c.Accounts[m.Payable].Merchant = i + 1
		}
	}
	c.Terminals, c.Desks, c.Operators = make([]string, state.Terminals()+1), make([]string, 1), make([]string, 1)
	for id := range state.Terminals() {
		c.Terminals[id+1] = state.Terminal(transaction.TerminalID(id + 1)).Code.String()
	}
	for _, desk := range state.Desks() {
		c.Desks = append(c.Desks, desk.Code)
	}
	for _, operator := range state.Operators() {
		c.Operators = append(c.Operators, operator.Code)
	}
}

// areaOf is the top of the merchant tree that a merchant stands in: its own code when it stands alone.
func areaOf(state *transaction.State, row uint32) string {
	for range state.Merchants() { // a tree that bites its tail ends somewhere
		above, ok := state.MerchantByCode(state.Terms(row).Parent)
		if !ok {
			break
		}
		row = above
	}
	return state.MerchantAt(row).Code.String()
}

var kindNames = map[transaction.Kind][2]string{
	transaction.OpeningKind:        {"期初导入", "balances brought in"},
	transaction.KindPurchase:       {"消费", "purchases"},
	transaction.KindWithdrawalPaid: {"提现到银行卡", "withdrawals to bank accounts"},
	transaction.KindReversal:       {"冲正", "reversals"},
	transaction.KindLoadConfirmed:  {"银行圈存", "bank loads"},
	transaction.KindSheetMoved:     {"结算单", "settlement sheets"},
}

// kindName says what entries of a kind are, for people.
func kindName(kind transaction.Kind) (chinese, english string) {
	if row, ok := transaction.CatalogueOf(kind); ok {
		return row.Chinese, row.English
	}
	name := kindNames[kind]
	return name[0], name[1]
}
