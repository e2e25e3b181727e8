package transaction_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// TestEngineIsTheNaiveSwitch drives the engine and the naive switch with the same random days: purchases, enquiries, passages, loads,
// reversals before, after, twice and wrong, repeats with the same and other contents, traces and batches that wrap, cards that change,
// business days that end at any hour, by the clock or before their time, in the middle of a group or with nobody there, the
// bank's words in any order, early, late and twice, a low disk, restarts with and without a checkpoint, and a journal that dies before or
// after a block is on disk. After each step both have said the same to the terminals and to the bank (I3, I4, I7, I15), purses are equal,
// none is negative and all accounts sum to zero (I1, I2), nothing was answered that is not durable (I10), and a ledger opened from the
// blocks alone, or from the newest checkpoint and the blocks after it, is the running one in every section (I5, I13, I14).
func TestEngineIsTheNaiveSwitch(t *testing.T) {
	for name, value := range map[string][2]string{"rapid.checks": {"100", "30"}, "rapid.steps": {"30", "150"}} { // few long days find more than many short ones
		if f := flag.Lookup(name); f.Value.String() == value[0] {
			require.NoError(t, f.Value.Set(value[1]))
			defer func() { _ = f.Value.Set(value[0]) }()
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		defer m.end()
		t.Repeat(map[string]func(*rapid.T){
			"ask":         m.ask,
			"askMore":     m.ask, // twice as often as the rest, and so on
			"again":       m.again,
			"reverse":     m.reverse,
			"reverseMore": m.reverse,
			"bank":        m.bank,
			"goodBank":    m.goodBank,
			"card":        m.changeCard,
			"time":        m.passTime,
			"disk":        m.changeDisk,
			"day":         m.endDay,
			"end":         m.endSomehow,
			"":            m.check,
		})
	})
}

// mortalJournal can die with a block on its way.
type mortalJournal struct {
	memoryJournal
	death death
}

type death uint8

const (
	lives       death = iota
	beforeBlock       // the block never reaches the disk
	losesBlock        // it was written and is lost
	keepsBlock        // it is on the disk, and nobody hears of it
)

var errDied = errors.New("the power is gone")

func (j *mortalJournal) Append(b ledger.Block) error {
	if j.death == beforeBlock {
		return errDied
	}
	return j.memoryJournal.Append(b)
}

func (j *mortalJournal) Wait(sequence uint64) error {
	switch j.death {
	case losesBlock:
		j.blocks = j.blocks[:j.durable]
		j.head = j.blocks[j.durable-1].Head()
		return errDied
	case keepsBlock:
		j.durable = len(j.blocks)
		return errDied
	}
	return j.memoryJournal.Wait(sequence)
}

// strictDoor refuses answers that are ahead of the disk.
type strictDoor struct {
	*scriptedDoor
	journal *mortalJournal
	early   int
}

func (d *strictDoor) Answer(decisions []transaction.Decision) {
	durable := d.journal.blocks[d.journal.durable-1].Last()
	for i := range decisions {
		if decisions[i].Sequence > durable {
			d.early++
		}
	}
	d.scriptedDoor.Answer(decisions)
}

// machine holds both switches.
type machine struct {
	t           *rapid.T
	journal     *mortalJournal
	checkpoints *memoryCheckpoints
	engine      *transaction.Engine
	door        *strictDoor
	wire        *scriptedBank
	stop        context.CancelFunc
	ended       chan error
	naive       *naive
	now         int64
	switchAt    int
	origin      transaction.Origin
	asked       []transaction.Request
	checks      int
	trace       [5]uint32 // by terminal: the newest trace
	batch       [5]uint32
}

func machineDirectory() *transaction.Directory {
	dir := &transaction.Directory{
		Classes: []transaction.ClassRow{
			{Code: "tight", PINSingle: 300, PINDay: 500, DayAmount: 2000, DayCount: 6, PurseCap: 3000, LoadSingle: 900, LoadDay: 1500},
			{Code: "whole", RefusePartial: true},
		},
		Merchants: []transaction.MerchantRow{{Code: merchantCode("103410054110001")}},
		Doors:     []transaction.DoorRow{{Code: "gate", Grants: []transaction.Grant{{Group: 0, Weekdays: 0x7F}}}},
		Terminals: []transaction.TerminalRow{
			terminalRow("POS00001", "103410054110001", transaction.TerminalPOS), terminalRow("POS00002", "103410054110001", transaction.TerminalPOS),
			terminalRow("KIOSK001", "103410054110001", transaction.TerminalKiosk), terminalRow("GATE0001", "103410054110001", transaction.TerminalGate),
		},
	}
	dir.Terminals[1].Suspended, dir.Terminals[3].Door = true, "gate"
	for i, class := range []string{"tight", "whole", "tight"} {
		number := fmt.Sprint(i + 1)
		dir.Holders = append(dir.Holders, transaction.HolderRow{Number: number, Class: class, Groups: 1, BankAccount: 62170000, OpeningMain: 1000, OpeningSubsidy: 120})
	}
	for i := range 4 { // the first holder has two cards, the third's has no PIN
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: machineCard(i), Holder: fmt.Sprint(i%3 + 1), PINValue: uint64(min(1234, 1234*(2-i)*(2-i)))})
	}
	return dir
}

func machineCard(i int) transaction.CardNumber {
	return 9156000000000001 + transaction.CardNumber(i)
}

func newMachine(t *rapid.T) *machine {
	m := &machine{t: t, journal: &mortalJournal{}, checkpoints: &memoryCheckpoints{}, now: noon.UnixMicro()}
	m.switchAt = rapid.SampledFrom([]int{0, 0, 23 * 60, 2 * 60, 12 * 60, 11*60 + 59}).Draw(t, "day switch")
	for i := range m.trace {
		m.trace[i], m.batch[i] = 999_980, 999_998
	}
	dir := machineDirectory()
	n := &naive{
		classes: []transaction.ClassRow{dir.Classes[0], dir.Classes[1], dir.Classes[0]}, tries: make([]int, 3),
		cards: map[transaction.CardNumber]*naiveCard{}, waiting: map[uint64]transaction.Origin{},
		types: map[transaction.TerminalID]transaction.TerminalType{}, suspended: map[transaction.TerminalID]bool{2: true},
	}
	for i, row := range dir.Terminals {
		n.types[transaction.TerminalID(i+1)] = row.Type
	}
	for range dir.Holders {
		n.purses = append(n.purses, [2]fenAmount{1000, 120})
	}
	for i, row := range dir.Cards {
		n.cards[row.Number] = &naiveCard{holder: i % 3, pin: row.PINValue}
	}
	engine, err := m.openLedger(m.journal, nil)
	require.NoError(t, err)
	faults, err := engine.ImportBeforeRun(dir, m.now)
	require.NoError(t, err)
	require.Empty(t, faults)
	n.switchAt = m.switchAt
	n.clock(m.now) // the day on which the ledger was made
	n.sequence, n.lastTime = m.journal.Head().Sequence, m.now
	m.naive = n
	m.run()
	return m
}

func (m *machine) openLedger(journal ledger.Journal, checkpoints ledger.Checkpoints) (*transaction.Engine, error) {
	return transaction.Open(context.Background(), transaction.Config{
		Journal: journal, Checkpoints: checkpoints, Routes: routes(), Site: transaction.Site{Window: naiveWindow, ZoneSeconds: 8 * 3600}, DaySwitch: uint16(m.switchAt),
	}, m.now)
}

// run opens the ledger from what the journal has and starts the owner.
func (m *machine) run() {
	engine, err := m.openLedger(m.journal, m.checkpoints)
	require.NoError(m.t, err)
	m.engine, m.door, m.wire = engine, &strictDoor{scriptedDoor: newScriptedDoor(), journal: m.journal}, newScriptedBank()
	engine.Connect(m.door, m.wire)
	ctx, cancel := context.WithCancel(context.Background())
	m.stop, m.ended = cancel, make(chan error, 1)
	now := m.now
	go func() { m.ended <- engine.Run(ctx, now) }() // ends with the machine, or when its journal dies
	m.settle()
}

func (m *machine) end() {
	if m.stop != nil {
		m.stop()
		require.NoError(m.t, <-m.ended)
		m.stop = nil
	}
}

// settle returns when everything before it is durable and answered.
func (m *machine) settle() ledger.Snapshot {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := m.engine.Snapshot(ctx)
	require.NoError(m.t, err)
	return s
}

// tell hands requests to both. What the bank says goes through the inbox, one at a time, as it does in the house.
func (m *machine) tell(requests ...transaction.Request) {
	for i := range requests {
		if requests[i].Received == 0 {
			requests[i].Received = m.now
		}
		m.naive.handle(requests[i])
	}
	if requests[0].Load != 0 {
		require.NoError(m.t, m.engine.Submit(requests[0]))
	} else {
		m.door.incoming <- requests
		m.door.Wake()
	}
	m.settle()
}

// check compares what was said, and everything that is.
func (m *machine) check(t *rapid.T) {
	snapshot := m.settle()
	require.Zero(t, m.door.early, "answers before the disk")
	m.compareWords(t)
	require.NoError(t, m.engine.Look(context.Background(), func(s *transaction.State) {
		require.Equal(t, m.naive.sequence, s.Book().Sequence())
		require.Zero(t, s.Book().Sum())
		require.Equal(t, m.naive.openDay, s.BusinessDay())
		for i, purses := range m.naive.purses {
			h := s.Holder(uint32(i))
			require.Equal(t, purses, [2]fenAmount{s.Book().Account(h.Main).Balance, s.Book().Account(h.Subsidy).Balance}, "purses of holder %d", i+1)
			require.False(t, purses[0] < 0 || purses[1] < 0, "a negative purse")
			m.naive.compareCounters(t, i, h)
		}
		open := 0
		for _, l := range m.naive.loads {
			if !l.ended {
				open++
			}
		}
		require.Equal(t, open, s.OpenLoads())
	}))
	if m.checks++; m.checks%3 == 0 {
		return // a difference would still be there the next time
	}
	checkpoints := []ledger.Checkpoints{nil, nil, m.checkpoints}[m.checks%3]
	engine, err := m.openLedger(&memoryJournal{blocks: m.journal.blocks, head: m.journal.head}, checkpoints)
	require.NoError(t, err)
	again, err := engine.SnapshotBeforeRun()
	require.NoError(t, err)
	compareSnapshots(t, snapshot, again)
}

func compareSnapshots(t *rapid.T, a, b ledger.Snapshot) {
	require.Equal(t, a.Head, b.Head)
	require.Equal(t, len(a.Sections), len(b.Sections))
	for i := range a.Sections {
		require.Equal(t, a.Sections[i].Name, b.Sections[i].Name)
		require.True(t, bytes.Equal(encodeSection(a.Sections[i]), encodeSection(b.Sections[i])), "section %s differs after reopening", a.Sections[i].Name)
	}
}

func encodeSection(s ledger.Section) []byte {
	var all []byte
	for part := range s.Parts {
		all = s.Encode(all, part)
	}
	return all
}

// compareWords: each terminal and the bank have heard from the engine what the naive switch says.
func (m *machine) compareWords(t *rapid.T) {
	var heard []transaction.Decision
	for len(m.door.answers) > 0 {
		heard = append(heard, <-m.door.answers...)
	}
	byOrigin := func(a, b transaction.Decision) int { return cmp.Compare(a.Origin, b.Origin) }
	for i := range heard {
		heard[i].Received = 0
		if heard[i].Sequence == 0 {
			heard[i].Time = 0 // the number of an answer that stores nothing
		}
	}
	said := m.naive.said
	for i := range said {
		if said[i].Sequence == 0 {
			said[i].Time = 0
		}
	}
	slices.SortFunc(heard, byOrigin)
	slices.SortFunc(said, byOrigin)
	require.Equal(t, said, heard)
	var ordered []naiveOrder
	for _, c := range []struct {
		orders  chan transaction.LoadOrder
		reverse bool
	}{{m.wire.loads, false}, {m.wire.reversals, true}} {
		for len(c.orders) > 0 {
			o := <-c.orders
			ordered = append(ordered, naiveOrder{o.Load, c.reverse, o.Repeat, o.Time, o.Amount})
		}
	}
	byLoad := func(a, b naiveOrder) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(boolInt(a.reverse), boolInt(b.reverse)))
	}
	slices.SortFunc(ordered, byLoad)
	slices.SortFunc(m.naive.ordered, byLoad)
	require.Equal(t, m.naive.ordered, ordered)
	m.naive.said, m.naive.ordered = nil, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
