package demo

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// openPair opens a pseudo-terminal: what is written to the terminal is read from the master.
func openPair(t *testing.T, width, height int) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	require.NoError(t, unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)}))
	return master, terminal
}

func readUntil(t *testing.T, f *os.File, text string) string {
	t.Helper()
	var all strings.Builder
	buffer := make([]byte, 64<<10)
	for !strings.Contains(all.String(), text) {
		n, err := f.Read(buffer)
		require.NoError(t, err, "after %q", all.String())
		all.Write(buffer[:n])
	}
	return all.String()
}

func TestScreenIsTakenAndGivenBack(t *testing.T) {
	master, terminal := openPair(t, 80, 24)
	before, err := term.GetState(int(terminal.Fd()))
	require.NoError(t, err)
	c, err := openConsole(terminal, terminal)
	require.NoError(t, err)
	s := openScreen(c)
	s.paint(sample())
	shown := readUntil(t, master, endFrame)
	require.Contains(t, shown, "\x1b[?1049h")
	require.Contains(t, shown, " req/s")

	// A window that is resized is drawn anew, whole.
	require.NoError(t, unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 60, Row: 20}))
	s.paint(sample())
	require.Contains(t, readUntil(t, master, endFrame), "80×24")

	s.close()
	s.close()
	require.Contains(t, readUntil(t, master, "\x1b[?1049l"), "\x1b[?25h")
	after, err := term.GetState(int(terminal.Fd()))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestScreenIsGivenBackOnPanic(t *testing.T) {
	master, terminal := openPair(t, 80, 24)
	before, err := term.GetState(int(terminal.Fd()))
	require.NoError(t, err)
	c, err := openConsole(terminal, terminal)
	require.NoError(t, err)
	s := &screen{console: c}
	require.PanicsWithValue(t, "broken", func() {
		defer s.restoreOnPanic()
		panic("broken")
	})
	readUntil(t, master, "\x1b[?1049l")
	after, err := term.GetState(int(terminal.Fd()))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestKeysAreRead(t *testing.T) {
	master, terminal := openPair(t, 80, 24)
	c, err := openConsole(terminal, terminal)
	require.NoError(t, err)
	defer c.restore()
	keys := make(chan byte, 16)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.read(ctx, keys) }()
	for _, typed := range []string{"k", "\x1b[A", "\x03"} { // the arrow is no key of ours
		_, err := master.WriteString(typed)
		require.NoError(t, err)
		if typed == "\x1b[A" {
			continue
		}
		select {
		case key := <-keys:
			require.Equal(t, typed[0], key)
		case <-time.After(10 * time.Second):
			t.Fatal("key was not read")
		}
	}
	stop()
	<-done
}
