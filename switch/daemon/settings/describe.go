package settings

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
)

// Describe loads like Load and prints what is in force as YAML, each key with its origin: the line of the file, the environment variable,
// or nothing for a default.
func Describe(name string, source []byte, environment []string, target Validator) (string, error) {
	origins, err := load(name, source, environment, target)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := describe(&b, "", 0, reflect.ValueOf(target).Elem(), origins); err != nil {
		return "", err
	}
	return b.String(), nil
}

// originColumn is where origins begin, so that they line up.
const originColumn = 56

func describe(b *strings.Builder, path string, depth int, target reflect.Value, origins map[string]string) error {
	indent := strings.Repeat("  ", depth)
	for _, key := range keysOf(target) {
		field, _ := fieldOf(target, key)
		full := join(path, key)
		if isGroup(field) {
			fmt.Fprintf(b, "%s%s:\n", indent, key)
			if err := describe(b, full, depth+1, field, origins); err != nil {
				return err
			}
			continue
		}
		if isGroupList(field) && field.Len() > 0 {
			fmt.Fprintf(b, "%s%s:\n", indent, key)
			for i := range field.Len() {
				fmt.Fprintf(b, "%s  -\n", indent)
				if err := describe(b, fmt.Sprintf("%s[%d]", full, i), depth+2, field.Index(i), origins); err != nil {
					return err
				}
			}
			continue
		}
		value, err := yaml.MarshalWithOptions(field.Interface(), yaml.Flow(true))
		if err != nil {
			return fmt.Errorf("printing %s: %w", full, err)
		}
		line := fmt.Sprintf("%s%s: %s", indent, key, strings.TrimSpace(string(value)))
		if origin := origins[full]; origin != "" {
			line = fmt.Sprintf("%-*s # %s", originColumn, line, origin)
		}
		b.WriteString(line + "\n")
	}
	return nil
}
