package transaction_test

import (
	"context"
	"slices"
	"time"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// memoryJournal keeps blocks in memory. It is durable up to the last Wait; lose forgets the rest, as a crash may.
type memoryJournal struct {
	blocks  []ledger.Block
	head    ledger.Head
	durable int
}

func (j *memoryJournal) Append(b ledger.Block) error {
	if err := b.Follows(j.head); err != nil {
		return err
	}
	copied, err := ledger.OpenBlock(slices.Clone(b.Bytes()))
	j.blocks, j.head = append(j.blocks, copied), b.Head()
	return err
}

func (j *memoryJournal) Wait(uint64) error { j.durable = len(j.blocks); return nil }
func (j *memoryJournal) Head() ledger.Head { return j.head }

func (j *memoryJournal) Replay(_ context.Context, after uint64, visit func(ledger.Block) error) error {
	for _, b := range j.blocks {
		if b.Last() <= after {
			continue
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

// memoryCheckpoints keeps the newest checkpoint as its encoded parts.
type memoryCheckpoints struct {
	head     ledger.Head
	sections map[string][][]byte
}

func (c *memoryCheckpoints) SaveCheckpoint(_ context.Context, s ledger.Snapshot) error {
	c.head, c.sections = s.Head, make(map[string][][]byte)
	for _, section := range s.Sections {
		for part := range section.Parts {
			c.sections[section.Name] = append(c.sections[section.Name], section.Encode(nil, part))
		}
	}
	return nil
}

func (c *memoryCheckpoints) CheckpointBefore(sequence uint64) (ledger.Stored, error) {
	if c.sections == nil || c.head.Sequence >= sequence {
		return nil, nil
	}
	return c, nil
}

func (c *memoryCheckpoints) Head() ledger.Head { return c.head }

func (c *memoryCheckpoints) Section(name string, visit func([]byte) error) error {
	for _, part := range c.sections[name] {
		if err := visit(part); err != nil {
			return err
		}
	}
	return nil
}

// scriptedDoor hands over what the test has put in and keeps the answers.
type scriptedDoor struct {
	incoming chan []transaction.Request
	answers  chan []transaction.Decision
	wake     chan struct{}
}

func newScriptedDoor() *scriptedDoor {
	return &scriptedDoor{incoming: make(chan []transaction.Request, 16), answers: make(chan []transaction.Decision, 1024), wake: make(chan struct{}, 1)}
}

func (d *scriptedDoor) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if wait == 0 {
		select {
		case r := <-d.incoming:
			return append(requests, r...), nil
		default:
			return requests, nil
		}
	}
	select {
	case r := <-d.incoming:
		return append(requests, r...), nil
	case <-d.wake:
		return requests, nil
	}
}

func (d *scriptedDoor) Answer(decisions []transaction.Decision) { d.answers <- slices.Clone(decisions) }

func (d *scriptedDoor) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// scriptedBank keeps the orders; the test plays the bank.
type scriptedBank struct{ loads, reversals, withdrawals chan transaction.LoadOrder }

func newScriptedBank() *scriptedBank {
	return &scriptedBank{make(chan transaction.LoadOrder, 64), make(chan transaction.LoadOrder, 64), make(chan transaction.LoadOrder, 64)}
}

func (b *scriptedBank) Load(o transaction.LoadOrder)     { b.loads <- o }
func (b *scriptedBank) Reverse(o transaction.LoadOrder)  { b.reversals <- o }
func (b *scriptedBank) Withdraw(o transaction.LoadOrder) { b.withdrawals <- o }
