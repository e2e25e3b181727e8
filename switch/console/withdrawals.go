package console

import (
	"context"
	"math"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"onecard/switch/transaction"
)

// Withdrawal is how far a withdrawal to a bank account (提现) has come: now, not when the receipt was first given out.
type Withdrawal struct {
	Account   string `json:"account" doc:"银行账户,掩码 / bank account, masked"`
	State     string `json:"state" enum:"sent,unknown,manual,paid,declined,charged,returned"`
	StateZH   string `json:"state_zh"`
	StateEN   string `json:"state_en"`
	Code      string `json:"code,omitempty" doc:"DE 39 of the bank"`
	Reference string `json:"bank_reference,omitempty" doc:"the bank's own number"`
}

func (w *Withdrawal) take(said transaction.WithdrawalSaid) {
	w.State, w.StateZH, w.StateEN = said.State, said.Chinese, said.English
}

// slip prints it on a receipt; a nil one is of another operation.
func (w *Withdrawal) slip(s *slip) {
	if w == nil {
		return
	}
	s.field("银行账户 bank", w.Account)
	s.field("状态 state", w.StateZH+" / "+w.StateEN)
	s.field("应答码 code", w.Code)
	s.field("银行 ref", w.Reference)
}

// withdrawalNow reads what the bank and two persons have said of a withdrawal since it was asked for; nil: it is another operation.
func (c *Console) withdrawalNow(o *transaction.OperationLine) (*Withdrawal, error) {
	if o.Kind != transaction.KindBankWithdrawal {
		return nil, nil
	}
	w := &Withdrawal{Account: transaction.MaskedAccount(o.Bank.Account)}
	said, _ := transaction.WithdrawalWords(o.Kind, transaction.ResponseCode{})
	w.take(said)
	entries, err := c.store.Statement(transaction.StatementLoad, o.Sequence, 0, math.MaxUint64, maxOutcomes, false)
	if err != nil {
		return nil, err
	}
	for _, sequence := range entries {
		e, day, err := c.entry(sequence)
		if err != nil {
			return nil, err
		}
		line, _ := transaction.ReadEntry(sequence, day, &e)
		if said, ok := transaction.WithdrawalWords(e.Kind, line.Code); ok && e.Kind != transaction.KindWithdrawalLate {
			w.take(said)
			w.Reference = transaction.BankReference(line.Bank)
			if w.Code = ""; line.Code != (transaction.ResponseCode{}) {
				w.Code = line.Code.String()
			}
		}
	}
	return w, nil
}

// OpenWithdrawal is a withdrawal that the bank has not settled.
type OpenWithdrawal struct {
	Record  uint64   `json:"record"`
	Number  string   `json:"number"`
	Time    string   `json:"time"`
	Holder  *Subject `json:"holder"`
	Account string   `json:"account" doc:"银行账户,掩码 / bank account, masked"`
	Amount  Yuan     `json:"amount"`
	Held    Yuan     `json:"held" doc:"冻结,含手续费 / on hold, with its fee"`
	State   string   `json:"state" enum:"sent,unknown,manual"`
	StateZH string   `json:"state_zh"`
	StateEN string   `json:"state_en"`
}

type openWithdrawalsAnswer struct {
	Body struct {
		Withdrawals []OpenWithdrawal `json:"withdrawals"`
	}
}

func (c *Console) registerWithdrawals(api huma.API) {
	register(c, api, route{
		id: "bank_withdrawals", method: http.MethodGet, path: "/bank/withdrawals", chinese: "银行未了结的提现", english: "withdrawals that the bank has not settled",
		need: readers, tag: "queries",
	}, func(ctx context.Context, _ person, _ *struct{}, _ *note) (*openWithdrawalsAnswer, error) {
		a := &openWithdrawalsAnswer{}
		a.Body.Withdrawals = []OpenWithdrawal{}
		err := c.core.Look(ctx, func(s *transaction.State) {
			for _, w := range s.WithdrawalsOpen() {
				a.Body.Withdrawals = append(a.Body.Withdrawals, OpenWithdrawal{
					Record: w.Number, Number: transaction.ReferenceOf(w.Number).String(), Time: local(w.Time, c.zone), Holder: subject(s, w.Holder+1),
					Account: transaction.MaskedAccount(w.Account), Amount: Yuan(w.Amount), Held: Yuan(w.Held), State: w.State, StateZH: w.Chinese, StateEN: w.English,
				})
			}
		})
		for i := range a.Body.Withdrawals {
			c.name(a.Body.Withdrawals[i].Holder)
		}
		return a, err
	})
}
