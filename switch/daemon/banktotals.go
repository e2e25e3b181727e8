package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"onecard/bankgw"
	"onecard/bankgw/reconcile"
	"onecard/ledger/pebblestore"
	"onecard/switch/console"
	"onecard/switch/transaction"
)

// keptTotals is DIR/banks/NAME/2026-11-23.totals.json: a day's totals, and what the bank has said about them.
type keptTotals struct {
	Day  reconcile.Day  `json:"day"`
	Ours bankgw.Totals  `json:"ours"`
	Bank *bankgw.Totals `json:"bank,omitempty"` // newest that it has said
	Code int            `json:"code,omitempty"` // DE 66 of its answer to ours; 0: none yet
	Note string         `json:"note,omitempty"` // why it has said none
	File string         `json:"file,omitempty"` // DE 101
	At   time.Time      `json:"at"`
}

const (
	totalsAnswered = 7 // newest closed days about which the bank may ask
	totalsSent     = 2 // newest closed days that are sent, unless the bank has answered
	totalsBound    = 64
)

// keepBank does what belongs to one bank and not to its links, until the context ends: the totals of closed days, and its files.
func (s *server) keepBank(ctx context.Context, c *bankgw.Config, said <-chan bankgw.TotalsSaid) {
	files, given := s.newBankFiles(c), map[uint32]bool{}
	look, house := time.NewTicker(c.Files.Interval), time.NewTicker(houseInterval)
	defer look.Stop()
	defer house.Stop()
	files.look(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			files.look(ctx)
		case heard := <-said:
			s.hearTotals(c.Name, &heard)
		case <-house.C:
			if !c.Dialect.Has(bankgw.FeatureTotals) {
				continue
			}
			if err := s.giveTotals(ctx, c.Name, given); err != nil && ctx.Err() == nil {
				s.log.Error("当日总额未能算出,将重试 / a day's totals could not be made and will be tried again", zap.String("bank", c.Name), zap.Error(err))
			}
		}
	}
}

// giveTotals gives the totals of the newest closed days to a bank's gateway, once in a life of the switch.
func (s *server) giveTotals(ctx context.Context, bank string, given map[uint32]bool) error {
	days, err := s.closedDays(ctx, totalsAnswered)
	if err != nil {
		return err
	}
	g, err := s.gateway(bank)
	if err != nil {
		return err
	}
	for i, day := range days {
		if given[day] {
			continue
		}
		ours, err := s.totalsOf(ctx, bank, day)
		if err != nil {
			return err
		}
		kept, err := s.readTotals(bank, reconcile.Day(day))
		if err != nil {
			return err
		}
		kept.Day, kept.Ours = reconcile.Day(day), ours
		if err := s.writeTotals(bank, kept); err != nil {
			return err
		}
		if err := g.GiveTotals(ours, i < totalsSent && kept.Code == 0); err != nil {
			return err
		}
		given[day] = true
	}
	return nil
}

// closedDays are the newest business days that are closed, the newest first.
func (s *server) closedDays(ctx context.Context, most int) (days []uint32, err error) {
	var open uint32
	if err := s.opened.engine.Look(ctx, func(state *transaction.State) { open = state.BusinessDay() }); err != nil {
		return nil, err
	}
	span, err := s.opened.store.SpanOf(open)
	for err == nil && span.First > 1 && len(days) < most {
		if span, err = s.opened.store.DayOf(span.First - 1); err == nil && span.Followed {
			days = append(days, span.Day)
		}
	}
	if errors.Is(err, pebblestore.ErrNoEntry) {
		err = nil
	}
	return days, err
}

// totalsOf are ours of one of the bank's days: of the loads of that business day and of the one before, which the bank may have put into this one.
func (s *server) totalsOf(ctx context.Context, bank string, day uint32) (bankgw.Totals, error) {
	entries := map[uint64]reconcile.Entry{}
	for _, of := range []uint32{day - 1, day} {
		d, err := s.bankDay(ctx, bank, of)
		if err != nil {
			return bankgw.Totals{}, err
		}
		for sequence, e := range d.loads {
			if e == nil {
				continue
			}
			newer := *e
			if newer.BankDay == 0 {
				newer.BankDay = entries[sequence].BankDay
			}
			entries[sequence] = newer
		}
	}
	list := make([]reconcile.Entry, 0, len(entries))
	for _, e := range entries {
		list = append(list, e)
	}
	t := reconcile.TotalsOf(reconcile.Day(day), list)
	return bankgw.Totals{
		Day: day, Debits: uint64(t.Debits), DebitAmount: t.DebitAmount, Reversed: uint64(t.Reversed), ReversedAmount: t.ReversedAmount,
		Credits: uint64(t.Credits), CreditAmount: t.CreditAmount,
	}, nil
}

// hearTotals keeps and tells what a bank has said.
func (s *server) hearTotals(bank string, said *bankgw.TotalsSaid) {
	day := reconcile.Day(said.Day)
	kept, err := s.readTotals(bank, day)
	if err == nil {
		kept.Day, kept.At = day, time.Now().UTC()
		kept.hear(said)
		err = s.writeTotals(bank, kept)
	}
	log, verdict := s.log.Info, kept.verdict()
	if verdict != "balanced" {
		log = s.log.Warn
	}
	s.metrics.BankTotals(bank, verdict)
	log("银行当日总额 / the bank's totals of a day", zap.String("bank", bank), zap.Stringer("day", day), zap.String("verdict", verdict), zap.Bool("asked", said.Asked),
		zap.Int("code", said.Code), zap.String("file", said.File), zap.Error(err))
}

func (k *keptTotals) hear(said *bankgw.TotalsSaid) {
	if said.Bank != nil {
		k.Bank = said.Bank
	}
	if said.File != "" {
		k.File = said.File
	}
	if !said.Asked {
		return
	}
	switch k.Code, k.Note = said.Code, ""; {
	case said.Silent:
		k.Note = "银行未应答 / the bank has not answered"
	case said.Refused != "":
		k.Note = "银行以 " + said.Refused + " 拒绝 / the bank refused with " + said.Refused
	}
}

// compared holds the bank's figures against ours; nil: it has said none.
func (k *keptTotals) compared() *reconcile.Comparison {
	if k.Bank == nil {
		return nil
	}
	c := reconcile.Compare(totalsToCompare(&k.Ours), totalsToCompare(k.Bank))
	return &c
}

func totalsToCompare(t *bankgw.Totals) reconcile.Totals {
	return reconcile.Totals{
		Day: reconcile.Day(t.Day), Debits: int(t.Debits), DebitAmount: t.DebitAmount, Reversed: int(t.Reversed), ReversedAmount: t.ReversedAmount,
		Credits: int(t.Credits), CreditAmount: t.CreditAmount,
	}
}

// verdict is the label in metrics and at the desk. Our own comparison counts before the bank's word.
func (k *keptTotals) verdict() string {
	c := k.compared()
	switch {
	case c == nil && k.Note != "":
		return "silent"
	case c == nil:
		return "waiting"
	case c.Code == reconcile.Balanced && k.Code > bankgw.SettlementBalanced:
		return "contradicts" // the same figures, and the bank says that they are not
	case c.Code == reconcile.Balanced:
		return "balanced"
	}
	return "differs"
}

// visitTotalsVerdicts calls visit with every verdict that is counted.
func visitTotalsVerdicts(visit func(string)) {
	for _, verdict := range []string{"balanced", "differs", "contradicts", "silent", "waiting"} {
		visit(verdict)
	}
}

func (s *server) totalsPath(bank string, day reconcile.Day) string {
	return filepath.Join(reconciliations{s}.folder(bank), day.String()+".totals.json")
}

// readTotals is what was kept of a day; empty when nothing was.
func (s *server) readTotals(bank string, day reconcile.Day) (*keptTotals, error) {
	kept := new(keptTotals)
	contents, err := os.ReadFile(s.totalsPath(bank, day))
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err == nil {
		err = json.Unmarshal(contents, kept)
	}
	if err != nil {
		return kept, fmt.Errorf("%s: %w", s.totalsPath(bank, day), err)
	}
	return kept, nil
}

func (s *server) writeTotals(bank string, kept *keptTotals) error {
	contents, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return err
	}
	path := s.totalsPath(bank, kept.Day)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeWhole(path, append(contents, '\n'))
}

// Totals implements console.Reconciliations.
func (r reconciliations) Totals(_ context.Context, bank, day string) (*console.BankTotals, error) {
	if _, err := r.bank(bank); err != nil {
		return nil, err
	}
	var of reconcile.Day
	if err := of.UnmarshalText([]byte(day)); err != nil {
		return nil, console.ErrNoEntry
	}
	kept, err := r.server.readTotals(bank, of)
	if err == nil && kept.Day == 0 {
		err = console.ErrNoEntry
	}
	if err != nil {
		return nil, err
	}
	return totalsView(kept), nil
}

func totalsView(k *keptTotals) *console.BankTotals {
	v := &console.BankTotals{Day: k.Day.String(), Verdict: k.verdict(), Ours: figuresView(&k.Ours), BankCode: k.Code, Note: k.Note, File: k.File, Differs: []string{}}
	if k.Bank != nil {
		bank := figuresView(k.Bank)
		v.Bank = &bank
	}
	if c := k.compared(); c != nil {
		v.Net = console.Yuan(c.Net)
		for i := range c.Chinese {
			v.Differs = append(v.Differs, c.Chinese[i]+" / "+c.English[i])
		}
	}
	return v
}

func figuresView(t *bankgw.Totals) console.BankFigures {
	return console.BankFigures{
		Debits: t.Debits, DebitSum: console.Yuan(t.DebitAmount), Reversed: t.Reversed, ReversedSum: console.Yuan(t.ReversedAmount),
		Credits: t.Credits, CreditSum: console.Yuan(t.CreditAmount),
	}
}
