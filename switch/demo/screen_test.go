package demo

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
)

var rewrite = flag.Bool("rewrite", false, "write the golden frames anew")

// sample is a lunch two minutes old.
func sample() *Model {
	m := &Model{
		Clock: 11*time.Hour + 47*time.Minute + 32*time.Second, Round: 1, Speed: 14, Elapsed: 125 * time.Second,
		Places: Places{
			Terminals: "127.0.0.1:8583", Bank: "127.0.0.1:40123", Metrics: "http://127.0.0.1:9583/metrics", Status: "http://127.0.0.1:9583/status",
			Control: "data/control.sock", Data: "data",
		},
		Traffic: TrafficView{
			Rate: 231, Requests: 24_118, Approved: 23_760, Waiting: 3,
			Refused: []Refusal{
				{"55", "密码错", "wrong PIN", 61}, {"51", "余额不足", "insufficient funds", 214}, {"57", "不允许此交易", "transaction not permitted to this holder at all", 71}, {"41", "挂失卡", "lost card", 12},
			},
			Latest: Quantiles{1210 * time.Microsecond, 4830 * time.Microsecond, 9120 * time.Microsecond},
			Total:  Quantiles{1180 * time.Microsecond, 5 * time.Millisecond, 812 * time.Millisecond},
		},
		Bank: BankView{
			Known: true, LinksUp: 2, Links: 2, InFlight: 3, Credited: 118, CreditedFen: 1_230_000, Declined: 2, Unreachable: 0, Silent: 1, DebitedAtBank: 119, ReversedAtBank: 1,
		},
		Switch: SwitchView{
			Up: true, PID: 4711, Kills: 1, Recovery: 843 * time.Millisecond, LedgerRecovery: 41 * time.Millisecond, Sequence: 54_300, Group: 3.24, Sync: 1100 * time.Microsecond,
			SyncLongest: 8 * time.Millisecond, LedgerKnown: true,
		},
		Terminals: TerminalsView{SignedOn: 446, Total: 446, Repeated: 17, GivenUp: 1},
		Books:     BooksView{Debits: 612_345_678, Credits: 612_345_678},
		Notices:   []Event{{Clock: 11*time.Hour + 46*time.Minute, Tone: toneTrick, Text: "挂失 915600******0012 王小明:312 ms 后在第一食堂刷卡被拒 41 / reported lost, refused 41 at its next tap 312 ms later"}},
	}
	for i, name := range []string{"第一食堂", "第二食堂", "第三食堂", "清真餐厅", "教工餐厅", "风味小吃城", "教育超市", "水果吧", "图书馆咖啡", "文具店", "洗衣房", "打印店"} {
		m.Canteens = append(m.Canteens, Canteen{Name: name, Turnover: money.Fen(1_234_560 / (i + 1)), Sold: uint64(2000 / (i + 1)), Queue: 7 - i})
		m.Canteens[i].Queue = max(0, m.Canteens[i].Queue)
	}
	for i := range 125 {
		m.Traffic.Rates = append(m.Traffic.Rates, float64(100+i))
		m.Traffic.Tails = append(m.Traffic.Tails, time.Duration(3000+37*(i%29))*time.Microsecond)
	}
	for i := range 12 {
		e := Event{
			Clock: m.Clock - time.Duration(i)*7*time.Second, Where: "第一食堂", Card: 9156000000000012 + uint64(i)*10, Name: "王小明", What: "消费", Amount: 1250, Text: "通过 余 ¥88.10",
		}
		if i%3 == 1 {
			e.Tone, e.Text, e.Name = toneRefused, "余额不足:可用3.20,需12.50,请充值", "欧阳思源源"
		}
		m.Events = append(m.Events, e)
	}
	return m
}

func TestFramesAreGolden(t *testing.T) {
	tilted := sample()
	tilted.Books.Debits += 5
	tilted.Books.Difference = 5
	down := sample()
	down.Switch.Up, down.Switch.Down, down.Switch.Recovery, down.Books.Stale = false, 1300*time.Millisecond, 0, true
	down.Bank.Cut, down.Bank.CutFor, down.Bank.Known = true, 12*time.Second, false
	closing := sample()
	closing.Phase = "日结:等待在途 12 笔 / closing: 12 in flight"
	for _, frame := range []struct {
		name          string
		model         *Model
		width, height int
	}{
		{"80x24", sample(), 80, 24},
		{"120x36", sample(), 120, 36},
		{"160x50", sample(), 160, 50},
		{"tilted-80x24", tilted, 80, 24},
		{"down-120x36", down, 120, 36},
		{"closing-80x24", closing, 80, 24},
		{"empty-80x24", &Model{Round: 1, Speed: 1}, 80, 24},
		{"small-40x10", sample(), 40, 10},
	} {
		t.Run(frame.name, func(t *testing.T) {
			c := draw(frame.model, frame.width, frame.height)
			golden(t, frame.name+".txt", c.String())
			for y, line := range strings.Split(strings.TrimSuffix(c.String(), "\n"), "\n") {
				require.LessOrEqual(t, textWidth(line), frame.width, "row %d: %s", y, line)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	// Frames are large: the first row that differs is enough.
	wanted, is := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for y := range min(len(wanted), len(is)) {
		require.Equal(t, wanted[y], is[y], "row %d of %s; go test ./switch/demo -rewrite writes it anew", y, name)
	}
	require.Len(t, is, len(wanted))
}
