package transaction_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// TestRandomHistoriesOfOperations makes histories of every operation of the catalogue, sensible and not, with purchases and reversals between
// them, and holds each to what must be true whatever happens: every account set sums to zero, no purse is below its floor, a refusal changes
// nothing, a key, a proposal and an original count once, and the auditor, who has books of his own, finds nothing. What is opened again from
// the journal, and from a checkpoint in the middle, is the same state to the byte.
func TestRandomHistoriesOfOperations(t *testing.T) {
	var asked, done [256]int
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		for range rapid.IntRange(40, 160).Draw(t, "acts") {
			h.act(&asked, &done)
			h.check()
		}
		h.finish()
	})
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		if row.Kind != transaction.KindTransitSettled && asked[row.Kind] > 300 && done[row.Kind] == 0 { // nobody has loaded from a bank here
			t.Errorf("%s was asked for %d times and never carried out: the histories are too poor to say anything about it", row.Label, asked[row.Kind])
		}
	})
}

type history struct {
	t           *rapid.T
	story       *story
	journal     *memoryJournal
	checkpoints *memoryCheckpoints
	keys        uint64
	records     map[transaction.Kind][]uint64
	proposals   []uint64
}

func newHistory(t *rapid.T) *history {
	h := &history{t: t, journal: &memoryJournal{}, checkpoints: &memoryCheckpoints{}, records: make(map[transaction.Kind][]uint64)}
	h.story = &story{journal: h.journal, checkpoints: h.checkpoints, now: noon, names: make(map[string]uint64)}
	h.open()
	dir, centre := castOf(noon), centreOf()
	for _, d := range []*transaction.Directory{dir, centre} {
		faults, err := h.story.engine.ImportBeforeRun(d, h.now())
		require.NoError(t, err)
		require.Empty(t, faults)
	}
	for _, row := range operatorRows(t) {
		require.NoError(t, h.story.engine.SetOperatorBeforeRun(row, "root", h.now()))
	}
	for _, desk := range []string{"A", "B"} { // most acts at a desk need an open drawer
		h.operate(&transaction.Operation{Kind: transaction.KindDrawerOpened, Operator: "li", Desk: desk, Amount: fen("200")})
	}
	for _, o := range []transaction.Operation{ // merchants who are owed something, and a holder with tickets
		{Kind: transaction.KindDeduction, Operator: "wang", Holder: "20260001", Merchant: "103410054110001", Amount: fen("5"), Reason: "tray"},
		{Kind: transaction.KindDeduction, Operator: "wang", Holder: "20260001", Merchant: "103410054110002", Amount: fen("5"), Reason: "key"},
		{Kind: transaction.KindCountsIssued, Operator: "wang", Holder: "20260001", Purse: "tickets", Amount: 10, Reason: "training"},
	} {
		h.operate(&o)
	}
	var done [256]int
	for range 12 {
		h.approve(&done)
	}
	return h
}

func (h *history) now() int64 { return h.story.now.UnixMicro() }

func (h *history) open() {
	engine, err := transaction.Open(context.Background(), transaction.Config{
		Journal: h.journal, Checkpoints: h.checkpoints, Routes: routes(), Site: transaction.Site{Window: 8, ZoneSeconds: 8 * 3600},
	}, h.now())
	require.NoError(h.t, err)
	h.story.engine = engine
}

// draw makes an operation whose fields are right more often than not.
func (h *history) draw() *transaction.Operation {
	t := h.t
	var rows []transaction.CatalogueRow
	transaction.Catalogue(func(row transaction.CatalogueRow) { rows = append(rows, row) })
	row := rapid.SampledFrom(rows).Draw(t, "kind")
	o := &transaction.Operation{Kind: row.Kind, Operator: "root"}
	for _, name := range []string{"li", "wang", "wang", "li"} {
		if operator, _ := h.story.engine.State().OperatorByCode(name); operator.Roles&row.Roles != 0 {
			o.Operator = name
		}
	}
	for _, field := range append(slices.Clone(row.Needs), row.May...) {
		needed := slices.Contains(row.Needs, field)
		if needed && rapid.IntRange(0, 30).Draw(t, "forgotten") == 0 || !needed && rapid.Bool().Draw(t, "left out") {
			continue
		}
		h.drawField(o, field)
	}
	return o
}

func (h *history) drawField(o *transaction.Operation, field string) {
	t := h.t
	pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, field) }
	merchants := []string{"103410054110001", "103410054110002", "103410054110003"}
	switch field {
	case "desk":
		o.Desk = pick("A", "B")
	case "holder":
		o.Holder = pick("20260001", "20260002", "20260003", "20260004", "nobody")
	case "other_holder":
		o.OtherHolder = pick("20260001", "20260002", "20260003")
	case "merchant":
		o.Merchant = pick(merchants...)
	case "other_merchant":
		o.OtherMerchant = pick(merchants...)
	case "purse":
		if counts := o.Kind == transaction.KindCountSale || o.Kind == transaction.KindCountsIssued; counts {
			o.Purse = pick("tickets", "tickets", "tickets", "grant")
			return
		}
		o.Purse = pick("main", "subsidy", "meal", "boiled", "hot", "grant", "water", "tickets")
	case "other_purse":
		o.OtherPurse = pick("main", "water")
	case "terminal":
		o.Terminal = pick("POS00001", "POS00002")
	case "amount":
		o.Amount = money.Fen(rapid.SampledFrom([]int{-1, 1, 2, 3, 50, 96, 100, 100, 500, 1300, 100_000}).Draw(t, field))
	case "all":
		o.All = true
	case "unit":
		o.Unit = money.Fen(rapid.SampledFrom([]int{1, 10, 100, 7}).Draw(t, field))
	case "original", "evidence":
		if o.Original == 0 {
			o.Original = h.original(o.Kind)
			o.Evidence = h.evidence(o.Original, o.Kind)
		}
	case "occurred":
		o.Occurred = h.now() - 1e9
	case "until":
		o.Until = h.now() + 60e6
	case "expiry":
		o.Expiry = uint32(h.now()/86400e6) + uint32(rapid.IntRange(0, 3).Draw(t, field))
	case "state":
		o.State = transaction.AccountState(pick("open", "frozen", "retained"))
	case "account":
		o.Account = pick("6217000012345678", "6222000000000001", "6222000000000002", "6222000000000003", "12345")
		if row, ok := h.story.engine.State().HolderByNumber(o.Holder); ok && o.Kind != transaction.KindBankSigned {
			o.Account = fmt.Sprint(h.story.engine.State().Holder(row).BankAccount)
		}
	case "other_account":
		o.OtherAccount = pick("6222000000000001", "6222000000000002", "6222000000000003", "98765432")
	case "identity":
		o.Identity = transaction.IdentityCheck(pick("id_card", "id_card", "guardian", "face"))
	case "signed":
		o.Signed = uint32(h.now()/86400e6) - uint32(rapid.IntRange(0, 3).Draw(t, field))
	case "single_limit", "day_limit", "purse_limit":
		limit := money.Fen(rapid.SampledFrom([]int{-1, 96, 1300, 20_000, 30_000}).Draw(t, field))
		*map[string]*money.Fen{"single_limit": &o.SingleLimit, "day_limit": &o.DayLimit, "purse_limit": &o.PurseLimit}[field] = limit
	case "threshold":
		threshold := money.Fen(rapid.SampledFrom([]int{0, 100, 10_000}).Draw(t, field))
		o.Threshold = &threshold
	case "document":
		o.Document = "D-1"
	case "reason":
		o.Reason = "because"
	}
}

// original picks a record: most often one of a kind that fits.
func (h *history) original(kind transaction.Kind) uint64 {
	fitting := map[transaction.Kind][]transaction.Kind{
		transaction.KindRefund:              {transaction.KindOfflineSale, transaction.KindDeduction, transaction.KindCountSale, transaction.KindMeterSettled, transaction.KindHoldSettled},
		transaction.KindDepositReversed:     {transaction.KindCashDeposit, transaction.KindFundDeposit, transaction.KindThirdPartyLoad, transaction.KindCardFee, transaction.KindWithdrawal, transaction.KindTransfer, transaction.KindThirdPartyRefunded},
		transaction.KindCardDepositReturned: {transaction.KindCardDeposit},
		transaction.KindHoldReleased:        {transaction.KindFundsHeld}, transaction.KindHoldSettled: {transaction.KindFundsHeld},
		transaction.KindMeterSettled: {transaction.KindMeterStarted}, transaction.KindMeterCancelled: {transaction.KindMeterStarted},
	}
	var from []uint64
	for _, k := range fitting[kind] {
		from = append(from, h.records[k]...)
	}
	if len(from) == 0 || rapid.IntRange(0, 9).Draw(h.t, "another") == 0 {
		for _, k := range []transaction.Kind{transaction.KindSubsidyIssued, transaction.KindDrawerOpened, transaction.KindAdjustment} {
			from = append(from, h.records[k]...)
		}
	}
	if len(from) == 0 {
		return 0
	}
	return rapid.SampledFrom(from).Draw(h.t, "original")
}

// evidence reads an original as whoever asks does; holds are named without.
func (h *history) evidence(sequence uint64, kind transaction.Kind) *transaction.Evidence {
	row, _ := transaction.CatalogueOf(kind)
	if !slices.Contains(row.Needs, "evidence") {
		return nil
	}
	var found *transaction.Evidence
	for _, b := range h.journal.blocks {
		if sequence < b.First() || sequence > b.Last() {
			continue
		}
		require.NoError(h.t, b.Each(func(n uint64, e *ledger.Entry) error {
			if n == sequence {
				found = transaction.EvidenceOf(b.Day(), e)
			}
			return nil
		}))
	}
	return found
}

// operate asks for an operation and holds it to its promise: a refusal writes nothing, the same key again writes nothing either.
func (h *history) operate(o *transaction.Operation) bool {
	h.keys++
	binary.BigEndian.PutUint64(o.Key[:], h.keys)
	before := h.state()
	receipt, err := h.story.engine.OperateBeforeRun(o, h.now())
	var refused *transaction.Refused
	if errors.As(err, &refused) {
		require.NotEmpty(h.t, refused.Rule)
		require.Equal(h.t, before, h.state(), "a refusal of %s changed something", refused.Rule)
		return false
	}
	require.NoError(h.t, err)
	again, err := h.story.engine.OperateBeforeRun(o, h.now())
	require.NoError(h.t, err)
	require.True(h.t, again.Repeated)
	require.Equal(h.t, receipt.Sequence, again.Sequence)
	if receipt.Pending {
		h.proposals = append(h.proposals, receipt.Sequence)
	} else {
		h.records[o.Kind] = append(h.records[o.Kind], receipt.Sequence)
	}
	return true
}

// state is a hash of every section of a checkpoint.
func (h *history) state() map[string]string {
	snapshot, err := h.story.engine.SnapshotBeforeRun()
	require.NoError(h.t, err)
	c := &memoryCheckpoints{}
	require.NoError(h.t, c.SaveCheckpoint(context.Background(), snapshot))
	hashes := make(map[string]string)
	for name, parts := range c.sections {
		sum := sha256.Sum256(bytes.Join(parts, nil))
		hashes[name] = hex.EncodeToString(sum[:8])
	}
	return hashes
}

func (h *history) act(asked, done *[256]int) {
	switch rapid.IntRange(0, 9).Draw(h.t, "what") {
	case 0, 1, 2:
		h.approve(done)
	case 3: // the clock moves, a day may end, and what has expired goes back
		h.story.now = h.story.now.AddDate(0, 0, rapid.IntRange(0, 1).Draw(h.t, "days")).Add(1e9)
		_, _, err := h.story.engine.ReturnExpiredBeforeRun(0, h.now())
		require.NoError(h.t, err)
	default:
		o := h.draw()
		asked[o.Kind]++
		row, _ := transaction.CatalogueOf(o.Kind)
		if h.operate(o) && !row.TwoPersons {
			done[o.Kind]++
		}
	}
}

func (h *history) approve(done *[256]int) {
	if len(h.proposals) == 0 {
		return
	}
	n := rapid.SampledFrom(h.proposals).Draw(h.t, "proposal")
	receipt, err := h.story.engine.ApproveBeforeRun(n, "zhao", h.now())
	var refused *transaction.Refused
	if errors.As(err, &refused) {
		return
	}
	require.NoError(h.t, err)
	done[receipt.Kind]++
	h.records[receipt.Kind] = append(h.records[receipt.Kind], receipt.Sequence)
	_, err = h.story.engine.ApproveBeforeRun(n, "zhao", h.now())
	require.ErrorAs(h.t, err, &refused, "a proposal was carried out twice")
}

// check looks at the books after every act.
func (h *history) check() {
	book := h.story.engine.State().Book()
	var sums [16]money.Fen
	for id := ledger.AccountID(1); uint32(id) <= book.Accounts(); id++ {
		a := book.Account(id)
		sums[a.Set] += a.Balance
		if a.Flags&ledger.MustNotOverdraw != 0 && a.Available() < 0 {
			h.t.Fatalf("account %d is at %s", id, a.Available())
		}
	}
	require.Equal(h.t, [16]money.Fen{}, sums)
}

// finish audits the history and opens it again.
func (h *history) finish() {
	auditor := ledgertest.New()
	for _, b := range h.journal.blocks {
		auditor.Block(b.First(), b.Bytes())
	}
	require.Empty(h.t, auditor.Finish().Findings)
	before := h.state()
	h.open()
	require.Equal(h.t, before, h.state(), "the journal alone gives another state")
	snapshot, err := h.story.engine.SnapshotBeforeRun()
	require.NoError(h.t, err)
	require.NoError(h.t, h.checkpoints.SaveCheckpoint(context.Background(), snapshot))
	h.open()
	require.Equal(h.t, before, h.state(), "a checkpoint gives another state")
}
