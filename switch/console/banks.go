package console

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"onecard/switch/transaction"
)

// Banks are the links to the banks. What they cannot do comes back as *transaction.Refused.
type Banks interface {
	List() []BankView
	Show(bank string) (BankView, error)
	// ChangeKey asks the bank for a new MAC key; Show says what comes of it.
	ChangeKey(bank string) error
	// Drain takes a link out of work, for maintenance: what is in flight is waited for. Resume puts it back. Links count from 0.
	Drain(bank string, link int) error
	Resume(bank string, link int) error
}

// BankView is a bank as it stands.
type BankView struct {
	Bank         string         `json:"bank"`
	Links        []BankLinkView `json:"links"`
	InFlight     int            `json:"in_flight" doc:"在途圈存 / loads that wait for the bank"`
	Reversals    int            `json:"reversals" doc:"未答冲正 / reversals that the bank has not answered"`
	CutOverUntil string         `json:"cut_over_until,omitempty" doc:"银行日切,其间圈存答 90 / the bank turns its day: loads are answered 90"`
	Key          BankKeyView    `json:"key"`
}

// BankLinkView is one link.
type BankLinkView struct {
	Link      int    `json:"link"`
	Address   string `json:"address"`
	State     string `json:"state" enum:"down,connecting,signing_on,up,signing_off"`
	InFlight  int    `json:"in_flight"`
	Draining  bool   `json:"draining" doc:"操作员已停用 / an operator has taken it out of work"`
	LastError string `json:"last_error,omitempty"`
}

// BankKeyView is the MAC key of the links.
type BankKeyView struct {
	CheckValue  string `json:"check_value"`
	Since       string `json:"since,omitempty" doc:"空:人工给出 / empty: it was given by hand"`
	Waiting     bool   `json:"waiting" doc:"已申请,等银行下发 / asked for, not yet here"`
	ByLink      bool   `json:"by_link" doc:"可在链路上更换 / it can be changed over the link"`
	LastRefusal string `json:"last_refusal,omitempty" doc:"上次更换未成的原因 / why the last change did not come about"`
}

// BankLinkNamed is a link of a bank.
type BankLinkNamed struct {
	BankNamed
	Link int `path:"link" minimum:"0" maximum:"15" doc:"链路,从 0 起 / link, counted from 0"`
}

type (
	bankKeyAsked struct {
		Idempotency
		BankNamed
	}
	bankLinkAsked struct {
		Idempotency
		BankLinkNamed
	}
	bankAnswer  struct{ Body BankView }
	banksAnswer struct {
		Body struct {
			Banks []BankView `json:"banks"`
		}
	}
)

func (c *Console) registerBanks(api huma.API) {
	register(c, api, route{
		id: "banks", method: http.MethodGet, path: "/banks", chinese: "银行与链路", english: "banks and their links", need: readers, tag: "banks",
	}, func(context.Context, person, *struct{}, *note) (*banksAnswer, error) {
		a := &banksAnswer{}
		a.Body.Banks = []BankView{}
		if c.banks != nil {
			a.Body.Banks = append(a.Body.Banks, c.banks.List()...)
		}
		return a, nil
	})
	register(c, api, route{
		id: "bank_key", method: http.MethodPost, path: "/banks/{bank}/key", chinese: "申请新的 MAC 密钥", english: "ask the bank for a new MAC key",
		need: transaction.RoleAccountant, tag: "banks",
	}, func(_ context.Context, _ person, in *bankKeyAsked, n *note) (*bankAnswer, error) {
		n.subject = "bank " + in.Bank
		return c.orderBank(in.Bank, n, func(b Banks) error { return b.ChangeKey(in.Bank) })
	})
	register(c, api, route{
		id: "bank_drain", method: http.MethodPost, path: "/banks/{bank}/links/{link}/drain", chinese: "停用一条链路", english: "take a link out of work",
		need: transaction.RoleAccountant, tag: "banks",
	}, func(_ context.Context, _ person, in *bankLinkAsked, n *note) (*bankAnswer, error) {
		n.subject = fmt.Sprintf("bank %s link %d", in.Bank, in.Link)
		return c.orderBank(in.Bank, n, func(b Banks) error { return b.Drain(in.Bank, in.Link) })
	})
	register(c, api, route{
		id: "bank_resume", method: http.MethodPost, path: "/banks/{bank}/links/{link}/resume", chinese: "恢复一条链路", english: "put a link back to work",
		need: transaction.RoleAccountant, tag: "banks",
	}, func(_ context.Context, _ person, in *bankLinkAsked, n *note) (*bankAnswer, error) {
		n.subject = fmt.Sprintf("bank %s link %d", in.Bank, in.Link)
		return c.orderBank(in.Bank, n, func(b Banks) error { return b.Resume(in.Bank, in.Link) })
	})
}

// orderBank gives an order about a bank and shows how it stands. The order is carried out after the answer.
func (c *Console) orderBank(bank string, n *note, order func(Banks) error) (*bankAnswer, error) {
	if c.banks == nil {
		return nil, noBanks()
	}
	if err := order(c.banks); err != nil {
		return nil, err
	}
	n.outcome = "done"
	view, err := c.banks.Show(bank)
	return &bankAnswer{view}, err
}
