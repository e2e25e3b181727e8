package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"onecard/ledger/invariant"
)

// Hash is a SHA-256 over a block's header and body.
type Hash [sha256.Size]byte

// Head is the newest block of a chain: the sequence of its last entry and its hash. The zero Head is an empty ledger.
type Head struct {
	Sequence uint64
	Hash     Hash
}

// A block as stored, integers big-endian:
//
//	0      version u8 = 1, flags u8 = 0, reserved u16 = 0
//	4      entries u32
//	8      sequence of the first entry u64
//	16     time of the first entry, microseconds since 1970, i64
//	24     business day, days since 1970 at the site, u32
//	28     bytes of body u32
//	32     hash of the block before, 32 bytes
//	64     hash over bytes 0..63 and the body, 32 bytes
//	96     body: entries, each uvarint length + bytes
const (
	blockVersion    = 1
	blockHeaderSize = 96
	// MaxBlockBytes bounds one block, an import included.
	MaxBlockBytes = 64 << 20
)

// Block is an encoded block that has passed its checks.
type Block struct {
	raw []byte
}

// Bytes returns the stored form.
func (b Block) Bytes() []byte { return b.raw }

// Count is the number of entries.
func (b Block) Count() uint32 { return binary.BigEndian.Uint32(b.raw[4:]) }

// First is the sequence of the first entry.
func (b Block) First() uint64 { return binary.BigEndian.Uint64(b.raw[8:]) }

// Last is the sequence of the last entry.
func (b Block) Last() uint64 { return b.First() + uint64(b.Count()) - 1 }

// Day is the business day (会计日) the block is posted to, in days since 1970.
func (b Block) Day() uint32 { return binary.BigEndian.Uint32(b.raw[24:]) }

// Previous is the hash of the block before.
func (b Block) Previous() Hash { return Hash(b.raw[32:64]) }

// Head is the chain's head after this block.
func (b Block) Head() Head { return Head{b.Last(), Hash(b.raw[64:96])} }

// Time is the time of the first entry, microseconds since 1970.
func (b Block) Time() int64 { return int64(binary.BigEndian.Uint64(b.raw[16:])) }

// OpenBlock checks the header and the hash of stored bytes. It does not check the chain: see Block.Follows.
func OpenBlock(raw []byte) (Block, error) {
	b, err := SkimBlock(raw)
	if err != nil {
		return Block{}, err
	}
	if b.sum() != b.Head().Hash {
		return Block{}, fmt.Errorf("block at %d: hash does not match its contents: %w", b.First(), ErrMalformed)
	}
	return b, nil
}

// SkimBlock checks the header alone and takes the hash as it is written: enough to walk the chain from block to block, and twenty times
// quicker. Whoever believes what a block says opens it with OpenBlock.
func SkimBlock(raw []byte) (Block, error) {
	b := Block{raw}
	if len(raw) < blockHeaderSize || raw[0] != blockVersion || raw[1] != 0 || raw[2] != 0 || raw[3] != 0 {
		return Block{}, fmt.Errorf("block of %d bytes: header: %w", len(raw), ErrMalformed)
	}
	if b.Count() == 0 || int(binary.BigEndian.Uint32(raw[28:])) != len(raw)-blockHeaderSize {
		return Block{}, fmt.Errorf("block at %d: length: %w", b.First(), ErrMalformed)
	}
	return b, nil
}

// Follows says whether the block continues the chain at head.
func (b Block) Follows(head Head) error {
	if b.First() != head.Sequence+1 {
		return fmt.Errorf("block at %d does not follow sequence %d: entries are missing: %w", b.First(), head.Sequence, ErrMalformed)
	}
	if !bytes.Equal(b.raw[32:64], head.Hash[:]) {
		return fmt.Errorf("block at %d does not carry the hash of the block before it: %w", b.First(), ErrMalformed)
	}
	return nil
}

func (b Block) sum() Hash {
	h := sha256.New()
	h.Write(b.raw[:64])
	h.Write(b.raw[blockHeaderSize:])
	var sum Hash
	h.Sum(sum[:0])
	return sum
}

// Each decodes the entries in order into one reused Entry and calls visit with the sequence of each.
func (b Block) Each(visit func(sequence uint64, e *Entry) error) error {
	var e Entry
	entries := b.Entries()
	for entries.More() {
		sequence, err := entries.Next(&e)
		if err != nil {
			return err
		}
		if err := visit(sequence, &e); err != nil {
			return err
		}
	}
	return entries.end(b.First())
}

// end says whether anything stands behind the last entry.
func (p *Entries) end(first uint64) error {
	if len(p.body) != 0 {
		return fmt.Errorf("block at %d: %d bytes after the last entry: %w", first, len(p.body), ErrMalformed)
	}
	return nil
}

// EachAhead is Each with a look at what comes: as many entries as the window holds are decoded into it and given to ahead before the first of
// them is visited. The window's slices are reused.
func (b Block) EachAhead(window []Entry, ahead func([]Entry), visit func(sequence uint64, e *Entry) error) error {
	entries := b.Entries()
	for entries.More() {
		first, n := entries.next, 0
		for n < len(window) && entries.More() {
			if _, err := entries.Next(&window[n]); err != nil {
				return err
			}
			n++
		}
		ahead(window[:n])
		for i := range n {
			if err := visit(first+uint64(i), &window[i]); err != nil {
				return err
			}
		}
	}
	return entries.end(b.First())
}

// Entries is a place between two entries of a block, for a reader that stops in the middle. The zero value is at an end.
type Entries struct {
	body       []byte
	next, last uint64 // sequences; nothing is left when next > last or next is 0
	time       int64  // of the entry before
}

// Entries is the place before the first entry.
func (b Block) Entries() Entries {
	return Entries{b.raw[blockHeaderSize:], b.First(), b.Last(), b.Time()}
}

// More says whether an entry follows.
func (p *Entries) More() bool { return p.next != 0 && p.next <= p.last }

// Next decodes the entry that follows into e, whose payload aliases the block. REQUIRES: More.
func (p *Entries) Next(e *Entry) (sequence uint64, err error) {
	sequence = p.next
	encoded, rest, err := p.stored()
	if err != nil {
		return sequence, err
	}
	if err := e.decode(encoded, p.time); err != nil {
		return sequence, fmt.Errorf("entry %d: %w", sequence, err)
	}
	p.time, p.body, p.next = e.Time, rest, sequence+1
	return sequence, nil
}

// stored is the bytes of the entry that follows, and what stands behind them.
func (p *Entries) stored() (encoded, rest []byte, err error) {
	size, n := binary.Uvarint(p.body)
	if n <= 0 || size > uint64(len(p.body)-n) {
		return nil, nil, fmt.Errorf("entry %d: length: %w", p.next, ErrMalformed)
	}
	end := n + int(size)
	return p.body[n:end], p.body[end:], nil
}

// Own returns the same place in a copy of what is left of the block.
func (p *Entries) Own() Entries {
	own := *p
	own.body = bytes.Clone(p.body)
	return own
}

// BlockBuilder gathers entries into one block. Its buffer is reused from block to block.
type BlockBuilder struct {
	raw   []byte
	count uint32
	first uint64
	time  int64 // of the last entry added
	head  Head
}

// Begin starts a block that follows head.
func (b *BlockBuilder) Begin(head Head, day uint32) {
	var header [blockHeaderSize]byte
	header[0] = blockVersion
	binary.BigEndian.PutUint64(header[8:], head.Sequence+1)
	binary.BigEndian.PutUint32(header[24:], day)
	copy(header[32:], head.Hash[:])
	b.raw = append(b.raw[:0], header[:]...)
	b.count, b.first, b.head = 0, head.Sequence+1, head
}

// Len is the number of entries added since Begin; Size their bytes with the header.
func (b *BlockBuilder) Len() uint32 { return b.count }

// Size is the number of bytes so far.
func (b *BlockBuilder) Size() int { return len(b.raw) }

// Next is the sequence that the next entry will have.
func (b *BlockBuilder) Next() uint64 { return b.first + uint64(b.count) }

// Add appends an entry and returns its sequence. REQUIRES: at most 15 legs, time not before the entry before.
func (b *BlockBuilder) Add(e *Entry) uint64 {
	if len(e.Legs) > maxLegs {
		invariant.Fail("entry with %d legs", len(e.Legs))
	}
	if b.count == 0 {
		b.time = e.Time
		binary.BigEndian.PutUint64(b.raw[16:], uint64(e.Time))
	}
	if e.Time < b.time {
		invariant.Fail("entry time %d goes back before %d", e.Time, b.time)
	}
	length := len(b.raw)
	b.raw = appendEntry(append(b.raw, 0), e, b.time)
	if size := len(b.raw) - length - 1; size < 0x80 { // its length takes the byte that was left for it
		b.raw[length] = byte(size)
	} else {
		var encoded [binary.MaxVarintLen64]byte
		b.raw = slices.Replace(b.raw, length, length+1, encoded[:binary.PutUvarint(encoded[:], uint64(size))]...)
	}
	b.time = e.Time
	b.count++
	return b.first + uint64(b.count) - 1
}

// Seal closes the block. It stays valid until the next Begin of the same builder.
func (b *BlockBuilder) Seal() Block {
	invariant.Hold(b.count > 0, "an empty block cannot be sealed")
	invariant.Hold(len(b.raw) <= MaxBlockBytes, "block of %d bytes is over the limit", len(b.raw))
	binary.BigEndian.PutUint32(b.raw[4:], b.count)
	binary.BigEndian.PutUint32(b.raw[28:], uint32(len(b.raw)-blockHeaderSize))
	sealed := Block{b.raw}
	sum := sealed.sum()
	copy(b.raw[64:], sum[:])
	return sealed
}
