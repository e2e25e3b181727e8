package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"onecard/switch/dayend"
	"onecard/switch/proof"
)

// Days is the folder of the signed statements of a ledger's closed business days: DIR/days/2026-11-23.json, and beside the newest the closing
// balances that the next day begins with, 2026-11-23.balances. Both can be made again from the ledger.
type Days struct{ folder string }

// DaysOf is the folder of a data folder.
func DaysOf(directory string) Days { return Days{filepath.Join(directory, "days")} }

// Path is the statement of a day.
func (d Days) Path(day proof.Day) string { return filepath.Join(d.folder, day.String()+".json") }

func (d Days) balancesPath(day proof.Day) string {
	return filepath.Join(d.folder, day.String()+".balances")
}

// ErrNoStatement says that a day was not ended.
var ErrNoStatement = errors.New("该会计日没有日结单 / that business day has no statement: onecard day end DAY makes it")

// Statement reads the statement of a day. Its own signature is checked; whose it is, is for whoever asks.
func (d Days) Statement(day proof.Day) (dayend.SignedBefore, error) {
	f, err := os.Open(d.Path(day))
	if errors.Is(err, fs.ErrNotExist) {
		return dayend.SignedBefore{}, fmt.Errorf("%s: %w", day, ErrNoStatement)
	}
	if err != nil {
		return dayend.SignedBefore{}, err
	}
	defer f.Close()
	s, hash, _, err := dayend.Read(f)
	if err != nil {
		return dayend.SignedBefore{}, fmt.Errorf("%s: %w", d.Path(day), err)
	}
	return dayend.SignedBefore{Statement: s, Hash: hash}, nil
}

// List returns the days that have a statement, in order.
func (d Days) List() ([]proof.Day, error) {
	files, err := os.ReadDir(d.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var days []proof.Day
	for _, f := range files {
		var day proof.Day
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok && day.UnmarshalText([]byte(name)) == nil {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, err
}

// balances reads the closing balances of a day; false when they are not there, or not those of the statement.
func (d Days) balances(day proof.Day, digest []byte) (dayend.Balances, bool) {
	file, err := os.ReadFile(d.balancesPath(day))
	if err != nil {
		return dayend.Balances{}, false
	}
	b, err := dayend.DecodeBalances(file)
	return b, err == nil && bytes.HasSuffix(file, digest)
}

// balancesKept days keep their closing balances: the newest begins the next day, the one before is there when a day is ended again.
const balancesKept = 3

// save writes a statement and the balances that the next day begins with; balances of days long past go.
func (d Days) save(day proof.Day, file []byte, closing *dayend.Balances) error {
	if err := os.MkdirAll(d.folder, 0o700); err != nil {
		return err
	}
	if err := writeWhole(d.balancesPath(day), closing.Encode()); err != nil {
		return fmt.Errorf("期末余额 / the closing balances: %w", err)
	}
	if err := writeWhole(d.Path(day), file); err != nil {
		return fmt.Errorf("日结单 / the day's statement: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(d.folder, "*.balances"))
	slices.Sort(old)
	for len(old) > balancesKept {
		err = errors.Join(err, os.Remove(old[0]))
		old = old[1:]
	}
	return err
}

// writeWhole puts a file in place whole and on disk, or not at all.
func writeWhole(path string, contents []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // made with 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(contents)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
