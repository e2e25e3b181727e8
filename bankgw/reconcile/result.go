package reconcile

import (
	"slices"

	"onecard/ledger/money"
)

// Tally is how many loads are of a case, and what both sides have of them.
type Tally struct {
	Case  Case      `json:"case"`
	Count int       `json:"count"`
	Ours  money.Fen `json:"ours_fen"`
	Bank  money.Fen `json:"bank_fen"`
}

// Equation is the check of a day (domain handbook 3.8), with what the bank has kept less what it has paid as its total, and with what we have
// credited less what we have taken as ours:
//
//	bank total − our total = Σ(bank only) − Σ(campus only) − Σ(paid only) + Σ(taken only) + Σ(amount difference) ± cut-off items
//
// The first two are of loads, the next two the same of withdrawals: paid by the bank and not taken from the purse, and the other way round.
// The left side is added up from the file's lines and from our list; the right side from the exceptions. What was reversed on one side only
// stands where its money is: with the bank only or with the campus only. Cut-off items are those that were put off today, and all that today
// has changed about items of earlier days.
type Equation struct {
	Bank        money.Fen `json:"bank_fen"`
	Ours        money.Fen `json:"ours_fen"`
	Difference  money.Fen `json:"difference_fen"`
	BankOnly    money.Fen `json:"bank_only_fen"`
	CampusOnly  money.Fen `json:"campus_only_fen"`        // subtracted
	PaidOnly    money.Fen `json:"paid_only_fen,omitzero"` // subtracted
	TakenOnly   money.Fen `json:"taken_only_fen,omitzero"`
	Amounts     money.Fen `json:"amount_differences_fen"`
	CutOff      money.Fen `json:"cut_off_fen"`
	Unexplained money.Fen `json:"unexplained_fen"` // must be nothing

	// What was open before and is open now. Opening plus Difference is Closing, or something is unexplained.
	Opening money.Fen `json:"opening_fen"`
	Closing money.Fen `json:"closing_fen"`
}

// Balanced says whether all is explained.
func (e *Equation) Balanced() bool {
	return e.Unexplained == 0 && e.Opening+e.Difference-e.Unexplained == e.Closing
}

// Bucket of open items by age, in days since they were first seen.
type Bucket struct {
	From  int   `json:"from_days"`
	To    int   `json:"to_days"` // -1: any age
	Long  Count `json:"long"`    // the bank has more
	Short Count `json:"short"`   // we have more
}

// bucketEnds are the last days of all buckets but the last.
var bucketEnds = []int{0, 1, 3, 7, 30}

// Result of a run.
type Result struct {
	File      Identity `json:"file"`
	Name      string   `json:"name"`
	School    string   `json:"school"`
	Loads     Count    `json:"loads"` // of the bank
	Reversals Count    `json:"reversals"`

	Withdrawals Count `json:"withdrawals,omitzero"`

	Tally    []Tally  `json:"tally"` // by case, those that occurred
	Equation Equation `json:"equation"`
	Ageing   []Bucket `json:"ageing"`
	Items    []Item   `json:"items"` // by case and sequence

	overflow bool // a sum did not fit
}

func newResult(f *File) *Result {
	r := &Result{
		File: f.Identity, Name: f.Name, School: f.School, Loads: f.Loads, Reversals: f.Reversals, Withdrawals: f.Withdrawals,
		Tally: make([]Tally, caseCount), Items: []Item{},
	}
	for from, i := 0, 0; i <= len(bucketEnds); i++ {
		if i == len(bucketEnds) {
			r.Ageing = append(r.Ageing, Bucket{From: from, To: -1})
			break
		}
		r.Ageing = append(r.Ageing, Bucket{From: from, To: bucketEnds[i]})
		from = bucketEnds[i] + 1
	}
	return r
}

// Open are the items that the next day's run must be given.
func (r *Result) Open() []Item {
	var open []Item
	for _, i := range r.Items {
		if i.Open {
			open = append(open, i)
		}
	}
	return open
}

// add sums, and remembers a sum that does not fit.
func (r *Result) add(to *money.Fen, amount money.Fen) {
	sum, err := to.Add(amount)
	if err != nil {
		r.overflow = true
		return
	}
	*to = sum
}

// take puts one load where it belongs.
func (r *Result) take(m *meeting) {
	v := m.judge()
	t := &r.Tally[v.what]
	t.Case = v.what
	t.Count++
	r.add(&t.Ours, sign(m.withdrawal)*m.ours)
	r.add(&t.Bank, sign(m.withdrawal)*m.bank)
	if v.what == CaseEqual || v.what == CaseNothing {
		return
	}
	i := m.item(v)
	r.Items = append(r.Items, i)
	r.explain(&i, m.carried != nil)
	if i.Open {
		r.age(&i)
	}
}

// explain adds an item to the right side of the equation.
func (r *Result) explain(i *Item, carried bool) {
	e, change := &r.Equation, sign(i.Withdrawal)*i.Change
	r.add(&e.Closing, sign(i.Withdrawal)*i.Difference)
	switch {
	case carried || i.Case == CaseDateCut:
		r.add(&e.CutOff, change)
	case i.Case == CaseAmountDiffers:
		r.add(&e.Amounts, change)
	case i.Withdrawal && i.Change > 0:
		r.add(&e.PaidOnly, i.Change)
	case i.Withdrawal:
		r.add(&e.TakenOnly, -i.Change)
	case i.Change > 0:
		r.add(&e.BankOnly, change)
	default:
		r.add(&e.CampusOnly, -change)
	}
}

func (r *Result) age(i *Item) {
	at, _ := slices.BinarySearch(bucketEnds, i.Age)
	b := &r.Ageing[at]
	switch difference := sign(i.Withdrawal) * i.Difference; {
	case difference > 0:
		b.Long.Count++
		r.add(&b.Long.Sum, difference)
	case difference < 0:
		b.Short.Count++
		r.add(&b.Short.Sum, -difference)
	}
}

// balance holds the two totals against what the items explain.
func (r *Result) balance(in *Input, entries []Entry, carried []Item) {
	r.Tally = slices.DeleteFunc(r.Tally, func(t Tally) bool { return t.Count == 0 })
	e := &r.Equation
	e.Bank = in.File.Loads.Sum - in.File.Reversals.Sum - in.File.Withdrawals.Sum // each at most LinesMax times AmountMax
	if in.Ledger != nil {
		e.Ours = *in.Ledger
	} else {
		r.addUp(&e.Ours, in.File.Day, entries, carried)
	}
	for i := range carried {
		r.add(&e.Opening, sign(carried[i].Withdrawal)*carried[i].Difference)
	}
	r.add(&e.Difference, e.Bank)
	r.add(&e.Difference, -e.Ours)
	e.Unexplained = e.Difference
	for _, part := range []money.Fen{-e.BankOnly, e.CampusOnly, e.PaidOnly, -e.TakenOnly, -e.Amounts, -e.CutOff} {
		r.add(&e.Unexplained, part)
	}
}

// addUp is our total of the day: what its loads have credited, and by how much it has changed the credit of earlier ones. It does not look at
// the join: an entry that the join had missed would be in here.
func (r *Result) addUp(total *money.Fen, day Day, entries []Entry, carried []Item) {
	for i := range entries {
		entry := &entries[i]
		turned := sign(entry.Withdrawal)
		r.add(total, turned*entry.credited())
		at, open := slices.BinarySearchFunc(carried, entry.Sequence, func(c Item, sequence uint64) int {
			switch {
			case c.Sequence < sequence:
				return -1
			case c.Sequence > sequence:
				return 1
			}
			return 0
		})
		switch {
		case open:
			r.add(total, -turned*carried[at].Ours)
		case entry.Withdrawal:
			r.add(total, -turned*entry.Before)
		case entry.Day < day && entry.State.takenBack():
			r.add(total, -turned*entry.Amount)
		}
	}
}
