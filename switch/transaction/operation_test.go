package transaction_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// centre is the settlement centre's cast besides the campus of the stories: desks, operators, programmes, terms.
func (s *story) centre() {
	faults, err := s.engine.Import(context.Background(), centreOf(), s.now.UnixMicro())
	require.NoError(s.t, err)
	require.Empty(s.t, faults)
	for _, row := range operatorRows(s.t) {
		require.NoError(s.t, s.engine.SetOperator(context.Background(), row, "root", s.now.UnixMicro()))
	}
}

func centreOf() *transaction.Directory {
	return &transaction.Directory{
		Sets:  []transaction.AccountSetRow{{Set: transaction.CountSet, Code: "counts"}},
		Desks: []transaction.DeskRow{{Code: "A"}, {Code: "B"}},
		Terms: []transaction.MerchantTerms{
			{Merchant: merchantCode("103410054110001"), Group: 0, ServiceFee: 100, Sets: 1 << transaction.CountSet, Bank: "ICBC", Account: "6222", Payee: "Canteen 1"},
			{Merchant: merchantCode("103410054110002"), Group: 1, Department: true},
			{Merchant: merchantCode("103410054110003"), Group: 2, Department: true},
		},
		Programmes: []transaction.ProgrammeRow{
			{Code: "meal", Account: ledger.CodeSubsidyPurse, PerMeal: fen("3"), Provider: "company"},
			{Code: "boiled", Account: ledger.CodeSubsidyPurse, Purposes: 1 << 1, Provider: "logistics"},
			{Code: "hot", Account: ledger.CodeSubsidyPurse, Purposes: 1 << 1},
			{Code: "grant", Account: ledger.CodeSubsidyPurse},
			{Code: "water", Account: ledger.CodeWaterPurse, Purposes: 1 << 1},
			{Code: "tickets", Account: ledger.CodeCountPurse, Set: transaction.CountSet},
		},
	}
}

func operatorRows(t require.TestingT) (rows []transaction.OperatorRow) {
	for _, o := range [][2]string{{"li", "cashier,cards"}, {"wang", "accountant"}, {"zhao", "approver"}, {"chen", "accountant,approver"}} {
		parsed, ok := transaction.ParseRoles(o[1])
		require.True(t, ok)
		rows = append(rows, transaction.OperatorRow{Code: o[0], Roles: parsed, TokenHash: [32]byte{1}})
	}
	return rows
}

// operation reads: op cash_deposit operator=li desk=A holder=20260001 amount=100.00 [key=k1]
func (s *story) operation(d *datadriven.TestData) string {
	op, name := transaction.Operation{Operator: "li"}, "last"
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		if row.Label == d.CmdArgs[0].Key {
			op.Kind = row.Kind
		}
	})
	require.NotZero(s.t, op.Kind, "%s: no operation %s", d.Pos, d.CmdArgs[0].Key)
	s.keys++
	key := strconv.Itoa(s.keys)
	for _, arg := range d.CmdArgs[1:] {
		value := strings.Join(arg.Vals, "")
		texts := map[string]*string{
			"operator": &op.Operator, "desk": &op.Desk, "holder": &op.Holder, "other_holder": &op.OtherHolder, "merchant": &op.Merchant, "other_merchant": &op.OtherMerchant,
			"purse": &op.Purse, "other_purse": &op.OtherPurse, "terminal": &op.Terminal, "document": &op.Document, "reason": &op.Reason, "key": &key,
			"tariff": &op.Tariff,
		}
		if text, ok := texts[arg.Key]; ok {
			*text = value
			continue
		}
		if s.agreementField(&op, arg.Key, value) {
			continue
		}
		switch arg.Key {
		case "amount":
			op.Amount = fen(value)
		case "count":
			n, _ := strconv.Atoi(value)
			op.Amount = money.Fen(n)
		case "all":
			op.All = true
		case "unit":
			op.Unit = fen(value)
		case "reading":
			n, err := strconv.ParseUint(value, 10, 64)
			require.NoError(s.t, err)
			op.Reading = n
		case "state":
			op.State = transaction.AccountState(value)
		case "expiry":
			op.Expiry = dayNamed(s.t, value)
		case "original":
			op.Original = s.numbered(value)
			op.Evidence = s.evidence(op.Original)
		case "hold":
			op.Original = s.numbered(value)
		case "as":
			name = value
		case "occurred":
			at := s.now
			s.setClock(value)
			op.Occurred, s.now = s.now.UnixMicro(), at
		default:
			s.t.Fatalf("%s: argument %s", d.Pos, arg.Key)
		}
	}
	copy(op.Key[:], key)
	receipt, err := s.engine.Operate(context.Background(), &op, s.now.UnixMicro())
	if receipt.Sequence != 0 {
		s.names[name] = receipt.Sequence
	}
	return s.printReceipt(receipt, err) + s.withdrawn()
}

// withdrawn is what the bank is asked to pay.
func (s *story) withdrawn() string {
	if len(s.bank.withdrawals) == 0 {
		return ""
	}
	return s.heard()
}

// numbered finds the record that a name was given to.
func (s *story) numbered(name string) uint64 {
	if strings.HasPrefix(name, "#") {
		return s.load(name)
	}
	n, ok := s.names[name]
	require.True(s.t, ok, "no record was called %s", name)
	return n
}

func dayNamed(t *testing.T, value string) uint32 {
	at, err := time.Parse(time.DateOnly, value)
	require.NoError(t, err)
	return uint32(at.Unix() / 86400)
}

// evidence reads an entry of the ledger, as whoever asks for a refund does.
func (s *story) evidence(sequence uint64) *transaction.Evidence {
	var found *transaction.Evidence
	var said []transaction.Kind
	for _, b := range s.journal.blocks {
		require.NoError(s.t, b.Each(func(n uint64, e *ledger.Entry) error {
			if n == sequence {
				found = transaction.EvidenceOf(b.Day(), e)
			}
			line, _ := transaction.ReadEntry(n, b.Day(), e)
			act, _ := transaction.ReadOperation(n, b.Day(), e)
			if line.Load == sequence || act.Original == sequence {
				said = append([]transaction.Kind{e.Kind}, said...)
			}
			return nil
		}))
	}
	if found != nil {
		found.Outcome = transaction.LoadOutcome(said)
	}
	return found
}

func (s *story) printReceipt(r transaction.Receipt, err error) string {
	var refused *transaction.Refused
	if errors.As(err, &refused) {
		return fmt.Sprintf("refused %s %s: %s\n", refused.Field, refused.Rule, refused)
	}
	require.NoError(s.t, err)
	switch {
	case r.Pending:
		return fmt.Sprintf("proposal %d waits for a second person\n", r.Sequence)
	case r.Repeated:
		return fmt.Sprintf("record %d, said before\n", r.Sequence)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "record %d: %s", r.Sequence, r.Amount)
	s.look(func(state *transaction.State) {
		for _, l := range r.Legs {
			fmt.Fprintf(&b, "  %s %s", s.accountName(state, l.Account), l.Amount)
		}
	})
	fmt.Fprintf(&b, "  balance %s\n", r.Balance)
	return b.String()
}

// accountName names an account as an accountant would.
func (s *story) accountName(state *transaction.State, id ledger.AccountID) string {
	for i := range state.Holders() {
		for _, p := range state.Purses(state.Holder(i)) {
			if p.Account == id {
				return state.HolderNumber(i) + "." + p.Name
			}
		}
	}
	for i := range state.Merchants() {
		m := state.MerchantAt(i)
		for set := range ledger.AccountSet(16) {
			if m.PayableIn(set) == id {
				return fmt.Sprintf("payable-%s", m.Code[11:])
			}
		}
	}
	for _, d := range state.Desks() {
		if d.Cash == id {
			return "cash-" + d.Code
		}
	}
	for n := range state.Programmes() {
		if p := state.Programme(uint16(n + 1)); p.Receivable == id && p.Provider != "" {
			return "owed-by-" + p.Provider
		}
	}
	return fmt.Sprintf("%d", state.Book().Account(id).Code)
}

// trial prints every account that is not empty by name, and the sum of each account set.
func (s *story) trial() string {
	var lines []string
	var sums [16]money.Fen
	s.look(func(state *transaction.State) {
		book := state.Book()
		for id := uint32(1); id <= book.Accounts(); id++ {
			a := book.Account(accountID(id))
			sums[a.Set] += a.Balance
			if a.Balance != 0 || a.Held != 0 || a.State != ledger.AccountOpen {
				line := fmt.Sprintf("%d.%d %-20s %12s", a.Set, a.Code, s.accountName(state, accountID(id)), a.Balance)
				if a.Held != 0 {
					line += " held " + a.Held.String()
				}
				if a.State != ledger.AccountOpen {
					line += " " + [...]string{"", "frozen", "closed", "retained"}[a.State]
				}
				lines = append(lines, line)
			}
		}
	})
	slices.SortStableFunc(lines, func(a, b string) int { return cmp.Compare(a[:6], b[:6]) })
	return strings.Join(lines, "\n") + fmt.Sprintf("\nsums %s %s\n", sums[0], sums[1])
}

// batch reads: batch subsidy programme=grant operator=wang [tap] [replace] [start=] [claim=] [expiry=]; the lines are the input.
func (s *story) batch(d *datadriven.TestData) string {
	batch, name := transaction.Batch{Operator: "wang", Reason: "monthly"}, "last"
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		if row.Label == d.CmdArgs[0].Key {
			batch.Kind = row.Kind
		}
	})
	s.keys++
	key := strconv.Itoa(s.keys)
	for _, arg := range d.CmdArgs[1:] {
		value := strings.Join(arg.Vals, "")
		switch arg.Key {
		case "programme":
			batch.Programme = value
		case "merchant":
			batch.Merchant = value
		case "operator":
			batch.Operator = value
		case "key":
			key = value
		case "as":
			name = value
		case "tap":
			batch.AtTap = true
		case "replace":
			batch.Replace = true
		case "start":
			batch.StartDay = dayNamed(s.t, value)
		case "claim":
			batch.ClaimDay = dayNamed(s.t, value)
		case "expiry":
			batch.ExpiryDay = dayNamed(s.t, value)
		}
	}
	copy(batch.Key[:], key)
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		holder, amount, _ := strings.Cut(line, " ")
		l := transaction.BatchLine{Holder: holder}
		if amount != "all" {
			l.Amount = fen(amount)
		}
		batch.Lines = append(batch.Lines, l)
	}
	status, err := s.engine.SubmitBatch(context.Background(), &batch, s.now.UnixMicro())
	s.names[name] = status.Number
	return printBatch(s.t, status, err)
}

func printBatch(t *testing.T, status transaction.BatchStatus, err error) string {
	var refused *transaction.Refused
	if errors.As(err, &refused) {
		return fmt.Sprintf("refused %s %s: %s\n", refused.Field, refused.Rule, refused)
	}
	require.NoError(t, err)
	return fmt.Sprintf("batch %d %s: %d lines of %s, posted %d of %s, refused %d\n",
		status.Number, [...]string{"proposed", "approved", "rejected", "cancelled", "done"}[status.State], status.Lines, status.Total, status.Posted, status.Moved, status.Refused)
}

// decideBatch reads: batch-approve last by=zhao, batch-reject, batch-cancel, batch-status.
func (s *story) decideBatch(d *datadriven.TestData) string {
	number, by := s.numbered(d.CmdArgs[0].Key), ""
	d.MaybeScanArgs(s.t, "by", &by)
	ctx, now := context.Background(), s.now.UnixMicro()
	var status transaction.BatchStatus
	var err error
	switch d.Cmd {
	case "batch-approve":
		status, err = s.engine.DecideBatch(ctx, number, by, true, "", now)
	case "batch-reject":
		status, err = s.engine.DecideBatch(ctx, number, by, false, "wrong list", now)
	case "batch-cancel":
		status, err = s.engine.CancelBatch(ctx, number, by, "stopped", now)
	}
	if err == nil {
		s.look(func(*transaction.State) {})
		s.look(func(state *transaction.State) { status, _ = state.Batch(number) })
	}
	return printBatch(s.t, status, err)
}

// centreCommand plays a command of the settlement centre; false when it is something else.
func (s *story) centreCommand(d *datadriven.TestData) (said string, ok bool) {
	switch d.Cmd {
	case "centre":
		s.centre()
		return "ok\n", true
	case "op":
		return s.operation(d), true
	case "approve":
		var by string
		d.ScanArgs(s.t, "by", &by)
		receipt, err := s.engine.Approve(context.Background(), s.numbered(d.CmdArgs[0].Key), by, s.now.UnixMicro())
		s.names["approved"] = receipt.Sequence
		return s.printReceipt(receipt, err) + s.withdrawn(), true
	case "batch":
		return s.batch(d), true
	case "batch-approve", "batch-reject", "batch-cancel", "batch-status":
		return s.decideBatch(d), true
	case "metered":
		return s.metered(), true
	case "trial":
		return s.trial(), true
	case "agreement":
		return s.agreement(d), true
	case "auto-load":
		return s.automatic(d), true
	case "expire":
		next, returned, err := s.engine.ReturnExpired(context.Background(), 0, s.now.UnixMicro())
		require.NoError(s.t, err)
		held, err := s.engine.ExpireHolds(context.Background(), s.now.UnixMicro())
		require.NoError(s.t, err)
		return fmt.Sprintf("next %d, returned %d, holds ended %d\n", next, returned, held), true
	case "sheet":
		return s.draftSheet(d), true
	case "sheet-move":
		return s.moveSheet(d), true
	case "at":
		s.setClock(d.CmdArgs[0].Key)
		require.NoError(s.t, s.engine.TurnDay(context.Background(), s.now.UnixMicro()))
		return "ok\n", true
	}
	return "", false
}

// remember gives the sale just made a name.
func (s *story) remember(said string) {
	if i := strings.Index(said, "ref="); i >= 0 {
		s.names["sale"], _ = strconv.ParseUint(said[i+4:i+16], 10, 64)
	}
}

// audit lets the auditor, who has books of his own, read the whole story.
func (s *story) audit() {
	s.look(func(*transaction.State) {})
	auditor := ledgertest.New()
	for _, b := range s.journal.blocks {
		auditor.Block(b.First(), b.Bytes())
	}
	require.Empty(s.t, auditor.Finish().Findings)
}

// draftSheet reads: sheet merchant=103410054110001 from=2026-11-23 to=2026-11-23 by=wang; the lines are the input: code amount [text].
func (s *story) draftSheet(d *datadriven.TestData) string {
	sheet := transaction.Sheet{}
	var from, to string
	d.ScanArgs(s.t, "merchant", &sheet.Merchant)
	d.ScanArgs(s.t, "from", &from)
	d.ScanArgs(s.t, "to", &to)
	d.ScanArgs(s.t, "by", &sheet.Drafter)
	sheet.From, sheet.To = dayNamed(s.t, from), dayNamed(s.t, to)
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		words := strings.SplitN(line, " ", 3)
		l := transaction.SheetLine{Code: words[0], Amount: fen(words[1])}
		if len(words) > 2 {
			l.Text = words[2]
		}
		sheet.Lines, sheet.Payable = append(sheet.Lines, l), sheet.Payable+l.Amount
	}
	kept, err := s.engine.DraftSheet(context.Background(), sheet, s.now.UnixMicro())
	name := "sheet"
	d.MaybeScanArgs(s.t, "as", &name)
	s.names[name] = kept.Number
	return s.printSheet(kept, err)
}

// moveSheet reads: sheet-move [of=name] to=checked by=li [document=] [reason=]
func (s *story) moveSheet(d *datadriven.TestData) string {
	var to, by, document, reason string
	of := "sheet"
	d.MaybeScanArgs(s.t, "of", &of)
	d.ScanArgs(s.t, "to", &to)
	d.ScanArgs(s.t, "by", &by)
	d.MaybeScanArgs(s.t, "document", &document)
	d.MaybeScanArgs(s.t, "reason", &reason)
	state, ok := transaction.ParseSheetState(to)
	require.True(s.t, ok)
	moved, err := s.engine.MoveSheet(context.Background(), s.numbered(of), state, by, document, reason, s.now.UnixMicro())
	return s.printSheet(moved, err)
}

func (s *story) printSheet(sheet transaction.Sheet, err error) string {
	var refused *transaction.Refused
	if errors.As(err, &refused) {
		return fmt.Sprintf("refused %s %s: %s\n", refused.Field, refused.Rule, refused)
	}
	require.NoError(s.t, err)
	return fmt.Sprintf("sheet %d of %s %s: payable %s\n", sheet.Number, sheet.Merchant, sheet.State, sheet.Payable)
}
