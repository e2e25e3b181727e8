// Package settings reads a strict YAML file and the environment into a configuration struct and reports everything that is wrong at once.
//
// The one idea: an operator who mends a configuration wants all faults in one go, each with its line and a caret, in the words of the key
// he wrote. So the file is walked key by key beside the struct: an unknown key, a value of the wrong type and, later, a value out of
// bounds are all faults with a place.
//
// Environment variables lie over the file: ONECARD_ and the key's path in capitals, such as ONECARD_TERMINALS_LISTEN. It knows no key of
// its own and reads no secrets: those are named by *_file keys and read by whoever needs them.
package settings

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Fault is one thing wrong with one key.
type Fault struct {
	Key  string // "terminals.listen"
	Text string
}

func (f Fault) Error() string { return f.Key + ": " + f.Text }

// Faultf makes an error that names a key: packages' Validate methods join several.
func Faultf(key, format string, args ...any) error {
	return Fault{key, fmt.Sprintf(format, args...)}
}

// EnvironmentPrefix starts every environment variable of the program.
const EnvironmentPrefix = "ONECARD_"

// Validator checks bounds and what belongs together. It joins a Fault for each key that is wrong.
type Validator interface{ Validate() error }

// Load reads source (a YAML file's contents, name for messages) and the environment ("KEY=value" lines) over the values already in
// target, a pointer to a struct with yaml tags, and validates it. The error, if any, prints every fault with its line.
func Load(name string, source []byte, environment []string, target Validator) error {
	_, err := load(name, source, environment, target)
	return err
}

// load returns where each key came from.
func load(name string, source []byte, environment []string, target Validator) (origins map[string]string, err error) {
	w := walker{origins: map[string]string{}, name: name}
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: 不是正确的 YAML / is not well-formed YAML: %s", name, yaml.FormatError(err, false, true))
	}
	for i, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if i > 0 { // whoever appended it means it to count
			w.fault("---", "第 %d 行起是另一份文档,一个文件只能有一份 / another document begins at line %[1]d: a file holds one", document.Body.GetToken().Position.Line)
			break
		}
		w.mapping("", document.Body, reflect.ValueOf(target).Elem())
	}
	w.environment(environment, reflect.ValueOf(target).Elem())
	if err := target.Validate(); err != nil {
		w.faults = append(w.faults, flatten(err)...)
	}
	if len(w.faults) == 0 {
		return w.origins, nil
	}
	return nil, errors.New(w.report(name, source))
}

func flatten(err error) []Fault {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var faults []Fault
		for _, e := range joined.Unwrap() {
			faults = append(faults, flatten(e)...)
		}
		return faults
	}
	var f Fault
	if errors.As(err, &f) {
		return []Fault{f}
	}
	return []Fault{{"", err.Error()}}
}

type walker struct {
	name    string
	faults  []Fault
	origins map[string]string // key -> "switch.yaml:12" or the environment variable; a default is not in it
}

func (w *walker) fault(key, format string, args ...any) {
	w.faults = append(w.faults, Fault{key, fmt.Sprintf(format, args...)})
}

// mapping walks the keys of one mapping beside the fields of one struct.
func (w *walker) mapping(path string, node ast.Node, target reflect.Value) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return
	default:
		w.fault(cmp.Or(path, w.name), "须为一组键值 / a group of keys is expected here")
		return
	}
	seen := map[string]bool{}
	for _, v := range values {
		key := v.Key.GetToken().Value
		full := join(path, key)
		field, ok := fieldOf(target, key)
		switch {
		case !ok:
			w.fault(full, "无此键;此处有 / unknown key; known here: %s", strings.Join(keysOf(target), ", "))
		case seen[key]:
			w.fault(full, "键重复 / key given twice")
		case isGroup(field):
			w.mapping(full, v.Value, field)
		case isGroupList(field):
			w.list(full, v.Value, field)
			w.origins[full] = fmt.Sprintf("%s:%d", w.name, v.Key.GetToken().Position.Line)
		default:
			if err := yaml.NodeToValue(v.Value, field.Addr().Interface(), yaml.Strict()); err != nil {
				w.fault(full, "%s", typeText(field, v.Value.String()))
			}
			w.origins[full] = fmt.Sprintf("%s:%d", w.name, v.Key.GetToken().Position.Line)
		}
		seen[key] = true
	}
}

// Defaulter is an element of a list of groups that begins with defaults, over which its keys are read.
type Defaulter interface{ SetDefaults() }

// list walks a list of groups. The keys of its elements are named banks[0].links.
func (w *walker) list(path string, node ast.Node, target reflect.Value) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		if _, null := node.(*ast.NullNode); !null {
			w.fault(path, "须为列表,每项一组键值 / a list is expected here, each item a group of keys")
		}
		return
	}
	target.Set(reflect.MakeSlice(target.Type(), len(sequence.Values), len(sequence.Values)))
	for i, item := range sequence.Values {
		element := target.Index(i)
		element.Addr().Interface().(Defaulter).SetDefaults()
		w.mapping(fmt.Sprintf("%s[%d]", path, i), item, element)
	}
}

// isGroupList says whether a field is a list of groups.
func isGroupList(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && reflect.PointerTo(v.Type().Elem()).Implements(reflect.TypeFor[Defaulter]())
}

func (w *walker) environment(lines []string, target reflect.Value) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		rest, ours := strings.CutPrefix(name, EnvironmentPrefix)
		if !ours {
			continue
		}
		if key, field, ok := lookup(target, "", rest); !ok {
			w.fault(name, "环境变量不对应任何键 / this environment variable names no key")
		} else if field.Kind() == reflect.String { // as it stands: [::1]:8583 is no list, and nothing is the empty text
			field.SetString(value)
			w.origins[key] = name
		} else if err := fromText(value, field); err != nil {
			w.fault(key, "%s", typeText(field, value))
			w.origins[key] = name
		} else {
			w.origins[key] = name
		}
	}
}

// fromText reads a value that is no text. An empty variable gives none.
func fromText(value string, field reflect.Value) error {
	if strings.TrimSpace(value) == "" {
		return errors.New("there is no value")
	}
	return yaml.Unmarshal([]byte(value), field.Addr().Interface())
}

// lookup finds the leaf whose path in capitals, joined by _, is name.
func lookup(target reflect.Value, path, name string) (string, reflect.Value, bool) {
	for _, key := range keysOf(target) {
		field, _ := fieldOf(target, key)
		upper := strings.ToUpper(key)
		if isGroupList(field) {
			continue // it has too many keys for one variable
		}
		if !isGroup(field) {
			if name == upper {
				return join(path, key), field, true
			}
			continue
		}
		if rest, ok := strings.CutPrefix(name, upper+"_"); ok {
			if full, leaf, ok := lookup(field, join(path, key), rest); ok {
				return full, leaf, true
			}
		}
	}
	return "", reflect.Value{}, false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// isGroup says whether a field is a group of keys rather than a value.
func isGroup(v reflect.Value) bool {
	if v.Kind() != reflect.Struct {
		return false
	}
	_, text := v.Addr().Interface().(interface{ UnmarshalText([]byte) error })
	_, own := v.Addr().Interface().(yaml.BytesUnmarshaler)
	return !text && !own
}

func tagOf(f reflect.StructField) string {
	tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return tag
}

func fieldOf(target reflect.Value, key string) (reflect.Value, bool) {
	for i := range target.NumField() {
		if tag := tagOf(target.Type().Field(i)); tag == key && tag != "-" {
			return target.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func keysOf(target reflect.Value) []string {
	var keys []string
	for i := range target.NumField() {
		if tag := tagOf(target.Type().Field(i)); tag != "" && tag != "-" {
			keys = append(keys, tag)
		}
	}
	return keys
}

func typeText(field reflect.Value, got string) string {
	zh, en := "文本", "text"
	switch {
	case field.Type().String() == "time.Duration":
		zh, en = "时长,如 500ms、10s、5m", "a duration such as 500ms, 10s or 5m"
	case field.CanInt() || field.CanUint():
		zh, en = "整数", "a whole number"
	case field.Kind() == reflect.Bool:
		zh, en = "true 或 false", "true or false"
	case field.Kind() == reflect.Slice:
		zh, en = "列表", "a list"
	}
	return fmt.Sprintf("值 %q 类型不对,须为%s / %[1]q is not %[3]s", got, zh, en)
}

// report prints all faults, in the order of the file where they have a line.
func (w *walker) report(name string, source []byte) string {
	var b strings.Builder
	plural := "s"
	if len(w.faults) == 1 {
		plural = ""
	}
	fmt.Fprintf(&b, "%s: %d 处错误 / %[2]d fault%s", cmp.Or(name, "配置 / configuration"), len(w.faults), plural)
	slices.SortStableFunc(w.faults, func(a, c Fault) int { return lineOf(source, a.Key) - lineOf(source, c.Key) })
	for _, f := range w.faults {
		fmt.Fprintf(&b, "\n\n%s: %s", f.Key, f.Text)
		if origin := w.origins[f.Key]; strings.HasPrefix(origin, EnvironmentPrefix) {
			fmt.Fprintf(&b, "\n  取自环境变量 / from the environment: %s", origin)
			continue // the line of the file is not what is in force
		}
		if excerpt := excerptOf(source, f.Key); excerpt != "" {
			fmt.Fprintf(&b, "\n%s", excerpt)
		}
	}
	return b.String()
}

func pathOf(key string) (*yaml.Path, error) { return yaml.PathString("$." + key) }

func lineOf(source []byte, key string) int {
	if path, err := pathOf(key); err == nil {
		if file, err := parser.ParseBytes(source, 0); err == nil {
			if node, err := path.FilterFile(file); err == nil && node != nil {
				return node.GetToken().Position.Line
			}
		}
	}
	return 1 << 30
}

func excerptOf(source []byte, key string) string {
	path, err := pathOf(key)
	if err != nil {
		return ""
	}
	excerpt, err := path.AnnotateSource(source, false)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(excerpt), "\n")
}
