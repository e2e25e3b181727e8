package terminals

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
)

// hostile is one of those who mean no good, at work until stopped.
type hostile func(c net.Conn, random *rand.Rand, stop *atomic.Bool)

// attackEvery leaves the test's own goroutines, who are both sides here, some of the machine.
const attackEvery = 300 * time.Microsecond

// press writes the same thing until stopped or cut off.
func press(c net.Conn, b []byte, stop *atomic.Bool) {
	for !stop.Load() {
		if _, err := c.Write(b); err != nil {
			return
		}
		time.Sleep(attackEvery)
	}
}

func noise(c net.Conn, random *rand.Rand, stop *atomic.Bool) {
	b := make([]byte, 4096)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	press(c, b, stop)
}

// framedNoise has good lengths and nothing good in them.
func framedNoise(c net.Conn, random *rand.Rand, stop *atomic.Bool) {
	n := iso8583.MinPayload + random.IntN(200)
	b := append([]byte{0, byte(n)}, make([]byte, n)...)
	for i := range b[2:] {
		b[2+i] = byte(random.Uint32())
	}
	b[2] = 0x60
	press(c, b, stop)
}

// signOnAs gets a session that its owner cannot use: the keys are under the terminal's own.
func signOnAs(c net.Conn, code string) bool {
	_, err := c.Write(signOnFrame(code, 1, 1, iso8583.MACAESCMAC))
	if err == nil {
		_, err = c.Read(make([]byte, 1024))
	}
	return err == nil
}

// wrongMACs signs on in an honest terminal's name, which anybody can, and forges.
func wrongMACs(c net.Conn, _ *rand.Rand, stop *atomic.Bool) {
	forger, _ := iso8583.NewMAC(iso8583.MACAESCMAC, make([]byte, 16))
	w := terminal{code: terminalCode}
	if !signOnAs(c, terminalCode) {
		return
	}
	press(c, w.sale().frame(forger), stop)
}

// slowWriter sends a frame that never ends.
func slowWriter(c net.Conn, _ *rand.Rand, stop *atomic.Bool) {
	if _, err := c.Write([]byte{0x08, 0x00}); err != nil {
		return
	}
	press(c, []byte{0x60}, stop)
}

// keyless asks for money without a sign-on.
func keyless(c net.Conn, _ *rand.Rand, stop *atomic.Bool) {
	w := terminal{code: terminalCode}
	press(c, w.sale().frame(nil), stop)
}

// deaf asks and asks and never reads an answer.
func deaf(c net.Conn, _ *rand.Rand, stop *atomic.Bool) {
	_ = c.(*net.TCPConn).SetReadBuffer(4096)
	if !signOnAs(c, "10016929") {
		return
	}
	echo := managementFrame("10016929", 1, 1, codeEcho)
	var many []byte
	for range 200 {
		many = append(many, echo...)
	}
	press(c, many, stop)
}

// TestStorm: honest terminals go on with unchanged answers while others send garbage, half frames, forged MACs and never read.
func TestStorm(t *testing.T) {
	h := newHouse(t, nil)
	var honest []*device
	for i := range 8 {
		honest = append(honest, h.signedOn(fmt.Sprintf("1001691%d", i)))
	}
	honest[0] = h.signedOn(terminalCode)
	for _, d := range honest {
		d.buy()
	}
	var stop atomic.Bool
	var working sync.WaitGroup
	for i, attack := range []hostile{noise, framedNoise, wrongMACs, slowWriter, deaf, keyless, noise, framedNoise} {
		working.Go(func() { // ends when stopped
			random := rand.New(rand.NewPCG(uint64(i), 8583))
			for !stop.Load() {
				c, err := net.Dial("tcp", h.server.Addr().String())
				if err != nil {
					return
				}
				_ = c.SetDeadline(time.Now().Add(2 * time.Second))
				attack(c, random, &stop)
				c.Close()
			}
		})
	}
	enough := func() bool {
		return h.closed.of("garbage") > 5 && h.closed.of("framing") > 5 && h.closed.of("bad_macs") > 5 && h.closed.of("bad_frames") > 5
	}
	for rounds := 0; rounds < 20 || !enough(); rounds++ {
		require.Less(t, rounds, 100_000, "the storm did not come")
		for _, d := range honest {
			d.buy()
		}
	}
	stop.Store(true)
	working.Wait()
	for _, d := range honest {
		d.buy()
	}
	require.Zero(t, h.closed.of("replaced"), "nobody is thrown out by who cannot prove himself")
	h.until("all of them have gone", func() bool { return h.server.Counts().Connections == 9 })
}

// TestSlowReader: answers that are not taken are bounded, and then their connection is closed.
func TestSlowReader(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.WriteBufferBytes = 4096 })
	honest := h.signedOn(terminalCode)
	var stop atomic.Bool
	c := h.dial("10016929")
	deaf(c.conn, nil, &stop) // returns when the connection is closed
	h.counted("slow_reader", 1)
	honest.buy()
}
