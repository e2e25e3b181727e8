package transaction_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// lunchDoor hands the engine groups of purchases by holders in an order that no cache foresees, as many as are asked for.
type lunchDoor struct {
	orders  chan lunchOrder // closed at the end
	served  chan int        // of an order: how many were refused
	holders uint64
	order   lunchOrder
	refused int
	random  *rand.PCG
	trace   [64]uint32
	next    int
}

type lunchOrder struct{ group, purchases int }

func (d *lunchDoor) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if wait != 0 && d.order.purchases == 0 { // everything is answered
		if d.next > 0 {
			d.served <- d.refused
		}
		d.order, d.refused = <-d.orders, 0
	}
	for range min(d.order.group, d.order.purchases) {
		terminal := d.next % len(d.trace)
		d.trace[terminal] = d.trace[terminal]%999_999 + 1
		requests = append(requests, transaction.Request{
			Kind: transaction.KindPurchase, Origin: 1, Received: 1_795_405_680_000_000 + int64(d.next), Terminal: transaction.TerminalID(terminal + 1), Batch: 1,
			Trace: d.trace[terminal], Card: 9156000000000000 + transaction.CardNumber(d.random.Uint64()%d.holders), Amount: 1,
		})
		d.next++
	}
	d.order.purchases -= len(requests)
	return requests, nil
}

func (d *lunchDoor) Answer(decisions []transaction.Decision) {
	for i := range decisions {
		if decisions[i].Reason != transaction.ReasonNone {
			d.refused++
		}
	}
}

func (d *lunchDoor) Wake() {}

// lunch is an engine that runs, and is asked for purchases again and again: what takes long is to import the holders.
type lunch struct {
	door    *lunchDoor
	stop    context.CancelFunc
	stopped chan error
}

func newLunch(b *testing.B, holders int) *lunch {
	engine, err := transaction.Open(context.Background(), transaction.Config{Journal: &nullJournal{}, Routes: routes(), Site: transaction.DefaultSite()}, 1)
	if err != nil {
		b.Fatal(err)
	}
	importAll(b, engine, bigCampus(holders))
	ctx, cancel := context.WithCancel(context.Background())
	r := &lunch{
		door: &lunchDoor{orders: make(chan lunchOrder), served: make(chan int), holders: uint64(holders), random: rand.NewPCG(1, 2)},
		stop: cancel, stopped: make(chan error, 1),
	}
	engine.Connect(r.door, newScriptedBank())
	go func() { r.stopped <- engine.Run(ctx, 1000) }() // ends with the lunch
	return r
}

func (r *lunch) buy(b *testing.B, group, purchases int) {
	r.door.orders <- lunchOrder{group, purchases}
	if refused := <-r.door.served; refused > 0 {
		b.Fatalf("%d of %d refused", refused, purchases)
	}
}

func (r *lunch) end(b *testing.B) {
	r.stop()
	close(r.door.orders)
	if err := <-r.stopped; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPurchase measures one purchase from request to sealed block and decision: no wire, no disk. What more holders cost is misses of the
// processor's caches.
func BenchmarkPurchase(b *testing.B) {
	for _, holders := range []int{10_000, 1_000_000, 5_000_000} {
		var r *lunch
		for _, group := range []int{32, 512} {
			b.Run(fmt.Sprintf("holders=%d/group=%d", holders, group), func(b *testing.B) {
				if r == nil {
					r = newLunch(b, holders)
				}
				b.ReportAllocs()
				b.ResetTimer()
				r.buy(b, group, b.N)
			})
		}
		if r != nil {
			r.end(b)
		}
	}
}
