package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is the switch as a process of its own. It dies with this process, whatever ends that: the kernel sends it SIGKILL when the thread
// that started it is gone, so that thread is kept for it alone.
type child struct {
	process *os.Process
	ready   chan string   // its ready line, once
	exited  chan struct{} // closed when it is gone
	err     error         // how it ended; read after exited is closed
	log     *tail
}

// startChild starts the program with its output to log. In a process group of its own it does not hear the interrupt key: stopping it is
// our business, after the terminals have had their answers.
func startChild(binary string, log io.Writer, args ...string) (*child, error) {
	c := &child{ready: make(chan string, 1), exited: make(chan struct{}), log: &tail{to: log}}
	command := exec.Command(binary, args...)
	command.Env = environment(os.Environ())
	command.Stdout, command.Stderr = &readyLine{to: c.log, ready: c.ready}, c.log
	command.WaitDelay = time.Second // whatever still holds its outputs when it has ended
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine, and the child has ended before
		err := command.Start()
		c.process = command.Process
		started <- err
		if err != nil {
			return
		}
		c.err = command.Wait()
		close(c.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", args[0], err)
	}
	return c, nil
}

// environment leaves out what would configure the switch behind our back.
func environment(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if !strings.HasPrefix(line, "ONECARD_") {
			kept = append(kept, line)
		}
	}
	return kept
}

// readyLine passes on the standard output of the switch and picks out the line that says where it listens.
type readyLine struct {
	to    io.Writer
	ready chan<- string
	begun []byte // a line that has no end yet
}

func (r *readyLine) Write(b []byte) (int, error) {
	r.begun = append(r.begun, b...)
	for {
		line, rest, whole := bytes.Cut(r.begun, []byte("\n"))
		if !whole {
			return r.to.Write(b)
		}
		if text, ok := strings.CutPrefix(string(line), "ready "); ok {
			select {
			case r.ready <- text:
			default:
			}
		}
		r.begun = append(r.begun[:0], rest...)
	}
}

// errChild says that the switch is not there.
var errChild = errors.New("交换机进程已退出 / the switch has ended")

// awaitReady waits until terminals may come and returns the addresses in its ready line.
func (c *child) awaitReady(ctx context.Context, limit time.Duration) (map[string]string, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case line := <-c.ready:
		addresses := map[string]string{}
		for _, field := range strings.Fields(line) {
			name, value, _ := strings.Cut(field, "=")
			addresses[name] = value
		}
		return addresses, nil
	case <-c.exited:
		return nil, c.ended()
	case <-timer.C:
		return nil, fmt.Errorf("交换机 %s 内未就绪 / the switch was not ready within %s", limit, limit)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lastWords is how many lines of its log are repeated when it has ended.
const lastWords = 4

// ended says how it ended, with its own last words.
func (c *child) ended() error {
	words := strings.Split(c.log.last(), "\n")
	text := strings.Join(words[max(0, len(words)-lastWords):], "\n")
	if c.err == nil {
		return fmt.Errorf("%w\n%s", errChild, text)
	}
	return fmt.Errorf("%w (%w)\n%s", errChild, c.err, text)
}

// alive says whether it has not ended.
func (c *child) alive() bool {
	select {
	case <-c.exited:
		return false
	default:
		return true
	}
}

// kill is kill -9, and waits until the process is gone.
func (c *child) kill() {
	_ = c.process.Signal(syscall.SIGKILL) // it may have ended by itself
	<-c.exited
}

// stop asks it to end and waits; one that does not end in time is killed.
func (c *child) stop(limit time.Duration) error {
	_ = c.process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.exited:
	case <-timer.C:
		c.kill()
		return fmt.Errorf("交换机 %s 内未停下,已强行结束 / the switch did not stop within %s and was killed", limit, limit)
	}
	if c.err != nil {
		return c.ended()
	}
	return nil
}

// runChild runs a command of the program to its end and returns what it printed.
func runChild(ctx context.Context, binary string, args ...string) (output string, code int, err error) {
	var out tail
	c, err := startChild(binary, &out, args...)
	if err != nil {
		return "", 0, err
	}
	select {
	case <-c.exited:
	case <-ctx.Done():
		c.kill()
		return "", 0, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(c.err, &exit) {
		return out.last(), exit.ExitCode(), nil
	}
	return out.last(), 0, c.err
}

// tail passes on what is written and remembers the end of it. Two goroutines write: the process's two outputs.
type tail struct {
	lock sync.Mutex
	to   io.Writer
	end  []byte
}

const tailBytes = 8 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.end = append(t.end, b...)
	if extra := len(t.end) - tailBytes; extra > 0 {
		t.end = append(t.end[:0], t.end[extra:]...)
	}
	if t.to == nil {
		return len(b), nil
	}
	return t.to.Write(b)
}

func (t *tail) last() string {
	t.lock.Lock()
	defer t.lock.Unlock()
	return strings.TrimRight(string(t.end), "\n")
}
