package iso8583

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// asNew reads a payload with a message that remembers a shape and with one that remembers none: whatever is remembered, both must say the
// same of it. It returns whether the shape fitted.
func asNew(t testing.TB, m *Message, payload []byte, pinBlockLength int) bool {
	var fresh Message
	err, want := m.parseAny(payload, pinBlockLength), fresh.parseAny(payload, pinBlockLength)
	alike := m.alike
	if err != want || m.MTI() != fresh.MTI() || m.Bitmap() != fresh.Bitmap() {
		t.Fatalf("remembering %v, else %v\n%x", err, want, payload)
	}
	for n := 2; n <= 64; n++ {
		number, ok := m.Number(n)
		wantNumber, wantOK := fresh.Number(n)
		if !bytes.Equal(m.Wire(n), fresh.Wire(n)) || !bytes.Equal(m.Value(n), fresh.Value(n)) || m.Digits(n) != fresh.Digits(n) || number != wantNumber || ok != wantOK {
			t.Fatalf("field %d: remembering %x, else %x\n%x", n, m.Wire(n), fresh.Wire(n), payload)
		}
	}
	var e, wantEcho Echo
	if err == nil {
		m.Echo(&e)
		fresh.Echo(&wantEcho)
	}
	if e != wantEcho || !bytes.Equal(m.MAB(), fresh.MAB()) {
		t.Fatalf("echo or MAB differ\n%x", payload)
	}
	return alike
}

// remember makes a message that has read another twice.
func remember(payload []byte, pinBlockLength int) *Message {
	m := new(Message)
	_, _ = m.parseAny(payload, pinBlockLength), m.parseAny(payload, pinBlockLength)
	return m
}

// TestShapeChangesNothing: after any message, any other one reads as if it were the first. Every bit of it is changed in turn, so every demand of
// the shape is met by what breaks it; then come changes of more than one place.
func TestShapeChangesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(85, 83))
	fitted := 0
	for _, seed := range seeds(t) {
		m := remember(seed, 8)
		try := func(payload []byte) {
			if asNew(t, m, payload, 8<<(random.IntN(4)/3)) {
				fitted++
			}
			if !asNew(t, m, seed, 8) { // what was tried has driven the shape out
				m = remember(seed, 8)
			}
		}
		for bit := range 8 * len(seed) {
			payload := bytes.Clone(seed)
			payload[bit/8] ^= 1 << (bit % 8)
			try(payload)
		}
		for range 300 {
			try(mutate(random, bytes.Clone(seed)))
		}
	}
	require.Greater(t, fitted, 1000, "the shape was hardly used")
}

// TestShapeStays: a message of another kind now and then does not drive out what comes all the time, and two in a row do.
func TestShapeStays(t *testing.T) {
	often, other := frameOf(t, "0200 purchase")[PrefixSize:], frameOf(t, "0210 purchase approved")[PrefixSize:]
	m := remember(often, 8)
	for range 3 {
		require.False(t, asNew(t, m, other, 8))
		require.True(t, asNew(t, m, often, 8))
	}
	require.False(t, asNew(t, m, other, 8))
	require.False(t, asNew(t, m, other, 8))
	require.True(t, asNew(t, m, other, 8))
}

// FuzzShape: TestShapeChangesNothing for any two messages.
func FuzzShape(f *testing.F) {
	random := rand.New(rand.NewPCG(20, 26))
	for _, seed := range seeds(f) {
		for range 8 {
			f.Add(seed, mutate(random, bytes.Clone(seed)), random.IntN(2) == 0)
		}
	}
	f.Fuzz(func(t *testing.T, before, payload []byte, long bool) {
		length := 8
		if long {
			length = 16
		}
		m := remember(before, length)
		asNew(t, m, before, length)
		asNew(t, m, payload, length)
	})
}
