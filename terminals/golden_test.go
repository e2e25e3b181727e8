package terminals

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// exchange is a request of the conformance material and what the core says to it.
type exchange struct {
	request, reply string // names; no reply: only the request is in the material
	want           transaction.Request
	code           transaction.ResponseCode
	balance        money.Fen // 0: the decision carries none
}

func goldenExchanges() []exchange {
	identity := func(kind transaction.Kind, trace uint32) transaction.Request {
		r := transaction.Request{Kind: kind, Batch: 1, Trace: trace, TerminalCode: transaction.TerminalCode([]byte(terminalCode)), MerchantCode: transaction.MerchantCode([]byte(merchantCode)), Received: noon, Terminal: 10016919}
		return r
	}
	financial := func(kind transaction.Kind, trace uint32, amount money.Fen) transaction.Request {
		r := identity(kind, trace)
		r.Card, r.Amount, r.EntryMode = card, amount, 72
		return r
	}
	signOn := identity(transaction.KindSignOn, 1)
	signOn.Terminal = 0
	reversal := financial(transaction.KindReversal, 123, 1250)
	reversal.Cause = [2]byte{'9', '8'}
	load := financial(transaction.KindLoad, 126, 10000)
	load.EntryMode, load.PINValue = 71, pinValue(card, pin)
	return []exchange{
		{"0800 sign-on 003", "0810 sign-on resp", signOn, transaction.Approved, 0},
		{"0820 echo 301", "0830 echo resp", identity(transaction.KindEcho, 2), transaction.Approved, 0},
		{"0200 balance", "0210 balance resp", financial(transaction.KindBalance, 3, 0), transaction.Approved, 12345},
		{"0200 purchase", "0210 purchase approved", financial(transaction.KindPurchase, 123, 1250), transaction.Approved, 0},
		{"0200 purchase", "0210 purchase no funds 51", financial(transaction.KindPurchase, 123, 1250), transaction.InsufficientFunds, 0},
		{"0400 reversal 98", "0410 reversal resp", reversal, transaction.Approved, 0},
		{"0200 load 600000 PIN", "", load, transaction.Approved, 0},
		{"0820 sign-off", "0830 sign-off resp", identity(transaction.KindSignOff, 128), transaction.Approved, 0},
	}
}

// script makes the decision that the reply of the material was made from: its moment and its reference.
func (e *exchange) script(t *testing.T, r *transaction.Request, reply []byte) transaction.Decision {
	d := transaction.Decision{Origin: r.Origin, Kind: r.Kind, Code: e.code, Terminal: r.Terminal, Batch: r.Batch, Sequence: 1, Time: noon}
	if e.code != transaction.Approved {
		d.Reason = transaction.ReasonFunds
	}
	d.HasBalance, d.Balance = e.balance != 0, e.balance
	if r.Kind == transaction.KindSignOn {
		d.SignOn = &transaction.SignOnGrant{Terminal: 10016919, Batch: 1, SealedKey: master, MACMode: uint8(iso8583.MACCUPDES)}
	}
	if reply == nil {
		return d
	}
	m := read(t, reply)
	hhmmss, _ := m.Number(12)
	mmdd, _ := m.Number(13)
	moment := time.Date(2026, time.Month(mmdd/100), int(mmdd%100), int(hhmmss/10000), int(hhmmss/100%100), int(hhmmss%100), 0, time.FixedZone("", 8*3600))
	d.Time = moment.UnixMicro()
	d.Day = uint32((moment.Unix() + 8*3600) / 86400)
	d.Sequence = 0
	for _, digit := range m.Value(37) {
		d.Sequence = d.Sequence*10 + uint64(digit-'0')
	}
	return d
}

// TestGolden plays the terminal of the conformance material: every frame it sends becomes the request that it means, and every answer is
// the frame it expects, byte for byte.
func TestGolden(t *testing.T) {
	all := vectors(t)
	keys := bytes.NewReader(append(unhex("A1B2C3D4E5F60718293A4B5C6D7E8F90"), unhex("DAB36167E6DFB5EF")...))
	h := newBenchWith(t, func(c *Config) { c.RefusalText, c.AuthorizationPrefix, c.Institution = false, "A", "00012345" }, keys)
	l := h.open()
	for _, e := range goldenExchanges() {
		l.send(all[e.request])
		requests := h.decided()
		require.Len(t, requests, 1, e.request)
		got := requests[0]
		require.NotZero(t, got.Origin)
		got.Origin = 0
		require.Equal(t, e.want, got, e.request)
		d := e.script(t, &requests[0], all[e.reply])
		h.sessions.Answer(&d)
		frames := l.take()
		require.Len(t, frames, 1, e.request)
		if e.reply != "" {
			require.Equal(t, all[e.reply], frames[0], "%s\nwant %X\ngot  %X", e.reply, all[e.reply], frames[0])
		}
	}
	require.Empty(t, h.rejected)
	require.Zero(t, h.sessions.SignedOn(), "signed off")
	require.Zero(t, h.sessions.InFlight())
}

// TestGoldenNotSupported: void and refund are authentic, so their refusal is too; the settlement that no codec of ours takes is refused
// without a MAC.
func TestGoldenNotSupported(t *testing.T) {
	all := vectors(t)
	keys := bytes.NewReader(append(unhex("A1B2C3D4E5F60718293A4B5C6D7E8F90"), unhex("DAB36167E6DFB5EF")...))
	h := newBenchWith(t, nil, keys)
	l := h.open()
	w := h.signOn(l, terminalCode, iso8583.MACCUPDES)
	for _, name := range []string{"0200 void", "0220 refund"} {
		l.send(all[name])
		frames := l.take()
		require.Len(t, frames, 1)
		request, m := read(t, all[name]), w.checkReply(t, all[name], frames[0])
		require.Equal(t, request.MTI().Reply(), m.MTI(), name)
		require.Equal(t, "40", string(m.Value(39)))
		require.Zero(t, processing(m))
		for _, n := range []int{2, 3, 4, 11, 25, 41, 42, 49, 60} {
			require.Equal(t, request.Wire(n), m.Wire(n), "%s F%d", name, n)
		}
	}
	require.Equal(t, map[string]int{"unsupported": 2}, h.rejected)

	l.send(all["0500 settle"])
	frames := l.take()
	require.Len(t, frames, 1)
	reply := frames[0][iso8583.PrefixSize:]
	require.Equal(t, "0510", string(hexDigits(reply[11:13])))
	require.Equal(t, map[string]int{"unsupported": 2, "other_mti": 1}, h.rejected)
	require.Contains(t, string(reply), "40"+terminalCode)
	require.Empty(t, h.decided())

	l.send(all["0510 settle balanced"]) // an answer to nothing we have asked
	require.ErrorIs(t, l.ended, ClosedGarbage)
}

func hexDigits(b []byte) []byte {
	const digits = "0123456789ABCDEF"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return out
}
