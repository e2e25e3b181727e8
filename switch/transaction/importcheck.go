package transaction

import (
	"fmt"

	"onecard/ledger/money"
)

// maxOpening bounds an opening balance: one million yuan.
const maxOpening money.Fen = 100_000_000

// checker gathers the faults of a directory against itself and the state.
type checker struct {
	state  *State
	faults []Fault
}

func (c *checker) fault(table string, row int, column, format string, args ...any) {
	c.faults = append(c.faults, Fault{table, row, column, fmt.Sprintf(format, args...)})
}

// known is a set of keys that are in the state already or come with the directory.
type known[K comparable] struct {
	inState func(K) bool
	coming  map[K]int
}

func (k *known[K]) add(c *checker, table string, row int, column string, key K, text string) {
	if k.inState(key) {
		c.fault(table, row, column, "%s 已登记 / %s is registered already: remove the row", text, text)
		return
	}
	if first, twice := k.coming[key]; twice {
		c.fault(table, row, column, "%s 与第 %d 条数据重复 / %s is also in data row %d: keep one", text, first+1, text, first+1)
		return
	}
	k.coming[key] = row
}

func (k *known[K]) has(key K) bool {
	_, coming := k.coming[key]
	return coming || k.inState(key)
}

func keysOf[K comparable, V any](m map[K]V) *known[K] {
	return keysIn(func(k K) bool { _, ok := m[k]; return ok })
}

func keysIn[K comparable](inState func(K) bool) *known[K] {
	return &known[K]{inState: inState, coming: make(map[K]int)}
}

// Check finds everything that is wrong with the directory, in itself and against what is registered.
func (dir *Directory) Check(s *State) []Fault {
	c := &checker{state: s}
	classes, merchants, doors := dir.checkClasses(c), dir.checkMerchants(c), dir.checkDoors(c)
	dir.checkTerminals(c, merchants, doors)
	dir.checkCards(c, dir.checkHolders(c, classes))
	dir.checkSets(c)
	dir.checkTerms(c, merchants)
	dir.checkProgrammes(c)
	dir.checkDesks(c)
	return c.faults
}

func (dir *Directory) checkClasses(c *checker) *known[string] {
	keys := keysOf(c.state.classByCode)
	for i, row := range dir.Classes {
		keys.add(c, "classes", i, "code", row.Code, row.Code)
		c.length("classes", i, "code", row.Code, 16)
		for _, limit := range []money.Fen{row.PINSingle, row.PINDay, row.DayAmount, row.PurseCap, row.LoadSingle, row.LoadDay} {
			if limit < 0 {
				c.fault("classes", i, "", "限额不能为负 / a limit may not be negative")
			}
		}
	}
	if len(c.state.classes)+len(dir.Classes) > 64 {
		c.fault("classes", len(dir.Classes)-1, "", "身份类别最多 64 个 / at most 64 classes")
	}
	return keys
}

func (c *checker) length(table string, row int, column, value string, most int) {
	if len(value) == 0 || len(value) > most {
		c.fault(table, row, column, "%s 须为 1 至 %d 字节 / %s must be 1 to %d bytes", column, most, column, most)
	}
}

const minutesPerDay = 24 * 60

func (dir *Directory) checkMerchants(c *checker) *known[MerchantCode] {
	keys := keysOf(c.state.merchantByCode)
	for i, row := range dir.Merchants {
		keys.add(c, "merchants", i, "code", row.Code, row.Code.String())
		if row.Opens >= minutesPerDay || row.Closes >= minutesPerDay {
			c.fault("merchants", i, "opens", "营业时间须在 00:00 至 23:59 / opening hours must be between 00:00 and 23:59")
		}
	}
	return keys
}

func (dir *Directory) checkDoors(c *checker) *known[string] {
	keys := keysOf(c.state.entranceByCode)
	for i, row := range dir.Doors {
		keys.add(c, "doors", i, "code", row.Code, row.Code)
		c.length("doors", i, "code", row.Code, 16)
		for _, g := range row.Grants {
			if g.Group > 63 || g.Weekdays == 0 || g.Weekdays > 0x7F || g.From >= minutesPerDay || g.To >= minutesPerDay {
				c.fault("doors", i, "grants", "权限组 0-63、星期、时间须有效 / group 0-63, weekdays and times must be valid")
			}
		}
	}
	return keys
}

func (dir *Directory) checkTerminals(c *checker, merchants *known[MerchantCode], doors *known[string]) {
	keys := keysOf(c.state.terminalByCode)
	for i, row := range dir.Terminals {
		keys.add(c, "terminals", i, "code", row.Code, row.Code.String())
		if !merchants.has(row.Merchant) {
			c.fault("terminals", i, "merchant", "商户 %s 未登记 / merchant %s is not registered", row.Merchant, row.Merchant)
		}
		if row.Type < TerminalPOS || row.Type > TerminalKiosk {
			c.fault("terminals", i, "type", "终端类型须为 pos、gate 或 kiosk / type must be pos, gate or kiosk")
		}
		if len(row.SealedKey) == 0 || len(row.SealedKey) > 255 {
			c.fault("terminals", i, "tmk", "缺主密钥 / master key is missing")
		}
		if row.Door != "" && !doors.has(row.Door) {
			c.fault("terminals", i, "door", "门 %s 未登记 / door %s is not registered", row.Door, row.Door)
		}
		if row.Type == TerminalGate && row.Door == "" {
			c.fault("terminals", i, "door", "闸机须指定门 / a gate needs a door")
		}
	}
}

func (dir *Directory) checkHolders(c *checker, classes *known[string]) *known[string] {
	keys := keysIn(func(number string) bool { _, ok := c.state.holderRow([]byte(number)); return ok })
	for i, row := range dir.Holders {
		keys.add(c, "holders", i, "number", row.Number, row.Number)
		c.length("holders", i, "number", row.Number, 20)
		if !classes.has(row.Class) {
			c.fault("holders", i, "class", "身份类别 %s 未登记 / class %s is not registered", row.Class, row.Class)
		}
		if uint64(c.state.Holders())+uint64(i) > maxIndexedRows {
			c.fault("holders", i, "", "持卡人最多 %d / at most %[1]d holders", maxIndexedRows+1)
			break
		}
		if row.State > HolderLeft {
			c.fault("holders", i, "state", "人员状态须为 active、suspended 或 left / state must be active, suspended or left")
		}
		for n, opening := range []money.Fen{row.OpeningMain, row.OpeningSubsidy} {
			if opening < 0 || opening > maxOpening {
				c.fault("holders", i, []string{"opening_main", "opening_subsidy"}[n], "期初余额须在 0 至 %s / opening balance must be 0 to %s", maxOpening, maxOpening)
			}
		}
	}
	return keys
}

// Card numbers have 16 to 19 digits and do not start with 0.
const (
	minCardNumber CardNumber = 1_000_000_000_000_000
	maxCardNumber CardNumber = 9_999_999_999_999_999_999
)

func (dir *Directory) checkCards(c *checker, holders *known[string]) {
	keys := keysIn(func(number CardNumber) bool { _, ok := c.state.cardRow(number); return ok })
	for i, row := range dir.Cards {
		keys.add(c, "cards", i, "card", row.Number, row.Number.String())
		if row.Number < minCardNumber || row.Number > maxCardNumber {
			c.fault("cards", i, "card", "卡号须为 16 至 19 位数字,首位不为 0 / card number must be 16 to 19 digits, not starting with 0")
		}
		if !holders.has(row.Holder) {
			c.fault("cards", i, "holder", "持卡人 %s 未登记 / holder %s is not registered", row.Holder, row.Holder)
		}
		if uint64(c.state.Cards())+uint64(i) > maxIndexedRows {
			c.fault("cards", i, "", "卡最多 %d / at most %[1]d cards", maxIndexedRows+1)
			break
		}
		if row.State > CardClosed {
			c.fault("cards", i, "state", "卡状态须为 active、lost、frozen 或 closed / state must be active, lost, frozen or closed")
		}
	}
}
