package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
)

// Opening a ledger proves that nothing is missing from it, or refuses.
//
// First the chain is walked from the first block to the last, by the hashes as they are written: a hole anywhere, as an old MANIFEST
// leaves one, is found here and not when somebody asks for a statement. Contents are checked when they are read, and at each start from
// the checkpoint on. Then the end of the chain is held against the witness. The walk costs 0.1 s per million purchases; a ledger of years
// is archived before that hurts (retention.go): the walk begins behind the blocks that were moved out, at the head that stands for them.

// walked is what walking the chain has found.
type walked struct {
	head ledger.Head
	last []byte // the newest block

	movedOut uint64 // of a copy that is made for a backup: what is not in it, and where it is
	archive  string
}

// chainError says where the chain breaks: behind which block, and which one stands there, 0 when it cannot be read.
type chainError struct {
	after ledger.Head
	next  uint64
	err   error
}

func (e *chainError) Error() string { return e.err.Error() }

func (e *chainError) Unwrap() error { return e.err }

// walkChain goes through the blocks in Pebble by key, first, length and hash of the block before. The newest is opened whole.
func (s *Store) walkChain() (walked, error) {
	it, err := s.blocks()
	if err != nil {
		return walked{}, err
	}
	defer it.Close()
	w, err := walk(it, s.begin())
	if err != nil || w.head == s.begin() {
		return w, err
	}
	w.last, err = lastBlock(it)
	return w, err
}

// walkBehind looks at the newest block only, and walks the chain on a goroutine while the owner brings his state back. Walking ten million
// purchases takes as long as everything else at a start.
func (s *Store) walkBehind() (walked, error) {
	it, err := s.blocks() // what is appended from now on is not in it
	if err != nil {
		return walked{}, err
	}
	begin := s.begin()
	w := walked{head: begin}
	if !it.live() {
		return w, errors.Join(it.Error(), it.Close())
	}
	if w.last, err = lastBlock(it); err != nil {
		return w, errors.Join(err, it.Close())
	}
	b, err := ledger.SkimBlock(w.last)
	if err != nil {
		return w, errors.Join(err, it.Close())
	}
	w.head = b.Head()
	s.walking = make(chan error, 1)
	go func() {
		whole, err := walk(it, begin)
		if err == nil && whole.head != w.head {
			err = fmt.Errorf("the chain ends at %d and not at %d: %w", whole.head.Sequence, w.head.Sequence, ledger.ErrMalformed)
		}
		s.walking <- errors.Join(err, it.Close())
	}()
	return w, nil
}

// awaitProof waits for the walk behind Open, once.
func (s *Store) awaitProof() error {
	if s.walking == nil {
		return nil
	}
	err := <-s.walking
	s.walking = nil
	if err != nil {
		return s.named(s.broken(err))
	}
	s.emptyCache()
	s.proved()
	return nil
}

// proved lets happen what had to wait for the proof.
func (s *Store) proved() {
	s.kept.letGo(s.fs)
	s.pace.letGo()
}

func (s *Store) broken(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: 账本链断裂 / the chain of blocks is broken: %w", s.options.Dir, err)
}

// walk goes through the blocks in Pebble.
func walk(it *cursor, begin ledger.Head) (walked, error) {
	w := walked{head: begin}
	for valid := it.live(); valid; valid = it.Next() {
		b, err := storedUnder(it, ledger.SkimBlock)
		if err == nil {
			err = b.Follows(w.head)
		}
		if err != nil {
			return w, &chainError{w.head, sequenceOf(it.Key()), err}
		}
		w.head = b.Head()
	}
	if err := it.Error(); err != nil {
		return w, &chainError{w.head, 0, fmt.Errorf("reading the block after entry %d: %w", w.head.Sequence, err)}
	}
	return w, nil
}

// lastBlock is the newest block, opened whole; nil when there is none.
func lastBlock(it *cursor) ([]byte, error) {
	if !it.Last() {
		return nil, it.Error()
	}
	b, err := storedUnder(it, ledger.OpenBlock)
	if err != nil {
		return nil, &chainError{ledger.Head{Sequence: max(sequenceOf(it.Key()), 1) - 1}, 0, err}
	}
	return slices.Clone(b.Bytes()), nil
}

// storedUnder opens the block under the iterator; its bytes are good until the iterator moves.
func storedUnder(it *cursor, openBlock func([]byte) (ledger.Block, error)) (ledger.Block, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return ledger.Block{}, fmt.Errorf("reading the block at key %x: %w", it.Key(), err)
	}
	b, err := openBlock(value)
	if err != nil {
		return ledger.Block{}, fmt.Errorf("key %x: %w", it.Key(), err)
	}
	if len(it.Key()) != 9 || binary.BigEndian.Uint64(it.Key()[1:]) != b.First() {
		return ledger.Block{}, fmt.Errorf("block at %d stands under key %x: %w", b.First(), it.Key(), ledger.ErrMalformed)
	}
	return b, nil
}

// prove walks the chain, compares it with the witness and brings them together. What is wrong is returned, or kept as a doubt when the
// store is opened for inspection.
func (s *Store) prove() error {
	prove := s.walkChain
	if s.options.ProveBehind && !s.inspect {
		prove = s.walkBehind
	}
	chain, err := prove()
	s.head = chain.head
	if err != nil {
		if err := s.doubt(s.broken(err)); err != nil {
			return err
		}
	}
	path := s.path(witnessName)
	if _, err := s.fs.Stat(path); errors.Is(err, os.ErrNotExist) && s.head.Sequence == 0 && !s.options.ReadOnly {
		s.witness, err = createWitness(s.fs, path, s.options.Dir, s.options.slotBytes)
		return err
	} else if err != nil {
		return s.doubt(fmt.Errorf("%s: %w", s.options.Dir, errors.Join(ErrNoWitness, err)))
	}
	if err := s.openWitness(path); err != nil {
		return err
	}
	if len(s.doubts) > 0 || s.options.blind {
		return nil // where the chain is broken the witness has nothing to add
	}
	if len(s.witnessed) == 0 && s.head.Sequence > 0 {
		return s.doubt(fmt.Errorf("%s: %w", s.options.Dir, ErrNoWitness))
	}
	if err := s.reconcile(chain.last); err != nil {
		return s.doubt(fmt.Errorf("%s: %w", s.options.Dir, err))
	}
	return nil
}

// doubt keeps what is wrong when the store is inspected, and returns it when it is to be used.
func (s *Store) doubt(err error) error {
	err = s.named(err)
	if !s.inspect {
		return err
	}
	s.doubts = append(s.doubts, err)
	return nil
}

func (s *Store) openWitness(path string) error {
	var err error
	if !s.options.ReadOnly {
		if s.witness, s.witnessed, err = openWitness(s.fs, path, s.options.slotBytes); err == nil {
			forgetPieces(s.witness.file)
		}
		return err
	}
	f, err := s.fs.Open(path)
	if err != nil {
		return fmt.Errorf("opening the witness: %w", err)
	}
	s.witnessed, err = readSlots(f, s.options.slotBytes)
	return errors.Join(err, f.Close())
}

// reconcile puts back what the witness holds and the journal does not, and refuses when that is not enough, or when a block that was
// witnessed is not the one that stands in the journal. last is the journal's newest block.
func (s *Store) reconcile(last []byte) error {
	var newest ledger.Head
	repaired := 0
	for _, held := range s.witnessed {
		newest = held.head
		if held.head.Sequence <= s.head.Sequence {
			if err := s.checkWitnessed(held.head); err != nil {
				return err
			}
			continue
		}
		if held.block == nil {
			continue
		}
		block, err := ledger.OpenBlock(held.block)
		if err != nil || block.Follows(s.head) != nil {
			continue
		}
		if s.options.ReadOnly {
			return fmt.Errorf("末块 %d 只在见证文件中,启动一次交换机即可修复 / the last block at %[1]d is only in the witness: start the switch once to put it back", block.First())
		}
		if err := s.db.Set(blockKey(nil, block.First()), block.Bytes(), pebble.Sync); err != nil {
			return fmt.Errorf("putting block %d back from the witness: %w", block.First(), err)
		}
		s.head = block.Head()
		repaired++
	}
	if repaired > 0 && s.options.Events.Repaired != nil {
		s.options.Events.Repaired(repaired)
	}
	if s.head.Sequence < newest.Sequence || s.head.Sequence == newest.Sequence && s.head.Hash != newest.Hash {
		return &BehindWitnessError{s.head, newest}
	}
	if s.head.Sequence > newest.Sequence && !s.options.ReadOnly {
		return s.witness.write(s.head, last) // with its bytes: from now on it can be put back
	}
	return nil
}

// checkWitnessed: a block that was witnessed stands in the journal as it was.
func (s *Store) checkWitnessed(head ledger.Head) error {
	if head == (ledger.Head{}) {
		return nil // the empty ledger
	}
	it, err := s.blocks()
	if err != nil {
		return err
	}
	defer it.Close()
	if !it.SeekLT(blockKey(nil, head.Sequence+1)) {
		return errors.Join(&BehindWitnessError{ledger.Head{}, head}, it.Error())
	}
	b, err := storedUnder(it, ledger.SkimBlock)
	if err != nil {
		return err
	}
	if b.Head() != head {
		return &BehindWitnessError{ledger.Head{Sequence: head.Sequence, Hash: b.Head().Hash}, head}
	}
	return nil
}
