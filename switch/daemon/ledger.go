package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"onecard/ledger/pebblestore"
	"onecard/switch/campus"
	"onecard/switch/directory"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// HasLedger says whether the folder holds a ledger.
func HasLedger(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "pebble"))
	return err == nil
}

// opened is a ledger with the state that it makes, and the key it is sealed under.
type opened struct {
	store  *pebblestore.Store
	engine *transaction.Engine
	site   iso8583.Secret
}

// openLedger opens or makes the ledger of a data folder and brings the state back.
func openLedger(ctx context.Context, c *Config, version string, now int64, events pebblestore.Events, engineEvents transaction.Events) (*opened, error) {
	site, err := LoadSiteKey(c.SiteKeyPath(), !HasLedger(c.Data.Directory))
	if err != nil {
		return nil, err
	}
	store, err := pebblestore.Open(pebblestore.Options{
		Dir: c.Data.Directory, WALDir: c.Data.WALDirectory, ArchiveDir: c.Archive.Directory, MemTableBytes: uint64(c.Data.MemTableBytes), BallastBytes: int64(c.Data.BallastBytes),
		LowWaterBytes: uint64(c.Data.LowWaterBytes), Version: version, Events: events, ProveBehind: true,
	})
	if err != nil {
		return nil, err
	}
	engine, err := transaction.Open(ctx, transaction.Config{
		Journal: store, Checkpoints: store, Stage: store, Routes: campus.Routes(subsystems(c)), Site: c.site(), DaySwitch: c.daySwitch(), Events: engineEvents,
		Withdrawals: c.withdrawalTerms(),
	}, now)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &opened{store, engine, site}, nil
}

// Index is what is kept behind a ledger, from the entry after those that have made the register's accounts.
func Index(register *transaction.Register) pebblestore.Index {
	return pebblestore.Index{
		Keys:   register.Statements,
		Shared: transaction.SharedStatements,
		Totals: pebblestore.Totals{Count: register.Count, Settle: register.Settle, RollUp: transaction.RollUp},
	}
}

// OpenToRead opens the ledger of a data folder that no switch has open, for reading, and brings its state back.
func OpenToRead(ctx context.Context, c *Config) (*pebblestore.Store, *transaction.Engine, error) {
	store, err := pebblestore.Open(pebblestore.Options{Dir: c.Data.Directory, WALDir: c.Data.WALDirectory, ArchiveDir: c.Archive.Directory, ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	engine, err := transaction.Open(ctx, transaction.Config{Journal: store, Checkpoints: store}, 0)
	if err == nil {
		err = store.StartIndexer(Index(engine.State().NewRegister()))
	}
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, engine, nil
}

// rowName is the kind of directory rows that hold names of people and things, which can be erased:
//
//	table | 0 | key -> name | 0 | what it belongs to
const rowName = 'n'

// NameOf reads a name beside the ledger; "" when there is none or it was erased.
func NameOf(store *pebblestore.Store, table, key string) string {
	value, err := store.Directory(rowName, table+"\x00"+key)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(string(value), "\x00")
	return name
}

// saveNames writes the names of an import beside the ledger.
func saveNames(store *pebblestore.Store, names []directory.Name) error {
	rows := make([]pebblestore.DirectoryRow, 0, len(names))
	for _, n := range names {
		rows = append(rows, pebblestore.DirectoryRow{Kind: rowName, Key: n.Table + "\x00" + n.Key, Value: []byte(n.Text + "\x00" + n.Of)})
	}
	return store.PutDirectory(rows)
}

// Imported says what an import has brought.
type Imported struct {
	Classes   int `json:"classes"`
	Merchants int `json:"merchants"`
	Doors     int `json:"doors"`
	Terminals int `json:"terminals"`
	Holders   int `json:"holders"`
	Cards     int `json:"cards"`
	Names     int `json:"names"`
}

func importedOf(i *directory.Import) Imported {
	d := &i.Directory
	return Imported{len(d.Classes), len(d.Merchants), len(d.Doors), len(d.Terminals), len(d.Holders), len(d.Cards), len(i.Names)}
}

// importer is what an import goes through: the engine, running or not.
type importer func(*transaction.Directory) ([]transaction.Fault, error)

// importFolder reads the files, checks everything, and applies all or nothing. With problems nothing is written. The names are written
// before the ledger's block: names without their rows harm nobody, rows without names would.
func importFolder(folder fs.FS, store *pebblestore.Store, site iso8583.Secret, check, apply importer) (Imported, []directory.Problem, error) {
	read, problems, err := directory.Read(folder, directory.Keys{Site: site, Random: rand.Reader})
	if err != nil {
		return Imported{}, nil, err
	}
	faults, err := check(&read.Directory)
	if err != nil {
		return Imported{}, nil, err
	}
	if problems = append(problems, read.Problems(faults)...); len(problems) > 0 {
		return Imported{}, problems, nil
	}
	if err := saveNames(store, read.Names); err != nil {
		return Imported{}, nil, err
	}
	if faults, err = apply(&read.Directory); err != nil || len(faults) > 0 {
		return Imported{}, read.Problems(faults), err
	}
	return importedOf(&read), nil, nil
}

// Import brings the CSV files of a folder into the ledger of a data folder that no switch has open, and writes a checkpoint so that the
// next start is quick. With problems nothing is written.
func Import(ctx context.Context, c *Config, folder fs.FS) (imported Imported, problems []directory.Problem, err error) {
	if err := directory.Check(folder); err != nil {
		return Imported{}, nil, err
	}
	now := newClock().micros
	o, err := openLedger(ctx, c, "", now(), pebblestore.Events{}, transaction.Events{})
	if err != nil {
		return Imported{}, nil, err
	}
	defer func() { err = errors.Join(err, o.store.Close()) }()
	o.engine.Connect(nowhere{}, noBank{})
	imported, problems, err = importFolder(folder, o.store, o.site,
		func(d *transaction.Directory) ([]transaction.Fault, error) { return d.Check(o.engine.State()), nil },
		func(d *transaction.Directory) ([]transaction.Fault, error) { return o.engine.ImportBeforeRun(d, now()) })
	if err != nil || len(problems) > 0 {
		return Imported{}, problems, err
	}
	snapshot, err := o.engine.SnapshotBeforeRun()
	if err != nil {
		return imported, nil, err
	}
	if err := o.store.SaveCheckpoint(ctx, snapshot); err != nil {
		return imported, nil, fmt.Errorf("writing a checkpoint after the import: %w", err)
	}
	return imported, nil, nil
}

// nowhere is the door of a ledger that nobody serves.
type nowhere struct{}

func (nowhere) Poll(time.Duration, []transaction.Request) ([]transaction.Request, error) {
	return nil, nil
}
func (nowhere) Answer([]transaction.Decision) {}
func (nowhere) Wake()                         {}
