package banksim

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"onecard/switch/iso8583"
)

// The bank's side of a key change (0800, function 101): a new key is drawn and sent under the zone master key. Until the campus has answered
// with 00, or has signed anything with it, the bank signs with the key in force and takes both; then it signs with the new one and takes the
// former one for keyOverlap. An 0800 without an answer is sent again. A campus that asks for a key is heard whatever its MAC is: it asks when the
// keys do not agree.

const (
	functionKey    = 101
	keyOverlap     = 5 * time.Minute
	keyRepeat      = 5 * time.Second // an 0800 without an answer
	keySends       = 3               // of one 0800
	fieldKey       = 48
	fieldCheck     = 96
	keyTag         = "NK"
	checkFieldSize = 8
)

// keyPlace is which of the bank's keys.
type keyPlace int

const (
	keyNow keyPlace = iota
	keyNext
	keyFormer
	keyPlaces
)

// keySet is the keys at one time; it does not change.
type keySet struct {
	keys  [keyPlaces]iso8583.Secret // nil: none
	until time.Time                 // the former one is taken
}

// signer has the MACs of the bank's keys for one direction of a link.
type signer struct {
	bank *Bank
	set  *keySet // that the MACs are of
	macs [keyPlaces]*iso8583.MAC
}

// mac of one of the keys; nil: there is no such key.
func (s *signer) mac(place keyPlace) *iso8583.MAC {
	if set := s.bank.keys.Load(); set != s.set {
		s.set, s.macs = set, [keyPlaces]*iso8583.MAC{}
		for i, key := range set.keys {
			if key != nil {
				s.macs[i], _ = iso8583.NewMAC(s.bank.config.MACMode, key) // its length is right
			}
		}
	}
	return s.macs[place]
}

// another tries the keys beside the one in force. The campus that signs with the next one has taken it.
func (s *signer) another(try func(*iso8583.MAC) error) error {
	if next := s.mac(keyNext); next != nil && try(next) == nil {
		return s.bank.adopt()
	}
	if former := s.mac(keyFormer); former != nil && s.bank.config.Clock().Before(s.set.until) {
		return try(former)
	}
	return iso8583.ErrBankMAC
}

// of is the MAC that a message of the bank's is signed with.
func (s *signer) of(m *iso8583.BankMessage) *iso8583.MAC {
	if next := s.mac(keyNext); m.MTI() == "0800" && next != nil {
		return next
	}
	return s.mac(keyNow)
}

// errLost says that a message never came.
var errLost = errors.New("bank simulator: lost")

// adopt puts the next key in force. With the verb drop the first that the campus says under it is lost.
func (b *Bank) adopt() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.keys.Load()
	if b.deaf {
		b.deaf = false
		return errLost
	}
	if old.keys[keyNext] == nil {
		return nil
	}
	b.books.stats.KeyChanges++
	b.keys.Store(&keySet{keys: [keyPlaces]iso8583.Secret{keyNow: old.keys[keyNext], keyFormer: old.keys[keyNow]}, until: b.config.Clock().Add(keyOverlap)})
	return nil
}

// drawKey makes the next key, whatever became of the one before it.
func (b *Bank) drawKey() {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := make(iso8583.Secret, 0, 16)
	for range 2 {
		key = binary.BigEndian.AppendUint64(key, b.program.random.Uint64())
	}
	set := *b.keys.Load()
	set.keys[keyNext] = key
	b.keys.Store(&set)
}

// ErrNoZMK says that a bank without a zone master key cannot change keys.
var ErrNoZMK = errors.New("bank simulator: there is no zone master key")

// ChangeKey begins a change of the MAC key on one link, behaving as the script says for the kind key. Without a link nothing happens.
func (b *Bank) ChangeKey() error {
	if b.config.ZMK == nil {
		return ErrNoZMK
	}
	how := b.next(kindKey)
	if l := b.firstLink(); l != nil && how.verb != verbLose && how.verb != verbDecline {
		b.sendKey(l, how)
	}
	return nil
}

// ForceKey changes the bank's MAC key without telling the campus: its keys are lost, or were changed by hand.
func (b *Bank) ForceKey(key iso8583.Secret) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keys.Store(&keySet{keys: [keyPlaces]iso8583.Secret{keyNow: key}})
}

// firstLink is the oldest that stands.
func (b *Bank) firstLink() (first *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.links {
		if first == nil || l.number < first.number {
			first = l
		}
	}
	return first
}

// takeKeyAsk answers a request for a key and sends one.
func (b *Bank) takeKeyAsk(l *link, m *iso8583.BankMessage) {
	how := b.next(kindKey)
	switch {
	case how.verb == verbLose:
	case how.verb == verbClose:
		l.close()
	case how.verb == verbDecline:
		b.send(l, b.answer(m, how.code), nil)
	case b.config.ZMK == nil:
		b.send(l, b.answer(m, codeUnknown), nil)
	default:
		b.send(l, b.answer(m, codeApproved), nil)
		b.sendKey(l, how)
	}
}

// sendKey sends a new key as a behaviour says.
func (b *Bank) sendKey(l *link, how behaviour) {
	b.drawKey()
	switch how.verb {
	case verbDelay, verbSlow:
		b.later(how.after, func() { b.sendKeyAgain(l, how, b.keys.Load().keys[keyNext], keySends) })
	case verbDrop:
		b.mu.Lock()
		b.deaf = true
		b.mu.Unlock()
		b.sendKeyAgain(l, how, b.keys.Load().keys[keyNext], keySends)
	case verbTwice:
		next := b.keys.Load().keys[keyNext]
		b.sendKeyAgain(l, behaviour{}, next, 1)
		b.sendKeyAgain(l, behaviour{}, next, keySends)
	default:
		b.sendKeyAgain(l, how, b.keys.Load().keys[keyNext], keySends)
	}
}

// sendKeyAgain sends an 0800, and once more when it has not been answered, as long as its key is the next one.
func (b *Bank) sendKeyAgain(l *link, how behaviour, key iso8583.Secret, times int) {
	if next := b.keys.Load().keys[keyNext]; times == 0 || next == nil || !bytes.Equal(next, key) {
		return
	}
	b.mu.Lock()
	b.trace++
	trace, moment := b.trace, b.postingNow().Moment
	b.mu.Unlock()
	scheme := iso8583.SchemeOf(b.config.MACMode)
	wrapped, err := iso8583.WrapKey(scheme, b.config.ZMK, key)
	if err != nil {
		return // New has tried it
	}
	value, _ := iso8583.CheckValue(scheme, key)
	if how.verb == verbWrongCheck {
		value[0] ^= 1
	}
	m := b.begin("0800").Set(7, moment.Format("0102150405")).SetNumber(11, trace).SetNumber(70, functionKey)
	m.Set(fieldKey, keyTag+string(wrapped)).Set(fieldCheck, string(append(value[:], make([]byte, checkFieldSize-len(value))...)))
	b.deliver(l, m, behaviour{verb: map[verb]verb{verbWrongMAC: verbWrongMAC, verbGarbage: verbGarbage}[how.verb]})
	b.later(keyRepeat, func() { b.sendKeyAgain(l, how, key, times-1) })
}

// takeKeyAnswer takes the campus's 0810: an approval is signed with the new key, which is in force by that. A refusal leaves the key in force.
func (b *Bank) takeKeyAnswer(m *iso8583.BankMessage) {
	if m.String(fieldResponse) == codeApproved {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	set := *b.keys.Load()
	set.keys[keyNext] = nil
	b.keys.Store(&set)
}

// keyText is how a key and its check value stand in a record: hexadecimal digits, without NK and what is filled up.
func keyText(field int, value string) string {
	if field == fieldKey {
		value = strings.TrimPrefix(value, keyTag)
	}
	return strings.ToUpper(hex.EncodeToString([]byte(value[:min(len(value), map[int]int{fieldKey: 16, fieldCheck: 4}[field])])))
}

func (c *Config) tryKeys() error {
	if _, err := iso8583.NewMAC(c.MACMode, c.MACKey); err != nil {
		return fmt.Errorf("bank simulator: %w", err)
	}
	if c.ZMK == nil {
		return nil
	}
	if _, err := iso8583.WrapKey(iso8583.SchemeOf(c.MACMode), c.ZMK, c.MACKey); err != nil {
		return fmt.Errorf("bank simulator: %w", err)
	}
	return nil
}
