package bankgw

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"onecard/switch/iso8583"
)

// Config of the gateway to one bank. Every key has its bounds in Validate.
type Config struct {
	// Name of the bank in status, metrics and log.
	Name string `yaml:"name"`
	// Prefixes of the bank accounts and cards that are this bank's (BIN); the longest that fits wins. None: every account that is no other
	// bank's.
	Prefixes []string `yaml:"prefixes"`
	// Addresses of the bank as host:port; the links take them in turn. None: no bank.
	Addresses []string `yaml:"addresses"`
	// Links held at the same time.
	Links int `yaml:"links"`
	// Policy is which link takes the next message: least_pending, round_robin or primary_standby.
	Policy LinkPolicy `yaml:"policy"`
	// Framing is how messages follow each other on a line: ascii4 or ascii6 (four or six digits) or binary2 (two bytes) of length, or cups46,
	// the header of CUPS, in which Forwarding and Receiving are the stations.
	Framing iso8583.BankFraming `yaml:"framing"`
	// Institution is DE 32: our code as acquirer, at most 11 digits.
	Institution string `yaml:"institution"`
	// Forwarding is DE 33: who sends the message, at most 11 digits.
	Forwarding string `yaml:"forwarding"`
	// Receiving is DE 100 of network messages: the bank's code, at most 11 digits; empty leaves it out.
	Receiving string `yaml:"receiving"`
	// MerchantType is DE 18, four digits.
	MerchantType string `yaml:"merchant_type"`
	// TLS of the links; without it they are plain.
	TLS TLSConfig `yaml:"tls"`
	// Dialect is the table of the bank's messages and codes.
	Dialect Dialect `yaml:"dialect"`
	// MACMode of the MAC on every message: sm4-cbc, x9.19 or aes-cmac.
	MACMode string `yaml:"mac_mode"`
	// MACKeyFile holds the key shared with the bank, 32 hexadecimal digits, readable by its owner only.
	MACKeyFile string `yaml:"mac_key_file"`
	// ZMKFile holds the zone master key that the bank sends new MAC keys under, 32 hexadecimal digits, readable by its owner only. Empty: the MAC
	// key is not changed over the link.
	ZMKFile string `yaml:"zmk_file"`
	// KeyOverlap is how long messages that come in may still be signed with the MAC key before.
	KeyOverlap time.Duration `yaml:"key_overlap"`
	// KeyResetAfter wrong MACs in a row the bank is asked for a new key, once a minute at most; 0: only when an operator orders it.
	KeyResetAfter int `yaml:"key_reset_after"`
	// ConnectTimeout is how long a link may take to connect.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// SignOnTimeout is how long the bank may take to answer a sign-on or a sign-off.
	SignOnTimeout time.Duration `yaml:"sign_on_timeout"`
	// DailySignOn is the time of day, after midnight where the bank stands, at which every link signs on once more; 0: never, 24h: at midnight.
	DailySignOn time.Duration `yaml:"daily_sign_on"`
	// RequestTimeout is how long the bank may take to answer a load; then its outcome is unknown and it is reversed.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// QueryTimeout is how long a bank with the feature query may take to say what became of a load that it did not answer (0600); then the load
	// is reversed. RequestTimeout and QueryTimeout together must end before terminals stop waiting (60 s).
	QueryTimeout time.Duration `yaml:"query_timeout"`
	// EchoInterval is how long a link may be silent before it is asked for an echo.
	EchoInterval time.Duration `yaml:"echo_interval"`
	// EchoTimeout is how long the bank may take to answer an echo.
	EchoTimeout time.Duration `yaml:"echo_timeout"`
	// EchoMisses in a row take the link down.
	EchoMisses int `yaml:"echo_misses"`
	// ReconnectMin is the pause before a link is tried again; it doubles with each failure up to ReconnectMax, with jitter.
	ReconnectMin time.Duration `yaml:"reconnect_min"`
	ReconnectMax time.Duration `yaml:"reconnect_max"`
	// ReversalBackOff are the pauses between repeats of a reversal that is not answered; the last one repeats for ever.
	ReversalBackOff []time.Duration `yaml:"reversal_back_off"`
	// ReversalExpiry is the age of a load at which its reversal is given up: then two persons settle it by the bank's file. 0: never.
	ReversalExpiry time.Duration `yaml:"reversal_expiry"`
	// ReversalRefusals of the bank in a row give it up, too.
	ReversalRefusals int `yaml:"reversal_refusals"`
	// WithdrawalBackOff are the pauses between rounds of asking about a withdrawal that is not answered; the last one repeats for ever.
	WithdrawalBackOff []time.Duration `yaml:"withdrawal_back_off"`
	// WithdrawalExpiry is the age of a withdrawal at which the bank is asked no more: then two persons settle it by the bank's file. 0: never.
	WithdrawalExpiry time.Duration `yaml:"withdrawal_expiry"`
	// NotFoundAfter is the age that a load without any answer must have before the bank's 25 (original not found) ends its reversal: a
	// younger one may still be on its way there.
	NotFoundAfter time.Duration `yaml:"not_found_after"`
	// MaxInFlight loads may wait for answers on one link; then loads are declined with 91.
	MaxInFlight int `yaml:"max_in_flight"`
	// MaxReversalsInFlight on all links; the others wait their turn, oldest first.
	MaxReversalsInFlight int `yaml:"max_reversals_in_flight"`
	// MaxMessageBytes is the longest message taken from the bank; a longer one closes the link.
	MaxMessageBytes int `yaml:"max_message_bytes"`
	// Files is where the bank leaves its reconciliation files; without a folder they are brought by hand.
	Files FilesConfig `yaml:"files"`
	// StopTimeout is how long answers are waited for when the switch stops.
	StopTimeout time.Duration `yaml:"stop_timeout"`
	// Zone is how far the bank's local time (DE 7, 12, 13) is ahead of UTC.
	Zone time.Duration `yaml:"zone"`
}

// DefaultConfig holds two links to a bank on this machine.
func DefaultConfig() Config {
	return Config{
		Name: "bank", Prefixes: []string{}, Addresses: []string{"127.0.0.1:8584"}, Links: 2, Policy: PolicyLeastPending, Framing: iso8583.FramingASCII4, Dialect: DefaultDialect(),
		Institution: "00010000", Forwarding: "00010000", MerchantType: "8220", MACMode: iso8583.MACSM4CBC.String(), KeyOverlap: 5 * time.Minute, KeyResetAfter: 3,
		ConnectTimeout: 5 * time.Second, SignOnTimeout: 10 * time.Second, RequestTimeout: 10 * time.Second, QueryTimeout: 5 * time.Second,
		EchoInterval: time.Minute, EchoTimeout: 10 * time.Second, EchoMisses: 3,
		ReconnectMin: 500 * time.Millisecond, ReconnectMax: 30 * time.Second,
		ReversalBackOff: []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}, NotFoundAfter: 20 * time.Second,
		ReversalExpiry: 24 * time.Hour, ReversalRefusals: 10,
		WithdrawalBackOff: []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}, WithdrawalExpiry: 24 * time.Hour,
		MaxInFlight: 128, MaxReversalsInFlight: 16, MaxMessageBytes: 2048, Files: defaultFiles(), StopTimeout: 10 * time.Second, Zone: 8 * time.Hour,
	}
}

// SetDefaults are those of a bank in a list: DefaultConfig without a name and an address.
func (c *Config) SetDefaults() {
	*c = DefaultConfig()
	c.Name, c.Addresses = "", nil
}

// KeyError says what is wrong with one key of the configuration.
type KeyError struct{ Key, Text string }

func (e KeyError) Error() string { return e.Key + ": " + e.Text }

// keyFaults gathers what is wrong.
type keyFaults struct{ list []error }

func (f *keyFaults) wrong(key, format string, args ...any) {
	f.list = append(f.list, KeyError{key, fmt.Sprintf(format, args...)})
}

func (f *keyFaults) join() error { return errors.Join(f.list...) }

func (f *keyFaults) bounds(key string, value, least, most int) {
	if value < least || value > most {
		f.wrong(key, "须在 %d 与 %d 之间 / must be between %d and %d, is %d", least, most, least, most, value)
	}
}

func (f *keyFaults) spans(key string, value, least, most time.Duration) {
	if value < least || value > most {
		f.wrong(key, "须在 %s 与 %s 之间 / must be between %s and %s, is %s", least, most, least, most, value)
	}
}

func (f *keyFaults) digits(key, value string, least, most int) {
	if len(value) < least || len(value) > most || !onlyDigits(value) {
		f.wrong(key, "须为 %d 至 %d 位数字 / must be %d to %d digits, is %q", least, most, least, most, value)
	}
}

// Validate joins a KeyError for every key that is out of bounds.
func (c Config) Validate() error {
	var f keyFaults
	c.validateName(&f)
	if len(c.Addresses) == 0 {
		f.wrong("addresses", "须至少给出一个 主机:端口 / at least one host:port is needed")
	}
	for _, address := range c.Addresses {
		f.address(address)
	}
	f.bounds("links", c.Links, max(1, len(c.Addresses)), 16)
	if _, known := policies[c.Policy]; !known {
		f.wrong("policy", "须为 least_pending、round_robin 或 primary_standby / must be least_pending, round_robin or primary_standby, is %q", c.Policy)
	}
	if _, err := newFramer(&c); err != nil {
		f.wrong("framing", "须为 ascii4、ascii6、binary2 或 cups46 / must be ascii4, ascii6, binary2 or cups46, is %q: %s", c.Framing, err)
	}
	c.TLS.validate(&f)
	c.Dialect.validate(&f, c.ZMKFile != "")
	f.digits("institution", c.Institution, 1, 11)
	f.digits("forwarding", c.Forwarding, 1, 11)
	f.digits("receiving", c.Receiving, 0, 11)
	f.digits("merchant_type", c.MerchantType, 4, 4)
	if _, ok := bankMACMode(c.MACMode); !ok {
		f.wrong("mac_mode", "须为 sm4-cbc、x9.19 或 aes-cmac / must be sm4-cbc, x9.19 or aes-cmac, is %q", c.MACMode)
	}
	f.bounds("key_reset_after", c.KeyResetAfter, 0, 1000)
	f.bounds("echo_misses", c.EchoMisses, 1, 100)
	f.bounds("max_in_flight", c.MaxInFlight, 1, 1<<14)
	f.bounds("max_reversals_in_flight", c.MaxReversalsInFlight, 1, 1<<10)
	f.bounds("max_message_bytes", c.MaxMessageBytes, 256, 4096)
	c.Files.validate(&f)
	c.validateTimes(&f)
	return f.join()
}

func (c *Config) validateName(f *keyFaults) {
	if len(c.Name) == 0 || len(c.Name) > 32 || strings.ContainsFunc(c.Name, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' }) {
		f.wrong("name", "须为 1 至 32 字节,不含空格与引号 / must be 1 to 32 bytes without spaces and quotes, is %q", c.Name)
	}
	for _, prefix := range c.Prefixes {
		f.digits("prefixes", prefix, 1, 19)
	}
}

func (c *Config) validateTimes(f *keyFaults) {
	f.spans("connect_timeout", c.ConnectTimeout, 10*time.Millisecond, time.Minute)
	f.spans("sign_on_timeout", c.SignOnTimeout, 10*time.Millisecond, time.Minute)
	f.spans("daily_sign_on", c.DailySignOn, 0, 24*time.Hour)
	f.spans("request_timeout", c.RequestTimeout, 10*time.Millisecond, 90*time.Second)
	f.spans("query_timeout", c.QueryTimeout, 10*time.Millisecond, 30*time.Second)
	if sum := c.RequestTimeout + c.QueryTimeout; c.Dialect.Has(FeatureQuery) && sum > 55*time.Second {
		f.wrong("query_timeout", "与 request_timeout 合计不得超过 55s,终端只等 60s / with request_timeout at most 55s: terminals wait 60s; is %s", sum)
	}
	f.spans("key_overlap", c.KeyOverlap, 0, 24*time.Hour)
	f.spans("echo_interval", c.EchoInterval, 10*time.Millisecond, time.Hour)
	f.spans("echo_timeout", c.EchoTimeout, 10*time.Millisecond, time.Minute)
	f.spans("reconnect_min", c.ReconnectMin, time.Millisecond, time.Hour)
	f.spans("reconnect_max", c.ReconnectMax, c.ReconnectMin, time.Hour)
	f.backOff("reversal_back_off", c.ReversalBackOff)
	f.backOff("withdrawal_back_off", c.WithdrawalBackOff)
	f.spans("not_found_after", c.NotFoundAfter, 0, time.Hour)
	if c.ReversalExpiry != 0 {
		f.spans("reversal_expiry", c.ReversalExpiry, c.RequestTimeout, 7*24*time.Hour)
	}
	if c.WithdrawalExpiry != 0 {
		f.spans("withdrawal_expiry", c.WithdrawalExpiry, c.RequestTimeout, 7*24*time.Hour)
	}
	f.bounds("reversal_refusals", c.ReversalRefusals, 1, 1000)
	f.spans("stop_timeout", c.StopTimeout, 0, 5*time.Minute)
	f.spans("zone", c.Zone, -14*time.Hour, 14*time.Hour)
}

func (f *keyFaults) backOff(key string, steps []time.Duration) {
	if len(steps) == 0 || len(steps) > 16 {
		f.wrong(key, "须给出 1 至 16 个时长 / must have 1 to 16 durations, has %d", len(steps))
	}
	for i, step := range steps {
		if step < 10*time.Millisecond || step > 24*time.Hour || i > 0 && step < steps[i-1] {
			f.wrong(key, "各时长须递增且不超过 24h / durations must not fall and be at most 24h, number %d is %s", i+1, step)
		}
	}
}

func (f *keyFaults) address(address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		f.wrong("addresses", "须为 主机:端口 / must be host:port, is %q", address)
	} else if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		f.wrong("addresses", "端口须在 1 与 65535 之间 / port must be between 1 and 65535, is %q", port)
	}
}

// bankMACMode reads the modes that a bank link may use: the malleable ones are for legacy terminals only.
func bankMACMode(name string) (iso8583.MACMode, bool) {
	mode, err := iso8583.ParseMACMode(name)
	ok := err == nil && (mode == iso8583.MACSM4CBC || mode == iso8583.MACX919 || mode == iso8583.MACAESCMAC)
	return mode, ok
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
