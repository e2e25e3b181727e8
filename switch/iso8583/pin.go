package iso8583

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// PIN is four to twelve digits. It never prints.
type PIN string

func (PIN) String() string               { return "****" }
func (PIN) GoString() string             { return "****" }
func (PIN) MarshalText() ([]byte, error) { return []byte("****"), nil }

// Format keeps %x and %q from printing the digits.
func (PIN) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("****")) }

// ErrPINFormat says that a PIN block does not hold a PIN: the terminal uses another key, or the block was tampered with.
var ErrPINFormat = errors.New("not a PIN block")

// PINCipher enciphers and deciphers the PIN blocks of one session.
type PINCipher struct {
	scheme KeyScheme
	block  cipher.Block
}

// NewPINCipher prepares a PIN key.
func NewPINCipher(s KeyScheme, key Secret) (*PINCipher, error) {
	block, err := s.newCipher(key)
	if err != nil {
		return nil, fmt.Errorf("PIN key: %w", err)
	}
	return &PINCipher{s, block}, nil
}

// Field53 is the security control field that goes with a block: format with card number, algorithm, no track encryption.
func (c *PINCipher) Field53() string {
	switch c.scheme {
	case SchemeSM4:
		return "2300000000000000"
	case SchemeAES:
		return "4400000000000000"
	}
	return "2600000000000000"
}

// pinField is length and digits with filler F: ISO 9564-1 formats 0 and 4 begin alike.
func pinField(pin PIN, size int, control, filler byte) ([]byte, error) {
	if len(pin) < 4 || len(pin) > 12 {
		return nil, ErrPINFormat
	}
	out := make([]byte, size)
	for i := range out {
		out[i] = filler<<4 | filler
	}
	out[0] = control<<4 | byte(len(pin))
	for i := range len(pin) {
		d := pin[i] - '0'
		if d > 9 {
			return nil, ErrPINFormat
		}
		at := 1 + i/2
		if i%2 == 0 {
			out[at] = d<<4 | out[at]&0x0F
		} else {
			out[at] = out[at]&0xF0 | d
		}
	}
	return out, nil
}

// cardField is the twelve rightmost digits of the card number without the check digit, right-aligned.
func cardField(card uint64, size int) []byte {
	out := make([]byte, size)
	card = card / 10 % 1_000_000_000_000
	for i := size - 1; i >= size-6; i-- {
		out[i] = byte(card%10) | byte(card/10%10)<<4
		card /= 100
	}
	return out
}

// cardBlock4 is the card number block of ISO format 4: number of digits beyond 12, then the digits, zero filled.
func cardBlock4(card uint64) []byte {
	digits := fmt.Sprintf("%012d", card)
	text := fmt.Sprintf("%d%s", len(digits)-12, digits)
	out := make([]byte, 16)
	for i := range len(text) {
		out[i/2] |= (text[i] - '0') << (4 * (1 - i%2))
	}
	return out
}

// Encode makes F52: ISO format 0 under DES, the SM4 layout of wire handbook 3.8, ISO format 4 under AES. fill supplies the eight random
// bytes of format 4 and is not read otherwise.
func (c *PINCipher) Encode(pin PIN, card uint64, fill [8]byte) ([]byte, error) {
	switch c.scheme {
	case SchemeAES:
		field, err := pinField(pin, 16, 4, 0x0A)
		if err != nil {
			return nil, err
		}
		copy(field[8:], fill[:])
		c.block.Encrypt(field, field)
		subtle.XORBytes(field, field, cardBlock4(card))
		c.block.Encrypt(field, field)
		return field, nil
	default:
		size := c.block.BlockSize()
		field, err := pinField(pin, size, 0, 0x0F)
		if err != nil {
			return nil, err
		}
		subtle.XORBytes(field, field, cardField(card, size))
		c.block.Encrypt(field, field)
		return field, nil
	}
}

// Decode reads F52. ErrPINFormat means that the terminal must sign on again (response code 99).
func (c *PINCipher) Decode(block []byte, card uint64) (PIN, error) {
	size := c.block.BlockSize()
	if len(block) != size {
		return "", ErrPINFormat
	}
	field := make([]byte, size)
	c.block.Decrypt(field, block)
	control, filler := byte(0), byte(0x0F)
	if c.scheme == SchemeAES {
		subtle.XORBytes(field, field, cardBlock4(card))
		c.block.Decrypt(field, field)
		control, filler = 4, 0x0A
		field = field[:8] // the rest is random
	} else {
		subtle.XORBytes(field, field, cardField(card, size))
	}
	return readPIN(field, control, filler)
}

func readPIN(field []byte, control, filler byte) (PIN, error) {
	n := int(field[0] & 0x0F)
	if field[0]>>4 != control || n < 4 || n > 12 {
		return "", ErrPINFormat
	}
	digits := make([]byte, 0, 12)
	for i := range 2 * (len(field) - 1) {
		d := nibble(field[1:], i)
		switch {
		case i < n && d <= 9:
			digits = append(digits, '0'+d)
		case i >= n && d == filler:
		default:
			return "", ErrPINFormat
		}
	}
	return PIN(digits), nil
}

// PINValue is what is stored instead of a PIN: a keyed value of card and PIN, useless without the site's verification key. Never 0.
func PINValue(verification Secret, card uint64, pin PIN) (uint64, error) {
	mac, err := NewMAC(MACAESCMAC, verification)
	if err != nil {
		return 0, fmt.Errorf("PIN verification key: %w", err)
	}
	input := binary.BigEndian.AppendUint64([]byte("PVV1"), card)
	sum := mac.Sum(nil, append(input, pin...))
	return max(binary.BigEndian.Uint64(sum[:]), 1), nil
}
