package bankgw_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"

	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// puppet is a bank that does nothing by itself but answer sign-ons, sign-offs and echoes. The proof says when it books a load, when it
// books a reversal, and when which of the answers that its books have ever warranted arrives, again or for the first time, on whatever
// line there is. So a message of it can be late, lost, overtaken or doubled in every way. Its books are honest: a load is debited at most
// once.
type puppet struct {
	network *network
	mac     *iso8583.MAC
	begin   func(mti string) *iso8583.BankMessage
	open    func(payload []byte) (*iso8583.BankMessage, error)
	forgets bool // a reversal that finds nothing leaves no trace: the original is booked when it comes, as young as the contract allows
	serving sync.WaitGroup

	mu       sync.Mutex
	conn     net.Conn // guarded by mu, as all below; nil: no line
	cut      bool
	load     *iso8583.BankMessage // the 0200, once it is here
	reversal *iso8583.BankMessage // the newest 0420 or 0421
	state    banksim.State        // of the load in the books; 0: unheard of
	nothing  bool                 // it forgets, and has said 25 to a reversal
	fault    error                // something came that must not
	seen     [][]byte             // every payload, as it came
	pays     *payingBank          // of withdrawals; nil: the proof is of a load
	signOn   []byte               // a frame that answers sign-ons in another's words; nil: our own
}

func newPuppet(forgets bool) (*puppet, error) {
	mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, bankKey)
	if err != nil {
		return nil, err
	}
	spec := iso8583.BankSpec()
	p := &puppet{
		network: newNetwork(), mac: mac, forgets: forgets,
		begin: func(mti string) *iso8583.BankMessage { return iso8583.NewBankMessage(spec, mti) },
	}
	p.open = func(payload []byte) (*iso8583.BankMessage, error) {
		return iso8583.OpenBankMessage(spec, payload, p.mac)
	}
	p.serving.Add(1)
	go p.serve()
	return p, nil
}

func (p *puppet) serve() {
	defer p.serving.Done()
	for {
		conn, err := p.network.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.cut {
			p.mu.Unlock()
			_ = conn.Close()
			continue
		}
		p.conn = conn
		p.mu.Unlock()
		p.serving.Add(1)
		go p.read(conn)
	}
}

func (p *puppet) read(conn net.Conn) {
	defer p.serving.Done()
	buffered := bufio.NewReader(conn)
	for {
		payload, err := iso8583.ReadBankFrame(buffered, iso8583.FramingASCII4)
		p.mu.Lock()
		if err != nil {
			if p.conn == conn {
				p.conn = nil
			}
			p.mu.Unlock()
			return
		}
		p.take(payload)
		p.mu.Unlock()
	}
}

// take keeps a request until the proof has it booked. REQUIRES: mu.
func (p *puppet) take(payload []byte) {
	p.seen = append(p.seen, bytes.Clone(payload))
	m, err := p.open(payload)
	if err != nil {
		p.fault = fmt.Errorf("the bank cannot read what came: %w", err)
		return
	}
	if p.pays != nil && p.pays.take(p, m) {
		return
	}
	switch m.MTI() {
	case "0200":
		if p.load != nil {
			p.fault = fmt.Errorf("a second 0200 of one load: %s", banksim.Describe(m))
		}
		p.load = m
	case "0420", "0421":
		p.reversal = m
	case "0820":
		if function, _ := m.Number(70); function == 1 && p.signOn != nil {
			_, _ = p.conn.Write(p.signOn) // as in send
			return
		}
		p.send(p.answer(m, "00"))
	case "0830":
	default:
		p.fault = fmt.Errorf("nobody sends a bank %s", m.MTI())
	}
}

func (p *puppet) answer(request *iso8583.BankMessage, code string) *iso8583.BankMessage {
	mti := []byte(request.MTI())
	mti[2], mti[3] = mti[2]|1, '0'
	m := p.begin(string(mti))
	for _, n := range []int{2, 3, 4, 7, 11, 12, 13, 18, 25, 32, 33, 37, 41, 42, 49, 70, 90, 100, 102, 103} {
		m.Set(n, request.String(n))
	}
	return m.Set(39, code)
}

// send seals and writes on whatever line there is.
func (p *puppet) send(m *iso8583.BankMessage) {
	if p.conn == nil {
		return
	}
	payload, err := m.Seal(p.mac)
	if err != nil {
		p.fault = err
		return
	}
	_, _ = p.conn.Write(iso8583.AppendBankFrame(nil, iso8583.FramingASCII4, payload)) // a line that is gone takes nothing
}

// bookLoad books the 0200. REQUIRES: it is here and not booked.
func (p *puppet) bookLoad(code string) {
	if p.state = banksim.Declined; code == "00" {
		p.state = banksim.Debited
	}
}

// bookReversal books the 0420 and returns what it is answered. REQUIRES: it is here.
func (p *puppet) bookReversal() (code string) {
	switch p.state {
	case banksim.Debited, banksim.Reversed:
		p.state = banksim.Reversed
		return "00"
	case banksim.Declined, banksim.Refused:
	default:
		if p.nothing = p.forgets; !p.forgets {
			p.state = banksim.Refused // the original is refused when it comes
		}
	}
	return "25"
}

// reversalMatters says that booking the reversal changes something.
func (p *puppet) reversalMatters() bool {
	return p.reversal != nil && (p.state == banksim.Debited || p.state == 0 && !p.nothing)
}

// answers are all that the bank can have said by now, as "0210/00".
func (p *puppet) answers() (list []string) {
	if p.load != nil {
		switch p.state {
		case banksim.Debited, banksim.Reversed:
			list = append(list, "0210/00")
		case banksim.Declined:
			list = append(list, "0210/51")
		case banksim.Refused:
			list = append(list, "0210/12")
		}
	}
	if p.reversal == nil {
		return list
	}
	list = append(list, "0430/96") // not now
	if p.state == banksim.Reversed {
		list = append(list, "0430/00")
	}
	if p.nothing || p.state == banksim.Declined || p.state == banksim.Refused {
		list = append(list, "0430/25")
	}
	return list
}

// say sends one of the answers.
func (p *puppet) say(name string) {
	mti, code, _ := strings.Cut(name, "/")
	if mti == "0610" {
		p.tellQuery(code)
		return
	}
	request := p.load
	if mti == "0430" {
		request = p.reversal
	}
	p.send(p.answer(request, code))
}

// tell sends an 0820 of the bank's own.
func (p *puppet) tell(function uint64) {
	p.send(p.begin("0820").Set(7, "0101000000").SetNumber(11, function).SetNumber(70, function))
}

func (p *puppet) hangUp() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

func (p *puppet) debited(amount money.Fen) money.Fen {
	if p.state == banksim.Debited {
		return amount
	}
	return 0
}

func (p *puppet) String() string {
	return fmt.Sprintf("bank line=%v cut=%v 0200=%v 0420=%v books=%s nothing=%v", p.conn != nil, p.cut, p.load != nil, p.reversal != nil, p.state, p.nothing)
}

func (p *puppet) end() {
	_ = p.network.Close()
	p.mu.Lock()
	p.hangUp()
	p.mu.Unlock()
	p.serving.Wait()
}
