package settings_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/daemon/settings"
)

type sample struct {
	Terminals struct {
		Listen string        `yaml:"listen"`
		Idle   time.Duration `yaml:"idle_timeout"`
		Most   int           `yaml:"max_connections"`
	} `yaml:"terminals"`
	Bank struct {
		Enabled   bool     `yaml:"enabled"`
		Addresses []string `yaml:"addresses"`
	} `yaml:"bank"`
}

func (s *sample) Validate() error {
	var faults []error
	if s.Terminals.Listen == "" {
		faults = append(faults, settings.Faultf("terminals.listen", "is empty"))
	}
	if s.Terminals.Most > 100 {
		faults = append(faults, settings.Faultf("terminals.max_connections", "%d is above 100", s.Terminals.Most))
	}
	return errors.Join(faults...)
}

func TestFileThenEnvironment(t *testing.T) {
	var s sample
	s.Terminals.Idle = time.Minute
	err := settings.Load("a.yaml", []byte("terminals:\n  listen: 127.0.0.1:1\n  max_connections: 7\nbank:\n  addresses: [a, b]\n"),
		[]string{"PATH=/bin", "ONECARD_TERMINALS_MAX_CONNECTIONS=9", "ONECARD_BANK_ENABLED=true", "ONECARD_TERMINALS_IDLE_TIMEOUT=5s"}, &s)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", s.Terminals.Listen)
	require.Equal(t, 9, s.Terminals.Most)
	require.Equal(t, 5*time.Second, s.Terminals.Idle)
	require.True(t, s.Bank.Enabled)
	require.Equal(t, []string{"a", "b"}, s.Bank.Addresses)
}

func TestEveryFaultIsReportedWithItsLine(t *testing.T) {
	var s sample
	err := settings.Load("a.yaml", []byte("terminals:\n  lisenn: x\n  idle_timeout: soon\n  max_connections: 101\nbank:\n  enabled: perhaps\ncolour: red\n"),
		[]string{"ONECARD_BANK_COLOUR=red"}, &s)
	require.Error(t, err)
	text := err.Error()
	t.Log(text)
	for _, want := range []string{
		"7 处错误", "terminals.lisenn: 无此键", "known here: listen, idle_timeout, max_connections", "2 |   lisenn: x", "^",
		"terminals.idle_timeout:", "duration", "terminals.max_connections: 101 is above 100", "4 |   max_connections: 101",
		"bank.enabled:", "true or false", "colour: 无此键", "terminals.listen: is empty", "ONECARD_BANK_COLOUR:",
	} {
		require.Contains(t, text, want)
	}
}

func TestNotYAML(t *testing.T) {
	err := settings.Load("a.yaml", []byte("terminals: [\n"), nil, &sample{})
	require.ErrorContains(t, err, "a.yaml: 不是正确的 YAML")
	err = settings.Load("a.yaml", []byte("- a\n"), nil, &sample{})
	require.ErrorContains(t, err, "a.yaml: 须为一组键值")
}

// TestSecondDocumentIsAFault: keys below a line --- would otherwise be passed over in silence.
func TestSecondDocumentIsAFault(t *testing.T) {
	err := settings.Load("a.yaml", []byte("terminals:\n  listen: a\n---\nbank:\n  enabled: true\n"), nil, &sample{})
	require.ErrorContains(t, err, "begins at line 4")
	require.NoError(t, settings.Load("a.yaml", []byte("---\nterminals:\n  listen: a\n"), nil, &sample{}))
	require.ErrorContains(t, settings.Load("", nil, nil, &sample{}), "配置 / configuration: 1 处错误 / 1 fault\n", "no file: the report has a name all the same")
}

// TestEnvironmentIsTakenAsItStands: a text is no YAML, an empty variable is the empty text and no number, and a fault names the variable
// rather than a line of the file that is not in force.
func TestEnvironmentIsTakenAsItStands(t *testing.T) {
	for _, listen := range []string{"[::1]:8583", "00010000", "a # b", "", "{x"} {
		var s sample
		s.Terminals.Listen = "before"
		err := settings.Load("", nil, []string{"ONECARD_TERMINALS_LISTEN=" + listen}, &s)
		require.Equal(t, listen, s.Terminals.Listen)
		require.Equal(t, listen == "", err != nil, "%q: %v", listen, err)
	}
	source := []byte("terminals:\n  listen: a\n  max_connections: 5\n  idle_timeout: 5s\n")
	err := settings.Load("a.yaml", source, []string{"ONECARD_TERMINALS_MAX_CONNECTIONS=101", "ONECARD_TERMINALS_IDLE_TIMEOUT="}, &sample{})
	require.ErrorContains(t, err, "101 is above 100\n  取自环境变量 / from the environment: ONECARD_TERMINALS_MAX_CONNECTIONS")
	require.ErrorContains(t, err, "from the environment: ONECARD_TERMINALS_IDLE_TIMEOUT")
	require.NotContains(t, err.Error(), ">")
}

func TestDescribeSaysWhereEachKeyComesFrom(t *testing.T) {
	var s sample
	s.Terminals.Idle = time.Minute
	text, err := settings.Describe("a.yaml", []byte("terminals:\n  listen: 127.0.0.1:1\nbank:\n  addresses: [a, b]\n"), []string{"ONECARD_BANK_ENABLED=true"}, &s)
	require.NoError(t, err)
	t.Log("\n" + text)
	for _, want := range []string{`  listen: "127.0.0.1:1" `, "# a.yaml:2", "  idle_timeout: 1m0s\n", "  max_connections: 0\n", "  enabled: true ", "# ONECARD_BANK_ENABLED", "addresses: [a, b]", "# a.yaml:4"} {
		require.Contains(t, text, want)
	}
	var again sample
	require.NoError(t, settings.Load("b.yaml", []byte(text), nil, &again))
	require.Equal(t, s, again)
}
