package bankgw_test

import (
	"onecard/bankgw"
	"onecard/switch/transaction"
)

// wrongdoing is a mistake that a switch could make, put between the core and the gateway, or into what they rest on. The proof must find
// every one of them; the first one in wrongdoings is none.
type wrongdoing struct {
	name      string
	found     string // a word of what the proof says
	forgets   bool   // found with a bank that forgets reversals which find nothing
	atOnce    bool   // found in a state, not only in what becomes of it
	after     []move // the search begins behind these, to be quick
	configure func(*bankgw.Config)
	// ordered stands between the core and the gateway, told between the gateway and the core; nil passes on.
	ordered func(w *smallWorld, o transaction.LoadOrder, reverse bool) (drop bool)
	told    func(w *smallWorld, r *transaction.Request) (drop bool)
}

func (m *wrongdoing) outcome(w *smallWorld, r transaction.Request, submit func(transaction.Request) error) error {
	if m.told != nil && m.told(w, &r) {
		return nil
	}
	return submit(r)
}

// wrongBank is transaction.Bank with the wrongdoing in it.
type wrongBank struct{ w *smallWorld }

func (b *wrongBank) Load(o transaction.LoadOrder) {
	b.w.order = o
	if m := b.w.wrong; m.ordered == nil || !m.ordered(b.w, o, false) {
		b.w.life.gateway.Load(o)
	}
}

func (b *wrongBank) Reverse(o transaction.LoadOrder) {
	if m := b.w.wrong; m.ordered == nil || !m.ordered(b.w, o, true) {
		b.w.life.gateway.Reverse(o)
	}
}

func (b *wrongBank) Withdraw(o transaction.LoadOrder) {
	b.w.order = o
	if m := b.w.wrong; m.ordered == nil || !m.ordered(b.w, o, false) {
		b.w.life.gateway.Withdraw(o)
	}
}

var wrongdoings = []wrongdoing{
	{
		name: "a reversal is forgotten in a restart", found: "in the end",
		ordered: func(_ *smallWorld, o transaction.LoadOrder, reverse bool) bool { return reverse && o.Repeat },
	},
	{
		name: "a time-out is taken for a refusal", found: "in the end",
		told: func(_ *smallWorld, r *transaction.Request) bool {
			if r.Kind == transaction.KindLoadUnknown {
				r.Kind = transaction.KindLoadDeclined
			}
			return false
		},
	},
	{
		name: "a late approval credits: the reversal goes out before it is on disk", found: "credited", atOnce: true, after: []move{{action: "load"}, {action: "bank approves"}},
		told: func(w *smallWorld, r *transaction.Request) bool {
			switch {
			case r.Kind == transaction.KindLoadUnknown:
				w.life.gateway.Reverse(w.order)
				return true
			case r.Kind == transaction.KindLoadLate && r.BankCode == transaction.Approved:
				r.Kind = transaction.KindLoadConfirmed
			}
			return false
		},
	},
	{
		name: "every answer to a load is taken for an approval", found: "credited",
		told: func(_ *smallWorld, r *transaction.Request) bool {
			if r.Kind == transaction.KindLoadDeclined {
				r.Kind = transaction.KindLoadConfirmed
			}
			return false
		},
	},
	{
		name: "any answer ends a reversal", found: "in the end",
		told: func(w *smallWorld, r *transaction.Request) bool {
			if r.Kind == transaction.KindLoadUnknown { // as soon as it is asked for, it is taken for done
				done := *r
				done.Kind = transaction.KindLoadReversed
				defer func() { _ = w.life.engine.Submit(done) }()
				_ = w.life.engine.Submit(*r)
				return true
			}
			return false
		},
		ordered: func(_ *smallWorld, _ transaction.LoadOrder, reverse bool) bool { return reverse },
	},
	{
		name: "not found is believed while the original is under way", found: "in the end", forgets: true, after: []move{{action: "load"}, {action: "time"}},
		configure: func(c *bankgw.Config) { c.NotFoundAfter = 0 },
	},
	{
		name: "the terminal's own reversal is not passed on", found: "in the end",
		ordered: func(_ *smallWorld, o transaction.LoadOrder, reverse bool) bool { return reverse && !o.Repeat },
	},
}
