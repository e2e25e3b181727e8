package pebblestore

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// Reading a log past its damage.
//
// Pebble reads a log up to the first thing that is wrong and says no more about it. To say which entries stood there, the log is read here
// by its layout: blocks of 32 KiB with chunks that never cross one, so that behind a chunk that is wrong the next block begins anew.
//
//	CRC-32C (rotated, LevelDB's) u32 | bytes u16 | kind u8 | number of the log u32 | synced offset u64 (kinds 9 to 12) | bytes
//
// Kinds are 1 full, 2 first, 3 middle, 4 last; 5 to 8 the same with the number of the log, 9 to 12 with the synced offset as well. A chunk
// with another log's number is of the log's earlier life.
const (
	logBlock     = 32 << 10
	chunkHeader  = 7
	chunkFull    = 1
	chunkFirst   = 2
	chunkLast    = 4
	chunkKinds   = 4
	rotatedDelta = 0xa282ead8
)

// logPart is a part of a log: a record, with the entries of a block in it, or a place where nothing can be read.
type logPart struct {
	offset      int64
	first, last uint64 // 0: rows of another kind
	bad         bool
	end         bool // bad, as what stands behind the end of a log: nothing, or what an earlier life of the file has left
}

// scanLog reads a whole log. Damage at its end stands for its end: whether something should follow is for others to know.
func scanLog(fs vfs.FS, path string) ([]logPart, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	number, _ := strconv.ParseUint(strings.TrimSuffix(fs.PathBase(path), ".log"), 10, 64)
	scan := logScan{number: uint32(number)}
	for at := 0; at < len(raw); at += logBlock {
		scan.block(int64(at), raw[at:min(at+logBlock, len(raw))])
	}
	return scan.parts, nil
}

type logScan struct {
	number uint32
	parts  []logPart
	record []byte
	inside bool // of a record, after its first chunk
	began  int64
}

func (l *logScan) damage(offset int64, end bool) {
	l.inside = false
	if n := len(l.parts); n == 0 || !l.parts[n-1].bad {
		l.parts = append(l.parts, logPart{offset: offset, bad: true, end: end})
	}
}

// block reads the chunks of one block of a log, up to the first that is wrong.
func (l *logScan) block(at int64, raw []byte) {
	for i := 0; i+chunkHeader <= len(raw); {
		size, kind := int(binary.LittleEndian.Uint16(raw[i+4:])), raw[i+6]
		header := []int{chunkHeader, chunkHeader + 4, chunkHeader + 12}[min(int(max(kind, 1)-1)/chunkKinds, 2)]
		if kind == 0 && len(raw)-i < chunkHeader+12 && len(raw) == logBlock {
			return // what is left of a block is too small for a chunk
		}
		whole := kind > 0 && kind <= 3*chunkKinds && i+header+size <= len(raw) && chunkWhole(raw[i:i+header+size])
		other := whole && header > chunkHeader && binary.LittleEndian.Uint32(raw[i+7:]) != l.number
		if !whole || other {
			trailer := binary.LittleEndian.Uint32(raw[i:]) == 0 && size == 0 // which Pebble puts behind what it has written
			l.damage(at+int64(i), kind == 0 || other || trailer)
			return
		}
		l.chunk(at+int64(i), (kind-1)%chunkKinds+1, raw[i+header:i+header+size])
		i += header + size
	}
}

func chunkWhole(chunk []byte) bool {
	sum := crc32.Checksum(chunk[6:], castagnoli())
	return binary.LittleEndian.Uint32(chunk) == (sum>>15|sum<<17)+rotatedDelta
}

func (l *logScan) chunk(at int64, position byte, payload []byte) {
	switch starts := position == chunkFull || position == chunkFirst; {
	case starts:
		if l.inside {
			l.damage(l.began, false)
		}
		l.record, l.inside, l.began = l.record[:0], true, at
	case !l.inside:
		l.damage(at, false)
		return
	}
	l.record = append(l.record, payload...)
	if position == chunkFull || position == chunkLast {
		l.inside = false
		l.batch(l.began)
	}
}

// batch takes note of the blocks in a record.
func (l *logScan) batch(at int64) {
	if len(l.record) < batchrepr.HeaderLen {
		return
	}
	l.parts = append(l.parts, logPart{offset: at})
	reader := batchrepr.Read(l.record)
	for {
		_, key, value, ok, err := reader.Next()
		if err != nil || !ok {
			return
		}
		if len(key) != 9 || key[0] != prefixBlock {
			continue
		}
		if b, err := ledger.SkimBlock(value); err == nil {
			l.parts = append(l.parts, logPart{offset: at, first: b.First(), last: b.Last()})
		}
	}
}
