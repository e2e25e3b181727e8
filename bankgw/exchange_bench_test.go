package bankgw

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// noCodec writes the same bytes for everything: what is left is the gateway.
type noCodec struct{ codec }

func (noCodec) changesKeys() bool { return false }

func (noCodec) load(*transaction.LoadOrder) ([]byte, error) { return make([]byte, 0), nil }

// BenchmarkExchange is the gateway's own side of a load without sockets, in processor time with garbage collection: orders in, frames out,
// answers in, outcomes out, a window at a time. With a codec it takes the answer's bytes apart too, MACs included; with none, what is left
// is the gateway's work. reversals=10000 has as many waiting for their next time beside it.
func BenchmarkExchange(b *testing.B) {
	for _, kind := range []DialectKind{"none", DialectISO8583, DialectRecord} {
		for _, reversals := range []int{0, 10_000} {
			b.Run(fmt.Sprintf("codec=%s/reversals=%d", kind, reversals), func(b *testing.B) { benchExchange(b, kind, reversals) })
		}
	}
}

func benchExchange(b *testing.B, kind DialectKind, reversals int) {
	const window = 128
	c := DefaultConfig()
	c.Links, c.MaxReversalsInFlight = 1, 1
	if kind == DialectRecord {
		c.Dialect.Kind = kind
	}
	outcomes := 0
	g, err := New(c, Keys{MAC: recordKey}, func(transaction.Request) error { outcomes++; return nil }, Events{}, Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }})
	require.NoError(b, err)
	reading, err := g.writer.reader()
	require.NoError(b, err)
	bank := newBenchBank(b, g, kind)
	if kind == "none" {
		g.writer = noCodec{}
	}
	now := time.Now()
	l := g.links[0]
	l.line, l.heard = &line{outbox: outbox{bound: 4 * window, wake: make(chan struct{}, 1)}}, now
	g.enter(l, LinkUp)
	for i := range reversals {
		o := *anOrder()
		o.Load = uint64(i + 1)
		g.reversals.add(&reversal{order: o, fate: &fate{}, due: now.Add(time.Hour)})
	}
	g.newest = uint64(reversals)
	orders, answers := make([]transaction.LoadOrder, window), make([][]byte, window)
	var frames []byte
	var used time.Duration
	b.ReportAllocs()
	for done := 0; done < b.N; done += window {
		for i := range orders {
			orders[i] = *anOrder()
			orders[i].Load = g.newest + 1 + uint64(i)
		}
		before := processorTimeOf(b)
		for i := range orders {
			g.Load(orders[i])
		}
		g.step(now)
		frames = l.line.outbox.take(frames)
		used += processorTimeOf(b) - before
		if kind != "none" {
			for i := range orders {
				answers[i] = bank(&orders[i])
			}
		}
		before = processorTimeOf(b)
		h := happening{kind: lineHeard, answers: g.spareAnswers()}
		for i := range orders {
			var a answer
			if kind == "none" {
				o := &orders[i]
				a = answer{mti: mtiLoadAnswer, complete: true, code: transaction.Approved, told: transaction.Approved, trace: traceOf(o.Load), load: o.Load, terminal: o.TerminalCode, amount: o.Amount, hasAmount: true}
			} else if a, err = reading.read(answers[i]); err != nil {
				b.Fatal(err)
			}
			if h.answers = append(h.answers, a); len(h.answers) == answersTogether {
				h.generation = l.generation
				g.happened(now, &h)
				h.answers = g.spareAnswers()
				g.step(now)
			}
		}
		used += processorTimeOf(b) - before
	}
	require.GreaterOrEqual(b, outcomes, b.N)
	b.ReportMetric(float64(used.Nanoseconds())/float64(outcomes)/1e3, "cpu-us/exchange")
}

// newBenchBank makes the answers of a bank that approves everything.
func newBenchBank(b *testing.B, g *Gateway, kind DialectKind) func(o *transaction.LoadOrder) []byte {
	if kind == DialectRecord {
		codec, err := newCodec(&g.config, newKeyRing(iso8583.MACSM4CBC, Keys{MAC: recordKey}))
		require.NoError(b, err)
		return func(o *transaction.LoadOrder) []byte {
			request, err := codec.load(o)
			require.NoError(b, err)
			return answerTo(codec.(*recordCodec), request, mtiLoadAnswer, map[source]string{sourceCode: "00"})
		}
	}
	mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, recordKey)
	require.NoError(b, err)
	m, spec := (*iso8583.BankMessage)(nil), iso8583.BankSpec()
	return func(o *transaction.LoadOrder) []byte {
		if m == nil {
			m = iso8583.NewBankMessage(spec, mtiLoadAnswer)
		}
		m.Restart(mtiLoadAnswer).Set(2, "6217000012345678").Set(3, "600000").SetNumber(4, uint64(o.Amount)).Set(7, "0309123456").SetNumber(11, uint64(traceOf(o.Load))).
			Set(12, "123456").Set(13, "0309").Set(18, "8220").Set(25, "91").Set(32, "00010000").Set(33, "00010000").SetNumber(37, o.Load).Set(38, "A00001").Set(39, "00").
			Set(41, "KIOSK001").Set(42, "103410054110001").Set(49, "156").Set(102, "6217000012345678").Set(103, "9156000000000001")
		raw, err := m.Seal(mac)
		require.NoError(b, err)
		return raw
	}
}

func processorTimeOf(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
