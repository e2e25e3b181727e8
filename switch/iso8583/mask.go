package iso8583

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// hiddenBytesMax is how many bytes of something secret are drawn: its length is said in words.
const hiddenBytesMax = 8

// cardDigitsMin is the shortest run of digits that may be a card number (ISO/IEC 7812).
const cardDigitsMin = 13

// veil says for each digit or character whether it is hidden.
type veil []bool

// cardVeil leaves the first six and last four digits of a card number; a short one keeps its last four, a very short one nothing.
func cardVeil(length int) veil {
	first, last := 6, 4
	if length < cardDigitsMin {
		first = 0
	}
	if length < 8 {
		last = 0
	}
	v := make(veil, length)
	for i := first; i < length-last; i++ {
		v[i] = true
	}
	return v
}

// textVeil hides the middle of every run of digits in a free text that is long enough to be a card number.
func textVeil(value []byte) veil {
	v := make(veil, len(value))
	for from := 0; from < len(value); from++ {
		to := from
		for to < len(value) && value[to] >= '0' && value[to] <= '9' {
			to++
		}
		if to-from >= cardDigitsMin {
			copy(v[from:], cardVeil(to-from))
		}
		from = max(from, to)
	}
	return v
}

func (v veil) at(i int) bool { return i < len(v) && v[i] }

// draw replaces what is hidden by asterisks.
func (v veil) draw(value []byte) []byte {
	out := []byte(string(value))
	for i := range out {
		if v.at(i) {
			out[i] = '*'
		}
	}
	return out
}

// hexPacked prints packed digits from the left, one character a nibble.
func (v veil) hexPacked(packed []byte) string {
	return string(v.draw([]byte(strings.ToUpper(hex.EncodeToString(packed)))))
}

// hexBytes prints bytes, two characters each.
func (v veil) hexBytes(value []byte) string {
	var b strings.Builder
	for i, c := range value {
		if v.at(i) {
			b.WriteString("**")
		} else {
			fmt.Fprintf(&b, "%02X", c)
		}
	}
	return b.String()
}

// hiddenWire stands for the bytes of something secret.
func hiddenWire(size int) string {
	if size > hiddenBytesMax {
		return strings.Repeat("**", hiddenBytesMax) + ".."
	}
	return strings.Repeat("**", size)
}

// readText decodes GBK; ok is false when it is no text.
func readText(value []byte) (string, bool) {
	decoded, err := simplifiedchinese.GBK.NewDecoder().Bytes(value)
	if err != nil {
		return "", false
	}
	for _, c := range string(decoded) {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			return "", false
		}
	}
	return string(decoded), true
}

// printable is text from a frame made fit for a screen: GBK decoded, and whatever could steer a terminal written as \x1B.
func printable(value []byte) string {
	if s, ok := readText(value); ok {
		return s
	}
	var b strings.Builder
	for _, c := range value {
		if c >= ' ' && c <= '~' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02X`, c)
		}
	}
	return b.String()
}
