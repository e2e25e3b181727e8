// Package campus says what a subsystem of the one-card platform is.
//
// The one idea: the switch has one way to add a kind of business. A subsystem is a value of one struct type; adding one touches its own
// folder and one line in switch/daemon/subsystems.go. A subsystem decides with what the core shows it and never touches a socket, the
// disk, the clock or another subsystem.
package campus

import "onecard/switch/transaction"

// Subsystem is one kind of business: consumption, access control, water ...
type Subsystem struct {
	Name   string              // "consumption": names its folder, its configuration and its metrics
	Title  string              // 消费 / consumption, for people
	Routes []transaction.Route // the requests it decides
}

// Routes gathers the routes of all subsystems.
func Routes(subsystems []Subsystem) []transaction.Route {
	var routes []transaction.Route
	for _, s := range subsystems {
		routes = append(routes, s.Routes...)
	}
	return routes
}
