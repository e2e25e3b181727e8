// Package tidy holds the house rules as tests: who may import whom, how long a function and a file may be, a comment on every package,
// no init and no package variables but errors and tables, no clock in the core, and the list of goroutines.
//
// The one idea: a rule that a machine can hold is not discussed in reviews. It has no code of its own outside the tests.
package tidy
