package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// site is a campus that has been imported into a ledger of its own, in a folder that goes when the run ends.
type site struct {
	common
	folder   string
	campus   *samplecampus.Campus
	listen   string        // the same port after every restart
	imported time.Duration // what the import took
	crowd    int           // holders, where the campus does not list them
}

// holders of the measured campus.
const holders = 30_000

// campusOptions are those of the measured campus: rich holders without limits, so that what is measured are sales and not refusals.
func campusOptions(seed uint64, terminals int) samplecampus.Options {
	o := samplecampus.DefaultOptions()
	o.Seed, o.Holders, o.POS, o.Gates, o.Kiosks = seed, holders, terminals, 0, 0
	o.Rich = true
	return o
}

// newSite makes the folder, imports the campus and writes the configuration. data are lines for its data group;
// bank may be nil.
func newSite(ctx context.Context, o common, campus *samplecampus.Campus, data string, bank *bank) (*site, error) {
	if _, err := os.Stat(o.binary); err != nil {
		return nil, fmt.Errorf("没有被测程序,先 make build / no switch to measure, run make build: %w", err)
	}
	if err := os.MkdirAll(o.work, 0o755); err != nil {
		return nil, fmt.Errorf("making the work folder: %w", err)
	}
	folder, err := os.MkdirTemp(o.work, "bench-")
	if err != nil {
		return nil, fmt.Errorf("making the work folder: %w", err)
	}
	s := &site{common: o, folder: folder, campus: campus}
	if err := s.fill(ctx, data, bank); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, folder)
	}
	return s, nil
}

func (s *site) fill(ctx context.Context, data string, bank *bank) error {
	var err error
	if s.listen, err = freePort(); err != nil {
		return err
	}
	operations, err := freePort()
	if err != nil {
		return err
	}
	bankLines := ""
	if bank != nil {
		if bankLines, err = bank.config(s.path("bank.key")); err != nil {
			return err
		}
	}
	config := fmt.Sprintf(`data:
  directory: %s
%sterminals:
  listen: %s
  max_connections_per_address: 8192
  connect_rate_per_address: 100000
operations:
  listen: %s
log:
  level: warn
%s`, s.path("data"), data, s.listen, operations, bankLines)
	if err := os.WriteFile(s.path("switch.yaml"), []byte(config), 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if err := s.campus.WriteCSV(s.path("csv")); err != nil {
		return err
	}
	began := time.Now()
	out, err := exec.CommandContext(ctx, s.binary, "import", "--config", s.path("switch.yaml"), s.path("csv")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("importing the campus: %w\n%s", err, out)
	}
	s.imported = time.Since(began)
	return nil
}

// freePort finds a port that nobody uses now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func (s *site) path(name string) string { return filepath.Join(s.folder, name) }

// serve starts the switch.
func (s *site) serve(ctx context.Context) (*process, error) {
	return start(ctx, "switch", s.path("switch.log"), s.binary, "serve", "--config", s.path("switch.yaml"))
}

// remove takes the folder away, unless it is to be kept.
func (s *site) remove() {
	if !s.keep {
		_ = os.RemoveAll(s.folder)
	}
}

// devices are the first n terminals of a campus, ready for a fleet.
func devices(campus *samplecampus.Campus, n, inFlight int) []emulator.DeviceConfig {
	configs := make([]emulator.DeviceConfig, 0, n)
	for i := range campus.Terminals[:n] {
		t := &campus.Terminals[i]
		configs = append(configs, emulator.DeviceConfig{
			Code: t.Code, Merchant: campus.MerchantOf(t), Key: t.Key, Mode: campus.MACModeOf(), InFlight: inFlight,
		})
	}
	return configs
}
