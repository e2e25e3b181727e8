package ledgertest

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
	if day > a.day && a.next > 1 {
		if a.ends == nil {
			a.ends = map[uint32]dayEnd{}
		}
		a.ends[a.day] = dayEnd{a.next - 1, a.head}
	}
	a.entry.before, a.day = a.day, day
}

// dayEnd is where a closed day ended.
type dayEnd struct {
	last uint64
	hash [32]byte
}

// dayEnd: it names a closed day as it was closed, and moves no money.
//
//	day u32 | last entry u64 | hash of its block 32 | Merkle root 32 | SHA-256 of the statement 32 | passed u8
func (a *Auditor) dayEnd() {
	a.noMoney()
	r := reader{b: a.entry.payload}
	day, said := r.fixed32(), dayEnd{last: r.u64()}
	copy(said.hash[:], r.take(32))
	r.take(64)
	if passed := r.byte(); !r.done() || passed > 1 {
		a.malformedPayload()
		return
	}
	closed, ok := a.ends[day]
	switch {
	case !ok:
		a.note("日结的会计日 %d 未关闭或没有条目", "the day-end is of business day %d, which is open or has no entry", day)
	case closed != said:
		a.note("日结称会计日 %d 止于第 %d 条,实止于第 %d 条,或其区块哈希不符", "the day-end says that business day %d ends with entry %d, it ends with %d, or the hash of its block is another", day, said.last, closed.last)
	}
}

// firstKind is the kind of a block's first entry, 0 when there is none to read.
func firstKind(raw []byte) byte {
	r := reader{b: raw[blockHeaderSize:]}
	body := reader{b: r.text()}
	return body.byte()
}

// controlTotal is what all accounts of a code in a set hold together.
type controlTotal struct {
	set      byte
	code     uint32
	accounts uint32
	balance  int64
}

// checkControls compares the control totals of a day switch with the accounts, added up one by one.
func (a *Auditor) checkControls(recorded []controlTotal) {
	own := map[[2]uint32]controlTotal{}
	for _, row := range a.accounts[1:] {
		key := [2]uint32{uint32(row.set), uint32(row.code)}
		t := own[key]
		own[key] = controlTotal{row.set, uint32(row.code), t.accounts + 1, t.balance + row.balance}
	}
	for _, t := range recorded {
		key := [2]uint32{uint32(t.set), t.code}
		if has := own[key]; has != t {
			a.note("日切记科目 %[1]d 有 %[2]d 户、合计 %[3]s,逐户相加为 %[4]d 户、%[5]s", "the day switch says that code %[1]d has %[2]d accounts with %[3]s, added up there are %[4]d with %[5]s",
				t.code, t.accounts, yuan(t.balance), has.accounts, yuan(has.balance))
		}
		delete(own, key)
	}
	for _, t := range own {
		a.note("日切未记科目 %[1]d(%[2]d 户、合计 %[3]s)", "the day switch leaves out code %[1]d, %[2]d accounts with %[3]s", t.code, t.accounts, yuan(t.balance))
	}
}

// daySwitch: it is the first of its block, closes the day of the block before, opens that of its own, says what the accounts of each code
// hold, and moves no money.
//
//	closes u32 | opens u32 | n uvarint, (set u8, code uvarint, accounts uvarint, balance varint) ...
func (a *Auditor) daySwitch() {
	e := &a.entry
	a.noMoney()
	r := reader{b: e.payload}
	closes, opens := r.fixed32(), r.fixed32()
	var recorded []controlTotal
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		recorded = append(recorded, controlTotal{r.byte(), r.u32(), r.u32(), r.varint()})
	}
	if !r.done() {
		a.malformedPayload()
		return
	}
	a.checkControls(recorded)
	if e.sequence != a.block {
		a.note("日切不是其区块的首条(首条为 %d)", "a day switch is not the first of its block, which is %d", a.block)
	}
	if closes != e.before || opens != e.day || opens <= closes {
		a.note("日切称关闭 %d、开启 %d,区块由会计日 %d 到 %d", "the day switch closes %d and opens %d, its block goes from business day %d to %d", closes, opens, e.before, e.day)
	}
}
