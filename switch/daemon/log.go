package daemon

import (
	"io"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// levels are those that leave errors in the log.
var levels = map[string]zapcore.Level{"debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "warn": zapcore.WarnLevel, "error": zapcore.ErrorLevel}

// newLogger writes JSON lines. Behind the masking types stands a second guard: digits that could be a card number are masked in every
// text, whoever wrote it.
func newLogger(c LogConfig, out io.Writer) *zap.Logger {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.RFC3339TimeEncoder
	encoder.EncodeDuration = zapcore.StringDurationEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.Lock(zapcore.AddSync(out)), levels[c.Level])
	return zap.New(scrubber{zapcore.NewSamplerWithOptions(core, 1e9, 100, 100)})
}

// scrubber masks card numbers in messages and text fields.
type scrubber struct{ zapcore.Core }

func (s scrubber) With(fields []zapcore.Field) zapcore.Core {
	return scrubber{s.Core.With(scrubFields(fields))}
}

// Check asks the inner core, so that its sampling counts, and writes through the scrubber.
func (s scrubber) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if s.Core.Check(e, nil) == nil {
		return checked
	}
	return checked.AddCore(e, s)
}

func (s scrubber) Write(e zapcore.Entry, fields []zapcore.Field) error {
	e.Message = scrub(e.Message)
	return s.Core.Write(e, scrubFields(fields))
}

func scrubFields(fields []zapcore.Field) []zapcore.Field {
	clean := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		switch f.Type {
		case zapcore.StringType:
			f.String = scrub(f.String)
		case zapcore.ErrorType:
			if err, ok := f.Interface.(error); ok {
				f = zap.String(f.Key, scrub(err.Error()))
			}
		}
		clean[i] = f
	}
	return clean
}

// Card numbers have 16 to 19 digits here, bank cards 13 to 19.
const (
	cardDigitsMin = 13
	cardDigitsMax = 19
)

// scrub masks the middle of every run of 13 to 19 digits.
func scrub(text string) string {
	var b *strings.Builder
	written := 0
	for i := 0; i < len(text); {
		n := 0
		for i+n < len(text) && text[i+n] >= '0' && text[i+n] <= '9' {
			n++
		}
		if n >= cardDigitsMin && n <= cardDigitsMax {
			if b == nil {
				b = new(strings.Builder)
			}
			b.WriteString(text[written : i+6])
			b.WriteString(strings.Repeat("*", n-10))
			written = i + n - 4
		}
		i += max(n, 1)
	}
	if b == nil {
		return text
	}
	return b.String() + text[written:]
}
