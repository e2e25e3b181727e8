package emulator

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
)

var testKey = iso8583.Secret{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10}

const (
	testCard  = uint64(9156000000000019)
	emptyCard = uint64(9156000000000001)
	merchant  = "843290045820001"
)

func dialTerminal(t *testing.T, f *fakeSwitch) *Terminal {
	t.Helper()
	d, err := New(DeviceConfig{Code: "10016919", Merchant: merchant, Key: f.key, Mode: f.mode})
	require.NoError(t, err)
	terminal, err := Dial(context.Background(), f.address(), d)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	terminal.Timeout = 5 * time.Second
	return terminal
}

// A terminal by hand, in every MAC mode: sign on, buy, be refused, ask, load, pass, repeat, reverse, sign off.
func TestTerminalInEveryMACMode(t *testing.T) {
	for mode := iso8583.MACCUPDES; mode <= iso8583.MACAESCMAC; mode++ {
		t.Run(mode.String(), func(t *testing.T) {
			f := startSwitch(t, testKey, mode)
			terminal := dialTerminal(t, f)
			_, err := terminal.Purchase(testCard, 1250, "")
			require.ErrorIs(t, err, ErrNotSignedOn)
			a, err := terminal.SignOn()
			require.NoError(t, err)
			require.True(t, a.Approved())
			require.EqualValues(t, 2, terminal.Device.Batch(), "a terminal without memory opens the next batch")

			bought, err := terminal.Purchase(testCard, 1250, "123456")
			require.NoError(t, err)
			require.True(t, bought.Approved())
			require.EqualValues(t, 12345, bought.Balance)
			require.True(t, bought.HasBalance)
			trace := terminal.Device.Trace()
			again, err := terminal.Repeat(trace)
			require.NoError(t, err)
			require.Equal(t, bought.Reference, again.Reference)
			require.True(t, again.Repeated)
			require.Equal(t, bought.Raw, again.Raw)

			refused, err := terminal.Purchase(emptyCard, 100, "")
			require.NoError(t, err)
			require.Equal(t, "51", refused.Code.String())
			require.Equal(t, "余额不足", refused.Text)
			require.True(t, refused.Authentic)

			for _, do := range []func() (Answer, error){
				func() (Answer, error) { return terminal.Balance(testCard) },
				func() (Answer, error) { return terminal.Load(testCard, 5000, "123456") },
				func() (Answer, error) { return terminal.Passage(testCard, In) },
				terminal.Echo,
			} {
				a, err := do()
				require.NoError(t, err)
				require.Equal(t, "00", a.Code.String(), a.Kind)
			}
			back, err := terminal.Reversal(trace, CauseFault)
			require.NoError(t, err)
			require.True(t, back.Approved())
			require.Equal(t, KindReversal, back.Kind)
			require.Equal(t, KindPurchase, back.Reversed)
			require.EqualValues(t, 1250, back.Amount)
			require.Zero(t, terminal.Device.Waiting())
			_, err = terminal.SignOff()
			require.NoError(t, err)
			require.False(t, terminal.Device.SignedOn())
		})
	}
}

// An answer that does not come is unknown: the terminal takes the request back.
func TestTerminalReversesWhatHasNoAnswer(t *testing.T) {
	f := startSwitch(t, testKey, iso8583.MACAESCMAC)
	f.misbehave = func(n int, _ *iso8583.Message) misdeed { return map[int]misdeed{1: swallow, 3: wrongMAC}[n] }
	terminal := dialTerminal(t, f)
	_, err := terminal.SignOn()
	require.NoError(t, err)
	terminal.Timeout = 50 * time.Millisecond
	_, err = terminal.Purchase(testCard, 700, "")
	require.ErrorIs(t, err, ErrTimeout)
	terminal.Timeout = 5 * time.Second
	a, err := terminal.Reversal(terminal.Device.Trace(), CauseNoAnswer)
	require.NoError(t, err)
	require.True(t, a.Approved())
	require.True(t, a.GivenUp)
	f.locked(func() { require.Zero(t, f.debited) })

	_, err = terminal.Purchase(testCard, 800, "")
	require.ErrorIs(t, err, ErrMAC)
	require.Equal(t, 1, terminal.Device.Waiting(), "what bears a wrong MAC is no answer")
	a, err = terminal.Reversal(terminal.Device.Trace(), CauseMAC)
	require.NoError(t, err)
	require.True(t, a.Approved())
	f.locked(func() { require.Zero(t, f.debited) })
}

// What is not under a MAC is a hint, not an answer.
func TestUnsealedAnswerIsAHint(t *testing.T) {
	f := startSwitch(t, testKey, iso8583.MACAESCMAC)
	f.misbehave = func(n int, _ *iso8583.Message) misdeed { return map[int]misdeed{1: unsealedA0}[n] }
	terminal := dialTerminal(t, f)
	_, err := terminal.SignOn()
	require.NoError(t, err)
	a, err := terminal.Purchase(testCard, 700, "")
	require.NoError(t, err)
	require.False(t, a.Authentic)
	require.True(t, a.SignOnAgain)
	require.Equal(t, "A0", a.Code.String())
	require.Equal(t, 1, terminal.Device.Waiting())
	_, err = terminal.SignOn()
	require.NoError(t, err)
	a, err = terminal.Repeat(a.Trace)
	require.NoError(t, err)
	require.True(t, a.Approved())
	require.Zero(t, terminal.Device.Waiting())
}

// Raw bytes for negative tests: a frame in a hundred pieces is still one frame, and after rubbish the switch hangs up.
func TestTerminalRawBytes(t *testing.T) {
	f := startSwitch(t, testKey, iso8583.MACAESCMAC)
	terminal := dialTerminal(t, f)
	frame := terminal.Device.SignOn(nil)
	for i := range frame {
		require.NoError(t, terminal.Send(frame[i:i+1]))
	}
	reply, err := terminal.Read()
	require.NoError(t, err)
	a, err := terminal.Device.Receive(reply)
	require.NoError(t, err)
	require.True(t, a.Approved())
	f.cutAll()
	_, err = terminal.Read()
	require.ErrorIs(t, err, io.EOF)
}
