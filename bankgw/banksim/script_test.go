package banksim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestScript(t *testing.T) {
	var p program
	require.NoError(t, p.addScript("approve; 2x drop; decline 51 # a remark; not a step\nreversal: lose; delay 1m30s; echo: always lose;;\n\n always decline 91"))
	next := func(k kind) behaviour { return p.next(k) }
	require.Equal(t, behaviour{verb: verbApprove}, next(kindLoad))
	require.Equal(t, behaviour{verb: verbDrop}, next(kindLoad))
	require.Equal(t, behaviour{verb: verbLose}, next(kindReversal))
	require.Equal(t, behaviour{verb: verbDrop}, next(kindLoad))
	require.Equal(t, behaviour{verb: verbDecline, code: "51"}, next(kindLoad))
	require.Equal(t, behaviour{verb: verbDelay, after: 90 * time.Second}, next(kindLoad))
	for range 3 {
		require.Equal(t, behaviour{verb: verbDecline, code: "91"}, next(kindLoad))
		require.Equal(t, behaviour{}, next(kindReversal))
		require.Equal(t, behaviour{verb: verbLose}, next(kindEcho))
		require.Equal(t, behaviour{}, next(kindSignOn))
	}
}

// TestScriptFaults: each names its step.
func TestScriptFaults(t *testing.T) {
	for _, text := range []string{
		"aprove", "decline", "decline 5", "delay", "delay soon", "delay -1s", "drop 5", "0x drop", "3x", "always", "refund: drop", "reversal:",
		"reversal: late", "echo: recant", "sign-on: wrong-amount",
	} {
		var p program
		err := p.addScript("approve; " + text)
		require.Error(t, err, text)
		require.Contains(t, err.Error(), `"`+text+`"`)
	}
	for _, text := range []string{"approve", "0 approve", "-1 approve", "5", "5 aprove", "1000001 approve"} {
		var p program
		require.Error(t, p.addMix(text), text)
	}
}

// TestMix: shares come out as they went in, and the same seed draws the same.
func TestMix(t *testing.T) {
	draw := func(seed uint64) (drawn []behaviour, counts map[verb]int) {
		p := program{random: rand.New(rand.NewPCG(seed, 1))}
		require.NoError(t, p.addMix("70 approve; 20 decline 51; 10 drop\nreversal: 1 lose"))
		counts = make(map[verb]int)
		for range 10_000 {
			b := p.next(kindLoad)
			drawn = append(drawn, b)
			counts[b.verb]++
		}
		require.Equal(t, verbLose, p.next(kindReversal).verb)
		return drawn, counts
	}
	first, counts := draw(1)
	again, _ := draw(1)
	other, _ := draw(2)
	require.Equal(t, first, again)
	require.NotEqual(t, first, other)
	require.InDelta(t, 7000, counts[verbApprove], 300)
	require.InDelta(t, 2000, counts[verbDecline], 300)
	require.InDelta(t, 1000, counts[verbDrop], 300)
}

// TestEveryVerbIsRead: the names in the list are the names in the language.
func TestEveryVerbIsRead(t *testing.T) {
	arguments := map[string]string{"decline": " 51", "delay": " 1s", "slow": " 1s"}
	n := 0
	Verbs(func(name string) {
		k := kindLoad
		if name == "wrong-check" {
			k = kindKey
		}
		b, err := parseBehaviour(k, append([]string{name}, fieldsOf(arguments[name])...))
		require.NoError(t, err, name)
		require.Equal(t, verb(n), b.verb)
		n++
	})
	require.Equal(t, int(verbCount), n)
}

func fieldsOf(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s[1:]}
}
