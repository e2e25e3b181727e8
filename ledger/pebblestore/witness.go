package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// The witness.
//
// A second file holds the newest blocks, each in one of witnessSlots slots in turn, written and synced at the same time as Pebble's WAL.
// An answer leaves when both are durable. Three cases after a crash or damage:
//
//	the WAL has less than the witness   the missing blocks are in the slots: they follow the journal's head by hash and are put back
//	the witness has less than the WAL   the crash came between: the chain in Pebble is whole, the witness catches up
//	more is missing than the slots hold the store is refused: *BehindWitnessError says from where
//
// A witness of the head alone (sequence and hash) could not tell the last block of a torn write, which nobody heard of, from one that was
// answered and has been lost since: it would have to refuse after an ordinary power cut, or accept a loss. With the bytes there is no
// such case. A block larger than a slot (an import) is synced in Pebble first and then witnessed by its head.
//
// A slot:
//
//	0   magic u64
//	8   CRC-32C over what follows, u32
//	12  bytes of block u32, 0: the head alone
//	16  last sequence u64
//	24  hash 32 bytes
//	64  the block
const (
	witnessName    = "WITNESS"
	witnessSlots   = 4
	slotBytes      = 1 << 20
	slotHeader     = 64
	slotBlockBytes = slotBytes - slotHeader
	witnessMagic   = 0x4f6e65436172646b
)

// flightBound is how many blocks may be on their way at once: a slot must not be overwritten before the block after it is durable.
const flightBound = witnessSlots - 2

type witness struct {
	file vfs.File
	buf  []byte
	next int // slot for the next block
}

// slot is one readable slot.
type slot struct {
	index int
	head  ledger.Head
	block []byte // nil: the head alone
}

// BehindWitnessError says that the journal is shorter than what was once durable.
type BehindWitnessError struct {
	Journal ledger.Head
	Witness ledger.Head
}

func (e *BehindWitnessError) Error() string {
	if e.Journal.Sequence == e.Witness.Sequence {
		return fmt.Sprintf("账本末块与见证不符 / the journal's last block at %d is not the one that was witnessed: the files were changed or mixed; restore from a backup", e.Journal.Sequence)
	}
	return fmt.Sprintf("账本缺 %d 条:末条为 %d,已确认到 %d;请从第二份副本或备份恢复,切勿继续使用 / %d entries are missing: the journal ends at %d, durable was %d; restore from a second copy or a backup and do not go on with this one",
		e.Witness.Sequence-e.Journal.Sequence, e.Journal.Sequence, e.Witness.Sequence, e.Witness.Sequence-e.Journal.Sequence, e.Journal.Sequence, e.Witness.Sequence)
}

// ErrNoWitness says that blocks are there but no slot of the witness can be read.
var ErrNoWitness = errors.New("见证文件缺失或损坏,无法证明账本完整;请从备份恢复 / the witness is missing or damaged: nothing proves that the journal is whole; restore from a backup")

// createWitness writes a file of zeros, so that every later write overwrites written blocks and a sync has no metadata to write.
func createWitness(fs vfs.FS, path, dir string) (*witness, error) {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("making the witness: %w", err)
	}
	zeros := make([]byte, slotBytes)
	for range witnessSlots {
		if _, err := f.Write(zeros); err != nil {
			return nil, errors.Join(fmt.Errorf("filling the witness: %w", err), f.Close())
		}
	}
	if err := errors.Join(f.Sync(), f.Close(), syncDir(fs, dir)); err != nil {
		return nil, fmt.Errorf("syncing the witness: %w", err)
	}
	w, _, err := openWitness(fs, path)
	return w, err
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openWitness opens the file and returns the slots that can be read, in no order.
func openWitness(fs vfs.FS, path string) (*witness, []slot, error) {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the witness: %w", err)
	}
	slots, err := readSlots(f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	w := &witness{file: f, buf: make([]byte, 0, slotBytes)}
	for _, s := range slots {
		if s.head.Sequence == newest(slots).Sequence {
			w.next = (s.index + 1) % witnessSlots
		}
	}
	return w, slots, nil
}

func readSlots(f vfs.File) ([]slot, error) {
	var slots []slot
	for i := range witnessSlots {
		raw := make([]byte, slotBytes)
		n, err := f.ReadAt(raw, int64(i)*slotBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading the witness: %w", err)
		}
		if s, ok := readSlot(i, raw[:n]); ok {
			slots = append(slots, s)
		}
	}
	return slots, nil
}

func readSlot(i int, raw []byte) (slot, bool) {
	if len(raw) < slotHeader || binary.BigEndian.Uint64(raw) != witnessMagic {
		return slot{}, false
	}
	size := binary.BigEndian.Uint32(raw[12:])
	if int(size) > len(raw)-slotHeader || crc32.Checksum(raw[12:slotHeader+size], castagnoli()) != binary.BigEndian.Uint32(raw[8:]) {
		return slot{}, false
	}
	s := slot{index: i, head: ledger.Head{Sequence: binary.BigEndian.Uint64(raw[16:]), Hash: ledger.Hash(raw[24:56])}}
	if size > 0 {
		s.block = raw[slotHeader : slotHeader+size]
	}
	return s, true
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // cached by the library

func newest(slots []slot) ledger.Head {
	var head ledger.Head
	for _, s := range slots {
		if s.head.Sequence >= head.Sequence {
			head = s.head
		}
	}
	return head
}

// write puts a block into the next slot and syncs it. headOnly leaves the bytes out.
func (w *witness) write(head ledger.Head, block []byte) error {
	if len(block) > slotBlockBytes {
		block = nil
	}
	b := w.buf[:slotHeader]
	clear(b)
	binary.BigEndian.PutUint64(b, witnessMagic)
	binary.BigEndian.PutUint32(b[12:], uint32(len(block)))
	binary.BigEndian.PutUint64(b[16:], head.Sequence)
	copy(b[24:], head.Hash[:])
	b = append(b, block...)
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli()))
	w.buf = b
	if _, err := w.file.WriteAt(b, int64(w.next)*slotBytes); err != nil {
		return fmt.Errorf("writing the witness: %w", err)
	}
	if err := w.file.SyncData(); err != nil {
		return fmt.Errorf("syncing the witness: %w", err)
	}
	w.next = (w.next + 1) % witnessSlots
	return nil
}

func (w *witness) close() error {
	if w == nil || w.file == nil {
		return nil
	}
	return w.file.Close()
}
