package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
	"onecard/ledger/pebblestore/archive"
)

// cursor goes through the blocks wherever they are: those that were moved out in the files of the archive, the others in Pebble. It has
// the face of Pebble's iterator, as far as blocks need it, and reads the archive only when it stands there.
//
// No block is ever in neither place for it: it takes Pebble's iterator first and asks what was moved out then, and who moves blocks out
// says so before he deletes them (retention.go).
type cursor struct {
	it    *pebble.Iterator
	moved *moved // nil: everything is in Pebble
	chunk *archive.Chunk
	at    int // block in the chunk; REQUIRES chunk != nil
	key   []byte
	err   error // of the archive
}

// blocks returns a cursor over all blocks. It stands nowhere yet.
func (s *Store) blocks() (*cursor, error) { return s.cursorFrom([]byte{prefixBlock}) }

// cursorFrom returns a cursor that sees nothing in Pebble below a key.
func (s *Store) cursorFrom(lower []byte) (*cursor, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: []byte{prefixBlock + 1}})
	if err != nil {
		return nil, s.unreadable(fmt.Errorf("reading blocks: %w", err))
	}
	c := &cursor{it: it}
	if m := s.moved.Load(); m.upTo() > 0 {
		c.moved = m
	}
	return c, nil
}

// place goes to the block in the archive that holds an entry.
func (c *cursor) place(sequence uint64) bool {
	c.chunk = nil
	if c.err != nil {
		return false
	}
	if c.chunk, c.err = c.moved.chunkWith(sequence); c.err != nil {
		return false
	}
	c.at = c.chunk.Find(sequence)
	return true
}

// live goes on in Pebble, behind what was moved out.
func (c *cursor) live() bool {
	c.chunk = nil
	if c.moved == nil {
		return c.it.First()
	}
	return c.it.SeekGE(blockKey(nil, c.moved.upTo()+1))
}

// First goes to the first block.
func (c *cursor) First() bool {
	if c.moved == nil {
		return c.live()
	}
	return c.place(1)
}

// Last goes to the last block.
func (c *cursor) Last() bool {
	c.chunk = nil
	if c.it.Last() && !c.isMoved(c.it.Key()) {
		return true
	}
	return c.it.Error() == nil && c.moved != nil && c.place(c.moved.upTo())
}

// isMoved says whether a block was moved out that is still seen in Pebble.
func (c *cursor) isMoved(key []byte) bool { return c.moved != nil && sequenceOf(key) <= c.moved.upTo() }

// sequenceOf is the sequence in a block's key.
func sequenceOf(key []byte) uint64 {
	if len(key) != 9 {
		return 0
	}
	return binary.BigEndian.Uint64(key[1:])
}

// SeekGE goes to the first block that begins at a key's sequence or behind it.
func (c *cursor) SeekGE(key []byte) bool {
	sequence := sequenceOf(key)
	if c.moved == nil || sequence > c.moved.upTo() {
		c.chunk = nil
		return c.it.SeekGE(key)
	}
	if !c.place(max(sequence, 1)) {
		return false
	}
	if first, _ := c.chunk.Block(c.at); first < sequence {
		return c.Next()
	}
	return true
}

// SeekLT goes to the last block that begins before a key's sequence.
func (c *cursor) SeekLT(key []byte) bool {
	c.chunk = nil
	sequence := sequenceOf(key)
	if c.moved == nil || sequence > c.moved.upTo()+1 {
		if c.it.SeekLT(key) && !c.isMoved(c.it.Key()) {
			return true
		}
		return c.it.Error() == nil && c.moved != nil && c.place(c.moved.upTo())
	}
	return sequence > 1 && c.place(sequence-1)
}

// Next goes to the block that follows.
func (c *cursor) Next() bool {
	switch {
	case c.chunk == nil:
		return c.err == nil && c.it.Next()
	case c.chunk.Last() >= c.moved.upTo() && c.at+1 == c.chunk.Blocks():
		return c.live()
	case c.at+1 < c.chunk.Blocks():
		c.at++
		return true
	}
	return c.place(c.chunk.Last() + 1)
}

// Key is the key of the block, good until the cursor moves.
func (c *cursor) Key() []byte {
	if c.chunk == nil {
		return c.it.Key()
	}
	first, _ := c.chunk.Block(c.at)
	c.key = blockKey(c.key[:0], first)
	return c.key
}

// ValueAndErr is the block, good until the cursor moves.
func (c *cursor) ValueAndErr() ([]byte, error) {
	if c.chunk == nil {
		return c.it.ValueAndErr()
	}
	_, b := c.chunk.Block(c.at)
	return b.Bytes(), nil
}

// Error is why a move has failed; nil when there was nothing further.
func (c *cursor) Error() error { return errors.Join(c.err, c.it.Error()) }

// Close ends the reading.
func (c *cursor) Close() error { return c.it.Close() }

// firstHere is the sequence of the first entry that is still in Pebble.
func (s *Store) firstHere() uint64 { return s.moved.Load().upTo() + 1 }

// begin is the head behind which the blocks in Pebble begin.
func (s *Store) begin() ledger.Head {
	if m := s.moved.Load(); m != nil {
		return m.head
	}
	return ledger.Head{}
}
