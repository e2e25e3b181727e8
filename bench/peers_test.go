package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// asked is a connection to a peer.
type asked interface {
	ask(ctx context.Context, r wish) (code int, reference int64, err error)
}

// What the peers are measured with is a purchase: it looks, refuses, and gives the first answer again. A figure of less would be of something else.
func TestPeersDecide(t *testing.T) {
	if _, err := postgresTools(); err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip(err)
	}
	ctx, folder := t.Context(), t.TempDir()
	work := &peerWork{cards: []uint64{9156000000000001, 9156000000000002}, terminals: 2, merchants: 1}
	sql, err := startPostgres(ctx, folder, false)
	require.NoError(t, err)
	defer sql.close()
	require.NoError(t, sql.load(ctx, work))
	require.NoError(t, sql.connect(ctx, 3))
	lua, err := startRedis(ctx, folder, 3)
	require.NoError(t, err)
	defer lua.close()
	require.NoError(t, lua.load(ctx, work))
	lua.connect(3)
	for i := range 3 {
		sql.clients[i].batch, lua.clients[i].batch, sql.clients[i].hot = 1, 1, true
	}
	for name, clients := range map[string][]asked{"PostgreSQL": {sql.clients[0], sql.clients[1], sql.clients[2]}, "Redis": {lua.clients[0], lua.clients[1], lua.clients[2]}} {
		first := int64(0)
		for _, step := range []struct {
			title  string
			client int
			wish   wish
			code   int
		}{
			{"goes through", 0, wish{1, work.cards[0], 500}, 0},
			{"the same again has the first answer", 0, wish{1, work.cards[0], 500}, 0},
			{"the same identity with another amount", 0, wish{1, work.cards[0], 501}, 94},
			{"the same trace at another terminal is another purchase", 1, wish{1, work.cards[0], 500}, 0},
			{"a card that is not there", 0, wish{2, 9156000000000009, 500}, 14},
			{"above the day's amount", 0, wish{3, work.cards[0], richFen - 999}, 61},
			{"a terminal that is not there", 2, wish{1, work.cards[0], 500}, 3},
			{"all that there is", 0, wish{4, work.cards[1], richFen}, 0},
		} {
			code, reference, err := clients[step.client].ask(ctx, step.wish)
			require.NoError(t, err, "%s: %s", name, step.title)
			require.Equal(t, step.code, code, "%s: %s", name, step.title)
			switch step.title {
			case "goes through":
				first = reference
			case "the same again has the first answer":
				require.Equal(t, first, reference, name)
			}
		}
	}
	var balance, shop int64
	require.NoError(t, sql.clients[0].conn.QueryRow(ctx, "select (select sum(balance) from holder), (select sum(balance) from merchant)").Scan(&balance, &shop))
	require.EqualValues(t, []int64{richFen - 1000, richFen + 1000}, []int64{balance, shop})
}

// A folder of root's is closed to whoever PostgreSQL runs as, and one below it is, too.
func TestEnterable(t *testing.T) {
	if !enterable(os.TempDir()) {
		t.Skip("nothing can be opened below a closed folder")
	}
	top, err := os.MkdirTemp("", "enterable-")
	require.NoError(t, err)
	defer os.RemoveAll(top)
	below := filepath.Join(top, "below")
	require.NoError(t, os.Mkdir(below, 0o755))
	require.False(t, enterable(below), "closed above")
	require.NoError(t, os.Chmod(top, 0o711))
	require.True(t, enterable(below))
	require.NoError(t, os.Chmod(below, 0o700))
	require.False(t, enterable(below), "closed itself")
	require.False(t, enterable(filepath.Join(top, "nowhere")))
}
