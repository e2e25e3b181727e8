package query

import (
	"context"
	"fmt"
	"slices"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// list is one list of the statement index.
type list struct {
	space byte
	id    uint64
}

// subject is a Subject found in the state.
type subject struct {
	about  About
	lists  []list
	own    []ledger.AccountID // whose changes are told; none: those of each line's holder
	folded bool               // what the bank said about a load or a withdrawal is told with it
	as     string             // of an operator: his name
	number uint16             // and what entries call him; 0 unknown
	row    uint32             // of a holder
}

// only says which one field is given.
func (s *Subject) only() (kind string, err error) {
	for _, f := range [...]struct {
		kind  string
		given bool
	}{
		{"holder", s.Holder != ""},
		{"card", s.Card != 0},
		{"merchant", s.Merchant != ""},
		{"terminal", s.Terminal != ""},
		{"operator", s.Operator != ""},
		{"account", s.Account != 0},
		{"record", s.Record != 0},
	} {
		if !f.given {
			continue
		}
		if kind != "" {
			return "", wrong("subject", "请只给出 %s 与 %s 之一 / give only one of %[1]s and %[2]s", kind, f.kind)
		}
		kind = f.kind
	}
	if kind == "" {
		return "", wrong("subject", "请给出持卡人、卡、商户、终端、操作员、账户、记录号之一 / give one of holder, card, merchant, terminal, operator, account, record")
	}
	return kind, nil
}

// find looks a subject up.
func (r *Reader) find(ctx context.Context, asked *Subject) (*subject, error) {
	kind, err := asked.only()
	if err != nil {
		return nil, err
	}
	found := &subject{about: About{Kind: kind}}
	today := r.today()
	holder, ofHolder := uint32(0), false
	if failed := r.Look(ctx, func(s *transaction.State) {
		switch kind {
		case "holder":
			holder, ofHolder, err = found.holder(s, asked.Holder, today)
		case "card":
			holder, err = found.card(s, transaction.CardNumber(asked.Card), today)
		case "merchant":
			err = found.merchant(s, asked.Merchant)
		case "terminal":
			err = found.terminal(s, asked.Terminal)
		case "operator":
			found.operator(s, asked.Operator)
		case "account":
			err = found.account(s, asked.Account)
		case "record":
			found.about.Code = fmt.Sprint(asked.Record)
		}
	}); failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	if ofHolder {
		cards, err := r.cardsOf(ctx, holder)
		if err != nil {
			return nil, err
		}
		for _, row := range cards {
			found.lists = append(found.lists, list{transaction.StatementCard, uint64(row) + 1})
		}
	}
	r.name(&found.about)
	return found, nil
}

// name adds what things are called.
func (r *Reader) name(a *About) {
	switch a.Kind {
	case "holder", "merchant":
		a.Name = r.Name(a.Kind, a.Code)
	}
	if a.Holder != "" {
		a.HolderName = r.Name("holder", a.Holder)
	}
	if a.Merchant != "" {
		a.MerchantName = r.Name("merchant", a.Merchant)
	}
}

func (f *subject) holder(s *transaction.State, number string, today uint32) (row uint32, ok bool, err error) {
	if row, ok = s.HolderByNumber(number); !ok {
		return 0, false, wrong("holder", "持卡人 %q 未登记,请核对学号/工号 / holder %[1]q is not registered: check the number", number)
	}
	f.about.Code = number
	f.purses(s, row, today)
	return row, true, nil
}

// purses tells a holder's balances and adds what moved his purses without naming a card.
func (f *subject) purses(s *transaction.State, row, today uint32) {
	h := s.Holder(row)
	spendable := s.Spendable(h, today)
	f.about.Balance, f.folded, f.row = &spendable, true, row
	for _, p := range s.Purses(h) {
		purse := Purse{Name: p.Name, Account: p.Account, Code: p.Code, Set: p.Set, Balance: p.Balance}
		if p.ExpiryDay != 0 {
			purse.Expires = ledger.DateOf(p.ExpiryDay)
		}
		f.about.Purses = append(f.about.Purses, purse)
	}
	f.own = ownPurses(s, h)
	f.lists = append(f.lists, list{transaction.StatementHolder, uint64(row) + 1})
	for _, account := range [...]ledger.AccountID{h.Main, h.Subsidy} {
		f.lists = append(f.lists, list{transaction.StatementAccount, uint64(account)})
	}
}

// ownPurses are a holder's purses of money.
func ownPurses(s *transaction.State, h *transaction.Holder) []ledger.AccountID {
	var own []ledger.AccountID
	for _, p := range s.Purses(h) {
		if transaction.IsPurse(p.Code) && p.Set == 0 {
			own = append(own, p.Account)
		}
	}
	return own
}

func (f *subject) card(s *transaction.State, number transaction.CardNumber, today uint32) (holder uint32, err error) {
	row, ok := s.CardIndex(number)
	if !ok {
		return 0, wrong("card", "卡 %s 未登记,请核对卡号 / card %[1]s is not registered: check the number", number)
	}
	c := s.Card(row)
	f.about.Code, f.about.State, f.about.Holder = number.String(), c.State.String(), s.HolderNumber(c.Holder)
	f.lists = []list{{transaction.StatementCard, uint64(row) + 1}}
	f.purses(s, c.Holder, today)
	return c.Holder, nil
}

// operator finds an operator's acts: those that name him by number and those that name him in words.
func (f *subject) operator(s *transaction.State, name string) {
	f.as, f.about.Code = name, name
	f.lists = []list{{transaction.StatementOperator, transaction.OperatorID(name)}}
	if f.number = s.OperatorNumber(name); f.number != 0 {
		f.lists = append(f.lists, list{transaction.StatementOperator, uint64(f.number)})
	}
}

func (f *subject) terminal(s *transaction.State, code string) error {
	var fixed transaction.TerminalCode
	id, ok := transaction.TerminalID(0), false
	if copy(fixed[:], code) == len(fixed) && len(code) == len(fixed) {
		id, ok = s.TerminalByCode(fixed)
	}
	if !ok {
		return wrong("terminal", "终端 %q 未登记,请核对终端号 / terminal %[1]q is not registered: check the code", code)
	}
	f.about.Code, f.about.Merchant = code, s.Merchant(s.Terminal(id)).Code.String()
	f.lists = []list{{transaction.StatementTerminal, uint64(id)}}
	return nil
}

// merchantAccount is what a merchant is owed on.
func merchantAccount(s *transaction.State, code string) (ledger.AccountID, error) {
	row, ok := s.MerchantByCode(code)
	if !ok {
		return 0, wrong("merchant", "商户 %q 未登记,请核对商户号 / merchant %[1]q is not registered: check the code", code)
	}
	return s.MerchantAt(row).Payable, nil
}

func (f *subject) merchant(s *transaction.State, code string) error {
	payable, err := merchantAccount(s, code)
	if err != nil {
		return err
	}
	f.about.Code = code
	f.ofAccount(s, payable)
	return nil
}

func (f *subject) ofAccount(s *transaction.State, id ledger.AccountID) {
	balance := s.Book().Account(id).Balance
	f.about.Balance, f.own = &balance, []ledger.AccountID{id}
	f.lists = []list{{transaction.StatementAccount, uint64(id)}}
}

func (f *subject) account(s *transaction.State, id ledger.AccountID) error {
	if !s.Book().Known(id) {
		return wrong("account", "账户 %d 不存在(共 %d 个) / there is no account %[1]d (of %[2]d)", id, s.Book().Accounts())
	}
	code := s.Book().Account(id).Code
	if transaction.IsPurse(code) {
		return wrong("account", "账户 %d 是持卡人的钱包,请按持卡人查询 / account %[1]d is a holder's purse: ask for the holder", id)
	}
	f.about.Code = fmt.Sprintf("%d/%d", id, code)
	f.ofAccount(s, id)
	return nil
}

// change is what an entry did to the accounts that are told of.
func change(e *ledger.Entry, own []ledger.AccountID) money.Fen {
	var sum money.Fen
	for i := range e.Legs {
		if slices.Contains(own, e.Legs[i].Account) {
			sum += e.Legs[i].Amount
		}
	}
	return sum
}
