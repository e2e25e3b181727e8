package banksim

import "onecard/switch/iso8583"

// wire is one direction of a link: messages to bytes or bytes to messages. Inside the bank everything is a BankMessage.
type wire interface {
	// open checks the MAC and reads. What it returns does not hold on to raw.
	open(raw []byte) (*iso8583.BankMessage, error)
	// seal writes with a MAC. The bytes hold until the next call.
	seal(m *iso8583.BankMessage) ([]byte, error)
}

// fieldWire is ISO 8583.
type fieldWire struct {
	profile *iso8583.BankProfile
	mac     *iso8583.MAC
}

func (w *fieldWire) open(raw []byte) (*iso8583.BankMessage, error) {
	return iso8583.OpenBankMessage(w.profile, raw, w.mac)
}

func (w *fieldWire) seal(m *iso8583.BankMessage) ([]byte, error) { return m.Seal(w.mac) }
