package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// chunksKept bounds the memory of reading: so many chunks stay decompressed.
const chunksKept = 4

// Folder is an archive that is open. Reading may be done by any goroutine, writing (Begin, Finish, Seal) by one.
type Folder struct {
	fs    vfs.FS
	dir   string
	codec codec

	mu       sync.Mutex
	shelf    []place  // guarded by mu; oldest first, without a gap: what no file has is a place with a fault
	surplus  []string // guarded by mu; files whose blocks are all in longer ones
	unsealed bool     // guarded by mu; INDEX does not list what is there
	index    error    // guarded by mu; why INDEX cannot be read
	chunks   []*Chunk // guarded by mu; the newest use last
}

// place is a file, or the lack of one.
type place struct {
	Run
	file  string // its name; "": nothing is known of one
	fault error  // nil: its head was read and it follows the place before
}

// Open looks through a folder. fs nil: the real one. What is wrong with files is in Faults; whoever needs a file hears of it then.
func Open(fs vfs.FS, dir string) (*Folder, error) {
	if fs == nil {
		fs = vfs.Default
	}
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	f := &Folder{fs: fs, dir: dir, codec: c}
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: 档案目录无法读取 / the folder of the archive cannot be read: %w", dir, err)
	}
	found := f.look(names)
	listed, err := readIndex(fs, f.path(indexName))
	if err != nil && (len(found) > 0 || !errors.Is(err, os.ErrNotExist)) {
		f.index = &IndexError{f.path(indexName), err}
	}
	f.arrange(merge(found, listed, f.path))
	f.unsealed = f.index != nil || !slices.EqualFunc(f.shelf, listed, func(p place, r Run) bool { return p.Run == r })
	return f, nil
}

// Is says whether a folder looks like an archive.
func Is(fs vfs.FS, dir string) bool {
	names, err := fs.List(dir)
	return err == nil && slices.ContainsFunc(names, func(name string) bool {
		_, file := rangeOf(name)
		return file || name == indexName
	})
}

func (f *Folder) path(name string) string { return f.fs.PathJoin(f.dir, name) }

// look reads the heads of all files.
func (f *Folder) look(names []string) []place {
	var found []place
	for _, name := range names {
		if r, ok := rangeOf(name); ok {
			p := place{Run: r, file: name}
			p.Run, p.fault = f.readRun(&r)
			found = append(found, p)
		}
	}
	return found
}

// readRun reads the head of a file that has its name from a run.
func (f *Folder) readRun(named *Run) (Run, error) {
	file, err := f.fs.Open(f.path(named.Name()))
	if err != nil {
		return *named, err
	}
	r, _, err := readHead(file)
	if err == nil && (r.First != named.First || r.Last != named.Last) {
		err = errChange
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return *named, err
	}
	return r, nil
}

// merge brings what was found and what is listed together: a listed file that is not there is a place with a fault, and one that is not as
// listed too.
func merge(found []place, listed []Run, path func(string) string) []place {
	at := make(map[string]int, len(found))
	for i := range found {
		at[found[i].file] = i
	}
	for _, r := range listed {
		i, ok := at[r.Name()]
		switch {
		case !ok:
			found = append(found, place{Run: r, file: r.Name(), fault: &os.PathError{Op: "open", Path: path(r.Name()), Err: os.ErrNotExist}})
		case found[i].fault != nil:
			found[i].Run = r
		case found[i].Run != r:
			found[i] = place{r, found[i].file, errChange}
		}
	}
	return found
}

// arrange lays the files out in order: first the whole ones, of several that begin at one entry the longest; then, where none is, what is
// known of damaged and missing ones.
func (f *Folder) arrange(all []place) {
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.Last, a.Last))
	})
	f.shelf, f.surplus = nil, nil
	var whole, rest []place
	end := uint64(0)
	for _, p := range all {
		switch {
		case p.fault != nil:
			rest = append(rest, p)
		case p.Last <= end:
			f.surplus = append(f.surplus, p.file)
		case p.First <= end:
			p.fault = errChain
			rest = append(rest, p)
		default:
			whole, end = append(whole, p), p.Last
		}
	}
	for _, p := range whole {
		f.fill(p.First, rest)
		if n := len(f.shelf); n > 0 && f.shelf[n-1].fault == nil {
			switch last := &f.shelf[n-1]; {
			case p.Ledger != last.Ledger:
				p.fault = errOther
			case p.Before != last.Hash:
				p.fault = errChain
			}
		}
		f.shelf = append(f.shelf, p)
	}
	for _, p := range rest {
		end = max(end, p.Last)
	}
	f.fill(end+1, rest)
}

// fill lays out what is known of the entries between the end of the shelf and an entry.
func (f *Folder) fill(upTo uint64, rest []place) {
	next := func() uint64 {
		if n := len(f.shelf); n > 0 {
			return f.shelf[n-1].Last + 1
		}
		return 1
	}
	for _, p := range rest {
		if p.Last < next() || p.First >= upTo {
			continue
		}
		if p.First > next() {
			f.shelf = append(f.shelf, place{Run: Run{First: next(), Last: p.First - 1}, fault: errGap})
		}
		p.First, p.Last = max(p.First, next()), min(p.Last, upTo-1)
		f.shelf = append(f.shelf, p)
	}
	if next() < upTo {
		f.shelf = append(f.shelf, place{Run: Run{First: next(), Last: upTo - 1}, fault: errGap})
	}
}

// Dir is the folder's path.
func (f *Folder) Dir() string { return f.dir }

// Head is where the archive ends, by its newest file or by INDEX; the zero head when it is empty.
func (f *Folder) Head() ledger.Head {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.shelf); n > 0 {
		return f.shelf[n-1].Head()
	}
	return ledger.Head{}
}

// Ledger is the hash of the first block of the ledger whose archive this is; zero when nothing says it.
func (f *Folder) Ledger() ledger.Hash {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.shelf {
		if f.shelf[i].Ledger != (ledger.Hash{}) {
			return f.shelf[i].Ledger
		}
	}
	return ledger.Hash{}
}

// Runs are the files, oldest first.
func (f *Folder) Runs() []Run {
	f.mu.Lock()
	defer f.mu.Unlock()
	runs := make([]Run, len(f.shelf))
	for i := range f.shelf {
		runs[i] = f.shelf[i].Run
	}
	return runs
}

// Bytes is the size of all files.
func (f *Folder) Bytes() (stored, raw uint64) {
	for _, r := range f.Runs() {
		stored, raw = stored+r.Bytes, raw+r.Raw
	}
	return stored, raw
}

// Faults are the places that no whole file has, as far as heads and INDEX tell: a Damage each.
func (f *Folder) Faults() []*Damage {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*Damage
	for i := range f.shelf {
		if p := &f.shelf[i]; p.fault != nil {
			all = append(all, f.damage(p, p.fault))
		}
	}
	return all
}

// IndexFault says why INDEX cannot be read; nil when it can, or when there is no archive yet.
func (f *Folder) IndexFault() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index
}

func (f *Folder) damage(p *place, why error) *Damage {
	d := &Damage{Blocks: p.Blocks, From: p.First, UpTo: p.Last, Err: why}
	if p.file != "" {
		d.File = f.path(p.file)
	}
	return d
}

// add puts a new file in its place.
func (f *Folder) add(r Run) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := append(f.shelf, place{Run: r, file: r.Name()})
	all = slices.DeleteFunc(all, func(p place) bool { return p.file == "" })
	surplus := f.surplus
	f.arrange(all)
	f.surplus = append(f.surplus, surplus...)
	f.unsealed, f.chunks = true, nil
	return nil
}

// Seal writes INDEX, and then removes the files whose blocks are in longer ones. It does nothing when nothing is new.
func (f *Folder) Seal() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unsealed {
		runs := make([]Run, 0, len(f.shelf))
		for i := range f.shelf {
			if p := &f.shelf[i]; p.Blocks > 0 && p.file == p.Name() {
				runs = append(runs, f.shelf[i].Run)
			}
		}
		if err := f.writeIndex(runs); err != nil {
			return err
		}
		f.unsealed, f.index = false, nil
	}
	return f.tidy()
}

// tidy removes what does not count. REQUIRES: mu is held, INDEX lists what counts.
func (f *Folder) tidy() error {
	names, err := f.fs.List(f.dir)
	if err != nil {
		return fmt.Errorf("%s: %w", f.dir, err)
	}
	for _, name := range names {
		_, ours := rangeOf(strings.TrimSuffix(name, suffixNew))
		if ours && strings.HasSuffix(name, suffixNew) || slices.Contains(f.surplus, name) {
			if err := f.fs.Remove(f.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s: %w", f.path(name), err)
			}
		}
	}
	f.surplus = nil
	return nil
}

// ChunkWith reads the chunk that holds an entry. The error is a *Damage when the archive should have it.
func (f *Folder) ChunkWith(sequence uint64) (*Chunk, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range f.chunks {
		if c.First() <= sequence && sequence <= c.Last() {
			f.chunks = append(slices.Delete(f.chunks, i, i+1), c)
			return c, nil
		}
	}
	i := sort.Search(len(f.shelf), func(i int) bool { return f.shelf[i].Last >= sequence })
	if i == len(f.shelf) || sequence == 0 {
		return nil, &Damage{From: sequence, UpTo: sequence, Err: errGap}
	}
	p := &f.shelf[i]
	if p.fault != nil {
		return nil, f.damage(p, p.fault)
	}
	c, err := f.load(p, sequence)
	if err != nil {
		return nil, err
	}
	if len(f.chunks) >= chunksKept {
		f.chunks = slices.Delete(f.chunks, 0, 1)
	}
	f.chunks = append(f.chunks, c)
	return c, nil
}

// load reads a chunk from its file.
func (f *Folder) load(p *place, sequence uint64) (*Chunk, error) {
	file, err := f.fs.Open(f.path(p.file))
	if err != nil {
		return nil, f.damage(p, err)
	}
	defer file.Close()
	r, rows, err := readHead(file)
	if err == nil && r != p.Run {
		err = errChange
	}
	if err != nil {
		return nil, f.damage(p, err)
	}
	i := sort.Search(len(rows), func(i int) bool { return rows[i].first > sequence }) - 1
	last := r.Last
	if i+1 < len(rows) {
		last = rows[i+1].first - 1
	}
	c, err := f.codec.readChunk(file, rows[i])
	if err == nil && c.Last() != last {
		err = errHead
	}
	if err != nil {
		return nil, &Damage{f.path(p.file), rows[i].blocks, rows[i].first, last, err}
	}
	c.run = r
	return c, nil
}

// Each visits the blocks from the one that holds an entry on, oldest first, unchecked but for the sums of the files. What cannot be read is
// passed over and told to missing. raw is good for as long as the caller keeps it.
func (f *Folder) Each(ctx context.Context, from uint64, visit func(key uint64, raw []byte) error, missing func(*Damage)) error {
	for next, end := max(from, 1), f.Head().Sequence; next <= end; {
		c, err := f.ChunkWith(next)
		var damage *Damage
		if errors.As(err, &damage) {
			missing(damage)
			next = damage.UpTo + 1
			continue
		}
		if err != nil {
			return err
		}
		for i := c.Find(next); i < c.Blocks(); i++ {
			key, b := c.Block(i)
			if err := errors.Join(ctx.Err(), visit(key, b.Bytes())); err != nil {
				return err
			}
		}
		next = c.Last() + 1
	}
	return nil
}

// Check reads a whole file again, block by block: hashes, chain and sums. visit may compare; its error is returned as it is.
func (f *Folder) Check(r *Run, visit func(ledger.Block) error) error {
	file, err := f.fs.Open(f.path(r.Name()))
	if err == nil {
		var own error
		err = f.checkOpen(file, r, func(b ledger.Block) error { own = visit(b); return own })
		if err := errors.Join(file.Close()); own != nil {
			return errors.Join(own, err)
		}
	}
	if err != nil {
		return f.damage(&place{Run: *r, file: r.Name()}, err)
	}
	return nil
}
