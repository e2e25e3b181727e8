package transaction_test

import (
	"context"
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

// automatic reads: auto-load [from=N] [in-flight=N] [at=02:00]
func (s *story) automatic(d *datadriven.TestData) string {
	from, inFlight, at := 0, 10, ""
	d.MaybeScanArgs(s.t, "from", &from)
	d.MaybeScanArgs(s.t, "in-flight", &inFlight)
	if d.MaybeScanArgs(s.t, "at", &at); at != "" {
		s.setClock(at)
	}
	var reachable func(uint64) bool
	if down := ""; d.MaybeScanArgs(s.t, "down", &down) {
		reachable = func(account uint64) bool { return fmt.Sprint(account) != down }
	}
	looked, err := s.engine.LoadAutomatically(context.Background(), uint32(from), inFlight, s.now.UnixMicro(), reachable)
	require.NoError(s.t, err)
	s.look(func(*transaction.State) {})
	left := ""
	if looked.Left > 0 {
		left = fmt.Sprintf(", left %d", looked.Left)
	}
	return fmt.Sprintf("next %d, asked %d, full %v, done %v%s\n%s", looked.Next, looked.Asked, looked.Full, looked.Done, left, s.heard())
}
