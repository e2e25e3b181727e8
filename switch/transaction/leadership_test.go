package transaction_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/switch/transaction"
)

// TestJournalSeam runs the engine on a log of three nodes that commits late and loses its leader again and again, under a seed. Terminals
// remember every answer and repeat what was not answered; the bank remembers every order. After each loss another owner is opened on the
// log of the next leader, and:
//
//	the owner before it has stopped, with the journal's error
//	its state is that of the log's blocks alone, whatever checkpoint it began with
//	loads that were under way are taken up once, and no others
//	no answer was given that the log does not hold, and none that is not durable
//	no identity stands in the log twice
//	a repeat gets the first answer, field by field
func TestJournalSeam(t *testing.T) {
	seen := map[loss]int{}
	for seed := range uint64(16) {
		w := newWatch(t, seed)
		for w.step = 1; w.step <= 60; w.step++ {
			w.act()
		}
		w.finish()
		for at, n := range w.cluster.seen {
			seen[at] += n
		}
	}
	for _, at := range []loss{lossBeforeAppend, lossAfterAppend, lossInWait, lossAfterWait, lossInFlight, blocksForgotten, blocksTakenOver} {
		require.Greater(t, seen[at], 3, "the campaign must meet: %s", at)
	}
}

// question is one request, with the first answer to it.
type question struct {
	request  transaction.Request
	answer   transaction.Decision
	answered bool
	reversed bool // taken back since: a repeat is refused
}

// watch drives one cluster, and holds owner after owner to what was said.
type watch struct {
	t           *testing.T
	seed        uint64
	step        int
	rng         *rand.Rand
	cluster     *cluster
	checkpoints [3]memoryCheckpoints // by node
	node        int
	engine      *transaction.Engine
	door        *durableDoor
	bank        *scriptedBank
	stop        context.CancelFunc
	ended       chan error
	now         int64
	origin      transaction.Origin
	trace       [watchTerminals + 1]uint32
	asked       []*question
	byOrigin    map[transaction.Origin]*question
	ordered     map[uint64]bool // loads that the bank was ever asked for
	open        []uint64        // of this owner: asked for, not answered
	reversing   []uint64        // of this owner: to be taken back, not answered
	owners      int
}

const (
	watchTills     = 8
	watchTerminals = watchTills + 1 // and a kiosk
	watchCards     = 20
	watchWindow    = 128
)

// durableDoor counts answers that come before a majority has what they rest on.
type durableDoor struct {
	*scriptedDoor
	cluster *cluster
	early   int
	taken   chan struct{} // one for each lot of requests that the owner has taken
}

func (d *durableDoor) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	before := len(requests)
	requests, err := d.scriptedDoor.Poll(wait, requests)
	if len(requests) > before {
		d.cluster.mu.Lock()
		d.cluster.polled = true
		d.cluster.mu.Unlock()
		d.taken <- struct{}{}
	}
	return requests, err
}

func (d *durableDoor) Answer(decisions []transaction.Decision) {
	d.cluster.mu.Lock()
	last := d.cluster.lastDurable()
	d.cluster.mu.Unlock()
	for i := range decisions {
		if decisions[i].Sequence > last {
			d.early++
		}
	}
	d.scriptedDoor.Answer(decisions)
}

func newWatch(t *testing.T, seed uint64) *watch {
	w := &watch{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 11)), cluster: newCluster(seed), now: noon.UnixMicro(),
		byOrigin: map[transaction.Origin]*question{}, ordered: map[uint64]bool{},
	}
	engine := w.openOn(w.cluster.elect())
	dir := &transaction.Directory{
		Classes: []transaction.ClassRow{{Code: "student"}}, Merchants: []transaction.MerchantRow{{Code: merchantCode("103410054110001")}},
	}
	for i := range watchTills {
		dir.Terminals = append(dir.Terminals, terminalRow(fmt.Sprintf("POS%05d", i+1), "103410054110001", transaction.TerminalPOS))
	}
	dir.Terminals = append(dir.Terminals, terminalRow("KIOSK001", "103410054110001", transaction.TerminalKiosk))
	for i := range watchCards {
		number := fmt.Sprint(i + 1)
		dir.Holders = append(dir.Holders, transaction.HolderRow{Number: number, Class: "student", BankAccount: 62170000, OpeningMain: 3000, OpeningSubsidy: 200})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: machineCard(i), Holder: number, PINValue: 1234})
	}
	faults, err := engine.ImportBeforeRun(dir, w.now)
	require.NoError(t, err)
	require.Empty(t, faults)
	w.cluster.calm = false
	w.takeOver()
	return w
}

// openOn opens an owner on a leader's log; nil when the leadership is lost over it.
func (w *watch) openOn(l *leader) *transaction.Engine {
	config := transaction.Config{Journal: l, Checkpoints: &w.checkpoints[l.node], Routes: routes(), Site: transaction.Site{Window: watchWindow, ZoneSeconds: 8 * 3600}}
	engine, err := transaction.Open(context.Background(), config, w.now)
	if errors.Is(err, errDeposed) {
		return nil
	}
	require.NoError(w.t, err, w.where())
	w.node = l.node
	return engine
}

func (w *watch) where() string {
	return fmt.Sprintf("seed %d, step %d, owner %d", w.seed, w.step, w.owners)
}

// takeOver opens owners until one lives long enough to have taken up the loads.
func (w *watch) takeOver() {
	for {
		l := w.cluster.elect()
		engine := w.openOn(l)
		if engine == nil {
			continue
		}
		w.owners++
		w.compareWithBlocks(engine, l)
		sent, reversing := openLoads(w.t, l.blocks())
		w.door, w.bank = &durableDoor{newScriptedDoor(), w.cluster, 0, make(chan struct{}, 16)}, newScriptedBank()
		w.engine, w.open, w.reversing = engine, nil, nil
		engine.Connect(w.door, w.bank)
		ctx, cancel := context.WithCancel(context.Background())
		w.stop, w.ended = cancel, make(chan error, 1)
		now := w.now
		go func() { w.ended <- engine.Run(ctx, now) }() // ends with the leadership, or when the watch is over
		if w.alive() {
			require.Empty(w.t, w.open, "a load that the log has is not asked for again: %s", w.where())
			require.ElementsMatch(w.t, append(sent, reversing...), w.reversing, "loads under way are taken up once: %s", w.where())
			return
		}
	}
}

// compareWithBlocks: the state is that of the log, not more and not less.
func (w *watch) compareWithBlocks(engine *transaction.Engine, l *leader) {
	snapshot, err := engine.SnapshotBeforeRun()
	require.NoError(w.t, err)
	blocks := l.blocks()
	require.Equal(w.t, blocks[len(blocks)-1].Head(), snapshot.Head)
	other, err := transaction.Open(context.Background(), transaction.Config{
		Journal: &memoryJournal{blocks: blocks, head: snapshot.Head}, Routes: routes(), Site: transaction.Site{Window: watchWindow, ZoneSeconds: 8 * 3600},
	}, w.now)
	require.NoError(w.t, err)
	again, err := other.SnapshotBeforeRun()
	require.NoError(w.t, err)
	for i := range snapshot.Sections {
		require.True(w.t, bytes.Equal(encodeSection(snapshot.Sections[i]), encodeSection(again.Sections[i])), "section %s: %s", snapshot.Sections[i].Name, w.where())
	}
}

// openLoads reads off the log what the bank has not settled: asked for, and being reversed.
func openLoads(t *testing.T, blocks []ledger.Block) (sent, reversing []uint64) {
	eachLine(t, blocks, func(l transaction.Line) {
		switch l.Kind {
		case transaction.KindLoad:
			if l.Reason == transaction.ReasonNone {
				sent = append(sent, l.Sequence)
			}
		case transaction.KindLoadUnknown:
			reversing = append(reversing, l.Load)
			sent = slices.DeleteFunc(sent, func(id uint64) bool { return id == l.Load })
		case transaction.KindLoadConfirmed:
			sent = slices.DeleteFunc(sent, func(id uint64) bool { return id == l.Load })
		case transaction.KindLoadReversed:
			reversing = slices.DeleteFunc(reversing, func(id uint64) bool { return id == l.Load })
		}
	})
	return sent, reversing
}

func eachLine(t *testing.T, blocks []ledger.Block, visit func(transaction.Line)) {
	for _, b := range blocks {
		require.NoError(t, b.Each(func(sequence uint64, e *ledger.Entry) error {
			if l, ok := transaction.ReadEntry(sequence, b.Day(), e); ok {
				visit(l)
			}
			return nil
		}))
	}
}

// alive returns when everything handed in is durable and answered, or the owner has stopped; then it has stopped on the journal's word.
func (w *watch) alive() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	snapshot, err := w.engine.Snapshot(ctx)
	if err == nil && w.rng.IntN(6) == 0 {
		err = w.checkpoints[w.node].SaveCheckpoint(ctx, snapshot)
		require.NoError(w.t, err)
	}
	if err != nil {
		require.ErrorIs(w.t, <-w.ended, errDeposed, w.where())
		w.stop()
	}
	w.hear()
	return err == nil
}

// hear takes in what was said.
func (w *watch) hear() {
	require.Zero(w.t, w.door.early, "an answer before a majority had it: %s", w.where())
	for len(w.door.answers) > 0 {
		for _, d := range <-w.door.answers {
			if !d.Silent {
				w.heard(d)
			}
		}
	}
	for len(w.bank.loads) > 0 {
		id := (<-w.bank.loads).Load
		require.False(w.t, w.ordered[id], "load %d is asked for twice: %s", id, w.where())
		w.ordered[id] = true
		w.open = append(w.open, id)
	}
	for len(w.bank.reversals) > 0 {
		w.reversing = append(w.reversing, (<-w.bank.reversals).Load)
	}
}

func (w *watch) heard(d transaction.Decision) {
	a := w.byOrigin[d.Origin]
	require.NotNil(w.t, a, "an answer that nobody asked for: %s", w.where())
	d.Origin, d.Received, d.Replayed = 0, 0, false
	if a.answered {
		require.Equal(w.t, a.answer, d, "the first answer again: %s", w.where())
		return
	}
	a.answer, a.answered = d, true
}

// send hands requests in together. When the owner stops over them another one takes over, and the terminals ask again.
func (w *watch) send(all []*question) {
	for len(all) > 0 {
		var requests []transaction.Request
		for _, a := range all {
			w.origin++
			a.request.Origin, a.request.Received = w.origin, w.now
			w.byOrigin[w.origin] = a
			requests = append(requests, a.request)
		}
		for lot := range slices.Chunk(requests, flyingLot) {
			w.door.incoming <- lot
		}
		w.awaitTaken((len(requests) + flyingLot - 1) / flyingLot)
		if w.alive() {
			return
		}
		w.takeOver()
		all = slices.DeleteFunc(slices.Clone(all), func(a *question) bool { return a.answered })
	}
}

// flyingLot is a lot of requests whose group is left on its way while the next lot is decided.
const flyingLot = 140

// awaitTaken returns when the owner has taken the lots of requests, or has stopped. Nothing depends on who of the two is quicker.
func (w *watch) awaitTaken(lots int) {
	for range lots {
		select {
		case <-w.door.taken:
		case err := <-w.ended:
			w.ended <- err
			return
		}
	}
}

// act does one thing.
func (w *watch) act() {
	w.now += int64(time.Second / time.Microsecond)
	switch w.rng.IntN(10) {
	case 0:
		w.bankSpeaks()
	case 1, 2:
		w.send(w.again())
	case 3:
		w.send(w.reversals())
	case 4, 5:
		w.send(w.fresh(1+w.rng.IntN(3), transaction.KindLoad))
	case 6: // enough for one group to be on its way while the next is decided
		w.send(w.fresh(flyingLot+20+w.rng.IntN(60), transaction.KindPurchase))
	default:
		w.send(w.fresh(1+w.rng.IntN(8), transaction.KindPurchase))
	}
}

// fresh makes new requests.
func (w *watch) fresh(n int, kind transaction.Kind) []*question {
	var all []*question
	for i := range n {
		r := transaction.Request{Kind: kind, Batch: 1, Card: machineCard(w.rng.IntN(watchCards + 1)), Amount: fenAmount(1 + w.rng.IntN(60))}
		r.Terminal = transaction.TerminalID(1 + i%watchTills)
		switch {
		case kind == transaction.KindLoad:
			r.Terminal, r.PINValue = watchTerminals, 1234
		case w.rng.IntN(8) == 0:
			r.Kind, r.Amount = transaction.KindBalance, 0
		}
		w.trace[r.Terminal]++
		r.Trace = w.trace[r.Terminal]
		all = append(all, &question{request: r})
	}
	w.asked = append(w.asked, all...)
	return all
}

// recent are the requests that a terminal may still repeat and that pass.
func (w *watch) recent(pass func(*question) bool) []*question {
	var found []*question
	for _, a := range w.asked {
		if a.request.Trace+watchWindow/2 > w.trace[a.request.Terminal] && !a.reversed && pass(a) {
			found = append(found, a)
		}
	}
	w.rng.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found[:min(len(found), 1+w.rng.IntN(5))]
}

func (w *watch) again() []*question { return w.recent(func(*question) bool { return true }) }

// reversals takes purchases back.
func (w *watch) reversals() []*question {
	var all []*question
	for _, a := range w.recent(func(a *question) bool {
		return a.answered && a.request.Kind == transaction.KindPurchase && a.answer.Reason == transaction.ReasonNone
	}) {
		r := a.request
		r.Kind = transaction.KindReversal
		a.reversed = true
		all = append(all, &question{request: r})
	}
	w.asked = append(w.asked, all...)
	return all
}

// bankSpeaks settles some of what this owner has asked the bank for.
func (w *watch) bankSpeaks() {
	say := func(kind transaction.Kind, ids *[]uint64) {
		keep := (*ids)[:0]
		for _, id := range *ids {
			if w.rng.IntN(3) == 0 {
				keep = append(keep, id)
				continue
			}
			require.NoError(w.t, w.engine.Submit(transaction.Request{Kind: kind, Load: id, BankCode: transaction.Approved, Received: w.now}))
		}
		*ids = keep
	}
	say(transaction.KindLoadReversed, &w.reversing)
	say(transaction.KindLoadConfirmed, &w.open)
	if !w.alive() {
		w.takeOver()
	}
}

// finish ends the last owner, and holds what was said against the log.
func (w *watch) finish() {
	w.cluster.calm = true
	w.send(slices.DeleteFunc(slices.Clone(w.asked), func(a *question) bool { return a.answered || a.request.Kind == transaction.KindLoad }))
	w.stop()
	require.NoError(w.t, <-w.ended)
	w.hear()
	blocks := w.cluster.durableBlocks()
	auditor := ledgertest.New()
	for _, b := range blocks {
		auditor.Block(b.First(), b.Bytes())
	}
	require.Empty(w.t, auditor.Finish().Findings)
	type identity struct {
		terminal     transaction.TerminalID
		batch, trace uint32
		reversal     bool
	}
	lines, once := map[uint64]transaction.Line{}, map[identity]uint64{}
	eachLine(w.t, blocks, func(l transaction.Line) {
		lines[l.Sequence] = l
		if l.Terminal != 0 {
			id := identity{l.Terminal, l.Batch, l.Trace, l.Kind == transaction.KindReversal}
			require.Zero(w.t, once[id], "entries %d and %d have one identity: %s", once[id], l.Sequence, w.where())
			once[id] = l.Sequence
		}
	})
	for _, a := range w.asked {
		if !a.answered {
			require.Equal(w.t, transaction.KindLoad, a.request.Kind, w.where())
			continue
		}
		l := lines[a.answer.Sequence]
		require.Equal(w.t, identity{a.request.Terminal, a.request.Batch, a.request.Trace, a.request.Kind == transaction.KindReversal},
			identity{l.Terminal, l.Batch, l.Trace, l.Kind == transaction.KindReversal}, "an answer that the log does not hold: %s", w.where())
		require.Equal(w.t, a.request.Amount, l.Amount)
		if a.request.Kind != transaction.KindLoad { // a load's outcome is an entry of its own
			require.Equal(w.t, a.answer.Reason, l.Reason)
			require.Equal(w.t, a.answer.Balance, l.Balance)
		}
	}
	for id := range w.ordered {
		require.Equal(w.t, transaction.KindLoad, lines[id].Kind, "the bank was asked for a load that the log does not hold: %s", w.where())
	}
}
