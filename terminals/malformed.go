package terminals

import (
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// mendsPerFrame bounds how many bad fields of one frame are looked past.
const mendsPerFrame = 4

// malformed answers a frame that the codec refuses: 30 when it can be read who asked what (F11 and F41), 40 for a message that is none of
// ours, without a MAC since nothing in it is authentic. A frame that names nobody closes the connection, and so do several in a row.
func (s *Session) malformed(now int64, payload []byte, fault error) error {
	t := s.sessions
	t.events.rejected(iso8583.FaultOf(fault).Label())
	answered := false
	if iso8583.FaultOf(fault) == iso8583.FaultOtherMTI {
		answered = s.declineOther(now, payload)
	} else {
		answered = s.declineUnreadable(now, payload)
	}
	if !answered {
		return ClosedGarbage
	}
	if s.badFrames++; s.badFrames >= t.config.BadFramesBeforeClose {
		s.finish(ClosedBadFrames)
	}
	return nil
}

// declineOther answers 40 to a message outside the hot codec (0500, 0320, 0100 ...). The codec with the whole specification reads it; it
// says no when the message names nobody.
func (s *Session) declineOther(now int64, payload []byte) bool {
	t := s.sessions
	hhmmss, mmdd := t.clock.at(now)
	frame, err := t.other.Decline(payload, iso8583.Declined{Code: transaction.NotSupported, Reference: t.number(now), HHMMSS: hhmmss, MMDD: mmdd})
	if err != nil {
		return false
	}
	s.link.Update(append(s.link.Buffer(), frame...))
	return true
}

// declineUnreadable answers 30 to a message that can be read far enough. The reply's MTI, F11 and F41 lead it back to who asked; what
// stands behind the fault, or was mended, is not echoed.
func (s *Session) declineUnreadable(now int64, payload []byte) bool {
	t := s.sessions
	m := &t.message
	behind := t.readAsFarAsPossible(m, payload, s.pinBlockLength)
	named := behind > 41 && m.Has(41)
	if behind <= 11 || !m.Has(11) || m.MTI().Reply() == m.MTI() || !named && !s.signedOn {
		return false
	}
	hhmmss, mmdd := t.clock.at(now)
	reference := t.number(now)
	b := &t.builder
	b.Reply(s.link.Buffer(), m, m.MTI().Reply(), 0)
	b.Copy(m, 11)
	b.Number(12, hhmmss)
	b.Number(13, mmdd)
	b.Bytes(37, reference[:])
	b.Bytes(39, transaction.FormatError[:])
	if named {
		b.Copy(m, 41)
	} else {
		b.Bytes(41, s.code[:]) // a session has one terminal: it must be this one
	}
	if behind > 42 {
		b.Copy(m, 42)
	}
	s.link.Update(b.Finish(nil, nil))
	return true
}

// readAsFarAsPossible parses in spite of bad digits: in a copy each bad field whose place is known is overwritten with zeros, so that the
// fields behind it can be read, until F41 is. Fields below behind were read; F11 only as it came.
func (t *Sessions) readAsFarAsPossible(m *iso8583.Message, payload []byte, pinBlockLength int) (behind int) {
	t.mended = append(t.mended[:0], payload...)
	for range mendsPerFrame {
		err := m.Parse(t.mended, pinBlockLength)
		if err == nil {
			return 65
		}
		behind = iso8583.FieldOf(err)
		if behind > 41 || behind == 11 || iso8583.FaultOf(err) != iso8583.FaultNibble {
			break
		}
		clear(m.Value(behind))
	}
	return behind
}
