package iso8583

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// BankIdentity is who a holder is, as the bank knows him: F61 of 0100. It prints masked, so that it cannot leak into a log.
type BankIdentity struct {
	Number string // of his identity card, passport or permit
	Name   string
}

// F61 of 0100: the identity number, left justified in 20 ASCII characters, then the name in GBK.
const (
	identityNumberSize = 20
	identityNameMax    = 60
)

// ErrIdentity says that a name or an identity number cannot be sent, or read.
var ErrIdentity = errors.New("姓名或证件号不合要求 / the name or the identity number is not well formed")

// Encode makes F61. The error never holds what could not be written.
func (i BankIdentity) Encode() (string, error) {
	for _, c := range []byte(i.Number) {
		if c <= ' ' || c > '~' {
			return "", ErrIdentity
		}
	}
	name, err := simplifiedchinese.GBK.NewEncoder().String(i.Name)
	if err != nil || i.Number == "" || len(i.Number) > identityNumberSize || name == "" || len(name) > identityNameMax {
		return "", ErrIdentity
	}
	return fmt.Sprintf("%-*s", identityNumberSize, i.Number) + name, nil
}

// ReadBankIdentity reads F61.
func ReadBankIdentity(field string) (BankIdentity, error) {
	if len(field) <= identityNumberSize || len(field) > identityNumberSize+identityNameMax {
		return BankIdentity{}, ErrIdentity
	}
	name, ok := readText([]byte(field[identityNumberSize:]))
	number := strings.TrimRight(field[:identityNumberSize], " ")
	if !ok || number == "" {
		return BankIdentity{}, ErrIdentity
	}
	return BankIdentity{number, name}, nil
}

// String shows nothing of a person.
func (BankIdentity) String() string { return "****" }

// GoString keeps %#v masked too.
func (BankIdentity) GoString() string { return "****" }

// MarshalText keeps JSON and YAML masked.
func (BankIdentity) MarshalText() ([]byte, error) { return []byte("****"), nil }
