package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
//
// The archive may be elsewhere by now: Options.ArchiveDir is looked into first.
const (
	markMoved  = "moved"
	movedBytes = 8 + 2*len(ledger.Hash{})
)

// moved says which blocks are in the archive alone. It does not change.
type moved struct {
	head    ledger.Head
	first   ledger.Hash // of the ledger's first block
	shelves []*shelf    // where to look, in this order
}

// shelf is a folder in which moved blocks may be. It is opened when somebody needs it.
type shelf struct {
	dir   string
	fs    vfs.FS
	first ledger.Hash // of the ledger's first block

	mu     sync.Mutex
	folder *archive.Folder // guarded by mu; nil: not opened yet
	looked time.Time       // guarded by mu; when it was looked through
}

// newMoved names the folders to look in; one that is "" or comes twice is left out.
func newMoved(head ledger.Head, first ledger.Hash, fs vfs.FS, dirs ...string) *moved {
	m := &moved{head: head, first: first}
	for _, dir := range dirs {
		if dir != "" && !slices.ContainsFunc(m.shelves, func(s *shelf) bool { return s.dir == dir }) {
			m.shelves = append(m.shelves, &shelf{dir: dir, fs: fs, first: first})
		}
	}
	return m
}

// upTo is the last entry that was moved out; 0 when none was.
func (m *moved) upTo() uint64 {
	if m == nil {
		return 0
	}
	return m.head.Sequence
}

// chunkWith reads the blocks around an entry. The error is that of the first folder.
func (m *moved) chunkWith(sequence uint64) (*archive.Chunk, error) {
	var first error
	for _, s := range m.shelves {
		chunk, err := s.chunkWith(sequence)
		if err == nil {
			return chunk, nil
		}
		if damage := new(archive.Damage); !errors.As(err, &damage) {
			err = &archive.Damage{File: s.dir, From: 1, UpTo: m.upTo(), Err: err}
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// check says whether one of the folders has all files of the moved blocks, as far as their heads tell.
func (m *moved) check() error {
	if m == nil {
		return nil
	}
	var first error
	for _, s := range m.shelves {
		err := s.check(m.upTo())
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (s *shelf) check(upTo uint64) error {
	folder, _, err := s.open(true)
	if err != nil {
		return &archive.Damage{File: s.dir, From: 1, UpTo: upTo, Err: err}
	}
	for _, d := range folder.Faults() {
		if d.From <= upTo {
			return d
		}
	}
	if _, err = folder.ChunkWith(upTo); err != nil {
		return err
	}
	return nil
}

// lookAgain is how soon a folder is looked through again after something in it could not be read: the operator may have put it back.
const lookAgain = 2 * time.Second

func (s *shelf) chunkWith(sequence uint64) (*archive.Chunk, error) {
	folder, fresh, err := s.open(false)
	if err != nil {
		return nil, err
	}
	chunk, err := folder.ChunkWith(sequence)
	if err == nil || fresh {
		return chunk, err
	}
	if folder, _, err = s.open(true); err != nil {
		return nil, err
	}
	return folder.ChunkWith(sequence)
}

// open opens the folder when it is not open, or again when that was a while ago; fresh says that it was looked through lately.
func (s *shelf) open(again bool) (f *archive.Folder, fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh = time.Since(s.looked) < lookAgain
	if s.folder != nil && (!again || fresh) {
		return s.folder, fresh, nil
	}
	s.looked = time.Now()
	folder, err := archive.Open(s.fs, s.dir)
	if err != nil {
		return nil, true, err
	}
	if is := folder.Ledger(); is != s.first && is != (ledger.Hash{}) {
		return nil, true, &archive.ForeignError{Dir: s.dir, Head: folder.Head()}
	}
	s.folder = folder
	return folder, true, nil
}

func (m *moved) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, m.head.Sequence)
	b = append(append(b, m.head.Hash[:]...), m.first[:]...)
	return append(b, m.shelves[0].dir...)
}

// loadMoved reads the mark when the store is opened.
func (s *Store) loadMoved() error {
	value, closer, err := s.db.Get(markKey(markMoved))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return s.doubtMoved(fmt.Errorf("mark %s: %w", markMoved, err))
	}
	defer closer.Close()
	if len(value) < movedBytes {
		return fmt.Errorf("mark %s: %w", markMoved, ledger.ErrMalformed)
	}
	head := ledger.Head{Sequence: binary.BigEndian.Uint64(value), Hash: ledger.Hash(value[8:40])}
	s.moved.Store(newMoved(head, ledger.Hash(value[40:movedBytes]), s.plainFS(), s.options.ArchiveDir, string(value[movedBytes:])))
	return nil
}

// doubtMoved is for a mark that cannot be read: where the first block is in Pebble none was moved out, and the mark never was.
func (s *Store) doubtMoved(err error) error {
	it, fault := s.blocks()
	if fault != nil {
		return errors.Join(err, fault)
	}
	defer it.Close()
	if it.First() && sequenceOf(it.Key()) == 1 {
		return nil
	}
	return s.doubt(err)
}

// MovedOut is the last entry whose block is in the archive alone (0: none), and the folder that is looked into first.
func (s *Store) MovedOut() (upTo uint64, dir string) {
	if m := s.moved.Load(); m != nil {
		return m.upTo(), m.shelves[0].dir
	}
	return 0, ""
}
