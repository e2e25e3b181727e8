package console

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"onecard/switch/transaction"
)

// evidence reads an entry for the core, which keeps no old ones.
func (c *Console) evidence(ctx context.Context, sequence uint64) (*transaction.Evidence, error) {
	e, day, err := c.entry(sequence)
	if err != nil {
		return nil, err
	}
	found := &transaction.Evidence{Kind: e.Kind, Time: e.Time, Day: day, Legs: e.Legs}
	if o, ok := transaction.ReadOperation(sequence, day, &e); ok {
		found.Holder = o.Holder
	} else if l, ok := transaction.ReadEntry(sequence, day, &e); ok {
		found.Card = l.Card
	}
	if load := transaction.EvidenceOf(day, &e); load != nil && (e.Kind == transaction.KindLoad || e.Kind == transaction.KindBankWithdrawal) {
		found.Amount = load.Amount
		found.Outcome, err = c.loadOutcome(sequence)
	}
	return found, err
}

// loadOutcome is the kind of the entry that ended a load or a withdrawal; 0 when none has.
func (c *Console) loadOutcome(load uint64) (transaction.Kind, error) {
	said, err := c.store.Statement(transaction.StatementLoad, load, 0, math.MaxUint64, maxOutcomes, true)
	kinds := make([]transaction.Kind, len(said))
	for i, sequence := range said {
		e, _, err := c.entry(sequence)
		if err != nil {
			return 0, err
		}
		kinds[i] = e.Kind
	}
	return transaction.LoadOutcome(kinds), err
}

// maxOutcomes of one load are looked at: the bank says two or three things, two persons perhaps one more.
const maxOutcomes = 64

// receipt reads an operation's entry from the ledger and prints it with names.
func (c *Console) receipt(ctx context.Context, sequence uint64) (*Receipt, error) {
	e, day, err := c.entry(sequence)
	if err != nil {
		return nil, err
	}
	o, ok := transaction.ReadOperation(sequence, day, &e)
	if !ok {
		return nil, problem(http.StatusNotFound, "not_an_operation", fmt.Sprintf("记录 %d 不是柜台业务", sequence), fmt.Sprintf("record %d is not an operation of a desk", sequence))
	}
	var r *Receipt
	if err := c.core.Look(ctx, func(s *transaction.State) { r = c.receiptOf(s, &o) }); err != nil {
		return nil, err
	}
	c.name(r.Holder, r.OtherHolder)
	r.Withdrawal, err = c.withdrawalNow(&o)
	return r, err
}

// receiptOf names what the entry holds as rows. Owner.
func (c *Console) receiptOf(s *transaction.State, o *transaction.OperationLine) *Receipt {
	row, _ := transaction.CatalogueOf(o.Kind)
	r := &Receipt{
		Number: transaction.ReferenceOf(o.Sequence).String(), Record: o.Sequence, Kind: row.Label, KindZH: row.Chinese, KindEN: row.English, Status: "posted",
		Time: local(o.Time, c.zone), BusinessDay: Day(o.Day), Document: o.Document, Reason: o.Reason, Proof: Base + "/proofs/" + strconv.FormatUint(o.Sequence, 10),
		Operator: operatorName(s, o.Operator), Approver: operatorName(s, o.Approver), Desk: deskName(s, o.Desk),
		Holder: subject(s, o.Holder), OtherHolder: subject(s, o.OtherHolder), Merchant: merchantName(s, o.Merchant), OtherMerch: merchantName(s, o.OtherMerchant),
	}
	if o.Holder != 0 && takes(&row, "purse") {
		r.Purse = purseName(s, o.Purse)
	}
	if takes(&row, "other_purse") && (o.OtherPurse != 0 || o.OtherHolder != 0) {
		r.OtherPurse = purseName(s, o.OtherPurse)
	}
	if o.Terminal != 0 {
		r.Terminal = s.Terminal(o.Terminal).Code.String()
	}
	if o.Original != 0 {
		r.Original = transaction.ReferenceOf(o.Original).String()
	}
	if o.Tariff != "" {
		r.Tariff, r.Reading, r.Metered, r.Rules = o.Tariff, &o.Reading, o.Metered(), o.RulesVersion
	}
	if transaction.IsAgreement(o.Kind) {
		r.Bank = agreementOf(&o.Bank)
	}
	counts := false
	for _, l := range o.Legs {
		a := s.Book().Account(l.Account)
		counts = counts || a.Set == transaction.CountSet
		leg := Leg{Account: uint32(l.Account), Code: uint16(a.Code)}
		leg.Amount, leg.Count = quantityOf(l.Amount, a.Set == transaction.CountSet)
		r.Legs = append(r.Legs, leg)
	}
	r.Amount, r.Count = quantityOf(o.Amount, counts)
	if balance := Yuan(o.Balance); o.Kind == transaction.KindDrawerClosed {
		r.Expected = &balance
	} else if o.HasBalance {
		r.Balance = &balance
	}
	return r
}

// takes says whether a kind has a field.
func takes(row *transaction.CatalogueRow, field string) bool {
	return slices.Contains(row.Needs, field) || slices.Contains(row.May, field)
}

func operatorName(s *transaction.State, number uint16) string {
	if number == 0 || int(number) > len(s.Operators()) {
		return ""
	}
	return s.Operators()[number-1].Code
}

func deskName(s *transaction.State, number uint16) string {
	if number == 0 || int(number) > len(s.Desks()) {
		return ""
	}
	return s.Desks()[number-1].Code
}

func merchantName(s *transaction.State, number uint32) string {
	if number == 0 || number > s.Merchants() {
		return ""
	}
	return s.MerchantAt(number - 1).Code.String()
}

func subject(s *transaction.State, holder uint32) *Subject {
	if holder == 0 || holder > s.Holders() {
		return nil
	}
	return &Subject{Number: s.HolderNumber(holder - 1)}
}

// purseName is how operators name a purse.
func purseName(s *transaction.State, purse uint16) string {
	switch {
	case purse == 0:
		return "main"
	case purse == 1:
		return "subsidy"
	case int(purse)-1 <= s.Programmes():
		return s.Programme(purse - 1).Code
	}
	return ""
}

// name looks up the masked names of people on a receipt, and masks their numbers.
func (c *Console) name(people ...*Subject) {
	for _, who := range people {
		if who != nil {
			who.Name = maskName(c.names("holder", who.Number))
			who.Number = maskNumber(who.Number)
		}
	}
}

// pendingReceipt is a proposal's receipt.
func (c *Console) pendingReceipt(done *transaction.Receipt, o *transaction.Operation) Receipt {
	row, _ := transaction.CatalogueOf(o.Kind)
	r := Receipt{
		Number: transaction.ReferenceOf(done.Sequence).String(), Record: done.Sequence, Kind: row.Label, KindZH: row.Chinese, KindEN: row.English, Status: "pending",
		Time: local(done.Time, c.zone), BusinessDay: Day(done.Day), Desk: o.Desk, Operator: o.Operator, Merchant: strings.TrimSpace(o.Merchant),
		OtherMerch: o.OtherMerchant, Terminal: o.Terminal, Purse: o.Purse, OtherPurse: o.OtherPurse, Document: o.Document, Reason: o.Reason,
	}
	if o.Holder != "" && r.Purse == "" && takes(&row, "purse") {
		r.Purse = "main"
	}
	if o.Holder != "" {
		r.Holder = &Subject{Number: o.Holder}
	}
	if o.OtherHolder != "" {
		r.OtherHolder = &Subject{Number: o.OtherHolder}
	}
	if o.Original != 0 {
		r.Original = transaction.ReferenceOf(o.Original).String()
	}
	r.Amount, r.Count = quantityOf(o.Amount, o.Kind == transaction.KindCountsIssued)
	c.name(r.Holder, r.OtherHolder)
	return r
}

// withFirst shows what a key stands for already, when it was used for something else.
func (c *Console) withFirst(ctx context.Context, err error, who person, name string) error {
	var refused *transaction.Refused
	if !errors.As(err, &refused) || refused.Rule != ruleKeyReused {
		return err
	}
	p := refusal(refused)
	p.Errors = []Fault{{"header.Idempotency-Key", refused.Rule, refused.Chinese, refused.English, shown(name)}}
	var sequence uint64
	if lookErr := c.core.Look(ctx, func(s *transaction.State) { sequence, _ = s.KeySequence(keyOf(who.code, name)) }); lookErr != nil || sequence == 0 {
		return p
	}
	if first, readErr := c.first(ctx, sequence); readErr == nil {
		p.First = first
	} else if !errors.Is(readErr, ErrNoEntry) && c.events.Failed != nil {
		c.events.Failed("idempotency_key", readErr)
	}
	return p
}
