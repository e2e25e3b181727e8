package pebblestore

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"onecard/ledger"
)

// ExitJournalFailed is the process's exit code when a write or a sync of the journal has failed. A failed sync can't be retried: the
// kernel may have dropped the pages. What was answered is on disk; a restart finds out what else is.
const ExitJournalFailed = 76

// Defaults of Options.
const (
	DefaultMemTableBytes = 16 << 20
	DefaultBallastBytes  = 256 << 20
	DefaultLowWaterBytes = 1 << 30
)

// Events tell what happens; any may be nil. They are called on the goroutine where it happens and must be quick.
type Events struct {
	// Synced is called when a block and its witness are durable.
	Synced func(entries uint32, bytes int, took time.Duration)
	// DiskSlow and WriteStall pass on what Pebble reports.
	DiskSlow   func(text string)
	WriteStall func(begin bool)
	// Failed is called with an error of a background task that will be tried again.
	Failed func(err error)
	// Info is what Pebble says when it opens, compacts and closes.
	Info func(text string)
	// Repaired is called when Open has taken blocks from the witness back into the journal.
	Repaired func(blocks int)
}

// Options say where and how a store is opened.
type Options struct {
	Dir           string
	FS            vfs.FS // nil: the real one
	WALDir        string // "" keeps the WAL with the data
	ArchiveDir    string // where moved blocks are looked for first; "": where they went when they were moved
	MemTableBytes uint64 // 0: DefaultMemTableBytes
	BallastBytes  int64  // 0: no ballast
	LowWaterBytes uint64 // below this much free space Space reports low
	ReadOnly      bool
	// ProveBehind lets Open return before the chain has been walked; Wait, which whoever answers calls first, waits for it and returns what is
	// wrong. What Inspect opens is always walked.
	ProveBehind bool
	// IndexWindowEntries is how many entries of the statement index are written together at most; 0: four millions. They are written every
	// thirty seconds whatever their number.
	IndexWindowEntries int
	Version            string // of the program, for the manifest of a backup
	Events             Events
	// Fatal is called when the journal cannot be written. It must not return. Nil: print the text and exit with ExitJournalFailed.
	Fatal func(text string)

	slotBytes  int           // of the witness; tests have smaller ones
	flushPause time.Duration // 0: flushPause; tests wait less
	noStats    bool          // Pebble v2.1.7 leaves its statistics goroutine behind when Open fails, and that panics; tests of failing opens do without
	cold       bool          // logs are not readied: what the benchmark compares with
	blind      bool          // the witness is not looked at: a mutant, by which the tests prove that they would notice
	interrupt  func() error  // asked before each batch of the index is written; tests end a process there
}

// Store is an open ledger store.
type Store struct {
	options Options
	fs      vfs.FS
	watch   io.Closer // of the real file system; nil for another
	db      *pebble.DB
	cache   *pebble.Cache // of blocks of tables
	pace    *compactions
	witness *witness
	clerk   *clerk // nil: read only

	warmed    chan error // what warm has ended with; nil: it was not started
	walking   chan error // what walking the chain behind Open has ended with; nil: it is proved
	witnessed []slot     // the slots as they were when the store was opened, oldest first
	inspect   bool       // what is wrong is kept as a doubt
	doubts    []error    // see Inspect

	head    ledger.Head     // owner: the caller of Append and Wait
	flights []flight        // owner: the caller of Append and Wait; oldest first
	spare   []*pebble.Batch // owner: the caller of Append and Wait
	key     []byte
	opened  atomic.Bool
	durable atomic.Uint64 // sequence that the indexer may read up to
	free    atomic.Uint64
	flushes flushes
	indexer atomic.Pointer[indexer]
	kept    keptLogs
	feeds   feeds

	backing sync.Mutex             // held while a backup is made
	closed  bool                   // guarded by backing
	target  atomic.Pointer[target] // of the backup that is being made

	archiving chan struct{}         // holds one while blocks are archived or moved out
	ended     bool                  // guarded by archiving
	moved     atomic.Pointer[moved] // what is in the archive alone; nil: nothing
}

// flight is a block on its way to the disk.
type flight struct {
	batch *pebble.Batch
	block ledger.Block
	head  ledger.Head // of the block as it was appended
	count uint32
	size  int
	began time.Time

	testimony *testimony
}

// ErrInUse says that another process has the folder open.
var ErrInUse = errors.New("数据目录正被另一个进程使用,请先停止它 / the data folder is in use by another process: stop it first")

// Open opens or creates a store, walks the chain of blocks, checks its end against the witness and repairs what the witness still holds.
func Open(o Options) (*Store, error) {
	s := newStore(o)
	if err := s.open(); err != nil {
		return nil, errors.Join(s.named(err), s.release())
	}
	s.RefreshSpace()
	return s, nil
}

func (s *Store) open() error {
	fresh, err := s.isFresh()
	if err != nil {
		return err
	}
	if fresh && s.options.ReadOnly {
		return fmt.Errorf("%s: %w", s.options.Dir, ErrNoLedger)
	}
	for _, folder := range []string{s.path("pebble"), s.options.WALDir} {
		if folder == "" || s.options.ReadOnly {
			continue
		}
		if err := makeFolder(s.fs, folder); err != nil {
			return fmt.Errorf("making the data folder: %w", err)
		}
	}
	if err := s.checkSpace(); err != nil {
		return err
	}
	if err := s.openPebble(fresh); err != nil {
		return err
	}
	if err := s.prove(); err != nil {
		return err
	}
	s.durable.Store(s.head.Sequence)
	s.opened.Store(true)
	if s.walking == nil {
		s.proved()
	}
	if s.witness != nil && !s.options.ReadOnly {
		s.clerk = newClerk(s.witness)
	}
	if !s.options.ReadOnly && !s.options.cold {
		s.warmed = make(chan error, 1)
		go s.warm()
	}
	return nil
}

// warmRotations take Pebble's memtable, which begins with 256 KiB and doubles, to its full size. On the way two logs are made, filled and
// used in turn.
const warmRotations = 8

func (s *Store) fillBytes() int64 {
	if s.options.cold {
		return 0
	}
	return int64(min(s.options.MemTableBytes, fillBytes))
}

// warm readies the logs, while the owner replays blocks and the first terminals come back. Nobody waits for it but Close: blocks that are
// appended meanwhile take the logs as they are.
func (s *Store) warm() {
	var err error
	for range warmRotations {
		if err = s.db.Flush(); err != nil {
			break
		}
	}
	s.warmed <- err
}

// awaitWarm waits for warm, once.
func (s *Store) awaitWarm() error {
	if s.warmed == nil {
		return nil
	}
	err := <-s.warmed
	s.warmed = nil
	if err != nil {
		return fmt.Errorf("readying the logs: %w", err)
	}
	return nil
}

// release closes what is open, in reverse.
func (s *Store) release() error {
	s.clerk.close()
	err := errors.Join(s.awaitProof(), s.witness.close())
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	if s.cache != nil {
		s.cache.Unref()
	}
	if s.watch != nil {
		err = errors.Join(err, s.watch.Close())
	}
	return err
}

func newStore(o Options) *Store {
	s := &Store{options: o, fs: o.FS, archiving: make(chan struct{}, 1)}
	if s.fs == nil {
		s.fs, s.watch = realFS(o.Events)
	}
	if s.options.MemTableBytes == 0 {
		s.options.MemTableBytes = DefaultMemTableBytes
	}
	s.pace = newCompactions()
	s.flushes.pause = cmp.Or(o.flushPause, flushPause)
	if s.options.slotBytes == 0 {
		s.options.slotBytes = slotBytes
	}
	return s
}

func (s *Store) path(name string) string { return s.fs.PathJoin(s.options.Dir, name) }

// ErrNoLedger says that the folder holds no ledger.
var ErrNoLedger = errors.New("没有账本 / there is no ledger here")

// isFresh says whether the folder holds no ledger yet. The witness is made last: a folder with Pebble's files, without a witness and
// without blocks is one whose making was interrupted. Pebble's own word is not enough: a store whose marker file has been deleted looks to
// it like none, and it would begin a new one over the old tables.
func (s *Store) isFresh() (bool, error) {
	files, err := s.fs.List(s.path("pebble"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("looking into %s: %w", s.options.Dir, err)
	}
	exists := false
	if err == nil {
		description, err := pebble.Peek(s.path("pebble"), s.fs)
		if err != nil {
			return false, fmt.Errorf("looking into %s: %w", s.options.Dir, err)
		}
		exists = description.Exists
	}
	if exists {
		return false, nil
	}
	_, err = s.fs.Stat(s.path(witnessName))
	tables := slices.ContainsFunc(files, func(name string) bool { return strings.HasSuffix(name, ".sst") })
	if err == nil || tables {
		return false, fmt.Errorf("%s: 账本文件不全:有见证或数据而无清单,请从备份恢复 / the ledger is not whole: there is a witness or there are tables but no manifest; restore from a backup", s.options.Dir)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("looking into %s: %w", s.options.Dir, err)
	}
	return true, nil
}

// openPebble opens the store; a fresh one is closed and opened again, because the first WAL of a new store is written before the format
// that stamps synced offsets takes effect (safety handbook F1a).
func (s *Store) openPebble(fresh bool) error {
	dir := s.path("pebble")
	s.cache = pebble.NewCache(cacheBytes)
	options := s.pebbleOptions()
	options.ErrorIfNotExists = !fresh
	db, err := pebble.Open(dir, options)
	if err != nil {
		return openError(s.options.Dir, err)
	}
	if fresh {
		if err := db.Close(); err != nil {
			return fmt.Errorf("closing the new store: %w", err)
		}
		if db, err = pebble.Open(dir, s.pebbleOptions()); err != nil {
			return openError(s.options.Dir, err)
		}
	}
	s.db = db
	if got := db.FormatMajorVersion(); got != pebble.FormatNewest && !s.options.ReadOnly {
		return errors.Join(fmt.Errorf("%s: 存储格式 %s,应为 %s / store format %[2]s, %[3]s expected", s.options.Dir, got, pebble.FormatNewest), db.Close())
	}
	if err := s.loadMoved(); err != nil {
		return s.doubt(fmt.Errorf("%s: %w", s.options.Dir, err)) // an auditor takes it that nothing was moved out
	}
	return nil
}

func openError(dir string, err error) error {
	if text := err.Error(); strings.Contains(text, "resource temporarily unavailable") || strings.Contains(text, "lock held") {
		return fmt.Errorf("%s: %w (%w)", dir, ErrInUse, err)
	}
	return fmt.Errorf("%s: 打开账本失败 / opening the ledger: %w", dir, err)
}

// cacheBytes bound the cache of Pebble's blocks.
const cacheBytes = 64 << 20

// emptyCache forgets what bringing the state back has read: nobody will ask for a checkpoint's pages or the oldest blocks again soon, and they
// would stand in memory beside the tables that were made of them.
func (s *Store) emptyCache() {
	if s.cache != nil {
		s.cache.Reserve(cacheBytes)()
	}
}

// pebbleOptions follow the ledger study, section 4.
func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                          s.pebbleFS(),
		WALDir:                      s.options.WALDir,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                s.options.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       8,
		L0StopWritesThreshold:       1000,
		L0CompactionFileThreshold:   restingTables,
		Cache:                       s.cache,
		ReadOnly:                    s.options.ReadOnly,
		DisableTableStats:           s.options.noStats,
		Logger:                      logger{s.options},
	}
	events := s.options.Events
	if o.WALDir != "" { // a ledger that comes from a backup has its first logs with its tables
		o.WALRecoveryDirs = []wal.Dir{{FS: o.FS, Dirname: s.path("pebble")}}
	}
	keepBlocksAtRest(o)
	o.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	o.Levels[1].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	o.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) {
			if events.Failed != nil {
				events.Failed(err)
			}
		},
		// Rot in a table is the reader's to answer for: a checkpoint has an older one behind it, a statement can be refused. Pebble's
		// own answer would be to stop the process.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			if events.Failed != nil {
				events.Failed(fmt.Errorf("数据文件损坏,请运行 verify / a data file is damaged, run verify: %s", info))
			}
		},
		FlushEnd:        func(info pebble.FlushInfo) { s.flushes.ended(info, s.options.fatal) },
		WriteStallBegin: func(pebble.WriteStallBeginInfo) { stall(events, true) },
		WriteStallEnd:   func() { stall(events, false) },
	}
	o.Experimental.CompactionScheduler = s.pace
	return o
}

func (s *Store) pebbleFS() vfs.FS {
	inner := s.fs
	if s.options.BallastBytes > 0 {
		inner = vfs.OnDiskFull(inner, func() { _ = s.fs.Remove(s.path(ballastName)) })
	}
	return storeFS{inner, s.options.fatal, &s.opened, s.fillBytes(), &s.target, &s.flushes, &s.kept}
}

func stall(events Events, begin bool) {
	if events.WriteStall != nil {
		events.WriteStall(begin)
	}
}

// logger stops the process when Pebble says that the journal cannot be written.
type logger struct{ options Options }

func (l logger) Infof(format string, args ...any) {
	if l.options.Events.Info != nil {
		l.options.Events.Info(fmt.Sprintf(format, args...))
	}
}

func (l logger) Errorf(format string, args ...any) {
	if l.options.Events.Failed != nil {
		l.options.Events.Failed(fmt.Errorf(format, args...))
	}
}

func (l logger) Fatalf(format string, args ...any) {
	l.options.fatal(fmt.Sprintf(format, args...))
}

func (o Options) fatal(text string) {
	if o.Fatal != nil {
		o.Fatal(text)
	}
	fmt.Fprintf(os.Stderr, "账本写入失败,进程停止 / the journal cannot be written, the process stops: %s\n", text)
	os.Exit(ExitJournalFailed)
}

// Close stops the indexer, waits for a backup and for what is in flight, and closes Pebble.
func (s *Store) Close() error {
	s.backing.Lock() // a backup that is being made ends first: its context is its caller's to end
	s.closed = true
	s.backing.Unlock()
	s.archiving <- struct{}{} // so does archiving
	s.ended = true
	<-s.archiving
	s.feeds.close()
	s.stopIndexer()
	err := s.awaitWarm()
	if len(s.flights) > 0 {
		err = errors.Join(err, s.Wait(s.head.Sequence))
	}
	return errors.Join(err, s.release())
}

// Metrics are what Pebble knows about itself.
type Metrics struct {
	L0Depth   int32 // tables above one another in level 0: what compactions are behind by
	WALBytes  uint64
	DiskBytes uint64
}

// Metrics reads Pebble's counters.
func (s *Store) Metrics() Metrics {
	m := s.db.Metrics()
	return Metrics{L0Depth: m.Levels[0].Sublevels, WALBytes: m.WAL.Size, DiskBytes: m.DiskSpaceUsage()}
}

// DirName is the folder's path, for messages.
func (s *Store) DirName() string { return filepath.Clean(s.options.Dir) }
