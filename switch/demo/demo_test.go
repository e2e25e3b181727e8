package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is bin/onecard, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "onecard-demo")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "onecard")
	build := exec.Command("go", "build", "-o", program, "onecard/switch")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the binary: %v\n%s", err, output)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// small is a campus that is made in a moment, at the worst minute of its lunch.
func small(t *testing.T) (Options, *heard) {
	o := DefaultOptions()
	o.Binary, o.Data = program, t.TempDir()
	o.Size = Size{Holders: 2000, Merchants: 3, POS: 20, Gates: 5, Kiosks: 3}
	o.Start, o.Speed = 11*time.Hour+44*time.Minute, 100
	o.Terminals, o.Operations, o.Bank = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	o.Plain = true
	out := new(heard)
	o.Out = out
	return o, out
}

// heard is what was printed so far.
type heard struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.text.Write(b)
}

func (h *heard) String() string {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.text.String()
}

func summaryIn(t *testing.T, path string) Summary {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var s Summary
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}

// TestLunchWithAllKeys: the bank is cut, the switch is killed, a card is lost, a message is said again; nothing is lost or doubled, the books
// balance, and the next start goes on from there.
func TestLunchWithAllKeys(t *testing.T) {
	t.Parallel()
	o, out := small(t)
	o.Duration, o.Keys = 2500*time.Millisecond, "l@100ms b@500ms k@900ms b@1300ms r@1600ms"
	o.JSON = filepath.Join(o.Data, "result.json")
	require.NoError(t, Run(t.Context(), o), "%s", out)
	first := summaryIn(t, o.JSON)
	require.Greater(t, first.Requests, uint64(100))
	require.Greater(t, first.Approved, uint64(100))
	total := first.Approved
	for _, count := range first.Refused {
		total += count
	}
	require.Equal(t, first.Requests, total, "%+v", first)
	require.Positive(t, first.Refused["41"], "%s", out)
	require.Zero(t, first.AcknowledgedLost)
	require.Zero(t, first.AcknowledgedDoubled)
	require.Zero(t, first.Difference)
	for _, text := range []string{"拒绝 41,距挂失", "后又有应答", "同一参考号", "银行线路已切断", "银行线路已恢复", "差额 difference", "两边一致 both agree"} {
		require.Contains(t, out.String(), text)
	}
	requireNothingLeft(t, o.Data)

	again, out := small(t)
	again.Data, again.JSON = o.Data, o.JSON
	again.Duration, again.Seed = 500*time.Millisecond, 99
	require.NoError(t, Run(t.Context(), again), "%s", out)
	second := summaryIn(t, o.JSON)
	require.Zero(t, second.AcknowledgedLost)
	require.Zero(t, second.AcknowledgedDoubled)
	require.Zero(t, second.Refused["94"], "traces of the first run were used again")
	require.NotContains(t, out.String(), "导入 import", "imported twice")
	require.Contains(t, out.String(), "两边一致 both agree")
	requireNothingLeft(t, o.Data)
}

// working are the processes of a switch that works on the folder.
func working(t *testing.T, data string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, e := range entries {
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && strings.Contains(string(line), filepath.Join(data, "switch.yaml")) {
			found = append(found, e.Name()+" "+string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return found
}

func requireNothingLeft(t *testing.T, data string) {
	t.Helper()
	require.Empty(t, working(t, data), "left behind")
}

// start starts the program itself on a small campus and waits until it sells.
func start(t *testing.T) (command *exec.Cmd, data string, out *heard) {
	t.Helper()
	data, out = t.TempDir(), new(heard)
	command = exec.Command(program, "demo", "--data", data, "--holders", "500", "--merchants", "2", "--pos", "10", "--gates", "2", "--kiosks", "2", "--start", "11h44m",
		"--speed", "100", "--listen", "127.0.0.1:0", "--listen-operations", "127.0.0.1:0")
	command.Stdout, command.Stderr = out, out
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "笔/秒") }, 30*time.Second, 10*time.Millisecond)
	return command, data, out
}

// TestTerminationClosesTheDay as q does.
func TestTerminationClosesTheDay(t *testing.T) {
	t.Parallel()
	command, data, out := start(t)
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, command.Wait(), "%s", out)
	require.Contains(t, out.String(), "差额 difference")
	require.Contains(t, out.String(), "两边一致 both agree")
	requireNothingLeft(t, data)
}

// TestSwitchDiesWithTheDemonstration even when that is killed.
func TestSwitchDiesWithTheDemonstration(t *testing.T) {
	t.Parallel()
	command, data, _ := start(t)
	require.NotEmpty(t, working(t, data))
	require.NoError(t, command.Process.Kill())
	require.Error(t, command.Wait())
	require.Eventually(t, func() bool { return len(working(t, data)) == 0 }, 10*time.Second, 10*time.Millisecond)
}

func TestExitCodes(t *testing.T) {
	err := exec.Command(program, "demo", "--data", t.TempDir(), "--speed", "1000").Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.ExitCode())
}

// TestSwitchThatEndsByItself ends the demonstration with its last words.
func TestSwitchThatEndsByItself(t *testing.T) {
	t.Parallel()
	o, out := small(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	var pid int
	require.Eventually(t, func() bool {
		_, rest, ok := strings.Cut(out.String(), "  pid ")
		if !ok || !strings.Contains(rest, "笔/秒") {
			return false
		}
		_, err := fmt.Sscan(rest, &pid)
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	err := <-done
	require.ErrorIs(t, err, errChild)
	require.ErrorContains(t, err, "killed")
	requireNothingLeft(t, o.Data)
}

// TestChildIsLeftAlone by the interrupt key and by what would configure it.
func TestChildIsLeftAlone(t *testing.T) {
	t.Setenv("ONECARD_LOG_LEVEL", "nonsense")
	var log bytes.Buffer
	c, err := startChild("/bin/sh", &log, "-c", `env | grep -c ^ONECARD_; echo ready a=1; exec sleep 600`)
	require.NoError(t, err)
	ready, err := c.awaitReady(t.Context(), 10*time.Second)
	require.NoError(t, err)
	require.Equal(t, "1", ready["a"])
	group, err := syscall.Getpgid(c.process.Pid)
	require.NoError(t, err)
	require.Equal(t, c.process.Pid, group)
	require.True(t, c.alive())
	c.kill()
	require.False(t, c.alive())
	require.True(t, strings.HasPrefix(c.log.last(), "0\n"), c.log.last())
}
