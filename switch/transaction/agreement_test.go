package transaction_test

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/switch/transaction"
)

// agreementField reads a field of an operation on an agreement with the bank; false when it is another's.
func (s *story) agreementField(op *transaction.Operation, field, value string) bool {
	switch field {
	case "account":
		op.Account = value
	case "other_account":
		op.OtherAccount = value
	case "identity":
		op.Identity = transaction.IdentityCheck(value)
	case "signed":
		op.Signed = dayNamed(s.t, value)
	case "single_limit":
		op.SingleLimit = fen(value)
	case "day_limit":
		op.DayLimit = fen(value)
	case "purse_limit":
		op.PurseLimit = fen(value)
	case "threshold":
		threshold := fen(value)
		op.Threshold = &threshold
	case "bank_reference":
		op.BankReference = value
	default:
		return false
	}
	return true
}

// agreement prints a holder's: agreement 20260001
func (s *story) agreement(d *datadriven.TestData) string {
	var b strings.Builder
	s.look(func(state *transaction.State) {
		row, ok := state.HolderByNumber(d.CmdArgs[0].Key)
		require.True(s.t, ok)
		a := state.Agreement(row)
		account := transaction.MaskedAccount(state.Holder(row).BankAccount)
		if a == nil {
			fmt.Fprintf(&b, "account %q, never signed\n", account)
			return
		}
		fmt.Fprintf(&b, "account %q active %v, threshold %s, automatic %s, own bounds %s %s %s, last %s\n", account, a.Active, yuan(a.Threshold), yuan(a.Automatic), yuan(a.Single), yuan(a.Day), yuan(a.Purse), date(a.LastAutomatic))
	})
	return b.String()
}

func yuan(fen uint32) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
