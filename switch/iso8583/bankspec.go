package iso8583

import (
	"fmt"
	"strconv"

	moov "github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
)

// bankKind is what a field of the bank link may hold.
type bankKind uint8

const (
	bankNumber bankKind = iota // ASCII digits
	bankText                   // printable ASCII
	bankBytes                  // bytes, GBK text included
	bankPacked                 // digits, two a byte; an odd one has a zero before it
)

type bankField struct {
	kind   bankKind
	length int // the most for variable fields
	digits int // of the length prefix, 0 fixed
	zh, en string
	secret bool // never shown
}

// bankFields is the table of the bank link "Bank-8583 v1" (wire handbook 5.2): ASCII numerics and lengths, MAC in F128.
var bankFields = map[int]bankField{
	2:   {bankNumber, 19, 2, "主账号", "card number", false},
	3:   {bankNumber, 6, 0, "处理码", "processing code", false},
	4:   {bankNumber, 12, 0, "交易金额", "amount", false},
	7:   {bankNumber, 10, 0, "传输日期时间", "transmission date and time", false},
	11:  {bankNumber, 6, 0, "跟踪号", "trace number", false},
	12:  {bankNumber, 6, 0, "本地时间", "local time", false},
	13:  {bankNumber, 4, 0, "本地日期", "local date", false},
	15:  {bankNumber, 4, 0, "清算日期", "settlement date", false},
	18:  {bankNumber, 4, 0, "商户类型", "merchant type", false},
	22:  {bankNumber, 3, 0, "输入方式", "entry mode", false},
	25:  {bankNumber, 2, 0, "条件码", "condition code", false},
	32:  {bankNumber, 11, 2, "受理机构", "acquiring institution", false},
	33:  {bankNumber, 11, 2, "发送机构", "forwarding institution", false},
	37:  {bankText, 12, 0, "检索参考号", "retrieval reference number", false},
	38:  {bankText, 6, 0, "授权码", "authorisation code", false},
	39:  {bankText, 2, 0, "应答码", "response code", false},
	41:  {bankText, 8, 0, "终端号", "terminal", false},
	42:  {bankText, 15, 0, "商户号", "merchant", false},
	44:  {bankBytes, 25, 2, "附加响应", "additional response", false},
	48:  {bankBytes, 512, 3, "附加数据-私有", "private data", true},
	49:  {bankText, 3, 0, "币种", "currency", false},
	50:  {bankText, 3, 0, "清算币种", "settlement currency", false},
	52:  {bankBytes, 8, 0, "PIN", "PIN block", true},
	53:  {bankNumber, 16, 0, "安全控制", "security control", false},
	54:  {bankText, 120, 3, "余额", "balance", false},
	60:  {bankText, 30, 3, "自定义60", "reason and private data", false},
	61:  {bankBytes, 200, 3, "持卡人身份", "holder's name and identity", true},
	66:  {bankNumber, 1, 0, "对账结果", "settlement code", false},
	70:  {bankNumber, 3, 0, "网管码", "network management code", false},
	74:  {bankNumber, 10, 0, "贷记笔数", "credits, number", false},
	75:  {bankNumber, 10, 0, "贷记冲正笔数", "credits reversed, number", false},
	76:  {bankNumber, 10, 0, "借记笔数", "debits, number", false},
	77:  {bankNumber, 10, 0, "借记冲正笔数", "debits reversed, number", false},
	86:  {bankNumber, 16, 0, "贷记金额", "credits, amount", false},
	87:  {bankNumber, 16, 0, "贷记冲正金额", "credits reversed, amount", false},
	88:  {bankNumber, 16, 0, "借记金额", "debits, amount", false},
	89:  {bankNumber, 16, 0, "借记冲正金额", "debits reversed, amount", false},
	90:  {bankNumber, 42, 0, "原始数据", "original data", false},
	96:  {bankBytes, 8, 0, "报文密钥", "message security code", true},
	97:  {bankText, 17, 0, "净额", "net settlement amount", false},
	100: {bankNumber, 11, 2, "接收机构", "receiving institution", false},
	101: {bankText, 17, 2, "文件名", "file name", false},
	102: {bankText, 28, 2, "银行账户", "bank account", false},
	103: {bankText, 28, 2, "校园卡账户", "campus account", false},
	128: {bankBytes, 8, 0, "MAC", "message authentication code", true},
}

// fieldsMax is the last field of a message with two bitmaps.
const fieldsMax = 128

// BankProfile is the fields that a bank knows, and where it has the MAC. It is made once per gateway or simulator and shared.
type BankProfile struct {
	spec     *moov.MessageSpec
	fields   [fieldsMax + 1]bankField // length 0: not in the profile
	macField int                      // 128, or 64: see Seal
}

// BankSpec is "Bank-8583 v1".
func BankSpec() *BankProfile {
	p := &BankProfile{macField: fieldsMax}
	for n, f := range bankFields {
		p.fields[n] = f
	}
	p.makeSpec()
	return p
}

func (p *BankProfile) field(n int) (*bankField, bool) {
	if n < 2 || n > fieldsMax || p.fields[n].length == 0 {
		return &bankField{}, false
	}
	return &p.fields[n], true
}

func (p *BankProfile) makeSpec() {
	all := map[int]field.Field{
		0: field.NewString(&field.Spec{Length: 4, Description: "MTI", Enc: asciiDigits{}, Pref: fixedLength{}}),
		1: field.NewBitmap(&field.Spec{Description: "bitmap", Enc: encoding.Binary, Pref: prefix.Binary.Fixed}),
	}
	for n := range p.fields {
		f, ok := p.field(n)
		if !ok {
			continue
		}
		spec := &field.Spec{Length: f.length, Description: "F" + strconv.Itoa(n) + " " + f.en, Enc: f.encoder(), Pref: fixedLength{}}
		if f.digits > 0 {
			spec.Pref = asciiLength{f.digits}
		}
		if f.kind == bankBytes {
			all[n] = field.NewBinary(spec)
		} else {
			all[n] = field.NewString(spec)
		}
	}
	p.spec = &moov.MessageSpec{Name: "Bank-8583 v1", Fields: all}
}

func (f *bankField) encoder() encoding.Encoder {
	switch f.kind {
	case bankNumber:
		return asciiDigits{}
	case bankText:
		return asciiText{}
	case bankPacked:
		return packedNumber{}
	}
	return plainBytes{}
}

// bytes is how many bytes a value of a length takes.
func (f *bankField) bytes(length int) int {
	if f.kind == bankPacked {
		return (length + 1) / 2
	}
	return length
}

// The encoders refuse what moov's let through: letters in numbers, control characters, and lengths such as "+5".

// asciiDigits are digits, one a byte.
type asciiDigits struct{}

func (asciiDigits) Encode(data []byte) ([]byte, error) { return ascii(data, len(data), '0', '9') }

func (asciiDigits) Decode(data []byte, length int) ([]byte, int, error) {
	out, err := ascii(data, length, '0', '9')
	return out, length, err
}

// asciiText is printable ASCII.
type asciiText struct{}

func (asciiText) Encode(data []byte) ([]byte, error) { return ascii(data, len(data), ' ', '~') }

func (asciiText) Decode(data []byte, length int) ([]byte, int, error) {
	out, err := ascii(data, length, ' ', '~')
	return out, length, err
}

// ascii cuts length bytes that are all from first to last.
func ascii(data []byte, length int, first, last byte) ([]byte, error) {
	if length > len(data) {
		return nil, parseErrors[0][FaultTruncated]
	}
	for _, c := range data[:length] {
		if c < first || c > last {
			return nil, parseErrors[0][FaultNibble]
		}
	}
	return data[:length:length], nil
}

// packedNumber are digits, two a byte.
type packedNumber struct{}

func (packedNumber) Encode(data []byte) ([]byte, error) {
	if _, err := ascii(data, len(data), '0', '9'); err != nil {
		return nil, err
	}
	packed := make([]byte, (len(data)+1)/2)
	for i, c := range data {
		nibble := i + len(data)%2
		packed[nibble/2] |= (c - '0') << (4 * (1 - nibble%2))
	}
	return packed, nil
}

func (packedNumber) Decode(data []byte, length int) ([]byte, int, error) {
	size := (length + 1) / 2
	if size > len(data) {
		return nil, 0, parseErrors[0][FaultTruncated]
	}
	digits := make([]byte, 0, 2*size)
	for _, b := range data[:size] {
		if b>>4 > 9 || b&0x0F > 9 {
			return nil, 0, parseErrors[0][FaultNibble]
		}
		digits = append(digits, '0'+b>>4, '0'+b&0x0F)
	}
	if length%2 == 1 && digits[0] != '0' {
		return nil, 0, parseErrors[0][FaultNibble]
	}
	return digits[length%2:], size, nil
}

// asciiLength is LL or LLL in digits.
type asciiLength struct{ digits int }

func (p asciiLength) EncodeLength(most, length int) ([]byte, error) {
	if length > most {
		return nil, parseErrors[0][FaultTooLong]
	}
	return fmt.Appendf(make([]byte, 0, p.digits+length), "%0*d", p.digits, length), nil
}

func (p asciiLength) DecodeLength(most int, data []byte) (length, read int, err error) {
	if len(data) < p.digits {
		return 0, 0, parseErrors[0][FaultTruncated]
	}
	for _, c := range data[:p.digits] {
		if c < '0' || c > '9' {
			return 0, 0, parseErrors[0][FaultLengthField]
		}
		length = length*10 + int(c-'0')
	}
	if length > most {
		return 0, 0, parseErrors[0][FaultTooLong]
	}
	return length, p.digits, nil
}

func (p asciiLength) Inspect() string { return "ASCII." + "LLL"[:p.digits] }
