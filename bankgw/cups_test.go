package bankgw_test

import (
	"bufio"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// TestRejectedByTheFrontEnd: a load that the bank's front end gives back unread is told, is not taken for an answer, leaves the link as it
// is, and is taken back when its time is up.
func TestRejectedByTheFrontEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bankgw.DefaultConfig()
		c.Links, c.Framing, c.Receiving, c.NotFoundAfter = 1, iso8583.FramingCUPS46, "01050000", 0
		framer, err := iso8583.NewBankFramer(iso8583.FramingCUPS46, c.Receiving, c.Forwarding)
		require.NoError(t, err)
		n := newNetwork()
		go func() {
			conn, err := n.Accept()
			if err == nil {
				frontEnd(t, conn, framer)
			}
		}()
		faults := map[string]int{}
		var outcomes []transaction.Kind
		m := &machine{network: n, passing: func(bool, bool) bool { return true }}
		g, err := bankgw.New(c, bankgw.Keys{MAC: bankKey}, func(r transaction.Request) error { outcomes = append(outcomes, r.Kind); return nil },
			bankgw.Events{Fault: func(f string) { faults[f]++ }}, bankgw.Options{Dial: m.dial, Seed: 1})
		require.NoError(t, err)
		stop := runGateway(t, g)
		time.Sleep(time.Second)
		g.Load(orderOf(3, 5000))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Empty(t, outcomes)
		require.Equal(t, 1, g.Status().LinksUp())
		time.Sleep(15 * time.Second)
		g.Reverse(orderOf(3, 5000))
		time.Sleep(time.Second)
		stop()
		_ = n.Close()
		require.Equal(t, []transaction.Kind{transaction.KindLoadUnknown, transaction.KindLoadReversed}, outcomes)
		require.Equal(t, 1, faults["rejected"])
	})
}

// frontEnd gives loads back unread, does not find what it is to reverse, and approves the rest.
func frontEnd(t *testing.T, conn net.Conn, framer *iso8583.BankFramer) {
	mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, bankKey)
	if err != nil {
		t.Error(err)
		return
	}
	spec, buffered := iso8583.BankSpec(), bufio.NewReader(conn)
	for {
		payload, err := framer.Read(buffered, nil)
		if err != nil {
			return
		}
		request, err := iso8583.OpenBankMessage(spec, payload, mac)
		if err != nil {
			t.Error(err)
			return
		}
		var frame []byte
		if mti := request.MTI(); mti == "0200" {
			frame = framer.Append(nil, payload)
			copy(frame[41:], "00004")
		} else {
			answer := iso8583.NewBankMessage(spec, mti[:2]+"30")
			for _, field := range []int{4, 7, 11, 37, 41, 70} {
				answer.Set(field, request.String(field))
			}
			sealed, err := answer.Set(39, map[string]string{"0420": "25", "0820": "00"}[mti]).Seal(mac)
			if err != nil {
				t.Error(err)
				return
			}
			frame = framer.Append(nil, sealed)
		}
		if _, err := conn.Write(frame); err != nil {
			return
		}
	}
}
