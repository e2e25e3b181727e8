package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"onecard/switch/transaction"
)

// What a holder's signed account has (查询余额, wire handbook 5.2) is the bank's business and the holder's: it is asked for when he stands at the desk,
// shown, and kept nowhere: not in the ledger, not in the audit log. The log has who asked about whom.

type bankBalanceAsked struct {
	Body struct {
		Holder string `json:"holder" maxLength:"32" doc:"持卡人学号、工号 / the holder's number"`
	}
}

// BankBalance is what the bank says that an account has.
type BankBalance struct {
	Account string `json:"account" doc:"签约账户,掩码 / the signed account, masked"`
	Balance Yuan   `json:"balance" doc:"可用余额,不留存 / what is available; it is not kept"`
}

type bankBalanceAnswer struct{ Body BankBalance }

func (c *Console) registerBankBalance(api huma.API) {
	register(c, api, route{
		id: "bank_balance", method: http.MethodPost, path: "/bank/balance", chinese: "向银行查询签约账户余额", english: "ask the bank what a holder's signed account has",
		need: transaction.RoleCards | transaction.RoleCashier | transaction.RoleAccountant, tag: "operations",
	}, func(ctx context.Context, _ person, in *bankBalanceAsked, n *note) (*bankBalanceAnswer, error) {
		n.subject, n.outcome = "holder "+in.Body.Holder, "done"
		return c.bankBalance(ctx, in.Body.Holder)
	})
}

func (c *Console) bankBalance(ctx context.Context, holder string) (*bankBalanceAnswer, error) {
	account, known := uint64(0), false
	if err := c.core.Look(ctx, func(s *transaction.State) {
		var row uint32
		if row, known = s.HolderByNumber(holder); known {
			account = s.Holder(row).BankAccount
		}
	}); err != nil {
		return nil, err
	}
	switch {
	case !known:
		return nil, problem(http.StatusUnprocessableEntity, "holder_known", "持卡人未登记,请核对学号/工号", "the holder is not registered: check the number").at("body.holder", holder)
	case account == 0:
		return nil, problem(http.StatusUnprocessableEntity, "signed_not", "持卡人未签约银行卡,请先签约", "the holder has not signed with the bank: sign first").at("body.holder", holder)
	case c.bank == nil:
		return nil, problem(http.StatusServiceUnavailable, "bank_none", "本站点未接入银行,不能查询", "this site has no bank: there is nobody to ask")
	}
	said, err := c.bank.Ask(ctx, BankAsk{Act: BankHas, Account: account})
	switch {
	case errors.Is(err, ErrNoBank):
		return nil, problem(http.StatusServiceUnavailable, "bank_unreachable", "没有可用的银行链路,未查询;链路恢复后再查", "no link to the bank, nothing was asked: ask again when the link is back")
	case errors.Is(err, ErrBankSilent), err != nil && ctx.Err() != nil:
		return nil, problem(http.StatusGatewayTimeout, "bank_silent", "银行未答复,余额未知;请稍后再查", "the bank did not answer: ask again later")
	case err != nil:
		return nil, err
	case !said.Agreed:
		return nil, problem(http.StatusUnprocessableEntity, "bank_refused", fmt.Sprintf("银行拒绝(%s):%s", said.Code, said.Chinese), fmt.Sprintf("the bank refused (%s): %s", said.Code, said.English))
	case said.Balance == nil:
		return nil, problem(http.StatusBadGateway, "bank_balance_told", "银行的应答中没有余额", "the bank's answer has no balance in it")
	}
	return &bankBalanceAnswer{BankBalance{transaction.MaskedAccount(account), Yuan(*said.Balance)}}, nil
}
