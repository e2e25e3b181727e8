package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"onecard/ledger/invariant"
	"onecard/switch/directory"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// siteKeyBytes is the length of the site key: AES-256.
const siteKeyBytes = 32

// bankKeyBytes is the length of the keys shared with a bank.
const bankKeyBytes = 16

// ErrSiteKey says that the site key is missing, unreadable or open to others.
var ErrSiteKey = errors.New("站点密钥不可用 / the site key cannot be used")

// LoadSiteKey reads the site key: 64 hexadecimal digits in a file that only its owner can read. When fresh says that there is no ledger
// yet, a missing key is drawn and written; beside a ledger a missing key is an error, because everything sealed under it would be lost.
func LoadSiteKey(path string, fresh bool) (iso8583.Secret, error) {
	key, err := readKeyFile(path, siteKeyBytes)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, fs.ErrNotExist) && fresh:
		return drawSiteKey(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s 不存在,而账本已用它封存终端密钥:请从保管处取回 / is missing, and the ledger has terminal keys sealed under it: bring it back from where it is kept", ErrSiteKey, path)
	}
	return nil, fmt.Errorf("%w: %w", ErrSiteKey, err)
}

func drawSiteKey(path string) (iso8583.Secret, error) {
	key := make(iso8583.Secret, siteKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("drawing the site key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("建站点密钥的文件夹 / making the folder of the site key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("写站点密钥 / writing the site key: %w", err)
	}
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("写站点密钥 / writing the site key: %w", err)
	}
	return key, nil
}

// readKeyFile reads a key of a given length as hexadecimal digits.
func readKeyFile(path string, size int) (iso8583.Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s 可被他人读取,请执行 chmod 600 / can be read by others: chmod 600 it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != size {
		return nil, fmt.Errorf("%s 须为 %d 位十六进制数 / must hold %d hexadecimal digits", path, 2*size, 2*size)
	}
	return key, nil
}

// LoadBankKey reads the MAC key that is shared with the bank: 32 hexadecimal digits.
func LoadBankKey(path string) (iso8583.Secret, error) {
	key, err := readKeyFile(path, bankKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("银行 MAC 密钥 / the MAC key of the bank: %w", err)
	}
	return key, nil
}

// terminalKeys opens terminals' master keys under the site key and makes verification values of PINs (terminals.Keys).
type terminalKeys struct {
	site         iso8583.Secret
	verification iso8583.Secret
}

func newTerminalKeys(site iso8583.Secret) (*terminalKeys, error) {
	verification, err := directory.PINVerificationKey(site)
	if err != nil {
		return nil, err
	}
	if _, err := iso8583.PINValue(verification, 0, ""); err != nil {
		return nil, err
	}
	return &terminalKeys{site, verification}, nil
}

// OpenTerminalKey opens a sealed master key.
func (k *terminalKeys) OpenTerminalKey(terminal transaction.TerminalCode, sealed []byte) (iso8583.Secret, error) {
	return iso8583.OpenKey(k.site, terminal[:], sealed)
}

// PINValue is the verification value of a PIN.
func (k *terminalKeys) PINValue(card transaction.CardNumber, pin iso8583.PIN) uint64 {
	value, err := iso8583.PINValue(k.verification, uint64(card), pin)
	invariant.Hold(err == nil, "PIN verification value: %v", err) // the key was tried when it was made
	return value
}
