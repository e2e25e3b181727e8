package daemon_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/terminals/emulator"
)

const (
	floodConnections = 200
	honestTerminals  = 50
	honestPurchases  = 25
)

// TestFloodOfGarbageAndSlowWriters: 200 connections send garbage, half frames, lies about lengths, frames with one wrong bit, or one byte
// now and then; 50 honest terminals go on and every one of their answers is the right one (wire handbook 6, safety handbook 2.4).
func TestFloodOfGarbageAndSlowWriters(t *testing.T) {
	c := newCampusOf(t, honestTerminals)
	c.config.Terminals.SignOnTimeout, c.config.Terminals.FrameTimeout = 500*time.Millisecond, 500*time.Millisecond
	r := c.run(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var flood sync.WaitGroup
	var frames atomic.Int64
	for i := range floodConnections {
		flood.Go(func() { attack(ctx, r.Terminals, i, &frames) })
	}
	var honest sync.WaitGroup
	for n := range honestTerminals {
		terminal := c.terminal(t, r.Terminals, n)
		honest.Go(func() { buyLunch(t, terminal, c.Holders[n].Card, c.Holders[n].Main+c.Holders[n].Subsidy) })
	}
	honest.Wait()
	// The flood goes on until everything that it does has been counted by its reason.
	for _, want := range []string{
		`closed_total{reason="garbage"}`, `closed_total{reason="framing"}`, `closed_total{reason="half_frame"}`, `closed_total{reason="sign_on_timeout"}`,
		`rejected_total{fault="length"}`, `rejected_total{fault="tpdu"}`,
	} {
		require.Eventually(t, func() bool { _, metrics := r.get(t, "/metrics"); return strings.Contains(metrics, want) }, 20*time.Second, 50*time.Millisecond, "%s is not counted", want)
	}
	stop()
	flood.Wait()
	require.Positive(t, frames.Load())
	require.NoError(t, r.stop())
}

// buyLunch spends one fen at a time and holds every balance against its own sum.
func buyLunch(t *testing.T, terminal *emulator.Terminal, card uint64, has interface{ String() string }) {
	first, err := terminal.Balance(card)
	if err != nil || !first.HasBalance {
		t.Errorf("balance: %v %s %s", err, first.Code, first.Text)
		return
	}
	if first.Balance.String() != has.String() {
		t.Errorf("balance %s, the import said %s", first.Balance, has)
	}
	for i := range honestPurchases {
		answer, err := terminal.Purchase(card, 1, "")
		switch {
		case err != nil:
			t.Errorf("purchase %d: %v", i, err)
			return
		case answer.Approved() && int(first.Balance-answer.Balance) == i+1:
		case i >= 20 && answer.Code.String() == "65": // the day's count of his class
		default:
			t.Errorf("purchase %d: %s %s, balance %s of %s", i, answer.Code, answer.Text, answer.Balance, first.Balance)
			return
		}
	}
}

// attack is one bad connection after another until the context ends.
func attack(ctx context.Context, address string, kind int, frames *atomic.Int64) {
	random := rand.New(rand.NewPCG(uint64(kind), 6))
	var d net.Dialer
	for ctx.Err() == nil {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return
		}
		unhook := context.AfterFunc(ctx, func() { _ = conn.Close() })
		for n := 0; err == nil && ctx.Err() == nil; n++ {
			switch kind % 6 {
			case 4: // a slow writer: a byte now and then of a frame that it never finishes
				_, err = conn.Write([]byte("\x04\x00\x60\x00\x03")[min(n, 4) : min(n, 4)+1])
			case 5: // says nothing until it is sent away
				_, err = conn.Read(make([]byte, 1))
			default:
				_, err = conn.Write(badBytes(random, kind%6))
			}
			frames.Add(1)
			pause(ctx)
		}
		unhook()
		_ = conn.Close()
		pause(ctx)
	}
}

// floodPace bounds the flood: attackers and switch share this process's two cores, and what is tested is the switch.
const floodPace = 10 * time.Millisecond

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(floodPace):
	}
}

func badBytes(random *rand.Rand, kind int) []byte {
	b := make([]byte, 2+random.IntN(300))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	switch kind {
	case 1: // a length that fits and nonsense behind it
		binary.BigEndian.PutUint16(b, uint16(max(len(b)-2, 21)))
		return b
	case 2: // a well-formed beginning, then nonsense
		binary.BigEndian.PutUint16(b, uint16(max(len(b)-2, 21)))
		copy(b[2:], "\x60\x00\x03\x00\x01\x60\x31\x00\x31\x00\x00\x02\x00")
		return b
	case 3: // promises more than it sends
		return []byte{0x00, 0x80, 0x60, byte(random.Uint32())}
	}
	return b // anything
}
