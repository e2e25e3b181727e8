package channel

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"

	"onecard/ledger/money"
)

// Config of one payment channel. Keys that are left out get their defaults by WithDefaults.
type Config struct {
	// Name is the channel's in paths, metrics and keys of the ledger: it must never change.
	Name string `yaml:"name"`
	// Title is what holders read: 微信支付.
	Title string `yaml:"title"`
	// URL of the channel's API, https; http on loopback only.
	URL string `yaml:"url"`
	// Application and Merchant are our numbers at the channel (appid, mchid).
	Application string `yaml:"application"`
	Merchant    string `yaml:"merchant"`
	// Prefix of our order numbers, 1 to 4 capital letters or digits.
	Prefix string `yaml:"prefix"`
	// MerchantKeyFile is our RSA key of 2,048 bits or more, PEM, readable by its owner only; MerchantSerial the serial of its certificate.
	MerchantKeyFile string `yaml:"merchant_key_file"`
	MerchantSerial  string `yaml:"merchant_serial"`
	// ChannelKeyFile is the channel's public key or certificate, PEM; ChannelSerial its serial.
	ChannelKeyFile string `yaml:"channel_key_file"`
	ChannelSerial  string `yaml:"channel_serial"`
	// NotifySecretFile holds the 32 characters that notifications are encrypted under, readable by its owner only.
	NotifySecretFile string `yaml:"notify_secret_file"`
	// NotifyURL is where the channel reaches /channels/NAME/notify from outside.
	NotifyURL string `yaml:"notify_url"`
	// AmountMaxFen bounds one order.
	AmountMaxFen int `yaml:"amount_max_fen"`
	// OpenMax bounds the orders that wait for their payment.
	OpenMax int `yaml:"open_max"`
	// Expiry is how long a holder may take to pay.
	Expiry time.Duration `yaml:"expiry"`
	// RequestTimeout is how long the channel may take to answer one attempt; Attempts how often it is asked, with a growing pause between.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	Attempts       int           `yaml:"attempts"`
	// QueryBackOff are the pauses between questions about an order or a refund; the last one repeats.
	QueryBackOff []time.Duration `yaml:"query_back_off"`
	// RejectedAfter is the age that a rejection of a refund must have before "there is no such refund" gives the money back.
	RejectedAfter time.Duration `yaml:"rejected_after"`
	// ReconcileAt is when, after local midnight, yesterday's file is fetched and compared.
	ReconcileAt time.Duration `yaml:"reconcile_at"`
	// Zone is how far the channel's days are ahead of UTC.
	Zone time.Duration `yaml:"-"`
}

// WithDefaults fills in what was left out.
func (c Config) WithDefaults() Config {
	def := func(to *time.Duration, value time.Duration) {
		if *to == 0 {
			*to = value
		}
	}
	number := func(to *int, value int) {
		if *to == 0 {
			*to = value
		}
	}
	if c.Title == "" {
		c.Title = c.Name
	}
	if c.Prefix == "" {
		c.Prefix = "OC"
	}
	number(&c.AmountMaxFen, 100_000)
	number(&c.OpenMax, 10_000)
	number(&c.Attempts, 3)
	def(&c.Expiry, 10*time.Minute)
	def(&c.RequestTimeout, 5*time.Second)
	def(&c.RejectedAfter, 20*time.Second)
	def(&c.ReconcileAt, 10*time.Hour)
	if len(c.QueryBackOff) == 0 {
		c.QueryBackOff = []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}
	}
	return c
}

// KeyError says what is wrong with one key of the configuration.
type KeyError struct{ Key, Text string }

func (e KeyError) Error() string { return e.Key + ": " + e.Text }

// namePattern is what a channel may be called: it stands in paths and labels.
const namePattern = `^[a-z][a-z0-9-]{0,11}$`

// Validate joins a KeyError for every key that is out of bounds. REQUIRES: defaults are filled in.
func (c Config) Validate() error {
	var faults []error
	wrong := func(key, format string, args ...any) {
		faults = append(faults, KeyError{key, fmt.Sprintf(format, args...)})
	}
	matches := func(key, value, pattern, words string) {
		if !regexp.MustCompile(pattern).MatchString(value) {
			wrong(key, "须为%s / must match %s, is %q", words, pattern, value)
		}
	}
	spans := func(key string, value, least, most time.Duration) {
		if value < least || value > most {
			wrong(key, "须在 %s 与 %s 之间 / must be between %s and %s, is %s", least, most, least, most, value)
		}
	}
	within := func(key string, value, least, most int) {
		if value < least || value > most {
			wrong(key, "须在 %d 与 %d 之间 / must be between %d and %d, is %d", least, most, least, most, value)
		}
	}
	matches("name", c.Name, namePattern, "小写字母开头的 1 至 12 个小写字母、数字或连字符")
	matches("prefix", c.Prefix, `^[A-Z0-9]{1,4}$`, " 1 至 4 个大写字母或数字")
	matches("merchant", c.Merchant, `^[0-9A-Za-z]{1,32}$`, " 1 至 32 个字母或数字")
	matches("merchant_serial", c.MerchantSerial, `^[0-9A-Za-z_]{1,64}$`, "证书序列号")
	matches("channel_serial", c.ChannelSerial, `^[0-9A-Za-z_]{1,64}$`, "证书序列号")
	for _, u := range [][2]string{{"url", c.URL}, {"notify_url", c.NotifyURL}} {
		if err := checkURL(u[1]); err != nil {
			wrong(u[0], "%s", err)
		}
	}
	within("amount_max_fen", c.AmountMaxFen, 1, 100_000_000)
	within("open_max", c.OpenMax, 1, 1_000_000)
	within("attempts", c.Attempts, 1, 10)
	spans("expiry", c.Expiry, time.Second, 24*time.Hour)
	spans("request_timeout", c.RequestTimeout, 10*time.Millisecond, 30*time.Second)
	spans("rejected_after", c.RejectedAfter, time.Millisecond, time.Hour)
	spans("reconcile_at", c.ReconcileAt, 0, 24*time.Hour-time.Minute)
	for _, pause := range c.QueryBackOff {
		spans("query_back_off", pause, 10*time.Millisecond, time.Hour)
	}
	if _, err := LoadKeys(c); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// checkURL: TLS, or a connection that does not leave this machine.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("须为 https 地址 / must be an https address, is %q", text)
	}
	loopback := slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return fmt.Errorf("须为 https(http 仅限本机)/ must be https, http on this machine only: %q", text)
	}
	return nil
}

func (c *Config) amountMax() money.Fen { return money.Fen(c.AmountMaxFen) }

func (c *Config) zone() *time.Location { return time.FixedZone("", int(c.Zone/time.Second)) }
