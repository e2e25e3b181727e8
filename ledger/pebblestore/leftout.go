package pebblestore

import (
	"onecard/ledger"
)

// LeftOut is what a restore to an entry or a moment leaves out.
type LeftOut struct {
	Blocks, Entries uint64
	From, UpTo      uint64 // first and last entry
	Begin, End      int64  // their times, microseconds since 1970
	Unreadable      bool   // some of it could not be read, or is not a block

	firstEnd  uint64 // where the first block left out ends
	firstTime int64
}

// add counts a block that is left out, and returns it as the newest of them.
func (l *LeftOut) add(key uint64, raw, last []byte) []byte {
	b, err := ledger.SkimBlock(raw)
	if err != nil {
		l.Unreadable = true
		return last
	}
	if l.Blocks == 0 {
		l.From, l.Begin, l.firstEnd = key, b.Time(), b.Last()
		_, l.firstTime = timesOf(b)
	}
	l.Blocks++
	l.Entries += uint64(b.Count())
	l.UpTo = b.Last()
	return append(last[:0], raw...)
}

func (l *LeftOut) finish(last []byte) {
	if b, err := ledger.SkimBlock(last); err == nil {
		_, l.End = timesOf(b)
	}
}

// timesOf is the times of a block's first and last entry, as far as they can be read.
func timesOf(b ledger.Block) (begin, end int64) {
	begin, end = b.Time(), b.Time()
	_ = b.Each(func(_ uint64, e *ledger.Entry) error {
		end = e.Time
		return nil
	})
	return begin, end
}
