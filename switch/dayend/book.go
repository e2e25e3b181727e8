package dayend

import (
	"fmt"

	"onecard/ledger"
	"onecard/ledger/merkle"
	"onecard/ledger/money"
	"onecard/switch/proof"
	"onecard/switch/transaction"
)

// Campus says what the accounts of a ledger are. It is the owner's word, and only sorts and names what the log says.
type Campus struct {
	Accounts  []Account // by account number; row 0 is no account
	Classes   []string  // codes of identity classes
	Merchants []Merchant
	Terminals []string // codes, by number; row 0 is none
	Desks     []string // codes, by number; row 0 is none
	Operators []string // codes, by number; row 0 is none
}

// Account is whose an account is. Class is a row of Classes, or NoClass; Merchant a row of Merchants plus one, or 0.
type Account struct {
	Set      ledger.AccountSet
	Code     ledger.AccountCode
	Class    uint8
	Merchant uint32
}

// NoClass is the class of accounts that are nobody's purse.
const NoClass = 255

// Merchant is a merchant and the area it stands in: the top of its merchant tree, "" when it has none.
type Merchant struct {
	Code string
	Area string
}

// lines are the movements of a set of purses, each with its sign.
type lines [lineCount]money.Fen

// codeKey is a code in an account set.
type codeKey struct {
	set  ledger.AccountSet
	code ledger.AccountCode
}

// codeSum is what the entries of a day did to the accounts of a code.
type codeSum struct {
	debits, credits money.Fen // both as positive amounts
	kinds           map[transaction.Kind][2]money.Fen
}

type terminalSum struct {
	sales, reversals       uint32
	saleAmount, backAmount money.Fen
}

// book is a day as its blocks tell it.
type book struct {
	campus    *Campus
	late      func(*ledger.Entry, int64) bool
	closing   Balances
	blocks    uint64
	entries   uint64
	opened    int64 // time of the first entry
	purses    map[codeKey]*lines
	classes   map[uint8]*lines
	merchants map[uint32]*[shareCount]money.Fen // by row
	codes     map[codeKey]*codeSum
	terminals map[transaction.TerminalID]*terminalSum
	drawers   []Drawer                    // that were counted
	strange   map[transaction.Kind]uint64 // kinds that moved a purse and have no line: entries
	turnover  [2]money.Fen                // debits, credits
	unfit     uint64                      // first entry with a leg of an account that was never opened; 0 none
	tree      *merkle.Tree
	leaf      []byte
}

func newBook(c *Campus, opening *Balances, late func(*ledger.Entry, int64) bool) *book {
	return &book{
		campus: c, late: late, closing: opening.Clone(), purses: map[codeKey]*lines{}, classes: map[uint8]*lines{}, merchants: map[uint32]*[shareCount]money.Fen{},
		codes: map[codeKey]*codeSum{}, terminals: map[transaction.TerminalID]*terminalSum{}, strange: map[transaction.Kind]uint64{}, tree: merkle.New(), drawers: []Drawer{},
	}
}

// take reads one block of the day.
func (b *book) take(block ledger.Block) error {
	b.blocks++
	err := block.EachStored(func(sequence uint64, moment int64, encoded []byte) error {
		b.leaf = proof.AppendLeaf(b.leaf[:0], sequence, block.Day(), moment, encoded)
		return b.tree.Add(b.leaf)
	})
	if err != nil {
		return err
	}
	err = block.Each(func(sequence uint64, e *ledger.Entry) error {
		b.post(sequence, e)
		return nil
	})
	b.closing.Head = block.Head()
	return err
}

func (b *book) post(sequence uint64, e *ledger.Entry) {
	if b.entries == 0 {
		b.opened = e.Time
	}
	b.entries++
	if !b.closing.Post(e) && b.unfit == 0 {
		b.unfit = sequence
	}
	if len(e.Legs) > 0 {
		late := b.late(e, b.opened)
		b.postCodes(e)
		b.postPurses(e, late)
		b.postMerchants(e, late)
	}
	b.postTerminal(e)
	b.postDrawer(sequence, e)
}

func (b *book) account(id ledger.AccountID) Account {
	if int(id) < len(b.campus.Accounts) {
		return b.campus.Accounts[id]
	}
	return Account{Class: NoClass}
}

// postCodes keeps the double entry.
func (b *book) postCodes(e *ledger.Entry) {
	for _, l := range e.Legs {
		a := b.account(l.Account)
		key := codeKey{a.Set, a.Code}
		sum := b.codes[key]
		if sum == nil {
			sum = &codeSum{kinds: map[transaction.Kind][2]money.Fen{}}
			b.codes[key] = sum
		}
		of := sum.kinds[e.Kind]
		if l.Amount < 0 {
			sum.debits -= l.Amount
			of[0] -= l.Amount
			b.turnover[0] -= l.Amount
		} else {
			sum.credits += l.Amount
			of[1] += l.Amount
			b.turnover[1] += l.Amount
		}
		sum.kinds[e.Kind] = of
	}
}

// postPurses puts what an entry did to purses on its lines. A fee or a debt in the same entry stands on a line of its own, and the rest is
// the whole amount: 100.00 at the desk of which 15.00 is a fee is a deposit of 100.00 and a fee of 15.00. Of several purses the last in debit
// order carries it, the main purse when it pays at all: a subsidy is for what it was given for.
func (b *book) postPurses(e *ledger.Entry, late bool) {
	last, fee, debt := -1, money.Fen(0), money.Fen(0)
	for i, l := range e.Legs {
		switch a := b.account(l.Account); {
		case isPurse(a.Code):
			last = i
		case a.Code == ledger.CodeManagementFee:
			fee += l.Amount
		case a.Code == ledger.CodeHolderDebt:
			debt += l.Amount
		}
	}
	for i, l := range e.Legs {
		a := b.account(l.Account)
		if !isPurse(a.Code) {
			continue
		}
		line := lineOf(e.Kind, a.Code, int64(l.Amount), late)
		if line == OtherIn || line == OtherOut {
			b.strange[e.Kind]++
		}
		amount := l.Amount
		if i == last {
			amount += fee + debt
			b.line(a, ManagementFee, -fee)
			b.line(a, debtLine(debt), -debt)
		}
		b.line(a, line, amount)
	}
}

// debtLine: a debit of what a holder owes is money that the school has advanced.
func debtLine(debt money.Fen) Line {
	if debt < 0 {
		return DebtAdvanced
	}
	return DebtRepaid
}

func (b *book) line(a Account, line Line, amount money.Fen) {
	if amount == 0 {
		return
	}
	key := codeKey{a.Set, a.Code}
	if b.purses[key] == nil {
		b.purses[key] = new(lines)
	}
	b.purses[key][line] += amount
	if a.Set != 0 {
		return // counts are no money: classes are balanced in fen
	}
	if b.classes[a.Class] == nil {
		b.classes[a.Class] = new(lines)
	}
	b.classes[a.Class][line] += amount
}

func (b *book) postMerchants(e *ledger.Entry, late bool) {
	for _, l := range e.Legs {
		a := b.account(l.Account)
		if a.Code != ledger.CodeMerchantPayable || a.Merchant == 0 || a.Set != 0 {
			continue
		}
		of := b.merchants[a.Merchant-1]
		if of == nil {
			of = new([shareCount]money.Fen)
			b.merchants[a.Merchant-1] = of
		}
		of[shareOf(e.Kind, late)] += l.Amount
	}
}

// postTerminal counts what a terminal sold: purchases that were approved, and what was given back of them.
func (b *book) postTerminal(e *ledger.Entry) {
	if e.Kind != transaction.KindPurchase && e.Kind != transaction.KindReversal || len(e.Legs) == 0 {
		return
	}
	said, ok := transaction.ReadEntry(0, 0, e)
	if !ok {
		return
	}
	sum := b.terminals[said.Terminal]
	if sum == nil {
		sum = new(terminalSum)
		b.terminals[said.Terminal] = sum
	}
	for _, l := range e.Legs {
		switch {
		case b.account(l.Account).Code != ledger.CodeMerchantPayable:
		case e.Kind == transaction.KindPurchase:
			sum.sales++
			sum.saleAmount += l.Amount
		default:
			sum.reversals++
			sum.backAmount -= l.Amount
		}
	}
}

// postDrawer takes the cash sheet of a drawer that was counted.
func (b *book) postDrawer(sequence uint64, e *ledger.Entry) {
	if e.Kind != transaction.KindDrawerClosed {
		return
	}
	if said, ok := transaction.ReadOperation(sequence, 0, e); ok {
		b.drawers = append(b.drawers, Drawer{
			Desk: nameAt(b.campus.Desks, said.Desk), Operator: nameAt(b.campus.Operators, said.Operator), Closed: sequence, Expected: said.Balance, Counted: said.Amount,
		})
	}
}

func nameAt(names []string, number uint16) string {
	if int(number) < len(names) {
		return names[number]
	}
	return fmt.Sprintf("#%d", number)
}

// LateSale says whether an entry is an offline sale from before the day opened (handbook 3.7): booked today, and marked.
func LateSale(e *ledger.Entry, opened int64) bool {
	if e.Kind != transaction.KindOfflineSale {
		return false
	}
	said, ok := transaction.ReadOperation(0, 0, e)
	return ok && said.Occurred != 0 && said.Occurred < opened
}
