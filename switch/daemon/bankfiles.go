package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"

	"onecard/bankgw"
	"onecard/switch/console"
)

// fileSource is where a bank leaves its files: a folder of this machine, which SFTP or the bank's own program fills.
type fileSource interface {
	// List is the names of the files that are there.
	List(ctx context.Context) ([]string, error)
	// Read is one of them, whole.
	Read(ctx context.Context, name string) ([]byte, error)
	// Take moves one away.
	Take(ctx context.Context, name string) error
}

// folderSource is a folder.
type folderSource struct{ directory, taken string }

// List implements fileSource.
func (f folderSource) List(context.Context) (names []string, err error) {
	entries, err := os.ReadDir(f.directory)
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// bankFileMax bounds a bank's file: two million lines.
const bankFileMax = 256 << 20

// Read implements fileSource.
func (f folderSource) Read(_ context.Context, name string) ([]byte, error) {
	file, err := os.Open(filepath.Join(f.directory, name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	contents, err := io.ReadAll(io.LimitReader(file, bankFileMax+1))
	if err == nil && len(contents) > bankFileMax {
		err = fmt.Errorf("%s: 超过 %d 字节 / more than %d bytes", name, bankFileMax, bankFileMax)
	}
	return contents, err
}

// Take implements fileSource.
func (f folderSource) Take(_ context.Context, name string) error {
	if f.taken == "" {
		return nil
	}
	return os.Rename(filepath.Join(f.directory, name), filepath.Join(f.taken, name))
}

// bankFiles reconciles the files that a bank leaves, each (date, SHA-256) once: which ones were taken stands in DIR/banks/NAME/files.json. A file that
// is not whole, as one is that is still being written, is not taken and looked at again. Owner: keepBank.
type bankFiles struct {
	server *server
	bank   string
	config bankgw.FilesConfig
	source fileSource

	taken    map[string]string    // what was taken, "date sha256", and when; the file's contents
	unfit    map[string]time.Time // since when the file of a name has not been fit to be taken
	reported map[string]bool      // what was reported
}

func (s *server) newBankFiles(c *bankgw.Config) *bankFiles {
	return &bankFiles{
		server: s, bank: c.Name, config: c.Files, source: folderSource{c.Files.Directory, c.Files.Taken}, unfit: map[string]time.Time{}, reported: map[string]bool{},
	}
}

// look takes what is there, the oldest day first: a day begins with what the day before has left open.
func (b *bankFiles) look(ctx context.Context) {
	if b.config.Directory == "" {
		return
	}
	names, err := b.source.List(ctx)
	if err == nil && b.taken == nil {
		err = b.readTaken()
	}
	if err != nil {
		b.report("folder", "failed", "", err)
		return
	}
	delete(b.reported, "folder failed")
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := b.config.DateOf(name); return !ok })
	slices.SortFunc(names, func(a, c string) int {
		x, _ := b.config.DateOf(a)
		y, _ := b.config.DateOf(c)
		return x.Compare(y)
	})
	for _, name := range names {
		if ctx.Err() == nil {
			b.lookAt(ctx, name)
		}
	}
}

// lookAt takes one file, unless it was taken before or its day is not closed yet.
func (b *bankFiles) lookAt(ctx context.Context, name string) {
	date, _ := b.config.DateOf(name)
	day := date.Format(time.DateOnly)
	r := reconciliations{b.server}
	if _, err := r.closed(ctx, day); err != nil {
		return // its time will come
	}
	contents, err := b.source.Read(ctx, name)
	if err != nil {
		b.report(name, "failed", "", err)
		return
	}
	sum := sha256.Sum256(contents)
	key := day + " " + hex.EncodeToString(sum[:])
	if b.taken[key] != "" {
		b.moveAway(ctx, name)
		return
	}
	result, err := r.Reconcile(ctx, b.bank, day, b.config.Format, contents)
	var refused *console.Problem
	switch {
	case errors.As(err, &refused):
		b.notTaken(name, err)
		return
	case err != nil:
		b.report(name, "failed", key, err)
		return
	}
	b.taken[key] = time.Now().UTC().Format(time.RFC3339)
	if err := b.keepTaken(); err != nil { // it is taken again after a restart, to the same result
		b.report(name, "failed", key, err)
	}
	delete(b.unfit, name)
	delete(b.reported, name+" refused")
	b.tell(name, result)
	b.moveAway(ctx, name)
}

// notTaken reports a file that has been unfit long enough, once until one of its name is taken.
func (b *bankFiles) notTaken(name string, err error) {
	since, before := b.unfit[name]
	if !before {
		since = time.Now()
		b.unfit[name] = since
	}
	if time.Since(since) >= b.config.ReportAfter {
		b.report(name, "refused", "", err)
	}
}

// report tells what is wrong with a file, or the folder, once for the same.
func (b *bankFiles) report(name, result, key string, err error) {
	if b.reported[name+" "+result+key] {
		return
	}
	b.reported[name+" "+result+key] = true
	b.server.metrics.BankFile(b.bank, result)
	b.server.log.Error("银行对账文件未能处理,将再试 / a bank's file could not be taken, and is tried again", zap.String("bank", b.bank), zap.String("file", name), zap.String("result", result), zap.Error(err))
}

// tell says what came of a file.
func (b *bankFiles) tell(name string, day *console.BankDay) {
	open := 0
	for i := range day.Items {
		if day.Items[i].Open {
			open++
		}
	}
	result, log := "agreed", b.server.log.Info
	if open > 0 || !day.Balanced {
		result, log = "differs", b.server.log.Warn
	}
	b.server.metrics.BankFile(b.bank, result)
	log("银行对账文件已核对 / a bank's file was reconciled", zap.String("bank", b.bank), zap.String("file", name), zap.String("day", day.Day), zap.String("sha256", day.SHA256),
		zap.Int("loads", day.Loads), zap.Bool("balanced", day.Balanced), zap.Int("open", open))
}

func (b *bankFiles) moveAway(ctx context.Context, name string) {
	if err := b.source.Take(ctx, name); err != nil {
		b.report(name, "failed", " move", err)
	}
}

func (b *bankFiles) path() string {
	return filepath.Join(reconciliations{b.server}.folder(b.bank), "files.json")
}

func (b *bankFiles) readTaken() error {
	taken := map[string]string{}
	contents, err := os.ReadFile(b.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(contents, &taken); err != nil {
			return fmt.Errorf("%s: %w", b.path(), err)
		}
	}
	b.taken = taken
	return nil
}

func (b *bankFiles) keepTaken() error {
	contents, err := json.MarshalIndent(b.taken, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(b.path(), append(contents, '\n'))
}
