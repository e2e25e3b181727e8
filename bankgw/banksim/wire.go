package banksim

import (
	"errors"

	"onecard/switch/iso8583"
)

// wire is one direction of a link: messages to bytes or bytes to messages. Inside the bank everything is a BankMessage.
type wire interface {
	// open checks the MAC and reads. What it returns does not hold on to raw; it comes beside ErrBankMAC when nothing but the MAC is wrong.
	open(raw []byte) (*iso8583.BankMessage, error)
	// seal writes with a MAC. The bytes hold until the next call.
	seal(m *iso8583.BankMessage) ([]byte, error)
}

// fieldWire is ISO 8583.
type fieldWire struct {
	profile *iso8583.BankProfile
	signer  signer
}

func (w *fieldWire) open(raw []byte) (*iso8583.BankMessage, error) {
	m, err := iso8583.OpenBankMessageUnder(w.profile, raw, func(*iso8583.BankMessage) (*iso8583.MAC, error) { return w.signer.mac(keyNow), nil })
	if m == nil || !errors.Is(err, iso8583.ErrBankMAC) {
		return m, err
	}
	return m, w.signer.another(func(mac *iso8583.MAC) error {
		_, err := iso8583.OpenBankMessage(w.profile, raw, mac)
		return err
	})
}

func (w *fieldWire) seal(m *iso8583.BankMessage) ([]byte, error) { return m.Seal(w.signer.of(m)) }
