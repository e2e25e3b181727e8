package command

import (
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
)

// sampleFiles are the terminals and cards of a sample campus, as their CSV files have them (keys and PINs in the clear: a sample's).
type sampleFiles struct {
	folder    string
	terminals []map[string]string
	cards     []map[string]string
}

// sampleCard is a card with its PIN.
type sampleCard struct {
	number uint64
	pin    iso8583.PIN
}

func readSample(folder string) (*sampleFiles, error) {
	s := &sampleFiles{folder: folder}
	var err error
	if s.terminals, err = readRows(filepath.Join(folder, "terminals.csv")); err != nil {
		return nil, err
	}
	if s.cards, err = readRows(filepath.Join(folder, "cards.csv")); err != nil {
		return nil, err
	}
	return s, nil
}

// readRows reads a CSV file whose first row names the columns.
func readRows(path string) ([]map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("读不出示范校园 / reading the sample campus: %w", err)
	}
	defer func() { _ = f.Close() }()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(all) < 2 {
		return nil, fmt.Errorf("%s: 没有一行数据 / no rows", path)
	}
	var rows []map[string]string
	for _, values := range all[1:] {
		row := make(map[string]string, len(values))
		for i, name := range all[0] {
			row[name] = values[i]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// terminal finds a terminal by its code, or the last active one of the first type that is there: the demonstration begins with the first.
func (s *sampleFiles) terminal(code string, kinds []string) (emulator.DeviceConfig, error) {
	for _, kind := range kinds {
		for _, row := range slices.Backward(s.terminals) {
			if code != "" && row["code"] != code || code == "" && (row["type"] != kind || row["state"] != "active") {
				continue
			}
			return s.config(row)
		}
	}
	return emulator.DeviceConfig{}, fmt.Errorf("%s 中没有这样的终端 / no such terminal in terminals.csv: %s %v", s.folder, code, kinds)
}

func (s *sampleFiles) config(row map[string]string) (emulator.DeviceConfig, error) {
	c := emulator.DeviceConfig{Code: row["code"], Merchant: row["merchant"], InFlight: 1}
	var err error
	if c.Mode, err = iso8583.ParseMACMode(row["mac"]); err != nil {
		return c, err
	}
	key, err := hex.DecodeString(row["tmk"])
	if err != nil {
		return c, fmt.Errorf("%s: 终端 %s 的主密钥不可读 / the master key cannot be read", s.folder, c.Code)
	}
	c.Key = key
	return c, nil
}

// card finds a card by its number or its holder's; "" is the first that is active and does not expire.
func (s *sampleFiles) card(text string) (sampleCard, bool) {
	for _, row := range s.cards {
		if text == row["card"] || text == row["holder"] || text == "" && row["state"] == "active" && row["expires"] == "" {
			number, err := strconv.ParseUint(row["card"], 10, 64)
			return sampleCard{number, iso8583.PIN(row["pin"])}, err == nil
		}
	}
	return sampleCard{}, false
}
