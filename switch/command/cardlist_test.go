package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/daemon"
)

// TestDenyListOfARunningSwitch: lost, frozen and closed cards come on the list, found ones leave it, and whoever has a version hears the rest.
func TestDenyListOfARunningSwitch(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	_, _, campus := handSiteAt(t, data)
	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		c := newCardCommand()
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs(args)
		c.SetOut(&out)
		c.SetErr(&out)
		require.NoError(t, c.ExecuteContext(t.Context()), "%v: %s", args, out.String())
		return out.String()
	}
	list := func(from uint64) (l daemon.DenyList) {
		require.NoError(t, json.Unmarshal([]byte(run("list", "--data", data, "--json", "--from", fmt.Sprint(from))), &l))
		return l
	}
	imported := list(0)
	var cards []uint64 // active ones
	for i := range campus.Holders {
		if h := &campus.Holders[i]; h.State == "active" {
			cards = append(cards, h.Card)
		}
	}
	require.Len(t, imported.Entries, len(campus.Holders)-len(cards), "cards that came lost or frozen")
	for _, change := range []struct {
		card  int
		state string
	}{{0, "lost"}, {1, "frozen"}, {0, "active"}, {2, "closed"}, {0, "frozen"}, {1, "active"}, {2 + 1, "lost"}} {
		run("--data", data, fmt.Sprint(cards[change.card]), change.state)
	}
	whole := list(0)
	require.True(t, whole.Whole)
	require.Greater(t, whole.Head, imported.Head)
	denied := map[uint64]bool{}
	for _, e := range whole.Entries {
		require.True(t, e.Denied)
		denied[e.Card] = true
	}
	require.Len(t, denied, len(imported.Entries)+3)
	require.True(t, denied[cards[0]] && denied[cards[2]] && denied[cards[3]] && !denied[cards[1]])
	require.Empty(t, list(whole.Head).Entries)

	// Changes of a state that leave a card denied are no changes of the list.
	run("--data", data, fmt.Sprint(cards[0]), "lost")
	run("--data", data, fmt.Sprint(cards[3]), "active")
	delta := list(whole.Head)
	require.False(t, delta.Whole)
	require.Len(t, delta.Entries, 1)
	require.Equal(t, cards[3], delta.Entries[0].Card)
	require.False(t, delta.Entries[0].Denied)

	text := run("list", "--data", data, "--from", fmt.Sprint(whole.Head))
	require.Contains(t, text, fmt.Sprintf("version of the list: %d", delta.Head))
	require.Contains(t, text, "taken off")
	require.NotContains(t, text, fmt.Sprint(cards[3]), "card numbers are masked")
}
