package iso8583

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
)

// BankFraming is how messages follow each other on a bank's line.
type BankFraming string

// Framings: four ASCII digits or two bytes, of the length that follows.
const (
	FramingASCII4  BankFraming = "ascii4"
	FramingBinary2 BankFraming = "binary2"
)

// maxBankFrame bounds a message of the bank link.
const maxBankFrame = 4096

// AppendBankFrame puts the length before a payload.
func AppendBankFrame(dst []byte, framing BankFraming, payload []byte) []byte {
	if framing == FramingBinary2 {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	} else {
		dst = fmt.Appendf(dst, "%04d", len(payload))
	}
	return append(dst, payload...)
}

// ReadBankFrame reads one payload. Length 0 is a heartbeat that some banks send and is returned as an empty payload.
func ReadBankFrame(r *bufio.Reader, framing BankFraming) ([]byte, error) {
	var prefix [4]byte
	size := 4
	if framing == FramingBinary2 {
		size = 2
	}
	if _, err := io.ReadFull(r, prefix[:size]); err != nil {
		return nil, err
	}
	length := 0
	if framing == FramingBinary2 {
		length = int(binary.BigEndian.Uint16(prefix[:]))
	} else {
		n, err := strconv.ParseUint(string(prefix[:]), 10, 16)
		if err != nil {
			return nil, fmt.Errorf("bank frame length %q is not four digits", prefix)
		}
		length = int(n)
	}
	if length > maxBankFrame {
		return nil, fmt.Errorf("bank frame of %d bytes, at most %d", length, maxBankFrame)
	}
	payload := make([]byte, length)
	_, err := io.ReadFull(r, payload)
	return payload, err
}
