package iso8583

import (
	"fmt"
	"strconv"

	moov "github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
)

// TerminalSpec is the moov specification of the terminal link "Campus-POS v1" (wire handbook 5.1), made from the same table as the hot
// codec. pinBlockLength is the length of F52: 8 or 16.
//
// Nothing in it is moov's own but the bitmap: its BCD encoders rebuild a lookup table for every field of every message (54 us for a
// purchase instead of 3.6), take F for a digit and refuse a track's D. There is no Pad anywhere: unpadding strips the zeros of an amount.
// moov leaves bit 1 and what stands behind the last field unchecked, so a message is read through OtherCodec, never with the bare
// specification.
func TerminalSpec(pinBlockLength int) *moov.MessageSpec {
	all := map[int]field.Field{
		0: field.NewString(&field.Spec{Length: 4, Description: "MTI", Enc: packedDigits{}, Pref: fixedLength{}}),
		1: field.NewBitmap(&field.Spec{Length: 8, Description: "bitmap", Enc: encoding.Binary, Pref: prefix.Binary.Fixed, DisableAutoExpand: true}),
	}
	for n := range fields {
		f := &fields[n]
		spec := &field.Spec{Length: f.length, Description: "F" + strconv.Itoa(n) + " " + f.en, Enc: f.encoder(), Pref: f.prefixer()}
		switch {
		case f.format == absent:
			continue
		case f.format == pinBlock:
			spec.Length = pinBlockLength
		}
		if f.packed() {
			all[n] = field.NewString(spec)
		} else {
			all[n] = field.NewBinary(spec) // text too: F43, F44, F56 and F63 carry GBK (pitfall 8)
		}
	}
	return &moov.MessageSpec{Name: "Campus-POS v1", Fields: all}
}

// packed says whether two digits stand in a byte.
func (f *layout) packed() bool { return f.format <= trackLLL }

// prefixSize is the number of length bytes before a field.
func (f *layout) prefixSize() int {
	switch f.format {
	case numberLL, track, textLL:
		return 1
	case numberLLL, trackLLL, textLLL:
		return 2
	}
	return 0
}

func (f *layout) encoder() encoding.Encoder {
	switch {
	case f.format == numberRight:
		return packedRight{}
	case f.format == track || f.format == trackLLL:
		return packedTrack{}
	case f.packed():
		return packedDigits{}
	}
	return plainBytes{}
}

func (f *layout) prefixer() prefix.Prefixer {
	switch size := f.prefixSize(); {
	case size > 0:
		return packedLength{size}
	case f.format == pinBlock:
		return pinBlockLength{}
	}
	return fixedLength{}
}

// The encoders below return the errors of the hot codec, so that both sides of the differential test name the same fault. Values are
// ASCII digits, one a character, exactly as many as the field has.

// packedDigits is BCD from the left; an odd number is followed by a pad nibble, written as 0, read as 0 or F.
type packedDigits struct{}

func (packedDigits) Encode(digits []byte) ([]byte, error) { return packNibbles(digits, false) }

func (packedDigits) Decode(data []byte, digits int) ([]byte, int, error) {
	return unpackNibbles(data, digits, false)
}

// packedTrack is packedDigits with the separator D between the digits.
type packedTrack struct{}

func (packedTrack) Encode(digits []byte) ([]byte, error) { return packNibbles(digits, true) }

func (packedTrack) Decode(data []byte, digits int) ([]byte, int, error) {
	return unpackNibbles(data, digits, true)
}

// packedRight is BCD from the right: an odd number stands behind a 0 nibble (F23).
type packedRight struct{}

func (packedRight) Encode(digits []byte) ([]byte, error) {
	if len(digits)%2 == 1 {
		digits = append([]byte{'0'}, digits...)
	}
	return packNibbles(digits, false)
}

func (packedRight) Decode(data []byte, digits int) ([]byte, int, error) {
	odd := digits % 2
	out, read, err := unpackNibbles(data, digits+odd, false)
	if err != nil {
		return nil, 0, err
	}
	if odd == 1 && out[0] != '0' {
		return nil, 0, parseErrors[0][FaultNibble]
	}
	return out[odd:], read, nil
}

func packNibbles(digits []byte, separator bool) ([]byte, error) {
	out := make([]byte, (len(digits)+1)/2)
	for i, c := range digits {
		n := c - '0'
		if separator && (c == 'D' || c == '=') {
			n = 0x0D
		} else if n > 9 {
			return nil, parseErrors[0][FaultNibble]
		}
		out[i/2] |= n << (4 * (1 - i%2))
	}
	return out, nil
}

func unpackNibbles(data []byte, digits int, separator bool) ([]byte, int, error) {
	size := (digits + 1) / 2
	if size > len(data) {
		return nil, 0, parseErrors[0][FaultTruncated]
	}
	if pad := data[max(size-1, 0):size]; digits%2 == 1 && pad[0]&0x0F != 0 && pad[0]&0x0F != 0x0F {
		return nil, 0, parseErrors[0][FaultNibble]
	}
	out := make([]byte, digits)
	for i := range out {
		n := data[i/2] >> (4 * (1 - i%2)) & 0x0F
		switch {
		case n <= 9:
			out[i] = '0' + n
		case separator && n == 0x0D:
			out[i] = 'D'
		default:
			return nil, 0, parseErrors[0][FaultNibble]
		}
	}
	return out, size, nil
}

// plainBytes are bytes as they are. What is read is part of the payload, not a copy: moov's own encoder copies the whole rest of the
// message for every field.
type plainBytes struct{}

func (plainBytes) Encode(data []byte) ([]byte, error) { return data, nil }

func (plainBytes) Decode(data []byte, length int) ([]byte, int, error) {
	if length > len(data) {
		return nil, 0, parseErrors[0][FaultTruncated]
	}
	return data[:length:length], length, nil
}

// packedLength is LL in one BCD byte or LLL in two, counting digits of packed fields and bytes of others.
type packedLength struct{ bytes int }

func (p packedLength) EncodeLength(most, length int) ([]byte, error) {
	if length > most || p.bytes == 1 && length > 99 {
		return nil, parseErrors[0][FaultTooLong]
	}
	// The capacity is for the value that moov appends.
	out := make([]byte, 0, p.bytes+length)
	if p.bytes == 2 {
		out = append(out, byte(length/100))
	}
	return append(out, byte(length/10%10<<4|length%10)), nil
}

func (p packedLength) DecodeLength(most int, data []byte) (length, read int, err error) {
	if len(data) < p.bytes {
		return 0, 0, parseErrors[0][FaultTruncated]
	}
	for _, b := range data[:p.bytes] {
		if !isBCD(b) {
			return 0, 0, parseErrors[0][FaultLengthField]
		}
		length = length*100 + int(b>>4)*10 + int(b&0x0F)
	}
	if length > most {
		return 0, 0, parseErrors[0][FaultTooLong]
	}
	return length, p.bytes, nil
}

func (p packedLength) Inspect() string { return "packed." + "LLL"[:p.bytes+1] }

// fixedLength has no length bytes.
type fixedLength struct{}

func (fixedLength) EncodeLength(fixed, length int) ([]byte, error) {
	if length != fixed {
		return nil, fmt.Errorf("length %d, %d expected", length, fixed)
	}
	return nil, nil
}

func (fixedLength) DecodeLength(fixed int, _ []byte) (length, read int, err error) {
	return fixed, 0, nil
}

func (fixedLength) Inspect() string { return "packed.Fixed" }

// pinBlockLength reads the length of the specification and writes either, so that one specification writes every message.
type pinBlockLength struct{ fixedLength }

func (p pinBlockLength) EncodeLength(_, length int) ([]byte, error) {
	if length == 8 {
		return nil, nil
	}
	return p.fixedLength.EncodeLength(16, length)
}
