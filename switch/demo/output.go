package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// output is where the performance is watched: a screen, or lines.
type output interface {
	// paint is given a model five times a second.
	paint(m *Model)
	// say is given what a key has done.
	say(e *Event)
	// close gives the terminal back; what is printed then stays.
	close()
	// restoreOnPanic is deferred by every goroutine: the terminal must not be left raw.
	restoreOnPanic()
}

// screen paints frames on a terminal in a goroutine of its own: a terminal that is slow to take a frame holds up nobody, it misses frames.
type screen struct {
	console *console
	models  chan *Model
	stop    context.CancelFunc
	done    chan struct{}
}

func openScreen(c *console) *screen {
	ctx, stop := context.WithCancel(context.Background())
	s := &screen{console: c, models: make(chan *Model, 1), stop: stop, done: make(chan struct{})}
	go s.run(ctx)
	return s
}

func (s *screen) run(ctx context.Context) {
	defer close(s.done)
	defer s.restoreOnPanic()
	var before *canvas
	var frame []byte
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-s.models:
			width, height := s.console.size()
			now := draw(m, width, height)
			frame = now.appendFrame(frame[:0], before)
			if _, err := s.console.out.Write(frame); err != nil {
				before = nil // whatever is there now, draw it anew
				continue
			}
			before = now
		}
	}
}

func (s *screen) paint(m *Model) {
	select {
	case s.models <- m:
	default: // the terminal is still taking the last one
	}
}

func (s *screen) say(*Event) {}

func (s *screen) close() {
	s.stop()
	<-s.done
	s.console.restore()
}

// restoreOnPanic does not recover: a panic ends the process, on a terminal that can be read.
func (s *screen) restoreOnPanic() {
	if p := recover(); p != nil {
		s.console.restore()
		panic(p)
	}
}

// lines prints one line a second.
type lines struct {
	out  io.Writer
	last time.Time
}

func (l *lines) paint(m *Model) {
	now := time.Now()
	if now.Sub(l.last) < time.Second {
		return
	}
	l.last = now
	fmt.Fprintln(l.out, lineOf(m))
}

func (l *lines) say(e *Event) { fmt.Fprintf(l.out, "%s  » %s\n", clockText(e.Clock), e.Text) }

func (l *lines) close()          {}
func (l *lines) restoreOnPanic() {}

// lineOf is the model on one line.
func lineOf(m *Model) string {
	t := &m.Traffic
	var b strings.Builder
	fmt.Fprintf(&b, "%s %5.0f 笔/秒 req/s  p50 %s  p99 %s  p99.9 %s  通过 ok %s", clockText(m.Clock), t.Rate,
		latencyText(t.Latest.P50), latencyText(t.Latest.P99), latencyText(t.Latest.P999), percentText(t.Approved, t.Requests))
	fmt.Fprintf(&b, "  等待 waiting %d  终端 terminals %d/%d", t.Waiting, m.Terminals.SignedOn, m.Terminals.Total)
	switch {
	case m.Bank.Cut:
		b.WriteString("  银行 bank CUT")
	case m.Bank.Known:
		fmt.Fprintf(&b, "  银行 bank %d/%d", m.Bank.LinksUp, m.Bank.Links)
	}
	if m.Bank.InFlight+m.Bank.Reversals > 0 {
		fmt.Fprintf(&b, " 在途 %d 待冲正 %d", m.Bank.InFlight, m.Bank.Reversals)
	}
	if m.Switch.Up {
		fmt.Fprintf(&b, "  组 group %.1f 落盘 sync %s", m.Switch.Group, latencyText(m.Switch.Sync))
	} else {
		b.WriteString("  交换机 DOWN")
	}
	fmt.Fprintf(&b, "  Σ借−Σ贷 %s", m.Books.Difference.Yuan())
	if m.Phase != "" {
		fmt.Fprintf(&b, "  %s", m.Phase)
	}
	return b.String()
}
