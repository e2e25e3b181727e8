// Package rulefile reads the rules of a site from one YAML file as the people of the settlement centre write it: money in yuan ("3.00"),
// percentages ("12 %"), times ("06:30"), weekdays (mon-fri), names of meals and merchant groups.
//
// The one idea: whoever mends a price list wants every fault in one go, with its line, in the words of the key he wrote. So the file is walked
// key by key; what the tables say is wrong with themselves (rules.Check) is put on the line it came from; nothing is guessed, and nothing is
// rounded on its way in.
//
// It does not know what the site has registered: rules.CheckNames does, against a ledger.
package rulefile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"onecard/switch/rules"
)

// Fault is one thing wrong with one line.
type Fault struct {
	Line int    // from 1; 0: the file as a whole
	Key  string // "privileges[2].discount"; "" the file as a whole
	Text string
}

// Faults are all that is wrong with a file, in its order.
type Faults struct {
	Name string
	List []Fault
}

// Error prints one line a fault.
func (f *Faults) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d 处错误 / faults: %[2]d", f.Name, len(f.List))
	for _, fault := range f.List {
		fmt.Fprintf(&b, "\n%s", f.Name)
		if fault.Line > 0 {
			fmt.Fprintf(&b, ":%d", fault.Line)
		}
		if fault.Key != "" {
			fmt.Fprintf(&b, ": %s", fault.Key)
		}
		fmt.Fprintf(&b, ": %s", fault.Text)
	}
	return b.String()
}

// Read reads and checks a file's contents. The error is *Faults when the file can be read as YAML.
func Read(name string, source []byte) (*rules.Tables, error) {
	file, err := parser.ParseBytes(source, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, fmt.Errorf("%s: 不是正确的 YAML / is not well-formed YAML: %s", name, yaml.FormatError(err, false, true))
	}
	r := &reader{lines: map[place]int{}, rows: map[string]map[int]int{}}
	tables := &rules.Tables{}
	for i, document := range file.Docs {
		switch {
		case document.Body == nil:
		case i > 0:
			r.fault(document.Body, "", "一个文件只能有一份文档 / a file holds one document")
		default:
			r.tables(node{document.Body, ""}, tables)
		}
	}
	if len(r.faults) == 0 { // what could not be read would only be reported once more
		for _, f := range tables.Check() {
			key, line := f.Table, 0
			if f.Table != "" {
				key = fmt.Sprintf("%s[%d]", f.Table, f.Row+1)
				line = r.rows[f.Table][f.Row]
			}
			if f.Key != "" {
				key += "." + f.Key
				line = cmp.Or(r.lines[place{f.Table, f.Row, f.Key}], line)
			}
			r.faults = append(r.faults, Fault{line, key, f.Text})
		}
	}
	if len(r.faults) > 0 {
		slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &Faults{name, r.faults}
	}
	return tables, nil
}

// place is a key of a row of a table.
type place struct {
	table string
	row   int
	key   string
}

type reader struct {
	faults []Fault
	lines  map[place]int
	rows   map[string]map[int]int
}

// node is a value in the file with its path.
type node struct {
	ast.Node
	path string
}

func (r *reader) fault(at ast.Node, key, format string, args ...any) {
	line := 0
	if at != nil && at.GetToken() != nil {
		line = at.GetToken().Position.Line
	}
	r.faults = append(r.faults, Fault{line, key, fmt.Sprintf(format, args...)})
}

// mapping calls the function of each key. A key without one is a fault.
func (r *reader) mapping(n node, keys map[string]func(node)) {
	var values []*ast.MappingValueNode
	switch m := n.Node.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		r.fault(n.Node, n.path, "须为一组键值 / a group of keys is expected here")
		return
	}
	seen := map[string]bool{}
	for _, v := range values {
		key := v.Key.GetToken().Value
		path := key
		if n.path != "" {
			path = n.path + "." + key
		}
		read, known := keys[key]
		switch {
		case !known:
			names := make([]string, 0, len(keys))
			for name := range keys {
				names = append(names, name)
			}
			slices.Sort(names)
			r.fault(v.Key, path, "无此键;此处有 / unknown key; known here: %s", strings.Join(names, ", "))
		case seen[key]:
			r.fault(v.Key, path, "键重复 / key given twice")
		default:
			read(node{v.Value, path})
		}
		seen[key] = true
	}
}

// rowsOf reads a list of rows of a table and remembers their lines.
func rowsOf[T any](r *reader, table string, target *[]T, read func(n node, row *T) map[string]func(node)) func(node) {
	return func(n node) {
		if _, empty := n.Node.(*ast.NullNode); empty {
			return
		}
		list, ok := n.Node.(*ast.SequenceNode)
		if !ok {
			r.fault(n.Node, n.path, "须为列表,每行以 - 开头 / a list is expected here, each row beginning with -")
			return
		}
		r.rows[table] = map[int]int{}
		for i, value := range list.Values {
			*target = append(*target, *new(T))
			row := node{value, fmt.Sprintf("%s[%d]", table, i+1)}
			keys := read(row, &(*target)[i])
			end := keys[endOfRow]
			delete(keys, endOfRow)
			for name, visit := range keys {
				keys[name] = func(n node) {
					r.lines[place{table, i, name}] = n.GetToken().Position.Line
					visit(n)
				}
			}
			r.rows[table][i] = value.GetToken().Position.Line
			if m, ok := value.(*ast.MappingNode); ok && len(m.Values) > 0 {
				r.rows[table][i] = m.Values[0].Key.GetToken().Position.Line
			}
			r.mapping(row, keys)
			if end != nil {
				end(row)
			}
		}
	}
}

// endOfRow is no key of a file: what stands under it looks at a row when its keys have been read.
const endOfRow = ""
