package console

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// HolderView is a person's money as the desk sees it.
type HolderView struct {
	Number    string      `json:"number"`
	Name      string      `json:"name,omitempty"`
	Class     string      `json:"class,omitempty"`
	Spendable Yuan        `json:"spendable" doc:"what he can spend anywhere now"`
	Debt      *Yuan       `json:"debt,omitempty" doc:"what he owes"`
	Purses    []PurseView `json:"purses"`
}

// PurseView is one purse.
type PurseView struct {
	Purse   string `json:"purse"`
	Account uint32 `json:"account"`
	Code    uint16 `json:"code" doc:"chart of accounts"`
	State   string `json:"state" enum:"open,frozen,closed,retained"`
	Balance *Yuan  `json:"balance,omitempty"`
	Held    *Yuan  `json:"held,omitempty" doc:"promised away by open holds"`
	Count   *int64 `json:"count,omitempty" doc:"where the purse holds counts"`
	Expiry  Day    `json:"expiry,omitempty" doc:"last day the money can be used"`
}

type holderAsked struct {
	Number string `path:"number" maxLength:"32" doc:"学号、工号 / the holder's number"`
}

type holderAnswer struct{ Body HolderView }

func (c *Console) registerPeople(api huma.API) {
	register(c, api, route{
		id: "who_am_i", method: http.MethodGet, path: "/me", chinese: "我是谁", english: "who am I", tag: "operators",
	}, c.whoAmI)
	register(c, api, route{
		id: "operators", method: http.MethodGet, path: "/operators", chinese: "操作员", english: "operators", tag: "operators",
		need: transaction.RoleAdministrator | transaction.RoleApprover | transaction.RoleReader,
	}, c.listOperators)
	register(c, api, route{
		id: "holder", method: http.MethodGet, path: "/holders/{number}", chinese: "持卡人的钱包", english: "a holder's purses", need: readers, tag: "queries",
	}, c.showHolder)
	register(c, api, route{
		id: "catalogue", method: http.MethodGet, path: "/catalogue", chinese: "业务目录", english: "the catalogue of operations", tag: "operations",
	}, c.showCatalogue)
}

// Me is the operator whom a token belongs to.
type Me struct {
	Operator string   `json:"operator"`
	Roles    []string `json:"roles"`
	Address  string   `json:"address" doc:"from where, as the switch sees it"`
}

type meAnswer struct{ Body Me }

func (c *Console) whoAmI(_ context.Context, who person, _ *struct{}, _ *note) (*meAnswer, error) {
	return &meAnswer{Me{who.code, roleNames(who.roles), who.address}}, nil
}

// OperatorView is a registered operator.
type OperatorView struct {
	Operator  string   `json:"operator"`
	Roles     []string `json:"roles"`
	Suspended bool     `json:"suspended"`
}

type operatorsAnswer struct {
	Body struct {
		Operators []OperatorView `json:"operators"`
	}
}

func (c *Console) listOperators(ctx context.Context, _ person, _ *struct{}, _ *note) (*operatorsAnswer, error) {
	a := &operatorsAnswer{}
	a.Body.Operators = []OperatorView{}
	return a, c.core.Look(ctx, func(s *transaction.State) {
		for _, o := range s.Operators() {
			a.Body.Operators = append(a.Body.Operators, OperatorView{o.Code, roleNames(o.Roles), o.Suspended})
		}
	})
}

var accountStates = [...]string{ledger.AccountOpen: "open", ledger.AccountFrozen: "frozen", ledger.AccountClosed: "closed", ledger.AccountRetained: "retained"}

func (c *Console) showHolder(ctx context.Context, _ person, in *holderAsked, n *note) (*holderAnswer, error) {
	n.subject = "holder " + in.Number
	a := &holderAnswer{}
	known := false
	if err := c.core.Look(ctx, func(s *transaction.State) {
		var row uint32
		if row, known = s.HolderByNumber(in.Number); known {
			a.Body = holderView(s, row, c.today())
		}
	}); err != nil {
		return nil, err
	}
	if !known {
		return nil, problem(http.StatusNotFound, "holder_known", "持卡人 "+in.Number+" 未登记,请核对学号/工号", "holder "+in.Number+" is not registered: check the number").at("path.number", in.Number)
	}
	a.Body.Name = c.names("holder", a.Body.Number)
	return a, nil
}

// holderView copies what the desk shows. Owner.
func holderView(s *transaction.State, row, today uint32) HolderView {
	h := s.Holder(row)
	v := HolderView{Number: s.HolderNumber(row), Spendable: Yuan(s.Spendable(h, today)), Class: s.ClassCode(h.Class)}
	for _, p := range s.Purses(h) {
		view := PurseView{Purse: p.Name, Account: uint32(p.Account), Code: uint16(p.Code), State: accountStates[p.State], Expiry: Day(p.ExpiryDay)}
		balance, held := Yuan(p.Balance), Yuan(p.Held)
		switch {
		case p.Code == ledger.CodeHolderDebt:
			owed := -balance
			v.Debt = &owed
			continue
		case p.Set == transaction.CountSet:
			count := int64(p.Balance)
			view.Count = &count
		default:
			view.Balance = &balance
			if held != 0 {
				view.Held = &held
			}
		}
		v.Purses = append(v.Purses, view)
	}
	return v
}

// CatalogueView is one kind of operation.
type CatalogueView struct {
	Kind       string   `json:"kind"`
	Chinese    string   `json:"chinese"`
	English    string   `json:"english"`
	Roles      []string `json:"roles" doc:"one of these may ask"`
	TwoPersons bool     `json:"two_persons" doc:"a second person with the role approver decides"`
	Needs      []string `json:"needs" doc:"fields that must be given"`
	May        []string `json:"may" doc:"fields that may be given"`
	Path       string   `json:"path"`
}

type catalogueAnswer struct {
	Body struct {
		Operations []CatalogueView `json:"operations"`
	}
}

func (c *Console) showCatalogue(context.Context, person, *struct{}, *note) (*catalogueAnswer, error) {
	a := &catalogueAnswer{}
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		needs, may := FieldsOf(&row)
		a.Body.Operations = append(a.Body.Operations, CatalogueView{row.Label, row.Chinese, row.English, roleNames(row.Roles), row.TwoPersons, needs, may, Base + "/operations/" + row.Label})
	})
	return a, nil
}
