package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// An agreement with the bank is first the bank's: it is asked, and what it has agreed to is posted with its reference. Names and identity numbers
// go to the bank and nowhere else: not into the ledger, not into the audit log, not into an error.

// Bank is asked about agreements. Its errors are ErrNoBank and ErrBankSilent, or the context's.
type Bank interface {
	Ask(ctx context.Context, ask BankAsk) (BankSaid, error)
}

// BankAct is what the bank is asked.
type BankAct uint8

const (
	BankBind    BankAct = iota // 签约
	BankRelease                // 解约
	BankVerify                 // 验证: nothing changes
	BankHas                    // 查询余额: nothing changes
)

// BankAsk is one question.
type BankAsk struct {
	Act            BankAct
	Account        uint64
	Holder         string // his number
	Name, IDNumber string // as the bank knows him; a release may come without
}

// BankSaid is its answer.
type BankSaid struct {
	Agreed           bool
	Unknown          bool   // there is no such agreement: what is to be released is gone already
	Code             string // DE 39
	Chinese, English string // the code in words
	Reference        string
	Signed           string // of a verification: "Y" signed with this holder, "N" not, "" the bank does not say

	Balance *money.Fen // of a balance enquiry; nil: the bank has not told it
}

// What the bank has not said.
var (
	ErrNoBank     = errors.New("no link to the bank")
	ErrBankSilent = errors.New("the bank did not answer")
)

// asksBank says whether the bank must agree to a kind.
func asksBank(kind transaction.Kind) bool {
	return transaction.IsAgreement(kind) && kind != transaction.KindAutomaticLoad
}

// automaticFits refuses automatic loads of an account whose bank does not take them: they would be signed for and never come.
func (c *Console) automaticFits(ctx context.Context, o *transaction.Operation) error {
	if c.takesAutomatic == nil || o.Threshold == nil || *o.Threshold == 0 {
		return nil
	}
	account := accountOf(o.Account)
	if o.Kind == transaction.KindAutomaticLoad {
		if err := c.core.Look(ctx, func(s *transaction.State) {
			if row, known := s.HolderByNumber(o.Holder); known {
				account = s.Holder(row).BankAccount
			}
		}); err != nil {
			return err
		}
	}
	if account == 0 || c.takesAutomatic(account) {
		return nil // without an account the ledger refuses
	}
	return problem(http.StatusUnprocessableEntity, "bank_automatic", "该账户的银行不支持自动圈存,不能设置", "the bank of this account does not take automatic loads").at("body.threshold", o.Threshold.String())
}

// agreed has the bank agree to an operation on an agreement, and puts its reference in. It asks nothing that the ledger would refuse, nor what
// was posted under the same key before.
func (c *Console) agreed(ctx context.Context, o *transaction.Operation, b *operationBody) error {
	if !asksBank(o.Kind) {
		return nil
	}
	if known, err := c.core.Possible(ctx, o, c.clock()); err != nil || known {
		return err
	}
	ask := BankAsk{Act: BankBind, Account: accountOf(o.Account), Holder: o.Holder, Name: b.Name, IDNumber: b.IDNumber}
	switch o.Kind {
	case transaction.KindBankUnsigned:
		ask.Act = BankRelease
	case transaction.KindBankChanged:
		ask.Account = accountOf(o.OtherAccount)
	}
	said, err := c.askBank(ctx, ask)
	if err != nil {
		return err
	}
	o.BankReference = said.Reference
	if o.BankReference == "" {
		o.BankReference = "00"
	}
	return nil
}

// askBank asks and turns every answer but yes into a Problem.
func (c *Console) askBank(ctx context.Context, ask BankAsk) (BankSaid, error) {
	if c.bank == nil {
		return BankSaid{}, problem(http.StatusServiceUnavailable, "bank_none", "本站点未接入银行,不能办理签约", "this site has no bank: agreements cannot be made")
	}
	said, err := c.bank.Ask(ctx, ask)
	switch {
	case errors.Is(err, ErrNoBank):
		return said, bankUnreachable()
	case errors.Is(err, ErrBankSilent), err != nil && ctx.Err() != nil:
		return said, problem(http.StatusGatewayTimeout, "bank_silent", "银行未答复,未登记。先用 bank-verify 查询银行是否已签约,再以同一 Idempotency-Key 重发:银行已办的不会重复",
			"the bank did not answer and nothing was registered: ask it with bank-verify, then send this again with the same Idempotency-Key; what the bank has done it does not do twice")
	case err != nil:
		return said, err
	case said.Agreed, said.Unknown && ask.Act == BankRelease:
		return said, nil
	}
	return said, problem(http.StatusUnprocessableEntity, "bank_refused", fmt.Sprintf("银行拒绝(%s):%s", said.Code, said.Chinese), fmt.Sprintf("the bank refused (%s): %s", said.Code, said.English))
}

func bankUnreachable() *Problem {
	return problem(http.StatusServiceUnavailable, "bank_unreachable", "没有可用的银行链路,未办理;链路恢复后以同一 Idempotency-Key 重发",
		"no link to the bank, nothing was done: send it again with the same Idempotency-Key when the link is back")
}

// settleBank does what is left at the bank after an operation was posted, or was not. A card that was changed is released; an account that the
// bank has bound and the ledger would not, because somebody was faster, is released too. Neither holds up the answer to the operator for long,
// and a release that fails is told: the same request sent again tries it again.
func (c *Console) settleBank(ctx context.Context, o *transaction.Operation, b *operationBody, posting error) error {
	var refused *transaction.Refused
	if posting != nil && !errors.As(posting, &refused) {
		return nil // it may have been posted: nothing is taken back
	}
	agreedInVain := refused != nil && o.BankReference != ""
	ask := BankAsk{Act: BankRelease, Holder: o.Holder, Name: b.Name, IDNumber: b.IDNumber}
	switch {
	case o.Kind == transaction.KindBankChanged && posting == nil:
		ask.Account = accountOf(o.Account)
	case o.Kind == transaction.KindBankChanged && agreedInVain:
		ask.Account = accountOf(o.OtherAccount)
	case o.Kind == transaction.KindBankSigned && agreedInVain:
		ask.Account = accountOf(o.Account)
	default:
		return nil
	}
	_, err := c.askBank(ctx, ask)
	return err
}

func accountOf(account string) uint64 {
	n, _ := strconv.ParseUint(account, 10, 64) // the schema let digits through alone
	return n
}

type verificationAsked struct {
	Body struct {
		Holder   string `json:"holder" maxLength:"32" doc:"持卡人学号、工号 / the holder's number"`
		Name     string `json:"name" minLength:"1" maxLength:"30" doc:"姓名,只发往银行,不留存 / name, for the bank alone, not kept"`
		IDNumber string `json:"id_number" pattern:"^[0-9A-Za-z()-]{1,20}$" patternDescription:"1 to 20 letters and digits" doc:"证件号,只发往银行,不留存 / identity number, for the bank alone, not kept"`
		Account  string `json:"account" pattern:"^[1-9][0-9]{7,18}$" patternDescription:"8 to 19 digits" doc:"银行账号 / bank account"`
	}
}

// Verification is what the bank says about a holder and an account.
type Verification struct {
	Agreed   bool   `json:"agreed" doc:"name and identity number are the account's"`
	Code     string `json:"code" doc:"DE 39 of the bank"`
	DetailZH string `json:"detail_zh"`
	Detail   string `json:"detail"`
	Signed   string `json:"signed,omitempty" enum:"Y,N" doc:"whether the bank has an agreement with this holder; left out when it does not say"`
	Bound    bool   `json:"bound" doc:"whether the ledger has the account bound to this holder"`
}

type verificationAnswer struct{ Body Verification }

func (c *Console) registerBank(api huma.API) {
	register(c, api, route{
		id: "bank_verify", method: http.MethodPost, path: "/bank/verify", chinese: "向银行验证持卡人", english: "ask the bank whether an account is a holder's",
		need: transaction.RoleCards | transaction.RoleCashier, tag: "operations",
	}, func(ctx context.Context, _ person, in *verificationAsked, n *note) (*verificationAnswer, error) {
		n.subject = "holder " + in.Body.Holder
		return c.verifyAtBank(ctx, in)
	})
}

// AutomaticLoads is what a look for automatic loads has asked of the bank.
type AutomaticLoads struct {
	Asked int `json:"asked"`
}

type automaticAnswer struct{ Body AutomaticLoads }

// registerNight makes the path by which a missed night is made up for. It needs no name of its own: who has had his load of the day is passed over.
func (c *Console) registerNight(api huma.API) {
	register(c, api, route{
		id: "bank_automatic_loads", method: http.MethodPost, path: "/bank/automatic-loads", chinese: "立即查找并发起自动圈存", english: "look for automatic loads now",
		need: transaction.RoleAccountant, tag: "operations",
	}, func(ctx context.Context, _ person, _ *struct{}, n *note) (*automaticAnswer, error) {
		asked, err := c.loadAutomatically(ctx)
		n.outcome = "done"
		if errors.Is(err, ErrNoBank) {
			return nil, bankUnreachable()
		}
		return &automaticAnswer{AutomaticLoads{asked}}, err
	})
}

func (c *Console) verifyAtBank(ctx context.Context, in *verificationAsked) (*verificationAnswer, error) {
	account, known, bound := accountOf(in.Body.Account), false, false
	err := c.core.Look(ctx, func(s *transaction.State) {
		var row uint32
		if row, known = s.HolderByNumber(in.Body.Holder); known {
			bound = s.Holder(row).BankAccount == account
		}
	})
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, problem(http.StatusUnprocessableEntity, "holder_known", "持卡人未登记,请核对学号/工号", "the holder is not registered: check the number").at("body.holder", in.Body.Holder)
	}
	said, err := c.askBank(ctx, BankAsk{Act: BankVerify, Account: account, Holder: in.Body.Holder, Name: in.Body.Name, IDNumber: in.Body.IDNumber})
	var p *Problem
	if errors.As(err, &p) && p.Rule != "bank_refused" || err != nil && p == nil {
		return nil, err
	}
	return &verificationAnswer{Verification{said.Agreed, said.Code, said.Chinese, said.English, said.Signed, bound}}, nil
}
