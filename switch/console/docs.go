package console

import (
	"html/template"
	"net/http"
	"reflect"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"onecard/switch/transaction"
)

// The page is plain HTML made here from the OpenAPI document: a campus network has no way to a script on somebody's server.
const docsPage = `<!doctype html>
<html lang="zh-CN"><meta charset="utf-8"><title>{{.Title}}</title>
<style>body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:72em;margin:2em auto;padding:0 1em}
h2{margin:1.6em 0 .2em;font-size:1.05em}code{background:#f2f2f2;padding:.1em .3em}table{border-collapse:collapse;margin:.3em 0}
td,th{border:1px solid #ddd;padding:.15em .5em;text-align:left;vertical-align:top}.p{white-space:pre-line}</style>
<h1>{{.Title}}</h1><p class="p">{{.Description}}</p>
<p>每个请求 / every request: <code>Authorization: Bearer CODE.TOKEN</code>;每个 POST / every POST: <code>Idempotency-Key</code> (8–128).
<a href="openapi.json">openapi.json</a></p>
{{range .Operations}}<h2><code>{{.Method}} {{.Path}}</code> {{.Summary}}</h2>{{if .Description}}<p>{{.Description}}</p>{{end}}
{{if .Fields}}<table><tr><th>字段 / field</th><th>类型 / type</th><th>必填 / required</th><th>说明 / what</th></tr>
{{range .Fields}}<tr><td><code>{{.Name}}</code></td><td>{{.Type}}</td><td>{{if .Required}}是 / yes{{end}}</td><td>{{.Text}}</td></tr>{{end}}</table>{{end}}{{end}}
</html>`

type docsField struct {
	Name, Type, Text string
	Required         bool
}

type docsOperation struct {
	Method, Path, Summary, Description string
	Fields                             []docsField
}

func (c *Console) serveDocs(mux *http.ServeMux, spec *huma.OpenAPI) {
	page := template.Must(template.New("docs").Parse(docsPage))
	mux.HandleFunc("GET "+Base+"/docs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, map[string]any{"Title": spec.Info.Title, "Description": spec.Info.Description, "Operations": documented(spec)})
	})
}

// describeProblems puts our errors in the place of huma's in the document.
func describeProblems(spec *huma.OpenAPI) {
	ours := spec.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, item := range spec.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post} {
			if o == nil {
				continue
			}
			for _, response := range o.Responses {
				if media := response.Content[problemType]; media != nil {
					media.Schema = ours
				}
			}
		}
	}
	delete(spec.Components.Schemas.Map(), "ErrorModel")
	delete(spec.Components.Schemas.Map(), "ErrorDetail")
}

func documented(spec *huma.OpenAPI) (all []docsOperation) {
	for path, item := range spec.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post} {
			if o == nil {
				continue
			}
			d := docsOperation{Method: o.Method, Path: path, Summary: o.Summary, Description: o.Description}
			for _, p := range o.Parameters {
				d.Fields = append(d.Fields, docsField{p.In + " " + p.Name, typeWords(p.Schema), p.Description, p.Required})
			}
			if o.RequestBody != nil {
				d.Fields = append(d.Fields, bodyFields(spec, o.RequestBody)...)
			}
			all = append(all, d)
		}
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Path+all[i].Method < all[k].Path+all[k].Method })
	return all
}

func bodyFields(spec *huma.OpenAPI, body *huma.RequestBody) (fields []docsField) {
	media := body.Content["application/json"]
	if media == nil || media.Schema == nil {
		return nil
	}
	schema := media.Schema
	if schema.Ref != "" {
		schema = spec.Components.Schemas.SchemaFromRef(schema.Ref)
	}
	for name, s := range schema.Properties {
		required := false
		for _, r := range schema.Required {
			required = required || r == name
		}
		fields = append(fields, docsField{name, typeWords(s), s.Description, required})
	}
	sort.Slice(fields, func(i, k int) bool { return fields[i].Name < fields[k].Name })
	return fields
}

func typeWords(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Format != "":
		return s.Format
	}
	return s.Type
}

// roleNames lists roles for JSON.
func roleNames(r transaction.Role) []string {
	if r == 0 {
		return []string{}
	}
	return strings.Split(r.String(), ",")
}

// schemaName tells types of two packages apart that have one name.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if strings.HasSuffix(t.PkgPath(), "switch/query") {
		return "Query" + name
	}
	return name
}
