package daemon

import (
	"time"

	"onecard/bankgw"
	"onecard/switch/console"
	"onecard/switch/transaction"
)

// bankDesk shows the banks at the desk and takes orders about their links and keys (console.Banks).
type bankDesk struct{ server *server }

// List implements console.Banks.
func (d bankDesk) List() (views []console.BankView) {
	d.server.eachBank(func(_ string, bank *bankgw.Gateway) { views = append(views, bankView(bank.Status())) })
	return views
}

// Show implements console.Banks.
func (d bankDesk) Show(bank string) (console.BankView, error) {
	g, err := d.server.gateway(bank)
	if err != nil {
		return console.BankView{}, err
	}
	return bankView(g.Status()), nil
}

// ChangeKey implements console.Banks.
func (d bankDesk) ChangeKey(bank string) error {
	return d.order(bank, "bank_key", (*bankgw.Gateway).ChangeKey)
}

// Drain implements console.Banks.
func (d bankDesk) Drain(bank string, link int) error {
	return d.order(bank, "bank_link", func(g *bankgw.Gateway) error { return g.Drain(link) })
}

// Resume implements console.Banks.
func (d bankDesk) Resume(bank string, link int) error {
	return d.order(bank, "bank_link", func(g *bankgw.Gateway) error { return g.Resume(link) })
}

// order gives a bank's gateway an order; what it refuses is a refusal of the desk's.
func (d bankDesk) order(bank, rule string, order func(*bankgw.Gateway) error) error {
	g, err := d.server.gateway(bank)
	if err != nil {
		return err
	}
	if err := order(g); err != nil {
		chinese, english := bankgw.Languages(err)
		return refuseBank("bank", rule, chinese, english)
	}
	return nil
}

// gateway finds a bank.
func (s *server) gateway(name string) (found *bankgw.Gateway, err error) {
	s.eachBank(func(bank string, g *bankgw.Gateway) {
		if bank == name {
			found = g
		}
	})
	if found == nil {
		return nil, noSuchBank(name)
	}
	return found, nil
}

func noSuchBank(name string) *transaction.Refused {
	return &transaction.Refused{Field: "bank", Rule: "bank_known", Chinese: "没有配置银行 " + name, English: "there is no bank " + name + " in the configuration"}
}

func bankView(s bankgw.Status) console.BankView {
	v := console.BankView{
		Bank: s.Name, Links: []console.BankLinkView{}, InFlight: s.LoadsInFlight, Reversals: s.ReversalsQueued, CutOverUntil: momentOf(s.CutOverUntil),
		Key: console.BankKeyView{
			CheckValue: s.Keys.CheckValue, Since: momentOf(s.Keys.Since), Waiting: !s.Keys.WaitingUntil.IsZero(), ByLink: s.Keys.ChangesByLink, LastRefusal: s.Keys.LastRefusal,
		},
	}
	if !time.Now().Before(s.CutOverUntil) {
		v.CutOverUntil = ""
	}
	for i, l := range s.Links {
		v.Links = append(v.Links, console.BankLinkView{Link: i, Address: l.Address, State: l.State.String(), InFlight: l.InFlight, Draining: l.Draining, LastError: l.LastError})
	}
	return v
}

// momentOf writes a moment; "" when there is none.
func momentOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
