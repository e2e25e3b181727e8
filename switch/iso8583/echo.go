package iso8583

import "math/bits"

// Echo is what a reply repeats of its request, as it came, pad nibbles included, and what binds it: kept while the request is decided, in
// place of the whole frame.
type Echo struct {
	head   [tpduSize + headerSize]byte
	mti    MTI
	bitmap uint64 // of what is kept, F64 among it
	mac    [MACSize]byte
	ends   [echoRuns]uint8 // of the runs in wire
	wire   [echoBytes]byte
}

// EchoRun is fields that stand one behind the other in every reply.
type EchoRun int

const (
	EchoFirst     EchoRun = iota // F2, F3, F4, F11
	EchoCondition                // F25
	EchoPlace                    // F41, F42
	EchoCurrency                 // F49
	EchoNetwork                  // F60
	echoRuns
)

// echoBytes has room for the longest of each.
const echoBytes = (1 + 10) + 3 + 6 + 3 + 1 + 8 + 15 + 3 + (2 + 9)

const (
	terminalSize = 8
	merchantSize = 15
)

// echoFields are the runs' bits in a bitmap.
var echoFields = [echoRuns]uint64{
	1<<(64-2) | 1<<(64-3) | 1<<(64-4) | 1<<(64-11),
	1 << (64 - 25),
	1<<(64-41) | 1<<(64-42),
	1 << (64 - 49),
	1 << (64 - 60),
}

// echoed are the bits of all runs.
const echoed = 1<<(64-2) | 1<<(64-3) | 1<<(64-4) | 1<<(64-11) | 1<<(64-25) | 1<<(64-41) | 1<<(64-42) | 1<<(64-49) | 1<<(64-60)

// echoPlan is what of a payload is kept: fields that stand one behind the other in the request too are one stretch.
type echoPlan struct {
	ends      [echoRuns]uint8
	count     uint8
	stretches [9]stretch // one for each field at most
}

type stretch struct{ from, to uint16 }

func planEcho(bitmap uint64, spans *[65]span) (p echoPlan) {
	n := 0
	for run, wanted := range echoFields {
		for have := bitmap & wanted; have != 0; {
			field := bits.LeadingZeros64(have) + 1
			have &^= 1 << (64 - field)
			at := &spans[field]
			n += int(at.end - at.start)
			if p.count > 0 && p.stretches[p.count-1].to == at.start {
				p.stretches[p.count-1].to = at.end
				continue
			}
			p.stretches[p.count] = stretch{at.start, at.end}
			p.count++
		}
		p.ends[run] = uint8(n)
	}
	return p
}

// Echo keeps what replies to the message repeat.
func (m *Message) Echo(e *Echo) {
	p := &m.shape.echo
	if !m.alike {
		m.full.echo = planEcho(m.bitmap, &m.full.spans)
		p = &m.full.echo
	}
	e.head = [tpduSize + headerSize]byte(m.raw)
	e.mti, e.bitmap, e.ends = m.mti, m.bitmap&(echoed|1), p.ends
	n := 0
	for _, s := range p.stretches[:p.count] {
		n += copy(e.wire[n:], m.raw[s.from:s.to])
	}
	copy(e.mac[:], m.MAC())
}

// MTI of the request.
func (e *Echo) MTI() MTI { return e.mti }

// MAC is F64 of the request; nil when it had none.
func (e *Echo) MAC() []byte {
	if e.bitmap&1 == 0 {
		return nil
	}
	return e.mac[:]
}

// run is the wire bytes of a run.
func (e *Echo) run(run EchoRun) []byte {
	from := uint8(0)
	if run > 0 {
		from = e.ends[run-1]
	}
	return e.wire[from:e.ends[run]]
}

// Place returns F41 and F42; nil what the request did not have.
func (e *Echo) Place() (terminal, merchant []byte) {
	place := e.run(EchoPlace)
	if e.bitmap&(1<<(64-41)) != 0 {
		terminal, place = place[:terminalSize], place[terminalSize:]
	}
	if e.bitmap&(1<<(64-42)) != 0 {
		merchant = place[:merchantSize]
	}
	return terminal, merchant
}

// Network is Message.Network of the request.
func (e *Echo) Network() (messageType uint8, batch uint32, code uint16, ok bool) {
	wire := e.run(EchoNetwork)
	if len(wire) == 0 {
		return 0, 0, 0, false
	}
	digits, at, _ := variableLength(wire, 0, 2)
	return network(wire[at:], digits)
}
