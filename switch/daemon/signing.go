package daemon

import (
	"context"
	"errors"

	"onecard/bankgw"
	"onecard/ledger/money"
	"onecard/switch/console"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// deskBank puts the desk's questions about agreements and balances to the bank of the account.
type deskBank struct{ banks *bankgw.Banks }

// deskBank is nil where the site has no bank.
func (s *server) deskBank() console.Bank {
	if s.banks == nil {
		return nil
	}
	return deskBank{s.banks}
}

var bankActs = map[console.BankAct]bankgw.SigningAct{
	console.BankBind: bankgw.SigningBind, console.BankRelease: bankgw.SigningRelease, console.BankVerify: bankgw.SigningVerify,
}

// Ask is console.Bank.
func (b deskBank) Ask(ctx context.Context, ask console.BankAsk) (console.BankSaid, error) {
	var said bankgw.SigningAnswer
	var err error
	if ask.Act == console.BankHas {
		said, err = b.banks.Balance(ctx, ask.Account)
	} else {
		said, err = b.banks.Ask(ctx, bankgw.Signing{
			Act: bankActs[ask.Act], Account: ask.Account, Holder: ask.Holder, Identity: iso8583.BankIdentity{Number: ask.IDNumber, Name: ask.Name},
		})
	}
	switch {
	case errors.Is(err, bankgw.ErrNoBalance):
		return console.BankSaid{}, &transaction.Refused{Field: "holder", Rule: "bank_balance", Chinese: "该账户的银行不提供余额查询", English: "the bank of this account does not tell balances"}
	case errors.Is(err, bankgw.ErrNotAsked):
		return console.BankSaid{}, console.ErrNoBank
	case errors.Is(err, bankgw.ErrSilent):
		return console.BankSaid{}, console.ErrBankSilent
	case errors.Is(err, bankgw.ErrNoAgreements):
		return console.BankSaid{}, &transaction.Refused{Field: "account", Rule: "bank_agreements", Chinese: "该账户的银行没有签约报文,不能在此办理", English: "the bank of this account has no message for agreements: it cannot be done here"}
	case errors.Is(err, bankgw.ErrHolder):
		return console.BankSaid{}, &transaction.Refused{Field: "holder", Rule: "holder_form", Chinese: "持卡人编号不能写入银行报文(至多 28 位字母数字)", English: "the holder's number cannot be sent to the bank: 28 letters and digits at most"}
	case errors.Is(err, iso8583.ErrIdentity):
		return console.BankSaid{}, &transaction.Refused{Field: "name", Rule: "identity_form", Chinese: "姓名或证件号不能写入银行报文,请核对", English: "the name or the identity number cannot be sent to the bank: check them"}
	case err != nil:
		return console.BankSaid{}, err
	}
	chinese, english := iso8583.ResponseText(said.Code.String())
	var balance *money.Fen
	if said.Told {
		balance = &said.Balance
	}
	return console.BankSaid{
		Balance: balance,
		Agreed:  said.Code == transaction.Approved, Unknown: said.NotFound, Code: said.Code.String(), Chinese: chinese, English: english,
		Reference: said.Reference, Signed: said.Signed,
	}, nil
}
