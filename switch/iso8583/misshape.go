package iso8583

import (
	"fmt"
	"strconv"
)

// faultTexts say what each fault is and what to do about it.
var faultTexts = [faultCount]struct{ what, advice Text }{
	FaultLength: {
		Text{"报文长度不对", "the length of the message is wrong"},
		Text{"检查长度前缀:两字节二进制,不含自身,21 到 2048;检查抓包是否完整", "check the length prefix (two binary bytes, itself not counted, 21 to 2048) and that the capture is complete"},
	},
	FaultTPDU: {
		Text{"报文不以 TPDU 60 开头", "the message does not begin with a TPDU 60"},
		Text{"检查终端的 TPDU 设置,以及拨号平台是否插入了 LRI/ANI 数据", "check the terminal's TPDU setting, and whether a dial-up platform inserts LRI or ANI data"},
	},
	FaultMTI: {
		Text{"报文类型不是数字", "the message type is not in digits"},
		Text{"检查报文头长度(6 字节)和报文类型编码", "check the length of the header (6 bytes) and how the message type is encoded"},
	},
	FaultBit1: {
		Text{"位图第 1 位为 1(扩展位图)", "bit 1 of the bitmap is set (a secondary bitmap)"},
		Text{"终端链路只有 64 个字段,请将第 1 位置 0", "the terminal link has 64 fields only: leave bit 1 at 0"},
	},
	FaultUndefined: {
		Text{"本规范没有此字段", "the profile does not have this field"},
		Text{"终端不得送此字段;若此前字段有错位,请先检查位图和前面各字段长度", "the terminal must not send it; if a field before it has slipped, check the bitmap and the lengths before it"},
	},
	FaultTruncated: {
		Text{"报文在此字段内结束", "the message ends inside this field"},
		Text{"检查报文是否被截断、位图是否多置了位、变长字段长度是否正确", "check whether the message was cut, a bit too many is set in the bitmap, or a variable length is wrong"},
	},
	FaultTrailing: {
		Text{"最后一个字段之后还有字节", "there are bytes behind the last field"},
		Text{"检查长度前缀、位图是否漏置了位,或两条报文粘在一起", "check the length prefix, whether a bit is missing in the bitmap, or two messages run together"},
	},
	FaultNibble: {
		Text{"此字段有不允许的数字或字符", "this field holds a digit or character that it may not"},
		Text{"数字字段每半字节须为 0 到 9;奇数位时填充半字节须为 0 或 F(F23 在前补 0);磁道分隔符为 D", "each nibble of a number is 0 to 9; the pad nibble of an odd length is 0 or F (F23: 0 in front); the separator of a track is D"},
	},
	FaultLengthField: {
		Text{"变长字段的长度不是数字", "the length of this variable field is not in digits"},
		Text{"终端链路长度为 BCD(LL 一字节,LLL 两字节),银行链路为 ASCII 数字", "lengths are BCD on the terminal link (LL one byte, LLL two) and ASCII digits on the bank link"},
	},
	FaultTooLong: {
		Text{"变长字段的长度超过上限", "the length of this variable field is above its limit"},
		Text{"数字和磁道字段的长度按位数计,其他按字节计;检查前面字段是否错位", "lengths count digits for numbers and tracks, bytes for others; check whether a field before has slipped"},
	},
}

// fault fills in what is wrong with a frame of the terminal link. cut says that the length prefix does not agree with what is there.
func (d *describer) fault(m *Message, err error, base int, cut bool) {
	n, fault := FieldOf(err), FaultOf(err)
	at, detail := 0, Text{}
	switch fault {
	case FaultLength:
		detail = Text{fmt.Sprintf("%d 字节", len(m.raw)), fmt.Sprintf("%d bytes", len(m.raw))}
	case FaultMTI:
		at = mtiAt
	case FaultBit1:
		at = bitmapAt
	case FaultTrailing:
		at = m.lastByte()
		detail = Text{fmt.Sprintf("多 %d 字节", len(m.raw)-at), fmt.Sprintf("%d too many", len(m.raw)-at)}
	case FaultNibble:
		at = int(m.place(n).at) + m.badNibble(n)
		if !fields[n].secret && n != 2 {
			detail = Text{fmt.Sprintf("字节 %02X", m.raw[at]), fmt.Sprintf("byte %02X", m.raw[at])}
		}
	default:
		at, detail = m.faultyLength(n, fault)
	}
	d.misshape(n, fault, base+at, detail)
	d.Unread = max(0, d.Bytes-base-at)
	if cut && d.Fault != nil {
		d.Fault.What.ZH += ";长度前缀与实际长度不符"
		d.Fault.What.EN += "; the length prefix does not agree with what is there"
	}
}

// misshape names the field and joins the texts.
func (d *describer) misshape(n int, fault Fault, offset int, detail Text) {
	what := faultTexts[fault].what
	if detail.ZH != "" {
		what = Text{what.ZH + ":" + detail.ZH, what.EN + ": " + detail.EN}
	}
	if fault == FaultTrailing {
		n = 0
	}
	if name, ok := d.fieldName(n); ok {
		what = Text{"F" + strconv.Itoa(n) + " " + name.ZH + ":" + what.ZH, "F" + strconv.Itoa(n) + " " + name.EN + ": " + what.EN}
	}
	d.Fault = &Misshape{fault.Label(), n, offset, what, faultTexts[fault].advice}
}

// fieldName is false for what is no field.
func (d *describer) fieldName(n int) (Text, bool) {
	if n < 2 {
		return Text{}, false
	}
	if d.Link == "bank" {
		f, ok := bankFields[n]
		if !ok {
			f.zh, f.en = "(无)", "(none)"
		}
		return Text{f.zh, f.en}, true
	}
	if f := &fields[n]; f.format != absent {
		return Text{f.zh, f.en}, true
	}
	return Text{"(无)", "(none)"}, true
}

// lastByte is where the last field that was read ends.
func (m *Message) lastByte() int {
	end := fieldsAt
	for n := 2; n <= 64; n++ {
		if m.Has(n) {
			end = max(end, int(m.place(n).end))
		}
	}
	return end
}

// badNibble is the offset in the value of the byte that makes a field no number.
func (m *Message) badNibble(n int) int {
	value, digits, f := m.Value(n), m.Digits(n), &fields[n]
	for i := range value {
		// All bytes but the last stand for two digits, so a shorter field is bad as soon as its last byte is.
		upTo := min(digits, 2*(i+1))
		if f.format == numberRight {
			upTo = 2 * (i + 1)
			if i == 0 && digits%2 == 1 && value[0]>>4 != 0 {
				return 0
			}
		}
		kind := f.format
		if kind == numberRight {
			kind = number
		}
		if checkDigits(kind, value[:i+1], upTo) != FaultNone {
			return i
		}
	}
	return 0
}

// faultyLength tells where a field begins whose extent is wrong, and what it says of itself.
func (m *Message) faultyLength(n int, fault Fault) (at int, detail Text) {
	at = int(m.place(n).start)
	f, left := &fields[n], len(m.raw)-at
	length, next, bad := f.length, at, FaultNone
	if size := f.prefixSize(); size > 0 {
		length, next, bad = variableLength(m.raw, at, size)
	}
	switch {
	case fault == FaultTooLong:
		detail = Text{fmt.Sprintf("%d,上限 %d", length, f.length), fmt.Sprintf("%d, at most %d", length, f.length)}
	case fault == FaultLengthField:
		wire := m.raw[at:min(at+f.prefixSize(), len(m.raw))]
		detail = Text{fmt.Sprintf("%X", wire), fmt.Sprintf("%X", wire)}
	case fault == FaultTruncated && bad == FaultNone && f.format != pinBlock:
		size := length
		if f.packed() {
			size = (length + 1) / 2
		}
		size += next - at
		detail = Text{fmt.Sprintf("需 %d 字节,只剩 %d", size, left), fmt.Sprintf("%d bytes needed, %d left", size, left)}
	case fault == FaultTruncated:
		detail = Text{fmt.Sprintf("只剩 %d 字节", left), fmt.Sprintf("%d bytes left", left)}
	}
	return at, detail
}

// lengthMismatch is the fault of a well-formed message whose length prefix is not its length.
func lengthMismatch(declared, there, offset int) *Misshape {
	t := faultTexts[FaultLength]
	return &Misshape{
		Fault: FaultLength.Label(), Offset: offset, Advice: t.advice,
		What: Text{fmt.Sprintf("%s:长度前缀为 %d,其后有 %d 字节", t.what.ZH, declared, there), fmt.Sprintf("%s: the prefix says %d, %d bytes follow", t.what.EN, declared, there)},
	}
}
