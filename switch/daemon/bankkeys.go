package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"onecard/bankgw"
	"onecard/switch/iso8583"
)

// keptBankKeys is what stands in DIR/banks/NAME/keys.json once a bank has changed its MAC key over the link: the keys sealed under the site key
// (AES-256-GCM, the bank's name authenticated with them), everything else in clear.
type keptBankKeys struct {
	// Of is the key of mac_key_file that the changes began from. Another one in that file is a key that was changed by hand: it counts, and what
	// is kept here does not.
	Of          bankgw.KeyFingerprint   `json:"of"`
	Sealed      []byte                  `json:"sealed"`
	Former      []byte                  `json:"former,omitempty"`
	FormerUntil time.Time               `json:"former_until,omitzero"`
	CheckValue  string                  `json:"check_value"`
	Since       time.Time               `json:"since"`
	Retired     []bankgw.KeyFingerprint `json:"retired,omitempty"`
}

// bankKeysFile is where a bank's keys are kept.
func bankKeysFile(directory, bank string) string {
	return filepath.Join(directory, "banks", bank, "keys.json")
}

func bankKeyLabel(bank string) []byte { return []byte("bank MAC key " + bank) }

// keepBankKeys gives each bank the key that is in force, and a place to keep the next one.
func (s *server) keepBankKeys(banks []bankgw.Config, keys []bankgw.Keys) error {
	for i := range banks {
		name, given := banks[i].Name, keys[i].MAC
		kept, err := s.readBankKeys(name, given)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if kept != nil {
			kept.ZMK = keys[i].ZMK
			keys[i] = *kept
		}
		keys[i].Keep = func(k bankgw.Keys) error { return s.writeBankKeys(name, given, k) }
	}
	return nil
}

// readBankKeys opens what was kept; nil: nothing, or it began from another key than the one given.
func (s *server) readBankKeys(bank string, given iso8583.Secret) (*bankgw.Keys, error) {
	path := bankKeysFile(s.config.Data.Directory, bank)
	contents, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kept keptBankKeys
	if err := json.Unmarshal(contents, &kept); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if kept.Of != bankgw.FingerprintOf(given) {
		return nil, nil
	}
	k := &bankgw.Keys{Until: kept.FormerUntil, Since: kept.Since, Retired: kept.Retired}
	if k.MAC, err = iso8583.OpenKey(s.opened.site, bankKeyLabel(bank), kept.Sealed); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if kept.Former != nil {
		if k.Former, err = iso8583.OpenKey(s.opened.site, bankKeyLabel(bank), kept.Former); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return k, nil
}

// writeBankKeys returns when the keys are on disk.
func (s *server) writeBankKeys(bank string, given iso8583.Secret, k bankgw.Keys) error {
	kept := keptBankKeys{Of: bankgw.FingerprintOf(given), FormerUntil: k.Until, Since: k.Since, Retired: k.Retired}
	var err error
	if kept.Sealed, err = s.sealBankKey(bank, k.MAC); err != nil {
		return err
	}
	if k.Former != nil {
		if kept.Former, err = s.sealBankKey(bank, k.Former); err != nil {
			return err
		}
	}
	kept.CheckValue = k.CheckValue
	contents, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return err
	}
	path := bankKeysFile(s.config.Data.Directory, bank)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeWhole(path, append(contents, '\n'))
}

func (s *server) sealBankKey(bank string, key iso8583.Secret) ([]byte, error) {
	nonce := make([]byte, 12)
	if _, err := s.options.Random.Read(nonce); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	return iso8583.SealKey(s.opened.site, nonce, bankKeyLabel(bank), key)
}
