package bankgw_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// imposter is a bank of the test's own: it signs links on, and answers loads with whatever the test writes.
type imposter struct {
	listener *network
	answer   func(request *iso8583.BankMessage, mac *iso8583.MAC) [][]byte // frames for a 0200 or a 0420
	profile  *iso8583.BankProfile                                          // nil: the standard one
}

func (i *imposter) serve(t *testing.T) {
	spec := i.profile
	if spec == nil {
		spec = iso8583.BankSpec()
	}
	for {
		conn, err := i.listener.Accept()
		if err != nil {
			return
		}
		go func(conn net.Conn) {
			mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, bankKey)
			if err != nil {
				t.Error(err)
				return
			}
			buffered := bufio.NewReader(conn)
			for {
				payload, err := iso8583.ReadBankFrame(buffered, iso8583.FramingASCII4)
				if err != nil {
					return
				}
				request, err := iso8583.OpenBankMessage(spec, payload, mac)
				if err != nil {
					t.Error(err)
					return
				}
				var frames [][]byte
				switch request.MTI() {
				case "0820":
					sealed, err := iso8583.NewBankMessage(spec, "0830").Set(11, request.String(11)).Set(39, "00").Set(70, request.String(70)).Seal(mac)
					if err != nil {
						t.Error(err)
						return
					}
					frames = [][]byte{iso8583.AppendBankFrame(nil, iso8583.FramingASCII4, sealed)}
				case "0200", "0420":
					frames = i.answer(request, mac)
				}
				for _, f := range frames {
					if _, err := conn.Write(f); err != nil {
						return
					}
				}
			}
		}(conn)
	}
}

// withImposter runs one load against an imposter for half a minute and returns what the owner heard and the faults.
func withImposter(t *testing.T, answer func(*iso8583.BankMessage, *iso8583.MAC) [][]byte) (outcomes []transaction.Request, faults map[string]int) {
	faults = make(map[string]int)
	synctest.Test(t, func(t *testing.T) {
		i := &imposter{listener: newNetwork(), answer: answer}
		go i.serve(t)
		m := &machine{network: i.listener, passing: func(bool, bool) bool { return true }}
		g, err := bankgw.New(bankgw.DefaultConfig(), bankgw.Keys{MAC: bankKey}, func(r transaction.Request) error {
			outcomes = append(outcomes, r)
			return nil
		}, bankgw.Events{Fault: func(f string) { faults[f]++ }}, bankgw.Options{Dial: m.dial, Seed: 1})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := g.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(time.Second)
		g.Load(orderOf(3, 5000))
		time.Sleep(30 * time.Second)
		stop()
		<-ended
		_ = i.listener.Close()
	})
	return outcomes, faults
}

// seal makes an answer that is authentic.
func seal(t *testing.T, mac *iso8583.MAC, m *iso8583.BankMessage) []byte {
	sealed, err := m.Seal(mac)
	require.NoError(t, err)
	return iso8583.AppendBankFrame(nil, iso8583.FramingASCII4, sealed)
}

// approval is the answer that credits, but for one field.
func approval(request *iso8583.BankMessage, field int, value string) *iso8583.BankMessage {
	fields := map[int]string{4: request.String(4), 11: request.String(11), 37: request.String(37), 39: "00", 41: request.String(41)}
	mti := "0210"
	if field == 0 {
		mti = value
	} else {
		fields[field] = value
	}
	m := iso8583.NewBankMessage(iso8583.BankSpec(), mti)
	for n, v := range fields {
		m.Set(n, v)
	}
	return m
}

// TestOnlyTheRightAnswerCredits changes one field of an authentic approval at a time.
func TestOnlyTheRightAnswerCredits(t *testing.T) {
	for _, c := range []struct {
		field    int
		value    string
		fault    string
		credited bool
	}{
		{42, "103410054110001", "", true},
		{4, "000000005001", "wrong_amount", false},
		{4, "", "wrong_amount", false},
		{11, "000005", "wrong_identity", false},
		{11, "", "malformed", false},
		{37, "000000000004", "wrong_reference", false},
		{37, "A00000000003", "malformed", false},
		{37, "", "malformed", false},
		{39, "11", "uncertain_code", false},
		{39, "", "malformed", false},
		{41, "KIOSK002", "wrong_identity", false},
		{41, "", "malformed", false},
		{0, "0230", "unexpected", false},
		{0, "0110", "unmatched", false},
		{0, "0430", "unmatched", false},
	} {
		t.Run(fmt.Sprintf("F%d %q", c.field, c.value), func(t *testing.T) {
			outcomes, faults := withImposter(t, func(request *iso8583.BankMessage, mac *iso8583.MAC) [][]byte {
				if request.MTI() != "0200" {
					return nil
				}
				return [][]byte{seal(t, mac, approval(request, c.field, c.value))}
			})
			require.NotEmpty(t, outcomes)
			if c.credited {
				require.Equal(t, transaction.KindLoadConfirmed, outcomes[0].Kind)
				require.Empty(t, faults)
				return
			}
			require.Equal(t, transaction.KindLoadUnknown, outcomes[0].Kind)
			require.Positive(t, faults[c.fault], "%v", faults)
		})
	}
}

// TestGarbage: bytes that are no message never credit and never stop the gateway; enough of them close the link.
func TestGarbage(t *testing.T) {
	right := func(request *iso8583.BankMessage, mac *iso8583.MAC) []byte {
		return seal(t, mac, approval(request, 41, request.String(41)))
	}
	for name, c := range map[string]struct {
		frames   func(*iso8583.BankMessage, *iso8583.MAC) [][]byte
		fault    string
		credited bool
	}{
		"heartbeats before it": {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte {
			return [][]byte{[]byte("00000000"), right(r, m)}
		}, "", true},
		"four bad MACs before it": {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte {
			bad := right(r, m)
			bad[len(bad)-1] ^= 1
			return [][]byte{bad, bad, bad, bad, right(r, m)}
		}, "mac", true},
		"five bad MACs before it": {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte {
			bad := right(r, m)
			bad[len(bad)-1] ^= 1
			return [][]byte{bad, bad, bad, bad, bad, right(r, m)}
		}, "link_lost", false},
		"a length that is none": {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte { return [][]byte{[]byte("00x1"), right(r, m)} }, "link_lost", false},
		"a length too long":     {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte { return [][]byte{[]byte("9999"), right(r, m)} }, "link_lost", false},
		"longer than the configuration's bound": {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte {
			return [][]byte{append([]byte("2049"), bytes.Repeat([]byte("x"), 2049)...), right(r, m)}
		}, "too_long", false},
		"half of it": {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte { f := right(r, m); return [][]byte{f[:len(f)/2]} }, "timeout", false},
		"in pieces": {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte {
			var pieces [][]byte
			for _, b := range right(r, m) {
				pieces = append(pieces, []byte{b})
			}
			return pieces
		}, "", true},
		"an unreadable one with a good MAC": {func(r *iso8583.BankMessage, m *iso8583.MAC) [][]byte {
			payload := append([]byte("0210\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), "trailing"...)
			sum := m.Sum(nil, payload)
			return [][]byte{iso8583.AppendBankFrame(nil, iso8583.FramingASCII4, append(payload, sum[:]...))}
		}, "unreadable", false},
	} {
		t.Run(name, func(t *testing.T) {
			outcomes, faults := withImposter(t, c.frames)
			require.NotEmpty(t, outcomes)
			if c.credited {
				require.Equal(t, transaction.KindLoadConfirmed, outcomes[0].Kind)
			} else {
				require.Equal(t, transaction.KindLoadUnknown, outcomes[0].Kind)
			}
			if c.fault != "" {
				require.Positive(t, faults[c.fault], "%v", faults)
			}
		})
	}
}

// TestAnotherBanksKey: a bank with another key is never believed; the links do not come up.
func TestAnotherBanksKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &imposter{listener: newNetwork()}
		go func() {
			for {
				conn, err := i.listener.Accept()
				if err != nil {
					return
				}
				go func() {
					mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, []byte("another bank key"))
					if err != nil {
						t.Error(err)
						return
					}
					buffered := bufio.NewReader(conn)
					for {
						if _, err := iso8583.ReadBankFrame(buffered, iso8583.FramingASCII4); err != nil {
							return
						}
						frame := seal(t, mac, iso8583.NewBankMessage(iso8583.BankSpec(), "0830").Set(11, "000001").Set(39, "00").Set(70, "001"))
						if _, err := conn.Write(frame); err != nil {
							return
						}
					}
				}()
			}
		}()
		m := &machine{network: i.listener, passing: func(bool, bool) bool { return true }}
		var outcomes []transaction.Request
		g, err := bankgw.New(bankgw.DefaultConfig(), bankgw.Keys{MAC: bankKey}, func(r transaction.Request) error {
			outcomes = append(outcomes, r)
			return nil
		}, bankgw.Events{}, bankgw.Options{Dial: m.dial, Seed: 1})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		for range 30 {
			time.Sleep(time.Second)
			require.Zero(t, g.Status().LinksUp())
		}
		g.Load(orderOf(1, money.Fen(100)))
		synctest.Wait()
		require.Equal(t, []transaction.Kind{transaction.KindLoadDeclined}, kindsOf(outcomes))
		stop()
		require.NoError(t, <-ended)
		_ = i.listener.Close()
	})
}

// TestReversalFollowsItsOriginal: a 0420 goes out behind its 0200 on the same line, so that it cannot overtake it.
func TestReversalFollowsItsOriginal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		lines := make(map[*iso8583.MAC][]string) // by connection: each has its own MAC
		i := &imposter{listener: newNetwork()}
		i.answer = func(request *iso8583.BankMessage, mac *iso8583.MAC) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			lines[mac] = append(lines[mac], request.MTI()+" "+request.String(37))
			return nil
		}
		go i.serve(t)
		m := &machine{network: i.listener, passing: func(bool, bool) bool { return true }}
		c := bankgw.DefaultConfig()
		c.Links, c.MaxReversalsInFlight = 4, 64
		g, err := bankgw.New(c, bankgw.Keys{MAC: bankKey}, func(transaction.Request) error { return nil }, bankgw.Events{}, bankgw.Options{Dial: m.dial, Seed: 1})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		time.Sleep(time.Second)
		for load := uint64(1); load <= 42; load++ {
			g.Load(orderOf(load, 100))
			g.Reverse(orderOf(load, 100))
		}
		time.Sleep(time.Second)
		stop()
		require.NoError(t, <-ended)
		_ = i.listener.Close()
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, lines, 4)
		reversals := 0
		for _, messages := range lines {
			for at, message := range messages {
				if reference, ok := strings.CutPrefix(message, "0420 "); ok {
					reversals++
					require.Contains(t, messages[:at], "0200 "+reference)
				}
			}
		}
		require.Equal(t, 42, reversals)
	})
}

// runGateway runs a gateway until what it returns is called.
func runGateway(t *testing.T, g *bankgw.Gateway) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
	}
}
