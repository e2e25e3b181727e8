package bankgw

import (
	"context"
	"errors"
	"strconv"

	"onecard/ledger/money"
)

// The balance of a bank account (查询余额, wire handbook 5.2: 0200 with 300000, DE 54 of the answer) is asked for by a person who waits. It goes the
// way of a question about an agreement: it moves nothing, is answered or not, and is kept nowhere.

// SigningBalance is DE 3 of a balance enquiry; it is no agreement, and asked as one.
const SigningBalance SigningAct = "300000"

// ErrNoBalance: the account's bank does not tell balances, or the account is no bank's.
var ErrNoBalance = errors.New("该账户的银行不提供余额查询 / the bank of this account does not tell balances")

// balanceTable is the table of a dialect for balance enquiries, balanceNeeds what its answer is recognised by.
const balanceTable = "balance"

var balanceNeeds = [...]source{sourceTrace, sourceTerminal, sourceAct, sourceAccount, sourceReference}

// Messages of a balance enquiry, which a record tells apart from those of a load.
const (
	mtiBalance       = "0200 balance"
	mtiBalanceAnswer = "0210 balance"
)

// Balance asks the bank what an account has and waits for its answer. An error is ErrNoBalance, ErrNotAsked, ErrSilent or the context's.
func (g *Gateway) Balance(ctx context.Context, account uint64) (SigningAnswer, error) {
	if !g.config.Dialect.Has(FeatureBalance) {
		return SigningAnswer{}, ErrNoBalance
	}
	return g.Ask(ctx, Signing{Act: SigningBalance, Account: account})
}

// Balance asks the account's bank.
func (b *Banks) Balance(ctx context.Context, account uint64) (SigningAnswer, error) {
	if g := b.of(account); g != nil {
		return g.Balance(ctx, account)
	}
	return SigningAnswer{}, ErrNoBalance
}

// An amount in DE 54 (wire handbook 3.2): account type 2 | amount type 2 | currency 3 | C or D | fen 12. A field has up to six of them.
const (
	amountSize      = 20
	amountLedger    = "01"
	amountAvailable = "02"
	yuanCode        = "156"
)

// readBalance is what an account has by DE 54: what is available, else what is in it; false when the text tells neither in yuan. Less than nothing
// is a debt to the bank.
func readBalance(text string) (balance money.Fen, ok bool) {
	for ; len(text) >= amountSize; text = text[amountSize:] {
		kind, currency, side, digits := text[2:4], text[4:7], text[7], text[8:amountSize]
		if currency != yuanCode || side != 'C' && side != 'D' || !onlyDigits(digits) || kind != amountAvailable && (kind != amountLedger || ok) {
			continue
		}
		fen, _ := strconv.ParseInt(digits, 10, 64) // twelve digits fit
		if balance, ok = money.Fen(fen), true; side == 'D' {
			balance = -balance
		}
		if kind == amountAvailable {
			break
		}
	}
	return balance, ok
}
