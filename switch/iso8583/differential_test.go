package iso8583

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	moov "github.com/moov-io/iso8583"
)

// oracle reads the same payload with both codecs and compares everything that can be told about it.
type oracle struct {
	specs   map[int]*moov.MessageSpec
	message Message
	builder Builder
	buffer  []byte
}

func newOracle() *oracle {
	return &oracle{specs: map[int]*moov.MessageSpec{8: TerminalSpec(8), 16: TerminalSpec(16)}, buffer: make([]byte, 0, 2*MaxPayload)}
}

// compare reports whether both accepted. They must agree on acceptance, on the fault and its field, on every value, and on the bytes when
// the message is packed again.
func (o *oracle) compare(t testing.TB, payload []byte, pinBlockLength int) bool {
	hot := o.message.parseAny(payload, pinBlockLength)
	other, err := readOther(o.specs[pinBlockLength], payload)
	if FaultOf(hot) != FaultOf(err) || FieldOf(hot) != FieldOf(err) || (hot == nil) != (err == nil) {
		t.Fatalf("hot codec: %v; moov: %v\n%x", hot, err, payload)
	}
	if hot != nil {
		return false
	}
	for n := 2; n <= 64; n++ {
		o.compareField(t, other, n)
	}
	packed, err := other.Pack()
	if err != nil {
		t.Fatalf("moov does not pack what it read: %v\n%x", err, payload)
	}
	for _, asNumbers := range []bool{false, true} {
		if rebuilt := o.rebuild(other, asNumbers); !bytes.Equal(packed, rebuilt) {
			t.Fatalf("packed by moov and by the builder (as numbers %v):\n%x\n%x", asNumbers, packed, rebuilt)
		}
	}
	if canonical := canonicalPads(&o.message, payload); !bytes.Equal(packed[PrefixSize:], canonical) {
		t.Fatalf("packed again:\n%x\nread:\n%x", packed[PrefixSize:], canonical)
	}
	return true
}

func (o *oracle) compareField(t testing.TB, other *OtherMessage, n int) {
	m := &o.message
	if m.Has(n) != other.Has(n) || !bytes.Equal(m.Wire(n), other.Wire(n)) {
		t.Fatalf("field %d on the wire: hot %x, moov %x", n, m.Wire(n), other.Wire(n))
	}
	if !m.Has(n) {
		return
	}
	f := &fields[n]
	value := string(other.Value(n))
	if !f.packed() {
		if value != string(m.Value(n)) {
			t.Fatalf("field %d: hot %x, moov %x", n, m.Value(n), value)
		}
		return
	}
	skip := 0
	if f.format == numberRight {
		skip = m.Digits(n) % 2
	}
	digits := make([]byte, m.Digits(n))
	for i := range digits {
		digits[i] = "0123456789...D"[nibble(m.Value(n), i+skip)]
	}
	if string(digits) != value {
		t.Fatalf("field %d: hot %s, moov %s", n, digits, value)
	}
	number, ok := m.Number(n)
	want, possible := decimal(value)
	if f.format == track || f.format == trackLLL {
		want, possible = 0, false // a track is no number, separator or not
	}
	if ok != possible || number != want {
		t.Fatalf("field %d: Number %d %v of %q", n, number, ok, value)
	}
}

// decimal is Number told another way.
func decimal(digits string) (value uint64, ok bool) {
	if digits == "" || len(digits) > 19 {
		return 0, false
	}
	for _, c := range digits {
		value = value*10 + uint64(c-'0')
	}
	return value, true
}

// rebuild writes the message with the builder, from the values that moov read: as digits, or as numbers where they fit one.
func (o *oracle) rebuild(other *OtherMessage, asNumbers bool) []byte {
	b := &o.builder
	b.Request(o.buffer[:0], other.tpdu, other.header, other.mti)
	for n := 2; n <= 64; n++ {
		value := other.Value(n)
		switch f := &fields[n]; {
		case value == nil:
		case asNumbers && f.packed() && f.prefixSize() == 0:
			number, _ := decimal(string(value))
			b.Number(n, number)
		case asNumbers && (f.format == numberLL || f.format == numberLLL) && len(value) <= 19:
			number, _ := decimal(string(value))
			b.Variable(n, number, len(value))
		case f.packed():
			b.Digits(n, string(value))
		default:
			b.Bytes(n, value)
		}
	}
	return b.Finish(nil, nil)
}

// canonicalPads returns a copy of the payload with every pad nibble 0.
func canonicalPads(m *Message, payload []byte) []byte {
	out := bytes.Clone(payload)
	for n := 2; n <= 64; n++ {
		if f := &fields[n]; m.Has(n) && f.packed() && f.format != numberRight && m.Digits(n)%2 == 1 {
			out[m.place(n).end-1] &= 0xF0
		}
	}
	return out
}

// moreSeeds are messages with the fields that the vectors lack, one with F pad nibbles.
func moreSeeds(t testing.TB) [][]byte {
	c := NewOtherCodec()
	all := c.NewMessage([5]byte{0x60, 0, 3, 0, 1}, [6]byte{0x61, 0x32, 0, 0x32, 1, 2}, MTIFinancial)
	for n, value := range map[int]string{
		2: "915600010000001", 3: "000000", 4: "000000000000", 7: "0921123456", 11: "000012", 14: "2712", 22: "051", 23: "001", 25: "00", 26: "12", 32: "12345678901",
		35: "6217000012345678=27121010000012345", 36: strings.Repeat("12345D67890", 9) + "12345", 43: "\xca\xb3\xcc\xc3" + strings.Repeat(" ", 36), 44: "0309       4843       ",
		45: "B6217^X", 46: "v", 48: "123", 52: "\x01\x02\x03\x04\x05\x06\x07\x08", 53: "2600000000000000", 54: "1002156C000000012345", 55: "\x9f\x26\x01\x00",
		56: "00\xb3\xc9\xb9\xa6", 57: "", 58: "x", 59: "C10011C5001I", 61: "00000100012309211", 62: "Sequence No", 63: "001", 64: "12345678",
	} {
		all.Set(n, value)
	}
	long := c.NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x0100).Set(11, "000001").Set(52, "sixteen bytes...").Set(64, "\x00\xff\x00\xff\x00\xff\x00\xff")
	var seeds [][]byte
	for _, m := range []*OtherMessage{all, long, c.NewMessage([5]byte{0x60}, [6]byte{0x60}, MTISignOn)} {
		frame, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, frame[PrefixSize:])
	}
	var m Message
	if err := m.Parse(seeds[0], 8); err != nil {
		t.Fatal(err)
	}
	padded := bytes.Clone(seeds[0])
	for n := 2; n <= 64; n++ {
		if f := &fields[n]; m.Has(n) && f.packed() && f.format != numberRight && m.Digits(n)%2 == 1 {
			padded[m.place(n).end-1] |= 0x0F
		}
	}
	return append(seeds, padded)
}

func seeds(t testing.TB) [][]byte {
	all := moreSeeds(t)
	for _, v := range vectors(t) {
		all = append(all, v.frame[PrefixSize:])
	}
	return all
}

// FuzzDifferential: moov is the oracle of the hot codec. `make fuzz` runs it.
func FuzzDifferential(f *testing.F) {
	random := rand.New(rand.NewPCG(8583, 1987))
	for _, seed := range seeds(f) {
		f.Add(seed, false)
		f.Add(seed, true)
		for range 4 {
			f.Add(mutate(random, bytes.Clone(seed)), random.IntN(2) == 0)
		}
	}
	o := newOracle()
	f.Fuzz(func(t *testing.T, payload []byte, long bool) {
		length := 8
		if long {
			length = 16
		}
		o.compare(t, payload, length)
	})
}

// TestPitfall11Mutations: the handbook's 20,000 random mutations and truncations, and some more: no panic, and never a difference
// between the codecs. Enough of them must still be good messages, or the test would only prove that garbage is refused.
func TestPitfall11Mutations(t *testing.T) {
	random := rand.New(rand.NewPCG(20, 1000))
	o := newOracle()
	all := seeds(t)
	accepted := 0
	var faults [faultCount]int
	for range 24_000 {
		payload := mutate(random, bytes.Clone(all[random.IntN(len(all))]))
		if o.compare(t, payload, 8<<random.IntN(2)) {
			accepted++
		}
		faults[FaultOf(o.message.parseAny(payload, 8))]++
	}
	if accepted < 2_400 {
		t.Errorf("only %d mutations were accepted", accepted)
	}
	for fault := FaultLength; fault < faultCount; fault++ {
		if faults[fault] == 0 && fault != FaultOtherMTI {
			t.Errorf("no mutation met fault %s", fault.Label())
		}
	}
}

// mutate changes a payload in one to three places the way lines, vendors and attackers do.
func mutate(random *rand.Rand, p []byte) []byte {
	for range 1 + random.IntN(3) {
		if len(p) == 0 {
			return p
		}
		at := random.IntN(len(p))
		switch random.IntN(8) {
		case 0: // truncated
			p = p[:at]
		case 1: // bytes lost
			p = append(p[:at], p[min(at+1+random.IntN(3), len(p)):]...)
		case 2: // bytes more
			p = append(p, byte(random.Uint32()))
		case 3: // a nibble that is no digit
			p[at] |= 0x0A << (4 * random.IntN(2))
		case 4: // a bit of the bitmap
			if len(p) >= fieldsAt {
				bitmap := binary.BigEndian.Uint64(p[bitmapAt:]) ^ 1<<random.IntN(64)
				binary.BigEndian.PutUint64(p[bitmapAt:], bitmap)
			}
		case 5: // digits stay digits
			p[at] = byte(random.IntN(10)<<4 | random.IntN(10))
		case 6: // another message
			if len(p) >= fieldsAt {
				binary.BigEndian.PutUint16(p[mtiAt:], [...]uint16{0x0100, 0x0200, 0x0320, 0x0500, 0x0620, 0x0820}[random.IntN(6)])
			}
		default:
			p[at] ^= 1 << random.IntN(8)
		}
	}
	return p
}
