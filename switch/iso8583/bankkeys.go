package iso8583

import (
	"crypto/subtle"
	"fmt"
)

// WrapKey enciphers a working key under a zone master key (ZMK): F48 of a key change at the bank (wire handbook 5.2).
func WrapKey(s KeyScheme, master, key Secret) ([]byte, error) {
	block, err := s.newCipher(master)
	if err != nil {
		return nil, fmt.Errorf("zone master key: %w", err)
	}
	if len(key) == 0 || len(key)%block.BlockSize() != 0 {
		return nil, fmt.Errorf("a key of %d bytes cannot be wrapped in blocks of %d", len(key), block.BlockSize())
	}
	return ecb(nil, block.Encrypt, block.BlockSize(), key), nil
}

// UnwrapKey is the reverse of WrapKey. A key without the check value that came with it is ErrCheckValue.
func UnwrapKey(s KeyScheme, master Secret, wrapped, value []byte) (Secret, error) {
	block, err := s.newCipher(master)
	if err != nil {
		return nil, fmt.Errorf("zone master key: %w", err)
	}
	if len(wrapped) == 0 || len(wrapped)%block.BlockSize() != 0 {
		return nil, fmt.Errorf("a wrapped key of %d bytes: %w", len(wrapped), ErrCheckValue)
	}
	key := Secret(ecb(nil, block.Decrypt, block.BlockSize(), wrapped))
	want, err := CheckValue(s, key)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(want[:], value) != 1 {
		return nil, ErrCheckValue
	}
	return key, nil
}

// OpenBankMessageUnder reads a message that brings its own key: keyed makes the MAC from what the message says, and nothing else of it is to be
// believed before that MAC has been checked. The message comes back beside the error when it could be read, to be refused.
func OpenBankMessageUnder(profile *BankProfile, raw []byte, keyed func(*BankMessage) (*MAC, error)) (*BankMessage, error) {
	if !profile.carriesMAC(raw) {
		return nil, fmt.Errorf("bank message of %d bytes without a MAC field: %w", len(raw), ErrBankMAC)
	}
	b, err := readBank(profile, raw)
	if err != nil {
		return nil, fmt.Errorf("bank message cannot be read: %w", err)
	}
	mac, err := keyed(b)
	if err != nil {
		return b, err
	}
	if !mac.Verify(nil, raw[:len(raw)-MACSize], raw[len(raw)-MACSize:]) {
		return b, ErrBankMAC
	}
	return b, nil
}
