package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"onecard/bankgw"
	"onecard/bankgw/channel"
	"onecard/ledger/money"
	"onecard/ledger/pebblestore"
	"onecard/switch/daemon/settings"
	"onecard/switch/rules"
	"onecard/switch/transaction"
	"onecard/terminals"
)

// Config is the whole configuration of a switch: one group of keys per part. configs/switch.yaml lists every key with its unit and bounds.
type Config struct {
	Site      SiteConfig       `yaml:"site"`
	Data      DataConfig       `yaml:"data"`
	Archive   ArchiveConfig    `yaml:"archive"`
	Terminals terminals.Config `yaml:"terminals"`
	// Bank without addresses is no bank. Banks are more of them; without any, loads are refused with 91.
	Bank        bankgw.Config     `yaml:"bank"`
	Banks       []bankgw.Config   `yaml:"banks"`
	Loads       LoadsConfig       `yaml:"loads"`
	Withdrawals WithdrawalsConfig `yaml:"withdrawals"`
	Consumption ConsumptionConfig `yaml:"consumption"`
	Operations  OperationsConfig  `yaml:"operations"`
	Log         LogConfig         `yaml:"log"`
	// StopTimeout bounds a polite stop: what is in flight at terminals and at the bank is given this long.
	StopTimeout time.Duration `yaml:"stop_timeout"`
	// Channels are third-party payment channels; none by default.
	Channels []channel.Config `yaml:"channels"`
}

// SiteConfig is what a site has decided. Zone and window are fixed when a ledger is made and must agree with it later.
type SiteConfig struct {
	// Zone is how far local time is ahead of UTC.
	Zone time.Duration `yaml:"zone"`
	// Window is how many answers are remembered per terminal and message class.
	Window int `yaml:"window"`
	// DaySwitch is how long after local midnight a business day begins, in whole minutes. From noon on it is the evening before.
	DaySwitch time.Duration `yaml:"day_switch"`
}

// DataConfig says where and how the ledger is kept.
type DataConfig struct {
	Directory     string `yaml:"directory"`
	WALDirectory  string `yaml:"wal_directory"` // "": with the data
	SiteKeyFile   string `yaml:"site_key_file"` // "": site.key in the data folder
	MemTableBytes int    `yaml:"memtable_bytes"`
	BallastBytes  int    `yaml:"ballast_bytes"`
	LowWaterBytes int    `yaml:"low_water_bytes"`
	// CheckpointInterval and CheckpointEntries: a checkpoint is written when either has passed since the one before and something is new.
	// The entries waited for are the largest of this, half the number of holders, and four a holder up to 4,000,000: a larger site's checkpoints take
	// longer to write than to replay for.
	CheckpointInterval time.Duration `yaml:"checkpoint_interval"`
	CheckpointEntries  int           `yaml:"checkpoint_entries"`
}

// ArchiveConfig says where blocks are copied to behind the switch, and how long they stay in the ledger itself.
type ArchiveConfig struct {
	Directory string        `yaml:"directory"` // "": none
	Interval  time.Duration `yaml:"interval"`
	KeepDays  int           `yaml:"keep_days"` // 0: for ever
}

// LoadsConfig is of the loads that the switch asks for by itself.
type LoadsConfig struct {
	// AutomaticAt is how long after local midnight holders with less than their threshold are looked for.
	AutomaticAt time.Duration `yaml:"automatic_at"`
	// AutomaticInFlight is how many loads may be open then; 0: nobody is looked for in the night, taps ask alone.
	AutomaticInFlight int `yaml:"automatic_in_flight"`
}

// WithdrawalsConfig bounds withdrawals to bank accounts (提现); 0 is no bound.
type WithdrawalsConfig struct {
	SingleMaxFen int `yaml:"single_max_fen"`
	DayMaxFen    int `yaml:"day_max_fen"` // of a holder
	// TwoPersonsAboveFen: what is more waits for a second person.
	TwoPersonsAboveFen int `yaml:"two_persons_above_fen"`
}

// ConsumptionConfig bounds purchases whatever the tables say.
type ConsumptionConfig struct {
	AmountMaxFen int `yaml:"amount_max_fen"`
}

// OperationsConfig is the port for those who run the switch.
type OperationsConfig struct {
	Listen string `yaml:"listen"`
	// TLSCertificate and TLSKey are PEM files. Without them operators' tokens are taken over loopback only.
	TLSCertificate string `yaml:"tls_certificate"`
	TLSKey         string `yaml:"tls_key"`
}

// LogConfig is for zap.
type LogConfig struct {
	Level string `yaml:"level"`
}

// DefaultConfig is a switch for one campus on this machine, without a bank.
func DefaultConfig() Config {
	site := transaction.DefaultSite()
	bank := bankgw.DefaultConfig()
	bank.Addresses = nil
	return Config{
		Site: SiteConfig{Zone: time.Duration(site.ZoneSeconds) * time.Second, Window: int(site.Window)},
		Data: DataConfig{
			Directory: "data", MemTableBytes: pebblestore.DefaultMemTableBytes, BallastBytes: pebblestore.DefaultBallastBytes,
			LowWaterBytes: pebblestore.DefaultLowWaterBytes, CheckpointInterval: 5 * time.Minute, CheckpointEntries: 500_000,
		},
		Archive:     ArchiveConfig{Interval: 5 * time.Minute},
		Terminals:   terminals.DefaultConfig(),
		Bank:        bank,
		Banks:       []bankgw.Config{},
		Loads:       LoadsConfig{AutomaticAt: 2 * time.Hour, AutomaticInFlight: 32},
		Withdrawals: WithdrawalsConfig{SingleMaxFen: 100_000, DayMaxFen: 100_000, TwoPersonsAboveFen: 20_000},
		Consumption: ConsumptionConfig{AmountMaxFen: 500_000},
		Operations:  OperationsConfig{Listen: "127.0.0.1:9583"},
		Log:         LogConfig{Level: "info"},
		StopTimeout: 20 * time.Second,
		Channels:    []channel.Config{},
	}
}

// Load reads a configuration file and the environment over the defaults. The error prints every fault with its line. No file: defaults
// and environment.
func Load(path string, environment []string) (Config, error) {
	c := DefaultConfig()
	source, err := readSource(path)
	if err != nil {
		return c, err
	}
	if err := settings.Load(path, source, ofTheSwitch(environment), &c); err != nil {
		return c, err
	}
	c.Terminals.Zone = c.Site.Zone
	return c, nil
}

// Describe prints what Load would return, each key with its origin.
func Describe(path string, environment []string) (string, error) {
	source, err := readSource(path)
	if err != nil {
		return "", err
	}
	c := DefaultConfig()
	return settings.Describe(path, source, ofTheSwitch(environment), &c)
}

// ofTheSwitch leaves out what is set for the desk's commands, which an operator may well have exported: it configures nothing here.
func ofTheSwitch(environment []string) []string {
	return slices.DeleteFunc(slices.Clone(environment), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains([]string{"ONECARD_TOKEN", "ONECARD_ADDRESS", "ONECARD_DESK"}, name)
	})
}

// ErrConfigUnread says that there was no configuration to look at.
var ErrConfigUnread = errors.New("读不出配置文件 / the configuration cannot be read")

func readSource(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfigUnread, err)
	}
	return source, nil
}

// Validate joins a settings.Fault for every key that is out of bounds.
func (c *Config) Validate() error {
	var faults []error
	wrong := func(key, format string, args ...any) { faults = append(faults, settings.Faultf(key, format, args...)) }
	within := func(key string, value, least, most int) {
		if value < least || value > most {
			wrong(key, "须在 %d 与 %d 之间 / must be between %d and %d, is %d", least, most, least, most, value)
		}
	}
	spans := func(key string, value, least, most time.Duration) {
		if value < least || value > most {
			wrong(key, "须在 %s 与 %s 之间 / must be between %s and %s, is %s", least, most, least, most, value)
		}
	}
	spans("site.zone", c.Site.Zone, -14*time.Hour, 14*time.Hour)
	within("site.window", c.Site.Window, 8, 4096)
	spans("site.day_switch", c.Site.DaySwitch, 0, 24*time.Hour-time.Minute)
	if c.Site.DaySwitch%time.Minute != 0 {
		wrong("site.day_switch", "须为整分钟 / must be whole minutes, is %s", c.Site.DaySwitch)
	}
	if c.Data.Directory == "" {
		wrong("data.directory", "不能为空 / may not be empty")
	}
	if n := len(ControlPath(c.Data.Directory)); n > socketPathMax {
		wrong("data.directory", "路径太长:其中的控制套接字有 %d 字节,最多 %d / the path is too long: the control socket in it has %[1]d bytes, at most %[2]d", n, socketPathMax)
	}
	within("data.memtable_bytes", c.Data.MemTableBytes, 4<<20, 1<<30)
	within("data.ballast_bytes", c.Data.BallastBytes, 0, 16<<30)
	within("data.low_water_bytes", c.Data.LowWaterBytes, 0, 1<<40)
	spans("data.checkpoint_interval", c.Data.CheckpointInterval, time.Second, 24*time.Hour)
	within("data.checkpoint_entries", c.Data.CheckpointEntries, 1000, 1<<31)
	spans("archive.interval", c.Archive.Interval, time.Second, 24*time.Hour)
	within("archive.keep_days", c.Archive.KeepDays, 0, 36_500)
	if c.Archive.KeepDays > 0 && c.Archive.Directory == "" {
		wrong("archive.keep_days", "移出旧区块须先有 archive.directory / old blocks can only move to an archive: give archive.directory")
	}
	if c.Archive.Directory != "" && !filepath.IsAbs(c.Archive.Directory) {
		wrong("archive.directory", "须为绝对路径 / must be an absolute path")
	}
	spans("loads.automatic_at", c.Loads.AutomaticAt, 0, 24*time.Hour-time.Minute)
	within("loads.automatic_in_flight", c.Loads.AutomaticInFlight, 0, 1024)
	for key, fen := range map[string]int{"single_max_fen": c.Withdrawals.SingleMaxFen, "day_max_fen": c.Withdrawals.DayMaxFen, "two_persons_above_fen": c.Withdrawals.TwoPersonsAboveFen} {
		within("withdrawals."+key, fen, 0, 1_000_000_000)
	}
	within("consumption.amount_max_fen", c.Consumption.AmountMaxFen, 1, int(rules.MaxList))
	spans("stop_timeout", c.StopTimeout, time.Second, 10*time.Minute)
	if _, _, err := net.SplitHostPort(c.Operations.Listen); err != nil {
		wrong("operations.listen", "须为 主机:端口 / must be host:port: %s", err)
	}
	if o := c.Operations; (o.TLSCertificate == "") != (o.TLSKey == "") {
		wrong("operations.tls_key", "证书与私钥须同时给出 / certificate and key go together")
	} else if o.TLSKey != "" {
		if _, err := tls.LoadX509KeyPair(o.TLSCertificate, o.TLSKey); err != nil {
			wrong("operations.tls_certificate", "证书或私钥不可用 / certificate or key cannot be used: %s", err)
		}
	}
	if _, ok := levels[c.Log.Level]; !ok {
		wrong("log.level", "须为 debug、info、warn 或 error / must be debug, info, warn or error, is %q", c.Log.Level)
	}
	faults = append(faults, inGroup("terminals", c.Terminals.Validate())...)
	faults = append(faults, c.validateBanks()...)
	return errors.Join(append(faults, c.channelFaults()...)...)
}

// inGroup turns a part's key errors into faults of the file's keys.
func inGroup(group string, err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var faults []error
		for _, e := range joined.Unwrap() {
			faults = append(faults, inGroup(group, e)...)
		}
		return faults
	}
	var ofTerminals terminals.KeyError
	var ofBank bankgw.KeyError
	switch {
	case errors.As(err, &ofTerminals):
		return []error{settings.Faultf(group+"."+ofTerminals.Key, "%s", ofTerminals.Text)}
	case errors.As(err, &ofBank):
		return []error{settings.Faultf(group+"."+ofBank.Key, "%s", ofBank.Text)}
	}
	return []error{err}
}

// SiteKeyPath is where the site key is.
func (c *Config) SiteKeyPath() string {
	if c.Data.SiteKeyFile != "" {
		return c.Data.SiteKeyFile
	}
	return filepath.Join(c.Data.Directory, "site.key")
}

// ControlPath is the socket of a running switch, for the owner of the data folder.
func ControlPath(directory string) string { return filepath.Join(directory, "control.sock") }

// socketPathMax is what fits sockaddr_un (unix(7)), with the zero behind it.
const socketPathMax = 107

func (c *Config) site() transaction.Site {
	return transaction.Site{Window: uint32(c.Site.Window), ZoneSeconds: int32(c.Site.Zone / time.Second)}
}

// daySwitch is the minute after local midnight at which a business day begins.
func (c *Config) daySwitch() uint16 { return uint16(c.Site.DaySwitch / time.Minute) }

func (c *Config) amountMax() money.Fen { return money.Fen(c.Consumption.AmountMaxFen) }
