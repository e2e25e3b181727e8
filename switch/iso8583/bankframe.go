package iso8583

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// BankFraming is how messages follow each other on a bank's line.
type BankFraming string

// Framings: four or six ASCII digits or two bytes of the length that follows, or the header of CUPS, whose length counts itself.
const (
	FramingASCII4  BankFraming = "ascii4"
	FramingASCII6  BankFraming = "ascii6"
	FramingBinary2 BankFraming = "binary2"
	FramingCUPS46  BankFraming = "cups46"
)

// maxBankFrame bounds a message of the bank link.
const maxBankFrame = 4096

// The header of CUPS (wire handbook 5.2):
//
//	offset  0   1   2      6             17        28     31     32         40   41
//	        2E  02  len 4  destination 11  source 11  rsv 3  batch  txn 8  user  reject 5  message
//
// len is the number of bytes of header and message in four digits; stations are filled up with spaces; rsv is zeros, batch and user are
// theirs who care for them; txn is eight digits; reject is 00000, or says why the other side gives our message back unread.
const (
	cupsHeaderSize  = 46
	cupsVersion     = 0x02
	cupsLength      = 2
	cupsDestination = 6
	cupsSource      = 17
	cupsReserved    = 28
	cupsBatch       = 31
	cupsTransaction = 32
	cupsUser        = 40
	cupsReject      = 41
	cupsStation     = 11 // bytes of a station's code
)

// ErrBankRejected says that the other side gives a message of ours back unread, with a reject code in its header.
var ErrBankRejected = errors.New("银行退回报文 / the message was given back")

// BankFramer puts frames around messages and takes them off. It holds no state of a line and may be shared.
type BankFramer struct {
	framing BankFraming
	size    int                  // of what stands before a message
	header  [cupsHeaderSize]byte // of what is sent
	inbound [2 * cupsStation]byte
}

// NewBankFramer prepares a framing. ours and theirs are the stations in the header of CUPS, at most 11 letters or digits; the other
// framings have none.
func NewBankFramer(framing BankFraming, ours, theirs string) (*BankFramer, error) {
	f := &BankFramer{framing: framing}
	switch framing {
	case FramingBinary2:
		f.size = 2
	case FramingASCII4:
		f.size = 4
	case FramingASCII6:
		f.size = 6
	case FramingCUPS46:
		f.size = cupsHeaderSize
		if !isStation(ours) || !isStation(theirs) {
			return nil, fmt.Errorf("cups46 须有双方站点代码 / cups46 needs the stations of both sides, 1 to 11 letters or digits, has %q and %q", ours, theirs)
		}
		copy(f.header[:], fmt.Sprintf("\x2E\x02%04d%-11s%-11s000\x00%08d\x00%05d", 0, theirs, ours, 0, 0))
		copy(f.inbound[:], fmt.Sprintf("%-11s%-11s", ours, theirs))
	default:
		return nil, fmt.Errorf("bank framing %q is not known", framing)
	}
	return f, nil
}

func isStation(s string) bool {
	return len(s) > 0 && len(s) <= cupsStation && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
}

// Append puts a frame around a message.
func (f *BankFramer) Append(dst, payload []byte) []byte {
	switch f.framing {
	case FramingBinary2:
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	case FramingCUPS46:
		at := len(dst)
		dst = append(dst, f.header[:]...)
		putDigits(dst[at+cupsLength:at+cupsLength+4], cupsHeaderSize+len(payload))
	default:
		at := len(dst)
		dst = append(dst, "000000"[:f.size]...)
		putDigits(dst[at:], len(payload))
	}
	return append(dst, payload...)
}

func putDigits(dst []byte, n int) {
	for i := len(dst) - 1; i >= 0; i, n = i-1, n/10 {
		dst[i] = '0' + byte(n%10)
	}
}

// digits reads a length; false when it holds anything but digits.
func digits(text []byte) (n int, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// Read reads one message into buffer and returns it; it holds until buffer is used again. An empty one is a heartbeat that some banks send.
// ErrBankRejected leaves the line as it is; after any other error nobody knows where the next message begins.
func (f *BankFramer) Read(r *bufio.Reader, buffer []byte) ([]byte, error) {
	prefix, err := r.Peek(f.size)
	if err != nil {
		if errors.Is(err, io.EOF) && len(prefix) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	length, rejected, err := f.length(prefix)
	if err != nil {
		return nil, err
	}
	if _, err := r.Discard(f.size); err != nil {
		return nil, err
	}
	payload := slices.Grow(buffer[:0], length)[:length]
	switch _, err = io.ReadFull(r, payload); {
	case err == nil:
		err = rejected
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

// Ready says that Read would not wait for bytes: a whole message has come, or what stands before one is wrong.
func (f *BankFramer) Ready(r *bufio.Reader) bool {
	if r.Buffered() < f.size {
		return false
	}
	prefix, err := r.Peek(f.size)
	if err != nil {
		return true
	}
	length, _, err := f.length(prefix)
	return err != nil || r.Buffered() >= f.size+length
}

// length reads what stands before a message.
func (f *BankFramer) length(prefix []byte) (length int, rejected, err error) {
	ok := true
	switch f.framing {
	case FramingBinary2:
		length = int(binary.BigEndian.Uint16(prefix))
	case FramingCUPS46:
		length, rejected, err = f.cupsLength(prefix)
		if err != nil {
			return 0, nil, err
		}
	default:
		length, ok = digits(prefix)
	}
	switch {
	case !ok:
		return 0, nil, fmt.Errorf("bank frame length %q is not %d digits", prefix, f.size)
	case length > maxBankFrame:
		return 0, nil, fmt.Errorf("bank frame of %d bytes, at most %d", length, maxBankFrame)
	}
	return length, rejected, nil
}

// cupsLength checks a header strictly, and that it is from our bank and for us.
func (f *BankFramer) cupsLength(h []byte) (length int, rejected, err error) {
	total, ok := digits(h[cupsLength:cupsDestination])
	_, numbered := digits(h[cupsTransaction:cupsUser])
	reject, coded := digits(h[cupsReject:cupsHeaderSize])
	switch {
	case h[0] != cupsHeaderSize || h[1] != cupsVersion:
		return 0, nil, fmt.Errorf("header begins with %02X %02X, not with 2E 02", h[0], h[1])
	case !ok || total < cupsHeaderSize:
		return 0, nil, fmt.Errorf("header has the length %q", h[cupsLength:cupsDestination])
	case [2 * cupsStation]byte(h[cupsDestination:cupsReserved]) != f.inbound:
		return 0, nil, fmt.Errorf("header is for and from %q, expected %q", h[cupsDestination:cupsReserved], f.inbound)
	case string(h[cupsReserved:cupsBatch]) != "000" && string(h[cupsReserved:cupsBatch]) != "\x00\x00\x00":
		return 0, nil, errors.New("header: what is reserved is not zero")
	case !numbered || !coded:
		return 0, nil, errors.New("header: transaction information or reject code are not digits")
	case reject != 0:
		rejected = fmt.Errorf("%w, reject code %05d", ErrBankRejected, reject)
	}
	return total - cupsHeaderSize, rejected, nil
}

// AppendBankFrame puts the length before a payload, for framings without stations.
func AppendBankFrame(dst []byte, framing BankFraming, payload []byte) []byte {
	f, err := NewBankFramer(framing, "0", "0")
	if err != nil {
		return dst
	}
	return f.Append(dst, payload)
}

// ReadBankFrame reads one payload of a framing without stations. Length 0 is a heartbeat and is returned as an empty payload.
func ReadBankFrame(r *bufio.Reader, framing BankFraming) ([]byte, error) {
	f, err := NewBankFramer(framing, "0", "0")
	if err != nil {
		return nil, err
	}
	return f.Read(r, nil)
}
