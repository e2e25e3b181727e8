package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/pebblestore"
)

// verification is one run of verify: it reads the stored blocks once and hands each to the auditor, and to the tally of statements.
type verification struct {
	store      *pebblestore.Store
	dir        string
	from, upTo uint64 // entries; 0: everything
	auditor    *ledgertest.Auditor
	index      *indexTally // nil: not checked
	checkpoint ledger.Stored
	progress   io.Writer
	told       time.Time // when progress was last told
	result     verifyResult
}

// progressInterval is how often long work says how far it is.
const progressInterval = 2 * time.Second

func (v *verification) run(ctx context.Context, receipts string) (*verifyResult, error) {
	began := time.Now()
	v.told = began
	v.result = verifyResult{Data: v.dir, Findings: []ledgertest.Finding{}}
	v.result.MovedOut.UpTo, v.result.MovedOut.Archive = v.store.MovedOut()
	for _, doubt := range v.store.Doubts() {
		v.note(0, 0, oneLine(doubt))
	}
	if v.upTo > 0 {
		v.result.partial, v.auditor = true, ledgertest.NewRange()
	} else {
		v.auditor = ledgertest.New()
		v.auditor.Expect(v.store.Head().Sequence)
		v.index = newIndexTally(v.store.IndexedTo())
		v.loadCheckpoint()
	}
	if err := v.replay(ctx); err != nil {
		return nil, err
	}
	report := v.auditor.Finish()
	v.take(report)
	if !v.result.partial {
		if err := v.finishWhole(ctx, report, receipts); err != nil {
			return nil, err
		}
	}
	v.result.OK = v.result.Faults == 0
	v.result.took = time.Since(began)
	return &v.result, nil
}

// finishWhole compares the end of the ledger, the index and the receipts with what was replayed.
func (v *verification) finishWhole(ctx context.Context, report ledgertest.Report, receipts string) error {
	v.checkHead(report)
	if v.checkpoint != nil {
		if at := v.checkpoint.Head().Sequence; !v.result.Checkpoint.OK {
			v.note(0, at, fmt.Sprintf("检查点 %d 与重放不符(不影响账目,重启会用更早的) / the checkpoint at %[1]d does not fit the replay (the ledger itself is not harmed)", at))
		}
	}
	if err := v.index.compare(ctx, v); err != nil {
		return err
	}
	if len(v.store.Doubts()) == 0 && v.index.whole {
		v.compareTotals(ctx, v.index.register)
	}
	return v.readReceipts(receipts)
}

// oneLine leaves out what Pebble writes under an error for its own developers.
func oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n<corruption detail carrier>", "")
	return strings.ReplaceAll(text, "\n", " ")
}

func (v *verification) note(block, entry uint64, text string) {
	v.result.Faults++
	v.result.Findings = append(v.result.Findings, ledgertest.Finding{Block: block, Entry: entry, Text: text})
}

// tell says how far it is, now and then.
func (v *verification) tell(sequence uint64) {
	if now := time.Now(); now.Sub(v.told) >= progressInterval {
		v.told = now
		end := v.store.Head().Sequence
		if v.upTo > 0 {
			end = min(end, v.upTo)
		}
		fmt.Fprintf(v.progress, "核对中 / verifying: %s / %s\n", thousands(sequence), thousands(end))
	}
}

// take copies the auditor's report into the result.
func (v *verification) take(report ledgertest.Report) {
	r := &v.result
	r.Blocks, r.Entries = report.Blocks, report.Entries
	r.FirstDay, r.LastDay = dateOf(report.FirstDay), dateOf(report.LastDay)
	r.Head = headOf(report.Last, report.Hash)
	r.Sum, r.Debits, r.Credits, r.Moved = report.Sum, report.Debits, report.Credits, report.Moved
	r.Accounts, r.OpenHolds, r.OpenLoads, r.Duplicates = report.Accounts, report.OpenHolds, report.OpenLoads, report.Duplicates
	r.OpenPaying = report.OpenWithdrawals
	r.ByCode = v.auditor.BalanceSheet()
	r.Faults += report.Faults
	r.Findings = append(r.Findings, report.Findings...)
}

func dateOf(day uint32) string {
	if day == 0 {
		return ""
	}
	return ledger.DateOf(day)
}

// checkHead holds the end of the replay against the store's head and the witness's newest.
func (v *verification) checkHead(report ledgertest.Report) {
	replayed := ledger.Head{Sequence: report.Last, Hash: report.Hash}
	if head := v.store.Head(); head != replayed && len(v.store.Doubts()) == 0 {
		v.note(0, head.Sequence, fmt.Sprintf("账本末条为 %d,重放止于 %d / the journal's head is %[1]d, the replay ended at %[2]d", head.Sequence, report.Last))
	}
	heads := v.store.Witnessed()
	v.result.Witness.Slots = len(heads)
	if len(heads) == 0 {
		return
	}
	newest := heads[len(heads)-1]
	v.result.Witness.headResult = headOf(newest.Sequence, newest.Hash)
	v.result.Witness.OK = newest.Sequence < replayed.Sequence || newest == replayed
	if !v.result.Witness.OK && len(v.store.Doubts()) == 0 {
		v.note(0, newest.Sequence, (&pebblestore.BehindWitnessError{Journal: replayed, Witness: newest}).Error())
	}
}

// loadCheckpoint finds the newest whole checkpoint and names those that are not. That none can be read is a finding, as it is for the index:
// the ledger is whole without them.
func (v *verification) loadCheckpoint() {
	_, damaged, err := v.store.Checkpoints()
	for _, head := range damaged {
		v.note(0, head.Sequence, fmt.Sprintf("检查点 %d 损坏(不影响账目) / the checkpoint at %[1]d is damaged (the ledger itself is not harmed)", head.Sequence))
	}
	if err == nil {
		v.checkpoint, err = v.store.LoadCheckpoint()
	}
	if err != nil {
		v.note(0, 0, "检查点无法读取(不影响账目) / the checkpoints cannot be read (the ledger itself is not harmed): "+oneLine(err))
	}
}

// compareCheckpoint holds the checkpoint's balances against the auditor's own, account by account, when the replay comes past it.
func (v *verification) compareCheckpoint() {
	if v.checkpoint == nil || v.checkpoint.Head().Sequence != v.auditor.Last() {
		return
	}
	head := v.checkpoint.Head()
	v.result.Checkpoint.Sequence = head.Sequence
	book, err := ledger.RestoreBook(v.checkpoint)
	if err != nil {
		v.note(0, head.Sequence, err.Error())
		return
	}
	ok := head.Hash == ledger.Hash(v.auditor.Hash()) && book.Accounts() == v.auditor.Accounts()
	for id := uint32(1); id <= min(book.Accounts(), v.auditor.Accounts()); id++ {
		own, _ := v.auditor.Account(id)
		stored := book.Account(ledger.AccountID(id))
		if own.Balance != int64(stored.Balance) || own.Held != int64(stored.Held) || own.State != byte(stored.State) || own.Code != uint16(stored.Code) {
			ok = false
			v.note(0, head.Sequence, fmt.Sprintf("检查点账户 %d 余额 %s、冻结 %s,重放为 %s、%s / checkpoint: account %[1]d has balance %[2]s and holds %[3]s, the replay %[4]s and %[5]s",
				id, stored.Balance, stored.Held, fenText(own.Balance), fenText(own.Held)))
		}
	}
	v.result.Checkpoint.OK = ok
}

// readReceipts compares what the terminals remember.
func (v *verification) readReceipts(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("回执 / receipts: %w", err)
	}
	defer f.Close()
	found, err := v.auditor.Receipts(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r := &v.result
	r.receipts, r.Acknowledged, r.Lost, r.Doubled = &found, found.Acknowledged, found.Lost, found.Doubled
	r.Faults += found.Lost + found.Doubled
	for _, text := range found.LostFirst {
		r.Findings = append(r.Findings, ledgertest.Finding{Text: "已应答而账本没有 / acknowledged and lost: " + text})
	}
	for _, text := range found.DoubledFirst {
		r.Findings = append(r.Findings, ledgertest.Finding{Text: "重复 / doubled: " + text})
	}
	return nil
}
