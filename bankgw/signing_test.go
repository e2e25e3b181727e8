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

// TestSigningStories runs testdata/signing: what the bank is asked about agreements, and what the desk hears (wire handbook 5.2).
//
//	bank [script=...] [signed-only]     a new world; the lines of the script may be several
//	customer account name number
//	bind | release | verify account holder [name number]
//	cut | restore
//	load                                 of the world's holder, at his kiosk
func TestSigningStories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		datadriven.RunTest(t, "testdata/signing", func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "bank" {
				if w != nil {
					w.end()
				}
				w = newWorld(t, worldOptions{bank: banksim.Config{Script: d.Input, SignedOnly: d.HasArg("signed-only")}})
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
