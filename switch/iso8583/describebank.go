package iso8583

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// DescribeBank explains a message of the bank link, given with or without its length in either framing, masked as Describe masks. Its MAC
// is neither checked nor shown.
func DescribeBank(payload []byte) (Description, error) {
	d := newDescriber("bank", len(payload))
	raw, base := cutBankPrefix(payload)
	if base > 0 {
		d.head("LEN", Text{"长度", "length"}, 0, payload[:base], strconv.Itoa(len(raw)), Text{fmt.Sprintf("其后 %d 字节", len(raw)), fmt.Sprintf("%d bytes follow", len(raw))})
	}
	b, err := readBank(BankSpec(), raw)
	if len(raw) >= 4 {
		d.MTI = printable(raw[:4])
		d.Name = mtiName(d.MTI)
		d.head("MTI", Text{"报文类型", "message type"}, base, raw[:4], d.MTI, d.Name)
	}
	position := 4
	if err == nil || FieldOf(err) > 1 {
		size := 8
		if raw[4]&0x80 != 0 {
			size = 16
		}
		d.bankBitmap(raw[4:4+size], base)
		position = d.bankFields(b, err, raw, 4+size, base)
	}
	d.Purpose = d.purpose()
	if err != nil {
		d.bankFault(err, raw, position, base)
	}
	return d.Description, err
}

// cutBankPrefix tells a length from the message behind it: four digits or two bytes that say exactly what follows, and a bitmap that could
// not be digits.
func cutBankPrefix(frame []byte) (raw []byte, base int) {
	if len(frame) > 8 {
		if n, err := strconv.ParseUint(string(frame[:4]), 10, 16); err == nil && int(n) == len(frame)-4 && frame[4] == '0' {
			return frame[4:], 4
		}
		if int(binary.BigEndian.Uint16(frame)) == len(frame)-2 {
			return frame[2:], 2
		}
	}
	return frame, 0
}

func (d *describer) bankBitmap(bitmap []byte, base int) {
	var set []string
	for i := range 8 * len(bitmap) {
		if bitmap[i/8]&(0x80>>(i%8)) != 0 {
			set = append(set, strconv.Itoa(i+1))
		}
	}
	d.head("MAP", Text{"位图", "bitmap"}, base+4, bitmap, strings.Join(set, " "))
}

// bankFields tells every field before the fault and returns where the next begins.
func (d *describer) bankFields(b *BankMessage, fault error, raw []byte, position, base int) int {
	var numbers []int
	for n := range bankFields {
		if b.Has(n) && (n < FieldOf(fault) || fault == nil || FaultOf(fault) == FaultTrailing) {
			numbers = append(numbers, n)
		}
	}
	sort.Ints(numbers)
	for _, n := range numbers {
		f, value := bankFields[n], []byte(b.String(n))
		p := Part{Key: "F" + strconv.Itoa(n), Number: n, Name: Text{f.zh, f.en}, Offset: base + position}
		d.bankValue(&p, f, value)
		if f.digits > 0 {
			p.Wire = strings.TrimSuffix(strings.ToUpper(hex.EncodeToString(raw[position:position+f.digits]))+" "+p.Wire, " ")
		}
		d.Fields = append(d.Fields, p)
		position += f.digits + len(value)
	}
	d.meanings()
	return position
}

func (d *describer) bankValue(p *Part, f bankField, value []byte) {
	var v veil
	switch n := p.Number; {
	case f.secret:
		p.hide(len(value))
		p.Meaning = append(p.Meaning, d.secretMeaning(n, len(value))...)
		return
	case n == 2 || n == 102:
		v = cardVeil(len(value))
	case n == 103 && len(value) >= cardDigitsMin:
		v = cardVeil(len(value))
	case n == 60:
		for i := range value {
			v = append(v, i >= 4) // behind the reason code, banks put what they like
		}
	case n == 44:
		v = textVeil(value)
	}
	d.values[p.Number] = string(value)
	p.Wire, p.Value = v.hexBytes(value), printable(v.draw(value))
}

// bankFault fills in what is wrong. position is where the faulty field begins.
func (d *describer) bankFault(err error, raw []byte, position, base int) {
	n, fault := FieldOf(err), FaultOf(err)
	detail := Text{}
	switch {
	case n == 0:
		position, fault = 0, FaultMTI
	case n == 1, fault == FaultUndefined && n == 65:
		position = min(4, len(raw))
	case fault == FaultTrailing && position == len(raw):
		detail = Text{"扩展位图为空", "an empty secondary bitmap"}
	case fault == FaultTruncated && n > 1:
		detail = Text{fmt.Sprintf("只剩 %d 字节", len(raw)-position), fmt.Sprintf("%d bytes left", len(raw)-position)}
	case fault == FaultNibble:
		position += badCharacter(bankFields[n], raw[position:])
	case fault == FaultTrailing:
		detail = Text{fmt.Sprintf("多 %d 字节", len(raw)-position), fmt.Sprintf("%d too many", len(raw)-position)}
	}
	if n == 1 {
		detail = Text{"位图", "bitmap"}
	}
	d.misshape(n, fault, base+position, detail)
	d.Unread = max(0, len(raw)-position)
}

// badCharacter is where in a field its first character stands that the field may not hold.
func badCharacter(f bankField, raw []byte) int {
	for i := f.digits; i < len(raw); i++ {
		if _, _, err := f.encoder().Decode(raw[i:], 1); err != nil {
			return i
		}
	}
	return 0
}
