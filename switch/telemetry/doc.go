// Package telemetry turns what happens in the switch into Prometheus metrics. It is the only importer of client_golang.
//
// The one idea: packages tell what happens through their Events; the daemon wires those to the methods here. Label sets are closed (kind,
// code, reason, state), never a card or a terminal, so the number of series is known when the program is built.
//
// Durations are both classic and native histograms: alerts use the classic buckets, dashboards may use either.
//
// It keeps no history, raises no alerts (configs/prometheus) and decides nothing.
package telemetry
