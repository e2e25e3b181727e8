package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// chaosResult is the JSON of a run.
type chaosResult struct {
	Loads        int            `json:"loads"`
	Withdrawals  int            `json:"withdrawals"`
	SentAgain    int            `json:"withdrawals_sent_again"` // by the desks, under the same name
	NotTaken     map[string]int `json:"withdrawals_refused"`    // by rule
	Seed         uint64         `json:"seed"`
	Seconds      float64        `json:"seconds"`
	Kills        int            `json:"kills"`
	BankRestarts int            `json:"bank_restarts"`
	Cuts         int            `json:"line_cuts"`
	Paths        map[string]int `json:"paths"`
	LateAnswers  int            `json:"loads_with_a_late_answer"`
	InTransit    int64          `json:"in_transit_fen"`
	BankHolds    int64          `json:"bank_holds_fen"`
	Statements   int            `json:"statements_compared"`
	Different    []difference   `json:"different"`
	Audit        *audit         `json:"audit"`
}

// judge waits for the last reversal, stops the switch and compares everything.
func (r *chaos) judge(ctx context.Context, out io.Writer) error {
	if err := r.awaitStatus(ctx, (*chaosStatus).quiet); err != nil {
		return err
	}
	a, err := r.house.audit(ctx)
	if err != nil {
		return err
	}
	loads, err := r.house.site.ourLoads(ctx)
	if err != nil {
		return err
	}
	if r.desks.failed != nil {
		return fmt.Errorf("柜台 / the desks: %w", r.desks.failed)
	}
	result := chaosResult{
		Loads: r.loads, Withdrawals: r.desks.given, SentAgain: r.desks.again, NotTaken: r.desks.refused, Seed: r.seed, Seconds: time.Since(r.began).Seconds(), Kills: r.kills, BankRestarts: r.banks, Cuts: r.cuts,
		Paths: make(map[string]int), InTransit: int64(a.inTransit()), BankHolds: int64(r.house.bank.held()), Different: []difference{}, Audit: a,
	}
	for _, l := range loads {
		result.Paths[l.path(r.killed)]++
		if l.Late {
			result.LateAnswers++
		}
	}
	books, err := bankBooks(r.house.bank.Bank)
	if err != nil {
		return err
	}
	for _, book := range books {
		result.Different = append(result.Different, compare(loads, &book)...)
	}
	result.Different = append(result.Different, r.desks.compare(loads)...)
	if err := r.compareStatements(ctx, &result); err != nil {
		return err
	}
	r.print(out, &result)
	err = a.report(out, r.house.bank)
	if r.json != "" {
		if err := writeJSON(r.json, &result); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "loads=%d withdrawals=%d kills=%d bank_restarts=%d different=%d\n", r.loads, r.desks.given, r.kills, r.banks, len(result.Different))
	if len(result.Different) > 0 {
		return errFound
	}
	return err
}

// differencesShown on the screen; the JSON has them all.
const differencesShown = 20

func (r *chaos) print(out io.Writer, result *chaosResult) {
	stats := r.fleet.Stats()
	fmt.Fprintf(out, "\n%s\n终端 kiosks  请求 loads %d  重发 repeated %d  终端放弃 given up %d  终端冲正 taken back %d  重连 reconnects %d\n", strings.Repeat("-", 100),
		r.asked, stats.Repeated, stats.GivenUp, r.reversed, stats.Reconnects)
	fmt.Fprintf(out, "应答码 codes %s\n", codeCounts(r.house.receipts.Memory))
	fmt.Fprintf(out, "柜台 desks  提现 withdrawals %d  重发 sent again %d  拒绝 refused %v\n", result.Withdrawals, result.SentAgain, result.NotTaken)
	total := 0
	for _, p := range paths {
		if n := result.Paths[p.name]; n > 0 {
			fmt.Fprintf(out, "  %8d  %s / %s\n", n, p.zh, p.name)
			total += n
		}
	}
	fmt.Fprintf(out, "  %8d  账本中的圈存与提现 / loads and withdrawals in the ledger;其中 %d 笔有迟到的应答 / of these had a late answer\n", total, result.LateAnswers)
	fmt.Fprintf(out, "持卡人流水 statements compared with the bank: %d\n", result.Statements)
	for i, d := range result.Different {
		if i == differencesShown {
			fmt.Fprintf(out, "  … 还有 / and %d more\n", len(result.Different)-i)
			break
		}
		fmt.Fprintf(out, "  ✗ %s  %s: 卡上 the card has %s, 银行 the bank holds %s: %s\n", d.Book, d.Reference, d.Ours.Yuan(), d.Theirs.Yuan(), d.Text)
	}
}
