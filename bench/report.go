package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

func printSaturation(out io.Writer, results []result) {
	fmt.Fprintf(out, "\n%11s %9s %11s %9s %9s %9s %10s %8s %11s %11s %7s %7s\n",
		"connections", "in flight", "tps", "p50 ms", "p99 ms", "p99.9 ms", "cpu us/req", "group", "echo tps", "floor tps", "/echo", "/floor")
	for _, r := range results {
		fmt.Fprintf(out, "%11d %9d %11.0f %9.2f %9.2f %9.2f %10.2f %8.0f %11.0f %11.0f %7.2f %7.2f\n",
			r.Connections, r.InFlight, r.TPS, r.P50, r.P99, r.P999, r.CPU, r.Group, r.Echo, r.Floor, r.RatioEcho, r.RatioFloor)
	}
}

// writeSaturation writes the JSON and the benchmark file where they are wanted. For benchstat every round is a line of its own.
func writeSaturation(jsonPath, textPath string, results []result) error {
	if jsonPath != "" {
		if err := writeJSON(jsonPath, results); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	for _, r := range results {
		for _, m := range r.switchRounds {
			fmt.Fprintf(&text, "BenchmarkSaturate/%dx%d-%d 1 %.1f ns/op %.0f tps %.3f p50-ms %.3f p99-ms %.3f p99.9-ms %.3f cpu-us/op %.0f entries/group\n",
				r.Connections, r.InFlight, runtime.NumCPU(), 1e9/m.tps, m.tps, m.p50, m.p99, m.p999, m.cpu, m.group)
		}
	}
	return writeBenchmarks(textPath, text.Bytes())
}

func writeJSON(path string, value any) error {
	contents, err := json.MarshalIndent(value, "", "  ")
	if err == nil {
		err = writeFile(path, append(contents, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return nil
}

// writeBenchmarks writes lines in Go's benchmark format.
func writeBenchmarks(path string, lines []byte) error {
	if path == "" {
		return nil
	}
	head := fmt.Sprintf("goos: %s\ngoarch: %s\npkg: onecard/bench\n", runtime.GOOS, runtime.GOARCH)
	if err := writeFile(path, append([]byte(head), lines...)); err != nil {
		return fmt.Errorf("writing results for benchstat: %w", err)
	}
	return nil
}

func writeFile(path string, contents []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, contents, 0o644)
}
