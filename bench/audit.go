package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"onecard/ledger/money"
	"onecard/terminals/emulator"
)

// audit is what the auditor says of a closed ledger and of what terminals were told (onecard verify --json).
type audit struct {
	Blocks       int64     `json:"blocks"`
	Entries      int64     `json:"entries"`
	Sum          money.Fen `json:"sum_fen"`
	Moved        money.Fen `json:"moved_fen"`
	Duplicates   int64     `json:"duplicates"`
	Acknowledged int64     `json:"acknowledged"`
	Lost         int64     `json:"lost"`
	Doubled      int64     `json:"doubled"`
	OK           bool      `json:"ok"`
	OpenLoads    int64     `json:"open_loads"`
	OpenPaying   int64     `json:"open_withdrawals"`
	ByCode       []struct {
		Code   int       `json:"code"`
		Debit  money.Fen `json:"debit_fen"`
		Credit money.Fen `json:"credit_fen"`
	} `json:"accounts_by_code"`
	Findings []struct {
		Block uint64 `json:"block"`
		Entry uint64 `json:"entry"`
		Text  string `json:"text"`
	} `json:"findings"`
}

// clean says that nothing at all was found wrong.
func (a *audit) clean() bool {
	return a.OK && a.Sum == 0 && a.Duplicates == 0 && a.Lost == 0 && a.Doubled == 0
}

// line is the money line.
func (a *audit) line() string {
	mark := func(ok bool) string {
		if ok {
			return "✓"
		}
		return "✗"
	}
	return fmt.Sprintf("账 money  流水 moved %s  借贷差 sum %s %s  重复 duplicates %d %s  收据 receipts %d  丢失 lost %d %s  重记 doubled %d %s  分录 entries %d",
		a.Moved.Yuan(), a.Sum.Yuan(), mark(a.Sum == 0), a.Duplicates, mark(a.Duplicates == 0), a.Acknowledged, a.Lost, mark(a.Lost == 0),
		a.Doubled, mark(a.Doubled == 0), a.Entries)
}

// report prints the money line, and the bank's beside it; it returns errFound when anything is wrong.
func (a *audit) report(out io.Writer, b *bank) error {
	fmt.Fprintln(out, a.line())
	wrong := !a.clean()
	if b != nil {
		stats, mark := b.Stats(), "✓"
		if b.held() != a.inTransit() || a.OpenLoads != 0 || a.OpenPaying != 0 || b.Check() != nil {
			wrong, mark = true, "✗"
		}
		fmt.Fprintf(out, "银行 bank  扣款 debited %d  拒绝 declined %d  冲回 reversed %d  付出 paid %d  银行净扣 held by the bank %s  账上在途 in transit in the ledger %s %s\n",
			stats.Debited.Count, stats.Declined.Count, stats.Reversed.Count, stats.Paid.Count, b.held().Yuan(), a.inTransit().Yuan(), mark)
	}
	for _, f := range a.Findings {
		place := ""
		if f.Block != 0 {
			place = fmt.Sprintf("块 block %d 分录 entry %d: ", f.Block, f.Entry)
		}
		fmt.Fprintf(out, "  %s%s\n", place, f.Text)
	}
	if wrong {
		return errFound
	}
	return nil
}

// verify closes the books: the ledger of a stopped switch is replayed by the auditor and held against the receipts.
func (s *site) verify(ctx context.Context) (*audit, error) {
	out, err := exec.CommandContext(ctx, s.binary, "verify", "--data", s.path("data"), "--receipts", s.path("receipts"), "--json", s.path("verify.json")).CombinedOutput()
	const findings = 3 // exit code: it could be read, and something is wrong
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == findings) {
		return nil, fmt.Errorf("复算账本 / auditing the ledger: %w\n%s", err, out)
	}
	contents, err := os.ReadFile(s.path("verify.json"))
	if err != nil {
		return nil, fmt.Errorf("复算账本 / auditing the ledger: %w\n%s", err, out)
	}
	a := new(audit)
	if err := json.Unmarshal(contents, a); err != nil {
		return nil, fmt.Errorf("复算账本 / reading what the auditor said: %w", err)
	}
	return a, nil
}

// receipts is the file of what terminals were told.
type receipts struct {
	*emulator.Memory
	file *os.File
}

func (s *site) newReceipts() (*receipts, error) {
	f, err := os.Create(s.path("receipts"))
	if err == nil {
		_, err = f.Write(emulator.ReceiptsHeader())
	}
	if err != nil {
		return nil, fmt.Errorf("making the file of receipts: %w", err)
	}
	return &receipts{emulator.NewMemory(), f}, nil
}

// put writes what has been remembered to the disk now, so that it does not compete with the next measurement.
func (r *receipts) put() error {
	if err := r.Spill(r.file); err != nil {
		return err
	}
	if err := r.file.Sync(); err != nil {
		return fmt.Errorf("writing receipts: %w", err)
	}
	return nil
}
