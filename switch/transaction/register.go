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
	chart     []ledger.AccountCode // those in use
	codes     []byte               // by account: place in chart
	merchants map[MerchantCode]ledger.AccountID
	terminals []ledger.AccountID // by terminal - 1: what its merchant is owed on
	learned   uint64             // what entries up to here have opened is known
	sums      ledger.Sums        // of the entry on the table
	key       ledger.CellKey
	record    record
}

// NewRegister makes a register that reads entries from the first on.
func NewRegister() *Register {
	return &Register{codes: make([]byte, 1), chart: make([]ledger.AccountCode, 1), merchants: make(map[MerchantCode]ledger.AccountID)}
}

// NewRegister makes a register that knows all accounts of the state, and so may begin with any entry. The state is not looked at afterwards.
func (s *State) NewRegister() *Register {
	g := NewRegister()
	for id := ledger.AccountID(1); s.book.Known(id); id++ {
		g.open(s.book.Account(id).Code)
	}
	for i := range s.merchants {
		g.merchants[s.merchants[i].Code] = s.merchants[i].Payable
	}
	for id := TerminalID(1); uint32(id) <= s.Terminals(); id++ {
		g.terminals = append(g.terminals, s.Merchant(s.Terminal(id)).Payable)
	}
	g.learned = s.book.Sequence()
	return g
}

func (g *Register) open(code ledger.AccountCode) {
	for i, c := range g.chart[1:] {
		if c == code {
			g.codes = append(g.codes, byte(i+1))
			return
		}
	}
	g.codes = append(g.codes, byte(len(g.chart)))
	g.chart = append(g.chart, code)
}

// learn takes in what an entry opens and registers.
func (g *Register) learn(sequence uint64, e *ledger.Entry) {
	if sequence <= g.learned {
		return
	}
	g.learned = sequence
	for i := range e.Opens {
		g.open(e.Opens[i].Code)
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
	return g.chart[g.codes[id]]
}

// merchantOf is what the merchant of a terminal is owed on; 0 of a terminal that is not registered.
func (g *Register) merchantOf(id TerminalID) ledger.AccountID {
	if id == 0 || int(id) > len(g.terminals) {
		return 0
	}
	return g.terminals[id-1]
}

// isPurse says whether accounts of a code are holders' purses.
func isPurse(code ledger.AccountCode) bool {
	return code >= ledger.CodeMainPurse && code < ledger.CodeMerchantPayable
}
