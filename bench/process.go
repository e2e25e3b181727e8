package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server in a process of its own.
type process struct {
	name       string
	command    *exec.Cmd
	address    string // for terminals
	operations string
	control    string
	log        *os.File
}

// errNotReady says that a server ended before it was ready.
var errNotReady = errors.New("ended before it was ready")

// start runs a server and waits for its line "ready terminals=ADDRESS operations=ADDRESS control=PATH". What it logs goes to a file.
func start(ctx context.Context, name, logPath string, program string, args ...string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	p := &process{name: name, command: exec.CommandContext(ctx, program, args...), log: log}
	p.command.Stderr = log
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nobody is left behind when the bench is killed
	out, err := p.command.StdoutPipe()
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	if err := p.awaitReady(out); err != nil {
		p.kill()
		return nil, fmt.Errorf("starting %s: %w (see %s)", name, err, logPath)
	}
	return p, nil
}

func (p *process) awaitReady(out io.Reader) error {
	reader := bufio.NewReader(out)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return errNotReady
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "ready" {
			continue
		}
		for _, f := range fields[1:] {
			switch key, value, _ := strings.Cut(f, "="); key {
			case "terminals":
				p.address = value
			case "operations":
				p.operations = value
			case "control":
				p.control = value
			}
		}
		return nil
	}
}

// kill ends the process as a power cut does.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait() // says that it was killed
	_ = p.log.Close()
}

// stop ends the process politely.
func (p *process) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	err := p.command.Wait()
	_ = p.log.Close()
	if err != nil {
		return fmt.Errorf("stopping %s: %w (see %s)", p.name, err, p.log.Name())
	}
	return nil
}

// ticksPerSecond is the unit of /proc: fixed on Linux.
const ticksPerSecond = 100

// cpu is how much processor time the process has used.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", p.name, err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name before may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("processor time of %s: /proc is not as expected", p.name)
	}
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, fmt.Errorf("processor time of %s: %w", p.name, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// ownCPU is how much processor time this program has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
