package transaction

import (
	"onecard/ledger"
)

// Register says what is kept of an entry behind the ledger: on whose statements it stands (statement.go) and which totals it moves
// (totals.go). It reads entries in order and looks at no state, so it says the same in the running switch, in a rebuilding and in an audit.
//
// An entry names accounts and terminals by number. What it does not say is what they are, and that never changes: the register learns it
// from the entries that open and register them, a byte for each account.
type Register struct {
	chart     []chartKey // those in use
	codes     []byte     // by account: place in chart
	merchants map[MerchantCode]ledger.AccountID
	owed      map[ledger.AccountID]ledger.AccountID // of a merchant in another account set: what he is owed on in set 0
	terminals []ledger.AccountID                    // by terminal - 1: what its merchant is owed on
	learned   uint64                                // what entries up to here have opened is known
	sums      ledger.Sums                           // of the entry on the table
	key       ledger.CellKey
	plain     plainSale
	sales     saleRows // that Count keeps back
	record    record
	operation operationRecord
}

// NewRegister makes a register that reads entries from the first on.
func NewRegister() *Register {
	return &Register{
		codes: make([]byte, 1), chart: make([]chartKey, 1),
		merchants: make(map[MerchantCode]ledger.AccountID), owed: make(map[ledger.AccountID]ledger.AccountID),
	}
}

// NewRegister makes a register that knows all accounts of the state, and so may begin with any entry. The state is not looked at afterwards.
func (s *State) NewRegister() *Register {
	g := NewRegister()
	for id := ledger.AccountID(1); s.book.Known(id); id++ {
		account := s.book.Account(id)
		g.open(chartKey{account.Set, account.Code})
	}
	for i := range s.merchants {
		m := &s.merchants[i]
		g.merchants[m.Code] = m.Payable
		for _, other := range m.Others {
			g.owed[other.Account] = m.Payable
		}
	}
	for id := TerminalID(1); uint32(id) <= s.Terminals(); id++ {
		g.terminals = append(g.terminals, s.Merchant(s.Terminal(id)).Payable)
	}
	g.learned = s.book.Sequence()
	return g
}

func (g *Register) open(key chartKey) {
	for i, known := range g.chart[1:] {
		if known == key {
			g.codes = append(g.codes, byte(i+1))
			return
		}
	}
	g.codes = append(g.codes, byte(len(g.chart)))
	g.chart = append(g.chart, key)
}

// learn takes in what an entry opens and registers.
func (g *Register) learn(sequence uint64, e *ledger.Entry) {
	if sequence <= g.learned {
		return
	}
	g.learned = sequence
	for i := range e.Opens {
		g.open(chartKey{e.Opens[i].Set, e.Opens[i].Code})
	}
	if e.Kind != KindDirectory {
		return
	}
	p := payloadReader{b: e.Payload}
	switch p.byte() {
	case rowMerchant:
		if code := MerchantCode(p.take(15)); !p.bad && len(e.Opens) > 0 {
			g.merchants[code] = ledger.AccountID(len(g.codes) - 1)
		}
	case rowTerms:
		code := MerchantCode(p.take(15))
		for i := range e.Opens {
			g.owed[ledger.AccountID(len(g.codes)-len(e.Opens)+i)] = g.merchants[code]
		}
	case rowTerminal:
		p.take(8)
		g.terminals = append(g.terminals, g.merchants[MerchantCode(p.take(15))])
	}
}

// code is the place of an account in the chart; 0 of one that no entry has opened.
func (g *Register) code(id ledger.AccountID) ledger.AccountCode {
	if int(id) >= len(g.codes) {
		return 0
	}
	return g.chart[g.codes[id]].code
}

// payable is the account of set 0 on which a merchant is owed, by that account or by one of his in another set; 0 of another account.
func (g *Register) payable(id ledger.AccountID) ledger.AccountID {
	if int(id) >= len(g.codes) {
		return 0
	}
	switch key := g.chart[g.codes[id]]; {
	case key.code != ledger.CodeMerchantPayable:
		return 0
	case key.set != 0:
		return g.owed[id]
	}
	return id
}

// merchantOf is what the merchant of a terminal is owed on; 0 of a terminal that is not registered.
func (g *Register) merchantOf(id TerminalID) ledger.AccountID {
	if id == 0 || int(id) > len(g.terminals) {
		return 0
	}
	return g.terminals[id-1]
}

// IsPurse says whether accounts of a code are holders' purses.
func IsPurse(code ledger.AccountCode) bool {
	return code >= ledger.CodeMainPurse && code < ledger.CodeMerchantPayable
}
