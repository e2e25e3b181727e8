package inprocess

import (
	"fmt"
	"time"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// The measured campus: as many windows as a large one has at lunch, rich holders without limits. Every third has a subsidy purse that pays
// for him, so that both kinds of entry are there.
const (
	merchants = 40
	terminals = 400
	noon      = 1_795_406_400_000_000 // 2026-11-23 12:00 in China
	rich      = 90_000_000
)

func directory(holders int) *transaction.Directory {
	dir := &transaction.Directory{Classes: []transaction.ClassRow{{Code: "student"}}}
	for i := range merchants {
		dir.Merchants = append(dir.Merchants, transaction.MerchantRow{Code: merchantCode(i)})
	}
	for i := range terminals {
		dir.Terminals = append(dir.Terminals, transaction.TerminalRow{
			Code: transaction.TerminalCode(fmt.Appendf(nil, "1%07d", i+1)), Merchant: merchantCode(i % merchants), Type: transaction.TerminalPOS, SealedKey: make([]byte, 44),
		})
	}
	for i := range holders {
		h := transaction.HolderRow{Number: fmt.Sprintf("2026%06d", i+1), Class: "student", OpeningMain: rich}
		if i%3 == 0 {
			h.OpeningSubsidy = rich
		}
		dir.Holders = append(dir.Holders, h)
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: cardNumber(i), Holder: h.Number})
	}
	return dir
}

func merchantCode(i int) transaction.MerchantCode {
	return transaction.MerchantCode(fmt.Appendf(nil, "8983%011d", i+1))
}

func cardNumber(i int) transaction.CardNumber {
	return 9_156_000_000_000_000 + transaction.CardNumber(i)
}

// door hands the core groups of purchases, and stops it when there are none left or the time is up.
type door struct {
	holders, group, left int
	until                time.Time // zero: no end
	stop                 func()
	next                 int
	answered, refused    int
	reason               transaction.Reason // of the first refusal
}

// Poll is a group: the terminals in turn, cards in an order that no cache foresees, 1.00 to 30.99 yuan, 20,000 a second.
func (d *door) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if d.left > 0 && !d.until.IsZero() && time.Now().After(d.until) {
		d.left = 0
		d.stop()
	}
	for range min(d.group, d.left) {
		n := d.next
		card := uint64(n) * 0x9E3779B97F4A7C15 >> 32 * uint64(d.holders) >> 32
		requests = append(requests, transaction.Request{
			Kind: transaction.KindPurchase, Origin: 1, Received: noon + 50*int64(n), Terminal: transaction.TerminalID(n%terminals + 1),
			Batch: 1 + uint32(n/terminals/traces), Trace: 1 + uint32(n/terminals%traces), Card: cardNumber(int(card)), Amount: money.Fen(100 + n*7%3000),
		})
		d.next++
		d.left--
	}
	return requests, nil
}

// traces of a batch: a terminal counts up to there and begins the next.
const traces = 999_999

// Answer counts.
func (d *door) Answer(decisions []transaction.Decision) {
	for i := range decisions {
		if decisions[i].Reason != transaction.ReasonNone {
			if d.refused == 0 {
				d.reason = decisions[i].Reason
			}
			d.refused++
		}
	}
	if d.answered += len(decisions); d.left == 0 {
		d.stop()
	}
}

// Wake has nobody to wake: Poll never waits.
func (d *door) Wake() {}

// check says whether everything that was asked has been sold.
func (d *door) check() error {
	if d.refused > 0 || d.answered != d.next {
		return fmt.Errorf("%d 笔应答 %d,被拒 %d(%s) / %[1]d purchases, %[2]d answers, %[3]d refused (%[4]s)", d.next, d.answered, d.refused, d.reason)
	}
	return nil
}
