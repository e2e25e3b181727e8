package daemon

import (
	"context"
	"errors"

	"onecard/bankgw"
	"onecard/switch/console"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// deskBank puts the desk's questions about agreements to the bank's gateway.
type deskBank struct{ gateway *bankgw.Gateway }

// deskBank is nil where the site has no bank.
func (s *server) deskBank() console.Bank {
	if s.bank == nil {
		return nil
	}
	return deskBank{s.bank}
}

var bankActs = map[console.BankAct]bankgw.SigningAct{
	console.BankBind: bankgw.SigningBind, console.BankRelease: bankgw.SigningRelease, console.BankVerify: bankgw.SigningVerify,
}

// noAgreement is DE 39 where there is nothing to release.
const noAgreement = "25"

// Ask is console.Bank.
func (b deskBank) Ask(ctx context.Context, ask console.BankAsk) (console.BankSaid, error) {
	said, err := b.gateway.Ask(ctx, bankgw.Signing{
		Act: bankActs[ask.Act], Account: ask.Account, Holder: ask.Holder, Identity: iso8583.BankIdentity{Number: ask.IDNumber, Name: ask.Name},
	})
	switch {
	case errors.Is(err, bankgw.ErrNotAsked):
		return console.BankSaid{}, console.ErrNoBank
	case errors.Is(err, bankgw.ErrSilent):
		return console.BankSaid{}, console.ErrBankSilent
	case errors.Is(err, iso8583.ErrIdentity):
		return console.BankSaid{}, &transaction.Refused{Field: "name", Rule: "identity_form", Chinese: "姓名或证件号不能写入银行报文,请核对", English: "the name or the identity number cannot be sent to the bank: check them"}
	case err != nil:
		return console.BankSaid{}, err
	}
	chinese, english := iso8583.ResponseText(said.Code.String())
	return console.BankSaid{
		Agreed: said.Code == transaction.Approved, Unknown: said.Code.String() == noAgreement, Code: said.Code.String(), Chinese: chinese, English: english,
		Reference: said.Reference, Signed: said.Signed,
	}, nil
}
