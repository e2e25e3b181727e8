package demo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"onecard/terminals/emulator"
)

// paper is the terminals' paper roll: the file that all they are told is printed on, run after run (emulator.Memory). It is held against the
// ledger at the end, so nothing is ever taken off it.
type paper struct {
	file   *os.File
	search *search
}

const (
	headerBytes = 16
	recordBytes = 48
)

// search looks for what is printed about one transaction from now on.
type search struct {
	terminal     string
	batch, trace uint32
	found        []printed
}

// printed is what the roll says of one answer.
type printed struct {
	code      emulator.ResponseCode
	reference emulator.Reference
}

// openPaper opens the roll behind its last whole record: a demonstration that was killed may have left half a one.
func openPaper(path string) (*paper, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("receipts of the terminals: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("receipts of the terminals: %w", err), f.Close())
	}
	size := info.Size()
	if size < headerBytes {
		_, err = f.WriteAt(emulator.ReceiptsHeader(), 0)
		size = headerBytes
	}
	size -= (size - headerBytes) % recordBytes
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("receipts of the terminals: %w", err), f.Close())
	}
	return &paper{file: f}, nil
}

// Write prints records; they come whole.
func (p *paper) Write(records []byte) (int, error) {
	if p.search != nil {
		for at := 0; at+recordBytes <= len(records); at += recordBytes {
			p.search.read(records[at : at+recordBytes])
		}
	}
	return p.file.Write(records)
}

func (s *search) read(record []byte) {
	if record[0] != 1 || string(record[12:20]) != s.terminal || binary.BigEndian.Uint32(record[4:]) != s.batch || binary.BigEndian.Uint32(record[8:]) != s.trace {
		return
	}
	s.found = append(s.found, printed{emulator.ResponseCode(record[2:4]), emulator.Reference(record[20:32])})
}

func (p *paper) close() error { return p.file.Close() }
