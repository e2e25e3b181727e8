package transaction_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// nullJournal takes blocks and keeps only the head: what is measured is deciding.
type nullJournal struct{ head ledger.Head }

func (j *nullJournal) Append(b ledger.Block) error { j.head = b.Head(); return nil }
func (j *nullJournal) Wait(uint64) error           { return nil }
func (j *nullJournal) Head() ledger.Head           { return j.head }
func (j *nullJournal) Replay(context.Context, uint64, func(ledger.Block) error) error {
	return nil
}

// loopDoor hands the engine groups of purchases and counts the answers; it stops the engine when enough have come.
type loopDoor struct {
	group     int
	left      int
	stop      context.CancelFunc
	holders   int
	trace     [64]uint32
	next      int
	answered  int
	refused   int
	firstCode transaction.Reason
}

func (d *loopDoor) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	for range min(d.group, d.left) {
		terminal := d.next % 64
		d.trace[terminal] = d.trace[terminal]%999_999 + 1
		requests = append(requests, transaction.Request{
			Kind: transaction.KindPurchase, Origin: 1, Received: 1_795_405_680_000_000 + int64(d.next), Terminal: transaction.TerminalID(terminal + 1), Batch: 1,
			Trace: d.trace[terminal], Card: 9156000000000000 + transaction.CardNumber(d.next*7919%d.holders), Amount: 1,
		})
		d.next++
		d.left--
	}
	return requests, nil
}

func (d *loopDoor) Answer(decisions []transaction.Decision) {
	for i := range decisions {
		if decisions[i].Reason != transaction.ReasonNone {
			d.refused++
			d.firstCode = decisions[i].Reason
		}
	}
	if d.answered += len(decisions); d.left == 0 {
		d.stop()
	}
}

func (d *loopDoor) Wake() {}

// bigCampus is a campus of so many holders, in parts that fit a block.
func bigCampus(holders int) (parts []*transaction.Directory) {
	const part = 200_000
	dir := &transaction.Directory{Classes: []transaction.ClassRow{{Code: "student"}}, Merchants: []transaction.MerchantRow{{Code: merchantCode("103410054110001")}}}
	for i := range 64 {
		dir.Terminals = append(dir.Terminals, terminalRow(fmt.Sprintf("POS%05d", i), "103410054110001", transaction.TerminalPOS))
	}
	for i := range holders {
		number := fmt.Sprintf("2026%07d", i)
		dir.Holders = append(dir.Holders, transaction.HolderRow{Number: number, Class: "student", OpeningMain: 1_000_000})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: 9156000000000000 + transaction.CardNumber(i), Holder: number})
		if len(dir.Holders) == part || i == holders-1 {
			parts, dir = append(parts, dir), new(transaction.Directory)
		}
	}
	return parts
}

func importAll(t testing.TB, engine *transaction.Engine, parts []*transaction.Directory) {
	for i, part := range parts {
		if faults, err := engine.ImportBeforeRun(part, int64(2+i)); err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
	}
}

// BenchmarkPurchase measures one purchase from request to sealed block and decision: no wire, no disk.
func BenchmarkPurchase(b *testing.B) {
	for _, c := range []struct{ holders, group int }{{30_000, 32}, {30_000, 800}, {400_000, 32}, {400_000, 800}} {
		b.Run(fmt.Sprintf("holders=%d/group=%d", c.holders, c.group), func(b *testing.B) {
			engine, err := transaction.Open(context.Background(), transaction.Config{Journal: &nullJournal{}, Routes: routes(), Site: transaction.DefaultSite()}, 1)
			if err != nil {
				b.Fatal(err)
			}
			importAll(b, engine, bigCampus(c.holders))
			ctx, cancel := context.WithCancel(context.Background())
			door := &loopDoor{holders: c.holders, group: c.group, left: b.N, stop: cancel}
			engine.Connect(door, newScriptedBank())
			b.ReportAllocs()
			b.ResetTimer()
			if err := engine.Run(ctx, 1000); err != nil {
				b.Fatal(err)
			}
			if door.refused > 0 || door.answered != b.N {
				b.Fatalf("%d of %d answered, %d refused (%s)", door.answered, b.N, door.refused, door.firstCode)
			}
		})
	}
}
