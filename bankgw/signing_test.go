package bankgw_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// linksUp is when the links of a new world are signed on, in the time of a bubble.
const linksUp = 50 * time.Millisecond

// TestSigningStories runs testdata/signing, in ISO 8583 and in records: what the bank is asked about agreements, and what the desk hears (wire
// handbook 5.2).
//
//	bank [script=...] [signed-only]     a new world; the lines of the script may be several
//	customer account name number
//	bind | release | verify account holder [name number]
//	cut | restore
//	load                                 of the world's holder, at his kiosk
func TestSigningStories(t *testing.T) {
	for name, record := range map[string]bool{"fields": false, "records": true} {
		t.Run(name, func(t *testing.T) { signingStories(t, record) })
	}
}

func signingStories(t *testing.T, record bool) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		datadriven.RunTest(t, "testdata/signing", func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "bank" {
				if w != nil {
					w.end()
				}
				w = newWorld(t, worldOptions{record: record, bank: banksim.Config{Script: d.Input, SignedOnly: d.HasArg("signed-only")}})
				time.Sleep(linksUp)
				return "ok\n"
			}
			var words []string
			for _, a := range d.CmdArgs {
				words = append(words, a.Key)
			}
			return w.signingCommand(d.Cmd, words)
		})
		w.end()
	})
}

func (w *world) signingCommand(command string, words []string) string {
	acts := map[string]bankgw.SigningAct{"bind": bankgw.SigningBind, "release": bankgw.SigningRelease, "verify": bankgw.SigningVerify}
	switch command {
	case "customer":
		w.bank.Register(words[0], words[1], words[2])
	case "cut":
		w.bank.Cut()
		synctest.Wait()
	case "restore":
		w.bank.Restore()
		time.Sleep(w.config.ReconnectMax)
		synctest.Wait()
	case "load":
		w.ask(transaction.KindLoad, 1, 1000)
		synctest.Wait()
		time.Sleep(syncTime * 4)
		heard := <-w.heard
		return fmt.Sprintf("%s %s\n", heard.Code, heard.Reason)
	default:
		s := bankgw.Signing{Act: acts[command], Holder: words[1]}
		s.Account, _ = strconv.ParseUint(words[0], 10, 64)
		if len(words) > 2 {
			s.Identity = iso8583.BankIdentity{Name: words[2], Number: words[3]}
		}
		began := time.Now()
		said, err := w.life.gateway.Ask(context.Background(), s)
		if err != nil {
			return fmt.Sprintf("after %s: %s\n", time.Since(began), err)
		}
		return strings.TrimSpace(fmt.Sprintf("after %s: %s reference=%v signed=%s", time.Since(began), said.Code, said.Reference != "", said.Signed)) + "\n  bank: " + w.bank.Agreement(words[0]) + "\n"
	}
	return "ok\n"
}

// TestSigningIsGivenUp: whoever does not want to wait any longer leaves, and a gateway that has stopped asks nothing.
func TestSigningIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{bank: banksim.Config{Script: "signing: always drop"}})
		time.Sleep(linksUp)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := w.life.gateway.Ask(ctx, bankgw.Signing{Act: bankgw.SigningVerify, Account: 62170001, Holder: "1", Identity: iso8583.BankIdentity{Name: "n", Number: "1"}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		heard := make(chan error, 1)
		go func() { // ends with the answer
			_, err := w.life.gateway.Ask(context.Background(), bankgw.Signing{Act: bankgw.SigningVerify, Account: 62170001, Holder: "1", Identity: iso8583.BankIdentity{Name: "n", Number: "1"}})
			heard <- err
		}()
		synctest.Wait()
		w.end()
		require.ErrorIs(t, <-heard, bankgw.ErrSilent, "it had left when the gateway stopped")
		_, err = w.life.gateway.Ask(context.Background(), bankgw.Signing{Act: bankgw.SigningVerify, Account: 62170001, Holder: "1"})
		require.ErrorIs(t, err, bankgw.ErrNotAsked)
	})
}

// TestBankWithoutAgreements: a table without the message is no fault, and nothing is sent.
func TestBankWithoutAgreements(t *testing.T) {
	without := func(c *bankgw.Config) {
		c.Dialect.Signing, c.Dialect.Record.Signing = nil, nil
		c.Dialect.Record.Codes = c.Dialect.Record.Codes[:9]
	}
	fields, records := bankAt("fields", "fields:1", "62"), bankAt("records", "records:1", "63")
	records.Dialect.Kind, records.Framing = bankgw.DialectRecord, iso8583.FramingASCII6
	without(&fields)
	without(&records)
	asks, asksRecords := bankAt("asks", "asks:1", "64"), bankAt("asks-records", "asks:2", "65")
	asksRecords.Dialect.Kind, asksRecords.Framing = bankgw.DialectRecord, iso8583.FramingASCII6
	inTown(t, []bankgw.Config{fields, records, asks, asksRecords}, func(t *testing.T, w *town) {
		ask := func(account uint64, holder string) error {
			_, err := w.banks.Ask(context.Background(), bankgw.Signing{Act: bankgw.SigningBind, Account: account, Holder: holder, Identity: iso8583.BankIdentity{Name: "李小明", Number: "1"}})
			return err
		}
		require.Equal(t, 8, w.banks.LinksUp())
		for _, account := range []uint64{6200000000000001, 6300000000000001, 9900000000000001} {
			require.ErrorIs(t, ask(account, "20260001"), bankgw.ErrNoAgreements, "%d", account)
		}
		for i, at := range []string{"asks:1", "asks:2"} {
			account := 6400000000000001 + uint64(i)*100000000000000
			w.sims[at].Register(fmt.Sprint(account), "李小明", "1")
			require.NoError(t, ask(account, "20260001"))
			require.Equal(t, "20260001", w.sims[at].Agreement(fmt.Sprint(account)), "the bank of the account was asked, and no other")
			require.ErrorIs(t, ask(account, strings.Repeat("2", 29)), bankgw.ErrHolder)
			require.ErrorIs(t, ask(account, "学号1"), bankgw.ErrHolder)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		require.Equal(t, []string{"asks encoding", "asks encoding", "asks-records encoding", "asks-records encoding"}, w.events)
	})
}

// TestCodesOfAgreements: codes are read through the bank's table. What does not say whether it was done is no answer, but 94 is one: another
// holder has signed.
func TestCodesOfAgreements(t *testing.T) {
	c := bankAt("bank", "bank:1")
	c.Dialect.Codes, c.Dialect.NotFoundCodes = append(c.Dialect.Codes, "57=62"), []string{"25", "P9"}
	inTown(t, []bankgw.Config{c}, func(t *testing.T, w *town) {
		for _, want := range []struct {
			code, told string
			notFound   bool
			err        error
		}{
			{"57", "62", false, nil},
			{"P9", "P9", true, nil},
			{"94", "94", false, nil},
			{"98", "00", false, bankgw.ErrSilent},
			{"68", "00", false, bankgw.ErrSilent},
		} {
			require.NoError(t, w.sims["bank:1"].Script("signing: decline "+want.code))
			said, err := w.banks.Ask(context.Background(), bankgw.Signing{Act: bankgw.SigningRelease, Account: 6200000000000001, Holder: "1"})
			require.ErrorIs(t, err, want.err, want.code)
			if want.err == nil {
				require.Equal(t, want.told, said.Code.String())
				require.Equal(t, want.notFound, said.NotFound, want.code)
			}
		}
	})
}

// TestIdentityPrintsNothing: names and identity numbers are in the message to the bank and nowhere else.
func TestIdentityPrintsNothing(t *testing.T) {
	identity := iso8583.BankIdentity{Name: "李小明", Number: "110101200001011234"}
	for _, text := range []string{fmt.Sprint(identity), fmt.Sprintf("%+v", identity), fmt.Sprintf("%#v", identity), fmt.Sprintf("%v", bankgw.Signing{Identity: identity})} {
		require.NotContains(t, text, "李")
		require.NotContains(t, text, "1101")
	}
	for _, wrong := range []iso8583.BankIdentity{{}, {Name: "李"}, {Number: "1"}, {Name: "李", Number: "1 2"}, {Name: strings.Repeat("李", 31), Number: "1"}, {Name: "李", Number: strings.Repeat("1", 21)}, {Name: "\U0001F600", Number: "1"}} {
		_, err := wrong.Encode()
		require.True(t, errors.Is(err, iso8583.ErrIdentity), "%d %d", len(wrong.Name), len(wrong.Number))
	}
}
