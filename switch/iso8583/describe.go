package iso8583

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Description is a frame told to people: every part with its place, its bytes, its value and what that means, in Chinese and English.
// Nothing secret is in it, whatever the frame holds: PIN blocks, keys, tracks, MACs and private data are hidden, of card numbers the first
// six and last four digits are left, and no control character gets through to a screen. It is safe to print, log and store.
type Description struct {
	Link    string    `json:"link"` // terminal or bank
	Bytes   int       `json:"bytes"`
	MTI     string    `json:"mti,omitempty"`
	Name    Text      `json:"name"`
	Purpose *Text     `json:"purpose,omitempty"` // the business behind the message, where its fields say
	Head    []Part    `json:"head"`              // what stands before the fields
	Fields  []Part    `json:"fields"`            // in the order of the frame
	Fault   *Misshape `json:"fault,omitempty"`   // nil when the frame is well formed
	Unread  int       `json:"unread,omitempty"`  // bytes behind the fault, not shown: nobody knows what they are
}

// describer is a description in the making.
type describer struct {
	Description
	values map[int]string // as they came, for meanings: never given out
}

func newDescriber(link string, size int) *describer {
	return &describer{Description{Link: link, Bytes: size, Name: mtiName(""), Head: []Part{}, Fields: []Part{}}, map[int]string{}}
}

// Part is one piece of a frame.
type Part struct {
	Key     string `json:"key"`              // F4, TPDU ...
	Number  int    `json:"number,omitempty"` // of a field
	Name    Text   `json:"name"`
	Offset  int    `json:"offset"` // in the bytes given
	Wire    string `json:"wire"`   // hexadecimal, * for what is hidden
	Value   string `json:"value"`  // decoded, * for what is hidden
	Hidden  bool   `json:"hidden,omitempty"`
	Meaning []Text `json:"meaning,omitempty"`
}

// Misshape is what is wrong with a frame, where, and what to do about it.
type Misshape struct {
	Fault  string `json:"fault"`
	Field  int    `json:"field,omitempty"`
	Offset int    `json:"offset"`
	What   Text   `json:"what"`
	Advice Text   `json:"advice"`
}

// Describe explains a frame of the terminal link, given with or without its length prefix, whatever its MTI. The error is a *ParseError
// when it is malformed; the description then holds everything up to the fault, and the fault.
func Describe(frame []byte) (Description, error) {
	d := newDescriber("terminal", len(frame))
	payload, base, declared := cutPrefix(frame)
	if base > 0 {
		d.head("LEN", Text{"长度", "length"}, 0, frame[:base], strconv.Itoa(declared), Text{fmt.Sprintf("其后 %d 字节", declared), fmt.Sprintf("%d bytes follow", declared)})
	}
	m, err := parseForPeople(payload)
	d.envelope(payload, base)
	if err == nil || FieldOf(err) > 0 {
		d.bitmap(payload, base)
		d.terminalFields(m, err, base)
	}
	d.Purpose = d.purpose()
	if err != nil {
		d.fault(m, err, base, declared != len(frame)-base)
	} else if declared != len(frame)-base {
		err = parseErrors[0][FaultLength]
		d.Fault = lengthMismatch(declared, len(frame)-base, base+len(payload))
		d.Unread = len(frame) - base - len(payload)
	}
	return d.Description, err
}

// cutPrefix tells a length prefix from the TPDU. A prefix begins with a byte of at most 08, a TPDU with 60. declared is what the prefix
// says; the payload is that, or what is there of it.
func cutPrefix(frame []byte) (payload []byte, base, declared int) {
	if len(frame) < PrefixSize || frame[0] > MaxPayload>>8 {
		return frame, 0, len(frame)
	}
	declared = int(binary.BigEndian.Uint16(frame))
	if behind := frame[PrefixSize:]; declared == len(behind) || len(behind) > 0 && behind[0] == 0x60 {
		return behind[:min(declared, len(behind))], PrefixSize, declared
	}
	return frame, 0, len(frame)
}

// parseForPeople reads with the length of F52 that reads further.
func parseForPeople(payload []byte) (*Message, error) {
	m, long := new(Message), new(Message)
	err := m.parseAny(payload, 8)
	if err == nil || len(payload) < MinPayload || binary.BigEndian.Uint64(payload[bitmapAt:])&(1<<(64-52)) == 0 {
		return m, err
	}
	if again := long.parseAny(payload, 16); again == nil || FieldOf(again) > FieldOf(err) {
		return long, again
	}
	return m, err
}

func (d *describer) head(key string, name Text, offset int, wire []byte, value string, meaning ...Text) {
	d.Head = append(d.Head, Part{Key: key, Name: name, Offset: offset, Wire: strings.ToUpper(hex.EncodeToString(wire)), Value: value, Meaning: meaning})
}

// envelope tells TPDU, header and MTI as far as they are there (wire handbook 3.1).
func (d *describer) envelope(p []byte, base int) {
	if len(p) < tpduSize {
		return
	}
	d.head("TPDU", Text{"传输地址", "transport address"}, base, p[:tpduSize], fmt.Sprintf("%02X %X %X", p[0], p[1:3], p[3:5]),
		Text{fmt.Sprintf("目的 %X,源 %X", p[1:3], p[3:5]), fmt.Sprintf("to %X, from %X", p[1:3], p[3:5])})
	if len(p) < mtiAt {
		return
	}
	h := p[tpduSize:mtiAt]
	d.head("HEAD", Text{"报文头", "application header"}, base+tpduSize, h, fmt.Sprintf("%02X %02X %X %X %X", h[0], h[1], h[2]>>4, h[2]&0x0F, h[3:]), headerMeaning(h)...)
	if len(p) < bitmapAt {
		return
	}
	d.MTI = strings.ToUpper(hex.EncodeToString(p[mtiAt:bitmapAt]))
	d.Name = mtiName(d.MTI)
	d.head("MTI", Text{"报文类型", "message type"}, base+mtiAt, p[mtiAt:bitmapAt], d.MTI, d.Name)
}

func headerMeaning(h []byte) []Text {
	class := lookup(applicationClasses, hex.EncodeToString(h[:1]))
	todo := lookup(processingWishes, hex.EncodeToString([]byte{h[2] & 0x0F})[1:])
	return []Text{
		{"应用类别 " + class.ZH, "application: " + class.EN},
		{fmt.Sprintf("软件版本 %02X,分版本 %X", h[1], h[3:]), fmt.Sprintf("software %02X, sub-version %X", h[1], h[3:])},
		{fmt.Sprintf("终端状态 %X", h[2]>>4), fmt.Sprintf("terminal state %X", h[2]>>4)},
		{"处理要求 " + todo.ZH, "to do: " + todo.EN},
	}
}

func (d *describer) bitmap(p []byte, base int) {
	bits := binary.BigEndian.Uint64(p[bitmapAt:])
	var set []string
	for n := 1; n <= 64; n++ {
		if bits&(1<<(64-n)) != 0 {
			set = append(set, strconv.Itoa(n))
		}
	}
	d.head("MAP", Text{"位图", "bitmap"}, base+bitmapAt, p[bitmapAt:fieldsAt], strings.Join(set, " "))
}

// terminalFields tells every field before the fault. Meanings come last, since some need fields that stand behind.
func (d *describer) terminalFields(m *Message, fault error, base int) {
	slipped := false
	for n := 2; n <= 64; n++ {
		if m.Has(n) && (n != FieldOf(fault) || FaultOf(fault) == FaultTrailing) {
			p := d.terminalField(m, n, base)
			if slipped && fault != nil {
				d.withhold(&p, int(m.place(n).end-m.place(n).start))
			}
			d.Fields = append(d.Fields, p)
			slipped = slipped || fields[n].packed() && !plausible(n, m.text(n)) || n == 45 && !plausible(n, string(m.Value(n)))
		}
	}
	d.meanings()
}

// plausible says whether a card number or track looks like one. In a malformed frame one that does not has probably a wrong length, and
// the rest of its digits would be shown as the fields behind it.
func plausible(n int, value string) bool {
	account, _, separated := strings.Cut(value, "D")
	switch n {
	case 2:
		return len(value) >= cardDigitsMin
	case 35, 36:
		return separated && len(account) >= cardDigitsMin && len(value) >= len(account)+8
	case 45:
		return strings.Count(value, "^") == 2
	}
	return true
}

// withhold hides a field of a malformed frame that may hold what belongs to another.
func (d *describer) withhold(p *Part, size int) {
	delete(d.values, p.Number)
	if !p.Hidden {
		p.Meaning = nil
		p.hide(size)
		p.Meaning = []Text{{"前面字段长度可疑,此字段可能错位,不显示", "a length before it is doubtful: this field may have slipped and is not shown"}}
	}
}

func (d *describer) meanings() {
	for i := range d.Fields {
		if p := &d.Fields[i]; !p.Hidden {
			p.Meaning = append(p.Meaning, d.meaning(p.Number)...)
		}
	}
}

func (d *describer) terminalField(m *Message, n, base int) Part {
	f := &fields[n]
	value := m.Value(n)
	p := Part{Key: "F" + strconv.Itoa(n), Number: n, Name: Text{f.zh, f.en}, Offset: base + int(m.place(n).start)}
	prefix := strings.ToUpper(hex.EncodeToString(m.raw[m.place(n).start:m.place(n).at]))
	switch {
	case f.secret:
		p.hide(len(value))
		p.Meaning = append(p.Meaning, d.secretMeaning(n, len(value))...)
	case f.packed():
		digits := m.text(n)
		d.values[n] = digits
		var v veil
		if n == 2 {
			v = cardVeil(len(digits))
		}
		p.Wire, p.Value = v.hexPacked(value), string(v.draw([]byte(digits)))
	default:
		d.textValue(&p, n, value)
	}
	if prefix != "" {
		p.Wire = strings.TrimSuffix(prefix+" "+p.Wire, " ")
	}
	return p
}

// textValue tells a field of bytes. Vendors put what they like into the private ones: bytes that are no text are hidden there, and so is
// the middle of what may be a card number.
func (d *describer) textValue(p *Part, n int, value []byte) {
	var v veil
	switch n {
	case 43, 46, 56, 57, 58, 59, 63:
		if _, ok := readText(value); !ok {
			p.hide(len(value))
			return
		}
		if v = textVeil(value); n == 59 {
			v = listVeil(value)
		}
	}
	d.values[n] = string(value)
	p.Wire, p.Value = v.hexBytes(value), printable(v.draw(value))
}

// listVeil looks for card numbers in each value of a TLV list, since tag and length are digits too; in all of a list that is none.
func listVeil(list []byte) veil {
	v := make(veil, len(list))
	at := 0
	for at < len(list) {
		size, ok := listItem(list[at:])
		if !ok {
			return textVeil(list)
		}
		copy(v[at+5:], textVeil(list[at+5:at+size]))
		at += size
	}
	return v
}

// listItem is the size of the first tag with its value.
func listItem(list []byte) (size int, ok bool) {
	if len(list) < 5 {
		return 0, false
	}
	length, err := strconv.ParseUint(string(list[2:5]), 10, 16)
	size = 5 + int(length)
	return size, err == nil && size <= len(list)
}

// hide leaves nothing but the length.
func (p *Part) hide(size int) {
	p.Hidden = true
	p.Wire, p.Value = hiddenWire(size), strings.Repeat("*", min(size, hiddenBytesMax))
	p.Meaning = append(p.Meaning, Text{fmt.Sprintf("不显示,%d 字节", size), fmt.Sprintf("not shown, %d bytes", size)})
}

// text is a packed field as ASCII digits, D for the separator of a track.
func (m *Message) text(n int) string {
	skip := 0
	if fields[n].format == numberRight {
		skip = m.Digits(n) % 2
	}
	out := make([]byte, m.Digits(n))
	for i := range out {
		out[i] = "0123456789ABCDEF"[nibble(m.Value(n), i+skip)]
	}
	return string(out)
}
