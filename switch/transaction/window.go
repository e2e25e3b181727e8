package transaction

// The duplicate table.
//
// A terminal's answers are remembered in a window addressed by trace number modulo its size. A row can only have been overwritten by a
// newer request of the same residue, so what is found in the one row where a request would stand proves its case without a search:
//
//	the same batch and trace   it was decided: give the answer again (or refuse 94 when the contents differ)
//	a newer batch or trace     it is older than the window: it may have been decided, so it is refused, never decided twice
//	an older one, or nothing   it was never decided
//
// Newer is serial arithmetic (as RFC 1982): batch and trace count to 999,999 and start again at 1.
//
// Tried before: a map keyed by terminal, batch and trace (a cache miss and 60 bytes more per request, and no natural end), and a ring
// that is searched (20 KiB read per request).

const (
	numberSpace = 999_999 // traces and batches are 1..999,999
	halfSpace   = numberSpace / 2
)

// compareSerial returns 0 when equal, > 0 when a is newer than b.
func compareSerial(a, b uint32) int {
	if a == b {
		return 0
	}
	if (a+numberSpace-b)%numberSpace <= halfSpace {
		return 1
	}
	return -1
}

// compareIdentity orders two requests of one terminal.
func compareIdentity(batch, trace, otherBatch, otherTrace uint32) int {
	if c := compareSerial(batch, otherBatch); c != 0 {
		return c
	}
	return compareSerial(trace, otherTrace)
}

// verdict is what the window says about an identity.
type verdict uint8

const (
	neverDecided verdict = iota
	decided
	beyondWindow
)

// rowOf returns the number of the row in s.answers where a request of the terminal stands.
func (s *State) rowOf(t TerminalID, trace uint32, reversal bool) uint32 {
	row := (uint32(t)-1)*2*s.window + trace%s.window
	if reversal {
		row += s.window
	}
	return row
}

// look finds out whether an identity was decided before. The row is only for reading.
func (s *State) look(t TerminalID, batch, trace uint32, reversal bool) (*answered, verdict) {
	row := s.answers.At(s.rowOf(t, trace, reversal))
	return row, row.verdict(batch, trace)
}

// verdict is what the row where an identity would stand says about it.
func (a *answered) verdict(batch, trace uint32) verdict {
	if a.kind == 0 {
		return neverDecided
	}
	switch c := compareIdentity(batch, trace, a.batch, a.trace); {
	case c == 0:
		return decided
	case c < 0:
		return beyondWindow
	}
	return neverDecided
}
