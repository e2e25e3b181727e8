package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
	"onecard/ledger/background"
)

// checkpointsKept is how many generations stay: the newest, and one in case its pages rot.
const checkpointsKept = 2

// manifest is what a checkpoint's last write says about it:
//
//	sequence u64 | hash 32 bytes | sections u16 | (name length u8, name, parts u32, crc-32c u32) ...
type manifest struct {
	generation uint64
	head       ledger.Head
	sections   []sectionSum
}

type sectionSum struct {
	name  string
	parts uint32
	sum   uint32 // CRC-32C over all parts in order
}

func manifestKey(generation uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefixManifest}, generation)
}

func partKey(generation uint64, name string, part uint32) []byte {
	key := binary.BigEndian.AppendUint64([]byte{prefixCheckpoint}, generation)
	key = append(append(key, name...), 0)
	return binary.BigEndian.AppendUint32(key, part)
}

// SaveCheckpoint writes a snapshot part by part and its manifest last (ledger.Checkpoints). It may run beside Append on another goroutine;
// one at a time.
//
// Parts go through the log that blocks go through, and the block behind them waits for them to be on disk: written as fast as they are
// encoded, those of 30,000 holders and 2,000 terminals held up every purchase for 126 to 152 ms. A gentle one rests between them.
func (s *Store) SaveCheckpoint(ctx context.Context, snapshot ledger.Snapshot) error {
	generations, err := s.manifests()
	if err != nil {
		return err
	}
	m := manifest{generation: 1, head: snapshot.Head}
	if n := len(generations); n > 0 {
		m.generation = generations[n-1].generation + 1
	}
	encoding := encodeBehind(ctx, snapshot.Sections)
	defer encoding.stop()
	rest := throttle{gentle: snapshot.Gentle}
	for _, section := range snapshot.Sections {
		sum, err := s.saveSection(ctx, m.generation, section, encoding, &rest)
		if err != nil {
			return fmt.Errorf("checkpoint section %s: %w", section.Name, err)
		}
		m.sections = append(m.sections, sum)
	}
	if err := s.db.Set(manifestKey(m.generation), m.encode(), pebble.Sync); err != nil {
		return fmt.Errorf("checkpoint manifest: %w", err)
	}
	return s.dropBefore(generations)
}

// saveSection writes the parts of one section as they come.
func (s *Store) saveSection(ctx context.Context, generation uint64, section ledger.Section, encoding *encoding, rest *throttle) (sectionSum, error) {
	sum := sectionSum{name: section.Name, parts: section.Parts}
	for part := range section.Parts {
		rows, ok := <-encoding.full
		if !ok {
			return sum, ctx.Err()
		}
		sum.sum = crc32.Update(sum.sum, castagnoli(), rows)
		if err := s.db.Set(partKey(generation, section.Name, part), rows, pebble.NoSync); err != nil {
			return sum, err
		}
		encoding.empty <- rows
		if err := rest.after(ctx, len(rows)); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// encoding is the parts of a checkpoint, encoded one after the other on a thread that gives way to purchases. They are written on another: the
// block that is appended next waits for whoever holds Pebble's lock, and must not wait for a thread that gives way.
type encoding struct {
	full  chan []byte // closed when there are no more, or nobody wants them
	empty chan []byte
	stop  func() // waits for the goroutine
}

func encodeBehind(ctx context.Context, sections []ledger.Section) *encoding {
	const buffers = 2 // one is written while the other is filled
	ctx, cancel := context.WithCancel(ctx)
	e := &encoding{full: make(chan []byte, buffers), empty: make(chan []byte, buffers)}
	for range buffers {
		e.empty <- nil
	}
	e.stop = func() {
		cancel()
		for range e.full { // until it is closed
		}
	}
	go e.run(ctx, sections)
	return e
}

func (e *encoding) run(ctx context.Context, sections []ledger.Section) {
	background.GiveWay()
	defer close(e.full)
	for _, section := range sections {
		for part := range section.Parts {
			select {
			case <-ctx.Done():
				return
			case rows := <-e.empty:
				e.full <- section.Encode(rows[:0], part) // has room for every buffer
			}
		}
	}
}

// dropBefore removes the generations that are no longer kept, and what interrupted ones have left.
func (s *Store) dropBefore(before []manifest) error {
	if len(before) < checkpointsKept {
		return nil
	}
	oldest := before[len(before)-checkpointsKept+1].generation
	from := binary.BigEndian.AppendUint64([]byte{prefixCheckpoint}, 0)
	to := binary.BigEndian.AppendUint64([]byte{prefixCheckpoint}, oldest)
	return errors.Join(s.db.DeleteRange(from, to, pebble.NoSync), s.db.DeleteRange(manifestKey(0), manifestKey(oldest), pebble.NoSync))
}

func (m *manifest) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, m.head.Sequence)
	b = append(b, m.head.Hash[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.sections)))
	for _, s := range m.sections {
		b = append(append(b, byte(len(s.name))), s.name...)
		b = binary.BigEndian.AppendUint32(b, s.parts)
		b = binary.BigEndian.AppendUint32(b, s.sum)
	}
	return b
}

func decodeManifest(generation uint64, b []byte) (manifest, error) {
	bad := fmt.Errorf("checkpoint manifest %d: %w", generation, ledger.ErrMalformed)
	if len(b) < 42 {
		return manifest{}, bad
	}
	m := manifest{generation: generation, head: ledger.Head{Sequence: binary.BigEndian.Uint64(b), Hash: ledger.Hash(b[8:40])}}
	n := binary.BigEndian.Uint16(b[40:])
	b = b[42:]
	for range n {
		if len(b) == 0 || len(b) < 1+int(b[0])+8 {
			return manifest{}, bad
		}
		size := int(b[0])
		m.sections = append(m.sections, sectionSum{string(b[1 : 1+size]), binary.BigEndian.Uint32(b[1+size:]), binary.BigEndian.Uint32(b[5+size:])})
		b = b[9+size:]
	}
	return m, nil
}

// manifests returns all complete checkpoints, oldest first.
func (s *Store) manifests() ([]manifest, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixManifest}, UpperBound: []byte{prefixManifest + 1}})
	if err != nil {
		return nil, s.unreadable(fmt.Errorf("reading checkpoints: %w", err))
	}
	defer it.Close()
	var all []manifest
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, s.unreadable(fmt.Errorf("reading checkpoints: %w", err))
		}
		m, err := decodeManifest(binary.BigEndian.Uint64(it.Key()[1:]), value)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, s.unreadable(it.Error())
}

// CheckpointBefore returns the newest checkpoint taken before a sequence, nil when there is none; its parts are checked while they are read
// (ledger.Checkpoints).
func (s *Store) CheckpointBefore(sequence uint64) (ledger.Stored, error) {
	all, err := s.manifests()
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if at := all[i].head.Sequence; at < sequence && at <= s.head.Sequence {
			return &storedCheckpoint{s, all[i]}, nil
		}
	}
	return nil, nil
}

// LoadCheckpoint returns the newest checkpoint whose parts are all there and whole, nil when there is none: they are read once to prove it.
func (s *Store) LoadCheckpoint() (ledger.Stored, error) {
	all, err := s.manifests()
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		stored := &storedCheckpoint{s, all[i]}
		if all[i].head.Sequence > s.head.Sequence || stored.check() != nil {
			continue // a checkpoint is an optimisation: an older one, or none, costs time only
		}
		return stored, nil
	}
	return nil, nil
}

// Checkpoints returns where the stored checkpoints were taken, oldest first: those that are whole and those of which a part is missing or
// rotten.
func (s *Store) Checkpoints() (whole, damaged []ledger.Head, err error) {
	all, err := s.manifests()
	for i := range all {
		if (&storedCheckpoint{s, all[i]}).check() == nil {
			whole = append(whole, all[i].head)
		} else {
			damaged = append(damaged, all[i].head)
		}
	}
	return whole, damaged, err
}

type storedCheckpoint struct {
	store    *Store
	manifest manifest
}

// Head is where the checkpoint was taken.
func (c *storedCheckpoint) Head() ledger.Head { return c.manifest.head }

func (c *storedCheckpoint) check() error {
	for _, section := range c.manifest.sections {
		if err := c.Section(section.name, func([]byte) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// Section visits the parts of one section in order and checks their sum (ledger.Stored).
func (c *storedCheckpoint) Section(name string, visit func(part []byte) error) error {
	for _, section := range c.manifest.sections {
		if section.name != name {
			continue
		}
		sum := uint32(0)
		for part := range section.parts {
			value, closer, err := c.store.db.Get(partKey(c.manifest.generation, name, part))
			if err != nil {
				return fmt.Errorf("part %d: %w", part, err)
			}
			sum = crc32.Update(sum, castagnoli(), value)
			if err := errors.Join(visit(value), closer.Close()); err != nil {
				return err
			}
		}
		if sum != section.sum {
			return fmt.Errorf("%d parts do not have the sum that was written: %w", section.parts, ledger.ErrMalformed)
		}
	}
	return nil
}
