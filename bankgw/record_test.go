package bankgw

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

var recordKey = iso8583.Secret("0123456789abcdef")

func newRecords(t testing.TB, change func(*Dialect)) (*recordCodec, *recordReader) {
	c := DefaultConfig()
	c.Dialect.Kind = DialectRecord
	if change != nil {
		change(&c.Dialect)
	}
	require.NoError(t, c.Validate())
	made, err := newCodec(&c, newKeyRing(iso8583.MACSM4CBC, Keys{MAC: recordKey}))
	require.NoError(t, err)
	reading, err := made.reader()
	require.NoError(t, err)
	return made.(*recordCodec), reading.(*recordReader)
}

func anOrder() *transaction.LoadOrder {
	decided := time.Date(2026, 3, 9, 12, 34, 56, 0, time.FixedZone("", 8*3600))
	return &transaction.LoadOrder{
		Load: 42, Time: decided.UnixMicro(), Day: uint32(decided.Unix() / 86400), Amount: 5000, Card: 9156000000000001, BankAccount: 6217000012345678,
		TerminalCode: transaction.TerminalCode([]byte("KIOSK001")), MerchantCode: transaction.MerchantCode([]byte("103410054110001")),
	}
}

// TestRecordBytes: every field stands where the layout says, and the MAC is over all of them.
func TestRecordBytes(t *testing.T) {
	codec, _ := newRecords(t, nil)
	raw, err := codec.load(anOrder())
	require.NoError(t, err)
	want := "2001" + "0309123456" + "123456" + "0309" + "000043" + "00010000   " + "00010000   " + "KIOSK001" + "103410054110001" + "000000000042" +
		"6217000012345678   " + "9156000000000001   " + "000000005000" + "156" + "      " + "            " + strings.Repeat(" ", 40)
	require.Equal(t, want, string(raw[:len(raw)-16]))
	sum := codec.mac.Sum(nil, []byte(want))
	require.Equal(t, strings.ToUpper(hex.EncodeToString(sum[:])), string(raw[len(raw)-16:]))

	raw, err = codec.reversal(mtiRepeat, causeNoAnswer, anOrder(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, "2111"+"4021"+"0200000043"+"0309123456"+"00000010000"+"00000010000"+want[4:], string(raw[:len(raw)-16]))

	raw, err = codec.signing(&Signing{Act: SigningBind, Account: 6217000012345678, Holder: "20260001", Identity: iso8583.BankIdentity{Number: "110101200001011234", Name: "李"}}, 77, anOrder().Time)
	require.NoError(t, err)
	require.Equal(t, "2301"+"0309123456"+"123456"+"0309"+"000077"+"00010000   "+"00010000   "+"DESK0000"+"000000000000000"+"S0HGHJ5D6DQ8"+"890000"+
		"6217000012345678   "+"20260001"+strings.Repeat(" ", 20)+"110101200001011234  "+"\xC0\xEE"+strings.Repeat(" ", 58)+"      "+"            "+" "+strings.Repeat(" ", 40), string(raw[:len(raw)-16]))

	codec, _ = newRecords(t, func(d *Dialect) {
		d.Record.MAC = recordMACBytes
		d.Record.Load = []string{"full_date:8", "settlement_date:4", "'RMB':5", "trace:6", "reference:12", "terminal:8", "amount:15", "code:4"}
	})
	raw, err = codec.load(anOrder())
	require.NoError(t, err)
	require.Equal(t, "2001"+"20260309"+"0309"+"RMB  "+"000043"+"000000000042"+"KIOSK001"+"000000000005000"+"    ", string(raw[:len(raw)-8]))
}

// answerTo makes an answer out of a request: its code, and what is put at places.
func answerTo(codec *recordCodec, request []byte, mti string, put map[source]string) []byte {
	codec.scratch = append(codec.scratch[:0], request[:len(request)-16]...)
	copy(codec.scratch, codec.table.codes[mti])
	for s, value := range put {
		p := codec.table.shapes[mti].find(s)
		copy(codec.scratch[p.at:p.at+p.width], value+strings.Repeat(" ", p.width))
	}
	return bytes.Clone(codec.seal())
}

// TestRecordAnswers: codes of two characters stand for themselves; longer ones are read through the table, and one that it does not have is
// uncertain.
func TestRecordAnswers(t *testing.T) {
	codec, reading := newRecords(t, func(d *Dialect) {
		d.Codes = []string{"000000=00", "E00051=51", "E10068=68", "E10025=25", "A0=91"}
		d.UncertainCodes, d.NotFoundCodes = []string{"E10068", "10"}, []string{"E10025"}
	})
	request, err := codec.load(anOrder())
	require.NoError(t, err)
	request = bytes.Clone(request)
	for code, want := range map[string]struct {
		code, told          string
		uncertain, notFound bool
	}{
		"000000": {"00", "00", false, false}, "E00051": {"51", "51", false, false}, "E10068": {"68", "68", true, false}, "E10025": {"25", "25", false, true},
		"E99999": {"98", "98", true, false}, "00": {"00", "00", false, false}, "A0": {"A0", "91", false, false}, "10": {"10", "10", true, false},
	} {
		a, err := reading.read(answerTo(codec, request, mtiLoadAnswer, map[source]string{sourceCode: code, sourceBank: "20260309-777-888888"[7:], sourceText: "\xBD\xBB\xD2\xD7"}))
		require.NoError(t, err, code)
		require.True(t, a.complete)
		require.Equal(t, want.code+want.told, a.code.String()+a.told.String(), code)
		require.Equal(t, [2]bool{want.uncertain, want.notFound}, [2]bool{a.uncertain, a.notFound}, code)
		require.Equal(t, uint64(42), a.load)
		require.Equal(t, money.Fen(5000), a.amount)
		require.Equal(t, monthDay(309), a.date)
		require.Equal(t, "9-777-888888", string(a.bank[:]))
	}
	a, err := reading.read(answerTo(codec, request, mtiLoadAnswer, nil))
	require.NoError(t, err)
	require.False(t, a.complete, "an answer without a code is none")
}

// TestRecordIsStrict: a good MAC under a record that is none.
func TestRecordIsStrict(t *testing.T) {
	codec, reading := newRecords(t, nil)
	request, err := codec.load(anOrder())
	require.NoError(t, err)
	good := answerTo(codec, bytes.Clone(request), mtiLoadAnswer, map[source]string{sourceCode: "00"})
	_, err = reading.read(good)
	require.NoError(t, err)
	reseal := func(change func(record []byte) []byte) []byte {
		codec.scratch = change(bytes.Clone(good[:len(good)-16]))
		return codec.seal()
	}
	place := func(s source) int { return codec.table.shapes[mtiLoad].find(s).at }
	for name, change := range map[string]func(r []byte) []byte{
		"a byte short":     func(r []byte) []byte { return r[:len(r)-1] },
		"a byte long":      func(r []byte) []byte { return append(r, ' ') },
		"letter in amount": func(r []byte) []byte { r[place(sourceAmount)] = 'x'; return r },
		"space in amount":  func(r []byte) []byte { r[place(sourceAmount)] = ' '; return r },
		"control in code":  func(r []byte) []byte { r[place(sourceCode)] = 0; return r },
		"text is not GBK":  func(r []byte) []byte { r[place(sourceText)], r[place(sourceText)+1] = 0xFF, 0xFF; return r },
	} {
		_, err := reading.read(reseal(change))
		require.Error(t, err, name)
		require.NotErrorIs(t, err, iso8583.ErrBankMAC, name)
	}
	unknown, err := reading.read(reseal(func(r []byte) []byte { copy(r, "7777"); return r }))
	require.NoError(t, err)
	require.Equal(t, mtiOther, unknown.mti)
	for name, raw := range map[string][]byte{
		"MAC": append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), "MAC in small letters": append(bytes.Clone(good[:len(good)-16]), bytes.Repeat([]byte("z"), 16)...),
		"short": good[:10], "nothing": nil,
	} {
		_, err := reading.read(raw)
		require.ErrorIs(t, err, iso8583.ErrBankMAC, name)
	}
}

// FuzzReadRecord reads records under a good MAC: nothing is taken for complete that is not.
func FuzzReadRecord(f *testing.F) {
	codec, reading := newRecords(f, nil)
	request, err := codec.load(anOrder())
	require.NoError(f, err)
	f.Add(answerTo(codec, bytes.Clone(request), mtiLoadAnswer, map[source]string{sourceCode: "00"})[:len(request)-16])
	request, err = codec.network(functionEcho, 7, time.Unix(0, 0))
	require.NoError(f, err)
	f.Add(bytes.Clone(request[:len(request)-16]))
	f.Fuzz(func(t *testing.T, record []byte) {
		codec.scratch = append(codec.scratch[:0], record...)
		a, err := reading.read(codec.seal())
		if err != nil {
			require.True(t, errors.Is(err, iso8583.ErrBankMAC) == (len(record) < recordCodeSize))
			return
		}
		if !a.complete || a.mti != mtiLoadAnswer && a.mti != mtiReversalAnswer {
			return
		}
		require.NotZero(t, a.load)
		require.NotZero(t, a.terminal)
		require.NotZero(t, a.code)
		require.LessOrEqual(t, a.trace, uint32(traceSpace))
		require.LessOrEqual(t, a.amount, money.Fen(999_999_999_999))
	})
}
