package terminals

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"onecard/switch/iso8583"
)

// Config bounds the terminal link. Every queue and every wait has its key here.
type Config struct {
	// Listen is the address for terminals, host:port.
	Listen string `yaml:"listen"`
	// MaxConnections open at once; one more is closed as soon as it is accepted.
	MaxConnections int `yaml:"max_connections"`
	// MaxConnectionsPerAddress open at once from one address. A gateway that carries many terminals needs as many.
	MaxConnectionsPerAddress int `yaml:"max_connections_per_address"`
	// ConnectRatePerAddress is how many connections a second one address may open in the long run; MaxConnectionsPerAddress may come at
	// once, so that a whole canteen can come back after a power cut.
	ConnectRatePerAddress int `yaml:"connect_rate_per_address"`
	// MaxInFlight requests of all terminals may wait for their answers; then nothing more is read.
	MaxInFlight int `yaml:"max_in_flight"`
	// MaxInFlightPerConnection requests of one connection may wait; then it is not read until half of them are answered. A terminal that
	// sends more than these without having signed on is cut off.
	MaxInFlightPerConnection int `yaml:"max_in_flight_per_connection"`
	// WriteBufferBytes of answers may wait for one terminal that does not read them; then its connection is closed.
	WriteBufferBytes int `yaml:"write_buffer_bytes"`
	// SignOnTimeout is how long a connection may stand without a session.
	SignOnTimeout time.Duration `yaml:"sign_on_timeout"`
	// IdleTimeout is how long a signed-on terminal may be silent; terminals echo (0820/301) well within it.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// FrameTimeout is how long the rest of a frame may take after its first byte, and how long answers may wait for a terminal that does
	// not read.
	FrameTimeout time.Duration `yaml:"frame_timeout"`
	// BadFramesBeforeClose in a row that cannot be read close the connection.
	BadFramesBeforeClose int `yaml:"bad_frames_before_close"`
	// BadMACsBeforeClose in a row close the connection, and one sign-on more than these without a good MAC between them.
	BadMACsBeforeClose int `yaml:"bad_macs_before_close"`
	// Institution is DE 32 of replies: our code as acquirer, at most 11 digits.
	Institution string `yaml:"institution"`
	// AuthorizationCodes puts DE 38 on approved replies: AuthorizationPrefix and the last digits of our reference, six characters.
	AuthorizationCodes  bool   `yaml:"authorization_codes"`
	AuthorizationPrefix string `yaml:"authorization_prefix"`
	// RefusalText puts the sentence for the holder into DE 56 of refusals, GBK.
	RefusalText bool `yaml:"refusal_text"`
	// Zone is how far local time (DE 12, 13) is ahead of UTC.
	Zone time.Duration `yaml:"-"`
}

// DefaultConfig suits a campus of a few thousand terminals.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:8583", MaxConnections: 8192, MaxConnectionsPerAddress: 4096, ConnectRatePerAddress: 1000,
		MaxInFlight: 16384, MaxInFlightPerConnection: 64, WriteBufferBytes: 64 << 10,
		SignOnTimeout: 15 * time.Second, IdleTimeout: 5 * time.Minute, FrameTimeout: 10 * time.Second,
		BadFramesBeforeClose: 5, BadMACsBeforeClose: 5,
		Institution: "00010000", AuthorizationCodes: true, RefusalText: true, Zone: 8 * time.Hour,
	}
}

// KeyError says what is wrong with one key of the configuration.
type KeyError struct{ Key, Text string }

func (e KeyError) Error() string { return e.Key + ": " + e.Text }

// Validate joins a KeyError for every key that is out of bounds.
func (c Config) Validate() error {
	var faults []error
	wrong := func(key, format string, args ...any) {
		faults = append(faults, KeyError{key, fmt.Sprintf(format, args...)})
	}
	bounds := func(key string, value, least, most int) {
		if value < least || value > most {
			wrong(key, "须在 %d 与 %d 之间 / must be between %d and %d, is %d", least, most, least, most, value)
		}
	}
	spans := func(key string, value, least, most time.Duration) {
		if value < least || value > most {
			wrong(key, "须在 %s 与 %s 之间 / must be between %s and %s, is %s", least, most, least, most, value)
		}
	}
	if _, port, err := net.SplitHostPort(c.Listen); err != nil {
		wrong("listen", "须为 主机:端口 / must be host:port: %s", err)
	} else if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		wrong("listen", "端口须在 0 与 65535 之间 / port must be between 0 and 65535, is %s", port)
	}
	bounds("max_connections", c.MaxConnections, 1, 1<<20)
	bounds("max_connections_per_address", c.MaxConnectionsPerAddress, 1, 1<<20)
	bounds("connect_rate_per_address", c.ConnectRatePerAddress, 1, 1<<20)
	bounds("max_in_flight", c.MaxInFlight, 1, 1<<20)
	bounds("max_in_flight_per_connection", c.MaxInFlightPerConnection, 1, 1<<16)
	bounds("write_buffer_bytes", c.WriteBufferBytes, iso8583.MaxPayload+iso8583.PrefixSize, 64<<20)
	spans("sign_on_timeout", c.SignOnTimeout, 100*time.Millisecond, time.Hour)
	spans("idle_timeout", c.IdleTimeout, time.Second, 24*time.Hour)
	spans("frame_timeout", c.FrameTimeout, 100*time.Millisecond, time.Hour)
	bounds("bad_frames_before_close", c.BadFramesBeforeClose, 1, 1000)
	bounds("bad_macs_before_close", c.BadMACsBeforeClose, 1, 1000)
	if len(c.Institution) < 1 || len(c.Institution) > 11 || !onlyDigits(c.Institution) {
		wrong("institution", "须为 1 至 11 位数字 / must be 1 to 11 digits, is %q", c.Institution)
	}
	if len(c.AuthorizationPrefix) > 3 || !printable(c.AuthorizationPrefix) {
		wrong("authorization_prefix", "最多 3 个字母数字 / must be at most 3 letters or digits, is %q", c.AuthorizationPrefix)
	}
	spans("zone", c.Zone, -14*time.Hour, 14*time.Hour)
	return errors.Join(faults...)
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
