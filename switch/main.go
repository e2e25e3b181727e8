// Command onecard is the campus one-card switch: terminals in, bank out, every fen accounted for.
//
// This file holds nothing but the program's name and version; the commands are in switch/command.
package main

import (
	"os"

	"onecard/switch/command"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(command.Run(version, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
