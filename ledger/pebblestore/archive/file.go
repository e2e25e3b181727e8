package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// A file, integers big-endian:
//
//	0    magic u64
//	8    version u8 = 1, reserved 3 bytes = 0
//	12   chunks u32
//	16   blocks u32
//	20   business day of all blocks, days since 1970, u32
//	24   sequence of the first entry u64
//	32   sequence of the last entry u64
//	40   time of the first entry, microseconds since 1970, i64
//	48   time of the last entry i64
//	56   hash of the block before the first, 32 bytes
//	88   hash of the last block, 32 bytes
//	120  hash of the ledger's first block, 32 bytes: which ledger this is
//	152  bytes of all blocks u64
//	160  SHA-256 over bytes 0..159 and the table, 32 bytes
//	192  table, 32 bytes per chunk:
//	       first sequence u64 | place in the file u64 | stored bytes u32 | bytes u32 | CRC-32C of the stored bytes u32 | blocks u32
//	     chunks, one after another to the end of the file: each a zstd frame of blocks, each block u32 length + bytes
//
// A chunk is what is decompressed to read one entry; a file is what is written, checked and moved at once.
const (
	magic         = 0x6f6e65436172640a
	formatVersion = 1
	headerBytes   = 192
	summedBytes   = 160
	rowBytes      = 32
	suffix        = ".blocks"
	suffixNew     = ".new"

	// chunkBytes of blocks are compressed together: larger ones gain little, and reading one entry costs the decompressing of one.
	chunkBytes = 512 << 10
	// runBytes of blocks fill a file.
	runBytes = 16 << 20
	// chunkMax bounds what a table may ask for: one block larger than a chunk stands alone.
	chunkMax = chunkBytes + ledger.MaxBlockBytes + 8
)

// Run is what a file says about its blocks.
type Run struct {
	First, Last uint64 // entries
	Blocks      uint32
	Day         uint32      // business day of all blocks
	Begin, End  int64       // times of the first and the last entry, microseconds since 1970
	Before      ledger.Hash // of the block before the first
	Hash        ledger.Hash // of the last block
	Ledger      ledger.Hash // of the ledger's first block
	Raw         uint64      // bytes of all blocks
	Bytes       uint64      // of the file
	Sum         [sha256.Size]byte
}

// Head is the chain's head after the run.
func (r *Run) Head() ledger.Head { return ledger.Head{Sequence: r.Last, Hash: r.Hash} }

// Name is the name of the file.
func (r *Run) Name() string { return fmt.Sprintf("%020d-%020d%s", r.First, r.Last, suffix) }

// Full says whether the file has its size and does not grow any more on its day.
func (r *Run) Full() bool { return r.Raw >= runBytes }

// rangeOf reads the entries from a file's name.
func rangeOf(name string) (r Run, ok bool) {
	if !strings.HasSuffix(name, suffix) || len(name) != 41+len(suffix) {
		return Run{}, false
	}
	n, err := fmt.Sscanf(name, "%d-%d", &r.First, &r.Last)
	return r, err == nil && n == 2 && r.First > 0 && r.Last >= r.First && r.Name() == name
}

// row is one chunk's row of the table.
type row struct {
	first       uint64
	at          uint64
	stored, raw uint32
	crc, blocks uint32
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // cached by the library

// appendHead writes header and table, and the sum into the run.
func appendHead(dst []byte, r *Run, rows []row) []byte {
	head := make([]byte, headerBytes, headerBytes+rowBytes*len(rows))
	binary.BigEndian.PutUint64(head, magic)
	head[8] = formatVersion
	binary.BigEndian.PutUint32(head[12:], uint32(len(rows)))
	binary.BigEndian.PutUint32(head[16:], r.Blocks)
	binary.BigEndian.PutUint32(head[20:], r.Day)
	binary.BigEndian.PutUint64(head[24:], r.First)
	binary.BigEndian.PutUint64(head[32:], r.Last)
	binary.BigEndian.PutUint64(head[40:], uint64(r.Begin))
	binary.BigEndian.PutUint64(head[48:], uint64(r.End))
	copy(head[56:], r.Before[:])
	copy(head[88:], r.Hash[:])
	copy(head[120:], r.Ledger[:])
	binary.BigEndian.PutUint64(head[152:], r.Raw)
	for _, c := range rows {
		head = binary.BigEndian.AppendUint64(head, c.first)
		head = binary.BigEndian.AppendUint64(head, c.at)
		head = binary.BigEndian.AppendUint32(head, c.stored)
		head = binary.BigEndian.AppendUint32(head, c.raw)
		head = binary.BigEndian.AppendUint32(head, c.crc)
		head = binary.BigEndian.AppendUint32(head, c.blocks)
	}
	r.Sum = sumOf(head)
	copy(head[summedBytes:], r.Sum[:])
	return append(dst, head...)
}

// sumOf is the sum over a head: all of it but the sum itself.
func sumOf(head []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(head[:summedBytes])
	h.Write(head[headerBytes:])
	h.Sum(sum[:0])
	return sum
}

// Errors of a file, by which a Damage says what is wrong.
var (
	errHead   = errors.New("文件头不对 / its header is not one")
	errSize   = errors.New("文件长短不对 / it is too short or too long")
	errSum    = errors.New("校验和不符 / its sum does not fit")
	errChain  = errors.New("与前一文件不相连 / it does not follow the file before it")
	errOther  = errors.New("属于另一账本 / it is of another ledger")
	errGap    = errors.New("没有这些记录的文件 / there is no file with these entries")
	errChange = errors.New("与清单所列不是同一文件 / it is not the file that INDEX lists")
)

// readHead reads and checks header and table of an open file.
func readHead(f vfs.File) (Run, []row, error) {
	info, err := f.Stat()
	if err != nil {
		return Run{}, nil, err
	}
	head := make([]byte, headerBytes)
	if _, err := f.ReadAt(head, 0); err != nil {
		return Run{}, nil, shortAs(err, errSize)
	}
	chunks := binary.BigEndian.Uint32(head[12:])
	if binary.BigEndian.Uint64(head) != magic || !bytes.Equal(head[8:12], []byte{formatVersion, 0, 0, 0}) ||
		int64(chunks)*rowBytes > info.Size()-headerBytes {
		return Run{}, nil, errHead
	}
	table := make([]byte, chunks*rowBytes)
	if _, err := f.ReadAt(table, headerBytes); err != nil {
		return Run{}, nil, shortAs(err, errSize)
	}
	r := runOf(head)
	if r.Sum != sumOf(append(head, table...)) {
		return Run{}, nil, errSum
	}
	r.Bytes = uint64(info.Size())
	rows, err := readTable(table, &r)
	return r, rows, err
}

func shortAs(err, short error) error {
	if errors.Is(err, io.EOF) {
		return short
	}
	return err
}

func runOf(head []byte) Run {
	return Run{
		Blocks: binary.BigEndian.Uint32(head[16:]),
		Day:    binary.BigEndian.Uint32(head[20:]),
		First:  binary.BigEndian.Uint64(head[24:]),
		Last:   binary.BigEndian.Uint64(head[32:]),
		Begin:  int64(binary.BigEndian.Uint64(head[40:])),
		End:    int64(binary.BigEndian.Uint64(head[48:])),
		Before: ledger.Hash(head[56:88]),
		Hash:   ledger.Hash(head[88:120]),
		Ledger: ledger.Hash(head[120:152]),
		Raw:    binary.BigEndian.Uint64(head[152:]),
		Sum:    [sha256.Size]byte(head[summedBytes:headerBytes]),
	}
}

// readTable reads the rows, which must fill the file.
func readTable(table []byte, r *Run) ([]row, error) {
	rows := make([]row, 0, len(table)/rowBytes)
	at, blocks, next := uint64(headerBytes+len(table)), uint32(0), r.First
	for ; len(table) > 0; table = table[rowBytes:] {
		c := row{
			binary.BigEndian.Uint64(table), binary.BigEndian.Uint64(table[8:]), binary.BigEndian.Uint32(table[16:]),
			binary.BigEndian.Uint32(table[20:]), binary.BigEndian.Uint32(table[24:]), binary.BigEndian.Uint32(table[28:]),
		}
		if c.at != at || c.raw > chunkMax || c.first < next || len(rows) == 0 && c.first != r.First {
			return nil, errHead
		}
		at, blocks, next = at+uint64(c.stored), blocks+c.blocks, c.first+1
		rows = append(rows, c)
	}
	if at != r.Bytes {
		return nil, errSize
	}
	if blocks != r.Blocks || len(rows) == 0 || next-1 > r.Last {
		return nil, errHead
	}
	return rows, nil
}
