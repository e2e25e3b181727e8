package samplecampus

import (
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// class is a row of classes.csv: thresholds of handbook 3.2, load limits of 3.8.
type class struct {
	code, name                                                       string
	pinSingle, pinDay, dayAmount, dayCount, cap, loadSingle, loadDay string
}

var classes = [...]class{
	{"undergraduate", "本科生", "30.00", "50.00", "200.00", "20", "1000.00", "200.00", "500.00"},
	{"master", "硕士生", "30.00", "50.00", "200.00", "20", "1000.00", "200.00", "500.00"},
	{"doctoral", "博士生", "30.00", "80.00", "300.00", "20", "1000.00", "200.00", "500.00"},
	{"staff", "教职工", "50.00", "100.00", "500.00", "30", "2000.00", "500.00", "1000.00"},
	{"visiting", "访问学者", "30.00", "50.00", "200.00", "20", "1000.00", "200.00", "500.00"},
	{"temporary", "临时人员", "20.00", "30.00", "100.00", "10", "500.00", "100.00", "200.00"},
}

var groupsOf = map[string]string{
	"undergraduate": "1;2;3", "master": "1;2;3;4", "doctoral": "1;2;3;4", "staff": "1;2;5", "visiting": "1;2", "temporary": "1",
}

type door struct{ code, name, grants string }

var doors = [...]door{
	{"main-gate", "校门", "1:daily:00:00-24:00"},
	{"library", "图书馆", "2:daily:06:30-22:30|4:daily:00:00-24:00"},
	{"dorm-1", "学生公寓一", "3:daily:05:30-23:00"},
	{"lab", "实验楼", "4:daily:00:00-24:00|5:Mon-Fri:07:00-22:00"},
	{"gym", "体育馆", "1:Mon-Fri:06:00-22:00|2:Sat-Sun:08:00-21:00"},
}

// programmes are the purses besides main and general subsidy: a grant for everywhere, 3.00 of each meal by a company, hot water where water
// is sold, a water purse of the holder's own, meal tickets.
var programmes = [...][6]string{
	{"grant", "助学补贴", "subsidy", "", "", ""},
	{"meal", "餐补", "subsidy", "company", "0", "3.00"},
	{"hot", "热水补贴", "subsidy", "logistics", "1", ""},
	{"water", "水控钱包", "water", "", "1", ""},
	{"tickets", "餐券", "count", "", "", ""},
}

// termsRows: every merchant pays one percent, sells food (group 0), and takes meal tickets.
func (c *Campus) termsRows(write func(...string)) {
	for i, m := range c.Merchants {
		write(m.Code, "0", "no", "1.00", "中国工商银行", fmt.Sprintf("62220000%08d", i+1), m.Name, "1")
	}
}

// Columns of the people's files.
var (
	holderColumns = []string{"number", "name", "class", "organisation", "state", "groups", "bank_account", "opening_main", "opening_subsidy"}
	cardColumns   = []string{"card", "holder", "state", "expires", "pin"}
)

// WriteCSV writes the import files into a folder, readable by their owner alone: they hold keys and PINs in the clear.
func (c *Campus) WriteCSV(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder for the import files: %w", err)
	}
	for _, file := range []struct {
		name   string
		header []string
		rows   func(write func(...string))
	}{
		{"organisations.csv", []string{"code", "parent", "name"}, c.organisationRows},
		{"classes.csv", []string{"code", "name", "pin_single", "pin_day", "day_amount", "day_count", "purse_cap", "load_single", "load_day", "partial_subsidy"}, c.classRows},
		{"merchants.csv", []string{"code", "name", "organisation", "state", "opens", "closes"}, c.merchantRows},
		{"doors.csv", []string{"code", "name", "grants"}, func(write func(...string)) {
			for _, d := range doors {
				write(d.code, d.name, d.grants)
			}
		}},
		{"terminals.csv", []string{"code", "merchant", "type", "mac", "legacy", "tmk", "kcv", "door", "state"}, c.terminalRows},
		{"holders.csv", holderColumns, c.holderRows},
		{"cards.csv", cardColumns, c.cardRows},
		{"account_sets.csv", []string{"set", "code"}, func(write func(...string)) { write("1", "counts") }},
		{"terms.csv", []string{"merchant", "group", "department", "service_fee", "bank", "account", "payee", "account_sets"}, c.termsRows},
		{"programmes.csv", []string{"code", "name", "purse", "provider", "purposes", "per_meal"}, func(write func(...string)) {
			for _, p := range programmes {
				write(p[:]...)
			}
		}},
		{"desks.csv", []string{"code", "name"}, func(write func(...string)) {
			write("A", "服务厅一号")
			write("B", "服务厅二号")
		}},
	} {
		if err := writeFile(filepath.Join(dir, file.name), file.header, file.rows); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
	}
	return nil
}

func writeFile(path string, header []string, rows func(write func(...string))) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	_ = w.Write(header) // the writer keeps its first error
	rows(func(fields ...string) { _ = w.Write(fields) })
	w.Flush()
	if err := w.Error(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func (c *Campus) organisationRows(write func(...string)) {
	write("ROOT", "", "示范大学")
	for i, name := range colleges {
		write(fmt.Sprintf("C%02d", i), "ROOT", name)
	}
}

func (c *Campus) classRows(write func(...string)) {
	for _, k := range classes {
		if c.Options.Rich {
			write(k.code, k.name, "", "", "", "", "", "", "", "yes")
			continue
		}
		write(k.code, k.name, k.pinSingle, k.pinDay, k.dayAmount, k.dayCount, k.cap, k.loadSingle, k.loadDay, "yes")
	}
}

func (c *Campus) merchantRows(write func(...string)) {
	for _, m := range c.Merchants {
		write(m.Code, m.Name, "ROOT", "open", "", "")
	}
}

func (c *Campus) terminalRows(write func(...string)) {
	legacy := "no"
	if c.Options.MACMode.Legacy() {
		legacy = "yes"
	}
	for i := range c.Terminals {
		t := &c.Terminals[i]
		value, err := iso8583.CheckValue(iso8583.SchemeOf(c.Options.MACMode), t.Key)
		if err != nil {
			continue // the import says that the key is missing
		}
		write(t.Code, c.MerchantOf(t), string(t.Type), c.Options.MACMode.String(), legacy, keyText(t.Key), hex.EncodeToString(value[:]), t.Door, "active")
	}
}

func (c *Campus) holderRows(write func(...string)) {
	for i := range c.Holders {
		c.Holders[i].row(write)
	}
}

func (c *Campus) cardRows(write func(...string)) {
	for i := range c.Holders {
		c.Holders[i].cardRow(write)
	}
}

func (h *Holder) row(write func(...string)) {
	account := ""
	if h.BankAccount != 0 {
		account = fmt.Sprint(h.BankAccount)
	}
	write(h.Number, h.Name, h.Class, h.Organisation, "active", h.Groups, account, yuan(h.Main), yuan(h.Subsidy))
}

func (h *Holder) cardRow(write func(...string)) {
	write(fmt.Sprint(h.Card), h.Number, h.State, h.Expires, h.PIN)
}

// WritePeople writes the import files of so many more people, from an index on, and keeps none of them: a country does not fit in memory.
// Their cards are CardOf. Call it for one range after another with Holders in the options no larger than the first index.
func (c *Campus) WritePeople(dir string, first, count int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder for the import files: %w", err)
	}
	for _, file := range []struct {
		name   string
		header []string
		row    func(h *Holder, write func(...string))
	}{
		{"holders.csv", holderColumns, (*Holder).row},
		{"cards.csv", cardColumns, (*Holder).cardRow},
	} {
		random := rand.New(rand.NewPCG(c.Options.Seed, uint64(first)))
		err := writeFile(filepath.Join(dir, file.name), file.header, func(write func(...string)) {
			for i := first; i < first+count; i++ {
				h := c.holder(random, i)
				file.row(&h, write)
			}
		})
		if err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
	}
	return nil
}

func yuan(a money.Fen) string {
	if a == 0 {
		return ""
	}
	return a.String()
}
