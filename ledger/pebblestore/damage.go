package pebblestore

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// Spot is a place where a ledger is damaged: a file, and the entries that cannot be had because of it.
type Spot struct {
	// File is the path below the ledger's folder. Of a log that is gone nobody knows the name: then it is the newest one that is there.
	File string
	// Offset is that of the first byte that cannot be read; -1: the file as a whole.
	Offset int64
	// First and Last are entries: the first of the first block that is concerned, the last of the last. They are bounds: what is named here
	// may be more than what is lost, never less. First 0: no entry is concerned. Last 0: as far as entries go, nobody can say.
	First, Last uint64
}

// String says it in both languages.
func (s Spot) String() string {
	chinese, english := "文件 "+s.File, "file "+s.File
	if s.Offset >= 0 {
		chinese, english = fmt.Sprintf("%s 偏移 %d", chinese, s.Offset), fmt.Sprintf("%s at offset %d", english, s.Offset)
	}
	switch {
	case s.First == 0:
		return chinese + ":不涉及任何记录 / " + english + ": no entry is concerned"
	case s.Last == 0:
		return fmt.Sprintf("%s:自第 %d 条(该条起的区块)以后 / %s: the block at %[2]d and everything after it", chinese, s.First, english)
	}
	return fmt.Sprintf("%s:第 %d 至 %d 条(自第 %[2]d 条起的区块)/ %[4]s: entries %[2]d to %[3]d, the blocks from the one at %[2]d on", chinese, s.First, s.Last, english)
}

// DamageError says where a ledger is damaged. It wraps what Pebble, the chain or the witness has said of it.
type DamageError struct {
	Dir   string
	Spots []Spot
	Err   error
}

func (e *DamageError) Error() string {
	places := make([]string, len(e.Spots))
	for i, s := range e.Spots {
		places[i] = s.String()
	}
	advice := "请从第二份副本或备份恢复 / restore from a second copy or a backup"
	if len(e.Spots) > 0 && strings.HasPrefix(e.Spots[0].File, "pebble/OPTIONS") {
		advice = "移走该文件后重新启动即可 / move that file away and start again"
	}
	return fmt.Sprintf("%s: 数据损坏 / damaged: %s; %s: %s", e.Dir, strings.Join(places, "; "), advice, strings.TrimPrefix(firstLine(e.Err), e.Dir+": "))
}

func (e *DamageError) Unwrap() error { return e.Err }

// firstLine: Pebble's errors and joined ones have details on further lines.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// named finds out where the damage is that an error speaks of. An error that is none of damage, or of which nobody knows where it is, is
// returned as it is.
func (s *Store) named(err error) error {
	var already *DamageError
	var number syscall.Errno
	switch {
	case err == nil, errors.As(err, &already), errors.Is(err, ErrInUse), errors.Is(err, ErrNoLedger):
		return err
	case errors.As(err, &number) && number != syscall.ENOENT: // a disk that does not answer is not damage, and is not asked again
		return err
	}
	var noSpace *NoSpaceError
	if errors.As(err, &noSpace) {
		return err
	}
	if spots := s.survey(err); len(spots) > 0 {
		return &DamageError{s.options.Dir, spots, err}
	}
	return err
}

// unreadable names what Pebble could not read while the store is in use: the table that it says, and the entries that are kept there.
func (s *Store) unreadable(err error) error {
	var already *DamageError
	if err == nil || errors.As(err, &already) || !pebble.IsCorruptionError(err) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if spots := s.inTable(err, s.durable.Load()); len(spots) > 0 {
		return &DamageError{s.options.Dir, spots, err}
	}
	return err
}

// inTable names the table that an error of Pebble's is about, and the entries that are kept there.
func (s *Store) inTable(err error, newest uint64) []Spot {
	number, offset, ok := tableIn(err)
	if !ok {
		return nil
	}
	all := tablesOf(s.db)
	for _, t := range all {
		if t.number == number {
			first, last := entriesBetween(t, all, newest)
			return []Spot{{File: t.file(), Offset: offset, First: first, Last: last}}
		}
	}
	return nil
}

// tableIn reads a table's number and an offset off what Pebble says, as in "file 000029: block 37174/4388: crc32c checksum mismatch".
func tableIn(err error) (number uint64, offset int64, ok bool) {
	text := err.Error()
	name := regexp.MustCompile(`(?:file |/)(\d{6,})(?:\.sst|\b)`).FindStringSubmatch(text)
	if name == nil {
		return 0, -1, false
	}
	number, _ = strconv.ParseUint(name[1], 10, 64)
	offset = -1
	if at := regexp.MustCompile(`block (\d+)/\d+`).FindStringSubmatch(text); at != nil {
		offset, _ = strconv.ParseInt(at[1], 10, 64)
	}
	return number, offset, true
}
