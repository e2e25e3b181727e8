package bankgw_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// benchTransport is how a benchmark reaches its bank.
type benchTransport struct {
	name   string
	change func(*bankgw.Config)
	bank   func(*banksim.Config)
}

// BenchmarkOneLink is how many loads one link carries over loopback TCP with a full window, against the bank in software in the same
// process: CPU is of both ends and the kernel.
func BenchmarkOneLink(b *testing.B) {
	records := benchTransport{
		"record", func(c *bankgw.Config) { c.Dialect.Kind, c.Framing = bankgw.DialectRecord, iso8583.FramingASCII6 },
		func(c *banksim.Config) { c.Records, c.Framing = true, iso8583.FramingASCII6 },
	}
	for _, transport := range []benchTransport{{name: "iso8583"}, records} {
		for _, window := range []int{1, 128, 1024} {
			b.Run(fmt.Sprintf("%s/window=%d", transport.name, window), func(b *testing.B) { benchOneLink(b, transport, window) })
		}
	}
}

func benchOneLink(b *testing.B, transport benchTransport, window int) {
	bankConfig := banksim.Config{MACKey: bankKey, MACMode: iso8583.MACSM4CBC, DefaultBalance: money.Max / 2}
	if transport.bank != nil {
		transport.bank(&bankConfig)
	}
	bank, err := banksim.New(bankConfig)
	require.NoError(b, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	serving, stopBank := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- bank.Serve(serving, listener) }()

	c := bankgw.DefaultConfig()
	c.Addresses, c.Links, c.MaxInFlight = []string{listener.Addr().String()}, 1, window
	if transport.change != nil {
		transport.change(&c)
	}
	var (
		gateway   *bankgw.Gateway
		given     atomic.Int64
		confirmed int
		done      = make(chan struct{})
		up        = make(chan struct{})
	)
	give := func() {
		if n := given.Add(1); n <= int64(b.N) {
			o := orderOf(uint64(n), 100)
			o.TerminalCode = transaction.TerminalCode([]byte("KIOSK001"))
			gateway.Load(o)
		}
	}
	gateway, err = bankgw.New(c, bankgw.Keys{MAC: bankKey}, func(r transaction.Request) error { // called by Run alone
		if r.Kind != transaction.KindLoadConfirmed {
			b.Errorf("load %d: kind %d, code %s", r.Load, r.Kind, r.BankCode)
		}
		if confirmed++; confirmed == b.N {
			close(done)
		}
		give()
		return nil
	}, bankgw.Events{LinkState: func(_ int, state string) {
		if state == "up" {
			close(up)
		}
	}}, bankgw.Options{})
	require.NoError(b, err)
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Run(running) }()
	<-up
	b.ReportAllocs()
	b.ResetTimer()
	before, began := processorTime(b), time.Now()
	for range min(window, b.N) {
		give()
	}
	<-done
	elapsed := time.Since(began)
	b.ReportMetric(float64(b.N)/elapsed.Seconds(), "exchanges/s")
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N)/1e3, "cpu-us/exchange")
	b.StopTimer()
	stop()
	require.NoError(b, <-ended)
	stopBank()
	require.NoError(b, <-served)
	require.NoError(b, bank.Check())
}

// processorTime is what this process has used, in user and kernel.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
