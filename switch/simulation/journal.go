package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"onecard/ledger"
)

// death is how an owner's life ends.
type death uint8

const (
	lives          death = iota
	diesAtOnce           // between two events, whatever is on its way
	diesPolitely         // the context ends: everything is settled first
	diesBefore           // the next block reaches no log
	diesAfterWrite       // the next block is written and nobody has waited for it
	diesInWait           // the wait for a block fails: nobody knows whether it is durable
	diesAfterWait        // the block is durable and nobody hears of it
	diesInRecovery       // as diesInWait, in the next opening
	deathCount
)

var (
	errPower   = errors.New("simulated: the power is gone")
	errDeposed = errors.New("simulated: this node does not lead any more")
)

// journal is a log in memory. A block is durable when somebody has waited for it, and not before; what is not durable when an owner ends
// may be gone, or may be there, as far as any block of it.
type journal struct {
	rng     *rand.Rand
	blocks  []ledger.Block
	head    ledger.Head
	durable int   // blocks
	armed   death // how the next call ends
	why     error // what it then says
	how     death // how it ended
	folded  func(ledger.Block)
	dead    bool
	lost    int // blocks that were forgotten
	kept    int // blocks that nobody had waited for and that were there afterwards
	waits   int
}

func (j *journal) die() error {
	if !j.dead {
		j.dead, j.how, j.armed = true, j.armed, lives
	}
	return j.why
}

func (j *journal) Append(b ledger.Block) error {
	if j.dead || j.armed == diesBefore {
		return j.die()
	}
	if err := b.Follows(j.head); err != nil {
		return err
	}
	own, err := ledger.OpenBlock(slices.Clone(b.Bytes()))
	if err != nil {
		return err
	}
	j.blocks, j.head = append(j.blocks, own), own.Head()
	if j.armed == diesAfterWrite {
		return j.die()
	}
	return nil
}

// Wait makes durable what was asked for and not one block more.
func (j *journal) Wait(sequence uint64) error {
	if j.dead || j.armed == diesInWait && j.lastDurable() < sequence {
		return j.die()
	}
	for j.lastDurable() < sequence && j.durable < len(j.blocks) {
		j.durable++
		j.folded(j.blocks[j.durable-1])
	}
	j.waits++
	if j.armed == diesAfterWait {
		return j.die()
	}
	return nil
}

func (j *journal) Head() ledger.Head { return j.head }

func (j *journal) Replay(_ context.Context, after uint64, visit func(ledger.Block) error) error {
	return replay(j.blocks, after, visit)
}

func replay(blocks []ledger.Block, after uint64, visit func(ledger.Block) error) error {
	i, _ := slices.BinarySearchFunc(blocks, after, func(b ledger.Block, after uint64) int {
		if b.Last() <= after {
			return -1
		}
		return 1
	})
	for _, b := range blocks[i:] {
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

func (j *journal) lastDurable() uint64 {
	if j.durable == 0 {
		return 0
	}
	return j.blocks[j.durable-1].Last()
}

// reopen is what the next owner finds: everything that was durable, and of the rest a part from the front.
func (j *journal) reopen() {
	loose := len(j.blocks) - j.durable
	keep := 0
	if loose > 0 {
		keep = j.rng.IntN(loose + 1)
	}
	j.lost, j.kept = j.lost+loose-keep, j.kept+keep
	j.blocks = j.blocks[:j.durable+keep]
	j.head = ledger.Head{}
	if n := len(j.blocks); n > 0 {
		j.head = j.blocks[n-1].Head()
	}
	j.dead, j.armed, j.waits = false, lives, 0
}

// finished is a log that is only read.
type finished struct {
	blocks []ledger.Block
	head   ledger.Head
}

func (f *finished) Append(ledger.Block) error { return errPower }
func (f *finished) Wait(uint64) error         { return nil }
func (f *finished) Head() ledger.Head         { return f.head }
func (f *finished) Replay(_ context.Context, after uint64, visit func(ledger.Block) error) error {
	return replay(f.blocks, after, visit)
}

// checkpoint is one that was taken, as its encoded parts.
type checkpoint struct {
	head     ledger.Head
	sections map[string][][]byte
}

func encodeCheckpoint(s ledger.Snapshot) *checkpoint {
	c := &checkpoint{s.Head, make(map[string][][]byte, len(s.Sections))}
	for _, section := range s.Sections {
		for part := range section.Parts {
			c.sections[section.Name] = append(c.sections[section.Name], section.Encode(nil, part))
		}
	}
	return c
}

func (c *checkpoint) Head() ledger.Head { return c.head }

func (c *checkpoint) Section(name string, visit func([]byte) error) error {
	for _, part := range c.sections[name] {
		if err := visit(part); err != nil {
			return err
		}
	}
	return nil
}

// checkpoints keeps the newest two: the newest may be another node's, or may have been interrupted.
type checkpoints struct{ newest, older *checkpoint }

func (c *checkpoints) SaveCheckpoint(_ context.Context, s ledger.Snapshot) error {
	c.older, c.newest = c.newest, encodeCheckpoint(s)
	return nil
}

func (c *checkpoints) CheckpointBefore(sequence uint64) (ledger.Stored, error) {
	for _, kept := range []*checkpoint{c.newest, c.older} {
		if kept != nil && kept.Head().Sequence < sequence {
			return kept, nil
		}
	}
	return nil, nil
}
