package ledgertest

import "encoding/binary"

// A day switch: closes u32 | opens u32.
const daySwitchSize = 8

// checkDay looks at the business day of a block before its entries are read. It never goes back; once a switch has been seen, the first
// block of another day begins with one, so that a closed day never gets another block.
func (a *Auditor) checkDay(raw []byte, day uint32) {
	switches := firstKind(raw) == kindDaySwitch
	switch {
	case day < a.day:
		a.note("会计日倒退:由 %d 到 %d", "the business day goes back from %d to %d", a.day, day)
	case day > a.day && a.turned && !switches:
		a.note("会计日由 %d 到 %d,却没有日切条目", "the business day goes from %d to %d without a day switch", a.day, day)
	}
	a.turned = a.turned || switches
	a.entry.before, a.day = a.day, day
}

// firstKind is the kind of a block's first entry, 0 when there is none to read.
func firstKind(raw []byte) byte {
	r := reader{b: raw[blockHeaderSize:]}
	body := reader{b: r.text()}
	return body.byte()
}

// daySwitch: it is the first of its block, closes the day of the block before, opens that of its own, and moves no money.
func (a *Auditor) daySwitch() {
	e := &a.entry
	a.noMoney()
	if len(e.payload) != daySwitchSize {
		a.malformedPayload()
		return
	}
	closes, opens := binary.BigEndian.Uint32(e.payload), binary.BigEndian.Uint32(e.payload[4:])
	if e.sequence != a.block {
		a.note("日切不是其区块的首条(首条为 %d)", "a day switch is not the first of its block, which is %d", a.block)
	}
	if closes != e.before || opens != e.day || opens <= closes {
		a.note("日切称关闭 %d、开启 %d,区块由会计日 %d 到 %d", "the day switch closes %d and opens %d, its block goes from business day %d to %d", closes, opens, e.before, e.day)
	}
}
