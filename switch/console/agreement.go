package console

import (
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// AgreementBody is what an operation on an agreement with the bank has besides.
type AgreementBody struct {
	Account      string `json:"account,omitempty" pattern:"^[1-9][0-9]{7,18}$" patternDescription:"8 to 19 digits" doc:"银行账号 / bank account"`
	OtherAccount string `json:"other_account,omitempty" pattern:"^[1-9][0-9]{7,18}$" patternDescription:"8 to 19 digits" doc:"新银行账号 / bank account that takes its place"`
	Identity     string `json:"identity,omitempty" enum:"id_card,passport,records,guardian" doc:"身份核验方式 / how the holder was known"`
	Signed       Day    `json:"signed,omitempty"`
	SingleLimit  *Yuan  `json:"single_limit,omitempty"`
	DayLimit     *Yuan  `json:"day_limit,omitempty"`
	PurseLimit   *Yuan  `json:"purse_limit,omitempty"`
	Threshold    *Yuan  `json:"threshold,omitempty"`
	Name         string `json:"name,omitempty" minLength:"1" maxLength:"30" doc:"姓名,只发往银行,不留存 / name, for the bank alone, not kept"`
	IDNumber     string `json:"id_number,omitempty" pattern:"^[0-9A-Za-z()-]{1,20}$" patternDescription:"1 to 20 letters and digits" doc:"证件号,只发往银行,不留存 / identity number, for the bank alone, not kept"`
}

// agreement puts the fields into the core's terms.
func (b *AgreementBody) agreement(o *transaction.Operation) {
	o.Account, o.OtherAccount, o.Identity, o.Signed = b.Account, b.OtherAccount, transaction.IdentityCheck(b.Identity), uint32(b.Signed)
	for _, f := range []struct {
		given *Yuan
		into  *money.Fen
	}{{b.SingleLimit, &o.SingleLimit}, {b.DayLimit, &o.DayLimit}, {b.PurseLimit, &o.PurseLimit}} {
		if f.given != nil {
			*f.into = money.Fen(*f.given)
		}
	}
	if b.Threshold != nil {
		threshold := money.Fen(*b.Threshold)
		o.Threshold = &threshold
	}
}

// Agreement is what a receipt says of an agreement with the bank. It lies about on counters: accounts are masked.
type Agreement struct {
	Account   string `json:"account,omitempty" doc:"bound from now on, masked"`
	Before    string `json:"account_before,omitempty" doc:"bound until now, masked"`
	Identity  string `json:"identity,omitempty"`
	Signed    Day    `json:"signed,omitempty"`
	Single    *Yuan  `json:"single_limit,omitempty"`
	Day       *Yuan  `json:"day_limit,omitempty"`
	Purse     *Yuan  `json:"purse_limit,omitempty"`
	Threshold *Yuan  `json:"threshold,omitempty"`
	Automatic *Yuan  `json:"automatic,omitempty" doc:"loaded automatically below the threshold"`
	Verified  bool   `json:"verified" doc:"the bank has agreed"`
	Reference string `json:"bank_reference,omitempty" doc:"the bank's own number"`
	Left      string `json:"left_at_bank,omitempty" doc:"what is still to be done at the bank: send the same request again"`
}

// left notes that the account before is still bound at the bank.
func (a *Agreement) left(err error) {
	if a != nil && err != nil {
		a.Left = "原账户在银行尚未解约,请原样重发 / the account before is still bound at the bank: send the same again. " + err.Error()
	}
}

func agreementOf(l *transaction.BankLine) *Agreement {
	some := func(fen money.Fen) *Yuan {
		if fen == 0 {
			return nil
		}
		y := Yuan(fen)
		return &y
	}
	a := &Agreement{
		Account: transaction.MaskedAccount(l.Account), Identity: string(l.Identity), Signed: Day(l.Signed), Single: some(l.Single), Day: some(l.Day), Purse: some(l.Purse),
		Threshold: some(l.Threshold), Automatic: some(l.Automatic), Verified: l.Reference != "", Reference: l.Reference,
	}
	if l.Before != l.Account {
		a.Before = transaction.MaskedAccount(l.Before)
	}
	return a
}

// slip prints it on a receipt; a nil one is of another operation.
func (a *Agreement) slip(s *slip) {
	if a == nil {
		return
	}
	s.field("银行账户 bank", a.Account)
	s.field("原账户 before", a.Before)
	s.field("身份 identity", a.Identity)
	s.field("协议日 signed", a.Signed.String())
	for _, f := range []struct {
		name string
		sum  *Yuan
	}{{"单笔限额 single", a.Single}, {"单日限额 day", a.Day}, {"钱包上限 purse", a.Purse}, {"起充额 below", a.Threshold}, {"自动圈存 loads", a.Automatic}} {
		if f.sum != nil {
			s.field(f.name, f.sum.String())
		}
	}
	s.field("银行 ref", a.Reference)
	s.field("未尽 left", a.Left)
}
