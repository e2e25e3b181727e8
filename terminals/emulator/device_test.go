package emulator

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// vectors are the frames of the conformance material (wire handbook 6), by name.
func vectors(t *testing.T) map[string][]byte {
	contents, err := os.ReadFile("../../switch/iso8583/testdata/terminal-frames.txt")
	require.NoError(t, err)
	frames := map[string][]byte{}
	for line := range strings.Lines(string(contents)) {
		parts := strings.Fields(line)
		if len(parts) == 0 || parts[0] == "#" {
			continue
		}
		frame, err := hex.DecodeString(parts[len(parts)-1])
		require.NoError(t, err)
		frames[strings.Join(parts[:len(parts)-1], " ")] = frame
	}
	return frames
}

const (
	vectorCard = uint64(6217000012345678)
	vectorPIN  = iso8583.PIN("123456")
)

// vectorDevice is the terminal of the vectors, signed on with their keys.
func vectorDevice(t *testing.T, v map[string][]byte) *Device {
	d, err := New(DeviceConfig{Code: "10016919", Merchant: merchant, Key: testKey, Mode: iso8583.MACCUPDES, Serial: "Sequence No12SDKPOS0001"})
	require.NoError(t, err)
	d.fresh = false // the vectors go on in the batch that they are granted
	require.Equal(t, v["0800 sign-on 003"], d.SignOn(nil))
	a, err := d.Receive(v["0810 sign-on resp"])
	require.NoError(t, err)
	require.True(t, a.Approved())
	require.EqualValues(t, 1, d.Batch())
	return d
}

// Every vector that a terminal sends comes out byte for byte, and every one that it receives is understood (wire handbook 3 and 6).
func TestVectors(t *testing.T) {
	v := vectors(t)
	d := vectorDevice(t, v)
	require.Equal(t, v["0820 echo 301"], d.Echo(nil))
	a, err := d.Receive(v["0830 echo resp"])
	require.NoError(t, err)
	require.Equal(t, KindEcho, a.Kind)

	frame, err := d.Balance(nil, vectorCard)
	require.NoError(t, err)
	require.Equal(t, v["0200 balance"], frame)
	a, err = d.Receive(v["0210 balance resp"])
	require.NoError(t, err)
	require.True(t, a.Approved())
	require.Equal(t, "123.45", a.Balance.String())

	d.newest = 122
	frame, err = d.Purchase(nil, vectorCard, 1250, "")
	require.NoError(t, err)
	require.Equal(t, v["0200 purchase"], frame)
	a, err = d.Receive(v["0210 purchase approved"])
	require.NoError(t, err)
	require.True(t, a.Approved())
	require.Equal(t, "260921000123", a.Reference.String())
	a, err = d.Receive(v["0210 purchase no funds 51"])
	require.NoError(t, err)
	require.Equal(t, "51", a.Code.String())
	require.True(t, a.Repeated)

	frame, err = d.Reversal(nil, 123, CauseNoAnswer)
	require.NoError(t, err)
	require.Equal(t, v["0400 reversal 98"], frame)
	a, err = d.Receive(v["0410 reversal resp"])
	require.NoError(t, err)
	require.True(t, a.Approved())

	d.newest = 125
	frame, err = d.Load(nil, vectorCard, 10000, vectorPIN)
	require.NoError(t, err)
	require.Equal(t, v["0200 load 600000 PIN"], frame)

	d.newest = 127
	require.Equal(t, v["0820 sign-off"], d.SignOff(nil))
	_, err = d.Receive(v["0830 sign-off resp"])
	require.NoError(t, err)
	require.False(t, d.SignedOn())
}

// Each bit of an answer that is flipped is noticed, or is in what no MAC covers (length, TPDU, header).
func TestFlippedBitsOfAnAnswer(t *testing.T) {
	v := vectors(t)
	d := vectorDevice(t, v)
	d.newest = 122
	_, err := d.Purchase(nil, vectorCard, 1250, "")
	require.NoError(t, err)
	frame := v["0210 purchase approved"]
	for bit := 13 * 8; bit < len(frame)*8; bit++ {
		bad := append([]byte(nil), frame...)
		bad[bit/8] ^= 1 << (bit % 8)
		a, err := d.Receive(bad)
		require.False(t, err == nil && a.Authentic, "bit %d", bit)
		require.Equal(t, 1, d.Waiting())
	}
}

// A wrong check value, another terminal's keys: they must not be used (wire handbook 3.3).
func TestWrongKeysAreNotInstalled(t *testing.T) {
	v := vectors(t)
	for _, at := range []int{10, len(v["0810 sign-on resp"]) - 1} { // the last byte is the MAC key's check value
		d, err := New(DeviceConfig{Code: "10016919", Merchant: merchant, Key: testKey, Mode: iso8583.MACCUPDES})
		require.NoError(t, err)
		d.SignOn(nil)
		bad := append([]byte(nil), v["0810 sign-on resp"]...)
		bad[at] ^= 1
		a, err := d.Receive(bad)
		if at == 10 { // in the header: not covered by anything
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, iso8583.ErrCheckValue)
		require.False(t, a.Authentic)
		require.False(t, d.SignedOn())
	}
}

// signedOnDevice has keys of a fake switch and a function that approves a frame.
func signedOnDevice(t testing.TB, c DeviceConfig) (*Device, func(frame []byte) []byte) {
	f := &fakeSwitch{t: t, key: testKey, mode: c.Mode, decided: map[identity]decision{}, reversed: map[identity]bool{}}
	c.Key = testKey
	d, err := New(c)
	require.NoError(t, err)
	s := &talk{}
	answer := func(frame []byte) []byte {
		require.NoError(t, s.message.Parse(frame[iso8583.PrefixSize:], iso8583.SchemeOf(c.Mode).PINBlockLength()))
		reply, _ := f.answer(s)
		return reply
	}
	_, err = d.Receive(answer(d.SignOn(nil)))
	require.NoError(t, err)
	return d, answer
}

// Traces count to 999999 and begin again at 1 in the next batch, so that a number is used once in a batch.
func TestTraceRolls(t *testing.T) {
	d, answer := signedOnDevice(t, DeviceConfig{Code: "10016919", Merchant: merchant, Mode: iso8583.MACAESCMAC, Batch: 999_999, Trace: 999_996})
	require.EqualValues(t, 999_997, d.Trace())
	seen := map[[2]uint32]bool{}
	for range 5 {
		frame, err := d.Purchase(nil, testCard, 1, "")
		require.NoError(t, err)
		a, err := d.Receive(answer(frame))
		require.NoError(t, err)
		require.True(t, a.Approved())
		require.False(t, seen[[2]uint32{a.Batch, a.Trace}])
		seen[[2]uint32{a.Batch, a.Trace}] = true
	}
	require.EqualValues(t, 1, d.Batch())
	require.EqualValues(t, 3, d.Trace())
	require.True(t, seen[[2]uint32{999_999, 999_999}])
}

// A batch only goes forward.
func TestBatchGoesForward(t *testing.T) {
	d := &Device{batch: 7}
	d.adopt(5)
	require.EqualValues(t, 7, d.batch)
	d.adopt(9)
	require.EqualValues(t, 9, d.batch)
	d.batch = 999_999
	d.adopt(1)
	require.EqualValues(t, 1, d.batch)
	d.fresh = true
	d.adopt(999_999)
	require.EqualValues(t, 1, d.batch)
}

// No more may wait than the switch remembers, and nothing may be left behind further than that.
func TestRoom(t *testing.T) {
	d, answer := signedOnDevice(t, DeviceConfig{Code: "10016919", Merchant: merchant, Mode: iso8583.MACAESCMAC, InFlight: 4})
	first, err := d.Purchase(nil, testCard, 1, "")
	require.NoError(t, err)
	for range len(d.slots) - 1 {
		frame, err := d.Purchase(nil, testCard, 1, "")
		require.NoError(t, err)
		_, err = d.Receive(answer(frame))
		require.NoError(t, err)
	}
	require.Equal(t, 1, d.Waiting())
	_, err = d.Purchase(nil, testCard, 1, "")
	require.ErrorIs(t, err, ErrFull, "the oldest has been left behind too far")
	_, err = d.Receive(answer(first))
	require.NoError(t, err)
	for range 4 {
		_, err = d.Purchase(nil, testCard, 1, "")
		require.NoError(t, err)
	}
	_, err = d.Purchase(nil, testCard, 1, "")
	require.ErrorIs(t, err, ErrFull)
	_, err = d.Repeat(nil, 77)
	require.ErrorIs(t, err, ErrUnknown)
}

// A repeat is the same bytes, PIN block and all; under new keys it is the same contents.
func TestRepeat(t *testing.T) {
	d, answer := signedOnDevice(t, DeviceConfig{Code: "10016919", Merchant: merchant, Mode: iso8583.MACAESCMAC})
	frame, err := d.Purchase(nil, testCard, 1, "123456")
	require.NoError(t, err)
	again, err := d.Repeat(nil, d.Trace())
	require.NoError(t, err)
	require.Equal(t, frame, again)
	trace := d.Trace()
	_, err = d.Receive(answer(d.SignOn(nil)))
	require.NoError(t, err)
	under, err := d.Repeat(nil, trace)
	require.NoError(t, err)
	require.Len(t, under, len(frame))
	require.NotEqual(t, frame[len(frame)-8:], under[len(under)-8:])
	a, err := d.Receive(answer(under))
	require.NoError(t, err)
	require.True(t, a.Approved())
	require.Equal(t, trace, a.Trace)
}

// A stamped purchase is the composed one, whatever the card, amount, trace and batch.
func TestStampedIsComposed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mode := iso8583.MACMode(rapid.IntRange(int(iso8583.MACCUPDES), int(iso8583.MACAESCMAC)).Draw(t, "mode"))
		d, err := New(DeviceConfig{Code: "10016919", Merchant: merchant, Key: testKey, Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if d.mac, err = iso8583.NewMAC(mode, testKey); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			s := &slot{
				request: Request{Kind: KindPurchase, Card: rapid.Uint64Range(1e15, 1e16-1).Draw(t, "card"), Amount: money.Fen(rapid.Int64Range(0, 999_999_999_999).Draw(t, "amount"))},
				batch:   rapid.Uint32Range(1, 3).Draw(t, "batch"), trace: rapid.Uint32Range(1, numberMost).Draw(t, "trace"),
			}
			stamped := d.stamp([]byte("before"), s)
			composed := d.compose([]byte("before"), s, false)
			if !bytes.Equal(stamped, composed) {
				t.Fatalf("stamped  %x\ncomposed %x", stamped, composed)
			}
			if !bytes.Equal(s.mac[:], composed[len(composed)-iso8583.MACSize:]) {
				t.Fatal("the MAC that binds the answer")
			}
		}
	})
}

// A purchase and its answer allocate nothing.
func TestPurchaseAllocatesNothing(t *testing.T) {
	d, answer := signedOnDevice(t, DeviceConfig{Code: "10016919", Merchant: merchant, Mode: iso8583.MACAESCMAC})
	frame, err := d.Purchase(nil, testCard, 1250, "")
	require.NoError(t, err)
	reply := answer(frame)
	dst := make([]byte, 0, 512)
	var a Answer
	r := Request{Kind: KindPurchase, Card: testCard, Amount: 1250}
	s := &d.slots[d.Trace()%uint32(len(d.slots))]
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, _, err := d.Append(dst, &r); err != nil {
			t.Fatal(err)
		}
		d.newest-- // the same trace again, so that the answer at hand fits
		d.waiting--
		s.original = phaseWaiting
		if err := d.receive(reply[iso8583.PrefixSize:], &a); err != nil || !a.Authentic {
			t.Fatal(err)
		}
		d.waiting++
		d.slots[(d.newest+1)%uint32(len(d.slots))] = slot{}
	}))
}

func BenchmarkDevice(b *testing.B) {
	d, answer := signedOnDevice(b, DeviceConfig{Code: "10016919", Merchant: merchant, Mode: iso8583.MACAESCMAC})
	frame, _ := d.Purchase(nil, testCard, 1250, "")
	reply := answer(frame)
	trace := d.Trace()
	var a Answer
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 512)
		for b.Loop() {
			_, _ = d.Repeat(dst, trace)
		}
	})
	b.Run("receive", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = d.receive(reply[iso8583.PrefixSize:], &a)
		}
	})
}
