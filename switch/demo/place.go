package demo

import (
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator/samplecampus"
)

// place is the data folder of a demonstration.
//
//	demo.json       what is here: the seed and size of the campus, the bank's books so far
//	campus/         the CSV files that were imported (keys and PINs in the clear: made-up ones)
//	switch.yaml     the configuration of the switch, written anew at every start
//	bank.key        the MAC key shared with the bank
//	switch.log      what the switch logs
//	demo.lock       held by the demonstration that runs here
//	receipts.bin    what terminals were told, over all runs (emulator.Memory)
//	pebble, WITNESS, BALLAST, site.key, control.sock   the switch's own
type place struct {
	dir  string
	note note
	lock *os.File
}

// note is demo.json.
type note struct {
	Seed      uint64 `json:"seed"`
	Holders   int    `json:"holders"`
	Merchants int    `json:"merchants"`
	POS       int    `json:"pos"`
	Gates     int    `json:"gates"`
	Kiosks    int    `json:"kiosks"`
	// Imported says that the campus is in the ledger. Before that the folder holds nothing that is worth keeping.
	Imported bool `json:"imported"`
	Runs     int  `json:"runs"`
	// What the simulated bank has taken from accounts for good in earlier runs, and whether the last of them ended so that this is known.
	BankLoads int       `json:"bank_loads"`
	BankFen   money.Fen `json:"bank_fen"`
	Clean     bool      `json:"clean"`
}

// errNotOurs refuses to play with somebody's ledger.
var errNotOurs = errors.New("此文件夹里有账本,但不是演示建的:请用 --data 另指一个文件夹 / holds a ledger that the demonstration did not make: name another folder with --data")

// errOccupied refuses to start twice on one folder: the second would write its ports over the first one's.
var errOccupied = errors.New("另一个演示正在使用此文件夹 / another demonstration is running on this folder")

// openPlace opens the folder or makes it. fresh says that there is no campus in it yet.
func openPlace(dir string, o Size, seed uint64) (p *place, fresh bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, false, fmt.Errorf("数据目录 / the data folder: %w", err)
	}
	p = &place{dir: dir}
	if err := p.occupy(); err != nil {
		return nil, false, err
	}
	if fresh, err = p.read(o, seed); err != nil {
		return nil, false, errors.Join(err, p.close())
	}
	return p, fresh, nil
}

// occupy takes the lock; the kernel gives it back when this process ends, however it ends.
func (p *place) occupy() (err error) {
	if p.lock, err = os.OpenFile(p.path("demo.lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("数据目录 / the data folder: %w", err)
	}
	if err := unix.Flock(int(p.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", p.dir, errOccupied), p.lock.Close())
	}
	return nil
}

func (p *place) close() error { return p.lock.Close() }

// read reads demo.json, or begins it.
func (p *place) read(o Size, seed uint64) (fresh bool, err error) {
	text, err := os.ReadFile(p.path("demo.json"))
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &p.note); err != nil {
			return false, fmt.Errorf("%s: %w", p.path("demo.json"), err)
		}
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(p.path("pebble")); err == nil {
			return false, fmt.Errorf("%s: %w", p.dir, errNotOurs)
		}
		p.note = note{Seed: seed, Holders: o.Holders, Merchants: o.Merchants, POS: o.POS, Gates: o.Gates, Kiosks: o.Kiosks, Clean: true}
	default:
		return false, fmt.Errorf("数据目录 / the data folder: %w", err)
	}
	if p.note.Imported {
		return false, nil
	}
	return true, p.clear()
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// clear takes away what a first start has left that did not come to its end: an empty ledger.
func (p *place) clear() error {
	for _, name := range [...]string{"pebble", "WITNESS", "BALLAST", "site.key", "receipts.bin"} {
		if err := os.RemoveAll(p.path(name)); err != nil {
			return fmt.Errorf("数据目录 / the data folder: %w", err)
		}
	}
	return p.save()
}

// save writes demo.json so that it is whole at any moment.
func (p *place) save() error {
	text, err := json.MarshalIndent(&p.note, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.path("demo.json.new"), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("demo.json: %w", err)
	}
	if err := os.Rename(p.path("demo.json.new"), p.path("demo.json")); err != nil {
		return fmt.Errorf("demo.json: %w", err)
	}
	return nil
}

// campus is the same at every start: it grows from the seed.
func (p *place) campus() *samplecampus.Campus {
	n := &p.note
	return samplecampus.New(samplecampus.Options{
		Seed: n.Seed, Holders: n.Holders, Merchants: n.Merchants, POS: n.POS, Gates: n.Gates, Kiosks: n.Kiosks, MACMode: iso8583.MACAESCMAC,
	})
}

// lunchesInADay is how many of the demonstration's lunches fall into one day of the ledger, whose calendar is the real one. Limits of a
// day are as many times the handbook's (3.2, 3.8), or after ten minutes nobody could buy anything more.
const lunchesInADay = 10

// writeCampus writes the CSV files.
func (p *place) writeCampus(c *samplecampus.Campus) error {
	dir := p.path("campus")
	if err := c.WriteCSV(dir); err != nil {
		return err
	}
	return widenLimits(filepath.Join(dir, "classes.csv"))
}

func widenLimits(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("limits of the classes: %w", err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil || len(rows) == 0 {
		return fmt.Errorf("limits of the classes: %d rows: %w", len(rows), err)
	}
	for _, column := range [...]string{"pin_day", "day_amount", "day_count", "load_day"} {
		i := slices.Index(rows[0], column)
		if i < 0 {
			return fmt.Errorf("limits of the classes: there is no column %s", column)
		}
		for _, row := range rows[1:] {
			if row[i], err = timesLunches(row[i]); err != nil {
				return fmt.Errorf("limits of the classes: %w", err)
			}
		}
	}
	var b strings.Builder
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		return fmt.Errorf("limits of the classes: %w", err)
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

func timesLunches(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	if count, err := strconv.Atoi(value); err == nil {
		return strconv.Itoa(count * lunchesInADay), nil
	}
	amount, err := money.Parse(value)
	return (amount * lunchesInADay).String(), err
}

// bankKey reads the key shared with the bank, or draws it.
func (p *place) bankKey() (iso8583.Secret, error) {
	path := p.path("bank.key")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make(iso8583.Secret, 16)
		if _, err := rand.Read(key); err != nil {
			return nil, fmt.Errorf("drawing the bank's key: %w", err)
		}
		return key, os.WriteFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("the bank's key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 16 {
		return nil, fmt.Errorf("%s: 须为 32 位十六进制数 / must hold 32 hexadecimal digits", path)
	}
	return key, nil
}

// writeConfig writes the configuration of the switch: a bank that answers on loopback, and waits short enough to be watched.
func (p *place) writeConfig(terminals, operations, bank string) error {
	text := fmt.Sprintf(`# 演示在每次启动时重写此文件;正式运行请参照 configs/switch.yaml
# The demonstration writes this file anew at every start; for real use begin with configs/switch.yaml
data:
  directory: %q
  ballast_bytes: 16777216
  low_water_bytes: 67108864
terminals:
  listen: %q
bank:
  addresses: [%q]
  mac_key_file: %q
  request_timeout: 3s
  echo_interval: 5s
  echo_timeout: 2s
  reconnect_min: 100ms
  reconnect_max: 1s
  reversal_back_off: [1s, 2s, 5s]
  not_found_after: 5s
operations:
  listen: %q
log:
  level: info
`, p.dir, terminals, bank, p.path("bank.key"), operations)
	if err := os.WriteFile(p.path("switch.yaml"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("switch.yaml: %w", err)
	}
	return nil
}

// loopback refuses addresses that others could reach.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: 地址须为 主机:端口 / an address must be host:port: %w", ErrOptions, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%w: 演示只在本机监听,请用 127.0.0.1 / the demonstration listens on loopback only: use 127.0.0.1, not %q", ErrOptions, host)
	}
	return nil
}

// Ports that are chosen lie below those that the system gives to outgoing connections: while the switch is down, hundreds of terminals try
// its port again and again, and one of them could be given that very port as its own and be connected to itself.
const (
	lowestPort  = 10_240
	highestPort = 32_000
)

// freeAddress is the wish, or another port on the same host when somebody has taken it; moved says so. Port 0 is any.
func freeAddress(wish string) (address string, moved bool, err error) {
	if err := loopback(wish); err != nil {
		return "", false, err
	}
	host, port, _ := net.SplitHostPort(wish)
	if port != "0" {
		if isFree(wish) {
			return wish, false, nil
		}
		moved = true
	}
	for range 100 {
		address = net.JoinHostPort(host, strconv.Itoa(lowestPort+mathrand.IntN(highestPort-lowestPort)))
		if isFree(address) {
			return address, moved, nil
		}
	}
	return "", false, errors.New("找不到可用端口 / no port is free")
}

func isFree(address string) bool {
	listener, err := net.Listen("tcp", address)
	return err == nil && listener.Close() == nil
}
