package tidy

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "onecard/"
)

// rule says what a folder may import of ours, and what from outside it must not. The first rule whose folder is a prefix counts.
type rule struct {
	folder string
	ours   []string
	must   []string // must not import these
}

// importTable is section 3 of the house. A trailing /... takes in everything below.
var importTable = []rule{
	{"ledger/money", nil, []string{"github.com/", "net", "os"}},
	{"ledger/invariant", nil, []string{"github.com/", "net", "os"}},
	{"ledger/merkle", nil, []string{"net", "os"}},
	{"ledger/pebblestore/archive", []string{"ledger"}, []string{"net"}},
	{"ledger/background", nil, []string{"net"}},
	{"ledger/pebblestore", []string{"ledger", "ledger/background", "ledger/money", "ledger/invariant", "ledger/pebblestore/archive"}, []string{"net"}},
	{"ledger/ledgertest", nil, []string{"net", "testing"}},
	{"ledger", []string{"ledger/money", "ledger/invariant"}, []string{"github.com/", "net", "os"}},
	{"switch/iso8583", []string{"ledger/money", "ledger/invariant"}, []string{"net", "os"}},
	{"switch/whatif", []string{"ledger", "ledger/money", "switch/rules", "switch/transaction"}, []string{"github.com/", "net", "os"}},
	{"switch/rules/rulestest", []string{"ledger/money", "switch/rules", "switch/rules/tariff"}, []string{"net", "os"}},
	{"switch/rules/tariff", []string{"ledger/money"}, []string{"github.com/", "net", "os", "time"}},
	{"switch/rules/rulefile", []string{"ledger/money", "switch/rules", "switch/rules/tariff"}, []string{"net", "os"}},
	{"switch/rules", []string{"ledger/money", "switch/rules/tariff"}, []string{"github.com/", "net", "os", "time"}},
	{"switch/denylist", nil, []string{"github.com/", "net", "os", "time"}},
	{"switch/transaction", []string{"ledger", "ledger/money", "ledger/invariant", "switch/denylist", "switch/rules", "switch/rules/tariff"}, []string{"github.com/", "net", "os"}},
	{"switch/campus", []string{"ledger", "ledger/money", "ledger/invariant", "switch/rules", "switch/transaction", "switch/campus"}, []string{"github.com/", "net", "os"}},
	{"switch/directory", []string{"ledger", "ledger/money", "switch/transaction", "switch/iso8583"}, []string{"net"}},
	{"switch/proof", []string{"ledger", "ledger/merkle", "switch/transaction"}, []string{"github.com/", "net", "os"}},
	{"switch/dayend", []string{"ledger", "ledger/money", "ledger/merkle", "switch/proof", "switch/transaction"}, []string{"github.com/", "net", "os"}},
	{"switch/query", []string{"ledger", "ledger/money", "switch/transaction"}, []string{"github.com/", "net", "os"}},
	{"switch/telemetry", []string{"switch/transaction"}, []string{"github.com/cockroachdb"}},
	{"switch/simulation", []string{"ledger", "ledger/money", "ledger/invariant", "ledger/ledgertest", "switch/transaction", "switch/campus/..."}, []string{"github.com/", "net", "os"}},
	{"switch/console", []string{"ledger", "ledger/money", "switch/transaction", "switch/campus", "switch/query"}, []string{"github.com/cockroachdb", "github.com/prometheus"}},
	{"switch/tidy", nil, nil},
	{"switch/daemon/settings", nil, []string{"net"}},
	{"switch/daemon", []string{"..."}, []string{"github.com/prometheus"}},
	{"switch/demo", []string{"ledger/money", "switch/iso8583", "terminals/emulator/...", "bankgw/banksim", "terminals/reactor"}, nil},
	{"switch/command", []string{"..."}, []string{"github.com/prometheus"}},
	{"switch", []string{"switch/command"}, nil},
	{"terminals/reactor", nil, []string{"github.com/"}},
	{"terminals/emulator", []string{"ledger/money", "switch/iso8583", "terminals/reactor", "terminals/emulator/..."}, nil},
	{"terminals", []string{"ledger/money", "ledger/invariant", "switch/iso8583", "switch/transaction", "terminals/reactor"}, nil},
	{"bankgw/channel/channelsim", []string{"ledger/money"}, nil},
	{"bankgw/channel", []string{"ledger/money", "ledger/invariant", "switch/transaction"}, nil},
	{"bankgw/banksim", []string{"ledger/money", "switch/iso8583"}, nil},
	{"bankgw/reconcile", []string{"ledger/money"}, []string{"net", "os"}},
	{"bankgw", []string{"ledger/money", "ledger/invariant", "switch/iso8583", "switch/transaction"}, nil},
	// It measures the parts and not the product; what is said about the product comes from outside, over TCP.
	{"bench/inprocess", []string{"ledger", "ledger/money", "ledger/pebblestore", "switch/transaction", "switch/campus/...", "switch/campus", "switch/command"}, []string{"net"}},
	{"bench", []string{"bench/inprocess", "ledger/money", "switch/iso8583", "terminals/emulator/...", "terminals/reactor", "bankgw/banksim"}, nil},
}

// onlyImporter names the one folder that may import a module, or several with a space between.
var onlyImporter = map[string]string{
	"github.com/cockroachdb/pebble":      "ledger/pebblestore",
	"github.com/prometheus/client":       "switch/telemetry",
	"github.com/klauspost/compress":      "ledger/pebblestore/archive",
	"github.com/moov-io/iso8583":         "switch/iso8583",
	"github.com/emmansun/gmsm":           "switch/iso8583 bankgw/reconcile bankgw/banksim", // SM4, and SM3 of bank files
	"github.com/goccy/go-yaml":           "switch/daemon switch/rules/rulefile",
	"github.com/danielgtaylor/huma":      "switch/console",
	"github.com/transparency-dev/merkle": "ledger/merkle",
	"github.com/HdrHistogram":            "",
	"github.com/spf13/cobra":             "",
	"github.com/cockroachdb/redact":      "nobody",
	"github.com/sirupsen/logrus":         "nobody",
	"gopkg.in/yaml.v3":                   "nobody",
	"github.com/cockroachdb/errors":      "nobody",
	"github.com/moov-io/iso8583/network": "nobody",
}

// goFiles calls visit with every Go file of the module, the path relative to its root.
func goFiles(t *testing.T, visit func(file string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, p)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && relative != "." || relative == "configs/tools" || relative == "data" || relative == "out" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(p, ".go") {
			visit(filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportTable(t *testing.T) {
	files := 0
	goFiles(t, func(file string) {
		files++
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		for _, spec := range parsed.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			checkImport(t, file, name)
		}
	})
	if files < 40 {
		t.Fatalf("only %d Go files found under %s: the test looks in the wrong place", files, root)
	}
}

func checkImport(t *testing.T, file, name string) {
	folder := path.Dir(file)
	for importPath, owner := range onlyImporter {
		mayImport := func(owner string) bool { return folder == owner || strings.HasPrefix(folder, owner+"/") }
		if owner != "" && strings.HasPrefix(name, importPath) && !slices.ContainsFunc(strings.Fields(owner), mayImport) {
			t.Errorf("%s imports %s, which only %s may", file, name, owner)
		}
	}
	i := slices.IndexFunc(importTable, func(r rule) bool { return folder == r.folder || strings.HasPrefix(folder, r.folder+"/") })
	if i < 0 {
		t.Errorf("%s: folder %s is not in the import table: say in switch/tidy who it may import", file, folder)
		return
	}
	r := importTable[i]
	if ours, ok := strings.CutPrefix(name, module); ok {
		if !allowed(r.ours, ours) && ours != r.folder {
			t.Errorf("%s imports %s; %s may import of ours: %s", file, name, r.folder, strings.Join(r.ours, ", "))
		}
		return
	}
	for _, forbidden := range r.must {
		if name == forbidden || strings.HasPrefix(name, strings.TrimSuffix(forbidden, "/")+"/") {
			t.Errorf("%s imports %s, which %s must not", file, name, r.folder)
		}
	}
}

func allowed(list []string, name string) bool {
	for _, a := range list {
		if a == "..." || a == name {
			return true
		}
		if below, ok := strings.CutSuffix(a, "/..."); ok && (name == below || strings.HasPrefix(name, below+"/")) {
			return true
		}
	}
	return false
}

// TestSubsystemsDoNotKnowEachOther: a subsystem asks another through two methods that the daemon hands over, never by import.
func TestSubsystemsDoNotKnowEachOther(t *testing.T) {
	goFiles(t, func(file string) {
		if !strings.HasPrefix(file, "switch/campus/") || strings.Count(file, "/") < 3 {
			return
		}
		source, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Error(err)
			return
		}
		own := strings.Split(file, "/")[2]
		for line := range strings.Lines(string(source)) {
			if _, other, ok := strings.Cut(line, `"onecard/switch/campus/`); ok && !strings.HasPrefix(other, own) {
				t.Errorf("%s imports another subsystem: %s", file, strings.TrimSpace(line))
			}
		}
	})
}
