package pebblestore

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

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
// Is the slot that is overwritten ever the only copy of something that is needed? No: block n goes over block n-4, and it is written only
// after n-1 has landed, which means that Pebble has synced everything up to n-1. What Pebble may lose in a crash is n and what was
// appended after it; of these only n can be in the witness. So one slot would do for a crash, if it were never torn; the others are for
// damage to the WAL's tail, and so that a torn write of n leaves n-1 readable.
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
	witnessName  = "WITNESS"
	witnessSlots = 4
	slotBytes    = 1 << 20
	slotHeader   = 64
	witnessMagic = 0x4f6e65436172646b
)

// flightBound is how many blocks may be on their way at once: one on its way while the next is appended. It bounds what a crash can leave
// undecided, and must stay below witnessSlots.
const flightBound = witnessSlots - 2

type witness struct {
	file vfs.File
	buf  []byte
	size int // bytes of a slot
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
		return fmt.Sprintf("账本止于 %d 的区块与见证不符:文件被改动或混用,请从备份恢复 / the journal's block that ends at %[1]d is not the one that was witnessed: the files were changed or mixed; restore from a backup", e.Journal.Sequence)
	}
	return fmt.Sprintf("账本缺 %d 条:末条为 %d,已确认到 %d;请从第二份副本或备份恢复,切勿继续使用 / %[1]d entries are missing: the journal ends at %[2]d, durable was %[3]d; restore from a second copy or a backup and do not go on with this one",
		e.Witness.Sequence-e.Journal.Sequence, e.Journal.Sequence, e.Witness.Sequence)
}

// ErrNoWitness says that blocks are there but no slot of the witness can be read.
var ErrNoWitness = errors.New("见证文件缺失或损坏,无法证明账本完整;请从备份恢复 / the witness is missing or damaged: nothing proves that the journal is whole; restore from a backup")

// createWitness writes a file of zeros, so that every later write overwrites written blocks and a sync has no metadata to write. It gets
// its name when it is whole.
func createWitness(fs vfs.FS, path, dir string, size int) (*witness, error) {
	f, err := fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("making the witness: %w", err)
	}
	if err := fill(f, 0, int64(witnessSlots*size)); err != nil {
		return nil, errors.Join(fmt.Errorf("filling the witness: %w", err), f.Close())
	}
	// The last slot says that nothing was witnessed yet. So a witness always has a slot that can be read: one in which the first block was
	// torn is not mistaken for a witness that was damaged.
	if _, err := f.WriteAt(appendSlot(nil, ledger.Head{}, nil), int64((witnessSlots-1)*size)); err != nil {
		return nil, errors.Join(fmt.Errorf("filling the witness: %w", err), f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("syncing the witness: %w", err)
	}
	if err := errors.Join(fs.Rename(path+".new", path), syncDir(fs, dir)); err != nil {
		return nil, fmt.Errorf("naming the witness: %w", err)
	}
	w, _, err := openWitness(fs, path, size)
	return w, err
}

// openWitness opens the file and returns the slots that can be read, oldest first. A file that was cut is made whole again.
func openWitness(fs vfs.FS, path string, size int) (*witness, []slot, error) {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the witness: %w", err)
	}
	slots, err := readSlots(f, size)
	if err == nil {
		err = refill(f, size)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	w := &witness{file: f, buf: make([]byte, 0, size), size: size}
	if n := len(slots); n > 0 {
		w.next = (slots[n-1].index + 1) % witnessSlots
	}
	return w, slots, nil
}

func refill(f vfs.File, size int) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("looking at the witness: %w", err)
	}
	if info.Size() >= int64(witnessSlots*size) {
		return nil
	}
	if err := fill(f, info.Size(), int64(witnessSlots*size)); err != nil {
		return fmt.Errorf("filling the witness: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing the witness: %w", err)
	}
	return nil
}

// readSlots returns the slots that can be read, oldest first.
func readSlots(f vfs.File, size int) ([]slot, error) {
	var slots []slot
	for i := range witnessSlots {
		raw := make([]byte, size)
		n, err := f.ReadAt(raw, int64(i*size))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading the witness: %w", err)
		}
		if s, ok := readSlot(i, raw[:n]); ok {
			slots = append(slots, s)
		}
	}
	slices.SortFunc(slots, func(a, b slot) int { return cmp.Compare(a.head.Sequence, b.head.Sequence) })
	return slots, nil
}

func readSlot(i int, raw []byte) (slot, bool) {
	if len(raw) < slotHeader || binary.BigEndian.Uint64(raw) != witnessMagic {
		return slot{}, false
	}
	size := binary.BigEndian.Uint32(raw[12:])
	if int64(size) > int64(len(raw)-slotHeader) || crc32.Checksum(raw[12:slotHeader+size], castagnoli()) != binary.BigEndian.Uint32(raw[8:]) {
		return slot{}, false
	}
	s := slot{index: i, head: ledger.Head{Sequence: binary.BigEndian.Uint64(raw[16:]), Hash: ledger.Hash(raw[24:56])}}
	if size > 0 {
		s.block = raw[slotHeader : slotHeader+size]
	}
	return s, true
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // cached by the library

// holds says whether a block of so many bytes fits in a slot.
func (w *witness) holds(bytes int) bool { return bytes <= w.size-slotHeader }

// appendSlot writes a slot's header and block.
func appendSlot(dst []byte, head ledger.Head, block []byte) []byte {
	var header [slotHeader]byte
	binary.BigEndian.PutUint64(header[:], witnessMagic)
	binary.BigEndian.PutUint32(header[12:], uint32(len(block)))
	binary.BigEndian.PutUint64(header[16:], head.Sequence)
	copy(header[24:], head.Hash[:])
	dst = append(append(dst, header[:]...), block...)
	binary.BigEndian.PutUint32(dst[8:], crc32.Checksum(dst[12:], castagnoli()))
	return dst
}

// write puts a block into the next slot and syncs it; of a block that does not fit, the head alone.
func (w *witness) write(head ledger.Head, block []byte) error {
	if !w.holds(len(block)) {
		block = nil
	}
	b := appendSlot(w.buf[:0], head, block)
	w.buf = b
	if _, err := w.file.WriteAt(b, int64(w.next*w.size)); err != nil {
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
