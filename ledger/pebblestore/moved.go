package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
	"onecard/ledger/pebblestore/archive"
)

// markMoved is the mark of the blocks that were moved out of Pebble: it stands for them in the chain.
//
//	M | moved -> sequence of the last entry u64 | hash of its block | hash of the ledger's first block | path of the archive
const (
	markMoved  = "moved"
	movedBytes = 8 + 2*len(ledger.Hash{})
)

// moved says which blocks are in the archive alone. It does not change; the folder is opened when somebody needs it.
type moved struct {
	head  ledger.Head
	first ledger.Hash // of the ledger's first block
	dir   string
	fs    vfs.FS

	mu     sync.Mutex
	folder *archive.Folder // guarded by mu; nil: not opened yet
	looked time.Time       // guarded by mu; when it was looked through
}

// upTo is the last entry that was moved out; 0 when none was.
func (m *moved) upTo() uint64 {
	if m == nil {
		return 0
	}
	return m.head.Sequence
}

// lookAgain is how soon a folder is looked through again after something in it could not be read: the operator may have put it back.
const lookAgain = 2 * time.Second

// chunkWith reads the blocks around an entry.
func (m *moved) chunkWith(sequence uint64) (*archive.Chunk, error) {
	folder, fresh, err := m.open(false)
	var chunk *archive.Chunk
	if err == nil {
		if chunk, err = folder.ChunkWith(sequence); err != nil && !fresh {
			if folder, _, err = m.open(true); err == nil {
				chunk, err = folder.ChunkWith(sequence)
			}
		}
	}
	if damage := new(archive.Damage); err != nil && !errors.As(err, &damage) {
		err = &archive.Damage{File: m.dir, From: 1, UpTo: m.upTo(), Err: err}
	}
	return chunk, err
}

// open opens the folder when it is not open, or again when that was a while ago; fresh says that it was looked through lately.
func (m *moved) open(again bool) (f *archive.Folder, fresh bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh = time.Since(m.looked) < lookAgain
	if m.folder != nil && (!again || fresh) {
		return m.folder, fresh, nil
	}
	m.looked = time.Now()
	folder, err := archive.Open(m.fs, m.dir)
	if err != nil {
		return nil, true, err
	}
	if is := folder.Ledger(); is != m.first && is != (ledger.Hash{}) {
		return nil, true, &archive.ForeignError{Dir: m.dir, Head: folder.Head()}
	}
	m.folder = folder
	return folder, true, nil
}

func (m *moved) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, m.head.Sequence)
	b = append(append(b, m.head.Hash[:]...), m.first[:]...)
	return append(b, m.dir...)
}

// loadMoved reads the mark when the store is opened. Where the archive is now is the caller's to say; without that it is where it was.
func (s *Store) loadMoved() error {
	value, closer, err := s.db.Get(markKey(markMoved))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mark %s: %w", markMoved, err)
	}
	defer closer.Close()
	if len(value) < movedBytes {
		return fmt.Errorf("mark %s: %w", markMoved, ledger.ErrMalformed)
	}
	m := &moved{
		head:  ledger.Head{Sequence: binary.BigEndian.Uint64(value), Hash: ledger.Hash(value[8:40])},
		first: ledger.Hash(value[40:movedBytes]), dir: string(value[movedBytes:]), fs: s.plainFS(),
	}
	if s.options.ArchiveDir != "" {
		m.dir = s.options.ArchiveDir
	}
	s.moved.Store(m)
	return nil
}

// MovedOut is the last entry whose block is in the archive alone (0: none), and the folder of the archive.
func (s *Store) MovedOut() (upTo uint64, dir string) {
	if m := s.moved.Load(); m != nil {
		return m.upTo(), m.dir
	}
	return 0, ""
}
