package demo

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// console is a terminal that the demonstration has taken over: raw keys, the alternate screen, no cursor. It is given back whatever happens:
// restore may be called by anybody, any number of times, and every goroutine of ours that panics calls it first.
type console struct {
	in, out *os.File
	before  *term.State
	once    sync.Once
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
	leaveScreen = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
)

func openConsole(in, out *os.File) (*console, error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("终端 / the terminal: %w", err)
	}
	c := &console{in: in, out: out, before: before}
	if _, err := out.WriteString(enterScreen); err != nil {
		c.restore()
		return nil, fmt.Errorf("终端 / the terminal: %w", err)
	}
	return c, nil
}

// restore gives the terminal back.
func (c *console) restore() {
	c.once.Do(func() {
		_, _ = c.out.WriteString(leaveScreen)
		_ = term.Restore(int(c.in.Fd()), c.before)
	})
}

// size is asked for before every frame: nobody has to tell us that the window was resized.
func (c *console) size() (width, height int) {
	width, height, err := term.GetSize(int(c.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return leastWidth, leastHeight
	}
	return width, height
}

// keyWait is how long a look for keys waits before it looks whether it is still wanted.
const keyWait = 100 * time.Millisecond

// read hands over keys until the context ends. What comes while nobody takes keys is lost.
func (c *console) read(ctx context.Context, keys chan<- byte) {
	fds := []unix.PollFd{{Fd: int32(c.in.Fd()), Events: unix.POLLIN}}
	buffer := make([]byte, 64)
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, int(keyWait.Milliseconds()))
		if err != nil || n == 0 {
			if err != nil && err != unix.EINTR {
				return
			}
			continue
		}
		n, err = unix.Read(int(c.in.Fd()), buffer)
		if err != nil || n == 0 {
			if err == unix.EINTR || err == unix.EAGAIN {
				continue
			}
			return
		}
		for _, key := range withoutEscapes(buffer[:n]) {
			select {
			case keys <- key:
			default:
			}
		}
	}
}

// withoutEscapes leaves out arrows and the like, whose letters are no keys of ours: ESC [ parameters letter, ESC O letter, ESC letter.
func withoutEscapes(b []byte) []byte {
	kept := b[:0]
	for i := 0; i < len(b); i++ {
		if b[i] != 0x1b {
			kept = append(kept, b[i])
			continue
		}
		i++
		if i < len(b) && (b[i] == '[' || b[i] == 'O') {
			for i++; i < len(b) && (b[i] < '@' || b[i] > '~'); i++ {
			}
		}
	}
	return kept
}
