package pebblestore

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// A survey finds out where a ledger that is refused is damaged. Pebble says the file, sometimes, and knows nothing of entries; but what
// is left speaks: the list of tables says which keys are in a table that is gone, the logs can be read past what is wrong in them, the chain
// says which block it misses, and the witness how far entries once went. Nothing is changed by it.
type survey struct {
	store  *Store
	tables []table
	gone   []string // names of tables that are listed and not there
	logs   []surveyedLog
	newest uint64 // the last entry that the witness speaks of, or the logs
	inside uint64 // the last entry in tables; 0 when they cannot be read
}

type surveyedLog struct {
	file  string
	parts []logPart
}

// table is one that the manifest lists.
type table struct {
	number, size uint64
	first        uint64 // key of the first block in it, 0: it has none
}

func (t table) file() string { return fmt.Sprintf("pebble/%06d.sst", t.number) }

func tablesOf(db *pebble.DB) []table {
	var all []table
	levels, err := db.SSTables()
	if err != nil {
		return nil
	}
	for _, level := range levels {
		for _, info := range level {
			t := table{number: uint64(info.BackingSSTNum), size: info.Size}
			if key := info.Smallest.UserKey; len(key) == 9 && key[0] == prefixBlock {
				t.first = sequenceOf(key)
			}
			all = append(all, t)
		}
	}
	return all
}

// entriesBetween says which entries a table holds at most: up to the first block of the next one.
func entriesBetween(t table, all []table, newest uint64) (first, last uint64) {
	if t.first == 0 {
		return 0, 0
	}
	last = max(newest, t.first)
	for _, other := range all {
		if other.first > t.first {
			last = min(last, other.first-1)
		}
	}
	return t.first, last
}

// survey returns the places that explain an error; none when it cannot be said.
func (s *Store) survey(cause error) []Spot {
	v := survey{store: s}
	v.readWitness()
	v.readLogs()
	var behind *BehindWitnessError
	var broken *chainError
	switch {
	case errors.As(cause, &behind):
		return v.tail(behind)
	case errors.Is(cause, ErrNoWitness):
		return []Spot{{File: witnessName, Offset: -1, First: s.head.Sequence + 1}}
	case errors.As(cause, &broken):
		return v.chain(broken)
	case s.db != nil:
		return s.inTable(cause, v.newest)
	}
	return v.refused(cause)
}

func (v *survey) readWitness() {
	f, err := v.store.fs.Open(v.store.path(witnessName))
	if err != nil {
		return
	}
	defer f.Close()
	if slots, err := readSlots(f, v.store.options.slotBytes); err == nil && len(slots) > 0 {
		v.newest = slots[len(slots)-1].head.Sequence
	}
}

func (v *survey) readLogs() {
	for _, dir := range []string{v.store.path("pebble"), v.store.options.WALDir} {
		if dir == "" {
			continue
		}
		names, _ := v.store.fs.List(dir)
		slices.Sort(names)
		for _, name := range names {
			if !strings.HasSuffix(name, ".log") {
				continue
			}
			parts, err := scanLog(v.store.fs, v.store.fs.PathJoin(dir, name))
			if err != nil {
				continue
			}
			v.logs = append(v.logs, surveyedLog{"pebble/" + name, parts})
			for _, p := range parts {
				v.newest = max(v.newest, p.last)
			}
		}
	}
}

// tail: entries behind the journal's head are gone. They stood in a log, behind its last block that can be read.
func (v *survey) tail(e *BehindWitnessError) []Spot {
	spot := Spot{File: "pebble/*.log", Offset: -1, First: e.Journal.Sequence + 1, Last: e.Witness.Sequence}
	if e.Journal.Sequence >= e.Witness.Sequence { // another block than the one that was witnessed
		spot.First, spot.Last = e.Witness.Sequence, e.Witness.Sequence
	}
	if v.damaged(&spot, e.Journal.Sequence) {
		return []Spot{spot}
	}
	held := false // the log with the last block that is there has been met
	for _, log := range v.logs {
		for i, p := range log.parts {
			if p.first > 0 && p.last == e.Journal.Sequence {
				held, spot.File, spot.Offset = true, log.file, -1
			}
			if p.bad && spot.File == log.file && (i == 0 || log.parts[i-1].last <= e.Journal.Sequence) {
				spot.Offset = p.offset
			}
		}
		if !held {
			spot.File = log.file
		}
	}
	return []Spot{spot}
}

// damaged finds the first place behind an entry's block that is neither a record nor the end of a log. It may be in the next log.
func (v *survey) damaged(spot *Spot, entry uint64) (found bool) {
	for _, log := range v.logs {
		for i, p := range log.parts {
			hole := i < len(log.parts)-1 // what looks like the end of a log is none when the log goes on behind it
			switch {
			case p.first > 0 && p.last <= entry:
				found = false
			case p.bad && (!p.end || hole) && !found:
				found, spot.File, spot.Offset = true, log.file, p.offset
			}
		}
	}
	return found
}

// chain: the blocks do not follow one another.
func (v *survey) chain(e *chainError) []Spot {
	v.tables = tablesOf(v.store.db)
	after := e.after.Sequence
	if e.next > after+1 { // blocks that nobody lists
		for _, spot := range v.inLogs(after, true) {
			if spot.First == after+1 {
				return []Spot{spot}
			}
		}
		return []Spot{{File: v.manifest(), Offset: -1, First: after + 1, Last: e.next - 1}}
	}
	spot := Spot{File: v.manifest(), Offset: -1, First: after + 1, Last: max(v.newest, after+1)}
	if number, offset, ok := tableIn(e.err); ok {
		spot.File, spot.Offset = table{number: number}.file(), offset
		for _, t := range v.tables {
			if t.first > after+1 {
				spot.Last = min(spot.Last, t.first-1)
			}
		}
		spot.Last = v.store.holeEnds(after+1, spot.Last)
	}
	return []Spot{spot}
}

// surveyBudget bounds how long the end of a hole is looked for. Pebble flips every bit of a block whose checksum is wrong before it says so,
// which takes a second for each look at a large one.
const surveyBudget = 10 * time.Second

// holeEnds returns the last entry of a hole that begins at first and goes to last at most.
func (s *Store) holeEnds(first, last uint64) uint64 {
	bad, good := first, last+1
	for end := time.Now().Add(surveyBudget); good-bad > 1 && time.Now().Before(end); {
		middle := bad + (good-bad)/2
		it, err := s.blocks()
		if err != nil {
			break
		}
		switch found := it.SeekGE(blockKey(nil, middle)); {
		case !found && it.Error() != nil:
			bad = middle
		case found:
			bad, good = min(bad, middle), middle
			if at := sequenceOf(it.Key()); at <= last {
				last = min(last, at-1)
			}
			good = middle
		default:
			good = middle
		}
		_ = it.Close()
	}
	return last
}

// refused: Pebble does not open it.
func (v *survey) refused(cause error) []Spot {
	v.gone = missingTables(cause)
	switch {
	case v.look("*.log"):
	case v.look("*.log", "OPTIONS-*"):
		return []Spot{{File: v.newestOf("OPTIONS-*"), Offset: -1}}
	default:
		return []Spot{{File: v.manifest(), Offset: -1, First: v.store.firstHere(), Last: v.newest}}
	}
	var spots []Spot
	for _, t := range v.tables {
		info, err := v.store.fs.Stat(v.store.path(t.file()))
		if err != nil || uint64(info.Size()) != t.size {
			first, last := entriesBetween(t, v.tables, v.newest)
			spots = append(spots, Spot{File: t.file(), Offset: -1, First: first, Last: last})
		}
	}
	if len(v.gone) > 0 && v.unlisted() { // tables that nobody lists, and others listed that are gone: the list is an old one
		return []Spot{{File: v.manifest(), Offset: -1, First: v.store.firstHere(), Last: v.newest}}
	}
	if len(spots) > 0 {
		return spots
	}
	return v.inLogs(v.inside, false)
}

// missingTables are the names of tables that Pebble says are gone.
func missingTables(cause error) []string {
	var names []string
	for _, found := range regexp.MustCompile(`file (\d{6,}) \(type sstable\) unknown`).FindAllStringSubmatch(cause.Error(), -1) {
		names = append(names, found[1]+".sst")
	}
	return names
}

// unlisted says whether there are tables that the manifest does not list.
func (v *survey) unlisted() bool {
	names, _ := v.store.fs.List(v.store.path("pebble"))
	return slices.ContainsFunc(names, func(name string) bool {
		return strings.HasSuffix(name, ".sst") && !slices.ContainsFunc(v.tables, func(t table) bool { return t.file() == "pebble/"+name })
	})
}

// inLogs returns the places in logs that are damaged in their middle, or at their end when entries are missing there. holes: only places
// where entries are missing.
func (v *survey) inLogs(after uint64, holes bool) []Spot {
	var spots []Spot
	for n, log := range v.logs {
		for i, p := range log.parts {
			if !p.bad {
				after = max(after, p.last)
				continue
			}
			next := v.following(n, i)
			switch {
			case next > after+1 && (len(spots) == 0 || spots[len(spots)-1].First != after+1): // else it has been said
				spots = append(spots, Spot{File: log.file, Offset: p.offset, First: after + 1, Last: next - 1})
			case next <= after+1 && !holes && i < len(log.parts)-1: // rows of another kind: an index, a checkpoint
				spots = append(spots, Spot{File: log.file, Offset: p.offset})
			}
		}
	}
	return spots
}

// following is the first entry that can be read behind part i of log n, or the one after the newest.
func (v *survey) following(n, i int) uint64 {
	for _, log := range v.logs[n:] {
		for _, p := range log.parts[min(i, len(log.parts)):] {
			if p.first > 0 {
				return p.first
			}
		}
		i = 0
	}
	return v.newest + 1
}

// look opens Pebble read-only, as if some files were not there and the tables that are gone were, and takes note of its tables.
func (v *survey) look(hide ...string) bool {
	s := v.store
	db, err := pebble.Open(s.path("pebble"), &pebble.Options{
		FS: otherwise{s.fs, hide, v.gone}, ReadOnly: true, ErrorIfNotExists: true, FormatMajorVersion: pebble.FormatNewest, DisableTableStats: true,
		DisableConsistencyCheck: true, Logger: logger{s.options},
		EventListener: &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}}, // Pebble's own would stop the process
	})
	if err != nil {
		return false
	}
	v.tables = tablesOf(db)
	if it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixBlock}, UpperBound: []byte{prefixBlock + 1}}); err == nil {
		if it.Last() {
			if b, err := ledger.SkimBlock(it.Value()); err == nil {
				v.inside = b.Last()
			}
		}
		_ = it.Close()
	}
	return db.Close() == nil
}

// otherwise is a file system in which some files are not listed, and others are that are not there.
type otherwise struct {
	vfs.FS
	hide []string
	add  []string
}

// List lists what should be there.
func (o otherwise) List(dir string) ([]string, error) {
	names, err := o.FS.List(dir)
	return append(slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(o.hide, func(p string) bool { return matches(p, name) })
	}), o.add...), err
}

func matches(pattern, name string) bool {
	before, after, _ := strings.Cut(pattern, "*")
	return strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
}

// manifest names the list of tables, or what points to it when that is what is gone.
func (v *survey) manifest() string {
	description, err := pebble.Peek(v.store.path("pebble"), v.store.fs)
	if err == nil && description.ManifestFilename != "" {
		return "pebble/" + v.store.fs.PathBase(description.ManifestFilename)
	}
	return "pebble/marker.manifest.*"
}

func (v *survey) newestOf(pattern string) string {
	names, _ := v.store.fs.List(v.store.path("pebble"))
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		if matches(pattern, name) {
			return "pebble/" + name
		}
	}
	return "pebble/" + pattern
}
