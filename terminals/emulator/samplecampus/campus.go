// Package samplecampus makes a campus that does not exist: people with Chinese names, canteens and shops, terminals with keys, doors and
// cards, and the traffic of a school day, all from one seed.
//
// The one idea: a demonstration and a benchmark need the shape of a real campus — the bells, the queue at one window, the card without
// money — and no real person's data. The shapes are those of the domain handbook, section 5; the names are drawn by frequency.
//
// It writes the CSV files that an operator would import and plans arrivals; it sends nothing.
package samplecampus

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// Options size a campus. Zero values take those of the demonstration.
type Options struct {
	Seed      uint64
	Holders   int // 30,000
	Merchants int // 12
	POS       int // 400
	Gates     int // 40
	Kiosks    int // 6
	MACMode   iso8583.MACMode
	Rich      bool // every holder has plenty: for benchmarks
}

// DefaultOptions is the demonstration's campus.
func DefaultOptions() Options {
	return Options{Seed: 1, Holders: 30_000, Merchants: 12, POS: 400, Gates: 40, Kiosks: 6, MACMode: iso8583.MACAESCMAC}
}

// Type is what a terminal is.
type Type string

// Types of terminals.
const (
	POS   Type = "pos"
	Gate  Type = "gate"
	Kiosk Type = "kiosk"
)

// Holder is a person.
type Holder struct {
	Number, Name, Class, Organisation string
	Groups                            string
	BankAccount                       uint64
	Main, Subsidy                     money.Fen
	Card                              uint64
	PIN                               string
	State                             string // of the card
	Expires                           string
	Hall                              int // where he eats most days
}

// Merchant is a canteen or a shop.
type Merchant struct{ Code, Name string }

// Terminal is a device with its master key.
type Terminal struct {
	Code     string
	Type     Type
	Merchant int
	Door     string
	Key      iso8583.Secret
}

// Campus is a whole site.
type Campus struct {
	Options   Options
	Holders   []Holder
	Merchants []Merchant
	Terminals []Terminal // POS, then gates, then kiosks
}

// Merchants of the sample; more are numbered.
var merchantNames = [...]string{
	"第一食堂", "第二食堂", "第三食堂", "清真餐厅", "教工餐厅", "风味小吃城", "教育超市", "水果吧", "图书馆咖啡", "文具店", "洗衣房", "打印店",
}

var colleges = [...]string{"计算机学院", "数学学院", "物理学院", "化学学院", "文学院", "外国语学院", "经济学院", "法学院", "医学院", "土木学院"}

// surnames and given names by rough frequency; the second list repeats what is common.
const (
	surnames = "王王王李李李张张张刘刘陈陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段漕钱汤尹黎易常武乔贺赖龚文"
	given    = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红玲建国文斌宇浩凯健俊帆雪琳晨轩欣怡子涵梓萱佳豪思源雨桐一诺若曦嘉懿博远志航天佑"
)

// New makes the campus of the options.
func New(o Options) *Campus {
	d := DefaultOptions()
	for _, v := range []struct {
		value *int
		or    int
	}{{&o.Holders, d.Holders}, {&o.Merchants, d.Merchants}, {&o.POS, d.POS}} {
		if *v.value == 0 {
			*v.value = v.or
		}
	}
	c := &Campus{Options: o}
	random := rand.New(rand.NewPCG(o.Seed, 20261123))
	for i := range o.Merchants {
		name := fmt.Sprintf("商户%03d", i+1)
		if i < len(merchantNames) {
			name = merchantNames[i]
		}
		c.Merchants = append(c.Merchants, Merchant{fmt.Sprintf("8983%011d", i+1), name})
	}
	c.addTerminals(random)
	for i := range o.Holders {
		c.Holders = append(c.Holders, c.holder(random, i))
	}
	return c
}

func (c *Campus) addTerminals(random *rand.Rand) {
	add := func(t Type, code string, merchant int, door string) {
		key := make(iso8583.Secret, 16)
		for i := range key {
			key[i] = byte(random.Uint32())
		}
		c.Terminals = append(c.Terminals, Terminal{code, t, merchant, door, key})
	}
	for i := range c.Options.POS {
		add(POS, fmt.Sprintf("1%07d", i+1), i%len(c.Merchants), "")
	}
	for i := range c.Options.Gates {
		add(Gate, fmt.Sprintf("2%07d", i+1), 0, doors[i%len(doors)].code)
	}
	for i := range c.Options.Kiosks {
		add(Kiosk, fmt.Sprintf("3%07d", i+1), 0, "")
	}
}

func (c *Campus) holder(random *rand.Rand, i int) Holder {
	class := classFor(random.Float64())
	h := Holder{
		Number: fmt.Sprintf("2026%06d", i+1), Name: personName(random), Class: class, Organisation: fmt.Sprintf("C%02d", random.IntN(len(colleges))),
		Groups: groupsOf[class], Card: cardNumber(i), PIN: pin(100_001 + random.IntN(899_000)), State: "active", Hall: random.IntN(min(5, len(c.Merchants))),
	}
	if random.Float64() < 0.9 {
		h.BankAccount = 6217_0001_0000_0000 + uint64(i)
	}
	// Balances are such that about one lunch in a hundred meets an empty purse (handbook 5.4).
	h.Main = money.Fen(2000 + random.IntN(30_000))
	if random.Float64() < 0.009 {
		h.Main = money.Fen(random.IntN(300))
	}
	if random.Float64() < 0.3 {
		h.Subsidy = money.Fen(500 + random.IntN(6000))
	}
	switch p := random.Float64(); {
	case p < 0.0003:
		h.State = "lost"
	case p < 0.0005:
		h.Expires = "2025-07-31"
	}
	if c.Options.Rich {
		h.Main, h.Subsidy, h.State, h.Expires = 90_000_000, 0, "active", ""
	}
	return h
}

// pin avoids six equal digits, which an import refuses.
func pin(n int) string {
	if n%111_111 == 0 {
		n++
	}
	return fmt.Sprintf("%06d", n)
}

func personName(random *rand.Rand) string {
	pick := func(s []rune) string { return string(s[random.IntN(len(s))]) }
	name := pick([]rune(surnames)) + pick([]rune(given))
	if random.Float64() < 0.75 {
		name += pick([]rune(given))
	}
	return name
}

func classFor(p float64) string {
	switch {
	case p < 0.72:
		return "undergraduate"
	case p < 0.84:
		return "master"
	case p < 0.88:
		return "doctoral"
	case p < 0.97:
		return "staff"
	case p < 0.99:
		return "visiting"
	}
	return "temporary"
}

// CardOf is the card of the holder with an index, of any campus.
func CardOf(i int) uint64 { return cardNumber(i) }

// cardNumber is the school's BIN 9156, a serial number and the check digit.
func cardNumber(i int) uint64 {
	body := uint64(915_600_000_000_000) + uint64(i+1)
	sum := uint64(0)
	for k, n := 0, body; n > 0; k, n = k+1, n/10 {
		d := n % 10
		if k%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return body*10 + (10-sum%10)%10
}

// MACModeOf is the mode of every terminal of the campus.
func (c *Campus) MACModeOf() iso8583.MACMode { return c.Options.MACMode }

// MerchantOf returns DE 42 of a terminal.
func (c *Campus) MerchantOf(t *Terminal) string { return c.Merchants[t.Merchant].Code }

func keyText(key []byte) string { return hex.EncodeToString(key) }
