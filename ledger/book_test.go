package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger"
	"onecard/ledger/money"
)

// TestBookScripts runs the stories in testdata/book: one command an entry, the books after it.
//
//	open code=2001 [strict] [set=1]  opens an account
//	post 1:-5 2:5 [post=3|void=3|expire=3] [hold=1:2:5] [freeze=1] [close=1] [thaw=1]
func TestBookScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/book", func(t *testing.T, path string) {
		book := ledger.NewBook()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			e := ledger.Entry{Time: int64(book.Sequence())}
			if d.Cmd == "open" {
				var code int
				d.ScanArgs(t, "code", &code)
				opening := ledger.Opening{Code: ledger.AccountCode(code)}
				if d.HasArg("strict") {
					opening.Flags = ledger.MustNotOverdraw
				}
				if d.HasArg("set") {
					var set int
					d.ScanArgs(t, "set", &set)
					opening.Set = ledger.AccountSet(set)
				}
				e.Opens = []ledger.Opening{opening}
			} else {
				readEntry(t, d, &e)
			}
			if r := book.Check(&e); r != ledger.Accepted {
				return r.String() + "\n"
			}
			book.Apply(book.Sequence()+1, &e)
			return printBook(book)
		})
	})
}

func readEntry(t *testing.T, d *datadriven.TestData, e *ledger.Entry) {
	for _, arg := range d.CmdArgs {
		if len(arg.Vals) == 0 {
			var l ledger.Leg
			_, err := fmt.Sscanf(arg.Key, "%d:%d", &l.Account, &l.Amount)
			require.NoError(t, err, arg.Key)
			e.Legs = append(e.Legs, l)
			continue
		}
		var n uint64
		_, _ = fmt.Sscan(arg.Vals[0], &n)
		switch arg.Key {
		case "hold":
			_, err := fmt.Sscanf(arg.Vals[0], "%d:%d:%d", &e.Hold.From, &e.Hold.To, &e.Hold.Amount)
			require.NoError(t, err)
			e.Hold.Op = ledger.HoldOpen
		case "post":
			e.Hold.Op, e.Hold.ID = ledger.HoldPost, n
		case "void":
			e.Hold.Op, e.Hold.ID = ledger.HoldVoid, n
		case "expire":
			e.Hold.Op, e.Hold.ID = ledger.HoldExpire, n
		case "freeze":
			e.States = append(e.States, ledger.StateChange{Account: ledger.AccountID(n), State: ledger.AccountFrozen})
		case "thaw":
			e.States = append(e.States, ledger.StateChange{Account: ledger.AccountID(n), State: ledger.AccountOpen})
		case "close":
			e.States = append(e.States, ledger.StateChange{Account: ledger.AccountID(n), State: ledger.AccountClosed})
		default:
			t.Fatalf("unknown argument %s", arg.Key)
		}
	}
}

func printBook(book *ledger.Book) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:", book.Sequence())
	for id := ledger.AccountID(1); book.Known(id); id++ {
		a := book.Account(id)
		fmt.Fprintf(&b, " %d=%d", id, a.Balance)
		if a.Held != 0 {
			fmt.Fprintf(&b, "(held %d)", a.Held)
		}
		b.WriteString([]string{"", " frozen", " closed"}[a.State])
	}
	return b.String() + "\n"
}

// naive is the same book as anybody would write it who does not think of speed: it copies everything, posts, and then looks whether the
// result is allowed.
type naive struct {
	accounts []ledger.Account
	holds    map[uint64]ledger.Hold
	sequence uint64
}

func (n *naive) apply(e *ledger.Entry) (after naive, ok bool) {
	after = naive{slices.Clone(n.accounts), map[uint64]ledger.Hold{}, n.sequence + 1}
	for id, h := range n.holds {
		after.holds[id] = h
	}
	known := func(id ledger.AccountID) bool { return id > 0 && int(id) < len(after.accounts) }
	sum := money.Fen(0)
	touched := map[ledger.AccountID]bool{}
	for _, l := range e.Legs {
		if !known(l.Account) || l.Amount == 0 {
			return after, false
		}
		a := &after.accounts[l.Account]
		if a.State == ledger.AccountClosed || a.State == ledger.AccountFrozen && l.Amount < 0 && (e.Hold.Op != ledger.HoldPost || n.holds[e.Hold.ID].From != l.Account) {
			return after, false
		}
		a.Balance += l.Amount
		sum += l.Amount
		touched[l.Account] = touched[l.Account] || l.Amount < 0
	}
	if sum != 0 || !after.hold(e, known, touched) {
		return after, false
	}
	for id, debited := range touched {
		a := &after.accounts[id]
		if debited && a.Flags&ledger.MustNotOverdraw != 0 && a.Balance < a.Held {
			return after, false
		}
	}
	for _, s := range e.States {
		if !known(s.Account) {
			return after, false
		}
		a := &after.accounts[s.Account]
		if a.State == ledger.AccountClosed || s.State == ledger.AccountClosed && (a.Balance != 0 || a.Held != 0) {
			return after, false
		}
		a.State = s.State
	}
	for _, o := range e.Opens {
		after.accounts = append(after.accounts, ledger.Account{Code: o.Code, Flags: o.Flags})
	}
	return after, true
}

func (n *naive) hold(e *ledger.Entry, known func(ledger.AccountID) bool, touched map[ledger.AccountID]bool) bool {
	h := e.Hold
	if h.Op == ledger.HoldNone {
		return true
	}
	if h.Op == ledger.HoldOpen {
		if !known(h.From) || !known(h.To) || h.Amount <= 0 || n.accounts[h.From].State != ledger.AccountOpen || n.accounts[h.To].State == ledger.AccountClosed {
			return false
		}
		n.accounts[h.From].Held += h.Amount
		n.holds[n.sequence] = ledger.Hold{ID: n.sequence, From: h.From, To: h.To, Amount: h.Amount}
		touched[h.From] = true
		return true
	}
	held, ok := n.holds[h.ID]
	if !ok {
		return false
	}
	delete(n.holds, h.ID)
	n.accounts[held.From].Held -= held.Amount
	if h.Op != ledger.HoldPost {
		return true
	}
	taken := money.Fen(0)
	for _, l := range e.Legs {
		if l.Account == held.From {
			taken -= l.Amount
		}
	}
	return taken > 0 && taken <= held.Amount
}

// drawEntry draws any entry: most fit the books nearly.
func drawEntry(t *rapid.T, n *naive) ledger.Entry {
	account := rapid.Custom(func(t *rapid.T) ledger.AccountID {
		return ledger.AccountID(rapid.IntRange(0, len(n.accounts)).Draw(t, "account"))
	})
	amount := rapid.Custom(func(t *rapid.T) money.Fen { return money.Fen(rapid.IntRange(-20, 20).Draw(t, "amount")) })
	e := ledger.Entry{Time: int64(n.sequence)}
	legs, sum := rapid.IntRange(0, 4).Draw(t, "legs"), money.Fen(0)
	for i := range legs {
		l := ledger.Leg{Account: account.Draw(t, "of"), Amount: amount.Draw(t, "fen")}
		if i == legs-1 && rapid.IntRange(0, 9).Draw(t, "balanced") > 0 {
			l.Amount = -sum
		}
		sum += l.Amount
		e.Legs = append(e.Legs, l)
	}
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0:
		e.Hold = ledger.HoldAction{Op: ledger.HoldOpen, From: account.Draw(t, "from"), To: account.Draw(t, "to"), Amount: amount.Draw(t, "held")}
	case 1, 2:
		e.Hold = ledger.HoldAction{Op: rapid.SampledFrom([]ledger.HoldOp{ledger.HoldPost, ledger.HoldVoid, ledger.HoldExpire}).Draw(t, "op"), ID: rapid.Uint64Range(0, n.sequence+1).Draw(t, "hold")}
		if len(n.holds) > 0 && rapid.Bool().Draw(t, "a known hold") {
			e.Hold.ID = rapid.SampledFrom(sortedKeys(n.holds)).Draw(t, "hold")
		}
	case 3:
		e.States = []ledger.StateChange{{Account: account.Draw(t, "whose"), State: ledger.AccountState(rapid.IntRange(0, 2).Draw(t, "state"))}}
	case 4:
		e.Opens = []ledger.Opening{{Code: 2001, Flags: ledger.AccountFlags(rapid.IntRange(0, 1).Draw(t, "flags"))}}
	}
	return e
}

func sortedKeys(m map[uint64]ledger.Hold) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// TestBookAgainstANaiveModel: whatever entry comes, both accept or both refuse it, and arrive at the same balances; all balances sum to
// zero, and by code to the control accounts; a checkpoint gives the same book back.
func TestBookAgainstANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		book, model := ledger.NewBook(), naive{make([]ledger.Account, 1), map[uint64]ledger.Hold{}, 0}
		first := ledger.Entry{Opens: []ledger.Opening{{Code: 1001}, {Code: 2001, Flags: ledger.MustNotOverdraw}, {Code: 2001, Flags: ledger.MustNotOverdraw}}}
		book.Apply(1, &first)
		model, _ = model.apply(&first)
		for range rapid.IntRange(1, 40).Draw(t, "entries") {
			e := drawEntry(t, &model)
			after, ok := model.apply(&e)
			if got := book.Check(&e); (got == ledger.Accepted) != ok {
				t.Fatalf("the book says %s, the model %v, of %+v", got, ok, e)
			}
			if !ok {
				continue
			}
			book.Apply(book.Sequence()+1, &e)
			model = after
			sameBooks(t, book, &model)
		}
		restored, err := ledger.RestoreBook(storedSections{book.Sequence(), book.Sections(nil)})
		if err != nil {
			t.Fatal(err)
		}
		sameBooks(t, restored, &model)
	})
}

func sameBooks(t *rapid.T, book *ledger.Book, model *naive) {
	if book.Sum() != 0 || book.Holds() != len(model.holds) || int(book.Accounts()) != len(model.accounts)-1 {
		t.Fatalf("sum %d, %d holds of %d, %d accounts of %d", book.Sum(), book.Holds(), len(model.holds), book.Accounts(), len(model.accounts)-1)
	}
	if credits, debits := book.Turnover(); credits != debits {
		t.Fatalf("credits %d, debits %d", credits, debits)
	}
	controls := map[ledger.AccountCode]ledger.ControlTotal{}
	for id := 1; id < len(model.accounts); id++ {
		row := book.Account(ledger.AccountID(id))
		c := controls[row.Code]
		controls[row.Code] = ledger.ControlTotal{Code: row.Code, Accounts: c.Accounts + 1, Balance: c.Balance + row.Balance}
		if got := (ledger.Account{Balance: row.Balance, Held: row.Held, Code: row.Code, State: row.State, Flags: row.Flags, Set: row.Set}); got != model.accounts[id] {
			t.Fatalf("account %d is %+v, in the model %+v", id, got, model.accounts[id])
		}
	}
	for _, got := range book.ControlTotals() {
		if got != controls[got.Code] {
			t.Fatalf("control account %+v, its accounts hold %+v", got, controls[got.Code])
		}
	}
	for id, want := range model.holds {
		if got, ok := book.Hold(id); !ok || got != want {
			t.Fatalf("hold %d is %+v, in the model %+v", id, got, want)
		}
	}
}

// storedSections is a checkpoint in memory.
type storedSections struct {
	sequence uint64
	sections []ledger.Section
}

func (s storedSections) Head() ledger.Head { return ledger.Head{Sequence: s.sequence} }

func (s storedSections) Section(name string, visit func([]byte) error) error {
	for _, section := range s.sections {
		if section.Name != name {
			continue
		}
		for part := range section.Parts {
			if err := visit(section.Encode(nil, part)); err != nil {
				return err
			}
		}
	}
	return nil
}
