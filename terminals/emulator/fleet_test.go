package emulator

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

func deviceConfigs(n, inFlight int) []DeviceConfig {
	configs := make([]DeviceConfig, n)
	for i := range configs {
		configs[i] = DeviceConfig{Code: fmt.Sprintf("1%07d", i+1), Merchant: merchant, Key: testKey, Mode: iso8583.MACAESCMAC, InFlight: inFlight}
	}
	return configs
}

// ends counts what became of each request, by its planned moment, which the tests use as its name.
type ends struct {
	t       *testing.T
	answers map[int64][]Answer
}

func (e *ends) onAnswer(_ int, a *Answer) {
	kept := *a
	kept.Raw = nil
	e.answers[a.Planned] = append(e.answers[a.Planned], kept)
}

func newTestFleet(t *testing.T, c FleetConfig) (*Fleet, *ends) {
	t.Helper()
	e := &ends{t, map[int64][]Answer{}}
	c.OnAnswer, c.Memory = e.onAnswer, NewMemory()
	c.RetryLeast, c.RetryMost = time.Millisecond, 5*time.Millisecond
	f, err := NewFleet(c)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	require.NoError(t, f.ConnectAll(20*time.Second))
	return f, e
}

func turn(t *testing.T, f *Fleet, until func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !until(); {
		require.NoError(t, f.Poll(5*time.Millisecond))
		require.True(t, time.Now().Before(deadline), "%+v", f.Stats())
	}
}

// Hundreds of terminals, several requests in flight each, over real sockets: each request is told its end once.
func TestFleetAnswersEveryRequestOnce(t *testing.T) {
	s := startSwitch(t, testKey, iso8583.MACAESCMAC)
	f, e := newTestFleet(t, FleetConfig{Address: s.address(), Devices: deviceConfigs(200, 8), Joining: 16})
	const each = 25
	for n := range each {
		for device := range f.Len() {
			require.NoError(t, f.Send(device, Request{Kind: KindPurchase, Card: testCard, Amount: money.Fen(n + 1), Planned: int64(device*each + n)}))
		}
	}
	turn(t, f, f.Idle)
	require.Len(t, e.answers, 200*each)
	for name, answers := range e.answers {
		require.Len(t, answers, 1)
		require.True(t, answers[0].Approved())
		require.EqualValues(t, name%each+1, answers[0].Amount)
		require.GreaterOrEqual(t, f.Now(), answers[0].Sent)
	}
	require.EqualValues(t, 200*each, f.config.Memory.Len())
	s.locked(func() { require.EqualValues(t, 200*each*(each+1)/2, s.debited) })
	stats := f.Stats()
	require.Equal(t, FleetStats{Connected: 200, SignedOn: 200, Sent: 200 * each, Answered: 200 * each}, stats)
}

// Links break before and after a decision, again and again: what was in flight is asked again with the same identity, and is booked and
// answered once.
func TestFleetRepeatsAfterBrokenLinks(t *testing.T) {
	s := startSwitch(t, testKey, iso8583.MACAESCMAC)
	s.misbehave = func(n int, _ *iso8583.Message) misdeed {
		switch n % 37 {
		case 5:
			return hangUp
		case 17:
			return hangUpAfter
		case 23:
			return answerTwice
		}
		return behave
	}
	f, e := newTestFleet(t, FleetConfig{Address: s.address(), Devices: deviceConfigs(20, 4)})
	total := money.Fen(0)
	for n := range 1000 {
		r := Request{Kind: KindPurchase, Card: testCard, Amount: money.Fen(n + 1), Planned: int64(n)}
		if n%10 == 0 {
			r.PIN = "123456"
		}
		total += r.Amount
		require.NoError(t, f.Send(n%20, r))
	}
	cut := false
	turn(t, f, func() bool {
		if !cut && len(e.answers) > 300 {
			cut = true
			s.cutAll()
		}
		return f.Idle()
	})
	require.Len(t, e.answers, 1000)
	for _, answers := range e.answers {
		require.Len(t, answers, 1)
		require.True(t, answers[0].Approved())
	}
	stats := f.Stats()
	require.Positive(t, stats.Repeated)
	require.Positive(t, stats.Reconnects)
	require.Zero(t, stats.Faults)
	s.locked(func() { require.EqualValues(t, total, s.debited) })
}

// No answer in time: a reversal, repeated until it is answered, before that terminal sells anything more.
func TestFleetReversesBeforeItSellsAgain(t *testing.T) {
	s := startSwitch(t, testKey, iso8583.MACAESCMAC)
	var order []string
	swallowed := 0
	s.misbehave = func(n int, m *iso8583.Message) misdeed {
		reversal := m.MTI() == iso8583.MTIReversal
		order = append(order, map[bool]string{false: "sale", true: "reversal"}[reversal])
		if n == 1 || reversal && swallowed < 2 {
			if reversal {
				swallowed++
			}
			return swallow
		}
		return behave
	}
	f, e := newTestFleet(t, FleetConfig{Address: s.address(), Devices: deviceConfigs(1, 1), Deadline: 30 * time.Millisecond})
	require.NoError(t, f.Send(0, Request{Kind: KindPurchase, Card: testCard, Amount: 500, Planned: 1}))
	require.NoError(t, f.Send(0, Request{Kind: KindPurchase, Card: testCard, Amount: 300, Planned: 2}))
	turn(t, f, f.Idle)
	require.Len(t, e.answers[1], 1)
	require.True(t, e.answers[1][0].GivenUp)
	require.Equal(t, KindReversal, e.answers[1][0].Kind)
	require.Len(t, e.answers[2], 1)
	require.True(t, e.answers[2][0].Approved())
	require.EqualValues(t, 1, f.Stats().GivenUp)
	s.locked(func() {
		require.EqualValues(t, 300, s.debited)
		require.Equal(t, []string{"sale", "reversal", "reversal", "reversal", "sale"}, order)
	})
}

// The switch has lost the session's keys (A0 without a MAC): new keys, the same requests.
func TestFleetSignsOnAgainWhenAsked(t *testing.T) {
	s := startSwitch(t, testKey, iso8583.MACAESCMAC)
	s.misbehave = func(n int, _ *iso8583.Message) misdeed {
		if n <= 3 {
			return unsealedA0
		}
		return behave
	}
	f, e := newTestFleet(t, FleetConfig{Address: s.address(), Devices: deviceConfigs(1, 4)})
	for n := range 20 {
		require.NoError(t, f.Send(0, Request{Kind: KindPurchase, Card: testCard, Amount: 100, Planned: int64(n)}))
	}
	turn(t, f, f.Idle)
	require.Len(t, e.answers, 20)
	require.Positive(t, f.Stats().Hints)
	s.locked(func() {
		require.EqualValues(t, 2000, s.debited)
		require.GreaterOrEqual(t, s.signOns, 2)
	})
}

// A reversal that the caller asks for, of a sale that was answered.
func TestFleetReversesOnRequest(t *testing.T) {
	s := startSwitch(t, testKey, iso8583.MACAESCMAC)
	f, e := newTestFleet(t, FleetConfig{Address: s.address(), Devices: deviceConfigs(1, 2)})
	require.NoError(t, f.Send(0, Request{Kind: KindPurchase, Card: testCard, Amount: 900, Planned: 1}))
	turn(t, f, f.Idle)
	require.NoError(t, f.Repeat(0, e.answers[1][0].Trace))
	require.NoError(t, f.Send(0, Request{Kind: KindReversal, Trace: e.answers[1][0].Trace, Cause: CauseFault}))
	turn(t, f, f.Idle)
	require.Len(t, e.answers[1], 2, "the sale's answer and the reversal's: the repeat's was no news")
	require.Equal(t, KindReversal, e.answers[1][1].Kind)
	require.False(t, e.answers[1][1].GivenUp)
	turn(t, f, func() bool { return f.config.Memory.Len() == 3 })
	s.locked(func() { require.Zero(t, s.debited) })
}

// Receipts are written as verify --receipts reads them.
func TestMemoryFormat(t *testing.T) {
	m := NewMemory()
	m.Remember("10000001", &Answer{Authentic: true, Kind: KindPurchase, Code: Approved, Batch: 2, Trace: 77, Card: testCard, Amount: 1250, Reference: Reference([]byte("000000000123"))})
	m.Remember("10000001", &Answer{Authentic: true, Kind: KindReversal, Code: ResponseCode{'2', '5'}, Batch: 2, Trace: 77, Card: testCard, Amount: 1250})
	m.Remember("10000001", &Answer{Kind: KindPurchase})
	m.Remember("10000001", &Answer{Authentic: true, Kind: KindEcho})
	require.EqualValues(t, 2, m.Len())
	require.EqualValues(t, 1, m.Approved())
	require.EqualValues(t, 1, m.Refused())
	var out bytes.Buffer
	n, err := m.WriteTo(&out)
	require.NoError(t, err)
	b := out.Bytes()
	require.EqualValues(t, 16+2*48, n)
	require.Len(t, b, 16+2*48)
	require.Equal(t, "ONECARD-RCPT\x00\x00\x00\x01", string(b[:16]))
	require.Equal(t, "\x01\x0d00\x00\x00\x00\x02\x00\x00\x00\x4d10000001000000000123", string(b[16:48]))
	require.EqualValues(t, 1250, binary.BigEndian.Uint64(b[48:]))
	require.EqualValues(t, testCard, binary.BigEndian.Uint64(b[56:]))
	require.Equal(t, "\x02\x0f25", string(b[64:68]))

	var parts bytes.Buffer
	parts.Write(ReceiptsHeader())
	require.NoError(t, m.Spill(&parts))
	require.Equal(t, b, parts.Bytes())
	_, err = m.WriteTo(&out)
	require.Error(t, err)
}

// A reversal that is asked for while the link is down goes before the sales that wait, and is not forgotten.
func TestFleetReversesFirstAfterABrokenLink(t *testing.T) {
	s := startSwitch(t, testKey, iso8583.MACAESCMAC)
	var order []string
	s.misbehave = func(_ int, m *iso8583.Message) misdeed {
		order = append(order, map[bool]string{false: "sale", true: "reversal"}[m.MTI() == iso8583.MTIReversal])
		return behave
	}
	f, e := newTestFleet(t, FleetConfig{Address: s.address(), Devices: deviceConfigs(1, 1)})
	require.NoError(t, f.Send(0, Request{Kind: KindPurchase, Card: testCard, Amount: 900, Planned: 1}))
	turn(t, f, f.Idle)
	trace := e.answers[1][0].Trace
	require.ErrorIs(t, f.Send(0, Request{Kind: KindReversal, Trace: trace + 1}), ErrUnknown)
	f.Break(0)
	for n := range 40 { // more than the device remembers
		require.NoError(t, f.Send(0, Request{Kind: KindPurchase, Card: testCard, Amount: 1, Planned: int64(n + 2)}))
	}
	require.NoError(t, f.Send(0, Request{Kind: KindReversal, Trace: trace, Cause: CauseFault}))
	turn(t, f, f.Idle)
	require.Len(t, e.answers[1], 2)
	stats := f.Stats()
	require.Equal(t, stats.Sent, stats.Answered)
	s.locked(func() {
		require.Equal(t, "reversal", order[1])
		require.Len(t, order, 42)
		require.EqualValues(t, 40, s.debited)
	})
}

// A balance enquiry has no reversal (wire handbook 3.5): without an answer it is asked again.
func TestFleetRepeatsAnEnquiry(t *testing.T) {
	s := startSwitch(t, testKey, iso8583.MACAESCMAC)
	var mtis []iso8583.MTI
	s.misbehave = func(n int, m *iso8583.Message) misdeed {
		mtis = append(mtis, m.MTI())
		if n <= 2 {
			return swallow
		}
		return behave
	}
	f, e := newTestFleet(t, FleetConfig{Address: s.address(), Devices: deviceConfigs(1, 1), Deadline: 30 * time.Millisecond})
	require.NoError(t, f.Send(0, Request{Kind: KindBalance, Card: testCard, Planned: 1}))
	turn(t, f, f.Idle)
	require.Len(t, e.answers[1], 1)
	require.True(t, e.answers[1][0].Approved())
	require.Equal(t, KindBalance, e.answers[1][0].Kind)
	require.ErrorIs(t, f.Send(0, Request{Kind: KindReversal, Trace: e.answers[1][0].Trace}), ErrNoReversal)
	_, err := f.Device(0).Reversal(nil, e.answers[1][0].Trace, CauseFault)
	require.ErrorIs(t, err, ErrNoReversal)
	s.locked(func() { require.NotContains(t, mtis, iso8583.MTIReversal) })
}
