package archive

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/klauspost/compress/zstd"

	"onecard/ledger"
)

// Chunk is consecutive blocks of a file, decompressed. It does not change.
type Chunk struct {
	run    Run
	head   ledger.Head // of the last block
	blocks []ledger.Block
	keys   []uint64 // first sequences
}

// Blocks is how many there are.
func (c *Chunk) Blocks() int { return len(c.blocks) }

// Block is one of them, oldest first, with the sequence of its first entry. Its header has been looked at, its hash has not.
func (c *Chunk) Block(i int) (key uint64, b ledger.Block) { return c.keys[i], c.blocks[i] }

// First and Last are the entries at both ends.
func (c *Chunk) First() uint64 { return c.keys[0] }
func (c *Chunk) Last() uint64  { return c.head.Sequence }

// Find is the block with an entry. REQUIRES: First <= sequence <= Last.
func (c *Chunk) Find(sequence uint64) int {
	return sort.Search(len(c.keys), func(i int) bool { return c.keys[i] > sequence }) - 1
}

// split cuts decompressed bytes into blocks, each of which must follow the one before. Of the first it is only known where it begins.
func split(raw []byte, first uint64) (*Chunk, error) {
	c := &Chunk{}
	for len(raw) > 0 {
		if len(raw) < 4 || uint64(binary.BigEndian.Uint32(raw)) > uint64(len(raw)-4) {
			return nil, fmt.Errorf("the length of a block: %w", ledger.ErrMalformed)
		}
		end := 4 + int(binary.BigEndian.Uint32(raw))
		b, err := ledger.SkimBlock(raw[4:end:end])
		if err != nil {
			return nil, err
		}
		if len(c.keys) == 0 {
			c.head = ledger.Head{Sequence: first - 1, Hash: b.Previous()}
		}
		if err := b.Follows(c.head); err != nil {
			return nil, err
		}
		c.blocks, c.keys, c.head = append(c.blocks, b), append(c.keys, b.First()), b.Head()
		raw = raw[end:]
	}
	return c, nil
}

// codec compresses and decompresses chunks; one frame each, on the caller's goroutine.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() (codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(chunkBytes))
	if err != nil {
		return codec{}, fmt.Errorf("zstd: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(chunkMax))
	if err != nil {
		return codec{}, fmt.Errorf("zstd: %w", err)
	}
	return codec{encoder, decoder}, nil
}

// readChunk reads one chunk of an open file.
func (c codec) readChunk(f vfs.File, at row) (*Chunk, error) {
	stored := make([]byte, at.stored)
	if _, err := f.ReadAt(stored, int64(at.at)); err != nil {
		return nil, shortAs(err, errSize)
	}
	if crc32.Checksum(stored, castagnoli()) != at.crc {
		return nil, errSum
	}
	raw, err := c.decoder.DecodeAll(stored, make([]byte, 0, at.raw))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	if len(raw) != int(at.raw) {
		return nil, errSize
	}
	chunk, err := split(raw, at.first)
	if err == nil && chunk.Blocks() != int(at.blocks) {
		err = errHead
	}
	return chunk, err
}
