package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"onecard/bankgw"
	"onecard/bankgw/reconcile"
	"onecard/switch/console"
	"onecard/switch/proof"
	"onecard/switch/transaction"
)

// reconciliations compare our loads and withdrawals of a closed business day with the bank's file of that day (对账), and keep what came of it:
//
//	DIR/banks/NAME/2026-11-23.json    the comparison, with what is left open for the next day
//
// A comparison follows from the ledger, the file and the comparison before it, so the same file again gives the same one, and nothing in it
// is posted here: whoever may proposes what it proposes, and two persons decide.
type reconciliations struct{ server *server }

// Reconcile implements console.Reconciliations.
func (r reconciliations) Reconcile(ctx context.Context, bank, day, format string, file []byte) (*console.BankDay, error) {
	config, err := r.bank(bank)
	if err != nil {
		return nil, err
	}
	of, err := r.closed(ctx, day)
	if err != nil {
		return nil, err
	}
	read, err := reconcile.Read(bytes.NewReader(file), reconcile.Source{
		Name: bank + " " + day, Format: fileFormats[format], Bank: config.Receiving, Day: reconcile.Day(of),
	})
	var faults *reconcile.FileError
	if errors.As(err, &faults) {
		return nil, fileProblem(faults)
	}
	if err != nil {
		return nil, err
	}
	ours, err := r.server.bankDay(ctx, bank, of)
	if err != nil {
		return nil, err
	}
	carried, err := r.before(bank, reconcile.Day(of))
	if err != nil {
		return nil, err
	}
	var missing error
	rules := reconcile.DefaultRules()
	if err := r.server.opened.engine.Look(ctx, func(s *transaction.State) { rules.Zone = time.Duration(s.Site().ZoneSeconds) * time.Second }); err != nil {
		return nil, err
	}
	result, err := reconcile.Run(reconcile.Input{
		File: read, Entries: ours.entries(carried), Carried: carried, Ledger: &ours.ledger, Rules: rules,
		Find: func(sequence uint64) (reconcile.Entry, bool) {
			found, ok, err := r.server.find(ctx, bank, sequence)
			missing = errors.Join(missing, err)
			return found, ok
		},
	})
	if err = errors.Join(err, missing); err != nil {
		return nil, err
	}
	if err := r.keep(bank, result); err != nil {
		return nil, err
	}
	return r.view(bank, result)
}

// view shows a comparison, with both sides' totals where there are any.
func (r reconciliations) view(bank string, result *reconcile.Result) (*console.BankDay, error) {
	v := bankDayView(bank, result)
	kept, err := r.server.readTotals(bank, result.File.Day)
	if err != nil || kept.Day == 0 {
		return v, err
	}
	v.Totals = totalsView(kept)
	if kept.Bank != nil {
		v.Totals.OfFile = "differs"
		if t := totalsToCompare(kept.Bank); t.Debits == result.Loads.Count && t.DebitAmount == result.Loads.Sum && t.Reversed == result.Reversals.Count &&
			t.ReversedAmount == result.Reversals.Sum && t.Credits == result.Withdrawals.Count && t.CreditAmount == result.Withdrawals.Sum {
			v.Totals.OfFile = "same"
		}
	}
	return v, nil
}

var fileFormats = map[string]reconcile.Format{"a": reconcile.FormatA, "b": reconcile.FormatB}

// bank finds a bank of the configuration.
func (r reconciliations) bank(name string) (*bankgw.Config, error) {
	banks := r.server.config.banks()
	for i := range banks {
		if banks[i].Name == name {
			return &banks[i], nil
		}
	}
	return nil, noSuchBank(name)
}

// closed reads a day and sees that it is closed: what is compared must not change any more.
func (r reconciliations) closed(ctx context.Context, day string) (uint32, error) {
	var of proof.Day
	if err := of.UnmarshalText([]byte(day)); err != nil {
		return 0, refuseBank("day", "day", "日期须如 2026-11-23", "a day is written like 2026-11-23")
	}
	span, err := r.server.opened.store.SpanOf(uint32(of))
	if err != nil || !span.Followed {
		return 0, refuseBank("day", "day_closed", "会计日 "+day+" 尚未日切,或没有流水", "the business day "+day+" is not closed yet, or has no entries")
	}
	return uint32(of), nil
}

func refuseBank(field, rule, chinese, english string) error {
	return &transaction.Refused{Field: field, Rule: rule, Chinese: chinese, English: english}
}

// fileProblem tells every fault of a file that was not taken.
func fileProblem(faults *reconcile.FileError) error {
	told := make([]console.Fault, len(faults.Faults))
	for i, f := range faults.Faults {
		told[i] = console.Fault{Location: fmt.Sprintf("body.file line %d", f.Line), Rule: "bank_file_fault", MessageZH: f.Chinese, Message: f.English}
	}
	return console.BankFileRefused(told)
}

// before is what the newest comparison before a day has left open.
func (r reconciliations) before(bank string, day reconcile.Day) ([]reconcile.Item, error) {
	days, err := r.days(bank)
	if err != nil {
		return nil, err
	}
	for _, earlier := range slices.Backward(days) {
		if earlier < day {
			result, err := r.read(bank, earlier)
			if err != nil {
				return nil, err
			}
			return result.Open(), nil
		}
	}
	return nil, nil
}

func (r reconciliations) folder(bank string) string {
	return filepath.Join(r.server.config.Data.Directory, "banks", bank)
}

func (r reconciliations) path(bank string, day reconcile.Day) string {
	return filepath.Join(r.folder(bank), day.String()+".json")
}

// keep writes a comparison, whole or not at all. Later days were made with what this one had left open before: they are to be made again.
func (r reconciliations) keep(bank string, result *reconcile.Result) error {
	contents, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.folder(bank), 0o700); err != nil {
		return err
	}
	return writeWhole(r.path(bank, result.File.Day), append(contents, '\n'))
}

func (r reconciliations) read(bank string, day reconcile.Day) (*reconcile.Result, error) {
	contents, err := os.ReadFile(r.path(bank, day))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, console.ErrNoEntry
	}
	if err != nil {
		return nil, err
	}
	result := new(reconcile.Result)
	if err := json.Unmarshal(contents, result); err != nil {
		return nil, fmt.Errorf("%s: %w", r.path(bank, day), err)
	}
	return result, nil
}

// days that were compared, in order.
func (r reconciliations) days(bank string) ([]reconcile.Day, error) {
	files, err := os.ReadDir(r.folder(bank))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var days []reconcile.Day
	for _, f := range files {
		var day reconcile.Day
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok && day.UnmarshalText([]byte(name)) == nil {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, nil
}

// Reconciled implements console.Reconciliations.
func (r reconciliations) Reconciled(_ context.Context, bank, day string) (*console.BankDay, error) {
	if _, err := r.bank(bank); err != nil {
		return nil, err
	}
	var of reconcile.Day
	if err := of.UnmarshalText([]byte(day)); err != nil {
		return nil, console.ErrNoEntry
	}
	result, err := r.read(bank, of)
	if err != nil {
		return nil, err
	}
	return r.view(bank, result)
}

// Days implements console.Reconciliations.
func (r reconciliations) Days(_ context.Context, bank string) ([]string, error) {
	if _, err := r.bank(bank); err != nil {
		return nil, err
	}
	days, err := r.days(bank)
	names := make([]string, len(days))
	for i, day := range days {
		names[i] = day.String()
	}
	return names, err
}

// bankDayView shows a comparison.
func bankDayView(bank string, r *reconcile.Result) *console.BankDay {
	e := &r.Equation
	v := &console.BankDay{
		Bank: bank, Day: r.File.Day.String(), SHA256: r.File.SHA256.String(), Loads: r.Loads.Count, LoadsSum: console.Yuan(r.Loads.Sum), Reversals: r.Reversals.Count,
		ReversalsSum: console.Yuan(r.Reversals.Sum), Withdrawals: r.Withdrawals.Count, WithdrawalsSum: console.Yuan(r.Withdrawals.Sum), Balanced: e.Balanced(), Items: []console.BankItem{},
		Equation: console.BankEquation{
			Bank: console.Yuan(e.Bank), Ours: console.Yuan(e.Ours), Difference: console.Yuan(e.Difference), BankOnly: console.Yuan(e.BankOnly),
			CampusOnly: console.Yuan(e.CampusOnly), PaidOnly: console.Yuan(e.PaidOnly), TakenOnly: console.Yuan(e.TakenOnly), Amounts: console.Yuan(e.Amounts), CutOff: console.Yuan(e.CutOff), Unexplained: console.Yuan(e.Unexplained),
			Opening: console.Yuan(e.Opening), Closing: console.Yuan(e.Closing),
		},
	}
	for _, t := range r.Tally {
		v.Cases = append(v.Cases, console.BankCase{Case: t.Case.String(), CaseChinese: t.Case.Chinese(), Count: t.Count, Ours: console.Yuan(t.Ours), Bank: console.Yuan(t.Bank)})
	}
	for _, b := range r.Ageing {
		if b.Long.Count+b.Short.Count > 0 {
			v.Ageing = append(v.Ageing, console.BankAge{From: b.From, To: b.To, Long: b.Long.Count, LongSum: console.Yuan(b.Long.Sum), Short: b.Short.Count, ShortSum: console.Yuan(b.Short.Sum)})
		}
	}
	for i := range r.Items {
		v.Items = append(v.Items, bankItemView(&r.Items[i]))
	}
	return v
}

func bankItemView(i *reconcile.Item) console.BankItem {
	v := console.BankItem{
		Record: i.Sequence, Day: i.Day.String(), Age: i.Age, Case: i.Case.String(), CaseChinese: i.Case.Chinese(), Action: i.Action.String(), State: i.State.String(), Ours: console.Yuan(i.Ours),
		Bank: console.Yuan(i.Bank), Difference: console.Yuan(i.Difference), BankNumber: i.BankSequence, Chinese: i.Chinese, English: i.English, Open: i.Open,
		Withdrawal: i.Withdrawal,
	}
	long, short := console.Yuan(i.Difference), console.Yuan(-i.Difference)
	switch {
	case i.State == reconcile.StateNone:
	case i.Action == reconcile.ActionCharge:
		v.Proposal, v.ProposalAmount = "withdrawal_charge", &long
	case i.Action == reconcile.ActionReturn && i.State == reconcile.StateManual:
		held := console.Yuan(i.Held)
		v.Proposal, v.ProposalAmount = "withdrawal_return", &held
	case i.Action == reconcile.ActionReturn:
		v.Proposal, v.ProposalAmount = "withdrawal_return", &short
	case i.Case == reconcile.CaseNothingTaken && i.State == reconcile.StateManual:
		v.Proposal = "load_close"
	case i.Action == reconcile.ActionClaim && i.State == reconcile.StateConfirmed:
		v.Proposal, v.ProposalAmount = "load_claim", &short
	case i.Difference > 0 && (i.Action == reconcile.ActionMakeUp || i.Action == reconcile.ActionManual && i.Ours == 0 && i.State != reconcile.StateReversing && i.State != reconcile.StateReturning):
		v.Proposal, v.ProposalAmount = "load_make_up", &long
	}
	return v
}
