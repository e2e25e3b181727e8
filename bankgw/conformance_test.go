package bankgw_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/datadriven"
	moov "github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
)

// Two clients that are not ours read what the gateway sends and build what it must accept: moov-io/iso8583 with its own encoders and a
// table typed in anew below, and npm's iso_8583 (make conformance). What they share with us is paper, wire handbook 5.2, and the key.

// frames are what the gateway sends of one load in the small world: the same bytes each time.
var frames = []string{"0820 sign-on", "0200 load", "0420 reversal", "0421 repeat"}

// meant is what the frames say, by field, from the paper and the small world: 9 is the number of the load's entry, and time begins with
// the year 2000 UTC.
var meant = map[string]map[int]string{
	"0820 sign-on":  {0: "0820", 7: "0101080000", 11: "000001", 33: "00010000", 70: "001"},
	"0200 load":     financial("0200", nil),
	"0420 reversal": financial("0420", map[int]string{60: "4021", 90: "0200" + "000010" + "0101080000" + "00000010000" + "00000010000"}),
	"0421 repeat":   financial("0421", map[int]string{60: "4021", 90: "0200" + "000010" + "0101080000" + "00000010000" + "00000010000"}),
}

func financial(mti string, more map[int]string) map[int]string {
	fields := map[int]string{
		0: mti, 2: account, 3: "600000", 4: "000000005000", 7: "0101080000", 11: "000010", 12: "080000", 13: "0101", 18: "8220", 22: "012", 25: "91",
		32: "00010000", 33: "00010000", 37: "000000000009", 41: "KIOSK001", 42: "103410054110001", 49: "156", 102: account, 103: strconv.Itoa(cardNumber),
	}
	for n, value := range more {
		fields[n] = value
	}
	return fields
}

// sent lets the gateway send every frame, and returns the payloads by name.
func sent(t *testing.T) map[string][]byte {
	t.Helper()
	payloads := make(map[string][]byte)
	site := proofSite(t)
	synctest.Test(t, func(t *testing.T) {
		w, err := newSmallWorld(t, site, false, &wrongdoing{}, nil)
		require.NoError(t, err)
		for _, action := range []string{"load", "time", "time", "time"} { // sent, given up and reversed, given up, repeated
			w.do(move{action: action})
		}
		w.puppet.mu.Lock()
		for _, payload := range w.puppet.seen {
			for _, name := range frames {
				if strings.HasPrefix(name, string(payload[:4])) && payloads[name] == nil {
					payloads[name] = payload
				}
			}
		}
		w.puppet.mu.Unlock()
		w.close()
	})
	require.Len(t, payloads, len(frames))
	return payloads
}

// TestFrames compares the frames with testdata/frames, which is what a bank is given to try its software with; -rewrite writes it.
func TestFrames(t *testing.T) {
	payloads := sent(t)
	datadriven.RunTest(t, "testdata/frames", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "answer" {
			payloads := built(t, moovAnswers(t, payloads))
			return dump(payloads[strings.Trim(d.Input, "\n")])
		}
		payload := payloads[strings.Trim(d.Input, "\n")]
		require.NotNil(t, payload, d.Input)
		return dump(iso8583.AppendBankFrame(nil, iso8583.FramingASCII4, payload))
	})
}

// dump prints bytes in hexadecimal, 32 a line.
func dump(b []byte) string {
	var out strings.Builder
	for ; len(b) > 0; b = b[min(32, len(b)):] {
		fmt.Fprintf(&out, "%X\n", b[:min(32, len(b))])
	}
	return out.String()
}

// paperSpec is the link's table in moov's own types (wire handbook 5.2).
func paperSpec() *moov.MessageSpec {
	fixed := func(length int) field.Field {
		return field.NewString(&field.Spec{Length: length, Enc: encoding.ASCII, Pref: prefix.ASCII.Fixed})
	}
	variable := func(length int, p prefix.Prefixer) field.Field {
		return field.NewString(&field.Spec{Length: length, Enc: encoding.ASCII, Pref: p})
	}
	return &moov.MessageSpec{Name: "paper", Fields: map[int]field.Field{
		0: fixed(4), 1: field.NewBitmap(&field.Spec{Enc: encoding.Binary, Pref: prefix.Binary.Fixed}),
		2: variable(19, prefix.ASCII.LL), 3: fixed(6), 4: fixed(12), 7: fixed(10), 11: fixed(6), 12: fixed(6), 13: fixed(4), 15: fixed(4), 18: fixed(4), 22: fixed(3),
		25: fixed(2), 32: variable(11, prefix.ASCII.LL), 33: variable(11, prefix.ASCII.LL), 37: fixed(12), 38: fixed(6), 39: fixed(2), 41: fixed(8), 42: fixed(15),
		49: fixed(3), 60: variable(30, prefix.ASCII.LLL), 70: fixed(3), 90: fixed(42), 100: variable(11, prefix.ASCII.LL), 102: variable(28, prefix.ASCII.LL),
		103: variable(28, prefix.ASCII.LL), 128: field.NewBinary(&field.Spec{Length: 8, Enc: encoding.Binary, Pref: prefix.Binary.Fixed}),
	}}
}

// readByMoov takes a payload apart with moov's own encoders, and packs it again to the same bytes.
func readByMoov(t *testing.T, payload []byte) map[int]string {
	t.Helper()
	m := moov.NewMessage(paperSpec())
	require.NoError(t, m.Unpack(payload))
	fields := make(map[int]string)
	for n, f := range m.GetFields() {
		if n == 1 || n == 128 {
			continue
		}
		value, err := f.String()
		require.NoError(t, err)
		fields[n] = value
	}
	again, err := m.Pack()
	require.NoError(t, err)
	require.Equal(t, payload, again)
	return fields
}

func TestMoovReadsOurFrames(t *testing.T) {
	for name, payload := range sent(t) {
		require.Equal(t, meant[name], readByMoov(t, payload), name)
	}
}

// wanted is an answer that a foreign client builds.
type wanted struct {
	Name string            `json:"name"`
	To   string            `json:"to"`
	MTI  string            `json:"mti"`
	Set  map[string]string `json:"set"`
}

var answersWanted = []wanted{
	{"0830 sign-on", "0820 sign-on", "0830", map[string]string{"39": "00"}},
	{"0210 approved", "0200 load", "0210", map[string]string{"15": "0101", "38": "A00009", "39": "00"}},
	{"0210 declined", "0200 load", "0210", map[string]string{"39": "51"}},
	{"0430 reversed", "0421 repeat", "0430", map[string]string{"39": "00"}},
	{"0430 not found", "0420 reversal", "0430", map[string]string{"39": "25"}},
}

// echoed by every client: what an answer repeats of its request.
var echoedFields = []int{2, 3, 4, 7, 11, 12, 13, 18, 25, 32, 33, 37, 41, 42, 49, 70, 90, 100, 102, 103}

// moovAnswers builds the answers with moov's own encoders, without their MACs.
func moovAnswers(t *testing.T, payloads map[string][]byte) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, want := range answersWanted {
		request := moov.NewMessage(paperSpec())
		require.NoError(t, request.Unpack(payloads[want.To]))
		m := moov.NewMessage(paperSpec())
		m.MTI(want.MTI)
		present := request.GetFields()
		for _, n := range echoedFields {
			if present[n] == nil {
				continue
			}
			value, err := request.GetString(n)
			require.NoError(t, err)
			require.NoError(t, m.Field(n, value))
		}
		for key, value := range want.Set {
			n, err := strconv.Atoi(key)
			require.NoError(t, err)
			require.NoError(t, m.Field(n, value))
		}
		require.NoError(t, m.BinaryField(128, make([]byte, iso8583.MACSize)))
		raw, err := m.Pack()
		require.NoError(t, err)
		all[want.Name] = raw[:len(raw)-iso8583.MACSize]
	}
	return all
}

// built puts the bank's MAC and the length before and behind what a client has built.
func built(t *testing.T, payloads map[string][]byte) map[string][]byte {
	t.Helper()
	mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, bankKey)
	require.NoError(t, err)
	all := make(map[string][]byte)
	for name, payload := range payloads {
		sum := mac.Sum(nil, payload)
		all[name] = iso8583.AppendBankFrame(nil, iso8583.FramingASCII4, append(bytes.Clone(payload), sum[:]...))
	}
	return all
}

// acceptForeign plays a client's answers to the real gateway: each must do what it says.
func acceptForeign(t *testing.T, answers map[string][]byte) {
	t.Helper()
	require.Len(t, answers, len(answersWanted))
	site := proofSite(t)
	play := func(check func(w *smallWorld, b books), names ...string) {
		synctest.Test(t, func(t *testing.T) {
			w, err := newSmallWorld(t, site, false, &wrongdoing{}, nil)
			require.NoError(t, err)
			w.puppet.mu.Lock()
			w.puppet.signOn = answers["0830 sign-on"]
			w.puppet.mu.Unlock()
			w.do(move{action: "crash"}) // the next life signs on in the client's words
			for _, name := range names {
				if frame := answers[name]; frame != nil {
					w.puppet.mu.Lock()
					_, err := w.puppet.conn.Write(frame)
					w.puppet.mu.Unlock()
					require.NoError(t, err)
					w.rest()
					continue
				}
				w.do(move{action: name})
			}
			check(w, w.look())
			w.close()
		})
	}
	play(func(_ *smallWorld, b books) {
		require.Equal(t, proofAmount, b.credited)
		require.Zero(t, b.opened)
	}, "load", "0210 approved")
	play(func(_ *smallWorld, b books) {
		require.Zero(t, b.credited)
		require.Zero(t, b.opened)
	}, "load", "0210 declined")
	play(func(w *smallWorld, b books) {
		require.Zero(t, b.credited)
		require.Zero(t, b.opened)
		require.Zero(t, w.life.gateway.Status().ReversalsQueued)
	}, "load", "time", "0430 reversed")
	play(func(w *smallWorld, b books) { // believed when not_found_after has passed
		require.Zero(t, b.opened)
		require.Zero(t, w.life.gateway.Status().ReversalsQueued)
	}, "load", "time", "time", "time", "0430 not found")
}

func TestOurGatewayAcceptsMoov(t *testing.T) {
	acceptForeign(t, built(t, moovAnswers(t, sent(t))))
}

// conformanceFolder is where make conformance has put npm's iso_8583.
const conformanceFolder = "../out/conformance"

// TestNPM lets npm's iso_8583 read our frames and build answers; what it cannot do stands in configs/tools/conformance/bank.js.
func TestNPM(t *testing.T) {
	library := filepath.Join(conformanceFolder, "node_modules", "iso_8583")
	if _, err := os.Stat(library); err != nil {
		t.Skip("npm's iso_8583 is not there: make conformance installs and runs it (needs node and npm)")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not there: make conformance needs it")
	}
	task := struct {
		Frames  map[string]string `json:"frames"`
		Answers []wanted          `json:"answers"`
	}{make(map[string]string), answersWanted}
	for name, payload := range sent(t) {
		task.Frames[name] = hex.EncodeToString(payload)
	}
	input, err := json.Marshal(task)
	require.NoError(t, err)
	library, err = filepath.Abs(library)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), node, "../configs/tools/conformance/bank.js", library)
	command.Stdin = bytes.NewReader(input)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	require.NoError(t, err, "%s", &complaint)
	var result struct {
		Read  map[string]map[int]string `json:"read"`
		Built map[string]string         `json:"built"`
	}
	require.NoError(t, json.Unmarshal(output, &result))
	for name, fields := range result.Read {
		require.Len(t, fields[128], 2*iso8583.MACSize, name)
		delete(fields, 128)
		require.Equal(t, meant[name], fields, name)
	}
	require.Len(t, result.Read, len(frames))
	payloads := make(map[string][]byte)
	for name, text := range result.Built {
		payloads[name], err = hex.DecodeString(text)
		require.NoError(t, err)
	}
	require.Equal(t, moovAnswers(t, sent(t)), payloads, "both clients build the same bytes")
	acceptForeign(t, built(t, payloads))
}
