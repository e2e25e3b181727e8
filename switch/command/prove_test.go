package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/pebblestore"
	"onecard/switch/transaction"
)

// onecard runs the program as a shell would.
func onecard(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = Run("test", args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

const wantProven = `✓ 凭证成立 / the proof holds

已证明 / proven
  第 000000000009 条 / record · 2026-11-23 12:01:00.000000 +08:00 · 消费 / purchase · 5.00 · 终端 / terminal #1 000007-000001 · 卡 / card #1 · 余额 / balance 6.20 · 00 成功 / approved
  会计日 2026-11-23 已完结,不再增改 / business day 2026-11-23, complete: nothing can be added
  当日第 9 条,共 19 条 / record 9 of 19 of the day
`

// TestProofFromLedgerToReceipt: every record of a day that a ledger shows to anybody is proven, and checked without the ledger.
func TestProofFromLedgerToReceipt(t *testing.T) {
	dir, folder := makeClosedLedger(t), t.TempDir()
	code, key, errOut := onecard("prove", "--data", dir, "--public-key")
	require.Zero(t, code, errOut)
	site := filepath.Join(folder, "site.pub")
	require.NoError(t, os.WriteFile(site, []byte(key), 0o600))
	said := map[int]string{}
	for sequence := 1; sequence <= 20; sequence++ {
		file := filepath.Join(folder, strconv.Itoa(sequence)+".json")
		code, out, errOut := onecard("prove", "--data", dir, "--record", fmt.Sprintf("%012d", sequence), "--out", file)
		if sequence >= 2 && sequence <= 6 || sequence == 8 {
			require.Equal(t, exitFailed, code, "%d %s", sequence, out)
			require.Contains(t, errOut, "directory row")
			require.NoFileExists(t, file)
			continue
		}
		require.Zero(t, code, "%d %s", sequence, errOut)
		code, said[sequence], errOut = onecard("check-proof", "--key", site, file)
		require.Zero(t, code, errOut)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), "9156000000", "card numbers are masked")
	}
	require.True(t, strings.HasPrefix(said[9], wantProven), said[9])
	require.Contains(t, said[9], `未证明 / the site's word, not proven`+"\n"+`  卡 / card "915600******0012",终端 / terminal "10000001"`)
	require.Contains(t, said[1], "建账")
	require.Contains(t, said[7], "期初 / opening · 11.20")
	require.Contains(t, said[10], "51 余额不足")
	require.Contains(t, said[11], "(000000000009)")
	require.Contains(t, said[13], "its outcome is another record")
	require.Contains(t, said[14], "圈存 / load 000000000013 · 50.00 · 00 已入账 / credited")
	require.Contains(t, said[17], "银行已冲正")
	require.Contains(t, said[19], "卡 / card 915600******9999")
	require.Contains(t, said[20], "日切:关闭会计日 2026-11-23,开启 2026-11-24")
}

func TestProofThatDoesNotHold(t *testing.T) {
	dir, folder := makeClosedLedger(t), t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	_, key, _ := onecard("prove", "--data", dir, "--public-key")
	site := write("site.pub", key)
	code, text, errOut := onecard("prove", "--data", dir, "--record", "000000000009")
	require.Zero(t, code, errOut)
	other := write("other.pub", strings.Repeat("00", 32))
	for _, c := range []struct {
		name, key, text, says string
	}{
		{"cut off", site, text[:len(text)/2], "cut off"},
		{"another index", site, strings.Replace(text, `"index": 8`, `"index": 7`, 1), "not in the books"},
		{"another record", site, strings.Replace(text, `"leaf": "0000000000000009`, `"leaf": "0000000000000008`, 1), "the proof says"},
		{"made complete", site, strings.Replace(text, `"complete": true`, `"complete": false`, 1), "signature"},
		{"another key", other, text, "another key"},
		{"nothing", site, "", "cut off"},
	} {
		require.NotEqual(t, c.text+c.key, text+site, c.name)
		code, out, errOut := onecard("check-proof", "--key", c.key, write("proof.json", c.text))
		require.Equal(t, exitFindings, code, c.name)
		require.Empty(t, out)
		require.Contains(t, errOut, "凭证不成立")
		require.Contains(t, errOut, c.says, c.name)
	}
	var lied map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &lied))
	lied["record"].(map[string]any)["says"] = "消费 0.01"
	changed, err := json.Marshal(lied)
	require.NoError(t, err)
	code, out, _ := onecard("check-proof", "--key", site, write("lied.json", string(changed)))
	require.Zero(t, code)
	require.Contains(t, out, "the words in the file differ", "the record speaks for itself")
	require.Contains(t, out, "5.00")
}

func TestProveSaysWhatItNeeds(t *testing.T) {
	dir, folder := makeStatementLedger(t, true), t.TempDir()
	short := filepath.Join(folder, "short.pub")
	require.NoError(t, os.WriteFile(short, []byte("abcd"), 0o600))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"prove", "--data", dir}, exitUsage, "--record"},
		{[]string{"prove", "--data", dir, "--record", "1", "--public-key"}, exitUsage, "--record"},
		{[]string{"prove", "--data", dir, "--record", "-1"}, exitUsage, "record"},
		{[]string{"prove", "--data", dir, "--record", "0x9"}, exitUsage, "record"},
		{[]string{"prove", "--data", dir, "--record", "0"}, exitFailed, "no such entry"},
		{[]string{"prove", "--data", dir, "--record", "20"}, exitFailed, "(1 – 19)"},
		{[]string{"prove", "--data", folder, "--record", "1"}, exitFailed, "there is no ledger here"},
		{[]string{"prove", "--data", folder, "--public-key"}, exitFailed, "there is no ledger here"},
		{[]string{"prove", "--data", dir, "--record", "9", "--out", filepath.Join(folder, "no", "such")}, exitFailed, "writing the proof"},
		{[]string{"check-proof", short}, exitUsage, "--key"},
		{[]string{"check-proof", "--key", short, short}, exitUsage, "64 hexadecimal digits"},
		{[]string{"check-proof", "--key", filepath.Join(folder, "none"), short}, exitFailed, "public key"},
	} {
		code, _, errOut := onecard(c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, errOut)
		require.Contains(t, errOut, c.says)
	}
	// A switch that has the folder open without answering: the text says what is in the way.
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	require.NoError(t, err)
	code, _, errOut := onecard("prove", "--data", dir, "--record", "9")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "in use by another process")
	require.NoError(t, store.Close())
}

// makeClosedLedger makes the ledger of the statements and closes its day with entry 20.
func makeClosedLedger(t *testing.T) string {
	t.Helper()
	dir := makeStatementLedger(t, true)
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	require.NoError(t, err)
	day := uint32(at(0)/1e6/86_400) + 1
	engine, err := transaction.Open(t.Context(), transaction.Config{Journal: store}, 0)
	require.NoError(t, err)
	over := transaction.DaySwitch{Closes: day - 1, Opens: day, Totals: engine.State().Book().ControlTotals()}
	var block ledger.BlockBuilder
	block.Begin(store.Head(), day)
	block.Add(&ledger.Entry{Kind: transaction.KindDaySwitch, Time: at(700), Payload: over.Append(nil)})
	require.NoError(t, store.Append(block.Seal()))
	require.NoError(t, store.Wait(20))
	require.NoError(t, store.Close())
	return dir
}

// TestProofFromALedgerInDoubt: a ledger that no switch would start on still proves what is there; but its end may be missing, so that the
// last day is not called complete.
func TestProofFromALedgerInDoubt(t *testing.T) {
	dir := makeClosedLedger(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "WITNESS")))
	_, key, _ := onecard("prove", "--data", dir, "--public-key")
	site := filepath.Join(t.TempDir(), "site.pub")
	require.NoError(t, os.WriteFile(site, []byte(key), 0o600))
	for record, want := range map[string]string{"9": "complete", "20": "provisional"} {
		file := filepath.Join(t.TempDir(), "proof.json")
		code, out, errOut := onecard("prove", "--data", dir, "--record", record, "--out", file)
		require.Zero(t, code, errOut)
		require.Contains(t, errOut, "the ledger is in doubt, run verify")
		require.Contains(t, out, want)
		code, out, errOut = onecard("check-proof", "--key", site, file)
		require.Zero(t, code, errOut)
		require.Contains(t, out, want)
	}
}
