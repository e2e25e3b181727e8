package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

const (
	functionLinesMax = 70
	fileLinesMax     = 500
)

// clockless folders take time as a value.
var clockless = []string{"ledger", "ledger/money", "ledger/invariant", "switch/transaction", "switch/campus", "switch/iso8583", "switch/rules", "bankgw/reconcile"}

func TestSizes(t *testing.T) {
	eachFile(t, func(file string, set *token.FileSet, parsed *ast.File) {
		if lines := set.Position(parsed.FileEnd).Line; lines > fileLinesMax {
			t.Errorf("%s has %d lines, at most %d: name a second noun", file, lines, fileLinesMax)
		}
		for _, declaration := range parsed.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok || strings.HasSuffix(file, "_test.go") {
				continue
			}
			if lines := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; lines > functionLinesMax {
				t.Errorf("%s: %s has %d lines, at most %d", file, f.Name.Name, lines, functionLinesMax)
			}
			if f.Name.Name == "init" && f.Recv == nil {
				t.Errorf("%s: no init functions", file)
			}
		}
	})
}

func eachFile(t *testing.T, visit func(file string, set *token.FileSet, parsed *ast.File)) {
	t.Helper()
	goFiles(t, func(file string) {
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, filepath.Join(root, file), nil, parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		visit(file, set, parsed)
	})
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented := map[string]bool{}
	eachFile(t, func(file string, _ *token.FileSet, parsed *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		folder := path.Dir(file)
		documented[folder] = documented[folder] || parsed.Doc != nil && len(parsed.Doc.Text()) > 120
	})
	for folder, ok := range documented {
		if !ok {
			t.Errorf("%s: the package comment must say what it is for, its one idea and what it does not do", folder)
		}
	}
}

// TestNoPackageVariables: state belongs to somebody. Errors and tables (composite literals that nothing assigns to) are allowed, embedded
// files, and what the linker sets in package main.
func TestNoPackageVariables(t *testing.T) {
	eachFile(t, func(file string, set *token.FileSet, parsed *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, declaration := range parsed.Decls {
			g, ok := declaration.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR || embeds(g) {
				continue
			}
			for _, spec := range g.Specs {
				checkVariable(t, file, set, parsed.Name.Name, spec.(*ast.ValueSpec))
			}
		}
	})
}

// embeds says that a declaration is of files that the compiler puts in: a table that stands elsewhere.
func embeds(g *ast.GenDecl) bool {
	return g.Doc != nil && slices.ContainsFunc(g.Doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func checkVariable(t *testing.T, file string, set *token.FileSet, packageName string, v *ast.ValueSpec) {
	for i, name := range v.Names {
		if name.Name == "_" || packageName == "main" && name.Name == "version" {
			continue
		}
		if i < len(v.Values) && isTable(v.Values[i]) {
			continue
		}
		t.Errorf("%s: package variable %s: give it an owner", set.Position(name.Pos()), name.Name)
	}
	_ = file
}

func isTable(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit, *ast.BasicLit:
		return true
	case *ast.UnaryExpr:
		return isTable(v.X)
	case *ast.CallExpr: // errors.New, and tables that a function of the package computes once
		text := ""
		switch f := v.Fun.(type) {
		case *ast.SelectorExpr:
			text = f.Sel.Name
		case *ast.Ident:
			text = f.Name
		}
		return text == "New" || strings.HasPrefix(text, "Must") || strings.HasPrefix(text, "table") || text == "MakeTable" || text == "FixedZone"
	}
	return false
}

func TestNoClockInTheCore(t *testing.T) {
	eachFile(t, func(file string, set *token.FileSet, parsed *ast.File) {
		folder := path.Dir(file)
		inside := slices.ContainsFunc(clockless, func(c string) bool {
			return folder == c || c == "switch/campus" && strings.HasPrefix(folder, c+"/")
		})
		if !inside || strings.HasSuffix(file, "_test.go") {
			return
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Tick", "NewTimer", "NewTicker", "Sleep"}, s.Sel.Name) {
				t.Errorf("%s: time.%s: time arrives as a value here", set.Position(s.Pos()), s.Sel.Name)
			}
			return true
		})
	})
}

// TestGoroutines: every go statement outside tests is listed with what it owns and who ends it, one line each:
// folder/file.go function — what it owns; who ends it.
func TestGoroutines(t *testing.T) {
	contents, err := os.ReadFile("goroutines.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for line := range strings.Lines(string(contents)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, story, ok := strings.Cut(line, " — ")
		if !ok || !strings.Contains(story, ";") {
			t.Errorf("goroutines.txt: %q: write file function — what it owns; who ends it", line)
		}
		listed[key]++
	}
	found := map[string]int{}
	eachFile(t, func(file string, _ *token.FileSet, parsed *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, declaration := range parsed.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok {
				ast.Inspect(f, func(n ast.Node) bool {
					if _, ok := n.(*ast.GoStmt); ok {
						found[file+" "+f.Name.Name]++
					}
					return true
				})
			}
		}
	})
	var keys []string
	for key := range found {
		keys = append(keys, key)
	}
	for key := range listed {
		if found[key] == 0 {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	for _, key := range keys {
		if found[key] != listed[key] {
			t.Errorf("goroutines.txt: %s starts %d goroutines, %d listed", key, found[key], listed[key])
		}
	}
}
