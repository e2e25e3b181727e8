package bankgw

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"onecard/switch/iso8583"
)

// Reading records: MAC, form, and what the gateway looks at.

func (w *recordCodec) reader() (reader, error) {
	return &recordReader{table: w.table, keys: checker{ring: w.ring}, rules: w.rules}, nil
}

// recordReader takes records apart.
type recordReader struct {
	table *recordTable
	keys  checker
	rules *codeRules
}

func (r *recordReader) read(payload []byte) (answer, error) {
	if key := r.table.codes[mtiKey]; key != "" && r.keys.ring.zmk != nil && string(payload[:min(len(payload), recordCodeSize)]) == key {
		if a, err := r.readKey(payload); a.function == functionKey {
			return a, err
		}
	}
	record, err := r.authentic(payload, r.keys.now())
	if former := r.keys.former(err); former != nil {
		record, err = r.authentic(payload, former)
	}
	if err != nil {
		return answer{}, err
	}
	return r.readRecord(record)
}

// readKey reads a key change, whose MAC is of the key that it brings.
func (r *recordReader) readKey(payload []byte) (answer, error) {
	size := r.macBytes()
	if len(payload) < recordCodeSize+size {
		return answer{}, iso8583.ErrBankMAC
	}
	record := payload[:len(payload)-size]
	a, err := r.readRecord(record)
	if err != nil {
		return answer{}, iso8583.ErrBankMAC // nothing in it can be answered
	}
	shape := r.table.shapes[mtiKey]
	digits := func(s source) []byte {
		p := shape.find(s)
		value, _ := hex.DecodeString(string(record[p.at : p.at+p.width]))
		return value
	}
	key, mac, err := r.keys.unwrap(digits(sourceNewKey), digits(sourceCheckValue))
	if err != nil {
		return a, err
	}
	if _, err = r.authentic(payload, mac); err == nil {
		a.key = key
	}
	return a, err
}

// readRecord takes a record apart.
func (r *recordReader) readRecord(record []byte) (answer, error) {
	mti, known := r.table.mtis[string(record[:recordCodeSize])]
	if !known {
		return answer{mti: mtiOther, complete: true}, nil // not by its code: it might be called 0210
	}
	shape := r.table.shapes[mti]
	if len(record) != shape.size {
		return answer{}, notAMessage("record %s of %d bytes, its layout has %d", record[:recordCodeSize], len(record), shape.size)
	}
	for i := range shape.parts {
		if !r.table.wellFormed(&shape.parts[i], record) {
			return answer{}, notAMessage("record %s: what stands at %d cannot be there", record[:recordCodeSize], shape.parts[i].at)
		}
	}
	return r.take(mti, shape, record), nil
}

// macBytes is how much the MAC takes.
func (r *recordReader) macBytes() int {
	if r.table.hexMAC {
		return 2 * iso8583.MACSize
	}
	return iso8583.MACSize
}

// authentic cuts off the MAC when it is the MAC of the record.
func (r *recordReader) authentic(payload []byte, mac *iso8583.MAC) ([]byte, error) {
	size, sum := r.macBytes(), [iso8583.MACSize]byte{}
	if len(payload) < recordCodeSize+size {
		return nil, iso8583.ErrBankMAC
	}
	record, tail := payload[:len(payload)-size], payload[len(payload)-size:]
	if !r.table.hexMAC {
		copy(sum[:], tail)
	} else if _, err := hex.Decode(sum[:], tail); err != nil {
		return nil, iso8583.ErrBankMAC
	}
	if !mac.Verify(nil, record, sum[:]) {
		return nil, iso8583.ErrBankMAC
	}
	return record, nil
}

// wellFormed says whether a place holds what it may: digits or nothing where a number is, text of its encoding elsewhere.
func (t *recordTable) wellFormed(p *recordPart, record []byte) bool {
	value := record[p.at : p.at+p.width]
	blank := len(bytes.TrimRight(value, " ")) == 0
	switch {
	case p.number:
		return blank || onlyDigits(string(value))
	case (p.source == sourceText || p.source == sourceIdentity) && t.gbk:
		text, err := simplifiedchinese.GBK.NewDecoder().Bytes(bytes.TrimRight(value, " "))
		return err == nil && !bytes.ContainsRune(text, utf8.RuneError)
	}
	return !slices.ContainsFunc(value, func(c byte) bool { return c < ' ' || c > '~' })
}

func (r *recordReader) take(mti string, shape *recordShape, record []byte) answer {
	a := answer{mti: mti}
	value := func(s source) string {
		p := shape.find(s)
		if p == nil {
			return ""
		}
		return strings.TrimRight(string(record[p.at:p.at+p.width]), " ")
	}
	trace, err := strconv.ParseUint(value(sourceTrace), 10, 32)
	a.trace, a.complete = uint32(trace), err == nil
	coded := r.rules.weigh(&a, value(sourceCode))
	if mti == mtiNetwork || mti == mtiNetworkAnswer || mti == mtiKey {
		a.function, _ = strconv.ParseUint(value(sourceFunction), 10, 64)
		if mti != mtiNetworkAnswer {
			a.message = bytes.Clone(record)
		}
		a.finish(coded, "", "")
		return a
	}
	reference := value(sourceReference)
	a.load = readLoad(reference)
	a.date = readMonthDay(value(sourceDateTime))
	if terminal := shape.find(sourceTerminal); value(sourceTerminal) != "" {
		copy(a.terminal[:], record[terminal.at:]) // its spaces are its own
	}
	switch mti {
	case mtiSigningAnswer:
		a.agreement = &agreed{act: value(sourceAct), account: value(sourceAccount), signed: value(sourceAgreement)}
	case mtiBalanceAnswer:
		a.mti, a.agreement = mtiLoadAnswer, &agreed{act: value(sourceAct), account: value(sourceAccount), balance: value(sourceBalance)}
	}
	if mti == mtiReversalAnswer && shape.find(sourceSent) != nil {
		a.sent, a.date = value(sourceSent), 0
	}
	a.readAmount(value(sourceAmount))
	a.fate, a.bankDate = r.rules.fateOf(value(sourceFate)), value(sourceBankDate)
	if mti == mtiWithdrawalAnswer {
		a.mti = mtiLoadAnswer
	}
	bank := value(sourceBank)
	a.finish(coded, bank[max(0, len(bank)-len(a.bank)):], reference) // of a long number the end tells most
	return a
}
