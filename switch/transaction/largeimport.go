package transaction

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"

	"onecard/ledger"
)

// How a directory gets into the ledger.
//
// A small one is one block. A large one — a city's five million people are more than a gigabyte of entries — is cut into parts of one
// block each, and purchases go on between them. It still comes all or not at all: the whole of it is checked first and then staged beside the
// ledger (see ledger.Stage), and a part that is not in the ledger when it is opened again is brought in then, before anybody is answered.
// Which parts are in needs no mark: their people and cards are registered, and were not when everything was checked.
//
// Tried before: one block of any size (64 MiB were 230,000 people, and the switch stood still for as long as it took), which the disk, the
// witness and every reader would have to bear; and blocks that count only with the one that ends the import, which every reader of the
// chain would have to know.

const (
	// importRows is the people, or cards, of one part: about 1 MiB of entries, 10 ms between two groups of purchases.
	importRows = 4096
	// importWhole is the people, or cards, up to which a directory is one block.
	importWhole = 4 * importRows
)

// ErrImporting says that a large import is going on.
var ErrImporting = errors.New("另一次导入正在进行,请待其完成后再试 / another import is going on: try again when it has ended")

// Import applies a directory all or nothing. With faults nothing is written. A large one that has begun goes on when ctx ends, and is finished
// by the next Open when the switch stops in the middle of it.
func (e *Engine) Import(ctx context.Context, dir *Directory, now int64) ([]Fault, error) {
	var faults []Fault
	large := false
	err := e.command(ctx, func() error {
		var err error
		large, faults, err = e.beginImport(dir, now)
		return err
	})
	if err != nil || !large || len(faults) > 0 {
		return faults, err
	}
	return nil, e.bringIn(dir, func(part *Directory) error {
		var failed error
		if err := e.do(context.WithoutCancel(ctx), func() { failed = e.importPart(part, now) }); err != nil {
			return err
		}
		return failed
	}, func() error {
		return e.do(context.WithoutCancel(ctx), func() { e.importing = false })
	})
}

// ImportBeforeRun is Import for a ledger that nobody serves yet.
func (e *Engine) ImportBeforeRun(dir *Directory, now int64) ([]Fault, error) {
	large, faults, err := e.beginImport(dir, now)
	if err != nil || !large || len(faults) > 0 {
		return faults, err
	}
	return nil, e.bringIn(dir, func(part *Directory) error { return e.importPart(part, now) }, func() error { e.importing = false; return nil })
}

// beginImport checks a directory and applies it at once when it is small. A large one keeps other imports out until it is done.
func (e *Engine) beginImport(dir *Directory, now int64) (large bool, faults []Fault, err error) {
	if e.importing {
		return false, nil, ErrImporting
	}
	if faults := dir.Check(e.state); len(faults) > 0 {
		return false, faults, nil
	}
	size := dir.size()
	switch {
	case size == 0: // names alone, or files with nothing but their headers: there is no block without an entry
		return false, nil, nil
	case e.config.Stage != nil && dir.isLarge():
		e.importing = true
		return true, nil, nil
	case size > ledger.MaxBlockBytes:
		return false, nil, fmt.Errorf("导入约 %d MiB,大于一个账块(%d MiB),请拆分文件 / the import of about %[1]d MiB is larger than one block (%[2]d MiB): split the files", size>>20, ledger.MaxBlockBytes>>20)
	}
	if err := e.settle(); err != nil {
		return false, nil, err
	}
	return false, nil, e.importPart(dir, now)
}

// importPart writes one block.
func (e *Engine) importPart(dir *Directory, now int64) error {
	if err := e.prepare(now); err != nil {
		return err
	}
	dir.entries(e.state, e.decider.now, func(entry *ledger.Entry) { e.add(entry) })
	return e.settle()
}

// bringIn stages a large directory and applies it part by part. Only a fault in staging leaves nothing behind; after it the next Open finishes.
func (e *Engine) bringIn(dir *Directory, apply func(*Directory) error, done func() error) error {
	err := e.config.Stage.SaveStage(func(add func([]byte) error) error {
		return dir.eachPart(func(part *Directory) error {
			var encoded bytes.Buffer
			if err := gob.NewEncoder(&encoded).Encode(part); err != nil {
				return err
			}
			return add(encoded.Bytes())
		})
	})
	if err != nil {
		return errors.Join(fmt.Errorf("导入未开始 / the import has not begun: %w", err), done())
	}
	if err := dir.eachPart(apply); err != nil {
		return fmt.Errorf("导入未完,下次启动时自动续完 / the import is not finished and will be by the next start: %w", err)
	}
	return errors.Join(e.config.Stage.DropStage(), done())
}

// finishImport brings in what a crash has left of a large import.
func (e *Engine) finishImport(now int64) error {
	if e.config.Stage == nil {
		return nil
	}
	parts := 0
	err := e.config.Stage.LoadStage(func(encoded []byte) error {
		parts++
		var part Directory
		if err := gob.NewDecoder(bytes.NewReader(encoded)).Decode(&part); err != nil {
			return err
		}
		if part.applied(e.state) {
			return nil
		}
		return e.importPart(&part, now)
	})
	if err != nil {
		return fmt.Errorf("续完上次未完的导入 / finishing the import that was interrupted: %w", err)
	}
	if parts == 0 {
		return nil
	}
	return e.config.Stage.DropStage()
}

func (dir *Directory) isLarge() bool {
	return len(dir.Holders) > importWhole || len(dir.Cards) > importWhole
}

// eachPart cuts a directory into parts of one block, in an order in which every reference is already known: what is not people and cards
// comes with the first.
func (dir *Directory) eachPart(visit func(part *Directory) error) error {
	part := *dir
	part.Holders, part.Cards = nil, nil
	for from := 0; from < len(dir.Holders); from += importRows {
		part.Holders = dir.Holders[from:min(from+importRows, len(dir.Holders))]
		if err := visit(&part); err != nil {
			return err
		}
		part = Directory{}
	}
	for from := 0; from < len(dir.Cards); from += importRows {
		part.Cards = dir.Cards[from:min(from+importRows, len(dir.Cards))]
		if err := visit(&part); err != nil {
			return err
		}
		part = Directory{}
	}
	return nil
}

// applied says whether a part of a large directory is in the ledger. Each has people or cards, and is one block.
func (dir *Directory) applied(s *State) bool {
	if len(dir.Holders) > 0 {
		_, ok := s.holderRow([]byte(dir.Holders[0].Number))
		return ok
	}
	_, ok := s.cardRow(dir.Cards[0].Number)
	return ok
}

// size estimates the bytes of the directory's block from above.
func (dir *Directory) size() int {
	const overhead = 96 // entry framing and the largest fixed parts of a row
	size := 0
	for i := range dir.Doors {
		size += overhead + 8*len(dir.Doors[i].Grants)
	}
	for i := range dir.Terminals {
		size += overhead + len(dir.Terminals[i].SealedKey)
	}
	const termsOverhead = 256
	size += termsOverhead * (len(dir.Sets) + len(dir.Terms) + len(dir.Programmes) + len(dir.Desks))
	return size + overhead*(len(dir.Classes)+len(dir.Merchants)+2*len(dir.Holders)+len(dir.Cards))
}
