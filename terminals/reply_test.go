package terminals

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// TestFieldsOfRequests: what each kind of message means.
func TestFieldsOfRequests(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*sale)
		want   func(*transaction.Request)
	}{
		{"purchase", func(*sale) {}, func(r *transaction.Request) { r.Kind, r.Amount = transaction.KindPurchase, 1250 }},
		{"purchase from the subsidy", func(s *sale) { s.private = "C10012" }, func(r *transaction.Request) {
			r.Kind, r.Amount, r.Purse = transaction.KindPurchase, 1250, transaction.PurseSubsidy
		}},
		{"purchase with other tags", func(s *sale) { s.private = "C30041234C10011" }, func(r *transaction.Request) {
			r.Kind, r.Amount, r.Purse = transaction.KindPurchase, 1250, transaction.PurseMain
		}},
		{"purchase of nothing", func(s *sale) { s.amount = 0 }, func(r *transaction.Request) { r.Kind = transaction.KindPurchase }},
		{"purchase with a direction", func(s *sale) { s.private = "C5001I" }, func(r *transaction.Request) { r.Kind, r.Amount = transaction.KindPurchase, 1250 }},
		{"in", func(s *sale) { s.amount, s.private = 0, "C5001I" }, func(r *transaction.Request) {
			r.Kind, r.Direction = transaction.KindPassage, transaction.DirectionIn
		}},
		{"out", func(s *sale) { s.amount, s.private = 0, "C5001O" }, func(r *transaction.Request) {
			r.Kind, r.Direction = transaction.KindPassage, transaction.DirectionOut
		}},
		{"balance", func(s *sale) { s.processing, s.network = 310000, 100000100060 }, func(r *transaction.Request) { r.Kind = transaction.KindBalance }},
		{"load", func(s *sale) { s.processing, s.condition, s.network = 600000, 91, 4500000100060 }, func(r *transaction.Request) {
			r.Kind, r.Amount = transaction.KindLoad, 1250
		}},
		{"reversal", func(s *sale) { s.mti, s.cause = iso8583.MTIReversal, "98" }, func(r *transaction.Request) {
			r.Kind, r.Amount, r.Cause = transaction.KindReversal, 1250, [2]byte{'9', '8'}
		}},
		{"reversal of a load", func(s *sale) {
			s.mti, s.cause, s.processing, s.condition, s.network = iso8583.MTIReversal, "A0", 600000, 91, 4500000100060
		}, func(r *transaction.Request) {
			r.Kind, r.Amount, r.Cause = transaction.KindReversal, 1250, [2]byte{'A', '0'}
		}},
		{"card of 19 digits", func(s *sale) { s.card = "9156000100000000019" }, func(r *transaction.Request) {
			r.Kind, r.Amount, r.Card = transaction.KindPurchase, 1250, 9156000100000000019
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newBench(t, nil)
			w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
			s := w.sale()
			c.change(&s)
			w.line.send(s.frame(w.mac))
			requests := h.decided()
			require.Len(t, requests, 1, h.rejected)
			want := transaction.Request{
				Origin: requests[0].Origin, Received: h.now, Terminal: 10016919, TerminalCode: transaction.TerminalCode([]byte(terminalCode)),
				MerchantCode: transaction.MerchantCode([]byte(merchantCode)), Batch: 1, Trace: s.trace, Card: card, EntryMode: 71,
			}
			c.want(&want)
			require.Equal(t, want, requests[0])
		})
	}
}

// TestBalanceByTrack: a balance may name its card in track 2, and pad nibbles come back as they were sent.
func TestBalanceByTrack(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	request := frame(iso8583.MTIFinancial, nil, func(b *iso8583.Builder) {
		b.Number(3, 310000)
		b.Number(11, 9)
		b.Number(22, 21)
		b.Number(25, 0)
		b.Digits(35, "6217000012345678=29121010000012345")
		b.Text(41, terminalCode)
		b.Text(42, merchantCode)
		b.Text(49, "156")
		b.Variable(60, 100000100060, 13)
		b.Bytes(64, make([]byte, 8))
	})
	at := wireAt(t, request, 60) + 2 + 6
	request[at] |= 0x0F // the pad nibble of F60
	sum := w.mac.Sum(nil, request[atMTI:len(request)-8])
	copy(request[len(request)-8:], sum[:])
	w.line.send(request)
	requests := h.decided()
	require.Len(t, requests, 1, h.rejected)
	require.EqualValues(t, card, requests[0].Card)
	d := h.approve(&requests[0])
	d.Balance = -305
	h.sessions.Answer(&d)
	frames := w.line.take()
	reply := w.checkReply(t, request, frames[0])
	require.Equal(t, request[at-8:at+1], reply.Wire(60))
	require.Equal(t, "1002156D000000000305", string(reply.Value(54)))
	require.False(t, reply.Has(35), "no track goes back")
}

// TestRefusalText: DE 56 says rule, numbers and remedy in GBK, and can be switched off.
func TestRefusalText(t *testing.T) {
	for _, on := range []bool{true, false} {
		h := newBench(t, func(c *Config) { c.RefusalText = on })
		w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
		say := func(code transaction.ResponseCode, reason transaction.Reason, n transaction.Numbers) *iso8583.Message {
			w.line.send(w.sale().frame(w.mac))
			requests := h.decided()
			d := h.approve(&requests[0])
			d.Code, d.Reason, d.Numbers = code, reason, n
			h.sessions.Answer(&d)
			return w.line.one()
		}
		for range 2 {
			for _, c := range []struct {
				code   transaction.ResponseCode
				reason transaction.Reason
				n      transaction.Numbers
			}{
				{transaction.InsufficientFunds, transaction.ReasonFunds, transaction.Numbers{1200, 1250}},
				{transaction.LostCard, transaction.ReasonCardLost, transaction.Numbers{}},
			} {
				m := say(c.code, c.reason, c.n)
				require.Equal(t, string(c.code[:]), string(m.Value(39)))
				require.Equal(t, on, m.Has(56))
				require.False(t, m.Has(54) || m.Has(38) || m.Has(15))
				if on {
					text, err := simplifiedchinese.GBK.NewDecoder().String(string(m.Value(56)))
					require.NoError(t, err)
					require.Equal(t, c.reason.Sentence(c.n), text)
				}
			}
		}
	}
	texts := newSentences()
	require.Equal(t, "a?b", string(texts.gbk("a\U0001F600b")))
	require.Len(t, texts.gbk(string(bytes.Repeat([]byte("卡"), 200))), 254, "whole characters only")
	require.Len(t, texts.gbk(string(bytes.Repeat([]byte("x"), 300))), 255)
}

// TestApprovalFields: settlement date, institution, authorisation code, and the moment in local time.
func TestApprovalFields(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	h.sequence = 987654321
	h.now += 5_000_000
	w.line.send(w.sale().frame(w.mac))
	h.settle()
	m := w.line.one()
	for n, want := range map[int]string{37: "000987654322", 38: "654322", 39: "00", 54: "1002156C000000012345"} {
		require.Equal(t, want, string(m.Value(n)), "F%d", n)
	}
	for n, want := range map[int]uint64{12: 120005, 13: 921, 15: 921, 32: 10000} {
		got, _ := m.Number(n)
		require.Equal(t, want, got, "F%d", n)
	}
	require.Equal(t, [5]byte{0x60, 0, 1, 0, 3}, [5]byte(m.TPDU()))
}

// TestReferencesAreNeverUsedAgain: answers that the core never saw have numbers of their own.
func TestReferencesAreNeverUsedAgain(t *testing.T) {
	h := newBench(t, func(c *Config) { c.MaxInFlightPerConnection = 1000 })
	l := h.open()
	seen := map[string]bool{}
	for i := range 100 {
		if i == 50 {
			h.now -= 10 // a clock that is put back
		}
		l.send(managementFrame(terminalCode, 1, 1, codeEcho))
		reference := string(l.one().Value(37))
		require.Len(t, reference, 12)
		require.Equal(t, byte('T'), reference[0])
		require.False(t, seen[reference])
		seen[reference] = true
	}
}

func TestConfig(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	var none Config
	err := none.Validate()
	for _, key := range []string{"listen", "max_connections", "max_in_flight", "write_buffer_bytes", "sign_on_timeout", "institution"} {
		require.ErrorContains(t, err, key+": ")
	}
	c := DefaultConfig()
	c.Institution, c.AuthorizationPrefix, c.Listen, c.Zone = "12a", "汉字", "8583", 15*time.Hour
	err = c.Validate()
	for _, key := range []string{"institution", "authorization_prefix", "listen", "zone"} {
		require.ErrorContains(t, err, key+": ")
	}
	_, err = NewSessions(c, siteKeys{}, nil, Events{})
	require.Error(t, err)
}

// TestLabels: every reason and rejection has one label, and no label serves twice.
func TestLabels(t *testing.T) {
	for _, visit := range []func(func(string)){CloseReasons, func(f func(string)) { Rejections(f); iso8583.Faults(f) }} {
		seen := map[string]bool{}
		visit(func(label string) {
			require.NotEmpty(t, label)
			require.False(t, seen[label], label)
			seen[label] = true
		})
		require.Greater(t, len(seen), 10)
	}
}

// Local time and settlement dates over midnight, month and year.
func TestLocalTime(t *testing.T) {
	l := newLocalTime(8 * time.Hour)
	zone := time.FixedZone("", 8*3600)
	for _, moment := range []time.Time{
		time.Date(2026, 12, 31, 23, 59, 59, 999999000, zone), time.Date(2027, 1, 1, 0, 0, 0, 0, zone), time.Date(2028, 2, 29, 7, 59, 59, 0, zone),
		time.Date(2028, 2, 29, 8, 0, 0, 0, zone), time.Date(1970, 1, 1, 8, 0, 0, 0, zone),
	} {
		hhmmss, mmdd := l.at(moment.UnixMicro())
		require.EqualValues(t, moment.Hour()*10000+moment.Minute()*100+moment.Second(), hhmmss)
		require.EqualValues(t, int(moment.Month())*100+moment.Day(), mmdd)
		require.Equal(t, fmt.Sprintf("%04d", mmdd), hex.EncodeToString(l.settlementDate(uint32((moment.Unix()+8*3600)/86400))))
		wire12, wire13 := l.wire(moment.UnixMicro())
		require.Equal(t, fmt.Sprintf("%06d%04d", hhmmss, mmdd), hex.EncodeToString(append(wire12[:len(wire12):len(wire12)], wire13...)))
	}
	require.Equal(t, "1002156C009223372036", string(fieldOf(9223372036))[:20])
}

func fieldOf(m money.Fen) []byte { f := balanceField(m); return f[:] }
